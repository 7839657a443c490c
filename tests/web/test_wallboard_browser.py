"""The wallboard in a real browser: live within a second, honest when cut off, right again by itself, readable, silent."""

import re

import pytest
from playwright.async_api import Page, expect

from callctl import clock
from callctl.core.day import DAY_S
from tests.store.facts import answered_home
from tests.web.browser import DESK, PHONE, WALL, axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.relay import Relay
from tests.web.test_desk_browser import find_sql, lose_sql

pytestmark = IN_THE_BROWSER


def waiting(page: Page, city: str) -> object:
    return page.locator(f"#b-tile-{city} .waits b").first


async def test_a_new_figure_is_on_the_screen_without_a_reload(hall: Hall) -> None:
    page = await hall.page(size=WALL, color_scheme="dark")
    await expect(waiting(page, "yangzhou")).to_have_text("9")  # type: ignore[arg-type]
    hall.scene.waiting["yangzhou"] = 17
    await expect(waiting(page, "yangzhou")).to_have_text("17", timeout=30_000)  # type: ignore[arg-type]
    assert hall.faults == []


@pytest.mark.parametrize("how", ["cut", "frozen"])
async def test_cut_off_it_says_so_and_shows_no_old_number_and_mends_itself(hall: Hall, how: str) -> None:
    relay = Relay(int(hall.site.address.rpartition(":")[2]))
    await relay.open()
    page = await hall.page(path=f"http://127.0.0.1:{relay.port}/board")
    await expect(waiting(page, "yangzhou")).to_have_text("9")  # type: ignore[arg-type]
    if how == "cut":
        await relay.cut()
    else:
        relay.freeze()
    await expect(page.locator("#link-lost")).to_be_visible(timeout=30_000)
    shown = await page.locator("[data-live]").all_inner_texts()
    assert len(shown) > 100
    assert set(shown) == {"未知"}
    await picture_of(page, f"wallboard-{how}")
    hall.scene.waiting["yangzhou"] = 12
    if how == "cut":
        await relay.open()
    else:
        relay.thaw()
    await expect(page.locator("#link-lost")).to_be_hidden(timeout=30_000)
    await expect(waiting(page, "yangzhou")).to_have_text("12", timeout=30_000)  # type: ignore[arg-type]
    assert "未知" not in await page.locator("#b-tile-yangzhou").inner_text()
    await relay.close()


async def test_a_dead_controller_is_told_and_its_last_figures_are_not_shown(hall: Hall) -> None:
    page = await hall.page()
    await expect(waiting(page, "yangzhou")).to_have_text("9")  # type: ignore[arg-type]
    hall.publishing = False
    await expect(page.locator("#b-alarms")).to_contain_text("控制器已停", timeout=30_000)
    await expect(waiting(page, "yangzhou")).to_have_text("未知")  # type: ignore[arg-type]
    hall.publishing = True
    await expect(waiting(page, "yangzhou")).to_have_text("9", timeout=30_000)  # type: ignore[arg-type]


async def test_a_lost_city_is_unknown_and_the_others_go_on(hall: Hall) -> None:
    page = await hall.page(size=WALL)
    hall.scene.lost["huaian"] = "connection refused"
    hall.scene.trunks_down.add(("taizhou", "yangzhou"))
    await expect(page.locator("#b-tile-huaian")).to_contain_text("失联", timeout=30_000)
    await expect(waiting(page, "huaian")).to_have_text("未知")  # type: ignore[arg-type]
    await expect(waiting(page, "yangzhou")).to_have_text("9")  # type: ignore[arg-type]
    await expect(page.locator("#b-alarms")).to_contain_text("中继中断")


async def test_with_sql_away_the_counts_are_unknown_the_live_figures_go_on_and_it_says_so(hall: Hall) -> None:
    page = await hall.page(size=WALL)
    rate = page.locator("#b-tile-yangzhou p").filter(has_text="接通").locator("[data-live]")
    await expect(rate).not_to_have_text("未知")
    await lose_sql(hall.site)
    await expect(page.locator("#b-alarms")).to_contain_text("历史库联系不上：今日数字和走势未知")
    await expect(rate).to_have_text("未知")
    hall.scene.waiting["yangzhou"] = 17
    await expect(waiting(page, "yangzhou")).to_have_text("17")  # type: ignore[arg-type]
    await picture_of(page, "wallboard-without-sql")
    again = await hall.page(path="/cities/yangzhou/board")  # Who opens it only now sees the same.
    await expect(again.locator("#b-alarms")).to_contain_text("历史库联系不上")
    await expect(again.locator("[data-chart-state]")).to_have_text("图表数据暂时取不到，稍后自动重试")
    await expect(again.locator("#b-tile-yangzhou .waits b").first).to_have_text("17")
    await find_sql(hall.site)
    await expect(page.locator("#b-alarms")).not_to_contain_text("历史库")
    await expect(rate).not_to_have_text("未知")
    assert [fault for fault in hall.faults if "503" not in fault] == []


async def test_markup_in_a_reason_is_text(hall: Hall) -> None:
    hall.scene.lost["huaian"] = "<img src=x onerror=alert(1)>"
    page = await hall.page()
    await expect(page.locator("#b-alarms")).to_contain_text("<img src=x onerror=alert(1)>", timeout=30_000)
    assert await page.locator("#b-alarms img").count() == 0


@pytest.mark.parametrize(("size", "name"), [(WALL, "wall"), (DESK, "desk"), (PHONE, "phone")])
async def test_it_is_readable_on_wall_desk_and_phone(hall: Hall, size: tuple[int, int], name: str) -> None:
    page = await hall.page(size=size, color_scheme="dark" if name == "wall" else "light")
    await expect(page.locator("#b-tile-yangzhou")).to_contain_text("支援中")
    sideways = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert sideways <= 0, "the page scrolls sideways"
    cut = await page.evaluate(
        "[...document.querySelectorAll('.tile')].filter(t => t.scrollHeight > t.clientHeight + 2).map(t => t.innerText)"
    )
    assert cut == [], "a tile's lines do not fit"
    if size == WALL:
        down = await page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert down <= 0, "on a wall nobody scrolls"
    await picture_of(page, f"wallboard-{name}")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/board", "/cities/yangzhou/board"])
async def test_axe_finds_nothing(hall: Hall, path: str, scheme: str, locale: str) -> None:
    hall.scene.lost["huaian"] = "connection refused"
    page = await hall.page(path=path, color_scheme=scheme, locale=locale)
    await page.locator("canvas").first.wait_for()
    assert await axe(page) == []


async def test_the_keyboard_reaches_a_city_and_comes_back(hall: Hall) -> None:
    page = await hall.page()
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.innerText") == "扬州":
            break
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/cities/yangzhou/board")
    await expect(page.locator("h1")).to_contain_text("扬州")


async def test_the_charts_draw_today_beside_yesterday_and_last_week(hall: Hall) -> None:
    history, now = hall.site.house.room.history, clock.now()
    for number, at in enumerate((now - 100, now - DAY_S - 100, now - 7 * DAY_S - 100), 1):
        for fact in answered_home(number, at, at + 8):
            history.record(fact)
    await history.flush()  # type: ignore[attr-defined]
    page = await hall.page(path="/cities/yangzhou/board", size=DESK)
    calls, waits = page.locator("[data-chart=calls]"), page.locator("[data-chart=waits]")
    drawn = re.compile("本市接听.*支援接听.*未接.*昨日来电.*上周同日来电", re.S)
    await expect(calls).to_have_attribute("aria-label", drawn, timeout=30_000)
    await expect(waits).to_have_attribute(
        "aria-label", re.compile("排队人数.*最长等待.*昨日最长等待.*上周同日最长等待", re.S), timeout=30_000
    )
    await expect(waits.locator("canvas").first).to_be_visible()
    await picture_of(page, "wallboard-charts")
