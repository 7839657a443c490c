"""Every route × every role × own, other and all cities: made from the route table, so that no new route is forgotten."""

import inspect
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from callctl.core.acts import Stop
from callctl.rights import EVERYWHERE, RIGHTS, Role
from callctl.web.doors import NOBODY, Door, Doors, every_door
from callctl.web.site import _check, parts
from tests.web.house import ROOT, Console

ALL = every_door(parts())
OWN, OTHER = "yangzhou", "suzhou"
STREAMS = {door.path for door in ALL if door.path.endswith("/stream")}  # They do not end; see test_live.

# What is felt in every city, whoever presses: only the province's people.
WHOLE = {"resume", "webhooks", "categories"}
# What else stands behind a door without a city, and why a person of one city may come in.
PARTS = {
    "own account": "oneself",
    "desk": "the own seat",
    "script read": "one's own reading",
    "stop all": "anybody who runs a shift may stop everything",
    "see": "the others' figures are left out: test_board, test_live",
    "see timeline": "the own cities' entries: test_assistance",
    "see seats": "leads on to the own city's page",
    "see books": "a list of pages",
    "see scripts": "published ones are for everybody who answers",
    "see orders": "the categories are the province's, and read by all",
    "see audit": "the own cities' entries: test_accounts",
    "see accounts": "the own cities' accounts: test_accounts",
    "change accounts": "the own cities' accounts: test_accounts, and ASIDE below",
    "event start": "the city is in the form: ASIDE below",
}

SIGNS_OUT = {("DELETE", "/api/v1/visit"), ("POST", "/signout")}


def filled(door: Door, city: str) -> str:
    return re.sub(r"\{[^}]+\}", "1", door.path.replace("{city}", city))


async def knock(browser: httpx.AsyncClient, door: Door, city: str) -> httpx.Response:
    """An empty body is never right, so nothing is done where the door opens."""
    body = {} if door.method == "GET" else {"json": ["knocking"]}
    return await browser.request(door.method, filled(door, city), **body)


def shut(answer: httpx.Response) -> bool:
    """Whether the door stayed shut, whatever stands behind it."""
    return answer.status_code == 403


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_its_doors_in_its_cities_and_no_others(console: Console, role: Role) -> None:
    wrong = []
    for place, cities in ((OWN, (OWN,)), (OTHER, (OWN,)), (OTHER, (EVERYWHERE,))):
        browser = await console.as_role(role, *cities)
        for door in ALL:
            # What is no city's own affair is asked twice: by one city's people, and by the province's.
            if door.right == NOBODY or door.path in STREAMS or not (door.of_city or place == OWN or EVERYWHERE in cities):
                continue
            answer = await knock(browser, door, place)
            at_home = EVERYWHERE in cities or (place in cities if door.of_city else door.right not in WHOLE)
            allowed = role in RIGHTS[door.right] and at_home
            if shut(answer) == allowed or answer.status_code == 401 or answer.status_code >= 500:
                wrong.append((door.method, door.path, role.value, place, cities, answer.status_code, answer.text[:200]))
            if (door.method, door.path) in SIGNS_OUT:
                browser = await console.as_role(role, *cities)
    assert wrong == []


def test_a_door_without_a_city_is_the_provinces_or_says_why_not() -> None:
    assert {door.right for door in ALL if not door.of_city} - {NOBODY} == WHOLE | PARTS.keys()
    assert [door.path for door in ALL if door.of_city and door.right in WHOLE] == []


@pytest.mark.parametrize(
    ("role", "places"),
    [(Role.SYSTEM_ADMIN, ["/webhooks"]), (Role.DISPATCHER, ["/assistance/resume"]), (Role.DISPATCHER, ["/categories"])],
)
async def test_what_reaches_the_province_is_not_shown_to_one_citys_people(
    console: Console, role: Role, places: list[str]
) -> None:
    at = "/" if role is Role.SYSTEM_ADMIN else places[0].removesuffix("/resume")
    await console.house.desk.do(ROOT, Stop(True))
    for cities, seen in (((OWN,), False), ((EVERYWHERE,), True)):
        browser = await console.as_role(role, *cities)
        page = await browser.get(at, follow_redirects=True)
        assert page.status_code == 200, page.text
        for place in places:
            sent = f'<form method="post" action="{place}"' in page.text or f'<li><a href="{place}"' in page.text
            assert sent == seen, (place, cities)
    refused = await (await console.as_role(Role.DISPATCHER, OWN)).post(
        "/assistance/resume", headers={"Accept-Language": "zh"}
    )
    assert (refused.status_code, "须由范围为全省的人员办理" in refused.text) == (403, True)
    assert (await console.house.desk.wishes()).stopped


WHOSE = {"person": "王", "roles": ["reporter"], "agent": ""}
# A city named anywhere but in the path, which the door itself does not look at: a role of the own city, and a right
# request but for the city. None: the answer is the same for every city.
ASIDE: dict[tuple[str, str, str], tuple[Role, dict[str, Any]] | None] = {
    ("GET", "/audit", "city"): (Role.AUDITOR, {"params": {"city": OTHER}}),
    ("GET", "/api/v1/audit", "city"): (Role.AUDITOR, {"params": {"city": OTHER}}),
    ("GET", "/scripts", "city"): None,  # Published ones are for everybody who answers; drafts: test_scripts.
    ("GET", "/api/v1/scripts", "city"): None,
    ("POST", "/api/v1/accounts", "cities"): (Role.SECURITY_ADMIN, {"json": {**WHOSE, "name": "new", "cities": [OTHER]}}),
    ("PUT", "/api/v1/accounts/{name}", "cities"): (
        Role.SECURITY_ADMIN,
        {"json": {**WHOSE, "version": 1, "cities": [OTHER]}},
    ),
    ("POST", "/api/v1/tokens", "cities"): (
        Role.SECURITY_ADMIN,
        {"json": {"name": "new", "roles": ["reporter"], "rights": [], "cities": [OTHER]}},
    ),
    ("POST", "/tokens/new", "cities"): (
        Role.SECURITY_ADMIN,
        {"data": {"name": "new", "roles": "reporter", "days": "30", "cities": OTHER}},
    ),
    ("POST", "/accounts/new", "cities"): (Role.SECURITY_ADMIN, {"data": {**WHOSE, "name": "new", "cities": OTHER}}),
    ("POST", "/accounts/{name}", "cities"): (Role.SECURITY_ADMIN, {"data": {**WHOSE, "version": "1", "cities": OTHER}}),
    ("POST", "/assistance/events", "city"): (Role.DISPATCHER, {"data": {"city": OTHER, "title": "台风"}}),
}


def aside(door: Door) -> set[str]:
    """What names cities in the door's query, body or form, and not in its path."""
    if door.of_city:
        return set()
    found: set[str] = set()
    for name, parameter in inspect.signature(door.opens, eval_str=True).parameters.items():
        fields = getattr(parameter.annotation, "model_fields", {name: None})
        found |= {field for field in fields if re.fullmatch(r"city|cities|assisted|supporting", field)}
    module, read = inspect.getmodule(door.opens), inspect.getsource(door.opens)
    for helper in re.findall(r"\b(_\w+)\(", read):
        read += inspect.getsource(getattr(module, helper))
    return found | set(re.findall(r'form\.(?:get|all)\("(city|cities|assisted|supporting)"\)', read))


async def test_a_city_named_outside_the_path_must_be_ones_own_too(console: Console) -> None:
    assert {(door.method, door.path, name) for door in ALL for name in aside(door)} == ASIDE.keys()
    await console.account("known", Role.LEADER, OWN)
    for (method, path, name), tried in ASIDE.items():
        if tried is not None:
            role, request = tried
            place = path.replace("{name}", "known")
            refused = await (await console.as_role(role, OWN)).request(method, place, **request)
            assert refused.status_code in (403, 422), (method, path, name, refused.status_code)
            right = next(door.right for door in ALL if (door.method, door.path) == (method, path))
            assert f"may not: {right} {OTHER}" in refused.text, (method, path, name)
    assert [account.name for account in await console.house.people.accounts(ROOT)] == ["known"]
    assert (await console.house.desk.wishes()).events == {}


async def test_who_is_not_signed_in_opens_only_what_is_open_to_all(console: Console) -> None:
    browser = console.browser()
    for door in ALL:
        if door.right != NOBODY and door.path not in STREAMS:
            answer = await knock(browser, door, OWN)
            expected = (401,) if door.is_api or door.method != "GET" else (303,)
            assert answer.status_code in expected, (door.method, door.path, answer.text[:200])


async def test_a_city_nobody_knows_is_not_found(console: Console) -> None:
    browser = await console.as_role(Role.DISPATCHER)
    for door in ALL:
        if door.of_city and Role.DISPATCHER in RIGHTS[door.right] and door.path not in STREAMS:
            answer = await knock(browser, door, "atlantis")
            assert answer.status_code == 404, (door.method, door.path, answer.status_code)


def test_a_route_past_the_table_does_not_start() -> None:
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @site.get("/back-door")
    async def back_door() -> None: ...

    with pytest.raises(AssertionError, match="declares no right"):
        _check(site)
    assert isinstance(site.routes[-1], APIRoute)


def test_a_right_nobody_has_heard_of_is_no_declaration() -> None:
    with pytest.raises(AssertionError, match="no right is called"):
        Doors().get("/x", "do as I like")


def test_every_right_is_somebodys_and_used() -> None:
    assert all(RIGHTS.values())


def opens_by_looking(path: str) -> bool:
    """Whether there is a page at this path."""
    pages = [door.path for door in ALL if door.method == "GET" and not door.is_api]
    return any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", one), path) for one in pages)


async def test_from_a_refused_press_language_colours_and_the_stop_lead_back_to_a_page(console: Console) -> None:
    wrong, seen = [], 0
    for door in ALL:
        if door.is_api or door.method != "POST" or door.path in ("/look", "/signout"):
            continue
        role = next((role for role in Role if role in RIGHTS.get(door.right, ())), None)
        browser = await console.as_role(role, OWN) if role else console.browser()
        answer = await browser.post(filled(door, OWN), data={"nothing": "fits"})
        for back in re.findall(r'name="back" value="([^"]*)"', answer.text):
            seen += 1
            if not opens_by_looking(back):
                wrong.append((door.path, answer.status_code, back))
    assert wrong == []
    assert seen > 20, "hardly any page was refused"
