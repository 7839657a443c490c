"""The way in, in a real browser: invited, a password set, signed in, sent on; wrong words, a lost registry, old links."""

import re

from playwright.async_api import expect

from callctl.rights import Role
from tests.store.servers import Valkey
from tests.web.browser import picture_of
from tests.web.hall import IN_THE_BROWSER, Hall

pytestmark = IN_THE_BROWSER
PASSWORD = "三座桥-七盏灯-Harbour"


async def test_invited_set_a_password_signed_in_and_out(hall: Hall) -> None:
    admin = await hall.page(Role.SECURITY_ADMIN, path="/accounts/new")
    await admin.get_by_label("账号", exact=True).fill("wang")
    await admin.get_by_label("姓名").fill("王<b>晓</b>")
    await admin.get_by_label("值班长").check()
    await admin.get_by_label("扬州").check()
    await admin.get_by_role("button", name="建立并生成邀请").click()
    invitation = await admin.locator("#invitation").inner_text()

    page = await hall.page(None, path=f"/welcome?i={invitation}")
    await page.get_by_label("新密码").fill(PASSWORD)
    await page.get_by_label("再输一次").fill(PASSWORD + "x")
    await page.get_by_role("button", name="设置密码").click()
    await expect(page.locator("#w-again")).to_have_text("两次输入的密码不一样")
    await page.get_by_label("新密码").fill(PASSWORD)
    await page.get_by_label("再输一次").fill(PASSWORD)
    await page.get_by_role("button", name="设置密码").click()
    await expect(page.locator("[role=status]")).to_contain_text("wang")
    await page.get_by_label("账号").fill("wang")
    await page.get_by_label("密码").fill("not-the-password")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert").last).to_contain_text("账号、密码或动态码不对")
    await expect(page.get_by_label("账号")).to_have_value("wang")
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录").click()
    await page.wait_for_url("**/board")
    await expect(page.locator(".me")).to_contain_text("王<b>晓</b>")
    await page.get_by_role("button", name="退出").click()
    await page.wait_for_url("**/signin")
    await page.goto("/board")
    await page.wait_for_url("**/signin?next=*")


async def test_nobody_is_sent_to_another_site_by_the_link_they_signed_in_with(hall: Hall) -> None:
    page = await hall.page(None, path="/signin?next=//evil.example/board")
    assert await page.locator("input[name=next]").get_attribute("value") == "/"
    page = await hall.page(None, path="/signin?next=/assistance")
    assert await page.locator("input[name=next]").get_attribute("value") == "/assistance"


async def test_language_and_colours_are_kept_and_every_page_speaks_them(hall: Hall) -> None:
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/assistance")
    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("Assistance")
    await page.get_by_role("button", name="Dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.goto("/board")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    chinese = re.findall("[\u4e00-\u9fff]+", await page.locator("body").inner_text())
    assert set(chinese) <= {"多援一", "中文", "防汛热线应急支援"}, "a text without English"


async def test_without_the_registry_the_page_says_what_still_works(hall: Hall, valkey: Valkey) -> None:
    page = await hall.page(Role.SUPERVISOR, "yangzhou", path="/board")
    await expect(page.locator("#b-tile-yangzhou")).to_contain_text("支援中")
    valkey.kill()
    await expect(page.locator("#b-alarms")).to_contain_text("各市照常接听自己的来电", timeout=20_000)
    await expect(page.locator("#b-tile-yangzhou .waits b").first).to_have_text("未知")
    await picture_of(page, "wallboard-registry-lost")
    valkey.start_again()
    await expect(page.locator("#b-tile-yangzhou .waits b").first).to_have_text("9", timeout=20_000)
