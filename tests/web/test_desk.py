"""The agent's desk: a seat, ready and not ready as far as the PBX, what pops up, and numbers nobody sees without reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from callctl.core.events import CallAnswered, CallEnded, CallRinging, CallWaiting, Fact, HomeSeat, LentSeat, WaitingCall
from callctl.core.fold import fold
from callctl.core.model import SeatRef, SlotRef
from callctl.core.picture import picture
from callctl.core.plan import Plan
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.rights import Actor, Role
from callctl.seating import greeting
from callctl.store.notes import pull
from tests.store.servers import Valkey
from tests.web.house import PROVINCE, Console, observed, open_console, problem

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


async def test_who_signs_in_where_they_sit_stays_as_they_are(console: Console) -> None:
    browser = await seated(console)
    await browser.put("/api/v1/desk/ready", json={"ready": True})
    ready, since = await console.house.room.registry.presses(), await console.house.sitting.all()
    console.clock.at += 5.0
    assert (await browser.put("/api/v1/desk/seat", json={"seat": "3001"})).status_code == 200, "a retry"
    assert (await browser.post("/desk/seat", data={"seat": "3001"})).status_code == 303
    assert await console.house.room.registry.presses() == ready, "still ready"
    assert await console.house.sitting.all() == since
    acts = [one.what for one in await console.house.room.history.audited(9)]
    assert acts.count("seat in") == 1
    await browser.delete("/api/v1/desk/seat")
    await browser.put("/api/v1/desk/seat", json={"seat": "3001"})
    press = (await console.house.room.registry.presses())[SeatRef("xuzhou", "3001")]
    assert (press.ready, press.reason) == (False, "260"), "anew is anew"


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


async def ringing(console: Console, seat: str, *then: Fact) -> None:
    """The call rings at a lent seat of Xuzhou, or what came of it then, and the controller has published that."""
    now = console.clock()
    waiting = CallWaiting("yangzhou", now - 40.0, WaitingCall(CALL, NUMBER, now - 40.0))
    earlier = CallWaiting("yangzhou", now - 900.0, WaitingCall("yangzhou-1790000000.1", NUMBER, now - 900.0))
    for fact in (earlier, waiting):
        console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    world = unseen(PROVINCE)
    for code in PROVINCE.cities:
        world = observed(world, code, 0, now)
    world = fold(world, [waiting, CallRinging("xuzhou", now, CALL, LentSeat(seat, "yangzhou")), *then])
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


async def answered(console: Console, seat: str = "3001", call: str = CALL) -> None:
    """The citizen of Yangzhou was answered at the seat of Xuzhou, and has hung up since."""
    now = console.clock()
    history = console.house.room.history
    history.record(CallWaiting("yangzhou", now - 90.0, WaitingCall(call, NUMBER, now - 90.0)))
    history.record(CallRinging("xuzhou", now - 72.0, call, LentSeat(seat, "yangzhou")))
    history.record(CallAnswered("xuzhou", now - 70.0, call, LentSeat(seat, "yangzhou"), 2.0))
    history.record(CallAnswered("yangzhou", now - 70.0, call, SlotRef("xuzhou", 1), 20.0))
    history.record(CallEnded("xuzhou", now - 10.0, call, LentSeat(seat, "yangzhou"), 60.0))
    history.record(CallEnded("yangzhou", now - 10.0, call, SlotRef("xuzhou", 1), 60.0))
    await history.flush()  # type: ignore[attr-defined]


NOTE = {"call": CALL, "demand": "help", "code": "900400", "result": "forwarded", "content": "小区积水，请求排涝"}


async def stub_of(console: Console, city: str = "yangzhou") -> list[dict[str, Any]]:
    """The order stubs the city may fetch."""
    demands = console.house.demands
    async with demands.cabinet.engine() as engine:
        return (await pull(engine, city, 0, 10, demands.seal))[0]


async def test_a_forwarded_note_becomes_one_stub_of_the_assisted_citys_order(console: Console) -> None:
    browser = await seated(console)
    await answered(console)
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": False}, "the same again is no news"
    [stub] = await stub_of(console)
    assert (stub["call_id"], stub["city"], stub["answering_city"], stub["seat"]) == (CALL, "yangzhou", "xuzhou", "3001")
    assert (stub["content"], stub["caller_no"], stub["agent"]) == (NOTE["content"], NUMBER, "A1")
    assert await stub_of(console, "xuzhou") == [], "the order is the assisted city's"
    corrected = {**NOTE, "content": "小区积水，已说明排涝电话", "result": "on_call"}
    assert (await browser.post("/api/v1/desk/wrap-up", json=corrected)).json() == {"new": True}
    [stub] = await stub_of(console)  # Answered on the call after all; the city has seen the order, so it is withdrawn.
    assert (stub["withdrawn"], stub["revision"]) == (True, 2)


async def test_what_is_wrong_with_a_note_is_said_at_its_field_in_both_languages(console: Console) -> None:
    browser = await seated(console)
    await answered(console)
    wrong = {"call": CALL, "demand": "x", "code": "", "result": "x", "content": " "}
    for language, said in (("en", "choose a category"), ("zh", "请选择分类代码")):
        answer = problem(await browser.post("/api/v1/desk/wrap-up", json=wrong, headers={"Accept-Language": language}))
        fields = {one["field"]: one["message"] for one in answer["errors"]}
        assert fields.keys() == {"demand", "code", "result", "content"}
        assert fields["code"] == said
    unknown = problem(await browser.post("/api/v1/desk/wrap-up", json={**NOTE, "code": "99999999"}))
    assert [one["field"] for one in unknown["errors"]] == ["code"]


async def test_nobody_writes_the_note_of_another_agents_call(console: Console) -> None:
    await answered(console)
    elsewhere = await console.as_role(Role.AGENT, "suzhou", agent="S1")
    beside = await seated(console, "3002")
    for browser in (elsewhere, beside):
        assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).status_code == 403
    unheard = {**NOTE, "call": "yangzhou-1790000000.99"}
    assert (await beside.post("/api/v1/desk/wrap-up", json=unheard)).status_code == 403
    assert await stub_of(console) == []


async def test_a_call_that_rang_here_and_was_answered_next_door_is_not_ours_to_note(console: Console) -> None:
    browser = await seated(console)
    await ringing(console, "3001")
    assert (await browser.get("/api/v1/desk")).json()["call"]["call"] == CALL, "it pops up"
    await answered(console, "3002")
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).status_code == 403
    assert await stub_of(console) == []


async def test_who_has_changed_seats_since_still_writes_the_note_of_the_call_they_answered(console: Console) -> None:
    browser = await seated(console)
    console.clock.at += 120.0
    await answered(console)
    assert (await browser.put("/api/v1/desk/seat", json={"seat": "3002"})).status_code == 200
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    [stub] = await stub_of(console)
    assert stub["seat"] == "3001", "where it was answered"


async def two_agents(console: Console) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    """A1 at 3001, A2 at 3002, for two minutes."""
    first = await seated(console)
    await console.account("zhang", Role.AGENT, "xuzhou", agent="A2")
    second = await console.signed_in("zhang")
    assert (await second.put("/api/v1/desk/seat", json={"seat": "3002"})).status_code == 200
    console.clock.at += 120.0
    return first, second


async def swap(console: Console, from_first: httpx.AsyncClient, from_second: httpx.AsyncClient, first: str) -> None:
    """They change places: who sat at `first` goes to the other seat."""
    second = "3002" if first == "3001" else "3001"
    assert (await from_first.delete("/api/v1/desk/seat")).status_code == 204
    assert (await from_second.put("/api/v1/desk/seat", json={"seat": first})).status_code == 200
    assert (await from_first.put("/api/v1/desk/seat", json={"seat": second})).status_code == 200
    console.clock.at += 120.0


async def test_a_call_that_rang_at_one_agent_and_was_answered_by_the_other_after_they_changed_seats(
    console: Console,
) -> None:
    first, second = await two_agents(console)
    await ringing(console, "3001")
    assert (await first.get("/api/v1/desk")).json()["call"]["call"] == CALL, "it rings at the first one's seat"
    await swap(console, first, second, "3001")
    await answered(console, "3001")  # By the second one, who sits there now.
    await swap(console, second, first, "3001")
    refused = problem(await first.post("/api/v1/desk/wrap-up", json=NOTE))
    assert refused["status"] == 403, "back at that seat, but it was the other one who talked"
    assert (await second.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    [stub] = await stub_of(console)
    assert (stub["agent"], stub["seat"]) == ("A2", "3001")


async def test_a_seat_made_to_forget_gives_nobody_a_colleagues_note(console: Console) -> None:
    first, second = await two_agents(console)
    await answered(console)
    assert (await first.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    for turn in range(12):
        for browser in (first, second):
            assert (await browser.put("/api/v1/desk/seat", json={"seat": "3001"})).status_code == 200, turn
            console.clock.at += 1.0
            assert (await browser.delete("/api/v1/desk/seat")).status_code == 204
    assert (await second.put("/api/v1/desk/seat", json={"seat": "3001"})).status_code == 200
    theirs = {**NOTE, "content": "改写"}
    assert (await second.post("/api/v1/desk/wrap-up", json=theirs)).status_code == 403
    [stub] = await stub_of(console)
    assert (stub["agent"], stub["content"]) == ("A1", NOTE["content"])
    assert (await first.post("/api/v1/desk/wrap-up", json=theirs)).json() == {"new": True}, "the writer still corrects it"


async def test_who_comes_to_an_empty_seat_does_not_replace_a_note_that_is_there(console: Console) -> None:
    await answered(console)  # While nobody was signed in at 3001.
    first, second = await two_agents(console)
    assert (await first.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    await swap(console, first, second, "3001")
    refused = problem(await second.post("/api/v1/desk/wrap-up", json={**NOTE, "content": "改写"}))
    assert (refused["status"], "agent A1 has written" in refused["detail"]) == (422, True)
    assert (await stub_of(console))[0]["content"] == NOTE["content"]


async def test_who_takes_over_a_seat_in_mid_talk_does_not_write_the_note_of_that_talk(console: Console) -> None:
    first, second = await two_agents(console)
    await ringing(console, "3001", CallAnswered("xuzhou", console.clock(), CALL, LentSeat("3001", "yangzhou"), 2.0))
    await answered(console, "3001")
    await swap(console, first, second, "3001")
    assert (await second.get("/api/v1/desk")).json()["seat"] == "3001"
    assert (await second.post("/api/v1/desk/wrap-up", json=NOTE)).status_code == 403
    assert (await first.delete("/api/v1/desk/seat")).status_code == 204
    assert (await first.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}, "also after signing out"


async def test_a_call_answered_while_nobody_was_signed_in_is_noted_by_whoever_signs_in_there_next(
    console: Console,
) -> None:
    leaves = await seated(console)
    assert (await leaves.delete("/api/v1/desk/seat")).status_code == 204
    console.clock.at += 120.0
    await answered(console, "3001")
    browser = await seated(console, "3001")
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}


async def test_a_category_is_found_by_code_name_and_synonym(console: Console) -> None:
    browser = await seated(console)
    for asked in ("9004", "封控", "小区管控"):
        found = (await browser.get("/api/v1/desk/categories", params={"q": asked})).json()
        assert found, asked
        assert {"code", "name_zh", "name_en"} == found[0].keys()
    assert (await browser.get("/api/v1/desk/categories", params={"q": "没有这种"})).json() == []


@pytest.mark.parametrize("cipher", ["aes", "sm"])
async def test_with_a_field_key_numbers_are_sealed_in_sql_and_the_desk_still_knows_them(
    valkey: Valkey, tmp_path: Path, cipher: str
) -> None:
    key = {"CALLCTL_FIELD_KEY": "0123456789abcdef0123456789abcdef", "CALLCTL_FIELD_CIPHER": cipher}
    async with open_console(tmp_path / "state", valkey.url, **key) as console:
        browser = await seated(console)
        await ringing(console, "3001")
        held = (tmp_path / "state" / "history.db").read_bytes()
        assert NUMBER.encode() not in held, "in clear in the database"
        pop = (await browser.get("/api/v1/desk")).json()["call"]
        assert (pop["number"], pop["times_today"]) == ("138****5678", 2)
        supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
        seen = await supervisor.post(f"/api/v1/cities/yangzhou/calls/{CALL}/number", json={"reason": "回电"})
        assert seen.json()["number"] == NUMBER
        rows = (await supervisor.get("/api/v1/cities/yangzhou/calls", params={"since": 0, "until": 1.8e9})).json()
        assert {row["number"] for row in rows} == {"138****5678"}
    # Another machine, without the key: it says that it does not know, and shows no sealed text.
    async with open_console(tmp_path / "state", valkey.url) as console:
        supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
        rows = (await supervisor.get("/api/v1/cities/yangzhou/calls", params={"since": 0, "until": 1.8e9})).json()
        assert {row["number"] for row in rows} == {None}
        refused = await supervisor.post(f"/api/v1/cities/yangzhou/calls/{CALL}/number", json={"reason": "回电"})
        assert refused.status_code == 422
        assert "~" not in refused.text


def test_the_greeting_is_the_assisted_citys_own_where_it_has_one() -> None:
    city = PROVINCE.cities["yangzhou"]
    own = replace(city, queue=replace(city.queue, greeting="您好，扬州12345，{agent}号为您服务。"))
    assert greeting(own, "A1") == "您好，扬州12345，A1号为您服务。"
    assert greeting(city, "A1") == "您好，扬州12345热线，A1号话务员为您服务，请问有什么可以帮您？"
    assert greeting(city, "") == "您好，扬州12345热线，请问有什么可以帮您？"


async def test_a_leaders_press_sent_twice_with_one_key_is_one_line_of_the_audit(console: Console) -> None:
    await seated(console)
    leader = await console.as_role(Role.LEADER, "xuzhou")
    place, headers = "/api/v1/cities/xuzhou/seats/3001", {"Idempotency-Key": "one"}
    for _ in range(2):
        done = await leader.put(f"{place}/ready", json={"ready": False}, headers=headers)
        assert done.status_code == 202
    audited = [one.what for one in await console.house.room.history.audited(20)]
    assert audited.count("force not ready") == 1
    await leader.put(f"{place}/ready", json={"ready": True}, headers=headers)
    audited = [one.what for one in await console.house.room.history.audited(20)]
    assert audited.count("force ready") == 1, "another act under the same id is told, too"
    ask = {"how": "listen", "phone": "3002"}
    first, again = [
        (await leader.post(f"{place}/listening", json=ask, headers={"Idempotency-Key": "two"})).json() for _ in range(2)
    ]
    assert first["id"] == again["id"], "one permit"
    assert [one.id for one in await console.house.room.registry.listenings()] == [first["id"]]


async def test_whom_the_ear_refuses_is_told_at_the_field(console: Console) -> None:
    await seated(console, "3002")
    leader = await console.as_role(Role.LEADER, "xuzhou")
    place = "/api/v1/cities/xuzhou/seats/3001/listening"
    for phone, said in (("3001", "itself"), ("9999", "telephone of this city"), ("3002", "signed in")):
        refused = problem(await leader.post(place, json={"how": "listen", "phone": phone}))
        assert [one["field"] for one in refused["errors"]] == ["phone"]
        assert said in refused["errors"][0]["message"]
    assert (await leader.post(place, json={"how": "record", "phone": "3003"})).status_code == 422
    assert await console.house.room.registry.listenings() == []


async def test_a_forced_act_hits_only_whom_the_page_showed_and_keeps_why(console: Console) -> None:
    await two_agents(console)  # A1 at 3001.
    leader, place = await console.as_role(Role.LEADER, "xuzhou"), "/cities/xuzhou/team/seats/3001"
    page = (await leader.get("/cities/xuzhou/team")).text
    assert f"{place}?sitter=A1" in page
    for act in ("out", "ready", "not ready"):
        late = await leader.post(
            f"{place}?sitter=A2", data={"act": act, "reason": "换班<b>"}, headers={"Accept-Language": "zh"}
        )
        assert late.status_code == 409
        assert "刚才已换人" in late.text
        assert "换班&lt;b&gt;" in late.text, "what was typed is kept"
    api = "/api/v1/cities/xuzhou/seats/3001"
    assert (await leader.put(f"{api}/ready", json={"ready": True, "agent": ""})).status_code == 409
    assert (await leader.delete(f"{api}/sitter?agent=A2")).status_code == 409
    sitting = console.house.sitting
    assert (await sitting.all())[SeatRef("xuzhou", "3001")].agent == "A1"
    assert (await console.house.room.registry.presses())[SeatRef("xuzhou", "3001")].reason == "260", "nothing was pressed"
    assert (await leader.post(f"{place}?sitter=A1", data={"act": "out", "reason": "换班"})).status_code == 303
    assert SeatRef("xuzhou", "3001") not in await sitting.all()
    acts = [one for one in await console.house.room.history.audited(20) if one.what.startswith("force")]
    assert [(one.what, one.after, one.reason) for one in acts] == [("force out", "3001 A1", "换班")]
    assert (await leader.delete("/api/v1/cities/xuzhou/seats/9999/sitter")).status_code == 422, "no such seat"
    actor = Actor("li\r\nroot", "x", frozenset({Role.LEADER}), frozenset({"xuzhou"}))
    await console.house.seating.force_out(actor, "xuzhou", "3002", "a\nsign in root\x1b[2J\u2028 台风")
    [entry] = await console.house.room.history.audited(1)
    assert (entry.who, entry.reason) == ("li  root", "a sign in root [2J  台风"), "an entry is one line, whatever was typed"
