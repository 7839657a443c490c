"""The lab the other real tests stand on: it gives what it promises, and each test finds the cities as new."""

import pytest

from callctl.lab import sipp
from callctl.lab.crowd import Crowd, CrowdPlan
from callctl.lab.phone import NEVER_ANSWERS, Habit
from tests.real.floor import Floor

pytestmark = pytest.mark.real


async def test_the_rendered_cities_boot_without_a_warning(floor: Floor) -> None:
    for pbx in floor.lab.pbxs.values():
        assert pbx.complaints() == []


async def test_a_citizen_is_answered_at_home(floor: Floor) -> None:
    citizen = await floor.citizen("nanjing")
    assert citizen.hears == "music"
    seat = floor.seats("nanjing")[0]
    [agent] = await floor.log_in("nanjing", seat, habit=Habit(answer_after_s=0.2, talk_s=0.5))
    await citizen.until_hears(floor.tone("nanjing"))
    await agent.last.until_hears("citizen")
    assert agent.last.header("X-CC-Home") in {"", "nanjing"}
    await citizen.until_ended()


async def test_a_lent_seat_answers_across_the_trunk_and_both_hear_each_other(floor: Floor) -> None:
    seat = floor.seats("xuzhou")[0]
    [helper] = await floor.log_in("xuzhou", seat, habit=Habit(answer_after_s=0.5))
    await floor.lend("xuzhou", seat, "yangzhou")
    citizen = await floor.citizen("yangzhou", "13812345678")
    asked = citizen.heard[0].since
    await floor.open_slot("yangzhou", "xuzhou")
    await citizen.until_hears(floor.tone("xuzhou"))
    answered = citizen.heard[-1].since
    await helper.last.until_hears("citizen")
    music_began = next(stretch.since for stretch in citizen.heard if stretch.sound == "music")
    assert citizen.longest_gap_s("music", music_began, answered) < 0.5
    assert asked <= music_began
    assert helper.last.header("X-CC-Home") == "yangzhou"
    assert helper.last.header("X-CC-Caller") == "13812345678"
    assert helper.last.header("X-CC-CallId").startswith("yangzhou-")
    assert helper.most_calls_at_once == 1
    citizen.hang_up()
    assert await helper.last.until_ended() == "hung up there"


async def test_a_citizen_who_hangs_up_stops_the_remote_ringing(floor: Floor) -> None:
    seat = floor.seats("xuzhou")[0]
    [helper] = await floor.log_in("xuzhou", seat, habit=NEVER_ANSWERS)
    await floor.lend("xuzhou", seat, "yangzhou")
    await floor.open_slot("yangzhou", "xuzhou")
    citizen = await floor.citizen("yangzhou")
    rung = await helper.until_rung()
    citizen.hang_up()
    assert await rung.until_ended(3.0) == "cancelled"


async def test_what_one_test_leaves_behind_the_next_does_not_find(floor: Floor) -> None:
    seats = floor.seats("nanjing")
    await floor.log_in("nanjing")
    await floor.open_slot("nanjing", "yangzhou")
    await floor.lend("nanjing", seats[0], "xuzhou")
    await floor.pbx("nanjing").cli(f"queue pause member PJSIP/{seats[0]} queue q12345")
    await floor.citizen("nanjing")
    floor.pbx("yangzhou").freeze()
    floor.pbx("xuzhou").kill()
    await floor.close()  # As at the end of a test: two of the PBXs cannot hear the phones leave.
    await floor.reset()
    assert "Contact:  11" not in await floor.pbx("nanjing").cli("pjsip show contacts")
    said = await floor.pbx("nanjing").cli("queue show q12345") + await floor.pbx("nanjing").cli("queue show support-xuzhou")
    assert "paused" not in said
    assert "dynamic" not in said
    assert "No Callers" in said
    assert "Asterisk" in await floor.pbx("yangzhou").cli("core show version")
    assert "Asterisk" in await floor.pbx("xuzhou").cli("core show version")


async def test_sipps_agents_answer_sipps_citizens(floor: Floor) -> None:
    city, folder = floor.city("yangzhou"), floor.lab.plan.folder
    answering = await sipp.agents(folder, city, floor.lab.settings, answer_after_s=0.1, talk_s=0.5)
    load = sipp.citizens(folder, city, sipp.SippLoad(rate_per_s=3, for_s=3, patience_s=60, seed=5))
    try:
        count = await load.until_ended()
    finally:
        load.stop()
        answering.stop()
    assert (count.placed, count.succeeded, count.failed) == (9, 9, 0)
    log = floor.pbx("yangzhou").queue_log.read_text(encoding="utf-8")
    asked = [line.split("|")[1] for line in log.splitlines() if "|ENTERQUEUE|" in line and "|135145" in line]
    assert len(asked) == 9
    assert any("|CONNECT|" in line and line.split("|")[1] in asked for line in log.splitlines())


async def test_a_crowd_is_counted_as_it_heard_the_city(floor: Floor) -> None:
    agents = await floor.log_in("yangzhou")
    for agent in agents:
        agent.habit = Habit(answer_after_s=0.2, talk_s=0.8)
    crowd = Crowd(floor.city("yangzhou"), CrowdPlan(rate_per_s=4, for_s=3, patience_s=30, seed=7))
    citizens = await crowd.run()
    tally = crowd.tally()
    assert tally.asked == len(citizens) > 3
    assert sum(tally.answered.values()) + tally.gave_up == tally.asked
    assert set(tally.answered) == {floor.tone("yangzhou")}
    assert tally.waiting == tally.talking == tally.thrown_out == tally.returned == 0
    log = floor.pbx("yangzhou").queue_log.read_text(encoding="utf-8")
    assert all(citizen.number in log for citizen in citizens if not citizen.gave_up)
