"""What breaks, in cities with FreeSWITCH and beside Asterisk: the citizen keeps the place, nobody storms, no ghost."""

import asyncio

import pytest

from callctl.core.model import SlotRef
from callctl.lab.call import PhoneCall
from callctl.lab.phone import NEVER_ANSWERS, Habit
from tests.real.floor import Floor
from tests.real.mixed import TALKS, acts, agent_row, both, heard, lent, off_by_itself, quiet, until, until_asked
from tests.real.stage import BREAK_S, music_gap_s

pytestmark = pytest.mark.real
SLOT_SILENCE_S = 4.0  # callctl.render.asterisk.AsteriskTimes


async def in_talk(floor: Floor, home: str, ally: str) -> tuple[PhoneCall, PhoneCall]:
    """A citizen of `home` talks to a lent seat of `ally`: both calls."""
    [phone] = await lent(floor, home, ally)
    citizen = await floor.citizen(home)
    await citizen.until_hears(floor.tone(ally), 15.0)
    await phone.last.until_hears("citizen")
    return citizen, phone.last


async def shut(floor: Floor, home: str, ally: str) -> None:
    """Close the slot and let its ring end: until then a freed agent takes who is second in line (decision 0002)."""
    slot = SlotRef(ally, 1)
    await floor.acts(home).close_slot(slot)

    async def still() -> bool:
        return not await floor.acts(home).slot_rung(slot)

    await until_asked(still, 10.0)
    await asyncio.sleep(2.0)


@both
async def test_a_lent_phone_that_dies_in_mid_talk_brings_the_citizen_to_the_front(
    mixed: Floor, home: str, ally: str
) -> None:
    citizen, _ = await in_talk(mixed, home, ally)
    other = await mixed.citizen(home)  # Waits, and is overtaken by who has talked already.
    mixed.phone(ally, mixed.seats(ally)[0]).vanish()
    await citizen.until_hears("music", 30.0)  # seat_rtp_timeout_s
    await shut(mixed, home, ally)
    [own] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)
    assert other.hears == "music"
    assert own.last.number == citizen.caller


@both
async def test_a_pbx_killed_in_mid_talk_brings_the_citizen_to_the_front(mixed: Floor, home: str, ally: str) -> None:
    citizen, _ = await in_talk(mixed, home, ally)
    other = await mixed.citizen(home)
    mixed.pbx(ally).kill()
    await citizen.until_hears("music", 12.0)
    await shut(mixed, home, ally)
    [own] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)
    assert other.hears == "music"
    assert own.last.number == citizen.caller
    await quiet(mixed, home, within_s=8.0, most=4)  # Two citizens and an agent; a Local channel more, perhaps.


@both
async def test_a_pbx_stopped_in_order_in_mid_talk_brings_the_citizen_to_the_front(
    mixed: Floor, home: str, ally: str
) -> None:
    """SIGTERM, as `systemctl restart` sends it: the PBX ends its calls itself, and that is no hang-up by the agent."""
    citizen, _ = await in_talk(mixed, home, ally)
    other = await mixed.citizen(home)
    stopping = asyncio.create_task(asyncio.to_thread(mixed.pbx(ally).stop, 20.0))
    await citizen.until_hears("music", 12.0)
    await stopping
    await shut(mixed, home, ally)
    [own] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)
    assert other.hears == "music"
    assert own.last.number == citizen.caller


@pytest.mark.parametrize("home", ["nanjing", "yangzhou"], ids=["freeswitch", "asterisk"])
@pytest.mark.parametrize("first", ["inbound", "outbound"], ids=["trunk", "phone"])
async def test_whichever_leg_a_stopping_freeswitch_ends_first_the_citizen_comes_back(
    mixed: Floor, home: str, first: str
) -> None:
    """It ends its legs one by one, in the order of its own table: the trunk's before the phone's in every second stop."""
    citizen, agent = await in_talk(mixed, home, "xuzhou")
    [leg] = [row["uuid"] for row in await acts(mixed, "xuzhou").channel_rows() if row["direction"] == first]
    assert (await mixed.pbx("xuzhou").cli(f"uuid_kill {leg} SYSTEM_SHUTDOWN")).startswith("+OK")
    await agent.until_ended()
    await citizen.until_hears("music", 5.0)


@pytest.mark.parametrize("home", ["nanjing", "yangzhou"], ids=["freeswitch", "asterisk"])
async def test_who_was_called_back_and_loses_the_agent_waits_with_music_and_is_never_rung_twice(
    mixed: Floor, home: str
) -> None:
    carrier = await mixed.carrier(home)
    asking = await mixed.citizen(home, "13800002222")
    asking.press("1")
    assert await asking.until_ended(10.0) == "hung up there"
    carrier.habit = TALKS
    await lent(mixed, home, "xuzhou")

    def rings() -> list[PhoneCall]:
        return [call for call in carrier.calls if call.rung_by is not None]

    await until(lambda: bool(rings()), 15.0)
    [citizen] = rings()
    await citizen.until_hears(mixed.tone("xuzhou"), 15.0)
    mixed.pbx("xuzhou").kill()
    await citizen.until_hears("music", 12.0)
    await shut(mixed, home, "xuzhou")
    [own] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)
    await own.last.until_hears("citizen")
    await asyncio.sleep(2.0)  # Time for a second ring, were there one.
    assert (citizen.state.value, citizen.hears) == ("up", mixed.tone(home))
    assert rings() == [citizen]
    assert own.most_calls_at_once == 1


@both
@pytest.mark.parametrize("silent", ["agent", "citizen"])
async def test_a_silent_end_is_no_dead_end(mixed: Floor, home: str, ally: str, silent: str) -> None:
    """A muted phone that sends nothing for longer than the trunk may be silent (rtp_timeout_s)."""
    citizen, agent = await in_talk(mixed, home, ally)
    (agent if silent == "agent" else citizen).audio.close()
    await asyncio.sleep(9.0)
    assert (citizen.state.value, agent.state.value) == ("up", "up")


@both
async def test_a_home_agents_phone_that_dies_in_mid_talk_does_the_same(mixed: Floor, home: str, ally: str) -> None:
    first, second = mixed.seats(home)[:2]
    [own] = await mixed.log_in(home, first, habit=TALKS)
    citizen = await mixed.citizen(home)
    await citizen.until_hears(mixed.tone(home))
    own.vanish()
    await citizen.until_hears("music", 30.0)  # seat_rtp_timeout_s
    await mixed.log_in(home, second, habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)


@both
async def test_a_frozen_city_costs_its_slot_four_seconds_and_the_citizen_nothing(
    mixed: Floor, home: str, ally: str
) -> None:
    await lent(mixed, home, ally, slots=0)
    mixed.pbx(ally).freeze()
    citizen = await mixed.citizen(home)
    began = asyncio.get_running_loop().time()
    await mixed.open_slot(home, ally)
    if home == "nanjing":
        await off_by_itself(mixed, home, ally)
        assert asyncio.get_running_loop().time() - began < SLOT_SILENCE_S + 2.0
    else:
        await asyncio.sleep(SLOT_SILENCE_S + 2.0)
    await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 10.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    citizen.hang_up()
    mixed.pbx(ally).thaw()
    await quiet(mixed, home, ally, within_s=8.0)
    phone = mixed.phone(ally, mixed.seats(ally)[0])
    await asyncio.sleep(0.5)
    assert not phone.now_on(), "what the thawed city still rang is cancelled"


@both
async def test_a_city_that_dies_while_its_phone_rings_costs_the_citizen_nothing(mixed: Floor, home: str, ally: str) -> None:
    [phone] = await lent(mixed, home, ally, habit=NEVER_ANSWERS)
    citizen = await mixed.citizen(home)
    await phone.until_rung()
    mixed.pbx(ally).kill()
    if home == "nanjing":
        await off_by_itself(mixed, home, ally, within_s=20.0)  # One ring, at the longest.
    await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 20.0)  # The slot's ring, at the longest.
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S


async def test_a_dead_city_is_seen_and_its_slots_fail_at_once(mixed: Floor) -> None:
    mixed.pbx("xuzhou").kill()

    async def seen() -> bool:
        return "xuzhou" in await mixed.pbx("nanjing").trunks_down()

    await until_asked(seen, 20.0)
    for number in range(1, 6):
        await mixed.open_slot("nanjing", "xuzhou", number)
    async with acts(mixed, "nanjing").listen() as events:
        citizen = await mixed.citizen("nanjing")
        await off_by_itself(mixed, "nanjing", "xuzhou", 5)
        await asyncio.sleep(2.5)  # Time for a second attempt, were there one.
        fails = [event for event in events if event.get("CC-Action") == "bridge-agent-fail"]
    assert [event["CC-Hangup-Cause"] for event in fails] == ["GATEWAY_DOWN"] * 5, "one attempt a slot"
    assert citizen.hears == "music"


async def test_a_silent_controller_closes_the_slots_at_home(mixed: Floor) -> None:
    [phone] = await lent(mixed, "nanjing", "xuzhou")
    await mixed.beat("nanjing", age_s=121.0)
    async with acts(mixed, "nanjing").listen() as events:
        citizen = await mixed.citizen("nanjing")
        await off_by_itself(mixed, "nanjing", "xuzhou")
        await asyncio.sleep(0.5)
        causes = [event["CC-Hangup-Cause"] for event in events if event.get("CC-Action") == "bridge-agent-fail"]
    assert causes == ["FACILITY_REJECTED"]
    assert not phone.calls
    assert citizen.hears == "music"
    await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=TALKS)
    await citizen.until_hears(mixed.tone("nanjing"))


@both
async def test_a_silent_controller_lends_no_seat_at_the_supporting_city(mixed: Floor, home: str, ally: str) -> None:
    [phone] = await lent(mixed, home, ally)
    await mixed.beat(ally, age_s=121.0)
    citizen = await mixed.citizen(home)
    await asyncio.sleep(4.0)
    assert not phone.calls
    assert citizen.hears == "music"
    [slot] = (await mixed.acts(home).slots()).values()
    assert slot.is_open, "486: the slot backs off and stays open"
    await mixed.beat(ally)
    await citizen.until_hears(mixed.tone(ally), 10.0)


async def test_a_heartbeat_from_the_future_counts_as_none(mixed: Floor) -> None:
    [phone] = await lent(mixed, "nanjing", "xuzhou")
    await mixed.beat("nanjing", age_s=-100_000.0)
    await mixed.citizen("nanjing")
    await off_by_itself(mixed, "nanjing", "xuzhou")
    assert not phone.calls


async def test_a_city_with_nobody_free_is_asked_every_two_seconds_not_ten_times_a_second(mixed: Floor) -> None:
    await lent(mixed, "nanjing", "xuzhou", slots=3, habit=TALKS)
    busy = await mixed.citizen("nanjing")
    await busy.until_hears(mixed.tone("xuzhou"), 10.0)
    async with acts(mixed, "nanjing").listen() as events:
        waiting = await mixed.citizen("nanjing")
        await asyncio.sleep(8.0)
        fails = [event for event in events if event.get("CC-Action") == "bridge-agent-fail"]
    assert {event["CC-Hangup-Cause"] for event in fails} == {"USER_BUSY"}
    assert 2 <= len(fails) <= 10, "two free slots, each every 2 s at most"
    assert waiting.hears == "music"


async def test_a_full_trunk_is_told_at_both_ends_and_costs_nothing(mixed: Floor) -> None:
    phones = await lent(mixed, "nanjing", "xuzhou", seats=2, slots=2)
    await acts(mixed, "nanjing").set_figure("channels_xuzhou", 1)
    try:
        first = await mixed.citizen("nanjing")
        await first.until_hears(mixed.tone("xuzhou"), 10.0)
        async with acts(mixed, "nanjing").listen() as events:
            second = await mixed.citizen("nanjing")
            await asyncio.sleep(3.0)
            causes = {event["CC-Hangup-Cause"] for event in events if event.get("CC-Action") == "bridge-agent-fail"}
        assert causes == {"NORMAL_CIRCUIT_CONGESTION"}
        assert second.hears == "music"
        assert sum(len(phone.now_on()) for phone in phones) == 1
        first.hang_up()
        await second.until_hears(mixed.tone("xuzhou"), 10.0)
    finally:
        await acts(mixed, "nanjing").set_figure("channels_xuzhou", 30)


@pytest.mark.parametrize("home", ["nanjing", "yangzhou"])
async def test_the_supporting_end_of_a_full_trunk_refuses_too(mixed: Floor, home: str) -> None:
    phones = await lent(mixed, home, "xuzhou", seats=2, slots=2)
    await acts(mixed, "xuzhou").set_figure(f"channels_{home}", 1)
    try:
        citizens = [await mixed.citizen(home) for _ in range(2)]
        await until(lambda: any(heard(citizen, mixed.tone("xuzhou")) for citizen in citizens), 10.0)
        await asyncio.sleep(3.0)
        assert sum(len(phone.now_on()) for phone in phones) == 1
        assert sorted(citizen.hears for citizen in citizens) == sorted(["music", mixed.tone("xuzhou")])
        assert [slot.is_open for slot in (await mixed.acts(home).slots()).values()] == [True, True], "503: full, not broken"
    finally:
        await acts(mixed, "xuzhou").set_figure(f"channels_{home}", 30)


async def test_a_seat_whose_script_dies_is_free_again_at_once(mixed: Floor) -> None:
    [phone] = await lent(mixed, "nanjing", "xuzhou")
    await acts(mixed, "xuzhou").set_figure("support_ring_s", 8.5)  # No whole number: Lua gives up on it.
    try:
        async with acts(mixed, "nanjing").listen() as events:
            citizen = await mixed.citizen("nanjing")
            await until(lambda: any(event.get("CC-Action") == "bridge-agent-fail" for event in events), 10.0)
        assert (await agent_row(mixed, "xuzhou", phone.account.user))["state"] == "Waiting"
        assert citizen.hears == "music"
        assert "callctl seat.lua" in (mixed.pbx("xuzhou").folders.log / "freeswitch.log").read_text("utf-8", "replace")
    finally:
        await acts(mixed, "xuzhou").set_figure("support_ring_s", 8)


async def test_one_caller_moved_by_hand_is_answered_or_comes_back_to_the_front(mixed: Floor) -> None:
    [phone] = await lent(mixed, "nanjing", "xuzhou", slots=0, habit=Habit(reject_with=486))
    ahead = await mixed.citizen("nanjing")
    await asyncio.sleep(1.1)
    moved = await mixed.citizen("nanjing")
    async with acts(mixed, "nanjing").listen() as events:
        await acts(mixed, "nanjing").move(moved.caller, "xuzhou")
        await until(lambda: bool(phone.calls), 10.0)
        await asyncio.sleep(1.0)
        actions = [event["Callctl-Action"] for event in events if "Callctl-Action" in event]
    assert actions == ["move-start"]
    assert moved.hears == "music"
    phone.habit = TALKS
    [own] = await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=TALKS)
    await moved.until_hears(mixed.tone("nanjing"), 10.0)
    assert ahead.hears == "music", "who was taken out by hand and came back is first"
    await acts(mixed, "nanjing").move(ahead.caller, "xuzhou")
    await ahead.until_hears(mixed.tone("xuzhou"), 10.0)
    await phone.last.until_hears("citizen")
    assert own.most_calls_at_once == 1


async def test_a_restarted_freeswitch_has_no_slots_and_no_loans_and_serves_its_own_citizens(mixed: Floor) -> None:
    await lent(mixed, "nanjing", "xuzhou")
    await mixed.lend("nanjing", mixed.seats("nanjing")[0], "xuzhou")
    before = len(mixed.pbx("nanjing").complaints())
    mixed.pbx("nanjing").kill()
    await mixed.pbx("nanjing").start()
    assert await mixed.acts("nanjing").slots() == {}
    assert [row for row in await acts(mixed, "nanjing").rows("tier list") if row["queue"].startswith("support-")] == []
    await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=TALKS)
    citizen = await mixed.citizen("nanjing")
    await citizen.until_hears(mixed.tone("nanjing"), 10.0)
    await asyncio.sleep(0.2)
    assert mixed.pbx("nanjing").complaints()[before:] == []
