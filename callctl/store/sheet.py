"""Reads a table that came from outside: CSV in UTF-8 or GB18030, as Excel, WPS and the carriers write it.

Every mistake is told with its line; whoever imports does so only when there is none.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

MISTAKES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One row by column name, and where it stands in the file."""

    number: int
    cells: dict[str, str]


class SheetRefused(Exception):
    """The file cannot be read as such a table; str() is one line a mistake."""


def decoded(raw: bytes) -> str:
    """The text: UTF-8 (with or without its mark), else GB18030. Raises SheetRefused with the line of the first bad byte."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SheetRefused("the file is UTF-16: save it as CSV UTF-8 or GB18030")
    if b"\0" in raw:
        raise SheetRefused(f"line {_line_at(raw, raw.index(0))}: a NUL byte: this is no text file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as utf8:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError as gb18030:
            line, column = _line_at(raw, gb18030.start), gb18030.start - raw.rfind(b"\n", 0, gb18030.start)
            raise SheetRefused(
                f"line {line}, byte {column}: neither UTF-8 (that fails in line {_line_at(raw, utf8.start)}) nor GB18030: "
                "save the file again in one of the two"
            ) from None


def _line_at(raw: bytes, place: int) -> int:
    return raw.count(b"\n", 0, place) + 1


def read_sheet(raw: bytes, needed: Sequence[str], optional: Sequence[str] = ()) -> list[Line]:
    """The rows. Raises SheetRefused: bad bytes, a missing or unknown column, a row of another length."""
    rows = csv.reader(io.StringIO(decoded(raw), newline=""), strict=True)
    found: list[Line] = []
    mistakes: list[str] = []
    try:
        head = [cell.strip() for cell in next(rows, [])]
        missing = [name for name in needed if name not in head]
        unknown = [name for name in head if name not in (*needed, *optional)]
        if missing:
            mistakes.append(f"line 1: no column {', '.join(missing)}; needed are {', '.join(needed)}")
        if unknown:
            mistakes.append(
                f"line 1: unknown column {', '.join(map(repr, unknown))}; known are {', '.join((*needed, *optional))}"
            )
        if len(set(head)) != len(head):
            mistakes.append("line 1: a column stands there twice")
        for cells in rows:
            if not cells or not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                mistakes.append(f"line {rows.line_num}: {len(cells)} cells, the first line has {len(head)}")
                continue
            found.append(Line(rows.line_num, {name: cell.strip() for name, cell in zip(head, cells, strict=True)}))
    except csv.Error as error:
        mistakes.append(f"line {rows.line_num}: {error}")
    refuse(mistakes)
    return found


def refuse(mistakes: Sequence[str]) -> None:
    """Raise SheetRefused where there is a mistake; of very many, the first are shown."""
    if mistakes:
        more = [f"… and {len(mistakes) - MISTAKES_SHOWN} more"] if len(mistakes) > MISTAKES_SHOWN else []
        raise SheetRefused("\n".join([*mistakes[:MISTAKES_SHOWN], *more]))
