"""callctl's own link to one city of the floor, and every fact it told."""

import asyncio
import contextlib
import random
from collections.abc import Callable

from callctl import clock
from callctl.core.events import Fact, PbxObserved
from callctl.pbx.asterisk import AsteriskLink
from tests.real.floor import Floor


class Listener:
    """One city's link, and what it told."""

    def __init__(self, floor: Floor, code: str) -> None:
        secret = floor.lab.settings.ami_secret(code)
        self.link = AsteriskLink(floor.city(code), floor.lab.province, secret, clock.now, random.Random(1).random)
        self.facts: list[Fact] = []
        self._told = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listener":
        self._running = asyncio.create_task(self.link.run(self.take))
        await self.until(PbxObserved)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    def take(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._told.set()

    async def until(self, kind: type, true: Callable[[Fact], bool] = lambda fact: True) -> Fact:
        async with asyncio.timeout(40):  # The longest wait is the trunk's rtp_timeout, 20 s.
            while True:
                for fact in self.facts:
                    if isinstance(fact, kind) and true(fact):
                        return fact
                self._told.clear()
                await self._told.wait()

    async def observe(self) -> PbxObserved:
        await self.link.reread()
        return [fact for fact in self.facts if isinstance(fact, PbxObserved)][-1]
