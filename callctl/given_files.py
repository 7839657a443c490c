"""The lists callctl brings along, or the province's own in their place: categories and holidays. All of a file, or nothing.

`categories.csv` and `holidays.csv` in the province folder win. Those that are shipped say in their column `status` what
they are: the categories a STARTER set and not the Jiangsu standard, the holidays to be CHECKed against the State
Council's notices.
"""

from datetime import date
from pathlib import Path

from callctl.core.categories import Category, mistakes
from callctl.core.workdays import Calendar
from callctl.store.sheet import Line, SheetRefused, read_sheet, refuse

GIVEN = Path(__file__).parent / "given"
_CATEGORY_NEEDED = ("code", "level", "parent", "name_zh")
_CATEGORY_MORE = ("name_en", "valid_from", "valid_to", "synonyms", "unit", "profile", "status")
_DAY_NEEDED = ("day", "kind")
_DAY_MORE = ("name", "status")


class GivenRefused(Exception):
    """A file of lists is wrong; str() is one line a mistake, each with the file's name."""


def own_or_given(province_dir: Path, name: str) -> Path:
    """The province's own file, or the one that comes with callctl."""
    own = province_dir / name
    return own if own.is_file() else GIVEN / name


def read_categories(path: Path) -> list[Category]:
    """The tree of a file. Raises GivenRefused."""
    wrong: list[str] = []
    tree: list[Category] = []
    places: list[int] = []
    try:
        for line in read_sheet(path.read_bytes(), _CATEGORY_NEEDED, _CATEGORY_MORE):
            try:
                tree.append(_category(line))
                places.append(line.number)
            except ValueError as error:
                wrong.append(f"line {line.number}: {error}")
        wrong += [f"line {places[place]}: {what}" for place, what in mistakes(tree)]
        if not tree and not wrong:
            wrong.append("no category in it")
        refuse(wrong)
    except (SheetRefused, OSError) as error:
        raise GivenRefused(_named(path, error)) from None
    return tree


def _category(line: Line) -> Category:
    cells = line.cells
    if not cells["level"].isdigit():
        raise ValueError(f"level {cells['level']!r}: write a whole number")
    return Category(
        code=cells["code"],
        parent=cells["parent"],
        depth=int(cells["level"]),
        name_zh=cells["name_zh"],
        name_en=cells.get("name_en", ""),
        valid_from=_day(cells.get("valid_from", ""), "valid_from"),
        valid_to=_day(cells.get("valid_to", ""), "valid_to"),
        synonyms=tuple(word for word in cells.get("synonyms", "").split("|") if word),
        unit=cells.get("unit", ""),
        profile=cells.get("profile", ""),
        status=cells.get("status", ""),
    )


def read_calendar(path: Path) -> Calendar:
    """The holidays and worked weekends of a file. Raises GivenRefused."""
    wrong: list[str] = []
    holidays: dict[date, str] = {}
    worked: dict[date, str] = {}
    try:
        for line in read_sheet(path.read_bytes(), _DAY_NEEDED, _DAY_MORE):
            try:
                _put(line, holidays, worked)
            except ValueError as error:
                wrong.append(f"line {line.number}: {error}")
        refuse(wrong)
    except (SheetRefused, OSError) as error:
        raise GivenRefused(_named(path, error)) from None
    return Calendar(holidays, worked, frozenset(day.year for day in (*holidays, *worked)))


def _put(line: Line, holidays: dict[date, str], worked: dict[date, str]) -> None:
    day, kind = _day(line.cells["day"], "day"), line.cells["kind"]
    if day is None:
        raise ValueError("no day")
    if kind not in ("holiday", "worked"):
        raise ValueError(f"kind {kind!r}: write holiday or worked")
    if kind == "worked" and day.weekday() < 5:
        raise ValueError(f"{day} is worked anyway: only Saturdays and Sundays are worked for others (调休)")
    if day in holidays or day in worked:
        raise ValueError(f"{day} stands there twice")
    (holidays if kind == "holiday" else worked)[day] = line.cells.get("name", "")


def _day(text: str, what: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ValueError(f"{what} {text!r}: write 2021-10-01") from None


def _named(path: Path, error: Exception) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return "\n".join(f"{path}: {line}" for line in text.splitlines())
