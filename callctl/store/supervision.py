"""督办: the open orders and their cards, and how the handled ones went, asked of the stubs' table."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.days import Span
from callctl.core.demand import Card, Deadlines, Demand, card
from callctl.core.workdays import Calendar
from callctl.store.record_tables import stubs


@dataclass(frozen=True)
class Order:
    """One open order."""

    stub: str
    order_no: str
    city: str
    demand: str
    state: str
    at: float
    due_at: float
    card: Card


@dataclass(frozen=True, slots=True)
class Handling:
    """How the stubs of a span were handled. Days are working days."""

    forwarded: int
    accepted: int
    done: int
    done_in_time: int
    due: int  # Done, or overdue.
    mean_days: float | None  # From taking to done, of those done.
    enquiry_days: float | None
    other_days: float | None
    yellow: int
    red: int
    supervised: int


async def open_orders(
    engine: AsyncEngine, city: str, limits: Callable[[str], Deadlines], calendar: Calendar, now: float
) -> list[Order]:
    """Every order that is not done, the most urgent first; of one city, if named."""
    asked = select(stubs).where(stubs.c.done_at.is_(None), stubs.c.withdrawn.is_(False)).order_by(stubs.c.due_at)
    if city:
        asked = asked.where(stubs.c.city == city)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).mappings().all()
    return [
        Order(
            row["stub"],
            row["order_no"],
            row["city"],
            row["demand"],
            row["state"],
            row["at"],
            row["due_at"],
            card(row["at"], row["due_at"], None, limits(row["city"]), calendar, now),
        )
        for row in rows
    ]


async def handling(
    engine: AsyncEngine, city: str, span: Span, limits: Deadlines, calendar: Calendar, now: float
) -> Handling:
    """How the city handled the demands taken for it in the span, as known now."""
    mine = and_(stubs.c.city == city, stubs.c.at >= span.since, stubs.c.at < span.until, stubs.c.withdrawn.is_(False))
    async with engine.connect() as connection:
        rows = (await connection.execute(select(stubs).where(mine))).mappings().all()
    done = [row for row in rows if row["done_at"] is not None]
    cards = [card(row["at"], row["due_at"], row["done_at"], limits, calendar, now) for row in rows]
    took = {row["stub"]: calendar.days_between(row["at"], row["done_at"]) for row in done}
    enquiries = [took[row["stub"]] for row in done if row["demand"] == Demand.ENQUIRY.value]
    others = [took[row["stub"]] for row in done if row["demand"] != Demand.ENQUIRY.value]
    return Handling(
        forwarded=len(rows),
        accepted=sum(row["accepted_at"] is not None for row in rows),
        done=len(done),
        done_in_time=sum(row["done_at"] <= row["due_at"] for row in done),
        due=sum(row["done_at"] is not None or row["due_at"] < now for row in rows),
        mean_days=_mean(list(took.values())),
        enquiry_days=_mean(enquiries),
        other_days=_mean(others),
        yellow=cards.count(Card.YELLOW),
        red=cards.count(Card.RED),
        supervised=sum(row["supervised"] for row in rows),
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
