"""One test a counting rule: what the citizen met is what the report says, once, at the city that was called."""

from callctl.core.counting import NAMES, CountedCall, Counters, count, fate, together
from callctl.core.rates import (
    attempt_rate,
    connect_rate,
    handling_s,
    redial_rate,
    remote_recorded,
    satisfied_home,
    satisfied_remote,
    share_helped,
    within,
    within_without_short,
)

Y, X = "yangzhou", "xuzhou"


def home(**more) -> CountedCall:
    return CountedCall(Y, "over", "answered", Y, **{"waited_s": 10.0, "talked_s": 100.0, **more})


def remote(**more) -> CountedCall:
    return CountedCall(Y, "over", "answered", X, **{"waited_s": 25.0, "talked_s": 200.0, "sent_out": True, **more})


def gave_up(waited_s: float, **more) -> CountedCall:
    return CountedCall(Y, "away", "abandoned", waited_s=waited_s, **more)


def test_a_call_answered_in_b_is_one_request_and_one_remote_answer_in_a_and_only_work_in_b() -> None:
    found = count([remote()])
    assert (found[Y].requested, found[Y].answered_remote, found[Y].answered_home) == (1, 1, 0)
    assert (found[X].answered_for_others, found[X].for_others_s) == (1, 200.0)
    assert found[X].requested == 0
    assert connect_rate(found[X]).value is None  # In B's own connect rate it does not exist.
    assert connect_rate(found[Y]).value == 1.0


def test_sent_out_unanswered_there_and_answered_at_home_is_a_home_answer_that_returned() -> None:
    found = count([home(sent_out=True, came_home=True), home(sent_out=True)])[Y]
    assert (found.answered_home, found.answered_remote, found.sent_out, found.returned_home) == (2, 0, 2, 1)


def test_a_second_conversation_of_a_call_is_no_second_answer() -> None:
    assert count([home(requeues=1)])[Y].answered == 1  # One row a call: the story has the legs.


def test_short_abandons_are_listed_apart_and_stay_in_the_denominator() -> None:
    found = count([home(), gave_up(4.99), gave_up(5.0)])[Y]
    assert (found.abandoned, found.short_abandoned) == (2, 1)
    assert connect_rate(found).whole == 3
    assert within_without_short(found, 15).whole == 2


def test_nuisance_calls_stay_in_the_connect_rate_and_leave_the_handling_time() -> None:
    found = count([home(talked_s=100.0, wrapped_s=60.0), home(talked_s=9000.0, nuisance=True)])[Y]
    assert (connect_rate(found).part, found.nuisance) == (2, 1)
    assert handling_s(found) == 160.0


def test_a_call_back_that_succeeds_raises_replies_and_not_the_connect_rate() -> None:
    asked = CountedCall(Y, "over", "answered", Y, 900.0, 60.0, called_back=True)
    found = count([home(), asked])[Y]
    assert fate(asked) == "call_back"
    assert (found.answered, found.call_back, found.called_back) == (1, 1, 1)
    assert connect_rate(found).value == 0.5
    assert found.in_30 == 1


def test_the_limits_are_inclusive_and_of_all_who_asked() -> None:
    waits = (15.0, 15.5, 20.0, 30.0, 30.5)
    found = count([*(home(waited_s=wait) for wait in waits), gave_up(3.0)])[Y]
    assert (found.in_15, found.in_20, found.in_30) == (1, 3, 4)
    assert (within(found, 30).part, within(found, 30).whole) == (4, 6)


def test_every_call_has_exactly_one_fate_and_the_fates_add_up() -> None:
    every = [
        home(),
        remote(),
        gave_up(9.0),
        home(called_back=True),
        CountedCall(Y, "away", "moved"),
        CountedCall(Y, "waiting", None),
        CountedCall(Y, "gone", None),
        CountedCall(Y, "away", "left"),
        CountedCall(Y, "away", "refused"),
        CountedCall(Y, "over", "cut_off"),
    ]
    found = count(every)[Y]
    parts = (found.answered, found.abandoned, found.call_back, found.moved, found.waiting, found.lost, found.unknown)
    assert sum(parts) == found.requested == len(every)
    assert (found.lost, found.blocked, found.unknown) == (3, 1, 1)


def test_satisfaction_is_split_by_who_answered() -> None:
    found = count([home(score=5), home(score=3), remote(score=4), remote()])[Y]
    assert (satisfied_home(found).part, satisfied_home(found).whole) == (1, 2)
    assert (satisfied_remote(found).part, satisfied_remote(found).whole) == (1, 1)


def test_every_remote_answer_is_answered_on_the_call_or_forwarded() -> None:
    found = count([remote(result="on_call"), remote(result="forwarded"), remote()])[Y]
    assert (remote_recorded(found).part, remote_recorded(found).whole) == (2, 3)


def test_rates_name_their_denominator_and_have_none_where_it_was_not_counted() -> None:
    found = count([home(), home(), remote()])[Y]
    assert share_helped(found).of == "接听量"
    assert attempt_rate(found, None).value is None
    assert attempt_rate(found, 300).percent == 1.0
    assert redial_rate(found, 2).value == 1 / 3


def test_intervals_add_up_to_the_same_as_counting_all_at_once() -> None:
    early, late = [home(), remote(), gave_up(40.0)], [remote(score=2), gave_up(1.0, rung=True)]
    parts = [count(early)[Y], count(late)[Y]]
    assert together(parts) == count(early + late)[Y]
    assert together([]) == Counters()
    assert count(early + late)[Y].max_wait_s == 40.0
    assert set(NAMES) >= {"requested", "max_wait_s"}
