"""The link to a PBX breaks, stalls or swallows messages: that city is unknown, nobody plans on stale facts, it heals."""

from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.lab.phone import Habit
from callctl.store.report import gaps
from callctl.store.schema import open_engine
from tests.real.faults import ManagerWire
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
TALKS = Habit(answer_after_s=0.3)
PING_S = 10.0  # A silent PBX is lost after a ping and its deadline, 5 s each.
REREAD_S = 30.0


@pytest.fixture
async def wire(stage: Stage) -> AsyncIterator[ManagerWire]:
    """The controller's wire to xuzhou; see `through`."""
    async with ManagerWire(stage.floor.city("xuzhou")) as made:
        yield made


async def through(wire: ManagerWire, stage: Stage) -> None:
    """Start a controller that hears xuzhou through the wire."""
    port = wire.city.pbx.ami_port
    await stage.control(environment=stage.province("xuzhou", {f"ami_port = {port}": f"ami_port = {wire.port}"}))
    assert wire.connected == 1
    await stage.assist()


async def test_a_city_whose_link_breaks_is_unknown_and_gets_no_loans_until_it_is_read_again(
    stage: Stage, wire: ManagerWire
) -> None:
    floor, began = stage.floor, clock.now()
    history = open_engine(stage.settings.sql_url)
    await floor.log_in("xuzhou", habit=TALKS)
    await through(wire, stage)
    first = await floor.citizen(ASSISTED)
    await first.until_hears(floor.tone("xuzhou"), 20.0)
    lent = await stage.loans("xuzhou")
    wire.cut()
    status = await stage.until(lambda status: not status["cities"]["xuzhou"]["up"])
    assert status["cities"]["xuzhou"]["waiting"] is None, "unknown is not nought"
    second = await floor.citizen(ASSISTED)
    await stage.until(lambda status: status["cities"][ASSISTED]["over_threshold"] == 1)
    assert second.hears == "music"
    assert await stage.loans("xuzhou") == lent, "nothing is lent by a city nobody hears"
    assert first.hears == floor.tone("xuzhou"), "the talk needs no link"
    await wire.mend()
    await stage.until(lambda status: status["cities"]["xuzhou"]["up"], 15.0)
    await second.until_hears(floor.tone("xuzhou"), 20.0)
    assert music_gap_s(second, second.heard[-1].since) < BREAK_S

    async def the_gap_is_noted() -> bool:
        found = await gaps(history, began, clock.now())
        return any(gap.city == "xuzhou" and gap.since is not None and gap.until is not None for gap in found)

    try:
        await stage.until_true(the_gap_is_noted, 5.0)
    finally:
        await history.dispose()
    assert all(phone.most_calls_at_once <= 1 for phone in floor.phones("xuzhou"))


async def test_a_link_that_stalls_for_three_seconds_is_not_lost_and_the_order_comes_late(
    stage: Stage, wire: ManagerWire
) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    await through(wire, stage)
    citizen = await floor.citizen(ASSISTED)
    wire.stall()
    called_at = citizen.heard[0].since
    await citizen.until(lambda: clock.now() - called_at > 3.5)
    assert citizen.hears == "music"
    assert await stage.loans("xuzhou") == set()
    wire.flow()
    await citizen.until_hears(floor.tone("xuzhou"), 15.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    assert stage.wrote("a", '"PBX lost"') == 0
    assert wire.connected == 1


async def test_a_link_that_stalls_for_long_is_lost_and_another_city_helps(stage: Stage, wire: ManagerWire) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    await through(wire, stage)
    wire.stall()
    citizen = await floor.citizen(ASSISTED)
    await stage.until(lambda status: not status["cities"]["xuzhou"]["up"], PING_S + 5.0)
    assert citizen.hears == "music"
    await floor.log_in("nanjing", habit=TALKS)
    await citizen.until_hears(floor.tone("nanjing"), 20.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    wire.flow()
    await stage.until(lambda status: status["cities"]["xuzhou"]["up"], 30.0)
    assert len(await stage.loans("xuzhou")) <= 1


def tells_of_phones(message: bytes) -> bool:
    """Whether the PBX says by itself that a phone came or went, is free or busy."""
    asterisk = b"Event: QueueMemberStatus\r\n" in message and b"ActionID" not in message
    freeswitch = b"text/event-plain" in message and b"CC-Action: agent-stat" in message
    return asterisk or freeswitch


async def test_a_link_that_swallows_messages_is_put_right_by_the_next_reading(stage: Stage, wire: ManagerWire) -> None:
    floor = stage.floor
    wire.swallows = tells_of_phones
    await through(wire, stage)
    heard_at = clock.now()
    await floor.log_in("xuzhou", habit=TALKS)  # Nobody is told.
    citizen = await floor.citizen(ASSISTED)
    status = await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    assert status["cities"]["xuzhou"]["seats"]["offline"] == len(floor.seats("xuzhou"))
    await citizen.until_hears(floor.tone("xuzhou"), REREAD_S + 15.0)
    assert clock.now() - heard_at < REREAD_S + 10.0
    assert wire.swallowed > 0
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
