"""The live wallboard: drawn once for all who see the same, and sent as the pieces that have changed.

Who connects, or has missed a piece, gets all of them; so after a lost connection everything is right again. Something
is sent every BEAT_S at least: a page that hears nothing knows that it is cut off.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from jinja2 import Environment

from callctl.core.day import DAY_S, day_start
from callctl.core.model import Province
from callctl.store.day import DayFigures
from callctl.store.port import StoreLost
from callctl.web.feed import Feed
from callctl.web.shown.board import Board, Figures, board
from callctl.web.shown.show import Show
from callctl.web.words import Words

BEAT_S = 1.0
DRAW_LEAST_S = 0.1  # A change is on every screen this soon, and no screen is drawn more often.
BUSY_SHARE = 0.6  # Most of the time that goes into drawing and sending, however many look: presses need the rest.
COUNT_OLD_S = 60.0  # Older counts (nobody looked, or SQL hangs) are no counts: what is not known is not shown.
COUNT_EVERY_S = 5.0  # The day's counts are asked of SQL so often, while anybody looks.
WEEK_S = 7 * DAY_S

log = structlog.get_logger()

Blocks = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sight:
    """Who sees the same board: the own cities (None: all), the language, and the one city it is about ("": all)."""

    cities: frozenset[str] | None
    language: str
    city: str = ""


class Screen:
    """One board as it is now, and everybody who looks at it."""

    def __init__(self, draw: Callable[[], Blocks]) -> None:
        self._draw = draw
        self.blocks: Blocks = draw()
        self.watchers = 0
        self._number = 0
        self._latest = b""  # What has changed between the number before and this one.
        self._whole: bytes | None = None
        self._turn = asyncio.Event()

    def redraw(self) -> None:
        """Draw anew and wake everybody."""
        before, self.blocks = self.blocks, self._draw()
        changed = {name: block for name, block in self.blocks.items() if before.get(name) != block}
        self._number += 1
        self._latest = message(changed, self._number)
        if changed:
            self._whole = None
        turned, self._turn = self._turn, asyncio.Event()
        turned.set()

    def whole(self) -> bytes:
        """All pieces, as one message."""
        if self._whole is None:
            self._whole = message(self.blocks, self._number)
        return self._whole

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Everything, and then what changes, for ever."""
        seen = self._number
        yield self.whole()
        while True:
            turn = self._turn
            if self._number == seen:
                await turn.wait()
            missed = self._number - seen > 1
            seen = self._number
            yield self.whole() if missed else self._latest


class Boards:
    """Every screen that anybody looks at."""

    def __init__(
        self, feed: Feed, province: Province, day: DayFigures, templates: Environment, now: Callable[[], float]
    ) -> None:
        self._feed = feed
        self._province = province
        self._day = day
        self._templates = templates
        self._now = now
        self._screens: dict[Sight, Screen] = {}
        self._figures = Figures()
        self._counted_at = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Draw and count for as long as the block lasts."""
        tasks = [
            asyncio.create_task(self._draw_on(), name="wallboard"),
            asyncio.create_task(self._count_on(), name="day's counts"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def board(self, sight: Sight) -> Board:
        """The board now."""
        only = (sight.city,) if sight.city else ()
        return board(self._feed.scene(sight.cities), self._province, self._own(sight), self._now(), only)

    def blocks(self, sight: Sight) -> Blocks:
        """Its pieces as HTML, by the id of their place on the page."""
        return self._drawn(sight)

    async def watch(self, sight: Sight) -> AsyncIterator[bytes]:
        """The messages of one watcher's stream, until it is closed."""
        screen = self._screens.get(sight)
        if screen is None:
            screen = self._screens[sight] = Screen(lambda: self._drawn(sight))
        screen.watchers += 1
        try:
            async with contextlib.aclosing(screen.messages()) as messages:
                async for one in messages:
                    yield one
        finally:
            screen.watchers -= 1
            if not screen.watchers and self._screens.get(sight) is screen:
                del self._screens[sight]

    async def count(self) -> None:
        """Ask SQL for the day's counts; where it is lost they are unknown."""
        now = self._now()
        codes = tuple(self._province.cities)
        began = day_start(now)
        try:
            today = await self._day.asked(codes, began, now + 1.0)
            week_ago = await self._day.asked(codes, began - WEEK_S, now - WEEK_S)
        except StoreLost as lost:
            if not self._figures.lost:
                log.warning("the day's counts are lost", why=str(lost))
            self._figures, self._counted_at = Figures(lost=True), self._now()
            return
        self._figures, self._counted_at = Figures(today, week_ago), self._now()

    async def _draw_on(self) -> None:
        number, clock = -1, asyncio.get_running_loop().time
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    number = await self._feed.next(number)
            began = clock()
            for screen in list(self._screens.values()):
                screen.redraw()
                await asyncio.sleep(0)  # A screen's watchers are told before the next one is drawn.
            await asyncio.sleep(max(DRAW_LEAST_S, (clock() - began) * (1.0 / BUSY_SHARE - 1.0)))

    async def _count_on(self) -> None:
        while True:
            if self._screens or self._figures.today is None:
                await self.count()
            await asyncio.sleep(COUNT_EVERY_S)

    def _own(self, sight: Sight) -> Figures:
        """The counts this person may see."""
        if abs(self._now() - self._counted_at) > COUNT_OLD_S:
            return Figures()
        if sight.cities is None:
            return self._figures

        def own(counts: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
            return None if counts is None else {city: one for city, one in counts.items() if city in (sight.cities or ())}

        return Figures(own(self._figures.today), own(self._figures.week_ago), self._figures.lost)

    def _drawn(self, sight: Sight) -> Blocks:
        words = Words(sight.language)
        shown = {"_": words, "show": Show(words), "province": self._province, "language": sight.language}
        macros: Any = self._templates.get_template("board/blocks.html").make_module(shown)
        seen = self.board(sight)
        parts = ("state", "events", "flows", "flow_list", "trunks", "alarms")
        blocks = {f"b-{part.replace('_', '-')}": str(getattr(macros, part)(seen)).strip() for part in parts}
        for tile in seen.tiles:
            blocks[f"b-tile-{tile.code}"] = str(macros.tile(tile)).strip()
        if sight.city:
            blocks["b-seats"] = str(macros.seats(self._seats(sight), self._province.cities[sight.city])).strip()
        return blocks

    def _seats(self, sight: Sight) -> Mapping[str, str] | None:
        """The state of each seat of the one city; None: unknown."""
        seen = self._feed.scene(sight.cities)["cities"][sight.city]
        return seen.get("seat_states") if seen.get("up") and seen["own"] else None


def message(blocks: Blocks, number: int) -> bytes:
    """One server-sent event: an htmx partial for every piece, or a mere beat where nothing has changed."""
    if not blocks:
        return f"id: {number}\nevent: beat\ndata: {number}\n\n".encode()
    lines = [f"id: {number}"]
    for name, block in blocks.items():
        part = f'<hx-partial hx-target="#{name}" hx-swap="innerMorph">{block}</hx-partial>'
        lines += [f"data: {line}" for line in part.splitlines()]
    return ("\n".join(lines) + "\n\n").encode()
