"""The stage of a failure test: the floor's real cities, real stores of its own, and controllers as processes of their own.

The supervisor acts through the desk; everything else is seen from outside: the phones, the PBXs, the published status.
"""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from callctl import clock
from callctl.app import Room, open_room
from callctl.core.model import SlotRef
from callctl.lab.call import PhoneCall
from callctl.lab.pbx import LabPbx
from callctl.lab.running import RunningPbx
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.settings import Settings
from callctl.store.port import StoreLost
from tests.real.by_hand import SlotShown
from tests.real.floor import Floor

PROJECT = Path(__file__).resolve().parent.parent.parent
ASSISTED = "yangzhou"
PACKET_S = 0.02
BREAK_S = 0.5  # A longer silence in the music is one that a citizen hears; a loaded PBX may send a few packets late.
SUPERVISOR = Actor("值班长", "stage", frozenset(Role), frozenset({EVERYWHERE}))


class Stage:
    """One test's world. `folder` holds its stores; the floor's cities are shared, and as new."""

    def __init__(self, floor: Floor, folder: Path, history: Path | None = None) -> None:
        self.floor = floor
        self.history = history or folder / "history.db"
        self.settings: Settings = replace(
            floor.lab.settings, state_dir=folder, sql_url=f"sqlite+aiosqlite:///{self.history}"
        )
        self.controllers: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._stack = AsyncExitStack()
        self._room: Room | None = None

    @property
    def room(self) -> Room:
        """The desk and the stores, as the supervisor's commands open them."""
        assert self._room is not None
        return self._room

    async def open(self) -> None:
        """Start the stores."""
        self._room = await self._stack.enter_async_context(open_room(self.settings, self.floor.lab.province, clock.now))

    async def close(self) -> None:
        """End controllers and stores."""
        for process in self.controllers.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        await self._stack.aclose()

    # ------------------------------------------------------------------------------------- the controller
    async def control(self, name: str = "a", environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a controller and wait until it (or an earlier one) leads and sees every city."""
        self.start_controller(name, environment)
        await self.until(lambda status: all(city["up"] for city in status["cities"].values()), 60.0)
        return self.controllers[name]

    def start_controller(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a controller, and wait for nothing."""
        env = {
            **os.environ,
            **self.floor.lab.environment,
            "CALLCTL_STATE": str(self.settings.state_dir),
            "CALLCTL_SQL_URL": self.settings.sql_url,
            "PYTHONPATH": str(PROJECT),
            **(environment or {}),
        }
        with self.log(name).open("ab") as out:
            self.controllers[name] = subprocess.Popen(
                [sys.executable, "-m", "callctl", "run", "--log", "json"], env=env, stdout=out, stderr=out
            )

    def log(self, name: str = "a") -> Path:
        """What a controller wrote."""
        return self._folder / f"controller-{name}.log"

    def _facts(self) -> str:
        """The newest facts of the history, without readings."""
        asked = "select at, city, kind, body from journal where kind <> 'PbxObserved' order by id desc limit 60"
        try:
            with closing(sqlite3.connect(self.history)) as database:
                rows = database.execute(asked).fetchall()
        except sqlite3.Error as error:
            return f"--- the history cannot be read: {error}"
        return "\n".join(["--- history", *(" ".join(map(str, row)) for row in reversed(rows))])

    def wrote(self, name: str, words: str) -> int:
        """How many lines of a controller's log hold these words."""
        return sum(words in line for line in self.log(name).read_text("utf-8", "replace").splitlines())

    async def until_wrote(self, name: str, words: str, times: int = 1, within_s: float = 15.0) -> None:
        """Wait for them."""
        async with asyncio.timeout(within_s):
            while self.wrote(name, words) < times:  # noqa: ASYNC110 - Another process writes the log.
                await asyncio.sleep(0.05)

    def lease(self, name: str) -> int:
        """The lease with which a controller leads, or led last."""
        lines = self.log(name).read_text("utf-8", "replace").splitlines()
        return int(next(json.loads(line)["lease"] for line in reversed(lines) if '"leading"' in line))

    def kill(self, name: str = "a") -> None:
        """SIGKILL: no good-bye."""
        self.controllers[name].kill()
        self.controllers[name].wait()

    # ------------------------------------------------------------------------------------- the supervisor
    async def assist(self, city: str = ASSISTED) -> None:
        """Start an assistance event for a city and switch it on."""
        await self.room.desk.start_event(SUPERVISOR, city, "测试")
        await self.room.desk.switch(SUPERVISOR, city, True)

    def province(self, city: str, changes: Mapping[str, str]) -> dict[str, str]:
        """The environment of a controller that reads other words in a city's file than the PBXs were made from."""
        copy = self._folder / "province"
        if not copy.is_dir():
            shutil.copytree(self.floor.lab.plan.folder / "province", copy)
        file = copy / "queues" / f"{city}.toml"
        text = file.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text, f"{old} is not in {file.name}"
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
        return {"CALLCTL_PROVINCE": str(copy)}

    async def assisted_citizen(self) -> PhoneCall:
        """A controller leads, assistance is on, one citizen waits."""
        await self.control()
        await self.assist()
        return await self.floor.citizen(ASSISTED)

    # ------------------------------------------------------------------------------------- what is seen
    async def until_rung(self, *cities: str, within_s: float = 20.0) -> PhoneCall:
        """The call that rings an agent of these cities."""
        async with asyncio.timeout(within_s):
            while True:
                for phone in [phone for city in cities for phone in self.floor.phones(city)]:
                    for call in phone.now_on():
                        if call.rung_by is not None:
                            return call
                await asyncio.sleep(0.02)

    async def until_recorded(self, kind: str, part: str, city: str = ASSISTED, within_s: float = 15.0) -> None:
        """Wait until the history holds a fact of this kind with this in its text."""
        asked = "select count(*) from journal where kind = ? and city = ? and instr(body, ?)"
        async with asyncio.timeout(within_s):
            while True:
                with closing(sqlite3.connect(self.history)) as database:
                    if database.execute(asked, (kind, city, part)).fetchone()[0]:
                        return
                await asyncio.sleep(0.1)

    def outcomes(self, city: str = ASSISTED) -> dict[str, tuple[str | None, str | None]]:
        """What the history says of every call: outcome, and the city that answered."""
        with closing(sqlite3.connect(self.history)) as database:
            asked = "select call, outcome, by_city from calls where city = ?"
            return {call: (outcome, by) for call, outcome, by in database.execute(asked, (city,))}

    async def status(self) -> dict[str, Any]:
        """The published picture; {"cities": {}} before the first."""
        try:
            return dict(await self.room.registry.status() or {"cities": {}})
        except StoreLost:
            return {"cities": {}}

    async def until(self, true: Callable[[dict[str, Any]], bool], within_s: float = 15.0) -> dict[str, Any]:
        """The first picture for which `true` holds, published from now on. Raises AssertionError with the last picture."""
        began = clock.now()
        status: dict[str, Any] = {}
        while clock.now() - began < within_s:
            status = await self.status()
            if status.get("cities") and status["at"] >= began - 1.0 and true(status):
                return status
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {within_s:g} s; last: {status}")

    def story(self) -> str:
        """What the controllers wrote, and the cities' queues, for a test that failed."""
        logs = [f"--- {name}\n{self.log(name).read_text('utf-8', 'replace')[-6000:]}" for name in self.controllers]
        return "\n".join(
            [*logs, self._facts(), *(f"--- {code}\n{_queues(pbx)}" for code, pbx in self.floor.lab.pbxs.items())]
        )

    async def until_true(self, true: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Ask a PBX again and again. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not await true():  # noqa: ASYNC110 - A PBX tells nobody.
                await asyncio.sleep(0.1)

    async def no_slot_open(self) -> bool:
        """Whether the assisted city would ring nobody abroad."""
        return not await self.open_slots()

    async def slot_rung(self, supporting: str, number: int = 1) -> bool:
        """Whether a slot's leg is on its way from the assisted city, or talks."""
        return await self.floor.acts(ASSISTED).slot_rung(SlotRef(supporting, number))

    async def slot_not_rung(self, supporting: str, number: int = 1) -> bool:
        """The opposite."""
        return not await self.slot_rung(supporting, number)

    async def no_call_at(self, code: str) -> bool:
        """Whether a city's PBX has no call at all: no ghost."""
        return await self.floor.pbx(code).channels() == 0

    async def slots(self, assisted: str = ASSISTED) -> dict[str, SlotShown]:
        """The slots the assisted city's PBX has now, by name and token."""
        return await self.floor.acts(assisted).slots()

    async def open_slots(self, assisted: str = ASSISTED) -> set[str]:
        """The slots that may be rung, as the PBX sees them."""
        return {name for name, slot in (await self.slots(assisted)).items() if slot.is_open}

    async def no_free_slot_open(self) -> bool:
        """The same, for new calls only: a slot in use stays open."""
        return not any(slot.is_open and slot.free for slot in (await self.slots()).values())

    async def loans(self, supporting: str, assisted: str = ASSISTED) -> set[str]:
        """The loans of a supporting city's PBX, by seat, city and token."""
        return await self.floor.acts(supporting).loans(assisted)


def _queues(pbx: RunningPbx) -> str:
    if not isinstance(pbx, LabPbx):
        return "\n".join([line for line in pbx._lines() if "Adding " not in line and "Created ip" not in line][-60:])
    asked = [str(pbx.program.path), "-C", str(pbx.folders.etc / "asterisk.conf"), "-rx", "queue show"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=3.0, check=False).stdout
    except subprocess.TimeoutExpired:
        return "frozen"


def music_gap_s(call: PhoneCall, until: float, since: float | None = None) -> float:
    """The longest silence in the citizen's music, from its first note (or `since`) on.

    Packets that came late in one heap, because this process was not scheduled, are no silence: a citizen's phone plays
    them one after the other. So it is never more than the time for which there are no packets at all.
    """
    began = next(stretch.since for stretch in call.heard if stretch.sound == "music") if since is None else since
    packets = sum(stretch.packets for stretch in call.heard if stretch.sound == "music" and stretch.since >= began - 0.02)
    missing_s = until - began - packets * PACKET_S
    return min(call.longest_gap_s("music", began, until), max(0.0, missing_s))
