"""Puts the console together: the route table becomes an application, and an undeclared route does not start."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount

from callctl.app import House
from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import Province
from callctl.store.port import Refusal, StoreLost
from callctl.web import problems, views
from callctl.web.api import API
from callctl.web.assets import Assets
from callctl.web.boards import Boards
from callctl.web.doors import NOBODY, Door, Doors, every_door
from callctl.web.feed import Feed
from callctl.web.gate import Gate, Needs, identify, words_of
from callctl.web.pages import page, templates
from callctl.web.problems import TITLES, Problem, as_json, from_domain, from_fields
from callctl.web.shields import BODY_MOST, Shields

log = structlog.get_logger()

OPENAPI = Doors()
_TEXT = {"type": "string"}
REFUSAL = {
    "description": "What went wrong (RFC 9457), in the caller's language.",
    "content": {
        problems.MEDIA: {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "code", "detail", "request"],
                "properties": {
                    "type": _TEXT,
                    "title": _TEXT,
                    "status": {"type": "integer"},
                    "code": _TEXT,
                    "detail": _TEXT,
                    "request": _TEXT,
                    "errors": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"field": _TEXT, "message": _TEXT}},
                    },
                },
            }
        }
    },
}


@OPENAPI.get("/api/v1/openapi.json", NOBODY, include_in_schema=False)
async def openapi(request: Request) -> dict[str, Any]:
    """What can be asked, for programs."""
    described: dict[str, Any] = request.app.openapi()
    return described


def parts() -> Iterable[Doors]:
    """Every module with routes."""
    return (OPENAPI, *API, *views.VIEWS)


def make_site(house: House, connects: Iterable[str] = ()) -> FastAPI:
    """The application over this house. `connects`: further addresses pages may speak to (a softphone's wss://)."""
    feed = Feed(house.room.registry, house.notices, house.bell, house.province, house.now, house.reading.look)
    boards = Boards(feed, house.province, house.day, templates(), house.now)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with (
            feed.running(),
            boards.running(),
            aside(house.reading.run(), "scripts"),
            aside(house.webhooks.run(), "webhooks"),
        ):
            yield

    site = FastAPI(
        routes=list(_routes()),
        title="callctl",
        version="1",
        lifespan=running,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=BODY_MOST,
    )
    site.state.house, site.state.gate, site.state.feed = house, Gate(), feed
    site.state.boards = boards
    site.mount("/static", Assets(), name="static")
    site.add_middleware(Shields, answer_fault=_answer_fault, connects=(*connects, *phone_doors(house.province)))
    for kind in (Problem, RequestValidationError, HTTPException, ActRefused, Refusal, StoreLost):
        site.add_exception_handler(kind, _answer_fault)
    _check(site)
    return site


@asynccontextmanager
async def aside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Something that runs for as long as the block lasts."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@cache  # A quarter of a second of work, and no route knows its house: every site of this process has the same ones.
def _routes() -> tuple[BaseRoute, ...]:
    router = APIRouter(redirect_slashes=False, max_body_size=BODY_MOST)
    for door in every_door(parts()):
        _hang(router, door)
    return tuple(router.routes)


def _hang(router: APIRouter, door: Door) -> None:
    settings = dict(door.settings)
    if door.is_api:
        settings["responses"] = {**settings.get("responses", {}), 422: REFUSAL, "default": REFUSAL}
    else:
        settings.setdefault("include_in_schema", False)
    router.add_api_route(
        door.path,
        door.opens,
        methods=[door.method],
        dependencies=[Depends(Needs(door.right, door.of_city))],
        **settings,
    )


def _check(site: FastAPI) -> None:
    """No route without a declared right: also none that somebody added past the table."""
    for route in site.routes:
        if isinstance(route, Mount) and route.path == "/static":
            continue
        assert isinstance(route, APIRoute), f"{route!r} is not in the route table"
        needs = [each.call for each in route.dependant.dependencies if isinstance(each.call, Needs)]
        assert len(needs) == 1, f"{route.path} declares no right"
        assert needs[0].of_city == ("{city}" in route.path), f"{route.path}: the right is not of the path's city"


async def _answer_fault(request: Request, fault: Exception) -> Response:
    problem = _problem(fault)
    if problem.status >= 500:
        log.error("request failed", code=problem.code, path=request.url.path[:200], why=f"{type(fault).__name__}: {fault}")
    words, request_id = words_of(request), request.state.request
    if request.url.path.startswith("/api/"):
        return as_json(problem, words, request_id)
    if problem.code == "sign_in" and request.method in ("GET", "HEAD"):
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/signin?next={quote(asked[:500], safe='')}", 303)
    if not hasattr(request.state, "caller"):  # No route was found: the page is theirs nevertheless.
        with suppress(StoreLost):
            request.state.caller = await identify(request)
    shown = {"status": problem.status, "title": words.told(TITLES.get(problem.status, TITLES[500]))}
    if request.method not in ("GET", "HEAD"):
        shown["path"] = "/"  # Where a press was refused there may be nothing to look at.
    return page(request, "problem.html", problem.status, {**shown, "detail": words.told(problem.detail)})


def _problem(fault: Exception) -> Problem:
    if isinstance(fault, RequestValidationError):
        return from_fields(fault)
    if isinstance(fault, HTTPException):
        return Problem(fault.status_code, f"http_{fault.status_code}", TITLES.get(fault.status_code, TITLES[400]))
    return from_domain(fault) or Problem(500, "internal", INTERNAL)


INTERNAL = Sentence(
    "内部错误，已记入日志；请把请求编号交给维护人员",
    "an internal error, noted in the log; give the request id to maintenance",
)


def phone_doors(province: Province) -> list[str]:
    """Where phones in the browser connect: scheme, host and port of each city's own WebSocket."""
    addresses = (city.pbx.browser_address for city in province.cities.values())
    return sorted({"/".join(address.split("/")[:3]) for address in addresses if address})
