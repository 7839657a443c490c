"""The link to a simulated PBX: connects, breaks, answers late, and reads what was true a moment ago."""

import asyncio
from collections.abc import Callable

from callctl.core.commands import Order
from callctl.core.events import Fact, PbxLost
from callctl.pbx.port import OrderUnanswered
from callctl.sim.parts import Connection
from callctl.sim.pbx import SimPbx
from callctl.sim.reading import observe


class SimLink:
    """Implements pbx.port.PbxLink for a simulated PBX. Several links may lead to one PBX."""

    def __init__(self, pbx: SimPbx) -> None:
        self.pbx = pbx
        self._wanted = True
        self._connection: Connection | None = None
        self._on_fact: Callable[[Fact], None] = _nobody
        self._held: list[Fact] | None = None  # Not None while a reading is under way: what comes then comes after it.
        self._asking: list[asyncio.Future[None]] = []
        self._reading: asyncio.Task[None] | None = None

    @property
    def city(self) -> str:
        """The city's code."""
        return self.pbx.city

    @property
    def connected(self) -> bool:
        """Whether facts come and orders go."""
        return self._connection is not None

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """See pbx.port.PbxLink."""
        self._on_fact = on_fact
        try:
            while True:
                if self._wanted and self.pbx.alive:
                    await self._talk()
                    on_fact(PbxLost(self.city, self.pbx.now(), "the link broke"))
                await asyncio.sleep(self.pbx.timing.reconnect_s)
        finally:
            self._disconnect()

    async def _talk(self) -> None:
        connection = self._connection = Connection(self._take)
        self.pbx.connections.append(connection)
        self._take(observe(self.pbx))
        await connection.closed.wait()
        self._disconnect()

    def _take(self, fact: Fact) -> None:
        if self._held is None:
            self._on_fact(fact)
        else:
            self._held.append(fact)

    def _disconnect(self) -> None:
        if self._connection in self.pbx.connections:
            self.pbx.connections.remove(self._connection)
        self._connection = None
        self._held = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        asking, self._asking = self._asking, []
        for answered in asking:
            if not answered.done():
                answered.set_exception(OrderUnanswered(f"{self.city}: the link broke"))

    async def do(self, order: Order) -> None:
        """See pbx.port.PbxLink. What a frozen PBX was told it does when it thaws, though nobody waits for it any more."""
        await asyncio.sleep(self.pbx.timing.order_s)
        if not self.connected:
            raise OrderUnanswered(f"{self.city}: not connected")
        if not self.pbx.alive:
            self.pbx.obey_late(order)
            await asyncio.sleep(self.pbx.timing.deadline_s)
            raise OrderUnanswered(f"{self.city}: no answer within {self.pbx.timing.deadline_s:g} s")
        self.pbx.obey(order)

    async def reread(self) -> None:
        """See pbx.port.PbxLink. Told is what was true when the reading began; who asks meanwhile shares the next."""
        if not self.connected:
            raise OrderUnanswered(f"{self.city}: not connected")
        answered = asyncio.get_running_loop().create_future()
        self._asking.append(answered)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        await answered

    async def _read(self) -> None:
        await asyncio.sleep(0)  # Who asks in this very moment is in time.
        while self._asking:
            asking = list(self._asking)
            if not self.pbx.alive:
                await asyncio.sleep(self.pbx.timing.deadline_s)
                break
            seen, self._held = observe(self.pbx), []
            await asyncio.sleep(self.pbx.timing.reading_s)
            self._on_fact(seen)
            held, self._held = self._held, None
            for fact in held:
                self._on_fact(fact)
            self._asking = [answered for answered in self._asking if answered not in asking]
            for answered in asking:
                if not answered.done():
                    answered.set_result(None)
        self._reading = None
        if self._asking and self._connection is not None:
            self._connection.closed.set()  # The PBX has not answered.

    def cut(self) -> None:
        """The link breaks; the PBX and its calls go on."""
        self._wanted = False
        if self._connection is not None:
            self._connection.closed.set()

    def mend(self) -> None:
        """The link may come back."""
        self._wanted = True


def _nobody(fact: Fact) -> None:
    """Before run() nobody listens."""
