"""Pages of machines: webhooks and tokens are made, watched and ended by their administrators; a secret is shown once."""

import re

import httpx
import pytest
from playwright.async_api import expect
from structlog.testing import capture_logs

from callctl.hooks import ALL_KINDS, PAUSES_S
from callctl.rights import RIGHTS, Role
from callctl.web.views.tokens import RIGHT_WORDS
from callctl.web.views.webhooks import KIND_WORDS
from tests.web import test_hooks
from tests.web.browser import PHONE, axe, picture_of
from tests.web.hall import Hall
from tests.web.house import ROOT, Console
from tests.web.test_desk_browser import lose_sql
from tests.web.test_hooks import Receiver, created

receiver = test_hooks.receiver
ZH = {"Accept-Language": "zh"}
TOKEN = {"name": "wallboard", "roles": "reporter", "cities": "yangzhou", "days": "30", "reason": "数据大屏"}


def secret_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    [found] = re.findall(r"<code data-secret>([^<]+)</code>", page.text)
    return str(found)


def test_every_right_and_every_kind_has_its_words() -> None:
    assert RIGHT_WORDS.keys() == RIGHTS.keys()
    assert KIND_WORDS.keys() == set(ALL_KINDS)


async def test_a_token_made_on_the_page_opens_what_it_may_until_it_is_ended_there(console: Console) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    secret = secret_of(await security.post("/tokens/new", data={**TOKEN, "rights": ["see calls", "own account"]}))
    machine = httpx.AsyncClient(transport=security._transport, base_url=security.base_url)
    machine.headers["Authorization"] = f"Bearer {secret}"
    span = {"since": 0, "until": 1}
    assert (await machine.get("/api/v1/cities/yangzhou/calls", params=span)).status_code == 200
    assert (await machine.get("/api/v1/cities/xuzhou/calls", params=span)).status_code == 403, "its own city alone"
    assert (await machine.get("/api/v1/status")).status_code == 403, "narrowed to two rights"
    page = (await security.get("/tokens", headers=ZH)).text
    assert secret not in page
    assert "看通话记录" in page
    assert "统计员" in page
    ended = await security.post("/tokens/wallboard/end", data={"reason": "不再使用"})
    assert ended.headers["location"] == "/tokens"
    console.clock.at += 10.0
    assert (await machine.get("/api/v1/me")).status_code == 401
    assert "已终止" in (await security.get("/tokens", headers=ZH)).text
    entries = [(one.what, one.reason) for one in await console.house.room.history.audited(9) if one.what != "export"]
    assert entries == [("token end", "不再使用"), ("token create", "数据大屏")]
    assert secret not in str(await console.house.room.history.audited(9))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "W"}, "name"),
        ({"days": "0"}, "days"),
        ({"days": "x"}, "days"),
        ({"days": "1e3"}, "days"),
        ({"roles": "security_admin"}, "roles"),
        ({"roles": []}, "roles"),
        ({"cities": []}, "cities"),
        ({"rights": "king"}, "rights"),
        ({"roles": "system_admin"}, "cities"),
        ({"roles": "dispatcher", "rights": ["resume"]}, "rights"),
        ({"rights": ["see calls", "stop all"]}, "rights"),
    ],
)
async def test_a_token_that_cannot_be_is_refused_at_its_field_with_what_was_typed(
    console: Console, change: dict, field: str
) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    refused = await security.post("/tokens/new", data={**TOKEN, **change}, headers=ZH)
    assert refused.status_code == 422
    assert f'id="w-{field}"' in refused.text
    assert 'value="数据大屏"' in refused.text
    assert await console.house.people.tokens(ROOT) == []


async def test_the_form_offers_no_right_that_only_people_hold(console: Console) -> None:
    page = (await (await console.as_role(Role.SECURITY_ADMIN)).get("/tokens/new")).text
    offered = set(re.findall(r'name="rights" value="([^"]+)"', page))
    assert {"desk", "change accounts"}.isdisjoint(offered)
    assert {"see calls", "webhooks", "see accounts"} <= offered


async def test_the_same_form_sent_twice_makes_one_token_and_shows_no_second_secret(console: Console) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    secret_of(await security.post("/tokens/new", data={**TOKEN, "request": "one"}))
    again = await security.post("/tokens/new", data={**TOKEN, "request": "one"})
    assert again.status_code == 409
    assert "data-secret" not in again.text
    assert len(await console.house.people.tokens(ROOT)) == 1


async def test_a_citys_security_administrator_makes_and_ends_only_the_own_citys_tokens(console: Console) -> None:
    whole, own = await console.as_role(Role.SECURITY_ADMIN), await console.as_role(Role.SECURITY_ADMIN, "suzhou")
    secret_of(await whole.post("/tokens/new", data=TOKEN))
    refused = await own.post("/tokens/new", data={**TOKEN, "name": "other"})
    assert refused.status_code == 403
    assert 'value="other"' in refused.text
    assert "wallboard" not in (await own.get("/tokens")).text
    for name, status in (("wallboard", 403), ("nobody", 404)):
        for answer in (await own.post(f"/tokens/{name}/end"), await own.delete(f"/api/v1/tokens/{name}")):
            assert answer.status_code == status, name
    [token] = await console.house.people.tokens(ROOT)
    assert token.ended_at is None
    auditor = await console.as_role(Role.AUDITOR)
    page = (await auditor.get("/tokens")).text
    assert "wallboard" in page
    assert "/tokens/new" not in page
    assert "/end" not in page, "looks, and changes nothing"


async def test_a_webhook_is_made_on_the_page_with_a_secret_shown_once(console: Console, receiver: Receiver) -> None:
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    form = {"name": "orders", "address": receiver.address, "kinds": ["stop.all", "event.started"], "reason": "工单系统"}
    secret = secret_of(await admin.post("/webhooks/new", data=form))
    for place in ("/webhooks", "/webhooks/orders"):
        page = (await admin.get(place, headers=ZH)).text
        assert secret not in page
        assert "全部停止" in page
    taken = await admin.post("/webhooks/new", data=form, headers=ZH)
    assert (taken.status_code, "这个名称已经用过" in taken.text) == (409, True)
    wrong = await admin.post("/webhooks/new", data={**form, "name": "B", "address": "ftp://x", "kinds": []}, headers=ZH)
    assert [f'id="w-{field}"' in wrong.text for field in ("name", "address", "kinds")] == [True] * 3
    assert 'value="ftp://x"' in wrong.text


async def test_what_nobody_took_is_seen_and_tried_again_by_hand(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    receiver.answer = 500
    await console.house.desk.stop_all(ROOT)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    await console.house.webhooks.look()
    waiting = (await admin.get("/webhooks/orders", headers=ZH)).text
    assert "answered 500" in waiting
    assert "/again" not in waiting, "it is tried again by itself"
    for pause_s in (*PAUSES_S, 0.0):
        console.clock.at += pause_s + 1
        await console.house.webhooks.look()
    admin = await console.as_role(Role.SYSTEM_ADMIN)  # A day has passed.
    page = (await admin.get("/webhooks/orders?state=dead", headers=ZH)).text
    [again] = re.findall(r'action="(/webhooks/orders/deliveries/\d+/again)"', page)
    assert '<span class="badge alarm">1</span>' in (await admin.get("/webhooks", headers=ZH)).text
    receiver.answer = 204
    assert (await admin.post(again)).status_code == 303
    await console.house.webhooks.look()
    assert "已送达" in (await admin.get("/webhooks/orders?state=told", headers=ZH)).text
    told = (await admin.get("/webhooks/orders?state=told")).text
    assert "answered 500" not in told
    late = await admin.post(again)
    assert late.headers["location"] == "/webhooks/orders"
    assert "There is no such given-up delivery" in (await admin.get("/webhooks/orders")).text


async def test_older_deliveries_are_behind_a_link_and_all_given_up_ones_behind_one_button(
    console: Console, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.web.views.webhooks.SHOWN", 3)
    await created(console, receiver, "stop.all")
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    assert "/webhooks/orders/again" not in (await admin.get("/webhooks/orders")).text, "nothing was given up"
    numbers = await test_hooks.dead_ones(console, 7)
    place, pages = "/webhooks/orders?state=dead", []
    while place:
        page = (await admin.get(place, headers=ZH)).text
        pages.append([int(one) for one in re.findall(r"/deliveries/(\d+)/again", page)])
        link = page.partition('class="button" href="?state=')[2].partition('"')[0].replace("&amp;", "&")
        place = f"/webhooks/orders?state={link}" if link else ""
    assert pages == [numbers[:3], numbers[3:6], numbers[6:]]
    page = (await admin.get("/webhooks/orders", headers=ZH)).text
    assert "再试全部放弃的（7 条）" in page
    pressed = await admin.post("/webhooks/orders/again", data={"request": "one"}, headers=ZH)
    assert pressed.headers["location"] == "/webhooks/orders"
    assert "7 条已重新排队推送" in (await admin.get("/webhooks/orders", headers=ZH)).text
    twice = await admin.post("/webhooks/orders/again", data={"request": "one"}, headers=ZH)
    assert (twice.status_code, "这条命令先前已执行过" in twice.text) == (409, True)
    again = await admin.post("/webhooks/orders/again", data={"request": "two"}, headers=ZH)
    assert again.headers["location"] == "/webhooks/orders"
    assert "没有已放弃的推送" in (await admin.get("/webhooks/orders", headers=ZH)).text
    for nonsense in ("before=x", "before=0", "before=-1", "before=99999999999999999999"):
        assert (await admin.get(f"/webhooks/orders?{nonsense}")).status_code == 200, nonsense


async def test_an_ended_webhook_is_gone_from_the_pages(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    assert (await admin.post("/webhooks/orders/end", data={"reason": "换系统"})).headers["location"] == "/webhooks"
    assert (await admin.get("/webhooks/orders")).status_code == 404
    assert (await admin.post("/webhooks/orders/end")).status_code == 404
    assert "/webhooks/orders" not in (await admin.get("/webhooks")).text
    [entry] = [one for one in await console.house.room.history.audited(9) if one.what == "webhook end"]
    assert (entry.before, entry.reason) == ("orders", "换系统")


async def test_a_refused_end_of_a_token_comes_back_open_with_the_reason_that_was_typed(console: Console) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    for name in ("wallboard", "archive"):
        secret_of(await security.post("/tokens/new", data={**TOKEN, "name": name}))
    typed = {"reason": "不再使用\x07"}
    refused = await security.post("/tokens/wallboard/end", data=typed, headers=ZH)
    assert refused.status_code == 422
    rows = re.findall(
        r"<details( open)?>.*?action=\"(/tokens/\w+/end)\".*?value=\"([^\"]*)\">\s*</div>", refused.text, re.DOTALL
    )
    assert sorted(rows) == [("", "/tokens/archive/end", ""), (" open", "/tokens/wallboard/end", typed["reason"])]


async def test_without_the_database_forms_of_machines_keep_what_was_typed(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    security, admin = await console.as_role(Role.SECURITY_ADMIN), await console.as_role(Role.SYSTEM_ADMIN)
    secret_of(await security.post("/tokens/new", data=TOKEN))
    await lose_sql(console)
    hook = {"name": "other", "address": "https://a.example/in", "kinds": ["stop.all"], "reason": "工单系统"}
    for who, place, body in (
        (security, "/tokens/new", {**TOKEN, "name": "other"}),
        (security, "/tokens/wallboard/end", {"reason": "换系统"}),
        (admin, "/webhooks/new", hook),
        (admin, "/webhooks/orders/end", {"reason": "换系统"}),
    ):
        answer = await who.post(place, data=body, headers=ZH)
        assert answer.status_code == 503, place
        assert "历史库联系不上" in answer.text, place
        assert f'action="{place}"' in answer.text, "the form is there to be sent again"
        for name, value in body.items():
            kept = value if isinstance(value, str) else value[0]
            assert f'value="{kept}"' in answer.text, (place, name)


async def test_without_the_database_a_press_leads_to_its_own_button_and_to_no_other(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    [number] = await test_hooks.dead_ones(console, 1)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    await lose_sql(console)
    for place, more in (
        ("/webhooks/orders/again", {}),
        (f"/webhooks/orders/deliveries/{number}/again", {"state": "dead", "before": "17"}),
        ("/webhooks/orders/end", {"reason": "换系统"}),
    ):
        with capture_logs() as lines:
            answer = await admin.post(place, data={"request": "once", **more}, headers=ZH)
        assert (answer.status_code, "可能没有办成" in answer.text) == (503, True), place
        main = answer.text.partition("<main")[2].partition("</main>")[0]
        assert re.findall(r'<form method="post" action="([^"]+)"', main) == [place]
        for name, value in {"request": "once", **more}.items():
            assert re.search(f'name="{name}"[^>]* value="{value}"', main), (place, name)
        assert [line["log_level"] for line in lines if "cannot" in str(line.get("why"))] == ["error"], place


async def test_a_press_whose_answer_was_lost_is_known_when_it_comes_again(console: Console, receiver: Receiver) -> None:
    """The database may have done it and not have said so: what is drawn again is the same act."""
    security, admin = await console.as_role(Role.SECURITY_ADMIN), await console.as_role(Role.SYSTEM_ADMIN)
    hook = {"name": "orders", "address": receiver.address, "kinds": ["stop.all"]}
    await lose_sql(console)
    for who, place, body in ((security, "/tokens/new", TOKEN), (admin, "/webhooks/new", hook)):
        answer = await who.post(place, data={**body, "request": "first"}, headers=ZH)
        assert answer.status_code == 503
        assert 'name="request" value="first"' in answer.text, place


async def test_after_a_refusal_that_did_nothing_the_next_press_is_another_act(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    hook = {"name": "orders", "address": receiver.address, "kinds": ["stop.all"], "request": "first"}
    taken = await admin.post("/webhooks/new", data=hook, headers=ZH)
    assert taken.status_code == 409
    assert 'value="first"' not in taken.text


async def test_a_delivery_tried_again_leads_back_to_the_page_it_was_pressed_on(
    console: Console, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.web.views.webhooks.SHOWN", 3)
    monkeypatch.setattr("callctl.web.views.webhooks.AGAIN_AT_ONCE", 4)
    await created(console, receiver, "stop.all")
    numbers = await test_hooks.dead_ones(console, 6)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    place = f"/webhooks/orders?state=dead&before={numbers[2]}"
    page = (await admin.get(place, headers=ZH)).text
    assert "再试最早放弃的 4 条（共 6 条）" in page
    assert "更早的推送" not in page, "no link to an empty page"
    form = page.partition(f'action="/webhooks/orders/deliveries/{numbers[4]}/again"')[2].partition("</form>")[0]
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    for _ in range(2):  # The second finds nothing to try, and leads back as well.
        answer = await admin.post(f"/webhooks/orders/deliveries/{numbers[4]}/again", data={**sent, "request": ""})
        assert answer.headers["location"] == place
    for nonsense in ({"state": "x&y", "before": "-1"}, {"before": "9" * 30}):
        answer = await admin.post(f"/webhooks/orders/deliveries/{numbers[4]}/again", data=nonsense)
        assert answer.headers["location"] == "/webhooks/orders"


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.asyncio(loop_scope="session")
async def test_by_keyboard_a_webhook_and_a_token_and_their_secrets_are_not_seen_again(hall: Hall) -> None:
    page = await hall.page(Role.SYSTEM_ADMIN, path="/")
    await expect(page).to_have_url(re.compile("/webhooks$"))
    await page.get_by_role("link", name="新建推送").press("Enter")
    await page.get_by_label("名称").fill("orders")
    await page.get_by_label("地址").fill("https://orders.yangzhou.test/callctl?system=12345&version=1" + "x" * 80)
    await page.get_by_label("全部停止", exact=True).press("Space")
    await page.get_by_role("button", name="建立并显示密钥").press("Enter")
    secret = await page.locator("[data-secret]").inner_text()
    assert len(secret) > 20
    assert await axe(page) == []
    await picture_of(page, "webhook-secret-zh")
    await page.get_by_role("link", name="已存好，返回").press("Enter")
    await page.get_by_role("link", name="orders").press("Enter")
    await expect(page.get_by_role("heading", name="推送 orders")).to_be_visible()
    assert secret not in await page.content()
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), "a long address wraps"
    await picture_of(page, "webhook-zh-phone")
    page = await hall.page(Role.SECURITY_ADMIN, path="/tokens", locale="en")
    await page.get_by_role("link", name="New token").press("Enter")
    await page.get_by_label("Name").fill("wallboard")
    await page.get_by_label("report officer").press("Space")
    await page.get_by_label("Province").press("Space")
    await page.get_by_role("button", name="Make it and show it").press("Enter")
    secret = await page.locator("[data-secret]").inner_text()
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    assert await axe(page) == []
    await picture_of(page, "token-secret-en-phone")
    await page.get_by_role("link", name="I have kept it, back").press("Enter")
    assert secret not in await page.content()
    await page.get_by_text("End …").press("Enter")
    await picture_of(page, "tokens-ending-en-phone")
    await page.get_by_role("button", name="End token wallboard").press("Enter")
    await expect(page.locator("main")).to_contain_text("ended")
    assert hall.faults == []
