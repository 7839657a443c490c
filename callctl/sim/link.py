"""The link to a simulated PBX: connects, breaks, is slow, loses and doubles facts, and reads what was true a moment ago."""

import asyncio
from collections import deque
from collections.abc import Callable

from callctl.core.commands import Order
from callctl.core.events import Fact, PbxLost, PbxObserved
from callctl.pbx.port import OrderRefused, OrderUnanswered
from callctl.sim.parts import Connection
from callctl.sim.pbx import SimPbx
from callctl.sim.reading import observe
from callctl.sim.virtual_time import NOBODY


class SimLink:
    """Implements pbx.port.PbxLink for a simulated PBX. Several links may lead to one PBX."""

    def __init__(self, pbx: SimPbx) -> None:
        self.pbx = pbx
        self.lag_s = 0.0  # What the network adds each way, for facts and for orders; their order stays.
        self.loses = 0  # So many of the next facts are lost; a reading never is.
        self.doubles = 0  # So many of the next facts are told twice.
        self._late: deque[tuple[float, Fact]] = deque()  # On their way, with the time of arrival.
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
        if self._held is not None:
            self._held.append(fact)
        elif self.lag_s or self.loses or self.doubles or self._late:
            self._pass_on(fact)
        else:
            self._on_fact(fact)

    def _pass_on(self, fact: Fact) -> None:
        """Through a bad network."""
        if self.loses and not isinstance(fact, PbxObserved):
            self.loses -= 1
            return
        arrives = max(self.pbx.now() + self.lag_s, self._late[-1][0] if self._late else 0.0)
        for _ in range(2 if self.doubles else 1):
            self._late.append((arrives, fact))
            asyncio.get_running_loop().call_later(arrives - self.pbx.now(), self._arrive, self._connection)
        self.doubles = max(0, self.doubles - 1)

    def _arrive(self, connection: Connection | None) -> None:
        if self._late and connection is self._connection is not None:
            self._on_fact(self._late.popleft()[1])

    def _disconnect(self) -> None:
        if self._connection in self.pbx.connections:
            self.pbx.connections.remove(self._connection)
        self._connection = None
        self._held = None
        self._late.clear()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        asking, self._asking = self._asking, []
        for answered in asking:
            if not answered.done():
                answered.set_exception(OrderUnanswered(f"{self.city}: the link broke"))

    async def do(self, order: Order) -> None:
        """See pbx.port.PbxLink. What a frozen PBX was told it does when it thaws, though nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[bool] = loop.create_future()
        # On its way it is the network's: it arrives, although the controller may be stopped meanwhile.
        loop.call_later(self.pbx.timing.order_s + self.lag_s, self._carry, order, arrived, context=NOBODY)
        heard = await arrived
        if not heard:
            await asyncio.sleep(self.pbx.timing.deadline_s)
            raise OrderUnanswered(f"{self.city}: no answer within {self.pbx.timing.deadline_s:g} s")
        connection = self._connection
        if self.lag_s:
            await asyncio.sleep(self.lag_s)
            if connection is not self._connection:
                raise OrderUnanswered(f"{self.city}: the link broke")

    def _carry(self, order: Order, arrived: asyncio.Future[bool]) -> None:
        """To the PBX; whether it was there to hear it."""
        if arrived.done():
            return  # The controller was killed.
        if not self.connected:
            arrived.set_exception(OrderUnanswered(f"{self.city}: not connected"))
        elif not self.pbx.alive:
            self.pbx.obey_late(order)
            arrived.set_result(False)
        else:
            try:
                self.pbx.obey(order)
            except OrderRefused as refused:
                arrived.set_exception(refused)
            else:
                arrived.set_result(True)

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
            held, self._held = self._held, None
            self._take(seen)
            for fact in held:
                self._take(fact)
            if self._late:
                await asyncio.sleep(self._late[-1][0] - self.pbx.now())  # Who asked is answered once all has arrived.
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
