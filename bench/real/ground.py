"""The ground the real measurements stand on: a small lab of Asterisk cities, its phones, and a controller process."""

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.core.model import PbxKind
from callctl.lab.lab import Lab, LabPlan, find_programs
from tests.real.floor import Floor
from tests.real.stage import ASSISTED, SUPERVISOR, Stage

PROJECT = Path(__file__).resolve().parent.parent.parent
HELPERS = ("xuzhou", "nanjing")
# No wrap-up, so that a phone is free when its call has ended; the survey would keep the caller's leg, not the agent.
QUEUE = {"wait_threshold_s": 2, "release_after_s": 1, "wrapup_s": 0, "offer_callback": False, "survey": False}

Row = dict[str, Any]


def say(text: str) -> None:
    """Progress, for whoever watches."""
    print(f"      {text}", flush=True)


def row(name: str, value: float, unit: str, against: str) -> Row:
    """One figure."""
    return {"name": name, "value": round(value, 3), "unit": unit, "against": against}


def spread(name: str, samples: Sequence[float], unit: str, against: str, p95: bool = True) -> list[Row]:
    """p50, p95 where there are enough, max. Nothing where there are no samples."""
    if not samples:
        return []
    told = f"{against}; {len(samples)} samples, {load()}"
    rows = [row(f"{name}, p50", statistics.median(samples), unit, told)]
    if p95 and len(samples) >= 20:
        rows.append(row(f"{name}, p95", statistics.quantiles(samples, n=20)[18], unit, told))
    return [*rows, row(f"{name}, max", max(samples), unit, told)]


def load() -> str:
    """How busy the machine is: with neighbours the wall clock measures them, too."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


@asynccontextmanager
async def lab(
    cities: Sequence[str], seats: int, prepared: Callable[[Lab], None] = lambda _: None, kind: PbxKind = PbxKind.ASTERISK
) -> AsyncIterator[Lab]:
    """Running cities of this kind. `prepared` may change their files before they start. Raises NoFreeSwitch."""
    with tempfile.TemporaryDirectory(prefix="callctl-b-") as folder:  # Short: a control socket lies in it.
        made = Lab(
            LabPlan(*(Path(folder), PROJECT, cities, seats), queue=QUEUE, kinds=dict.fromkeys(cities, kind.value)),
            find_programs({kind}, os.environ, PROJECT),
        )
        made.prepare()
        prepared(made)
        try:
            await made.start()
            await made.until_trunks_up(30.0)  # FreeSWITCH asks a city that booted after it only 5 s later.
            yield made
        finally:
            made.stop()


@asynccontextmanager
async def stage(running: Lab) -> AsyncIterator[Stage]:
    """The cities as new, with stores of their own; nobody controls yet."""
    floor = Floor(running)
    await floor.reset()
    with tempfile.TemporaryDirectory(prefix="callctl-b-") as folder:
        made = Stage(floor, Path(folder))
        await made.open()
        try:
            yield made
        finally:
            await made.close()
            await floor.close()


async def until(true: Callable[[], bool | Awaitable[bool]], within_s: float, every_s: float = 0.02) -> float:
    """Ask until it is so; seconds since the epoch. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            answer = true()
            if answer if isinstance(answer, bool) else await answer:
                return clock.now()
            await asyncio.sleep(every_s)


@contextmanager
def sample() -> Iterator[None]:
    """One sample; where it fails on a busy machine it is told, and there is one less."""
    try:
        yield
    except (TimeoutError, AssertionError) as error:
        say(f"a sample failed: {type(error).__name__} {str(error)[:120]}")


async def settled(made: Stage) -> None:
    """Nobody waits, nobody is lent: ready for the next sample. Raises AssertionError."""
    await made.until(
        lambda status: all(not city["waiting"] and not city["lent_out"] for city in status["cities"].values()), 20.0
    )


async def switch(made: Stage, on: bool) -> None:
    """The supervisor's switch."""
    await made.room.desk.switch(SUPERVISOR, ASSISTED, on)
