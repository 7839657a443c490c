"""Place inversions: counted by a sweep, checked against the definition itself."""

import math

from hypothesis import given
from hypothesis import strategies as st

from callctl.core.fairness import Inversions, Stay, Turn, inversions


def test_turns_in_the_order_of_arrival_are_no_inversions() -> None:
    stays = [Stay(1.0, 1.0, 10.0), Stay(2.0, 2.0, 11.0)]
    assert inversions(stays, [], [Turn(1.0, 10.0), Turn(2.0, 11.0)]) == Inversions(0, 0)


def test_an_earlier_caller_who_still_waits_is_one() -> None:
    stays = [Stay(1.0, 1.0, math.inf), Stay(2.0, 2.0, 11.0)]
    assert inversions(stays, [], [Turn(2.0, 11.0)]) == Inversions(1, 1)


def test_an_earlier_caller_who_is_being_rung_loses_nothing() -> None:
    stays = [Stay(1.0, 1.0, 12.0), Stay(2.0, 2.0, 11.0)]
    assert inversions(stays, [Stay(1.0, 9.0, 12.0)], [Turn(2.0, 10.0), Turn(1.0, 9.0)]) == Inversions(0, 0)


def test_an_earlier_caller_who_is_rung_or_gives_up_within_the_race_loses_nothing() -> None:
    stays = [Stay(1.0, 1.0, 12.0), Stay(1.5, 1.5, 10.4), Stay(2.0, 2.0, 11.0)]
    rings = [Stay(1.0, 10.4, 12.0), Stay(2.0, 10.0, 11.0)]
    turns = [Turn(2.0, 10.0), Turn(1.0, 10.4)]
    assert inversions(stays, rings, turns, race_s=0.5) == Inversions(0, 0)
    assert inversions(stays, rings, turns, race_s=0.3) == Inversions(2, 1)


def test_an_earlier_caller_whose_ring_failed_waits_again() -> None:
    stays = [Stay(1.0, 1.0, 30.0), Stay(2.0, 2.0, 21.0)]
    assert inversions(stays, [Stay(1.0, 5.0, 10.0)], [Turn(2.0, 20.0)]) == Inversions(1, 1)


def test_an_earlier_caller_who_gave_up_before_is_none() -> None:
    stays = [Stay(1.0, 1.0, 10.5), Stay(2.0, 2.0, 11.0)]
    assert inversions(stays, [], [Turn(2.0, 11.0)]).pairs == 0


def test_a_returned_caller_counts_by_the_first_arrival() -> None:
    stays = [Stay(1.0, 1.0, 5.0), Stay(1.0, 20.0, math.inf), Stay(2.0, 2.0, 30.0)]
    assert inversions(stays, [], [Turn(1.0, 5.0), Turn(2.0, 30.0)]).pairs == 1


TIMES = st.integers(0, 30).map(float)


@given(st.lists(st.tuples(TIMES, TIMES, st.booleans()), max_size=12))
def test_the_sweep_counts_what_the_definition_says(drawn: list[tuple[float, float, bool]]) -> None:
    calls = [(number / 100 + start, start + length, answered) for number, (start, length, answered) in enumerate(drawn)]
    stays = [Stay(arrived, arrived, end) for arrived, end, _ in calls]
    answers = [Turn(arrived, end) for arrived, end, answered in calls if answered]
    pairs = sum(
        stay.arrived < answer.arrived and stay.entered <= answer.at < stay.left for answer in answers for stay in stays
    )
    assert inversions(stays, [], answers).pairs == pairs
