"""What events missed, taken from the PBX's own log: exactly the missing facts, joined over both cities, nothing twice."""

from dataclasses import replace

import pytest

from callctl.core.counting import CountedCall, fate
from callctl.core.events import CallEnded, CallWaiting, LentSeat
from callctl.core.sightings import LogRead, NotSeen
from callctl.core.story import call_of, tell
from callctl.pbx.asterisk_queue_log import missing_facts
from callctl.store.seal import Clear
from tests.small_province import small_province
from tests.store.facts import T0, X, Y, abandoned, answered_home, answered_remote, name

HOME = small_province().cities[Y]
AWAY = small_province().cities[X]


def line(at: float, unique: str, queue: str, who: str, event: str, *details: object) -> str:
    return "|".join([str(int(at)), unique, queue, who, event, *map(str, details)])


def home_log(number: int, arrived: float, answered: float, who: str, talked: int = 30) -> list[str]:
    call, queue, waited = name(number), HOME.queue.name, int(answered) - int(arrived)
    return [
        line(arrived, call, queue, "NONE", "ENTERQUEUE", "", f"138{number:08d}", 1),
        line(answered, call, queue, who, "CONNECT", waited, "x-1.1", 1),
        line(answered + talked, call, queue, who, "COMPLETECALLER", waited, talked, 1),
    ]


def derived(lines, facts, city=HOME):
    told: dict[str, list] = {}
    for fact in facts:
        told.setdefault(call_of(fact), []).append(fact)
    return missing_facts(lines, city, [Y, X], {call: tell(some) for call, some in told.items()}, Clear().caller)


def retold(facts, found):
    return tell([fact for fact in [*facts, *found.facts] if call_of(fact) == name(1)])


SEAT = HOME.seats[0].id


def test_a_call_of_which_nothing_was_heard_is_told_whole() -> None:
    found = derived(home_log(1, T0, T0 + 12, SEAT), [])
    story = retold([], found)
    assert (story.outcome, story.state, story.waited_s, story.seen_from) == ("answered", "over", 12.0, "log")
    assert (story.number, story.first_arrival) == ("13800000001", T0)
    assert story.talk is not None
    assert story.talk.talked_s == 30.0
    assert (found.calls_in_log, found.calls_mended, found.skew_s) == (1, 1, None)


def test_what_events_told_is_not_told_again() -> None:
    facts = [
        replace(fact, by=type(fact.by)(SEAT)) if hasattr(fact, "by") else fact for fact in answered_home(1, T0, T0 + 12)
    ]
    found = derived(home_log(1, T0, T0 + 12, SEAT), facts)
    assert found.facts == ()
    assert found.calls_mended == 0


def test_the_end_of_a_talk_that_a_gap_hid_is_added() -> None:
    facts = [fact for fact in answered_remote(1, T0, T0 + 25) if not isinstance(fact, CallEnded) and fact.city == Y]
    facts.append(NotSeen(Y, T0 + 90, name(1)))
    found = derived(home_log(1, T0, T0 + 25, f"{X}-01-t7"), facts)
    assert [type(fact) for fact in found.facts] == [CallEnded, LogRead]
    story = retold(facts, found)
    assert story.talk is not None
    assert (story.state, story.talk.ended_at, story.talk.talked_s, story.seen_from) == ("over", T0 + 55, 30.0, "log")


def test_a_call_that_vanished_in_a_gap_gets_its_true_end() -> None:
    facts = [abandoned(1, T0, T0 + 9)[0], NotSeen(Y, T0 + 60, name(1))]
    before = tell(facts)
    assert fate(CountedCall(Y, before.state, before.outcome)) == "unknown"
    lines = [
        line(T0, name(1), HOME.queue.name, "NONE", "ENTERQUEUE", "", "13800000001", 1),
        line(T0 + 9, name(1), HOME.queue.name, "NONE", "ABANDON", 1, 1, 9),
    ]
    story = retold(facts, derived(lines, facts))
    assert (story.outcome, story.waited_s) == ("abandoned", 9.0)
    answered = retold(facts, derived(home_log(1, T0, T0 + 12, SEAT), facts))
    assert (answered.outcome, answered.state, answered.waits[0].gone_at) == ("answered", "over", None)


def test_the_supporting_city_s_side_is_joined_by_number_and_moment() -> None:
    facts = [fact for n in (1, 2) for fact in answered_remote(n, T0 + n, T0 + 25 + n) if fact.city == Y]
    queue = f"support-{Y}"
    lines = []
    for n in (2, 1):  # Two legs within a second: only the number tells them apart.
        unique, at = f"{X}-1.{n}", T0 + 25 + n
        seat = AWAY.seats[n].id
        lines += [
            line(at - 3, unique, queue, "NONE", "ENTERQUEUE", "", f"138{n:08d}", 1),
            line(at, unique, queue, f"{seat}-{Y}-t7", "CONNECT", 3, "x-1.1", 3),
            line(at + 30, unique, queue, f"{seat}-{Y}-t7", "COMPLETEAGENT", 3, 30, 1),
        ]
    found = derived(lines, facts, AWAY)
    story = retold(facts, found)
    assert story.remote_seat is not None
    assert story.remote_seat.by == LentSeat(AWAY.seats[1].id, Y)
    assert (story.remote_seat.talked_s, found.unjoined) == (30.0, 0)
    assert derived(lines, [], AWAY).unjoined == 2  # No call fits: told, not guessed.


def test_a_leg_that_died_in_mid_talk_is_a_return_and_no_second_call() -> None:
    call, queue = name(1), HOME.queue.name
    lines = [
        line(T0, call, queue, "NONE", "ENTERQUEUE", "", "13800000001", 1),
        line(T0 + 20, call, queue, f"{X}-01-t7", "CONNECT", 20, "x", 2),
        line(T0 + 30, call, queue, f"{X}-01-t7", "COMPLETEAGENT", 20, 10, 1),
        line(T0 + 31, call, queue, "NONE", "ENTERQUEUE", "", "13800000001", 1),
        *[text for text in home_log(1, T0 + 31, T0 + 35, SEAT, 60) if "ENTERQUEUE" not in text],
    ]
    story = retold([], derived(lines, []))
    assert (story.outcome, story.requeues, len(story.waits), story.first_arrival) == ("answered", 1, 2, T0)
    assert [leg.end for leg in story.legs] == ["lost", "talked"]


def test_the_clocks_difference_is_told_from_calls_both_know() -> None:
    facts = [fact for n in range(2, 9) for fact in abandoned(n, T0 + 10 * n, T0 + 10 * n + 5)]
    ahead = 37.0  # Our clock before the PBX's.
    lines = [
        line(T0 + 10 * n - ahead, name(n), HOME.queue.name, "NONE", "ENTERQUEUE", "", f"138{n:08d}", 1) for n in range(2, 9)
    ]
    found = derived([*lines, *home_log(1, T0 + 500 - ahead, T0 + 510 - ahead, SEAT)], facts)
    assert found.skew_s == pytest.approx(ahead, abs=0.6)
    waiting = next(fact for fact in found.facts if isinstance(fact, CallWaiting) and call_of(fact) == name(1))
    assert waiting.at == pytest.approx(T0 + 500, abs=0.6)


def test_garbage_and_other_queues_are_passed_over() -> None:
    lines = [
        "",
        "not a line",
        "1790000000|x|y",
        line(T0, "a-1.1", "sales", "NONE", "ENTERQUEUE", "", "1", 1),
        line(T0, name(1), HOME.queue.name, "NONE", "CONNECT", "x", "y", "z"),  # Entered before the log begins.
        line(T0, "suzhou-1.1", HOME.queue.name, "NONE", "ENTERQUEUE", "", "1", 1),
        line(T0, "NONE", "NONE", "NONE", "QUEUESTART", ""),
    ]
    assert derived(lines, []).facts == ()


def test_facts_come_in_an_order_the_story_understands_whatever_the_log_cuts_off() -> None:
    """Answered in the second of the entry: the log's whole seconds must not put the answer before the entry we saw."""
    facts = abandoned(1, T0 + 0.9, T0 + 2)[:1]
    story = retold(facts, derived(home_log(1, T0 + 0.1, T0 + 0.95, SEAT), facts))
    assert (story.outcome, story.state) == ("answered", "over")
