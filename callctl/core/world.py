"""What we know about every city right now: calls waiting, seats, slots, talks, trunks. Only facts change it (fold.py)."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from callctl.core.events import Answerer, SeatState, SlotState, WaitingCall
from callctl.core.model import City, Lending, Province, SeatRef, SlotRef

NEVER = float("inf")


class SeatLoan(NamedTuple):
    """One membership of a seat in the support queue of `assisted`, as the PBX shows it."""

    assisted: str
    token: int


class SeatView(NamedTuple):
    """A seat as last heard of."""

    state: SeatState = SeatState.OFFLINE
    ready: bool = True
    free_from: float = 0.0  # End of wrap-up; the seat takes no call before.
    call: str = ""
    serving: str = ""  # The assisted city whose call it rings or talks on; "" for a home call or none.
    loans: tuple[SeatLoan, ...] = ()  # By rising token. More than one: two controllers were at work.


class SlotView(NamedTuple):
    """A slot of the home queue as last heard of."""

    state: SlotState
    token: int = 0
    in_use: bool = False
    call: str = ""
    reason: str = ""
    since: float = 0.0  # When it came into this state, as far as we know.


class Talk(NamedTuple):
    """A conversation."""

    by: Answerer
    answered_at: float


class PairHealth(NamedTuple):
    """How the set-ups to one supporting city went, seen from the assisted city."""

    failures: int = 0  # In a row.
    failed_at: float = 0.0
    failed_call: str = ""
    succeeded_at: float = 0.0


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
    free_from: float  # When it can be rung; NEVER while it rings or talks.


class Tally(NamedTuple):
    """What the policy asks of the seats, counted once for every picture of a city."""

    idle_from: tuple[float, ...]  # Sorted end of wrap-up of each phone that is free for the home queue.
    lendable: tuple[str, ...]  # Free, ready, not lent: dedicated seats first, then the most recently idle.
    lent: Mapping[str, SeatLoan]  # Seats on loan, with the latest token; dedicated first, then the oldest loan.
    kept: tuple[Kept, ...]  # Those of them that may stay so; a plan looks at every one of them.
    serving: Mapping[str, int]  # Calls of each assisted city that ring or talk here.
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
    lost_reason: str = ""
    waiting: Mapping[str, WaitingCall] = field(default_factory=dict)  # Returned ones first, then by first arrival.
    seats: Mapping[str, SeatView] = field(default_factory=dict)
    slots: Mapping[SlotRef, SlotView] = field(default_factory=dict)
    talks: Mapping[str, Talk] = field(default_factory=dict)
    rings: Mapping[str, tuple[Answerer, ...]] = field(default_factory=dict)
    trunks: Mapping[str, bool] = field(default_factory=dict)
    # Memory that no reading holds; it survives readings and losses.
    pairs: Mapping[str, PairHealth] = field(default_factory=dict)  # By supporting city.
    reached: Mapping[str, float] = field(default_factory=dict)  # Last time a call of that assisted city rang here.
    missed: Mapping[str, Missed] = field(default_factory=dict)  # By seat.

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
        """The seats, counted."""
        return _tally(self)

    @cached_property
    def slots_in_use(self) -> Mapping[str, int]:
        """Remote calls that ring or talk, by supporting city."""
        used: dict[str, int] = {}
        for ref, slot in self.slots.items():
            if slot.in_use:
                used[ref.supporting] = used.get(ref.supporting, 0) + 1
        return used

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
    def trunks_down(self) -> frozenset[str]:
        """Cities whose trunk this end sees down."""
        return frozenset(other for other, up in self.trunks.items() if not up)

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

    def idle(self, now: float) -> int:
        """Agents of the home queue who could take a home call now, lent shared seats included."""
        return bisect_right(self.tally.idle_from, now)

    @property
    def unserved(self) -> int:
        """Waiting calls for which no home agent's phone rings."""
        return max(0, len(self.waiting) - self.tally.ringing_home)

    def fresh(self, now: float, within_s: float) -> bool:
        """Whether this picture is young enough to act on."""
        return self.up and now - self.heard_at <= within_s


@dataclass(frozen=True, slots=True)
class World:
    """The whole province."""

    cities: Mapping[str, CityView]
    registry_up: bool = True  # False: nothing new is lent or opened; taking back is allowed.
    pending: frozenset[SeatRef] = frozenset()  # Loans ordered but not confirmed by the PBX yet.
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
        views[code] = CityView(fixed)
    return World(views)


def _tally(view: CityView) -> Tally:
    idle_from: list[float] = []
    dedicated: list[tuple[float, str]] = []
    shared: list[tuple[float, str]] = []
    lent: list[tuple[bool, int, str, SeatLoan]] = []
    serving: dict[str, int] = {}
    on_duty = ringing_home = 0
    lending = view.fixed.lending
    for name, seat in view.seats.items():
        lend = lending.get(name, Lending.NO)
        if seat.serving:
            serving[seat.serving] = serving.get(seat.serving, 0) + 1
        elif seat.state is SeatState.RINGING:
            ringing_home += 1
        if seat.loans:
            loan = seat.loans[-1]
            lent.append((lend is not Lending.DEDICATED, loan.token, name, loan))
        if not seat.ready or seat.state is SeatState.OFFLINE:
            continue
        if lend is not Lending.NO:
            on_duty += 1
        if seat.state is not SeatState.FREE:
            continue
        if lend is not Lending.DEDICATED:
            idle_from.append(seat.free_from)
        if lend is not Lending.NO and not seat.loans:
            (dedicated if lend is Lending.DEDICATED else shared).append((-seat.free_from, name))
    idle_from.sort()
    dedicated.sort()
    shared.sort()
    lent.sort()
    return Tally(
        tuple(idle_from),
        (*(name for _, name in dedicated), *(name for _, name in shared)),
        {name: loan for _, _, name, loan in lent},
        tuple(kept for _, _, name, loan in lent if (kept := _kept(view, name, loan))),
        serving,
        on_duty,
        ringing_home,
    )


def _kept(view: CityView, name: str, loan: SeatLoan) -> Kept | None:
    seat, lending = view.seats[name], view.fixed.lending.get(name, Lending.NO)
    if lending is Lending.NO or not seat.ready or seat.state is SeatState.OFFLINE:
        return None
    free_from = seat.free_from if seat.state is SeatState.FREE else NEVER
    return Kept(SeatRef(view.city.code, name), loan.assisted, lending is Lending.DEDICATED, free_from)


def all_loans(world: World) -> Iterable[tuple[SeatRef, SeatLoan]]:
    """Every loan the PBXs show, the latest of each seat."""
    for code, view in world.cities.items():
        for name, loan in view.tally.lent.items():
            yield SeatRef(code, name), loan
