"""What a citizen gets in cities with FreeSWITCH, alone and beside Asterisk: no controller, seats lent by hand."""

import asyncio

import pytest

from callctl import clock
from callctl.lab.freeswitch_log import read_lent_log
from callctl.lab.phone import BUSY, CRASHED, DECLINES, NEVER_ANSWERS, Habit
from tests.real.conftest import SAID_AT_BOOT
from tests.real.floor import Floor
from tests.real.mixed import NAMES, TALKS, acts, agent_row, both, heard, lent, quiet, until, until_asked
from tests.real.stage import BREAK_S, music_gap_s

pytestmark = pytest.mark.real
# What takes the stand-in of a call-back away, and what brings it again.
NO_STAND_IN = {
    "nanjing": ("unload mod_loopback", "load mod_loopback"),
    "yangzhou": ("dialplan remove context cc-cb-queue", "dialplan reload"),
}


async def _both_free_the_second_rested_longer(mixed: Floor, *seats: str) -> bool:
    rows, now = [await agent_row(mixed, "nanjing", seat) for seat in seats], int(clock.now())
    first, second = [max(int(row["ready_time"]), int(row["last_bridge_end"])) for row in rows]
    return second < first < now - 1 and all((row["status"], row["state"]) == ("Available", "Waiting") for row in rows)


async def test_the_rendered_cities_boot_without_a_warning(mixed: Floor) -> None:
    assert {code: said for code, said in SAID_AT_BOOT.items() if said} == {}
    assert SAID_AT_BOOT.keys() == mixed.lab.pbxs.keys()


async def test_an_own_agent_answers_and_both_hear_each_other(mixed: Floor) -> None:
    citizen = await mixed.citizen("nanjing", "13812345678")
    assert citizen.hears == "music"
    [agent] = await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=TALKS)
    await citizen.until_hears(mixed.tone("nanjing"))
    await agent.last.until_hears("citizen")
    assert agent.last.number == "13812345678"
    assert agent.last.header("X-CC-CallId").startswith("nanjing-")
    citizen.hang_up()
    assert await agent.last.until_ended() == "hung up there"
    await quiet(mixed, "nanjing")


@both
async def test_a_lent_seat_answers_across_the_trunk(mixed: Floor, home: str, ally: str) -> None:
    [phone] = await lent(mixed, home, ally, slots=0)
    citizen = await mixed.citizen(home, "13812345678")
    await asyncio.sleep(1.2)
    await mixed.open_slot(home, ally)
    await citizen.until_hears(mixed.tone(ally))
    answered = citizen.heard[-1].since
    await phone.last.until_hears("citizen")
    assert music_gap_s(citizen, answered) < BREAK_S, "music until the answer, without a gap"
    call = phone.last
    assert call.header("X-CC-CallId").startswith(f"{home}-")
    assert (call.header("X-CC-Home"), call.header("X-CC-Caller")) == (home, "13812345678")
    assert call.header("X-CC-T0") in call.header("X-CC-CallId")
    assert 1 <= int(call.header("X-CC-Waited")) <= 10
    assert f"{NAMES[home]}12345" in call.header("from"), "any phone shows for whom the agent answers"
    assert call.number == "13812345678"
    call.hang_up()
    await quiet(mixed, ally)
    await asyncio.sleep(1.0)
    assert citizen.state.value == "up", "the survey"
    assert citizen.hears != "music", "who was hung up on is no lost leg"
    citizen.hang_up()
    await quiet(mixed, home)


@both
async def test_a_citizen_who_hangs_up_stops_the_remote_ringing(mixed: Floor, home: str, ally: str) -> None:
    [phone] = await lent(mixed, home, ally, habit=NEVER_ANSWERS)
    citizen = await mixed.citizen(home)
    call = await phone.until_rung()
    citizen.hang_up()
    assert await call.until_ended(2.0) == "cancelled"
    await quiet(mixed, home, ally)
    phone.habit = TALKS
    later = await mixed.citizen(home)
    await later.until_hears(mixed.tone(ally), 15.0)


@both
@pytest.mark.parametrize("habit", [BUSY, DECLINES, CRASHED], ids=["busy", "declines", "crashed"])
async def test_an_agent_who_does_not_take_the_call_costs_the_citizen_nothing(
    mixed: Floor, home: str, ally: str, habit: Habit
) -> None:
    [phone] = await lent(mixed, home, ally, habit=habit)
    citizen = await mixed.citizen(home)
    await phone.rung.wait() if habit is not CRASHED else await asyncio.sleep(3.0)
    assert citizen.hears == "music"
    [own] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(home), 20.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    assert own.most_calls_at_once == phone.most_calls_at_once == (1 if habit is not CRASHED else 0) or own.calls


@both
async def test_a_phone_that_rings_out_is_told_home_and_the_citizen_stays(mixed: Floor, home: str, ally: str) -> None:
    [phone] = await lent(mixed, home, ally, habit=NEVER_ANSWERS)
    citizen = await mixed.citizen(home)
    call = await phone.until_rung()
    assert await call.until_ended(12.0) == "cancelled"  # support_ring_s
    assert citizen.hears == "music"
    await asyncio.sleep(0.5)
    [slot] = (await mixed.acts(home).slots()).values()
    assert slot.is_open, "480: the city is fine, nobody picked up"


async def test_nobody_is_overtaken_and_nobody_doubled(mixed: Floor) -> None:
    phones = await lent(mixed, "nanjing", "xuzhou", seats=1, slots=3, habit=Habit(answer_after_s=0.2, talk_s=1.0))
    citizens = []
    for _ in range(3):
        citizens.append(await mixed.citizen("nanjing"))
        await asyncio.sleep(1.1)
    await until(lambda: all(heard(citizen, mixed.tone("xuzhou")) for citizen in citizens), 40.0)
    voice = mixed.tone("xuzhou")
    answered = [next(stretch.since for stretch in citizen.heard if stretch.sound == voice) for citizen in citizens]
    assert answered == sorted(answered), "first come, first served"
    assert phones[0].most_calls_at_once == 1


async def test_three_legs_at_once_for_two_lent_seats_ring_two_and_the_third_is_refused(mixed: Floor) -> None:
    phones = await lent(mixed, "yangzhou", "nanjing", seats=2, slots=3, habit=NEVER_ANSWERS)
    await mixed.carrier("yangzhou")
    citizens = await asyncio.gather(*(mixed.citizen("yangzhou") for _ in range(3)))
    await until(lambda: all(phone.now_on() for phone in phones), 10.0)
    await asyncio.sleep(2.0)
    assert [phone.most_calls_at_once for phone in phones] == [1, 1]
    assert all(citizen.hears == "music" for citizen in citizens)


async def test_a_lent_dedicated_seat_rings_before_a_shared_one_that_has_rested_longer(mixed: Floor) -> None:
    seats = mixed.seats("nanjing")
    shared, dedicated = await mixed.log_in("nanjing", seats[0], seats[-1], habit=Habit(answer_after_s=0.2, talk_s=0.5))
    await mixed.lend("nanjing", seats[-1], "yangzhou")
    await mixed.open_slot("yangzhou", "nanjing")
    earlier = await mixed.citizen("yangzhou")
    await earlier.until_hears(mixed.tone("nanjing"))
    await dedicated.last.until_ended()
    earlier.hang_up()
    await mixed.lend("nanjing", seats[0], "yangzhou")
    await until_asked(lambda: _both_free_the_second_rested_longer(mixed, seats[-1], seats[0]), 15.0)
    citizen = await mixed.citizen("yangzhou")
    await citizen.until_hears(mixed.tone("nanjing"), 15.0)
    assert (len(dedicated.calls), len(shared.calls)) == (2, 0), "callctl spares the shared one for the own citizens"


async def test_a_lent_phone_is_never_rung_by_its_own_queue_too(mixed: Floor) -> None:
    [phone] = await lent(mixed, "yangzhou", "nanjing", habit=Habit(answer_after_s=0.3, talk_s=2.0))
    foreign = await mixed.citizen("yangzhou")
    await foreign.until_hears(mixed.tone("nanjing"))
    own = await mixed.citizen("nanjing")
    await asyncio.sleep(1.0)
    assert own.hears == "music"
    await own.until_hears(mixed.tone("nanjing"), 10.0)  # After the talk and the rest.
    assert phone.most_calls_at_once == 1


async def test_a_shared_seat_is_first_of_all_its_own_citys(mixed: Floor) -> None:
    [phone] = await lent(mixed, "yangzhou", "nanjing", slots=0, habit=Habit(answer_after_s=0.2, talk_s=0.5))
    await phone.unregister()
    own = [await mixed.citizen("nanjing") for _ in range(2)]
    foreign = await mixed.citizen("yangzhou")
    await mixed.open_slot("yangzhou", "nanjing")
    await phone.register()
    await foreign.until_hears(mixed.tone("nanjing"), 20.0)
    assert all(heard(citizen, mixed.tone("nanjing")) for citizen in own)


async def test_a_home_agent_freed_while_a_remote_seat_rings_never_doubles_an_answer(mixed: Floor) -> None:
    [remote] = await lent(mixed, "nanjing", "xuzhou", habit=Habit(answer_after_s=2.0))
    citizen = await mixed.citizen("nanjing")
    await remote.until_rung()
    later = await mixed.citizen("nanjing")
    [own] = await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=Habit(answer_after_s=0.2))
    ours = {mixed.tone("xuzhou"), mixed.tone("nanjing")}
    await asyncio.gather(*(call.until(lambda call=call: call.hears in ours, 20.0) for call in (citizen, later)))
    assert remote.most_calls_at_once == own.most_calls_at_once == 1


async def test_the_score_is_told_and_the_talk_is_recorded_under_the_call_id(mixed: Floor) -> None:
    [agent] = await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=Habit(answer_after_s=0.2, talk_s=1.0))
    async with acts(mixed, "nanjing").listen() as events:
        citizen = await mixed.citizen("nanjing")
        await citizen.until_hears(mixed.tone("nanjing"))
        call = agent.last.header("X-CC-CallId")
        await agent.last.until_ended()
        await asyncio.sleep(0.5)
        citizen.press("7")  # No score: asked again.
        await asyncio.sleep(1.5)
        citizen.press("4")
        assert await citizen.until_ended(15.0) == "hung up there"
        said = [event for event in events if event.get("Callctl-Action") == "survey"]
    assert [(event["Callctl-Call"], event["Callctl-Score"]) for event in said] == [(call, "4")]
    recordings = list(mixed.pbx("nanjing").folders.spool.rglob(f"{call}*.wav"))
    assert [path.stem for path in recordings] == [call]
    assert 0.5 * 16_000 < recordings[0].stat().st_size < 3 * 16_000, "the talk, not the waiting and not the survey"


async def test_who_asks_to_be_called_back_keeps_the_place(mixed: Floor) -> None:
    before = await mixed.citizen("nanjing", "13800001111")
    await asyncio.sleep(1.1)
    asking = await mixed.citizen("nanjing", "13800002222")
    await asyncio.sleep(1.1)
    behind = await mixed.citizen("nanjing", "13800003333")
    asking.press("1")
    assert await asking.until_ended(10.0) == "hung up there"
    carrier = await mixed.carrier("nanjing")
    carrier.habit = TALKS
    [agent] = await mixed.log_in("nanjing", mixed.seats("nanjing")[0], habit=Habit(answer_after_s=0.2, talk_s=1.5))
    await until(lambda: heard(behind, mixed.tone("nanjing")), 30.0)
    assert heard(before, mixed.tone("nanjing"))
    rings = [call for call in carrier.calls if call.rung_by is not None]
    assert len(rings) == 1
    assert heard(rings[0], mixed.tone("nanjing")), "the citizen hears the agent"
    order = [call.header("X-CC-Caller") for call in agent.calls]
    assert order == ["13800001111", "13800002222", "13800003333"]
    assert agent.most_calls_at_once == 1


@pytest.mark.parametrize("home", ["nanjing", "yangzhou"], ids=["freeswitch", "asterisk"])
async def test_who_asks_to_be_called_back_is_not_let_go_when_nobody_can_wait_in_the_citizens_stead(
    mixed: Floor, home: str
) -> None:
    citizen = await mixed.citizen(home, "13800002222")
    await asyncio.sleep(1.1)
    behind = await mixed.citizen(home, "13800003333")
    broken, mended = NO_STAND_IN[home]
    await mixed.pbx(home).cli(broken)
    try:
        citizen.press("1")
        # He is told that it is impossible, and hears music again.
        await until(lambda: sum(stretch.sound == "music" for stretch in citizen.heard) >= 2, 15.0)
        [agent] = await mixed.log_in(home, mixed.seats(home)[0], habit=TALKS)
        await citizen.until_hears(mixed.tone(home), 15.0)
        assert behind.hears == "music", "he has not lost the place either"
        assert agent.last.header("X-CC-Caller") == "13800002222"
    finally:
        await mixed.pbx(home).cli(mended)


async def test_a_withheld_number_cannot_be_called_back_and_keeps_waiting(mixed: Floor) -> None:
    citizen = await mixed.citizen("nanjing", "0012125550100")
    citizen.press("1")
    await asyncio.sleep(3.0)
    assert citizen.state.value == "up"
    await citizen.until_hears("music")
    assert not [call for call in (await mixed.carrier("nanjing")).calls if call.rung_by is not None]


async def test_a_full_queue_says_so(mixed: Floor) -> None:
    await acts(mixed, "nanjing").set_figure("max_waiting", 1)
    try:
        first = await mixed.citizen("nanjing")
        carrier = await mixed.carrier("nanjing")
        async with acts(mixed, "nanjing").listen() as events:
            second = await carrier.call("12345", caller="13800009999")
            await second.until_up()
            assert await second.until_ended(15.0) == "hung up there"
            assert [event["Callctl-Status"] for event in events if event.get("Callctl-Action") == "queue-end"] == ["FULL"]
        assert not heard(second, "music")
        assert heard(second, "signal"), "a tone where nothing is recorded"
        assert first.hears == "music"
    finally:
        await acts(mixed, "nanjing").set_figure("max_waiting", 0)


async def test_the_supporting_citys_own_log_has_the_calls_its_agents_answered(mixed: Floor) -> None:
    [phone] = await lent(mixed, "yangzhou", "nanjing")
    citizen = await mixed.citizen("yangzhou")
    await citizen.until_hears(mixed.tone("nanjing"), 15.0)
    call = phone.last.header("X-CC-CallId")
    await asyncio.sleep(0.5)
    account = read_lent_log(mixed.pbx("nanjing").folders.log / "freeswitch.log", "yangzhou", 0.0)
    assert account.calls[call].answered_by == mixed.seats("nanjing")[0]
