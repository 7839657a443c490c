"""Whole tasks by keyboard alone, beside those of desk, scripts, switch and machines: accounts, the team, the records."""

from typing import Any

from playwright.async_api import Page, expect

from callctl.core.model import SeatRef
from callctl.rights import Role
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_desk_browser import CALL, NUMBER, answered, reach, ring
from tests.web.test_scripts_browser import press
from tests.web.test_way_in_browser import PASSWORD

pytestmark = IN_THE_BROWSER


async def type_into(page: Page, name: str, text: str) -> None:
    await reach(page, f"one.name === '{name}'")
    await page.keyboard.type(text)


async def tick(page: Page, name: str, value: str) -> None:
    """Choose one of many boxes."""
    await reach(page, f"one.name === '{name}' && one.value === '{value}'")
    await page.keyboard.press("Space")


async def audited(hall: Hall, what: str) -> Any:
    [entry] = [one for one in await hall.site.house.room.history.audited(20) if one.what == what]
    return entry


async def test_an_account_is_made_taken_up_changed_and_left(hall: Hall) -> None:
    admin = await hall.page(Role.SECURITY_ADMIN, path="/accounts")
    await press(admin, "新建账号")
    await type_into(admin, "name", "wang")
    await type_into(admin, "person", "王晓")
    await tick(admin, "roles", "supervisor")
    await tick(admin, "cities", "yangzhou")
    await press(admin, "建立并生成邀请")
    invitation = await admin.locator("#invitation").inner_text()

    page = await hall.page(None, path="/welcome")
    await type_into(page, "invitation", invitation)
    await type_into(page, "password", PASSWORD)
    await type_into(page, "again", PASSWORD)
    await press(page, "设置密码")
    await type_into(page, "name", "wang")
    await type_into(page, "password", PASSWORD)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await page.wait_for_url("**/board")
    await press(page, "退出")
    await page.wait_for_url("**/signin")

    await press(admin, "返回")
    await press(admin, "wang")
    await tick(admin, "cities", "suzhou")
    await type_into(admin, "reason", "兼管")
    await press(admin, "保存")
    assert (await hall.site.house.people.own("wang")).cities == ("suzhou", "yangzhou")
    assert hall.faults == []


async def test_a_leader_forces_a_seat_and_asks_to_listen(hall: Hall) -> None:
    page = await hall.page(Role.LEADER, "yangzhou", path="/cities/yangzhou/team")
    await reach(page, "one.name === 'seat'")
    await page.keyboard.press("ArrowDown")
    await reach(page, "one.name === 'phone'")
    for _ in range(4):
        await page.keyboard.press("ArrowDown")
    await type_into(page, "reason", "带教")
    await press(page, "申请")
    await expect(page.locator("[data-permit]")).to_contain_text("2002")
    await reach(page, "one.id === 'why'")
    await page.keyboard.type("交接班")
    await reach(page, "one.value === 'not ready' && one.formAction.includes('/seats/2001?')")
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=status]").first).to_contain_text("已要求座席 2001 示忙")
    assert not (await hall.site.house.room.registry.presses())[SeatRef("yangzhou", "2001")].ready
    assert (await audited(hall, "force not ready")).reason == "交接班"
    assert hall.faults == []


async def test_a_call_is_found_in_the_records_and_its_number_seen_with_a_reason(hall: Hall) -> None:
    ring(hall)
    await answered(hall)
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/books")
    await press(page, "通话记录")
    await press(page, CALL)
    await type_into(page, "reason", "核实地址")
    await press(page, "显示号码")
    await expect(page.locator("[data-clear]")).to_have_text(NUMBER)
    assert (await audited(hall, "number seen")).reason == "核实地址"
    await press(page, "扬州 · 通话记录")
    await reach(page, "one.matches('summary')")
    await page.keyboard.press("Enter")
    await type_into(page, "number", NUMBER)
    await type_into(page, "reason", "回访")
    await press(page, "查找")
    await expect(page.get_by_role("link", name=CALL)).to_be_visible()
    assert hall.faults == []
