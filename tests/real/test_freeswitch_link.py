"""The link of a real FreeSWITCH: what mod_callcenter forgot is set free, what a citizen writes forges nothing."""

import asyncio
from collections.abc import Iterator

import pytest

from callctl.core.events import (
    CallAnswered,
    CallLeftQueue,
    CallWaiting,
    PbxObserved,
    SeatChanged,
    SeatState,
    SurveyAnswered,
)
from callctl.core.model import PbxKind
from callctl.lab.lab import Lab
from callctl.pbx.freeswitch import FreeSwitchLink
from tests.pbx.driver import SLOT, Driver, facts, lend, ready, until
from tests.real.test_pbx_contract import running
from tests.real.two_cities import PairDriver, tell

pytestmark = pytest.mark.real

HEALED_WITHIN_S = 10.0
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
        assert facts(driver, driver.alpha, SeatChanged)[-1].state is SeatState.BUSY

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
