"""Whom to call back and when: once a citizen, by first arrival, never at a live caller's cost."""

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.days import moment
from callctl.core.missed import (
    AGAIN_S,
    GONE_S,
    TRIES_MOST,
    Attempt,
    CallBack,
    Errand,
    Floor,
    Missed,
    Tried,
    call_back_now,
    errands,
    missed_list,
    quiet,
)

NOW = 1_790_000_000.0


def gave_up(caller: str, ago_s: float, waited_s: float = 60.0) -> Attempt:
    return Attempt(caller, f"138{caller}", NOW - ago_s, "abandoned", False, waited_s)


def test_a_citizen_is_there_once_with_all_attempts_and_the_place_of_the_first() -> None:
    found = missed_list([gave_up("b", 500), gave_up("a", 600), gave_up("b", 900), gave_up("b", 100)], [], NOW)
    assert [(one.caller, one.attempts, one.first_at) for one in found] == [("b", 3, NOW - 900), ("a", 1, NOW - 600)]


def test_who_was_answered_since_is_off_the_list_and_who_was_answered_before_is_on_it() -> None:
    answered = Attempt("a", "1", NOW - 300, "answered", False, 5.0)
    assert missed_list([gave_up("a", 600), answered], [], NOW) == []
    again = missed_list([gave_up("a", 600), answered, gave_up("a", 100)], [], NOW)
    assert [(one.attempts, one.first_at) for one in again] == [(1, NOW - 100)]


def test_one_hang_up_within_seconds_is_a_wrong_number_two_are_not() -> None:
    assert missed_list([gave_up("a", 60, 3.0)], [], NOW) == []
    assert len(missed_list([gave_up("a", 60, 3.0), gave_up("a", 30, 3.0)], [], NOW)) == 1


def test_blocked_and_cut_off_calls_are_on_it_and_withheld_numbers_cannot_be() -> None:
    blocked = Attempt("a", "1", NOW - 60, "refused", False, None)
    cut_off = Attempt("b", "2", NOW - 50, "cut_off", False, 9.0)
    hidden = Attempt("", "", NOW - 40, "abandoned", False, 60.0)
    assert [one.how for one in missed_list([blocked, cut_off, hidden], [], NOW)] == [Missed.BLOCKED, Missed.CUT_OFF]


def test_who_asked_by_key_and_did_not_pick_up_is_dialled_again_who_still_waits_for_it_is_not() -> None:
    asked = Attempt("a", "1", NOW - 600, "call_back", True, 60.0, "y-1.1")
    vain = asked._replace(caller="b", outcome="not_reached", call="y-1.2")
    found = missed_list([asked, vain], [CallBack("b", NOW - 60, Tried.NO_ANSWER)], NOW)
    assert [(one.how, one.attempts, one.tries) for one in found] == [(Missed.ASKED, 1, 0), (Missed.NOT_REACHED, 1, 1)]
    assert errands(found) == (Errand("y-1.2", NOW - 60 + AGAIN_S),)
    again = asked._replace(caller="b", at=NOW - 30, call="y-1.3")  # Asks once more: the PBX will call, in the new place.
    assert errands(missed_list([vain, again], [], NOW)) == ()


def test_a_call_back_that_was_answered_ends_it_and_three_vain_ones_do_too() -> None:
    calls = [gave_up("a", 3600)]
    for outcome in (Tried.ANSWERED, Tried.DECLINED, Tried.WRONG):
        assert missed_list(calls, [CallBack("a", NOW - 60, outcome)], NOW) == []
    vain = [CallBack("a", NOW - 60 - n, Tried.NO_ANSWER) for n in range(TRIES_MOST)]
    assert missed_list(calls, vain, NOW) == []
    (one,) = missed_list(calls, vain[:1], NOW)
    assert (one.tries, one.next_at) == (1, NOW - 60 + AGAIN_S)
    assert missed_list([gave_up("a", GONE_S + 1)], [], NOW) == []


def errand(name: str, next_at: float = 0.0) -> Errand:
    return Errand(name, next_at)


def test_home_agents_call_first_and_supporting_cities_agents_when_none_is_free() -> None:
    floors = [Floor("yangzhou", 2, 1, 0), Floor("xuzhou", 3, 1, 0)]
    found = call_back_now([errand(str(n)) for n in range(5)], floors, NOW, 10)
    assert [one.city for one in found] == ["yangzhou", "xuzhou", "xuzhou"]


def test_a_live_caller_comes_before_every_call_back() -> None:
    assert call_back_now([errand("a")], [Floor("yangzhou", 3, 1, 2)], NOW, 10) == []
    assert len(call_back_now([errand("a")], [Floor("yangzhou", 4, 1, 2)], NOW, 10)) == 1


def test_who_is_not_due_yet_is_passed_over_without_losing_the_others_and_who_asked_by_key_is_no_errand() -> None:
    wanted = [errand("a", NOW + 1), errand("c")]
    assert [one.call for one in call_back_now(wanted, [Floor("yangzhou", 5, 0, 0)], NOW, 10)] == ["c"]
    asked = Attempt("b", "2", NOW - 60, None, True, 9.0, "y-1.2")
    assert [one.call for one in errands(missed_list([asked, gave_up("a", 90)._replace(call="y-1.1")], [], NOW))] == [
        "y-1.1"
    ]


def test_quiet_hours_are_china_s_and_may_run_over_midnight() -> None:
    at = moment(date(2024, 2, 29), 19.99)
    assert not quiet(at, 8.0, 20.0)
    assert quiet(at + 60, 8.0, 20.0)
    assert quiet(moment(date(2024, 3, 1), 7.99), 8.0, 20.0)
    assert not quiet(moment(date(2024, 3, 1), 0.5), 20.0, 2.0)
    assert quiet(moment(date(2024, 3, 1), 2.0), 20.0, 2.0)
    assert not quiet(at, 0.0, 24.0)


floors = st.lists(
    st.builds(Floor, st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 3), st.integers(0, 9), st.integers(0, 4)),
    max_size=4,
    unique_by=lambda floor: floor.city,
)


@settings(max_examples=200, deadline=None)
@given(floors, st.integers(0, 20), st.integers(0, 8))
def test_never_more_than_the_free_agents_nobody_live_needs(floors: list[Floor], waiting: int, at_once: int) -> None:
    found = call_back_now([errand(f"{n:02d}") for n in range(waiting)], floors, NOW, at_once)
    for floor in floors:
        mine = sum(one.city == floor.city for one in found)
        assert mine <= max(0, floor.free - floor.reserve - floor.waiting)
    assert len(found) + sum(floor.calling for floor in floors) <= max(at_once, sum(floor.calling for floor in floors))
    assert [one.call for one in found] == sorted(one.call for one in found)
