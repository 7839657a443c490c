"""Trespass on a real FreeSWITCH: who gets where, and that nobody gets anywhere else; nothing forged, nothing run."""

import asyncio
import ipaddress
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from callctl.lab.call import PhoneCall
from callctl.lab.phone import NEVER_ANSWERS, Phone
from callctl.lab.registration import Account, RegisterFailed
from callctl.lab.running import PbxFailed, RunningPbx
from callctl.lab.wire import Address
from tests.real.by_hand import FreeSwitchActs
from tests.real.floor import Floor
from tests.real.mixed import TALKS, acts, lent, quiet
from tests.real.stranger import Answer, Stranger

pytestmark = pytest.mark.real
CITY, PEER, THIRD = "nanjing", "xuzhou", "yangzhou"
LOOPBACK = "127.0.0.0/8"  # Where a lab lets callctl in from.
ELSEWHERE = (
    *("1101", "1104", "1303", "13800000001", "051487654321", "0012125550100", "+8613800000001", "110", "9", "9196"),
    *("*8", "*72", "**", "#", "#1", "h", "s", "i", "arrived", "queue", "full", "after", "survey", "move", "callback"),
    *(
        "callback-waits",
        "callback-dial",
        "callback-expired",
        "support1",
        "supportx",
        "Support",
        "SUPPORT",
        "support-xuzhou",
    ),
    *("park", "sofia%2fgateway%2fcarrier%2f13800000001", "user%2f1104", "loopback%2f12345", "inline%3abridge"),
    *("%24%7bsystem(id)%7d", "%24%7bdestination_number%7d", "support%0d%0aX-Evil%3a%201", "1%00support", "support%20"),
    *("1'%20OR%20'1'='1", "%e5%8d%97%e4%ba%ac", "1" * 300, ".", "-", "support.", "+", "support%2cbridge", "&park()"),
)


@pytest.fixture
def target(mixed: Floor) -> Address:
    """Where the attacked city listens."""
    return mixed.city(CITY).pbx.host, mixed.city(CITY).pbx.sip_port


@pytest.fixture
async def watched(mixed: Floor) -> AsyncIterator[list[Phone]]:
    """The city's phones and its carrier: none of them may ring, whatever is tried in the test."""
    await mixed.lend(CITY, mixed.seats(CITY)[0], THIRD)  # Not for the peer that attacks.
    phones = [*await mixed.log_in(CITY, habit=NEVER_ANSWERS), await mixed.carrier(CITY)]
    yield phones
    await asyncio.sleep(0.3)
    assert [phone.account.user for phone in phones if any(call.rung_by for call in phone.calls)] == []
    await quiet(mixed, CITY)


async def answers(stranger: Stranger, numbers: tuple[str, ...], **how: str) -> dict[str, Answer]:
    """What was said to each number that was not plainly refused (400, 403, 404, or dropped unread), or that rang at all."""
    found = {number: await stranger.ask("INVITE", number, **how, within_s=5.0) for number in numbers}
    return {number: said for number, said in found.items() if not (said.refused and said.status in {0, 400, 403, 404})}


def agents_machine(floor: Floor) -> str:
    """An address among the agents' phones that is no phone."""
    return str(ipaddress.ip_network(floor.city(CITY).pbx.phones)[250])


async def test_from_another_city_nothing_but_support_can_be_reached(
    mixed: Floor, target: Address, watched: list[Phone]
) -> None:
    async with Stranger(mixed.city(PEER).pbx.host, target) as peer:
        assert (await peer.ask("INVITE", "support")).status == 486, "nobody is lent to that city"
        assert (await peer.ask("INVITE", "12345")).status == 404
        assert await answers(peer, ("12345", "02512345", *ELSEWHERE)) == {}
        for sender in ("1104", "carrier", "12345", '"h" <sip:h@hotline>', "<sip:1104@nanjing>"):
            assert await answers(peer, ("12345", "1104", "13800000001"), sender=sender) == {}
        for line in (
            f"P-Asserted-Identity: <sip:1104@{target[0]}>",
            f"Route: <sip:{mixed.city(CITY).pbx.carrier};lr>",
            "Diversion: <sip:1104@x>;reason=unconditional",
            f"X-AUTH-IP: {mixed.city(CITY).pbx.carrier}",
            f"X-FS-Auth-Token: carrier@{CITY}",
            "X-CC-Home: nanjing",
        ):
            assert await answers(peer, ("12345", "1104", "13800000001"), extra=line) == {}
            assert (await peer.ask("INVITE", "support", extra=line)).status == 486, "its home is its address"


async def test_a_stranger_gets_403_whatever_he_says(mixed: Floor, target: Address, watched: list[Phone]) -> None:
    network = target[0].split(".")[1]
    async with Stranger(f"127.{network}.200.1", target) as stranger:
        for number in ("12345", "support", "1104", "13800000001"):
            for sender in ("stranger", "1104", "carrier", "trunk-xuzhou"):
                assert (await stranger.ask("INVITE", number, sender=sender)).status == 403


async def test_a_phone_may_dial_nothing(mixed: Floor, target: Address, watched: list[Phone]) -> None:
    async with Stranger(agents_machine(mixed), target) as machine:
        assert await answers(machine, ("12345", "support", "1105", *ELSEWHERE), sender="1104") == {}


async def test_the_carrier_reaches_12345_and_nothing_else(mixed: Floor, target: Address, watched: list[Phone]) -> None:
    async with Stranger(mixed.city(CITY).pbx.carrier, target) as carrier:
        assert await answers(carrier, ("support", *ELSEWHERE)) == {}


async def test_a_phone_registers_only_from_the_agents_network_with_its_own_password(mixed: Floor, target: Address) -> None:
    seat = mixed.seats(CITY)[0]
    password = mixed.lab.settings.phone_secret(CITY, seat)
    network = target[0].split(".")[1]
    for user, secret, address in (
        (seat, "wrong-password", agents_machine(mixed)),
        (seat, "", agents_machine(mixed)),
        ("9999", password, agents_machine(mixed)),
        (seat, password, f"127.{network}.200.1"),
        (seat, password, mixed.city(PEER).pbx.host),
    ):
        phone = Phone(Account(user, secret, target), tone="agent")
        await phone.open(address)
        with pytest.raises(RegisterFailed):
            await phone.register(2.0)
        await phone.close()
    assert await mixed.pbx(CITY).registered() == set()


async def test_what_a_citizen_writes_is_never_run_and_never_forges_an_event(mixed: Floor, tmp_path: Path) -> None:
    proof = tmp_path / "run-by-the-switch"
    evil_names = (
        f"${{system(touch {proof})}}",
        f"%24%7bsystem(touch {proof})%7d",
        f"${{bgapi(system touch {proof})}}",
        "x%0aCC-Action: member-queue-end%0aCallctl-Action: survey%0aCallctl-Score: 5",
        "张三",
    )
    [agent] = await mixed.log_in(CITY, mixed.seats(CITY)[0], habit=TALKS)
    async with acts(mixed, CITY).listen() as events:
        for name in evil_names:
            call = await (await mixed.carrier(CITY)).call(
                "12345",
                caller="1%24%7bsystem(touch)%7d" if name == "张三" else "13812345678",
                name=name,
                headers=(
                    ("X-CC-CallId", f"${{system(touch {proof})}}"),
                    ("X-Evil", f"x%0aCallctl-Action: survey ${{system(touch {proof})}}"),
                    ("User-Agent", f"${{system(touch {proof})}}"),
                ),
            )
            await call.until_hears(mixed.tone(CITY), 10.0)
            assert agent.last.header("X-CC-CallId").startswith(f"{CITY}-")
            call.hang_up()
            await agent.last.until_ended()
            await asyncio.sleep(1.3)
    assert not proof.exists()
    assert agent.last.header("X-CC-Caller") == "", "no digits, no number"
    assert '"张三"' in agent.last.header("from"), "a name stays a name"
    actions = {event.get("CC-Action", "") or event.get("Callctl-Action", "") for event in events}
    assert "survey" not in actions
    joins = [event for event in events if event.get("CC-Action") == "member-queue-start"]
    assert len(joins) == len(evil_names)
    assert all(event["CC-Member-CID-Name"].startswith(f"{CITY}-") for event in joins)


async def test_what_another_city_writes_is_never_run(mixed: Floor, target: Address, tmp_path: Path) -> None:
    proof = tmp_path / "run-by-the-switch"
    [phone] = await lent(mixed, PEER, CITY, slots=0, habit=NEVER_ANSWERS)
    async with Stranger(mixed.city(PEER).pbx.host, target) as peer:
        evil = f"${{system(touch {proof})}}"
        lines = "\r\n".join(f"X-CC-{name}: {evil}" for name in ("CallId", "Caller", "T0", "Waited", "Home"))
        asked = asyncio.create_task(peer.ask("INVITE", "support", sender=f'"{evil}" <sip:1@x>', extra=lines, within_s=3.0))
        call = await phone.until_rung()
        await asked
    assert not proof.exists()
    assert call.header("X-CC-Home") == PEER, "from the trunk we know"
    assert call.header("X-CC-CallId").startswith(f"{PEER}-")
    assert "$" not in call.header("from")


async def forwards(phone: Phone, elsewhere: str) -> None:
    """The phone's next call is sent on."""
    rung: PhoneCall = await phone.until_rung(15.0)
    rung._ends = replace(rung._ends, contact=f"<sip:{elsewhere}>")
    rung.reject(302)


@pytest.mark.parametrize("lends", [False, True], ids=["own agent", "lent agent"])
async def test_a_phone_cannot_send_a_citizen_on_to_the_carrier(mixed: Floor, lends: bool) -> None:
    home, ally = ("xuzhou", CITY) if lends else (CITY, CITY)
    if lends:
        [phone] = await lent(mixed, home, ally, habit=NEVER_ANSWERS)
    else:
        [phone] = await mixed.log_in(CITY, mixed.seats(CITY)[0], habit=NEVER_ANSWERS)
    carriers = [await mixed.carrier(code) for code in {home, ally}]
    citizen = await mixed.citizen(home)
    pbx = mixed.city(CITY).pbx
    await forwards(phone, f"13900009999@{pbx.carrier}:{pbx.carrier_port}")
    await asyncio.sleep(2.0)
    assert [call for carrier in carriers for call in carrier.calls if call.rung_by] == []
    assert citizen.hears == "music"


async def test_a_call_of_another_city_never_travels_on(mixed: Floor) -> None:
    """The hop guard: whatever brings a foreign call into the home queue, no slot takes it further."""
    await mixed.beat()
    said = await mixed.pbx(CITY).cli(f"lua {mixed.pbx(CITY).folders.etc}/scripts/slot.lua xuzhou 01 yangzhou 0")
    assert said == "error/FACILITY_REJECTED"
    said = await mixed.pbx(CITY).cli(f"lua {mixed.pbx(CITY).folders.etc}/scripts/slot.lua xuzhou 01 {CITY} 0")
    assert said.endswith("]sofia/gateway/trunk-xuzhou/support")
    said = await mixed.pbx(CITY).cli(f"lua {mixed.pbx(CITY).folders.etc}/scripts/slot.lua suzhou 01 {CITY} 0")
    assert said == "error/DESTINATION_OUT_OF_ORDER", "no trunk there"


async def test_the_event_socket_takes_the_right_password_from_the_right_machine_only(mixed: Floor) -> None:
    pbx = mixed.pbx(CITY)
    assert await pbx.cli("strepoch")
    pbx._secret, right = secrets.token_hex(8), pbx._secret
    try:
        with pytest.raises(PbxFailed, match="-ERR invalid"):
            await pbx.cli("strepoch")
    finally:
        pbx._secret = right
    assert right == mixed.lab.settings.ami_secret(CITY), "from the environment"
    host, port = mixed.city(CITY).pbx.ami_host or mixed.city(CITY).pbx.host, mixed.city(CITY).pbx.ami_port
    stranger = f"127.{host.split('.')[1]}.200.1"
    with pytest.raises(ConnectionRefusedError):  # Bound to that address alone.
        await asyncio.open_connection(stranger, port)
    await only_from(pbx, "127.0.0.1/32")
    try:
        assert await pbx.cli("strepoch")
        reader, writer = await asyncio.open_connection(host, port, local_addr=(stranger, 0))
        assert b"text/rude-rejection" in await reader.read(200)
        writer.close()
        await writer.wait_closed()
    finally:
        await only_from(pbx, LOOPBACK)


async def only_from(pbx: RunningPbx, network: str) -> None:
    """Let callctl in from these addresses only."""
    path = pbx.folders.etc / "autoload_configs" / "acl.conf.xml"
    before, name, after = path.read_text("utf-8").partition('name="callctl-controllers"')
    assert 'cidr="127.0.0.' in after
    path.write_text(before + name + re.sub(r'cidr="127\.0\.0\.[^"]+"', f'cidr="{network}"', after, count=1), "utf-8")
    assert "+OK" in await pbx.cli("reloadacl")


async def test_trunks_that_flood_support_disturb_nobody(mixed: Floor, target: Address) -> None:
    citizen = await mixed.citizen(CITY)
    async with Stranger(mixed.city(PEER).pbx.host, target) as peer:
        await asyncio.gather(*(peer.ask("INVITE", "support", within_s=3.0) for _ in range(60)))
    assert citizen.hears == "music"
    await mixed.log_in(CITY, mixed.seats(CITY)[0], habit=TALKS)
    await citizen.until_hears(mixed.tone(CITY), 10.0)
    made = acts(mixed, CITY)
    assert isinstance(made, FreeSwitchActs)
    citizen.hang_up()
    await quiet(mixed, CITY)
    states = {row["state"] for row in await made.rows("agent list")}
    assert states == {"Waiting"}, "no seat stays reserved"
