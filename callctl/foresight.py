"""推演 for the console: what the next hour would be with the switch turned, worked out beside the pages.

The answer is `callctl plan`'s own: this saves the moment as a snapshot and asks that command in a process of its own,
which gives way to all others and is killed when it takes too long. A page waits for nothing: it shows what is known by
now, and how old that is.
"""

import asyncio
import contextlib
import datetime
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.in_force import in_force, ruled
from callctl.core.model import Province
from callctl.core.picture import shown_wishes
from callctl.core.wishes import Wishes
from callctl.sim.snapshot import Measured, snapshot
from callctl.store.cabinet import Cabinet
from callctl.store.measured import seen_lately
from callctl.store.port import StoreLost

LOOK_BACK_S = 3600.0  # The rate of now is that of the last hour.
TALKS_LOOK_BACK_S = 7200.0
FEW = 20  # Of fewer talks or hang-ups no mean is taken.
HOURS = 1.0  # A switch is turned for the next hour; what comes after is another press.
SEEDS = 10
DEADLINE_S = 90.0  # 4 s of CPU for a province of fourteen cities; on a machine full of other work many times that.
FRESH_S = 60.0  # An answer this old is asked for anew while somebody looks.
NICE = 10  # Calls and pages go first.
KEPT_S = 300.0  # An older one is not shown: the queue is another one by then.
FIGURES = ("connect_rate", "wait_s", "answered_remote")
DAY = "normal_weekday"

log = structlog.get_logger()

Command = Callable[[Path, str], list[str]]
Key = tuple[str, bool, int]  # City, whether the question is "on", version of the wishes.


def plan_command(snapshot_file: Path, question: str) -> list[str]:
    """`callctl plan` as this machine has it."""
    asked = ["--from", str(snapshot_file), "--if", question, "--seeds", str(SEEDS), "--processes", "1", "--json"]
    return [sys.executable, "-m", "callctl", "plan", *asked]


def time_of_day(now: float) -> float:
    """Seconds since midnight, here."""
    local = datetime.datetime.fromtimestamp(now).astimezone()
    return local.hour * 3600.0 + local.minute * 60.0 + local.second


async def measured_lately(engine: AsyncEngine, now: float) -> Mapping[str, Measured]:
    """What the last hours showed of each city's citizens. Raises one of history.LOST."""
    hour = await seen_lately(engine, now - LOOK_BACK_S, now)
    longer = await seen_lately(engine, now - TALKS_LOOK_BACK_S, now)
    found = {}
    for city, seen in longer.items():
        talk_s = seen.talked_s / seen.talks if seen.talks >= FEW else None
        patience_s = seen.waited_s / seen.abandoned if seen.abandoned >= FEW else None
        if city in hour:
            found[city] = Measured(hour[city].asked * 3600.0 / LOOK_BACK_S, talk_s, patience_s)
    return found


class Foresight:
    """Answers at once with what it knows; one question at a time is worked on."""

    def __init__(
        self, province: Province, cabinet: Cabinet, now: Callable[[], float], command: Command = plan_command
    ) -> None:
        self._province = province
        self._cabinet = cabinet
        self._now = now
        self._command = command
        self._known: dict[tuple[str, bool], dict[str, Any]] = {}  # By city and question; the newest answer.
        self._failed: dict[Key, float] = {}
        self._working: asyncio.Task[None] | None = None

    def effect(self, picture: Mapping[str, Any], wishes: Wishes, city: str, on: bool) -> dict[str, Any] | None:
        """What turning the city's switch on (or off) would do in the next hour; None where it is not known (yet).

        Figures are [mean, half the 95 % interval] over the seeds, the same citizens on both sides. `wishes`: as they
        are; an answer to older ones is no answer.
        """
        known = self._known.get((city, on))
        fits = known is not None and known["version"] == wishes.version and self._now() - known["at"] <= KEPT_S
        if known is None or not fits or self._now() - known["at"] > FRESH_S:
            self._ask(picture, wishes, city, on)
        return known if fits else None

    def _ask(self, picture: Mapping[str, Any], wishes: Wishes, city: str, on: bool) -> None:
        key = (city, on, wishes.version)
        if picture["wishes"]["version"] != wishes.version:
            return  # The controller has not taken them over yet: half a second.
        if self._working is not None or self._now() - self._failed.get(key, -FRESH_S) < FRESH_S:
            return
        self._working = asyncio.create_task(self._work(picture, wishes, key), name="foresight")

    async def settled(self) -> None:
        """Wait until nothing is being worked on."""
        while self._working is not None:
            await asyncio.wait({self._working})

    async def close(self) -> None:
        """Work on nothing more."""
        if self._working is not None:
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working

    async def _work(self, picture: Mapping[str, Any], wishes: Wishes, key: Key) -> None:
        city, on, version = key
        try:
            answer = await self._foretold(picture, wishes, city, on)
        except (OSError, ValueError, TimeoutError, KeyError) as fault:
            self._failed = {key: self._now()}
            log.warning("nothing can be foretold", city=city, why=f"{type(fault).__name__}: {fault}"[:300])
        else:
            self._known[city, on] = {**answer, "version": version}
        finally:
            self._working = None

    async def _foretold(self, picture: Mapping[str, Any], wishes: Wishes, city: str, on: bool) -> dict[str, Any]:
        asked_at = self._now()
        province = ruled(self._province, wishes)
        seen = {**picture, "wishes": shown_wishes(province, in_force(province, wishes))}
        spec, notes = snapshot(province, seen, await self._measured(asked_at), time_of_day(asked_at), HOURS, DAY)
        with tempfile.TemporaryDirectory(prefix="callctl-foresight-") as folder:
            file = Path(folder) / "now.json"
            file.write_text(json.dumps(spec, ensure_ascii=False), "utf-8")
            found = json.loads(await _said(self._command(file, f"{'on' if on else 'off'} {city}")))
        return {
            **_figures(found, city),
            "by": "what_if",
            "at": asked_at,
            "hours": HOURS,
            "seeds": found["seeds"],
            "notes": [{"zh": note.zh, "en": note.en} for note in notes],
        }

    async def _measured(self, now: float) -> Mapping[str, Measured]:
        try:
            async with self._cabinet.engine() as engine:
                return await measured_lately(engine, now)
        except StoreLost:
            return {}  # Then the rate is guessed from the talks of now, and a note says so.


def _figures(found: Mapping[str, Any], city: str) -> dict[str, Any]:
    """The city's figures as it is and changed, the difference, and whose service would feel it."""
    before, after = found["as_it_is"], found["what_if"][0]
    felt = {
        name: change["connect_rate"]
        for name, change in after["change"].items()
        # Worse beyond the interval: not by chance.
        if name != city and change["connect_rate"] and change["connect_rate"][0] < -max(0.003, change["connect_rate"][1])
    }
    return {
        "as_it_is": {name: before["cities"][city][name]["all"] for name in FIGURES},
        "changed": {name: after["cities"][city][name]["all"] for name in FIGURES},
        "change": after["change"][city],
        "felt_by": felt,
    }


async def _said(command: list[str]) -> bytes:
    """What a command prints. Raises TimeoutError, OSError where it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        async with asyncio.timeout(DEADLINE_S):
            text, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise OSError(f"callctl plan ended with {process.returncode}")
    return text
