"""What the law asks of personal fields: blanked when their time is over, held where somebody needs them, shown or erased
for one citizen on request. Every step can be tried first, and every step is audited by whoever calls it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.days import DAY_S
from callctl.core.events import CallWaiting
from callctl.core.sightings import SeenWaiting
from callctl.rules import RetentionRules
from callctl.store.chronicle import KEEP_OPEN_S
from callctl.store.codec import Unreadable, decode, encode
from callctl.store.notes import note_of
from callctl.store.record_tables import callbacks, deliveries, holds, recordings, stub_steps, stubs, wrapups
from callctl.store.schema import IMMEDIATE
from callctl.store.seal import Seal
from callctl.store.tables import calls, journal, legs, surveys, waits

BLANK = ""
AT_ONCE = 500
CALL_TABLES = (waits, legs, surveys, recordings, wrapups)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a retention run did, or would do."""

    blanked: int  # Calls whose numbers and personal fields were removed.
    calls: int  # Deleted, with all that hangs on them.
    facts: int  # Of the journal.
    held: int  # Calls left alone because of a hold.


async def keep_retention(engine: AsyncEngine, rules: RetentionRules, now: float, dry_run: bool) -> Kept:
    """Blank, then delete, what is older than the rules say and is not held. Safe to repeat."""
    held = await _held(engine)
    free = _not_held(held)
    blank_before, drop_before = now - rules.personal_d * DAY_S, now - rules.calls_d * DAY_S
    facts_before = now - rules.journal_d * DAY_S
    old_enough = and_(calls.c.asked_at < blank_before, calls.c.asked_at >= drop_before)
    # No call lasts a day: one that is still "open" then is one whose end nobody saw.
    over = or_(calls.c.open.is_(False), calls.c.asked_at < now - KEEP_OPEN_S)
    noted = exists().where(wrapups.c.call == calls.c.call, wrapups.c.personal != BLANK)  # Also of a withheld number.
    to_blank = and_(old_enough, over, or_(calls.c.number != BLANK, calls.c.caller != BLANK, noted), free)
    to_drop = and_(calls.c.asked_at < drop_before, over, free)
    old_facts = and_(journal.c.at < facts_before, or_(journal.c.call.is_(None), journal.c.call.not_in(_held_calls(held))))
    async with engine.connect() as connection:
        counts = [
            (await connection.execute(select(func.count()).select_from(table).where(which))).scalar_one()
            for table, which in ((calls, to_blank), (calls, to_drop), (journal, old_facts))
        ]
        left = 0
        if held:
            old_held = and_(calls.c.asked_at < blank_before, ~free)
            left = (await connection.execute(select(func.count()).select_from(calls).where(old_held))).scalar_one()
    if not dry_run:
        await _in_batches(engine, to_drop, _drop)
        await _in_batches(engine, to_blank, _blank)
        async with engine.begin() as connection:
            await connection.execute(delete(journal).where(old_facts))
            not_held = callbacks.c.caller.not_in(_held_callers(held))
            personal = and_(callbacks.c.at < blank_before, or_(callbacks.c.caller != BLANK, callbacks.c.note != BLANK))
            await connection.execute(update(callbacks).where(personal, not_held).values(caller=BLANK, note=BLANK))
            await connection.execute(delete(callbacks).where(callbacks.c.at < drop_before, not_held))
    return Kept(counts[0], counts[1], counts[2], left)


async def _held(engine: AsyncEngine) -> Sequence[tuple[str, str]]:
    async with engine.connect() as connection:
        asked = select(holds.c.kind, holds.c.what).where(holds.c.released_at.is_(None))
        return [(row.kind, row.what) for row in await connection.execute(asked)]


def _held_calls(held: Sequence[tuple[str, str]]) -> Any:
    names = [what for kind, what in held if kind == "call"]
    people = [what for kind, what in held if kind == "caller"]
    return select(calls.c.call).where(or_(calls.c.call.in_(names), calls.c.caller.in_(people)))


def _held_callers(held: Sequence[tuple[str, str]]) -> Any:
    return select(calls.c.caller).where(calls.c.call.in_(_held_calls(held)), calls.c.caller != BLANK)


def _not_held(held: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    names = [what for kind, what in held if kind == "call"]
    people = [what for kind, what in held if kind == "caller"]
    return and_(calls.c.call.not_in(names), calls.c.caller.not_in(people))


async def _in_batches(engine: AsyncEngine, which: Any, do: Any) -> None:
    """A batch is a transaction: killed in the middle, the next run goes on where this one was."""
    while True:
        async with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
            names = list((await connection.execute(select(calls.c.call).where(which).limit(AT_ONCE))).scalars())
            if not names:
                return
            await do(connection, names)


async def _blank(connection: AsyncConnection, names: Sequence[str]) -> None:
    await connection.execute(update(calls).where(calls.c.call.in_(names)).values(number=BLANK, caller=BLANK))
    await connection.execute(update(wrapups).where(wrapups.c.call.in_(names)).values(personal=BLANK))
    told = select(journal.c.id, journal.c.body).where(journal.c.call.in_(names))
    kinds = (CallWaiting.__name__, SeenWaiting.__name__)
    for row in (await connection.execute(told.where(journal.c.kind.in_(kinds)))).all():
        await connection.execute(update(journal).where(journal.c.id == row.id).values(body=_without_number(row.body)))


def _without_number(body: str) -> str:
    try:
        fact = decode(body)
    except Unreadable:
        return body
    if not isinstance(fact, CallWaiting | SeenWaiting):
        return body
    found = json.loads(encode(fact))
    found["call"]["number"] = BLANK
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


async def _drop(connection: AsyncConnection, names: Sequence[str]) -> None:
    of_calls = select(stubs.c.stub).where(stubs.c.call.in_(names))
    for table in (deliveries, stub_steps):
        await connection.execute(delete(table).where(table.c.stub.in_(of_calls)))
    await connection.execute(delete(stubs).where(stubs.c.call.in_(names)))
    for table in CALL_TABLES:
        await connection.execute(delete(table).where(table.c.call.in_(names)))
    await connection.execute(delete(journal).where(journal.c.call.in_(names)))
    await connection.execute(delete(calls).where(calls.c.call.in_(names)))


async def hold(engine: AsyncEngine, kind: str, what: str, reason: str, who: str, now: float) -> None:
    """Keep a call, or all calls of a caller, whatever the retention says, until it is released."""
    async with engine.begin() as connection:
        await connection.execute(insert(holds), [{"kind": kind, "what": what, "reason": reason, "who": who, "at": now}])


async def release(engine: AsyncEngine, kind: str, what: str, now: float) -> int:
    """End the holds on it; how many there were."""
    mine = and_(holds.c.kind == kind, holds.c.what == what, holds.c.released_at.is_(None))
    async with engine.begin() as connection:
        return (await connection.execute(update(holds).where(mine).values(released_at=now))).rowcount


async def about_citizen(engine: AsyncEngine, caller: str, seal: Seal) -> list[Mapping[str, Any]]:
    """Everything that is kept about one caller, for the citizen who asks (个人信息保护法 45)."""
    asked = select(calls).where(calls.c.caller == caller).order_by(calls.c.asked_at)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).mappings().all()
        names = [row["call"] for row in rows]
        noted = (await connection.execute(select(wrapups).where(wrapups.c.call.in_(names)))).mappings().all()
    notes = {row["call"]: note_of(row, seal) for row in noted}
    return [
        {
            "call": row["call"],
            "city": row["city"],
            "number": seal.open(row["number"]),
            "entered_at": row["asked_at"],
            "outcome": row["outcome"],
            "score": row["score"],
            "note": {
                key: getattr(notes[row["call"]], key) for key in ("title", "content", "address", "requester", "contact")
            }
            if row["call"] in notes
            else None,
        }
        for row in rows
    ]


async def erase_citizen(engine: AsyncEngine, caller: str, dry_run: bool) -> tuple[int, int]:
    """Blank the personal fields of a caller's finished calls (个人信息保护法 47); how many, and how many a hold kept."""
    free = _not_held(await _held(engine))
    over = or_(calls.c.open.is_(False), calls.c.outcome == "moved")  # Of a moved call nobody tells the end.
    mine = and_(calls.c.caller == caller, over, calls.c.caller != BLANK)
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).select_from(calls).where(mine))).scalar_one()
        count = (await connection.execute(select(func.count()).select_from(calls).where(mine, free))).scalar_one()
    if not dry_run:
        await _in_batches(engine, and_(mine, free), _blank)
        if count == total:
            async with engine.begin() as connection:
                await connection.execute(delete(callbacks).where(callbacks.c.caller == caller))
    return count, total - count
