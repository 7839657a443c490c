"""Many random provinces: lived through in several processes, counted, and kept in a file that a later run goes on from."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from callctl.sim.fuzz import Verdict, live_through
from callctl.sim.replicate import hush

PART = 8  # Seeds a process takes at a time.
LIVED = ("core", "sim", "controller.py", "ledger.py")  # What a verdict depends on, in callctl/.
BEGINNINGS = ('{"version": "', '{"seed": ')  # Of a line, now and before lines carried the code's version.


@cache
def code_version() -> str:
    """A digest of the sources that a random province lives through: a verdict says nothing about other ones."""
    root = Path(__file__).resolve().parent.parent
    sources = [source for place in LIVED for source in [root / place, *sorted((root / place).rglob("*.py"))]]
    digest = hashlib.sha256()
    for source in filter(Path.is_file, sources):
        digest.update(b"%s\0%s\0" % (source.relative_to(root).as_posix().encode(), source.read_bytes()))
    return digest.hexdigest()[:16]


def open_log(path: Path) -> TextIO:
    """The file to append to, its folder made, behind whatever a crash cut off in the last line. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.open("a", encoding="utf-8")
    if path.read_bytes()[-1:] not in (b"", b"\n"):
        lines.write("\n")
    return lines


class Tally:
    """What came of all provinces so far."""

    def __init__(self) -> None:
        self.seeds: set[int] = set()
        self.failing: dict[int, str] = {}
        self.ignored = 0  # Lines of the file that another version of the code wrote, or a crash cut off.
        self._sums: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        """One more province; a seed counts once."""
        if verdict.seed in self.seeds:
            return
        self.seeds.add(verdict.seed)
        if verdict.violation:
            self.failing[verdict.seed] = verdict.violation
        for word in ("calls", "remote", "orders", "troubles", "cities", "steps"):
            self._sums[word] += getattr(verdict, word)

    @staticmethod
    def append(lines: TextIO, verdict: Verdict) -> None:
        """One line more in the file; it is there when this returns. Raises OSError."""
        lines.write(json.dumps({"version": code_version(), **asdict(verdict)}, ensure_ascii=False) + "\n")
        lines.flush()

    @classmethod
    def read(cls, path: Path) -> "Tally":
        """From the file of an earlier run; see _row for what counts. Raises OSError, ValueError."""
        tally = cls()
        if not path.exists():
            return tally
        for number, line in enumerate(path.read_text("utf-8", errors="replace").split("\n"), 1):
            try:
                row = _row(line) if line.strip() else {}
                if row:
                    tally.add(Verdict(**row))
            except (TypeError, ValueError) as error:
                raise ValueError(f"line {number} is no result of `callctl sim fuzz`: {error}") from None
            tally.ignored += row is None
        return tally

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "provinces": len(self.seeds),
            **{word: self._sums[word] for word in ("calls", "remote", "orders", "troubles", "cities", "steps")},
            "ignored": self.ignored,
            "violations": len(self.failing),
            "failing": {str(seed): found for seed, found in sorted(self.failing.items())},
        }

    def told(self) -> str:
        """For people, in one line and one more for each failing seed."""
        sums = self._sums
        line = (
            f"{len(self.seeds):,} provinces, {sums['calls']:,} calls ({sums['remote']:,} answered by other cities), "
            f"{sums['troubles']:,} troubles, {sums['orders']:,} orders, {sums['steps']:,} steps checked: "
            f"{len(self.failing)} violations"
        )
        return "\n".join([line, *(f"  seed {seed}: {found}" for seed, found in sorted(self.failing.items()))])


def _row(line: str) -> Mapping[str, Any] | None:
    """The verdict's words if this version of the code wrote the line, None if another one did or a crash cut it off.

    ValueError where it is something else.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        if any(line.startswith(word[: len(line)]) for word in BEGINNINGS):
            return None
        raise ValueError(error) from None
    if not isinstance(row, dict) or not {"seed", "violation"} <= row.keys():
        raise ValueError("it has no seed and no violation")
    if row.pop("version", "") != code_version():
        return None
    for word in fields(Verdict):
        value, numbers = row.get(word.name), (int, float) if word.type is float else (int,)
        if isinstance(value, bool) or not isinstance(value, (str,) if word.type is str else numbers):
            raise ValueError(f"{word.name} is {value!r}")
    return row


def live_many(seeds: Sequence[int], processes: int | None = None) -> Iterator[Verdict]:
    """One verdict per seed, in their order."""
    number = min(processes or os.cpu_count() or 1, max(1, len(seeds) // PART))
    if number == 1:
        hush()
        yield from map(live_through, seeds)
        return
    with ProcessPoolExecutor(number, get_context("spawn"), hush) as pool:
        yield from pool.map(live_through, seeds, chunksize=PART)
