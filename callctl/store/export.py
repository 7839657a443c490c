"""Writes records into files that other programs and Excel read: CSV (UTF-8 with BOM, or GB18030), JSON lines, Parquet.

A file appears under its name only when it is whole: an export that was killed leaves a `.part` that the next one writes
over. Parquet needs an extra package: docs/decisions/0016-parquet-as-an-extra.md.
"""

import csv
import enum
import json
import os
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from callctl.core.days import time_text
from callctl.store.parquet import ParquetRows
from callctl.store.spool import sync


class Form(enum.StrEnum):
    """How a file is written."""

    CSV = "csv"  # UTF-8 with a mark that Excel and WPS understand.
    GB18030 = "csv-gb18030"
    JSONL = "jsonl"
    PARQUET = "parquet"  # store/parquet.py.


@dataclass(frozen=True, slots=True)
class Typed:
    """Columns of whole numbers, and of yes or no. The others' names tell: `_at` moments, `_s` seconds, else text."""

    counts: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()


_BLANK = "".join(map(chr, range(33))) + "\x7f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u2060\ufeff"
_SIGNS, _BREAKS = frozenset("=+-@"), frozenset("\t\r\n")
_BLANK += "".join(map(chr, range(0x2000, 0x200B)))
_ENCODINGS = {Form.CSV: "utf-8-sig", Form.GB18030: "gb18030", Form.JSONL: "utf-8"}
TEXT = Typed()
ENDINGS = {Form.CSV: ".csv", Form.GB18030: ".csv", Form.JSONL: ".jsonl", Form.PARQUET: ".parquet"}


class _TextRows:
    """A CSV or JSON lines file while it grows."""

    def __init__(self, path: Path, form: Form, fields: Sequence[str]) -> None:
        self._form, self._fields = form, fields
        self._file: IO[str] = path.open("w", encoding=_ENCODINGS[form], errors="replace", newline="")
        if form is not Form.JSONL:
            self._rows = csv.DictWriter(self._file, fields)
            self._rows.writeheader()

    def write(self, record: Mapping[str, Any]) -> None:
        if self._form is Form.JSONL:
            # A PBX may have sent broken UTF-8: what no file takes is escaped.
            text = json.dumps(record, ensure_ascii=False)
            self._file.write((text if text.isprintable() else json.dumps(record)) + "\n")
        else:
            self._rows.writerow({key: _cell(key, record[key]) for key in self._fields})

    def close(self) -> None:
        self._file.close()


class _Part:
    """The file under its other name, until it is whole."""

    def __init__(self, path: Path, form: Form, fields: Sequence[str], typed: Typed) -> None:
        self._path, self._form, self._fields, self._typed = path, form, fields, typed
        self._part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __enter__(self) -> _TextRows | ParquetRows:
        os.close(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))  # Citizens are in it.
        try:
            self._rows = (
                ParquetRows(self._part, self._fields, self._typed.counts, self._typed.facts)
                if self._form is Form.PARQUET
                else _TextRows(self._part, self._form, self._fields)
            )
        except BaseException:
            self._part.unlink(missing_ok=True)
            raise
        return self._rows

    def __exit__(self, kind: object, *_: object) -> None:
        self._rows.close()
        if kind is None:
            sync(self._part)
            os.replace(self._part, self._path)
            sync(self._path.parent)


def _cell(key: str, value: Any) -> Any:
    """A value as a person reads it in a table; a text that a spreadsheet would take for a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return time_text(value) if key.endswith("_at") else f"{value:.1f}"
    text = str(value)
    # Excel and WPS pass over what stands blank before it, and take a full-width sign for the narrow one.
    first = unicodedata.normalize("NFKC", text.lstrip(_BLANK)[:1])
    risky = first in _SIGNS or text[:1] in _BREAKS
    return f"'{text}" if risky else text


async def write_file(
    path: Path, form: Form, fields: Sequence[str], records: AsyncIterable[dict[str, Any]], typed: Typed = TEXT
) -> int:
    """Write all records; how many. Raises OSError, NoParquet, and then the file under that name is what it was before."""
    count = 0
    with _Part(path, form, fields, typed) as part:
        async for record in records:
            part.write(record)
            count += 1
    return count


async def each(records: Iterable[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Records that are already there, for write_file."""
    for record in records:
        yield record
