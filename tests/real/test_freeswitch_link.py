"""The link of a real FreeSWITCH: what mod_callcenter forgot is set free, what a citizen writes forges nothing."""

import asyncio
import re
from collections.abc import Iterator

import pytest

from callctl.core.commands import OpenSlot
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    PbxLost,
    PbxObserved,
    SeatChanged,
    SeatState,
    SurveyAnswered,
)
from callctl.core.model import PbxKind
from callctl.lab.lab import Lab
from callctl.pbx.freeswitch import FreeSwitchLink
from tests.pbx.driver import SLOT, TOKEN, Driver, facts, lend, ready, remote_talk, until
from tests.real.test_pbx_contract import running
from tests.real.two_cities import PairDriver, tell

pytestmark = pytest.mark.real

HEALED_WITHIN_S = 10.0
LONG_RING_S = 14.0
GONE = "00000000-0000-4000-8000-000000000001"
MEMBERS = "callcenter_config queue list members q12345"
FORGED = "x%0aCC-Action: member-queue-end%0aCC-Cause: Cancel%0aCallctl-Action: survey%0aCallctl-Score: 5"


@pytest.fixture(scope="module")
def pair(run_number: int) -> Iterator[Lab]:
    """Alpha and beta, both FreeSWITCH."""
    with running(run_number, PbxKind.FREESWITCH, PbxKind.FREESWITCH) as lab:
        yield lab


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_an_agent_stuck_without_a_call_is_free_within_ten_seconds(pair: Lab, state: str) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        seat, loop = driver.alpha_seat, asyncio.get_running_loop()
        since = loop.time()
        await driver.ask("alpha", f"callcenter_config agent set state {seat} '{state}'")
        while driver.alpha.healed == 0:
            await driver.wait(0.1)
            assert loop.time() - since < HEALED_WITHIN_S
        assert await driver.ask("alpha", f"callcenter_config agent get state {seat}") == "Waiting"
        await driver.agent(seat, 0.3)
        await driver.citizen_calls("13800000001")
        await until(driver, driver.alpha, CallAnswered)
        await until(driver, driver.alpha, SeatChanged, lambda fact: fact.state is SeatState.BUSY)

    asyncio.run(tell(pair, story))


def test_a_stuck_slot_is_free_within_ten_seconds_and_is_rung(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        await driver.agent(await lend(driver), 0.3)
        await driver.ask("alpha", "callcenter_config agent set state beta-01 Receiving")
        await driver.citizen_calls("13800000001")
        since = asyncio.get_running_loop().time()
        answered = await until(driver, driver.alpha, CallAnswered)
        assert answered.by == SLOT
        assert asyncio.get_running_loop().time() - since < HEALED_WITHIN_S + 1
        assert driver.alpha.healed == 1

    asyncio.run(tell(pair, story))


@pytest.mark.parametrize("gap", ["the PBX was killed", "the link was cut"])
def test_a_slot_whose_talk_ended_unheard_is_opened_as_an_idle_one_and_is_rung(pair: Lab, gap: str) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        await remote_talk(driver)
        before = len(driver.heard(driver.alpha))
        if gap == "the PBX was killed":
            await driver.kill(driver.alpha)
            await until(driver, driver.alpha, PbxLost)
            await driver.boot(driver.alpha)
        else:
            await driver.cut(driver.alpha)
            await until(driver, driver.alpha, PbxLost)
            await driver.citizen_hangs_up("13800000001")
            await driver.wait(1.0)
            await driver.mend(driver.alpha)
        await until(driver, driver.alpha, PbxObserved, after=before)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
        assert await driver.ask("alpha", "callcenter_config agent get state beta-01") == "Waiting"
        before = len(driver.heard(driver.alpha))
        await driver.citizen_calls("13800000002")
        answered = await until(driver, driver.alpha, CallAnswered, after=before)
        assert (answered.by, driver.alpha.healed) == (SLOT, 0)

    asyncio.run(tell(pair, story))


@pytest.mark.parametrize("state", ["Answered", "Waiting"])
def test_a_caller_who_is_gone_but_listed_is_struck_off_within_ten_seconds_and_the_talk_goes_on(
    pair: Lab, state: str
) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        await driver.agent(driver.alpha_seat, 0.3)
        await driver.citizen_calls("13800000001")
        talk = await until(driver, driver.alpha, CallAnswered)
        listed = ("q12345", "single_box", "gone", GONE, "13800000009", "alpha-1795682533.9", state)
        await driver.write_books(
            "INSERT INTO members (queue, instance_id, uuid, session_uuid, cid_number, cid_name, state, serving_agent,"
            " serving_system, system_epoch, joined_epoch, rejoined_epoch, bridge_epoch, abandoned_epoch, base_score,"
            " skill_score) VALUES (?, ?, ?, ?, ?, ?, ?, '', '', 0, strftime('%s'), 0, 0, 0, 0, 0)",
            listed,
        )
        since = asyncio.get_running_loop().time()
        while GONE in await driver.ask("alpha", MEMBERS):
            await driver.wait(0.2)
            assert asyncio.get_running_loop().time() - since < HEALED_WITHIN_S
        await driver.alpha.reread()
        assert [seen.call for seen in facts(driver, driver.alpha, PbxObserved)[-1].talks] == [talk.call]
        assert not facts(driver, driver.alpha, CallEnded)

    asyncio.run(tell(pair, story))


def test_whoever_is_still_there_cannot_be_struck_off(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        await driver.citizen_calls("13800000001")
        await until(driver, driver.alpha, CallWaiting)
        [session] = re.findall(r"single_box\|[^|]+\|([0-9a-f-]{36})\|", await driver.ask("alpha", MEMBERS))
        for asked in (session, "x", "' OR '1'='1"):
            said = await driver.ask("alpha", f"expand lua ${{conf_dir}}/scripts/unlist.lua {asked}")
            assert said == "-ERR that call is there"
        assert session in await driver.ask("alpha", MEMBERS)

    asyncio.run(tell(pair, story))


def test_a_caller_for_whom_nobody_is_rung_is_back_in_the_queue_within_ten_seconds(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        await driver.citizen_calls("13800000001")
        waiting = await until(driver, driver.alpha, CallWaiting)
        await driver.write_books(
            "UPDATE members SET state = 'Trying', serving_agent = ?, serving_system = 'single_box'", (driver.alpha_seat,)
        )
        since = asyncio.get_running_loop().time()
        while "|Trying|" in await driver.ask("alpha", MEMBERS):
            await driver.wait(0.2)
            assert asyncio.get_running_loop().time() - since < HEALED_WITHIN_S
        assert driver.alpha.healed == 1
        await driver.agent(driver.alpha_seat, 0.3)
        await driver.unpause(driver.alpha_seat)
        assert (await until(driver, driver.alpha, CallAnswered)).call == waiting.call.call

    asyncio.run(tell(pair, story))


def test_an_agents_call_that_outlives_its_citizen_is_ended_within_ten_seconds(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        seat = driver.alpha_seat
        await driver.agent(seat, 0.2)
        said = await driver.ask("alpha", f"originate user/{seat}@alpha &park()")
        await driver.ask("alpha", f"callcenter_config agent set uuid {seat} {said.removeprefix('+OK ').strip()}")
        await driver.ask("alpha", f"callcenter_config agent set state {seat} 'In a queue call'")
        since = asyncio.get_running_loop().time()
        while '"row_count":0' not in (await driver.ask("alpha", "show channels as json")).replace(" ", ""):
            await driver.wait(0.2)
            assert asyncio.get_running_loop().time() - since < HEALED_WITHIN_S

    asyncio.run(tell(pair, story))


def test_honest_rings_and_talks_are_never_healed(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver.alpha, FreeSwitchLink)
        assert isinstance(driver.beta, FreeSwitchLink)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        seat = await lend(driver)
        await driver.agent(seat, 4.0)
        await driver.citizen_calls("13800000001")
        await until(driver, driver.alpha, CallAnswered)
        await driver.citizen_calls("13800000002")
        await driver.wait(12)
        assert (driver.alpha.healed, driver.beta.healed) == (0, 0)

    asyncio.run(tell(pair, story))


def test_a_phone_abroad_may_ring_for_longer_than_a_stuck_one_is_left_alone(pair: Lab) -> None:
    """A ring is seen at both cities by its channels: `show channels` names the call from the first ring on."""

    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        assert isinstance(driver.beta, FreeSwitchLink)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        seat = await lend(driver)
        await driver.agent(seat, LONG_RING_S)
        await driver.citizen_calls("13800000001")
        ringing = await until(driver, driver.beta, CallRinging)
        await driver.beta.reread()
        [shown] = [seen for seen in facts(driver, driver.beta, PbxObserved)[-1].seats if seen.seat == seat]
        assert shown.state is SeatState.RINGING, "a reading in mid-ring shows the ring"
        answered = await until(driver, driver.beta, CallAnswered)
        assert answered.at - ringing.at > LONG_RING_S - 1.0
        assert answered.call == ringing.call
        assert (driver.alpha.healed, driver.beta.healed) == (0, 0)
        assert len(facts(driver, driver.beta, CallRinging)) == 1

    async def with_patience(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        figures = {("beta", "support_ring_s"): 5, ("alpha", "slot_ring_s"): 7}  # two_cities.TIMES
        for (code, figure), _ in figures.items():
            await driver.ask(code, f"global_setvar {figure}={LONG_RING_S + 5:g}")
        try:
            await story(driver)
        finally:
            for (code, figure), usual_s in figures.items():
                await driver.ask(code, f"global_setvar {figure}={usual_s}")

    asyncio.run(tell(pair, with_patience))


def test_a_citizen_whose_name_and_headers_are_events_waits_like_anybody(pair: Lab) -> None:
    async def story(driver: Driver) -> None:
        assert isinstance(driver, PairDriver)
        assert isinstance(driver.alpha, FreeSwitchLink)
        await ready(driver)
        await driver.pause(driver.alpha_seat)
        await driver.citizen_writes("13800000001", FORGED, {"X-Evil": FORGED, "X-CC-CallId": "alpha-1.1%0aCC-Action: x"})
        arrived = await until(driver, driver.alpha, CallWaiting)
        assert arrived.call.number == "13800000001"
        await driver.wait(2)
        assert not facts(driver, driver.alpha, CallLeftQueue)
        assert not facts(driver, driver.alpha, SurveyAnswered)
        assert driver.alpha.distrusted == 0
        await driver.alpha.reread()
        assert [call.call for call in facts(driver, driver.alpha, PbxObserved)[-1].waiting] == [arrived.call.call]

    asyncio.run(tell(pair, story))
