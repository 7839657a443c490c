"""Who has read what: the scripts in force kept at hand, the rates, and the seats the controller must not lend (必读)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from callctl.core.acts import can_help
from callctl.core.model import Lending, Province, SeatRef
from callctl.scripts.shelf import Shelf
from callctl.store.notices import Notices
from callctl.store.port import Registry, StoreLost
from callctl.store.scripts import Reader, Script, ScriptBook
from callctl.store.sitting import Sitting

LOOK_S = 1.0  # How often the database is asked whether a script was published; within the two seconds promised.
RECOUNT_S = 5.0  # Agents sit down and stand up, scripts come into force and expire.
FRESH_S = 1800.0  # How long a desk shows that a script is new.
FRESH_MOST = 5
TOLD_S = 120.0  # As the dead man's switch: agents of a dead console, where nobody can read, are lent all the same.

log = structlog.get_logger()


class Reading:
    """Keeps the shelf full and the controller told. May raise StoreLost where it says so."""

    def __init__(
        self,
        province: Province,
        book: ScriptBook,
        registry: Registry,
        notices: Notices,
        sitting: Sitting,
        now: Callable[[], float],
    ) -> None:
        self._province = province
        self._book = book
        self._registry = registry
        self._notices = notices
        self._sitting = sitting
        self._now = now
        self.shelf = Shelf()
        self._mark: object = None
        self._recount_at = 0.0
        self._lost = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Read what is published where it changed; tell the controller where it is time to. Goes on without a store."""
        try:
            mark = await self._book.mark()
            if mark != self._mark:
                self.shelf.fill(await self._book.published())
                self._mark, self._recount_at = mark, 0.0
            if self._now() >= self._recount_at:
                await self.recount()
        except StoreLost as lost:
            if not self._lost:
                log.warning("scripts cannot be read or told", why=str(lost))
            self._lost = True
            return
        self._lost = False

    async def published(self, script: Script) -> None:
        """Tell every page at once, instead of within LOOK_S. A notice lost is a look later."""
        await self.look()
        try:
            await self._notices.tell("script", script.city, {"script": script.id, "version": script.version})
        except StoreLost as lost:
            log.warning("notice not told", why=str(lost))

    async def recount(self) -> None:
        """Find who has not read what and tell the controller. Raises StoreLost."""
        must = [script for script in self.shelf.all(self._now()) if script.wording.must_read]
        readers = await self._book.readers(must)
        sitters = {seat: sitter.agent for seat, sitter in (await self._sitting.all()).items()}
        await self._registry.put_unbriefed(unbriefed(self._province, must, readers, sitters), TOLD_S)
        self._recount_at = self._now() + RECOUNT_S

    async def unread(self, agent: str, city: str) -> list[Script]:
        """What this agent of this city still has to read. Raises StoreLost."""
        must = [
            script
            for script in self.shelf.all(self._now())
            if script.wording.must_read and may_be_asked(self._province, script.city, city)
        ]
        readers = await self._book.readers(must)
        return [script for script in must if (city, agent) not in readers[script.id, script.version]]

    def fresh(self, city: str) -> list[dict[str, object]]:
        """Scripts without 必读 that agents of this city may need and that began lately, the newest first."""
        now = self._now()
        found = [
            one
            for one in self.shelf.all(now)
            if not one.wording.must_read and now - one.began_at() < FRESH_S and may_be_asked(self._province, one.city, city)
        ]
        return [
            {
                "id": one.id,
                "city": one.city,
                "version": one.version,
                "question": one.wording.question,
                "began_at": one.began_at(),
            }
            for one in sorted(found, key=lambda one: -one.began_at())[:FRESH_MOST]
        ]

    async def rates(self, city: str) -> list[dict[str, object]]:
        """Of each script of the city in force: by supporting city, how many agents have read it. Raises StoreLost."""
        mine = [script for script in self.shelf.all(self._now()) if script.city == city]
        readers = await self._book.readers(mine)
        return [
            {
                "script": script.id,
                "version": script.version,
                "question": script.wording.question,
                "must_read": script.wording.must_read,
                "published_at": script.decided_at,
                "cities": _rates(self._province, city, readers[script.id, script.version]),
            }
            for script in mine
        ]


def may_be_asked(province: Province, assisted: str, city: str) -> bool:
    """Whether agents of `city` can get calls of `assisted` at all."""
    return can_help(province, province.cities[assisted], province.cities[city])


def agents_of(province: Province, city: str) -> frozenset[str]:
    """Agents of the city whose seats may be lent."""
    return frozenset(seat.agent for seat in province.cities[city].seats if seat.lend is not Lending.NO)


def _rates(province: Province, assisted: str, readers: Mapping[Reader, float]) -> dict[str, dict[str, int]]:
    return {
        code: {"agents": len(agents), "read": sum((code, agent) in readers for agent in agents)}
        for code in province.cities
        if may_be_asked(province, assisted, code) and (agents := agents_of(province, code))
    }


def unbriefed(
    province: Province,
    must: Sequence[Script],
    readers: Mapping[tuple[int, int], Mapping[Reader, float]],
    sitters: Mapping[SeatRef, str],
) -> dict[str, frozenset[SeatRef]]:
    """By assisted city: the other cities' lendable seats whose agents have not read all its must-read scripts.

    A seat's agent is who signed in there; else who the data folder says sits there.
    """
    found: dict[str, frozenset[SeatRef]] = {}
    for assisted in sorted({script.city for script in must}):
        read = [readers[script.id, script.version].keys() for script in must if script.city == assisted]
        found[assisted] = frozenset(
            SeatRef(code, seat.id)
            for code, city in province.cities.items()
            if may_be_asked(province, assisted, code)
            for seat in city.seats
            if seat.lend is not Lending.NO
            and not all((code, sitters.get(SeatRef(code, seat.id), seat.agent)) in agents for agents in read)
        )
    return found
