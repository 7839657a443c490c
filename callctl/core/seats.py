"""A city of the real province as the policy's Room: its agents, its seats on loan, and which seat would be the next.

Lives for one plan only. Dedicated seats are no part of the home queue: its callers and its reserve do not hold them back.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Set
from typing import NamedTuple

from callctl.core.allocation import Help, Pool, Room
from callctl.core.between import FIRST_SEEN, HEALTHY, UNLIMITED, Between, PairHealth, doubled_s
from callctl.core.model import Lending, Pair, Province, SeatRef
from callctl.core.reasons import Why
from callctl.core.wishes import Wishes
from callctl.core.world import NOBODY_SERVED, CityView, Kept, Missed, World

FRESH_S = 45.0  # Every city is read anew each 30 s; one reading may be missed by half.
COOL_DOWN_S = 60.0  # A lent seat that did not answer.
COOL_DOWN_MOST_S = 960.0  # It doubles with every miss up to this.
LENT_HERE, AT_HOME, LENT_ELSEWHERE = 2, 1, 0  # How near a seat is to ringing for a city.


class Setting(NamedTuple):
    """The arguments of one plan, passed along as one."""

    province: Province
    world: World
    wishes: Wishes
    now: float
    settling: Set[SeatRef]  # Seats moved lately: they stay where they are for a moment.


class CityRoom(Room):
    """One city while a plan is made."""

    __slots__ = ("_at_home", "at", "briefed_out", "code", "lent_free", "line", "view")

    def __init__(self, at: Setting, code: str, index: int) -> None:
        view, wishes, now = at.world.cities[code], at.wishes, at.now
        super().__init__(index, code, view.experience)
        self.at, self.code, self.view = at, code, view
        tally, city = view.tally, view.city
        self.known = view.fresh(now, FRESH_S)
        self.staff = tally.staff
        self.idle = bisect_right(tally.idle_from, now)  # Lent shared seats included: home callers may have them.
        self.dedicated = bisect_right(tally.dedicated_from, now) if tally.dedicated_from else 0
        self.waiting = view.unserved  # A caller for whom a home agent's phone rings does not wait for want of agents.
        self.line = view.unserved_sinces
        self.waiting_since = self._since
        self.lent = sum(tally.serving.values())
        self.quota = wishes.quotas.get(code, city.lend.quota)
        self.least_reserve = city.lend.reserve
        self.together = city.lend.together if view.rings_together else 1
        self.threshold_s, self.release_s = city.queue.wait_threshold_s, city.queue.release_after_s
        event = wishes.events.get(code)
        if event is not None:
            self.switched_on = event.switched_on and not wishes.stopped
            self.weight = event.priority
        self.lent_free: dict[tuple[str, bool], list[str]] = {}  # By city helped and dedicated: seats to ring, next last.
        self._at_home: dict[bool, list[str]] = {}  # Seats that may be lent now, by dedicated; the next last.

    def cover(self, calls: Set[str]) -> None:
        """These calls ring elsewhere: they go before all others in the line, as the helps that cover them do."""
        waiting, line = self.view.waiting, [*self.line]
        covered = [waiting[call].waiting_since if call in waiting else float("-inf") for call in calls]
        for since in covered:
            place = bisect_left(line, since)
            if place < len(line) and line[place] == since:
                del line[place]
        self.line = (*sorted(covered), *line)

    def uncovered_too_long(self) -> int:
        """Waiting calls over the threshold that no help covers."""
        return bisect_right(self.line[len(self.under_way) :], self.at.now - self.threshold_s)

    def _since(self, place: int) -> float:
        return self.line[place] if place < len(self.line) else float("inf")

    def shared_bar(self) -> Why | None:
        """What keeps it from lending a seat that its own callers need as well."""
        return Why.NO_SEAT_ON_DUTY if self.view.tally.on_duty <= 0 else super().shared_bar()

    def is_dedicated(self, seat: str) -> bool:
        """Whether the seat takes only calls of assisted cities."""
        return self.view.fixed.lending.get(seat) is Lending.DEDICATED

    def lend_again(self, kept: Kept) -> None:
        """A seat on loan that could be rung."""
        self.lent_free.setdefault((kept.assisted, kept.dedicated), []).append(kept.ref.seat)

    def pool(self, assisted: Room) -> Pool:
        """The seats from which `assisted` would get one now: those it has on loan first, then dedicated ones."""
        spare, name = self.spare(), assisted.name
        if self.lent_free:
            if some := self.lent_free.get((name, True)):
                return Pool(LENT_HERE, True, len(some))
            if spare > 0 and (some := self.lent_free.get((name, False))):
                return Pool(LENT_HERE, False, min(len(some), spare))
        if self.at.world.registry_up and steady(self.at.world.cities[name], self.view, self.at.now):
            for nearness in (AT_HOME, LENT_ELSEWHERE):
                if self.dedicated > 0 and (number := self._number(name, nearness, True)):
                    return Pool(nearness, True, number)
                if spare > 0 and (number := self._number(name, nearness, False)):
                    return Pool(nearness, False, min(number, spare))
        return Pool(LENT_HERE, False, 0)

    def beside(self, help_: Help) -> int:
        """Seats at home that may ring together with the help's. Those on loan ring in the groups they have."""
        if help_.nearness != AT_HOME:
            return 0
        quota = self.quota - self.lent - sum([len(some) for some in self.lent_free.values()])
        return min(super().beside(help_), self._number(help_.assisted.name, AT_HOME, help_.dedicated), quota)

    def _number(self, assisted: str, nearness: int, dedicated: bool) -> int:
        if nearness == AT_HOME and assisted not in self.at.world.unbriefed:
            return len(self.at_home(dedicated))
        return sum([len(some) for _, some in self._seats(assisted, nearness, dedicated)])

    def take(self, assisted: Room, nearness: int, dedicated: bool) -> tuple[str, str]:
        """Take the next seat out of the pool, and say to whom it was lent before ("": to nobody)."""
        present, some = next(each for each in self._seats(assisted.name, nearness, dedicated) if each[1])
        seat = some[-1]
        (self.lent_free[present, dedicated] if present else self.at_home(dedicated)).remove(seat)
        return seat, present

    def _seats(self, assisted: str, nearness: int, dedicated: bool) -> list[tuple[str, list[str]]]:
        """Lists of alike seats, with the city they are lent to; the next seat is the last one."""
        if nearness == LENT_HERE:
            return [(assisted, self.lent_free.get((assisted, dedicated), []))]
        if nearness == AT_HOME:
            found = [("", self.at_home(dedicated))]
        else:
            found = [
                (other, [seat for seat in some if SeatRef(self.code, seat) not in self.at.settling])
                for (other, kind), some in self.lent_free.items()
                if kind is dedicated and other != assisted
            ]
            found.sort(key=lambda each: bool(self.at.world.cities[each[0]].waiting))  # Whom it costs nothing, first.
        unbriefed = self.at.world.unbriefed.get(assisted)
        if unbriefed:
            return [(other, [seat for seat in some if SeatRef(self.code, seat) not in unbriefed]) for other, some in found]
        return found

    def at_home(self, dedicated: bool) -> list[str]:
        """Free seats that are lent to nobody; the next one last.

        It is the most recently idle: the home queue gives its next call to the longest idle, so the two do not race.
        """
        names = self._at_home.get(dedicated)
        if names is None:
            lendable, missed = self.view.tally.lendable[dedicated], self.view.missed
            rested = lendable[bisect_left(lendable, (-self.at.now, "")) :]
            names = [name for _, name in reversed(rested) if not cooling_down(missed.get(name), self.at.now)]
            self._at_home[dedicated] = names
        return names

    def why_not(self, assisted: Room, between: Between) -> Why | None:
        """Why no further seat can be lent to `assisted` now; None where one can."""
        if not self.at.world.registry_up:
            return Why.REGISTRY_LOST
        bar = self.bar() or between.why_not(self.at.now)
        return bar or (None if self.pool(assisted).seats else self._seats_bar(assisted))

    def _seats_bar(self, assisted: Room) -> Why:
        """Why none of the seats fits, although some agents are idle."""
        dedicated, shared = self.at_home(True), self.at_home(False)
        if dedicated or (shared and self.spare()):
            home = self.at.world.cities[assisted.name]
            return Why.UNBRIEFED if steady(home, self.view, self.at.now) else Why.TRUNK_BACK
        if shared and (bar := self.shared_bar()) is not None:
            return bar
        cooling = any(
            cooling_down(self.view.missed.get(name), self.at.now) for some in self.view.tally.lendable for _, name in some
        )
        return Why.COOL_DOWN if cooling else Why.SEATS_BUSY


def could_lend(view: CityView, now: float) -> bool:
    """Whether it is worth looking at the city closely; the policy decides."""
    tally = view.tally
    return bool(tally.dedicated_from) or (tally.on_duty > 0 and not view.unserved and view.idle(now) > 0)


def pair_bar(at: Setting, assisted: str, supporting: str) -> Why | None:
    """What no call between the two passes."""
    away = at.world.cities[supporting]
    seats = at.wishes.events[assisted].seats
    if assisted not in away.fixed.helps:
        return Why.NO_HELPER
    if seats and seats.get(supporting, 0) <= 0:
        return Why.NOT_IN_EVENT
    if assisted not in away.fixed.channels:
        return Why.NO_TRUNK
    return None if trunk_up(at.world, Pair(assisted, supporting)) else Why.TRUNK_DOWN


def between_cities(at: Setting, assisted: CityRoom, supporting: CityRoom) -> Between:
    """What lies between the two, from both ends and in both directions."""
    home, away = assisted.view, supporting.view
    here, there = assisted.code, supporting.code
    seats = at.wishes.events[here].seats
    between = Between(
        away.fixed.channels.get(here, 0), seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)
    )
    between.lent = away.tally.serving.get(here, 0)
    out = max(home.slots_in_use.get(there, 0), away.carries(here))
    between.carried = out + max(away.slots_in_use.get(here, 0), home.carries(there))
    if there in home.failing:
        between.health = pair_health(at.world, Pair(here, there))
    return between


def pair_health(world: World, pair: Pair) -> PairHealth:
    """How set-ups of the pair go, seen from both ends: a ring at the supporting city proves the way to be open."""
    health = world.cities[pair.assisted].pairs.get(pair.supporting, HEALTHY)
    reached_at = world.cities[pair.supporting].reached.get(pair.assisted, 0.0)
    return HEALTHY if reached_at > health.failed_at else health


def trunk_up(world: World, pair: Pair) -> bool:
    """Whether neither end sees the trunk down. Never heard of counts as up: the circuit breaker stands behind."""
    home, away = world.cities[pair.assisted], world.cities[pair.supporting]
    return home.trunk_up(pair.supporting) is not False and away.trunk_up(pair.assisted) is not False


def steady(home: CityView, away: CityView, now: float) -> bool:
    """Whether seats may be lent anew over the trunk between the two, as both ends see it."""
    here, there = home.city.code, away.city.code
    if there not in home.trunks_fallen and here not in away.trunks_fallen:
        return True
    return home.trunks.get(there, FIRST_SEEN).steady(now) and away.trunks.get(here, FIRST_SEEN).steady(now)


def cooling_down(missed: Missed | None, now: float) -> bool:
    """Whether a lent seat that did not answer is left in peace."""
    if missed is None:
        return False
    return now - missed.at < doubled_s(COOL_DOWN_S, missed.times, COOL_DOWN_MOST_S)


def ringing_elsewhere(world: World, assisted: CityView) -> Iterator[tuple[str, Set[str]]]:
    """By city: waiting calls of `assisted` that ring there. They are still in its queue, and need no further seat.

    Also those just answered there of which their own city has not told yet.
    """
    waiting = assisted.waiting
    for other, view in world.cities.items():
        calls, ringing = served(assisted, view)
        if calls and (covered := ringing | (calls & waiting.keys())):
            yield other, covered


def cut_off(home: CityView, away: CityView) -> int:
    """Rings and talks of `home` with agents of `away` that ended when that PBX started anew.

    Their slots stay in use until the ring gives up (16 s) or the silent leg is found (20 s), and lead nobody anywhere.
    """
    code = away.city.code
    if home.slots_in_use.get(code, 0) <= away.carries(home.city.code):
        return 0
    there = (slot for ref, slot in home.slots.items() if ref.supporting == code)
    return sum(slot.in_use and slot.used_since < away.booted_at for slot in there)


def served(home: CityView, away: CityView) -> tuple[Set[str], Set[str]]:
    """Calls that ring or talk at `away` for a citizen of `home` who is still there; and those of them that ring.

    Those of a city that has started anew since are not: a dead PBX cancels no ring and ends no talk, and nobody tells. The
    phone rings out (14 s), the leg is found silent (20 s).
    """
    since, ringing, oldest = away.tally.served.get(home.city.code, NOBODY_SERVED)
    if home.up and oldest < home.booted_at:
        known = home.waiting.keys() | home.talks.keys()  # A reading may take a ring for older than it is.
        still = {call for call, at in since.items() if at >= home.booted_at or call in known}
        return still, ringing & still
    return since.keys(), ringing
