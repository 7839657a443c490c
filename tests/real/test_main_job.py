"""The main job on real cities: a queue passes its threshold, the switch is on, and another city's agents answer."""

import asyncio
import itertools

import pytest

from callctl.lab.phone import Habit
from tests.real.stage import ASSISTED, Stage

pytestmark = pytest.mark.real
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
        music = next(one.since for one in call.heard if one.sound == "music")
        assert call.longest_gap_s("music", music, answered) < 0.3, "the music broke while waiting"
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
