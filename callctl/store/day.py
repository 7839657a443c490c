"""The day's figures for the wallboard: asked of SQL in short steps, each once; a step long past is not asked again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callctl.core.day import WITHIN_S, Asked, Queued, Stay, Step, queued, total, unheard
from callctl.core.events import PbxLost
from callctl.core.sightings import GapClosed
from callctl.store.cabinet import Cabinet
from callctl.store.tables import calls, journal, waits

SETTLED_AFTER_S = 3600.0  # A call that still waits an hour after its step is counted as it was then.
LONGEST_STAY_S = 4 * 3600.0  # A stay that began earlier is not looked for: nobody waits that long.
KEPT_STEPS = 4000  # Bound of the memory: a month of quarter hours, some 300 bytes each.
HALF_UNHEARD = 0.5  # From here on a step's figures would mislead more than they tell.


@dataclass(frozen=True, slots=True)
class Seen:
    """One step of some cities together."""

    asked: Asked
    queue: Queued


@dataclass(frozen=True, slots=True)
class DayLine:
    """Steps in a row; None where nobody was listening or the time has not come. `partial`: steps seen only in part."""

    steps: Sequence[Seen | None]
    partial: int


class DayFigures:
    """Answers the wallboard's questions. Each method raises StoreLost while SQL is lost."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        self._settled: dict[tuple[Step, tuple[str, ...]], Seen] = {}

    async def asked(self, cities: Iterable[str], since: float, until: float) -> Mapping[str, Asked]:
        """Each city's calls that first arrived from `since` until before `until`."""
        async with self._cabinet.reading() as connection:
            return await _asked(connection, tuple(cities), Step(since, until))

    async def line(self, cities: Iterable[str], row: Sequence[Step], now: float) -> DayLine:
        """The steps of these cities together. A city that was not heard takes its share of the step with it."""
        codes = tuple(sorted(cities))
        async with self._cabinet.reading() as connection:
            silences = await self._silences(connection, codes, row[0].since, min(row[-1].until, now))
            missed = [sum(unheard(step, silences[code], now) for code in codes) / len(codes) for step in row]
            told = [
                None if share > HALF_UNHEARD else await self._step(connection, codes, step, now)
                for step, share in zip(row, missed, strict=True)
            ]
        return DayLine(told, sum(0.0 < share <= HALF_UNHEARD for share in missed))

    async def _step(self, connection: AsyncConnection, cities: tuple[str, ...], step: Step, now: float) -> Seen:
        key = step, cities
        if key in self._settled:
            return self._settled[key]
        asked = total((await _asked(connection, cities, step)).values())
        seen = Seen(asked, queued(await _stays(connection, cities, step), step, now))
        if step.until + SETTLED_AFTER_S < now:
            if len(self._settled) >= KEPT_STEPS:
                self._settled.pop(next(iter(self._settled)))
            self._settled[key] = seen
        return seen

    async def _silences(
        self, connection: AsyncConnection, cities: tuple[str, ...], since: float, until: float
    ) -> dict[str, list[tuple[float, float]]]:
        """When each city's PBX was not heard, from `since` until `until`; before its first fact it never was."""
        edge = func.min(journal.c.at).label("edge")
        firsts = select(journal.c.city, edge).where(journal.c.city.in_(cities)).group_by(journal.c.city)
        heard_from = {row.city: row.edge for row in await connection.execute(firsts)}
        found = {city: [(since, heard_from.get(city, until))] for city in cities}
        lost: dict[str, float] = {}
        edges = select(journal.c.city, journal.c.at, journal.c.kind).where(
            journal.c.city.in_(cities),
            journal.c.at >= since,
            journal.c.at < until,
            journal.c.kind.in_((PbxLost.__name__, GapClosed.__name__)),
        )
        for row in (await connection.execute(edges.order_by(journal.c.at, journal.c.id))).all():
            if row.kind == PbxLost.__name__:
                lost.setdefault(row.city, row.at)
            else:
                began = lost.pop(row.city, None)
                if began is None:  # We were not running: silent since the last we had heard of it.
                    last = select(func.max(journal.c.at)).where(journal.c.city == row.city, journal.c.at < row.at)
                    began = (await connection.execute(last)).scalar()
                found[row.city].append((since if began is None else began, row.at))
        for city, at in lost.items():
            found[city].append((at, until))
        return found


async def _asked(connection: AsyncConnection, cities: tuple[str, ...], step: Step) -> dict[str, Asked]:
    answered = calls.c.outcome == "answered"
    home = and_(answered, func.coalesce(calls.c.by_city, calls.c.city) == calls.c.city)
    waiting = and_(calls.c.outcome.is_(None), calls.c.state == "waiting")
    counted = [home, answered, waiting, *(and_(answered, calls.c.waited_s <= seconds) for seconds in WITHIN_S)]
    columns = [func.sum(case((this, 1), else_=0)) for this in counted]
    mine = and_(calls.c.city.in_(cities), calls.c.asked_at >= step.since, calls.c.asked_at < step.until)
    found = await connection.execute(select(calls.c.city, func.count(), *columns).where(mine).group_by(calls.c.city))
    told = dict.fromkeys(cities, Asked())
    for city, asked, at_home, by_anybody, still, *within in found:
        told[city] = Asked(
            asked, int(at_home), int(by_anybody - at_home), int(still), dict(zip(WITHIN_S, map(int, within), strict=True))
        )
    return told


async def _stays(connection: AsyncConnection, cities: tuple[str, ...], step: Step) -> list[Stay]:
    here = and_(
        waits.c.city.in_(cities), waits.c.entered_at >= step.since - LONGEST_STAY_S, waits.c.entered_at < step.until
    )
    found = await connection.execute(select(waits.c.entered_at, waits.c.left_at, waits.c.gone_at).where(here))
    # Of a stay that vanished in a gap only its beginning is sure: it counts as no wait rather than as an endless one.
    return [Stay(row.entered_at, row.entered_at if row.gone_at is not None else row.left_at) for row in found]
