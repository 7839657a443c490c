"""The agent's desk: a seat, ready and not ready as far as the PBX, what pops up, and numbers nobody sees without reason."""

import httpx

from callctl.core.events import CallRinging, CallWaiting, HomeSeat, LentSeat, WaitingCall
from callctl.core.fold import fold
from callctl.core.model import SeatRef
from callctl.core.picture import picture
from callctl.core.plan import Plan
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.rights import Role
from tests.web.house import PROVINCE, Console, observed, problem

NUMBER = "13812345678"
CALL = "yangzhou-1790000000.7"


async def agent(console: Console, number: str = "A1", city: str = "xuzhou") -> httpx.AsyncClient:
    return await console.as_role(Role.AGENT, city, agent=number)


async def seated(console: Console, seat: str = "3001") -> httpx.AsyncClient:
    browser = await agent(console)
    answer = await browser.put("/api/v1/desk/seat", json={"seat": seat})
    assert answer.status_code == 200, answer.text
    return browser


async def test_signing_in_at_a_seat_is_not_yet_ready(console: Console) -> None:
    browser = await seated(console)
    press = (await console.house.room.registry.presses())[SeatRef("xuzhou", "3001")]
    assert (press.ready, press.reason) == (False, "260")
    shown = (await browser.get("/api/v1/desk")).json()
    assert (shown["seat"], shown["state"]) == ("3001", None), "no controller: unknown, never a guess"


async def test_ready_and_not_ready_with_a_reason_are_asked_of_the_pbx(console: Console) -> None:
    browser = await seated(console)
    assert (await browser.put("/api/v1/desk/ready", json={"ready": True})).status_code == 202
    assert (await console.house.room.registry.presses())[SeatRef("xuzhou", "3001")].ready
    await browser.put("/api/v1/desk/ready", json={"ready": False, "reason": "202"})
    assert (await browser.get("/api/v1/desk")).json()["press"]["reason"] == "202"
    wrong = problem(await browser.put("/api/v1/desk/ready", json={"ready": False, "reason": "3"}))
    assert wrong["errors"][0]["field"] == "reason", "forced by the leader is nobody's own reason"
    told = (await browser.get("/api/v1/desk/reasons", headers={"Accept-Language": "zh"})).json()
    assert {"code": "202", "name": "就餐"} in told


async def test_at_a_seat_sits_one_agent_and_an_agent_at_one_seat(console: Console) -> None:
    first = await seated(console)
    await console.account("zhang", Role.AGENT, "xuzhou", agent="A2")
    second = await console.signed_in("zhang")
    taken = problem(await second.put("/api/v1/desk/seat", json={"seat": "3001"}))
    assert (taken["status"], taken["code"]) == (409, "taken")
    assert (await second.put("/api/v1/desk/seat", json={"seat": "9999"})).status_code == 422
    assert (await first.put("/api/v1/desk/seat", json={"seat": "3002"})).status_code == 200
    assert (await second.put("/api/v1/desk/seat", json={"seat": "3001"})).status_code == 200
    assert (await first.delete("/api/v1/desk/seat")).status_code == 204
    assert (await first.get("/api/v1/desk")).json()["seat"] is None


async def ringing(console: Console, seat: str) -> None:
    """The call rings at a lent seat of Xuzhou, and the controller has published that."""
    now = console.clock()
    waiting = CallWaiting("yangzhou", now - 40.0, WaitingCall(CALL, NUMBER, now - 40.0))
    earlier = CallWaiting("yangzhou", now - 900.0, WaitingCall("yangzhou-1790000000.1", NUMBER, now - 900.0))
    for fact in (earlier, waiting):
        console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    world = unseen(PROVINCE)
    for code in PROVINCE.cities:
        world = observed(world, code, 0, now)
    world = fold(world, [waiting, CallRinging("xuzhou", now, CALL, LentSeat(seat, "yangzhou"))])
    assert isinstance(HomeSeat(seat), HomeSeat)
    await console.house.room.registry.put_status(picture(PROVINCE, world, Plan(), Wishes(), now))
    await console.site.state.feed.look()


async def test_when_it_rings_the_agent_sees_city_greeting_wait_and_a_masked_number(console: Console) -> None:
    browser = await seated(console)
    await ringing(console, "3001")
    shown = (await browser.get("/api/v1/desk")).json()
    assert shown["state"] == "ringing"
    pop = shown["call"]
    assert (pop["city"], pop["name_zh"], pop["number"]) == ("yangzhou", "扬州", "138****5678")
    assert pop["greeting"] == "您好，扬州12345热线，A1号话务员为您服务，请问有什么可以帮您？"
    assert (pop["waited_s"], pop["times_today"]) == (40.0, 2)
    assert NUMBER not in (await browser.get("/api/v1/desk")).text


async def test_a_number_in_full_needs_right_reason_and_leaves_a_line_in_the_audit(console: Console) -> None:
    await ringing(console, "3001")
    place = f"/api/v1/cities/yangzhou/calls/{CALL}/number"
    supervisor, reader = await console.as_role(Role.SUPERVISOR, "yangzhou"), await agent(console)
    assert (await reader.post(place, json={"reason": "好奇"})).status_code == 403
    assert problem(await supervisor.post(place, json={"reason": " "}))["errors"][0]["field"] == "reason"
    assert "number seen" not in [entry.what for entry in await console.house.room.history.audited(20)]
    seen = await supervisor.post(place, json={"reason": "市民要求回电"})
    assert seen.json()["number"] == NUMBER
    (entry,) = await console.house.room.history.audited(1)
    assert (entry.what, entry.who, entry.after, entry.reason) == (
        "number seen",
        "supervisor-yangzhou",
        CALL,
        "市民要求回电",
    )
    other = await console.as_role(Role.SUPERVISOR, "suzhou")
    elsewhere = f"/api/v1/cities/suzhou/calls/{CALL}/number"
    assert (await other.post(elsewhere, json={"reason": "x"})).status_code == 403, "not that city's call"


async def test_the_team_leader_makes_own_seats_ready_or_not_and_no_others(console: Console) -> None:
    await seated(console)
    leader = await console.as_role(Role.LEADER, "xuzhou")
    done = await leader.put("/api/v1/cities/xuzhou/seats/3001/ready", json={"ready": False, "reason": "午间轮换"})
    assert done.status_code == 202
    assert (await console.house.room.registry.presses())[SeatRef("xuzhou", "3001")].reason == "3"
    assert (await console.house.room.history.audited(1))[0].what == "force not ready"
    other = await leader.put("/api/v1/cities/suzhou/seats/2001/ready", json={"ready": False})
    assert other.status_code == 403
    await leader.delete("/api/v1/cities/xuzhou/seats/3001/sitter", params={"reason": "下班"})
    rows = (await leader.get("/api/v1/cities/xuzhou/seats")).json()
    assert next(row for row in rows if row["seat"] == "3001")["agent"] is None


async def test_a_wrap_up_without_the_records_says_so_and_loses_nothing(console: Console) -> None:
    browser = await seated(console)
    note = {"call": CALL, "demand": "enquiry", "result": "on_call", "content": "咨询疫苗"}
    answer = problem(await browser.post("/api/v1/desk/wrap-up", json=note))
    assert (answer["status"], answer["code"]) == (503, "no_records")
