"""The sharing plan, one situation at a time."""

from dataclasses import dataclass, field, replace

import pytest

from callctl.core.between import FIRST_SEEN, STEADY_MOST_S, STEADY_S
from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Recall
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    LoanChanged,
    LoanSeen,
    Outcome,
    PbxLost,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatSeen,
    SeatState,
    SlotChanged,
    SlotSeen,
    SlotState,
    TalkSeen,
    TrunkChanged,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.fold import fold
from callctl.core.model import Pair, Province, QueueRules, SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.reasons import Did, Why
from callctl.core.world import unseen
from tests.core.pictures import Picture
from tests.provinces import a_province, wish

NANJING_WUXI = Pair("nanjing", "wuxi")


@dataclass
class Day:
    """A province over time: facts in, plans out, every order obeyed."""

    province: Province
    picture: Picture = field(init=False)
    numbered: int = 0

    def __post_init__(self) -> None:
        self.picture = Picture(self.province, unseen(self.province), wish("nanjing"), (), now=1000.0)
        self.hear(*(self.read(code) for code in self.province.cities))

    def read(self, code: str) -> PbxObserved:
        city = self.province.cities[code]
        seats = tuple(SeatSeen(seat.id, SeatState.FREE) for seat in city.seats)
        trunks = tuple(TrunkSeen(trunk.to, True) for trunk in city.trunks)
        return PbxObserved(code, self.now, (), seats, (), (), (), trunks)

    @property
    def now(self) -> float:
        return self.picture.now

    def hear(self, *facts: Fact) -> None:
        self.picture.world = fold(self.picture.world, facts)

    def calls(self, number: int, city: str = "nanjing", waited_s: float = 30.0) -> list[str]:
        made = []
        for _ in range(number):
            self.numbered += 1
            made.append(f"{city}-1.{self.numbered}")
            self.hear(CallWaiting(city, self.now, WaitingCall(made[-1], "1", self.now - waited_s)))
        return made

    def plan(self) -> Plan:
        """Plan, obey, until nothing is left to order."""
        for _ in range(6):
            made = self.picture.plan()
            self.picture.memory = made.memory
            orders = self.picture.orders(made)
            if not orders:
                return made
            self.picture.obey(orders)
        raise AssertionError("the plan is never reached")

    def later(self, seconds: float) -> Plan:
        """Time passes; every PBX that was up is still heard."""
        self.picture.now += seconds
        up = [code for code, view in self.picture.world.cities.items() if view.up]
        self.hear(*(SeatReadied(code, self.now, "none", True) for code in up))
        return self.plan()

    def lent(self, made: Plan, city: str) -> list[str]:
        return sorted(ref.seat for ref in made.loans if ref.city == city)

    def whys(self, made: Plan, city: str = "nanjing") -> set[Why]:
        return {reason.why for reason in made.reasons.get(city, ())}


def day(cities: int = 3, rules: dict[str, dict[str, object]] | None = None, **common: object) -> Day:
    return Day(a_province(cities, {"nanjing": {"shared": 0, "kept": 1}, **(rules or {})}, **common))


def test_nothing_happens_below_the_threshold() -> None:
    d = day()
    d.calls(3, waited_s=19)
    assert d.plan() == Plan(memory=d.picture.memory)
    assert d.later(1.5).active == {"nanjing"}


def test_a_caller_who_came_back_counts_although_a_home_phone_rings_for_a_later_one() -> None:
    """Found by seed 108056: of two in line the first was taken for the one whose phone rang, and got no help."""
    d = day(rules={"nanjing": {"shared": 1}})
    [later] = d.calls(1, waited_s=3)
    d.hear(CallRinging("nanjing", d.now, later, HomeSeat("11001")))
    d.hear(CallWaiting("nanjing", d.now, WaitingCall("nanjing-1.99", "1", d.now - 25.0, returned=True)))
    made = d.plan()
    assert made.active == {"nanjing"}
    assert len(made.loans) == 1


def came_back_while_a_later_one_rings_in_wuxi(d: Day, later_waited_s: float) -> None:
    """At the head of nanjing's line stands who has waited for a minute; for a later caller a lent seat rings."""
    [later] = d.calls(1, waited_s=later_waited_s)
    [seat] = d.lent(d.plan(), "wuxi")
    d.hear(
        CallRinging("wuxi", d.now, later, LentSeat(seat, "nanjing")),
        CallRinging("nanjing", d.now, later, SlotRef("wuxi", 1)),
    )
    d.hear(CallWaiting("nanjing", d.now, WaitingCall("nanjing-1.99", "1", d.now - 60.0, returned=True)))


def test_a_caller_who_came_back_counts_although_a_later_one_rings_elsewhere() -> None:
    """The place in the line, and the reasons, are those of the caller whom nobody rings for."""
    d = day(rules={"wuxi": {"quota": 1}, "xuzhou": {"quota": 0}})
    came_back_while_a_later_one_rings_in_wuxi(d, later_waited_s=25)
    made = d.plan()
    assert [reason.count for reason in made.reasons["nanjing"]] == [1]
    assert d.whys(made) == {Why.QUOTA}


def test_of_two_cities_the_one_goes_first_whose_uncovered_caller_waits_longest() -> None:
    d = day(rules={"wuxi": {"quota": 2}, "xuzhou": {"shared": 0, "kept": 1}})
    d.picture.wishes = wish("nanjing", "xuzhou")
    came_back_while_a_later_one_rings_in_wuxi(d, later_waited_s=22)
    d.calls(1, "xuzhou", waited_s=30)
    made = d.plan()
    assert sorted(made.loans.values()) == ["nanjing", "nanjing"]


def test_every_waiting_call_gets_a_seat_once_the_city_is_active() -> None:
    d = day()
    d.calls(1, waited_s=25)
    d.calls(2, waited_s=1)
    made = d.plan()
    assert len(made.loans) == 3
    assert sum(made.open_slots.values()) == 3
    assert made.reasons == {}


def test_the_city_with_most_agents_to_spare_is_asked_first() -> None:
    d = day(rules={"wuxi": {"shared": 2}, "xuzhou": {"shared": 6}})
    d.calls(4)
    assert len(d.lent(d.plan(), "xuzhou")) == 4


def test_dedicated_seats_go_first_and_are_not_held_back_by_reserve_or_own_callers() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 1, "dedicated": 1, "reserve": 5}})
    d.calls(2, city="wuxi", waited_s=1)
    d.calls(3)
    made = d.plan()
    assert d.lent(made, "wuxi") == ["12001"]
    assert d.whys(made) == {Why.OWN_CALLERS}


def test_the_most_recently_idle_seat_is_lent() -> None:
    d = day(cities=2)
    by = HomeSeat("12003")
    d.hear(CallRinging("wuxi", 900, "wuxi-1.900", by))
    d.picture.world = fold(d.picture.world, [PbxObserved(
        "wuxi", 1000, (), tuple(SeatSeen(f"1200{n}", SeatState.FREE, True, 900.0 + n) for n in (1, 2, 3, 4)), (), (), (), ()
    )])  # fmt: skip
    d.calls(1)
    assert d.lent(d.plan(), "wuxi") == ["12004"]


def test_reserve_quota_and_event_are_given_as_reasons() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 3, "reserve": 2}})
    d.calls(5)
    made = d.plan()
    assert len(made.loans) == 1
    assert d.whys(made) == {Why.RESERVE}
    d.picture.wishes = wish("nanjing", quotas={"wuxi": 1})
    assert d.whys(d.plan()) == {Why.QUOTA}
    d.picture.wishes = wish("nanjing", seats={"suzhou": 3})
    made = d.plan()
    assert (made.loans, d.whys(made)) == ({}, {Why.NOT_IN_EVENT})


def test_a_lowered_quota_calls_the_latest_loans_home() -> None:
    d = day(cities=2)
    d.calls(3)
    d.plan()
    d.picture.wishes = wish("nanjing", quotas={"wuxi": 1})
    made = d.plan()
    assert len(made.loans) == 1


def test_longest_wait_first_over_all_assisted_cities_and_priority_weighs() -> None:
    d = day(cities=3, rules={"wuxi": {"shared": 0, "kept": 1}, "xuzhou": {"shared": 2, "reserve": 0}})
    d.picture.wishes = wish("nanjing", "wuxi")
    d.calls(2, "nanjing", waited_s=60)
    d.calls(2, "wuxi", waited_s=40)
    assert set(d.plan().loans.values()) == {"nanjing"}
    e = day(cities=3, rules={"wuxi": {"shared": 0, "kept": 1}, "xuzhou": {"shared": 2, "reserve": 0}})
    e.picture.wishes = wish("nanjing", "wuxi", priority=1.0)
    e.calls(2, "nanjing", waited_s=60)
    e.calls(1, "nanjing", waited_s=22)
    e.calls(2, "wuxi", waited_s=61)
    assert set(e.plan().loans.values()) == {"wuxi"}
    f = day(cities=3, rules={"wuxi": {"shared": 0, "kept": 1}, "xuzhou": {"shared": 2, "reserve": 0}})
    f.picture.wishes = wish("nanjing", "wuxi")
    f.calls(1, "nanjing", waited_s=60)
    f.calls(1, "nanjing", waited_s=30)
    f.calls(1, "wuxi", waited_s=40)
    assert sorted(f.plan().loans.values()) == ["nanjing", "wuxi"]


def test_an_active_city_helps_nobody() -> None:
    d = day(cities=2, rules={"nanjing": {"shared": 4}})
    d.picture.wishes = wish("nanjing", "wuxi")
    d.calls(1, "nanjing")
    d.calls(1, "wuxi")
    made = d.plan()
    assert made.loans == {}
    assert d.whys(made) == {Why.ITSELF_ASSISTED}


def test_the_loans_stay_for_the_release_time_and_then_go_home() -> None:
    d = day(cities=2)
    [call] = d.calls(1)
    d.plan()
    d.hear(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED))
    assert len(d.plan().loans) == 1
    assert len(d.later(59).loans) == 1
    made = d.later(2)
    assert (made.loans, made.open_slots, made.active) == ({}, {}, frozenset())


def test_one_more_caller_starts_the_release_time_anew() -> None:
    d = day(cities=2)
    [call] = d.calls(1)
    d.plan()
    d.hear(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED))
    d.later(50)
    [call] = d.calls(1, waited_s=0)
    d.plan()
    d.hear(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED))
    assert d.later(50).active == {"nanjing"}


def test_own_callers_close_the_slots_at_once_and_call_the_seats_home_after_a_while() -> None:
    d = day(cities=2)
    d.calls(3)
    assert d.plan().open_slots == {NANJING_WUXI: 3}
    d.calls(1, "wuxi", waited_s=0)
    made = d.plan()
    assert (made.open_slots, len(made.loans)) == ({}, 3)
    assert d.whys(made) == {Why.OWN_CALLERS}
    d.later(10)
    assert d.later(11).loans == {}


def test_a_home_call_that_rings_at_home_does_not_close_the_slots() -> None:
    d = day(cities=2)
    d.calls(2)
    d.plan()
    [call] = d.calls(1, "wuxi", waited_s=0)
    d.hear(CallRinging("wuxi", d.now, call, HomeSeat("12001")))
    assert d.plan().open_slots == {NANJING_WUXI: 2}


def test_a_seat_that_goes_from_free_to_ringing_to_talking_keeps_its_slot_open() -> None:
    d = day(cities=2)
    [call, _] = d.calls(2)
    before = d.plan().open_slots
    seat = d.lent(d.picture.plan(), "wuxi")[0]
    # The supporting city tells first; then the assisted one. The number does not move in between.
    d.hear(CallRinging("wuxi", d.now, call, LentSeat(seat, "nanjing")))
    assert d.plan().open_slots == before
    d.hear(CallRinging("nanjing", d.now, call, SlotRef("wuxi", 1)))
    assert d.plan().open_slots == before


def test_an_answer_told_by_the_supporting_city_first_lends_nobody_else() -> None:
    d = day(cities=2)
    [call] = d.calls(1)
    [seat] = d.lent(d.plan(), "wuxi")
    d.hear(CallRinging("wuxi", d.now, call, LentSeat(seat, "nanjing")))
    d.hear(CallAnswered("wuxi", d.now, call, LentSeat(seat, "nanjing"), 30.0))
    assert d.lent(d.plan(), "wuxi") == [seat]


def waiting_in(d: Day, city: str) -> tuple[WaitingCall, ...]:
    """For a reading."""
    return tuple(d.picture.world.cities[city].waiting.values())


def seen_loans(d: Day, city: str) -> tuple[LoanSeen, ...]:
    """For a reading."""
    lent = d.picture.world.cities[city].tally.lent.items()
    return tuple(LoanSeen(seat, loan.assisted, loan.token, loan.group) for seat, loan in lent)


def ringing_for_who_is_gone(d: Day) -> str:
    """A lent seat rings for nanjing, whose PBX dies and is back: nobody has cancelled the ring. The seat."""
    [gone] = d.calls(1)
    [seat] = d.lent(d.plan(), "wuxi")
    by = LentSeat(seat, "nanjing")
    d.hear(CallRinging("wuxi", d.now, gone, by), CallRinging("nanjing", d.now, gone, SlotRef("wuxi", 1)))
    assert d.plan().open_slots == {NANJING_WUXI: 1}
    d.picture.now += 3.0
    back = d.read("nanjing")
    slots = (SlotSeen(SlotRef("wuxi", 1), SlotState.OPEN, 7),)
    d.hear(PbxLost("nanjing", d.now, "died"), replace(back, slots=slots, booted_at=d.now - 1.0))
    return seat


def test_a_seat_still_called_for_a_pbx_that_started_anew_has_no_slot() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 1, "reserve": 0}})
    seat = ringing_for_who_is_gone(d)
    assert d.plan().open_slots == {}
    # The reading of the supporting city does not make the old ring a new one; the end of it frees the seat.
    ringing, loan = SeatSeen(seat, SeatState.RINGING), LoanSeen(seat, "nanjing", 3)
    d.hear(PbxObserved("wuxi", d.now, (), (ringing,), (loan,), (), (), (TrunkSeen("nanjing", True),)))
    assert d.plan().open_slots == {}
    d.hear(RingEnded("wuxi", d.now, "nanjing-1.1", LentSeat(seat, "nanjing"), RingEnd.UNKNOWN))
    d.hear(SeatChanged("wuxi", d.now, seat, SeatState.FREE))
    d.calls(1)
    assert d.plan().open_slots == {NANJING_WUXI: 1}


def test_a_ring_for_who_is_gone_covers_no_new_caller() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 3, "reserve": 0}})
    ringing_for_who_is_gone(d)
    d.calls(1)
    made = d.plan()
    assert len(d.lent(made, "wuxi")) == 2
    assert made.open_slots == {NANJING_WUXI: 1}


def test_a_talk_that_died_with_its_supporting_pbx_keeps_no_slot_from_who_is_lent_next() -> None:
    """Found by seed 113657: a seat was lent anew and rang for nobody, until the dead legs were found silent (20 s)."""
    d = day(cities=2, rules={"wuxi": {"shared": 2, "reserve": 0}})
    [call] = d.calls(1)
    [seat] = d.lent(d.plan(), "wuxi")
    slot, by = SlotRef("wuxi", 1), LentSeat(seat, "nanjing")
    d.hear(CallRinging("wuxi", d.now, call, by), CallRinging("nanjing", d.now, call, slot))
    d.hear(CallAnswered("wuxi", d.now, call, by, 30.0), CallLeftQueue("nanjing", d.now, call, Outcome.LEFT))
    d.hear(CallAnswered("nanjing", d.now, call, slot, 30.0))
    d.picture.now += 3.0
    back = d.read("wuxi")
    d.hear(PbxLost("wuxi", d.now, "died"), replace(back, booted_at=d.now - 1.0))
    d.calls(1)
    made = d.plan()
    assert made.open_slots == {NANJING_WUXI: 2}, "one is of the dead talk"
    assert [ref for ref, seen in d.picture.world.cities["nanjing"].slots.items() if not seen.in_use] == [SlotRef("wuxi", 2)]
    d.hear(CallEnded("nanjing", d.now, call, slot, 20.0, lost=True))
    assert d.plan().open_slots == {NANJING_WUXI: 1}


def test_a_ring_that_died_with_its_supporting_pbx_keeps_no_slot_from_who_is_lent_next() -> None:
    """Found by seed 135845: the slot rings on until it gives up (16 s), also in a reading."""
    d = day(cities=2, rules={"wuxi": {"shared": 1, "reserve": 0}})
    [call] = d.calls(1)
    [seat] = d.lent(d.plan(), "wuxi")
    slot = SlotRef("wuxi", 1)
    d.hear(CallRinging("wuxi", d.now, call, LentSeat(seat, "nanjing")), CallRinging("nanjing", d.now, call, slot))
    d.picture.now += 3.0
    back, home = d.read("wuxi"), d.read("nanjing")
    home = replace(home, waiting=waiting_in(d, "nanjing"), slots=(SlotSeen(slot, SlotState.OPEN, 7, in_use=True),))
    d.hear(PbxLost("wuxi", d.now, "died"), replace(back, booted_at=d.now - 1.0), home)
    d.calls(1)
    assert d.plan().open_slots == {NANJING_WUXI: 2}, "one is of the dead ring"
    d.hear(RingEnded("nanjing", d.now, call, slot, RingEnd.NO_ANSWER))
    d.hear(CallRinging("nanjing", d.now, call, slot), CallRinging("wuxi", d.now, call, LentSeat(seat, "nanjing")))
    assert d.plan().open_slots == {NANJING_WUXI: 1}, "it rings after the start"


def test_the_slot_of_a_call_whose_seat_goes_home_after_it_is_taken_from_no_free_seat() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 2, "reserve": 0}})
    [call, _] = d.calls(2)
    assert d.plan().open_slots == {NANJING_WUXI: 2}
    d.hear(
        CallRinging("wuxi", d.now, call, LentSeat("12001", "nanjing")),
        LoanChanged("wuxi", d.now, "12001", "nanjing", 0, False),
    )
    d.hear(CallRinging("nanjing", d.now, call, SlotRef("wuxi", 1)))
    assert d.plan().open_slots == {NANJING_WUXI: 2}


def test_a_trunk_seen_down_at_either_end_closes_its_slots() -> None:
    for told_by, to in (("nanjing", "wuxi"), ("wuxi", "nanjing")):
        d = day(cities=2)
        d.calls(2)
        d.plan()
        d.hear(TrunkChanged(told_by, d.now, to, up=False))
        made = d.plan()
        assert made.open_slots == {}
        assert d.whys(made) == {Why.TRUNK_DOWN}


ENDS = pytest.mark.parametrize(("told_by", "to"), [("nanjing", "wuxi"), ("wuxi", "nanjing")])


@ENDS
def test_nobody_is_lent_for_every_flap_of_a_trunk(told_by: str, to: str) -> None:
    """Found by seed 151493: a seat was lent and called home with each of them. The wait doubles from flap to flap."""
    d = day(cities=2)
    d.calls(2)
    lent = []
    for _ in range(6):
        d.hear(TrunkChanged(told_by, d.now, to, up=False))
        made = d.plan()
        assert (made.loans, d.whys(made)) == ({}, {Why.TRUNK_DOWN})
        d.picture.now += 1.0
        d.hear(TrunkChanged(told_by, d.now, to, up=True), TrunkChanged(told_by, d.now + 0.5, to, up=True))
        made = d.plan()
        assert (made.loans, d.whys(made)) == ({}, {Why.TRUNK_BACK})
        d.picture.now += 4.0
        lent.append(len(d.plan().loans))
    assert lent == [2, 0, 0, 0, 0, 0]
    for _ in range(2):
        d.picture.now += 30.0
        d.hear(TrunkChanged("nanjing", d.now, "wuxi", up=True), TrunkChanged("wuxi", d.now, "nanjing", up=True))
    assert len(d.plan().loans) == 2
    for up, after_s in ((False, 5.0), (True, STEADY_S)):  # That it has been up for a minute makes up for it.
        d.hear(TrunkChanged(told_by, d.now, to, up=up))
        d.picture.now += after_s
    assert len(d.plan().loans) == 2


@ENDS
def test_a_trunk_that_two_readings_saw_down_and_up_is_given_a_moment(told_by: str, to: str) -> None:
    d = day(cities=2)
    d.calls(2)
    seen = replace(d.read(told_by), waiting=waiting_in(d, told_by))
    for up in (False, True, True):
        d.hear(replace(seen, at=d.now, trunks=(TrunkSeen(to, up),)))
        assert d.plan().loans == {}
        d.picture.now += 0.6 * STEADY_S
    assert len(d.plan().loans) == 2, "the third reading does not begin it anew"
    d.hear(replace(seen, at=d.now, loans=seen_loans(d, told_by)), TrunkChanged(told_by, d.now, to, up=True))
    assert len(d.plan().loans) == 2


@ENDS
def test_a_trunk_that_is_back_before_anybody_looked_ends_no_loan(told_by: str, to: str) -> None:
    d = day(cities=2)
    d.calls(2)
    lent = d.plan()
    assert (len(lent.loans), lent.open_slots) == (2, {NANJING_WUXI: 2})
    d.hear(TrunkChanged(told_by, d.now, to, up=False), TrunkChanged(told_by, d.now, to, up=True))
    d.calls(1)
    made = d.plan()
    assert (made.loans, made.open_slots, d.whys(made)) == (lent.loans, lent.open_slots, {Why.TRUNK_BACK})


def test_a_trunk_that_falls_all_night_is_given_half_a_minute_at_most() -> None:
    trunk = FIRST_SEEN
    for cycle in range(1100):
        trunk = trunk.told(False, 10.0 * cycle).told(True, 10.0 * cycle + 5.0)
    assert not trunk.steady(trunk.since + 0.99 * STEADY_MOST_S)
    assert trunk.steady(trunk.since + STEADY_MOST_S)


def test_why_nobody_comes_is_the_reserve_and_not_a_trunk_that_is_just_back() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 1, "reserve": 1}})
    d.calls(2)
    assert d.whys(d.plan()) == {Why.RESERVE}
    d.hear(TrunkChanged("nanjing", d.now, "wuxi", up=False), TrunkChanged("nanjing", d.now, "wuxi", up=True))
    assert d.whys(d.plan()) == {Why.RESERVE}


def test_a_ring_in_a_first_reading_is_alive_if_its_caller_is() -> None:
    """The reading does not say since when it rings: perhaps since before the home PBX started anew."""
    d = day(cities=2, rules={"wuxi": {"shared": 2, "reserve": 0}})
    d.hear(PbxLost("nanjing", d.now, "died"), replace(d.read("nanjing"), booted_at=d.now - 10.0))
    [call] = d.calls(1)
    seats = (SeatSeen("12001", SeatState.RINGING, call=call), SeatSeen("12002", SeatState.FREE))
    seen = replace(d.read("wuxi"), seats=seats, loans=(LoanSeen("12001", "nanjing", 3),))
    d.hear(CallRinging("nanjing", d.now, call, SlotRef("wuxi", 1)), PbxLost("wuxi", d.now, "link"), seen)
    made = d.plan()
    assert (d.lent(made, "wuxi"), made.open_slots) == (["12001"], {NANJING_WUXI: 1})
    by = LentSeat("12001", "nanjing")
    d.hear(CallAnswered("wuxi", d.now, call, by, 3.0), CallAnswered("nanjing", d.now, call, SlotRef("wuxi", 1), 3.0))
    d.picture.now += 30.0
    d.calls(1)
    made = d.plan()
    assert (d.lent(made, "wuxi"), made.open_slots) == (["12001", "12002"], {NANJING_WUXI: 2})


@pytest.mark.parametrize("state", [SeatState.BUSY, SeatState.RINGING])
def test_a_new_controller_knows_a_call_that_was_before_its_pbx_started_anew(state: SeatState) -> None:
    """Found by seed 169530: it took the first reading for the beginning of the call, and opened a slot to nobody."""
    d = day(cities=2, rules={"wuxi": {"shared": 2, "reserve": 0}})
    by = LentSeat("12001", "nanjing")
    seats = (SeatSeen("12001", state, call="nanjing-1.9"), SeatSeen("12002", SeatState.FREE))
    talks = (TalkSeen("nanjing-1.9", by, d.now - 30.0),) if state is SeatState.BUSY else ()
    seen = replace(d.read("wuxi"), seats=seats, loans=(LoanSeen("12001", "nanjing", 3),), talks=talks)
    d.hear(seen, replace(d.read("nanjing"), booted_at=d.now - 5.0))
    d.calls(1)
    assert d.plan().open_slots == {NANJING_WUXI: 1}
    d.hear(replace(d.read("nanjing"), booted_at=d.now - 40.0, waiting=waiting_in(d, "nanjing")))
    assert d.plan().open_slots == {NANJING_WUXI: 2}


def test_no_more_slots_than_trunk_channels() -> None:
    d = day(cities=2, channels=2)
    d.calls(3)
    made = d.plan()
    assert made.open_slots == {NANJING_WUXI: 2}
    assert d.whys(made) == {Why.TRUNK_FULL}


def test_a_call_whose_end_was_not_heard_opens_no_slot_beyond_the_trunk() -> None:
    d = day(cities=2, channels=2)
    calls = d.calls(3)
    for number, call in enumerate(calls, 1):
        d.hear(CallRinging("wuxi", d.now, call, LentSeat(f"1200{number}", "nanjing")))
    assert d.plan().open_slots == {NANJING_WUXI: 2}


def failures(d: Day, number: int) -> None:
    for n in range(number):
        at = d.now - number + n
        d.hear(RingEnded("nanjing", at, f"nanjing-1.{700 + n}", SlotRef("wuxi", 1), RingEnd.UNREACHABLE))


def test_after_three_failures_in_a_row_the_pair_rests_and_then_one_slot_probes() -> None:
    d = day(cities=2)
    d.calls(3)
    d.plan()
    failures(d, 2)
    assert d.plan().open_slots == {NANJING_WUXI: 3}
    failures(d, 3)
    made = d.plan()
    assert (made.open_slots, d.whys(made)) == ({}, {Why.BREAKER})
    made = d.later(16)
    assert made.open_slots == {NANJING_WUXI: 1}
    seat = d.lent(made, "wuxi")[0]
    d.hear(CallRinging("wuxi", d.now, "nanjing-1.1", LentSeat(seat, "nanjing")))
    assert d.plan().open_slots == {NANJING_WUXI: 3}


def misses(d: Day, call: str, seat: LentSeat) -> None:
    d.hear(CallRinging("wuxi", d.now, call, seat), RingEnded("wuxi", d.now, call, seat, RingEnd.NO_ANSWER))


def test_a_lent_seat_that_does_not_answer_cools_down_longer_each_time() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 1, "reserve": 0}})
    d.calls(1)
    seat = LentSeat(d.lent(d.plan(), "wuxi")[0], "nanjing")
    d.hear(
        CallRinging("wuxi", d.now, "nanjing-1.1", seat), RingEnded("wuxi", d.now, "nanjing-1.1", seat, RingEnd.NO_ANSWER)
    )
    made = d.plan()
    assert (made.loans, d.whys(made)) == ({}, {Why.COOL_DOWN})
    assert d.later(61).loans
    d.hear(
        CallRinging("wuxi", d.now, "nanjing-1.2", seat), RingEnded("wuxi", d.now, "nanjing-1.2", seat, RingEnd.NO_ANSWER)
    )
    assert not d.later(61).loans
    assert d.later(60).loans


def test_seats_on_a_break_or_gone_are_called_home() -> None:
    for gone in (SeatReadied("wuxi", 1000, "12001", False), SeatChanged("wuxi", 1000, "12001", SeatState.OFFLINE)):
        d = day(cities=2, rules={"wuxi": {"shared": 1, "reserve": 0}})
        d.calls(1)
        d.plan()
        d.hear(gone)
        made = d.plan()
        assert (made.loans, d.whys(made)) == ({}, {Why.NO_SEAT_ON_DUTY})


def test_a_free_seat_moves_to_the_city_in_need_only_when_its_own_is_calm_and_it_has_stayed() -> None:
    d = day(cities=3, rules={"wuxi": {"shared": 0, "kept": 1}, "xuzhou": {"shared": 1, "reserve": 0}})
    d.picture.wishes = wish("nanjing", "wuxi")
    [call] = d.calls(1, "nanjing")
    assert set(d.plan().loans.values()) == {"nanjing"}
    d.calls(1, "wuxi")
    assert set(d.later(6).loans.values()) == {"nanjing"}  # Somebody still waits there.
    d.hear(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED))
    assert set(d.plan().loans.values()) == {"wuxi"}
    d.calls(1, "nanjing")
    assert set(d.later(6).loans.values()) == {"wuxi"}  # No ping-pong while its caller waits.


def test_a_stale_city_neither_helps_nor_is_helped_anew() -> None:
    d = day(cities=2)
    d.calls(2)
    d.picture.now += 46
    d.hear(CallWaiting("nanjing", d.now, WaitingCall("nanjing-1.99", "1", d.now)))
    made = d.plan()
    assert (made.loans, d.whys(made)) == ({}, {Why.PBX_DOWN})


def test_an_assisted_city_that_is_not_heard_for_a_moment_keeps_its_loans() -> None:
    d = day(cities=2)
    d.calls(2)
    d.plan()
    d.hear(PbxLost("nanjing", d.now, "link"))
    d.picture.now += 20
    assert len(d.plan().loans) == 2
    d.picture.now += 20
    assert d.plan().loans == {}


def test_a_lost_registry_lends_nothing_more_and_keeps_what_is() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 8}})
    d.calls(2)
    d.plan()
    d.calls(2)
    d.picture.world = type(d.picture.world)(d.picture.world.cities, registry_up=False)
    made = d.plan()
    assert len(made.loans) == 2
    assert made.open_slots == {NANJING_WUXI: 2}
    assert d.whys(made) == {Why.REGISTRY_LOST}


def test_a_fresh_start_goes_on_helping_whom_the_pbxs_show_as_helped() -> None:
    d = day(cities=2)
    d.calls(2)
    d.plan()
    d.hear(*(CallLeftQueue("nanjing", d.now, f"nanjing-1.{n}", Outcome.LEFT) for n in (1, 2)))
    d.picture.memory = None
    assert len(d.plan().loans) == 2


def test_who_is_not_switched_on_is_told_why() -> None:
    d = day(cities=2, rules={"wuxi": {"queue": QueueRules(wait_threshold_s=5.0)}})
    d.calls(2)
    d.calls(1, "wuxi", waited_s=6)
    d.picture.wishes = wish("nanjing", on=False)
    made = d.plan()
    assert d.whys(made) == {Why.SWITCHED_OFF}
    assert d.whys(made, "wuxi") == {Why.NO_EVENT}
    d.picture.wishes = wish("nanjing", stopped=True)
    assert d.whys(d.plan()) == {Why.STOPPED}


# Reconciling --------------------------------------------------------------------------------------------------------


def test_the_lowest_closed_slots_are_opened_and_those_in_use_count() -> None:
    d = day(cities=2)
    d.hear(
        SlotChanged("nanjing", d.now, SlotRef("wuxi", 3), 7, SlotState.OPEN),
        CallRinging("nanjing", d.now, "nanjing-1.50", SlotRef("wuxi", 3)),
    )
    made = Plan(open_slots={NANJING_WUXI: 3})
    orders = d.picture.orders(made)
    assert [order.slot.number for order in orders if isinstance(order, OpenSlot)] == [1, 2]


def test_an_auto_paused_slot_is_opened_again_and_one_with_an_old_token_is_made_anew() -> None:
    d = day(cities=2)
    d.hear(
        SlotChanged("nanjing", d.now, SlotRef("wuxi", 1), 7, SlotState.CLOSED, "Auto-Pause"),
        SlotChanged("nanjing", d.now, SlotRef("wuxi", 2), 6, SlotState.CLOSED),
    )
    orders = d.picture.orders(Plan(open_slots={NANJING_WUXI: 2}))
    slot_2 = SlotRef("wuxi", 2)
    assert orders == (
        OpenSlot("nanjing", SlotRef("wuxi", 1), 7),
        DropSlot("nanjing", slot_2),
        OpenSlot("nanjing", slot_2, 7),
    )


def test_slots_nobody_wished_are_closed_and_after_a_while_dropped() -> None:
    d = day(cities=2)
    slot = SlotRef("wuxi", 9)
    d.hear(SlotChanged("nanjing", d.now, slot, 7, SlotState.OPEN))
    assert d.picture.orders(Plan()) == (CloseSlot("nanjing", slot),)
    d.hear(SlotChanged("nanjing", d.now, slot, 7, SlotState.CLOSED))
    assert d.picture.orders(Plan()) == ()
    d.picture.now += 601
    assert d.picture.orders(Plan()) == (DropSlot("nanjing", slot),)


def test_a_seat_is_lent_only_after_its_older_loan_is_gone() -> None:
    d = day(cities=3)
    d.hear(LoanChanged("xuzhou", d.now, "13001", "wuxi", 5, lent=True))
    made = Plan(loans={SeatRef("xuzhou", "13001"): "nanjing"})
    assert d.picture.orders(made) == (Recall("xuzhou", "13001", "wuxi"),)
    d.hear(LoanChanged("xuzhou", d.now, "13001", "wuxi", 5, lent=False))
    [order] = d.picture.orders(made)
    assert isinstance(order, Lend)


# Predicted waits, reasons, late binding -------------------------------------------------------------------------------


def measured(d: Day, city: str = "nanjing", talked_s: float = 230.0) -> None:
    """Twenty calls: the city's handling time is known, 240 s with the wrap-up. The agents are free again."""
    seat = HomeSeat(d.picture.province.cities[city].seats[0].id)
    d.hear(*(CallEnded(city, d.now - 100, f"{city}-0.{n}", seat, talked_s) for n in range(20)))


def test_a_predicted_wait_makes_a_city_active_before_anybody_has_waited() -> None:
    d = day()
    measured(d)
    d.hear(SeatChanged("nanjing", d.now, "11001", SeatState.BUSY))
    d.calls(1, waited_s=0)
    made = d.plan()
    assert made.active == {"nanjing"}
    assert len(made.loans) == 1
    [decision] = made.decisions["nanjing"]
    assert decision.words_zh == "启动支援：预计等候 343 秒 ≥ 20 秒"
    assert decision.words_en == "activated: predicted wait 343 s ≥ 20 s"


def test_a_caller_for_whom_an_agent_is_idle_predicts_no_wait() -> None:
    d = day()
    measured(d)
    d.calls(1, waited_s=0)
    assert d.plan().active == frozenset()


def test_the_waited_threshold_is_given_as_the_reason_and_shown_as_long_as_the_city_is_active() -> None:
    d = day(cities=2)
    d.calls(1, waited_s=31)
    first = d.plan().decisions["nanjing"]
    assert first[0].words_zh == "启动支援：已等候 31 秒 ≥ 20 秒"
    d.calls(1)
    assert d.later(100).decisions["nanjing"] == first


def test_a_seat_that_comes_back_says_why() -> None:
    d = day(cities=2)
    d.calls(3)
    [lent] = d.plan().decisions["wuxi"]
    assert lent.words_zh == "座席借出 12001、12002、12003：按全省等候顺序轮到该市来电"
    d.calls(1, "wuxi", waited_s=0)
    [silent, before] = d.plan().decisions["wuxi"]
    assert silent.words_en == "seats on loan take no new call for now: the city has callers of its own waiting"
    assert before == lent
    d.later(10)
    back, _, _ = d.later(11).decisions["wuxi"]
    assert back.words_zh == "座席收回 12001、12002、12003：支援市自己缺人"
    assert "wuxi" not in d.later(61).decisions


def test_the_end_of_assistance_says_why() -> None:
    d = day(cities=2)
    d.calls(1)
    d.plan()
    d.picture.wishes = wish("nanjing", on=False)
    made = d.plan()
    assert [(each.did, each.why) for each in made.decisions["nanjing"]] == [(Did.RESTED, Why.SWITCHED_OFF)]
    assert [(each.did, each.why) for each in made.decisions["wuxi"]] == [
        (Did.SEAT_BACK, Why.SWITCHED_OFF),
        (Did.SEAT_LENT, Why.NEXT_IN_LINE),
    ]


def two_in_need(xuzhou: int = 1) -> Day:
    d = day(cities=3, rules={"wuxi": {"shared": 0, "kept": 1}, "xuzhou": {"shared": xuzhou, "reserve": 0}})
    d.picture.wishes = wish("nanjing", "wuxi")
    return d


def answer(d: Day, call: str, seat: str) -> None:
    home = call.partition("-")[0]
    by, slot = LentSeat(seat, home), SlotRef("xuzhou", 1)
    d.hear(CallRinging("xuzhou", d.now, call, by), CallRinging(home, d.now, call, slot))
    d.hear(CallAnswered("xuzhou", d.now, call, by, 1.0), CallAnswered(home, d.now, call, slot, 1.0))


def test_a_freed_seat_goes_to_whoever_is_then_first_also_of_another_city() -> None:
    d = two_in_need()
    [call] = d.calls(1, "nanjing", waited_s=60)
    [seat] = d.lent(d.plan(), "xuzhou")
    answer(d, call, seat)
    d.calls(1, "nanjing", waited_s=30)
    d.calls(1, "wuxi", waited_s=50)
    assert d.plan().loans == {SeatRef("xuzhou", seat): "nanjing"}  # A call in progress is not touched.
    d.hear(CallEnded("xuzhou", d.now, call, LentSeat(seat, "nanjing"), 9.0))
    d.hear(CallEnded("nanjing", d.now, call, SlotRef("xuzhou", 1), 9.0))
    assert d.plan().loans == {SeatRef("xuzhou", seat): "nanjing"}  # Nor the rest after it.
    made = d.later(11)
    assert made.loans == {SeatRef("xuzhou", seat): "wuxi"}
    assert [each.did for each in made.decisions["xuzhou"]] == [Did.SEAT_MOVED, Did.SEAT_LENT]


def test_a_moved_seat_stays_for_a_moment_and_a_seat_at_home_is_preferred_to_moving() -> None:
    d = two_in_need()
    [call] = d.calls(1, "nanjing", waited_s=60)
    assert len(d.plan().loans) == 1
    d.hear(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED))
    d.calls(1, "wuxi", waited_s=40)
    assert set(d.plan().loans.values()) == {"wuxi"}
    d.calls(1, "nanjing", waited_s=90)  # More urgent, but the seat came only now.
    assert set(d.later(1).loans.values()) == {"wuxi"}
    assert set(d.later(5).loans.values()) == {"nanjing"}
    e = two_in_need(xuzhou=2)
    e.calls(1, "nanjing", waited_s=60)
    e.plan()
    e.calls(1, "wuxi", waited_s=90)
    assert sorted(e.plan().loans.values()) == ["nanjing", "wuxi"]


def test_free_lent_seats_stay_where_they_are_with_their_slots_open_while_nobody_needs_them() -> None:
    d = two_in_need(xuzhou=3)
    calls = d.calls(3, "nanjing", waited_s=60)
    d.plan()
    d.hear(*(CallLeftQueue("nanjing", d.now, call, Outcome.ABANDONED) for call in calls))
    made = d.later(30)
    assert list(made.loans.values()) == ["nanjing"] * 3
    assert made.open_slots == {Pair("nanjing", "xuzhou"): 3}


def test_a_seat_paused_in_mid_talk_does_not_free_its_quota() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 4, "quota": 1}})
    [call, _] = d.calls(2)
    [seat] = d.lent(d.plan(), "wuxi")
    by = LentSeat(seat, "nanjing")
    d.hear(CallRinging("wuxi", d.now, call, by), CallAnswered("wuxi", d.now, call, by, 1.0))
    d.hear(SeatReadied("wuxi", d.now, seat, False))
    made = d.plan()
    assert d.lent(made, "wuxi") == [seat]
    assert d.whys(made) == {Why.QUOTA}


def test_agents_who_have_not_read_a_citys_scripts_are_not_lent_to_it() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 2, "reserve": 0}})
    d.picture.world = replace(d.picture.world, unbriefed={"nanjing": frozenset({SeatRef("wuxi", "12001")})})
    d.calls(2)
    made = d.plan()
    assert (d.lent(made, "wuxi"), d.whys(made)) == (["12002"], {Why.UNBRIEFED})
    everybody = frozenset({SeatRef("wuxi", "12001"), SeatRef("wuxi", "12002")})
    d.picture.world = replace(d.picture.world, unbriefed={"nanjing": everybody})
    made = d.plan()
    assert (made.loans, d.whys(made)) == ({}, {Why.UNBRIEFED})
    d.picture.world = replace(d.picture.world, unbriefed={"wuxi": everybody})
    assert d.lent(d.plan(), "wuxi") == ["12001", "12002"]


def late_calls(d: Day, number: int) -> None:
    seat = d.picture.province.cities["wuxi"].seats[0].id
    for n in range(number):
        d.hear(CallAnswered("wuxi", d.now, f"wuxi-0.{n}", HomeSeat(seat), 60.0))
        d.hear(CallEnded("wuxi", d.now, f"wuxi-0.{n}", HomeSeat(seat), 230.0))


def test_a_city_whose_own_callers_were_late_keeps_more_agents_home_until_it_has_recovered() -> None:
    d = day(cities=2, rules={"wuxi": {"shared": 12}})
    d.calls(8)
    assert len(d.plan().loans) == 8
    e = day(cities=2, rules={"wuxi": {"shared": 12, "quota": 12}})
    late_calls(e, 40)
    for n in range(100):  # Nine agents' worth of own calls.
        e.hear(CallWaiting("wuxi", e.now, WaitingCall(f"wuxi-3.{n}", "1", e.now)))
        e.hear(CallLeftQueue("wuxi", e.now, f"wuxi-3.{n}", Outcome.LEFT))
    e.picture.now += 900
    e.hear(*(e.read(code) for code in e.province.cities))
    e.calls(12)
    made = e.plan()
    room_keeps = 12 - len(e.lent(made, "wuxi"))
    assert e.picture.world.cities["wuxi"].experience.budget.tight
    assert room_keeps >= 2
    assert e.whys(made) == {Why.RESERVE}
    assert made.memory.reserves["wuxi"][0] == room_keeps
    # The room chain is not asked again with every plan.
    assert e.later(60).memory.reserves == made.memory.reserves


def test_help_goes_round_where_cities_have_equally_many_to_spare() -> None:
    d = day(cities=3)
    for n in range(5):
        d.hear(CallAnswered("wuxi", d.now, f"nanjing-0.{n}", LentSeat("12001", "nanjing"), 1.0))
        d.hear(CallEnded("wuxi", d.now - 50, f"nanjing-0.{n}", LentSeat("12001", "nanjing"), 1.0))
    d.calls(1)
    assert len(d.lent(d.plan(), "xuzhou")) == 1
