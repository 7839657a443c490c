"""Trespass on real Asterisk: who gets where, and that nobody gets anywhere else; nothing forged becomes a fact."""

import asyncio
import ipaddress
import re
import secrets
from collections.abc import AsyncIterator

import pytest

from callctl.core.events import CallAnswered, CallWaiting, SurveyAnswered
from callctl.lab import sip
from callctl.lab.call import PhoneCall
from callctl.lab.phone import NEVER_ANSWERS, Habit, Phone
from callctl.lab.registration import Account, RegisterFailed
from callctl.lab.wire import Address
from tests.real.floor import Floor
from tests.real.listener import Listener
from tests.real.stranger import Stranger

pytestmark = pytest.mark.real
CITY, PEER, THIRD = "yangzhou", "xuzhou", "nanjing"
# Every way to somewhere else that has ever worked on somebody's PBX.
ELSEWHERE = (
    *("2001", "2002", "1301", "13800000001", "051487654321", "0012125550100", "+8613800000001", "110", "9"),
    *("*8", "*72", "**", "#", "#1", "*98", "h", "s", "i", "t", "e", "o", "T", "a", "1", "beat", "front", "lost"),
    *("xuzhou-support-01", "nanjing-support-01", "support1", "supportx", "support-xuzhou", "Support", "SUPPORT"),
    *("s@cc-hotline", "12345@cc-from-pstn", "cc-seat", "cc-move", "cc-cb-dial", "cc-cb-queue", "cc-none", "cc-keys"),
    *("PJSIP%2f13800000001%40pstn", "Local%2f12345%40cc-from-pstn", "%24%7bSHELL(id)%7d", "%24%7bEXTEN%7d", "%73"),
    *("1'%20OR%20'1'='1", "support%0d%0aX-Evil%3a%201", "1%00support", "support%20", "%e5%8d%97%e4%ba%ac", "_X."),
    *("1" * 300, "9" * 3000, ".", "-", "support.", "+", "()", "support&PJSIP%2f2001", "2001|13800000001"),
)
# "%0d%0a" in a number is a line end for Asterisk. The whole must be short: it keeps 80 characters.
EVIL = "1%0d%0a%0d%0aEvent%3a%20UserEvent%0d%0aUserEvent%3a%20CCEvil%0d%0aX%3a"


@pytest.fixture
def target(floor: Floor) -> Address:
    """Where the attacked city listens."""
    return floor.city(CITY).pbx.host, floor.city(CITY).pbx.sip_port


@pytest.fixture
async def watched(floor: Floor) -> AsyncIterator[list[Phone]]:
    """The city's phones and its carrier: none of them may ring, whatever is tried in the test."""
    before = len(floor.pbx(CITY).complaints())  # Of the tests before this one, which kill and freeze PBXs.
    await floor.lend(CITY, floor.seats(CITY)[0], THIRD)  # Not for the peer that attacks.
    phones = [*await floor.log_in(CITY, habit=NEVER_ANSWERS), await floor.carrier(CITY)]
    yield phones
    await asyncio.sleep(0.3)
    assert [phone.account.user for phone in phones if any(call.rung_by for call in phone.calls)] == []
    assert "0 active channels" in await floor.pbx(CITY).cli("core show channels count")
    assert not re.search(r" (?:ERROR|Segfault)", "\n".join(floor.pbx(CITY).complaints()[before:]))


def agents_machine(floor: Floor) -> str:
    """An address among the agents' phones that is no phone."""
    return str(ipaddress.ip_network(floor.city(CITY).pbx.phones)[250])


async def accepted(stranger: Stranger, numbers: tuple[str, ...], **how: str) -> dict[str, int]:
    """Of these numbers, those that were not refused, with the status."""
    answers = [(number, await stranger.ask("INVITE", number, **how, within_s=0.3)) for number in numbers]
    return {number: answer.status for number, answer in answers if not answer.refused}


async def test_from_another_city_nothing_but_support_can_be_reached(
    floor: Floor, target: Address, watched: list[Phone]
) -> None:
    async with Stranger(floor.city(PEER).pbx.host, target) as peer:
        assert (await peer.ask("INVITE", "support")).status == 486
        assert await accepted(peer, ("12345", "051412345", *ELSEWHERE)) == {}
        for sender in ("2001", "pstn", "12345", "trunk-nanjing", f"<sip:{EVIL}@x>", '"h" <sip:h@cc-hotline>'):
            assert await accepted(peer, ("12345", "2001", "13800000001"), sender=sender) == {}
        for line in (
            f"P-Asserted-Identity: <sip:2001@{target[0]}>",
            f"Route: <sip:{floor.city(CITY).pbx.carrier};lr>",
            "Diversion: <sip:2001@x>;reason=unconditional",
            "X-CC-Home: yangzhou",
            "Request-Disposition: proxy",
        ):
            assert await accepted(peer, ("12345", "2001", "13800000001"), extra=line) == {}


async def test_from_an_unknown_address_nothing_is_answered_but_no(
    floor: Floor, target: Address, watched: list[Phone]
) -> None:
    async with Stranger("127.0.99.1", target) as nobody:
        for sender in ("stranger", "2001", "pstn", "trunk-xuzhou"):
            for number in ("support", "12345", "2001", "13800000001"):
                assert (await nobody.ask("INVITE", number, sender=sender)).status == 403
        for method in ("REGISTER", "OPTIONS", "SUBSCRIBE", "REFER", "MESSAGE", "NOTIFY", "PUBLISH"):
            assert (await nobody.ask(method, "2001")).status == 403


async def test_a_machine_among_the_agents_phones_is_neither_the_carrier_nor_a_city(
    floor: Floor, target: Address, watched: list[Phone]
) -> None:
    async with Stranger(agents_machine(floor), target) as machine:
        for sender in ("pstn", "trunk-xuzhou", "trunk-nanjing", "2001", "support", "12345", "stranger"):
            for number in ("12345", "support", "2001", "13800000001"):
                assert (await machine.ask("INVITE", number, sender=sender)).status == 401, sender


async def test_a_registered_agent_can_dial_nothing(floor: Floor, target: Address, watched: list[Phone]) -> None:
    phone = watched[0]
    for number in ("12345", "support", *(number for number in ELSEWHERE if re.fullmatch(r"[\w*#+%.-]{1,60}", number))):
        call = await phone.call(number)
        assert (await call.until_ended(5.0)) in {"404", "416", "484"}, number


async def test_the_carrier_reaches_12345_only(floor: Floor, target: Address, watched: list[Phone]) -> None:
    async with Stranger(floor.city(CITY).pbx.carrier, target) as carrier:
        assert await accepted(carrier, ("support", *ELSEWHERE)) == {}


async def test_requests_that_are_no_calls_lead_nowhere(floor: Floor, target: Address, watched: list[Phone]) -> None:
    refer = f"Refer-To: <sip:13800000001@{target[0]}>\r\nReferred-By: <sip:2001@{target[0]}>"
    for host in (floor.city(PEER).pbx.host, floor.city(CITY).pbx.carrier, agents_machine(floor)):
        async with Stranger(host, target) as stranger:
            for method, extra in (
                ("REFER", refer),
                ("SUBSCRIBE", "Event: presence\r\nExpires: 60"),
                ("SUBSCRIBE", "Event: message-summary\r\nExpires: 60"),
                ("PUBLISH", "Event: presence"),
                ("MESSAGE", "Content-Type: text/plain"),
                ("NOTIFY", "Event: check-sync"),
                *((method, "") for method in ("INFO", "UPDATE", "PRACK", "BYE", "CANCEL", "INVENTED")),
            ):
                assert (await stranger.ask(method, "2001", extra=extra)).refused, (host, method)
            for whom in ("2001", "trunk-xuzhou", "trunk-nanjing", "pstn", "12345"):
                answer = await stranger.ask("REGISTER", "", sender=whom, to=f"<sip:{whom}@{target[0]}>")
                assert answer.status >= 400, (host, whom)
    contacts = await floor.pbx(CITY).cli("pjsip show contacts")
    assert "stranger@" not in contacts


async def test_a_phone_cannot_take_another_agents_seat(floor: Floor, target: Address) -> None:
    mine, other = floor.seats(CITY)[:2]
    password = floor.lab.settings.phone_secret(CITY, mine)
    for account in (Account(other, password, target), Account(other, "", target), Account("pstn", password, target)):
        phone = Phone(account, tone="agent")
        await phone.open(agents_machine(floor))
        with pytest.raises(RegisterFailed):
            await phone.register()
        await phone.close()
    # The right password from a network without phones.
    phone = Phone(Account(mine, password, target), tone="agent")
    await phone.open(floor.city(PEER).pbx.host)
    with pytest.raises(RegisterFailed):
        await phone.register()
    await phone.close()


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
    await floor.pbx(CITY).cli(f"queue pause member PJSIP/{floor.seats(CITY)[0]} queue q12345")
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
        assert (rung.header("X-CC-Caller"), rung.header("X-CC-Waited")) == ("1", "-1"[1:])
        assert "徐州12345" in rung.header("From")
        asked.cancel()
    await floor.pbx(CITY).cli("channel request hangup all")


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


async def test_line_ends_in_what_a_citizen_sends_become_no_facts(floor: Floor, target: Address, heard: Listener) -> None:
    async with Stranger(floor.city(CITY).pbx.carrier, target) as carrier:
        for sender, extra in (
            (f"<sip:{EVIL}@x>", ""),
            (f'"{EVIL}" <sip:139@x>', ""),
            ('"A\r\nEvent: CCEvil" <sip:139@x>', ""),
            ('"A\rEvent: CCEvil\r" <sip:139@x>', ""),
            ('"A\\\rB\x0b\x0c\x1c\x00" <sip:139@x>', ""),
            (f"<sip:139@x;user={EVIL}>", ""),
            ("139", f"P-Asserted-Identity: <sip:{EVIL}@x>"),
            ("139", f'P-Asserted-Identity: "{EVIL}" <sip:{EVIL}@x>\r\nPrivacy: id'),
            ("139", f'Remote-Party-ID: "{EVIL}" <sip:{EVIL}@x>;party=calling;screen=yes'),
            ("139", f"Diversion: <sip:{EVIL}@x>;reason=busy"),
            ("139", f"Reason: Q.850;cause=16;text={EVIL}"),
            ("139", f"User-Agent: {EVIL}\r\nSubject: {EVIL}\r\nX-CC-Caller: {EVIL}\r\nX-CC-CallId: {EVIL}"),
            ('"\udcff\udcfe\xa0\u2028\u202e" <sip:139@x>', ""),
            (f'"{"市" * 700}" <sip:{"1" * 700}@x>', ""),
        ):
            await carrier.ask("INVITE", "12345", sender=sender, extra=extra, within_s=0.4)
            await carrier.ask("INVITE", "051412345", sender=sender, extra=extra, within_s=0.4)
        await carrier.ask("INVITE", EVIL, sender=f"<sip:{EVIL}@x>")
        await asyncio.sleep(1.5)
        await floor.pbx(CITY).cli("channel request hangup all")
        await asyncio.sleep(0.5)
    calls = [fact.call.number for fact in heard.facts if isinstance(fact, CallWaiting)]
    assert len(calls) > 10
    assert all(re.fullmatch(r"\+?\d*", number) for number in calls)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
async def test_a_new_identity_in_mid_call_becomes_no_fact(floor: Floor, heard: Listener, method: str) -> None:
    citizen = await floor.citizen(CITY)
    identity = ("P-Asserted-Identity", f"<sip:{EVIL}@x>")
    within_call(citizen, method, (identity, ("Remote-Party-ID", f"<sip:{EVIL}@x>")), citizen.audio.sdp())
    await asyncio.sleep(0.5)
    citizen.hang_up()


async def test_line_ends_from_another_city_become_no_facts(floor: Floor, target: Address, heard: Listener) -> None:
    await floor.log_in(CITY, floor.seats(CITY)[0], habit=Habit(reject_with=486))
    await floor.lend(CITY, floor.seats(CITY)[0], PEER)
    async with Stranger(floor.city(PEER).pbx.host, target) as peer:
        lines = f"X-CC-CallId: {EVIL}\r\nX-CC-Caller: {EVIL}\r\nX-CC-T0: {EVIL}\r\nX-CC-Waited: {EVIL}"
        for number in ("support", EVIL, "9%0d%0aChannel%3a%20PJSIP%2fpstn-1%0d%0aX%3a"):
            for extra in (lines, f"P-Asserted-Identity: <sip:{EVIL}@x>"):
                await peer.ask("INVITE", number, sender=f'"{EVIL}" <sip:{EVIL}@x>', extra=extra, within_s=1.0)


async def test_a_forged_name_of_who_answered_becomes_no_fact(floor: Floor, heard: Listener) -> None:
    """The peer's PBX itself is the attacker: it answers the slot, and says who answered."""
    host, port = floor.city(PEER).pbx.host, floor.city(PEER).pbx.sip_port
    floor.pbx(PEER).kill()
    peer = Phone(Account("support", "", floor_address(floor)), tone="helper", habit=NEVER_ANSWERS)
    await peer.open(host, port)
    try:
        async with asyncio.timeout(15.0):
            while f"trunk-{PEER}/sip:{host}:{port}" not in await usable_trunks(floor):
                await floor.pbx(CITY).cli(f"pjsip qualify trunk-{PEER}")
                await asyncio.sleep(0.2)
        await floor.open_slot(CITY, PEER)
        carrier = await floor.carrier(CITY)
        await carrier.call("12345", caller="13800000001")
        leg = await peer.until_rung(20.0)
        await asyncio.sleep(0.3)  # Until the phone has a port for the voice.
        assert leg.rung_by is not None
        said = (("Contact", leg._ends.contact), ("P-Asserted-Identity", f'"{EVIL}" <sip:{EVIL}@x>'))
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


async def usable_trunks(floor: Floor) -> str:
    """The lines of the contacts that answer."""
    shown = await floor.pbx(CITY).cli("pjsip show contacts")
    return "\n".join(line for line in shown.splitlines() if "Avail" in line)


def floor_address(floor: Floor) -> Address:
    """The attacked city's SIP address."""
    return floor.city(CITY).pbx.host, floor.city(CITY).pbx.sip_port


async def test_chinese_names_reach_the_agents_phones_without_control_signs(floor: Floor) -> None:
    seat = floor.seats(CITY)[0]
    [agent] = await floor.log_in(CITY, seat, habit=NEVER_ANSWERS)
    carrier = await floor.carrier(CITY)
    await carrier.call("12345", caller="13800000001", name="张三（扬州）")
    assert '"张三（扬州）"' in (await agent.until_rung()).header("From")
    carrier.last.hang_up()
    await agent.last.until_ended()
    async with Stranger(floor.city(CITY).pbx.carrier, floor_address(floor)) as rough:
        asked = asyncio.create_task(rough.ask("INVITE", "12345", sender='"李\r四, (b)\x07" <sip:139@x>', within_s=5.0))
        shown = (await agent.until_rung()).header("From")
        assert '"李四, (b)"' in shown
        await asked
        await floor.pbx(CITY).cli("channel request hangup all")
    await agent.unregister()

    [remote] = await floor.log_in(PEER, floor.seats(PEER)[0], habit=NEVER_ANSWERS)
    await floor.lend(PEER, floor.seats(PEER)[0], CITY)
    await floor.open_slot(CITY, PEER)
    await carrier.call("12345", caller="13800000001", name="张三")
    rung = await remote.until_rung(15.0)
    assert '"扬州12345"' in rung.header("From")
    assert rung.number == "13800000001"
