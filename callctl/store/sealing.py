"""Seals what was written before a field key was set: numbers, notes, facts, and whose call-back or hold it is.

A batch is a transaction, and what is sealed is passed over: killed in the middle, the next run goes on. Only texts change,
no row comes or goes, but for a fact that was told in clear before and sealed after: it becomes the one it is.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.events import CallWaiting
from callctl.core.sightings import SeenWaiting
from callctl.store.codec import Unreadable, decode, encode
from callctl.store.ledger import mark_of
from callctl.store.record_tables import callbacks, holds, wrapups
from callctl.store.schema import IMMEDIATE
from callctl.store.seal import Seal, sealed
from callctl.store.tables import calls, journal

AT_ONCE = 500
_DIGEST = re.compile(r"[0-9a-f]{32}")  # store/seal.py caller, with a key.
_Do = Callable[[AsyncConnection, Seal, Row[Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class InClear:
    """What stands in clear, or did before it was sealed."""

    numbers: int  # Calls.
    notes: int
    facts: int
    callers: int  # Of call-backs and holds.


async def in_clear(engine: AsyncEngine) -> InClear:
    """Count; change nothing."""
    async with engine.connect() as connection:
        numbers, notes, facts = [
            (await connection.execute(select(func.count()).select_from(table).where(which))).scalar_one()
            for table, which in ((calls, _NUMBERS), (wrapups, _NOTES), (journal, _FACTS))
        ]
        people = [*await connection.scalars(select(callbacks.c.caller)), *await connection.scalars(_held_people())]
    return InClear(numbers, notes, facts, sum(_is_clear(one) for one in people))


async def seal_old(engine: AsyncEngine, seal: Seal) -> None:
    """Seal all of it. Safe to repeat, and beside a writer that has the key; `in_clear` then says whether any is left."""
    # Facts first: a story that is told again from them is sealed from then on.
    await _each(engine, seal, journal, journal.c.id, _FACTS, (journal.c.kind, journal.c.body), _fact)
    await _each(engine, seal, calls, calls.c.call, _NUMBERS, (calls.c.number,), _number)
    await _each(engine, seal, wrapups, wrapups.c.call, _NOTES, (wrapups.c.personal,), _note)
    await _each(engine, seal, callbacks, callbacks.c.id, callbacks.c.caller != "", (callbacks.c.caller,), _caller)
    await _each(engine, seal, holds, holds.c.id, holds.c.kind == "caller", (holds.c.what,), _held)


def _not_sealed(column: ColumnElement[str]) -> ColumnElement[bool]:
    return and_(column != "", column.not_like("~%"))


_NUMBERS = _not_sealed(calls.c.number)
_NOTES = _not_sealed(wrapups.c.personal)
_FACTS = and_(
    journal.c.kind.in_((CallWaiting.__name__, SeenWaiting.__name__)),
    journal.c.body.not_like('%"number":"~%'),
    journal.c.body.not_like('%"number":""%'),
)


def _is_clear(caller: str) -> bool:
    return bool(caller) and not _DIGEST.fullmatch(caller)


def _held_people() -> Any:
    return select(holds.c.what).where(holds.c.kind == "caller")


async def _each(
    engine: AsyncEngine,
    seal: Seal,
    table: Table,
    key: ColumnElement[Any],
    which: ColumnElement[bool],
    columns: Sequence[ColumnElement[Any]],
    do: _Do,
) -> None:
    """Every row of the kind in the order of its key, so that none is looked at twice."""
    after: Any = None
    while True:
        later = which if after is None else and_(which, key > after)
        page = select(key, *columns).select_from(table).where(later).order_by(key).limit(AT_ONCE).with_for_update()
        async with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
            rows = (await connection.execute(page)).all()
            for row in rows:
                await do(connection, seal, row)
        if len(rows) < AT_ONCE:
            return
        after = rows[-1][0]


async def _fact(connection: AsyncConnection, seal: Seal, row: Row[Any]) -> None:
    try:
        body = encode(sealed(decode(row.body), seal))
    except Unreadable:  # Of a later callctl: that one can.
        return
    mine = journal.c.id == row.id
    try:
        async with connection.begin_nested():
            await connection.execute(update(journal).where(mine).values(body=body, mark=mark_of(body)))
    except IntegrityError:  # The writer has told it again, sealed: the two are one.
        await connection.execute(delete(journal).where(mine))


async def _number(connection: AsyncConnection, seal: Seal, row: Row[Any]) -> None:
    hidden = {"number": seal.close(row.number, row.call), "caller": seal.caller(row.number)}
    await connection.execute(update(calls).where(calls.c.call == row.call).values(hidden))


async def _note(connection: AsyncConnection, seal: Seal, row: Row[Any]) -> None:
    hidden = seal.close(row.personal, row.call)
    await connection.execute(update(wrapups).where(wrapups.c.call == row.call).values(personal=hidden))


async def _caller(connection: AsyncConnection, seal: Seal, row: Row[Any]) -> None:
    if _is_clear(row.caller):
        await connection.execute(update(callbacks).where(callbacks.c.id == row.id).values(caller=seal.caller(row.caller)))


async def _held(connection: AsyncConnection, seal: Seal, row: Row[Any]) -> None:
    if _is_clear(row.what):
        await connection.execute(update(holds).where(holds.c.id == row.id).values(what=seal.caller(row.what)))
