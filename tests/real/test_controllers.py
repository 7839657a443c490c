"""The controller killed anywhere, replaced, doubled, or gone for good: queues and calls go on (design.md §7)."""

import asyncio
import signal
from collections import Counter

import pytest

from callctl import clock
from callctl.core.model import SeatRef, SlotRef
from callctl.lab.call import CallState, PhoneCall
from callctl.lab.phone import Habit
from callctl.pbx import asterisk_names as names
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
TALKS = Habit(answer_after_s=0.3)
SLOW = Habit(answer_after_s=3.0)
ADOPTED_S = 10.0  # 5 s on a machine that has nothing else to do; `make bench` measures it.


async def loans_and_slots(stage: Stage) -> tuple[set[str], set[str]]:
    """As the PBXs have them, tokens and all."""
    lent = [await stage.loans(city) for city in ("xuzhou", "nanjing")]
    return set().union(*lent), set(await stage.slots())


async def until_led_anew(stage: Stage, since: float) -> None:
    """Until controller b publishes the whole province; its time counts once its program is loaded (a busy machine)."""
    await stage.until_wrote("b", '"controller started"', within_s=60.0)
    await stage.until(
        lambda status: status["at"] > since and all(city["up"] for city in status["cities"].values()), ADOPTED_S
    )


def tokens(members: set[str]) -> set[str]:
    """The tokens in the names of loans or slots."""
    return {name.rpartition("-t")[2] for name in members}


async def test_a_controller_killed_while_a_citizen_waits_is_replaced_and_the_citizen_is_helped(stage: Stage) -> None:
    floor = stage.floor
    citizen = await stage.assisted_citizen()
    await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    stage.kill("a")
    killed_at = clock.now()
    stage.start_controller("b")
    await until_led_anew(stage, killed_at)
    assert citizen.hears == "music"
    await floor.log_in("xuzhou", habit=TALKS)
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S


async def test_a_controller_killed_while_a_remote_seat_rings_does_not_stop_the_answer(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=SLOW)
    citizen = await stage.assisted_citizen()
    await stage.until_rung("xuzhou")
    stage.kill("a")
    before = await loans_and_slots(stage)
    await citizen.until_hears(floor.tone("xuzhou"), 10.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    killed_at = clock.now()
    stage.start_controller("b")
    await until_led_anew(stage, killed_at)
    assert await loans_and_slots(stage) == before, "adopted, not doubled"
    assert citizen.state is CallState.UP


async def test_a_controller_killed_in_mid_talk_leaves_the_talk_and_its_successor_adopts_all(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    first = await stage.assisted_citizen()
    await first.until_hears(floor.tone("xuzhou"), 20.0)
    before = await loans_and_slots(stage)
    stage.kill("a")
    killed_at = clock.now()
    stage.start_controller("b")
    await until_led_anew(stage, killed_at)
    status = await stage.status()
    assert status["cities"][ASSISTED]["talking"] == 1
    assert status["cities"][ASSISTED]["lent_in"]["xuzhou"] == {"open": 1, "in_use": 1}
    assert await loans_and_slots(stage) == before, "adopted, not doubled"
    booked = {ref.seat: loan.token for ref, loan in (await stage.room.registry.loans()).items()}
    assert booked == {name.partition("-")[0]: int(name.rpartition("-t")[2]) for name in before[0]}
    second = await floor.citizen(ASSISTED)
    await second.until_hears(floor.tone("xuzhou"), 20.0)
    assert first.hears == floor.tone("xuzhou"), "the talk went on through it all"
    first.hang_up()
    second.hang_up()
    # The successor knows which loans are its own to end: everybody comes home when the queue is calm.
    await stage.until(lambda status: not status["cities"]["xuzhou"]["lent_out"], 20.0)
    await stage.until_true(stage.no_slot_open, 5.0)


async def test_a_dead_mans_switch_ends_the_help_when_no_controller_comes(stage: Stage) -> None:
    floor = stage.floor
    phones = await floor.log_in("xuzhou", habit=TALKS)
    first = await stage.assisted_citizen()
    await first.until_hears(floor.tone("xuzhou"), 20.0)
    stage.kill("a")
    rung = sum(len(phone.calls) for phone in phones)
    # A slot that the controller would close, and a heartbeat that is as old as after two minutes.
    await floor.open_slot(ASSISTED, "xuzhou", number=9)
    await stilled(stage, ASSISTED)
    second = await floor.citizen(ASSISTED)
    await stage.until_true(stage.no_free_slot_open, 10.0)  # Each tried once, refused, and paused itself.
    await first.until_hears(floor.tone("xuzhou"), 2.0)  # Running calls go on.
    assert second.hears == "music"
    # The other side alone: the supporting city answers 486, the slot stays open and backs off.
    await floor.beat(ASSISTED)
    await stilled(stage, "xuzhou")
    await floor.open_slot(ASSISTED, "xuzhou", number=8)
    await stage.until_true(lambda: floor.acts(ASSISTED).slot_tried(SlotRef("xuzhou", 8)), 15.0)
    await stage.until_true(lambda: stage.slot_not_rung("xuzhou", 8), 10.0)
    assert sum(len(phone.calls) for phone in phones) == rung, "nobody abroad was rung"
    assert second.hears == "music"
    [home] = await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=TALKS)
    await second.until_hears(floor.tone(ASSISTED), 15.0)
    assert music_gap_s(second, second.heard[-1].since) < BREAK_S
    assert home.most_calls_at_once == 1


async def stilled(stage: Stage, city: str) -> None:
    """The last heartbeat of a city was long ago."""
    await stage.floor.beat(city, age_s=2 * names.HEARTBEAT_STALE_S)


async def test_of_two_controllers_one_leads_and_the_other_takes_over_in_time(stage: Stage) -> None:
    floor = stage.floor
    await stage.control("a")
    stage.start_controller("b")
    await stage.until_wrote("b", "PBX read", times=3, within_s=40.0)
    assert not stage.wrote("b", '"leading"')
    await floor.log_in("xuzhou", habit=TALKS)
    await stage.assist()
    citizen = await floor.citizen(ASSISTED)
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    before = await loans_and_slots(stage)
    stage.kill("a")
    killed_at = clock.now()
    await until_led_anew(stage, killed_at)
    assert stage.wrote("b", '"leading"') == 1
    lent, slots = await loans_and_slots(stage)
    assert lent <= before[0], "lent again, or twice (brought home meanwhile is right: the queue is calm)"
    assert slots <= before[1]


async def test_a_leader_frozen_beyond_its_lease_orders_nothing_when_it_wakes(stage: Stage) -> None:
    floor = stage.floor
    seats = {city: floor.seats(city) for city in ("xuzhou", "nanjing")}
    await stage.control("a")
    stage.start_controller("b")
    await stage.until_wrote("b", "PBX read", times=3, within_s=40.0)
    await stage.assist()
    citizens = [await floor.citizen(ASSISTED) for _ in range(2)]
    await stage.until(lambda status: bool(status["cities"][ASSISTED]["reasons"]))
    stage.controllers["a"].send_signal(signal.SIGSTOP)
    await stage.until_wrote("b", '"leading"', within_s=ADOPTED_S)
    # What the sleeper has not heard is just what would make it lend: agents sign on.
    for city in seats:
        await floor.log_in(city, habit=TALKS)
    stage.controllers["a"].send_signal(signal.SIGCONT)
    awake_until = clock.now() + 6.0
    lent: Counter[str] = Counter()
    while clock.now() < awake_until:
        now_lent = [name.partition("-")[0] for name in (await loans_and_slots(stage))[0]]
        lent.update(seat for seat, times in Counter(now_lent).items() if times > 1)
        await asyncio.sleep(0.1)
    assert not lent, "one seat in two support queues"
    await asyncio.gather(*(answered(stage, call) for call in citizens))
    lease = stage.lease("b")
    assert tokens(set(await stage.slots())) <= {str(lease)}, "no slot carries the deposed leader's token"
    assert stage.wrote("a", '"lease lost"') == 1
    assert stage.wrote("a", '"leading"') == 1
    assert all(phone.most_calls_at_once <= 1 for city in seats for phone in floor.phones(city))


async def answered(stage: Stage, call: PhoneCall) -> None:
    """By any agent."""
    tones = {stage.floor.tone(city) for city in stage.floor.lab.pbxs}
    await call.until(lambda: call.hears in tones, 20.0)


async def test_of_two_loans_of_a_seat_only_the_newer_one_stays(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=TALKS)
    citizen = await stage.assisted_citizen()
    await citizen.until_hears(floor.tone("xuzhou"), 20.0)
    [name] = await stage.loans("xuzhou")
    seat = name.partition("-")[0]
    # What a leader of long ago would have left: an older loan of the same seat to another city.
    await floor.lend("xuzhou", seat, "nanjing", token=7)

    async def alone() -> bool:
        return await stage.loans("xuzhou", "nanjing") == set()

    await stage.until_true(alone, 5.0)
    assert await stage.loans("xuzhou") == {name}
    assert (await stage.room.registry.loans())[SeatRef("xuzhou", seat)].assisted == ASSISTED
