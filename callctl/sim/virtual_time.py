"""An asyncio loop whose clock leaps to the next timer: hours of calls in seconds, and the same every time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

EPOCH = 1_800_000_000.0  # When every virtual time begins.


ASK_THREADS_EVERY = 256  # Leaps.


class NothingLeftToHappen(RuntimeError):
    """Every task waits for something that no timer and no socket will bring."""


class _LeapingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer it moves the clock there."""

    leap: Callable[[float], None]
    _asked = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What sockets have brought; with nothing there, time leaps and nothing is ready."""
        # Only threads wake a loop without sockets of its own; they are asked after now and then, for a system call
        # costs as much as the work of a leap.
        self._asked += 1
        ready = super().select(0) if timeout is None or not self._asked % ASK_THREADS_EVERY else []
        if not ready:
            if timeout is None:
                raise NothingLeftToHappen("every task waits, and no timer is set")
            self.leap(max(0.0, timeout))
        return ready


class Process:
    """A program in the loop that can be stopped and goes on later (SIGSTOP, SIGCONT; a paused machine).

    What becomes due in it meanwhile happens when it goes on, in its order. Its tasks must be created by `run`.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._context = copy_context()
        self._context.run(_process.set, self)
        self._held: list[_Due] = []

    def run(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """A task of this program; whatever it starts belongs to it, too."""
        return asyncio.get_running_loop().create_task(work, name=name, context=self._context)

    def go_on(self) -> None:
        """After `stopped`: all that was due."""
        self.stopped = False
        held, self._held = self._held, []
        for due in held:
            asyncio.get_running_loop().call_soon(due, context=NOBODY)

    def hold(self, due: "_Due") -> None:
        """Not now."""
        self._held.append(due)


class _Due:
    """A callback of a program that may be stopped when its time has come."""

    __slots__ = ("arguments", "callback", "context", "handle", "process")

    def __init__(
        self, process: Process, callback: Callable[..., object], arguments: tuple[Any, ...], context: Context
    ) -> None:
        self.process, self.callback, self.arguments, self.context = process, callback, arguments, context
        self.handle: asyncio.Handle | None = None

    def __call__(self) -> None:
        if self.process.stopped:
            self.process.hold(self)
        elif self.handle is not None and not self.handle.cancelled():
            self.context.run(self.callback, *self.arguments)


_process: ContextVar[Process | None] = ContextVar("process", default=None)
NOBODY = Context()  # Where networks and PBXs do what a program asked for: it happens also when that program has stopped.


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time. It suits code that waits for timers and tasks; sockets would time out at once."""

    def __init__(self) -> None:
        selector = _LeapingSelector()
        super().__init__(selector)
        self._virtual_s = 0.0
        selector.leap = self._leap

    def _leap(self, seconds: float) -> None:
        self._virtual_s += seconds

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """As any loop's; what belongs to a program that is stopped waits until it goes on."""
        process = _process.get() if context is None else context.get(_process)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        due = _Due(process, callback, args, copy_context() if context is None else context)
        due.handle = super().call_soon(due, context=NOBODY)
        return due.handle

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """The same for timers."""
        process = _process.get() if context is None else context.get(_process)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        due = _Due(process, callback, args, copy_context() if context is None else context)
        due.handle = handle = super().call_at(when, due, context=NOBODY)
        return handle

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_s

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return EPOCH + self._virtual_s


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def loop_clock() -> float:
    """Now, in the virtual time of the running loop, as seconds since the epoch."""
    return EPOCH + asyncio.get_running_loop().time()
