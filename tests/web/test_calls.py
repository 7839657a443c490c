"""A city's calls and each call's page: masked for everybody, in full with right and reason, audited before it is shown."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from callctl.core.events import (
    CallAnswered,
    CallBackEnd,
    CalledBack,
    CallEnded,
    CallLeftQueue,
    CallWaiting,
    HomeSeat,
    Outcome,
    WaitingCall,
)
from callctl.rights import Role
from callctl.store.calls import ENDS_MOST, Fate
from callctl.web.views.calls import FATE_WORDS
from tests.store.servers import Valkey
from tests.web.browser import PHONE, axe, picture_of
from tests.web.explained import explained
from tests.web.hall import Hall
from tests.web.house import Console, open_console, problem
from tests.web.test_desk import CALL, NUMBER, answered
from tests.web.test_desk_browser import CALL as HALL_CALL
from tests.web.test_desk_browser import NUMBER as HALL_NUMBER
from tests.web.test_desk_browser import answered as answered_in_hall
from tests.web.test_desk_browser import find_sql, lose_sql, ring

PAGE = f"/cities/yangzhou/calls/{CALL}"
ZH = {"Accept-Language": "zh"}


async def seen(console: Console) -> list[tuple[str, str, str]]:
    """Who has looked at a number in full, of which call, and why."""
    entries = await console.house.room.history.audited(50)
    return [(one.who, one.after, one.reason) for one in entries if one.what == "number seen"]


async def test_a_number_is_masked_on_every_page_until_somebody_with_the_right_says_why(console: Console) -> None:
    await answered(console)
    inspector = await console.as_role(Role.INSPECTOR, "yangzhou")
    for page in ("/cities/yangzhou/calls", PAGE):
        shown = (await inspector.get(page, headers=ZH)).text
        assert "138****5678" in shown
        assert NUMBER not in shown
    for reason in ("", "  ", "x" * 201, "a\x1bb"):
        refused = await inspector.post(f"{PAGE}/number", data={"reason": reason}, headers=ZH)
        assert refused.status_code == 422
        assert "查看完整号码须写明事由" in refused.text
        assert NUMBER not in refused.text
    assert await seen(console) == []
    told = await inspector.post(f"{PAGE}/number", data={"reason": "市民要求回电"}, headers=ZH)
    assert told.status_code == 200
    assert NUMBER in told.text
    assert told.headers["Cache-Control"] == "no-store"
    assert await seen(console) == [("inspector-yangzhou", CALL, "市民要求回电")]
    assert NUMBER not in (await inspector.get(PAGE)).text, "masked again at the next look"


async def test_who_may_see_calls_but_no_number_has_no_way_to_it(console: Console) -> None:
    await answered(console)
    reporter = await console.as_role(Role.REPORTER, "yangzhou")
    shown = (await reporter.get(PAGE)).text
    assert "138****5678" in shown
    assert "/number" not in shown
    assert (await reporter.post(f"{PAGE}/number", data={"reason": "x"})).status_code == 403
    assert await seen(console) == []


async def test_the_city_that_answered_sees_that_call_and_no_other_of_the_helped_city(console: Console) -> None:
    await answered(console)
    other = "yangzhou-1790000000.8"
    waiting = WaitingCall(other, "13700000001", console.clock() - 20.0)
    console.house.room.history.record(CallWaiting("yangzhou", console.clock() - 20.0, waiting))
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    helper = await console.as_role(Role.LEADER, "xuzhou")
    listed = (await helper.get("/cities/xuzhou/calls", headers=ZH)).text
    assert CALL in listed
    assert "支援扬州" in listed
    assert other not in listed
    assert (await helper.get(f"/cities/xuzhou/calls/{CALL}")).status_code == 200
    assert (await helper.get(f"/cities/xuzhou/calls/{other}")).status_code == 404
    bystander = await console.as_role(Role.LEADER, "suzhou")
    assert CALL not in (await bystander.get("/cities/suzhou/calls")).text
    assert (await bystander.get(f"/cities/suzhou/calls/{CALL}")).status_code == 404
    assert (await bystander.post(f"/cities/suzhou/calls/{CALL}/number", data={"reason": "x"})).status_code == 404
    assert await seen(console) == []


async def test_days_are_leafed_through_and_nonsense_shows_today(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callctl.web.views.calls.SHOWN_MOST", 3)
    now, names = console.clock(), [f"yangzhou-1790000000.{number}" for number in range(11, 16)]
    for number, name in enumerate(names):
        waiting = WaitingCall(name, f"1370000000{number}", now - 100.0 + number)
        console.house.room.history.record(CallWaiting("yangzhou", now - 100.0 + number, waiting))
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    page = (await leader.get("/cities/yangzhou/calls", headers=ZH)).text
    assert [name in page for name in names] == [False, False, True, True, True]
    older = page.partition('href="?day=')[2].partition('"')[0].replace("&amp;", "&")
    page = (await leader.get(f"/cities/yangzhou/calls?day={older}", headers=ZH)).text
    assert [name in page for name in names] == [True, True, False, False, False]
    for nonsense in ("day=0001-01-01", "day=x&before=nan", "before=-1e300", "before=inf", "day=9999-12-31"):
        assert (await leader.get(f"/cities/yangzhou/calls?{nonsense}")).status_code == 200, nonsense
    assert (await leader.get("/cities/yangzhou/calls?day=2020-01-01", headers=ZH)).text.count("没有") >= 1
    found = await leader.get(f"/cities/yangzhou/calls?call={names[0]}")
    assert (found.status_code, found.headers["location"]) == (303, f"/cities/yangzhou/calls/{names[0]}")
    missing = await leader.get("/cities/yangzhou/calls?call=yangzhou-1.1")
    assert (missing.status_code, missing.headers["location"]) == (303, "/cities/yangzhou/calls")


async def test_a_sealed_number_whose_key_is_elsewhere_is_said_to_be_sealed(valkey: Valkey, tmp_path: Path) -> None:
    key = {"CALLCTL_FIELD_KEY": "0123456789abcdef0123456789abcdef", "CALLCTL_FIELD_CIPHER": "aes"}
    async with open_console(tmp_path / "state", valkey.url, **key) as console:
        await answered(console)
    async with open_console(tmp_path / "state", valkey.url) as console:
        leader = await console.as_role(Role.LEADER, "yangzhou")
        shown = (await leader.get(PAGE, headers=ZH)).text
        assert "号码已加密，本机没有密钥" in shown
        assert "~" not in shown, "no sealed text on the page"


async def test_no_call_is_lost_between_pages_when_many_arrive_in_one_moment(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.web.views.calls.SHOWN_MOST", 3)
    now, names = console.clock(), [f"yangzhou-1790000000.{number}" for number in range(11, 18)]
    for name in names:
        console.house.room.history.record(CallWaiting("yangzhou", now - 9.0, WaitingCall(name, "13700000001", now - 9.0)))
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    place, pages = "/cities/yangzhou/calls", []
    while place:
        page = (await leader.get(place)).text
        pages.append([name for name in reversed(names) if f"calls/{name}" in page])
        link = page.partition('href="?day=')[2].partition('"')[0].replace("&amp;", "&")
        place = f"/cities/yangzhou/calls?day={link}" if link else ""
    assert pages == [names[:3:-1], names[3:0:-1], names[:1]]


async def test_a_number_is_the_called_citys_and_not_the_helpers(console: Console) -> None:
    await answered(console)
    for role in (Role.SUPERVISOR, Role.LEADER, Role.INSPECTOR):
        helper = await console.as_role(role, "xuzhou")
        page = await helper.get(f"/cities/xuzhou/calls/{CALL}")
        assert "138****5678" in page.text
        assert "/number" not in page.text
        answers = (
            await helper.post(f"/cities/xuzhou/calls/{CALL}/number", data={"reason": "x"}),
            await helper.post(f"/api/v1/cities/xuzhou/calls/{CALL}/number", json={"reason": "x"}),
        )
        assert [NUMBER in answer.text for answer in answers] == [False, False]
        assert [answer.status_code in (403, 422) for answer in answers] == [True, True]
    assert await seen(console) == []
    own = await console.as_role(Role.SUPERVISOR, "yangzhou")
    assert NUMBER in (await own.post(f"{PAGE}/number", data={"reason": "核实"})).text
    [entry] = [one for one in await console.house.room.history.audited(9) if one.what == "number seen"]
    assert entry.city == "yangzhou"


async def test_a_withheld_number_is_told_from_a_sealed_one_and_there_is_nothing_to_unmask(console: Console) -> None:
    name = "yangzhou-1790000000.21"
    waiting = CallWaiting("yangzhou", console.clock() - 9.0, WaitingCall(name, "", console.clock() - 9.0))
    console.house.room.history.record(waiting)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    for place in ("/cities/yangzhou/calls", f"/cities/yangzhou/calls/{name}"):
        shown = (await leader.get(place, headers=ZH)).text
        assert "未显示号码" in shown
        assert "已加密" not in shown
        assert "/number" not in shown
    asked = await leader.post(f"/cities/yangzhou/calls/{name}/number", data={"reason": "x"}, headers=ZH)
    assert asked.status_code == 422
    assert await seen(console) == []


async def test_the_list_is_looked_through_by_outcome(console: Console) -> None:
    await answered(console)
    other = "yangzhou-1790000000.9"
    waiting = WaitingCall(other, "13700000001", console.clock() - 20.0)
    console.house.room.history.record(CallWaiting("yangzhou", console.clock() - 20.0, waiting))
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    span: dict[str, Any] = {"since": console.clock() - 86_400.0, "until": console.clock()}
    for fate, shown in (
        ("", (True, True)),
        ("answered", (True, False)),
        ("waiting", (False, True)),
        ("moved", (False,) * 2),
    ):
        page = (await leader.get(f"/cities/yangzhou/calls?fate={fate}", headers=ZH)).text
        told = await leader.get("/api/v1/cities/yangzhou/calls", params={**span, **({"fate": fate} if fate else {})})
        found = [row["call"] for row in told.json()]
        assert ([CALL in page, other in page], [CALL in found, other in found]) == ([*shown], [*shown]), fate
    assert (await leader.get("/cities/yangzhou/calls?fate=<x>")).status_code == 200
    refused = problem(await leader.get("/api/v1/cities/yangzhou/calls", params={**span, "fate": "x"}))
    assert [one["field"] for one in refused["errors"]] == ["fate"]


async def test_every_fate_has_its_word_and_a_call_back_that_reached_nobody_is_shown(console: Console) -> None:
    assert FATE_WORDS.keys() == {fate.value for fate in Fate}
    at, call, seat = console.clock() - 60.0, "yangzhou-1790000000.7", HomeSeat("2001")
    history = console.house.room.history
    history.record(CallWaiting("yangzhou", at, WaitingCall(call, "13700000007", at)))
    history.record(CallLeftQueue("yangzhou", at + 9.0, call, Outcome.CALL_BACK))
    history.record(CallWaiting("yangzhou", at + 10.0, WaitingCall(call, "13700000007", at)))
    history.record(CallAnswered("yangzhou", at + 20.0, call, seat, 9.0))
    history.record(CalledBack("yangzhou", at + 30.0, call, CallBackEnd.NO_ANSWER))
    history.record(CallEnded("yangzhou", at + 30.0, call, seat, 10.0))
    await history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    for fate in ("", *FATE_WORDS):
        page = await leader.get(f"/cities/yangzhou/calls?fate={fate}", headers=ZH)
        assert (page.status_code, call in page.text) == (200, fate in ("", "not_reached")), fate
    assert "回拨未接通" in (await leader.get(f"/cities/yangzhou/calls/{call}", headers=ZH)).text


async def test_a_machine_asks_what_the_pages_show_of_calls(console: Console) -> None:
    await answered(console)
    own = await console.as_role(Role.REPORTER, "yangzhou")
    told = (await own.get(f"/api/v1/cities/yangzhou/calls/{CALL}")).json()
    assert (told["number"], told["fate"], told["by_city"], told["times_called"]) == ("138****5678", "answered", "xuzhou", 1)
    helper = await console.as_role(Role.LEADER, "xuzhou")
    assert (await helper.get(f"/api/v1/cities/xuzhou/calls/{CALL}")).json()["city"] == "yangzhou"
    span = {"since": console.clock() - 86_400.0, "until": console.clock()}
    rows = [
        [row["call"] for row in (await helper.get("/api/v1/cities/xuzhou/calls", params={**span, "helped": on})).json()]
        for on in (False, True)
    ]
    assert rows == [[], [CALL]]
    bystander = await console.as_role(Role.LEADER, "suzhou")
    assert (await bystander.get(f"/api/v1/cities/suzhou/calls/{CALL}")).status_code == 404
    assert NUMBER not in (await own.get(f"/api/v1/cities/yangzhou/calls/{CALL}")).text


SEARCH, API_SEARCH = "/cities/yangzhou/calls/search", "/api/v1/cities/yangzhou/calls/search"


async def sought(console: Console) -> list[tuple[str, str, str]]:
    entries = await console.house.room.history.audited(50)
    return [(one.who, one.after, one.reason) for one in entries if one.what == "number sought"]


@pytest.mark.parametrize("cipher", ["", "aes", "sm"])
async def test_calls_are_found_by_number_with_right_and_reason_and_the_audit_holds_no_number(
    valkey: Valkey, tmp_path: Path, cipher: str
) -> None:
    key = {"CALLCTL_FIELD_KEY": "0123456789abcdef0123456789abcdef", "CALLCTL_FIELD_CIPHER": cipher} if cipher else {}
    async with open_console(tmp_path / "state", valkey.url, **key) as console:
        await answered(console)
        leader = await console.as_role(Role.LEADER, "yangzhou")
        assert SEARCH in (await leader.get("/cities/yangzhou/calls")).text
        for number, reason, field in (
            (NUMBER, " ", "reason"),
            ("138", "核实", "number"),
            ("1381234567x", "核实", "number"),
        ):
            refused = await leader.post(SEARCH, data={"number": number, "reason": reason}, headers=ZH)
            assert refused.status_code == 422
            assert f'id="w-{field}"' in refused.text, "said at the field"
            told = problem(await leader.post(API_SEARCH, json={"number": number, "reason": reason}))
            assert [one["field"] for one in told["errors"]] == [field]
        assert await sought(console) == []
        for written in (NUMBER, f"+86 {NUMBER[:3]} {NUMBER[3:7]}-{NUMBER[7:]}"):
            page = await leader.post(SEARCH, data={"number": written, "reason": "市民投诉回访"}, headers=ZH)
            assert CALL in page.text
            assert NUMBER not in page.text
        answer = await leader.post(API_SEARCH, json={"number": NUMBER, "reason": "市民投诉回访"})
        assert [row["call"] for row in answer.json()] == [CALL]
        assert NUMBER not in answer.text
        assert await sought(console) == [("leader-yangzhou", "138****5678", "市民投诉回访")] * 3
        other = await leader.post(API_SEARCH, json={"number": "13700000001", "reason": "x"})
        assert other.json() == []


async def test_a_call_from_before_there_was_a_field_key_is_found_by_its_number_too(valkey: Valkey, tmp_path: Path) -> None:
    async with open_console(tmp_path / "state", valkey.url) as console:
        await answered(console)
    async with open_console(
        tmp_path / "state", valkey.url, CALLCTL_FIELD_KEY="0123456789abcdef0123456789abcdef"
    ) as console:
        await answered(console, call="yangzhou-1790000000.8")
        leader = await console.as_role(Role.LEADER, "yangzhou")
        found = await leader.post(API_SEARCH, json={"number": NUMBER, "reason": "x"})
        assert [row["call"] for row in found.json()] == ["yangzhou-1790000000.8", CALL]


async def test_a_number_is_sought_only_among_the_citys_own_callers_and_by_nobody_without_the_right(
    console: Console,
) -> None:
    await answered(console)
    body = {"number": NUMBER, "reason": "x"}
    helper = await console.as_role(Role.LEADER, "xuzhou")  # It answered the call, and the citizen is Yangzhou's.
    assert (await helper.post("/api/v1/cities/xuzhou/calls/search", json=body)).json() == []
    assert (await helper.post(API_SEARCH, json=body)).status_code == 403
    reporter = await console.as_role(Role.REPORTER, "yangzhou")
    assert SEARCH not in (await reporter.get("/cities/yangzhou/calls")).text
    for answer in (await reporter.post(SEARCH, data=body), await reporter.post(API_SEARCH, json=body)):
        assert answer.status_code == 403
        assert CALL not in answer.text


async def test_a_search_sent_twice_is_one_line_and_another_number_under_its_id_is_another(console: Console) -> None:
    await answered(console)
    leader = await console.as_role(Role.LEADER, "yangzhou")
    for number in (NUMBER, NUMBER, "13812225678"):  # Masked, they look the same.
        headers = {"Idempotency-Key": "one"}
        assert (await leader.post(API_SEARCH, json={"number": number, "reason": "x"}, headers=headers)).status_code == 200
    assert len(await sought(console)) == 2


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.asyncio(loop_scope="session")
async def test_from_the_records_to_a_number_in_full_by_a_supervisor(hall: Hall) -> None:
    ring(hall)
    await answered_in_hall(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/books")
    await page.get_by_role("link", name="通话记录").click()
    await page.get_by_role("link", name=HALL_CALL).click()
    await expect(page.locator("main")).to_contain_text("139****0042")
    await page.get_by_label("查看号码的事由").fill("核实地址 <img src=x>")
    await picture_of(page, "call-masked-zh")
    await page.get_by_role("button", name="显示号码").click()
    await expect(page.locator("[data-clear]")).to_have_text(HALL_NUMBER)
    assert await axe(page) == []
    await picture_of(page, "call-clear-zh")
    [entry] = [one for one in await hall.site.house.room.history.audited(20) if one.what == "number seen"]
    assert (entry.after, entry.reason, entry.city) == (HALL_CALL, "核实地址 <img src=x>", "yangzhou")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    assert HALL_NUMBER not in await page.content()
    await page.goto("/cities/yangzhou/calls")
    await page.get_by_text("Look for a number").click()
    await page.get_by_label("Number in full").fill(HALL_NUMBER)
    await page.get_by_label("Why you look for it").fill("call back")
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_role("heading", name="Calls of 139****0042")).to_be_visible()
    await expect(page.get_by_role("link", name=HALL_CALL)).to_be_visible()
    assert HALL_NUMBER not in page.url
    assert HALL_NUMBER not in await page.content()
    assert await axe(page) == []
    await picture_of(page, "calls-sought-en")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await picture_of(page, "calls-sought-en-phone")
    await page.goto("/cities/yangzhou/calls")
    await picture_of(page, "calls-en-phone")
    await lose_sql(hall.site)
    await page.goto(f"/cities/yangzhou/calls/{HALL_CALL}")
    await expect(page.locator("main")).to_contain_text("a store cannot be reached")
    assert [fault for fault in hall.faults if "503" not in fault] == []


async def test_a_key_that_is_always_the_same_is_a_line_for_each_look_on_its_day(console: Console) -> None:
    await answered(console)
    leader = await console.as_role(Role.LEADER, "yangzhou")
    for _ in range(2):
        body, key = {"number": NUMBER, "reason": "核实"}, {"Idempotency-Key": "always"}
        assert (await leader.post(API_SEARCH, json=body, headers=key)).status_code == 200
        console.clock.at += 700.0
    assert len(await sought(console)) == 2


async def test_a_number_from_abroad_is_found_with_its_plus(console: Console) -> None:
    call, at = "yangzhou-1790000000.5", console.clock() - 5.0
    console.house.room.history.record(CallWaiting("yangzhou", at, WaitingCall(call, "+85261234567", at)))
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    leader = await console.as_role(Role.LEADER, "yangzhou")
    found = await leader.post(API_SEARCH, json={"number": "+85261234567", "reason": "核实"})
    assert [row["call"] for row in found.json()] == [call]
    assert (await leader.get(f"/api/v1/cities/yangzhou/calls/{call}")).json()["times_called"] == 1


async def test_a_search_that_is_refused_says_nothing_of_the_day(console: Console) -> None:
    leader = await console.as_role(Role.LEADER, "yangzhou")
    refused = await leader.post(SEARCH, data={"number": NUMBER, "reason": ""}, headers=ZH)
    assert refused.status_code == 422
    assert 'aria-labelledby="found"' not in refused.text
    assert f'value="{NUMBER}"' in refused.text


async def test_a_look_by_outcome_or_with_helped_calls_is_of_31_days_at_most(console: Console) -> None:
    await answered(console)
    leader, now = await console.as_role(Role.LEADER, "yangzhou"), console.clock()
    place, whole = "/api/v1/cities/yangzhou/calls", {"since": 0, "until": now}
    for more in ({"fate": "answered"}, {"helped": True}):
        refused = problem(await leader.get(place, params={**whole, **more}, headers=ZH))
        assert [(one["field"], "31 天" in one["message"]) for one in refused["errors"]] == [("since", True)]
        english = problem(await leader.get(place, params={**whole, **more}))
        assert "31 days" in english["errors"][0]["message"]
        month = {"since": now - 31 * 86_400.0, "until": now, **more}
        assert (await leader.get(place, params=month)).status_code == 200
    assert [row["call"] for row in (await leader.get(place, params=whole)).json()] == [CALL]


@pytest.mark.parametrize("key", ["", "another-field-key-0123456789abcdef"])
async def test_a_search_where_the_key_is_away_says_that_sealed_calls_are_not_found_here(
    valkey: Valkey, tmp_path: Path, key: str
) -> None:
    state, said = tmp_path / "state", "本机没有能打开的密钥"
    body = {"number": NUMBER, "reason": "核实"}
    async with open_console(state, valkey.url, CALLCTL_FIELD_KEY="0123456789abcdef0123456789abcdef") as console:
        await answered(console)
        leader = await console.as_role(Role.LEADER, "yangzhou")
        assert said not in (await leader.post(SEARCH, data=body, headers=ZH)).text
    async with open_console(state, valkey.url, **({"CALLCTL_FIELD_KEY": key} if key else {})) as console:
        leader = await console.as_role(Role.LEADER, "yangzhou")
        page = (await leader.post(SEARCH, data=body, headers=ZH)).text
        assert (said in page, CALL in page) == (True, False)
        other = await console.as_role(Role.LEADER, "suzhou")
        assert said not in (await other.post("/cities/suzhou/calls/search", data=body, headers=ZH)).text
        assert said not in (await leader.get("/cities/yangzhou/calls", headers=ZH)).text, "nobody looked for a number"


async def test_a_key_that_went_is_told_also_where_older_calls_have_been_blanked_by_retention(
    valkey: Valkey, tmp_path: Path
) -> None:
    key = {"CALLCTL_FIELD_KEY": "0123456789abcdef0123456789abcdef"}
    async with open_console(tmp_path / "state", valkey.url, **key) as console:
        now = console.clock()
        for number in range(ENDS_MOST + 2):  # The oldest were withheld, or blanked.
            at = now - 9000.0 + number
            waiting = WaitingCall(f"yangzhou-1790000000.{number}", "", at)
            console.house.room.history.record(CallWaiting("yangzhou", at, waiting))
        await console.house.room.history.flush()  # type: ignore[attr-defined]
        await answered(console, call="yangzhou-1790000000.900")
    async with open_console(tmp_path / "state", valkey.url) as console:
        for number in range(ENDS_MOST + 2):  # And the newest are in clear: there has been no key since.
            at = now + 1.0 + number
            waiting = WaitingCall(f"yangzhou-1790000001.{number}", f"137000{number:05}", at)
            console.house.room.history.record(CallWaiting("yangzhou", at, waiting))
        await console.house.room.history.flush()  # type: ignore[attr-defined]
        async with explained(console.house.calls._cabinet, "calls") as plans:
            assert await console.house.calls.has_sealed("yangzhou")
        assert ["INDEX ix_calls_numbered" in plan for plan in plans] == [True, True]
        assert not await console.house.calls.has_sealed("suzhou")


async def test_a_search_that_shows_only_the_newest_says_so(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("callctl.unmasking", "callctl.web.views.calls"):
        monkeypatch.setattr(f"{module}.FOUND_MOST", 2)
    leader, pages = await console.as_role(Role.LEADER, "yangzhou"), []
    for count in range(2):
        await answered(console, call=f"yangzhou-1790000000.{count}")
        body = {"number": NUMBER, "reason": "核实"}
        pages.append("只显示最近的 2 个" in (await leader.post(SEARCH, data=body, headers=ZH)).text)
    assert pages == [False, True]


async def test_a_search_without_the_database_keeps_what_was_typed(console: Console) -> None:
    await answered(console)
    leader = await console.as_role(Role.LEADER, "yangzhou")
    await lose_sql(console)
    answer = await leader.post(SEARCH, data={"number": NUMBER, "reason": "市民要求回电"}, headers=ZH)
    assert answer.status_code == 503
    assert "历史库联系不上" in answer.text
    assert [f'value="{typed}"' in answer.text for typed in (NUMBER, "市民要求回电")] == [True, True]
    assert CALL not in answer.text


async def test_a_look_at_one_number_without_the_database_keeps_the_reason(console: Console) -> None:
    await answered(console)
    leader = await console.as_role(Role.LEADER, "yangzhou")
    await lose_sql(console)
    answer = await leader.post(f"{PAGE}/number", data={"reason": "市民要求回电"}, headers=ZH)
    assert answer.status_code == 503
    assert "历史库联系不上" in answer.text
    assert f'action="{PAGE}/number"' in answer.text
    assert 'value="市民要求回电"' in answer.text
    assert NUMBER not in answer.text
    await find_sql(console)
    assert NUMBER in (await leader.post(f"{PAGE}/number", data={"reason": "市民要求回电"})).text
    assert len(await seen(console)) == 1, "what was not done left no line"
