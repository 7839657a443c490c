"""The agent's desk in a real browser: sit, ready, what rings and for whom, and a note that survives a dead browser."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect
from sqlalchemy.util import greenlet_spawn

from callctl import clock
from callctl.app import House
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallRinging,
    CallWaiting,
    LentSeat,
    LoanChanged,
    WaitingCall,
)
from callctl.core.model import Province, SeatRef, SlotRef
from callctl.rights import Actor, Role
from callctl.store.notes import pull
from callctl.store.scripts import Script, Wording
from tests.store.servers import Valkey
from tests.web.browser import DESK, PHONE, axe, listening, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.house import Console

pytestmark = IN_THE_BROWSER
CALL = "yangzhou-1795000000.7"
NUMBER = "13905140042"


def seat_of(hall: Hall) -> tuple[str, str]:
    """A seat of 徐州 that may be lent, and its agent."""
    seat = next(seat for seat in hall.scene.province.cities["xuzhou"].seats if seat.lend.value == "shared")
    return seat.id, seat.agent


async def sitting(hall: Hall, **more: object) -> Page:
    """An agent who has signed in at the seat."""
    seat, agent = seat_of(hall)
    page = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent, **more)
    await page.get_by_label("座席号").select_option(seat)
    await page.get_by_role("button", name="签入").click()
    await expect(page.locator("[role=status]").first).to_contain_text("已签入座席")
    return page


async def written(page: Page) -> Locator:
    """A whole note of the call, not saved yet."""
    note = page.locator(f"[data-note='{CALL}']")
    await note.get_by_label("诉求内容").fill("小区停水两天")
    await note.get_by_label("诉求类型").select_option("complaint")
    await note.get_by_label("分类代码").fill("900400")
    await note.get_by_label("流转办理").check()
    return note


def ring(hall: Hall, call: str = CALL, number: str = NUMBER) -> None:
    """A citizen of 扬州 waits and rings at the seat."""
    seat, _ = seat_of(hall)
    now = clock.now()
    hall.site.house.room.history.record(CallWaiting("yangzhou", now - 40, WaitingCall(call, number, now - 40)))
    hall.scene.more = [
        LoanChanged("xuzhou", now, seat, "yangzhou", 99, True),
        CallRinging("xuzhou", now, call, LentSeat(seat, "yangzhou")),
    ]


async def test_sit_get_ready_pause_and_leave(hall: Hall) -> None:
    page = await sitting(hall)
    await page.get_by_role("button", name="示闲").click()
    await expect(page.locator("#desk-now")).to_contain_text("正在示闲", timeout=30_000)
    seat, _ = seat_of(hall)
    presses = await hall.site.house.room.registry.presses()
    assert presses[SeatRef("xuzhou", seat)].ready
    await page.get_by_label("示忙原因").select_option("202")
    await page.get_by_role("button", name="示忙", exact=True).click()
    await expect(page.locator("#desk-now")).to_contain_text("正在示忙")
    presses = await hall.site.house.room.registry.presses()
    assert (presses[SeatRef("xuzhou", seat)].ready, presses[SeatRef("xuzhou", seat)].reason) == (False, "202")
    await page.get_by_role("button", name="签出").click()
    await expect(page.get_by_role("button", name="签入")).to_be_visible()
    assert hall.faults == []


async def test_what_rings_is_shown_before_it_is_answered_with_the_number_masked(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    pop = page.locator(".pop")
    await expect(pop).to_contain_text("扬州12345", timeout=30_000)
    await expect(pop).to_contain_text("您好，扬州12345热线")
    await expect(pop).to_contain_text("139****0042")
    await expect(pop).to_contain_text("首次")
    assert NUMBER not in await page.content(), "the whole number is on the page"
    await expect(page.locator(f"[data-note='{CALL}']")).to_be_visible(timeout=30_000)
    await picture_of(page, "desk-ringing")
    assert await axe(page) == []


async def test_what_rings_brings_its_scripts_with_their_scope_and_says_who_calls_again(hall: Hall) -> None:
    await in_force(hall.site.house, "停水怎么办？", scope="仅限广陵区")
    before = clock.now() - 3600
    earlier = WaitingCall("yangzhou-1790000000.1", NUMBER, before)
    hall.site.house.room.history.record(CallWaiting("yangzhou", before, earlier))
    page = await sitting(hall)
    ring(hall)
    pop = page.locator(".pop")
    await expect(pop).to_contain_text("第2次（重复来电）", timeout=30_000)
    script = pop.locator("details", has_text="停水怎么办？")
    await script.locator("summary").click()
    await expect(script).to_contain_text("适用范围: 仅限广陵区")
    await expect(script.locator(".script-text")).to_have_text("答")
    await picture_of(page, "desk-ringing-again")
    assert await axe(page) == []


async def test_a_note_survives_a_dead_browser_and_another_machine(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = page.locator(f"[data-note='{CALL}']")
    await note.get_by_label("诉求内容").fill("小区停水两天，<b>无人</b>处理", timeout=30_000)
    await note.get_by_label("诉求类型").select_option("complaint")
    await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存", timeout=30_000)
    await page.context.close()  # The browser dies; nothing of it stays.
    _, agent = seat_of(hall)
    other = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent)
    again = other.locator(f"[data-note='{CALL}']")
    await expect(again.get_by_label("诉求内容")).to_have_value("小区停水两天，<b>无人</b>处理")
    await expect(again.get_by_label("诉求类型")).to_have_value("complaint")


async def test_typing_goes_on_undisturbed_while_the_page_renews_itself(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    field = page.locator(f"[data-note='{CALL}']").get_by_label("诉求内容")
    await field.click(timeout=30_000)
    text = "市民反映小区停水，要求尽快恢复供水。" * 4
    await page.keyboard.type(text, delay=60)
    await expect(field).to_be_focused()
    await expect(field).to_have_value(text)


async def test_an_unfinished_note_tells_what_is_missing_and_keeps_the_rest(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = page.locator(f"[data-note='{CALL}']")
    await note.get_by_label("标题").fill("停水", timeout=30_000)
    await note.get_by_role("button", name="保存小结").click()
    note = page.locator(f"[data-note='{CALL}']")
    await expect(note).to_contain_text("请选择诉求类型")
    await expect(note).to_contain_text("请选择处理结果")
    await expect(note.get_by_label("标题")).to_have_value("停水")


def another_seat(hall: Hall) -> str:
    """A seat beside the agent's."""
    seat, _ = seat_of(hall)
    return next(one.id for one in hall.scene.province.cities["xuzhou"].seats if one.id != seat)


async def answered(hall: Hall, call: str = CALL, seat: str = "") -> None:
    """They have talked, and the citizen has hung up; at the agent's seat, or at another one."""
    seat = seat or seat_of(hall)[0]
    now, slot = clock.now(), SlotRef("xuzhou", 1)
    record = hall.site.house.room.history.record
    record(CallRinging("xuzhou", now - 22, call, LentSeat(seat, "yangzhou")))
    record(CallAnswered("xuzhou", now - 20, call, LentSeat(seat, "yangzhou"), 2.0))
    record(CallAnswered("yangzhou", now - 20, call, slot, 18.0))
    record(CallEnded("xuzhou", now - 2, call, LentSeat(seat, "yangzhou"), 18.0))
    record(CallEnded("yangzhou", now - 2, call, slot, 18.0))
    await hall.site.house.room.history.flush()  # type: ignore[attr-defined]


async def stubs(hall: Hall) -> list[dict[str, Any]]:
    """What 扬州 may fetch."""
    demands = hall.site.house.demands
    async with demands.cabinet.engine() as engine:
        return (await pull(engine, "yangzhou", 0, 10, demands.seal))[0]


async def reach(page: Page, script: str) -> None:
    """Press Tab until the element in focus is the one that the script is true for."""
    for _ in range(120):
        await page.keyboard.press("Tab")
        if await page.evaluate(f"((one) => Boolean({script}))(document.activeElement)"):
            return
    raise AssertionError(f"Tab does not reach: {script}")


async def test_by_keyboard_alone_an_agent_sits_gets_ready_and_writes_a_note_that_becomes_an_order(hall: Hall) -> None:
    seat, agent = seat_of(hall)
    page = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent)
    await reach(page, "one.id === 'seat'")
    assert await page.locator("#seat").input_value() == seat, "the agent's usual seat is chosen already"
    await reach(page, "one.innerText?.trim() === '签入'")
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=status]").first).to_contain_text("已签入座席")
    await reach(page, "one.innerText?.trim() === '示闲'")
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk-now")).to_contain_text("正在示闲")
    ring(hall)
    note = page.locator(f"[data-note='{CALL}']")
    await note.wait_for()
    await answered(hall)
    await reach(page, "one.name === 'demand'")
    for _ in range(2):
        await page.keyboard.press("ArrowDown")
    assert await note.get_by_label("诉求类型").input_value() == "help"
    await reach(page, "one.name === 'code'")
    await page.keyboard.type("小区管控")
    await expect(note.locator("datalist option[value='900400']")).to_be_attached()
    await page.keyboard.press("Control+a")
    await page.keyboard.type("900400")
    await reach(page, "one.name === 'content'")
    await page.keyboard.type("小区积水，请求排涝")
    await reach(page, "one.name === 'result'")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowRight")
    assert await note.get_by_label("流转办理").is_checked()
    await reach(page, "one.innerText?.trim() === '保存小结'")
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=status]").first).to_contain_text("小结已保存")
    [stub] = await stubs(hall)
    assert (stub["call_id"], stub["content"], stub["code"]) == (CALL, "小区积水，请求排涝", "900400")
    assert (stub["caller_no"], stub["agent"], stub["seat"]) == (NUMBER, agent, seat)
    assert hall.faults == []


async def test_a_note_written_before_the_browser_died_is_finished_in_another_and_becomes_an_order(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = await written(page)
    await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存")
    await page.context.close()
    await answered(hall)
    hall.scene.more = []
    _, agent = seat_of(hall)
    other = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent)
    await other.locator(f"[data-note='{CALL}']").get_by_role("button", name="保存小结").click()
    await expect(other.locator("[role=status]").first).to_contain_text("小结已保存")
    [stub] = await stubs(hall)
    assert (stub["content"], stub["type"]) == ("小区停水两天", "complaint")
    await expect(other.locator(f"[data-note='{CALL}']")).to_have_count(0)


async def test_with_sql_away_the_note_stays_and_the_page_says_what_works(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = await written(page)
    await answered(hall)
    await lose_sql(hall.site)
    await note.get_by_role("button", name="保存小结").click()
    await expect(page.locator("main")).to_contain_text("小结现在存不了；内容仍在本页和草稿里")
    await expect(page.locator(f"[data-note='{CALL}']").get_by_label("诉求内容")).to_have_value("小区停水两天")
    await expect(page.locator("#desk-now")).to_contain_text("历史库联系不上")
    await expect(page.locator(".pop")).to_contain_text("扬州12345")
    await page.get_by_role("button", name="示闲").click()
    await expect(page.locator("#desk-now")).to_contain_text("正在示闲")
    await picture_of(page, "desk-without-sql")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_note_that_is_not_ones_own_to_write_is_refused_in_words_and_stays_as_typed(
    hall: Hall, size: tuple[int, int]
) -> None:
    page = await sitting(hall, size=size)
    ring(hall)
    note = await written(page)
    await answered(hall, seat=another_seat(hall))  # It rang here; a colleague was quicker.
    await note.get_by_role("button", name="保存小结").click()
    refused = page.locator(f"[data-note='{CALL}']")
    await expect(refused.locator(".told.alarm")).to_contain_text("不是您接听的，不能写小结")
    await expect(page.get_by_role("alert").first).to_contain_text("不是您接听的，不能写小结")
    await expect(page.get_by_role("alert").first).to_be_in_viewport()
    await expect(refused.get_by_label("诉求内容")).to_have_value("小区停水两天")
    await expect(refused.get_by_label("流转办理")).to_be_checked()
    assert await stubs(hall) == []
    assert await axe(page) == []
    await picture_of(page, f"desk-note-refused-{size[0]}")
    await page.get_by_role("button", name="English").click()
    again = page.locator(f"[data-note='{CALL}']")  # The desk, in English, with the note as it was typed.
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await expect(again.locator("[name=content]")).to_have_value("小区停水两天")
    assert [fault for fault in hall.faults if "403" not in fault] == []


async def test_with_redis_away_what_was_typed_stays_on_the_page_and_is_saved_when_it_is_back(
    hall: Hall, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await sitting(hall)
    ring(hall)
    note = await written(page)
    await answered(hall)
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 1.0)
    await asyncio.to_thread(valkey.kill)
    await note.get_by_role("button", name="保存小结").click()
    await expect(page.locator("main")).to_contain_text("小结现在存不了；内容仍在本页和草稿里")
    await expect(page.locator("main")).to_contain_text("话机照常")
    kept = page.locator(f"[data-note='{CALL}']")
    await expect(kept.get_by_label("诉求内容")).to_have_value("小区停水两天")
    await picture_of(page, "desk-without-redis")
    valkey.start_again()
    await kept.get_by_role("button", name="保存小结").click()
    await expect(page.locator("[role=status]").first).to_contain_text("小结已保存")
    [stub] = await stubs(hall)
    assert stub["content"] == "小区停水两天"


async def lose_sql(console: Console) -> None:
    """The database can be opened no more."""
    engine = console.house.demands.cabinet._engine
    await asyncio.to_thread(_hide, Path(str(engine.url.database)))
    others = console.house.room.history._engine, console.house.books._books.engine  # type: ignore[attr-defined]
    for one in (engine, *others):
        pool = one.sync_engine.pool
        one.sync_engine.pool = pool.recreate()  # From now on whoever asks opens the file anew.
        while pool.checkedout():  # type: ignore[attr-defined]  # noqa: ASYNC110 - Who asks just now is answered still.
            await asyncio.sleep(0)
        await greenlet_spawn(pool.dispose)


async def find_sql(console: Console) -> None:
    """It is back as it was."""
    engine = console.house.demands.cabinet._engine
    await asyncio.to_thread(_unhide, Path(str(engine.url.database)))


def _hide(file: Path) -> None:
    away = file.parent / "away"
    away.mkdir()
    for part in file.parent.glob(f"{file.name}*"):
        part.rename(away / part.name)
    file.mkdir()


def _unhide(file: Path) -> None:
    file.rmdir()
    for part in (file.parent / "away").iterdir():
        part.rename(file.parent / part.name)


async def test_a_seat_with_a_telephone_gives_no_password_to_the_page(hall: Hall) -> None:
    page = await sitting(hall)
    answer = await page.evaluate("fetch('/desk/phone').then((a) => a.status)")
    assert answer == 404
    assert await page.locator("[data-account]").count() == 0


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_axe_finds_nothing_before_and_after_signing_in(hall: Hall, locale: str) -> None:
    seat, agent = seat_of(hall)
    page = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent, locale=locale)
    assert await axe(page) == []
    await page.locator("#seat").select_option(seat)
    await page.locator("form[action='/desk/seat'] button").click()
    await page.locator("#desk-now").wait_for()
    ring(hall)
    await page.locator(".pop").wait_for()
    await page.locator("[data-note]").wait_for()
    assert await axe(page) == []
    await picture_of(page, f"desk-{locale}")


KEPT = "Object.keys(localStorage).filter((key) => key.startsWith('draft '))"


async def test_a_note_that_was_saved_or_left_at_signing_out_is_in_this_browser_no_more(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = await written(page)
    await note.get_by_label("联系方式").fill("13905140042")
    assert await page.evaluate(KEPT) == [f"draft note {CALL}"], "with every key"
    await note.get_by_role("button", name="保存小结").click()  # The call is not in the history as answered: refused.
    await expect(page.locator(f"[data-note='{CALL}']").get_by_label("联系方式")).to_have_value("13905140042")
    assert await page.evaluate(KEPT) == [f"draft note {CALL}"], "what was refused is kept"
    await answered(hall)
    await page.locator(f"[data-note='{CALL}']").get_by_role("button", name="保存小结").click()
    await expect(page.locator("[role=status]").first).to_contain_text("小结已保存")
    assert await page.evaluate(KEPT) == []
    for leave in ("签出", "退出"):
        again = page.locator(f"[data-note='{CALL}']")  # It rings still, as far as the picture says.
        await again.wait_for()
        await again.get_by_label("诉求人").fill("王某")
        assert await page.evaluate(KEPT) == [f"draft note {CALL}"]
        await page.get_by_role("button", name=leave).click()
        await page.wait_for_function(f"!({KEPT}).length")
        if leave == "签出":
            await page.get_by_role("button", name="签入").click()
            # Not lost by that: the server had it, and gives it to this agent alone.
            await expect(page.locator(f"[data-note='{CALL}']").get_by_label("诉求人")).to_have_value("王某")


async def test_of_a_note_written_at_two_desks_the_later_words_count(hall: Hall) -> None:
    first = await sitting(hall)
    ring(hall)
    note = await written(first)
    await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存")
    _, agent = seat_of(hall)
    other = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent)
    there = other.locator(f"[data-note='{CALL}']")
    await expect(there.get_by_label("诉求内容")).to_have_value("小区停水两天")
    await there.get_by_label("诉求内容").fill("小区停水三天")
    await expect(there.locator("[data-draft-state]")).to_have_text("已自动保存")
    await first.reload()
    await expect(note.get_by_label("诉求内容")).to_have_value("小区停水三天")
    await first.context.set_offline(True)
    await note.get_by_label("诉求内容").fill("小区停水四天")  # Typed last, and known to this browser alone.
    again = await first.context.new_page()
    await first.close()
    await again.context.set_offline(False)
    await again.goto("/desk")
    note = again.locator(f"[data-note='{CALL}']")
    await expect(note.get_by_label("诉求内容")).to_have_value("小区停水四天")


async def test_the_note_names_a_script_of_that_city_with_its_version(hall: Hall) -> None:
    script = await in_force(hall.site.house, "停水怎么办？")
    await hall.site.house.reading.look()
    page = await sitting(hall)
    ring(hall)
    note = await written(page)
    await answered(hall)
    await reach(page, "one.name === 'script'")
    await page.keyboard.press("ArrowDown")
    assert await note.get_by_label("所用口径").input_value() == f"{script.id} v1"
    await note.get_by_role("button", name="保存小结").click()
    await expect(page.locator("[role=status]").first).to_contain_text("小结已保存")
    [stub] = await stubs(hall)
    assert (stub["script_id"], stub["script_version"]) == (str(script.id), 1)


async def test_the_clock_of_the_wrap_up_goes_on_from_the_end_of_the_talk_on_a_page_opened_later(hall: Hall) -> None:
    page = await sitting(hall)
    seat, _ = seat_of(hall)
    ended = clock.now() - 40
    ring(hall)
    slot = LentSeat(seat, "yangzhou")
    hall.scene.more += [CallAnswered("xuzhou", ended - 60, CALL, slot, 2.0), CallEnded("xuzhou", ended, CALL, slot, 60.0)]
    cities = dict(hall.scene.province.cities)
    queue = replace(cities["xuzhou"].queue, wrapup_s=3600.0)  # So that a slow machine meets it, too.
    cities["xuzhou"] = replace(cities["xuzhou"], queue=queue)
    hall.scene.province = Province(cities)
    shown = page.locator("[data-state-since]")
    await expect(page.locator("[data-state=wrap_up]")).to_be_attached()
    await page.reload()
    since = await page.wait_for_function("document.querySelector('#desk-now [data-state]').dataset.since")
    assert abs(float(await since.json_value()) - ended) < 1.0
    await expect(shown).to_have_attribute("data-since", str(await since.json_value()))


async def test_a_script_published_at_another_console_is_on_an_open_desk_without_a_look_or_a_reload(
    hall: Hall, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.scripts.reading.LOOK_S", 3600.0)  # No console looks by the clock, nor does the desk:
    async with listening(tmp_path / "hall", valkey.url, hall.scene.province) as other:
        seat, agent = seat_of(hall)
        context = await other.context(hall.browser, Role.AGENT, "xuzhou", agent=agent)
        page = await context.new_page()
        await page.goto("/desk")
        await page.get_by_label("座席号").select_option(seat)

        async def silent(route: Route) -> None:
            answer = await route.fetch()
            text = (await answer.text()).replace("every 2s, refresh", "refresh")
            await route.fulfill(response=answer, body=text)

        await page.get_by_role("button", name="签入").click()
        await page.locator("#desk-now").wait_for()
        await page.route("**/desk", silent)
        async with page.expect_response(lambda answer: "pictures=false" in answer.url):
            await page.goto("/desk")
        await page.evaluate("window.same = true")
        assert await page.locator("[hx-trigger*=every]").count() == 0
        for must_read, question in ((False, "停水怎么办？"), (True, "离城需要什么证明？")):
            script = await in_force(hall.site.house, question, must_read)
            await hall.site.house.reading.published(script)
            await expect(page.locator("#desk-now")).to_contain_text(question)
        assert await page.evaluate("window.same"), "and it is the same page still"
        await expect(page.locator("section", has=page.locator("#fresh"))).not_to_contain_text("离城")
        assert await axe(page) == []
        await picture_of(page, "desk-new-script")


async def in_force(house: House, question: str, must_read: bool = False, scope: str = "") -> Script:
    """A script of 扬州, published by this house."""
    editor, approver = (
        Actor(name, "test", frozenset({role}), frozenset({"yangzhou"}), account=name)
        for name, role in (("e", Role.EDITOR), ("a", Role.APPROVER))
    )
    draft = await house.scripts.write(editor, "yangzhou", Wording(question, "答", scope=scope, must_read=must_read))
    return await house.scripts.publish(approver, "yangzhou", draft.id, 1, 1)
