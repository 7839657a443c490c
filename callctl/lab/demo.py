"""The demo: three real cities; the same citizens call twice, once without assistance and once with it.

Everything is real but the people: PBXs from the rendered configuration, phones that listen, the controller as its own
process, the supervisor's commands. What happens is told as it happens; what came of it, three witnesses tell.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.core.acts import Sentence
from callctl.core.model import City, Lending
from callctl.lab.agents import CityAgents, Habits
from callctl.lab.command import CommandFailed, ConsoleProcess, ControllerProcess, order
from callctl.lab.console import HOST, console_environment, free_port, guests, invite_all
from callctl.lab.crowd import Crowd, CrowdPlan
from callctl.lab.freeswitch_log import read_lent_log
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.pbx import LabPbx
from callctl.lab.processes import Port
from callctl.lab.queue_log import Account, read_queue_log
from callctl.lab.running import PbxFailed
from callctl.lab.verdict import Count, Difference, by_citizens, by_history, by_queue_log, differences, too_few_there
from callctl.pbx import asterisk_names as names
from callctl.store.connect import open_registry
from callctl.store.port import Registry, StoreLost
from callctl.store.registry import RedisRegistry
from callctl.store.report import Figures, city_figures
from callctl.store.schema import open_engine

ASSISTED = "yangzhou"
SUPPORTING = ("xuzhou", "suzhou")
_HABITS = Habits(answer_after_s=1.0, talk_s=6.0)
# Shorter than a city's own: a demo has a minute where a city has a day. Everything else is as it is shipped.
# The calls are counted again from what the PBXs themselves write: their queue_log, and their call detail records.
_QUEUE = {"wait_threshold_s": 5, "release_after_s": 15, "wrapup_s": 2, "offer_callback": False, "write_cdr": True}
_CALM_S = 3.0  # Between the halves: longer than the wrap-up, so that both begin with the same free agents.
_LOOKED_EVERY_S = 0.5  # As often as the controller publishes.
_CONTROLLER_WITHIN_S = 30.0
_WRITTEN_WITHIN_S = 10.0  # The history writes five times a second.
# The demo brings its own stores and passwords: never somebody's real ones.
_NOT_OURS = ("CALLCTL_REDIS_URL", "CALLCTL_SQL_URL", "CALLCTL_SIP_SECRET", "CALLCTL_CONTROLLERS")


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How big the demo is. `folder` must be empty or not there yet."""

    folder: Path
    source: Path  # Holds agents/ and queues/.
    seconds: float = 45.0  # In which citizens begin to call, each half; then the last are waited for.
    rate_per_s: float = 0.8
    seats: int = 4
    patience_s: float = 20.0
    seed: int = 1
    network: int = 0  # The second number of every address, as LabPlan's.
    kinds: Mapping[str, str] = field(default_factory=dict)  # City to PBX kind, as LabPlan's.


@dataclass(frozen=True, slots=True)
class Half:
    """What came of one half, and who disagrees."""

    home: str  # The assisted city.
    history: Count
    queue_log: Count
    citizens: Count
    mean_wait_answered_s: float | None
    crossed: int  # Citizens who hung up in the very moment of the answer.
    differences: tuple[Difference, ...]


class Demo:
    """The stage. Open it with `opened`, then play each half."""

    def __init__(self, plan: DemoPlan, programs: Programs) -> None:
        cities = (ASSISTED, *SUPPORTING)
        self.plan = plan
        # One seat more than scripted agents: its phone is a browser, for whoever wants to answer calls in the console.
        with_browser = LabPlan(
            plan.folder, plan.source, cities, plan.seats + 1, plan.network, _QUEUE, kinds=plan.kinds, browser_seats=1
        )
        self.lab = Lab(with_browser, programs)
        self.lab.environment |= dict.fromkeys((*_NOT_OURS, *(f"CALLCTL_AMI_SECRET_{code.upper()}" for code in cities)), "")
        self.picture: Mapping[str, Any] | None = None  # As the controller published it last.
        self.crowd: Crowd | None = None  # The citizens of the half that plays.
        self.assisted = False  # Which half plays.
        self.half_began: float | None = None
        self.tell: Callable[[Sentence], None] = lambda _: None  # Who is told what happens.
        self._floors: list[CityAgents] = []
        self._told: set[str] = set()

    @property
    def city(self) -> City:
        """The assisted city."""
        return self.lab.province.cities[ASSISTED]

    def name(self, code: str) -> Sentence:
        """A city's name in both languages."""
        return Sentence(self.lab.province.cities[code].name_zh, code)

    def tones(self) -> dict[str, str]:
        """Each city's voice."""
        return {code: self.lab.tone(code) for code in self.lab.plan.cities}

    # ------------------------------------------------------------------------------------- the stage
    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Cities, agents, controller. Nothing of it runs any more afterwards, however it ends.

        Raises what Lab.prepare and Lab.start raise, RegisterFailed, CommandFailed, EmbeddedFailed, OSError.
        """
        async with AsyncExitStack() as stack:
            self.lab.prepare()
            self._check_carrier()
            stack.callback(self.lab.stop)
            self.tell(Sentence("启动三市的 PBX", "starting three cities' PBXs"))
            await self.lab.start(self._booted)
            await self.lab.until_trunks_up()
            self.tell(Sentence("市间 SIP 中继已通", "the SIP trunks between the cities are up"))
            await self._bring_agents(stack)
            registry = await stack.enter_async_context(open_registry(self.lab.settings))
            controller = ControllerProcess(self.lab.environment, self.plan.folder / "controller.log")
            stack.push_async_callback(controller.stop)
            watching = asyncio.create_task(self._watch(registry))
            stack.push_async_callback(_ended, watching)
            await self._until_controlled(controller)
            await self._open_console(stack, registry)
            yield

    def _booted(self, code: str) -> None:
        name, pbx = self.name(code), self.lab.pbxs[code]
        version = ".".join(map(str, pbx.version))
        self.tell(Sentence(f"{name.zh}：{pbx.kind} {version} 已运行", f"{name.en}: {pbx.kind} {version} runs"))

    def _check_carrier(self) -> None:
        port = Port("udp", self.city.pbx.carrier, self.city.pbx.carrier_port)
        if not port.free():
            raise PbxFailed(f"the citizens' {port} is in use by {port.holder() or 'another program'}; end that first")

    async def _bring_agents(self, stack: AsyncExitStack) -> None:
        for code in self.lab.plan.cities:
            floor = CityAgents(self.lab.province.cities[code], self.lab.settings, tone=self.lab.tone(code), habits=_HABITS)
            self._floors.append(floor)
            stack.push_async_callback(floor.close)
        shifts = [_shift(floor.city) for floor in self._floors]
        await asyncio.gather(*(floor.start(shift) for floor, shift in zip(self._floors, shifts, strict=True)))
        count = sum(len(shift) for shift in shifts)
        self.tell(Sentence(f"{count} 名话务员的话机已注册", f"the phones of {count} agents are registered"))

    async def _until_controlled(self, controller: ControllerProcess) -> None:
        try:
            async with asyncio.timeout(_CONTROLLER_WITHIN_S):
                while not all(city["up"] for city in self._cities().values()) or not self._cities():
                    controller.check()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise CommandFailed(f"the controller did not see every city within {_CONTROLLER_WITHIN_S:g} s") from None
        self.tell(Sentence("控制器已运行，看得到三市", "the controller runs and sees the three cities"))

    async def _open_console(self, stack: AsyncExitStack, registry: RedisRegistry) -> None:
        people = guests(self.lab.province, ASSISTED, SUPPORTING[0])
        await invite_all(self.lab.settings, self.lab.province, registry, clock.now, people)
        port = free_port()
        console = ConsoleProcess(console_environment(self.lab.environment, port), self.plan.folder / "console.log")
        stack.push_async_callback(console.stop)
        try:
            async with asyncio.timeout(_CONTROLLER_WITHIN_S):
                while Port("tcp", HOST, port).free():
                    console.check()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise CommandFailed(f"the console did not listen within {_CONTROLLER_WITHIN_S:g} s") from None
        address = f"http://{HOST}:{port}/"
        self.tell(Sentence(f"控制台：{address} 只在演示期间；密码只用这一次", f"the console: {address} for this demo only"))
        for guest in people:
            who = f"{guest.name:<10} {guest.password}"
            self.tell(Sentence(f"  {who}  {guest.person}", f"  {who}  {guest.role.value}"))

    def _cities(self) -> Mapping[str, Any]:
        return (self.picture or {}).get("cities") or {}

    async def _watch(self, registry: Registry) -> None:
        while True:
            with contextlib.suppress(StoreLost):
                self.picture = await registry.status()
            self._narrate()
            await asyncio.sleep(_LOOKED_EVERY_S)

    # ------------------------------------------------------------------------------------- a half
    async def play(self, assisted: bool) -> Half:
        """Let the citizens call, with or without the supervisor's help, until the last has hung up; then count.

        Raises CommandFailed, OSError.
        """
        plan = self.plan
        await asyncio.sleep(_CALM_S)
        self._told.clear()
        if assisted:
            await self._start_event()
        since = clock.now() - 1.0  # The PBX writes arrivals down in whole seconds.
        for floor in self._floors:
            chance = random.Random(f"{plan.seed} {floor.city.code}")
            for phone in floor.phones.values():
                phone.choose = lambda drawn=chance: _HABITS.draw(drawn)
        crowd = Crowd(self.city, CrowdPlan(plan.rate_per_s, plan.seconds, plan.patience_s, seed=plan.seed))
        self.crowd, self.assisted, self.half_began = crowd, assisted, clock.now()
        work: list[Coroutine[Any, Any, object]] = [crowd.run(), self._tell_when_all_have_called()]
        await _together([*work, self._supervise()] if assisted else work)
        self.tell(Sentence("最后一位市民已挂机", "the last citizen has hung up"))
        half = await self._count(since)
        self.half_began = None
        if "event" in self._told:
            await self._order("event", "end", self.city.name_zh)
        return half

    async def _start_event(self) -> None:
        """The duty supervisor orders the event. Before the first call: a busy machine takes seconds for a command."""
        name = self.name(ASSISTED)
        self.tell(Sentence(f"值班长启动{name.zh}的支援令", f"the supervisor starts an assistance event for {name.en}"))
        await self._order("event", "start", self.city.name_zh, "--title", "演示")
        self._told.add("event")

    async def _supervise(self) -> None:
        """The duty supervisor turns the switch when the first caller waits too long."""
        name = self.name(ASSISTED)
        threshold_s = self.city.queue.wait_threshold_s
        while (self._cities().get(ASSISTED, {}).get("longest_wait_s") or 0.0) < threshold_s:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self.tell(
            Sentence(
                f"{name.zh}最长等待达到门限 {threshold_s:g} 秒：值班长开启支援",
                f"{name.en}'s longest wait has reached the threshold of {threshold_s:g} s: "
                "the supervisor switches assistance on",
            )
        )
        await self._order("switch", self.city.name_zh, "on")

    async def _order(self, *arguments: str) -> None:
        said = await order(self.lab.environment, *arguments)
        typed = f"$ callctl {' '.join(arguments)}"
        for line in (typed, *said.splitlines()):
            self.tell(Sentence(f"  {line}", f"  {line}"))

    async def _tell_when_all_have_called(self) -> None:
        await asyncio.sleep(self.plan.seconds)
        assert self.crowd is not None
        tally = self.crowd.tally()
        self.tell(
            Sentence(
                f"不再有新来电：共 {tally.asked} 个，{tally.waiting} 人还在等",
                f"no more new calls: {tally.asked} in all, {tally.waiting} still wait",
            )
        )

    def _narrate(self) -> None:
        """Tell once a half what is new in the picture and in the citizens' ears."""
        if self.half_began is None or self.crowd is None:
            return
        for code in SUPPORTING:
            name = self.name(code)
            lent = (self._cities().get(code, {}).get("lent_out") or {}).get(ASSISTED, 0)
            if lent:
                self._tell_once(f"lends {code}", f"{name.zh}借出座席", f"{name.en} lends seats")
            if self.crowd.tally().answered.get(self.lab.tone(code)):
                self._tell_once(
                    f"answers {code}",
                    f"市民听到{name.zh}的话务员接听",
                    f"a citizen hears an agent of {name.en} answer",
                )

    def _tell_once(self, key: str, zh: str, en: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self.tell(Sentence(zh, en))

    # ------------------------------------------------------------------------------------- the count
    async def _count(self, since: float) -> Half:
        assert self.crowd is not None
        figures = await self._written(since, len(self.crowd.citizens))
        log = self._log(ASSISTED, self.city.queue.name, since)
        history, queue_log = by_history(figures, ASSISTED), by_queue_log(log, ASSISTED)
        citizens, crossed = by_citizens(self.crowd.citizens, ASSISTED, self.tones(), log)
        found = differences(history, "queue_log", queue_log) + differences(history, "citizens", citizens)
        for code in SUPPORTING:
            found += too_few_there(history, code, self._log(code, names.support_queue(ASSISTED), since))
        return Half(ASSISTED, history, queue_log, citizens, figures.mean_wait_s, crossed, tuple(found))

    def _log(self, code: str, queue: str, since: float) -> Account:
        pbx = self.lab.pbxs[code]
        if isinstance(pbx, LabPbx):
            return read_queue_log(pbx.queue_log, queue, since)
        return read_lent_log(pbx.folders.log / "freeswitch.log", ASSISTED, since)

    async def _written(self, since: float, asked: int) -> Figures:
        """The history's figures, when everything is written; what is missing then, is missing."""
        engine = open_engine(self.lab.settings.sql_url)
        deadline = clock.now() + _WRITTEN_WITHIN_S
        try:
            before = None
            while True:
                figures = await city_figures(engine, ASSISTED, since, clock.now() + 1.0)
                settled = figures.asked == asked and not figures.waiting and not figures.unknown and figures == before
                if settled or clock.now() > deadline:
                    return figures
                before = figures
                await asyncio.sleep(_LOOKED_EVERY_S)
        finally:
            await engine.dispose()


def _shift(city: City) -> list[str]:
    """The seats at work: at the assisted city nobody sits at a dedicated one, which serves other cities only."""
    return [
        seat.id
        for seat in city.seats
        if not seat.in_browser and (city.code != ASSISTED or seat.lend is not Lending.DEDICATED)
    ]


async def _together(work: list[Coroutine[Any, Any, object]]) -> None:
    """Until the first piece (the citizens) is done or any fails; then the others are ended."""
    tasks = [asyncio.ensure_future(piece) for piece in work]
    try:
        while not tasks[0].done():
            running = [task for task in tasks if not task.done()]
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            await _ended(task)


async def _ended(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.wait([task])


def is_fresh(folder: Path) -> bool:
    """Whether a demo may have this folder: it is not there yet, or empty."""
    return not folder.exists() or (folder.is_dir() and not os.listdir(folder))
