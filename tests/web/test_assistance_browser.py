"""The assistance page in a real browser: two keys, one click on and off, the stop, and two supervisors at once."""

import asyncio

import pytest
from playwright.async_api import Page, expect

from callctl import foresight
from callctl.core.acts import SetQuota
from callctl.core.event_acts import StartEvent
from callctl.core.wishes import Wave, Wishes
from callctl.rights import EVERYWHERE, Actor, Role
from tests.store.servers import Valkey
from tests.web.browser import axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_desk_browser import find_sql, lose_sql

pytestmark = IN_THE_BROWSER
DISPATCHER = Actor("调度", "test", frozenset({Role.DISPATCHER}), frozenset({EVERYWHERE}))
OTHER = Actor("李班长", "二楼", frozenset({Role.SUPERVISOR}), frozenset({"yangzhou"}))
PAGE = "/assistance"


async def event(hall: Hall, **more: object) -> None:
    """扬州's event is running, not switched on."""
    await hall.site.house.desk.do(DISPATCHER, StartEvent("yangzhou", "防汛", **more))  # type: ignore[arg-type]


async def foretell(hall: Hall, monkeypatch: pytest.MonkeyPatch, seeds: int) -> None:
    """What-ifs are worked out for the pages: few, with patience (a busy machine is no fault), of the wishes in force."""
    for name, value in (("SEEDS", seeds), ("NICE", 0), ("DEADLINE_S", 200.0)):
        monkeypatch.setattr(foresight, name, value)
    now_wished = await wishes(hall)
    hall.scene.wishes = lambda now: now_wished  # type: ignore[method-assign] - As a controller does that has read them.


async def wishes(hall: Hall) -> Wishes:
    return await hall.site.house.desk.wishes()


async def pressed(hall: Hall, what: str) -> int:
    """How many such presses the audit has."""
    return sum(entry.what == what for entry in await hall.site.house.room.history.audited(100))


async def test_the_province_starts_with_waves_and_the_city_switches_on_and_off_with_one_click_each(hall: Hall) -> None:
    page = await hall.page(Role.DISPATCHER, path=PAGE)
    await page.get_by_text("填写启动令").click()
    form = page.locator("form[action='/assistance/events']")
    await form.get_by_label("被支援市").select_option("yangzhou")
    await form.get_by_label("标题").fill("暴雨应急")
    await form.get_by_label("徐州 首批").fill("3")
    await form.get_by_label("无锡 第二批").fill("2")
    await form.get_by_label("文号").fill("苏政务办发〔2026〕1号")
    await form.get_by_role("button", name="启动").click()
    await expect(page.locator("[role=status]")).to_contain_text("扬州")
    card = page.locator(".event-card")
    await expect(card).to_contain_text("暴雨应急")
    await expect(card.get_by_role("button", name="开启支援")).to_have_count(0)  # Not the province's key.
    await card.get_by_role("button", name="入场").first.click()
    await expect(page.locator(".event-card")).to_contain_text("已入场")
    await picture_of(page, "assistance-dispatcher")

    city = await hall.page(Role.SUPERVISOR, "yangzhou", path=PAGE)
    await expect(city.locator(".event-card")).to_contain_text("可立即增加")
    await city.get_by_role("button", name="开启支援").click()
    await expect(city.locator("[role=status]")).to_contain_text("扬州支援已开启")
    assert (await wishes(hall)).events["yangzhou"].switched_on
    await picture_of(city, "assistance-supervisor")
    await city.get_by_role("button", name="关闭支援").click()
    await expect(city.locator("[role=status]")).to_contain_text("扬州支援已关闭")
    assert not (await wishes(hall)).events["yangzhou"].switched_on
    await expect(city.locator(".timeline")).to_contain_text("开启支援")
    assert hall.faults == []


async def test_a_supporting_supervisor_confirms_seats_and_bad_figures_are_told_at_the_field(hall: Hall) -> None:
    await event(hall, waves=(Wave(1, {"xuzhou": 3}),), needs_confirmation=True)
    page = await hall.page(Role.SUPERVISOR, "xuzhou", path=PAGE)
    await expect(page.locator("main")).to_contain_text("0（各批次共 3）")  # What to confirm, before the wave has entered.
    await expect(page.locator("main")).to_contain_text("本市目前没有启动令；他市请求的座席见下")
    row = page.locator("form[action='/cities/xuzhou/confirmations/yangzhou']")
    await row.get_by_label("座席数").fill("三个")
    await row.get_by_role("button", name="确认").click()
    await expect(row.locator(".wrong")).to_have_text("须是 0 或更大的整数")
    await expect(row.get_by_label("座席数")).to_have_value("三个")
    await row.get_by_label("座席数").fill("3")
    await row.get_by_role("button", name="确认").click()
    await expect(page.locator("[role=status]")).to_contain_text("徐州确认支援座席")
    assert (await wishes(hall)).events["yangzhou"].confirmed == {"xuzhou": 3}


async def test_who_was_slower_is_told_by_whom_and_nothing_typed_is_lost(hall: Hall) -> None:
    await event(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path=PAGE)
    await page.get_by_label("扬州 配额").fill("4")
    await page.get_by_label("扬州 保留").fill("2")
    await hall.site.house.desk.do(OTHER, SetQuota("yangzhou", 3))
    await page.locator("button[form='limits-yangzhou'], form#limits-yangzhou button").first.click()
    await expect(page.get_by_role("alert").first).to_contain_text("李班长")
    await expect(page.get_by_role("alert").first).to_contain_text("您填的内容都还在")
    await expect(page.get_by_label("扬州 配额")).to_have_value("4")
    await expect(page.get_by_label("扬州 保留")).to_have_value("2")
    assert (await wishes(hall)).quotas == {"yangzhou": 3}
    await picture_of(page, "assistance-overtaken")


async def test_the_stop_is_in_sight_on_every_page_and_two_clicks_are_one_stop(hall: Hall) -> None:
    for path in ("/board", PAGE, "/account"):
        page = await hall.page(Role.SUPERVISOR, "yangzhou", path=path)
        await expect(page.get_by_role("button", name="全部停止", exact=True)).to_be_in_viewport()
        await page.context.close()
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/board")
    await page.get_by_role("button", name="全部停止", exact=True).click()
    await expect(page.get_by_role("button", name="取消")).to_be_focused()  # Enter by habit stops nothing.
    await picture_of(page, "stop-dialog")
    await page.get_by_label("事由（可不填）").fill("演练结束")
    await page.get_by_role("button", name="立即全部停止").dblclick()
    await expect(page.locator("[role=status]")).to_contain_text("全部停止")
    assert (await wishes(hall)).stopped
    assert await pressed(hall, "stop all") == 1
    await page.goto(PAGE)
    await expect(page.locator(".stopped-panel")).to_be_visible()
    await expect(page.get_by_role("button", name="恢复支援")).to_have_count(0)
    province = await hall.page(Role.DISPATCHER, path=PAGE)
    await province.get_by_role("button", name="恢复支援").click()
    await expect(province.locator("[role=status]")).to_contain_text("恢复")
    assert not (await wishes(hall)).stopped


async def test_with_sql_away_the_page_says_what_can_be_pressed_and_the_stop_still_works(hall: Hall) -> None:
    await event(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path=PAGE)
    await expect(page.get_by_role("button", name="开启支援")).to_be_visible()
    await lose_sql(hall.site)
    await expect(page.locator("main")).to_contain_text("历史库联系不上：开启、关闭、调整、确认暂时不能按")  # By itself.
    await expect(page.locator(".event-card")).to_contain_text("可立即增加")  # What is known is still shown.
    await page.get_by_label("扬州 配额").fill("4")
    await page.locator("form#limits-yangzhou button").click()
    await expect(page.get_by_role("alert").first).to_contain_text("数据库")
    await expect(page.get_by_label("扬州 配额")).to_have_value("4")
    await expect(page.locator("main")).to_contain_text("操作记录暂时看不到")
    await page.get_by_role("button", name="开启支援").click()
    await expect(page.get_by_role("alert").first).to_contain_text("数据库")
    assert not (await wishes(hall)).events["yangzhou"].switched_on
    await picture_of(page, "assistance-without-sql")
    assert await axe(page) == []
    await page.get_by_role("button", name="全部停止", exact=True).click()
    await page.get_by_role("button", name="立即全部停止").click()
    await expect(page.locator(".stopped-panel")).to_be_visible()
    assert (await wishes(hall)).stopped
    await find_sql(hall.site)
    await expect(page.locator("main")).not_to_contain_text("历史库联系不上：开启")
    await hall.site.house.desk.settle()
    assert await pressed(hall, "stop all") == 1, "written into the audit once it was back"
    assert [fault for fault in hall.faults if "503" not in fault] == []


async def test_with_redis_away_the_page_says_that_what_is_pressed_comes_later(
    hall: Hall, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await event(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path=PAGE)
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 1.0)
    await asyncio.to_thread(valkey.kill)
    await expect(page.locator("main")).to_contain_text("现在按下的先记录，恢复后生效")
    await page.get_by_role("button", name="开启支援").click()
    await expect(page.locator("[role=status]")).to_contain_text("已记录，尚未生效")
    await picture_of(page, "assistance-without-redis")
    valkey.start_again()
    await expect(page.locator("main")).not_to_contain_text("现在按下的先记录")
    assert (await wishes(hall)).events["yangzhou"].switched_on


async def test_why_nobody_helps_is_told_in_words(hall: Hall) -> None:
    hall.scene.waiting = {"nanjing": 4}
    await hall.site.house.desk.do(DISPATCHER, StartEvent("nanjing", "演练"))
    page = await hall.page(Role.SUPERVISOR, "nanjing", path=PAGE)
    await expect(page.locator(".event-card")).to_contain_text("没有生效的启动令", timeout=30_000)


async def test_a_draft_of_an_event_survives_a_closed_page(hall: Hall) -> None:
    page = await hall.page(Role.DISPATCHER, path=PAGE)
    await page.get_by_text("填写启动令").click()
    form = page.locator("form[action='/assistance/events']")
    await form.get_by_label("标题").fill("写了一半")
    await expect(form.locator("[data-draft-state]")).to_have_text("草稿已存在本浏览器")
    again = await page.context.new_page()
    await page.close()
    await again.goto(PAGE)
    await again.get_by_text("填写启动令").click()
    await expect(again.locator("form[action='/assistance/events']").get_by_label("标题")).to_have_value("写了一半")


async def test_markup_in_a_title_or_reason_is_text(hall: Hall) -> None:
    bad = "<img src=x onerror=alert(1)>"
    await hall.site.house.desk.do(DISPATCHER, StartEvent("yangzhou", bad), bad)
    for path in (PAGE, "/board"):
        page = await hall.page(Role.DISPATCHER, path=path)
        await page.locator("main").wait_for()
        assert await page.locator("img[src=x]").count() == 0
        await page.context.close()
    page = await hall.page(Role.DISPATCHER, path=PAGE)
    await expect(page.locator(".event-card h2")).to_contain_text(bad)
    await expect(page.locator(".timeline")).to_contain_text(bad)


async def test_by_keyboard_alone_a_supervisor_switches_on(hall: Hall) -> None:
    await event(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path=PAGE)
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.innerText?.trim()") == "开启支援":
            break
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=status]")).to_contain_text("扬州支援已开启")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@pytest.mark.parametrize(
    ("role", "cities", "path"),
    [
        (Role.DISPATCHER, (), PAGE),
        (Role.SUPERVISOR, ("yangzhou",), PAGE),
        (Role.SECURITY_ADMIN, (), "/accounts"),
        (Role.SECURITY_ADMIN, (), "/accounts/new"),
        (Role.AUDITOR, (), "/audit"),
        (Role.SUPERVISOR, ("yangzhou",), "/nothing-here"),
        (None, (), "/signin"),
        (None, (), "/welcome"),
    ],
)
async def test_axe_finds_nothing(hall: Hall, role: Role | None, cities: tuple[str, ...], path: str, locale: str) -> None:
    await event(hall, waves=(Wave(1, {"xuzhou": 3}),), needs_confirmation=True)
    page: Page = await hall.page(role, *cities, path=path, locale=locale)
    for summary in await page.locator("summary").all():
        await summary.click()
    assert await axe(page) == []
    await picture_of(page, f"page{path.replace('/', '-')}-{'-'.join(cities) or 'all'}-{locale}")
