"""What comes and goes by itself never moves a button: a press meant for one must not be lost, or land on another."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from callctl.core.event_acts import StartEvent
from callctl.core.model import Province, SeatRef
from callctl.core.wishes import Wave
from callctl.rights import Role
from tests.store.servers import Valkey
from tests.web.browser import DESK, PHONE, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall, open_hall
from tests.web.test_assistance_browser import DISPATCHER, foretell
from tests.web.test_desk_browser import CALL, find_sql, lose_sql, ring, seat_of, sitting

pytestmark = IN_THE_BROWSER
NARROW = (1000, 800)
SIZES = pytest.mark.parametrize("size", [DESK, NARROW, PHONE], ids=["desk", "narrow", "phone"])
PLACES = """place => [...document.querySelectorAll(place + ' button')].filter(one => one.offsetParent).map(one => {
  const box = one.getBoundingClientRect();
  return [one.innerText.trim(), box.x, box.y];
})"""
WITHOUT_CLOCK = f"""place => {{
  document.querySelector('#desk-now time').textContent = '';
  return ({PLACES})(place);
}}"""
AS_THE_PHONE_DOES = """state => {
  const all = document.querySelectorAll('#phone [data-when]');
  for (const one of all) one.hidden = !one.dataset.when.split(' ').includes(state);
}"""


async def places(page: Page, place: str) -> Any:
    """Where every button below `place` is in the window, px."""
    return await page.evaluate(PLACES, place)


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
@SIZES
async def test_the_desks_buttons_stay_whatever_is_said_beside_them(hall: Hall, size: tuple[int, int], locale: str) -> None:
    seat, agent = seat_of(hall)
    await (await sitting(hall)).close()
    page = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent, size=size, locale=locale)
    said = page.locator(".desk-says .badge")
    await expect(said).to_have_count(1)  # 正在示忙: whoever sits down is not ready.
    before = await places(page, ".desk-bar")
    assert len(before) == 3
    blank = await page.evaluate(WITHOUT_CLOCK, ".desk-bar")
    ref, registry = SeatRef("xuzhou", seat), hall.site.house.room.registry
    await registry.settle_press(ref, (await registry.presses())[ref])
    await expect(said).to_have_count(0, timeout=30_000)
    settled = await places(page, ".desk-bar")
    ring(hall)
    await expect(page.locator(".pop")).to_be_visible(timeout=30_000)
    rings = await places(page, ".desk-bar")
    hall.publishing = False
    await expect(said).to_have_count(1, timeout=30_000)  # There is no picture any more.
    await picture_of(page, f"desk-unknown-{size[0]}-{locale}")
    unknown = await places(page, ".desk-bar")
    assert [blank, settled, rings, unknown] == [before] * 4
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the window"


@SIZES
async def test_the_browsers_own_telephone_brings_no_button_under_a_hand(
    valkey: Valkey, tmp_path: Path, jiangsu: Province, browser: Browser, size: tuple[int, int]
) -> None:
    """Its buttons are shown and hidden as its script does it; what a real ring does is for tests/real."""
    city = jiangsu.cities["yangzhou"]
    seat = replace(city.seats[0], in_browser=True)
    province = Province({**jiangsu.cities, "yangzhou": replace(city, seats=(seat, *city.seats[1:]))})
    async with open_hall(tmp_path / "hall", valkey.url, province, browser) as hall:
        page = await hall.page(Role.AGENT, "yangzhou", path="/desk", agent=seat.agent, size=size)
        await page.get_by_label("座席号").select_option(seat.id)
        await page.get_by_role("button", name="签入").click()
        await expect(page.locator("[data-phone-state]")).to_have_attribute("data-grade", "alarm")  # There is no PBX.
        bars, boxes = [], {}
        for state in ("idle", "ringing", "talking", "idle"):
            await page.evaluate(AS_THE_PHONE_DOES, state)
            bars.append(await places(page, ".desk-bar"))
            boxes[state] = [await one.bounding_box() for one in await page.locator("#phone button:visible").all()]
    assert bars == [bars[0]] * 4
    assert [len(found) for found in boxes.values()] == [0, 2, 2]
    answer, mute = boxes["ringing"][0], boxes["talking"][0]
    assert answer is not None
    assert mute is not None
    aside = answer["x"] + answer["width"] <= mute["x"] or answer["y"] + answer["height"] <= mute["y"]
    assert aside, "a second click on 接听 would mute"


@SIZES
async def test_the_leaders_buttons_stay_when_a_seat_rings_and_a_permit_comes_and_goes(
    hall: Hall, size: tuple[int, int]
) -> None:
    page = await hall.page(Role.LEADER, "xuzhou", path="/cities/xuzhou/team", size=size)
    await page.get_by_role("button", name="强制签出").first.wait_for()
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")  # At the foot a shorter page would move all.
    before = await places(page, "#force ~ div")
    ring(hall)
    await expect(page.get_by_text(CALL)).to_be_attached(timeout=30_000)
    rings = await places(page, "#force ~ div")
    seat = seat_of(hall)[0]
    phone = next(one.id for one in hall.scene.province.cities["xuzhou"].seats if one.id != seat)
    how = {"seat": seat, "how": "listen", "phone": phone, "request": "r-1"}
    answer = await page.request.post("/cities/xuzhou/team/listening", form=how, headers={"Origin": hall.site.address})
    assert answer.ok, await answer.text()
    permit = page.locator("[data-permit]")
    await expect(permit).to_be_in_viewport(timeout=30_000)
    await picture_of(page, f"team-ringing-{size[0]}")
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    permitted = await places(page, "#force ~ div")
    [one] = await hall.site.house.room.registry.listenings()
    await hall.site.house.room.registry.forget_listening(one.id)
    await expect(permit).to_have_count(0, timeout=30_000)
    gone = await places(page, "#force ~ div")
    assert len(before) >= 3 * len(hall.scene.province.cities["xuzhou"].seats)
    assert [rings, permitted, gone] == [before] * 3


@SIZES
async def test_the_acts_of_every_event_stay_when_a_store_is_lost_and_what_is_told_changes(
    hall: Hall, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for city, title in (("nanjing", "疫情"), ("yangzhou", "防汛")):
        await hall.site.house.desk.do(DISPATCHER, StartEvent(city, title, waves=(Wave(1, {"xuzhou": 3}),)))
    page = await hall.page(path="/assistance", size=size)
    await expect(page.get_by_role("button", name="入场")).to_have_count(2)
    before = await places(page, ".event-card")
    assert len(before) >= 2
    hall.scene.waiting = {"yangzhou": 0, "nanjing": 40}
    nanjing = page.locator(".event-card", has_text="疫情")
    await expect(nanjing).to_contain_text("等待 40", timeout=30_000)
    busier = await places(page, ".event-card")
    await foretell(hall, monkeypatch, 2)
    await nanjing.locator("[data-foretold=yes]").wait_for(timeout=150_000)
    foretold = await places(page, ".event-card")
    await lose_sql(hall.site)
    await expect(page.get_by_text("历史库联系不上")).to_be_in_viewport(timeout=30_000)
    lost = await places(page, ".event-card")
    await picture_of(page, f"assistance-without-sql-{size[0]}")
    await find_sql(hall.site)
    assert [busier, foretold, lost] == [before] * 3
