"""One citizen's call told as a whole: when it came, who was rung, who answered, how it ended, from the facts about it.

The facts may come doubled and in any order: they are sorted by time, those of one instant keep the order they came in.
So a story can be told again from the journal at any time. What nobody saw stays None; nothing is invented.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from callctl.core.events import (
    Answerer,
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
    RingEnded,
    SurveyAnswered,
    WaitingCall,
)
from callctl.core.model import SlotRef
from callctl.core.sightings import LogRead, NotSeen, SeenTalking, SeenWaiting

# Two reports of one end come within a second or two: an event and a reading, or two controllers that both listened.
DOUBLE_S = 5.0
# The two ends of a remote call are answered within a round trip; the clock is the controller's own for both.
SAME_ANSWER_S = 10.0


CallFact = (
    CallWaiting
    | CallLeftQueue
    | CallRinging
    | RingEnded
    | CallAnswered
    | CallEnded
    | SurveyAnswered
    | CalledBack
    | SeenWaiting
    | SeenTalking
    | NotSeen
    | LogRead
)
State = Literal["unseen", "waiting", "away", "talking", "over", "gone"]  # "away": left the queue, not (yet) talking.


@dataclass(slots=True)
class Wait:
    """One stay in the home queue; a call that comes back has several. All times in seconds since the epoch."""

    entered_at: float | None
    left_at: float | None = None
    waited_s: float | None = None
    gone_at: float | None = None  # A reading no longer showed it; it left at some time before.


@dataclass(slots=True)
class Leg:
    """One seat or slot that was rung for the call, as the PBX of `city` saw it."""

    city: str
    by: Answerer
    rung_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    end: str | None = None  # "talked", "lost", "cancelled", or why the ring ended; None: not ended, or not seen.
    talked_s: float | None = None
    gone_at: float | None = None

    @property
    def running(self) -> bool:
        """Whether it rings or talks, as far as we saw."""
        return self.ended_at is None and self.gone_at is None


@dataclass(slots=True)
class Story:
    """Everything known about one call."""

    call: str
    city: str  # Its home city.
    state: State = "unseen"
    number: str = ""
    seen_at: float = 0.0  # The first fact.
    last_at: float = 0.0  # The last fact.
    first_arrival: float | None = None
    left_at: float | None = None
    outcome: str | None = None  # An Outcome's value, "answered", "cut_off", "not_reached"; None: waiting, or not known.
    requeues: int = 0  # Times it came back to the queue after a lost leg.
    called_back: bool = False  # The citizen asked for a call-back; an answer after that is an outbound call's.
    reached: bool | None = None  # Whether the citizen picked up then; an agent who took the call-back is no citizen.
    score: int | None = None
    # "reading": a reading supplied what no event told; "log": the PBX's own log did; "supporting": only the helper saw it.
    seen_from: str = "events"
    waits: list[Wait] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    from_log: bool = False  # Facts of it were read from the PBX's own log afterwards.

    @property
    def waited_s(self) -> float | None:
        """All stays in the queue together; None where none is known to have ended."""
        known = [wait.waited_s for wait in self.waits if wait.waited_s is not None]
        return sum(known) if known else None

    @property
    def talk(self) -> Leg | None:
        """The (last) conversation: the home PBX's leg, or the helper's where only that was seen."""
        answered = [leg for leg in self.legs if leg.answered_at is not None]
        home = [leg for leg in answered if not isinstance(leg.by, LentSeat)]
        told = home or answered
        return told[-1] if told else None

    @property
    def remote_seat(self) -> Leg | None:
        """The lent seat's own leg of the (last) conversation; None for a home answer, or where it was not seen."""
        talk = self.talk
        if talk is None or isinstance(talk.by, LentSeat):
            return talk
        return self.lent_side(talk)

    def lent_side(self, leg: Leg) -> Leg | None:
        """The leg at the supporting city that belongs to a slot's conversation at home."""
        if not isinstance(leg.by, SlotRef) or leg.answered_at is None:
            return None
        there = [
            (abs(other.answered_at - leg.answered_at), number)
            for number, other in enumerate(self.legs)
            if isinstance(other.by, LentSeat) and other.city == leg.by.supporting and other.answered_at is not None
        ]
        apart_s, number = min(there, default=(SAME_ANSWER_S + 1, -1))
        return self.legs[number] if apart_s <= SAME_ANSWER_S else None

    @property
    def open(self) -> bool:
        """Whether more is to come: it waits, talks, or is between the two."""
        return self.state in ("waiting", "talking", "away") and self.outcome not in ("abandoned", "refused")


def call_of(fact: CallFact) -> str:
    """The call a fact is about."""
    return fact.call.call if isinstance(fact, CallWaiting | SeenWaiting) else fact.call


def tell(facts: Iterable[CallFact]) -> Story:
    """The story of one call. All facts must be about the same call; doubled ones count once."""
    once = sorted(dict.fromkeys(facts), key=lambda fact: fact.at)
    assert once, "a story needs a fact"
    story = Story(call_of(once[0]), _home(once), seen_at=once[0].at, last_at=once[-1].at)
    for fact in once:
        _tell_one(story, fact)
    _close(story)
    return story


def _home(facts: list[CallFact]) -> str:
    """Only the home PBX reports the queue, home seats and slots; a lent seat names whom it serves."""
    served = ""
    for fact in facts:
        by = getattr(fact, "by", None)
        if isinstance(by, HomeSeat | SlotRef):
            return fact.city
        if isinstance(fact, CallWaiting | SeenWaiting | CallLeftQueue | SurveyAnswered | CalledBack):
            return fact.city
        if isinstance(by, LentSeat):
            served = by.assisted
    return served or facts[0].city


def _tell_one(story: Story, fact: CallFact) -> None:
    match fact:
        case CallWaiting():
            _waiting(story, fact.call, fact.at)
        case SeenWaiting():
            _seen_waiting(story, fact.call, fact.at)
        case CallLeftQueue():
            _left(story, fact.outcome, fact.at)
        case CallRinging():
            if not _running(story, fact.city, fact.by):
                story.legs.append(Leg(fact.city, fact.by, rung_at=fact.at))
        case RingEnded():
            _ring_ended(story, fact)
        case CallAnswered():
            _answered(story, fact.city, fact.by, fact.at, fact.waited_s)
        case SeenTalking():
            if _answered(story, fact.city, fact.by, fact.answered_at, None):
                story.seen_from = "reading"
        case CallEnded():
            _ended(story, fact)
        case _:
            _tell_afterwards(story, fact)


def _tell_afterwards(story: Story, fact: CallFact) -> None:
    match fact:
        case NotSeen():
            _not_seen(story, fact)
        case SurveyAnswered():
            story.score = fact.score
        case CalledBack():
            story.reached = story.reached or fact.how is CallBackEnd.ANSWERED
        case LogRead():
            story.from_log = True


def _waiting(story: Story, call: WaitingCall, at: float) -> None:
    if story.state == "waiting":
        _learn(story, call)
        return
    came_back = call.returned or (story.state == "away" and story.outcome != "abandoned") or story.state == "gone"
    if story.state != "unseen" and not came_back:
        return  # A doubled report of the first arrival.
    if story.state == "gone" and story.waits and story.waits[-1].gone_at is not None and story.talk is None:
        story.waits[-1].gone_at = None  # The reading was older than the call.
    else:
        if call.returned or story.state == "gone":
            story.requeues += 1
        fresh = story.state == "unseen" and not call.returned
        story.waits.append(Wait(call.waiting_since if fresh else at))
    _learn(story, call)
    for leg in story.legs:
        if leg.running and leg.answered_at is not None and not isinstance(leg.by, LentSeat):
            leg.gone_at = at  # Its end was not told, but a citizen cannot talk and wait.
    story.state, story.outcome, story.left_at = "waiting", None, None


def _learn(story: Story, call: WaitingCall) -> None:
    story.number = story.number or call.number
    known = story.first_arrival
    story.first_arrival = call.waiting_since if known is None else min(known, call.waiting_since)


def _seen_waiting(story: Story, call: WaitingCall, at: float) -> None:
    if story.state == "waiting":
        _learn(story, call)
        return
    if story.state in ("talking", "over", "away"):
        call = WaitingCall(call.call, call.number, call.waiting_since, returned=True)  # It can only have come back.
    _waiting(story, call, at)
    story.seen_from = "reading"


def _left(story: Story, outcome: Outcome, at: float) -> None:
    story.called_back = story.called_back or outcome is Outcome.CALL_BACK
    weight = {Outcome.LEFT.value: 0, Outcome.ABANDONED.value: 1}  # A PBX says first that it left, and then why.
    unseen_end = story.state == "gone" and story.talk is None
    if story.state in ("waiting", "unseen") or unseen_end:
        _leave(story, at, None)
        story.state, story.outcome, story.left_at = "away", outcome.value, at
    elif story.state == "away" and weight.get(outcome.value, 2) > weight.get(story.outcome or "left", 2):
        story.outcome = outcome.value


def _leave(story: Story, at: float, waited_s: float | None) -> None:
    """The stay in the queue ends; the PBX's own count wins over ours."""
    if not story.waits:
        if waited_s is not None:
            story.waits.append(Wait(at - waited_s, at, waited_s))
        return
    wait = story.waits[-1]
    if wait.left_at is None:
        wait.left_at, wait.gone_at = at, None
        wait.waited_s = None if wait.entered_at is None else max(0.0, at - wait.entered_at)
    if waited_s is not None:
        wait.waited_s = waited_s


def _running(story: Story, city: str, by: Answerer) -> Leg | None:
    return next((leg for leg in reversed(story.legs) if leg.running and leg.city == city and leg.by == by), None)


def _unfinished(story: Story, city: str, by: Answerer) -> Leg | None:
    """The leg that rings or talks, or else the last one whose end was not told."""
    there = [leg for leg in story.legs if leg.city == city and leg.by == by and leg.ended_at is None]
    return _running(story, city, by) or (there[-1] if there else None)


def _just_ended(story: Story, city: str, by: Answerer, at: float) -> bool:
    ends = [leg.ended_at for leg in story.legs if leg.city == city and leg.by == by and leg.ended_at is not None]
    return bool(ends) and at - ends[-1] <= DOUBLE_S


def _ring_ended(story: Story, fact: RingEnded) -> None:
    leg = _running(story, fact.city, fact.by)
    if leg is None:
        if _just_ended(story, fact.city, fact.by, fact.at):
            return
        leg = Leg(fact.city, fact.by)
        story.legs.append(leg)
    if leg.answered_at is None:
        leg.ended_at, leg.end = fact.at, fact.why.value


def _answered(story: Story, city: str, by: Answerer, at: float, waited_s: float | None) -> bool:
    """Whether this was news."""
    leg = _unfinished(story, city, by)
    if leg and leg.answered_at is not None:
        if leg.running:
            return False
        if abs(at - leg.answered_at) > SAME_ANSWER_S:
            leg = None  # Another conversation of the same two.
    if leg is None:
        leg = Leg(city, by)
        story.legs.append(leg)
    leg.answered_at = at if leg.answered_at is None else leg.answered_at
    leg.gone_at = None
    if isinstance(by, LentSeat):
        return True
    for other in story.legs:
        if other is not leg and other.running and other.answered_at is not None and not isinstance(other.by, LentSeat):
            other.gone_at = at
    _leave(story, at, waited_s)
    story.state, story.outcome, story.left_at = "talking", "answered", at
    return True


def _ended(story: Story, fact: CallEnded) -> None:
    leg = _unfinished(story, fact.city, fact.by)
    if leg is None:
        if _just_ended(story, fact.city, fact.by, fact.at):
            _correct_end(story, fact)
            return
        leg = Leg(fact.city, fact.by)
        story.legs.append(leg)
    stale = story.state == "waiting" and leg.answered_at is not None  # It came back before its end was told.
    if leg.answered_at is None:
        leg.answered_at = fact.at - fact.talked_s
    leg.ended_at, leg.gone_at, leg.talked_s, leg.end = fact.at, None, fact.talked_s, "lost" if fact.lost else "talked"
    if isinstance(fact.by, LentSeat) or stale:
        return
    _leave(story, leg.answered_at, None)
    story.left_at = story.left_at if story.left_at is not None else leg.answered_at
    story.state, story.outcome = "over", "cut_off" if fact.lost else "answered"


def _correct_end(story: Story, fact: CallEnded) -> None:
    """A PBX says "ended" first, and a moment later, where it was so, that the leg had died."""
    if not fact.lost:
        return
    [leg for leg in story.legs if leg.city == fact.city and leg.by == fact.by and leg.ended_at is not None][-1].end = "lost"
    if story.state == "over" and not isinstance(fact.by, LentSeat):
        story.outcome = "cut_off"


def _not_seen(story: Story, fact: NotSeen) -> None:
    running = [leg for leg in story.legs if leg.city == fact.city and leg.running]
    for leg in running:
        leg.gone_at = fact.at
    at_home = fact.city == story.city and story.state in ("waiting", "talking", "away")
    if at_home and story.state == "waiting":
        story.waits[-1].gone_at = fact.at
    if at_home:
        story.state = "gone"
    if running or at_home:
        story.seen_from = "reading"


def _silence_groups(story: Story, answered: list[Leg]) -> None:
    """Of seats that rang together the first to answer stopped the others, and no PBX says so."""
    for leg in story.legs:
        if not isinstance(leg.by, LentSeat) or not leg.running or leg.answered_at is not None:
            continue
        times = [talk.answered_at for talk in answered if talk.city == leg.city and talk.answered_at is not None]
        later = [at for at in times if at >= (leg.rung_at or 0.0)]
        if later:
            leg.ended_at, leg.end = min(later), "cancelled"


def _close(story: Story) -> None:
    """What only the whole shows: rings that the caller or another's answer ended, help the home PBX did not tell of."""
    left_at = story.left_at if story.state != "waiting" else None
    for leg in story.legs:
        ringing = leg.running and leg.answered_at is None and not isinstance(leg.by, LentSeat)
        if ringing and left_at is not None and left_at >= (leg.rung_at or 0.0):
            leg.ended_at, leg.end = left_at, "cancelled"
    lent = [leg for leg in story.legs if isinstance(leg.by, LentSeat) and leg.answered_at is not None]
    _silence_groups(story, lent)
    at_home = [leg for leg in story.legs if not isinstance(leg.by, LentSeat)]
    if story.state == "unseen" and not at_home:
        story.seen_from = "supporting"
    if lent and story.outcome in (None, "left", "moved") and story.state in ("unseen", "gone", "away"):
        talk = lent[-1]
        story.outcome, story.left_at = "answered", talk.answered_at
        story.state = "talking" if talk.running else "over"
    if story.called_back and story.reached is False and story.state not in ("waiting", "unseen"):
        story.outcome = "not_reached"
        story.state = "over" if story.state == "away" else story.state  # It expired: nothing more is to come.
    if story.from_log:
        story.seen_from = "log"
