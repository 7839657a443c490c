"""The link to one city's FreeSWITCH: connects, reads, reconnects, obeys, heals. What events mean is in *_map.py.

An answer and the events round it come over one connection, but an event carries the switch's own time: one older than a
reading's question is in the answer already and goes before it, every other event goes after it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from callctl.core.commands import DropSlot, Lend, MoveCaller, OpenSlot, Order, Recall, RenewHeartbeat
from callctl.core.events import Fact, PbxLost
from callctl.core.model import City, Province
from callctl.pbx.backoff import Backoff
from callctl.pbx.esl_frames import EslEvent, text_of
from callctl.pbx.esl_wire import EslError, EslThread, EslWire, LoginRefused, Refused, open_wire
from callctl.pbx.freeswitch_healing import LOOK_EVERY_S, Healing
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
)
from callctl.pbx.freeswitch_words import Row, json_rows_of, micros_of, rows_of, stamp_of
from callctl.pbx.port import LOGIN_REFUSED, OrderRefused, OrderUnanswered
from callctl.pbx.values import number_of

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
BATCH = 500  # Events mapped before other tasks get their turn: about 5 ms.
MOST_HELD = 50_000  # Events kept back during one reading; more means that we cannot keep up.
DISTRUST_PAUSE_S = 5.0  # At most one reading in this time for events that somebody has tampered with.
CLOCK_TOLERANCE_S = 0.25  # Smaller changes of the clocks' difference are the network's; ignoring them keeps ages still.


@dataclass(frozen=True, slots=True)
class Timing:
    """The link's deadlines, in seconds."""

    deadline_s: float = 5.0  # For a connection, a command, a ping, one question of a reading.
    ping_every_s: float = 5.0  # A silent PBX is lost after this and one deadline.
    heartbeat_s: float = (
        25.0  # Its events have stopped when none, not even its own heartbeat (5 s; 20 unset), came for so long.
    )
    look_every_s: float = LOOK_EVERY_S
    backoff_first_s: float = 0.5
    backoff_most_s: float = 30.0


class FreeSwitchLink:
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
        self._city = city
        self._password = password
        self._clock = clock
        self._rng = rng
        self._thread = thread
        self._timing = timing or Timing()
        self._map = FreeSwitchMap(city, province.cities.keys())
        self._log = structlog.get_logger().bind(city=city.code)
        self._wire: EslWire | None = None
        self._heard_at = 0.0  # The last event.
        self._held: list[EslEvent] | None = None  # Not None while a reading is under way.
        self._done_meanwhile: list[Callable[[], tuple[Fact, ...]]] = []  # Orders carried out while a reading was under way.
        self._wanted = asyncio.Event()
        self._waiting_for_reading: list[asyncio.Future[None]] = []
        self._on_fact: Callable[[Fact], None] = _nobody
        self.distrusted = 0  # Events thrown away because somebody had smuggled line ends into one.
        self.healed = 0  # Stuck agents and callers of mod_callcenter that were set free.

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
            channel = self._map.callers.get(order.call, "")
            if not channel:
                raise OrderRefused(f"{self.city}: {order.call} is not waiting")
        try:
            # The dead man's switch compares with the PBX's clock, so that is the clock to ask.
            pbx_now = await self._set_clock(wire) if isinstance(order, RenewHeartbeat) else 0.0
            for step in steps(order, self._city, pbx_now, channel, self._map.busy_slots()):
                new = True
                try:
                    await wire.order(f"api {step.command}", self._timing.deadline_s)
                except Refused as refused:
                    new = False
                    if not step.fulfilled or step.fulfilled not in str(refused):
                        raise
                if step.is_tier:
                    self._tiered(order, new)
            self._obeyed(order)
        except (Refused, ValueError) as error:
            raise OrderRefused(f"{self.city}: {error}") from error
        except EslError as error:
            raise OrderUnanswered(f"{self.city}: {error}") from error

    async def reread(self) -> None:
        """See PbxLink. Returns once the reading has been delivered; questions asked meanwhile share the next one."""
        if self._wire is None:
            raise OrderUnanswered(f"{self.city}: no link to the PBX")
        answered = asyncio.get_running_loop().create_future()
        self._waiting_for_reading.append(answered)
        self._wanted.set()
        await answered

    # Orders: mod_callcenter tells nobody of tiers, so the answer to our order is all there is

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

    # The connection

    async def _one_connection(self) -> tuple[str, bool]:
        """One connection from beginning to end: why it ended, and whether a full reading was delivered."""
        pbx = self._city.pbx
        host = pbx.ami_host or pbx.host
        where = f"{host}:{pbx.ami_port}"
        read = False
        wire: EslWire | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            wire = await open_wire(self._thread, host, pbx.ami_port, self._password, self._timing.deadline_s)
            self._held = []
            self._heard_at = self._clock()
            tasks.append(asyncio.create_task(self._take(wire)))
            for key, value in FILTERS:
                await wire.order(f"filter {key} {value}", self._timing.deadline_s)
            await wire.order(SUBSCRIPTION, self._timing.deadline_s)
            await self._read(wire)
            read = True
            self._wire = wire
            for rest in (self._ping, self._reread_when_wanted, self._heal):
                tasks.append(asyncio.create_task(rest(wire)))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await next(iter(done))
            return "ended", read  # Unreachable: the tasks end by an error only.
        except LoginRefused as refused:
            return f"{LOGIN_REFUSED} at {where}: {refused}; {_mend(self.city)}", False
        except (EslError, ValueError) as error:
            return f"the PBX at {where}: {error}", read
        finally:
            self._wire = None
            self._held = None
            self._done_meanwhile.clear()
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

    async def _set_clock(self, wire: EslWire) -> float:
        """Compare the clocks; the PBX's."""
        asked = self._clock()
        pbx_now = micros_of(await wire.order("api strmicroepoch", self._timing.deadline_s))
        if pbx_now < 0:
            raise EslError("does not tell the time")
        ahead_s = (asked + self._clock()) / 2 - pbx_now
        if abs(ahead_s - self._map.ahead_s) > CLOCK_TOLERANCE_S:
            self._map.ahead_s = ahead_s
        return pbx_now

    async def _ping(self, wire: EslWire) -> None:
        while True:
            await asyncio.sleep(self._timing.ping_every_s)
            await self._set_clock(wire)
            if self._clock() - self._heard_at > self._timing.heartbeat_s:
                raise EslError("answers, but its events have stopped")

    async def _reread_when_wanted(self, wire: EslWire) -> None:
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
            if not asking:  # Nobody asked: an event did. It shall not keep us reading all day.
                await asyncio.sleep(DISTRUST_PAUSE_S)

    async def _heal(self, wire: EslWire) -> None:
        """Look at mod_callcenter's states while somebody rings or talks or waits, and set free what is stuck."""
        healing = Healing()
        while True:
            await asyncio.sleep(self._timing.look_every_s)
            if not self._map.rung and not self._map.callers:
                continue
            for remedy in healing.look(self._map, await self._lists(wire), self._clock()):
                answer = ""
                if remedy.command:
                    answer = text_of(await wire.command(f"api {remedy.command}", self._timing.deadline_s)).strip()
                    self.healed += answer.startswith("+OK")
                self._log.warning(
                    "stuck in mod_callcenter", who=remedy.who, what=remedy.what, done=remedy.command, answer=answer
                )
                self._wanted.set()

    # Readings

    async def _rows(self, wire: EslWire, command: str) -> tuple[Row, ...]:
        answer = await wire.command(f"api {command}", self._timing.deadline_s)
        if answer.startswith((b"-ERR", b"-USAGE")):
            raise Refused(f"{command}: {text_of(answer).strip()}")
        return tuple(json_rows_of(answer) if command.endswith(" as json") else rows_of(answer))

    async def _lists(self, wire: EslWire) -> Lists:
        members = await self._rows(wire, members_command(self._city))
        agents = await self._rows(wire, AGENTS_COMMAND)
        tiers = await self._rows(wire, TIERS_COMMAND)
        return Lists(members, agents, tiers, await self._rows(wire, CHANNELS_COMMAND))

    async def _read(self, wire: EslWire) -> None:
        """One full reading, and the events round it in their order."""
        self._held = [] if self._held is None else self._held
        deadline_s = self._timing.deadline_s
        pbx_asked_at = await self._set_clock(wire)  # On the PBX's own clock, as its events are.
        asked_at = self._clock()
        booted_at = asked_at - number_of(await wire.order("api uptime s", deadline_s))
        registrations = await self._rows(wire, REGISTRATIONS_COMMAND)
        trunks_up = frozenset((await wire.order(f"api {TRUNKS_COMMAND}", deadline_s)).split())
        lists = await self._lists(wire)
        reading = Reading(lists, registrations, trunks_up, booted_at, asked_at, self._clock())

        # No await from here on: nothing can come between the reading and the events that follow it.
        held, self._held = self._held, None
        held += wire.take_now(MOST_HELD)
        self._tell([event for event in held if stamp_of(event) < pbx_asked_at])
        self._on_fact(observe(self._map, reading))
        again, self._done_meanwhile = self._done_meanwhile, []
        for what in again:
            what()
        self._tell([event for event in held if stamp_of(event) >= pbx_asked_at])

    async def _take(self, wire: EslWire) -> None:
        while True:
            batch = await wire.take(BATCH)
            self._heard_at = self._clock()
            if self._held is None:
                self._tell(batch)
            else:
                self._held += batch
                if len(self._held) > MOST_HELD:
                    raise EslError("tells more during one reading than callctl can take in")
            await asyncio.sleep(0)

    def _tell(self, events: list[EslEvent]) -> None:
        now = self._clock()
        for event in events:
            if event.forged:
                self.distrusted += 1
                self._wanted.set()  # What else it hid we cannot know: look at everything again.
                continue
            if event.get("Event-Name") == "MODULE_LOAD":
                self._wanted.set()
            for fact in self._map.facts(event, now):
                self._on_fact(fact)
        if self._map.reading_wanted:
            self._map.reading_wanted = False
            self._wanted.set()


def _mend(city: str) -> str:
    return (
        f"the password in its event_socket.conf.xml and CALLCTL_AMI_SECRET_{city.upper()} (or the file ami-{city}) must "
        "agree, and its acl must hold the addresses of CALLCTL_CONTROLLERS"
    )


def _nobody(fact: Fact) -> None:
    """Before run() nobody listens."""
