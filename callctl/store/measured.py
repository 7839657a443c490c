"""What the history of the last hours says of each city's citizens: how many call, how long they talk and are patient."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.store.tables import calls


class Seen(NamedTuple):
    """Sums over the calls of one city in one span; times in seconds."""

    asked: int
    talks: int
    talked_s: float
    abandoned: int
    waited_s: float  # Of all whose wait is known: patience is their sum over the hang-ups.


async def seen_lately(engine: AsyncEngine, since: float, until: float) -> Mapping[str, Seen]:
    """By city, of calls that first arrived in the span (seconds since the epoch); a city without calls is not there."""
    span = and_(calls.c.asked_at >= since, calls.c.asked_at < until)
    gave_up = case((calls.c.outcome == "abandoned", 1), else_=0)
    columns = (
        calls.c.city,
        func.count(),
        func.count(calls.c.talked_s),
        func.coalesce(func.sum(calls.c.talked_s), 0.0),
        func.coalesce(func.sum(gave_up), 0),
        func.coalesce(func.sum(calls.c.waited_s), 0.0),
    )
    async with engine.connect() as connection:
        found = await connection.execute(select(*columns).where(span).group_by(calls.c.city))
        return {row[0]: Seen(int(row[1]), int(row[2]), float(row[3]), int(row[4]), float(row[5])) for row in found}
