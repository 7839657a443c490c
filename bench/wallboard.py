"""The wallboard: from a fact to five hundred screens, and what the page weighs and how soon it paints.

The console is `callctl web` in a process of its own, the controller another one: a real one, with links that tell what
is written here (callers who arrive, at any moment). From the moment a link tells it to the moment a screen has read it.
Five hundred browsers are stood in for by connections that read the same stream a page reads. A real Chromium beside
them says when the figure was on its screen: read, the tile changed, a frame drawn.
"""

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.async_api import Browser, BrowserContext, Page

from callctl.controller import Controller
from callctl.core.commands import Order
from callctl.core.events import CallWaiting, Fact, WaitingCall
from callctl.core.model import City
from callctl.province import read_province
from callctl.rights import EVERYWHERE, Role
from callctl.settings import shipped
from callctl.sim.registry import MemoryHistory
from callctl.store.embedded import start
from callctl.store.registry import RedisRegistry
from callctl.store.visits import Visit, Visits
from callctl.web.gate import COOKIE
from callctl.web.shown.show import manifest
from tests.web.browser import chromium
from tests.web.published import Scene

CLIENTS = 500
FACTS = 30
PORT = 18_766
FIRST_MARK = 1000  # Callers waiting, as the mark of a fact: no other figure on the board is as large.


def measure() -> list[dict[str, Any]]:
    """All of it."""
    return asyncio.run(_measure())


async def _measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-wallboard-") as folder:
        valkey = start(Path(folder) / "valkey")
        registry = RedisRegistry(valkey.url)
        try:
            await registry.put_status(Scene(read_province(shipped("queues").parent)).picture(time.time()))
            async with _console(Path(folder), valkey.url):
                now = time.time()
                visit = Visit("", "bench", "bench", (Role.DISPATCHER.value,), (EVERYWHERE,), "", now, now, "127.0.0.1", "")
                secret = await Visits(registry.link).open(visit)
                return [*await _latency(secret, valkey.url), *_weight(secret), *await _paint(secret)]
        finally:
            await registry.close()
            valkey.stop()


@asynccontextmanager
async def _console(folder: Path, redis_url: str) -> AsyncIterator[None]:
    more = {"CALLCTL_STATE": str(folder / "state"), "CALLCTL_REDIS_URL": redis_url, "CALLCTL_WEB_PORT": str(PORT)}
    console = subprocess.Popen(  # noqa: ASYNC220 - Started once, before anything is measured.
        [sys.executable, "-m", "callctl", "web"],
        env={**os.environ, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", PORT)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield
    finally:
        console.terminate()
        console.wait()


class _Screen:
    """One watcher: when it saw which mark."""

    def __init__(self) -> None:
        self.seen: dict[int, float] = {}
        self.bytes = 0

    async def watch(self, secret: str) -> None:
        """As a page does: refused or cut off, it comes again after a while."""
        while True:
            await self._read(secret)
            await asyncio.sleep(0.3)

    async def _read(self, secret: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=2**20)
        head = f"GET /board/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {COOKIE}={secret}\r\n\r\n"
        writer.write(head.encode())
        try:
            rest = b""
            if b" 200 " not in await reader.readline():
                return
            while content := await reader.read(2**18):
                self.bytes += len(content)
                text = rest + content
                for mark in _marks(text):
                    self.seen.setdefault(mark, time.monotonic())
                rest = text[-200:]
        finally:
            writer.close()


def _marks(text: bytes) -> Iterator[int]:
    """The marks in a piece of the stream: figures of four digits as a tile shows them."""
    begin = 0
    while (at := text.find(b"<b data-live>", begin)) >= 0:
        figure = text[at + 13 : at + 17]
        if figure.isdigit() and int(figure) >= FIRST_MARK:
            yield int(figure)
        begin = at + 13


class _Quiet:
    """A city's PBX that tells what it is given to tell, and obeys at once."""

    def __init__(self, scene: Scene, city: City) -> None:
        self.city = city.code
        self._scene, self._of = scene, city
        self._tell: Callable[[Fact], None] = lambda _: None

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        self._tell = on_fact
        await self.reread()
        await asyncio.Event().wait()

    async def do(self, order: Order) -> None: ...

    async def reread(self) -> None:
        self._tell(self._scene._reading(self._of, time.time(), random.Random(1)))

    def arrives(self, number: int) -> None:
        """One more caller."""
        self._scene.waiting[self.city] = FIRST_MARK + number
        now = time.time()
        self._tell(CallWaiting(self.city, now, WaitingCall(f"{self.city}-9.{number}", "13900000000", now)))


async def _control(redis_url: str) -> None:
    """A controller, and one caller after the other; prints when each mark was told (monotonic, of this machine)."""
    province = read_province(shipped("queues").parent)
    scene, chance = Scene(province), random.Random(7)
    scene.waiting["yangzhou"] = FIRST_MARK - 1
    links = {code: _Quiet(scene, city) for code, city in province.cities.items()}
    history = MemoryHistory(keeps_facts=False)
    history.known = scene.wishes(time.time())
    registry = RedisRegistry(redis_url)
    controller = Controller(province, links, registry, history, time.time, "bench")
    running = asyncio.create_task(controller.run())
    await asyncio.to_thread(sys.stdin.readline)  # "go"
    for number in range(FACTS):
        await asyncio.sleep(chance.uniform(0.8, 1.6))
        links["yangzhou"].arrives(number)
        print("mark", FIRST_MARK + number, time.monotonic(), flush=True)
    await asyncio.sleep(2.0)
    running.cancel()
    await registry.close()


# Notes the wall clock of the frame that draws each mark.
WATCH = """() => {
    const seen = window.seen = {};
    const look = () => {
        for (const figure of document.querySelectorAll("b[data-live]")) {
            const mark = Number(figure.textContent);
            if (mark >= 1000 && !(mark in seen)) {
                seen[mark] = 0;
                requestAnimationFrame(() => { seen[mark] = Date.now(); });
            }
        }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


async def _latency(secret: str, redis_url: str) -> list[dict[str, Any]]:
    async with chromium() as browser:
        page = await _board(await _signed_in(browser, secret))
        await page.evaluate(WATCH)
        rows, happened = await _screens(secret, redis_url)
        ahead_s = time.time() - time.monotonic()
        seen = {int(mark): at / 1000 - ahead_s for mark, at in (await page.evaluate("window.seen")).items() if at}
    late_ms = sorted(
        1000 * (min(drawn) - at)
        for mark, at in happened.items()
        if (drawn := [when for shown, when in seen.items() if shown >= mark])
    )
    if not late_ms:
        raise RuntimeError("Chromium has drawn none of the figures")
    name = "wallboard: fact to a frame drawn by Chromium"
    return [
        *rows,
        _row(f"{name}, p50", round(statistics.median(late_ms)), "ms", "aim 1000"),
        _row(f"{name}, slowest", round(late_ms[-1]), "ms", f"aim 1000; {FACTS - len(late_ms)} of {FACTS} not shown"),
    ]


async def _signed_in(browser: Browser, secret: str) -> BrowserContext:
    context = await browser.new_context(viewport={"width": 1920, "height": 1080})
    place = {"domain": "127.0.0.1", "path": "/", "secure": True, "httpOnly": True}
    await context.add_cookies([{"name": COOKIE, "value": secret, **place}])  # type: ignore[list-item]
    return context


async def _board(context: BrowserContext) -> Page:
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{PORT}/board")
    await page.locator("canvas").first.wait_for()
    return page


async def _screens(secret: str, redis_url: str) -> tuple[list[dict[str, Any]], dict[int, float]]:
    """The rows, and when each mark was told."""
    screens = [_Screen() for _ in range(CLIENTS)]
    controller = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "control", redis_url), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert controller.stdin is not None
    assert controller.stdout is not None
    tasks = [asyncio.create_task(screen.watch(secret)) for screen in screens]
    while not all(screen.bytes for screen in screens):  # noqa: ASYNC110 - They tell nobody.
        await asyncio.sleep(0.2)
    await asyncio.sleep(5)  # The controller leads, the boards are drawn.
    begun = sum(screen.bytes for screen in screens)
    controller.stdin.write(b"go\n")
    happened: dict[int, float] = {}
    while line := await controller.stdout.readline():
        if line.startswith(b"mark "):  # Other lines are the controller's log.
            _, mark, at = line.split()
            happened[int(mark)] = float(at)
    await controller.wait()
    await asyncio.sleep(2)
    for task in tasks:
        task.cancel()
    # A screen that shows a newer figure has not missed the older one: it is as late as the newer is.
    late_ms = [
        1000 * (min(seen) - at)
        for mark, at in happened.items()
        for screen in screens
        if (seen := [when for shown, when in screen.seen.items() if shown >= mark])
    ]
    missed = CLIENTS * FACTS - len(late_ms)
    late_ms.sort()
    sent = (sum(screen.bytes for screen in screens) - begun) / CLIENTS / FACTS
    aim = "aim 500"
    rows = [
        _row(f"wallboard: fact to screen, p50, {CLIENTS} clients", round(statistics.median(late_ms)), "ms", aim),
        _row(f"wallboard: fact to screen, p95, {CLIENTS} clients", round(late_ms[int(0.95 * len(late_ms))]), "ms", aim),
        _row("wallboard: facts that a screen did not show", missed, f"of {CLIENTS * FACTS}", "aim 0"),
        _row("wallboard: sent to one screen for each fact", round(sent), "bytes", "the whole board is 14 tiles"),
    ]
    return rows, happened


def _weight(secret: str) -> list[dict[str, Any]]:
    asked = urllib.request.Request(f"http://127.0.0.1:{PORT}/board", headers={"Cookie": f"{COOKIE}={secret}"})
    page = len(urllib.request.urlopen(asked).read())
    names = ("console.css", "console.js", "wallboard.js", "favicon.svg")
    weighed = 0
    for name in names:
        wanted = urllib.request.Request(f"http://127.0.0.1:{PORT}/static/{name}", headers={"Accept-Encoding": "gzip"})
        weighed += len(urllib.request.urlopen(wanted).read())
    assert weighed <= sum(int(manifest()[name]["bytes"]) for name in names)
    return [
        _row("wallboard: first load, scripts and styles packed", round((page + weighed) / 1000), "kB", "aim 500"),
        _row("wallboard: of that the page itself, not packed", round(page / 1000), "kB", ""),
    ]


async def _paint(secret: str) -> list[dict[str, Any]]:
    async with chromium() as browser:
        context = await _signed_in(browser, secret)
        painted = []
        for _ in range(5):
            page = await _board(context)
            painted.append(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
            await page.close()
    return [
        _row("wallboard: first contentful paint, first visit", round(painted[0]), "ms", ""),
        _row("wallboard: first contentful paint, later visits, median", round(statistics.median(painted[1:])), "ms", ""),
    ]


def _row(name: str, value: float, unit: str, against: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "against": against}


if __name__ == "__main__" and sys.argv[1:2] == ["control"]:
    asyncio.run(_control(sys.argv[2]))
elif __name__ == "__main__":
    for row in measure():
        print(row)
