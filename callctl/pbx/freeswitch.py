"""The link to one city's FreeSWITCH: how it is let in, read, obeyed and healed. What every link does is in city_link.py.

An event carries the switch's own time. What the events mean is in freeswitch_map.py.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from callctl.core.commands import DropSlot, Lend, OpenSlot, Order, Recall, RenewHeartbeat
from callctl.core.events import Fact, PbxObserved
from callctl.core.model import City, Province
from callctl.pbx.city_link import CityLink, LinkTiming
from callctl.pbx.esl_frames import EslEvent, text_of
from callctl.pbx.esl_wire import EslThread, EslWire, open_wire
from callctl.pbx.freeswitch_healing import LOOK_EVERY_S, Healing, pause_after
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_orders import steps
from callctl.pbx.freeswitch_reading import (
    AGENTS_COMMAND,
    CHANNELS_COMMAND,
    REGISTRATIONS_COMMAND,
    TIERS_COMMAND,
    TRUNKS_COMMAND,
    Lists,
    Reading,
    members_command,
    observe,
    tiers_differ,
)
from callctl.pbx.freeswitch_words import Row, json_rows_of, micros_of, rows_of, stamp_of
from callctl.pbx.values import number_of
from callctl.pbx.wire import Refused, Unanswered, WireError

# Names behind CUSTOM are its subclasses. Of mod_callcenter's only what the map reads: half of what it says is counts.
# MODULE_LOAD is mod_callcenter that was reloaded, and has forgotten slots and loans.
# A phone that comes back is told by its agent's status.
_SUBCLASSES = "callcenter::info callctl::info sofia::gateway_state sofia::unregister sofia::expire"
SUBSCRIPTION = f"event plain HEARTBEAT MODULE_LOAD CUSTOM {_SUBCLASSES}"
FILTERS = (
    ("Event-Name", "HEARTBEAT"),
    ("name", "callcenter_config"),  # Of MODULE_LOAD.
    *(("Event-Subclass", name) for name in ("callctl::info", "sofia::gateway_state")),
    *(("Event-Subclass", f"sofia::{word}") for word in ("unregister", "expire")),
    *(("CC-Action", f"member-queue-{word}") for word in ("start", "end")),
    *(("CC-Action", f"bridge-agent-{word}") for word in ("start", "end", "fail")),
    *(("CC-Action", f"agent-{word}") for word in ("offering", "state-change", "status-change", "max-no-answer")),
)


@dataclass(frozen=True, slots=True)
class Timing(LinkTiming):
    """The link's deadlines, in seconds."""

    heartbeat_s: float = (
        25.0  # Its events have stopped when none, not even its own heartbeat (5 s; 20 unset), came for so long.
    )
    look_every_s: float = LOOK_EVERY_S


class FreeSwitchLink(CityLink[EslWire, EslEvent]):
    """One city's FreeSWITCH; a PbxLink."""

    def __init__(
        self,
        city: City,
        province: Province,
        password: str,
        clock: Callable[[], float],
        rng: Callable[[], float],
        thread: EslThread,
        *,
        timing: Timing | None = None,
    ) -> None:
        """`clock`: seconds since the epoch; `rng`: 0 to 1, spreads the reconnecting; `thread`: shared by all such links."""
        timing = timing or Timing()
        self._map = FreeSwitchMap(city, province.cities.keys())
        super().__init__(city, self._map, timing, clock, rng)
        self._password = password
        self._thread = thread
        self._heartbeat_s, self._look_every_s = timing.heartbeat_s, timing.look_every_s
        self._log = structlog.get_logger().bind(city=city.code)
        self._heard_at = 0.0  # The last event.
        self._done_meanwhile: list[Callable[[], tuple[Fact, ...]]] = []  # Orders carried out while a reading was under way.
        self.healed = 0  # Stuck agents and callers of mod_callcenter that were set free.

    # The connection

    async def _open(self, host: str, port: int) -> EslWire:
        self._done_meanwhile.clear()
        self._heard_at = self._clock()
        return await open_wire(self._thread, host, port, self._password, self._deadline_s)

    async def _prepare(self, wire: EslWire) -> None:
        for key, value in FILTERS:
            await wire.order(f"filter {key} {value}", self._deadline_s)
        await wire.order(SUBSCRIPTION, self._deadline_s)

    async def _pbx_clock(self, wire: EslWire) -> float:
        pbx_now = micros_of(await wire.order("api strmicroepoch", self._deadline_s))
        if pbx_now < 0:
            raise WireError("does not tell the time")
        return pbx_now

    def _listen_for_silence(self) -> None:
        if self._clock() - self._heard_at > self._heartbeat_s:
            raise WireError("answers, but its events have stopped")

    def _errands(self, wire: EslWire) -> tuple[asyncio.Task[None], ...]:
        return (asyncio.create_task(self._heal(wire)),)

    def _arrived(self, batch: Sequence[EslEvent]) -> None:
        self._heard_at = self._clock()

    def _bytes_of(self, said: EslEvent) -> int:
        return said.size

    def _mend(self) -> str:
        return (
            f"the password in its event_socket.conf.xml and CALLCTL_AMI_SECRET_{self.city.upper()} (or the file "
            f"ami-{self.city}) must agree, and its acl must hold the addresses of CALLCTL_CONTROLLERS"
        )

    # Orders: mod_callcenter tells nobody of tiers, so the answer to our order is all there is

    async def _carry_out(self, wire: EslWire, order: Order, channel: str) -> None:
        # The dead man's switch compares with the PBX's clock, so that is the clock to ask.
        pbx_now = await self._set_clock(wire) if isinstance(order, RenewHeartbeat) else 0.0
        for step in steps(order, self._city, pbx_now, channel, self._map.busy_slots()):
            new = True
            try:
                await wire.order(f"api {step.command}", self._deadline_s)
            except Refused as refused:
                new = False
                if not step.fulfilled or step.fulfilled not in str(refused):
                    raise
            if step.is_tier:
                self._tiered(order, new)
        self._obeyed(order)

    def _tiered(self, order: Order, new: bool) -> None:
        """The tier is there; `new` where our order made it. An older one keeps its older token."""
        match order:
            case Lend(seat=seat, assisted=assisted, token=token):
                if new:
                    self._note(lambda: self._map.lent(seat, assisted, token, self._clock()))
                elif (seat, assisted) not in self._map.loans:
                    self._wanted.set()
            case OpenSlot(slot=slot, token=token):
                if new:
                    self._note(lambda: self._map.opened(slot, token))
                elif slot not in self._map.slots:
                    self._wanted.set()

    def _obeyed(self, order: Order) -> None:
        match order:
            case Recall(seat=seat, assisted=assisted):
                self._note(lambda: self._map.recalled(seat, assisted, self._clock()))
            case DropSlot(slot=slot):
                self._note(lambda: self._map.dropped(slot, self._clock()))

    def _note(self, what: Callable[[], tuple[Fact, ...]]) -> None:
        """Take over what an order did; after the reading that is under way, which may be older."""
        if self._held is not None:
            self._done_meanwhile.append(what)
        for fact in what():
            self._on_fact(fact)

    # Readings

    async def _ask(self, wire: EslWire) -> Callable[[], PbxObserved]:
        asked_at = self._clock()
        booted_at = asked_at - number_of(await wire.order("api uptime s", self._deadline_s))
        registrations = await self._rows(wire, REGISTRATIONS_COMMAND)
        trunks_up = frozenset((await wire.order(f"api {TRUNKS_COMMAND}", self._deadline_s)).split())
        lists = await self._lists(wire)
        lists = replace(lists, channels=await self._rows(wire, CHANNELS_COMMAND))
        reading = Reading(lists, registrations, trunks_up, booted_at, asked_at, self._clock())

        def observed() -> PbxObserved:
            seen = observe(self._map, reading)
            again, self._done_meanwhile = self._done_meanwhile, []
            for what in again:
                what()
            return seen

        return observed

    async def _rows(self, wire: EslWire, command: str) -> tuple[Row, ...]:
        answer = await wire.command(f"api {command}", self._deadline_s)
        if answer.startswith((b"-ERR", b"-USAGE")):
            raise Refused(f"{command}: {text_of(answer).strip()}")
        return tuple(json_rows_of(answer) if command.endswith(" as json") else rows_of(answer))

    async def _lists(self, wire: EslWire) -> Lists:
        """All but the channels."""
        members = await self._rows(wire, members_command(self._city))
        agents = await self._rows(wire, AGENTS_COMMAND)
        return Lists(members, agents, await self._rows(wire, TIERS_COMMAND), ())

    # Events

    def _said_at(self, said: EslEvent) -> float:
        return stamp_of(said)

    def _facts(self, said: EslEvent, now: float) -> Iterable[Fact]:
        if said.forged:
            self.distrusted += 1
            self._wanted.set()  # What else it hid we cannot know: look at everything again.
            return ()
        facts = self._map.facts(said, now)
        if self._map.reading_wanted or said.get("Event-Name") == "MODULE_LOAD":
            self._map.reading_wanted = False
            self._wanted.set()
        return facts

    # Healing

    async def _heal(self, wire: EslWire) -> None:
        """Look again and again. An answer that is late costs its look only: whether the link lives, the ping judges."""
        healing, pause_s = Healing(), self._look_every_s
        while True:
            await asyncio.sleep(pause_s)
            began = self._clock()
            try:
                await self._look(wire, healing)
            except Unanswered:
                healing = Healing()  # Also what was to be healed may not have been.
            pause_s = pause_after(self._clock() - began, self._look_every_s)

    async def _look(self, wire: EslWire, healing: Healing) -> None:
        """Look at the tiers, and while somebody rings or talks or waits at every state; set free what is stuck."""
        busy = bool(self._map.rung or self._map.callers)
        lists = await self._lists(wire) if busy else Lists((), (), await self._rows(wire, TIERS_COMMAND), ())
        if tiers_differ(self._map, lists.tiers):
            self._wanted.set()
        if not busy or not healing.wants_channels(self._map, lists, self._clock()):
            return
        lists = replace(lists, channels=await self._rows(wire, CHANNELS_COMMAND))
        for remedy in healing.look(self._map, lists, self._clock()):
            answer = ""
            if remedy.command:
                answer = text_of(await wire.command(f"api {remedy.command}", self._deadline_s)).strip()
                self.healed += answer.startswith("+OK")
            self._log.warning(
                "stuck in mod_callcenter", who=remedy.who, what=remedy.what, done=remedy.command, answer=answer
            )
            self._wanted.set()
