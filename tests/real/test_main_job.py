"""The main job on real cities: a queue passes its threshold, the switch is on, and another city's agents answer."""

import array
import asyncio
import cmath
import itertools
import math
import wave
from pathlib import Path

import pytest

from callctl.lab.phone import Habit
from callctl.lab.tones import SAMPLES_PER_S, TONES
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
# app_queue looks once a second for each caller (RECHECK 1): callers for whom there is a slot each may swap within it.
POLL_S = 1.2


async def test_waiting_citizens_are_answered_by_other_cities_in_their_order(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=Habit(answer_after_s=0.5, talk_s=3.0))
    await floor.log_in("nanjing", habit=Habit(answer_after_s=0.5, talk_s=3.0))
    await stage.control()
    await stage.assist()
    citizens = [await floor.citizen(ASSISTED) for _ in range(6)]
    helpers = {floor.tone("xuzhou"), floor.tone("nanjing")}
    await asyncio.gather(*(call.until(lambda call=call: call.hears in helpers, 20.0) for call in citizens))
    began = [next(one.since for one in call.heard if one.sound in helpers) for call in citizens]
    for earlier, later in itertools.pairwise(began):
        assert earlier < later + POLL_S, "a later caller was answered first"
    for call, answered in zip(citizens, began, strict=True):
        assert music_gap_s(call, answered) < BREAK_S, "the music broke while waiting"
    for city in ("xuzhou", "nanjing"):
        for seat in floor.seats(city):
            assert floor.phone(city, seat).most_calls_at_once <= 1


async def test_without_the_switch_nobody_is_lent_and_the_reason_is_told(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou")
    await stage.control()
    await floor.citizen(ASSISTED)
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert status["cities"][ASSISTED]["longest_wait_s"] > floor.city(ASSISTED).queue.wait_threshold_s
    assert await stage.loans("xuzhou") == set()
    assert status["cities"][ASSISTED]["reasons"][0]["code"] in {"switched_off", "no_event"}


async def test_a_remote_call_is_recorded_at_home_under_its_call_id_with_both_voices(stage: Stage) -> None:
    floor = stage.floor
    phones = await floor.log_in("xuzhou", habit=Habit(answer_after_s=0.3))
    citizen = await stage.assisted_citizen()
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    helper = next(phone for phone in phones if phone.now_on())
    call = helper.last.header("X-CC-CallId")
    await asyncio.sleep(1.5)
    citizen.hang_up()
    await citizen.until_ended()
    [file] = floor.pbx(ASSISTED).folders.spool.rglob(f"*{call}*")
    assert call.startswith(f"{ASSISTED}-")
    assert file.name == f"{call}.wav"
    await stage.until_true(lambda: stage.no_call_at(ASSISTED), 5.0)
    assert voices(file) == {floor.tone("xuzhou"), "citizen"}
    assert not list(floor.pbx("xuzhou").folders.spool.rglob("*.wav")), "recorded where the agent sits"


def voices(file: Path) -> set[str]:
    """The tones in a mixed 8 kHz recording: those with a tenth of the loudest one's power in its middle second."""
    with wave.open(str(file)) as sound:
        frames = sound.readframes(sound.getnframes())
    samples = array.array("h", frames)
    middle = samples[len(samples) // 2 - 2000 : len(samples) // 2 + 2000]
    turn = -2j * math.pi / SAMPLES_PER_S
    power = {
        name: abs(sum(x * cmath.exp(turn * hertz * i) for i, x in enumerate(middle))) ** 2 for name, hertz in TONES.items()
    }
    return {name for name, one in power.items() if one > max(power.values()) / 10}
