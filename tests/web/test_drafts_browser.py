"""启动通知 and 口径 as drafts: written, left, found again as they were, sent, opened again as sent, and offered no more."""

from playwright.async_api import Page, expect

from callctl import clock
from callctl.core.acts import SetQuota
from callctl.core.notice import FIELDS, KINDS
from callctl.rights import EVERYWHERE, Actor, Role
from tests.web.browser import axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_desk_browser import CALL, answered, ring, sitting

pytestmark = IN_THE_BROWSER
DISPATCHER = Actor("调度", "test", frozenset({Role.DISPATCHER}), frozenset({EVERYWHERE}))
PAGE, NEW = "/assistance", "form[action='/assistance/events']"
CHANGE = "form[action='/cities/yangzhou/event']"
# Every field of the notice, with what tries the way through form, browser, wishes and back.
NOTICE = {key: f"{zh}：“{number}” <b>&amp;</b> 𠮷\\" for number, (key, zh, _) in enumerate(FIELDS)} | {"kind": KINDS[1]}
EVENT = {"title": "台风“烟花”", "w1-xuzhou": "3", "w2-wuxi": "2", "planned-2": "2026-12-01T08:30"}


async def again(page: Page, path: str) -> Page:
    """The page is closed, as a browser that dies closes it, and opened once more."""
    context = page.context
    await page.close()
    opened = await context.new_page()
    await opened.goto(path)
    return opened


async def fill(page: Page, form: str, values: dict[str, str]) -> None:
    for name, value in values.items():
        field = page.locator(f"{form} [name='{name}']")
        if await field.evaluate("one => one.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)


async def shown(page: Page, form: str, values: dict[str, str]) -> dict[str, str]:
    return {name: await page.locator(f"{form} [name='{name}']").input_value() for name in values}


async def test_a_notice_is_drafted_left_found_sent_and_opened_again_with_every_field(hall: Hall) -> None:
    page = await hall.page(Role.DISPATCHER, path=PAGE)
    typed = {"city": "yangzhou", **EVENT, **{f"n-{key}": text for key, text in NOTICE.items()}}
    await page.get_by_text("填写启动令").click()
    await fill(page, NEW, typed)
    await expect(page.locator(f"{NEW} [data-draft-state]")).to_have_text("草稿已存在本浏览器")
    page = await again(page, PAGE)
    await page.get_by_text("填写启动令").click()
    await expect(page.locator(f"{NEW} [data-draft-state]")).to_have_text("已恢复上次未提交的草稿")
    assert await shown(page, NEW, typed) == typed
    await picture_of(page, "notice-draft-zh")
    await page.locator(NEW).get_by_role("button", name="启动").click()
    await expect(page.locator("[role=status]").first).to_contain_text("扬州")
    event = (await hall.site.house.desk.wishes()).events["yangzhou"]
    assert dict(event.notice) == NOTICE
    page = await again(page, PAGE)
    sent = {name: value for name, value in typed.items() if name != "city"}
    assert await shown(page, CHANGE, sent) == sent, "opened again as it was sent"
    assert set((await shown(page, NEW, sent)).values()) == {""}, "what was sent is offered to no second event"


async def test_a_change_of_a_notice_is_found_again_also_when_others_have_pressed_meanwhile(hall: Hall) -> None:
    page = await hall.page(Role.DISPATCHER, path=PAGE)
    await page.get_by_text("填写启动令").click()
    await fill(page, NEW, {"city": "yangzhou", "title": "防汛", "n-cause": "初稿"})
    await page.locator(NEW).get_by_role("button", name="启动").click()
    await expect(page.locator(".event-card")).to_contain_text("防汛")
    await page.locator("details", has=page.locator(CHANGE)).locator("summary").first.click()
    await fill(page, CHANGE, {"n-cause": "二稿，尚未提交"})
    await hall.site.house.desk.do(DISPATCHER, SetQuota("suzhou", 3))  # Nothing of this event.
    page = await again(page, PAGE)
    assert await shown(page, CHANGE, {"n-cause": ""}) == {"n-cause": "二稿，尚未提交"}
    await page.locator("details", has=page.locator(CHANGE)).locator("summary").first.click()
    await expect(page.locator(f"{CHANGE} [data-draft-state]")).to_have_text("已恢复上次未提交的草稿")
    await page.locator(CHANGE).get_by_role("button").first.click()
    await expect(page.locator("[role=status]").first).to_contain_text("扬州")
    page = await again(page, PAGE)
    assert await shown(page, CHANGE, {"n-cause": ""}) == {"n-cause": "二稿，尚未提交"}
    assert (await hall.site.house.desk.wishes()).events["yangzhou"].notice["cause"] == "二稿，尚未提交"
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft event')).length") == 0


SCRIPT = {
    "question": "停水何时恢复？",
    "answer": "第一行 <b>\n第二行：抢修至“20:00” 𠮷",
    "similar": "没水了\n水管爆了",
    "category": "0301",
    "scope": "广陵区",
    "source": "扬府办〔2026〕3号",
    "until": "2026-12-31T18:00",
    "note": "首版",
}
FORM = "main form[data-draft]"


async def test_a_script_is_drafted_left_found_sent_and_opened_again_with_every_field(hall: Hall) -> None:
    new = "/cities/yangzhou/scripts/new"
    page = await hall.page(Role.EDITOR, "yangzhou", path=new)
    await fill(page, FORM, SCRIPT)
    await page.locator(f"{FORM} [name=must_read]").check()
    await expect(page.locator(f"{FORM} [data-draft-state]")).to_have_text("草稿已存在本浏览器")
    page = await again(page, new)
    assert await shown(page, FORM, SCRIPT) == SCRIPT
    await expect(page.locator(f"{FORM} [name=must_read]")).to_be_checked()
    await page.get_by_role("button", name="保存草稿并送审").click()
    await expect(page.locator("[role=status]").first).to_contain_text("草稿已保存")
    page = await again(page, new)
    assert set((await shown(page, FORM, SCRIPT)).values()) == {""}
    edit = "/cities/yangzhou/scripts/1/edit"
    await page.goto(edit)
    assert await shown(page, FORM, SCRIPT) == SCRIPT, "opened again as it was sent"
    await expect(page.locator(f"{FORM} [name=must_read]")).to_be_checked()
    changed = {**SCRIPT, "answer": "已恢复供水", "note": "二稿"}
    await fill(page, FORM, changed)
    page = await again(page, edit)
    assert await shown(page, FORM, SCRIPT) == changed, "a change that was not sent"
    await picture_of(page, "script-draft-zh")
    await page.get_by_role("button", name="保存草稿并送审").click()
    await expect(page.locator("[role=status]").first).to_contain_text("草稿已保存")
    page = await again(page, edit)
    assert await shown(page, FORM, SCRIPT) == changed


OTHERS = "yangzhou-1790000000.99"


async def test_a_note_that_is_not_to_be_written_is_thrown_away_here_and_on_the_server(hall: Hall) -> None:
    page = await sitting(hall)
    drafts = hall.site.house.drafts
    await drafts.keep("agent-xuzhou", OTHERS, {"content": "别人的来电"}, clock.now())
    await page.goto("/desk")
    note = page.locator(f"[data-note='{OTHERS}']")
    await expect(note.get_by_label("诉求内容")).to_have_value("别人的来电")
    await note.get_by_label("诉求人").fill("王某")
    await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存")
    await note.get_by_text("不写这份小结").press("Enter")
    assert await axe(page) == []
    await picture_of(page, "desk-draft-drop-zh")
    await note.get_by_role("button", name="丢弃草稿").press("Enter")
    await expect(page.locator("[role=status]").first).to_contain_text("草稿已丢弃")
    await expect(note).to_have_count(0)
    assert await drafts.all("agent-xuzhou", clock.now()) == []
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('draft note')).length") == 0
    await page.reload()
    await expect(page.locator("[data-notes]")).to_have_count(1)
    await expect(note).to_have_count(0)
    assert hall.faults == []


async def test_the_note_of_a_call_that_has_just_ended_can_be_thrown_away_without_loading_the_page_again(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = page.locator(f"[data-note='{CALL}']")
    await expect(note.get_by_text("当前来电")).to_be_visible()
    offer = note.get_by_text("不写这份小结")
    await expect(offer).to_be_hidden()
    hall.scene.more = []
    await answered(hall)
    await expect(note.get_by_text("未完成")).to_be_visible()
    await expect(offer).to_be_visible()
    assert await axe(page) == []
    await picture_of(page, "desk-note-after-the-call-zh")
    await offer.press("Enter")
    await note.get_by_role("button", name="丢弃草稿").press("Enter")
    await expect(page.locator("[role=status]").first).to_contain_text("草稿已丢弃")


async def test_while_the_desk_does_not_see_the_seat_no_note_is_offered_to_be_thrown_away(hall: Hall) -> None:
    page = await sitting(hall)
    ring(hall)
    note = page.locator(f"[data-note='{CALL}']")
    await expect(note.get_by_text("当前来电")).to_be_visible()
    await note.get_by_label("诉求内容").fill("小区停水两天")
    await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存")
    hall.publishing = False
    await expect(page.locator("#desk-now")).to_contain_text("没有本市的实时画面", timeout=30_000)
    offer = note.get_by_text("不写这份小结")
    await expect(note.get_by_text("未完成")).to_be_visible()
    await expect(offer).to_be_hidden()
    await page.reload()
    await expect(note.get_by_label("诉求内容")).to_have_value("小区停水两天")
    await expect(offer).to_be_hidden()
    hall.scene.more = []
    hall.publishing = True
    await answered(hall)
    await expect(offer).to_be_visible(timeout=30_000)
