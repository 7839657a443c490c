"""Every page of the route table, in both languages: axe finds nothing, and the keyboard reaches and shows everything.

Made from the route table: a new page is visited without being named here. Only one that names more than a city in its path
must say in FILLED which one to look at.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page

from callctl.hooks import ALL_KINDS
from callctl.people.accounts import Wanted
from callctl.rights import EVERYWHERE, RIGHTS, Role
from callctl.store.hooks import Happened
from callctl.web.doors import NOBODY, Door, every_door
from callctl.web.site import parts
from tests.web.browser import PHONE, WALL, axe, picture_of
from tests.web.hall import IN_THE_BROWSER, Hall
from tests.web.house import ROOT
from tests.web.test_desk_browser import CALL, answered, ring, seat_of
from tests.web.test_scripts_browser import publish, write

pytestmark = IN_THE_BROWSER
CITY = "yangzhou"
FILLED: Mapping[str, str] = {
    "name": "root-admin", "owner": CITY, "script": "1", "city": CITY, "day": "2026-11-20", "call": CALL,
}  # fmt: skip
# Not pages: pieces of one, figures for its script, streams, and the way on from one to another.
PIECES = {
    "/",
    "/team",
    "/board/stream",
    "/cities/{city}/board/stream",
    "/board/day",
    "/cities/{city}/board/day",
    "/assistance/stores",
    "/cities/{city}/assistance/now",
    "/cities/{city}/team/now",
    "/desk/now",
    "/desk/notes",
    "/desk/phone",
    "/desk/categories",
    "/cities/{city}/reports/{day}/file/{form}",
}
PAGES = [door for door in every_door(parts()) if door.method == "GET" and not door.is_api and door.path not in PIECES]
# The roles whose page shows most, where several may see it.
MOST = (Role.DISPATCHER, Role.LEADER, Role.EDITOR, Role.AGENT, Role.SECURITY_ADMIN, Role.AUDITOR)
MOST_OF = {"see seats": Role.LEADER, "see calls": Role.LEADER}
# Everything Tab must reach: visible, not switched off, not in a closed part of the page. Of radio buttons one is enough.
REACHABLE = """() => {
  const shown = (one) => one.checkVisibility() && !one.closest("dialog:not([open]), details:not([open]) > :not(summary)");
  const all = "a[href], button, input:not([type=hidden]):not([type=radio]), select, textarea, summary, [tabindex='0']";
  window.wanted = [...document.querySelectorAll(all)].filter((one) => shown(one) && !one.disabled && one.tabIndex >= 0);
  window.reached = new Set();
  window.unseen = [];
  document.addEventListener("focusin", ({ target }) => {
    window.reached.add(target);
    const style = getComputedStyle(target);
    if (style.outlineStyle === "none" && style.boxShadow === "none") window.unseen.push(target.outerHTML.slice(0, 120));
  });
  return window.wanted.length;
}"""
MISSED = """() => window.wanted.filter((one) => one.isConnected && !window.reached.has(one))
  .map((one) => one.outerHTML.slice(0, 160))"""

# Forms whose press could be taken for another one: no id, or one that another form of the page has.
UNNAMED = """() => {
  const forms = [...document.querySelectorAll("form[method=post]")];
  const ids = forms.map((form) => [form, form.elements.namedItem("request")?.value]);
  return ids.filter(([, id]) => !id || ids.filter(([, other]) => other === id).length > 1).map(([form]) => form.action);
}"""


STOP_IN_SIGHT = """() => {
  scrollTo(0, document.documentElement.scrollHeight);
  const stop = document.querySelector("[data-opens=stop-dialog]");
  if (!stop) return false;
  const { left, top, width, height } = stop.getBoundingClientRect();
  const there = stop.contains(document.elementFromPoint(left + width / 2, top + height / 2));
  scrollTo(0, 0);
  return there;
}"""


def place(door: Door) -> str:
    """The door's path, filled in."""
    path = door.path
    for name, value in FILLED.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{door.path}: say in FILLED which one to look at"
    return path


def who(door: Door) -> tuple[Role | None, tuple[str, ...], dict[str, Any]]:
    """Somebody who may look, of one city where the role is a city's."""
    if door.right == NOBODY:
        return None, (), {}
    role = MOST_OF.get(door.right) or next(role for role in (*MOST, *Role) if role in RIGHTS[door.right])
    province = (Role.DISPATCHER, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDITOR)
    cities = () if role in province else (CITY,)
    return role, cities, {"agent": "2099"} if role is Role.AGENT else {}


async def furnish(hall: Hall) -> None:
    """An account, a token and a webhook of that name, which has told something in vain."""
    house, name = hall.site.house, FILLED["name"]
    await house.people.create(ROOT, name, Wanted("系统管理员", frozenset({Role.SYSTEM_ADMIN}), frozenset({EVERYWHERE})))
    await house.people.create(
        ROOT, "dispatcher-all", Wanted("调度员", frozenset({Role.DISPATCHER}), frozenset({EVERYWHERE}))
    )
    await house.people.make_token(ROOT, name, [Role.REPORTER], [CITY], ["see calls", "see orders"], 30)
    await house.webhooks.create(ROOT, name, "http://127.0.0.1:9/" + "x" * 90, list(ALL_KINDS))
    happened = Happened("test:1", "stop.all", house.now(), "{}")
    await house.hook_book.keep([happened], await house.hook_book.all())
    [delivery] = await house.hook_book.deliveries(name, "", 1)
    await house.hook_book.failed(delivery, "ConnectionRefusedError: [Errno 111] Connection refused", None)


async def by_keyboard(page: Page) -> list[str]:
    """What Tab does not reach, and what shows no focus."""
    count = await page.evaluate(REACHABLE)
    for _ in range(count + 15):
        await page.keyboard.press("Tab")
    missed: list[str] = await page.evaluate(MISSED)
    unseen: list[str] = await page.evaluate("() => window.unseen")
    return [f"not reached: {one}" for one in missed] + [f"focus not seen: {one}" for one in unseen]


async def stop_in_sight(page: Page) -> bool:
    """Whether the emergency stop can be pressed at the end of the page, without scrolling back."""
    return await page.evaluate(STOP_IN_SIGHT)


@pytest.mark.parametrize("door", PAGES, ids=[door.path for door in PAGES])
async def test_axe_finds_nothing_and_the_keyboard_reaches_all(hall: Hall, door: Door) -> None:
    await write(hall)
    await publish(hall)
    ring(hall)
    await answered(hall)
    await furnish(hall)
    role, cities, more = who(door)
    name = door.path.strip("/").replace("/", "-").replace("{", "").replace("}", "")
    for locale in ("zh-CN", "en"):
        page = await hall.page(role, *cities, path=place(door), locale=locale, size=WALL, **more)
        await page.locator("main").wait_for()
        assert await page.locator("html").get_attribute("lang") == locale
        assert await page.locator(".problem").count() == 0
        assert await axe(page) == [], locale
        assert await page.evaluate(UNNAMED) == []
        assert await stop_in_sight(page) is (role in RIGHTS["stop all"])
        await picture_of(page, f"every-{name}-{locale}")
        if locale == "zh-CN":
            assert await by_keyboard(page) == []
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), "wider than a phone"
        assert await stop_in_sight(page) is (role in RIGHTS["stop all"]), "however far down one has read"
        await picture_of(page, f"every-{name}-{locale}-phone")
        await page.context.close()


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_the_desk_with_a_call_on_it_too(hall: Hall, locale: str) -> None:
    seat, agent = seat_of(hall)
    page = await hall.page(Role.AGENT, "xuzhou", path="/desk", agent=agent, locale=locale)
    await page.locator("#seat").select_option(seat)
    await page.locator("form[action='/desk/seat'] button").click()
    await page.locator("#desk-now").wait_for()
    ring(hall)
    await page.locator(".pop").wait_for()
    await page.locator("[data-note]").wait_for()
    assert await page.evaluate(UNNAMED) == []
    assert await axe(page) == []
    assert await by_keyboard(page) == []
    await picture_of(page, f"every-desk-ringing-{locale}")


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
async def test_pages_that_come_of_a_press_or_a_refusal_too(hall: Hall, locale: str) -> None:
    """No door of their own: 403, 404, the key of one-time codes, an invitation that is shown once."""
    for path in ("/accounts", "/nowhere"):
        page = await hall.page(Role.SUPERVISOR, CITY, path=path, locale=locale)
        await page.locator(".problem").wait_for()
        assert await axe(page) == [], path
        await page.context.close()
    leader = Wanted("班长", frozenset({Role.LEADER}), frozenset({CITY}))
    await hall.site.house.people.create(ROOT, f"leader-{CITY}", leader)
    account = await hall.page(Role.LEADER, CITY, path="/account", locale=locale)
    await account.locator("form[action='/account/codes/key'] button").click()
    await account.locator("form[action='/account/codes']").wait_for()
    assert await axe(account) == []
    security = await hall.page(Role.SECURITY_ADMIN, path="/accounts/new", locale=locale)
    await security.locator("[name=name]").fill("zhao")
    await security.locator("[name=person]").fill("赵班长")
    await security.locator("[name=roles][value=leader]").check()
    await security.locator(f"[name=cities][value={CITY}]").check()
    await security.locator("form[action='/accounts/new'] button[type=submit]").click()
    await security.locator("code").first.wait_for()
    assert "/welcome" in await security.content()
    assert await axe(security) == []
    await picture_of(security, f"every-invited-{locale}")
