"""The only place that asks what time it is."""

import time


def now() -> float:
    """Seconds since the epoch, UTC."""
    return time.time()
