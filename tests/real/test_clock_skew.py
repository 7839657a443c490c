"""Cities whose clocks are hours off: waits are ages, the dead man's switch goes by the PBX's own clock (design.md §7)."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from callctl import clock
from callctl.lab.freeswitch import FreeSwitchPbx
from callctl.lab.pbx import LabPbx
from callctl.lab.phone import Habit
from callctl.lab.running import RunningPbx
from callctl.pbx import asterisk_names as names
from callctl.pbx import freeswitch_names
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

# Of both kinds as assisted and as supporting city; two cities are started anew for each test.
pytestmark = [pytest.mark.real, every_mix, pytest.mark.timeout(180)]
SUPPORTING = "xuzhou"
TALKS = Habit(answer_after_s=0.3)
AHEAD_S = 5 * 3600
# Debian's libfaketime; another place can be named.
FOLDERS = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")


def faketime() -> Path:
    """The library that fakes the clock of threaded programs, or skip."""
    named = os.environ.get("CALLCTL_FAKETIME")
    for folder in [named] if named else FOLDERS:
        if (library := Path(folder) / "libfaketimeMT.so.1").is_file():
            return library
    pytest.skip("libfaketime is not installed (apt install libfaketime)")


def skewed_program(program: Path, seconds: int, wrapper: Path) -> Path:
    """The same program with a clock that is off by so much."""
    wrapper.write_text(
        "#!/bin/sh\n"
        f"export LD_PRELOAD={faketime()} FAKETIME={seconds:+d} FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        f'exec {program} "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return wrapper


@asynccontextmanager
async def off_by(pbx: RunningPbx, seconds: int, wrapper: Path) -> AsyncIterator[None]:
    """A city's PBX started anew with a clock that is off by so much; with the right one again afterwards."""
    assert isinstance(pbx, LabPbx | FreeSwitchPbx)
    program = pbx.program
    skewed = replace(program, path=skewed_program(program.path, seconds, wrapper))
    pbx.kill()
    pbx.program = skewed
    try:
        await pbx.start()
        yield
    finally:
        pbx.program = program
        pbx.kill()
        await pbx.start()


@pytest.fixture(params=[AHEAD_S, -AHEAD_S], ids=["home-ahead", "home-behind"])
async def skewed(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    """The assisted city's clock is hours off, and the supporting city's as many the other way."""
    async with AsyncExitStack() as stack:
        for code, seconds in ((ASSISTED, request.param), (SUPPORTING, -request.param)):
            await stack.enter_async_context(off_by(stage.floor.pbx(code), seconds, tmp_path / code))
        await stage.floor.lab.until_trunks_up(30.0)
        yield stage


async def test_with_clocks_hours_off_waits_are_ages_and_the_help_works(skewed: Stage) -> None:
    stage, floor = skewed, skewed.floor
    citizen = await stage.assisted_citizen()
    called_at = citizen.heard[0].since
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert abs(status["cities"][ASSISTED]["longest_wait_s"] - (status["at"] - called_at)) < 2.5
    [phone] = await floor.log_in(SUPPORTING, floor.seats(SUPPORTING)[3], habit=TALKS)
    await citizen.until_hears(floor.tone(SUPPORTING), 20.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    waited_s = citizen.heard[-1].since - called_at
    assert abs(float(phone.last.header("X-CC-Waited")) - waited_s) < 3.0, "an age crossed the trunk, not a clock"
    citizen.hang_up()

    async def told() -> bool:
        return [end for end, _ in stage.outcomes().values()] == ["answered"]

    await stage.until_true(told, 10.0)
    for code in (ASSISTED, SUPPORTING):
        assert abs(await heartbeat(floor.pbx(code)) - clock.now()) > AHEAD_S / 2, "the PBX's own clock is really off"


async def heartbeat(pbx: RunningPbx) -> float:
    """When the last heartbeat was, by the PBX's own clock."""
    if isinstance(pbx, FreeSwitchPbx):
        return float(await pbx.cli(f"global_getvar {freeswitch_names.HEARTBEAT}"))
    beat = await pbx.cli(f"queue show {names.HEARTBEAT_QUEUE}")
    return float(beat.partition("with penalty ")[2].split()[0])
