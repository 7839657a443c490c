"""研判与调整建议: how many supporting seats tomorrow needs, and why.

The seats are the sharing engine's (core/recommend.py); here stand the forecast of the day, the reserve, and the rule that
seats are given back only when they were idle for days. A person decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from callctl.core.counting import Counters
from callctl.core.erlang import HOUR
from callctl.core.rates import connect_rate
from callctl.core.recommend import MOST_AGENTS, SPAN_S, Demand, Move, Supply, recommend

LEAST_RATIO, MOST_RATIO = 0.5, 2.0  # One odd day must not halve or double the forecast more than once.
UNSURE = 0.10  # Without any history the range is so wide at least.
URGENT_BUCKETS = 2  # So many five minutes in a row …
URGENT_RATE = 0.85  # … below this, or with a wait over the threshold: more seats now, before the next report.


@dataclass(frozen=True, slots=True)
class Assumptions:
    """When seats are added or given back."""

    reserve: float  # On top of the seats that are missing.
    idle_below: float
    idle_days: int
    occupancy: tuple[float | None, ...] = ()  # Of the lent seats on the last days, newest last; None: none lent.


@dataclass(frozen=True, slots=True)
class CityAdvice:
    """Seats of one supporting city."""

    city: str
    planned: int
    change: int
    reason: str  # Chinese, as printed.
    city_zh: str = ""


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


def tomorrow(days: Sequence[int], demand: Demand, supplies: Sequence[Supply], given: Assumptions) -> Advice:
    """Tomorrow's seats, by the sharing engine (core/recommend.py), the reserve on top of what it finds missing.

    `days`: requests of the last days; `demand`: the assisted city tomorrow, by half hour; `supplies`: who may help it, with
    what each lends now. Seats are made more at once, and fewer only when the lent ones were idle for days.
    """
    low, expected, high = forecast(days)
    most_per_h = MOST_AGENTS * HOUR / demand.aht_s
    beyond = max(demand.per_h, default=0.0) > most_per_h
    capped = replace(
        demand,
        per_h=tuple(min(rate, most_per_h) for rate in demand.per_h),
        factor=demand.factor * (1.0 + given.reserve),
    )
    found = recommend(capped, supplies)
    busiest = max(found.needs, key=lambda need: (need.seats, need.needed))
    planned = {one.city: one.given for one in supplies}
    now, lacking = sum(planned.values()), busiest.seats
    peaks = {city: max(row, default=0) for city, row in found.seats.items()}
    why = [
        f"预测按近 {len([day for day in days if day > 0][-8:])} 日走势外推，为 {low}—{high} 件",
        f"{busiest.span * SPAN_S / HOUR:g} 时起半小时需 {busiest.needed} 席"
        f"（{demand.sl_s:.0f} 秒内接听 {demand.target:.0%}，平均处理 {demand.aht_s:.0f} 秒，"
        f"市民耐心 {demand.patience_s:.0f} 秒），本地在岗 {busiest.own} 席",
        f"支援座席按慢一成折算，另加 {given.reserve:.0%} 备用",
    ]
    if beyond:
        why.append(f"请求量超过 {MOST_AGENTS} 人所能接听，按此数计算：仅靠座席不能解决，请先减少重拨")
    if lacking > now:
        verdict, changes = "增加", {city: max(0, peak - planned[city]) for city, peak in peaks.items()}
        why.append(f"缺口 {lacking} 席，大于现有专席 {now} 席")
        if short := max(found.short, default=0):
            why.append(f"其中 {short} 席各市都让不出")
    elif lacking < now and len(_idle(given)) >= given.idle_days:
        verdict, changes = "减少", {city: min(0, peak - planned[city]) for city, peak in peaks.items()}
        why.append(f"专席占用率连续 {given.idle_days} 日低于 {given.idle_below:.0%}")
    else:
        verdict, changes = "保持", dict.fromkeys(peaks, 0)
        why.append("现有专席够用；占用率未连续偏低，不减")
    move = Move.ADD if verdict == "增加" else Move.GIVE_BACK
    reasons = {step.city: step.why_zh for step in reversed(found.steps) if step.move is move}
    cities = tuple(
        CityAdvice(city, planned[city], changes[city], reasons.get(city, "") if changes[city] else "不变")
        for city in peaks
        if planned[city] or changes[city]
    )
    at_h = int(busiest.span * SPAN_S // HOUR)
    numbers = (low, expected, high, at_h, busiest.needed, busiest.own, lacking, now)
    return Advice(*numbers, verdict, cities, tuple(why))


def _idle(given: Assumptions) -> list[float]:
    """Of the last days, those on which the lent seats had little to do."""
    return [one for one in given.occupancy[-given.idle_days :] if one is not None and one < given.idle_below]


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
