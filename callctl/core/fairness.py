"""Whether calls were answered in the order they came: counts the pairs that were not. Pure, so that it can be checked."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Stay(NamedTuple):
    """One call's stay in one home queue. `arrived` is its *first* arrival, also when it had come back."""

    arrived: float
    entered: float
    left: float  # math.inf while it waits.


class Answer(NamedTuple):
    """One call of that queue answered at `at`."""

    arrived: float
    at: float


@dataclass(frozen=True, slots=True)
class Inversions:
    """Pairs (answered call, call that came earlier and still waited at that instant)."""

    pairs: int
    while_rung: int  # Of these, pairs where the earlier call was being rung at that instant: its answer was on the way.
    answers: int  # Answered calls with at least one such pair.


def inversions(stays: Iterable[Stay], rings: Iterable[Stay], answers: Iterable[Answer]) -> Inversions:
    """Count over one home queue. `rings` are the times during which a waiting call was rung, with `arrived` as in stays.

    A call that leaves at the very instant of another's answer does not wait any more; one that enters then, waits already.
    """
    turns: list[tuple[float, int, float]] = []  # Instant, kind (leaves first, answers last), first arrival.
    for stay in stays:
        turns += [(stay.left, 0, stay.arrived), (stay.entered, 2, stay.arrived)] if stay.left > stay.entered else []
    for ring in _joined(rings):
        turns += [(ring.left, 1, ring.arrived), (ring.entered, 3, ring.arrived)]
    turns += [(answer.at, 4, answer.arrived) for answer in answers]
    turns.sort()
    waiting: list[float] = []
    rung: list[float] = []
    pairs = while_rung = late = 0
    for _, kind, arrived in turns:
        match kind:
            case 0:
                waiting.pop(bisect_left(waiting, arrived))
            case 1:
                rung.pop(bisect_left(rung, arrived))
            case 2:
                insort(waiting, arrived)
            case 3:
                insort(rung, arrived)
            case _:
                earlier = bisect_left(waiting, arrived)
                pairs += earlier
                while_rung += min(earlier, bisect_left(rung, arrived))
                late += earlier > 0
    return Inversions(pairs, while_rung, late)


def _joined(rings: Iterable[Stay]) -> list[Stay]:
    """Rings of one call that overlap count as one; calls are told apart by their first arrival."""
    joined: list[Stay] = []
    for ring in sorted(ring for ring in rings if ring.left > ring.entered):
        last = joined[-1] if joined else None
        if last and last.arrived == ring.arrived and ring.entered <= last.left:
            joined[-1] = Stay(last.arrived, last.entered, max(last.left, ring.left))
        else:
            joined.append(ring)
    return joined
