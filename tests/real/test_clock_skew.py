"""A city whose clock is hours off: waits are ages, the dead man's switch goes by the PBX's own clock (design.md §7)."""

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from callctl import clock
from callctl.lab.phone import Habit
from callctl.pbx import asterisk_names as names
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = pytest.mark.real
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


@pytest.fixture(params=[AHEAD_S, -AHEAD_S], ids=["ahead", "behind"])
async def skewed(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> AsyncIterator[str]:
    """The assisted city's PBX started anew with a clock that is off by hours."""
    pbx = stage.floor.pbx(ASSISTED)
    program = pbx.program
    wrapper = tmp_path / "asterisk"
    wrapper.write_text(
        "#!/bin/sh\n"
        f"export LD_PRELOAD={faketime()} FAKETIME={request.param:+d} FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        f'exec {program.path} "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    pbx.kill()
    pbx.program = replace(program, path=wrapper)
    try:
        await pbx.start()
        yield ASSISTED
    finally:
        pbx.program = program
        pbx.kill()
        await pbx.start()


async def test_with_a_clock_hours_off_waits_are_ages_and_the_help_works(stage: Stage, skewed: str) -> None:
    floor = stage.floor
    shown = await floor.pbx(skewed).cli("core show channels count")
    assert "active channels" in shown
    citizen = await stage.assisted_citizen()
    called_at = citizen.heard[0].since
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert abs(status["cities"][ASSISTED]["longest_wait_s"] - (status["at"] - called_at)) < 2.5
    [phone] = await floor.log_in("xuzhou", floor.seats("xuzhou")[3], habit=TALKS)
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    waited_s = citizen.heard[-1].since - called_at
    assert abs(float(phone.last.header("X-CC-Waited")) - waited_s) < 3.0, "an age crossed the trunk, not a clock"
    citizen.hang_up()

    async def told() -> bool:
        return [end for end, _ in stage.outcomes().values()] == ["answered"]

    await stage.until_true(told, 10.0)
    beat = await floor.pbx(skewed).cli(f"queue show {names.HEARTBEAT_QUEUE}")
    at = int(beat.partition("with penalty ")[2].split()[0])
    assert abs(at - clock.now()) > AHEAD_S / 2, "the PBX's own clock is really off"
