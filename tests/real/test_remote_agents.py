"""Whatever the remote agent or the citizen does: the citizen has not moved, and nobody is doubled (design.md §7)."""

import asyncio

import pytest

from callctl.lab.phone import BUSY, CRASHED, DECLINES, NEVER_ANSWERS, Habit
from tests.real.conftest import TIMES
from tests.real.mixed import every_mix
from tests.real.stage import ASSISTED, BREAK_S, Stage, music_gap_s

pytestmark = [pytest.mark.real, every_mix]
TALKS = Habit(answer_after_s=0.3, talk_s=None)


@pytest.mark.parametrize("habit", [BUSY, DECLINES, CRASHED], ids=["busy", "rejects", "phone crashed"])
async def test_an_agent_who_does_not_take_the_call_costs_the_citizen_nothing(stage: Stage, habit: Habit) -> None:
    floor = stage.floor
    # Reserve is one: three seats are lent, and the one that fails is among them whichever is kept.
    first, *others = floor.seats("xuzhou")
    await floor.log_in("xuzhou", first, others[0], habit=habit)
    citizen = await stage.assisted_citizen()
    phones = [floor.phone("xuzhou", seat) for seat in (first, others[0])]
    await asyncio.wait(
        [asyncio.create_task(phone.until_rung(20.0)) for phone in phones], return_when=asyncio.FIRST_COMPLETED
    )
    rung_at = citizen.heard[-1].until
    assert citizen.hears == "music"
    await floor.log_in("nanjing", habit=TALKS)
    await citizen.until_hears(floor.tone("nanjing"), 30.0)
    answered = citizen.heard[-1].since
    assert answered > rung_at
    assert music_gap_s(citizen, answered) < BREAK_S
    assert all(phone.most_calls_at_once <= 1 for phone in phones)


async def test_an_agent_who_lets_it_ring_is_left_alone_and_another_answers(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", *floor.seats("xuzhou")[:2], habit=NEVER_ANSWERS)
    citizen = await stage.assisted_citizen()
    phones = [floor.phone("xuzhou", seat) for seat in floor.seats("xuzhou")[:2]]
    await stage.until(lambda status: any(phone.now_on() for phone in phones), 20.0)
    # Nobody else is there: the ring runs out, the citizen still hears music, the seat cools down.
    rung = next(phone for phone in phones if phone.now_on())
    assert await rung.last.until_ended(30.0) == "cancelled"
    rang_s = (rung.last.at("ended") or 0.0) - (rung.last.at("rung") or 0.0)
    assert TIMES.support_ring_s - 1.0 < rang_s < TIMES.slot_ring_s, "to its end, and once"
    await citizen.until_hears("music", 1.0)
    others = await floor.log_in("nanjing", habit=TALKS)
    await citizen.until_hears(floor.tone("nanjing"), 40.0)
    assert music_gap_s(citizen, citizen.heard[-1].since) < BREAK_S
    # By the call's id: an INVITE that a crashed phone of an earlier test never answered is still being sent again.
    ours = next(phone.last for phone in others if phone.now_on()).header("X-CC-CallId")
    rings = [sum(call.header("X-CC-CallId") == ours for call in phone.calls) for phone in phones]
    assert max(rings) == 1, "rung again before its cool-down"


async def test_an_agent_who_signs_off_is_not_rung_and_the_loan_ends(stage: Stage) -> None:
    floor = stage.floor
    phones = await floor.log_in("xuzhou", habit=NEVER_ANSWERS)
    await stage.assisted_citizen()
    await stage.until(lambda status: bool(status["cities"]["xuzhou"]["lent_out"]))
    for phone in phones:
        await phone.unregister()
    await stage.until(lambda status: not status["cities"][ASSISTED]["lent_in"].get("xuzhou", {}).get("open"), 25.0)
    await stage.until_true(stage.no_slot_open, 10.0)


async def test_a_home_agent_freed_while_a_remote_seat_rings_never_doubles_an_answer(stage: Stage) -> None:
    floor = stage.floor
    await floor.log_in("xuzhou", habit=Habit(answer_after_s=4.0))
    citizen = await stage.assisted_citizen()
    phones = [floor.phone("xuzhou", seat) for seat in floor.seats("xuzhou")]
    await stage.until(lambda status: any(phone.now_on() for phone in phones), 20.0)
    later = await floor.citizen(ASSISTED)
    home = floor.seats(ASSISTED)[0]
    [agent] = await floor.log_in(ASSISTED, home, habit=Habit(answer_after_s=0.2))
    ours = {floor.tone("xuzhou"), floor.tone(ASSISTED)}
    await asyncio.gather(*(call.until(lambda call=call: call.hears in ours, 20.0) for call in (citizen, later)))
    await asyncio.sleep(1.0)
    talking = [phone for phone in [*phones, agent] if any(call.state.value == "up" for call in phone.now_on())]
    assert len(talking) == 2, "two citizens, two agents"
    assert all(phone.most_calls_at_once <= 1 for phone in [*phones, agent])


async def test_a_citizen_who_hangs_up_while_a_remote_seat_rings_leaves_no_ghost(stage: Stage) -> None:
    floor = stage.floor
    phones = await floor.log_in("xuzhou", habit=NEVER_ANSWERS)
    citizen = await stage.assisted_citizen()
    await stage.until(lambda status: any(phone.now_on() for phone in phones), 20.0)
    rung = next(phone for phone in phones if phone.now_on())
    citizen.hang_up()
    assert await rung.last.until_ended(2.0) == "cancelled"
    for code in (ASSISTED, "xuzhou"):
        await stage.until_true(lambda code=code: stage.no_call_at(code), 5.0)
    await stage.until(lambda status: status["cities"][ASSISTED]["waiting"] == 0)


async def test_a_remote_call_ends_at_both_ends_whoever_hangs_up(stage: Stage) -> None:
    floor = stage.floor
    phones = await floor.log_in("xuzhou", habit=TALKS)
    for who in ("citizen", "agent"):
        citizen = await (stage.assisted_citizen() if who == "citizen" else floor.citizen(ASSISTED))
        await citizen.until_hears(floor.tone("xuzhou"), 20.0)
        agent = next(phone for phone in phones if phone.now_on())
        await agent.last.until_hears("citizen")
        (citizen if who == "citizen" else agent.last).hang_up()
        await agent.last.until_ended(3.0)
        await citizen.until_ended(5.0)
