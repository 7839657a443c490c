"""The carrier's count of dial attempts: what nobody but the carrier can know, imported from its files, all rows or none."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.acts import ActRefused
from callctl.core.days import BEIJING, DAY_S
from callctl.store.ledger import upsert
from callctl.store.record_tables import attempts
from callctl.store.sheet import Line, SheetRefused, read_sheet, refuse

AttemptsRefused = SheetRefused
_NEEDED = ("city", "time", "seconds", "attempts")


async def import_attempts(engine: AsyncEngine, raw: bytes, source: str, code_of: Callable[[str], str]) -> int:
    """Write the rows of a file over what was known of the same city and time. Raises SheetRefused, ActRefused."""
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
    async with engine.begin() as connection:
        await upsert(connection, attempts, list(rows.values()))
    return len(rows)


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
