"""What lies between an assisted city and one that may help it: trunk, share of the event, and the circuit breaker.

Set-ups that failed in a row stop further ones for a while; then a single one probes.
"""

from typing import NamedTuple

from callctl.core.reasons import Why

BREAKER_FAILURES = 3  # In a row; a single failed set-up is daily life.
BREAKER_OPEN_S = 15.0  # Left alone this long, then tried with one call.
UNLIMITED = 1_000_000
STEADY_S = 3.0  # A trunk that is back is given so long, and twice as long with every fall soon after the last.
STEADY_MOST_S = 30.0
FORGIVEN_S = 60.0  # Up so long, and the falls before are forgotten.


def doubled_s(first_s: float, times: int, most_s: float) -> float:
    """A wait that doubles with every time in a row, up to the most; 0 before the first."""
    return min(first_s * 2.0 ** min(times - 1, 10), most_s) if times else 0.0


class PairHealth(NamedTuple):
    """How the set-ups to one supporting city went, seen from the assisted city."""

    failures: int = 0  # In a row.
    failed_at: float = 0.0
    failed_call: str = ""
    succeeded_at: float = 0.0


HEALTHY = PairHealth()


def let_through(health: PairHealth, now: float) -> int:
    """Set-ups that may be under way at a time: any number, one probe, or none."""
    if health.failures < BREAKER_FAILURES:
        return UNLIMITED
    return 0 if now - health.failed_at < BREAKER_OPEN_S else 1


class TrunkView(NamedTuple):
    """A trunk as one end sees it. What was before the first reading, or before the link was lost, is not known."""

    up: bool = True
    since: float = 0.0  # When it came into this state; 0: so when first seen.
    falls: int = 0  # The last one, and those before it, each soon after the trunk had come back.

    def told(self, up: bool, at: float) -> "TrunkView":
        """Seen up or down at `at`."""
        if up is self.up:
            return self
        if up:
            return TrunkView(True, at, self.falls)
        return TrunkView(False, at, self.falls + 1 if self.falls and at - self.since < FORGIVEN_S else 1)

    def steady(self, now: float) -> bool:
        """Whether seats may be lent anew over it: not for every flap."""
        return self.up and now - self.since >= doubled_s(STEADY_S, self.falls, STEADY_MOST_S)


FIRST_SEEN = TrunkView()


class Between:
    """What lies between an assisted city and one that may help it."""

    __slots__ = ("bar", "carried", "channels", "health", "lent", "ringing", "seats")

    def __init__(self, channels: int = UNLIMITED, seats: int = UNLIMITED, bar: Why | None = None) -> None:
        self.bar = bar  # The owner's: no trunk, a dead trunk, not in the event.
        self.channels = channels  # Calls at a time on the trunk.
        self.carried = 0
        self.seats = seats  # Most seats the event lends on this pair.
        self.lent = 0
        self.health: PairHealth = HEALTHY
        self.ringing = 0  # Set-ups under way.

    def more_calls(self, now: float) -> int:
        """Calls of seats already lent that may ring besides: as the trunk and the breaker let them pass."""
        if self.bar is not None:
            return 0
        most = min(self.channels - self.carried, UNLIMITED)
        return max(0, min(most, let_through(self.health, now) - self.ringing) if self.health.failures else most)

    def why_not(self, now: float) -> Why | None:
        """What keeps one more call from passing; None: it may try."""
        if self.bar is not None:
            return self.bar
        if self.health.failures and self.ringing >= let_through(self.health, now):
            return Why.BREAKER  # Broken, or a single call is probing it just now.
        if self.carried >= self.channels:
            return Why.TRUNK_FULL
        return Why.QUOTA if self.lent >= self.seats else None
