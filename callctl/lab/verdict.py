"""One time span as three witnesses counted it: callctl's history, the PBXs' own queue_log, the citizens' ears. Pure.

Waits are those of everybody who asked: until the answer, or until the citizen gave up. 接通率 = answered / asked.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from callctl.lab.crowd import Citizen
from callctl.lab.queue_log import Account, LoggedCall
from callctl.pbx import asterisk_names as names
from callctl.store.report import Figures

# The history counts a wait of one who gave up from the arrival, in the PBX's whole seconds; queue_log from the queue on,
# in whole seconds; the citizen from the first music. The notice is in between.
WAIT_STEP_S = 2.0
_CROSSED_S = 2.0  # queue_log has whole seconds.


@dataclass(frozen=True, slots=True)
class Count:
    """What one witness counted for one assisted city; asked = answered + abandoned + lost."""

    asked: int
    answered_by: Mapping[str, int]  # By answering city, the assisted one among them; zeros left out.
    abandoned: int
    lost: int  # Neither answered nor given up by the citizen: thrown out, cut off, or not known.
    returned: int  # Times a caller came back to the queue because a leg was lost.
    mean_wait_s: float | None
    max_wait_s: float | None
    inversions: int | None = None  # None: this witness cannot know.

    @property
    def answered(self) -> int:
        """By anybody."""
        return sum(self.answered_by.values())

    @property
    def connect_rate(self) -> float | None:
        """接通率; None where nobody asked."""
        return self.answered / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure on which two witnesses do not agree."""

    what: str  # A field of Count; "answered_by <city>".
    history: float | None
    witness: str  # "queue_log", "citizens", or "queue_log <supporting city>".
    says: float | None


def by_history(figures: Figures, city: str) -> Count:
    """The history's report. What it cannot place counts as lost: nothing may be hidden."""
    answered = {city: figures.answered_home, **figures.remote_by}
    return Count(
        asked=figures.asked,
        answered_by={code: count for code, count in answered.items() if count},
        abandoned=figures.abandoned,
        lost=figures.asked - figures.answered - figures.abandoned,
        returned=figures.requeues,
        mean_wait_s=figures.mean_wait_all_s,
        max_wait_s=figures.max_wait_all_s,
        inversions=figures.inversions.overtaken,
    )


def by_queue_log(account: Account, city: str) -> Count:
    """The home PBX's own account."""
    calls = account.calls.values()
    answered = [call for call in calls if call.answered_at is not None]
    abandoned = sum(call.answered_at is None and call.left == "ABANDON" for call in calls)
    waits = [call.wait_s for call in calls]
    return Count(
        asked=len(calls),
        answered_by=dict(Counter(answering_city(call, city) for call in answered)),
        abandoned=abandoned,
        lost=len(calls) - len(answered) - abandoned,
        returned=sum(max(0, call.answers - 1) for call in answered),
        mean_wait_s=fmean(waits) if waits else None,
        max_wait_s=float(max(waits)) if waits else None,
        inversions=account.inversions(),
    )


def answering_city(call: LoggedCall, home: str) -> str:
    """Whose agent answered: a slot's name tells the supporting city, everything else is a seat of the home city."""
    slot = names.parse_slot(call.answered_by)
    return slot[0].supporting if slot else home


def by_citizens(citizens: Iterable[Citizen], city: str, tones: Mapping[str, str], account: Account) -> tuple[Count, int]:
    """What the citizens of `city` heard; `tones` names each city's voice. Also how many hung up at the very answer.

    Those had not heard the agent yet when they hung up, and their PBX had connected them: nobody is wrong, so they count
    as the PBX wrote them down.
    """
    everybody = list(citizens)
    heard = [citizen for citizen in everybody if citizen.answered_at is not None]
    gave_up = [citizen for citizen in everybody if citizen.gave_up]
    logged = {call.number: call for call in account.calls.values()}
    crossed = [by for citizen in gave_up if (by := _crossed(citizen, logged.get(citizen.number), city))]
    city_of = {tone: code for code, tone in tones.items()}
    waits = [citizen.waited_s for citizen in everybody]
    count = Count(
        asked=len(everybody),
        answered_by=dict(Counter([city_of.get(citizen.answered_by, "?") for citizen in heard] + crossed)),
        abandoned=len(gave_up) - len(crossed),
        lost=len(everybody) - len(heard) - len(gave_up),
        returned=sum(citizen.returned for citizen in everybody),
        mean_wait_s=fmean(waits) if waits else None,
        max_wait_s=max(waits, default=None),
    )
    return count, len(crossed)


def _crossed(citizen: Citizen, call: LoggedCall | None, home: str) -> str:
    """The city whose answer crossed this citizen's hanging up; "" where none did."""
    if call is None or call.answered_at is None or citizen.ended_at is None:
        return ""
    return answering_city(call, home) if abs(call.answered_at - citizen.ended_at) <= _CROSSED_S else ""


def differences(history: Count, witness: str, other: Count) -> list[Difference]:
    """Where another witness tells something else than the history."""
    found = []
    for what in ("asked", "abandoned", "lost", "returned"):
        ours, theirs = getattr(history, what), getattr(other, what)
        if theirs is not None and ours != theirs:
            found.append(Difference(what, ours, witness, theirs))
    # The log's whole seconds hide the short ones: it may know of fewer, never of more.
    if (other.inversions or 0) > (history.inversions or 0):
        found.append(Difference("inversions", history.inversions, witness, other.inversions))
    for city in sorted({*history.answered_by, *other.answered_by}):
        ours, theirs = history.answered_by.get(city, 0), other.answered_by.get(city, 0)
        if ours != theirs:
            found.append(Difference(f"answered_by {city}", ours, witness, theirs))
    for what in ("mean_wait_s", "max_wait_s"):
        ours, theirs = getattr(history, what), getattr(other, what)
        if (ours is None) != (theirs is None) or (ours is not None and abs(ours - theirs) > WAIT_STEP_S):
            found.append(Difference(what, ours, witness, theirs))
    return found


def too_few_there(history: Count, city: str, there: Account) -> list[Difference]:
    """A supporting city's own log must show every call that its agents answered for the assisted city.

    More is possible: its agent answered in the very moment the citizen hung up.
    """
    answered = sum(call.answered_at is not None for call in there.calls.values())
    ours = history.answered_by.get(city, 0)
    return [Difference(f"answered_by {city}", ours, f"queue_log {city}", answered)] if answered < ours else []


def rounded(count: Count) -> Count:
    """With waits to the hundredth of a second."""
    mean, longest = count.mean_wait_s, count.max_wait_s
    return replace(
        count,
        mean_wait_s=None if mean is None else round(mean, 2),
        max_wait_s=None if longest is None else round(longest, 2),
    )
