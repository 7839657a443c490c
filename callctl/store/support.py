"""What each supporting city gave in a span: lent seats over time, answers, talk, rings missed, trunks."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, repeat
from operator import sub
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import NullType

from callctl.core.counting import SATISFIED_FROM
from callctl.core.days import Span
from callctl.store.record_tables import wrapups
from callctl.store.tables import Utc, calls, legs, loans

CLOCKS_APART_S = 3600.0  # A note is written after its call came, by another machine's clock.


@dataclass(slots=True)
class Given:
    """One supporting city's help to one assisted city."""

    lent: list[tuple[float, float]] = field(default_factory=list)  # Begin and end of each loan, cut to the span.
    by_seat: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))  # The same by seat.
    answered: int = 0
    talks_s: float = 0.0
    talks_n: int = 0
    wraps_s: float = 0.0
    wraps_n: int = 0
    valid_talks_s: float = 0.0  # These four: without nuisance and silent calls, as everywhere in the handling time.
    valid_talks_n: int = 0
    valid_wraps_s: float = 0.0
    valid_wraps_n: int = 0
    unanswered: int = 0
    scored: int = 0
    satisfied: int = 0
    agents: int = 0  # Different ones who answered; where no note names one, different seats.
    on_trunk: list[tuple[float, float]] = field(default_factory=list)
    trunk_full: int = 0

    @property
    def lent_s(self) -> float:
        """Seats times time."""
        return sum(until - since for since, until in self.lent)

    @property
    def peak(self) -> int:
        """Most seats lent at once."""
        return most_at_once(self.lent)

    @property
    def mean(self) -> float:
        """Seats lent on average while any was."""
        covered = covered_s(self.lent)
        return self.lent_s / covered if covered else 0.0

    def occupancy(self, signed_s: float | None) -> float | None:
        """Talk and wrap-up, of the time somebody was signed in at the lent seats; not known: of their loans."""
        there_s = self.lent_s if signed_s is None else signed_s
        return (self.talks_s + self.wraps_s) / there_s if there_s else None


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many overlap at most; one that ends when another begins does not."""
    steps = sorted([(since, 1) for since, until in spans if until > since] + [(until, -1) for since, until in spans])
    now = most = 0
    for _, step in sorted(steps, key=lambda one: (one[0], one[1])):
        now += step
        most = max(most, now)
    return most


def covered_s(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of them lasted."""
    total, reached = 0.0, float("-inf")
    for since, until in sorted(spans):
        total += max(0.0, until - max(since, reached))
        reached = max(reached, until)
    return total


async def given(engine: AsyncEngine, assisted: str, span: Span, now: float) -> dict[str, Given]:
    """By supporting city. Calls count where they entered; loans and trunks by the time they lasted."""
    found: dict[str, Given] = defaultdict(Given)
    async with engine.connect() as connection:
        await _loans(connection, assisted, span, now, found)
        await _answers(connection, assisted, span, found)
        await _rings(connection, assisted, span, found)
    return dict(found)


async def worked_share(engine: AsyncEngine, assisted: str, span: Span, now: float) -> float | None:
    """Talk and wrap-up, of the time of all loans together; None where nothing was lent."""
    found: dict[str, Given] = defaultdict(Given)
    async with engine.connect() as connection:
        await _loans(connection, assisted, span, now, found)
        if found:  # Else the day's calls are not read for nothing.
            await _answers(connection, assisted, span, found)
    lent_s = sum(one.lent_s for one in found.values())
    return sum(one.talks_s + one.wraps_s for one in found.values()) / lent_s if lent_s else None


async def _loans(connection: AsyncConnection, assisted: str, span: Span, now: float, found: dict[str, Given]) -> None:
    ended = or_(loans.c.returned_at.is_(None), loans.c.returned_at > span.since)
    mine = and_(loans.c.assisted == assisted, loans.c.lent_at < span.until, ended)
    columns = (loans.c.city, loans.c.seat, loans.c.lent_at, loans.c.returned_at, loans.c.gone_at)
    for row in await connection.execute(select(*columns).where(mine)):
        until = row.returned_at if row.returned_at is not None else row.gone_at
        cut = (max(row.lent_at, span.since), min(span.until, now if until is None else until))
        if cut[1] > cut[0]:
            found[row.city].lent.append(cut)
            found[row.city].by_seat[row.seat].append(Span(*cut))


async def _answers(connection: AsyncConnection, assisted: str, span: Span, found: dict[str, Given]) -> None:
    mine = and_(
        calls.c.city == assisted,
        calls.c.asked_at >= span.since,
        calls.c.asked_at < span.until,
        calls.c.outcome == "answered",
        calls.c.called_back.is_(False),
        calls.c.by_city.is_not(None),
        calls.c.by_city != assisted,
    )
    valid = func.coalesce(wrapups.c.nuisance, false()).is_(False)
    who = func.coalesce(func.nullif(wrapups.c.agent, ""), func.nullif(calls.c.by_seat, ""))
    columns = (
        calls.c.by_city,
        func.count().label("answered"),
        func.coalesce(func.sum(calls.c.talked_s), 0.0).label("talks_s"),
        func.count(calls.c.talked_s).label("talks_n"),
        func.coalesce(func.sum(wrapups.c.wrapped_s), 0.0).label("wraps_s"),
        func.count(wrapups.c.wrapped_s).label("wraps_n"),
        func.coalesce(func.sum(case((valid, calls.c.talked_s))), 0.0).label("valid_talks_s"),
        func.count(case((valid, calls.c.talked_s))).label("valid_talks_n"),
        func.coalesce(func.sum(case((valid, wrapups.c.wrapped_s))), 0.0).label("valid_wraps_s"),
        func.count(case((valid, wrapups.c.wrapped_s))).label("valid_wraps_n"),
        func.count(calls.c.score).label("scored"),
        func.count(case((calls.c.score >= SATISFIED_FROM, 1))).label("satisfied"),
        func.count(who.distinct()).label("agents"),
    )
    asked = select(*columns).outerjoin(wrapups, wrapups.c.call == calls.c.call).where(mine).group_by(calls.c.by_city)
    for row in (await connection.execute(asked)).mappings():
        for name in columns[1:]:
            setattr(found[row["by_city"]], name.name, row[name.name])


async def _rings(connection: AsyncConnection, assisted: str, span: Span, found: dict[str, Given]) -> None:
    """Rings that lent seats missed, and how full the trunks were."""
    mine = and_(calls.c.city == assisted, calls.c.asked_at >= span.since, calls.c.asked_at < span.until)
    missed = and_(legs.c.side == "lent", legs.c.assisted == assisted, legs.c.how == "no_answer")
    with_calls = select(legs.c.city, func.count()).join(calls, calls.c.call == legs.c.call).group_by(legs.c.city)
    for city, rings in await connection.execute(with_calls.where(mine, missed)):
        found[city].unanswered = rings
    within = and_(legs.c.rung_at >= span.since, legs.c.rung_at < span.until)
    out = and_(legs.c.side == "slot", legs.c.city == assisted)
    columns = (legs.c.supporting, legs.c.rung_at, legs.c.ended_at, legs.c.how)
    for row in await connection.execute(select(*columns).where(out, within)):
        found[row.supporting].trunk_full += row.how == "trunk_full"
        if row.how != "trunk_full" and row.ended_at is not None:
            found[row.supporting].on_trunk.append((row.rung_at, row.ended_at))


async def waiting_most(engine: AsyncEngine, city: str, hours: Sequence[Span]) -> list[int]:
    """The longest queue of each hour."""
    mine = and_(calls.c.city == city, calls.c.asked_at >= hours[0].since, calls.c.asked_at < hours[-1].until)
    # The driver's own moments, only compared: to make seconds of two million of them would take half a minute.
    raw = [type_coerce(column, NullType()) for column in (calls.c.asked_at, calls.c.left_at)]
    asked = select(*raw).where(mine, calls.c.left_at.is_not(None))
    as_driver = Utc().dialect_impl(engine.dialect).bind_processor(engine.dialect)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).all()
    ends = [as_driver(hour.until) if as_driver else hour.until for hour in hours]
    return longest_queues(sorted(row[0] for row in rows), sorted(row[1] for row in rows), ends)


def longest_queues(came: Sequence[Any], went: Sequence[Any], ends: Sequence[Any]) -> list[int]:
    """The most who waited at one moment before each of `ends`, since the one before; everything in order of time.

    At one moment a leaver goes before a newcomer comes: two who pass each other are not two who wait. A queue is longest
    just after somebody came, or at the hour's begin.
    """
    waiting = list(map(sub, count(1), map(bisect_right, repeat(went), came)))
    cuts = [0, *(bisect_left(came, end) for end in ends)]
    at_begin = [0, *(cut - bisect_right(went, end) for cut, end in zip(cuts[1:], ends, strict=True))]
    return [max((left, *waiting[first:last])) for left, first, last in zip(at_begin, cuts, cuts[1:], strict=False)]


def noted(city: str, span: Span, *what: ColumnElement[Any]) -> Select[Any]:
    """`what` of the city's notes about calls that came in the span.

    Asked from the notes' side, a call looked up for each: of a great day there are far fewer notes than calls, and a
    database that joins them begins with the calls.
    """
    came_at = select(calls.c.asked_at).where(calls.c.call == wrapups.c.call).scalar_subquery()
    written = and_(wrapups.c.city == city, wrapups.c.at >= span.since - CLOCKS_APART_S)
    return select(*what).where(written, came_at >= span.since, came_at < span.until)


async def topics(engine: AsyncEngine, city: str, span: Span) -> Mapping[str, tuple[int, int]]:
    """By category: how many demands, and how many of them were answered on the call."""
    on_call = func.count(case((wrapups.c.result == "on_call", 1)))
    asked = noted(city, span, wrapups.c.code, func.count(), on_call).group_by(wrapups.c.code)
    async with engine.connect() as connection:
        return {code: (demands, answered) for code, demands, answered in await connection.execute(asked)}
