"""漏接回拨: whom to call back, in which order, and when. Pure; carrying a call-back out is somebody else's.

A citizen is on the list once, by number, however often he tried; his place is that of his first attempt. Who has been
answered since is off it. A call-back takes an agent only when nobody live waits for that agent.
"""

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from callctl.core.counting import SHORT_S

TRIES_MOST = 3  # Who does not answer three times has been told enough.
AGAIN_S = 1800.0  # Between two tries of one number.
GONE_S = 86_400.0  # A day later nobody waits for the call-back any more.


class Missed(enum.Enum):
    """How the call was missed."""

    ABANDONED = "abandoned"
    BLOCKED = "blocked"  # Queue full: known only where the PBX told.
    CUT_OFF = "cut_off"
    ASKED = "call_back"  # Asked for it; keeps his place in the queue by the PBX's own call-back.


class Tried(enum.Enum):
    """What became of a call-back."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    WRONG = "wrong_number"
    DECLINED = "declined"  # The citizen did not want it, or had been helped.


_OVER = frozenset({Tried.ANSWERED, Tried.WRONG, Tried.DECLINED})


class Attempt(NamedTuple):
    """One call as the list sees it, at one city."""

    caller: str  # store/seal.py caller: whose number, not the number.
    number: str  # As kept: in clear or sealed.
    at: float
    outcome: str | None
    called_back: bool
    waited_s: float | None


class CallBack(NamedTuple):
    """A call-back that was tried."""

    caller: str
    at: float
    outcome: Tried


@dataclass(frozen=True, slots=True)
class Entry:
    """One citizen to be called back."""

    caller: str
    number: str
    how: Missed
    first_at: float
    last_at: float
    attempts: int
    waited_s: float  # Longest of his waits.
    tries: int
    next_at: float  # Not to be tried again before.


def missed_list(calls: Iterable[Attempt], tried: Iterable[CallBack], now: float) -> list[Entry]:
    """Everybody to be called back, first come first. `calls`: all calls of the city in the last day, answered ones too."""
    by_caller: dict[str, list[Attempt]] = defaultdict(list)
    for call in calls:
        if call.caller:  # A withheld number cannot be called.
            by_caller[call.caller].append(call)
    by_tried: dict[str, list[CallBack]] = defaultdict(list)
    for one in tried:
        by_tried[one.caller].append(one)
    found = [entry for caller, own in by_caller.items() if (entry := _entry(own, by_tried[caller], now)) is not None]
    return sorted(found, key=lambda entry: (entry.first_at, entry.caller))


def _entry(own: Sequence[Attempt], tried: Sequence[CallBack], now: float) -> Entry | None:
    helped = max([call.at for call in own if call.outcome == "answered"], default=float("-inf"))
    over = max([one.at for one in tried if one.outcome in _OVER], default=float("-inf"))
    since = max(helped, over)
    open_calls = sorted((call for call in own if call.at > since and _how(call)), key=lambda call: call.at)
    if not open_calls or open_calls[-1].at < now - GONE_S:
        return None
    tries = [one for one in tried if one.at > since]
    if len(tries) >= TRIES_MOST:
        return None
    waits = [call.waited_s or 0.0 for call in open_calls]
    # Of several ways, the one that most asks for a call.
    how = max((_how(call) for call in open_calls), key=lambda way: list(Missed).index(way) if way else -1)
    if how is None or (how is Missed.ABANDONED and len(open_calls) == 1 and waits[0] < SHORT_S):
        return None  # One hang-up within seconds is a wrong number.
    last_try = max([one.at for one in tries], default=float("-inf"))
    first, last = open_calls[0], open_calls[-1]
    return Entry(
        first.caller, last.number, how, first.at, last.at, len(open_calls), max(waits), len(tries), last_try + AGAIN_S
    )


def _how(call: Attempt) -> Missed | None:
    if call.called_back and call.outcome != "answered":
        return Missed.ASKED
    return {
        "abandoned": Missed.ABANDONED,
        "refused": Missed.BLOCKED,
        "cut_off": Missed.CUT_OFF,
        "left": Missed.CUT_OFF,
    }.get(call.outcome or "")


@dataclass(frozen=True, slots=True)
class Floor:
    """One city's agents who may call for the assisted city."""

    city: str
    free: int
    reserve: int  # Free agents that stay free whatever the list says.
    waiting: int  # Live callers of its own, and of the assisted city, that these agents could take.
    calling: int = 0  # Call-backs of ours they are making now.


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who shall be called by whom's agent."""

    entry: Entry
    city: str


def call_back_now(entries: Sequence[Entry], floors: Sequence[Floor], now: float, at_once: int) -> list[Assignment]:
    """The call-backs to begin now, first come first; the home city's agents first, then the others in the given order.

    Never more than free agents beyond the reserve and beyond the live callers who wait; never more than `at_once` in all.
    """
    room: Mapping[str, int] = {floor.city: max(0, floor.free - floor.reserve - floor.waiting) for floor in floors}
    left = dict(room)
    most = max(0, at_once - sum(floor.calling for floor in floors))
    found: list[Assignment] = []
    for entry in entries:
        if len(found) >= most:
            break
        if entry.next_at > now or entry.how is Missed.ASKED:  # Who asked is called by the PBX, in his place.
            continue
        city = next((floor.city for floor in floors if left[floor.city] > 0), None)
        if city is None:
            break
        left[city] -= 1
        found.append(Assignment(entry, city))
    return found
