"""How long will a citizen wait, how many are calling, how long does a call take: estimates from what was seen so far.

Which one when (bench/estimators.py measures it, docs/SIMULATION.md): QLa to activate assistance, QLrate for announcements
and reports, the head of the line's age when staff or handling time are unknown. QL, the head's age as a function (wait_hol)
and the last wait (LES) are the yardsticks they are measured beside. All times in seconds, all rates per second.
A tracker that stands in a picture is never changed: who learns more changes a copy (`copied`). Facts come late: a time
before the last one counts as the last one.
"""

import math
from dataclasses import dataclass

SURGE_WINDOW_S = 180.0
BUCKET_S = 10.0
QUARTER_S = 900.0  # What was counted in one quarter hour is the forecast of the next, and weighs as much as counting does.


class Tracker:
    """Grows while it counts; two are equal that counted the same."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # It changes.

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


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
        now = max(now, self._at)
        self._mass = self._mass * math.exp((self._at - now) / self.window_s) + 1.0
        self._at = now

    def copied(self) -> "AnswerRate":
        """The same, to be changed."""
        return AnswerRate(self.window_s, self._mass, self._at)

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

    def copied(self) -> "Patience":
        """The same, to be changed."""
        return Patience(self.mean_s, self.every, self._hangups, self._waited_s)


@dataclass(slots=True)
class HandlingTime:
    """Mean talk plus wrap-up; one for own and one for lent calls: their ratio says whether helping pays (above 2: no)."""

    mean_s: float = 240.0
    every: int = 20
    share: float = 0.2  # Weight of the newest batch.
    known: bool = False  # Measured, or told by who knows; else `mean_s` is a guess.
    _calls: int = 0
    _sum_s: float = 0.0

    def finished(self, seconds: float) -> None:
        """A call and its wrap-up are over."""
        self._calls += 1
        self._sum_s += seconds
        if self._calls >= self.every:
            batch_s = self._sum_s / self._calls
            # The first batch takes the place of the guess, every later one moves what was measured.
            self.mean_s = self.mean_s + self.share * (batch_s - self.mean_s) if self.known else batch_s
            self.known = True
            self._calls, self._sum_s = 0, 0.0

    def copied(self) -> "HandlingTime":
        """The same, to be changed."""
        return HandlingTime(self.mean_s, self.every, self.share, self.known, self._calls, self._sum_s)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate per second and its standard deviation."""

    mean: float
    sd: float


def gamma_poisson(prior_mean: float, prior_weight_s: float, count: int, window_s: float) -> Rate:
    """The forecast corrected by what was counted: the forecast weighs as much as `prior_weight_s` of counting."""
    shape, seconds = prior_mean * prior_weight_s + count, prior_weight_s + window_s
    return Rate(shape / seconds, math.sqrt(shape) / seconds)


class Arrivals(Tracker):
    """Arrivals of one city against the forecast of this quarter hour, and whether they surge."""

    __slots__ = ("_buckets", "_count", "_forecast", "_since")

    def __init__(self, forecast: float | None, since: float | None) -> None:
        """`forecast` in calls a second; None: nobody knows, only counting will tell. `since` None: from the first on."""
        self._forecast = forecast
        self._since = since
        self._count = 0
        self._buckets: list[tuple[float, int]] = []  # (start, count), the last three minutes.

    def copied(self) -> "Arrivals":
        """The same, to be changed."""
        same = Arrivals(self._forecast, self._since)
        same._count, same._buckets = self._count, self._buckets[:]
        return same

    def new_forecast(self, forecast: float, now: float) -> None:
        """A quarter hour begins."""
        self._forecast, self._since, self._count = forecast, now, 0

    def quarter_over(self, now: float) -> bool:
        """Begin the next quarter hour where it is time: what is known of the rate is its forecast. Whether it was."""
        if self._since is None or now - self._since < QUARTER_S:
            return False
        self.new_forecast(self.rate(now).mean, now)
        return True

    def arrived(self, now: float) -> None:
        """One attempt came in. The one that begins the count belongs to the time before it."""
        if self._since is None:
            self._since = now
        else:
            self._count += 1
        start = now - now % BUCKET_S
        buckets = self._buckets
        if buckets and buckets[-1][0] >= start:
            buckets[-1] = (buckets[-1][0], buckets[-1][1] + 1)
        else:
            buckets.append((start, 1))
            while buckets[0][0] < now - SURGE_WINDOW_S:
                del buckets[0]

    def rate(self, now: float) -> Rate:
        """Arrivals per second, forecast and count together."""
        counted_s = 0.0 if self._since is None else max(0.0, now - self._since)
        if self._forecast is None:
            return gamma_poisson(0.0, 0.0, self._count, max(60.0, counted_s))
        return gamma_poisson(self._forecast, QUARTER_S, self._count, counted_s)

    def surging(self, now: float) -> bool:
        """Whether the last three minutes exceed the forecast by three standard deviations; False without a forecast."""
        if self._forecast is None:
            return False
        recent = sum(count for start, count in self._buckets if start >= now - SURGE_WINDOW_S)
        expected = self._forecast * SURGE_WINDOW_S
        return recent > expected + 3.0 * math.sqrt(max(expected, 1.0))
