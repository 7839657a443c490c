"""A team leader listens, whispers and barges in on real Asterisk: who hears whom, and everybody whom it refuses."""

import asyncio
from typing import Any

import httpx
import pytest

from callctl import clock
from callctl.lab.call import PhoneCall
from callctl.lab.phone import ANSWERS, Phone
from callctl.pbx import asterisk_names as names
from callctl.rights import Role
from tests.real.floor import Floor
from tests.real.stage import Stage
from tests.real.test_must_read import signed_in
from tests.web.browser import site_of

pytestmark = pytest.mark.real
CITY, OTHER = "yangzhou", "xuzhou"
LEADER_TONE = "helper-2"


class Talk:
    """A citizen and an agent talk; a leader has a telephone of the same city."""

    def __init__(self, floor: Floor, citizen: PhoneCall, agent: PhoneCall, seat: str, leader: Phone) -> None:
        self.floor, self.citizen, self.agent, self.seat, self.leader = floor, citizen, agent, seat, leader

    def speak(self, **tones: str) -> None:
        """Who speaks; all others are silent."""
        for name in ("citizen", "agent"):
            getattr(self, name).audio.tone = tones.get(name, "silence")

    async def dial(self, number: str = "") -> PhoneCall:
        """The leader dials."""
        return await self.leader.call(number or f"*90{self.seat}")

    async def refused(self, number: str = "") -> str:
        """What the leader's phone is told."""
        return await (await self.dial(number)).until_ended(5.0)


@pytest.fixture
async def talk(floor: Floor) -> Talk:
    """They talk, and the leader's telephone is there."""
    seat, leaders = floor.seats(CITY)[:2]
    [phone] = await floor.log_in(CITY, seat, habit=ANSWERS)
    citizen = await floor.citizen(CITY)
    agent = await phone.until_rung()
    await agent.until_up()
    [leader] = await floor.log_in(CITY, leaders)  # Only now: the queue shall not ring it.
    leader.tone = LEADER_TONE
    return Talk(floor, citizen, agent, seat, leader)


async def permit(talk: Talk, how: str, ends_in_s: float = 60.0, phone: str = "", seat: str = "") -> None:
    """A permit on the PBX, by hand, as the controller's order makes it."""
    member = names.permit_interface(how, phone or talk.leader.account.user, seat or talk.seat, "0a1b")
    until = int(clock.now() + ends_in_s)
    await talk.floor.pbx(CITY).cli(f"queue add member {member} to {names.LISTENING_QUEUE} penalty {until} as 0a1b")


async def hears(call: PhoneCall, sound: str) -> None:
    """Now, and for a while."""
    await call.until_hears(sound)
    since = clock.now()
    await asyncio.sleep(0.4)
    # A busy machine may leave out a packet; nobody else may be heard.
    assert {one.sound for one in call.heard if one.since > since} <= {sound, "silence", "unknown"}
    await call.until_hears(sound)


async def deaf_to_the_leader(call: PhoneCall) -> None:
    await asyncio.sleep(0.4)
    assert LEADER_TONE not in {one.sound for one in call.heard}


async def test_who_listens_hears_both_and_is_heard_by_nobody(talk: Talk) -> None:
    await permit(talk, "listen")
    ear = await talk.dial()
    await ear.until_up()
    talk.speak(citizen="citizen")
    await hears(ear, "citizen")
    talk.speak(agent="agent")
    await hears(ear, "agent")
    talk.speak()
    ear.audio.press("4")
    ear.audio.press("5")
    ear.audio.press("6")  # The keys of ChanSpy's option d would make it a whisper and a barge-in.
    await asyncio.sleep(1.0)
    await deaf_to_the_leader(talk.agent)
    await deaf_to_the_leader(talk.citizen)
    talk.citizen.hang_up()
    await ear.until_ended()


async def test_a_whisper_is_heard_by_the_agent_alone(talk: Talk) -> None:
    await permit(talk, "whisper")
    ear = await talk.dial()
    await ear.until_up()
    talk.speak()
    await hears(talk.agent, LEADER_TONE)
    await deaf_to_the_leader(talk.citizen)
    talk.speak(citizen="citizen")
    await hears(ear, "citizen")
    ear.hang_up()
    talk.speak(citizen="citizen", agent="agent")
    await hears(talk.citizen, "agent")  # The talk goes on without the leader.


async def test_who_barges_in_is_heard_by_both(talk: Talk) -> None:
    await permit(talk, "barge")
    ear = await talk.dial()
    await ear.until_up()
    talk.speak()
    await hears(talk.agent, LEADER_TONE)
    await hears(talk.citizen, LEADER_TONE)
    ear.hang_up()
    talk.speak(citizen="citizen", agent="agent")
    await hears(talk.agent, "citizen")


async def test_without_a_good_permit_nobody_listens(talk: Talk) -> None:
    other = next(seat for seat in talk.floor.seats(CITY) if seat not in (talk.seat, talk.leader.account.user))
    assert await talk.refused() == "403"
    await permit(talk, "listen", ends_in_s=-1.0)
    assert await talk.refused() == "403", "too old"
    await permit(talk, "listen", phone=other)
    assert await talk.refused() == "403", "another telephone's"
    await permit(talk, "listen", seat=other)
    assert await talk.refused() == "403", "for another seat"
    await permit(talk, "listen")
    for number in (f"*90{other}0", f"*91{talk.seat}", "*90", f"*90{talk.seat}%0d%0aX", "*901301"):
        assert await talk.refused(number) in {"404", "484"}, number
    ear = await talk.dial()
    await ear.until_up()
    ear.hang_up()
    await ear.until_ended()
    assert await talk.refused() == "403", "a permit is good for one call"
    # What one permit was for does not make another telephone's dialling good.
    member = names.permit_interface("listen", other, talk.seat, "0a1b")
    await talk.floor.pbx(CITY).cli(f"queue remove member {member} from {names.LISTENING_QUEUE}")
    await permit(talk, "listen")
    [thief] = await talk.floor.log_in(CITY, other)
    assert await (await thief.call(f"*90{talk.seat}")).until_ended(5.0) == "403"


async def test_nobody_lies_in_wait_on_a_line_without_a_call(talk: Talk) -> None:
    talk.citizen.hang_up()
    await talk.agent.until_ended()
    await permit(talk, "listen")
    ear = await talk.dial()
    assert await ear.until_ended() in {"hung up there", "403", "480"}


async def test_from_the_leaders_press_to_the_leaders_ear_and_the_audit(stage: Stage, talk: Talk) -> None:
    await stage.control()
    wanted = {"how": "whisper", "phone": talk.leader.account.user, "reason": "新手带教"}
    place = f"/api/v1/cities/{CITY}/seats/{talk.seat}/listening"
    async with (
        site_of(stage.settings, stage.floor.lab.province) as site,
        signed_in(site, Role.LEADER, CITY) as leader,
        signed_in(site, Role.LEADER, OTHER) as stranger,
        signed_in(site, Role.SUPERVISOR, CITY) as supervisor,
    ):
        for refused in (stranger, supervisor):
            assert (await refused.post(place, json=wanted)).status_code == 403
        elsewhere = f"/api/v1/cities/{OTHER}/seats/{talk.floor.seats(OTHER)[0]}/listening"
        assert (await leader.post(elsewhere, json=wanted)).status_code == 403, "another city's seat"
        assert (await leader.post(place, json={**wanted, "phone": talk.seat})).status_code == 422
        assert await talk.refused() == "403", "nothing was permitted so far"
        asked = await leader.post(place, json=wanted)
        assert asked.status_code == 202, asked.text
        async with asyncio.timeout(15):
            while not (found := await permits(leader))[0]["granted"]:  # noqa: ASYNC110 - The PBX tells nobody.
                await asyncio.sleep(0.1)
        ear = await talk.dial(found[0]["dial"])
        await ear.until_up()
        talk.speak()
        await hears(talk.agent, LEADER_TONE)
        await deaf_to_the_leader(talk.citizen)
        [entry] = [one for one in await site.house.room.history.audited(20) if one.what == "whisper"]
        assert (entry.who, entry.city, entry.after, entry.reason) == (
            f"leader-{CITY}",
            CITY,
            f"{talk.seat} ({talk.leader.account.user})",
            "新手带教",
        )


async def permits(leader: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await leader.get(f"/api/v1/cities/{CITY}/listening")).json()
    return found
