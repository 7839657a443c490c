"""The history's disk is full: calls do not feel it, facts wait on another disk, and every call is written exactly once."""

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from callctl.lab.phone import Habit
from callctl.lab.queue_log import Account
from tests.real.accounts import account_of
from tests.real.faults import needs_root
from tests.real.floor import Floor
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, Stage

pytestmark = [pytest.mark.real, every_mix]
BRIEF = Habit(answer_after_s=0.3, talk_s=1.0)
SMALL = "2m"  # The tables alone take 0.3 MB.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own for the history."""
    needs_root("mount", "umount")
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "callctl-test", disk], check=False)
    if made.returncode:
        pytest.skip("no disk can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=False)


@pytest.fixture
async def stage(floor: Floor, small_disk: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The history on the small disk, everything else elsewhere."""
    made = Stage(floor, tmp_path_factory.mktemp("stage"), history=small_disk / "history.db")
    await made.open()
    yield made
    await made.close()


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    stuff = disk / "stuff"
    with stuff.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return stuff


async def test_a_full_disk_costs_no_call_and_every_call_is_written_once_when_there_is_room(
    stage: Stage, small_disk: Path
) -> None:
    async with account_of(stage.floor, ASSISTED) as account:
        await lose_the_disk(stage, small_disk, account)


async def lose_the_disk(stage: Stage, small_disk: Path, account: Callable[[], Account]) -> None:
    """Four calls: one before, two and one who gives up while there is no room."""
    floor = stage.floor
    await floor.log_in("xuzhou", habit=BRIEF)
    await stage.control()
    await stage.assist()
    first = await floor.citizen(ASSISTED)
    await first.until_hears(floor.tone("xuzhou"), 20.0)
    await first.until_ended(10.0)
    stuff = fill(small_disk)
    second, third = await floor.citizen(ASSISTED), await floor.citizen(ASSISTED)
    await stage.until_wrote("a", "history lost", within_s=15.0)
    await second.until_hears(floor.tone("xuzhou"), 20.0)
    third.hang_up()
    await second.until_ended(10.0)
    gave_up = await floor.citizen(ASSISTED)
    gave_up.hang_up()
    assert list((stage.settings.state_dir / "spool").rglob("*")), "the facts are on the other disk"
    stuff.unlink()
    await stage.until_wrote("a", "history written again", within_s=15.0)
    logged = account().calls
    assert len(logged) == 4

    async def all_written() -> bool:
        told = stage.outcomes()
        return all(
            told.get(call, (None, None))[0] == ("answered" if kept.answers else "abandoned")
            for call, kept in logged.items()
        )

    await stage.until_true(all_written, 15.0)
    assert set(stage.outcomes()) == set(logged), "no call twice, none invented"
    assert {by for outcome, by in stage.outcomes().values() if outcome == "answered"} == {"xuzhou"}
