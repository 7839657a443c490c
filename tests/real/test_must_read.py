"""必读 and confirmed seats on real cities: nobody answers for a city unasked, or without having read its scripts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from callctl.lab.phone import ANSWERS
from callctl.rights import Role
from callctl.web.gate import COOKIE
from tests.real.stage import ASSISTED, Stage
from tests.web.browser import Site, site_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
HELPER = "xuzhou"
SCRIPT = {"question": "离城需要什么证明？", "answer": "凭48小时核酸阴性证明离城。", "must_read": True}


@asynccontextmanager
async def signed_in(site: Site, role: Role, *cities: str, agent: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser."""
    cookies = {COOKIE: await site.visit(role, *cities, agent=agent)}
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=site.address, cookies=cookies, headers=headers, timeout=30.0) as client:
        yield client


async def done(answer: httpx.Response) -> Any:
    """What came of a press that must not be refused."""
    assert answer.is_success, answer.text
    return answer.json()


async def published(editor: httpx.AsyncClient, approver: httpx.AsyncClient) -> int:
    """The script, in force; its number."""
    scripts = f"/api/v1/cities/{ASSISTED}/scripts"
    draft = await done(await editor.post(scripts, json=SCRIPT))
    place = f"{scripts}/{draft['id']}/versions/1/publish"
    await done(await approver.post(place, json={"seen_saves": draft["saves"]}))
    return int(draft["id"])


async def until_why(stage: Stage, code: str) -> None:
    """Wait until the waiting call is not helped for this reason."""
    async with asyncio.timeout(30):
        while True:
            told = (await stage.status())["cities"][ASSISTED]["reasons"]
            if code in [reason["code"] for reason in told]:
                return
            await asyncio.sleep(0.1)


async def test_an_agent_gets_a_citys_call_only_confirmed_and_having_read(stage: Stage) -> None:
    await stage.control()
    reading, other = stage.floor.seats(HELPER)[:2]
    agents = {seat.id: seat.agent for seat in stage.floor.city(HELPER).seats}
    here = f"/api/v1/cities/{ASSISTED}"
    async with (
        site_of(stage.settings, stage.floor.lab.province) as site,
        signed_in(site, Role.EDITOR, ASSISTED) as editor,
        signed_in(site, Role.APPROVER, ASSISTED) as approver,
        signed_in(site, Role.DISPATCHER) as province,
        signed_in(site, Role.SUPERVISOR, ASSISTED) as assisted,
        signed_in(site, Role.SUPERVISOR, HELPER) as supporting,
        signed_in(site, Role.AGENT, HELPER, agent=agents[reading]) as agent,
    ):
        script = await published(editor, approver)
        await done(await province.put(f"{here}/event", json={"title": "暴雨应急支援"}))
        await done(await assisted.post(f"{here}/switch", json={"on": True}))
        phones = await stage.floor.log_in(HELPER, reading, other, habit=ANSWERS)
        citizen = await stage.floor.citizen(ASSISTED)
        await until_why(stage, "not_in_event")
        assert await stage.loans(HELPER) == set(), "the supporting city has confirmed no seat"

        await done(await supporting.put(f"/api/v1/cities/{HELPER}/confirmations/{ASSISTED}", json={"seats": 2}))
        await until_why(stage, "unbriefed")
        assert await stage.loans(HELPER) == set(), "confirmed, but neither agent has read the script"
        assert citizen.hears == "music"
        assert not any(phone.calls for phone in phones)

        await done(await agent.post(f"/api/v1/scripts/{script}/receipt", json={"version": 1}))
        await citizen.until_hears(stage.floor.tone(HELPER), 30.0)
        assert [len(phone.calls) for phone in phones] == [1, 0], "only the one who has read is rung"
        assert {loan.partition("-")[0] for loan in await stage.loans(HELPER)} == {reading}
        citizen.hang_up()


async def test_where_the_city_lets_unread_agents_answer_they_do(stage: Stage) -> None:
    await stage.control()
    here = f"/api/v1/cities/{ASSISTED}"
    async with (
        site_of(stage.settings, stage.floor.lab.province) as site,
        signed_in(site, Role.EDITOR, ASSISTED) as editor,
        signed_in(site, Role.APPROVER, ASSISTED) as approver,
        signed_in(site, Role.SUPERVISOR, ASSISTED) as assisted,
    ):
        await published(editor, approver)
        await stage.assist()
        phones = await stage.floor.log_in(HELPER, *stage.floor.seats(HELPER)[:2], habit=ANSWERS)  # One is the reserve.
        citizen = await stage.floor.citizen(ASSISTED)
        await until_why(stage, "unbriefed")
        assert not any(phone.calls for phone in phones)
        await done(await assisted.put(f"{here}/must-read", json={"required": False}))
        await citizen.until_hears(stage.floor.tone(HELPER), 30.0)
        assert sum(len(phone.calls) for phone in phones) == 1
