"""What the history believes to be going on, so that a reading can be compared with it: open calls, open loans, gaps.

It holds the facts of recent calls and tells their stories; it is only a memory of the journal and can be lost at any time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from callctl.core.days import bucket_of
from callctl.core.events import (
    CallAnswered,
    CalledBack,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    LentSeat,
    LoanChanged,
    LoanSeen,
    PbxLost,
    PbxObserved,
    RingEnded,
    SurveyAnswered,
)
from callctl.core.sightings import GapClosed, LoanFound, LoanNotSeen, LogRead, NotSeen, SeenTalking, SeenWaiting
from callctl.core.story import CallFact, Story, call_of, tell
from callctl.store.codec import Record
from callctl.store.seal import Clear, Seal, sealed

KEEP_S = 600.0  # A finished call is remembered this long: a survey or a late report may come.
KEEP_OPEN_S = 86_400.0  # An open call of which nothing was heard for a day will not be heard of any more.
SETTLE_S = 5.0  # Between leaving the queue and the conversation a reading shows a call nowhere.
RING_MOST_S = 120.0  # No ring lasts this long; readings do not show rings.

CALL_FACTS = (
    CallWaiting,
    CallLeftQueue,
    CallRinging,
    RingEnded,
    CallAnswered,
    CallEnded,
    SurveyAnswered,
    CalledBack,
    SeenWaiting,
    SeenTalking,
    NotSeen,
    LogRead,
)
LoanKey = tuple[str, str, str, int]  # City, seat, assisted city, token.


class Told(NamedTuple):
    """What the database has of a call."""

    waits: int = 0  # Rows.
    legs: int = 0
    bucket: int | None = None  # The five minutes it is counted in; a late fact may move it to others.


def counted_in(story: Story) -> int:
    """The five minutes a call counts in: those in which it entered, as far as is known."""
    return bucket_of(story.seen_at if story.first_arrival is None else story.first_arrival)


def calls_in(record: Record) -> Iterator[str]:
    """Every call a record or reading speaks of."""
    if isinstance(record, CALL_FACTS):
        yield call_of(record)
    elif isinstance(record, PbxObserved):
        yield from (call.call for call in record.waiting)
        yield from (talk.call for talk in record.talks if talk.call)


class Chronicle:
    """The memory. `take` every record in order; then `changed` are the stories to be written again."""

    def __init__(self, seal: Seal | None = None) -> None:
        """`seal`: what is remembered from before there was a field key is written sealed from now on."""
        self._seal = seal or Clear()
        self._facts: dict[str, list[CallFact]] = {}
        self._stories: dict[str, Story] = {}  # Told from _facts; missing where they have changed since.
        self._told: dict[str, Told] = {}
        self._changed: dict[str, None] = {}
        self._at_city: dict[str, set[str]] = defaultdict(set)
        self._loans: dict[LoanKey, float] = {}
        self._whole: set[str] = set()  # Cities read since their link was last lost.
        self.newest_at = 0.0

    def unknown(self, records: Iterable[Record]) -> list[str]:
        """The calls of these records whose earlier facts, if any, have to be fetched from the journal."""
        return list({call: None for record in records for call in calls_in(record) if call not in self._facts})

    def remember(self, facts: Iterable[CallFact], loans: Iterable[LoanKey] = ()) -> None:
        """Facts and open loans that are in the database already."""
        fetched: dict[str, None] = {}
        for fact in facts:
            fetched[self._keep(sealed(fact, self._seal))] = None
        for call in fetched:
            self._told[call] = _told(self.story(call))
        for loan in loans:
            self._loans.setdefault(loan, 0.0)

    def take(self, record: Record) -> list[Record]:
        """What the journal shall say of a record: the record itself, or of a reading what is news in it."""
        self.newest_at = max(self.newest_at, record.at)
        if isinstance(record, PbxObserved):
            news = self._news(record)
            for one in news:
                self.take(one)
            return news
        match record:
            case PbxLost():
                self._whole.discard(record.city)
            case GapClosed():
                self._whole.add(record.city)
            case LoanChanged(lent=True) | LoanFound():
                self._loans[(record.city, record.seat, record.assisted, record.token)] = record.at
            case LoanChanged() | LoanNotSeen():
                self._loans.pop((record.city, record.seat, record.assisted, record.token), None)
        if isinstance(record, CALL_FACTS):
            self._changed[self._keep(record)] = None
        return [record]

    def story(self, call: str) -> Story:
        """The story of a call we have facts of."""
        if call not in self._stories:
            self._stories[call] = tell(self._facts[call])
        return self._stories[call]

    def changed(self) -> list[tuple[Story, Told]]:
        """The stories that changed since `written`, and what the database has of each."""
        return [(self.story(call), self._told.get(call, Told())) for call in self._changed]

    def written(self) -> None:
        """The changed stories are in the database; forget what is long over."""
        for call in self._changed:
            self._told[call] = _told(self.story(call))
        self._changed.clear()

    def forget(self) -> None:
        """Drop what is over for KEEP_S; the journal still has it."""
        for call in list(self._facts):
            story = self.story(call)
            if self.newest_at - story.last_at > (KEEP_OPEN_S if story.open else KEEP_S):
                del self._facts[call]
                self._stories.pop(call)
                self._told.pop(call, None)
                for calls in self._at_city.values():
                    calls.discard(call)

    def _keep(self, fact: CallFact) -> str:
        call = call_of(fact)
        self._facts.setdefault(call, []).append(fact)
        self._stories.pop(call, None)
        self._at_city[fact.city].add(call)
        return call

    def _news(self, reading: PbxObserved) -> list[Record]:
        city, at = reading.city, reading.at
        news: list[Record] = [] if city in self._whole else [GapClosed(city, at)]
        waiting = {call.call for call in reading.waiting}
        talking = {talk.call for talk in reading.talks}
        for call in reading.waiting:
            story = self.story(call.call) if call.call in self._facts else None
            if story is None or (story.state != "waiting" and story.last_at < at):
                news.append(SeenWaiting(city, at, call))
        for talk in reading.talks:
            if talk.call and not self._talks(talk.call, city, at):
                news.append(SeenTalking(city, at, talk.call, talk.by, talk.answered_at))
        for name in sorted(self._at_city[city] - talking):
            if self._vanished(self.story(name), city, at, name in waiting):
                news.append(NotSeen(city, at, name))
        return news + self._loan_news(reading)

    def _talks(self, call: str, city: str, at: float) -> bool:
        """Whether we know already that it talks at that PBX, or know something later than the reading."""
        if call not in self._facts:
            return False
        story = self.story(call)
        known = any(leg.city == city and leg.running and leg.answered_at is not None for leg in story.legs)
        return known or story.last_at >= at

    def _vanished(self, story: Story, city: str, at: float, waiting: bool) -> bool:
        """Whether we believe that it rings, waits or talks at that PBX, which shows it in no conversation."""
        if story.last_at >= at:
            return False  # What we know is newer than the reading.
        for leg in story.legs:
            overdue = leg.answered_at is not None or at - (leg.rung_at or at) > RING_MOST_S
            if leg.city == city and leg.running and isinstance(leg.by, LentSeat) and overdue:
                return True
        if story.city != city or waiting:
            return False
        if story.state == "away":
            return story.outcome == "left" and at - story.last_at > SETTLE_S
        return story.state in ("waiting", "talking")

    def _loan_news(self, reading: PbxObserved) -> list[Record]:
        city, at = reading.city, reading.at
        seen = {_loan_key(city, loan) for loan in reading.loans}
        found = [LoanFound(city, at, *key[1:]) for key in sorted(seen - self._loans.keys())]
        gone = [
            LoanNotSeen(city, at, *key[1:])
            for key, since in self._loans.items()
            if key[0] == city and key not in seen and since < at
        ]
        return [*found, *gone]


def _told(story: Story) -> Told:
    return Told(len(story.waits), len(story.legs), counted_in(story))


def _loan_key(city: str, loan: LoanSeen) -> LoanKey:
    return (city, loan.seat, loan.assisted, loan.token)
