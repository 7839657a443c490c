"""Pages of agents and team leaders while a store is away: a press is said to be undone, and what was typed stays."""

import asyncio
from typing import Any

import pytest

from callctl.core.model import SeatRef
from callctl.rights import Role
from callctl.store.port import StoreLost
from callctl.store.sitting import SatDown
from tests.store.servers import Valkey
from tests.web.house import Console
from tests.web.test_desk import seated
from tests.web.test_desk_browser import find_sql, lose_sql
from tests.web.test_scripts import agent

ZH = {"Accept-Language": "zh"}
TEAM = "/cities/xuzhou/team"


@pytest.mark.parametrize("act", ["ready", "not ready", "out"])
async def test_without_the_database_a_forced_act_keeps_why_and_is_not_done(console: Console, act: str) -> None:
    await seated(console)
    leader = await console.as_role(Role.LEADER, "xuzhou")
    before = await console.house.room.registry.presses(), await console.house.sitting.all()
    sent = {"act": act, "reason": "换班<b>", "request": "r-1"}
    await lose_sql(console)
    answer = await leader.post(f"{TEAM}/seats/3001?sitter=A1", data=sent, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert ("换班&lt;b&gt;" in answer.text, 'name="request" value="r-1"' in answer.text) == (True, True)
    assert (await console.house.room.registry.presses(), await console.house.sitting.all()) == before
    await find_sql(console)
    assert (await leader.post(f"{TEAM}/seats/3001?sitter=A1", data=sent)).status_code == 303


async def test_without_the_database_a_permit_to_listen_is_asked_for_again_as_it_was_chosen(console: Console) -> None:
    leader = await console.as_role(Role.LEADER, "xuzhou")
    sent = {"seat": "3001", "how": "whisper", "phone": "3002", "reason": "带教", "request": "r-1"}
    await lose_sql(console)
    answer = await leader.post(f"{TEAM}/listening", data=sent, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    for value in ("3001", "whisper", "3002"):
        assert f'value="{value}" selected' in answer.text
    assert ('value="带教"' in answer.text, 'name="request" value="r-1"' in answer.text) == (True, True)
    await find_sql(console)
    assert (await leader.post(f"{TEAM}/listening", data=sent)).status_code == 303
    for permit in await console.house.room.registry.listenings():  # It was used up; the same press comes once more.
        await console.house.room.registry.forget_listening(permit.id)
    twice = await leader.post(f"{TEAM}/listening", data=sent, headers=ZH)
    assert (twice.status_code, "先前已执行过" in twice.text) == (409, True)


async def test_an_agent_who_sat_down_while_the_database_was_away_is_in_the_audit_after_the_second_press(
    console: Console,
) -> None:
    browser = await agent(console)
    await lose_sql(console)
    answer = await browser.post("/desk/seat", data={"seat": "3002"}, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert (await console.house.sitting.all()).keys() == {SeatRef("xuzhou", "3002")}
    await find_sql(console)
    for _ in range(2):
        assert (await browser.post("/desk/seat", data={"seat": "3002"})).status_code == 303
    acts = [(one.what, one.after) for one in await console.house.room.history.audited(9)]
    assert acts == [("seat in", "3002 A1")]


@pytest.mark.parametrize("place", ["/desk/seat", "/desk/ready", "/desk/seat/leave"])
async def test_without_the_registry_the_desk_says_so_and_stays(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    browser = await agent(console)
    assert (await browser.get("/desk")).status_code == 200
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 0.5)
    await asyncio.to_thread(valkey.kill)
    answer = await browser.post(place, data={"seat": "3002", "ready": "yes"}, headers=ZH)
    assert (answer.status_code, "登记库联系不上，可能没有办成" in answer.text) == (503, True)
    assert 'action="/desk/seat"' in answer.text
    if place == "/desk/seat":
        assert '<option value="3002" selected' in answer.text


async def test_a_seat_is_not_ready_also_where_the_answer_to_signing_in_was_lost(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, sitting = await agent(console), console.house.seating._sitting
    real = sitting.sit

    async def lost(*asked: Any) -> SatDown:
        await real(*asked)
        raise StoreLost("the answer came too late")

    monkeypatch.setattr(sitting, "sit", lost)
    assert (await browser.put("/api/v1/desk/seat", json={"seat": "3002"})).status_code == 503
    monkeypatch.undo()
    assert (await browser.put("/api/v1/desk/seat", json={"seat": "3002"})).status_code == 200
    press = (await console.house.room.registry.presses())[SeatRef("xuzhou", "3002")]
    assert (press.ready, press.reason) == (False, "260")
