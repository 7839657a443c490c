"""Where controllers run: started, stopped, killed, cut off from one PBX or from the registry, two at once."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from callctl.controller import Controller, Pace
from callctl.core.model import Province
from callctl.sim.link import SimLink
from callctl.sim.pbx import SimPbx
from callctl.sim.registry import MemoryHistory, MemoryRegistry
from callctl.sim.virtual_time import Process


@dataclass(frozen=True, slots=True)
class Post:
    """One running controller and all that is its own."""

    controller: Controller
    links: Mapping[str, SimLink]
    registry: MemoryRegistry
    task: asyncio.Task[None]
    process: Process


class Posts:
    """The controllers of one province, by the name they hold the lease under."""

    def __init__(
        self,
        province: Province,
        pbxs: Mapping[str, SimPbx],
        registry: MemoryRegistry,
        history: MemoryHistory,
        now: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._province, self._pbxs, self._registry, self._history = province, pbxs, registry, history
        self._now, self._pace = now, pace
        self.running: dict[str, Post] = {}

    def start(self, holder: str, pace: Pace | None = None) -> Post:
        """Start a controller with links and a registry connection of its own."""
        links = {code: SimLink(pbx) for code, pbx in self._pbxs.items()}
        registry = self._registry.another()
        controller = Controller(self._province, links, registry, self._history, self._now, holder, pace=pace or self._pace)
        process = Process()
        task = process.run(controller.run(), name=f"controller {holder}")
        post = Post(controller, links, registry, task, process)
        self.running[holder] = post
        return post

    def kill(self, holder: str) -> None:
        """SIGKILL: it gives nothing back, and nobody hears of it again."""
        post = self.running.pop(holder)
        post.registry.cut = True
        if post.process.stopped:
            for link in post.links.values():
                link.cut()
            post.process.go_on()
        post.task.cancel()

    async def stop(self, holder: str) -> None:
        """SIGTERM: it gives the lease back. An exception in it comes out here."""
        post = self.running.pop(holder)
        post.task.cancel()
        with suppress(asyncio.CancelledError):
            await post.task

    def crashed(self) -> BaseException | None:
        """What a controller died of by itself."""
        for post in self.running.values():
            if post.task.done() and not post.task.cancelled():
                return post.task.exception()
        return None

    def leader(self) -> str | None:
        """Who gives orders, by its own belief; the first of several."""
        return next(iter(self.leaders()), None)

    def leaders(self) -> list[str]:
        """All who believe that they lead, and are not stopped just now."""
        return [holder for holder, post in self.running.items() if post.controller.leading and not post.process.stopped]
