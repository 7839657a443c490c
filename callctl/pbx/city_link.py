"""What the link to a city does the same for every PBX: connects, reads everything, hears what comes, obeys, reconnects.

An answer and the events round it come over one connection, but an event carries the PBX's own time: one older than a
reading's question is in the answer already and goes before it, every other event goes after it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from callctl.core.commands import MoveCaller, Order
from callctl.core.events import Fact, PbxLost, PbxObserved
from callctl.core.model import City
from callctl.pbx.backoff import Backoff
from callctl.pbx.city_map import CityMap
from callctl.pbx.port import LOGIN_REFUSED, OrderRefused, OrderUnanswered
from callctl.pbx.wire import LoginRefused, Refused, Wire, WireError

BATCH = 500  # Messages mapped before other tasks get their turn: about 5 ms.
MOST_HELD = 50_000  # Messages kept back during one reading; more means that we cannot keep up.
MOST_HELD_BYTES = 64 * 1024 * 1024  # Of them together.
DISTRUST_PAUSE_S = 5.0  # At most one reading in this time for messages that somebody has tampered with.
CLOCK_TOLERANCE_S = 0.25  # Smaller changes of the clocks' difference are the network's; ignoring them keeps ages still.

Said = TypeVar("Said")
W = TypeVar("W", bound=Wire[Any])


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """The deadlines of every link, in seconds."""

    deadline_s: float = 5.0  # For a connection, a command, a ping, one question of a reading.
    ping_every_s: float = 5.0  # A silent PBX is lost after this and one deadline.
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0


class CityLink(ABC, Generic[W, Said]):
    """One city's PBX; a PbxLink. W is its connection, Said what comes over it unasked."""

    def __init__(
        self, city: City, chart: CityMap, timing: LinkTiming, clock: Callable[[], float], rng: Callable[[], float]
    ) -> None:
        """`clock`: seconds since the epoch; `rng`: 0 to 1, spreads the reconnecting of many links."""
        self._city = city
        self._chart = chart
        self._deadline_s = timing.deadline_s
        self._ping_every_s = timing.ping_every_s
        self._clock = clock
        self._backoff = Backoff(timing.backoff_first_s, timing.backoff_most_s, rng)
        self._wire: W | None = None
        self._held: list[Said] | None = None  # Not None while a reading is under way.
        self._held_bytes = 0
        self._wanted = asyncio.Event()
        self._asked = asyncio.Event()  # Wanted by somebody, not by a message.
        self._waiting_for_reading: list[asyncio.Future[None]] = []
        self._on_fact: Callable[[Fact], None] = _nobody
        self.distrusted = 0  # Messages thrown away because somebody had smuggled line ends into one.

    @property
    def city(self) -> str:
        """The city's code."""
        return self._city.code

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """See PbxLink. A failure that repeats itself is said once."""
        self._on_fact = on_fact
        said = ""
        while True:
            began = self._clock()
            reason, read = await self._one_connection()
            if read or reason != said:
                on_fact(PbxLost(self.city, self._clock(), reason))
                said = reason
            refused = reason.startswith(LOGIN_REFUSED)
            await asyncio.sleep(self._backoff.after_refusal() if refused else self._backoff.after(self._clock() - began))

    async def do(self, order: Order) -> None:
        """See PbxLink."""
        wire = self._wire
        if wire is None:
            raise OrderUnanswered(f"{self.city}: no link to the PBX")
        channel = ""
        if isinstance(order, MoveCaller):
            channel = self._chart.callers.get(order.call, "")
            if not channel:
                raise OrderRefused(f"{self.city}: {order.call} is not waiting")
        try:
            await self._carry_out(wire, order, channel)
        except (Refused, ValueError) as error:
            raise OrderRefused(f"{self.city}: {error}") from error
        except WireError as error:
            raise OrderUnanswered(f"{self.city}: {error}") from error

    async def reread(self) -> None:
        """See PbxLink. Returns once the reading has been delivered; questions asked meanwhile share the next one."""
        if self._wire is None:
            raise OrderUnanswered(f"{self.city}: no link to the PBX")
        answered = asyncio.get_running_loop().create_future()
        self._waiting_for_reading.append(answered)
        self._asked.set()
        self._wanted.set()
        await answered

    # What each kind of PBX does in its own way

    @abstractmethod
    async def _open(self, host: str, port: int) -> W:
        """Connect and log in. Raises LoginRefused, WireError, OSError, ValueError."""

    @abstractmethod
    async def _prepare(self, wire: W) -> None:
        """Whatever must be before the first reading; what the PBX says is taken in already. Raises WireError."""

    @abstractmethod
    async def _pbx_clock(self, wire: W) -> float:
        """The PBX's own clock, seconds since the epoch. Raises WireError."""

    @abstractmethod
    async def _carry_out(self, wire: W, order: Order, channel: str) -> None:
        """The order's commands; `channel` is the caller's, of a MoveCaller. Raises Refused, ValueError, WireError."""

    @abstractmethod
    async def _ask(self, wire: W) -> Callable[[], PbxObserved]:
        """Ask everything; what is returned makes a reading of the answers without waiting. Raises WireError."""

    @abstractmethod
    def _said_at(self, said: Said) -> float:
        """When it was said, on the PBX's own clock."""

    @abstractmethod
    def _facts(self, said: Said, now: float) -> Iterable[Fact]:
        """The facts in it. A reading it makes necessary is asked for with _wanted."""

    @abstractmethod
    def _mend(self) -> str:
        """What a person must do where the login is refused."""

    def _arrived(self, batch: Sequence[Said]) -> None:
        """Look at what came, at once, also while a reading keeps it back."""

    def _bytes_of(self, said: Said) -> int:
        """How long it is; 0 where a message cannot be so long that their number would not bound them."""
        return 0

    def _errands(self, wire: W) -> tuple[asyncio.Task[None], ...]:
        """Tasks beside the link's own; each ends by an error only."""
        return ()

    def _explain(self, wire: W | None, error: Exception) -> str:
        return str(error) or type(error).__name__

    # The connection

    async def _one_connection(self) -> tuple[str, bool]:
        """One connection from beginning to end: why it ended, and whether a full reading was delivered."""
        pbx = self._city.pbx
        host = pbx.ami_host or pbx.host
        where = f"{host}:{pbx.ami_port}"
        read = False
        wire: W | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            wire = await self._open(host, pbx.ami_port)
            self._held, self._held_bytes = [], 0
            tasks.append(asyncio.create_task(self._take(wire)))
            await self._prepare(wire)
            await self._read(wire)
            read = True
            self._wire = wire
            tasks += [asyncio.create_task(self._ping(wire)), asyncio.create_task(self._reread_when_wanted(wire))]
            tasks += self._errands(wire)
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await next(iter(done))
            return "ended", read  # Unreachable: the tasks end by an error only.
        except LoginRefused as refused:
            return f"{LOGIN_REFUSED} at {where}: {refused}; {self._mend()}", False
        except (OSError, WireError, ValueError) as error:
            return f"the PBX at {where}: {self._explain(wire, error)}", read
        finally:
            self._wire = None
            self._held = None
            if wire is not None:
                wire.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._fail_waiting()

    def _fail_waiting(self) -> None:
        waiting, self._waiting_for_reading = self._waiting_for_reading, []
        for answered in waiting:
            if not answered.done():
                answered.set_exception(OrderUnanswered(f"{self.city}: the link broke"))

    async def _set_clock(self, wire: W) -> float:
        """Compare the clocks; the PBX's."""
        asked = self._clock()
        pbx_now = await self._pbx_clock(wire)
        ahead_s = (asked + self._clock()) / 2 - pbx_now
        if abs(ahead_s - self._chart.ahead_s) > CLOCK_TOLERANCE_S:
            self._chart.ahead_s = ahead_s
        return pbx_now

    async def _ping(self, wire: W) -> None:
        while True:
            await asyncio.sleep(self._ping_every_s)
            await self._set_clock(wire)
            self._listen_for_silence()

    def _listen_for_silence(self) -> None:
        """Raises WireError where a PBX that answers has stopped to tell anything by itself."""

    # Readings

    async def _reread_when_wanted(self, wire: W) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._asked.clear()
            asking, self._waiting_for_reading = self._waiting_for_reading, []
            try:
                await self._read(wire)
            except BaseException:
                self._waiting_for_reading += asking  # They are told when the connection is cleared away.
                raise
            for answered in asking:
                if not answered.done():
                    answered.set_result(None)
            if not asking:  # Nobody asked: a message did. It shall not keep us reading all day, nor whoever asks waiting.
                with suppress(TimeoutError):
                    async with asyncio.timeout(DISTRUST_PAUSE_S):
                        await self._asked.wait()

    async def _read(self, wire: W) -> None:
        """One full reading, and the messages round it in their order."""
        if self._held is None:
            self._held, self._held_bytes = [], 0
        pbx_asked_at = await self._set_clock(wire)  # On the PBX's own clock, as its messages are.
        observed = await self._ask(wire)

        # No await from here on: nothing can come between the reading and the messages that follow it.
        late = wire.take_now(MOST_HELD)
        self._arrived(late)
        held, self._held = [*self._held, *late], None
        self._tell([said for said in held if self._said_at(said) < pbx_asked_at])
        self._on_fact(observed())
        self._tell([said for said in held if self._said_at(said) >= pbx_asked_at])

    async def _take(self, wire: W) -> None:
        while True:
            batch = await wire.take(BATCH)
            self._arrived(batch)
            if self._held is None:
                self._tell(batch)
            else:
                self._held += batch
                self._held_bytes += sum(map(self._bytes_of, batch))
                if len(self._held) > MOST_HELD or self._held_bytes > MOST_HELD_BYTES:
                    raise WireError("tells more during one reading than callctl can take in")
            await asyncio.sleep(0)

    def _tell(self, batch: Sequence[Said]) -> None:
        now = self._clock()
        for said in batch:
            for fact in self._facts(said, now):
                self._on_fact(fact)


def _nobody(fact: Fact) -> None:
    """Before run() nobody listens."""
