"""Whether callers kept their places in the line: counts those who did not. Pure, so that it can be checked.

A place is lost when a later caller's phone-to-be rings while an earlier caller waits and nobody is rung for them. The
instant is the ring's begin, not the answer: of two phones that ring in order, the slower one may well answer last.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
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
    """Pairs (answered call, call that came earlier and still waited when the answered call's ring began)."""

    pairs: int
    while_rung: int  # Of these, pairs where the earlier call was being rung at that instant: its turn had come, too.
    overtaken: int  # Answered calls that took somebody's place: an earlier call waited and was not being rung.


def inversions(stays: Iterable[Stay], rings: Iterable[Stay], turns: Iterable[Turn]) -> Inversions:
    """Count over one home queue. `rings` are the times during which a waiting call was rung, with `arrived` as in stays.

    A call that leaves at the very instant of another's turn does not wait any more; one that enters then, waits already.
    """
    changes: list[tuple[float, int, float]] = []  # Instant, kind (leaves first, turns last), first arrival.
    for stay in stays:
        changes += [(stay.left, 0, stay.arrived), (stay.entered, 2, stay.arrived)] if stay.left > stay.entered else []
    for ring in _joined(rings):
        changes += [(ring.left, 1, ring.arrived), (ring.entered, 3, ring.arrived)]
    changes += [(turn.at, 4, turn.arrived) for turn in turns]
    changes.sort()
    waiting: list[float] = []
    rung: list[float] = []
    pairs = while_rung = overtaken = 0
    for _, kind, arrived in changes:
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
                excused = min(earlier, bisect_left(rung, arrived))
                while_rung += excused
                overtaken += earlier > excused
    return Inversions(pairs, while_rung, overtaken)


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
