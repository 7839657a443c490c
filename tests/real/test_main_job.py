"""The main job on real cities: a queue passes its threshold, the switch is on, and another city's agents answer."""

import array
import asyncio
import cmath
import itertools
import math
import wave
from pathlib import Path

import pytest

from callctl.lab.call import PhoneCall
from callctl.lab.phone import Habit
from callctl.lab.tones import SAMPLES_PER_S, TONES
from tests.real.floor import Floor
from tests.real.mixed import every_mix, every_mix_and_both, helped_by_both
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = pytest.mark.real
# app_queue looks once a second for each caller (RECHECK 1): callers for whom there is a slot each may swap within it.
POLL_S = 1.2
HELPING = ("xuzhou", "nanjing")


@every_mix_and_both
async def test_waiting_citizens_are_answered_by_other_cities_in_their_order(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=Habit(answer_after_s=0.5, talk_s=3.0))
    await floor.log_in("nanjing", habit=Habit(answer_after_s=0.5, talk_s=3.0))
    await stage.control()
    await stage.assist()
    await answered_in_their_order(floor, [await floor.citizen(ASSISTED) for _ in range(6)], within_s=20.0)


@helped_by_both
async def test_a_queue_that_both_kinds_serve_at_once_is_first_come_first_served(stage: Stage) -> None:
    """One seat of an Asterisk city, one of a FreeSWITCH city, four times as many citizens: several rounds of both."""
    floor = stage.floor
    for city in HELPING:
        await floor.log_in(city, floor.seats(city)[3], habit=Habit(answer_after_s=0.3, talk_s=1.5))
    await stage.control()
    await stage.assist()
    voices_heard = await answered_in_their_order(floor, [await floor.citizen(ASSISTED) for _ in range(8)], within_s=60.0)
    for city in HELPING:
        assert voices_heard.count(floor.tone(city)) >= 2, f"{city} was to serve the queue, too: {voices_heard}"


async def answered_in_their_order(floor: Floor, citizens: list[PhoneCall], within_s: float) -> list[str]:
    """Whose voices the citizens hear, in the order in which they came: nobody is overtaken, no music breaks, no phone
    has two calls."""
    tones = {floor.tone(city) for city in HELPING}
    await asyncio.gather(*(call.until(lambda call=call: bool(tones & heard_by(call)), within_s) for call in citizens))
    answers = [next(one for one in call.heard if one.sound in tones) for call in citizens]
    for earlier, later in itertools.pairwise(answers):
        assert earlier.since < later.since + POLL_S, "a later caller was answered first"
    for call, answer in zip(citizens, answers, strict=True):
        assert music_gap_s(call, answer.since) < BREAK_S, "the music broke while waiting"
    for phone in (floor.phone(city, seat) for city in HELPING for seat in floor.seats(city)):
        assert phone.most_calls_at_once <= 1
    return [answer.sound for answer in answers]


def heard_by(call: PhoneCall) -> set[str]:
    return {one.sound for one in call.heard}


@every_mix
async def test_without_the_switch_nobody_is_lent_and_the_reason_is_told(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou")
    await stage.control()
    await floor.citizen(ASSISTED)
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert status["cities"][ASSISTED]["longest_wait_s"] > floor.city(ASSISTED).queue.wait_threshold_s
    assert await stage.loans("xuzhou") == set()
    assert status["cities"][ASSISTED]["reasons"][0]["code"] in {"switched_off", "no_event"}


@every_mix
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
