"""The missed-call list from the history, call-backs that were tried, and who has called before (for the screen pop)."""

from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.missed import AGAIN_S, GONE_S, TRIES_MOST, Attempt, CallBack, Entry, Tried, missed_list
from callctl.store.ledger import clean, insert_new
from callctl.store.record_tables import callbacks, wrapups
from callctl.store.tables import calls

KNOWN_DAYS = 30  # How far back a repeat caller is recognised.
SHOWN_MOST = 10
MADE_MOST = 200


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
    engine: AsyncEngine, city: str, now: float, tries_most: int = TRIES_MOST, again_s: float = AGAIN_S
) -> list[Entry]:
    """Everybody the city should call back, first come first."""
    mine = and_(calls.c.city == city, calls.c.asked_at >= now - GONE_S, calls.c.asked_at < now, calls.c.open.is_(False))
    names = ("caller", "number", "asked_at", "outcome", "called_back", "waited_s", "call")
    recent = and_(callbacks.c.city == city, callbacks.c.at >= now - GONE_S)
    async with engine.connect() as connection:
        rows = [Attempt(*row) for row in await connection.execute(select(*(calls.c[name] for name in names)).where(mine))]
        found = await connection.execute(select(callbacks.c.caller, callbacks.c.at, callbacks.c.outcome).where(recent))
        tried = [CallBack(row.caller, row.at, Tried(row.outcome)) for row in found]
    return missed_list(rows, tried, now, tries_most, again_s)


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
