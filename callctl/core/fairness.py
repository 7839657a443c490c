"""Whether callers kept their places in the line: counts those who did not. Pure, so that it can be checked.

A place is lost when a later caller's phone-to-be rings while an earlier caller waits and nobody is rung for them. The
instant is the ring's begin, not the answer: of two phones that ring in order, the slower one may well answer last.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Stay(NamedTuple):
    """One call's stay in one home queue. `arrived` is its *first* arrival, also when it had come back."""

    arrived: float
    entered: float
    left: float  # math.inf while it waits.


class Turn(NamedTuple):
    """One answered call of that queue; the ring that was answered began at `at`."""

    arrived: float
    at: float


@dataclass(frozen=True, slots=True)
class Inversions:
    """Lost places."""

    pairs: int  # An answered call, and an earlier one that waited when its ring began, with nobody rung for it.
    overtaken: int  # Answered calls with at least one such pair.


def inversions(stays: Iterable[Stay], rings: Iterable[Stay], turns: Iterable[Turn], race_s: float = 0.0) -> Inversions:
    """Count over one home queue. `rings` are the times during which a waiting call was rung, with `arrived` as in stays.

    `arrived` tells the calls apart. Who is rung, or leaves, within `race_s` after another's turn has lost nothing. A call
    that leaves at the very instant of another's turn does not wait any more; one that enters then, waits already.
    """
    changes: list[tuple[float, int, float]] = []  # Instant, kind (leaves first, turns last), first arrival.
    for alone in _unrung(stays, rings):
        until = alone.left - race_s
        changes += [(until, 0, alone.arrived), (alone.entered, 1, alone.arrived)] if until > alone.entered else []
    changes += [(turn.at, 2, turn.arrived) for turn in turns]
    changes.sort()
    waiting: list[float] = []
    pairs = overtaken = 0
    for _, kind, arrived in changes:
        match kind:
            case 0:
                waiting.pop(bisect_left(waiting, arrived))
            case 1:
                insort(waiting, arrived)
            case _:
                earlier = bisect_left(waiting, arrived)
                pairs += earlier
                overtaken += earlier > 0
    return Inversions(pairs, overtaken)


def _unrung(stays: Iterable[Stay], rings: Iterable[Stay]) -> Iterator[Stay]:
    """The parts of each stay in which nobody was rung for the call."""
    rings_of: dict[float, list[Stay]] = {}
    for ring in sorted(rings):
        rings_of.setdefault(ring.arrived, []).append(ring)
    for stay in stays:
        since = stay.entered
        for ring in rings_of.get(stay.arrived, []):
            if since < ring.entered < stay.left:
                yield Stay(stay.arrived, since, ring.entered)
            since = max(since, ring.left)
        if since < stay.left:
            yield Stay(stay.arrived, since, stay.left)
