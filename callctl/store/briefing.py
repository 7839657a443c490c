"""五、答复口径 of the daily report: which scripts were in force, new, changed, withdrawn; how quickly they were read."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.daily import ScriptFigures
from callctl.core.days import Span
from callctl.store.console_tables import receipts, script_versions, scripts
from callctl.store.record_tables import wrapups
from callctl.store.scripts import EXPIRED, PUBLISHED, Reader
from callctl.store.support import noted

WITHOUT_MOST = 5


@dataclass(frozen=True, slots=True)
class _Version:
    script: int
    version: int
    state: str
    must_read: bool
    began_at: float  # Published, or in force from, whichever is later.
    decided_at: float
    until: float | None
    replaced_at: float  # When a later published version begins.
    withdrawn: bool  # By hand, which needs a reason; a version that was replaced has none.

    def in_force(self, at: float) -> bool:
        return self.state == PUBLISHED and self.began_at <= at < min(self.replaced_at, self.until or math.inf)

    def ends_in(self, span: Span) -> bool:
        """Whether its time runs out then, and no later version was in force before."""
        return self.until is not None and self.until in span and self.until < self.replaced_at


async def script_figures(
    engine: AsyncEngine, city: str, span: Span, agents: Mapping[str, Collection[str]]
) -> tuple[ScriptFigures, Mapping[str, float]]:
    """The figures of the city's scripts in the span, and by supporting city how much of the must-read ones was read.

    `agents`: by supporting city, who can get calls of this city. Figures are as known now; what is in force is asked of the
    span's end.
    """
    versions = await _versions(engine, city)
    last = span.until - 1.0
    current = [one for one in versions if one.in_force(last)]
    must = [one for one in current if one.must_read]
    published = [one for one in versions if one.decided_at in span and not one.withdrawn]
    ended = [one for one in versions if one.state == PUBLISHED and one.ends_in(span)]
    ended += [one for one in versions if one.withdrawn and one.decided_at in span]
    read = await _read(engine, [*must, *published], span.until)
    people = {code: {(code, agent) for agent in some} for code, some in agents.items()}
    everybody = frozenset[Reader]().union(*people.values())
    took = [
        max(at for reader, at in readers.items() if reader in everybody) - one.decided_at
        for one in published
        if everybody and everybody <= (readers := read.get((one.script, one.version), {})).keys()
    ]
    figures = ScriptFigures(
        in_force=len(current),
        added=sum(one.version == 1 for one in published),
        changed=sum(one.version > 1 for one in published),
        ended=len(ended),
        read_by_all=len(took),
        read_mean_s=sum(took) / len(took) if took else None,
        without=await _without(engine, city, span, min((one.began_at for one in versions), default=math.inf)),
    )
    rates = {
        code: sum(len(some & read.get((one.script, one.version), {}).keys()) for one in must) / (len(some) * len(must))
        for code, some in people.items()
        if some and must
    }
    return figures, rates


async def _versions(engine: AsyncEngine, city: str) -> list[_Version]:
    columns = ("script", "version", "state", "must_read", "from_at", "until", "decided_at", "why")
    mine = and_(scripts.c.city == city, script_versions.c.state.in_((PUBLISHED, EXPIRED)))
    asked = select(*(script_versions.c[name] for name in columns)).join(scripts, scripts.c.id == script_versions.c.script)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked.where(mine))).all()
    begins: dict[int, list[tuple[int, float]]] = {}
    for row in rows:
        if row.state == PUBLISHED:
            begins.setdefault(row.script, []).append((row.version, max(row.decided_at or 0.0, row.from_at or 0.0)))
    return [
        _Version(
            row.script,
            row.version,
            row.state,
            row.must_read,
            max(row.decided_at or 0.0, row.from_at or 0.0),
            row.decided_at or 0.0,
            row.until,
            min((at for version, at in begins.get(row.script, ()) if version > row.version), default=math.inf),
            row.state == EXPIRED and bool(row.why),
        )
        for row in rows
    ]


async def _read(
    engine: AsyncEngine, wanted: Sequence[_Version], until: float
) -> Mapping[tuple[int, int], Mapping[Reader, float]]:
    found: dict[tuple[int, int], dict[Reader, float]] = {}
    ids = sorted({one.script for one in wanted})
    async with engine.connect() as connection:
        for first in range(0, len(ids), 500):
            some = and_(receipts.c.script.in_(ids[first : first + 500]), receipts.c.read_at < until)
            for row in await connection.execute(select(receipts).where(some)):
                found.setdefault((row.script, row.version), {})[row.city, row.agent] = row.read_at
    return found


async def _without(engine: AsyncEngine, city: str, span: Span, since: float) -> tuple[tuple[str, int], ...]:
    """无口径问题: the categories about which most notes name no script, of calls since the city has had one to be named."""
    first = max(span.since, since)
    if first >= span.until:
        return ()
    asked = noted(city, Span(first, span.until), wrapups.c.code, func.count()).where(wrapups.c.script == "")
    async with engine.connect() as connection:
        found = [(code, number) for code, number in await connection.execute(asked.group_by(wrapups.c.code))]
    return tuple(sorted(found, key=lambda item: (-item[1], item[0]))[:WITHOUT_MOST])
