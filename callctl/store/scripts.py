"""Scripts, their versions and who has read them, in SQL. Who may do what is decided in callctl.scripts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import RowMapping, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callctl.store.cabinet import Cabinet
from callctl.store.console_tables import receipts, script_versions, scripts
from callctl.store.port import AuditEntry, Refusal

DRAFT, PUBLISHED, REJECTED, EXPIRED = "draft", "published", "rejected", "expired"

Reader = tuple[str, str]  # City and 工号: a 工号 is a city's own.


class ScriptChanged(Refusal):
    """Somebody else saved or decided the script first."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What a script says."""

    question: str
    answer: str
    similar: str = ""
    scope: str = ""
    source: str = ""
    category: str = ""
    must_read: bool = False
    from_at: float | None = None
    until: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """One version of a script."""

    id: int
    city: str
    version: int
    state: str
    wording: Wording
    saves: int
    editors: tuple[str, ...]
    written_at: float
    decided_by: str
    decided_at: float | None
    why: str

    def in_force(self, now: float) -> bool:
        """Whether agents read it now, as far as this version alone can say; see `replaced_at`."""
        return self.state == PUBLISHED and self.begun(now) and (self.wording.until is None or now < self.wording.until)

    def began_at(self) -> float:
        """When agents could read it first, once it is published."""
        return max(self.decided_at or 0.0, self.wording.from_at or 0.0)

    def begun(self, now: float) -> bool:
        """Whether its time has come, once it is published."""
        return self.wording.from_at is None or self.wording.from_at <= now


def replaced_at(script: Script, versions: Iterable[Script]) -> float:
    """When a later published version takes its place: that one's beginning; infinite where there is none."""
    return min(
        (one.wording.from_at or 0.0 for one in versions if one.state == PUBLISHED and one.version > script.version),
        default=math.inf,
    )


def standing(versions: Sequence[Script], now: float) -> list[Script]:
    """Versions of one script as they stand now: what was published before one that has begun is history."""
    return [
        replace(one, state=EXPIRED) if one.state == PUBLISHED and replaced_at(one, versions) <= now else one
        for one in versions
    ]


class ScriptBook:
    """Every call may raise StoreLost."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    async def add(self, entry: AuditEntry, city: str, editor: str, wording: Wording) -> Script:
        """A new script, as a draft."""
        async with self._cabinet.writing(entry) as connection:
            made = await connection.execute(scripts.insert().values(city=city, made_at=entry.at).returning(scripts.c.id))
            draft = Script(made.scalar_one(), city, 1, DRAFT, wording, 1, (editor,), entry.at, "", None, "")
            await connection.execute(script_versions.insert().values(_row(draft)))
        return draft

    async def save(self, entry: AuditEntry, draft: Script, seen_saves: int) -> None:
        """Write a draft: anew where it is version N+1, over itself where nobody saved since `seen_saves`.

        Raises ScriptChanged.
        """
        key = _key(draft)
        async with self._cabinet.writing(entry) as connection:
            if seen_saves == 0:
                there = await connection.execute(select(script_versions.c.version).where(key))
                if there.one_or_none():
                    raise ScriptChanged("somebody else began a new version of this script meanwhile")
                await connection.execute(script_versions.insert().values(_row(draft)))
                return
            unchanged = and_(key, script_versions.c.saves == seen_saves, script_versions.c.state == DRAFT)
            done = await connection.execute(update(script_versions).where(unchanged).values(_row(draft)))
            if done.rowcount != 1:
                raise ScriptChanged("somebody else saved or decided this script meanwhile")

    async def decide(self, entry: AuditEntry, script: Script, state: str, by: str, why: str) -> None:
        """From its present state to another one, if it is as it was read. Raises ScriptChanged."""
        as_read = and_(_key(script), script_versions.c.state == script.state, script_versions.c.saves == script.saves)
        values = {"state": state, "decided_by": by, "decided_at": entry.at, "why": why}
        async with self._cabinet.writing(entry) as connection:
            await _settle(connection, script.id, entry.at)  # What is withdrawn now takes along what it has replaced.
            done = await connection.execute(update(script_versions).where(as_read).values(values))
            if done.rowcount != 1:
                raise ScriptChanged("somebody else saved or decided this script meanwhile")
            await _settle(connection, script.id, entry.at)

    async def versions(self, script: int) -> Sequence[Script]:
        """Every version, the newest first."""
        return await self._read(script_versions.c.script == script, newest_first=True)

    async def of_city(self, city: str) -> Sequence[Script]:
        """The newest version of each of the city's scripts and the one before it, and every published one."""
        other = script_versions.alias()  # The same table once more: of one, nothing would be left to select from.
        newest = select(func.max(other.c.version)).where(other.c.script == scripts.c.id).correlate(scripts)
        wanted = or_(script_versions.c.version >= newest.scalar_subquery() - 1, script_versions.c.state == PUBLISHED)
        return await self._read(and_(scripts.c.city == city, wanted), newest_first=True)

    async def published(self) -> Sequence[Script]:
        """Every published version, whether in force by now or not; one that has begun may stand beside those before it."""
        return await self._read(script_versions.c.state == PUBLISHED)

    async def mark(self) -> Mapping[str, int]:
        """Changes with every decision, whatever the clocks say: a version goes from state to state and never back."""
        decided = script_versions.c.state.in_((PUBLISHED, REJECTED, EXPIRED))  # By the index of the state.
        wanted = select(script_versions.c.state, func.count().label("number")).where(decided)
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(wanted.group_by(script_versions.c.state))
            return {row.state: row.number for row in rows}

    async def read(self, script: Script, agent: str, city: str, now: float) -> bool:
        """Note that the agent has read this version; False where it was noted before."""
        row = {"script": script.id, "version": script.version, "agent": agent, "city": city, "read_at": now}
        key = (receipts.c[name] == row[name] for name in ("script", "version", "city", "agent"))
        async with self._cabinet.writing(None) as connection:
            if (await connection.execute(select(receipts.c.agent).where(*key))).one_or_none():
                return False
            await connection.execute(receipts.insert().values(row))
        return True

    async def readers(self, wanted: Sequence[Script]) -> Mapping[tuple[int, int], Mapping[Reader, float]]:
        """By script and version: the agents who have read it, and when."""
        found: dict[tuple[int, int], dict[Reader, float]] = {(one.id, one.version): {} for one in wanted}
        ids = sorted({one.id for one in wanted})
        async with self._cabinet.reading() as connection:
            for begin in range(0, len(ids), 500):
                some = receipts.c.script.in_(ids[begin : begin + 500])
                for row in await connection.execute(select(receipts).where(some)):
                    if (row.script, row.version) in found:
                        found[row.script, row.version][row.city, row.agent] = row.read_at
        return found

    async def _read(self, condition: Any, newest_first: bool = False) -> list[Script]:
        joined = select(script_versions, scripts.c.city).join(scripts, scripts.c.id == script_versions.c.script)
        order = script_versions.c.version.desc() if newest_first else script_versions.c.version
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(joined.where(condition).order_by(script_versions.c.script, order))
            return [_script(row) for row in rows.mappings()]


async def _settle(connection: AsyncConnection, script: int, at: float) -> None:
    """Mark what was published before a version that has begun: it does not come back when that one is withdrawn."""
    one = script_versions.alias()
    begun = or_(one.c.from_at.is_(None), one.c.from_at <= at)
    newest = select(func.max(one.c.version)).where(one.c.script == script, one.c.state == PUBLISHED, begun)
    older = and_(
        script_versions.c.script == script,
        script_versions.c.state == PUBLISHED,
        script_versions.c.version < newest.scalar_subquery(),
    )
    await connection.execute(update(script_versions).where(older).values(state=EXPIRED))


def _key(script: Script) -> Any:
    return and_(script_versions.c.script == script.id, script_versions.c.version == script.version)


def _row(script: Script) -> dict[str, Any]:
    return {
        "script": script.id,
        "version": script.version,
        "state": script.state,
        **{field.name: getattr(script.wording, field.name) for field in fields(Wording)},
        "saves": script.saves,
        "editors": ",".join(script.editors),
        "written_at": script.written_at,
        "decided_by": script.decided_by,
        "decided_at": script.decided_at,
        "why": script.why,
    }


def _script(row: RowMapping) -> Script:
    return Script(
        id=row["script"],
        city=row["city"],
        version=row["version"],
        state=row["state"],
        wording=Wording(**{field.name: row[field.name] for field in fields(Wording)}),
        saves=row["saves"],
        editors=tuple(part for part in row["editors"].split(",") if part),
        written_at=row["written_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        why=row["why"],
    )


def resaved(draft: Script, wording: Wording, editor: str, now: float) -> Script:
    """The draft with new words, one save further."""
    editors = draft.editors if editor in draft.editors else (*draft.editors, editor)
    return replace(draft, wording=wording, saves=draft.saves + 1, editors=editors, written_at=now)
