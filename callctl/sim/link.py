"""The link to a simulated PBX: connects, breaks, answers late, and reads what was true a moment ago."""

import asyncio
from collections.abc import Callable

from callctl.core.commands import Order
from callctl.core.events import Fact, PbxLost
from callctl.pbx.port import OrderUnanswered
from callctl.sim.pbx import SimPbx
from callctl.sim.reading import observe


class SimLink:
    """Implements pbx.port.PbxLink for a simulated PBX. Several links may lead to one PBX."""

    def __init__(self, pbx: SimPbx) -> None:
        self.pbx = pbx
        self._wanted = True
        self._cut = asyncio.Event()
        self._on_fact: Callable[[Fact], None] | None = None

    @property
    def city(self) -> str:
        """The city's code."""
        return self.pbx.city

    @property
    def connected(self) -> bool:
        """Whether facts come and orders go."""
        return self._on_fact is not None

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """See pbx.port.PbxLink. A frozen PBX is noticed by the link's ping, after its deadline."""
        try:
            while True:
                if self._wanted and self.pbx.alive:
                    await self._talk(on_fact)
                    on_fact(PbxLost(self.city, self.pbx.now(), "the link broke"))
                await asyncio.sleep(self.pbx.timing.reconnect_s)
        finally:
            self._disconnect(on_fact)

    async def _talk(self, on_fact: Callable[[Fact], None]) -> None:
        self._cut.clear()
        self._on_fact = on_fact
        boot = self.pbx.booted_at
        self.pbx.listeners.append(on_fact)
        on_fact(observe(self.pbx))
        while self._wanted and self.pbx.alive and self.pbx.booted_at == boot:
            try:
                await asyncio.wait_for(self._cut.wait(), self.pbx.timing.deadline_s)
            except TimeoutError:
                continue
        self._disconnect(on_fact)

    def _disconnect(self, on_fact: Callable[[Fact], None]) -> None:
        self._on_fact = None
        if on_fact in self.pbx.listeners:
            self.pbx.listeners.remove(on_fact)

    async def do(self, order: Order) -> None:
        """See pbx.port.PbxLink."""
        await asyncio.sleep(self.pbx.timing.order_s)
        if not self.connected:
            raise OrderUnanswered(f"{self.city}: not connected")
        if not self.pbx.alive:
            await asyncio.sleep(self.pbx.timing.deadline_s)
            raise OrderUnanswered(f"{self.city}: no answer within {self.pbx.timing.deadline_s:g} s")
        self.pbx.obey(order)

    async def reread(self) -> None:
        """See pbx.port.PbxLink. What is told is what was true when the reading began."""
        if not self.connected or not self.pbx.alive:
            raise OrderUnanswered(f"{self.city}: not connected")
        reading = observe(self.pbx)
        await asyncio.sleep(self.pbx.timing.reading_s)
        if self._on_fact is not None:
            self._on_fact(reading)

    def cut(self) -> None:
        """The link breaks; the PBX and its calls go on."""
        self._wanted = False
        self._cut.set()

    def mend(self) -> None:
        """The link may come back."""
        self._wanted = True
