"""The audit's hash chain: who changes, removes or inserts a row silently breaks it; `callctl records verify` shows where.

Each row's `chain` is a digest over the row and the chain before it. Cutting off the newest rows leaves a whole chain, so
the head is printed in every daily report: a report on paper proves what the audit was then.
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.store.schema import IMMEDIATE
from callctl.store.tables import audit

_LOCK = 0x6175646974  # PostgreSQL's advisory lock of the chain; any number of our own.
_FIELDS = ("request", "who", "from_where", "what", "city", "before", "after", "reason")
_READ_AT_A_TIME = 5000


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain stands."""

    rows: int
    chain: str  # "" while there is no row.


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `broken` are ids of rows that do not fit, the first being where to look."""

    head: Head
    broken: tuple[int, ...]
    printed: bool | None = None  # Whether the head that was asked for is at its row; None: none was asked for.


def link(before: str, row: Any) -> str:
    """The chain of a row that follows `before`. The time counts in whole microseconds, as both databases keep it."""
    values = [before, round(row["at"] * 1e6), *(row[name] for name in _FIELDS)]
    return hashlib.sha256(json.dumps(values, ensure_ascii=True).encode()).hexdigest()


@asynccontextmanager
async def exclusive(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction in which nobody else adds to the audit."""
    async with engine.connect() as connection:
        await connection.execution_options(**{IMMEDIATE: True})
        async with connection.begin():
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection


async def chain_on(connection: AsyncConnection, number: int) -> None:
    """Give the newest row, just inserted in an `exclusive` transaction, its link."""
    newest = select(audit.c.chain).where(audit.c.id < number).order_by(audit.c.id.desc()).limit(1)
    before = (await connection.execute(newest)).scalar_one_or_none() or ""
    row = (await connection.execute(select(audit).where(audit.c.id == number))).mappings().one()
    await connection.execute(update(audit).where(audit.c.id == number).values(chain=link(before, row)))


async def verify(engine: AsyncEngine, printed: Head | None = None) -> Verdict:
    """Read the whole audit and check every link, and whether a head once printed (or its first digits) is still there."""
    broken: list[int] = []
    known = None if printed is None else printed == Head(0, "")
    rows, before, last_id = 0, "", 0
    async with engine.connect() as connection:
        while True:
            asked = select(audit).where(audit.c.id > last_id).order_by(audit.c.id).limit(_READ_AT_A_TIME)
            found = (await connection.execute(asked)).mappings().all()
            for row in found:
                if row["chain"] != link(before, row):
                    broken.append(row["id"])
                rows, before, last_id = rows + 1, row["chain"] or "", row["id"]
                if printed is not None and rows == printed.rows:
                    known = before.startswith(printed.chain)
            if len(found) < _READ_AT_A_TIME:
                return Verdict(Head(rows, before), tuple(broken), known)


async def head(engine: AsyncEngine) -> Head:
    """Where the chain stands, for the daily report; rows are counted, as `verify` does, for numbers may be left out."""
    async with engine.connect() as connection:
        newest = select(audit.c.id, audit.c.chain).order_by(audit.c.id.desc()).limit(1)
        row = (await connection.execute(newest)).one_or_none()
        if row is None:
            return Head(0, "")
        rows = select(func.count()).select_from(audit).where(audit.c.id <= row.id)
        return Head((await connection.execute(rows)).scalar_one(), row.chain or "")
