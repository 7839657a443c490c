"""Two phones without a PBX between them: a call as both ends see and hear it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callctl import clock
from callctl.lab.call import CallState, PhoneCall
from callctl.lab.phone import BUSY, CRASHED, DECLINES, NEVER_ANSWERS, Habit, Phone
from callctl.lab.registration import Account, RegisterFailed
from callctl.lab.rtp import Audio

HOST = "127.0.0.1"


@pytest.fixture
async def agent() -> AsyncIterator[Phone]:
    phone = Phone(Account("1301", "secret", (HOST, 9)), tone="agent")
    await phone.open(HOST)
    yield phone
    await phone.close()


@pytest.fixture
async def citizen(agent: Phone) -> AsyncIterator[Phone]:
    phone = Phone(Account("13800000001", "", agent.wire.address), tone="citizen")
    await phone.open(HOST)
    yield phone
    await phone.close()


async def test_both_ends_hear_each_others_tone(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0)
    call = await citizen.call("1301")
    await call.until_hears("agent")
    await agent.last.until_hears("citizen")
    assert agent.last.number == "13800000001"


async def test_headers_and_chinese_names_reach_the_agent(citizen: Phone, agent: Phone) -> None:
    await citizen.call("1301", caller="13900000002", name="南京", headers=(("X-CC-CallId", "nanjing-1.2"),))
    rung = await agent.until_rung()
    assert rung.header("X-CC-CallId") == "nanjing-1.2"
    assert '"南京"' in rung.header("From")
    assert rung.number == "13900000002"


async def test_an_agent_who_talks_long_enough_hangs_up(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0, talk_s=0.05)
    call = await citizen.call("1301")
    assert await call.until_ended() == "hung up there"
    assert agent.last.why_ended == "hung up here"


async def test_a_citizen_who_hangs_up_ends_the_agents_call(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0)
    call = await citizen.call("1301")
    await call.until_up()
    call.hang_up()
    assert await agent.last.until_ended() == "hung up there"


@pytest.mark.parametrize(("habit", "status"), [(BUSY, 486), (DECLINES, 603), (Habit(reject_with=480), 480)])
async def test_a_rejected_call_ends_with_the_agents_status(citizen: Phone, agent: Phone, habit: Habit, status: int) -> None:
    agent.habit = habit
    call = await citizen.call("1301")
    assert await call.until_ended() == str(status)
    assert agent.last.why_ended == f"rejected {status}"


async def test_hanging_up_while_it_rings_stops_the_ringing(citizen: Phone, agent: Phone) -> None:
    agent.habit = NEVER_ANSWERS
    call = await citizen.call("1301")
    rung = await agent.until_rung()
    call.hang_up()
    assert await rung.until_ended() == "cancelled"
    assert await call.until_ended() == "cancelled"
    assert not agent.now_on()


async def test_hanging_up_before_the_first_ring_stops_it_too(citizen: Phone, agent: Phone) -> None:
    agent.habit = NEVER_ANSWERS
    call = await citizen.call("1301")
    call.hang_up()
    assert await call.until_ended() == "cancelled"


async def test_an_answer_that_crosses_the_cancel_is_hung_up(citizen: Phone, agent: Phone) -> None:
    agent.habit = NEVER_ANSWERS
    call = await citizen.call("1301")
    rung = await agent.until_rung()
    await call.until(lambda: call.state is CallState.RINGING, 5.0)
    assert rung.answer()  # Both in the same instant: neither message has been delivered yet.
    call.hang_up()
    await asyncio.gather(call.until_ended(), rung.until_ended())
    assert not citizen.now_on()
    assert not agent.now_on()


async def test_keys_are_heard_once_each(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0)
    call = await citizen.call("1301")
    await call.until_up()
    call.press("5#0")
    await _until_keys(agent.last, 3)
    assert agent.last.audio.keys_heard == ["5", "#", "0"]
    await call.until_hears("agent")


async def _until_keys(call: PhoneCall, count: int) -> None:
    await call.until(lambda: len(call.audio.keys_heard) >= count, 5.0)


async def test_a_crashed_phone_answers_nothing(citizen: Phone, agent: Phone) -> None:
    agent.habit = CRASHED
    call = await citizen.call("1301")
    with pytest.raises(TimeoutError):
        await call.until_ended(within_s=0.7)  # Longer than the first resend.
    assert call.statuses == []
    assert not agent.calls


async def test_a_phone_that_vanishes_sends_nothing_more(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0)
    call = await citizen.call("1301")
    await call.until_hears("agent")
    agent.vanish()
    vanished_at = clock.now()
    with pytest.raises(TimeoutError):
        await call.until_ended(within_s=0.3)
    assert call.heard[-1].until < vanished_at + 0.1
    assert call.state is CallState.UP


async def test_a_second_call_at_once_is_noticed(citizen: Phone, agent: Phone) -> None:
    agent.habit = NEVER_ANSWERS
    await citizen.call("1301")
    first = await agent.until_rung()
    await citizen.call("1301")
    agent.rung.clear()
    await agent.rung.wait()
    assert agent.most_calls_at_once == 2
    first.reject()


async def test_rubbish_on_the_port_is_counted_and_dropped(citizen: Phone, agent: Phone) -> None:
    agent.habit = Habit(answer_after_s=0.0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=agent.wire.address)
    for rubbish in (b"\xff" * 200, b"INVITE", b"SIP/2.0 200 OK\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        transport.sendto(rubbish)
    call = await citizen.call("1301")
    await call.until_up()
    assert agent.wire.malformed == 4
    transport.close()


async def test_a_call_that_ends_before_it_has_a_port_keeps_none(agent: Phone) -> None:
    audio = Audio(agent.wire.address[0], "agent")
    opening = asyncio.create_task(audio.open())
    await asyncio.sleep(0)
    assert not opening.done()
    audio.close()
    await opening
    assert audio.port
    assert audio._transport is not None
    assert audio._transport.is_closing()


async def test_no_pbx_to_register_at_is_one_clear_sentence(agent: Phone) -> None:
    with pytest.raises(RegisterFailed, match=r"the PBX at 127\.0\.0\.1 does not answer phone 1301"):
        await agent.register(within_s=0.1)
