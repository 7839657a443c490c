"""One supporting city while a plan is made: what it has left to give, and the first thing that stands in the way."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from callctl.core.model import Lending, Pair, Province, SeatRef
from callctl.core.reasons import Why
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.core.world import CityView, Kept, Missed, PairHealth, World

FRESH_S = 45.0  # Every city is read anew each 30 s; one reading may be missed by half.
BREAKER_FAILURES = 3  # In a row; a single failed set-up is daily life.
BREAKER_OPEN_S = 15.0  # routing.md, policy to build, 4.
COOL_DOWN_S = 60.0  # A lent seat that did not answer.
COOL_DOWN_MOST_S = 960.0  # It doubles with every miss up to this.
UNLIMITED = 1_000_000


class Setting(NamedTuple):
    """The arguments of one plan, passed along as one, and what stands between pairs of cities, found once."""

    province: Province
    world: World
    wishes: Wishes
    active: Mapping[str, float | None]
    now: float
    barred: Mapping[str, Mapping[str, Why]]  # By assisted, then supporting city: trunk down, or the breaker is open.

    def event(self, assisted: str) -> AssistanceEvent:
        """The event of a city that is wished on."""
        return self.wishes.events[assisted]


def barred_pairs(world: World, active: Iterable[str], now: float) -> dict[str, dict[str, Why]]:
    """The pairs no call can pass between now. Failures are few, so only what failed is looked at."""
    barred: dict[str, dict[str, Why]] = {code: {} for code in active}
    for code, others in barred.items():
        view = world.cities[code]
        for other in view.failing:
            if other in world.cities and breaker_slots(world, Pair(code, other), now) == 0:
                others[other] = Why.BREAKER
        others.update(dict.fromkeys(view.trunks_down, Why.TRUNK_DOWN))
    for code, view in world.cities.items():
        for other in view.trunks_down:
            if other in barred:
                barred[other][code] = Why.TRUNK_DOWN
    return barred


class Room:
    """What one supporting city has to give. Mutable, lives for one plan only.

    Dedicated seats are no part of the home queue: its callers and its reserve do not hold them back.
    """

    __slots__ = (
        "at", "cap_left", "city", "closed", "code", "dedicated", "helps", "idle_left", "kept", "quota_left", "seats_bar",
        "shared", "trunk_left", "view",
    )  # fmt: skip

    def __init__(self, at: Setting, code: str) -> None:
        self.at = at
        self.code = code
        self.city = at.province.cities[code]
        self.view = at.world.cities[code]
        self.helps = self.view.fixed.helps
        self.closed: Why | None = None
        if not self.view.fresh(at.now, FRESH_S):
            self.closed = Why.PBX_DOWN
        elif code in at.active:
            self.closed = Why.ITSELF_ASSISTED  # One-way: who is helped does not help (Perry & Whitt).
        self.seats_bar: Why | None = None
        # Agents who may be away from home at this moment: none while own callers wait. A caller for whom a home
        # agent's phone rings does not wait for want of agents; counting him would shut the slots at every home call.
        spare = self.view.idle(at.now) - self.city.lend.reserve
        self.idle_left = 0 if self.view.unserved else max(0, spare)
        self.quota_left = at.wishes.quotas.get(code, self.city.lend.quota)
        # Seats lent already, kept and free to be rung, by assisted city: dedicated, shared, not yet confirmed of both.
        self.kept: dict[str, list[int]] = {}
        self.cap_left: dict[str, int] = {}
        self.trunk_left: dict[str, int] = {}
        self.dedicated: list[str] | None = None  # Seats that may be lent now, next one last; found when first asked.
        self.shared: list[str] | None = None

    def bars(self, assisted: str) -> Why | None:
        """What stands between the two cities, whatever the seats."""
        if self.closed is not None:
            return self.closed
        if self.event_cap(assisted) <= 0:
            return Why.NOT_IN_EVENT
        if not self.view.fixed.channels.get(assisted):
            return Why.NO_TRUNK
        return self.at.barred[assisted].get(self.code)

    def why_not(self, assisted: str) -> Why | None:
        """Why no further seat can be lent to `assisted` now; None where one can."""
        if not self.at.world.registry_up:
            return Why.REGISTRY_LOST
        if (bar := self.bars(assisted)) is not None:
            return bar
        if self.quota_left <= 0 or self.caps(assisted) <= 0:
            return Why.QUOTA
        if self.channels_left(assisted) <= 0:
            return Why.TRUNK_FULL
        return None if self.has_seat() else self._seats_bar()

    def general_bar(self) -> Why | None:
        """Why nobody at all gets a further seat from here; None where it depends on who asks."""
        if not self.at.world.registry_up:
            return Why.REGISTRY_LOST
        if self.closed is not None or self.quota_left <= 0:
            return self.closed or Why.QUOTA
        return None if self.has_seat() else self._seats_bar()

    def has_seat(self) -> bool:
        """Whether there is a seat to lend and a quota to lend it on."""
        dedicated, shared = self.free_seats()
        return self.quota_left > 0 and bool(dedicated or (shared and self.idle_left > 0))

    def _seats_bar(self) -> Why:
        if self.seats_bar is None:
            view, now = self.view, self.at.now
            if view.tally.on_duty == 0:
                self.seats_bar = Why.NO_SEAT_ON_DUTY
            elif self.shared:
                self.seats_bar = Why.OWN_CALLERS if view.unserved else Why.RESERVE
            elif any(cooling_down(view.missed.get(name), now) for name in view.tally.lendable):
                self.seats_bar = Why.COOL_DOWN
            else:
                self.seats_bar = Why.SEATS_BUSY
        return self.seats_bar

    def event_cap(self, assisted: str) -> int:
        """Most seats the event lets this city lend."""
        seats = self.at.event(assisted).seats
        return seats.get(self.code, 0) if seats else UNLIMITED

    def caps(self, assisted: str) -> int:
        """Seats the event still lets this city lend."""
        left = self.cap_left.get(assisted)
        if left is None:
            left = self.cap_left[assisted] = self.event_cap(assisted)
        return left

    def channels_left(self, assisted: str) -> int:
        """Trunk channels that no call uses, seen from both ends and in both directions, less those promised here."""
        if assisted not in self.trunk_left:
            home = self.at.world.cities[assisted]
            out = max(home.slots_in_use.get(self.code, 0), self.view.tally.serving.get(assisted, 0))
            back = max(self.view.slots_in_use.get(assisted, 0), home.tally.serving.get(self.code, 0))
            self.trunk_left[assisted] = self.view.fixed.channels.get(assisted, 0) - out - back
        return self.trunk_left[assisted]

    def free_seats(self) -> tuple[list[str], list[str]]:
        """Dedicated and shared seats that could be lent at once; the best one last."""
        if self.dedicated is None or self.shared is None:
            self.dedicated, self.shared = [], []
            view, now = self.view, self.at.now
            for name in reversed(view.tally.lendable):
                if view.seats[name].free_from <= now and not cooling_down(view.missed.get(name), now):
                    (self.dedicated if view.fixed.lending[name] is Lending.DEDICATED else self.shared).append(name)
        return self.dedicated, self.shared

    def rank(self) -> tuple[bool, int]:
        """Who is asked first: the greater. Dedicated seats, then the most agents to spare."""
        dedicated, shared = self.free_seats()
        return (bool(dedicated), len(dedicated) or min(len(shared), self.idle_left))

    def take(self, assisted: str) -> SeatRef:
        """Promise one seat to `assisted`; only after why_not() said None."""
        dedicated, shared = self.free_seats()
        if dedicated:
            seat = dedicated.pop()
        else:
            # The most recently idle: the home queue gives its next call to the longest idle, so the two do not race.
            seat = shared.pop()
            self.idle_left -= 1
        self.book(assisted)
        self.trunk_left[assisted] -= 1
        self.seats_bar = None
        return SeatRef(self.code, seat)

    def book(self, assisted: str) -> None:
        """Count one loan against quota and event."""
        self.quota_left -= 1
        self.cap_left[assisted] = self.caps(assisted) - 1

    def keep(self, seat: Kept) -> None:
        """Count a loan that goes on, and whether its seat could be rung now."""
        assisted = seat.assisted
        self.book(assisted)
        if assisted not in self.kept:
            self.kept[assisted] = [0, 0, 0]
        if seat.free_from <= self.at.now:
            count = self.kept[assisted]
            count[0 if seat.dedicated else 1] += 1
            if self.at.world.pending:
                count[2] += seat.ref in self.at.world.pending


def cooling_down(missed: Missed | None, now: float) -> bool:
    """Whether a lent seat that did not answer is left in peace."""
    if missed is None:
        return False
    return now - missed.at < min(COOL_DOWN_S * 2.0 ** min(missed.times - 1, 10), COOL_DOWN_MOST_S)


def trunk_up(world: World, pair: Pair) -> bool:
    """Whether neither end sees the trunk down. Never heard of counts as up: the circuit breaker stands behind."""
    there = world.cities[pair.assisted].trunks.get(pair.supporting, True)
    return there and world.cities[pair.supporting].trunks.get(pair.assisted, True)


def breaker_slots(world: World, pair: Pair, now: float) -> int:
    """Free slots the circuit breaker lets open: all, one probe, or none."""
    health = world.cities[pair.assisted].pairs.get(pair.supporting, PairHealth())
    reached_at = world.cities[pair.supporting].reached.get(pair.assisted, 0.0)
    if health.failures < BREAKER_FAILURES or reached_at > health.failed_at:
        return UNLIMITED
    return 0 if now - health.failed_at < BREAKER_OPEN_S else 1


def waits_too_long(view: CityView, now: float) -> int:
    """Calls over their city's threshold."""
    return view.waiting_longer_than(view.city.queue.wait_threshold_s, now)
