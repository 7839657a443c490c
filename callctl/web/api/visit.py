"""/api/v1/visit and /api/v1/me: signing in and out, the own password, one-time codes and open visits."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from callctl.core.acts import Sentence
from callctl.people import codes
from callctl.store.visits import LONGEST_S, Visit
from callctl.web.api.forms import Form, KeyPath, Text
from callctl.web.doors import NOBODY, Doors
from callctl.web.gate import COOKIE, Caller, TheHouse, Who, address_of
from callctl.web.problems import Problem

DOORS = Doors()


class Entry(Form):
    """Who signs in."""

    name: Text
    password: Text
    code: Annotated[str, Field(max_length=10)] = ""


class NewPassword(Form):
    """The own password, old and new."""

    old: Text
    new: Text


class Invited(Form):
    """The password of a new account, or a new one, by invitation."""

    invitation: Text
    password: Text


class Codes(Form):
    """One-time codes to begin with: the key that was given out, a code to show that it arrived, and the own password."""

    password: Text
    key: Annotated[str, Field(max_length=64)]
    code: Annotated[str, Field(max_length=10)]


def set_cookie(answer: Response, secret: str) -> None:
    """Give the browser its visit: no script reads it, no other site's form sends it, only TLS (or localhost) carries it."""
    answer.set_cookie(COOKIE, secret, max_age=int(LONGEST_S), path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(answer: Response) -> None:
    """The browser forgets its visit."""
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")


def shown_visit(visit: Visit) -> dict[str, Any]:
    """A visit, for its own person."""
    return {
        "account": visit.account,
        "name": visit.name,
        "roles": list(visit.roles),
        "cities": list(visit.cities),
        "agent": visit.agent,
        "opened_at": visit.opened_at,
        "must_change_password": visit.must_change,
    }


@DOORS.post("/api/v1/visit", NOBODY, status_code=201, tags=["visit"])
async def sign_in(request: Request, house: TheHouse, body: Entry) -> JSONResponse:
    """签入控制台: begin a visit. Any visit the browser had ends: its secret is never kept for the next person."""
    before = await house.visits.find(request.cookies.get(COOKIE, ""), house.now())
    browser = request.headers.get("user-agent", "")
    visit, secret = await house.sign_in.enter(body.name, body.password, body.code, address_of(request), browser)
    if before is not None:
        await house.visits.close(before)
    answer = JSONResponse(shown_visit(visit), 201)
    set_cookie(answer, secret)
    return answer


@DOORS.delete("/api/v1/visit", "own account", status_code=204, tags=["visit"])
async def sign_out(house: TheHouse, who: Who) -> Response:
    """签出: end this visit."""
    answer = Response(status_code=204)
    await house.sign_in.leave(_visit(who), who.actor.where)
    drop_cookie(answer)
    return answer


@DOORS.get("/api/v1/me", "own account", tags=["visit"])
async def me(who: Who) -> dict[str, Any]:
    """Who I am and what I may."""
    if who.visit is not None:
        return shown_visit(who.visit)
    roles = sorted(role.value for role in who.actor.roles)
    return {"account": who.account, "name": who.actor.name, "roles": roles, "cities": sorted(who.actor.cities)}


@DOORS.post("/api/v1/me/password", "own account", status_code=204, tags=["visit"])
async def change_password(request: Request, house: TheHouse, who: Who, body: NewPassword) -> Response:
    """Change the own password. All visits of the account end, and this browser gets a new one.

    Wrong old passwords count as at the sign-in: 429 after too many.
    """
    visit = _visit(who)
    await house.people.change_password(who.account, body.old, body.new, who.actor.where, visit.key)
    browser = request.headers.get("user-agent", "")
    _, secret = await house.sign_in.begin(await house.people.own(who.account), who.actor.where, browser)
    answer = Response(status_code=204)
    set_cookie(answer, secret)
    return answer


@DOORS.post("/api/v1/invitation", NOBODY, status_code=204, tags=["visit"])
async def take_up_invitation(request: Request, house: TheHouse, body: Invited) -> Response:
    """Set a password by an invitation; then sign in with it."""
    await house.people.take_up(body.invitation, body.password, address_of(request))
    return Response(status_code=204)


@DOORS.post("/api/v1/me/codes/key", "own account", tags=["visit"])
async def new_code_key(who: Who) -> dict[str, str]:
    """A key for an authenticator. Nothing is changed until a code made with it comes back."""
    _visit(who)
    key = codes.new_key()
    return {"key": key, "address": codes.address(key, who.account)}


@DOORS.put("/api/v1/me/codes", "own account", status_code=204, tags=["visit"])
async def use_codes(house: TheHouse, who: Who, body: Annotated[Codes, Body()]) -> Response:
    """Ask this account for one-time codes from now on, or for those of another key. Wrong passwords count: see above."""
    _visit(who)
    await house.people.use_codes(who.account, body.password, body.key, body.code, who.actor.where)
    return Response(status_code=204)


@DOORS.get("/api/v1/me/visits", "own account", tags=["visit"])
async def my_visits(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """Where this account is signed in."""
    mine = _visit(who)
    return [
        {
            "key": visit.key,
            "this": visit.key == mine.key,
            "opened_at": visit.opened_at,
            "seen_at": visit.seen_at,
            "address": visit.address,
            "browser": visit.browser,
        }
        for visit in await house.visits.of(who.account)
    ]


@DOORS.delete("/api/v1/me/visits/{key}", "own account", status_code=204, tags=["visit"])
async def end_my_visit(house: TheHouse, who: Who, key: KeyPath) -> Response:
    """End one of the own visits."""
    _visit(who)
    for visit in await house.visits.of(who.account):
        if visit.key == key:
            await house.sign_in.leave(visit, who.actor.where)
            return Response(status_code=204)
    raise Problem(404, "not_found", Sentence("没有这个登录", "there is no such visit"))


def _visit(who: Caller) -> Visit:
    if who.visit is None:
        raise Problem(403, "not_allowed", Sentence("机器令牌没有登录", "a machine's token is not signed in"))
    return who.visit
