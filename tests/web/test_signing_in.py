"""Signing in and out, as a browser does it: sessions that cannot be fixed, outlive nothing, and end at once."""

import asyncio

import pytest

from callctl.people.accounts import Wanted
from callctl.people.codes import STEP_S, code_at
from callctl.rights import Role
from callctl.store.visits import IDLE_S, LONGEST_S
from callctl.web.gate import COOKIE
from tests.store.servers import Valkey
from tests.web.house import PASSWORD, ROOT, Console, problem
from tests.web.test_desk_browser import find_sql, lose_sql

ZH = {"Accept-Language": "zh"}
STRONGER = "Another-Long-Word-9"


async def test_a_person_signs_in_and_sees_who_they_are(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    me = (await browser.get("/api/v1/me")).json()
    assert (me["account"], me["roles"], me["cities"]) == ("wang", ["supervisor"], ["yangzhou"])


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    answer = await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-")
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in cookie
    assert "Domain" not in cookie


async def test_without_a_visit_nothing_is_told(console: Console) -> None:
    refused = problem(await console.browser().get("/api/v1/me"))
    assert (refused["status"], refused["code"]) == (401, "sign_in")


async def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_nobody(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    wrong = problem(await browser.post("/api/v1/visit", json={"name": "wang", "password": "x"}))
    nobody = problem(await browser.post("/api/v1/visit", json={"name": "weng", "password": "x"}))
    assert {key: wrong[key] for key in wrong if key != "request"} == {
        key: nobody[key] for key in nobody if key != "request"
    }


async def test_guessing_is_locked_and_the_right_password_does_not_open_meanwhile(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    codes = [
        (await browser.post("/api/v1/visit", json={"name": "wang", "password": f"guess {n}"})).status_code for n in range(7)
    ]
    assert codes == [401] * 5 + [429] * 2
    locked = await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})
    assert locked.status_code == 429
    assert "sign in locked" in [entry.what for entry in await console.house.room.history.audited(20)]


async def test_a_cookie_planted_before_the_sign_in_is_worth_nothing_after(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    browser.cookies.set(COOKIE, "planted-by-somebody-else")
    await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})
    thief = console.browser()
    thief.cookies.set(COOKIE, "planted-by-somebody-else")
    assert (await thief.get("/api/v1/me")).status_code == 401


async def test_signing_in_again_ends_the_visit_before(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    old = browser.cookies[COOKIE]
    await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})
    assert browser.cookies[COOKIE] != old
    other = console.browser()
    other.cookies.set(COOKIE, old)
    assert (await other.get("/api/v1/me")).status_code == 401


async def test_signing_out_ends_the_visit_for_every_copy_of_the_cookie(console: Console) -> None:
    browser = await console.as_role(Role.SUPERVISOR, "yangzhou")
    copy = console.browser()
    copy.cookies.set(COOKIE, browser.cookies[COOKIE])
    assert (await browser.delete("/api/v1/visit")).status_code == 204
    assert (await copy.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("end", ["signed out", "ended by security", "password changed"])
async def test_a_visit_that_was_ended_does_not_come_back_when_redis_goes(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    await console.account("li", Role.SUPERVISOR, "yangzhou")
    browser, other = await console.signed_in("wang"), await console.signed_in("li")
    assert [(await who.get("/api/v1/me")).status_code for who in (browser, other)] == [200, 200]
    copy = console.browser()
    copy.cookies.set(COOKIE, browser.cookies[COOKIE])
    if end == "signed out":
        await browser.delete("/api/v1/visit")
    elif end == "ended by security":
        await console.house.people.end_visits(ROOT, "wang")
    else:
        await browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": STRONGER})
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 0.5)
    await asyncio.to_thread(valkey.kill)
    assert (await other.get("/api/v1/me")).status_code == 200, "who was not signed out still is in"
    assert (await copy.get("/api/v1/me")).status_code == 503


async def test_a_visit_ends_when_nothing_is_asked_and_after_a_shift_in_any_case(console: Console) -> None:
    idle = await console.as_role(Role.SUPERVISOR, "yangzhou")
    console.clock.at += IDLE_S + 1
    assert (await idle.get("/api/v1/me")).status_code == 401
    busy = await console.as_role(Role.SUPERVISOR, "yangzhou")
    for _ in range(int(LONGEST_S / (IDLE_S - 60))):
        console.clock.at += IDLE_S - 60
        assert (await busy.get("/api/v1/me")).status_code == 200
    console.clock.at += IDLE_S - 60
    assert (await busy.get("/api/v1/me")).status_code == 401


async def test_the_security_administrator_ends_all_visits_of_an_account_at_once(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    await console.house.people.end_visits(ROOT, "wang", reason="手机丢了")
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_changed_password_ends_every_other_visit_and_old_ones_do_not_come_back(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser, other = await console.signed_in("wang"), await console.signed_in("wang")
    weak = problem(await browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": "wang12345678"}))
    assert weak["errors"][0]["field"] == "password"
    changed = await browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": STRONGER})
    assert changed.status_code == 204
    assert (await browser.get("/api/v1/me")).status_code == 200
    assert (await other.get("/api/v1/me")).status_code == 401
    back = await browser.post("/api/v1/me/password", json={"old": STRONGER, "new": PASSWORD})
    assert back.status_code == 422


async def test_with_one_time_codes_the_password_alone_does_not_open_and_a_code_opens_once(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    key = (await browser.post("/api/v1/me/codes/key")).json()["key"]
    step = int(console.clock.at // STEP_S)
    own = {"key": key, "password": PASSWORD}
    assert (await browser.put("/api/v1/me/codes", json={**own, "code": "000000"})).status_code == 422
    assert (await browser.put("/api/v1/me/codes", json={**own, "code": code_at(key, step)})).status_code == 204
    asked = console.browser()
    entry = {"name": "wang", "password": PASSWORD}
    assert problem(await asked.post("/api/v1/visit", json=entry))["code"] == "code_needed"
    used = await asked.post("/api/v1/visit", json={**entry, "code": code_at(key, step)})
    assert used.status_code == 401, "the code that set it up was spent"
    console.clock.at += STEP_S
    fresh = {**entry, "code": code_at(key, step + 1)}
    assert (await asked.post("/api/v1/visit", json=fresh)).status_code == 201
    assert (await console.browser().post("/api/v1/visit", json=fresh)).status_code == 401


async def test_an_invitation_is_good_once_and_not_for_ever(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    first = await console.house.people.invite(ROOT, "wang")
    second = await console.house.people.invite(ROOT, "wang")
    void = await browser.post("/api/v1/invitation", json={"invitation": first, "password": STRONGER})
    assert void.status_code == 422
    good = await browser.post("/api/v1/invitation", json={"invitation": second, "password": STRONGER})
    assert good.status_code == 204
    again = await browser.post("/api/v1/invitation", json={"invitation": second, "password": "Third-Long-Word-11"})
    assert again.status_code == 422
    late = await console.house.people.invite(ROOT, "wang")
    console.clock.at += 86_401
    assert (await browser.post("/api/v1/invitation", json={"invitation": late, "password": STRONGER})).status_code == 422


async def test_a_closed_account_is_out_at_once(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    account = await console.house.people.own("wang")
    wanted = Wanted(account.person, frozenset(map(Role, account.roles)), frozenset(account.cities), closed=True)
    await console.house.people.change(ROOT, "wang", account.version, wanted)
    assert (await browser.get("/api/v1/me")).status_code == 401
    assert (await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})).status_code == 401


async def test_without_the_database_the_forms_of_passwords_say_so_and_give_no_password_back(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser, nobody = await console.signed_in("wang"), console.browser()
    invitation = await console.house.people.invite(ROOT, "wang")
    signed_in = await console.as_role(Role.LEADER, "yangzhou")
    await lose_sql(console)
    twice = {"password": STRONGER, "again": STRONGER}
    presses = (
        (nobody, "/welcome", {"invitation": invitation, **twice}, "历史库联系不上，密码没有更换"),
        (signed_in, "/password", {"old": PASSWORD, **twice}, "历史库联系不上，密码没有更换"),
        (nobody, "/signin", {"name": "wang", "password": PASSWORD}, "历史库联系不上，暂时不能登录"),
    )
    for who, place, form, said in presses:
        answer = await who.post(place, data=form, headers=ZH)
        assert (answer.status_code, said in answer.text) == (503, True), place
        assert f'action="{place}"' in answer.text, "the form is there to be sent again"
        assert [STRONGER in answer.text, PASSWORD in answer.text] == [False, False], place
        assert [value for key, value in form.items() if key in ("invitation", "name") and value not in answer.text] == []
    await find_sql(console)
    assert (await nobody.post("/welcome", data=presses[0][2])).status_code == 303
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_without_the_database_the_form_of_one_time_codes_keeps_its_key(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    key = (await browser.post("/api/v1/me/codes/key")).json()["key"]
    form = {"key": key, "code": code_at(key, int(console.clock.at // STEP_S)), "password": PASSWORD}
    await lose_sql(console)
    answer = await browser.post("/account/codes", data=form, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert f'name="key" value="{key}"' in answer.text, "the telephone has this key already"
    assert "未启用" not in answer.text, "nobody knows"
    assert PASSWORD not in answer.text
    await find_sql(console)
    assert (await browser.post("/account/codes", data=form)).status_code == 303


async def test_a_password_is_not_changed_while_visits_cannot_be_ended(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser, nobody = await console.signed_in("wang"), console.browser()
    await console.account("li", Role.LEADER, "yangzhou")
    invitation = await console.house.people.invite(ROOT, "li")
    assert (await browser.get("/api/v1/me")).status_code == 200
    before = [(await console.house.people.own(name)).password_at for name in ("wang", "li")]
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 0.5)
    await asyncio.to_thread(valkey.kill)
    console.clock.at += 1
    twice = {"password": STRONGER, "again": STRONGER}
    for answer in (
        await browser.post("/password", data={"old": PASSWORD, **twice}, headers=ZH),
        await nobody.post("/welcome", data={"invitation": invitation, **twice}, headers=ZH),
    ):
        assert (answer.status_code, "登记库联系不上，密码没有更换" in answer.text) == (503, True)
        assert "可能已经生效" not in answer.text, "nothing was written"
    said = await nobody.post("/signin", data={"name": "wang", "password": PASSWORD}, headers=ZH)
    assert (said.status_code, "登记库联系不上，暂时不能登录" in said.text) == (503, True)
    assert [(await console.house.people.own(name)).password_at for name in ("wang", "li")] == before


async def test_passwords_that_differ_are_told_at_the_second_one_and_not_given_back(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    unlike = {"old": PASSWORD, "password": STRONGER, "again": f"{STRONGER}0"}
    for who, place in ((browser, "/password"), (console.browser(), "/welcome")):
        answer = await who.post(place, data={"invitation": "i-1", **unlike}, headers=ZH)
        assert answer.status_code == 422
        assert 'id="w-again">两次输入的密码不一样' in answer.text
        assert "已填内容都还在" not in answer.text, "they are not"
        assert [STRONGER in answer.text, PASSWORD in answer.text] == [False, False]
