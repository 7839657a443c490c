"""What strangers write, and where calls could be led: nothing forged becomes a fact, no call travels on. On both PBXs."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator

import pytest

from callctl.core.events import CallAnswered, CallWaiting, SurveyAnswered
from callctl.core.model import PbxKind
from callctl.lab import sip
from callctl.lab.call import PhoneCall
from callctl.lab.phone import NEVER_ANSWERS, Habit, Phone
from callctl.lab.registration import Account
from callctl.lab.wire import Address
from tests.real.floor import Floor
from tests.real.listener import Listener
from tests.real.mixed import FREESWITCH, until_asked
from tests.real.stranger import EVIL, EVIL_ESL, Stranger

CITY, PEER, THIRD = "yangzhou", "xuzhou", "nanjing"
pytestmark = [
    pytest.mark.real,
    pytest.mark.parametrize(
        "cities",
        [{}, dict.fromkeys((CITY, PEER, THIRD), FREESWITCH)],
        ids=["asterisk", FREESWITCH],
        indirect=True,
        scope="session",
    ),
]


@pytest.fixture
def evil(floor: Floor) -> str:
    """A number with line ends, written for the management interface of the attacked city's PBX."""
    return EVIL_ESL if floor.city(CITY).pbx.kind is PbxKind.FREESWITCH else EVIL


@pytest.fixture
def target(floor: Floor) -> Address:
    """Where the attacked city listens."""
    return floor.city(CITY).pbx.host, floor.city(CITY).pbx.sip_port


async def test_an_agent_in_a_talk_cannot_send_the_citizen_elsewhere(floor: Floor) -> None:
    [agent] = await floor.log_in(CITY, floor.seats(CITY)[0])
    citizen = await floor.citizen(CITY)
    await citizen.until_hears(floor.tone(CITY))
    for extra in (("Refer-To", "<sip:13800000009@127.0.0.1>"), ("Refer-To", "<sip:support@trunk-xuzhou>")):
        within_call(agent.last, "REFER", (extra,))
    agent.last.press("#1")
    agent.last.press("*2")
    await asyncio.sleep(1.0)
    assert citizen.hears == floor.tone(CITY)
    carrier = await floor.carrier(CITY)
    assert not [call for call in carrier.calls if call.rung_by]


def within_call(call: PhoneCall, method: str, extra: sip.Headers, body: str = "") -> None:
    """A request of any kind inside a call."""
    call._number += 1
    call._wire.send(call._message(method, f"z9hG4bK{secrets.token_hex(6)}", extra, body), call._peer)


# ------------------------------------------------------------------------------------------------ hop guard
async def test_a_call_from_another_city_never_travels_on(floor: Floor) -> None:
    await floor.open_slot(CITY, PEER)
    # The supporter is assisted itself: its slots lead to a third city and, in a circle, back to the first.
    await floor.open_slot(PEER, THIRD)
    await floor.open_slot(PEER, CITY, 2)
    third = await floor.log_in(THIRD, floor.seats(THIRD)[0])
    await floor.lend(THIRD, floor.seats(THIRD)[0], PEER)
    back = await floor.log_in(CITY, floor.seats(CITY)[0], habit=NEVER_ANSWERS)
    await floor.acts(CITY).pause(floor.seats(CITY)[0])
    await floor.lend(CITY, floor.seats(CITY)[0], PEER)
    lent = await floor.log_in(PEER, floor.seats(PEER)[0], habit=Habit(reject_with=486))
    await floor.lend(PEER, floor.seats(PEER)[0], CITY)
    citizen = await floor.citizen(CITY)
    async with asyncio.timeout(10.0):
        await lent[0].rung.wait()
    await asyncio.sleep(4.0)  # Two more rounds of the slot.
    assert not third[0].calls
    assert not back[0].calls
    assert citizen.hears == "music"


async def test_the_home_city_and_the_caller_come_from_the_trunk_and_our_own_pbx(floor: Floor, target: Address) -> None:
    """What a carrier's caller writes into X-CC headers is nothing; what a city writes names its own calls only."""
    [agent] = await floor.log_in(CITY, floor.seats(CITY)[0], habit=NEVER_ANSWERS)
    forged = (("X-CC-CallId", "nanjing-1.1"), ("X-CC-Home", "nanjing"), ("X-CC-Caller", "110"), ("X-CC-T0", "1"))
    carrier = await floor.carrier(CITY)
    await carrier.call("12345", caller="13912345678", headers=(*forged, ("X-CC-Waited", "9999")))
    rung = await agent.until_rung()
    assert rung.header("X-CC-CallId").startswith("yangzhou-")
    assert (rung.header("X-CC-Home"), rung.header("X-CC-Caller")) == ("yangzhou", "13912345678")
    assert int(rung.header("X-CC-Waited")) < 5
    carrier.last.hang_up()
    await rung.until_ended()
    await asyncio.sleep(1.0)  # The PBX sees a phone as free a moment after its ring.

    await floor.lend(CITY, floor.seats(CITY)[0], PEER)
    async with Stranger(floor.city(PEER).pbx.host, target) as peer:
        lines = [f"X-CC-Home: {THIRD}", "X-CC-CallId: nanjing-1.1${SHELL(id)}\t" + "9" * 900, "X-CC-Caller: 1;rm -rf"]
        lines += [f"X-CC-T0: {'8' * 400}", "X-CC-Waited: -1)${EXTEN}", "X-CC-Home: \udcff\udcfe"]
        asked = asyncio.create_task(peer.ask("INVITE", "support", extra="\r\n".join(lines), within_s=3.0))
        rung = await agent.until_rung()
        assert rung.header("X-CC-Home") == PEER
        assert re.fullmatch(r"[a-z0-9.-]*", rung.header("X-CC-CallId"))
        assert re.fullmatch(r"1?", rung.header("X-CC-Caller"))
        assert rung.header("X-CC-Waited") in {"0", "1"}
        assert "徐州12345" in rung.header("From")
        asked.cancel()
    await floor.acts(CITY).hang_up_all()


# ------------------------------------------------------------------------------------------------ forged facts
@pytest.fixture
async def heard(floor: Floor) -> AsyncIterator[Listener]:
    """callctl's own link to the attacked city; in the end it must have met nothing broken or forged."""
    async with Listener(floor, CITY) as listener:
        yield listener
        await asyncio.sleep(0.5)
        await listener.observe()
        assert listener.link.distrusted == 0, "a line end of a stranger reached the manager"
        assert not [fact for fact in listener.facts if isinstance(fact, SurveyAnswered)]


async def test_line_ends_in_what_a_citizen_sends_become_no_facts(
    floor: Floor, target: Address, heard: Listener, evil: str
) -> None:
    async with Stranger(floor.city(CITY).pbx.carrier, target) as carrier:
        for sender, extra in (
            (f"<sip:{evil}@x>", ""),
            (f'"{evil}" <sip:139@x>', ""),
            ('"A\r\nEvent: CCEvil" <sip:139@x>', ""),
            ('"A\rEvent: CCEvil\r" <sip:139@x>', ""),
            ('"A\\\rB\x0b\x0c\x1c\x00" <sip:139@x>', ""),
            (f"<sip:139@x;user={evil}>", ""),
            ("139", f"P-Asserted-Identity: <sip:{evil}@x>"),
            ("139", f'P-Asserted-Identity: "{evil}" <sip:{evil}@x>\r\nPrivacy: id'),
            ("139", f'Remote-Party-ID: "{evil}" <sip:{evil}@x>;party=calling;screen=yes'),
            ("139", f"Diversion: <sip:{evil}@x>;reason=busy"),
            ("139", f"Reason: Q.850;cause=16;text={evil}"),
            ("139", f"User-Agent: {evil}\r\nSubject: {evil}\r\nX-CC-Caller: {evil}\r\nX-CC-CallId: {evil}"),
            ('"\udcff\udcfe\xa0\u2028\u202e" <sip:139@x>', ""),
            (f'"{"市" * 700}" <sip:{"1" * 700}@x>', ""),
        ):
            await carrier.ask("INVITE", "12345", sender=sender, extra=extra, within_s=0.4)
            await carrier.ask("INVITE", "051412345", sender=sender, extra=extra, within_s=0.4)
        await carrier.ask("INVITE", evil, sender=f"<sip:{evil}@x>")
        await asyncio.sleep(1.5)
        await floor.acts(CITY).hang_up_all()
        await asyncio.sleep(0.5)
    calls = [fact.call.number for fact in heard.facts if isinstance(fact, CallWaiting)]
    assert len(calls) > 10
    assert all(re.fullmatch(r"\+?\d*", number) for number in calls)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_a_new_identity_in_mid_call_becomes_no_fact(floor: Floor, heard: Listener, method: str, evil: str) -> None:
    citizen = await floor.citizen(CITY)
    identity = ("P-Asserted-Identity", f"<sip:{evil}@x>")
    within_call(citizen, method, (identity, ("Remote-Party-ID", f"<sip:{evil}@x>")), citizen.audio.sdp())
    await asyncio.sleep(0.5)
    citizen.hang_up()


async def test_line_ends_from_another_city_become_no_facts(
    floor: Floor, target: Address, heard: Listener, evil: str
) -> None:
    await floor.log_in(CITY, floor.seats(CITY)[0], habit=Habit(reject_with=486))
    await floor.lend(CITY, floor.seats(CITY)[0], PEER)
    async with Stranger(floor.city(PEER).pbx.host, target) as peer:
        lines = f"X-CC-CallId: {evil}\r\nX-CC-Caller: {evil}\r\nX-CC-T0: {evil}\r\nX-CC-Waited: {evil}"
        for number in ("support", evil, "9%0d%0aChannel%3a%20PJSIP%2fpstn-1%0d%0aX%3a"):
            for extra in (lines, f"P-Asserted-Identity: <sip:{evil}@x>"):
                await peer.ask("INVITE", number, sender=f'"{evil}" <sip:{evil}@x>', extra=extra, within_s=1.0)


async def trunk_is_up(floor: Floor) -> bool:
    """Whether the attacked city believes in the one that attacks."""
    return PEER not in await floor.pbx(CITY).trunks_down()


async def test_a_forged_name_of_who_answered_becomes_no_fact(
    floor: Floor, target: Address, heard: Listener, evil: str
) -> None:
    """The peer's PBX itself is the attacker: it answers the slot, and says who answered."""
    host, port = floor.city(PEER).pbx.host, floor.city(PEER).pbx.sip_port
    floor.pbx(PEER).kill()
    peer = Phone(Account("support", "", target), tone="helper", habit=NEVER_ANSWERS)
    await peer.open(host, port)
    try:
        await until_asked(lambda: trunk_is_up(floor), 20.0)
        await floor.open_slot(CITY, PEER)
        carrier = await floor.carrier(CITY)
        await carrier.call("12345", caller="13800000001")
        leg = await peer.until_rung(20.0)
        await asyncio.sleep(0.3)  # Until the phone has a port for the voice.
        assert leg.rung_by is not None
        said = (("Contact", leg._ends.contact), ("P-Asserted-Identity", f'"{evil}" <sip:{evil}@x>'))
        tag = sip.tag_of(leg._ends.local)
        peer.wire.send(sip.response(leg.rung_by, 183, "Progress", tag, said), leg._peer)
        typed = (*said, ("Content-Type", "application/sdp"))
        peer.wire.send(sip.response(leg.rung_by, 200, "OK", tag, typed, leg.audio.sdp()), leg._peer)
        leg._up()
        await heard.until(CallAnswered)
        carrier.last.hang_up()
        await leg.until_ended()
    finally:
        await peer.close()
        await asyncio.sleep(0.1)  # asyncio gives the port back a moment later.
        await floor.pbx(PEER).start()
        await floor.lab.until_trunks_up()
