"""Numbers that no database takes, and NUL in names: told to be nothing there or wrong, never a bug or a lost database."""

import inspect
import re
import typing

import httpx
import pytest

from callctl.rights import PROVINCE_WIDE, Role
from callctl.web.doors import Door
from tests.web.house import PASSWORD, Console
from tests.web.test_desk_browser import lose_sql
from tests.web.test_doors import ALL
from tests.web.test_scripts import write

HUGE = ("10000000000000000000000", "9223372036854775808", "2147483648", "-1", "9" * 5000)


def takes_int(annotation: object) -> bool:
    """Whether a parameter is a number, bare or with its bounds."""
    inner = typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation
    return inner is int or int in typing.get_args(inner)


def numbered(door: Door) -> tuple[list[str], list[str]]:
    """The door's numbers: those in its path, and those asked for behind the question mark."""
    hints = typing.get_type_hints(door.opens, include_extras=True)
    names = [name for name in inspect.signature(door.opens).parameters if takes_int(hints.get(name))]
    in_path = re.findall(r"\{(\w+)", door.path)
    return [name for name in names if name in in_path], [name for name in names if name not in in_path]


NUMBERED = {f"{door.method} {door.path}": door for door in ALL if any(numbered(door))}


def test_the_doors_with_numbers_are_found() -> None:
    assert {"GET /scripts/of/{owner}/{script}", "GET /cities/{city}/scripts/{script}/edit"} <= NUMBERED.keys()
    assert "GET /api/v1/webhooks/{name}/deliveries" in NUMBERED


@pytest.mark.parametrize("name", NUMBERED)
async def test_a_number_no_database_takes_is_not_there_or_wrong(console: Console, name: str) -> None:
    door = NUMBERED[name]
    everything = tuple(role.value for role in Role if role is not Role.AGENT)
    browser = await console.as_role(Role.AGENT, "yangzhou", agent="A1", more_roles=everything)
    if door.right in PROVINCE_WIDE:  # No agent has the whole province.
        browser = await console.as_role(Role.SYSTEM_ADMIN)
    in_path, asked = numbered(door)
    found = []
    for number in HUGE:
        path = door.path.replace("{city}", "yangzhou").replace("{owner}", "yangzhou")
        for one in in_path:
            path = path.replace(f"{{{one}}}", number)
        path = re.sub(r"\{[^}]+\}", "orders", path)
        more: dict[str, object] = {"params": dict.fromkeys(asked, number)}
        if door.method != "GET":
            more["json" if door.is_api else "data"] = {}
        answer = await browser.request(door.method, path, **more)  # type: ignore[arg-type]
        fine = (404, 422) if in_path else range(200, 500)
        if answer.status_code not in fine:
            found.append((number[:30], answer.status_code, answer.text[:200]))
    assert found == []


async def test_a_forms_own_numbers_may_have_any_length(console: Console) -> None:
    _, draft = await write(console)
    script = f"/cities/yangzhou/scripts/{draft['id']}"
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    for number in HUGE:
        typed = {"seen_saves": number, "version": number, "question": "问", "answer": "答", "why": "因"}
        editor, approver = await console.as_role(Role.EDITOR, "yangzhou"), await console.as_role(Role.APPROVER, "yangzhou")
        security = await console.as_role(Role.SECURITY_ADMIN)
        answers = [
            await editor.post(f"{script}/edit", data=typed),
            await approver.post(f"{script}/versions/1/decide", data={**typed, "decision": "publish"}),
            await approver.post(f"{script}/expire", data=typed),
            await security.post("/accounts/wang", data={**typed, "person": "王", "roles": "leader", "cities": "suzhou"}),
        ]
        assert {answer.status_code for answer in answers} <= {404, 409, 422}, number[:30]


@pytest.mark.parametrize("place", ["/desk?call=%00", "/accounts/%00", "/scripts?q=%00", "/api/v1/scripts?q=a%00"])
async def test_nul_in_an_address_names_nothing_and_asks_no_database(console: Console, place: str) -> None:
    admin = await console.as_role(Role.SECURITY_ADMIN)
    await lose_sql(console)
    answer = await admin.get(httpx.URL(place))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_nul_in_what_is_typed_is_wrong_or_unreadable_and_never_a_lost_database(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = console.browser()
    by_api = await browser.post("/api/v1/visit", json={"name": "wang\0", "password": PASSWORD})
    assert (by_api.status_code, [one["field"] for one in by_api.json()["errors"]]) == (422, ["name"])
    by_form = await browser.post("/signin", data={"name": "wang\0", "password": PASSWORD})
    unknown = await browser.post("/signin", data={"name": "nobody", "password": PASSWORD})
    assert (by_form.status_code, unknown.status_code) == (422, 422)
    deep = {"person": "王", "roles": ["reporter"], "cities": ["suz\0hou"], "agent": "", "name": "li"}
    security = await console.as_role(Role.SECURITY_ADMIN)
    assert (await security.post("/api/v1/accounts", json=deep)).status_code == 422
