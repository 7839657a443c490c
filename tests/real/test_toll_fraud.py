"""Trespass on real Asterisk: who gets where, and that nobody gets anywhere else. (Forged facts: test_forged_facts.)"""

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator

import pytest

from callctl.lab.phone import NEVER_ANSWERS, Phone
from callctl.lab.registration import Account, RegisterFailed
from callctl.lab.wire import Address
from tests.real.floor import Floor
from tests.real.stranger import EVIL, Stranger

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
