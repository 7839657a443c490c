"""Who comes through a door, and whether it opens: the visit of the cookie, or the token of a machine; right and city."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from callctl.app import House
from callctl.atlas import find_city
from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import City
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.store.port import StoreLost
from callctl.store.visits import Visit
from callctl.web.doors import NOBODY
from callctl.web.problems import Problem
from callctl.web.words import LANGUAGE_COOKIE, Words, chosen_language

COOKIE = "__Host-callctl"
TURNS = 12  # Visits looked up at a time, so that who waits for a turn does not run into the registry's deadline.
RECHECK_S = 10.0  # How long a stream may run on after its visit, or its machine's token, was ended.


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    actor: Actor
    account: str  # Name of the account, or "token:<name>".
    agent: str  # 工号 of an agent's account.
    visit: Visit | None  # None: a machine with a token.
    bearer: str = field(default="", repr=False)  # The secret of the machine's token.


def words_of(request: Request) -> Words:
    """The language of this request."""
    asked, accepted = request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", "")
    return Words(chosen_language(asked, accepted))


def house_of(request: Request) -> House:
    """Everything the console works on."""
    house: House = request.app.state.house
    return house


def address_of(request: Request) -> str:
    """Where the request comes from; a proxy is believed only where the settings name it (web/server.py)."""
    return request.client.host if request.client else "?"


class Gate:
    """Finds the visit of a browser, a few at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(TURNS)

    async def visit_of(self, request: Request, now: float) -> Visit | None:
        """The visit of the browser's cookie. Raises StoreLost where Redis is away and the visit not known from before."""
        secret, visits = request.cookies.get(COOKIE, ""), house_of(request).visits
        if not secret:
            return None
        try:
            async with self._turns:
                return await visits.find(secret, now)
        except StoreLost:
            known = visits.lately(secret, now)
            if known is None:
                raise
            return known


def caller_of_visit(visit: Visit, address: str) -> Caller:
    """The person of a visit."""
    roles = frozenset(Role(role) for role in visit.roles)
    actor = Actor(visit.name, address, roles, frozenset(visit.cities), account=visit.account)
    return Caller(actor, visit.account, visit.agent, visit)


async def identify(request: Request) -> Caller | None:
    """Who asks; None for nobody. A token goes before a cookie: its bearer needs no browser's protection."""
    house, address = house_of(request), address_of(request)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        token = await house.tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            return None
        roles = frozenset(Role(role) for role in token.roles)
        only = frozenset(token.rights) if token.rights else None
        actor = Actor(f"token:{token.name}", address, roles, frozenset(token.cities), only)
        return Caller(actor, f"token:{token.name}", "", None, secret.strip())
    gate: Gate = request.app.state.gate
    visit = await gate.visit_of(request, house.now())
    return caller_of_visit(visit, address) if visit else None


class Watch:
    """Over a stream that runs long: whether who asked for it may still have it."""

    def __init__(self, house: House, who: Caller) -> None:
        self._house = house
        self._who = who
        self._clock = asyncio.get_running_loop().time
        self._asked_at = self._clock()

    async def over(self) -> bool:
        """Whether the visit or the token has ended; asked of the stores every RECHECK_S at most.

        With a store away nobody knows: then the stream says so, which is more use than a closed one.
        """
        if self._clock() - self._asked_at < RECHECK_S:
            return False
        self._asked_at = self._clock()
        try:
            if self._who.visit is not None:
                return not await self._house.visits.alive(self._who.visit.key)
            return await self._house.tokens.find(self._who.bearer) is None
        except StoreLost:
            return False


class Needs:
    """Stands in front of every route: who asks must have this right, for the city of the path where it names one."""

    def __init__(self, right: str, of_city: bool) -> None:
        self.right = right
        self.of_city = of_city

    async def __call__(self, request: Request) -> None:
        """Let pass, or raise Problem."""
        if self.right == NOBODY:
            return
        caller = await identify(request)
        if caller is None:
            raise Problem(401, "sign_in", Sentence("请先登录", "sign in first"), headers={"WWW-Authenticate": "Bearer"})
        request.state.caller = caller  # Also the page that refuses has their name and the emergency stop.
        if caller.visit is not None and caller.visit.must_change and self.right != "own account":
            raise Problem(403, "change_password", Sentence("请先修改密码", "change your password first"))
        city = ""
        if self.of_city:
            try:
                found = find_city(house_of(request).province, request.path_params["city"])
            except ActRefused as unknown:
                raise Problem(404, "not_found", unknown.sentence) from None
            request.state.city = found
            city = found.code
        caller.actor.must(self.right, city)


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _city(request: Request) -> City:
    city: City = request.state.city
    return city


# For the arguments of a route's function.
Who = Annotated[Caller, Depends(_caller)]
TheCity = Annotated[City, Depends(_city)]
TheHouse = Annotated[House, Depends(house_of)]
TheWords = Annotated[Words, Depends(words_of)]


def seen_cities(house: House, actor: Actor) -> list[str]:
    """The codes of the cities this person sees in full, in the province's order."""
    return [code for code in house.province.cities if EVERYWHERE in actor.cities or code in actor.cities]
