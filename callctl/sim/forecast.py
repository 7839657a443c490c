"""How many calls are expected: from a file of calls per quarter hour, or from the rate of now and the shape of a day."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from callctl.sim.spec_reader import parsed

BIN_S = 900.0
DAYS = ("normal_weekday", "surge", "weekend")

CallsPerH = tuple[float, ...]  # By quarter hour from now on.


class ForecastError(Exception):
    """The file cannot be used; `mistakes` names every one of them with its place."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))


def day_shares(day: str) -> list[float]:
    """The share of a day's calls in each of its 24 hours."""
    text = files("callctl.sim").joinpath("day_profile.csv").read_text("utf-8")
    return [float(row[day]) for row in csv.DictReader(io.StringIO(text))]


def shaped(per_h: float, begins_s: float, bins: int, day: str) -> CallsPerH:
    """The rate measured just now, going on as a day of this kind goes on."""
    shares = day_shares(day)

    def share(at_s: float) -> float:
        """Between the middles of two hours."""
        hours = (at_s / 3600.0 - 0.5) % 24.0
        part = hours % 1.0
        return shares[int(hours)] * (1.0 - part) + shares[(int(hours) + 1) % 24] * part

    now = share(begins_s)
    return tuple(round(per_h * share(begins_s + (i + 0.5) * BIN_S) / now, 3) for i in range(bins))


def read_forecast(path: Path, begins_s: float, bins: int, known: Callable[[str], str | None]) -> dict[str, CallsPerH]:
    """Calls per hour by city and quarter hour, of those cities the file holds. ForecastError names every mistake.

    CSV: `time` (HH:MM), then one column a city, calls per quarter hour. JSON: {city: [calls per quarter hour, …]} from now.
    `known` gives a city's name in the scenario, or None.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise ForecastError(str(path), [f"cannot be read: {error.strerror}"]) from None
    mistakes: list[str] = []
    if text.lstrip().startswith("{"):
        found = _from_json(text, bins, known, mistakes)
    else:
        found = _from_csv(text, begins_s, bins, known, mistakes)
    if mistakes:
        raise ForecastError(str(path), mistakes)
    return found


def _decoded(raw: bytes) -> str:
    """UTF-8, with or without a mark, or what a Chinese Excel writes."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")


def _from_json(text: str, bins: int, known: Callable[[str], str | None], mistakes: list[str]) -> dict[str, CallsPerH]:
    try:
        table = parsed(text)
    except ValueError as error:
        mistakes.append(str(error))
        return {}
    found = {}
    for city, calls in table.items():
        if (name := known(str(city))) is None:
            mistakes.append(f"{city}: no city has this name")
        elif not isinstance(calls, list) or not calls or not all(_is_count(one) for one in calls):
            mistakes.append(f"{city}: must be a list of numbers, 0 or more: calls per quarter hour from now on")
        else:
            longer = [*calls, *[calls[-1]] * bins][:bins]
            found[name] = tuple(4.0 * float(one) for one in longer)
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e7


def _from_csv(
    text: str, begins_s: float, bins: int, known: Callable[[str], str | None], mistakes: list[str]
) -> dict[str, CallsPerH]:
    reader = csv.reader(io.StringIO(text))
    rows: list[list[str]] = []
    try:
        rows += reader
    except csv.Error as error:
        mistakes.append(f"line {reader.line_num}: not CSV: {error}")
        return {}
    if not rows or len(rows[0]) < 2:
        mistakes.append("line 1: must name the columns: time, then cities; e.g. time,扬州,徐州")
        return {}
    names = [known(word.strip()) for word in rows[0][1:]]
    for column, word in zip(names, rows[0][1:], strict=True):
        if column is None:
            mistakes.append(f"line 1: {word.strip()}: no city has this name")
    by_quarter: dict[int, list[float]] = {}
    for line, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            _csv_row(row, line, len(names), by_quarter, mistakes)
    quarters = [int((begins_s + (i + 0.5) * BIN_S) % 86400.0 // BIN_S) for i in range(bins)]
    if absent := sorted({_hour(q) for q in quarters if q not in by_quarter}):
        mistakes.append(f"these quarter hours are missing: {', '.join(absent)}")
    if mistakes:
        return {}
    return {name: tuple(4.0 * by_quarter[q][i] for q in quarters) for i, name in enumerate(names) if name is not None}


def _csv_row(row: Sequence[str], line: int, width: int, found: dict[int, list[float]], mistakes: list[str]) -> None:
    hour, _, minute = row[0].strip().partition(":")
    if not (hour.isdecimal() and int(hour) < 24 and minute in {"00", "15", "30", "45"}):
        mistakes.append(f"line {line}: time {row[0].strip()!r} must be a quarter hour like 09:15")
        return
    values = []
    for cell in row[1:]:
        try:
            value = float(cell)
        except ValueError:
            value = -1.0
        if not _is_count(value):
            mistakes.append(f"line {line}: {cell.strip()!r} must be a number of calls, 0 or more")
        values.append(value)
    if len(values) != width:
        mistakes.append(f"line {line}: has {len(values)} numbers, the first line names {width} cities")
    else:
        found[int(hour) * 4 + int(minute) // 15] = values


def _hour(quarter: int) -> str:
    return f"{quarter // 4:02}:{quarter % 4 * 15:02}"


def by_half_hour(per_h: Mapping[int, float] | Sequence[float]) -> tuple[float, ...]:
    """Quarter hours, two by two."""
    rates = list(per_h.values()) if isinstance(per_h, Mapping) else list(per_h)
    return tuple(sum(rates[i : i + 2]) / len(rates[i : i + 2]) for i in range(0, len(rates), 2))
