"""What we know about every city right now: calls waiting, seats, slots, talks, trunks. Only facts change it (fold.py)."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from callctl.core.between import PairHealth, TrunkView
from callctl.core.events import Answerer, SeatState, SlotState, WaitingCall
from callctl.core.experience import Experience, first_experience
from callctl.core.model import City, Lending, Province, SeatRef, SlotRef

NEVER = float("inf")


class SeatLoan(NamedTuple):
    """One membership of a seat in the support queue of `assisted`, as the PBX shows it."""

    assisted: str
    token: int
    group: int = 0  # Of the seats that ring together for one caller.


class SeatView(NamedTuple):
    """A seat as last heard of."""

    state: SeatState = SeatState.OFFLINE
    ready: bool = True
    free_from: float = 0.0  # End of wrap-up; the seat takes no call before.
    call: str = ""
    serving: str = ""  # The assisted city whose call it rings or talks on; "" for a home call or none.
    loans: tuple[SeatLoan, ...] = ()  # By rising token. More than one: two controllers were at work.
    since: float = 0.0  # When its call began here, as far as we know.


class SlotView(NamedTuple):
    """A slot of the home queue as last heard of."""

    state: SlotState
    token: int = 0
    in_use: bool = False
    call: str = ""
    reason: str = ""
    since: float = 0.0  # When it came into this state, as far as we know.
    used_since: float = 0.0  # When the call in it began to ring, as far as we know.


class Talk(NamedTuple):
    """A conversation."""

    by: Answerer
    answered_at: float


class Missed(NamedTuple):
    """Rings a lent seat left unanswered, in a row."""

    times: int = 0
    at: float = 0.0
    call: str = ""


class Kept(NamedTuple):
    """A lent seat that goes on being lent as far as it is up to the seat: its phone is there and its agent ready."""

    ref: SeatRef
    assisted: str
    dedicated: bool
    free_from: float  # When it can be rung; NEVER while it rings or talks for its own city.


class Served(NamedTuple):
    """Calls of one assisted city that ring or talk here; one that rings at several seats is one call."""

    since: Mapping[str, float]  # By call: when it began here.
    ringing: frozenset[str]
    oldest: float


NOBODY_SERVED = Served({}, frozenset(), float("inf"))


class Tally(NamedTuple):
    """What the policy asks of the seats, counted once for every picture of a city."""

    idle_from: tuple[float, ...]  # Sorted end of wrap-up of each phone that is free for the home queue.
    dedicated_from: tuple[float, ...]  # The same of the dedicated seats, which are not in the home queue.
    # Free, ready, not lent: shared seats, then dedicated ones; each with its end of wrap-up below zero, latest first.
    lendable: tuple[tuple[tuple[float, str], ...], tuple[tuple[float, str], ...]]
    lent: Mapping[str, SeatLoan]  # Seats on loan, with the latest token; dedicated first, then the oldest loan.
    helped: frozenset[str]  # Whom they are lent to.
    kept: tuple[Kept, ...]  # Those of them that serve nobody just now and may stay lent; a plan looks at each.
    held: Mapping[str, Mapping[SeatRef, str]]  # By assisted city: those that ring or talk for another city.
    serving: Mapping[str, int]  # Seats that ring or talk here for each assisted city.
    served: Mapping[str, Served]  # Their calls, by assisted city.
    away: tuple[str, ...]  # The seats that ring or talk for others.
    staff: int  # Agents of the home queue on duty: phone there, ready.
    on_duty: int  # Seats that may be lent and whose phone is there and ready.
    ringing_home: int  # Phones that ring for a home call.


class Fixed(NamedTuple):
    """What the data folders say of a city, looked up in every plan, and therefore indexed once."""

    city: City
    lending: Mapping[str, Lending]  # By seat.
    channels: Mapping[str, int]  # Calls at a time to and from each other city; none: not named.
    helps: frozenset[str]


@dataclass(frozen=True)
class CityView:
    """One city. `up` False: nothing below is known. No __slots__: the counts are cached in the instance."""

    fixed: Fixed
    up: bool = False
    heard_at: float = 0.0
    booted_at: float = 0.0
    rings_together: bool = False  # Whether the PBX can ring several lent seats for one call.
    lost_reason: str = ""
    waiting: Mapping[str, WaitingCall] = field(default_factory=dict)  # Returned ones first, then by first arrival.
    seats: Mapping[str, SeatView] = field(default_factory=dict)
    slots: Mapping[SlotRef, SlotView] = field(default_factory=dict)
    talks: Mapping[str, Talk] = field(default_factory=dict)
    rings: Mapping[str, tuple[Answerer, ...]] = field(default_factory=dict)
    trunks: Mapping[str, TrunkView] = field(default_factory=dict)  # By city.
    # Memory that no reading holds; it survives readings and losses.
    pairs: Mapping[str, PairHealth] = field(default_factory=dict)  # By supporting city.
    reached: Mapping[str, float] = field(default_factory=dict)  # Last time a call of that assisted city rang here.
    missed: Mapping[str, Missed] = field(default_factory=dict)  # By seat.
    experience: Experience = field(default_factory=Experience)

    @property
    def city(self) -> City:
        """The city as its data folders describe it."""
        return self.fixed.city

    @cached_property
    def waiting_sinces(self) -> tuple[float, ...]:
        """First arrival of every waiting call, the longest wait first."""
        return tuple(sorted([call.waiting_since for call in self.waiting.values()]))

    @cached_property
    def tally(self) -> Tally:
        """The seats, counted; where an earlier picture was counted, only what changed since."""
        return _tally(self, *self.__dict__.pop("counted", (_NO_SEATS, _NOTHING)))

    def come_from(self, before: "CityView") -> None:
        """Remember what was counted in the picture this one was made of. The picture itself is not kept alive."""
        known = before.__dict__.get("tally")
        if known is not None:
            self.__dict__["counted"] = (before.seats, known)
        elif "counted" in before.__dict__:
            self.__dict__["counted"] = before.__dict__["counted"]

    def carries(self, assisted: str) -> int:
        """Calls of the assisted city that ring or talk here; one that rings at several seats is one."""
        return len(self.tally.served.get(assisted, NOBODY_SERVED).since)

    @cached_property
    def slots_in_use(self) -> Mapping[str, int]:
        """Remote calls that ring or talk, by supporting city."""
        used: dict[str, int] = {}
        for ref, slot in self.slots.items():
            if slot.in_use:
                used[ref.supporting] = used.get(ref.supporting, 0) + 1
        return used

    @cached_property
    def has_unnamed_ring(self) -> bool:
        """Whether a slot is in use and no fact has said for which call: a reading shows a ring without its caller."""
        return any(slot.in_use and not slot.call for slot in self.slots.values())

    @cached_property
    def slots_open(self) -> Mapping[str, int]:
        """Slots open or in use, by supporting city."""
        count: dict[str, int] = {}
        for ref, slot in self.slots.items():
            if slot.in_use or slot.state is SlotState.OPEN:
                count[ref.supporting] = count.get(ref.supporting, 0) + 1
        return count

    @cached_property
    def idle_closed_since(self) -> float | None:
        """Since when the longest closed and unused slot is so; None for none."""
        known = [
            slot.since
            for slot in self.slots.values()
            # 0 comes from an order of ours that is still believed.
            if slot.state is SlotState.CLOSED and not slot.in_use and slot.since > 0.0
        ]
        return min(known, default=None)

    @cached_property
    def trunks_fallen(self) -> frozenset[str]:
        """Cities whose trunk this end sees down, or saw down since it is heard."""
        return frozenset(other for other, trunk in self.trunks.items() if trunk.falls)

    def trunk_up(self, other: str) -> bool | None:
        """Whether this end sees the trunk up; None: unknown."""
        return self.trunks[other].up if other in self.trunks else None

    @cached_property
    def failing(self) -> frozenset[str]:
        """Supporting cities the last set-up to which failed."""
        return frozenset(other for other, health in self.pairs.items() if health.failures)

    def longest_wait_s(self, now: float) -> float:
        """Wait of the longest waiting call; 0 where nobody waits."""
        return max(0.0, now - self.waiting_sinces[0]) if self.waiting else 0.0

    def waiting_longer_than(self, wait_s: float, now: float) -> int:
        """Calls that wait `wait_s` or longer."""
        return bisect_right(self.waiting_sinces, now - wait_s)

    def unserved_too_long(self, now: float) -> int:
        """Calls over the city's threshold for which no home agent's phone rings."""
        return bisect_right(self.unserved_sinces, now - self.city.queue.wait_threshold_s)

    def idle(self, now: float) -> int:
        """Agents of the home queue who could take a home call now, lent shared seats included."""
        return bisect_right(self.tally.idle_from, now)

    @cached_property
    def unserved(self) -> int:
        """Waiting calls for which no home agent's phone rings."""
        return max(0, len(self.waiting) - self.tally.ringing_home)

    @cached_property
    def unserved_sinces(self) -> tuple[float, ...]:
        """First arrival of each of them, the longest wait first.

        Whose phone rings need not be the first: who comes back from a lost leg stands before a caller who rings already.
        """
        ringing = self.tally.ringing_home
        if not ringing:
            return self.waiting_sinces
        rung = {seat.call for seat in self.seats.values() if seat.state is SeatState.RINGING}
        sinces = sorted([call.waiting_since for name, call in self.waiting.items() if name not in rung])
        # A reading shows rings without their callers: the PBX rings for the first ones.
        return tuple(sinces[max(0, ringing + len(sinces) - len(self.waiting)) :])

    def fresh(self, now: float, within_s: float) -> bool:
        """Whether this picture is young enough to act on."""
        return self.up and now - self.heard_at <= within_s


@dataclass(frozen=True, slots=True)
class World:
    """The whole province."""

    cities: Mapping[str, CityView]
    registry_up: bool = True  # False: nothing new is lent or opened; taking back is allowed.
    pending: frozenset[SeatRef] = frozenset()  # Loans, or their groups, ordered but not confirmed by the PBX yet.
    # By assisted city: seats whose agents have not read its must-read scripts (必读口径), and may not be lent to it.
    unbriefed: Mapping[str, frozenset[SeatRef]] = field(default_factory=dict)


def unseen(province: Province) -> World:
    """The world before anything was heard."""
    codes = list(province.cities)
    own = {code: {trunk.to: trunk.channels for trunk in city.trunks} for code, city in province.cities.items()}
    views = {}
    for code, city in province.cities.items():
        fixed = Fixed(
            city,
            MappingProxyType({seat.id: seat.lend for seat in city.seats}),
            MappingProxyType(
                {to: both for to, mine in own[code].items() if to in own and (both := min(mine, own[to].get(code, 0))) > 0}
            ),
            frozenset(other for other in codes if city.may_help(other)),
        )
        own_seats = sum(seat.lend is not Lending.DEDICATED for seat in city.seats)
        experience = first_experience(own_seats, city.queue.sl_target, city.queue.sl_seconds)
        views[code] = CityView(fixed, experience=experience)
    return World(views)


_NO_SEATS: Mapping[str, SeatView] = {}
_NOTHING = Tally((), (), ((), ()), {}, frozenset(), (), {}, {}, {}, (), 0, 0, 0)
RECOUNT_MOST = 8  # Changed seats; beyond, counting anew is as quick.


def _tally(view: CityView, seats: Mapping[str, SeatView], before: Tally) -> Tally:
    """Count the seats: what changed since `seats` were counted in `before` is taken off and put on again."""
    changed = [name for name, seat in view.seats.items() if seats.get(name) is not seat]
    if len(changed) > RECOUNT_MOST or len(seats) != len(view.seats):
        seats, before, changed = _NO_SEATS, _NOTHING, list(view.seats)
    idle_from, dedicated_from = list(before.idle_from), list(before.dedicated_from)
    shared, dedicated = list(before.lendable[0]), list(before.lendable[1])
    staff, on_duty, ringing_home, loans_changed = before.staff, before.on_duty, before.ringing_home, False
    for name in changed:
        lend = view.fixed.lending.get(name, Lending.NO)
        for seat, step in ((seats.get(name), -1), (view.seats[name], 1)):
            if seat is None:
                continue
            if seat.loans or seat.serving:
                loans_changed = True
            if seat.state is SeatState.RINGING and not seat.serving:
                ringing_home += step
            if not seat.ready or seat.state is SeatState.OFFLINE:
                continue
            staff += step if lend is not Lending.DEDICATED else 0
            on_duty += step if lend is not Lending.NO else 0
            if seat.state is SeatState.FREE:
                _put(dedicated_from if lend is Lending.DEDICATED else idle_from, seat.free_from, step)
                if lend is not Lending.NO and not seat.loans:
                    _put(dedicated if lend is Lending.DEDICATED else shared, (-seat.free_from, name), step)
    lent: tuple[Any, ...] = _lent(view, (*before.lent, *before.away, *changed)) if loans_changed else before[3:10]
    free = (tuple(idle_from), tuple(dedicated_from), (tuple(shared), tuple(dedicated)))
    return Tally._make((*free, *lent, staff, on_duty, ringing_home))


Sorted = TypeVar("Sorted", float, tuple[float, str])


def _put(some: list[Sorted], each: Sorted, step: int) -> None:
    """Into a sorted list, or out of it."""
    if step > 0:
        insort(some, each)
    else:
        del some[bisect_left(some, each)]


def _lent(view: CityView, names: Iterable[str]) -> tuple[Any, ...]:
    """What the tally says of the seats lent to others: of these names, for no others are."""
    lent: list[tuple[bool, int, str, SeatLoan]] = []
    served: dict[str, list[SeatView]] = {}
    away: list[str] = []
    for name in dict.fromkeys(names):
        seat = view.seats.get(name)
        if seat is None:
            continue
        if seat.loans:
            shared = view.fixed.lending.get(name, Lending.NO) is not Lending.DEDICATED
            lent.append((shared, seat.loans[-1].token, name, seat.loans[-1]))
        if seat.serving:
            away.append(name)
            served.setdefault(seat.serving, []).append(seat)
    lent.sort()
    return (
        {name: loan for _, _, name, loan in lent},
        frozenset(loan.assisted for _, _, _, loan in lent),
        *_kept(view, lent),
        {assisted: len(seats) for assisted, seats in served.items()},
        {assisted: _served(seats) for assisted, seats in served.items()},
        tuple(sorted(away)),
    )


def _served(seats: Sequence[SeatView]) -> Served:
    since: dict[str, float] = {}
    for seat in seats:
        since[seat.call] = min(since.get(seat.call, NEVER), seat.since)
    return Served(since, frozenset([seat.call for seat in seats if seat.state is SeatState.RINGING]), min(since.values()))


def _kept(
    view: CityView, lent: Iterable[tuple[bool, int, str, SeatLoan]]
) -> tuple[tuple[Kept, ...], Mapping[str, Mapping[SeatRef, str]]]:
    kept: list[Kept] = []
    held: dict[str, dict[SeatRef, str]] = {}
    code, lending = view.city.code, view.fixed.lending
    for _, _, name, loan in lent:
        seat, lend = view.seats[name], lending.get(name, Lending.NO)
        if lend is Lending.NO or seat.state is SeatState.OFFLINE:
            continue
        ref = SeatRef(code, name)
        if seat.serving:  # Also where the agent went on a break in mid-talk: the loan ends with the talk.
            held.setdefault(loan.assisted, {})[ref] = loan.assisted
        elif seat.ready:
            free_from = seat.free_from if seat.state is SeatState.FREE else NEVER
            kept.append(Kept(ref, loan.assisted, lend is Lending.DEDICATED, free_from))
    return tuple(kept), held


def newest_token(world: World) -> int:
    """The highest token of a slot or a loan that the PBXs show; 0: none."""
    slots = (slot.token for view in world.cities.values() for slot in view.slots.values())
    return max((*slots, *(loan.token for _, loan in all_loans(world))), default=0)


def all_loans(world: World) -> Iterable[tuple[SeatRef, SeatLoan]]:
    """Every loan the PBXs show, the latest of each seat."""
    for code, view in world.cities.items():
        for name, loan in view.tally.lent.items():
            yield SeatRef(code, name), loan
