"""The day in equal steps: how many asked, who answered, how many waited and how long; None where nobody was listening.

A call counts in the step in which it first arrived, at its home city, as in every report.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

ZONE_S = 8 * 3600  # 北京时间: the whole country, all year, since 1991.
DAY_S = 86400.0
WITHIN_S = (15, 20, 30)  # GB/T 33358 asks for 15 s, the trade for 20 s, Jiangsu reports 30 s.


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of time, from `since` until before `until`, seconds since the epoch."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Asked:
    """The calls that first arrived in one span, at one city or in the province."""

    asked: int = 0
    answered_home: int = 0
    answered_remote: int = 0
    waiting: int = 0  # Still in the queue.
    within: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))  # Answered within so many seconds.

    @property
    def answered(self) -> int:
        """By anybody."""
        return self.answered_home + self.answered_remote

    @property
    def unanswered(self) -> int:
        """Gave up, asked for a call-back, or nobody saw how it ended; those who still wait are not among them."""
        return self.asked - self.answered - self.waiting


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay in a home queue. `left` None: it still waits."""

    entered: float
    left: float | None


@dataclass(frozen=True, slots=True)
class Queued:
    """What a step saw of the queue."""

    most_waiting: int
    longest_wait_s: float


def day_start(now: float) -> float:
    """Midnight in Beijing before `now`."""
    return (now + ZONE_S) // DAY_S * DAY_S - ZONE_S


def steps(since: float, count: int, length_s: float) -> list[Step]:
    """`count` steps of equal length."""
    return [Step(since + n * length_s, since + (n + 1) * length_s) for n in range(count)]


def total(parts: Iterable[Asked]) -> Asked:
    """Several cities, or several steps, together."""
    listed = list(parts)
    return Asked(
        sum(part.asked for part in listed),
        sum(part.answered_home for part in listed),
        sum(part.answered_remote for part in listed),
        sum(part.waiting for part in listed),
        {seconds: sum(part.within.get(seconds, 0) for part in listed) for seconds in WITHIN_S},
    )


def queued(stays: Sequence[Stay], step: Step, now: float) -> Queued:
    """The most callers at one moment of the step, and the longest that anybody had waited by the end of it."""
    until = min(step.until, now)
    marks: list[tuple[float, int]] = []
    longest = 0.0
    for stay in stays:
        end = until if stay.left is None else min(stay.left, until)
        if stay.entered >= until or end < step.since or end <= stay.entered:
            continue
        longest = max(longest, end - stay.entered)
        marks += [(max(stay.entered, step.since), 1), (end, -1)]
    most = here = 0
    # At one moment a leaver goes before a newcomer comes: two who pass each other are not two who wait.
    for _, change in sorted(marks):
        here += change
        most = max(most, here)
    return Queued(most, longest)


def unheard(step: Step, silences: Iterable[tuple[float, float]], now: float) -> float:
    """Which share of the step, as far as it has passed, nobody was listening: 0 to 1."""
    until = min(step.until, now)
    if until <= step.since:
        return 1.0  # Has not begun.
    missed, reached = 0.0, step.since
    for begin, end in sorted(silences):
        silent_from, silent_until = max(begin, reached), min(end, until)
        if silent_until > silent_from:
            missed, reached = missed + silent_until - silent_from, silent_until
    return missed / (until - step.since)
