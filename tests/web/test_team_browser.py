"""The team leader's page in a real browser: hands on the seats, and what to dial once the PBX has permitted to listen."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Response, Route, expect

from callctl import clock
from callctl.core.listening import How
from callctl.core.model import PbxKind, Province, SeatRef
from callctl.rights import Role
from tests.store.servers import Valkey
from tests.web.browser import PHONE, WALL, axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall, open_hall
from tests.web.test_assistance_browser import event, foretell

pytestmark = IN_THE_BROWSER


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_a_leader_asks_to_listen_and_is_told_what_to_dial(hall: Hall, locale: str) -> None:
    page = await hall.page(Role.LEADER, "yangzhou", path="/team", locale=locale, size=WALL)
    await page.locator("#listen").wait_for()
    await page.locator("a[href*='seat=2003#listen']").click()
    assert await page.locator("#f-seat").input_value() == "2003", "the seat's own link chooses it"
    await page.locator("#f-how").select_option("whisper")
    await page.locator("#listen button[type=submit]").click()
    await expect(page.locator("#w-phone")).to_be_visible()  # No telephone was chosen; the rest stays.
    assert await page.locator("#f-how").input_value() == "whisper"
    await page.locator("#f-phone").select_option("2004")
    await page.locator("#f-reason").fill("新手带教")
    await page.locator("#listen button[type=submit]").click()
    permit = page.locator("[data-permit]")
    await expect(permit).not_to_contain_text("*902003")
    assert await page.locator("#f-phone").input_value() == "2004", "this person's telephone is remembered"
    [one] = await hall.site.house.room.registry.listenings()
    assert (one.city, one.seat, one.phone, one.how) == ("yangzhou", "2003", "2004", How.WHISPER)
    await hall.site.house.room.registry.put_listening(replace(one, granted_at=clock.now()))
    await expect(permit).to_contain_text("*902003")
    assert await axe(page) == []
    await picture_of(page, f"team-permit-{locale}")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await picture_of(page, f"team-permit-{locale}-phone")
    assert [fault for fault in hall.faults if "422" not in fault] == []


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_in_a_freeswitch_city_the_page_says_that_nobody_can_listen_and_the_rest_works(
    valkey: Valkey, tmp_path: Path, jiangsu: Province, browser: Browser, locale: str
) -> None:
    city = jiangsu.cities["yangzhou"]
    other = replace(city, pbx=replace(city.pbx, kind=PbxKind.FREESWITCH))
    province = Province({**jiangsu.cities, "yangzhou": other})
    async with open_hall(tmp_path / "hall", valkey.url, province, browser) as hall:
        page = await hall.page(Role.LEADER, "yangzhou", path="/team?seat=2003", locale=locale)
        said = {"zh-CN": "暂不支持监听、耳语、强插", "en": "listening, whispering and barging in are not there"}[locale]
        await expect(page.locator("#listen")).to_contain_text(said)
        assert await page.locator("#listen form, a[href*='#listen']").count() == 0, "a way that leads nowhere"
        assert await axe(page) == []
        await picture_of(page, f"team-freeswitch-{locale}")
        await page.locator("button[value='not ready']").first.click()
        await expect(page.locator("[role=status]").first).to_contain_text("2001")
        # A form that was open since before: it is told, and nothing is granted.
        how = {"seat": "2003", "how": "listen", "phone": "2004"}
        headers = {"Origin": hall.site.address, "Accept-Language": locale}
        answer = await page.request.post("/cities/yangzhou/team/listening", form=how, headers=headers)
        assert answer.status == 422
        assert said in await answer.text()
        assert await hall.site.house.room.registry.listenings() == []
        assert hall.faults == []


async def test_a_leader_makes_a_seat_not_ready_and_signs_it_out(hall: Hall) -> None:
    page = await hall.page(Role.LEADER, "yangzhou", path="/cities/yangzhou/team")
    await page.get_by_role("button", name="强制示忙 2001").click()
    await expect(page.locator("[role=status]").first).to_contain_text("已要求座席 2001 示忙")
    presses = await hall.site.house.room.registry.presses()
    assert (presses[SeatRef("yangzhou", "2001")].ready, presses[SeatRef("yangzhou", "2001")].reason) == (False, "3")
    await page.get_by_role("button", name="强制签出 2001").click()
    await expect(page.locator("[role=status]").first).to_contain_text("座席 2001 已强制签出")
    audited = [one.what for one in await hall.site.house.room.history.audited(5)]
    assert audited[:2] == ["force out", "force not ready"]


@pytest.mark.parametrize("act", ["强制示忙 2001", "申请"])
async def test_pressed_twice_a_force_or_a_request_to_listen_is_done_once(hall: Hall, act: str) -> None:
    page = await hall.page(Role.LEADER, "yangzhou", path="/cities/yangzhou/team")
    await page.locator("#f-seat").select_option("2003")
    await page.locator("#f-phone").select_option("2004")
    sent: list[tuple[str, str]] = []
    looked = asyncio.Event()

    async def slow(route: Route) -> None:
        """The first press has no answer until the page has looked for news twice, with a press after the first look."""
        sent.append((route.request.url, route.request.post_data or ""))
        await looked.wait()
        await route.continue_()

    await page.route(lambda address: address.partition("?")[0].endswith(("/seats/2001", "/team/listening")), slow)
    looks: list[str] = []

    def look(answer: Response) -> None:
        if sent and answer.url.endswith("/team/now"):
            looks.append(answer.url)
            if len(looks) == 2:
                looked.set()

    page.on("response", look)
    press = "(one) => { document.addEventListener('htmx:after:swap', () => one.click()); one.click(); one.click(); }"
    await page.get_by_role("button", name=act).evaluate(press)
    await expect(page.locator("[role=status]").first).to_be_visible()
    [(address, body)] = sent
    audited = len(await hall.site.house.room.history.audited(9))
    # The same form of another window reaches the server as well: it is one act, one line of the audit.
    headers = {"Origin": hall.site.address, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await page.request.post(address, data=body, headers=headers)
    assert answer.ok, await answer.text()
    assert len(await hall.site.house.room.history.audited(9)) == audited
    assert len(await hall.site.house.room.registry.listenings()) == (1 if act == "申请" else 0)


async def test_before_pressing_the_supervisor_sees_the_next_hour_with_its_interval(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await event(hall)
    await foretell(hall, monkeypatch, 3)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/assistance", size=WALL)
    await expect(page.locator("[data-foretold=no]")).to_contain_text("正在推演")
    await page.locator("[data-foretold=yes]").wait_for(timeout=150_000)
    await expect(page.locator("[data-foretold=yes]")).to_contain_text("±")
    await expect(page.get_by_role("button", name="开启支援")).to_be_visible()
    assert await axe(page) == []
    await picture_of(page, "assistance-foretold-zh")
    english = await hall.page(Role.SUPERVISOR, "yangzhou", path="/assistance", locale="en", size=PHONE)
    await english.locator("[data-foretold=yes]").wait_for()
    await picture_of(english, "assistance-foretold-en-phone")
    assert hall.faults == []
