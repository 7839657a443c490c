"""What a city's own calls taught us: arrivals, handling times, patience, late calls, help given. No reading holds it.

Measured from facts in the running controller (fold.py) and from events in the simulator, by the same code. In a picture
it is never changed: a fact changes a copy.
"""

import math
from functools import lru_cache

from callctl.core.erlang import reserve_for
from callctl.core.estimate import AnswerRate, Arrivals, HandlingTime, Patience, Tracker

HOUR = 3600.0
LEDGER_S = 1800.0  # Help is remembered over half an hour: fairness between supporting cities.
BUDGET_HOURS = 4.0  # Peak hours of late calls a supporting city may save up.
RECOVERED = 0.1  # Share of a full budget at which an emptied one counts as mended, and with which everybody starts.
PEAK_FADES = 0.998  # A quarter hour; the peak of a day ago weighs four fifths.
GUESSED_AHT_S = 240.0  # Until twenty calls have been measured.
GUESSED_PATIENCE_S = 180.0
GUESSED_SLOWER = 1.1  # Help is a tenth slower than at home until it has been measured.
GUESSED_LOAD = 0.8  # Of the city's seats, in its peak hour, until it has been counted.
TOLD_TWICE_MOST = 256  # Things counted lately, so that a fact told twice counts once; a repeat comes within seconds.


class Budget(Tracker):
    """Late own calls a supporting city may have: earns 1 - target with every own call, pays 1 for every late one.

    Used up, it is `tight`, until a tenth is saved again: then the city needs a larger reserve.
    """

    __slots__ = ("full", "left", "target", "tight")

    def __init__(self, target: float, peak_per_h: float) -> None:
        self.target = target
        self.full = (1.0 - target) * BUDGET_HOURS * peak_per_h
        self.left = RECOVERED * self.full
        self.tight = False

    def own_call(self, late: bool) -> None:
        """An own caller was answered (`late`: after the service time limit) or hung up (late)."""
        self.left = min(self.full, self.left + 1.0 - self.target - late)
        if self.left <= 0.0:
            self.left = 0.0
            self.tight = True
        elif self.tight and self.left >= RECOVERED * self.full:
            self.tight = False

    def new_peak(self, peak_per_h: float) -> None:
        """The busiest hour is busier, or calmer, than it was."""
        self.full = (1.0 - self.target) * BUDGET_HOURS * peak_per_h
        self.left = min(self.left, self.full)

    def copied(self) -> "Budget":
        """The same, to be changed."""
        same = Budget(self.target, 0.0)
        same.full, same.left, same.tight = self.full, self.left, self.tight
        return same


class Experience(Tracker):
    """One city's. Times in seconds."""

    __slots__ = (
        *("answers", "budget", "calls", "counted", "lent", "own", "patience", "peak_per_h", "sl_s"),
        *("_helped", "_helped_at"),
    )

    def __init__(
        self,
        target: float = 0.80,
        sl_s: float = 15.0,
        peak_per_h: float = 0.0,
        aht_s: float = GUESSED_AHT_S,
        patience_s: float = GUESSED_PATIENCE_S,
    ) -> None:
        self.sl_s = sl_s
        self.peak_per_h = peak_per_h
        self.calls = Arrivals(None, None)
        self.own = HandlingTime(aht_s)
        self.lent = HandlingTime()
        self.patience = Patience(patience_s)
        self.answers = AnswerRate()
        self.budget = Budget(target, peak_per_h)
        self.counted: dict[tuple[str, str], None] = {}  # What was counted lately, the oldest first.
        self._helped = 0.0
        self._helped_at = 0.0

    def copied(self) -> "Experience":
        """The same, to be changed."""
        same = Experience.__new__(Experience)
        same.sl_s, same.peak_per_h = self.sl_s, self.peak_per_h
        same.calls, same.own, same.lent = self.calls.copied(), self.own.copied(), self.lent.copied()
        same.patience, same.answers, same.budget = self.patience.copied(), self.answers.copied(), self.budget.copied()
        same.counted = self.counted.copy()
        same._helped, same._helped_at = self._helped, self._helped_at
        return same

    def first_time(self, what: str, call: str) -> bool:
        """Whether this has not been counted yet; now it is."""
        key = (what, call)
        if key in self.counted:
            return False
        if len(self.counted) >= TOLD_TWICE_MOST:
            del self.counted[next(iter(self.counted))]
        self.counted[key] = None
        return True

    # What happens.

    def arrived(self, now: float) -> None:
        """An own caller reached the PBX."""
        if self.calls.quarter_over(now):
            self.peak_per_h = max(PEAK_FADES * self.peak_per_h, HOUR * self.calls.rate(now).mean)
            self.budget.new_peak(self.peak_per_h)
        self.calls.arrived(now)

    def answered_at_home(self, waited_s: float, now: float) -> None:
        """An own agent answered an own caller."""
        self.answered(waited_s, now)
        self.budget.own_call(waited_s > self.sl_s)

    def answered(self, waited_s: float, now: float) -> None:
        """Somebody answered an own caller."""
        self.answers.answered(now)
        self.patience.waited(waited_s, hung_up=False)

    def hung_up(self, waited_s: float) -> None:
        """An own caller hung up."""
        self.patience.waited(waited_s, hung_up=True)
        self.budget.own_call(late=True)

    def helped(self, now: float) -> None:
        """An own agent answered another city's caller."""
        self._helped, self._helped_at = self.help_given(now) + 1.0, max(now, self._helped_at)

    # What follows.

    def help_given(self, now: float) -> float:
        """Calls taken for others in the last half hour, fading; the ledger of help."""
        return self._helped * math.exp(min(0.0, self._helped_at - now) / LEDGER_S)

    @property
    def lent_aht_s(self) -> float:
        """Handling time of other cities' calls."""
        return self.lent.mean_s if self.lent.known else GUESSED_SLOWER * self.own.mean_s

    @property
    def slower(self) -> float:
        """How much longer help takes than the same agents' own calls; 1: as long."""
        return self.lent_aht_s / max(1.0, self.own.mean_s)


def first_experience(seats: int, target: float, sl_s: float) -> Experience:
    """Of a city of which nothing was measured: a room of `seats` own agents that is busy in its peak hour."""
    return Experience(target, sl_s, peak_per_h=GUESSED_LOAD * seats * HOUR / GUESSED_AHT_S)


_known_reserve = lru_cache(maxsize=4096)(reserve_for)  # A room's load that comes back costs nothing.


def own_reserve(mine: Experience, staff: int, quota: int, guess: int, now: float) -> int:
    """The reserve with which a room's own service level holds although all the rest is lent (milliseconds)."""
    load = math.ceil(2.0 * mine.calls.rate(now).mean * mine.own.mean_s) / 2.0
    # Rounded, so that a known room comes back; never to nothing: an outage makes everybody hang up within seconds.
    own_s, lent_s = max(1, round(mine.own.mean_s)), max(1, round(mine.lent_aht_s))
    times = (own_s, lent_s, max(10.0, round(mine.patience.mean_s, -1)), mine.sl_s)
    return _known_reserve(staff, load, min(quota, staff), mine.budget.target, *times, guess)
