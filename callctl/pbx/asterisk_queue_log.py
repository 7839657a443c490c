"""Facts that events missed, taken afterwards from a PBX's own queue_log. Pure: lines in, the missing facts out.

Format: Asterisk's queue_log, `epoch|unique id|queue|member|event|data…` (Asterisk documentation, "Queue Logs"); we render
`log_membername_as_agent`. Only what the story lacks is added, and never before what is already known of the call.
The home PBX's log names the province call id; the supporting PBX's names its own leg, which is joined by the citizen's
number and the moment of the answer.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    Outcome,
    RingEnd,
    RingEnded,
    WaitingCall,
)
from callctl.core.model import City
from callctl.core.sightings import LogRead
from callctl.core.story import CallFact, Story
from callctl.pbx import asterisk_names as names

SAME_ANSWER_S = 3.0  # Two PBXs' whole seconds, and a round trip.
COMMON_MOST = 500  # Calls that both know, from which the clocks' difference is told.
_CALL_ID = re.compile(r"[a-z]+-\d{1,12}\.\d{1,12}")
_ABANDONED = ("ABANDON", "EXITWITHTIMEOUT", "EXITEMPTY")


@dataclass(slots=True)
class _Talk:
    by: Answerer
    answered_at: float
    waited_s: float
    rung_s: float
    ended_at: float | None = None
    talked_s: float = 0.0


@dataclass(slots=True)
class _Logged:
    call: str
    number: str = ""
    entries: list[float] = field(default_factory=list)
    talks: list[_Talk] = field(default_factory=list)
    failed: list[tuple[float, float, Answerer]] = field(default_factory=list)  # Began, ended, who.
    left: Outcome | None = None
    left_at: float = 0.0
    last_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Rederived:
    """What a log gave: the missing facts, and what is to be told of it."""

    facts: tuple[CallFact, ...]
    calls_in_log: int
    calls_mended: int
    skew_s: float | None  # Our clock minus the PBX's; None: no call in common, taken as 0.
    unjoined: int  # Remote answers in a supporting city's log that fit no call.


def missing_facts(
    lines: Iterable[str], city: City, cities: Sequence[str], stories: Mapping[str, Story], caller: Callable[[str], str]
) -> Rederived:
    """The facts of the city's log that the stories lack. `stories`: every story known of the log's span, by call.

    `caller` says whose number it is (store/seal.py): numbers may be sealed.
    """
    home, supports = _read(lines, city, cities)
    skew_s = _skew(home, stories)
    shift_s = skew_s or 0.0
    facts: list[CallFact] = []
    mended: set[str] = set()
    for logged in home.values():
        found = _home_facts(logged, stories.get(logged.call), city.code, shift_s)
        if found:
            facts += found
            mended.add(logged.call)
    unjoined = 0
    taken: set[str] = set()
    for assisted, legs in supports.items():
        for leg in legs.values():
            call, found = _remote_facts(leg, assisted, stories, city.code, shift_s, taken, caller)
            unjoined += bool(leg.talks) and not call
            if found:
                facts += found
                mended.add(call)
    marked = [LogRead(city.code, max(fact.at for fact in facts if _call(fact) == call), call) for call in sorted(mended)]
    return Rederived((*facts, *marked), len(home) + sum(map(len, supports.values())), len(mended), skew_s, unjoined)


def _call(fact: CallFact) -> str:
    return fact.call.call if isinstance(fact, CallWaiting) else fact.call  # type: ignore[return-value]


def _read(
    lines: Iterable[str], city: City, cities: Sequence[str]
) -> tuple[dict[str, _Logged], dict[str, dict[str, _Logged]]]:
    """The home queue's calls by province call id, and per assisted city the legs of its support queue by the log's id."""
    home: dict[str, _Logged] = {}
    supports: dict[str, dict[str, _Logged]] = {code: {} for code in cities if code != city.code}
    seats = {seat.id for seat in city.seats}
    for line in lines:
        parts = line.rstrip("\n").split("|")
        if len(parts) < 5 or not parts[0].isdigit():
            continue
        at, unique, queue, who, event, details = float(parts[0]), parts[1], parts[2], parts[3], parts[4], parts[5:]
        assisted = names.assisted_of(queue)
        if queue == city.queue.name:
            call = unique if _CALL_ID.fullmatch(unique) else f"{city.code}-{unique}"
            if call.startswith(f"{city.code}-"):
                _apply(home, call, at, event, details, _home_answerer(who, seats, cities))
        elif assisted in supports:
            loan = names.parse_loan(who)
            by = LentSeat(loan[0], assisted) if loan and loan[0] in seats and loan[1] == assisted else None
            _apply(supports[assisted], unique, at, event, details, by)
    return home, supports


def _home_answerer(who: str, seats: set[str], cities: Sequence[str]) -> Answerer | None:
    slot = names.parse_slot(who)
    if slot is not None:
        return slot[0] if slot[0].supporting in cities else None
    return HomeSeat(who) if who in seats else None


def _apply(
    found: dict[str, _Logged], call: str, at: float, event: str, details: Sequence[str], by: Answerer | None
) -> None:
    if event == "ENTERQUEUE":
        logged = found.setdefault(call, _Logged(call))
        logged.number = logged.number or _at(details, 1)
        logged.entries.append(at)
        logged.last_at = at
        return
    if call not in found:
        return  # Entered before the log begins: another log has it.
    logged = found[call]
    logged.last_at = at
    if event == "CONNECT" and by is not None:
        logged.talks.append(_Talk(by, at, _whole(details, 0), _whole(details, 2)))
    elif event in ("COMPLETEAGENT", "COMPLETECALLER") and logged.talks:
        logged.talks[-1].ended_at, logged.talks[-1].talked_s = at, _whole(details, 1)
    elif event == "RINGNOANSWER" and by is not None:
        logged.failed.append((at - _whole(details, 0) / 1000, at, by))  # Milliseconds, here alone.
    elif event in _ABANDONED:
        logged.left, logged.left_at = Outcome.ABANDONED if event == "ABANDON" else Outcome.REFUSED, at
    elif event == "WITHDRAW":
        logged.left, logged.left_at = Outcome.MOVED, at
    elif event == "EXITWITHKEY":
        logged.left, logged.left_at = Outcome.CALL_BACK, at


def _skew(home: Mapping[str, _Logged], stories: Mapping[str, Story]) -> float | None:
    """Our clock minus the PBX's, over calls that events told of; whole seconds are half a second early."""
    apart = [
        story.waits[0].entered_at - logged.entries[0] - 0.5
        for logged in home.values()
        if (story := stories.get(logged.call)) is not None and story.waits and story.waits[0].entered_at is not None
        if logged.entries and story.seen_from == "events"
    ]
    return round(median(apart[:COMMON_MOST]), 1) if apart else None


def _home_facts(logged: _Logged, story: Story | None, city: str, shift_s: float) -> list[CallFact]:
    facts: list[CallFact] = []
    known = max((wait.entered_at or 0.0 for wait in story.waits), default=0.0) if story else 0.0

    def when(at: float) -> float:
        return max(at + shift_s, known)

    entered = when(logged.entries[0])
    if story is None or not story.waits:
        facts.append(CallWaiting(city, entered, WaitingCall(logged.call, logged.number, entered)))
        known = max(known, entered)
    for entry in logged.entries[max(1, len(story.waits) if story else 1) :]:
        back = WaitingCall(logged.call, logged.number, entered, returned=True)
        facts.append(CallWaiting(city, when(entry), back))
    complete = story is not None and story.outcome not in (None, "left") and story.state not in ("waiting", "away", "gone")
    if logged.talks:
        for talk in logged.talks:
            lost = any(entry > talk.answered_at for entry in logged.entries)  # Who enters again had lost the leg.
            facts += _talk_facts(talk, logged.call, story, city, when, lost)
    elif logged.left is not None and not complete and (story is None or story.outcome in (None, "left")):
        facts.append(CallLeftQueue(city, when(logged.left_at), logged.call, logged.left))
    if story is None:  # Of a call we know, the rings that failed were told by events, or are not worth a guess.
        for began, ended, by in logged.failed:
            facts.append(CallRinging(city, when(began), logged.call, by))
            facts.append(RingEnded(city, when(ended), logged.call, by, RingEnd.UNKNOWN))
    return sorted(facts, key=lambda fact: fact.at)


def _talk_facts(
    talk: _Talk, call: str, story: Story | None, city: str, when: Callable[[float], float], lost: bool
) -> list[CallFact]:
    """The answer and the end, where the story has no such conversation, or has not seen its end."""
    legs = [leg for leg in story.legs if leg.by == talk.by and leg.city == city] if story else []
    near = [leg for leg in legs if leg.answered_at is not None and abs(leg.answered_at - when(talk.answered_at)) < 10.0]
    facts: list[CallFact] = []
    answered = when(talk.answered_at)
    if not near:
        facts.append(CallRinging(city, when(talk.answered_at - talk.rung_s), call, talk.by))
        facts.append(CallAnswered(city, answered, call, talk.by, talk.waited_s))
    if talk.ended_at is not None and not any(leg.ended_at is not None for leg in near):
        facts.append(CallEnded(city, max(when(talk.ended_at), answered), call, talk.by, talk.talked_s, lost))
    return facts


def _remote_facts(
    leg: _Logged,
    assisted: str,
    stories: Mapping[str, Story],
    city: str,
    shift_s: float,
    taken: set[str],
    caller: Callable[[str], str],
) -> tuple[str, list[CallFact]]:
    """The lent seat's side of a conversation, and the call it belongs to ("" where none fits)."""
    if not leg.talks:
        return "", []
    talk = leg.talks[-1]
    answered = talk.answered_at + shift_s
    fits = []
    for story in stories.values():
        slot_leg = story.talk
        if story.city != assisted or slot_leg is None or slot_leg.answered_at is None or story.call in taken:
            continue
        helped = (isinstance(slot_leg.by, tuple) and slot_leg.by[0] == city) or isinstance(slot_leg.by, LentSeat)
        same_number = not leg.number or not story.number or caller(leg.number) == caller(story.number)
        if helped and same_number and abs(slot_leg.answered_at - answered) <= SAME_ANSWER_S:
            fits.append((abs(slot_leg.answered_at - answered), story.call))
    if not fits:
        return "", []
    call = min(fits)[1]
    taken.add(call)
    mine = [one for one in stories[call].legs if one.city == city and one.answered_at is not None]
    facts: list[CallFact] = []
    if not mine:
        facts.append(CallAnswered(city, answered, call, talk.by, talk.waited_s))
    if talk.ended_at is not None and not any(one.ended_at is not None for one in mine):
        facts.append(CallEnded(city, talk.ended_at + shift_s, call, talk.by, talk.talked_s))
    return call, facts


def _at(details: Sequence[str], place: int) -> str:
    return details[place] if place < len(details) else ""


def _whole(details: Sequence[str], place: int) -> float:
    text = _at(details, place)
    return float(text) if text.isdigit() else 0.0
