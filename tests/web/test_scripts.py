"""统一答复口径 by API: two people, versions, Chinese search, receipts; seats not lent for want of reading."""

from dataclasses import replace

import httpx
import pytest

from callctl.core.model import SeatRef
from callctl.rights import Actor, Role
from callctl.scripts.desk import difference
from callctl.scripts.reading import LOOK_S
from callctl.store.scripts import Wording
from tests.web.house import Console, problem

Y = "/api/v1/cities/yangzhou/scripts"
FEVER = {
    "question": "发热病人去哪里就诊？",
    "answer": "请到苏北医院发热门诊，24 小时开放。",
    "category": "0101",
    "must_read": True,
}


async def write(console: Console, **words: object) -> tuple[httpx.AsyncClient, dict]:
    editor = await console.as_role(Role.EDITOR, "yangzhou")
    made = await editor.post(Y, json={**FEVER, **words})
    assert made.status_code == 201, made.text
    return editor, made.json()


async def publish(console: Console, draft: dict) -> httpx.Response:
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    place = f"{Y}/{draft['id']}/versions/{draft['version']}/publish"
    return await approver.post(place, json={"seen_saves": draft["saves"]})


async def published(console: Console, **words: object) -> dict:
    _, draft = await write(console, **words)
    done = await publish(console, draft)
    assert done.status_code == 200, done.text
    return done.json()


async def agent(console: Console, number: str = "A1", city: str = "xuzhou") -> httpx.AsyncClient:
    return await console.as_role(Role.AGENT, city, agent=number)


async def test_a_draft_is_seen_by_nobody_else_and_what_is_published_by_everybody(console: Console) -> None:
    _, draft = await write(console)
    reader = await agent(console)
    assert (await reader.get("/api/v1/scripts")).json() == []
    assert (await reader.get(f"/api/v1/scripts/of/yangzhou/{draft['id']}/versions")).json() == []
    await publish(console, draft)
    assert [found["question"] for found in (await reader.get("/api/v1/scripts")).json()] == [FEVER["question"]]


async def test_nobody_approves_what_they_wrote_also_not_with_both_roles(console: Console) -> None:
    browser = await console.as_role(Role.EDITOR, "yangzhou")
    draft = (await browser.post(Y, json=FEVER)).json()
    both = await console.as_role(Role.EDITOR, "yangzhou", more_roles=("approver",))
    refused = problem(await both.post(f"{Y}/{draft['id']}/versions/1/publish", json={"seen_saves": 1}))
    assert "wrote themselves" in refused["detail"]
    assert (await publish(console, draft)).status_code == 200


async def test_what_was_saved_after_the_approver_looked_is_not_published_unseen(console: Console) -> None:
    editor, draft = await write(console)
    again = {**FEVER, "answer": "改为市一院。", "seen_saves": 1}
    assert (await editor.put(f"{Y}/{draft['id']}/draft", json=again)).json()["saves"] == 2
    late = problem(await publish(console, draft))
    assert (late["status"], late["code"]) == (409, "overtaken")


async def test_of_two_editors_who_save_at_once_the_later_one_is_told(console: Console) -> None:
    editor, draft = await write(console)
    place = f"{Y}/{draft['id']}/draft"
    assert (await editor.put(place, json={**FEVER, "note": "一", "seen_saves": 1})).status_code == 200
    assert (await editor.put(place, json={**FEVER, "note": "二", "seen_saves": 1})).status_code == 409
    assert (await editor.put(place, json={**FEVER, "note": "二"})).status_code == 409, "nor who knew of no draft"


async def test_a_new_version_takes_the_place_of_the_old_one_and_shows_what_changed(console: Console) -> None:
    first = await published(console)
    editor = await console.as_role(Role.EDITOR, "yangzhou")
    changed = {**FEVER, "answer": "请到市一院发热门诊，24 小时开放。", "note": "苏北医院满负荷"}
    second = (await editor.put(f"{Y}/{first['id']}/draft", json=changed)).json()
    assert second["version"] == 2
    reader = await agent(console)
    assert [found["version"] for found in (await reader.get("/api/v1/scripts")).json()] == [1], "until it is approved"
    await publish(console, second)
    assert [found["version"] for found in (await reader.get("/api/v1/scripts")).json()] == [2]
    place = f"/api/v1/scripts/of/yangzhou/{first['id']}"
    told = (await reader.get(f"{place}/difference", params={"old": 1, "new": 2})).json()
    assert told["answer"] == [["same", "请到"], ["gone", "苏北医"], ["new", "市一"], ["same", "院发热门诊，24 小时开放。"]]
    assert [one["state"] for one in (await reader.get(f"{place}/versions")).json()] == ["published", "expired"]


def test_a_changed_number_is_shown_whole() -> None:
    before = Wording("离城", answer="凭48小时证明，8:30 起，电话 12345")
    runs = difference(before, replace(before, answer="凭24小时证明，8:00 起，电话 12345"))["answer"]
    changed = [run for run in runs if run[0] != "same"]
    assert changed == [("gone", "48"), ("new", "24"), ("gone", "8:30"), ("new", "8:00")]
    assert "".join(text for kind, text in runs if kind != "gone") == "凭24小时证明，8:00 起，电话 12345"


async def test_a_script_ends_when_it_says_so_or_when_it_is_withdrawn(console: Console) -> None:
    script = await published(console, until=console.clock() + 60.0)
    lasting = await published(console, question="疫苗接种点在哪里？")
    reader = await agent(console)
    console.clock.at += 61.0
    assert [found["id"] for found in (await reader.get("/api/v1/scripts")).json()] == [lasting["id"]]
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    assert (await approver.post(f"{Y}/{lasting['id']}/expire", json={"why": ""})).status_code == 422
    await approver.post(f"{Y}/{lasting['id']}/expire", json={"why": "政策调整"})
    assert (await reader.get("/api/v1/scripts")).json() == []
    assert (await console.house.room.history.audited(1))[0].reason == "政策调整"
    assert script["until"] is not None


@pytest.mark.parametrize(
    ("asked", "found"), [("疫苗", 1), ("接种 疫苗", 1), ("发热", 1), ("ＣＯＶＩＤ", 1), ("不存在", 0), ("", 2)]
)
async def test_search_finds_two_characters_full_width_letters_and_all_words(
    console: Console, asked: str, found: int
) -> None:
    await published(console)
    await published(console, question="疫苗接种点在哪里？", answer="covid 疫苗接种请到社区医院。", category="0201")
    reader = await agent(console)
    assert len((await reader.get("/api/v1/scripts", params={"q": asked})).json()) == found
    assert len((await reader.get("/api/v1/scripts", params={"category": "02"})).json()) == 1


async def test_markup_in_a_script_stays_text(console: Console) -> None:
    script = await published(console, answer='<script>alert(1)</script>{{ 7*7 }} " onload=x')
    reader = await agent(console)
    answer = await reader.get("/api/v1/scripts")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()[0]["answer"] == script["answer"] == '<script>alert(1)</script>{{ 7*7 }} " onload=x'


async def test_an_agent_who_has_not_read_gets_no_call_of_the_city_until_reading(console: Console) -> None:
    script = await published(console)
    registry = console.house.room.registry
    barred = (await registry.unbriefed())["yangzhou"]
    # Every seat of Suzhou and Xuzhou that may be lent; the first of each city may not.
    assert {ref for ref in barred if ref.city == "xuzhou"} == {SeatRef("xuzhou", f"300{n}") for n in (1, 2, 3)}
    reader = await agent(console, "A1", "xuzhou")
    assert [one["id"] for one in (await reader.get("/api/v1/scripts/unread")).json()] == [script["id"]]
    receipt = f"/api/v1/scripts/{script['id']}/receipt"
    assert (await reader.post(receipt, json={"version": 1})).json() == {"new": True}
    assert (await reader.post(receipt, json={"version": 1})).json() == {"new": False}
    assert (await reader.get("/api/v1/scripts/unread")).json() == []
    assert SeatRef("xuzhou", "3001") not in (await registry.unbriefed())["yangzhou"]


async def test_a_new_version_must_be_read_anew_and_an_old_one_cannot_be_confirmed(console: Console) -> None:
    script = await published(console)
    reader = await agent(console)
    receipt = f"/api/v1/scripts/{script['id']}/receipt"
    await reader.post(receipt, json={"version": 1})
    editor = await console.as_role(Role.EDITOR, "yangzhou")
    second = (await editor.put(f"{Y}/{script['id']}/draft", json={**FEVER, "answer": "新"})).json()
    await publish(console, second)
    assert len((await reader.get("/api/v1/scripts/unread")).json()) == 1
    assert (await reader.post(receipt, json={"version": 1})).status_code == 409


async def test_the_rate_of_each_supporting_city_is_told(console: Console) -> None:
    script = await published(console)
    reader = await agent(console)
    await reader.post(f"/api/v1/scripts/{script['id']}/receipt", json={"version": 1})
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    (told,) = (await supervisor.get(f"{Y}/rates")).json()
    assert told["cities"]["xuzhou"] == {"agents": 3, "read": 1}


async def test_two_cities_agents_with_one_number_are_two_people(console: Console) -> None:
    """工号 are a city's own: in Xuzhou and in Suzhou there is an A1."""
    script = await published(console)
    registry, receipt = console.house.room.registry, f"/api/v1/scripts/{script['id']}/receipt"
    one, other = await agent(console, "A1", "xuzhou"), await agent(console, "A1", "suzhou")
    assert (await one.post(receipt, json={"version": 1})).json() == {"new": True}
    barred = (await registry.unbriefed())["yangzhou"]
    assert (SeatRef("xuzhou", "3001") in barred, SeatRef("suzhou", "2001") in barred) == (False, True)
    assert [found["id"] for found in (await other.get("/api/v1/scripts/unread")).json()] == [script["id"]]
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")

    async def read() -> dict[str, int]:
        (told,) = (await supervisor.get(f"{Y}/rates")).json()
        return {city: rate["read"] for city, rate in told["cities"].items()}

    assert await read() == {"xuzhou": 1, "suzhou": 0}
    assert (await other.post(receipt, json={"version": 1})).json() == {"new": True}
    assert (await other.post(receipt, json={"version": 1})).json() == {"new": False}
    assert (await read(), (await other.get("/api/v1/scripts/unread")).json()) == ({"xuzhou": 1, "suzhou": 1}, [])
    assert SeatRef("suzhou", "2001") not in (await registry.unbriefed())["yangzhou"]


async def test_only_the_agent_confirms_and_nobody_for_another_city(console: Console) -> None:
    script = await published(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "xuzhou")
    assert (await supervisor.post(f"/api/v1/scripts/{script['id']}/receipt", json={"version": 1})).status_code == 403
    other = await console.as_role(Role.EDITOR, "suzhou")
    assert (await other.post(Y, json=FEVER)).status_code == 403
    own = await other.put(f"/api/v1/cities/suzhou/scripts/{script['id']}/draft", json=FEVER)
    assert own.status_code == 404, "another city's script is not there"


async def test_every_console_shows_a_script_published_at_another_one(console: Console) -> None:
    assert LOOK_S <= 1.0, "within the two seconds promised"
    _, draft = await write(console)
    other = Actor("李审核", "elsewhere", frozenset({Role.APPROVER}), frozenset({"yangzhou"}), account="li")
    await console.house.scripts.publish(other, "yangzhou", draft["id"], 1, 1)
    await console.house.reading.look()
    assert len((await (await agent(console)).get("/api/v1/scripts")).json()) == 1


async def test_every_console_takes_away_what_another_one_withdrew_also_where_that_one_s_clock_is_slow(
    console: Console,
) -> None:
    withdrawn, kept = await published(console), await published(console, question="疫苗接种点在哪里？")
    console.clock.at -= 3600.0
    other = Actor("李审核", "elsewhere", frozenset({Role.APPROVER}), frozenset({"yangzhou"}), account="li")
    await console.house.scripts.expire(other, "yangzhou", withdrawn["id"], "政策调整")
    console.clock.at += 3600.0
    await console.house.reading.look()
    assert [one["id"] for one in (await (await agent(console)).get("/api/v1/scripts")).json()] == [kept["id"]]


async def test_wrong_fields_are_told_one_by_one(console: Console) -> None:
    editor = await console.as_role(Role.EDITOR, "yangzhou")
    wrong = problem(await editor.post(Y, json={**FEVER, "question": " ", "answer": "\x07", "until": 1.0}))
    assert {error["field"] for error in wrong["errors"]} == {"question", "answer", "until"}


async def changed(console: Console, script: dict, **words: object) -> dict:
    """A new version of the script, published."""
    editor = await console.as_role(Role.EDITOR, "yangzhou")
    place = f"{Y}/{script['id']}/draft"
    draft = (await editor.put(place, json={**FEVER, "answer": f"第 {script['version'] + 1} 版", **words})).json()
    done = await publish(console, draft)
    assert done.status_code == 200, done.text
    return done.json()


async def versions_read(console: Console) -> list[int]:
    """What an agent finds now."""
    return [one["version"] for one in (await (await agent(console)).get("/api/v1/scripts")).json()]


async def test_a_version_that_begins_later_leaves_the_one_in_force_until_then(console: Console) -> None:
    first = await published(console)
    begins = console.clock() + 600.0
    second = await changed(console, first, from_at=begins)
    registry, page = console.house.room.registry, f"/scripts/of/yangzhou/{first['id']}"
    assert await versions_read(console) == [1], "every desk keeps its answer"
    assert (await registry.unbriefed())["yangzhou"], "and it must be read still"
    reader = await agent(console)
    receipt = f"/api/v1/scripts/{first['id']}/receipt"
    assert (await reader.post(receipt, json={"version": 2})).status_code == 409, "not yet"
    assert (await reader.post(receipt, json={"version": 1})).json() == {"new": True}
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    seen = (await approver.get(page)).text
    assert ('name="version" value="1"' in seen, 'name="version" value="2"' in seen) == (True, True), "both can be withdrawn"
    console.clock.at = begins
    await console.house.reading.look()
    assert await versions_read(console) == [2], "no press of anybody was needed"
    assert SeatRef("xuzhou", "3001") in (await registry.unbriefed())["yangzhou"], "the new one must be read anew"
    place = f"/api/v1/scripts/of/yangzhou/{first['id']}/versions"
    assert [one["state"] for one in (await reader.get(place)).json()] == ["published", "expired"]
    listed = (await approver.get(Y)).json()
    assert [(one["version"], one["state"]) for one in listed] == [(2, "published"), (1, "expired")]
    assert second["from_at"] == begins


async def test_what_was_replaced_does_not_come_back_and_what_is_to_come_can_be_withdrawn_alone(console: Console) -> None:
    first = await published(console)
    second = await changed(console, first, from_at=console.clock() + 60.0)
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    place = f"{Y}/{first['id']}/expire"
    console.clock.at += 1.0
    gone = await approver.post(place, json={"why": "写错了", "version": 2})
    assert (gone.json()["version"], await versions_read(console)) == (2, [1]), "the one in force stays"
    console.clock.at += 61.0
    assert await versions_read(console) == [1]
    third = await changed(console, second, from_at=console.clock() + 60.0)
    console.clock.at += 61.0
    assert await versions_read(console) == [3]
    assert (await approver.post(place, json={"why": "政策调整"})).json()["version"] == third["version"]
    assert await versions_read(console) == [], "no older answer comes back by that"
    ended = await changed(console, third, from_at=console.clock() + 60.0, until=console.clock() + 120.0)
    await changed(console, ended)
    console.clock.at += 61.0
    assert await versions_read(console) == [5], "published later, in force at once: the one before never begins"
