"""The rolling counters: five minutes that hold a changed call are counted again, whoever asks and however often.

Every batch of calls leaves a row in `stale` in its own transaction; a recount takes the rows it saw away together with
writing what it counted. So a call written in between is counted by the next recount; two recounts at once do it once.
"""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, delete, func, insert, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.counting import NAMES, CountedCall, Counters, count, together
from callctl.core.days import BUCKET_S, HOUR_S, Span, bucket_of, hours_of
from callctl.store.record_tables import attempts, counters, stale, wrapups
from callctl.store.schema import IMMEDIATE
from callctl.store.tables import calls, legs

IDS_AT_ONCE = 500
RECOUNT_EVERY_S = 10.0  # Live figures are this old at most, and a busy bucket is not counted more often.
_FAILED_RINGS = ("no_answer", "busy", "trunk_full", "unreachable", "refused", "unknown")


@dataclass(frozen=True, slots=True)
class Tries:
    """What the carrier counted in a span; None where not the whole span is covered."""

    attempts: int | None
    sources: tuple[str, ...]


async def recount(engine: AsyncEngine, most: int = 10_000) -> int:
    """Count the stale buckets, oldest first, at most so many; how many were counted. Raises one of history.LOST.

    An hour is read at a time: a province's busiest is 120,000 calls. What is written meanwhile is for the next recount,
    so that this one ends also while calls come in.
    """
    async with engine.connect() as connection:
        last: int | None = (await connection.execute(select(func.max(stale.c.id)))).scalar_one()
    done = 0
    while last is not None and done < most:
        seen = await _stale_buckets(engine, last)
        if not seen:
            break
        done += await _recount_some(engine, seen)
        await asyncio.sleep(0)
    return done


async def _stale_buckets(engine: AsyncEngine, last: int) -> dict[int, list[int]]:
    """The oldest bucket with a row up to `last` and the stale ones of the hour behind it, each with all its rows."""
    async with engine.connect() as connection:
        oldest = (await connection.execute(select(func.min(stale.c.bucket)).where(stale.c.id <= last))).scalar_one()
        if oldest is None:
            return {}
        near = and_(stale.c.bucket >= oldest, stale.c.bucket < oldest + HOUR_S)
        seen: dict[int, list[int]] = defaultdict(list)
        for bucket, number in await connection.execute(select(stale.c.bucket, stale.c.id).where(near)):
            seen[bucket].append(number)
        return dict(seen)


async def _recount_some(engine: AsyncEngine, seen: dict[int, list[int]]) -> int:
    """The stale rows were read before the calls are: what is written later leaves a row of its own."""
    by_bucket: dict[int, list[CountedCall]] = {bucket: [] for bucket in seen}
    async with engine.connect() as connection:
        for at, call in await counted_calls(connection, Span(min(seen), max(seen) + BUCKET_S)):
            if (bucket := bucket_of(at)) in by_bucket:
                by_bucket[bucket].append(call)
    rows = [
        {"bucket": bucket, "city": city, **{name: getattr(sums, name) for name in NAMES}}
        for bucket, found in by_bucket.items()
        for city, sums in count(found).items()
    ]
    numbers = [number for found in seen.values() for number in found]
    async with engine.connect() as connection:
        await connection.execution_options(**{IMMEDIATE: True})
        async with connection.begin() as transaction:
            if await _taken(connection, numbers) != len(numbers):
                await transaction.rollback()  # Another recount saw these, and more: its figures are newer.
                return 0
            await connection.execute(delete(counters).where(counters.c.bucket.in_(list(seen))))
            if rows:
                await connection.execute(insert(counters), rows)
    return len(seen)


async def _taken(connection: AsyncConnection, numbers: Sequence[int]) -> int:
    taken = 0
    for first in range(0, len(numbers), IDS_AT_ONCE):
        some = numbers[first : first + IDS_AT_ONCE]
        taken += (await connection.execute(delete(stale).where(stale.c.id.in_(some)))).rowcount
    return taken


async def count_span(engine: AsyncEngine, span: Span, city: str = "") -> dict[str, Counters]:
    """Count calls straight from their rows, without the counters: of all cities, or of one city's own calls."""
    async with engine.connect() as connection:
        return count(call for _, call in await counted_calls(connection, span, city))


async def counted_calls(connection: AsyncConnection, span: Span, city: str = "") -> list[tuple[float, CountedCall]]:
    """The calls that entered in the span: when, and what is counted of each."""
    mine = and_(calls.c.asked_at >= span.since, calls.c.asked_at < span.until)
    if city:
        mine = and_(mine, calls.c.city == city)
    rings = await _rings(connection, mine)
    noted = select(wrapups.c.call, wrapups.c.result, wrapups.c.wrapped_s, wrapups.c.nuisance)
    notes = {
        row.call: row for row in await connection.execute(noted.join(calls, calls.c.call == wrapups.c.call).where(mine))
    }
    columns = (
        calls.c.asked_at,
        calls.c.call,
        calls.c.city,
        calls.c.state,
        calls.c.outcome,
        calls.c.by_city,
        calls.c.waited_s,
        calls.c.talked_s,
        calls.c.called_back,
        calls.c.requeues,
        calls.c.score,
    )
    found = []
    for row in await connection.execute(select(*columns).where(mine)):
        note = notes.get(row.call)
        sent_out, came_home, rung, unanswered = rings.get(row.call, (False, False, False, 0))
        counted = CountedCall(
            row.city,
            row.state,
            row.outcome,
            row.by_city,
            row.waited_s,
            row.talked_s,
            row.called_back,
            sent_out,
            came_home,
            rung,
            unanswered,
            row.requeues,
            row.score,
            note.result if note else None,
            note.wrapped_s if note else None,
            bool(note.nuisance) if note else False,
        )
        found.append((row.asked_at, counted))
    return found


async def _rings(connection: AsyncConnection, mine: object) -> dict[str, tuple[bool, bool, bool, int]]:
    """Of each call: was a slot rung, did a slot's ring fail, was anybody rung when it left, how many rings rang out."""
    asked = select(legs.c.call, legs.c.side, legs.c.how).join(calls, calls.c.call == legs.c.call)
    found: dict[str, tuple[bool, bool, bool, int]] = {}
    for call, side, how in await connection.execute(asked.where(mine)):  # type: ignore[arg-type]
        sent_out, came_home, rung, unanswered = found.get(call, (False, False, False, 0))
        if side == "lent":
            unanswered += how == "no_answer"
        else:
            sent_out = sent_out or side == "slot"
            came_home = came_home or (side == "slot" and how in _FAILED_RINGS)
            rung = rung or how == "cancelled"
            unanswered += side == "home" and how == "no_answer"
        found[call] = (sent_out, came_home, rung, unanswered)
    return found


async def buckets(engine: AsyncEngine, span: Span, cities: Sequence[str] = ()) -> dict[str, dict[int, Counters]]:
    """The counters of the span, by city and five minutes; of these cities, or all."""
    asked = select(counters).where(counters.c.bucket >= span.since, counters.c.bucket < span.until)
    if cities:
        asked = asked.where(counters.c.city.in_(cities))
    told: dict[str, dict[int, Counters]] = defaultdict(dict)
    async with engine.connect() as connection:
        for row in (await connection.execute(asked)).mappings():
            told[row["city"]][row["bucket"]] = Counters(**{name: row[name] for name in NAMES})
    return dict(told)


def rolled_up(found: dict[int, Counters], spans: Sequence[Span]) -> list[Counters]:
    """Five minutes into longer spans, which follow one another; a bucket belongs to the span that holds its begin."""
    ordered = sorted(found)
    cuts = [(bisect_left(ordered, span.since), bisect_left(ordered, span.until)) for span in spans]
    return [together(found[bucket] for bucket in ordered[first:last]) for first, last in cuts]


async def callers(engine: AsyncEngine, city: str, span: Span) -> int | None:
    """How many different callers; withheld numbers are one each. None where nobody called."""
    mine = and_(calls.c.city == city, calls.c.asked_at >= span.since, calls.c.asked_at < span.until)
    # Grouped, not counted as distinct: at a million calls that is a third less work for SQLite.
    each = select(calls.c.caller, func.count().label("n")).where(mine).group_by(calls.c.caller).subquery()
    hidden = func.coalesce(func.sum(case((each.c.caller == "", each.c.n), else_=0)), 0)
    async with engine.connect() as connection:
        known, withheld = (await connection.execute(select(func.count(func.nullif(each.c.caller, "")), hidden))).one()
    total: int = known + int(withheld)
    return total or None


async def seats_seen(engine: AsyncEngine, city: str, span: Span) -> dict[int, int]:
    """By hour of the span: how many of the city's own seats answered a home call; in a busy hour that is who was there."""
    home = and_(legs.c.city == city, legs.c.side == "home", legs.c.answered_at.is_not(None))
    hours = [
        select(literal(number), func.count(legs.c.seat.distinct())).where(
            home, legs.c.rung_at >= hour.since, legs.c.rung_at < hour.until
        )
        for number, hour in enumerate(hours_of(span))
    ]
    async with engine.connect() as connection:
        found = (await connection.execute(union_all(*hours))).all()
    return {hour: seats for hour, seats in found if seats}


async def carrier_attempts(engine: AsyncEngine, city: str, span: Span) -> Tries:
    """The carrier's count of dial attempts, where its intervals cover the whole span and nothing else, once."""
    within = and_(attempts.c.since >= span.since, attempts.c.since + attempts.c.seconds <= span.until)
    mine = and_(attempts.c.city == city, within)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(attempts).where(mine))).all()
    covered = sum(row.seconds for row in rows)
    total = sum(row.attempts for row in rows)
    return Tries(total if covered == round(span.seconds) else None, tuple(sorted({row.source for row in rows})))
