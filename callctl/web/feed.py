"""The live picture for pages: one look at Redis for everybody, and to each person the part that is theirs.

A client gets the whole picture when it connects and whenever it changes, at most PICTURE_EVERY_S apart; while nothing
but clocks move, every BEAT_S. Nothing is ever a difference to something before: after a lost connection all is right again.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from callctl.core.model import Province
from callctl.core.outlook import outlook
from callctl.store.bell import Bell
from callctl.store.notices import Notice, Notices
from callctl.store.port import Registry, StoreLost

LOOK_S = 0.5  # How often Redis is asked at least; the bell calls us as soon as there is something to see.
LOOK_LEAST_S = 0.05  # A storm of notices is looked at in one go.
BEAT_S = 2.0  # Ages and waits move by themselves; a page that hears nothing for three beats knows that it is cut off.
STALE_S = 5.0  # As callctl status: older, and the controller is not there.
NOTICES_KEPT = 200  # A page that missed more than these asks for the state.
WAIT_S = 60.0  # How long a client waits for a turn before it is asked whether it is still allowed in.

log = structlog.get_logger()


class Feed:
    """The picture as last heard, and who waits for the next."""

    def __init__(
        self,
        registry: Registry,
        notices: Notices,
        bell: Bell,
        province: Province,
        now: Callable[[], float],
        look_at_scripts: Callable[[], Awaitable[None]],
    ) -> None:
        """`look_at_scripts`: called before anybody is told of a script, so that who then asks here is shown it."""
        self._registry = registry
        self._bell = bell
        self._notices = notices
        self._heard = ""  # The last notice; "": not asked yet.
        self._lately: deque[tuple[int, Notice]] = deque(maxlen=NOTICES_KEPT)
        self._province = province
        self._now = now
        self._look_at_scripts = look_at_scripts
        self._picture: Mapping[str, Any] | None = None
        self._shape = ""  # The picture without its clocks.
        self._registry_up: bool | None = None
        self._told_at = 0.0
        self._alive = False
        self._number = 0
        self._turn = asyncio.Condition()
        self._messages: dict[frozenset[str] | None, bytes] = {}  # Of this number.

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for as long as the block lasts."""
        looking = asyncio.create_task(self._look(), name="live picture")
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
            await self._bell.close()

    @property
    def number(self) -> int:
        """Rises with every picture told."""
        return self._number

    def scene(self, cities: frozenset[str] | None) -> dict[str, Any]:
        """The picture for somebody of these cities (None: all), with what it is worth.

        `registry_answers`: whether Redis could be asked just now; `controller_alive`: whether the picture is fresh. Where
        either is false the figures of the cities are null: an old number is never shown.
        """
        age_s = None if self._picture is None else max(0.0, self._now() - float(self._picture["at"]))
        alive = bool(self._registry_up) and age_s is not None and age_s <= STALE_S
        shown = outlook(self._province, self._picture if alive else None, cities)
        return {
            **shown,
            "number": self._number,
            "now": self._now(),
            "age_s": age_s,
            "registry_answers": bool(self._registry_up),
            "controller_alive": alive,
        }

    def fresh_picture(self) -> Mapping[str, Any] | None:
        """The picture as the controller published it, or None where it is old or cannot be had."""
        fresh = self._picture is not None and self._now() - float(self._picture["at"]) <= STALE_S
        return self._picture if fresh and self._registry_up else None

    def message(self, cities: frozenset[str] | None) -> bytes:
        """The scene as a server-sent event, made once for all who see the same cities."""
        if cities not in self._messages:
            text = json.dumps(self.scene(cities), ensure_ascii=False, separators=(",", ":"))
            self._messages[cities] = f"event: picture\nid: {self._number}\ndata: {text}\n\n".encode()
        return self._messages[cities]

    async def next(self, after: int) -> int:
        """Wait for a picture with a number above `after`; its number, or `after` again when WAIT_S have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S), self._turn:
                await self._turn.wait_for(lambda: self._number > after)
        return self._number

    async def _look(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_LEAST_S)
            await self._bell.wait(LOOK_S)

    async def look(self) -> None:
        """Ask once; wake who waits where there is something to tell."""
        before = self._registry_up
        news: Sequence[Notice] = ()
        try:
            self._picture = await self._registry.status()
            self._registry_up = True
            news = await self._hear()
        except StoreLost as lost:
            self._registry_up = False
            if before is not False:
                log.warning("live picture lost", why=str(lost))
        now = self._now()
        alive = bool(self._registry_up) and self._picture is not None and now - float(self._picture["at"]) <= STALE_S
        shape = _shape(self._picture)
        for notice in news:
            self._lately.append((self._number + 1, notice))
        changed = bool(news) or shape != self._shape or alive != self._alive or before != self._registry_up
        if changed or now - self._told_at >= BEAT_S:
            self._shape, self._alive, self._told_at = shape, alive, now
            await self.tell()

    async def _hear(self) -> Sequence[Notice]:
        if not self._heard:
            self._heard = await self._notices.newest()
            return ()
        news = await self._notices.since(self._heard)
        if news:
            self._heard = news[-1].id
        if any(notice.kind == "script" for notice in news):
            await self._look_at_scripts()
        return news

    def notices(self, after: int) -> Sequence[Notice]:
        """What was told with the pictures after that number."""
        return [notice for number, notice in self._lately if number > after]

    async def tell(self) -> None:
        """Wake everybody."""
        async with self._turn:
            self._number += 1
            self._messages.clear()
            self._turn.notify_all()


def _shape(picture: Mapping[str, Any] | None) -> str:
    """The picture without what moves by itself."""
    if picture is None:
        return ""
    cities = {
        code: {key: value for key, value in city.items() if key not in ("age_s", "longest_wait_s")}
        for code, city in picture["cities"].items()
    }
    return json.dumps([cities, picture["wishes"], picture["registry_up"], picture["stopped"]], sort_keys=True)
