"""What comes and goes by itself never moves a button: a press meant for one must not be lost, or land on another."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from callctl.core.event_acts import StartEvent
from callctl.core.model import SeatRef
from callctl.core.wishes import Wave
from callctl.rights import Role
from tests.web.browser import DESK, PHONE, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_assistance_browser import DISPATCHER
from tests.web.test_desk_browser import CALL, find_sql, lose_sql, ring, seat_of, sitting

pytestmark = IN_THE_BROWSER
SIZES = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
PLACES = """place => [...document.querySelectorAll(place + ' button')].filter(one => one.offsetParent).map(one => {
  const box = one.getBoundingClientRect();
  return [one.innerText.trim(), box.x + scrollX, box.y + scrollY];
})"""


async def places(page: Page, place: str) -> Any:
    """Where every button below `place` is, in px of the page."""
    return await page.evaluate(PLACES, place)


@SIZES
async def test_the_desks_buttons_stay_whatever_is_said_beside_them(hall: Hall, size: tuple[int, int]) -> None:
    page = await sitting(hall, size=size)
    await expect(page.locator("#desk-now")).to_contain_text("正在示忙")
    waits = await places(page, "#desk-now")
    assert len(waits) == 3
    await page.evaluate("document.querySelector('#desk-now time').textContent = ''")  # As before its first second.
    blank = await places(page, "#desk-now")
    ref = SeatRef("xuzhou", seat_of(hall)[0])
    registry = hall.site.house.room.registry
    await registry.settle_press(ref, (await registry.presses())[ref])
    await expect(page.locator("#desk-now")).not_to_contain_text("正在示忙", timeout=30_000)
    settled = await places(page, "#desk-now")
    ring(hall)
    await expect(page.locator(".pop")).to_be_visible(timeout=30_000)
    rings = await places(page, "#desk-now .desk-bar")
    hall.publishing = False
    await expect(page.locator("#desk-now")).to_contain_text("没有本市的实时画面", timeout=30_000)
    await picture_of(page, f"desk-unknown-{size[0]}")
    unknown = await places(page, "#desk-now .desk-bar")
    assert [blank, settled, rings, unknown] == [waits] * 4


@SIZES
async def test_the_leaders_buttons_stay_when_a_seat_rings_and_a_permit_comes(hall: Hall, size: tuple[int, int]) -> None:
    page = await hall.page(Role.LEADER, "xuzhou", path="/cities/xuzhou/team", size=size)
    await page.get_by_role("button", name="强制签出").first.wait_for()
    before = await places(page, "#force ~ div")
    ring(hall)
    await expect(page.get_by_text(CALL)).to_be_visible(timeout=30_000)
    rings = await places(page, "#force ~ div")
    seat = seat_of(hall)[0]
    phone = next(one.id for one in hall.scene.province.cities["xuzhou"].seats if one.id != seat)
    how = {"seat": seat, "how": "listen", "phone": phone, "request": "r-1"}
    answer = await page.request.post("/cities/xuzhou/team/listening", form=how, headers={"Origin": hall.site.address})
    assert answer.ok, await answer.text()
    await expect(page.locator("[data-permit]")).to_be_in_viewport(timeout=30_000)
    permitted = await places(page, "#force ~ div")
    await picture_of(page, f"team-ringing-{size[0]}")
    assert len(before) >= 3 * len(hall.scene.province.cities["xuzhou"].seats)
    assert [rings, permitted] == [before, before]


@SIZES
async def test_the_switches_of_every_event_stay_when_a_store_is_lost_and_the_lines_change(
    hall: Hall, size: tuple[int, int]
) -> None:
    for city, title in (("nanjing", "疫情"), ("yangzhou", "防汛")):
        await hall.site.house.desk.do(DISPATCHER, StartEvent(city, title, waves=(Wave(1, {"xuzhou": 3}),)))
    page = await hall.page(path="/assistance", size=size)
    await expect(page.get_by_role("button", name="入场")).to_have_count(2)
    before = await places(page, ".event-card")
    hall.scene.waiting = {"yangzhou": 0, "nanjing": 40}
    await expect(page.locator(".event-card", has_text="疫情")).to_contain_text("等待 40", timeout=30_000)
    busier = await places(page, ".event-card")
    await lose_sql(hall.site)
    await expect(page.get_by_text("历史库联系不上")).to_be_in_viewport(timeout=30_000)
    lost = await places(page, ".event-card")
    await picture_of(page, f"assistance-without-sql-{size[0]}")
    await find_sql(hall.site)
    assert len(before) >= 2
    assert [busier, lost] == [before, before]
