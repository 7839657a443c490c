"""The desk beside a telephone of hardware: it follows what the PBX shows, and presses at the page reach the PBX."""

import asyncio
from typing import Any

import httpx
import pytest

from callctl.lab.phone import Habit
from callctl.rights import Role
from tests.real.stage import ASSISTED, Stage
from tests.real.test_must_read import done, signed_in
from tests.web.browser import site_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
SLOW = Habit(answer_after_s=4.0)  # Long enough for the desk to show the ring, and the history to know who calls.
CITIZEN = "13805140099"


async def until_desk(agent: httpx.AsyncClient, state: str) -> dict[str, Any]:
    """The desk, as soon as it shows the seat in this state."""
    async with asyncio.timeout(30):
        while True:
            shown: dict[str, Any] = (await agent.get("/api/v1/desk")).json()
            if shown["state"] == state:
                return shown
            await asyncio.sleep(0.05)


async def test_the_desk_follows_the_telephone_and_a_leaders_force_reaches_the_pbx(stage: Stage) -> None:
    await stage.control()
    floor = stage.floor
    seat = floor.seats(ASSISTED)[0]
    number = next(one.agent for one in floor.city(ASSISTED).seats if one.id == seat)
    force = f"/api/v1/cities/{ASSISTED}/seats/{seat}/ready"
    async with (
        site_of(stage.settings, floor.lab.province) as site,
        signed_in(site, Role.AGENT, ASSISTED, agent=number) as agent,
        signed_in(site, Role.LEADER, ASSISTED) as leader,
    ):
        await done(await agent.put("/api/v1/desk/seat", json={"seat": seat}))
        await done(await agent.put("/api/v1/desk/ready", json={"ready": True}))
        [phone] = await floor.log_in(ASSISTED, seat, habit=SLOW)
        await until_desk(agent, "free")
        first = await floor.citizen(ASSISTED, CITIZEN)
        while not (pop := (await until_desk(agent, "ringing"))["call"])["number"]:
            pass  # The picture may be quicker than the history.
        assert (pop["city"], pop["number"]) == (ASSISTED, "138****0099"), "before it is answered"
        assert (await until_desk(agent, "busy"))["call"]["call"] == pop["call"]
        await first.until_hears(floor.tone(ASSISTED))

        await done(await leader.put(force, json={"ready": False, "reason": "早会"}))
        first.hang_up()
        await until_desk(agent, "paused")
        second = await floor.citizen(ASSISTED)
        await asyncio.sleep(3.0)  # Three looks of app_queue.
        assert (len(phone.calls), second.hears) == (1, "music"), "whoever is made not ready is not rung"
        await done(await leader.put(force, json={"ready": True}))
        await second.until_hears(floor.tone(ASSISTED), 30.0)
        assert len(phone.calls) == 2
