"""Records as a Parquet file, for the analysts' tools. Needs `callctl[parquet]` (pyarrow), which nothing else here does.

A column's kind is known from its name, as everywhere: `_at` a moment, `_s` seconds.
"""

import importlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

AT_ONCE = 20_000  # Records of a row group: a province's month must not stand in memory.


class NoParquet(Exception):
    """pyarrow is not installed; str() says how to get it, or what to use instead."""


class ParquetRows:
    """A Parquet file while it grows. Raises NoParquet, OSError."""

    def __init__(self, path: Path, fields: Sequence[str], counts: Collection[str], facts: Collection[str]) -> None:
        """`counts`: columns of whole numbers; `facts`: of yes or no. The others are text, moments or seconds."""
        try:
            # Not at the top: it is ten times what every command loads, and only this one needs it.
            self._arrow: Any = importlib.import_module("pyarrow")
            writing: Any = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise NoParquet(
                "Parquet needs pyarrow: pip install 'callctl[parquet]'; or use --form jsonl, which holds the same fields"
            ) from None
        kinds = {field: self._kind(field, counts, facts) for field in fields}
        self._schema = self._arrow.schema(list(kinds.items()))
        self._file = writing.ParquetWriter(path, self._schema, compression="zstd")
        self._held: list[Mapping[str, Any]] = []

    def _kind(self, field: str, counts: Collection[str], facts: Collection[str]) -> Any:
        arrow = self._arrow
        if field in counts:
            return arrow.int64()
        if field in facts:
            return arrow.bool_()
        if field.endswith("_at"):
            return arrow.timestamp("us", "UTC")
        return arrow.float64() if field.endswith("_s") else arrow.string()

    def write(self, record: Mapping[str, Any]) -> None:
        """One record."""
        self._held.append(record)
        if len(self._held) >= AT_ONCE:
            self._put()

    def close(self) -> None:
        """Write what is held, and the file's end, without which no reader takes it."""
        self._put()
        self._file.close()

    def _put(self) -> None:
        if self._held:
            rows = [{field.name: _cell(field.name, row[field.name]) for field in self._schema} for row in self._held]
            self._file.write_table(self._arrow.Table.from_pylist(rows, self._schema))
            self._held = []


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # A PBX may have sent broken text.
    return round(value * 1_000_000) if value is not None and name.endswith("_at") else value
