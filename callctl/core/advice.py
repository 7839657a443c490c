"""研判与调整建议: how many supporting seats tomorrow needs, and why. The one place that recommends.

seats = the busiest hour's lack of own seats for the connect rate to reach its target (Erlang A), and a reserve on top.
Seats are made more at once, and fewer only when the lent ones were idle for days. A person decides.
A better forecast or policy replaces `recommend`; nothing else knows how it decides.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from callctl.core.counting import Counters
from callctl.core.erlang import HOUR, erlang_a, staff_for
from callctl.core.rates import connect_rate

LEAST_RATIO, MOST_RATIO = 0.5, 2.0  # One odd day must not halve or double the forecast more than once.
UNSURE = 0.10  # Without any history the range is so wide at least.
URGENT_BUCKETS = 2  # So many five minutes in a row …
URGENT_RATE = 0.85  # … below this, or with a wait over the threshold: more seats now, before the next report.


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is assumed; times in seconds."""

    target: float
    aht_s: float
    patience_s: float
    reserve: float
    idle_below: float
    idle_days: int


@dataclass(frozen=True, slots=True)
class CityAdvice:
    """Seats of one supporting city."""

    city: str
    planned: int
    change: int
    reason: str  # Chinese, as printed.


@dataclass(frozen=True, slots=True)
class Advice:
    """For tomorrow."""

    low: int  # Requests of the day.
    expected: int
    high: int
    busiest_h: int
    needed: int  # Seats in that hour, own and lent.
    own: int  # Own seats seen at work in that hour.
    lacking: int  # The greatest lack of any hour, with the reserve: lent seats to have.
    planned: int  # Lent seats planned now.
    verdict: str  # 增加, 保持, 减少
    cities: tuple[CityAdvice, ...]
    why: tuple[str, ...]  # Chinese sentences.


def forecast(days: Sequence[int]) -> tuple[int, int, int]:
    """Low, expected and high requests of tomorrow from those of the last days, oldest first."""
    known = [day for day in days if day > 0][-8:]
    if not known:
        return 0, 0, 0
    ratios = [min(MOST_RATIO, max(LEAST_RATIO, after / before)) for before, after in pairwise(known)]
    trend = math.prod(ratios) ** (1 / len(ratios)) if ratios else 1.0
    low, high = min([trend * (1 - UNSURE), *ratios]), max([trend * (1 + UNSURE), *ratios])
    return round(known[-1] * low), round(known[-1] * trend), round(known[-1] * high)


def needed_seats(calls_per_h: float, given: Assumptions) -> int:
    """Seats so that the connect rate of the hour reaches the target."""
    if calls_per_h <= 0:
        return 0
    least = math.floor(calls_per_h / HOUR * given.aht_s * max(0.1, given.target - 0.2))
    most_lost = 1.0 - given.target
    return staff_for(lambda n: erlang_a(n, calls_per_h, given.aht_s, given.patience_s, 0.0).p_abandon <= most_lost, least)


def recommend(
    days: Sequence[int],
    profile: Sequence[float],
    own_seats: Sequence[int],
    planned: Mapping[str, int],
    occupancy: Sequence[float | None],
    given: Assumptions,
) -> Advice:
    """Tomorrow's seats. `days`: requests of the last days; `profile`: share of a day by hour; `own_seats` by hour;
    `planned`: lent seats by city; `occupancy` of the lent seats on the last days, newest last (None: none lent)."""
    low, expected, high = forecast(days)
    needs = [needed_seats(expected * share, given) for share in profile]
    lacks = [max(0, need - own) for need, own in zip(needs, own_seats, strict=True)]
    busiest = max(range(len(needs)), key=lambda hour: (lacks[hour], needs[hour]), default=0)
    lacking = math.ceil(max(lacks, default=0) * (1 + given.reserve))
    now = sum(planned.values())
    idle = [one for one in occupancy[-given.idle_days :] if one is not None and one < given.idle_below]
    why = [
        f"预测按近 {len([day for day in days if day > 0][-8:])} 日走势外推，为 {low}—{high} 件",
        f"{busiest} 时需 {needs[busiest]} 席（接通率目标 {given.target:.0%}，平均处理 {given.aht_s:.0f} 秒，"
        f"市民耐心 {given.patience_s:.0f} 秒），本地在岗 {own_seats[busiest]} 席",
        f"另加 {given.reserve:.0%} 备用",
    ]
    if lacking > now:
        verdict, target = "增加", lacking
        why.append(f"缺口 {lacking} 席，大于现有专席 {now} 席")
    elif lacking < now and len(idle) >= given.idle_days:
        verdict, target = "减少", lacking
        why.append(f"专席占用率连续 {given.idle_days} 日低于 {given.idle_below:.0%}")
    else:
        verdict, target = "保持", now
        why.append("现有专席够用；占用率未连续偏低，不减")
    return Advice(
        low,
        expected,
        high,
        busiest,
        needs[busiest],
        own_seats[busiest],
        lacking,
        now,
        verdict,
        _shares(planned, target),
        tuple(why),
    )


def _shares(planned: Mapping[str, int], target: int) -> tuple[CityAdvice, ...]:
    """The new number of seats, shared like the planned ones (largest remainders)."""
    now = sum(planned.values())
    if not now:
        return ()
    exact = {city: seats * target / now for city, seats in planned.items()}
    given = {city: math.floor(share) for city, share in exact.items()}
    for city in sorted(exact, key=lambda one: (given[one] - exact[one], one))[: target - sum(given.values())]:
        given[city] += 1
    return tuple(
        CityAdvice(
            city,
            seats,
            given[city] - seats,
            "按现有专席比例" if given[city] != seats else "不变",
        )
        for city, seats in planned.items()
    )


def urgent(buckets: Sequence[Counters], threshold_s: float) -> str:
    """Why more seats are needed at once; "" where they are not. `buckets`: the last five minutes, newest last."""
    last = buckets[-URGENT_BUCKETS:]
    if len(last) < URGENT_BUCKETS:
        return ""
    if all(one.max_wait_s > threshold_s for one in last):
        return f"最长等待连续 {URGENT_BUCKETS} 个 5 分钟超过 {threshold_s:.0f} 秒"
    rates = [connect_rate(one).value for one in last]
    if all(rate is not None and rate < URGENT_RATE for rate in rates):
        return f"接通率连续 {URGENT_BUCKETS} 个 5 分钟低于 {URGENT_RATE:.0%}"
    return ""
