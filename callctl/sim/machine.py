"""What every part of a simulated PBX stands on: it tells facts, does things later, freezes, dies and lives again."""

import asyncio
from collections.abc import Callable
from typing import TypeVarTuple

from callctl.core.events import Fact
from callctl.sim.parts import Connection, SimTiming

Arguments = TypeVarTuple("Arguments")


class Machine:
    """One computer."""

    def __init__(self, city: str, now: Callable[[], float], timing: SimTiming) -> None:
        self.city = city
        self.now = now
        self.timing = timing
        self.booted_at = now()
        self.connections: list[Connection] = []
        self.taps: list[Callable[[Fact], None]] = []  # Hear everything, whatever happens to the PBX: for checkers.
        self.frozen_at: float | None = None
        self.dead = False
        self._life = 0
        self._unsent: list[Fact] = []
        self._due_at_thaw: list[Callable[[], None]] = []

    @property
    def alive(self) -> bool:
        """Neither dead nor frozen: signalling and management answer."""
        return not self.dead and self.frozen_at is None

    def tell(self, fact: Fact) -> None:
        """To everybody connected; what a frozen PBX has to say is heard when it thaws."""
        if self.frozen_at is not None:
            self._unsent.append(fact)
            return
        for tap in self.taps:
            tap(fact)
        for connection in tuple(self.connections):
            connection.on_fact(fact)

    def later(self, delay_s: float, work: Callable[[*Arguments], object], *arguments: *Arguments) -> asyncio.TimerHandle:
        """Do it in a while: not before a frozen PBX thaws, not at all when it has died meanwhile."""
        life = self._life

        def due() -> None:
            if self._life != life or handle.cancelled():
                return
            if self.frozen_at is not None:
                self._due_at_thaw.append(due)
                return
            work(*arguments)

        handle = asyncio.get_running_loop().call_later(delay_s, due)
        return handle

    def freeze(self) -> None:
        """SIGSTOP: everything stands still; every connection stays open, until the links' pings have gone unanswered."""
        if self.alive:
            self.frozen_at = self.now()
            asyncio.get_running_loop().call_later(self.timing.deadline_s, self._pings_unanswered, self.frozen_at)

    def _pings_unanswered(self, frozen_at: float) -> None:
        if self.frozen_at == frozen_at:
            for connection in self.connections:
                connection.closed.set()

    def thaw(self) -> None:
        """SIGCONT: it goes on where it stood."""
        if self.frozen_at is None:
            return
        self.frozen_at = None
        unsent, self._unsent = self._unsent, []
        for fact in unsent:
            self.tell(fact)
        due_now, self._due_at_thaw = self._due_at_thaw, []
        for due in due_now:
            due()

    def die(self) -> None:
        """SIGKILL: the connections break at once."""
        self.dead, self.frozen_at = True, None
        self._life += 1
        self._unsent, self._due_at_thaw = [], []
        for connection in self.connections:
            connection.closed.set()
        self.connections.clear()

    def boot(self) -> None:
        """Start again after die()."""
        self.dead = False
        self.booted_at = self.now()
