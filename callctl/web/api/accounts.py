"""/api/v1/accounts and /tokens: who may sign in, and which machines may ask. The security administrator's."""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from callctl.people.accounts import TOKEN_DAYS_MOST, Wanted
from callctl.rights import RIGHTS, Role
from callctl.store.accounts import Account, Token
from callctl.web.api.forms import Form, KeyPath, NamePath, OnceKey, Reason, ReasonAsked, Text
from callctl.web.doors import Doors
from callctl.web.gate import TheHouse, Who

DOORS = Doors()

Name = Annotated[str, Field(max_length=64)]
Names = Annotated[list[Text], Field(max_length=50)]


class Post(Form):
    """What an account shall be."""

    person: Annotated[str, Field(max_length=64)] = ""
    roles: Annotated[list[Role], Field(max_length=len(Role))]
    cities: Names
    agent: Name = ""
    closed: bool = False
    reason: Reason = ""


class NewAccount(Post):
    """A new account."""

    name: Name


class ChangedAccount(Post):
    """An account as it shall be, and the version it was changed from."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class Why(Form):
    """Only the reason."""

    reason: Reason = ""


class NewToken(Form):
    """A machine's token."""

    name: Name
    roles: Annotated[list[Role], Field(max_length=len(Role))]
    cities: Names
    rights: Annotated[list[Text], Field(default_factory=list, max_length=len(RIGHTS))]
    days: Annotated[int, Field(ge=1, le=TOKEN_DAYS_MOST)] = 365
    reason: Reason = ""


def shown_account(account: Account) -> dict[str, Any]:
    """An account as the API shows it."""
    return {**asdict(account), "roles": list(account.roles), "cities": list(account.cities)}


@DOORS.get("/api/v1/accounts", "see accounts", tags=["accounts"])
async def all_accounts(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """Every account of one's own cities, by name."""
    return [shown_account(account) for account in await house.people.accounts(who.actor)]


@DOORS.post("/api/v1/accounts", "change accounts", status_code=201, tags=["accounts"])
async def create(house: TheHouse, who: Who, body: NewAccount, key: OnceKey = "") -> dict[str, str]:
    """A new account; the answer holds its invitation, which is not shown again."""
    invitation = await house.people.create(who.actor, body.name, wanted(body), body.reason, key)
    return {"name": body.name, "invitation": invitation}


@DOORS.get("/api/v1/accounts/{name}", "see accounts", tags=["accounts"])
async def one_account(house: TheHouse, who: Who, name: NamePath) -> dict[str, Any]:
    """One account of one's own cities."""
    return shown_account(await house.people.seen(who.actor, name))


@DOORS.put("/api/v1/accounts/{name}", "change accounts", tags=["accounts"])
async def change(house: TheHouse, who: Who, name: NamePath, body: ChangedAccount, key: OnceKey = "") -> dict[str, Any]:
    """Change an account; 409 where somebody else did since `version`."""
    return shown_account(await house.people.change(who.actor, name, body.version, wanted(body), body.reason, key))


@DOORS.post("/api/v1/accounts/{name}/invitation", "change accounts", status_code=201, tags=["accounts"])
async def invite(house: TheHouse, who: Who, name: NamePath, body: Why, key: OnceKey = "") -> dict[str, str]:
    """Invite anew, for a forgotten password or a lost telephone."""
    return {"name": name, "invitation": await house.people.invite(who.actor, name, body.reason, key)}


@DOORS.get("/api/v1/accounts/{name}/visits", "see accounts", tags=["accounts"])
async def visits(house: TheHouse, who: Who, name: NamePath) -> list[dict[str, Any]]:
    """Where an account is signed in."""
    await house.people.seen(who.actor, name)
    shown = ("key", "opened_at", "seen_at", "address", "browser")
    return [{key: asdict(visit)[key] for key in shown} for visit in await house.visits.of(name)]


@DOORS.delete("/api/v1/accounts/{name}/visits", "change accounts", status_code=204, tags=["accounts"])
async def end_visits(house: TheHouse, who: Who, name: NamePath, reason: ReasonAsked = "") -> Response:
    """Sign an account out everywhere."""
    await house.people.end_visits(who.actor, name, reason=reason)
    return Response(status_code=204)


@DOORS.delete("/api/v1/accounts/{name}/visits/{key}", "change accounts", status_code=204, tags=["accounts"])
async def end_visit(house: TheHouse, who: Who, name: NamePath, key: KeyPath, reason: ReasonAsked = "") -> Response:
    """End one visit of an account."""
    await house.people.end_visits(who.actor, name, key, reason)
    return Response(status_code=204)


@DOORS.get("/api/v1/tokens", "see accounts", tags=["tokens"])
async def all_tokens(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """Every machine token of one's own cities, without its secret."""
    return [_shown_token(token) for token in await house.people.tokens(who.actor)]


@DOORS.post("/api/v1/tokens", "change accounts", status_code=201, tags=["tokens"])
async def make_token(house: TheHouse, who: Who, body: NewToken, key: OnceKey = "") -> dict[str, str]:
    """A new token; the answer holds its secret, which is not shown again."""
    secret = await house.people.make_token(
        who.actor, body.name, body.roles, body.cities, body.rights, body.days, body.reason, key
    )
    return {"name": body.name, "secret": secret}


@DOORS.delete("/api/v1/tokens/{name}", "change accounts", status_code=204, tags=["tokens"])
async def end_token(house: TheHouse, who: Who, name: NamePath, reason: ReasonAsked = "", key: OnceKey = "") -> Response:
    """The token is refused from now on."""
    await house.people.end_token(who.actor, name, reason, key)
    return Response(status_code=204)


def wanted(body: Post) -> Wanted:
    """The body as the people's book takes it."""
    return Wanted(body.person, frozenset(body.roles), frozenset(body.cities), body.agent, body.closed)


def _shown_token(token: Token) -> dict[str, Any]:
    lists = {"roles": list(token.roles), "cities": list(token.cities), "rights": list(token.rights)}
    return {**asdict(token), **lists}
