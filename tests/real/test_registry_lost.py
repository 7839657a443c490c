"""The registry (Valkey) frozen, killed, and back with an empty memory: who talks goes on, nobody new is lent meanwhile."""

import os
import shutil
import signal

import pytest

from callctl import clock
from callctl.lab.phone import Habit
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
TALKS = Habit(answer_after_s=0.3)
RIGHT_AGAIN_S = 10.0  # 5 s on a machine that has nothing else to do.


def registry_pid(stage: Stage) -> int:
    return int((stage.settings.state_dir / "valkey" / "valkey.pid").read_text())


async def until_right_again(stage: Stage, since: float) -> None:
    await stage.until(
        lambda status: (
            status["at"] > since and status["registry_up"] and all(city["up"] for city in status["cities"].values())
        ),
        RIGHT_AGAIN_S,
    )


@pytest.mark.parametrize("empty", [False, True], ids=["with its memory", "empty"])
async def test_a_registry_that_was_frozen_and_killed_is_filled_from_the_pbxs_and_the_history(
    stage: Stage, empty: bool
) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", floor.seats("xuzhou")[0], floor.seats("xuzhou")[1], habit=TALKS)
    talking = await stage.assisted_citizen()
    await talking.until_hears(floor.tone("xuzhou"), 20.0)
    lent = await stage.loans("xuzhou")
    assert len(lent) == 1
    os.kill(registry_pid(stage), signal.SIGSTOP)
    await stage.until_wrote("a", "registry lost", within_s=8.0)
    # Without it: a new caller waits with music, nobody new is lent, the city's own agents answer, talks go on.
    waiting = await floor.citizen(ASSISTED)
    await floor.log_in("nanjing", habit=TALKS)
    threshold_s = floor.city(ASSISTED).queue.wait_threshold_s
    await waiting.until(lambda: clock.now() - waiting.heard[0].since > threshold_s + 2.0, 15.0)
    assert waiting.hears == "music"
    assert await stage.loans("nanjing") == set()
    assert await stage.loans("xuzhou") == lent
    [home] = await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=TALKS)
    await waiting.until_hears(floor.tone(ASSISTED), 15.0)
    assert music_gap_s(waiting, waiting.heard[-1].since) < BREAK_S
    assert talking.hears == floor.tone("xuzhou")
    home.habit = Habit(answer_after_s=None)
    if empty:
        shutil.rmtree(stage.settings.state_dir / "valkey" / "appendonlydir")
    killed_at = clock.now()
    os.kill(registry_pid(stage), signal.SIGKILL)
    await until_right_again(stage, killed_at)
    status = await stage.status()
    assert status["wishes"]["events"][ASSISTED]["switched_on"], "the wishes came back from the history"
    booked = {f"{ref.seat}-{loan.assisted}-t{loan.token}" for ref, loan in (await stage.room.registry.loans()).items()}
    shown = {name for city in ("xuzhou", "nanjing") for name in await stage.loans(city)}
    assert lent <= booked
    assert booked == shown, "the registry holds what the PBXs show"
    again = await floor.citizen(ASSISTED)
    helpers = {floor.tone("xuzhou"), floor.tone("nanjing")}
    await again.until(lambda: again.hears in helpers, 20.0)
    await talking.until_hears(floor.tone("xuzhou"), 2.0)  # A late packet is heard as silence for a moment.
    assert all(phone.most_calls_at_once <= 1 for city in ("xuzhou", "nanjing") for phone in floor.phones(city))


async def test_with_the_registry_frozen_a_city_that_is_short_still_gets_its_seats_back(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    citizen = await stage.assisted_citizen()
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    os.kill(registry_pid(stage), signal.SIGSTOP)
    try:
        await stage.until_wrote("a", "registry lost", within_s=8.0)
        citizen.hang_up()
        # Calm: the loans end, and the slots close, without any registry.
        await stage.until_true(stage.no_slot_open, 20.0)

        async def home_again() -> bool:
            return await stage.loans("xuzhou") == set()

        await stage.until_true(home_again, 10.0)
    finally:
        os.kill(registry_pid(stage), signal.SIGCONT)
    thawed_at = clock.now()
    await until_right_again(stage, thawed_at)
    await stage.until_true(lambda: no_loan_booked(stage), 10.0)


async def no_loan_booked(stage: Stage) -> bool:
    """The registry holds no loan."""
    return not await stage.room.registry.loans()
