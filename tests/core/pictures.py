"""Random provinces in random states, and a PBX world that obeys every order at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Order, Recall, Regroup
from callctl.core.events import (
    CallRinging,
    Fact,
    HomeSeat,
    LentSeat,
    LoanChanged,
    LoanSeen,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatSeen,
    SeatState,
    SlotChanged,
    SlotSeen,
    SlotState,
    TalkSeen,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.fold import fold
from callctl.core.model import Lending, Province, QueueRules, SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.reconcile import UNTAKEN, Taken, reconcile
from callctl.core.sharing import plan
from callctl.core.wishes import Wishes
from callctl.core.world import World, unseen
from tests.provinces import NAMES, a_province, wish

NOW = 10_000.0
LEASE = 7
CODES = NAMES[:4]


# Most draws are the ordinary case: a picture in which everything is forbidden proves little.
@st.composite
def provinces(draw: st.DrawFn) -> Province:
    rules = {
        code: {
            "shared": draw(st.sampled_from([4, 3, 2, 1, 0])),
            "dedicated": draw(st.sampled_from([0, 1, 2])),
            "kept": draw(st.sampled_from([0, 1])),
            "reserve": draw(st.sampled_from([1, 0, 2])),
            "quota": draw(st.sampled_from([5, 3, 2, 1, 0])),
            "channels": draw(st.sampled_from([4, 3, 2, 1, 30, 0])),
            "helps": draw(st.sampled_from([("*",), ("*",), ("nanjing",), ()])),
            "queue": QueueRules(wait_threshold_s=draw(st.sampled_from([20.0, 0.0, 60.0]))),
        }
        for code in CODES
    }
    return a_province(len(CODES), rules)


@st.composite
def wishes_of(draw: st.DrawFn) -> Wishes:
    return wish(
        *draw(st.sampled_from([("nanjing",), ("nanjing", "wuxi"), ("nanjing", "wuxi", "xuzhou"), ("suzhou",), ()])),
        on=draw(st.sampled_from([True] * 9 + [False])),
        stopped=draw(st.sampled_from([False] * 9 + [True])),
        quotas=draw(st.sampled_from([{}, {"wuxi": 1, "changzhou": 2}])),
        seats=draw(st.sampled_from([{}, {}, {"wuxi": 1, "changzhou": 2}])),
        priority=draw(st.sampled_from([1.0, 3.0])),
    )


@st.composite
def readings(draw: st.DrawFn, province: Province, code: str, at: float = NOW) -> PbxObserved:
    city = province.cities[code]
    helped = [other for other in CODES if city.may_help(other)]
    most = draw(st.sampled_from([6, 3] if code in ("nanjing", "wuxi") else [0, 0, 0, 2]))
    ages = draw(st.lists(st.sampled_from([90.0, 150.0, 25.0, 10.0, 0.0]), min_size=min(most, 1), max_size=most))
    waiting = tuple(
        WaitingCall(f"{code}-1.{n}", "13800000000", at - age, returned=draw(st.booleans()))
        for n, age in enumerate(sorted(ages, reverse=True))
    )
    seats, loans, talks = [], [], []
    for token, seat in enumerate(city.seats, 1):
        state = draw(st.sampled_from([SeatState.FREE] * 4 + list(SeatState)))
        lent_to = (
            draw(st.sampled_from([None, None, None, None, *helped])) if helped and seat.lend is not Lending.NO else None
        )
        call = ""
        if lent_to:
            loans.append(LoanSeen(seat.id, lent_to, token, draw(st.sampled_from([0, 0, 1, 2]))))
            if state is SeatState.BUSY and draw(st.booleans()):
                call = f"{lent_to}-1.{900 + token}"
                talks.append(TalkSeen(call, LentSeat(seat.id, lent_to), at - 30))
        elif state is SeatState.BUSY:
            call = f"{code}-1.{900 + token}"
            talks.append(TalkSeen(call, HomeSeat(seat.id), at - 30))
        free_from = at + draw(st.sampled_from([-100.0, -70.0, -65.0, 4.0]))
        seats.append(SeatSeen(seat.id, state, draw(st.sampled_from([True] * 5 + [False])), free_from, call))
    others = [other for other in CODES if other != code]
    slots = tuple(
        SlotSeen(
            SlotRef(draw(st.sampled_from(others)), number),
            draw(st.sampled_from([SlotState.OPEN, SlotState.CLOSED])),
            draw(st.sampled_from([LEASE, LEASE - 1])),
            in_use=draw(st.booleans()),
            reason=draw(st.sampled_from(["", "Auto-Pause"])),
        )
        for number in range(1, draw(st.integers(0, 3)) + 1)
    )
    trunks = tuple(TrunkSeen(trunk.to, draw(st.sampled_from([True] * 15 + [False]))) for trunk in city.trunks)
    age = draw(st.sampled_from([0.0] * 6 + [10.0, 60.0]))
    together = draw(st.sampled_from([True, True, True, False]))
    return PbxObserved(
        code, at - age, waiting, tuple(seats), tuple(loans), slots, tuple(talks), trunks, rings_together=together
    )


@dataclass
class Picture:
    """One state of the world, and everything a plan is asked with."""

    province: Province
    world: World
    wishes: Wishes
    facts: tuple[Fact, ...]
    now: float = NOW
    memory: object = None
    taken: dict[SeatRef, Taken] = field(default_factory=dict)

    def plan(self) -> Plan:
        return plan(self.province, self.world, self.wishes, self.memory, self.now)

    def orders(self, made: Plan) -> tuple[Order, ...]:
        return reconcile(self.world, made, self.taken, LEASE, self.now)

    def obey(self, orders: tuple[Order, ...]) -> None:
        """Every PBX does as it is told, and the registry books it."""
        for order in orders:
            self.world = fold(self.world, [self._done(order)])

    def _done(self, order: Order) -> Fact:
        match order:
            case Lend(city=city, seat=seat, assisted=assisted, token=token, group=group):
                if token == UNTAKEN:
                    token = 1000 + len(self.taken)
                    self.taken[SeatRef(city, seat)] = Taken(assisted, token)
                return LoanChanged(city, 0.0, seat, assisted, token, lent=True, group=group)
            case Regroup(city=city, seat=seat, assisted=assisted, token=token, group=group):
                return LoanChanged(city, 0.0, seat, assisted, token, lent=True, group=group)
            case Recall(city=city, seat=seat, assisted=assisted):
                held = self.taken.get(SeatRef(city, seat))
                if held is not None and held.assisted == assisted:
                    del self.taken[SeatRef(city, seat)]
                return LoanChanged(city, 0.0, seat, assisted, 0, lent=False)
            case OpenSlot(city=city, slot=slot, token=token):
                return SlotChanged(city, 0.0, slot, token, SlotState.OPEN)
            case CloseSlot(city=city, slot=slot):
                return SlotChanged(city, 0.0, slot, 0, SlotState.CLOSED)
            case DropSlot(city=city, slot=slot):
                return SlotChanged(city, 0.0, slot, 0, SlotState.ABSENT)
            case _:
                raise AssertionError(order)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    province = draw(provinces())
    facts: list[Fact] = [draw(readings(province, code)) for code in CODES if draw(st.sampled_from([True] * 12 + [False]))]
    for fact in tuple(facts):
        if draw(st.sampled_from([False] * 3 + [True])) and isinstance(fact, PbxObserved) and fact.slots:
            facts += _failures(draw(st.integers(1, 4)), fact, draw(st.sampled_from([5.0, 20.0])))
    world = replace(fold(unseen(province), facts), registry_up=draw(st.sampled_from([True] * 12 + [False])))
    return Picture(province, world, draw(wishes_of()), tuple(facts))


def _failures(times: int, seen: PbxObserved, ago: float) -> list[Fact]:
    slot = seen.slots[0].slot
    failed: list[Fact] = []
    for n in range(times):
        call, at = f"{seen.city}-1.{500 + n}", NOW - ago - times + n
        failed += [
            CallRinging(seen.city, at, call, slot),
            RingEnded(seen.city, at, call, slot, RingEnd.UNREACHABLE),
        ]
    return failed


def lent_from(made: Plan) -> Mapping[str, list[SeatRef]]:
    """Wished loans by supporting city."""
    by_city: dict[str, list[SeatRef]] = {}
    for ref in made.loans:
        by_city.setdefault(ref.city, []).append(ref)
    return by_city
