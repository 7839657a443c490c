"""An asyncio loop whose clock leaps to the next timer: hours of calls in seconds, and the same every time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = 1_800_000_000.0  # When every virtual time begins.


ASK_THREADS_EVERY = 256  # Leaps.


class NothingLeftToHappen(RuntimeError):
    """Every task waits for something that no timer and no socket will bring."""


class _LeapingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer it moves the clock there."""

    leap: Callable[[float], None]
    _asked = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What sockets have brought; with nothing there, time leaps and nothing is ready."""
        # Only threads wake a loop without sockets of its own; they are asked after now and then, for a system call
        # costs as much as the work of a leap.
        self._asked += 1
        ready = super().select(0) if timeout is None or not self._asked % ASK_THREADS_EVERY else []
        if not ready:
            if timeout is None:
                raise NothingLeftToHappen("every task waits, and no timer is set")
            self.leap(max(0.0, timeout))
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time. It suits code that waits for timers and tasks; sockets would time out at once."""

    def __init__(self) -> None:
        selector = _LeapingSelector()
        super().__init__(selector)
        self._virtual_s = 0.0
        selector.leap = self._leap

    def _leap(self, seconds: float) -> None:
        self._virtual_s += seconds

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return EPOCH + self._virtual_s


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def loop_clock() -> float:
    """Now, in the virtual time of the running loop, as seconds since the epoch."""
    return EPOCH + asyncio.get_running_loop().time()
