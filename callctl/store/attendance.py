"""签入时长: who sat at which seat and when, told again from the audit of signing in and out at the desk page."""

from collections.abc import Collection, Mapping

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.days import Span
from callctl.core.model import SeatRef
from callctl.store.tables import audit

SHIFT_MOST_S = 43_200.0  # A visit ends after twelve hours; who forgot to sign out was not there longer.
_ACTS = ("seat in", "seat out", "force out")


async def signed_in(engine: AsyncEngine, cities: Collection[str], span: Span) -> Mapping[SeatRef, list[Span]]:
    """By seat: the stretches of the span in which somebody was signed in there. A seat nobody ever sat at is not there.

    Signing in at another seat leaves the first one; whoever signs in at a seat takes it over.
    """
    if not cities:
        return {}
    mine = and_(
        audit.c.what.in_(_ACTS),
        audit.c.city.in_(sorted(cities)),
        audit.c.at >= span.since - SHIFT_MOST_S,
        audit.c.at < span.until,
    )
    asked = select(audit.c.at, audit.c.what, audit.c.city, audit.c.who, audit.c.after).where(mine).order_by(audit.c.id)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).all()
    found: dict[SeatRef, list[Span]] = {}
    open_since: dict[SeatRef, tuple[float, str]] = {}

    def leave(ref: SeatRef, at: float) -> None:
        since = open_since.pop(ref)[0]
        begin, end = max(since, span.since), min(at, since + SHIFT_MOST_S, span.until)
        if end > begin:
            found.setdefault(ref, []).append(Span(begin, end))

    for row in rows:
        ref = SeatRef(row.city, row.after.partition(" ")[0])
        before = [seat for seat, (_, who) in open_since.items() if row.what == "seat in" and who == row.who]
        for seat in {*before, *([ref] if ref in open_since else [])}:
            leave(seat, row.at)
        if row.what == "seat in":
            open_since[ref] = (row.at, row.who)
    for ref in list(open_since):
        leave(ref, span.until)
    return found


def together_s(first: Collection[Span], second: Collection[Span]) -> float:
    """How long both were: neither holds two spans that overlap."""
    return sum(max(0.0, min(a.until, b.until) - max(a.since, b.since)) for a in first for b in second)
