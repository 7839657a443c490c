"""Accounts by API: made and changed by the security administrator, never the own one; the command line makes the first."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callctl.cli.root import make_app
from callctl.rights import Role
from tests.web.house import PASSWORD, Console, problem

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
