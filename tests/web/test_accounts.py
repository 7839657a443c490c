"""Accounts by API: made and changed by the security administrator, never the own one; the command line makes the first."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from callctl.cli.root import make_app
from callctl.rights import Role
from tests.store.servers import Valkey
from tests.web.house import PASSWORD, Console, problem
from tests.web.test_desk_browser import find_sql, lose_sql

ZH = {"Accept-Language": "zh"}
WANG = {"name": "wang", "person": "王值班长", "roles": ["supervisor"], "cities": ["扬州"]}


async def test_an_account_begins_with_an_invitation_and_its_persons_own_password(console: Console) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    made = (await security.post("/api/v1/accounts", json=WANG)).json()
    browser = console.browser()
    early = await browser.post("/api/v1/visit", json={"name": "wang", "password": ""})
    assert early.status_code == 401
    await browser.post("/api/v1/invitation", json={"invitation": made["invitation"], "password": PASSWORD})
    me = (await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD})).json()
    assert (me["name"], me["cities"]) == ("王值班长(wang)", ["yangzhou"])
    assert (await security.post("/api/v1/accounts", json=WANG)).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Wang"}, "name"),
        ({"name": "w"}, "name"),
        ({"name": "wang\n"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["auditor", "system_admin"]}, "roles"),
        ({"roles": ["king"]}, "roles.0"),
        ({"roles": ["system_admin"]}, "cities"),
        ({"cities": []}, "cities"),
        ({"roles": ["agent"]}, "agent"),
        ({"roles": ["agent"], "agent": "A9"}, "agent"),
        ({"person": "\x1b[31m"}, "person"),
        ({"reason": "a\nb"}, "reason"),
    ],
)
async def test_an_account_that_cannot_be_is_refused_at_its_field(console: Console, change: dict, field: str) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    wrong = problem(await security.post("/api/v1/accounts", json={**WANG, **change}))
    assert [error["field"] for error in wrong["errors"]] == [field]
    assert (await security.get("/api/v1/accounts")).json() == []


async def test_one_account_is_read_and_signed_out_with_a_reason_and_the_audit_is_searched_for_a_word(
    console: Console,
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    await console.signed_in("wang")
    security, auditor = await console.as_role(Role.SECURITY_ADMIN), await console.as_role(Role.AUDITOR)
    one = (await security.get("/api/v1/accounts/wang")).json()
    assert (one["name"], one["roles"], one["cities"]) == ("wang", ["supervisor"], ["yangzhou"])
    assert (await security.get("/api/v1/accounts/nobody")).status_code == 404
    beside = await console.as_role(Role.SECURITY_ADMIN, "suzhou")
    assert (await beside.get("/api/v1/accounts/wang")).status_code == 403
    assert (await security.delete("/api/v1/accounts/wang/visits", params={"reason": "丢失手机"})).status_code == 204
    found = (await auditor.get("/api/v1/audit", params={"q": "丢失手机"})).json()
    assert [(entry["what"], entry["reason"]) for entry in found] == [("visits end", "丢失手机")]
    assert "丢失手机" in (await auditor.get("/audit", params={"q": "丢失手机"})).text
    assert (await auditor.get("/api/v1/audit", params={"q": "没有这个词"})).json() == []


async def test_a_changed_account_is_signed_out_and_has_its_new_rights(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser, security = await console.signed_in("wang"), await console.as_role(Role.SECURITY_ADMIN)
    wanted = {"person": "王", "roles": ["leader"], "cities": ["suzhou"], "version": 1, "reason": "调岗"}
    assert (await security.put("/api/v1/accounts/wang", json=wanted)).json()["version"] == 2
    assert (await browser.get("/api/v1/me")).status_code == 401
    late = problem(await security.put("/api/v1/accounts/wang", json=wanted))
    assert (late["status"], late["code"]) == (409, "overtaken")
    again = await console.signed_in("wang")
    assert (await again.get("/api/v1/cities/suzhou/seats")).status_code == 200
    entry = (await console.house.room.history.audited(10))[-1]
    assert entry.what == "account create"


async def test_nobody_changes_the_own_account(console: Console) -> None:
    await console.account("li", Role.SECURITY_ADMIN)
    li = await console.signed_in("li")
    wanted = {"roles": ["security_admin"], "cities": ["*"], "version": 1, "closed": True}
    assert "own account" in problem(await li.put("/api/v1/accounts/li", json=wanted))["detail"]


async def test_a_password_too_old_must_be_changed_before_anything_else(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    console.clock.at += 91 * 86_400.0
    browser = await console.signed_in("wang")
    assert problem(await browser.get("/api/v1/status"))["code"] == "change_password"
    await browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": "Another-Long-Word-9"})
    assert (await browser.get("/api/v1/status")).status_code == 200


def test_the_command_line_makes_the_first_account_without_a_default_password(tmp_path: Path) -> None:
    environment = {"CALLCTL_STATE": str(tmp_path / "state"), "CALLCTL_LANG": "en"}

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(make_app(), list(words), env=environment)
        return done.exit_code, done.output

    made = "account", "create", "li", "--role", "security_admin", "--city", "*", "--person", "李安全"
    code, said = run(*made)
    assert code == 0, said
    invitation = said.splitlines()[1]
    assert len(invitation) == 43
    code, said = run("account", "list", "--json")
    (account,) = json.loads(said)
    assert (account["name"], account["password_at"], account["roles"]) == ("li", None, ["security_admin"])
    code, again = run("account", "invite", "li")
    assert again.splitlines()[1] != invitation
    assert (run("account", "close", "li"))[0] == 0
    assert json.loads((run("account", "list", "--json"))[1])[0]["closed"]


async def test_a_citys_administrators_reach_their_own_city_and_no_account_beyond(console: Console) -> None:
    """The city is in the body, not in the path: neither what an account was nor what it shall be may lie elsewhere."""
    await console.account("own", Role.SUPERVISOR, "yangzhou")
    await console.account("both", Role.LEADER, "yangzhou", "suzhou")
    await console.account("all", Role.DISPATCHER)
    own = {"roles": ["leader"], "version": 1}
    mine = await console.as_role(Role.SECURITY_ADMIN, "yangzhou")
    wanted = {"person": "王", "roles": ["supervisor"]}
    page, token = {"person": "王", "roles": "leader"}, {"roles": ["reporter"], "days": 9}
    answers = []
    for number, cities in enumerate((["suzhou"], ["*"], ["扬州", "苏州"], ["yangzhou", "*"])):
        answers += [
            await mine.post("/api/v1/accounts", json={**wanted, "name": f"new{number}", "cities": cities}),
            await mine.put("/api/v1/accounts/own", json={**own, "cities": cities}),
            await mine.post("/api/v1/tokens", json={**token, "name": f"machine{number}", "cities": cities}),
            await mine.post("/accounts/new", data={**page, "name": f"page{number}", "cities": cities}),
        ]
    for name in ("both", "all"):
        answers += [
            await mine.put(f"/api/v1/accounts/{name}", json={**own, "cities": ["yangzhou"]}),
            await mine.post(f"/api/v1/accounts/{name}/invitation", json={}),
            await mine.get(f"/api/v1/accounts/{name}/visits"),
            await mine.delete(f"/api/v1/accounts/{name}/visits"),
            await mine.get(f"/accounts/{name}"),
            await mine.post(f"/accounts/{name}/signout", data={}),
        ]
    province = await console.as_role(Role.SECURITY_ADMIN)
    assert (await province.post("/api/v1/tokens", json={**token, "name": "far", "cities": ["suzhou"]})).status_code == 201
    answers.append(await mine.delete("/api/v1/tokens/far"))
    assert {answer.status_code for answer in answers} == {403}
    pages = [answer for answer in answers if answer.url.path == "/accounts/new"]
    assert ['value="王"' in answer.text for answer in pages] == [True] * 4, "the form is there as it was typed"
    assert [one["name"] for one in (await mine.get("/api/v1/accounts")).json()] == ["own"]
    assert (await mine.get("/api/v1/tokens")).json() == []
    assert {one["name"] for one in (await province.get("/api/v1/accounts")).json()} == {"all", "both", "own"}
    assert (await mine.put("/api/v1/accounts/own", json={**own, "cities": ["扬州"]})).status_code == 200
    assert (await mine.post("/api/v1/tokens", json={**token, "name": "near", "cities": ["yangzhou"]})).status_code == 201
    assert (await mine.post("/api/v1/accounts", json={**WANG, "name": "wang"})).status_code == 201


async def test_an_auditor_reads_the_own_cities_and_only_the_province_the_rest(console: Console) -> None:
    province = await console.as_role(Role.SECURITY_ADMIN)
    for name, cities in (("near", ["yangzhou"]), ("far", ["suzhou"]), ("wide", ["*"]), ("two", ["yangzhou", "suzhou"])):
        account = {**WANG, "name": name, "cities": cities, "reason": f"for-{name}"}
        made = await province.post("/api/v1/accounts", json=account)
        assert made.status_code == 201
    api = "/api/v1/audit"
    reads = (f"{api}?last=50", f"{api}/export?kind=json", "/audit", "/audit?q=for", f"{api}?city=yangzhou")

    async def read(browser: httpx.AsyncClient, place: str) -> list[str]:
        text = (await browser.get(place)).text
        return [name for name in ("near", "far", "wide", "two") if f"for-{name}" in text]

    mine, all_of_them = await console.as_role(Role.AUDITOR, "yangzhou"), await console.as_role(Role.AUDITOR)
    assert [await read(mine, place) for place in reads] == [["near"]] * 5
    assert [await read(all_of_them, place) for place in reads] == [["near", "far", "wide", "two"]] * 4 + [["near"]]
    for place in ("/api/v1/audit?city=suzhou", "/audit?city=苏州"):
        assert (await mine.get(place)).status_code == 403
    assert 'value="suzhou"' not in (await mine.get("/audit")).text


@pytest.mark.parametrize("place", ["/accounts/new", "/accounts/wang"])
async def test_without_the_database_an_accounts_form_keeps_what_was_typed(console: Console, place: str) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    security = await console.as_role(Role.SECURITY_ADMIN)
    first = {"name": "zhao"} if place == "/accounts/new" else {"version": "1"}
    typed = {**first, "person": "赵班长", "reason": "新到岗"}
    chosen = {"roles": ["leader", "supervisor"], "cities": ["suzhou", "xuzhou"], "closed": "yes"}
    await lose_sql(console)
    answer = await security.post(place, data={**typed, **chosen}, headers=ZH)
    assert answer.status_code == 503
    assert "历史库联系不上" in answer.text
    assert f'action="{place}"' in answer.text, "the form is there to be sent again"
    ticked = re.findall(r'name="(?:roles|cities)" value="([^"]+)" checked', answer.text)
    assert sorted(ticked) == ["leader", "supervisor", "suzhou", "xuzhou"]
    assert [name for name, value in typed.items() if f'name="{name}"' not in answer.text] == []
    assert [value for value in typed.values() if f'value="{value}"' not in answer.text] == []
    if place != "/accounts/new":
        assert 'name="closed" value="yes" checked' in answer.text
        await find_sql(console)
        assert (await security.post(place, data={**typed, **chosen})).status_code == 303
        assert (await console.house.people.own("wang")).person == "赵班长"


async def test_without_the_database_an_accounts_other_buttons_say_so_and_stay(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    security = await console.as_role(Role.SECURITY_ADMIN)
    await lose_sql(console)
    for act in ("invite", "signout"):
        answer = await security.post(f"/accounts/wang/{act}", headers=ZH)
        assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True), act
        assert f'action="/accounts/wang/{act}"' in answer.text
        assert 'action="/accounts/wang"' not in answer.text, "an empty form would take everything from the account"


async def test_an_account_is_not_changed_while_its_visits_cannot_be_ended(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    security = await console.as_role(Role.SECURITY_ADMIN)
    assert (await security.get("/accounts/wang")).status_code == 200
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 0.5)
    await asyncio.to_thread(valkey.kill)
    typed = {"person": "王", "roles": "leader", "cities": "suzhou", "version": "1", "reason": "调岗"}
    answer = await security.post("/accounts/wang", data=typed, headers=ZH)
    assert answer.status_code == 503
    assert "登记库联系不上，可能没有办成" in answer.text
    assert [f'value="{value}"' in answer.text for value in ("王", "调岗")] == [True, True]
    assert (await security.post("/accounts/wang/invite", headers=ZH)).status_code == 503
    account = await console.house.people.own("wang")
    assert (account.version, account.roles, account.password_at) == (1, ("supervisor",), account.created_at)


async def test_a_system_administrator_of_single_cities_from_before_can_be_closed(console: Console) -> None:
    await console.account("old", Role.SYSTEM_ADMIN)
    account = await console.house.people.own("old")
    wanted = {"person": "王", "roles": ["system_admin"], "cities": ["扬州"], "version": account.version, "reason": "离职"}
    security = await console.as_role(Role.SECURITY_ADMIN)
    assert (await security.put("/api/v1/accounts/old", json=wanted)).status_code == 422
    assert (await security.put("/api/v1/accounts/old", json={**wanted, "closed": True})).status_code == 200
