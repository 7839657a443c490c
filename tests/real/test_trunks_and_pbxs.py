"""Trunks full or closed, PBXs killed, frozen and started again: the citizen keeps place and music (design.md §7)."""

import asyncio

import pytest

from callctl import clock
from callctl.lab.call import CallState
from callctl.lab.phone import NEVER_ANSWERS, Habit
from callctl.lab.running import RunningPbx
from tests.real.faults import trunk_closed
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
TALKS = Habit(answer_after_s=0.3)


def dies(pbx: RunningPbx) -> None:
    """A power cut."""
    pbx.kill()


def freezes(pbx: RunningPbx) -> None:
    """It keeps its ports and answers nothing."""
    pbx.freeze()


async def comes_back(pbx: RunningPbx) -> None:
    """Thawed, or started again."""
    if pbx.running:
        pbx.thaw()
    else:
        await pbx.start()


async def test_a_trunk_that_is_full_for_the_controller_rings_nobody_and_says_so(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    narrow = stage.province("xuzhou", {"channels = 30": "channels = 1"})
    await stage.control(environment=narrow)
    await stage.assist()
    first = await floor.citizen(ASSISTED)
    await first.until_hears(floor.tone("xuzhou"), 20.0)
    second = await floor.citizen(ASSISTED)
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert "trunk_full" in {reason["code"] for reason in status["cities"][ASSISTED]["reasons"]}
    assert len(await stage.open_slots()) <= 1
    first.hang_up()
    await second.until_hears(floor.tone("xuzhou"), 20.0)
    assert music_gap_s(second, second.heard[-1].since) < BREAK_S
    assert all(phone.most_calls_at_once <= 1 for phone in floor.phones("xuzhou"))


async def test_a_trunk_fuller_than_the_controller_knows_costs_the_second_caller_nothing(stage: Stage) -> None:
    floor, home = stage.floor, stage.floor.acts(ASSISTED)
    await floor.log_in("xuzhou", habit=TALKS)
    await home.set_channels("xuzhou", 1)
    try:
        first = await stage.assisted_citizen()
        await first.until_hears(floor.tone("xuzhou"), 20.0)
        second = await floor.citizen(ASSISTED)
        await stage.until_recorded("RingEnded", '"trunk_full"')
        assert second.hears == "music"
        first.hang_up()
        await second.until_hears(floor.tone("xuzhou"), 20.0)
        assert music_gap_s(second, second.heard[-1].since) < BREAK_S
    finally:
        await home.set_channels("xuzhou", 30)


async def test_closed_trunk_ports_cost_four_seconds_and_the_trunk_is_marked_down_until_they_open(stage: Stage) -> None:
    floor = stage.floor
    citizen = await stage.assisted_citizen()
    await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    with trunk_closed(floor.city(ASSISTED), floor.city("xuzhou")):
        # Rung before the PBXs' own OPTIONS find out.
        await floor.log_in("xuzhou", habit=TALKS)
        await stage.until_true(lambda: stage.slot_rung("xuzhou"), 20.0)
        rung_at = clock.now()
        await stage.until_true(lambda: stage.slot_not_rung("xuzhou"), 10.0)
        gave_up_s = clock.now() - rung_at
        assert gave_up_s < 4.0 + 1.5, "the INVITE into nothing was given up late"
        assert citizen.hears == "music"
        await stage.until(lambda status: not status["cities"][ASSISTED]["trunks"]["xuzhou"]["up"], 20.0)
        await stage.until_true(stage.no_slot_open, 5.0)
        await floor.log_in("nanjing", habit=TALKS)
        await citizen.until_hears(floor.tone("nanjing"), 20.0)
        assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    await stage.until(lambda status: status["cities"][ASSISTED]["trunks"]["xuzhou"]["up"], 20.0)
    for phone in floor.phones("nanjing"):
        phone.habit = NEVER_ANSWERS
    for seat in floor.seats("nanjing"):
        await floor.phone("nanjing", seat).unregister()
    later = await floor.citizen(ASSISTED)
    await later.until_hears(floor.tone("xuzhou"), 30.0)


@pytest.mark.parametrize("breaks", [dies, freezes])
async def test_a_remote_pbx_that_goes_while_ringing_costs_the_citizen_nothing(stage: Stage, breaks) -> None:
    floor, far = stage.floor, stage.floor.pbx("xuzhou")
    await floor.log_in("xuzhou", habit=NEVER_ANSWERS)
    citizen = await stage.assisted_citizen()
    ringing = await stage.until_rung("xuzhou")
    await asyncio.sleep(0.3)  # Its PBX has heard that the phone rings, and told it home.
    breaks(far)
    await floor.log_in("nanjing", habit=TALKS)
    await citizen.until_hears(floor.tone("nanjing"), 40.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    await stage.until(lambda status: not status["cities"]["xuzhou"]["up"], 20.0)
    await comes_back(far)
    await stage.until(lambda status: status["cities"]["xuzhou"]["up"], 40.0)
    if breaks is freezes:
        await ringing.until_ended(5.0)
    await stage.until_true(lambda: stage.no_call_at("xuzhou"), 10.0)
    citizen.hang_up()
    await stage.until_true(lambda: stage.no_call_at(ASSISTED), 10.0)


@pytest.mark.parametrize("breaks", [dies, freezes])
async def test_a_remote_pbx_that_goes_in_mid_talk_gives_its_citizen_back_to_the_front(stage: Stage, breaks) -> None:
    floor, far = stage.floor, stage.floor.pbx("xuzhou")
    await floor.log_in("xuzhou", floor.seats("xuzhou")[0], floor.seats("xuzhou")[1], habit=TALKS)
    citizen = await stage.assisted_citizen()
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    later = await floor.citizen(ASSISTED)
    breaks(far)
    broke_at = clock.now()
    await citizen.until_hears("music", 10.0)
    assert clock.now() - broke_at < 4.0 + 2.5, "rtp_timeout is 4 s here"
    back_at = citizen.heard[-1].since
    # A home agent who gets free while the first in line rings a slot, or rests for a second after it failed, takes the next
    # one (decision 0002). A frozen city's slot is rung once more, for 4 s at most, then it is closed.
    await stage.until_true(stage.no_slot_open, 15.0)
    await stage.until_true(lambda: stage.slot_not_rung("xuzhou"), 15.0)
    closed_at = clock.now()
    await citizen.until(lambda: clock.now() - closed_at > 2.0)
    [home] = await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=TALKS)
    await citizen.until_hears(floor.tone(ASSISTED), 15.0)
    assert later.hears == "music", "the one who came back goes first"
    assert music_gap_s(citizen, citizen.heard[-1].since, since=back_at) < BREAK_S
    await stage.until(lambda status: not status["cities"]["xuzhou"]["up"], 20.0)
    await comes_back(far)
    await stage.until(lambda status: status["cities"]["xuzhou"]["up"], 40.0)
    await stage.until_true(lambda: stage.no_call_at("xuzhou"), 15.0)
    assert home.last.state is CallState.UP
    # Back again, it helps again: its members are planned anew.
    await floor.log_in("xuzhou", habit=TALKS)
    await later.until_hears(floor.tone("xuzhou"), 30.0)
    assert len(await stage.loans("xuzhou")) >= 1


async def test_a_restarted_home_pbx_is_helped_again_and_keeps_no_ghost_abroad(stage: Stage) -> None:
    floor, home = stage.floor, stage.floor.pbx(ASSISTED)
    await floor.log_in("xuzhou", habit=TALKS)
    lost = await stage.assisted_citizen()
    await lost.until_hears(floor.tone("xuzhou"), 20.0)
    home.kill()
    lost.end("its PBX died")
    await stage.until(lambda status: not status["cities"][ASSISTED]["up"])
    # Nobody talks to a dead city: its trunk leg ends by rtp_timeout.
    await stage.until_true(lambda: stage.no_call_at("xuzhou"), 10.0)
    await home.start()
    await stage.until(lambda status: status["cities"][ASSISTED]["up"], 30.0)
    citizen = await floor.citizen(ASSISTED)
    await citizen.until_hears(floor.tone("xuzhou"), 30.0)
    assert all(phone.most_calls_at_once <= 1 for phone in floor.phones("xuzhou"))
