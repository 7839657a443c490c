"""A province of simulated PBXs with real controllers, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from callctl.controller import Controller, Pace
from callctl.core.commands import Order
from callctl.core.events import CallAnswered, CallLeftQueue, Fact, HomeSeat, LentSeat, Outcome
from callctl.core.model import Province
from callctl.core.wishes import Wishes
from callctl.sim.link import SimLink
from callctl.sim.network import build_network
from callctl.sim.registry import MemoryHistory, MemoryRegistry
from callctl.sim.virtual_time import Process, loop_clock


class Trial:
    """Everything a test can touch."""

    def __init__(self, province: Province, wishes: Wishes) -> None:
        self.province = province
        self.pbxs = build_network(province, loop_clock)
        self.registry = MemoryRegistry(loop_clock)
        self.history = MemoryHistory()
        self.history.known = wishes
        self.facts: list[Fact] = []
        self.orders: dict[str, list[Order]] = {city: [] for city in self.pbxs}
        for pbx in self.pbxs.values():
            pbx.taps.append(self.facts.append)
            pbx.order_taps.append(self.orders[pbx.city].append)
        self.running: dict[str, tuple[Controller, dict[str, SimLink], asyncio.Task[None]]] = {}
        self.processes: dict[str, Process] = {}

    def start(self, holder: str = "a", pace: Pace | None = None) -> Controller:
        """Start a controller."""
        links = {code: SimLink(pbx) for code, pbx in self.pbxs.items()}
        controller = Controller(self.province, links, self.registry, self.history, loop_clock, holder, pace=pace)
        process = self.processes[holder] = Process()
        self.running[holder] = (controller, links, process.run(controller.run(), name=holder))
        return controller

    def links(self, holder: str = "a") -> dict[str, SimLink]:
        return self.running[holder][1]

    async def stop(self, holder: str = "a") -> None:
        """Stop it cleanly."""
        task = self.running.pop(holder)[2]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def until(self, true: Callable[[], bool], within_s: float) -> float:
        """Wait until it is so; seconds it took."""
        began = loop_clock()
        while not true():
            assert loop_clock() - began < within_s, f"not so within {within_s:g} s"
            await asyncio.sleep(0.05)
        return loop_clock() - began

    async def wish(self, wishes: Wishes) -> None:
        """What a desk does."""
        now = await self.registry.wishes() or Wishes()
        await self.registry.put_wishes(now.version, wishes)

    def answered(self, city: str, remote: bool | None = None) -> list[str]:
        """Calls answered, as the city's PBX told it."""
        return [
            fact.call
            for fact in self.facts
            if isinstance(fact, CallAnswered)
            and fact.city == city
            and not isinstance(fact.by, LentSeat)
            and (remote is None or isinstance(fact.by, HomeSeat) is not remote)
        ]

    def abandoned(self, city: str) -> int:
        return sum(
            isinstance(fact, CallLeftQueue) and fact.city == city and fact.outcome is Outcome.ABANDONED
            for fact in self.facts
        )

    def loans(self) -> dict[str, list[str]]:
        """Seat to the assisted cities whose support queues hold it, as on the PBXs."""
        found: dict[str, list[str]] = {}
        for pbx in self.pbxs.values():
            for assisted, queue in pbx.support.items():
                for seat in queue:
                    found.setdefault(seat, []).append(assisted)
        return found

    def open_slots(self, city: str) -> int:
        return sum(slot.open for slot in self.pbxs[city].slots.values())


@asynccontextmanager
async def a_trial(province: Province, wishes: Wishes, *holders: str) -> AsyncIterator[Trial]:
    """A trial with these controllers started; they are stopped at the end."""
    trial = Trial(province, wishes)
    for holder in holders or ("a",):
        trial.start(holder)
    try:
        yield trial
    finally:
        for holder in list(trial.running):
            await trial.stop(holder)
