"""The scripts' pages in a real browser: written, sent back, published by another, found, read; and text that is markup."""

import pytest
from playwright.async_api import Page, expect

from callctl.rights import Role
from tests.web.browser import axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_desk_browser import reach

pytestmark = IN_THE_BROWSER
BAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ANSWER = f"凭48小时核酸阴性证明离城。{BAD}\n第二行：请提前在苏康码申报。"


async def write(hall: Hall, question: str = "离城需要什么证明？", must_read: bool = True) -> None:
    page = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts/new")
    await page.get_by_label("标准问").fill(question)
    await page.get_by_label("答复口径").fill(ANSWER)
    if must_read:
        await page.get_by_label("必读：话务员确认阅读后").check()
    await page.get_by_role("button", name="保存草稿并送审").click()
    await expect(page.locator("[role=status]")).to_contain_text("草稿已保存")
    await page.context.close()


async def publish(hall: Hall, question: str = "离城需要什么证明？") -> None:
    page = await hall.page(Role.APPROVER, "yangzhou", path="/cities/yangzhou/scripts")
    await page.get_by_role("link", name=question).first.click()
    await page.get_by_role("button", name="审核通过并发布").click()
    await expect(page.locator("[role=status]")).to_contain_text("已发布")
    await page.context.close()


async def test_written_by_one_published_by_another_and_read_by_an_agent_of_another_city(hall: Hall) -> None:
    await write(hall)
    await publish(hall)
    agent = hall.scene.province.cities["xuzhou"].seats[0].agent
    page = await hall.page(Role.AGENT, "xuzhou", path="/scripts", agent=agent)
    unread = page.locator("section", has=page.get_by_text("必读，请先确认"))
    await expect(unread).to_contain_text("离城需要什么证明？", timeout=30_000)
    await picture_of(page, "scripts-must-read")
    await unread.get_by_role("button", name="已读确认").click()
    await expect(page.locator("[role=status]")).to_contain_text("已确认阅读")
    await expect(page.get_by_text("必读，请先确认")).to_have_count(0)
    rates = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts")
    await expect(rates.locator("section", has=rates.get_by_text("已读率（各支援市"))).to_contain_text("(1/")
    assert hall.faults == []


async def test_a_script_is_found_by_its_words_and_its_markup_is_text(hall: Hall) -> None:
    await write(hall)
    await publish(hall)
    page = await hall.page(Role.SUPERVISOR, "xuzhou", path="/scripts")
    await page.get_by_label("关键词").fill("核酸 离城")
    await page.get_by_role("button", name="查找").click()
    await expect(page.locator(".script-card")).to_have_count(1)
    await expect(page.locator(".script-text")).to_contain_text(BAD)
    assert await page.locator(".script-text img, .script-text script").count() == 0
    await page.get_by_label("关键词").fill("没有这样的词")
    await page.get_by_role("button", name="查找").click()
    await expect(page.locator("main")).to_contain_text("没有找到")


async def test_versions_show_what_has_changed(hall: Hall) -> None:
    await write(hall)
    await publish(hall)
    page = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts")
    await page.get_by_role("link", name="离城需要什么证明？").click()
    await page.get_by_role("link", name="修改口径").click()
    await page.get_by_label("答复口径").fill(ANSWER.replace("48小时", "24小时"))
    await page.get_by_label("变更说明").fill("缩短时限")
    await page.get_by_role("button", name="保存草稿并送审").click()
    difference = page.locator("section", has=page.get_by_text("的差异"))
    answer = difference.locator("p.diff").filter(has_text="小时核酸")
    without = (
        "(p, tag) => { const q = p.cloneNode(true); q.querySelectorAll(tag).forEach(i => i.remove()); return q.innerText }"
    )
    gone, new = await answer.evaluate(without, "ins"), await answer.evaluate(without, "del")
    assert ("48小时" in gone, "24小时" in new) == (True, True), (gone, new)
    assert await answer.locator("del").count() >= 1
    await picture_of(page, "scripts-difference")
    assert await axe(page) == []


async def press(page: Page, name: str) -> None:
    """Tab to the link or button of this name, and Enter; the page it leads to is there."""
    await reach(page, f"one.matches('a, button') && one.innerText?.trim().startsWith('{name}')")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def test_by_keyboard_alone_a_script_is_written_published_changed_compared_found_and_read(hall: Hall) -> None:
    editor = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts")
    await press(editor, "新写口径")
    await reach(editor, "one.name === 'question'")
    await editor.keyboard.type("台风天学校停课吗？")
    await reach(editor, "one.name === 'answer'")
    await editor.keyboard.type("以教育局通知为准。")
    await editor.keyboard.press("Enter")
    await editor.keyboard.type("48小时内答复。")
    await reach(editor, "one.name === 'must_read'")
    await editor.keyboard.press("Space")
    await press(editor, "保存草稿并送审")
    await expect(editor.locator("[role=status]")).to_contain_text("草稿已保存")

    approver = await hall.page(Role.APPROVER, "yangzhou", path="/cities/yangzhou/scripts")
    await press(approver, "台风天学校停课吗")
    await expect(approver.locator(".script-text").first).to_contain_text("以教育局通知为准。\n48小时内答复。")
    await press(approver, "审核通过并发布")
    await expect(approver.locator("[role=status]")).to_contain_text("已发布")

    for more in ("请关注公告。", "电话12345可查。"):
        await editor.reload()
        await press(editor, "修改口径")
        await reach(editor, "one.name === 'answer'")
        await editor.keyboard.press("Control+End")
        await editor.keyboard.type(more)
        await press(editor, "保存草稿并送审")
        await expect(editor.locator("p.diff ins").first).to_contain_text(more)
        await approver.reload()
        await press(approver, "审核通过并发布")
        await expect(approver.locator("[role=status]")).to_contain_text("已发布")
    await reach(editor, "one.id === 'old'")
    await editor.keyboard.press("ArrowDown")  # The first version instead of the last but one.
    await press(editor, "比较")
    await expect(editor.locator("#difference")).to_have_text("v1 与 v3 的差异")
    await expect(editor.locator("p.diff").first).to_contain_text("请关注公告。电话12345可查。")

    agent = hall.scene.province.cities["xuzhou"].seats[0].agent
    page = await hall.page(Role.AGENT, "xuzhou", path="/scripts", agent=agent)
    await reach(page, "one.name === 'q'")
    await page.keyboard.type("停课 公告")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    found = page.locator("section", has=page.get_by_role("heading", name="查找结果"))
    await expect(found.locator(".script-card")).to_have_count(1)
    await expect(found.locator(".script-text")).to_contain_text("请关注公告。")
    await press(page, "已读确认")
    await expect(page.locator("[role=status]")).to_contain_text("已确认阅读")
    await expect(page.get_by_text("必读，请先确认")).to_have_count(0)
    rates = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts")
    await expect(rates.locator("section", has=rates.get_by_text("已读率（各支援市"))).to_contain_text("(1/")
    assert hall.faults == []


async def test_an_empty_answer_and_a_wrong_time_are_told_at_the_field_and_the_rest_stays(hall: Hall) -> None:
    page = await hall.page(Role.EDITOR, "yangzhou", path="/cities/yangzhou/scripts/new")
    await page.get_by_label("标准问").fill("写了很多字的问题")
    await page.get_by_label("答复口径").fill("   ")
    await page.get_by_label("失效时间").fill("2020-01-01T00:00")
    await page.get_by_role("button", name="保存草稿并送审").click()
    await expect(page.locator("#w-answer")).to_have_text("必填")
    await expect(page.locator("#w-until")).to_contain_text("失效时间")
    await expect(page.get_by_label("标准问")).to_have_value("写了很多字的问题")


async def test_an_approver_who_sends_back_must_say_why(hall: Hall) -> None:
    await write(hall)
    page = await hall.page(Role.APPROVER, "yangzhou", path="/cities/yangzhou/scripts")
    await page.get_by_role("link", name="离城需要什么证明？").click()
    await page.get_by_role("button", name="退回").click()
    await expect(page.locator("#w-why")).to_contain_text("请写明原因")
    await page.get_by_label("退回原因").fill("缺政策依据")
    await page.get_by_role("button", name="退回").click()
    await expect(page.locator("[role=status]")).to_contain_text("已退回")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_axe_finds_nothing(hall: Hall, locale: str) -> None:
    await write(hall)
    await publish(hall)
    agent = hall.scene.province.cities["xuzhou"].seats[0].agent
    for role, city, path, more in (
        (Role.AGENT, "xuzhou", "/scripts", {"agent": agent}),
        (Role.EDITOR, "yangzhou", "/cities/yangzhou/scripts", {}),
        (Role.EDITOR, "yangzhou", "/cities/yangzhou/scripts/new", {}),
        (Role.APPROVER, "yangzhou", "/scripts/of/yangzhou/1", {}),
    ):
        page = await hall.page(role, city, path=path, locale=locale, **more)
        assert await axe(page) == [], path
        await picture_of(page, f"page{path.replace('/', '-')}-{locale}")
        await page.context.close()
