"""Names and rights: each page and form of the route table names what of /api/v1 does the same, for the same people.

A new page or form without a twin fails here, and so does a twin that other people may use than the page. What the answers
hold is not compared.
"""

import re
from pathlib import Path

import pytest

from callctl.rights import RIGHTS
from callctl.web.doors import NOBODY, Door, every_door
from callctl.web.site import parts
from tests.web.house import Console

ALL = {f"{door.method} {door.path}": door for door in every_door(parts())}
PAGES = [name for name, door in ALL.items() if not door.is_api]
TEMPLATES = Path(__file__).resolve().parent.parent.parent / "callctl" / "web" / "templates"

# What only a browser needs, and why.
NONE = {
    "GET /": "the way on to the page where a role's day begins",
    "GET /team": "the way on to one's own city's team",
    "POST /look": "language and colours are the browser's; a machine says Accept-Language",
    "GET /signin": "an empty form",
    "GET /welcome": "an empty form",
    "GET /password": "an empty form",
    "GET /accounts/new": "an empty form",
    "GET /tokens/new": "an empty form; the rights are in the description of the API",
    "GET /cities/{city}/scripts/new": "an empty form",
}

# "/api/v1" is left out. In the order in which the page shows or does it.
TWINS: dict[str, tuple[str, ...]] = {
    # The way in, the own account.
    "POST /signin": ("POST /visit",),
    "POST /signout": ("DELETE /visit",),
    "POST /welcome": ("POST /invitation",),
    "POST /password": ("POST /me/password",),
    "GET /account": ("GET /me", "GET /me/visits"),
    "POST /account/codes/key": ("POST /me/codes/key",),
    "POST /account/codes": ("PUT /me/codes",),
    "POST /account/visits/end": ("DELETE /me/visits/{key}",),
    # The wallboard.
    "GET /board": ("GET /status", "GET /wishes", "GET /cities"),
    "GET /board/stream": ("GET /stream",),
    "GET /board/day": ("GET /day",),
    "GET /cities/{city}/board": ("GET /status",),
    "GET /cities/{city}/board/stream": ("GET /stream",),
    "GET /cities/{city}/board/day": ("GET /cities/{city}/day",),
    # Assistance.
    "GET /assistance": ("GET /wishes", "GET /cities", "GET /timeline"),
    "GET /assistance/stores": ("GET /health",),
    "GET /cities/{city}/assistance/now": (
        "GET /status",
        "GET /cities/{city}/switch/preview",
        "GET /cities/{city}/timeline",
    ),
    "POST /assistance/events": ("PUT /cities/{city}/event",),
    "POST /cities/{city}/event": ("PUT /cities/{city}/event",),
    "POST /cities/{city}/event/end": ("POST /cities/{city}/event/end",),
    "POST /cities/{city}/event/waves/{number}": ("POST /cities/{city}/event/waves/{number}",),
    "POST /cities/{city}/switch": ("POST /cities/{city}/switch",),
    "POST /cities/{city}/confirmations/{assisted}": ("PUT /cities/{city}/confirmations/{assisted}",),
    "POST /cities/{city}/limits": (
        "PUT /cities/{city}/threshold",
        "PUT /cities/{city}/quota",
        "PUT /cities/{city}/reserve",
    ),
    "POST /cities/{city}/must-read": ("PUT /cities/{city}/must-read",),
    "POST /assistance/stop": ("POST /stop",),
    "POST /assistance/resume": ("POST /resume",),
    # The desk.
    "GET /desk": ("GET /desk", "GET /desk/reasons", "GET /desk/notes"),
    "GET /desk/now": ("GET /desk",),
    "GET /desk/notes": ("GET /desk/notes",),
    "GET /desk/phone": ("GET /desk/phone",),
    "GET /desk/categories": ("GET /desk/categories",),
    "POST /desk/seat": ("PUT /desk/seat",),
    "POST /desk/seat/leave": ("DELETE /desk/seat",),
    "POST /desk/ready": ("PUT /desk/ready",),
    "PUT /desk/notes/{call}": ("PUT /desk/notes/{call}",),
    "POST /desk/notes/{call}": ("POST /desk/wrap-up",),
    "POST /desk/notes/{call}/drop": ("DELETE /desk/notes/{call}",),
    # The team.
    "GET /cities/{city}/team": ("GET /cities/{city}/seats",),
    "GET /cities/{city}/team/now": ("GET /cities/{city}/seats",),
    "POST /cities/{city}/team/seats/{seat}": (
        "PUT /cities/{city}/seats/{seat}/ready",
        "DELETE /cities/{city}/seats/{seat}/sitter",
    ),
    "POST /cities/{city}/team/listening": ("POST /cities/{city}/seats/{seat}/listening", "GET /cities/{city}/listening"),
    # Scripts.
    "GET /scripts": ("GET /scripts",),
    "GET /scripts/of/{owner}/{script}": (
        "GET /scripts/of/{owner}/{script}/versions",
        "GET /scripts/of/{owner}/{script}/difference",
    ),
    "POST /scripts/{script}/receipt": ("POST /scripts/{script}/receipt", "GET /scripts/unread"),
    "GET /cities/{city}/scripts": ("GET /cities/{city}/scripts", "GET /cities/{city}/scripts/rates"),
    "POST /cities/{city}/scripts/new": ("POST /cities/{city}/scripts",),
    "GET /cities/{city}/scripts/{script}/edit": ("GET /scripts/of/{owner}/{script}/versions",),
    "POST /cities/{city}/scripts/{script}/edit": ("PUT /cities/{city}/scripts/{script}/draft",),
    "POST /cities/{city}/scripts/{script}/versions/{version}/decide": (
        "POST /cities/{city}/scripts/{script}/versions/{version}/publish",
        "POST /cities/{city}/scripts/{script}/versions/{version}/reject",
    ),
    "POST /cities/{city}/scripts/{script}/expire": ("POST /cities/{city}/scripts/{script}/expire",),
    # The books.
    "GET /books": ("GET /cities",),
    "GET /cities/{city}/calls": ("GET /cities/{city}/calls",),
    "POST /cities/{city}/calls/search": ("POST /cities/{city}/calls/search",),
    "GET /cities/{city}/calls/{call}": ("GET /cities/{city}/calls/{call}",),
    "POST /cities/{city}/calls/{call}/number": ("POST /cities/{city}/calls/{call}/number",),
    "GET /cities/{city}/orders": ("GET /cities/{city}/orders", "GET /cities/{city}/reconciliation/{day}"),
    "GET /cities/{city}/missed": ("GET /cities/{city}/missed",),
    "POST /cities/{city}/missed/{call}/number": ("POST /cities/{city}/calls/{call}/number",),
    "POST /cities/{city}/missed/{call}/result": ("POST /cities/{city}/missed/{call}/result",),
    "GET /cities/{city}/reports": ("GET /cities/{city}/reports",),
    "GET /cities/{city}/reports/{day}": ("GET /cities/{city}/reports/{day}",),
    "GET /cities/{city}/reports/{day}/file/{form}": ("GET /cities/{city}/reports/{day}/file",),
    "POST /cities/{city}/reports/{day}/notes": ("PUT /cities/{city}/reports/{day}/notes",),
    "POST /cities/{city}/reports/{day}/approve": ("POST /cities/{city}/reports/{day}/approval",),
    "POST /cities/{city}/reports/{day}/sent": ("POST /cities/{city}/reports/{day}/sending",),
    "GET /categories": ("GET /categories",),
    "POST /categories": ("PUT /categories",),
    # People and machines.
    "GET /accounts": ("GET /accounts",),
    "POST /accounts/new": ("POST /accounts",),
    "GET /accounts/{name}": ("GET /accounts/{name}", "GET /accounts/{name}/visits"),
    "POST /accounts/{name}": ("PUT /accounts/{name}",),
    "POST /accounts/{name}/invite": ("POST /accounts/{name}/invitation",),
    "POST /accounts/{name}/signout": ("DELETE /accounts/{name}/visits", "DELETE /accounts/{name}/visits/{key}"),
    "GET /tokens": ("GET /tokens",),
    "POST /tokens/new": ("POST /tokens",),
    "POST /tokens/{name}/end": ("DELETE /tokens/{name}",),
    "GET /webhooks": ("GET /webhooks",),
    "GET /webhooks/new": ("GET /webhooks/kinds",),
    "POST /webhooks/new": ("POST /webhooks",),
    "GET /webhooks/{name}": ("GET /webhooks/{name}/deliveries",),
    "POST /webhooks/{name}/end": ("DELETE /webhooks/{name}",),
    "POST /webhooks/{name}/again": ("POST /webhooks/{name}/again",),
    "POST /webhooks/{name}/deliveries/{delivery}/again": ("POST /webhooks/{name}/deliveries/{delivery}/again",),
    "GET /audit": ("GET /audit", "GET /audit/export"),
}
# Writes that take no key, and why the same again does no harm.
NO_KEY = {
    "POST /visit": "each sign-in is a visit of its own",
    "DELETE /visit": "the same again ends nothing more",
    "POST /invitation": "an invitation is used up",
    "POST /me/password": "the old password fits once",
    "POST /me/codes/key": "nothing is changed by it",
    "PUT /me/codes": "a code is used up",
    "DELETE /me/visits/{key}": "the same again ends nothing more",
    "DELETE /accounts/{name}/visits": "the same again ends nothing more",
    "DELETE /accounts/{name}/visits/{key}": "the same again ends nothing more",
    "PUT /desk/seat": "who sits there sits there",
    "DELETE /desk/seat": "the same again is refused",
    "PUT /desk/ready": "ready is ready",
    "PUT /desk/notes/{call}": "the same words again",
    "DELETE /desk/notes/{call}": "gone is gone",
    "POST /desk/wrap-up": "the same note again changes nothing",
    "POST /scripts/{script}/receipt": "read is read",
    "PUT /categories": "the same tree again",
    "POST /cities/{city}/stubs/{stub}/status": "the same state again is no news",
}


def api(name: str) -> Door:
    """The door of a twin."""
    method, _, path = name.partition(" ")
    return ALL[f"{method} /api/v1{path}"]


def test_every_page_and_form_has_its_twin_or_a_reason() -> None:
    known = {**TWINS, **NONE}
    assert [name for name in PAGES if name not in known] == [], "name its twin in TWINS, or write one"
    assert sorted(known.keys() - set(PAGES)) == [], "pages that are there no more"
    assert not TWINS.keys() & NONE.keys()


@pytest.mark.parametrize("page", TWINS)
def test_whoever_opens_the_page_may_do_the_same_by_the_api(page: str) -> None:
    door = ALL[page]
    for name in TWINS[page]:
        twin = api(name)
        if door.right == NOBODY:
            assert twin.right == NOBODY, name
        elif door.method == "GET":
            assert twin.right == NOBODY or RIGHTS[door.right] <= RIGHTS[twin.right], f"{name}: not for all of {page}"
        elif twin.method != "GET":
            assert RIGHTS[door.right] == RIGHTS[twin.right], f"{name}: for other people than {page}"
        if door.of_city and twin.method != "GET":
            assert twin.of_city, f"{name}: not of the path's city"


async def test_every_write_of_the_api_takes_a_key_or_does_no_harm_twice(console: Console) -> None:
    described = (await console.browser().get("/api/v1/openapi.json")).json()
    keyless = set()
    for path, item in described["paths"].items():
        for method, one in item.items():
            takes = any(each["name"].lower() == "idempotency-key" for each in one.get("parameters", ()))
            if method != "get" and not takes:
                keyless.add(f"{method.upper()} {path.removeprefix('/api/v1')}")
    assert keyless == NO_KEY.keys()


FORMS = re.compile(r'<form method="post" action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)


def test_every_form_of_every_template_leads_to_a_door_of_the_table() -> None:
    places = {door.path for door in ALL.values() if door.method == "POST" and not door.is_api}
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in places]
    found = 0
    for file in sorted(TEMPLATES.rglob("*.html")):
        for action, inside in FORMS.findall(file.read_text(encoding="utf-8")):
            for place in (action, *re.findall(r'formaction="([^"]+)"', inside)):
                filled = re.sub(r"\{\{.*?\}\}", "x", place).partition("?")[0]
                found += 1
                assert filled == "x" or any(one.fullmatch(filled) for one in patterns), f"{file.name}: {place}"
    assert found > 30
