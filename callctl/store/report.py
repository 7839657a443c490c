"""Questions to the history: how many asked, who answered, who gave up, how long they waited, was the order kept.

A call counts once, at its home city, in the span in which it first arrived. 接通率 = answered / asked (GB/T 33358).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.counting import CountedCall, fate
from callctl.core.events import CallWaiting, PbxLost
from callctl.core.fairness import Inversions, Stay, Turn, inversions
from callctl.core.sightings import GapClosed
from callctl.store.tables import calls, journal, legs, waits

# Each waiting caller's channel looks once a second whether its turn has come (app_queue.c, RECHECK), so two agents who
# become free together may be rung for the first two callers in either order, so far apart (and a little for the machine).
RACE_S = 1.2


@dataclass(frozen=True, slots=True)
class Figures:
    """One city's calls in one span; asked = the sum of the eight that follow. Times in seconds."""

    asked: int
    answered_home: int
    answered_remote: int
    abandoned: int
    called_back: int  # Asked for a call-back, answered by now or not: no live answer.
    moved: int  # Moved by hand, and nobody saw who answered.
    waiting: int
    lost: int  # Left the queue in no way that a citizen or an agent chose: thrown out, cut off in mid-talk, never answered.
    unknown: int  # The link to the PBX was down when it ended; nobody saw how.
    remote_by: Mapping[str, int]  # Answered by which supporting city.
    requeues: int  # Times a call came back to the queue after its leg was lost.
    mean_wait_s: float | None  # Of answered calls; None for none.
    max_wait_s: float | None
    mean_wait_all_s: float | None  # Of all calls whose wait is known, abandoned ones too.
    max_wait_all_s: float | None
    inversions: Inversions

    @property
    def answered(self) -> int:
        """Answered by anybody."""
        return self.answered_home + self.answered_remote

    @property
    def connect_rate(self) -> float | None:
        """接通率: answered / asked, None where nobody asked."""
        return self.answered / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a city's PBX was not heard. `since` None: callctl had not been running; `until` None: still lost."""

    city: str
    since: float | None
    until: float | None
    heard_at: float | None = None  # Where callctl had not been running: the last that was heard; None: never anything.

    @property
    def from_at(self) -> float:
        """When it began at the earliest."""
        known = self.heard_at if self.since is None else self.since
        return -math.inf if known is None else known


async def city_figures(engine: AsyncEngine, city: str, since: float, until: float) -> Figures:
    """The figures of one city for calls that first arrived from `since` until before `until` (seconds since the epoch)."""
    async with engine.connect() as connection:
        return await _figures(connection, city, since, until)


async def province_figures(engine: AsyncEngine, since: float, until: float) -> dict[str, Figures]:
    """The figures of every city that had a call in the span, by city."""
    async with engine.connect() as connection:
        span = and_(calls.c.asked_at >= since, calls.c.asked_at < until)
        found = await connection.execute(select(calls.c.city).where(span).distinct().order_by(calls.c.city))
        return {city: await _figures(connection, city, since, until) for (city,) in found.all()}


async def gaps(engine: AsyncEngine, since: float, until: float) -> list[Gap]:
    """When PBXs were not heard in the span, oldest first; a gap that reaches over an end of the span is told whole."""
    async with engine.connect() as connection:
        lost: dict[str, float] = {}
        told: list[Gap] = []
        for city, at, kind in await _edges(connection, since, until):
            if kind == PbxLost.__name__:
                lost.setdefault(city, at)
            elif at >= since:
                told.append(Gap(city, lost.pop(city), at) if city in lost else await _not_running(connection, city, at))
            else:
                lost.pop(city, None)
        next_closed = (
            select(journal.c.city, func.min(journal.c.at).label("at"))
            .where(journal.c.kind == GapClosed.__name__, journal.c.at >= until)
            .group_by(journal.c.city)
        )
        closed = {row.city: row.at for row in await connection.execute(next_closed)}
        told += [Gap(city, at, closed.get(city)) for city, at in lost.items()]
        for city in closed.keys() - lost.keys():
            # Lost only after the span, or callctl was not running when the span ended.
            gap = await _not_running(connection, city, closed[city])
            if gap.heard_at is not None and gap.heard_at < until:
                told.append(gap)
    return sorted(told, key=lambda gap: gap.since or gap.until or 0.0)


async def _edges(connection: AsyncConnection, since: float, until: float) -> list[tuple[str, float, str]]:
    """City, time and kind of every loss and return in the span, and before it of each city's last."""
    wanted = journal.c.kind.in_((PbxLost.__name__, GapClosed.__name__))
    before = select(journal.c.city, func.max(journal.c.at).label("at")).where(wanted, journal.c.at < since)
    last = before.group_by(journal.c.city).subquery()
    is_last = and_(journal.c.city == last.c.city, journal.c.at == last.c.at)
    columns = (journal.c.city, journal.c.at, journal.c.kind)
    earlier = select(*columns).join(last, is_last).where(wanted).order_by(journal.c.at, journal.c.id)
    inside = select(*columns).where(wanted, journal.c.at >= since, journal.c.at < until)
    found = []
    for asked in (earlier, inside.order_by(journal.c.at, journal.c.id)):
        found += [(row.city, row.at, row.kind) for row in await connection.execute(asked)]
    return found


async def _not_running(connection: AsyncConnection, city: str, until: float) -> Gap:
    """The gap that ended then without anybody having told its begin."""
    heard = select(func.max(journal.c.at)).where(journal.c.city == city, journal.c.at < until)
    return Gap(city, None, until, (await connection.execute(heard)).scalar_one())


async def _figures(connection: AsyncConnection, city: str, since: float, until: float) -> Figures:
    mine = and_(calls.c.city == city, calls.c.asked_at >= since, calls.c.asked_at < until)
    columns = (
        calls.c.state,
        calls.c.outcome,
        calls.c.by_city,
        calls.c.waited_s,
        calls.c.requeues,
        calls.c.called_back,
    )
    found = (await connection.execute(select(*columns).where(mine))).all()
    kinds = Counter(
        fate(CountedCall(city, row.state, row.outcome, row.by_city, called_back=row.called_back)) for row in found
    )
    every = [row.waited_s for row in found if row.waited_s is not None]
    live = [row for row in found if row.outcome == "answered" and not row.called_back]
    answered = [row.waited_s for row in live if row.waited_s is not None]
    elsewhere = [row.by_city for row in live if row.by_city not in (city, None)]
    return Figures(
        asked=len(found),
        answered_home=kinds["answered_home"],
        answered_remote=kinds["answered_remote"],
        abandoned=kinds["abandoned"],
        called_back=kinds["call_back"],
        moved=kinds["moved"],
        waiting=kinds["waiting"],
        lost=kinds["lost"],
        unknown=kinds["unknown"],
        remote_by=dict(sorted(Counter(elsewhere).items())),
        requeues=sum(row.requeues for row in found),
        mean_wait_s=_mean(answered),
        max_wait_s=max(answered, default=None),
        mean_wait_all_s=_mean(every),
        max_wait_all_s=max(every, default=None),
        inversions=await _inversions(connection, city, since, until),
    )


async def _inversions(connection: AsyncConnection, city: str, since: float, until: float) -> Inversions:
    """Over calls that first arrived in the span; a call whose first arrival nobody saw has no place to compare.

    The place is when the PBX first told that the call waits: the first arrival itself is in whole seconds.
    """
    mine = and_(calls.c.city == city, calls.c.first_arrival >= since, calls.c.first_arrival < until)
    told = and_(mine, journal.c.city == city, journal.c.kind == CallWaiting.__name__)
    entry = (
        select(calls.c.call, func.min(journal.c.at).label("at")).join(journal, journal.c.call == calls.c.call).where(told)
    )
    places = {row.call: row.at for row in await connection.execute(entry.group_by(calls.c.call))}
    stay_columns = (calls.c.call, calls.c.first_arrival, waits.c.entered_at, waits.c.left_at, waits.c.gone_at)
    stays = (await connection.execute(select(*stay_columns).join(waits, waits.c.call == calls.c.call).where(mine))).all()
    leg_columns = (
        calls.c.call,
        calls.c.first_arrival,
        calls.c.left_at,
        legs.c.rung_at,
        legs.c.answered_at,
        legs.c.ended_at,
    )
    at_home = and_(mine, legs.c.side != "lent")
    found = (await connection.execute(select(*leg_columns).join(legs, legs.c.call == calls.c.call).where(at_home))).all()
    rung = [(places.get(row.call, row.first_arrival), row) for row in found if row.rung_at is not None]
    return inversions(
        [
            Stay(place := places.get(row.call, row.first_arrival), max(place, row.entered_at), _left(row))
            for row in stays
            if row.entered_at is not None
        ],
        [Stay(place, row.rung_at, _rung_until(row)) for place, row in rung],
        [Turn(place, row.rung_at) for place, row in rung if row.answered_at is not None],
        RACE_S,
    )


def _left(row: Any) -> float:
    """When it surely did not wait any more; of a call that vanished in a gap only its entry is sure."""
    if row.left_at is not None:
        return float(row.left_at)
    return math.inf if row.gone_at is None else float(row.entered_at)


def _rung_until(row: Any) -> float:
    """The answer, the end of the ring, or where that was not seen, when the call left the queue."""
    ends = [float(end) for end in (row.answered_at, row.ended_at, row.left_at) if end is not None and end >= row.rung_at]
    return min(ends, default=math.inf)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
