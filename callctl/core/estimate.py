"""How long will a citizen wait, how many are calling, how long does a call take: estimates from what was seen so far.

Which one when (measured, docs/SIMULATION.md): QLa to activate assistance, QLrate for announcements and reports, the
head of the line's age when staff or handling time are unknown. All times in seconds, all rates per second.
"""

import math
from collections import deque
from dataclasses import dataclass

SURGE_WINDOW_S = 180.0
BUCKET_S = 10.0


def wait_ql(ahead: int, agents: int, aht_s: float) -> float:
    """QL: everybody in front is answered, nobody hangs up. Far too long under overload; kept as a yardstick."""
    return (ahead + 1) * aht_s / agents


def wait_qla(ahead: int, agents: int, aht_s: float, patience_s: float) -> float:
    """QLa (Ibrahim & Whitt 2009): those in front may also hang up. Infinite without agents."""
    return wait_qlrate(ahead, agents / aht_s, patience_s)


def wait_qlrate(ahead: int, answers_per_s: float, patience_s: float) -> float:
    """QLrate: QLa with the measured rate of answers by anybody, helpers included."""
    if answers_per_s <= 0.0:
        return math.inf
    theta = 1.0 / patience_s
    return sum(1.0 / (answers_per_s + i * theta) for i in range(ahead + 1))


def wait_hol(head_since: float | None, now: float) -> float:
    """HOL: the new caller will wait as long as the head of the line has; needs neither staff nor handling time."""
    return 0.0 if head_since is None else now - head_since


@dataclass(slots=True)
class LastWait:
    """LES: the wait of the caller answered last."""

    wait_s: float = 0.0

    def answered(self, waited_s: float) -> None:
        """A caller who had waited was answered."""
        self.wait_s = waited_s


@dataclass(slots=True)
class AnswerRate:
    """Answers per second by anybody, in an exponential window."""

    window_s: float = 120.0
    _mass: float = 0.0
    _at: float = 0.0

    def answered(self, now: float) -> None:
        """One caller was answered."""
        self._mass = self._mass * math.exp((self._at - now) / self.window_s) + 1.0
        self._at = now

    def per_s(self, now: float, agents: int, aht_s: float) -> float:
        """The rate, never below 0.3 of what the city's own agents can do: a quiet minute is not a standstill."""
        seen = self._mass * math.exp((self._at - now) / self.window_s) / self.window_s
        return max(seen, 0.3 * agents / aht_s)


@dataclass(slots=True)
class Patience:
    """Mean patience from hang-ups and time spent waiting (maximum likelihood for exponential patience)."""

    mean_s: float = 180.0
    every: int = 20  # Hang-ups per new estimate.
    _hangups: int = 0
    _waited_s: float = 0.0

    def waited(self, seconds: float, hung_up: bool) -> None:
        """A wait ended: the caller was answered, or hung up."""
        self._waited_s += seconds
        self._hangups += hung_up
        if self._hangups >= self.every:
            self.mean_s = max(1.0, self._waited_s / self._hangups)
            self._hangups, self._waited_s = 0, 0.0


@dataclass(slots=True)
class HandlingTime:
    """Mean talk plus wrap-up; one for own and one for lent calls: their ratio says whether helping pays (above 2: no)."""

    mean_s: float = 240.0
    every: int = 20
    share: float = 0.2  # Weight of the newest batch.
    _calls: int = 0
    _sum_s: float = 0.0

    def finished(self, seconds: float) -> None:
        """A call and its wrap-up are over."""
        self._calls += 1
        self._sum_s += seconds
        if self._calls >= self.every:
            self.mean_s += self.share * (self._sum_s / self._calls - self.mean_s)
            self._calls, self._sum_s = 0, 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate per second and its standard deviation."""

    mean: float
    sd: float


def gamma_poisson(prior_mean: float, prior_weight_s: float, count: int, window_s: float) -> Rate:
    """The forecast corrected by what was counted: the forecast weighs as much as `prior_weight_s` of counting."""
    shape, seconds = prior_mean * prior_weight_s + count, prior_weight_s + window_s
    return Rate(shape / seconds, math.sqrt(shape) / seconds)


class Arrivals:
    """Arrivals of one city against the forecast of this quarter hour, and whether they surge."""

    __slots__ = ("_buckets", "_count", "_forecast", "_since", "_weight_s")

    def __init__(self, forecast: float, now: float, weight_s: float = 900.0) -> None:
        self._forecast = forecast
        self._weight_s = weight_s
        self._since = now
        self._count = 0
        self._buckets: deque[list[float]] = deque()  # [start, count], the last three minutes.

    def new_forecast(self, forecast: float, now: float) -> None:
        """A quarter hour begins."""
        self._forecast, self._since, self._count = forecast, now, 0

    def arrived(self, now: float) -> None:
        """One attempt came in."""
        self._count += 1
        start = now - now % BUCKET_S
        if self._buckets and self._buckets[-1][0] == start:
            self._buckets[-1][1] += 1
        else:
            self._buckets.append([start, 1])
        while self._buckets[0][0] < now - SURGE_WINDOW_S:
            self._buckets.popleft()

    def rate(self, now: float) -> Rate:
        """Arrivals per second, forecast and count together."""
        return gamma_poisson(self._forecast, self._weight_s, self._count, now - self._since)

    def surging(self, now: float) -> bool:
        """Whether the last three minutes exceed the forecast by three standard deviations."""
        recent = sum(int(count) for start, count in self._buckets if start >= now - SURGE_WINDOW_S)
        expected = self._forecast * SURGE_WINDOW_S
        return recent > expected + 3.0 * math.sqrt(max(expected, 1.0))
