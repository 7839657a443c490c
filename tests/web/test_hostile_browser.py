"""What strangers can write, on the pages of a real Chromium: scripts, titles, callers, SIP headers are text, never code."""

import re
from pathlib import Path

from playwright.async_api import Page

from callctl import clock
from callctl.core.events import CallRinging, CallWaiting, LentSeat, LoanChanged, WaitingCall
from callctl.rights import Role
from tests.web.browser import PROJECT, chromium
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.test_desk_browser import seat_of, sitting

pytestmark = IN_THE_BROWSER
Y = "yangzhou"
# Each would set window.struck, if anything took it for more than text.
STRIKES = (
    "<script>window.struck = 1</script>",
    "<img src=x onerror='window.struck = 2'>",
    '"><svg onload=window.struck=3>',
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "</textarea></title><script>window.struck = 4</script>",
    "javascript:window.struck=5",
)
ALL = " ".join(STRIKES)
FOUND = """() => ({
  struck: window.struck ?? null,
  planted: document.querySelectorAll("main img[src=x], main svg[onload], main script, [onerror], [onload]").length,
  links: [...document.querySelectorAll("a[href^='javascript:' i]")].length,
})"""


async def unhurt(page: Page, hall: Hall) -> None:
    """Nothing ran, nothing was planted, and the content policy had nothing to stop."""
    assert await page.evaluate(FOUND) == {"struck": None, "planted": 0, "links": 0}
    assert [fault for fault in hall.faults if "Content Security Policy" in fault or "struck" in fault] == []


async def test_scripts_titles_and_reasons_are_text_on_every_page_that_shows_them(hall: Hall) -> None:
    editor = await hall.page(Role.EDITOR, Y, path=f"/cities/{Y}/scripts/new")
    await editor.get_by_label("标准问").fill(STRIKES[1])
    await editor.get_by_label("答复口径").fill(ALL)
    for label in ("适用范围", "政策依据", "相似问"):
        await editor.get_by_label(label).first.fill(STRIKES[4][:150])
    await editor.get_by_label("必读：话务员确认阅读后").check()
    await editor.get_by_role("button", name="保存草稿并送审").click()
    await unhurt(editor, hall)
    approver = await hall.page(Role.APPROVER, Y, path=f"/scripts/of/{Y}/1")
    await unhurt(approver, hall)
    await approver.get_by_role("button", name="审核通过并发布").click()
    await approver.locator("[role=status]").wait_for()
    _, agent = seat_of(hall)
    dispatcher = await hall.page(path="/assistance")
    await dispatcher.evaluate(
        """async (body) => (await fetch("/api/v1/cities/nanjing/event", {method: "PUT", body: JSON.stringify(body),
             headers: {"Content-Type": "application/json"}})).status""",
        {"title": STRIKES[1], "reason": STRIKES[0], "notice": {"cause": ALL[:300], "contacts": STRIKES[2]}},
    )
    for role, cities, path, more in (
        (Role.AGENT, ("xuzhou",), "/scripts", {"agent": agent}),
        (Role.AGENT, ("xuzhou",), "/desk", {"agent": agent}),
        (Role.EDITOR, (Y,), f"/cities/{Y}/scripts", {}),
        (Role.EDITOR, (Y,), f"/cities/{Y}/scripts/1/edit", {}),
        (Role.DISPATCHER, (), "/assistance", {}),
        (Role.DISPATCHER, (), "/board", {}),
        (Role.AUDITOR, (), "/audit", {}),
    ):
        page = await hall.page(role, *cities, path=path, **more)
        await page.locator("main").wait_for()
        await unhurt(page, hall)
    assert "onerror" in await page.locator("main").inner_text(), "the audit shows it, as text"


async def test_what_is_typed_into_search_and_addresses_comes_back_as_text(hall: Hall) -> None:
    page = await hall.page(Role.SUPERVISOR, Y, path="/scripts")
    for strike in STRIKES:
        await page.get_by_label("关键词").fill(strike)
        await page.get_by_role("button", name="查找").click()
        await page.wait_for_load_state()
        assert await page.get_by_label("关键词").input_value() == strike
        await unhurt(page, hall)
    for path in ("/signin?next=javascript:window.struck=6", f"/{STRIKES[1]}", f"/cities/{STRIKES[1]}/board"):
        await page.goto(path)
        await unhurt(page, hall)


async def test_a_hostile_caller_is_text_in_the_pop_and_in_the_picture(hall: Hall) -> None:
    page = await sitting(hall)
    seat, _ = seat_of(hall)
    now, call = clock.now(), f"{Y}-1795000000.7"
    hall.site.house.room.history.record(CallWaiting(Y, now - 40, WaitingCall(call, STRIKES[1], now - 40)))
    hall.scene.lost = {"suzhou": STRIKES[1]}
    hall.scene.more = [
        LoanChanged("xuzhou", now, seat, Y, 99, True),
        CallRinging("xuzhou", now, call, LentSeat(seat, Y)),
    ]
    await page.locator(".pop").wait_for()
    await unhurt(page, hall)
    board = await hall.page(path="/board", size=(1920, 1080))
    await board.locator("#b-alarms").get_by_text("onerror").wait_for()
    await unhurt(board, hall)
    canvas = board.locator("canvas").first
    await canvas.wait_for()
    await canvas.hover()
    await unhurt(board, hall)


async def test_sip_headers_reach_the_page_only_cleaned(tmp_path: Path) -> None:
    """Who speaks in a PBX's name may send whatever it likes: the phone in the page takes a call id, a city and a number."""
    script = (PROJECT / "callctl" / "web" / "static" / "softphone.js").read_text("utf-8")
    async with chromium() as browser:
        page = await browser.new_page()
        await page.add_script_tag(content=script)
        told = await page.evaluate(
            """(headers) => new Promise((done) => {
                const phone = Object.create(callctlPhone.prototype);
                const heard = [];
                phone.tell = (kind, detail) => heard.push([kind, detail]);
                phone.ring({on: () => {}}, {getHeader: (name) => headers[name]});
                done(heard);
            })""",
            {"X-CC-CallId": STRIKES[1] + "yangzhou-1.7", "X-CC-Home": STRIKES[2], "X-CC-Waited": "12;window.struck=7"},
        )
        assert await page.evaluate("window.struck ?? null") is None
    [[kind, detail]] = told
    assert kind == "ringing"
    assert re.fullmatch(r"[0-9A-Za-z.-]*", detail["call"])
    assert re.fullmatch(r"[a-z]*", detail["home"])
    assert detail["waited_s"] == 12
