"""The link to one city's Asterisk: connects, reads, reconnects, carries orders out. What the messages mean is in *_map.py.

An answer and the events round it come over one connection, but Asterisk dates an event when it tells it: an event older
than a reading's question is in the answer already and goes before it, every other event goes after it.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from callctl.core.commands import MoveCaller, Order, PermitListening, RenewHeartbeat
from callctl.core.events import Fact, PbxLost
from callctl.core.model import City, Province
from callctl.pbx.ami_wire import BROKEN, AmiError, AmiMessage, AmiWire, Refused, connect
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.asterisk_orders import steps
from callctl.pbx.asterisk_reading import Reading, observe, trunk_variable
from callctl.pbx.backoff import Backoff
from callctl.pbx.port import LOGIN_REFUSED, OrderRefused, OrderUnanswered
from callctl.pbx.values import number_of

USER = "callctl"  # The account in the rendered manager.conf.
BATCH = 500  # Messages mapped before other tasks get their turn: about 5 ms.
MOST_HELD = 50_000  # Events kept back during one reading; more means that we cannot keep up.
DISTRUST_PAUSE_S = 5.0  # At most one reading in this time for messages that somebody has tampered with.
CLOCK_TOLERANCE_S = 0.25  # Smaller changes of the clocks' difference are the network's; ignoring them keeps ages still.


@dataclass(frozen=True, slots=True)
class Timing:
    """The link's deadlines, in seconds."""

    deadline_s: float = 5.0  # For a connection, an action, a ping, one question of a reading.
    ping_every_s: float = 5.0  # A silent PBX is lost after this and one deadline.
    boot_s: float = 30.0  # Asterisk answers the manager before its modules are loaded.
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0


class AsteriskLink:
    """One city's Asterisk; a PbxLink."""

    def __init__(
        self,
        city: City,
        province: Province,
        secret: str,
        clock: Callable[[], float],
        rng: Callable[[], float],
        *,
        tls: ssl.SSLContext | None = None,
        timing: Timing | None = None,
    ) -> None:
        """`clock`: seconds since the epoch; `rng`: 0 to 1, spreads the reconnecting of many links."""
        self._city = city
        self._secret = secret
        self._clock = clock
        self._rng = rng
        self._tls = tls
        self._timing = timing or Timing()
        self._map = AsteriskMap(city, province.cities.keys())
        self._wire: AmiWire | None = None
        self._booted_at = 0.0
        self._booted = asyncio.Event()
        self._held: list[AmiMessage] | None = None  # Not None while a reading is under way.
        self._wanted = asyncio.Event()
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
        backoff = Backoff(self._timing.backoff_first_s, self._timing.backoff_most_s, self._rng)
        said = ""
        while True:
            began = self._clock()
            self._booted.clear()
            reason, read = await self._one_connection()
            if read or reason != said:
                on_fact(PbxLost(self.city, self._clock(), reason))
                said = reason
            refused = reason.startswith(LOGIN_REFUSED)
            await asyncio.sleep(backoff.after_refusal() if refused else backoff.after(self._clock() - began))

    async def do(self, order: Order) -> None:
        """See PbxLink."""
        wire = self._wire
        if wire is None:
            raise OrderUnanswered(f"{self.city}: no link to the PBX")
        channel = ""
        if isinstance(order, MoveCaller):
            channel = self._map.channels.get(order.call, "")
            if not channel:
                raise OrderRefused(f"{self.city}: {order.call} is not waiting")
        try:
            # The dead man's switch and a permit's end compare with the PBX's clock, so that is the clock to ask.
            timed = isinstance(order, RenewHeartbeat | PermitListening)
            pbx_now = await wire.ping(self._timing.deadline_s) if timed else 0.0
            for step in steps(order, self._city, pbx_now, channel):
                try:
                    await wire.action(step.headers, self._timing.deadline_s)
                    return
                except Refused as refused:
                    if not step.fulfilled or step.fulfilled not in str(refused):
                        raise
        except (Refused, ValueError) as error:
            raise OrderRefused(f"{self.city}: {error}") from error
        except AmiError as error:
            raise OrderUnanswered(f"{self.city}: {error}") from error

    async def reread(self) -> None:
        """See PbxLink. Returns once the reading has been delivered; questions asked meanwhile share the next one."""
        if self._wire is None:
            raise OrderUnanswered(f"{self.city}: no link to the PBX")
        answered = asyncio.get_running_loop().create_future()
        self._waiting_for_reading.append(answered)
        self._wanted.set()
        await answered

    async def _one_connection(self) -> tuple[str, bool]:
        """One connection from beginning to end: why it ended, and whether a full reading was delivered."""
        pbx = self._city.pbx
        host = pbx.ami_host or pbx.host
        where = f"{host}:{pbx.ami_port}"
        read = False
        wire: AmiWire | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            wire = await connect(host, pbx.ami_port, self._tls, self._timing.deadline_s)
            try:
                await wire.login(USER, self._secret, self._timing.deadline_s)
            except Refused as refused:
                return f"{LOGIN_REFUSED} at {where}: {refused}; {_mend(self.city)}", False
            self._held = []
            tasks.append(asyncio.create_task(self._take(wire)))
            await self._wait_for_boot(wire)
            await self._read(wire)
            read = True
            self._wire = wire
            tasks += [asyncio.create_task(self._ping(wire)), asyncio.create_task(self._reread_when_wanted(wire))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await next(iter(done))
            return "ended", read  # Unreachable: the tasks end by an error only.
        except (OSError, AmiError) as error:
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

    def _explain(self, wire: AmiWire | None, error: Exception) -> str:
        if wire is not None and wire.reading_paused:
            return "tells more than callctl can take in"
        return str(error) or type(error).__name__

    def _fail_waiting(self) -> None:
        waiting, self._waiting_for_reading = self._waiting_for_reading, []
        for answered in waiting:
            if not answered.done():
                answered.set_exception(OrderUnanswered(f"{self.city}: the link broke"))

    async def _wait_for_boot(self, wire: AmiWire) -> None:
        lost = asyncio.create_task(wire.lost.wait())
        booted = asyncio.create_task(self._booted.wait())
        try:
            await asyncio.wait([lost, booted], timeout=self._timing.boot_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            booted.cancel()
        if not self._booted.is_set():
            raise AmiError(wire.reason or "is not fully booted (or the manager account lacks read=system)")

    async def _set_clock(self, wire: AmiWire) -> float:
        """Compare the clocks; the PBX's."""
        asked = self._clock()
        pbx_now = await wire.ping(self._timing.deadline_s)
        ahead_s = (asked + self._clock()) / 2 - pbx_now
        if abs(ahead_s - self._map.ahead_s) > CLOCK_TOLERANCE_S:
            self._map.ahead_s = ahead_s
        return pbx_now

    async def _ping(self, wire: AmiWire) -> None:
        while True:
            await asyncio.sleep(self._timing.ping_every_s)
            await self._set_clock(wire)

    async def _reread_when_wanted(self, wire: AmiWire) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            asking, self._waiting_for_reading = self._waiting_for_reading, []
            try:
                await self._read(wire)
            except BaseException:
                self._waiting_for_reading += asking  # They are told when the connection is cleared away.
                raise
            for answered in asking:
                if not answered.done():
                    answered.set_result(None)
            if not asking:  # Nobody asked: a forged message did. It shall not keep us reading all day.
                await asyncio.sleep(DISTRUST_PAUSE_S)

    async def _read(self, wire: AmiWire) -> None:
        """One full reading, and the events round it in their order."""
        self._held = [] if self._held is None else self._held
        deadline_s = self._timing.deadline_s
        pbx_asked_at = await self._set_clock(wire)  # On the PBX's own clock, as its events are.
        asked_at = self._clock()
        queues = tuple(message.fields for message in await wire.action({"Action": "QueueStatus"}, deadline_s))
        queues_at = self._clock()
        channels = tuple(message.fields for message in await wire.action({"Action": "CoreShowChannels"}, deadline_s))
        states = await asyncio.gather(*(self._trunk(wire, trunk.to) for trunk in self._city.trunks))
        trunks = dict(zip((trunk.to for trunk in self._city.trunks), states, strict=True))
        reading = Reading(queues, channels, trunks, self._booted_at, asked_at, queues_at)

        # No await from here on: nothing can come between the reading and the events that follow it.
        held, self._held = self._held, None
        held += wire.take_now(MOST_HELD)
        newer = [message for message in held if number_of(message.fields.get("Timestamp"), 1e11) >= pbx_asked_at]
        older = [message for message in held if number_of(message.fields.get("Timestamp"), 1e11) < pbx_asked_at]
        self._tell(older)
        self._on_fact(observe(self._map, reading))
        self._tell(newer)

    async def _trunk(self, wire: AmiWire, other: str) -> str:
        try:
            [answer] = await wire.action({"Action": "Getvar", "Variable": trunk_variable(other)}, self._timing.deadline_s)
        except Refused:
            return ""
        return str(answer.fields.get("Value", ""))

    async def _take(self, wire: AmiWire) -> None:
        while True:
            batch = await wire.take(BATCH)
            if self._held is None:
                self._tell(batch)
            else:
                self._held += batch
                for message in batch:
                    self._look_for_boot(message)
                if len(self._held) > MOST_HELD:
                    raise AmiError("tells more during one reading than callctl can take in")
            await asyncio.sleep(0)

    def _tell(self, messages: list[AmiMessage]) -> None:
        now = self._clock()
        for message in messages:
            if message.forged:
                if message is BROKEN or self._map.reads(message.fields):
                    self.distrusted += 1
                    self._wanted.set()  # What else it hid we cannot know: look at everything again.
                continue
            for fact in self._map.facts(message.fields, now):
                self._on_fact(fact)
            self._look_for_boot(message)

    def _look_for_boot(self, message: AmiMessage) -> None:
        if message.fields.get("Event") == "FullyBooted" and not message.forged:
            self._booted_at = self._clock() - number_of(message.fields.get("Uptime"))
            self._booted.set()


def _mend(city: str) -> str:
    return f"[{USER}] in its manager.conf and CALLCTL_AMI_SECRET_{city.upper()} (or the file ami-{city}) must agree"


def _nobody(fact: Fact) -> None:
    """Before run() nobody listens."""
