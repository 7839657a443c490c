"""The missed-call list from the history, call-backs that were tried, and who has called before (for the screen pop)."""

from bisect import bisect_left
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.missed import (
    AGAIN_S,
    GONE_S,
    MISSED_OUTCOMES,
    NOT_THERE,
    TRIES_MOST,
    Attempt,
    CallBack,
    Entry,
    Tried,
    missed_list,
)
from callctl.store.ledger import clean, insert_new
from callctl.store.record_tables import callbacks, wrapups
from callctl.store.tables import calls

KNOWN_DAYS = 30  # How far back a repeat caller is recognised.
SHOWN_MOST = 10
MADE_MOST = 200
PAGE = 500  # Missed calls read at a time.
IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Earlier:
    """One earlier call of the same number."""

    call: str
    city: str
    at: float
    outcome: str | None
    code: str  # Of the wrap-up note; "" for none.
    result: str


async def to_call_back(
    engine: AsyncEngine,
    city: str,
    now: float,
    tries_most: int = TRIES_MOST,
    again_s: float = AGAIN_S,
    most: int | None = None,
) -> list[Entry]:
    """Everybody the city should call back, first come first; or the first so many."""
    found: list[Entry] = []
    async with aclosing(open_entries(engine, city, now, tries_most, again_s)) as entries:
        async for entry in entries:
            if most is not None and len(found) >= most:
                break
            found.append(entry)
    return found


async def open_entries(
    engine: AsyncEngine, city: str, now: float, tries_most: int = TRIES_MOST, again_s: float = AGAIN_S
) -> AsyncGenerator[Entry]:
    """The same one by one. The database skips whoever got through later; who takes only the first few reads few."""
    tried = await _tried(engine, city, now)
    met: set[str] = set()
    held: list[Entry] = []
    after = (now - GONE_S, "")
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(_missed_page(city, now, after))).all()
            new = {row.caller for row in rows} - met
            own = await _calls_of(connection, city, now, sorted(new))
        met |= new
        held += missed_list(own, [one for one in tried if one.caller in new], now, tries_most, again_s)
        held.sort(key=lambda entry: (entry.first_at, entry.caller))
        # Whoever comes on a later page has his first missed call there, or at the same moment as the last one here.
        edge = rows[-1].asked_at if len(rows) == PAGE else float("inf")
        ready = bisect_left(held, edge, key=lambda entry: entry.first_at)
        for entry in held[:ready]:
            yield entry
        if len(rows) < PAGE:
            return
        held = held[ready:]
        after = (rows[-1].asked_at, rows[-1].call)


async def entry_of(engine: AsyncEngine, city: str, call: str, now: float) -> Entry | None:
    """The citizen on the list one of whose missed calls this is; None: he is not on it (any more).

    Who has dialled again since is still found, also while he waits or talks: the call-back was made, and is written down.
    """
    tried = await _tried(engine, city, now)
    mine = and_(calls.c.call == call, calls.c.city == city)
    async with engine.connect() as connection:
        row = (await connection.execute(select(calls.c.caller, calls.c.asked_at).where(mine))).one_or_none()
        if row is None or not row.caller:
            return None
        own = await _calls_of(connection, city, now, [row.caller])
    his = [one for one in tried if one.caller == row.caller]
    found = missed_list(own, his, now) or missed_list([one for one in own if not one.open], his, now)
    return next((entry for entry in found if row.asked_at >= entry.first_at), None)


def _of_the_day(city: str, now: float, table: FromClause, since: float | None = None) -> ColumnElement[bool]:
    at = table.c.asked_at
    return and_(table.c.city == city, at >= (now - GONE_S if since is None else since), at < now)


def _missed_page(city: str, now: float, after: tuple[float, str]) -> Select[tuple[str, float, str]]:
    """The next missed calls of who was not answered later and is not on the line; what core/missed.py calls missed."""
    later = calls.alias()
    on_the_line = and_(later.c.open.is_(True), or_(later.c.outcome.is_(None), later.c.outcome.not_in(NOT_THERE)))
    got_through = exists().where(
        _of_the_day(city, now, later),
        later.c.caller == calls.c.caller,
        later.c.asked_at >= calls.c.asked_at,
        or_(later.c.outcome == "answered", on_the_line),
    )
    unanswered = or_(calls.c.outcome.is_(None), calls.c.outcome != "answered")
    missed = or_(calls.c.outcome.in_(MISSED_OUTCOMES), and_(calls.c.called_back.is_(True), unanswered))
    over = and_(calls.c.open.is_(False), calls.c.caller != "")
    behind = or_(calls.c.asked_at > after[0], calls.c.call > after[1])
    return (
        select(calls.c.caller, calls.c.asked_at, calls.c.call)
        # One lower bound of the time: of two, SQLite's index takes the first and reads every page from the day's begin.
        .where(_of_the_day(city, now, calls, after[0]), behind, over, missed, ~got_through)
        .order_by(calls.c.asked_at, calls.c.call)
        .limit(PAGE)
    )


async def _calls_of(connection: AsyncConnection, city: str, now: float, callers: Sequence[str]) -> list[Attempt]:
    """All calls of the last day of these callers."""
    names = ("caller", "number", "asked_at", "outcome", "called_back", "waited_s", "call", "open")
    columns = [calls.c[name] for name in names]
    found: list[Attempt] = []
    for first in range(0, len(callers), IDS_AT_ONCE):
        some = calls.c.caller.in_(callers[first : first + IDS_AT_ONCE])
        rows = await connection.execute(select(*columns).where(_of_the_day(city, now, calls), some))
        found += [Attempt(*row) for row in rows]
    return found


async def _tried(engine: AsyncEngine, city: str, now: float) -> list[CallBack]:
    recent = and_(callbacks.c.city == city, callbacks.c.at >= now - GONE_S)
    async with engine.connect() as connection:
        found = await connection.execute(select(callbacks.c.caller, callbacks.c.at, callbacks.c.outcome).where(recent))
        return [CallBack(row.caller, row.at, Tried(row.outcome)) for row in found]


@dataclass(frozen=True, slots=True)
class Made:
    """One call-back that was made."""

    at: float
    by_city: str
    seat: str
    outcome: Tried
    note: str


async def made_lately(engine: AsyncEngine, city: str, since: float) -> list[Made]:
    """The city's call-backs since then, the newest first."""
    mine = and_(callbacks.c.city == city, callbacks.c.at >= since)
    asked = select(callbacks).where(mine).order_by(callbacks.c.at.desc()).limit(MADE_MOST)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).mappings().all()
    return [Made(row["at"], row["by_city"], row["seat"], Tried(row["outcome"]), row["note"]) for row in rows]


async def keep_call_back(
    engine: AsyncEngine, request: str, city: str, one: CallBack, by_city: str, seat: str, note: str
) -> None:
    """Write down what became of a call-back; the same request again changes nothing."""
    row = {
        "request": request,
        "city": city,
        "caller": one.caller,
        "at": one.at,
        "by_city": by_city,
        "seat": seat,
        "outcome": one.outcome.value,
        "note": clean(note),
    }
    async with engine.begin() as connection:
        await insert_new(connection, callbacks, [row])


async def earlier_calls(engine: AsyncEngine, caller: str, before: float) -> list[Earlier]:
    """What the same number called about lately, newest first: for the agent's screen."""
    if not caller:
        return []
    mine = and_(calls.c.caller == caller, calls.c.asked_at < before, calls.c.asked_at >= before - KNOWN_DAYS * 86_400)
    asked = (
        select(calls.c.call, calls.c.city, calls.c.asked_at, calls.c.outcome, wrapups.c.code, wrapups.c.result)
        .outerjoin(wrapups, wrapups.c.call == calls.c.call)
        .where(mine)
        .order_by(calls.c.asked_at.desc())
        .limit(SHOWN_MOST)
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).all()
    return [Earlier(row.call, row.city, row.asked_at, row.outcome, row.code or "", row.result or "") for row in rows]
