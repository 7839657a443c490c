"""An asyncio loop whose clock runs faster than the wall's: real sockets and threads, and yet nobody waits for seconds."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SPEED = 10.0  # Loop seconds a second: two seconds of a busy machine are twenty of the link's patience.


class _HastySelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout if timeout is None else timeout / SPEED)


class HastyLoop(asyncio.SelectorEventLoop):
    """A loop in which 10 s pass in one."""

    def __init__(self) -> None:
        super().__init__(_HastySelector())

    def time(self) -> float:
        return super().time() * SPEED


def run_hasty(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, quickly."""
    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        return runner.run(main)
