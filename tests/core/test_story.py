"""How a call's row comes to be: told from facts that may be doubled, late, out of order, or missing."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.core.events import (
    CallAnswered,
    CallBackEnd,
    CalledBack,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    Outcome,
    RingEnd,
    RingEnded,
    SurveyAnswered,
    WaitingCall,
)
from callctl.core.model import SlotRef
from callctl.core.sightings import NotSeen, SeenTalking, SeenWaiting
from callctl.core.story import CallFact, Story, tell

C = "yangzhou-1790000000.7"
HOME, SLOT, LENT = HomeSeat("2001"), SlotRef("xuzhou", 1), LentSeat("1301", "yangzhou")
Y, X = "yangzhou", "xuzhou"


def waiting(at: float, since: float | None = None, returned: bool = False) -> CallWaiting:
    return CallWaiting(Y, at, WaitingCall(C, "13800000001", at if since is None else since, returned))


def seen_waiting(at: float, since: float, returned: bool = False) -> SeenWaiting:
    return SeenWaiting(Y, at, WaitingCall(C, "13800000001", since, returned))


def left(at: float, why: Outcome = Outcome.LEFT) -> CallLeftQueue:
    return CallLeftQueue(Y, at, C, why)


REMOTE: list[CallFact] = [
    waiting(100.0),
    CallRinging(Y, 120.0, C, SLOT),
    CallRinging(X, 120.1, C, LENT),
    CallAnswered(X, 124.9, C, LENT, 4.5),
    left(125.0),
    CallAnswered(Y, 125.1, C, SLOT, 25.0),
    CallEnded(X, 185.0, C, LENT, 60.1),
    CallEnded(Y, 185.1, C, SLOT, 60.0),
    SurveyAnswered(Y, 190.0, C, 5),
]


def test_call_answered_at_home() -> None:
    story = tell([waiting(100.0), CallRinging(Y, 101.0, C, HOME), left(105.0), CallAnswered(Y, 105.0, C, HOME, 5.0)])
    assert (story.state, story.outcome, story.waited_s, story.first_arrival) == ("talking", "answered", 5.0, 100.0)
    assert story.talk is not None
    assert story.talk.by == HOME
    assert story.remote_seat is None
    assert story.open


def test_call_answered_by_a_lent_seat_names_the_seat_the_helper_s_pbx_saw() -> None:
    story = tell(REMOTE)
    assert (story.state, story.outcome, story.waited_s, story.score) == ("over", "answered", 25.0, 5)
    assert story.talk is not None
    assert (story.talk.by, story.talk.talked_s, story.talk.end) == (SLOT, 60.0, "talked")
    assert story.remote_seat is not None
    assert story.remote_seat.by == LENT
    assert (story.city, story.seen_from, story.requeues, story.open) == (Y, "events", 0, False)


def test_a_caller_who_hangs_up_while_a_remote_seat_rings_has_abandoned() -> None:
    story = tell(
        [
            waiting(100.0),
            CallRinging(Y, 120.0, C, SLOT),
            left(123.0, Outcome.ABANDONED),
            RingEnded(Y, 123.0, C, SLOT, RingEnd.UNKNOWN),
        ]
    )
    assert (story.outcome, story.waited_s, story.open, story.talk) == ("abandoned", 23.0, False, None)
    assert story.legs[0].end == "unknown"


def test_seats_that_did_not_answer_are_kept_with_how_it_ended() -> None:
    story = tell(
        [
            waiting(100.0),
            CallRinging(Y, 120.0, C, SLOT),
            RingEnded(Y, 120.2, C, SLOT, RingEnd.BUSY),
            CallRinging(Y, 123.0, C, SLOT),
            RingEnded(Y, 138.0, C, SLOT, RingEnd.NO_ANSWER),
            RingEnded(Y, 160.0, C, SlotRef("wuxi", 2), RingEnd.UNREACHABLE),
        ]
    )
    assert [(leg.rung_at, leg.end) for leg in story.legs] == [
        (120.0, "busy"),
        (123.0, "no_answer"),
        (None, "unreachable"),
    ]
    assert (story.state, story.outcome) == ("waiting", None)


def test_a_leg_lost_in_mid_talk_brings_the_caller_back_and_both_waits_count() -> None:
    story = tell(
        [
            *REMOTE[:6],
            CallEnded(Y, 140.0, C, SLOT, 14.9, lost=True),
            waiting(140.1, since=100.0, returned=True),
            left(150.1),
            CallAnswered(Y, 150.1, C, HOME, 10.0),
            CallEnded(Y, 200.0, C, HOME, 49.9),
        ]
    )
    assert (story.outcome, story.requeues, story.first_arrival, story.waited_s) == ("answered", 1, 100.0, 35.0)
    assert [leg.end for leg in story.legs if leg.city == Y] == ["lost", "talked"]
    assert story.talk is not None
    assert story.talk.by == HOME
    assert story.remote_seat is None


def test_a_leg_lost_without_a_return_is_cut_off_not_answered() -> None:
    story = tell([*REMOTE[:6], CallEnded(Y, 140.0, C, SLOT, 14.9, lost=True)])
    assert (story.state, story.outcome) == ("over", "cut_off")


def test_an_end_that_is_corrected_to_lost_a_moment_later_is_lost() -> None:
    """Asterisk says AgentComplete first; the dialplan's CCLegLost corrects it (recorded: lost-leg-yangzhou)."""
    told = [*REMOTE[:6], CallEnded(Y, 140.0, C, SLOT, 14.9), CallEnded(Y, 140.3, C, SLOT, 14.9, lost=True)]
    story = tell(told)
    assert (story.outcome, [leg.end for leg in story.legs if leg.by == SLOT]) == ("cut_off", ["lost"])
    story = tell([*told, waiting(140.4, since=100.0, returned=True), left(150.0, Outcome.ABANDONED)])
    assert (story.outcome, story.requeues) == ("abandoned", 1)


def test_rings_end_with_the_caller_s_hanging_up_or_another_s_answer() -> None:
    rings = [waiting(100.0), CallRinging(Y, 120.0, C, SLOT), CallRinging(Y, 121.0, C, SlotRef("wuxi", 1))]
    gone = tell([*rings, left(123.0, Outcome.ABANDONED)])
    assert [(leg.end, leg.ended_at) for leg in gone.legs] == [("cancelled", 123.0), ("cancelled", 123.0)]
    answered = tell([*rings, left(125.0), CallAnswered(Y, 125.0, C, SLOT, 25.0)])
    assert [leg.end for leg in answered.legs] == [None, "cancelled"]


def test_a_return_told_before_the_loss_stays_a_return() -> None:
    story = tell(
        [
            *REMOTE[:6],
            waiting(140.0, since=100.0, returned=True),
            CallEnded(Y, 140.2, C, SLOT, 14.9, lost=True),
        ]
    )
    assert (story.state, story.outcome, story.requeues) == ("waiting", None, 1)
    assert [leg.end for leg in story.legs if leg.by == SLOT] == ["lost"]


def test_a_call_back_keeps_the_place_and_is_one_call() -> None:
    story = tell(
        [
            waiting(100.0),
            left(130.0, Outcome.LEFT),
            left(130.1, Outcome.CALL_BACK),
            waiting(131.0, since=100.0),
            left(160.0),
            CallAnswered(Y, 160.0, C, HOME, 29.0),
        ]
    )
    assert (story.outcome, story.first_arrival, story.requeues) == ("answered", 100.0, 0)
    assert story.waited_s == 30.0 + 29.0


CALLED_BACK = [waiting(100.0), left(130.0, Outcome.CALL_BACK), waiting(131.0, since=100.0), left(160.0)]
TAKEN = [CallAnswered(Y, 160.0, C, HOME, 29.0), CallEnded(Y, 190.0, C, HOME, 30.0)]


@pytest.mark.parametrize("how", CallBackEnd)
def test_a_call_back_an_agent_took_is_answered_only_where_the_citizen_picked_up(how: CallBackEnd) -> None:
    for at in (189.9, 190.1):  # The PBX tells of the two ends in either order.
        story = tell([*CALLED_BACK, *TAKEN, CalledBack(Y, at, C, how)])
        assert story.outcome == ("answered" if how is CallBackEnd.ANSWERED else "not_reached")
        assert not story.open
    assert tell([*CALLED_BACK, *TAKEN]).outcome == "answered"  # Nobody told; the agent is all we know of.


def test_a_call_back_nobody_took_within_its_hour_was_not_reached_and_one_reached_stays_so() -> None:
    expired = CalledBack(Y, 3731.0, C, CallBackEnd.NO_AGENT)
    over = tell([*CALLED_BACK[:3], expired, left(3731.1)])
    assert (over.outcome, over.open) == ("not_reached", False)  # Open, it would keep the citizen off the missed list.
    assert tell([*CALLED_BACK[:3], expired]).outcome is None  # It waits, as far as the queue has told.
    talked = CalledBack(Y, 190.0, C, CallBackEnd.ANSWERED)
    assert tell([*CALLED_BACK, *TAKEN, talked, replace(expired, at=191.0)]).outcome == "answered"


def test_a_call_moved_by_hand_and_answered_there_counts_as_answered_there() -> None:
    story = tell([waiting(100.0), left(110.0, Outcome.MOVED), CallAnswered(X, 118.0, C, LENT, 3.0)])
    assert (story.outcome, story.state) == ("answered", "talking")
    assert story.talk is not None
    assert story.talk.by == LENT


def test_a_move_that_failed_comes_back_to_the_front() -> None:
    story = tell([waiting(100.0), left(110.0, Outcome.MOVED), waiting(120.0, since=100.0, returned=True)])
    assert (story.state, story.outcome, story.requeues) == ("waiting", None, 1)


def test_what_only_the_helper_saw_is_answered_and_says_so() -> None:
    story = tell([CallAnswered(X, 118.0, C, LENT, 3.0), CallEnded(X, 178.0, C, LENT, 60.0)])
    assert (story.city, story.outcome, story.state, story.seen_from) == (Y, "answered", "over", "supporting")
    assert (story.waited_s, story.first_arrival) == (None, None)


def test_a_call_that_vanished_in_a_gap_has_no_invented_end() -> None:
    story = tell([waiting(100.0), NotSeen(Y, 160.0, C)])
    assert (story.state, story.outcome, story.waited_s, story.left_at) == ("gone", None, None, None)
    assert (story.seen_from, story.open, story.waits[0].gone_at) == ("reading", False, 160.0)


def test_a_conversation_that_vanished_in_a_gap_stays_answered_with_an_unknown_length() -> None:
    story = tell([*REMOTE[:6], NotSeen(Y, 300.0, C), NotSeen(X, 301.0, C)])
    assert (story.state, story.outcome) == ("gone", "answered")
    assert story.talk is not None
    assert (story.talk.talked_s, story.talk.ended_at, story.talk.gone_at) == (None, None, 300.0)


def test_a_call_first_seen_in_a_reading_says_so_and_keeps_its_arrival() -> None:
    story = tell([seen_waiting(130.0, 100.0), left(140.0, Outcome.ABANDONED)])
    assert (story.seen_from, story.first_arrival, story.waited_s) == ("reading", 100.0, 40.0)


def test_a_conversation_found_in_a_reading_ends_the_wait_when_it_began() -> None:
    story = tell([waiting(100.0), SeenTalking(Y, 160.0, C, HOME, 130.0)])
    assert (story.state, story.outcome, story.waited_s, story.seen_from) == ("talking", "answered", 30.0, "reading")


def test_a_reading_older_than_the_call_does_not_end_it() -> None:
    story = tell([waiting(100.0), NotSeen(Y, 100.2, C), seen_waiting(130.0, 100.0), left(140.0, Outcome.ABANDONED)])
    assert (story.outcome, story.requeues, story.waited_s, len(story.waits)) == ("abandoned", 0, 40.0, 1)


def test_an_end_whose_answer_was_missed_tells_when_it_was_answered() -> None:
    story = tell([waiting(100.0), CallEnded(Y, 190.0, C, HOME, 60.0)])
    assert (story.outcome, story.state, story.waited_s) == ("answered", "over", 30.0)
    assert story.talk is not None
    assert story.talk.answered_at == 130.0


def test_two_controllers_that_both_listened_tell_one_story() -> None:
    other = [_later(fact, 0.003) for fact in REMOTE]
    story = tell([*REMOTE, *other])
    assert _shape(story) == _shape(tell(REMOTE))


def _later(fact: CallFact, by_s: float) -> CallFact:
    values = {name: getattr(fact, name) for name in fact.__dataclass_fields__}
    return type(fact)(**{**values, "at": fact.at + by_s})


def _shape(story: Story) -> tuple[object, ...]:
    legs = [(leg.by, leg.end) for leg in story.legs]
    return (story.state, story.outcome, story.requeues, story.score, len(story.waits), legs)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[CallFact], str, int, str]:
    """A call's true life as its PBXs would tell it: the facts in their order, the outcome, the returns, who answered."""
    at = 1000.0
    facts: list[CallFact] = [waiting(at)]
    requeues = 0
    arrival = entered = at

    def step() -> float:
        nonlocal at
        at += draw(st.floats(6.0, 60.0))
        return at

    while True:
        for _ in range(draw(st.integers(0, 2))):
            by = draw(st.sampled_from([HOME, SLOT, SlotRef("wuxi", 3)]))
            facts += [CallRinging(Y, step(), C, by), RingEnded(Y, step(), C, by, draw(st.sampled_from(RingEnd)))]
        end = draw(st.sampled_from(["abandoned", "refused", "home", "remote", "lost"]))
        if end in ("abandoned", "refused"):
            facts.append(left(step(), Outcome(end)))
            return facts, end, requeues, ""
        by = HOME if end == "home" else SLOT
        facts += [CallRinging(Y, step(), C, by), left(step()), CallAnswered(Y, at + 0.01, C, by, at - entered)]
        if end != "home":
            facts.append(CallAnswered(X, at + 0.02, C, LENT, 1.0))
            facts.append(CallEnded(X, step(), C, LENT, 5.0))
        facts.append(CallEnded(Y, step(), C, by, 6.0, lost=end == "lost"))
        if end != "lost":
            return facts, "answered", requeues, end
        if draw(st.booleans()):
            return facts, "cut_off", requeues, ""
        entered = step()
        facts.append(waiting(entered, since=arrival, returned=True))
        requeues += 1


@given(lives(), st.data())
def test_any_order_and_any_doubling_tell_the_same_story(
    life: tuple[list[CallFact], str, int, str], chosen: st.DataObject
) -> None:
    facts, outcome, requeues, answered = life
    straight = tell(facts)
    assert (straight.outcome, straight.requeues, straight.open) == (outcome, requeues, False)
    if answered:
        assert straight.talk is not None
        assert straight.talk.by == (HOME if answered == "home" else SLOT)
        assert (straight.remote_seat is not None) == (answered == "remote")
    mixed = chosen.draw(st.permutations(facts + chosen.draw(st.lists(st.sampled_from(facts), max_size=6))))
    assert tell(mixed) == straight


@given(lives(), st.data())
def test_with_any_facts_missing_the_story_is_told_without_a_fault_and_without_inventing(
    life: tuple[list[CallFact], str, int, str], chosen: st.DataObject
) -> None:
    facts, _, requeues, _ = life
    some = chosen.draw(st.lists(st.sampled_from(facts), min_size=1, unique_by=id))
    story = tell(some)
    assert story.city == Y
    assert story.requeues <= requeues
    assert sum(leg.end == "talked" for leg in story.legs) <= sum(isinstance(fact, CallEnded) for fact in some)
    assert story.waited_s is None or story.waited_s >= 0.0
    if not any(isinstance(fact, CallAnswered | CallEnded) for fact in some):
        assert story.talk is None
    if not any(isinstance(fact, CallWaiting) for fact in some):
        assert story.first_arrival is None


@given(lives(), st.floats(0.0, 5000.0))
def test_a_reading_that_shows_nothing_closes_whatever_was_going_on(
    life: tuple[list[CallFact], str, int, str], cut: float
) -> None:
    told = [fact for fact in life[0] if fact.at <= 1000.0 + cut]
    last = max(fact.at for fact in told)
    story = tell([*told, NotSeen(Y, last + 1.0, C), NotSeen(X, last + 1.0, C)])
    assert not story.open
    assert not any(leg.running for leg in story.legs)
