"""The link to one city's Asterisk: how it is let in, read and obeyed. What every link does is in city_link.py.

Asterisk dates an event when it tells it. What the messages mean is in asterisk_map.py.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from callctl.core.commands import CallBack, Order, PermitListening, RenewHeartbeat
from callctl.core.events import Fact, PbxObserved
from callctl.core.model import City, Province
from callctl.pbx.ami_wire import BROKEN, AmiMessage, AmiWire, connect
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.asterisk_orders import steps
from callctl.pbx.asterisk_reading import Reading, observe, trunk_variable
from callctl.pbx.city_link import CityLink, LinkTiming
from callctl.pbx.values import number_of
from callctl.pbx.wire import LoginRefused, Refused, WireError

USER = "callctl"  # The account in the rendered manager.conf.


@dataclass(frozen=True, slots=True)
class Timing(LinkTiming):
    """The link's deadlines, in seconds."""

    boot_s: float = 30.0  # Asterisk answers the manager before its modules are loaded.


class AsteriskLink(CityLink[AmiWire, AmiMessage]):
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
        timing = timing or Timing()
        self._map = AsteriskMap(city, province.cities.keys())
        super().__init__(city, self._map, timing, clock, rng)
        self._secret = secret
        self._tls = tls
        self._boot_s = timing.boot_s
        self._booted_at = 0.0
        self._booted = asyncio.Event()

    async def _open(self, host: str, port: int) -> AmiWire:
        self._booted.clear()
        wire = await connect(host, port, self._tls, self._deadline_s)
        try:
            await wire.login(USER, self._secret, self._deadline_s)
        except BaseException as error:
            wire.close()
            if isinstance(error, Refused):
                raise LoginRefused(str(error)) from error
            raise
        return wire

    async def _prepare(self, wire: AmiWire) -> None:
        lost = asyncio.create_task(wire.lost.wait())
        booted = asyncio.create_task(self._booted.wait())
        try:
            await asyncio.wait([lost, booted], timeout=self._boot_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            booted.cancel()
        if not self._booted.is_set():
            raise WireError(wire.reason or "is not fully booted (or the manager account lacks read=system)")

    async def _pbx_clock(self, wire: AmiWire) -> float:
        return await wire.ping(self._deadline_s)

    async def _carry_out(self, wire: AmiWire, order: Order, channel: str) -> None:
        if isinstance(order, CallBack):
            channel = self._map.desk
            if not channel:
                raise ValueError("no call was missed since the PBX started, so nobody takes call-backs")
        # The dead man's switch and a permit's end compare with the PBX's clock, so that is the clock to ask.
        timed = isinstance(order, RenewHeartbeat | PermitListening)
        pbx_now = await wire.ping(self._deadline_s) if timed else 0.0
        for step in steps(order, self._city, pbx_now, channel):
            try:
                await wire.action(step.headers, self._deadline_s)
                return
            except Refused as refused:
                if not step.fulfilled or step.fulfilled not in str(refused):
                    raise

    async def _ask(self, wire: AmiWire) -> Callable[[], PbxObserved]:
        asked_at = self._clock()
        queues = tuple(message.fields for message in await wire.action({"Action": "QueueStatus"}, self._deadline_s))
        queues_at = self._clock()
        channels = tuple(message.fields for message in await wire.action({"Action": "CoreShowChannels"}, self._deadline_s))
        states = await asyncio.gather(*(self._trunk(wire, trunk.to) for trunk in self._city.trunks))
        trunks = dict(zip((trunk.to for trunk in self._city.trunks), states, strict=True))
        return lambda: observe(self._map, Reading(queues, channels, trunks, self._booted_at, asked_at, queues_at))

    async def _trunk(self, wire: AmiWire, other: str) -> str:
        try:
            [answer] = await wire.action({"Action": "Getvar", "Variable": trunk_variable(other)}, self._deadline_s)
        except Refused:
            return ""
        return str(answer.fields.get("Value", ""))

    def _said_at(self, said: AmiMessage) -> float:
        return number_of(said.fields.get("Timestamp"), 1e11)

    def _facts(self, said: AmiMessage, now: float) -> Iterable[Fact]:
        if not said.forged:
            return self._map.facts(said.fields, now)
        if said is BROKEN or self._map.reads(said.fields):
            self.distrusted += 1
            self._wanted.set()  # What else it hid we cannot know: look at everything again.
        return ()

    def _arrived(self, batch: Sequence[AmiMessage]) -> None:
        for message in batch:
            if message.fields.get("Event") == "FullyBooted" and not message.forged:
                self._booted_at = self._clock() - number_of(message.fields.get("Uptime"))
                self._booted.set()

    def _explain(self, wire: AmiWire | None, error: Exception) -> str:
        if wire is not None and wire.reading_paused:
            return "tells more than callctl can take in"
        return super()._explain(wire, error)

    def _mend(self) -> str:
        secret = f"CALLCTL_AMI_SECRET_{self.city.upper()} (or the file ami-{self.city})"
        return f"[{USER}] in its manager.conf and {secret} must agree"
