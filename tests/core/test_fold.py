"""How facts change the picture of a city."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.events import (
    CallAnswered,
    CallBackEnd,
    CallBackEnded,
    CalledBack,
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
    SurveyAnswered,
    TalkSeen,
    TrunkChanged,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.fold import RINGS_MOST_S, fold
from callctl.core.model import SlotRef
from callctl.core.world import CityView, unseen
from tests.provinces import a_province

PROVINCE = a_province(3, shared=2)
SEATS = [seat.id for seat in PROVINCE.cities["nanjing"].seats]
SLOT = SlotRef("wuxi", 1)
WRAPUP_S = PROVINCE.cities["nanjing"].queue.wrapup_s


def reading(at: float = 100.0, waiting: tuple[WaitingCall, ...] = (), loans: tuple[LoanSeen, ...] = ()) -> PbxObserved:
    seats = tuple(SeatSeen(seat, SeatState.FREE) for seat in SEATS)
    return PbxObserved("nanjing", at, waiting, seats, loans, (), (), (TrunkSeen("wuxi", True),))


def call(number: int, since: float = 100.0, returned: bool = False) -> WaitingCall:
    return WaitingCall(f"nanjing-1.{number}", "13800000000", since, returned)


def after(*facts: Fact) -> CityView:
    return fold(fold(unseen(PROVINCE), [reading()]), facts).cities["nanjing"]


calls = st.integers(1, 4).map(lambda n: f"nanjing-1.{n}")
LENT = (LentSeat(SEATS[0], "wuxi"), LentSeat(SEATS[1], "wuxi"))
answerers = st.sampled_from([HomeSeat(SEATS[0]), HomeSeat(SEATS[1]), SLOT, SlotRef("wuxi", 2), *LENT])


@st.composite
def facts_at(draw: st.DrawFn, at: float) -> Fact:
    city = "nanjing"
    some_call, by = draw(calls), draw(answerers)
    seat, assisted = draw(st.sampled_from(SEATS)), draw(st.sampled_from(["wuxi", "xuzhou"]))
    kinds: list[Fact] = [
        CallWaiting(city, at, WaitingCall(some_call, "1", draw(st.floats(0, at)), draw(st.booleans()))),
        CallLeftQueue(city, at, some_call, draw(st.sampled_from(Outcome))),
        CallRinging(city, at, some_call, by),
        RingEnded(city, at, some_call, by, draw(st.sampled_from(RingEnd))),
        CallAnswered(city, at, some_call, by, 1.0),
        CallEnded(city, at, some_call, by, 1.0, draw(st.booleans())),
        SeatChanged(city, at, seat, draw(st.sampled_from(SeatState))),
        SeatReadied(city, at, seat, draw(st.booleans())),
        LoanChanged(city, at, seat, assisted, draw(st.integers(1, 9)), draw(st.booleans())),
        SlotChanged(city, at, SLOT, 1, draw(st.sampled_from(SlotState))),
        TrunkChanged(city, at, "wuxi", draw(st.booleans())),
        reading(at, (call(8, 50.0), call(9, 60.0)), (LoanSeen(SEATS[0], "wuxi", 3),)),
        PbxLost(city, at, "gone"),
    ]
    weights = kinds[:-2] * 3 + kinds[-2:]
    return draw(st.sampled_from(weights))


streams = st.integers(1, 25).flatmap(lambda n: st.tuples(*(facts_at(101.0 + i) for i in range(n))))
quick = settings(max_examples=60, deadline=None)


@given(streams)
@quick
def test_a_batch_leads_where_the_single_facts_lead(stream: tuple[Fact, ...]) -> None:
    start = fold(unseen(PROVINCE), [reading()])
    one_by_one = start
    for fact in stream:
        one_by_one = fold(one_by_one, [fact])
    batch = fold(start, stream)
    assert batch == one_by_one
    assert list(batch.cities["nanjing"].waiting) == list(one_by_one.cities["nanjing"].waiting)


def test_what_only_the_history_keeps_changes_nothing_in_the_picture() -> None:
    start = fold(unseen(PROVINCE), [reading()])
    told = (
        SurveyAnswered("nanjing", 101.0, "nanjing-1.1", 5),
        CallBackEnded("nanjing", 101.0, "nanjing-1.1", "a/1", "nanjing", SEATS[0], CallBackEnd.BUSY),
        CalledBack("nanjing", 101.0, "nanjing-1.1", CallBackEnd.NO_ANSWER),
    )
    for fact in told:
        after = fold(start, [fact]).cities["nanjing"]
        assert replace(after, heard_at=start.cities["nanjing"].heard_at) == start.cities["nanjing"]


def test_a_talk_is_not_as_old_as_a_ring_whose_end_was_lost() -> None:
    """Else the slot would pass for one of a talk that died when the far PBX started anew between the two."""
    one = call(1, 90.0)
    world = fold(unseen(PROVINCE), [reading(100.0, (one,)), CallRinging("nanjing", 100.0, one.call, SLOT)])
    assert world.cities["nanjing"].slots[SLOT].used_since == 100.0
    world = fold(world, [CallAnswered("nanjing", 130.0, one.call, SLOT, 40.0)])
    assert world.cities["nanjing"].slots[SLOT].used_since == 130.0 - RINGS_MOST_S
    slot = SlotSeen(SLOT, SlotState.OPEN, 1, in_use=True)
    again = replace(reading(140.0), slots=(slot,), talks=(TalkSeen(one.call, SLOT, 130.0),))
    assert fold(world, [again]).cities["nanjing"].slots[SLOT].used_since == 130.0 - RINGS_MOST_S


@given(streams)
@quick
def test_after_a_reading_the_past_does_not_matter(stream: tuple[Fact, ...]) -> None:
    last = reading(500.0, (call(1, 90.0), call(2, 80.0)), (LoanSeen(SEATS[0], "wuxi", 3),))
    with_past = fold(fold(unseen(PROVINCE), [reading(), *stream]), [last]).cities["nanjing"]
    without = fold(unseen(PROVINCE), [last]).cities["nanjing"]
    for what in ("up", "heard_at", "waiting", "seats", "talks", "rings", "tally", "waiting_sinces"):
        assert getattr(with_past, what) == getattr(without, what)
    assert with_past.trunk_up("wuxi") is without.trunk_up("wuxi")
    assert {ref: slot._replace(since=0.0) for ref, slot in with_past.slots.items()} == without.slots


@given(streams)
@quick
def test_waiting_calls_stand_in_queue_order_whatever_came(stream: tuple[Fact, ...]) -> None:
    view = fold(fold(unseen(PROVINCE), [reading()]), stream).cities["nanjing"]
    places = [(not each.returned, each.waiting_since) for each in view.waiting.values()]
    assert places == sorted(places)


@given(streams)
@quick
def test_the_old_picture_is_never_changed(stream: tuple[Fact, ...]) -> None:
    start = fold(unseen(PROVINCE), [reading(waiting=(call(8),))])
    before = repr(start)
    fold(start, stream)
    assert repr(start) == before


@given(streams)
@quick
def test_seats_counted_by_what_changed_are_those_counted_anew(stream: tuple[Fact, ...]) -> None:
    world = fold(unseen(PROVINCE), [reading()])
    for fact in stream:
        assert world.cities["nanjing"].tally
        world = fold(world, [fact])
    view = world.cities["nanjing"]
    assert view.tally == replace(view).tally


def test_a_returned_caller_stands_in_front_of_all_who_were_never_answered() -> None:
    view = after(CallWaiting("nanjing", 101, call(1, 50.0)), CallWaiting("nanjing", 102, call(2, 90.0, returned=True)))
    assert list(view.waiting) == ["nanjing-1.2", "nanjing-1.1"]
    assert view.longest_wait_s(150.0) == 100.0


def test_the_seat_rests_for_the_wrap_up_after_a_talk() -> None:
    by = HomeSeat(SEATS[0])
    view = after(CallAnswered("nanjing", 101, "nanjing-1.1", by, 1.0), CallEnded("nanjing", 150, "nanjing-1.1", by, 49.0))
    assert view.seats[SEATS[0]].free_from == 150 + WRAPUP_S
    assert view.idle(151) == 1
    assert view.idle(150 + WRAPUP_S) == 2


def test_the_wrap_up_begins_although_the_phone_is_quicker_than_the_queue() -> None:
    by = HomeSeat(SEATS[0])
    view = after(
        CallAnswered("nanjing", 101, "nanjing-1.1", by, 1.0), SeatChanged("nanjing", 150, SEATS[0], SeatState.FREE)
    )
    assert view.idle(151) == 1


def test_the_end_of_a_call_told_twice_does_not_prolong_the_wrap_up() -> None:
    by = HomeSeat(SEATS[0])
    end = CallEnded("nanjing", 150, "nanjing-1.1", by, 49.0)
    late = CallEnded("nanjing", 155, "nanjing-1.1", by, 49.0)
    view = after(CallAnswered("nanjing", 101, "nanjing-1.1", by, 1.0), end, late)
    assert view.seats[SEATS[0]].free_from == 150 + WRAPUP_S


def test_a_lent_seat_rings_and_talks_for_the_other_city() -> None:
    by = LentSeat(SEATS[0], "wuxi")
    ringing = after(CallRinging("nanjing", 101, "wuxi-1.1", by))
    assert ringing.tally.serving == {"wuxi": 1}
    assert ringing.idle(200) == 1
    talking = after(CallRinging("nanjing", 101, "wuxi-1.1", by), CallAnswered("nanjing", 102, "wuxi-1.1", by, 3.0))
    assert talking.seats[SEATS[0]].state is SeatState.BUSY
    assert talking.reached == {"wuxi": 101}


def test_an_answer_stops_every_other_ring_for_the_call() -> None:
    view = after(
        SlotChanged("nanjing", 100, SLOT, 1, SlotState.OPEN),
        CallRinging("nanjing", 101, "nanjing-1.1", SLOT),
        CallRinging("nanjing", 101, "nanjing-1.1", HomeSeat(SEATS[0])),
        CallAnswered("nanjing", 102, "nanjing-1.1", HomeSeat(SEATS[0]), 2.0),
    )
    assert not view.slots[SLOT].in_use
    assert view.seats[SEATS[0]].state is SeatState.BUSY


def test_two_loans_of_one_seat_are_both_seen_the_later_last() -> None:
    view = after(
        LoanChanged("nanjing", 101, SEATS[0], "xuzhou", 9, lent=True),
        LoanChanged("nanjing", 102, SEATS[0], "wuxi", 4, lent=True),
    )
    assert [loan.assisted for loan in view.seats[SEATS[0]].loans] == ["wuxi", "xuzhou"]
    assert view.tally.lent[SEATS[0]].assisted == "xuzhou"


def test_a_dropped_slot_stays_in_sight_until_its_call_is_over() -> None:
    facts: list[Fact] = [
        SlotChanged("nanjing", 100, SLOT, 1, SlotState.OPEN),
        CallAnswered("nanjing", 101, "nanjing-1.1", SLOT, 1.0),
        SlotChanged("nanjing", 102, SLOT, 1, SlotState.ABSENT),
    ]
    assert after(*facts).slots_in_use == {"wuxi": 1}
    assert after(*facts, CallEnded("nanjing", 110, "nanjing-1.1", SLOT, 9.0)).slots == {}


def test_failures_in_a_row_are_counted_once_each_and_a_busy_far_end_ends_the_row() -> None:
    def fails(number: int, at: float, why: RingEnd = RingEnd.UNREACHABLE) -> Fact:
        return RingEnded("nanjing", at, f"nanjing-1.{number}", SLOT, why)

    assert after(fails(1, 101), fails(1, 101), fails(2, 103)).pairs["wuxi"].failures == 2
    assert after(fails(1, 101), fails(2, 103), fails(3, 104, RingEnd.BUSY)).pairs["wuxi"].failures == 0


def test_a_lost_pbx_is_unknown_until_it_is_read_again() -> None:
    view = after(CallWaiting("nanjing", 101, call(1)), PbxLost("nanjing", 102, "link"))
    assert not view.up
    assert view.waiting == {}
    ignored = after(PbxLost("nanjing", 102, "link"), CallWaiting("nanjing", 103, call(1)))
    assert ignored.waiting == {}
    assert ignored.heard_at == 100.0


def test_cities_nobody_named_are_ignored() -> None:
    world = unseen(PROVINCE)
    assert fold(world, [PbxLost("atlantis", 1.0, "")]) is world


def test_a_reading_in_the_middle_of_a_ring_does_not_forget_for_whom_it_rings() -> None:
    waits = call(1)
    slot = SlotSeen(SLOT, SlotState.OPEN, 5, in_use=True)
    seats = (SeatSeen(SEATS[0], SeatState.RINGING), SeatSeen(SEATS[1], SeatState.FREE))
    again = PbxObserved("nanjing", 103.0, (waits,), seats, (), (slot,), (), ())
    lent = LentSeat(SEATS[0], "wuxi")
    view = after(
        SlotChanged("nanjing", 100.5, SLOT, 5, SlotState.OPEN),
        CallWaiting("nanjing", 101.0, waits),
        CallRinging("nanjing", 102.0, waits.call, SLOT),
        CallRinging("nanjing", 102.0, "wuxi-1.7", lent),
        again,
    )
    assert view.tally.serving == {"wuxi": 1}
    assert view.tally.ringing_home == 0, "another city's call is no call of our own"
    view = after(
        SlotChanged("nanjing", 100.5, SLOT, 5, SlotState.OPEN),
        CallWaiting("nanjing", 101.0, waits),
        CallRinging("nanjing", 102.0, waits.call, SLOT),
        again,
        CallLeftQueue("nanjing", 104.0, waits.call, Outcome.ABANDONED),
    )
    assert view.slots_in_use == {}, "the slot rang for a citizen who is gone"
