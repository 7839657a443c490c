"""Listens to one link as the controller would: runs it, keeps every fact it tells, and waits for the next."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import TypeVar

from callctl.core.events import Fact
from callctl.pbx.port import PbxLink

F = TypeVar("F")


class Told:
    """What one link tells, while the `with` lasts. `link` is set by whoever makes it."""

    link: PbxLink

    def __init__(self, patience_s: float = 5.0) -> None:
        self.facts: list[Fact] = []
        self.attempts = 0  # Of the link to connect, each time it failed.
        self.patience_s = patience_s
        self._told = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self):
        self._running = asyncio.create_task(self.link.run(self.take))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    def take(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._told.set()

    def spread(self) -> float:
        """The link's random number: it asks for one before each new attempt."""
        self.attempts += 1
        self._told.set()
        return 1.0

    def of(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, kind: type[F], count: int = 1, true: Callable[[F], bool] = lambda fact: True) -> F:
        """Wait until so many such facts were told; the last of them."""
        await self.until_true(lambda: sum(map(true, self.of(kind))) >= count)
        return [fact for fact in self.of(kind) if true(fact)][count - 1]

    async def until_true(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(self.patience_s):
            while not true():
                self._told.clear()
                await self._told.wait()
