"""A hall: a console, a browser before it, and a controller's pictures that a test changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from callctl import clock
from callctl.core.model import Province
from callctl.rights import Role
from tests.web.browser import Site, listening
from tests.web.published import Scene

PUBLISHED_EVERY_S = 0.5  # As the controller does.
# Of every module that looks at pages: one Chromium for all of them, and so one event loop, too.
IN_THE_BROWSER = [pytest.mark.browser, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="session")]


@dataclass
class Hall:
    """What a test of pages has."""

    site: Site
    browser: Browser
    scene: Scene
    publishing: bool = True
    faults: list[str] = field(default_factory=list)  # What the browser complained of: scripts, content policy.

    async def page(self, role: Role | None = Role.DISPATCHER, *cities: str, path: str = "/board", **more: Any) -> Page:
        """A page of somebody who is signed in, in a browser of its own."""
        context = await self.site.context(self.browser, role, *cities, **more)
        page = await context.new_page()
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        await page.goto(path)
        return page

    async def publish(self) -> None:
        """Put pictures as a controller does, for ever."""
        while True:
            if self.publishing:
                with contextlib.suppress(Exception):
                    await self.site.house.room.registry.put_status(self.scene.picture(clock.now()))
            await asyncio.sleep(PUBLISHED_EVERY_S)


@asynccontextmanager
async def open_hall(folder: Path, redis_url: str, province: Province, browser: Browser) -> AsyncIterator[Hall]:
    """The hall, its pictures running. No page, cookie or store of it is left in the browser."""
    async with listening(folder, redis_url, province) as site:
        made = Hall(site, browser, Scene(province))
        publishing = asyncio.create_task(made.publish())
        try:
            yield made
        finally:
            publishing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing  # The loop outlives the test.
            for context in browser.contexts:
                await context.close()
