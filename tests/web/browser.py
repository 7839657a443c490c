"""A real browser before a real console: uvicorn on loopback over a real Valkey and SQLite; and what is published there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from callctl import clock
from callctl.app import House, open_house
from callctl.core.model import Province
from callctl.rights import EVERYWHERE, Role
from callctl.settings import Settings, read_settings
from callctl.store.visits import Visit
from callctl.web.gate import COOKIE
from callctl.web.site import make_site

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROJECT = Path(__file__).resolve().parent.parent.parent
PICTURES = PROJECT / "build" / "screens"
AXE = Path(__file__).parent / "vendored" / "axe.min.js"
PATIENCE_MS = 30_000  # Of a test on a busy machine; what is promised in time is the benchmarks' to measure.
expect.set_options(timeout=PATIENCE_MS)
WALL, DESK, PHONE = (1920, 1080), (1366, 768), (390, 844)


@asynccontextmanager
async def chromium(*more: str) -> AsyncIterator[Browser]:
    """Debian's Chromium; nothing is downloaded."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *more])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True)
class Site:
    """A console that listens."""

    house: House
    address: str

    async def visit(self, role: Role, *cities: str, agent: str = "", name: str = "") -> str:
        """The cookie of somebody who is signed in."""
        now = clock.now()
        called = name or f"{role.value}-{'-'.join(cities) or 'all'}"
        visit = Visit(
            key="", account=called.replace("_", "-").lower(), name=called, roles=(role.value,),
            cities=cities or (EVERYWHERE,),
            agent=agent, opened_at=now, seen_at=now, address="127.0.0.1", browser="test",
        )  # fmt: skip
        return await self.house.visits.open(visit)

    async def context(
        self, browser: Browser, role: Role | None, *cities: str, size: tuple[int, int] = DESK, **more: Any
    ) -> BrowserContext:
        """A browser of its own, signed in (role None: nobody). Its Chinese is the default."""
        agent, name = more.pop("agent", ""), more.pop("name", "")
        options = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai", **more}
        context = await browser.new_context(
            base_url=self.address, viewport={"width": size[0], "height": size[1]}, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        if role is not None:
            secret = await self.visit(role, *cities, agent=agent, name=name)
            place = {"domain": "127.0.0.1", "path": "/", "secure": True, "httpOnly": True, "sameSite": "Lax"}
            await context.add_cookies([{"name": COOKIE, "value": secret, **place}])  # type: ignore[list-item]
        return context


@asynccontextmanager
async def listening(
    folder: Path, redis_url: str, province: Province, connects: tuple[str, ...] = (), **environment: str
) -> AsyncIterator[Site]:
    """The console on a free port of loopback, in this event loop, with the real clock."""
    settings = read_settings({"CALLCTL_STATE": str(folder), "CALLCTL_REDIS_URL": redis_url, **environment})
    async with site_of(settings, province, connects) as site:
        yield site


@asynccontextmanager
async def site_of(settings: Settings, province: Province, connects: tuple[str, ...] = ()) -> AsyncIterator[Site]:
    """The same with settings of somebody else's making."""
    async with open_house(settings, province, clock.now) as house:
        config = uvicorn.Config(make_site(house, connects), "127.0.0.1", 0, log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        try:
            while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody.
                await asyncio.sleep(0.02)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Site(house, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError):
                await serving


async def picture_of(page: Page, name: str) -> None:
    """Keep a screenshot for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


async def axe(page: Page) -> list[str]:
    """What axe finds wrong on the page, one line each; empty is what is wanted."""
    # Past the page's content policy, as a browser's own tools are.
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: Mapping[str, Any] = await page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes']][:5]}" for one in found["violations"]]
