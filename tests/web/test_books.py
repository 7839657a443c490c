"""Orders, missed calls, reports and categories through the console's doors, over real books."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from callctl.bookkeeping import SHEET_MOST
from callctl.core.categories import Category
from callctl.core.days import day_of, moment
from callctl.core.demand import Demand, Result, WrapUp
from callctl.core.events import CallBackEnd, CallBackEnded
from callctl.rights import Role
from callctl.store.notes import keep_note
from callctl.store.seal import Clear
from callctl.web.shields import SHEET_BODY_MOST
from tests.store.facts import Y, abandoned, answered_remote, name
from tests.store.servers import Valkey
from tests.web.house import Console, open_console, problem
from tests.web.test_desk_browser import find_sql, lose_sql

ZH = {"Accept-Language": "zh"}
CODES = {"010101": Category("010101", "", 1, "返城离城")}
CITY = f"/api/v1/cities/{Y}"


@dataclass
class Kept:
    """A console whose books hold a day."""

    console: Console
    day: str
    stub: str


@pytest.fixture
async def kept(console: Console) -> AsyncIterator[Kept]:
    """Yesterday: one forwarded remote answer, one without a note; today one caller who gave up."""
    now = console.clock()
    yesterday = moment(day_of(now - 86_400), 10)
    facts = [*answered_remote(1, yesterday, yesterday + 20), *answered_remote(2, yesterday + 60, yesterday + 80)]
    for fact in [*facts, *abandoned(3, now - 900, now - 800)]:
        console.house.room.history.record(fact)
    await console.house.room.history.flush()
    engine = console.house.books._books.engine
    note = WrapUp(name(1), Y, "xuzhou", "1301", "A9", yesterday + 90, Demand.HELP, "010101", Result.FORWARDED)
    worded = WrapUp(
        **{**{key: getattr(note, key) for key in note.__slots__}, "content": "求助内容", "number": "13800000001"}
    )
    assert await keep_note(engine, worded, CODES, (), yesterday + 3600, Clear())
    return Kept(console, day_of(yesterday).isoformat(), name(1))


async def test_the_city_s_order_system_pulls_with_a_cursor_and_tells_what_became_of_it_once(kept: Kept) -> None:
    asking = await kept.console.as_role(Role.SUPERVISOR, Y)
    body = (await asking.get(f"{CITY}/stubs")).json()
    [stub] = body["stubs"]
    assert (stub["stub"], stub["content"], stub["caller_no"]) == (kept.stub, "求助内容", "13800000001")
    assert (await asking.get(f"{CITY}/stubs", params={"after": body["cursor"]})).json() == {
        "stubs": [],
        "cursor": body["cursor"],
    }
    told = {"what": "accepted", "at": kept.console.clock(), "order_no": "YZ-2026-1"}
    path = f"{CITY}/stubs/{kept.stub}/status"
    assert (await asking.post(path, json=told)).json() == {"new": True}
    assert (await asking.post(path, json=told)).json() == {"new": False}
    other = await asking.post(path, json={**told, "order_no": "YZ-2026-2"})
    assert other.status_code in {409, 422}
    assert "YZ-2026-1" in problem(other)["detail"]
    audit = await kept.console.house.room.history.audited(5)
    assert [(one.what, one.city) for one in audit] == [("pull stubs", Y)]  # Personal data left the house once.


async def test_satisfaction_in_the_city_s_own_words_becomes_a_score(kept: Kept) -> None:
    asking = await kept.console.as_role(Role.SUPERVISOR, Y)
    path = f"{CITY}/stubs/{kept.stub}/status"
    wrong = await asking.post(path, json={"what": "followed_up", "satisfaction": "还行"})
    assert "满意" in problem(wrong)["detail"]
    assert (await asking.post(path, json={"what": "followed_up", "satisfaction": "非常满意"})).json() == {"new": True}


async def test_a_token_of_another_city_gets_nothing_and_one_limited_to_pulling_cannot_tell(kept: Kept) -> None:
    other = await kept.console.as_role(Role.SUPERVISOR, "suzhou")
    assert (await other.get(f"{CITY}/stubs")).status_code == 403
    agent = await kept.console.as_role(Role.AGENT, Y)
    assert (await agent.get(f"{CITY}/stubs")).status_code == 403


async def test_the_orders_page_shows_the_red_card_and_what_is_not_reconciled(kept: Kept) -> None:
    watching = await kept.console.as_role(Role.SUPERVISOR, Y)
    [order] = (await watching.get(f"{CITY}/orders")).json()
    assert (order["card"], order["state"]) == ("red", "waiting")
    text = (await watching.get(f"/cities/{Y}/orders", headers={"Accept-Language": "zh"})).text
    assert "红牌 1" in text
    assert "支援接听 2 件，有小结 1 件；流转 1 件，未签收 1 件。" in text
    assert name(2) in text  # The call nobody wrote a note to.


async def test_who_gave_up_is_listed_dialled_by_hand_and_off_the_list_once_reached(kept: Kept) -> None:
    leader = await kept.console.as_role(Role.LEADER, Y)
    body = (await leader.get(f"{CITY}/missed")).json()
    assert [(one["call"], one["number"], one["attempts"]) for one in body["waiting"]] == [(name(3), "138****0003", 1)]
    assert body["by_pbx"] is False
    page = (await leader.get(f"/cities/{Y}/missed", headers={"Accept-Language": "zh"})).text
    assert "本市不自动回拨" in page
    assert "138****0003" in page
    assert "13800000003" not in page
    clear = await leader.post(f"/cities/{Y}/missed/{name(3)}/number", data={"reason": "漏接回拨"})
    assert "13800000003" in clear.text
    nothing = await leader.post(f"/cities/{Y}/missed/{name(3)}/number", data={"reason": ""})
    assert nothing.status_code == 422
    assert "13800000003" not in nothing.text
    done = await leader.post(
        f"{CITY}/missed/{name(3)}/result", json={"outcome": "answered"}, headers={"Idempotency-Key": "1"}
    )
    assert done.status_code == 201
    assert (await leader.get(f"{CITY}/missed")).json()["waiting"] == []
    assert "已接通" in (await leader.get(f"/cities/{Y}/missed", headers={"Accept-Language": "zh"})).text


async def test_what_the_pbx_says_of_a_call_back_is_written_once_and_shown(kept: Kept) -> None:
    now = kept.console.clock()
    history = kept.console.house.room.history
    end = CallBackEnded(Y, now - 60, name(3), "a/1", "xuzhou", "", CallBackEnd.BUSY)
    nobody = CallBackEnded(Y, now - 90, name(3), "a/0", Y, "", CallBackEnd.NO_AGENT)
    for fact in (nobody, end, CallBackEnded(Y, now - 59, name(3), "a/1", "xuzhou", "", CallBackEnd.BUSY)):
        history.record(fact)
    await history.flush()
    leader = await kept.console.as_role(Role.LEADER, Y)
    body = (await leader.get(f"{CITY}/missed")).json()
    assert [(one["by_city"], one["outcome"]) for one in body["made"]] == [("xuzhou", "busy")]
    assert body["waiting"][0]["tries"] == 1


async def test_a_report_goes_from_draft_over_notes_and_approval_to_sent_and_its_figures_freeze(kept: Kept) -> None:
    of = f"/cities/{Y}/reports/{kept.day}"
    writer = await kept.console.as_role(Role.REPORTER, Y)
    signer = await kept.console.as_role(Role.SUPERVISOR, Y)
    hasty = await kept.console.as_role(Role.REPORTER, Y, more_roles=("supervisor",))  # As writer, with the right to sign.
    first = await writer.get(of, headers={"Accept-Language": "zh"})
    assert "人工请求 2 件，接听 2 件，其中支援市接听 2 件" in first.text
    assert (await writer.post(f"{of}/notes", data={"notes": "暴雨当日"})).status_code == 303
    assert (await writer.post(f"{of}/approve", data={"sure": "yes"})).status_code == 403
    refused = await hasty.post(f"{of}/approve", data={"sure": "yes"}, headers={"Accept-Language": "zh"})
    assert refused.status_code == 422
    assert "请由另一人审批" in refused.text
    assert (await signer.post(f"{of}/approve", data={"sure": "yes"})).status_code == 303
    again = await signer.post(f"{of}/approve", data={"sure": "yes"})
    assert again.status_code == 422
    assert (await writer.post(f"{of}/notes", data={"notes": "改"})).status_code == 422
    assert (await writer.post(f"{of}/sent", data={"to": "省政务办"})).status_code == 303
    [listed] = (await writer.get(f"{CITY}/reports")).json()
    assert (listed["state"], listed["notes"], listed["sent_to"]) == ("sent", "暴雨当日", "省政务办")
    for form, begin in (("json", b"{"), ("html", b"<!"), ("xlsx", b"PK")):
        answer = await writer.get(f"{of}/file/{form}")
        assert answer.status_code == 200
        assert answer.content.lstrip()[: len(begin)] == begin
        assert f"{Y}-{kept.day}.{form}" in answer.headers["content-disposition"]


async def test_notes_leave_a_line_of_the_audit_whatever_the_request_is_called_and_whose_key_it_was(kept: Kept) -> None:
    of = f"/cities/{Y}/reports/{kept.day}"
    writer = await kept.console.as_role(Role.REPORTER, Y)
    both = await kept.console.as_role(Role.SUPERVISOR, Y, more_roles=("reporter",))
    assert (await writer.get(of)).status_code == 200
    for who, notes in ((writer, "甲"), (writer, "乙"), (both, "丙"), (both, "丙"), (writer, "甲")):
        assert (await who.post(f"{of}/notes", data={"notes": notes, "request": "one"})).status_code == 303
    audited = [one.who for one in await kept.console.house.room.history.audited(9) if one.what == "report note"]
    assert len(audited) == 3, "three texts by two people; what was sent again is no news"
    assert len(set(audited)) == 2
    [listed] = (await writer.get(f"{CITY}/reports")).json()
    assert listed["notes"] == "丙", "an old request that comes again does not bring the old text back"
    refused = await both.post(f"{of}/approve", data={"sure": "yes", "request": "two"}, headers={"Accept-Language": "zh"})
    assert "请由另一人审批" in refused.text


async def test_a_step_that_comes_again_is_told_as_done_and_a_refused_one_is_not(kept: Kept) -> None:
    of = f"/cities/{Y}/reports/{kept.day}"
    writer, signer = await kept.console.as_role(Role.REPORTER, Y), await kept.console.as_role(Role.SUPERVISOR, Y)
    key = {"Idempotency-Key": "k"}
    assert (await writer.post(f"{CITY}/reports/{kept.day}/sending", json={"to": "省"}, headers=key)).status_code == 422
    assert (await writer.get(of)).status_code == 200
    for _ in range(2):
        assert (await writer.post(f"{CITY}/reports/{kept.day}/sending", json={"to": "省"}, headers=key)).status_code == 422
    for _ in range(2):
        assert (await signer.post(f"{of}/approve", data={"sure": "yes", "request": "a"})).status_code == 303
    for _ in range(2):
        assert (await writer.post(f"{CITY}/reports/{kept.day}/sending", json={"to": "省"}, headers=key)).status_code == 204
    other = await writer.post(f"{CITY}/reports/{kept.day}/sending", json={"to": "市"}, headers=key)
    assert other.status_code == 422, "another content is another act"
    steps = [one.what for one in await kept.console.house.room.history.audited(9) if one.what.startswith("report ")]
    assert steps == ["report sent", "report approve"], "a refused step leaves no line that says it was done"


async def test_a_broken_list_of_categories_is_told_by_line_and_changes_nothing(kept: Kept) -> None:
    chief = await kept.console.as_role(Role.DISPATCHER)
    before = (await chief.get("/api/v1/categories")).json()
    broken = "code,level,parent,name_zh\n0101,1,,甲\n010101,2,0999,乙\n".encode("gb18030")
    said = await chief.post(
        "/categories", files={"sheet": ("c.csv", broken, "text/csv")}, headers={"Accept-Language": "zh"}
    )
    assert said.status_code == 422
    assert "line 3" in said.text
    bad_bytes = await chief.put("/api/v1/categories", content=b"code,level,parent,name_zh\n01,1,,\xff\xff\n")
    assert bad_bytes.status_code == 422
    assert (await chief.get("/api/v1/categories")).json() == before
    good = "code,level,parent,name_zh\n0101,1,,甲\n".encode("gb18030")
    assert (await chief.put("/api/v1/categories", content=good)).json() == {"categories": 1}
    assert [one["name_zh"] for one in (await chief.get("/api/v1/categories")).json()] == ["甲"]


def long_list(size: int) -> bytes:
    """A list of categories of about so many bytes."""
    top = "code,level,parent,name_zh,synonyms\n" + "".join(f"{code:04},1,,第{code}类,\n" for code in range(1, 100))
    row = "{top:04}{code:02},2,{top:04},第{code}号,{words}\n"
    words = "|".join("停水停电停气" for _ in range(12))
    count = size // len(row.format(top=1, code=1, words=words).encode())
    return (top + "".join(row.format(top=n % 99 + 1, code=n // 99, words=words) for n in range(count))).encode()


async def test_a_list_of_categories_may_be_larger_than_any_form(kept: Kept) -> None:
    chief = await kept.console.as_role(Role.DISPATCHER)
    sheet = long_list(300_000)
    done = await chief.put("/api/v1/categories", content=sheet)
    assert (done.status_code, done.json()) == (200, {"categories": sheet.count(b"\n") - 1})
    assert (await chief.post("/categories", files={"sheet": ("c.csv", sheet, "text/csv")})).status_code == 303
    before = (await chief.get("/api/v1/categories")).json()
    for size, status in ((SHEET_MOST + 30_000, 422), (SHEET_BODY_MOST + 50_000, 413)):
        sheet = long_list(size)
        assert (await chief.put("/api/v1/categories", content=sheet)).status_code == status
        assert (await chief.post("/categories", files={"sheet": ("c.csv", sheet, "text/csv")})).status_code == status
    assert (await chief.get("/api/v1/categories")).json() == before
    other = await kept.console.as_role(Role.SUPERVISOR, "yangzhou")
    assert (await other.put("/api/v1/categories", content=long_list(300_000))).status_code == 403


async def test_a_list_that_could_not_be_kept_leaves_no_line_that_says_it_was(kept: Kept) -> None:
    chief = await kept.console.as_role(Role.DISPATCHER)
    sheet = "code,level,parent,name_zh\n0101,1,,甲\n".encode()
    before = (await chief.get("/api/v1/categories")).json()
    async with kept.console.house.books._books.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TRIGGER nothing_comes BEFORE INSERT ON categories"
                                         " BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
    assert (await chief.put("/api/v1/categories", content=sheet)).status_code >= 500
    assert (await chief.get("/api/v1/categories")).json() == before
    assert "categories" not in [one.what for one in await kept.console.house.room.history.audited(9)]
    async with kept.console.house.books._books.engine.begin() as connection:
        await connection.exec_driver_sql("DROP TRIGGER nothing_comes")
    assert (await chief.put("/api/v1/categories", content=sheet)).status_code == 200
    assert [one.after for one in await kept.console.house.room.history.audited(9) if one.what == "categories"] == ["1"]


async def test_wrong_holidays_and_wrong_rules_do_not_close_the_page_of_categories(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "holidays.csv").write_text("day,kind\n2026-13-01,holiday\n", "utf-8")
    (tmp_path / "records.toml").write_text("[report]\nat_h = 99\n", "utf-8")
    async with open_console(tmp_path / "state", valkey.url, CALLCTL_PROVINCE=str(tmp_path)) as console:
        chief = await console.as_role(Role.DISPATCHER)
        assert len((await chief.get("/api/v1/categories")).json()) > 100
        assert "返城离城" in (await chief.get("/categories")).text


async def test_a_wrong_file_of_categories_is_told_on_the_page_that_replaces_it(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "categories.csv").write_text("code,level,parent,name_zh\n010101,2,0999,乙\n", "utf-8")
    async with open_console(tmp_path / "state", valkey.url, CALLCTL_PROVINCE=str(tmp_path)) as console:
        chief = await console.as_role(Role.DISPATCHER)
        seen = await chief.get("/categories")
        assert "line 2" in seen.text
        assert 'type="file"' in seen.text
        good = "code,level,parent,name_zh\n0101,1,,甲\n".encode()
        assert (await chief.post("/categories", files={"sheet": ("c.csv", good, "text/csv")})).status_code == 303
        assert "甲" in (await chief.get("/categories")).text


async def test_without_the_database_the_import_of_categories_says_so_beside_its_form(kept: Kept) -> None:
    chief = await kept.console.as_role(Role.DISPATCHER)
    good = {"sheet": ("c.csv", "code,level,parent,name_zh\n0101,1,,甲\n".encode(), "text/csv")}
    await lose_sql(kept.console)
    answer = await chief.post("/categories", files=good, headers=ZH)
    assert (answer.status_code, "请重新选择文件再导入一次" in answer.text) == (503, True)
    assert 'type="file"' in answer.text, "the form is there to be sent again"
    assert "文件有误" not in answer.text, "nothing is wrong with the file"
    await find_sql(kept.console)
    assert (await chief.post("/categories", files=good)).status_code == 303
    assert "甲" in (await chief.get("/categories")).text


async def test_without_the_database_the_steps_of_a_report_keep_what_was_typed(kept: Kept) -> None:
    of = f"/cities/{Y}/reports/{kept.day}"
    writer, signer = await kept.console.as_role(Role.REPORTER, Y), await kept.console.as_role(Role.SUPERVISOR, Y)
    assert (await writer.get(of)).status_code == 200
    await lose_sql(kept.console)
    for who, step, typed, shown in (
        (
            writer,
            "notes",
            {"notes": "暴雨当日，\n<b>话务</b>增三成"},
            "暴雨当日，\n&lt;b&gt;话务&lt;/b&gt;增三成",
        ),
        (signer, "approve", {"sure": "yes"}, 'name="sure" value="yes" checked'),
        (writer, "sent", {"to": "省政务办"}, 'value="省政务办"'),
    ):
        answer = await who.post(f"{of}/{step}", data=typed, headers=ZH)
        assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True), step
        assert re.findall(r'action="(/cities/[^"]+)"', answer.text) == [f"{of}/{step}"], "this form and no other"
        assert shown in answer.text, step
    await find_sql(kept.console)
    assert (await writer.post(f"{of}/notes", data={"notes": "暴雨"})).status_code == 303


async def test_without_the_database_the_forms_of_a_missed_call_keep_what_was_typed(kept: Kept) -> None:
    of = f"/cities/{Y}/missed/{name(3)}"
    leader = await kept.console.as_role(Role.LEADER, Y)
    await lose_sql(kept.console)
    for step, typed, shown in (
        ("number", {"reason": "漏接回拨"}, 'value="漏接回拨"'),
        ("result", {"outcome": "busy"}, '<option value="busy" selected>'),
    ):
        answer = await leader.post(f"{of}/{step}", data=typed, headers=ZH)
        assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True), step
        assert f'action="{of}/{step}"' in answer.text
        assert shown in answer.text, step
        assert "没有待回拨的市民" not in answer.text, "nobody knows"


async def test_a_refused_look_at_a_missed_callers_number_comes_back_open_with_its_reason(kept: Kept) -> None:
    leader = await kept.console.as_role(Role.LEADER, Y)
    refused = await leader.post(f"/cities/{Y}/missed/{name(3)}/number", data={"reason": "回拨\x07"}, headers=ZH)
    assert refused.status_code == 422
    assert "<details open>" in refused.text
    assert 'value="回拨\x07"' in refused.text
