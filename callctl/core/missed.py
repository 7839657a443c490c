"""漏接回拨: whom to call back, in which order, and when. Pure; core/callbacks.py looks for the agents.

A citizen is on the list once, by number, however often he tried; his place is that of his first attempt. Who has been
answered since is off it, and so is who waits or talks right now. A call-back takes an agent only when nobody live waits
for that agent.
"""

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from callctl.core.counting import SHORT_S
from callctl.core.days import day_of, moment

TRIES_MOST = 3  # Who does not answer three times has been told enough.
AGAIN_S = 1800.0  # Between two tries of one number.
GONE_S = 86_400.0  # A day later nobody waits for the call-back any more.


class Missed(enum.Enum):
    """How the call was missed."""

    ABANDONED = "abandoned"
    BLOCKED = "blocked"  # Queue full: known only where the PBX told.
    CUT_OFF = "cut_off"
    NOT_REACHED = "not_reached"  # Asked for it, and did not pick up, or nobody took it within its hour.
    ASKED = "call_back"  # Asked for it; keeps his place in the queue by the PBX's own call-back.


class Tried(enum.Enum):
    """What became of a call-back."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"  # The carrier did not carry the call: switched off, barred, or its lines are full.
    WRONG = "wrong_number"
    DECLINED = "declined"  # The citizen did not want it, or had been helped.


# What a call's outcome says; besides, who asked for a call-back and has not been reached is to be called.
MISSED_OUTCOMES: Mapping[str, Missed] = {
    "abandoned": Missed.ABANDONED,
    "refused": Missed.BLOCKED,
    "cut_off": Missed.CUT_OFF,
    "left": Missed.CUT_OFF,
    "not_reached": Missed.NOT_REACHED,
}
NOT_THERE = ("call_back", "moved")  # Open calls by what became of them in which nobody waits or talks.
_OVER = frozenset({Tried.ANSWERED, Tried.WRONG, Tried.DECLINED})


class Attempt(NamedTuple):
    """One call as the list sees it, at one city."""

    caller: str  # store/seal.py caller: whose number, not the number.
    number: str  # As kept: in clear or sealed.
    at: float
    outcome: str | None
    called_back: bool
    waited_s: float | None
    call: str = ""
    open: bool = False  # He waits or talks right now.

    @property
    def helped(self) -> bool:
        """Whether this call is no miss: somebody answered it, or it goes on and somebody may yet."""
        return self.outcome == "answered" or (self.open and self.outcome not in NOT_THERE)


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
    call: str = ""  # The last of the missed calls: the PBX knows the number by it.


class Errand(NamedTuple):
    """A call-back the books want made: only the call is named, its PBX knows whose number that is."""

    call: str
    next_at: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one city wants called back now, first come first, and how far it may go."""

    errands: tuple[Errand, ...] = ()
    at_once: int = 1  # Call-backs in progress at a time.
    reserve: int = 1  # Free agents that stay free for live callers.


def errands(entries: Iterable[Entry]) -> tuple[Errand, ...]:
    """What may be dialled by the PBX: who asked by key and still waits for it is called by it anyway, in his place."""
    return tuple(Errand(one.call, one.next_at) for one in entries if one.how is not Missed.ASKED and one.call)


def quiet(now: float, from_h: float, to_h: float) -> bool:
    """Whether nobody is called at this hour of the day in China; `to_h` before `from_h` runs over midnight."""
    hour = (now - moment(day_of(now))) / 3600.0
    return not (from_h <= hour < to_h if from_h <= to_h else hour >= from_h or hour < to_h)


def missed_list(
    calls: Iterable[Attempt],
    tried: Iterable[CallBack],
    now: float,
    tries_most: int = TRIES_MOST,
    again_s: float = AGAIN_S,
) -> list[Entry]:
    """Everybody to be called back, first come first. `calls`: all calls of the city in the last day, answered ones too."""
    by_caller: dict[str, list[Attempt]] = defaultdict(list)
    for call in calls:
        if call.caller:  # A withheld number cannot be called.
            by_caller[call.caller].append(call)
    by_tried: dict[str, list[CallBack]] = defaultdict(list)
    for one in tried:
        by_tried[one.caller].append(one)
    told = (_entry(own, by_tried[caller], now, tries_most, again_s) for caller, own in by_caller.items())
    found = [entry for entry in told if entry is not None]
    return sorted(found, key=lambda entry: (entry.first_at, entry.caller))


def _entry(own: Sequence[Attempt], tried: Sequence[CallBack], now: float, tries_most: int, again_s: float) -> Entry | None:
    helped = max([call.at for call in own if call.helped], default=float("-inf"))
    over = max([one.at for one in tried if one.outcome in _OVER], default=float("-inf"))
    since = max(helped, over)
    missed = (call for call in own if call.at > since and not call.open and _how(call))
    open_calls = sorted(missed, key=lambda call: call.at)
    if not open_calls or open_calls[-1].at < now - GONE_S:
        return None
    tries = [one for one in tried if one.at > since]
    if len(tries) >= tries_most:
        return None
    waits = [call.waited_s or 0.0 for call in open_calls]
    # Of several ways, the one that most asks for a call.
    how = max((_how(call) for call in open_calls), key=lambda way: list(Missed).index(way) if way else -1)
    if how is None or (how is Missed.ABANDONED and len(open_calls) == 1 and waits[0] < SHORT_S):
        return None  # One hang-up within seconds is a wrong number.
    last_try = max([one.at for one in tries], default=float("-inf"))
    first, last = open_calls[0], open_calls[-1]
    next_at = last_try + again_s
    return Entry(
        first.caller, last.number, how, first.at, last.at, len(open_calls), max(waits), len(tries), next_at, last.call
    )


def _how(call: Attempt) -> Missed | None:
    if call.called_back and call.outcome not in ("answered", "not_reached"):
        return Missed.ASKED
    return MISSED_OUTCOMES.get(call.outcome or "")


@dataclass(frozen=True, slots=True)
class Floor:
    """One city's agents who may call for the assisted city."""

    city: str
    free: int
    reserve: int  # Free agents that stay free whatever the list says.
    waiting: int  # Live callers of its own, and of the assisted city, that these agents could take.
    calling: int = 0  # Call-backs of ours they are making now.


class Assignment(NamedTuple):
    """Which call-back is made by whose agent."""

    call: str
    city: str


def call_back_now(wanted: Sequence[Errand], floors: Sequence[Floor], now: float, at_once: int) -> list[Assignment]:
    """The call-backs to begin now, first come first; the home city's agents first, then the others in the given order.

    Never more than free agents beyond the reserve and beyond the live callers who wait; never more than `at_once` in all.
    """
    left = {floor.city: max(0, floor.free - floor.reserve - floor.waiting) for floor in floors}
    most = max(0, at_once - sum(floor.calling for floor in floors))
    found: list[Assignment] = []
    for errand in wanted:
        if len(found) >= most:
            break
        if errand.next_at > now:
            continue
        city = next((floor.city for floor in floors if left[floor.city] > 0), None)
        if city is None:
            break
        left[city] -= 1
        found.append(Assignment(errand.call, city))
    return found
