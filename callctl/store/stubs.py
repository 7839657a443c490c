"""The stub of a forwarded demand: made, corrected, withdrawn. Every revision has a new place behind the pull cursor.

What a city may have seen, pulled or tried to be delivered, is never deleted: it is withdrawn, and the city is told so.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.demand import StubState, WrapUp
from callctl.store.ledger import clean, upsert
from callctl.store.record_tables import deliveries, stubs, wrapups
from callctl.store.schema import IMMEDIATE

_LOCK = 0x7374756273  # PostgreSQL's advisory lock of the cursor; any number of our own.


async def make_stub(connection: AsyncConnection, note: WrapUp, ways: Sequence[str], due_at: float) -> None:
    """The stub of a note, or its next revision; sent by every way."""
    row: dict[str, Any] = {"city": clean(note.city), "demand": note.demand.value, "due_at": due_at, "withdrawn": False}
    if not await _revise(connection, note, row):
        first = {"stub": clean(note.call), "call": clean(note.call), "at": note.at, "order_no": "", "seen": False}
        await connection.execute(insert(stubs), [row | first | {"state": StubState.WAITING.value}])
    await _send(connection, note, ways)


async def withdraw_stub(connection: AsyncConnection, note: WrapUp, ways: Sequence[str]) -> None:
    """The demand was answered on the call after all: nobody shall work on it."""
    await connection.execute(delete(deliveries).where(deliveries.c.stub == clean(note.call)))
    unseen = delete(stubs).where(stubs.c.stub == clean(note.call), stubs.c.seen.is_(False))
    if (await connection.execute(unseen)).rowcount == 0 and await _revise(connection, note, {"withdrawn": True}):
        await _send(connection, note, ways)


async def mark_tried(engine: AsyncEngine, stub: str, revision: int) -> bool:
    """Before a revision leaves for the city; False: it is not the newest any more, and must not be sent."""
    current = select(wrapups.c.call).where(wrapups.c.call == stubs.c.call, wrapups.c.revision == revision).exists()
    async with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
        mine = update(stubs).where(stubs.c.stub == stub, current).values(seen=True)
        return (await connection.execute(mine)).rowcount == 1


async def _revise(connection: AsyncConnection, note: WrapUp, values: dict[str, Any]) -> bool:
    """Whether there was a stub. Its place is the newest: a city that has pulled beyond the old one sees it again."""
    # One after the other: a cursor may not pass a place that is given but not yet committed.
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    there = select(stubs.c.seq).where(stubs.c.stub == clean(note.call))
    if (await connection.execute(there)).scalar_one_or_none() is None:
        return False
    if connection.dialect.name == "postgresql":
        newest = text("SELECT nextval(pg_get_serial_sequence('stubs', 'seq'))")
    else:
        await connection.execute(text("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'stubs'"))
        newest = text("SELECT seq FROM sqlite_sequence WHERE name = 'stubs'")
    seq = (await connection.execute(newest)).scalar_one()
    changed = update(stubs).where(stubs.c.stub == clean(note.call)).values(seq=seq, **values)
    return bool((await connection.execute(changed)).rowcount)


async def _send(connection: AsyncConnection, note: WrapUp, ways: Sequence[str]) -> None:
    """A corrected note goes out again under the same name: the city writes it over."""
    again = {"stub": clean(note.call), "city": clean(note.city), "state": "due", "tries": 0, "next_at": note.at, "why": ""}
    await upsert(connection, deliveries, [{**again, "way": way, "sent_at": None} for way in ways])
