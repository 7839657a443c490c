"""The carrier's count of dial attempts: what nobody but the carrier can know, imported from its files, all rows or none."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import and_, delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.acts import ActRefused
from callctl.core.days import BEIJING, DAY_S
from callctl.store.ledger import upsert
from callctl.store.record_tables import attempts
from callctl.store.schema import IMMEDIATE
from callctl.store.sheet import Line, SheetRefused, read_sheet, refuse

AttemptsRefused = SheetRefused
_NEEDED = ("city", "time", "seconds", "attempts")


async def import_attempts(engine: AsyncEngine, raw: bytes, source: str, code_of: Callable[[str], str]) -> int:
    """Write the rows of a file over what was known of the same city and time. Raises SheetRefused, ActRefused.

    What was imported before and is covered whole by new rows, hours by their day or a day by its hours, is replaced; what
    would be cut is refused: no second may count twice.
    """
    mistakes: list[str] = []
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for line in read_sheet(raw, _NEEDED):
        try:
            row = _row(line, source, code_of)
        except (ValueError, ActRefused) as error:
            mistakes.append(f"line {line.number}: {error}")
            continue
        key = (str(row["city"]), int(str(row["since"])))
        if key in rows:
            mistakes.append(f"line {line.number}: {line.cells['city']} {line.cells['time']} stands there twice")
        rows[key] = row
    mistakes += _overlaps(rows)
    refuse(mistakes)
    async with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
        if connection.dialect.name == "postgresql":  # SQLite lets one writer in at a time.
            await connection.execute(text("LOCK TABLE attempts IN SHARE ROW EXCLUSIVE MODE"))
        replaced, mistakes = await _known(connection, rows)
        refuse(mistakes)
        for city, since in replaced:
            await connection.execute(delete(attempts).where(attempts.c.city == city, attempts.c.since == since))
        await upsert(connection, attempts, list(rows.values()))
    return len(rows)


async def _known(
    connection: AsyncConnection, rows: Mapping[tuple[str, int], Mapping[str, object]]
) -> tuple[list[tuple[str, int]], list[str]]:
    """Of the rows imported earlier: those that the new ones replace, and what is wrong where only a part would be."""
    new: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (city, since), row in rows.items():
        new[city].append((since, since + int(str(row["seconds"]))))
    replaced, mistakes = [], []
    for city, spans in new.items():
        spans.sort()
        begin, end = spans[0][0] - DAY_S, spans[-1][1]
        near = and_(attempts.c.city == city, attempts.c.since > begin, attempts.c.since < end)
        for old in (await connection.execute(select(attempts).where(near).order_by(attempts.c.since))).all():
            until = old.since + old.seconds
            first = max(0, bisect_right(spans, (old.since, end)) - 1)
            shared = 0
            for since, stop in spans[first:]:
                if since >= until:
                    break
                shared += max(0, min(stop, until) - max(since, old.since))
            if shared == old.seconds:
                replaced.append((city, old.since))
            elif shared:
                at = datetime.fromtimestamp(old.since, BEIJING)
                mistakes.append(
                    f"{city}: {old.seconds} s from {at:%Y-%m-%d %H:%M} were imported before (from {old.source!r}) and "
                    "would be counted twice in part: give all intervals of that time"
                )
    return replaced, mistakes


def _row(line: Line, source: str, code_of: Callable[[str], str]) -> dict[str, object]:
    cells = line.cells
    try:
        at = datetime.fromisoformat(cells["time"].replace("/", "-"))
    except ValueError:
        raise ValueError(f"time {cells['time']!r}: write 2021-07-25 09:00, Beijing time") from None
    since = int((at if at.tzinfo else at.replace(tzinfo=BEIJING)).timestamp())
    seconds, count = _whole(cells["seconds"], "seconds"), _whole(cells["attempts"], "attempts")
    if not 0 < seconds <= DAY_S:
        raise ValueError(f"seconds {seconds}: an interval is 1 to {DAY_S} seconds long")
    return {"city": code_of(cells["city"]), "since": since, "seconds": seconds, "attempts": count, "source": source}


def _whole(text: str, what: str) -> int:
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise ValueError(f"{what} {text!r}: write a whole number")
    return int(digits)


def _overlaps(rows: dict[tuple[str, int], dict[str, object]]) -> list[str]:
    """Two intervals of a city that share a second would count its attempts twice."""
    found = []
    until: dict[str, int] = {}
    for (city, since), row in sorted(rows.items()):
        if since < until.get(city, since):
            found.append(
                f"{city}: the interval at {datetime.fromtimestamp(since, BEIJING):%Y-%m-%d %H:%M} overlaps the one before"
            )
        until[city] = max(until.get(city, 0), since + int(str(row["seconds"])))
    return found
