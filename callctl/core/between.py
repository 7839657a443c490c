"""What lies between an assisted city and one that may help it: trunk, share of the event, and the circuit breaker.

Set-ups that failed in a row stop further ones for a while; then a single one probes.
"""

from typing import NamedTuple

from callctl.core.reasons import Why

BREAKER_FAILURES = 3  # In a row; a single failed set-up is daily life.
BREAKER_OPEN_S = 15.0  # Left alone this long, then tried with one call.
UNLIMITED = 1_000_000


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
