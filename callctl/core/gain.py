"""How much the help gained: 提升接通率 in points, by both methods; the report says which. Shared is not the same as saved.

(a) before and after: the connect rate of the day less that of the same weekdays before the event.
(b) by model: what the city's own agents alone would have lost (Erlang A, hour by hour) less what was lost; never more than
    were answered remotely. That is answered_remote × P(lost otherwise) / requested.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from callctl.core.erlang import erlang_a
from callctl.core.rates import Rate


@dataclass(frozen=True, slots=True)
class HourOfHelp:
    """One hour at the assisted city."""

    requested: int
    answered_home: int
    answered_remote: int
    home_seats: int  # Own seats seen at work.


def before_after(today: Rate, before: Sequence[Rate]) -> float | None:
    """Points by method (a); None without calls today or before."""
    asked = sum(rate.whole or 0.0 for rate in before)
    answered = sum(rate.part or 0.0 for rate in before)
    if today.value is None or not asked:
        return None
    return 100.0 * (today.value - answered / asked)


def by_model(hours: Sequence[HourOfHelp], aht_s: float, patience_s: float) -> float | None:
    """Points by method (b); None where nobody asked."""
    asked = sum(hour.requested for hour in hours)
    if not asked:
        return None
    return 100.0 * sum(_saved(hour, aht_s, patience_s) for hour in hours) / asked


def _saved(hour: HourOfHelp, aht_s: float, patience_s: float) -> float:
    if not hour.answered_remote:
        return 0.0
    lost = hour.requested - hour.answered_home - hour.answered_remote
    if hour.home_seats:
        lost_alone = hour.requested * erlang_a(hour.home_seats, hour.requested, aht_s, patience_s, 0.0).p_abandon
    else:
        lost_alone = float(hour.requested)
    return min(float(hour.answered_remote), max(0.0, lost_alone - lost))
