"""Writes records into files that other programs and Excel read: CSV (UTF-8 with BOM, or GB18030) and JSON lines.

A file appears under its name only when it is whole: an export that was killed leaves a `.part` that the next one writes
over. Parquet is left out on purpose: docs/decisions/0013-records.md.
"""

import csv
import enum
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from callctl.core.days import time_text


class Form(enum.StrEnum):
    """How a file is written."""

    CSV = "csv"  # UTF-8 with a mark that Excel and WPS understand.
    GB18030 = "csv-gb18030"
    JSONL = "jsonl"


_ENCODINGS = {Form.CSV: "utf-8-sig", Form.GB18030: "gb18030", Form.JSONL: "utf-8"}
ENDINGS = {Form.CSV: ".csv", Form.GB18030: ".csv", Form.JSONL: ".jsonl"}


class _Part:
    """The file while it grows."""

    def __init__(self, path: Path, form: Form, fields: Sequence[str]) -> None:
        self._path, self._form, self._fields = path, form, fields
        self._part = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def __enter__(self) -> "_Part":
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # Citizens are in it.
        self._file: IO[str] = os.fdopen(handle, "w", encoding=_ENCODINGS[self._form], errors="replace", newline="")
        if self._form is not Form.JSONL:
            self._rows = csv.DictWriter(self._file, self._fields)
            self._rows.writeheader()
        return self

    def write(self, record: dict[str, Any]) -> None:
        """One record."""
        if self._form is Form.JSONL:
            # A PBX may have sent broken UTF-8: what no file takes is escaped.
            text = json.dumps(record, ensure_ascii=False)
            self._file.write((text if text.isprintable() else json.dumps(record)) + "\n")
        else:
            self._rows.writerow({key: _cell(key, record[key]) for key in self._fields})

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            os.replace(self._part, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


def _cell(key: str, value: Any) -> Any:
    """A value as a person reads it in a table; a text that a spreadsheet would take for a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return time_text(value) if key.endswith("_at") else f"{value:.1f}"
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


async def write_file(path: Path, form: Form, fields: Sequence[str], records: AsyncIterable[dict[str, Any]]) -> int:
    """Write all records; how many. Raises OSError, and then the file under that name is what it was before."""
    count = 0
    with _Part(path, form, fields) as part:
        async for record in records:
            part.write(record)
            count += 1
    return count


async def each(records: Iterable[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Records that are already there, for write_file."""
    for record in records:
        yield record
