"""A console over a small province, on a real Valkey and a real SQLite; and people signed in to it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from callctl.app import House, open_house
from callctl.core.events import PbxObserved, SeatSeen, SeatState, TrunkSeen, WaitingCall
from callctl.core.fold import fold
from callctl.core.world import World
from callctl.people.accounts import Wanted
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.settings import read_settings
from callctl.store.visits import Visit
from callctl.web.gate import COOKIE
from callctl.web.site import make_site
from tests.small_province import small_province

SITE = "https://console.test"
PROVINCE = small_province()
PASSWORD = "Correct-Horse-7-Battery"
ROOT = Actor("root", "test", frozenset(Role), frozenset({EVERYWHERE}))


def observed(world: World, city: str, waiting: int, now: float) -> World:
    """The world after a reading of the city: every phone free, its trunks up, so many callers waiting."""
    calls = tuple(WaitingCall(f"{city}-1.{n}", "13800000000", now - 30.0 - n) for n in range(waiting))
    seats = tuple(SeatSeen(seat.id, SeatState.FREE) for seat in PROVINCE.cities[city].seats)
    trunks = tuple(TrunkSeen(trunk.to, True) for trunk in PROVINCE.cities[city].trunks)
    return fold(world, [PbxObserved(city, now, calls, seats, (), (), (), trunks)])


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def __call__(self) -> float:
        return self.at


class Console:
    """The house, its site, and browsers that come to it."""

    def __init__(self, house: House, site: FastAPI, clock: Hand) -> None:
        self.house = house
        self.site = site
        self.clock = clock
        self._browsers: list[httpx.AsyncClient] = []

    def browser(self, **headers: str) -> httpx.AsyncClient:
        """Somebody not signed in; as a browser it says where its requests come from."""
        opened = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.site, client=("10.1.2.3", 40_000)),
            base_url=SITE,
            headers={"Sec-Fetch-Site": "same-origin", "Accept-Language": "en", **headers},
        )
        self._browsers.append(opened)
        return opened

    async def as_role(
        self, role: Role, *cities: str, agent: str = "", more_roles: tuple[str, ...] = (), **more: Any
    ) -> httpx.AsyncClient:
        """A browser with a visit of this role; as good as signed in."""
        name = f"{role.value}-{'-'.join(cities) or 'all'}"
        visit = Visit(
            key="", account=name.replace("_", "-"), name=name, roles=(role.value, *more_roles),
            cities=cities or (EVERYWHERE,), agent=agent, opened_at=self.clock(), seen_at=self.clock(),
            address="10.1.2.3", browser="test", **more,
        )  # fmt: skip
        browser = self.browser()
        browser.cookies.set(COOKIE, await self.house.visits.open(visit))
        return browser

    async def account(self, name: str, role: Role, *cities: str, agent: str = "") -> None:
        """An account that can sign in with PASSWORD."""
        wanted = Wanted(name, frozenset({role}), frozenset(cities) or frozenset({EVERYWHERE}), agent)
        invitation = await self.house.people.create(ROOT, name, wanted)
        await self.house.people.take_up(invitation, PASSWORD, "test")

    async def signed_in(self, name: str, **fields: str) -> httpx.AsyncClient:
        """A browser that has signed in as this account."""
        browser = self.browser()
        answer = await browser.post("/api/v1/visit", json={"name": name, "password": PASSWORD, **fields})
        assert answer.status_code == 201, answer.text
        return browser

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.aclose()


@asynccontextmanager
async def open_console(folder: Path, redis_url: str, **environment: str) -> AsyncIterator[Console]:
    """The console, its live picture running."""
    clock = Hand()
    settings = read_settings({"CALLCTL_STATE": str(folder), "CALLCTL_REDIS_URL": redis_url, **environment})
    async with open_house(settings, PROVINCE, clock) as house:
        site = make_site(house)
        async with site.router.lifespan_context(site):
            console = Console(house, site, clock)
            yield console
            await console.close()


def problem(answer: httpx.Response) -> Mapping[str, Any]:
    """The body of a refusal, which must be problem+json."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    body: Mapping[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    return body
