"""What a city's calls teach: measured from facts, once however often they are told, and not lost with the link."""

import pytest
from hypothesis import given, settings

from callctl.core.erlang import reserve_for
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    Outcome,
    PbxLost,
)
from callctl.core.experience import Budget, Experience, first_experience, own_reserve
from callctl.core.fold import fold
from callctl.core.world import unseen
from tests.core.test_fold import PROVINCE, SEATS, SLOT, WRAPUP_S, call, reading, streams

HOME, LENT = HomeSeat(SEATS[0]), LentSeat(SEATS[0], "wuxi")


def learned(*facts: Fact) -> Experience:
    return fold(fold(unseen(PROVINCE), [reading()]), facts).cities["nanjing"].experience


def waits(number: int, since: float = 100.0, returned: bool = False) -> CallWaiting:
    return CallWaiting("nanjing", since, call(number, since, returned))


def answered(number: int, at: float, by: HomeSeat | LentSeat = HOME) -> CallAnswered:
    return CallAnswered("nanjing", at, f"nanjing-1.{number}", by, at - 100.0)


@given(streams)
@settings(max_examples=100, deadline=None)
def test_a_fact_told_twice_teaches_once(stream: tuple[Fact, ...]) -> None:
    assert learned(*(fact for each in stream for fact in (each, each))) == learned(*stream)


@given(streams)
@settings(max_examples=30, deadline=None)
def test_what_was_learned_outlives_a_lost_link_and_a_new_reading(stream: tuple[Fact, ...]) -> None:
    before = learned(*stream, PbxLost("nanjing", 899.0, "gone"))
    assert before == learned(*stream, PbxLost("nanjing", 899.0, "gone"), reading(900.0))


def test_an_old_repeat_teaches_nothing_although_the_call_is_gone_from_the_picture() -> None:
    once = [waits(1), answered(1, 130.0), CallEnded("nanjing", 200.0, "nanjing-1.1", HOME, 70.0)]
    assert learned(*once, *once) == learned(*once)


def test_an_answer_in_time_earns_and_a_late_one_or_a_hang_up_pays() -> None:
    first = Budget(0.8, 0.0)
    start = learned().budget.left
    in_time = learned(waits(1), answered(1, 115.0))
    late = learned(waits(1), answered(1, 116.0))
    hung_up = learned(waits(1), CallLeftQueue("nanjing", 101.0, "nanjing-1.1", Outcome.ABANDONED))
    assert in_time.budget.left == pytest.approx(start + 1 - first.target)
    assert late.budget.left == hung_up.budget.left == pytest.approx(start - first.target)


def test_a_caller_helped_elsewhere_costs_the_own_room_nothing_and_a_returned_one_is_not_counted_again() -> None:
    start = learned().budget.left
    by_slot = CallAnswered("nanjing", 150.0, "nanjing-1.1", SLOT, 50.0)
    again = [waits(1, 151.0, returned=True), answered(1, 160.0)]
    assert learned(waits(1), by_slot, *again).budget.left == start


def test_other_ways_out_of_the_queue_say_nothing_about_patience() -> None:
    for outcome in (Outcome.MOVED, Outcome.CALL_BACK, Outcome.REFUSED, Outcome.LEFT):
        assert learned(waits(1), CallLeftQueue("nanjing", 101.0, "nanjing-1.1", outcome)) == learned(waits(1))


def test_handling_times_are_measured_where_the_agent_sits() -> None:
    own = [CallEnded("nanjing", 500.0, f"nanjing-1.{n}", HOME, 90.0) for n in range(20)]
    lent = [CallEnded("nanjing", 500.0, f"wuxi-1.{n}", LENT, 190.0) for n in range(20)]
    away = [CallEnded("nanjing", 500.0, f"nanjing-2.{n}", SLOT, 990.0) for n in range(20)]
    cut = [CallEnded("nanjing", 500.0, f"wuxi-2.{n}", LENT, 3.0, lost=True) for n in range(20)]
    got = learned(*own, *lent, *away, *cut)
    assert (got.own.known, got.own.mean_s) == (True, 90.0 + WRAPUP_S)
    assert got.lent_aht_s == 190.0 + WRAPUP_S
    assert learned(*own).lent_aht_s == pytest.approx(1.1 * (90.0 + WRAPUP_S))  # Not measured: a tenth slower.


def test_the_ledger_of_help_counts_answers_for_others_and_fades() -> None:
    got = learned(*(CallAnswered("nanjing", 200.0, f"wuxi-1.{n}", LENT, 9.0) for n in range(3)))
    assert got.help_given(200.0) == pytest.approx(3.0)
    assert got.help_given(2000.0) == pytest.approx(3.0 / 2.718281828)


def test_callers_a_reading_shows_have_arrived_but_not_after_a_gap() -> None:
    seen = reading(300.0, (call(1), call(2)))
    # The first call began the count, 900 s before.
    assert learned(waits(1), seen).calls.rate(1000.0).mean == pytest.approx(1 / 900.0)
    gap = learned(waits(1), PbxLost("nanjing", 200.0, "gone"), seen)
    assert gap.calls.rate(1000.0).mean == 0.0


def test_the_peak_hour_sizes_the_budget() -> None:
    room = Experience(target=0.8, peak_per_h=10.0)
    for second in range(0, 2700, 12):  # 300 an hour.
        room.arrived(float(second))
    assert room.peak_per_h == pytest.approx(300.0, rel=0.02)
    assert room.budget.full == pytest.approx(0.2 * 4 * room.peak_per_h)


def test_an_emptied_budget_is_tight_until_a_tenth_is_saved() -> None:
    budget = Budget(0.8, 100.0)
    for _ in range(20):
        budget.own_call(late=True)
    assert (budget.tight, budget.left) == (True, 0.0)
    calls = 0
    while budget.tight:
        budget.own_call(late=False)
        calls += 1
    assert calls == pytest.approx(0.1 * budget.full / 0.2, abs=1)


def test_an_outage_in_which_everybody_hangs_up_at_once_still_leaves_a_reserve_to_be_reckoned() -> None:
    mine = Experience(0.8, 15.0, peak_per_h=60.0)
    for number in range(40):
        mine.hung_up(waited_s=0.5 * (number % 2))
        mine.own.finished(0.1)
    assert mine.patience.mean_s < 5.0
    assert 0 <= own_reserve(mine, staff=10, quota=5, guess=1, now=100.0) <= 10


EPOCH = 1_800_000_000.0  # A controller's clock does not begin at 0.


def steady(began: float, per_s: float, seconds: float) -> Experience:
    """Of a city that is called as evenly as a clock ticks, from `began` on."""
    learned = first_experience(20, 0.8, 15.0)
    for number in range(round(per_s * seconds) + 1):
        learned.arrived(began + number / per_s)
    return learned


@pytest.mark.parametrize("seconds", [120.0, 600.0, 890.0, 1000.0, 1790.0, 4000.0])
def test_a_controller_that_has_just_started_knows_the_rate_and_sees_no_surge_in_it(seconds: float) -> None:
    learned = steady(EPOCH, 0.1, seconds)
    assert learned.calls.rate(EPOCH + seconds).mean == pytest.approx(0.1, rel=0.03)
    assert not learned.calls.surging(EPOCH + seconds)
    assert steady(EPOCH, 0.1, 4000.0).peak_per_h == pytest.approx(360.0, rel=0.4), "guessed before: 80 % of the seats busy"


def test_the_reserve_of_a_new_controllers_city_is_that_of_its_load() -> None:
    learned = steady(EPOCH, 0.062, 600.0)  # Load 14.8.
    assert own_reserve(learned, 20, 10, 2, EPOCH + 600.0) == reserve_for(20, 15.0, 10, 0.8, 240, 264, 180.0, 15.0, 2) == 4


def test_a_surge_is_seen_from_the_second_quarter_hour_on() -> None:
    learned = steady(EPOCH, 0.1, 1000.0)
    for number in range(60):
        learned.arrived(EPOCH + 1000.0 + number)
    assert learned.calls.surging(EPOCH + 1060.0)
