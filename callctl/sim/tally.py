"""Many random provinces: lived through in several processes, counted, and kept in a file that a later run goes on from."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from callctl.sim.fuzz import Verdict, live_through
from callctl.sim.replicate import hush

PART = 8  # Seeds a process takes at a time.


class Tally:
    """What came of all provinces so far."""

    def __init__(self) -> None:
        self.seeds: set[int] = set()
        self.failing: dict[int, str] = {}
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
    def append(path: Path, verdict: Verdict) -> None:
        """One line more in the file."""
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(verdict), ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Tally":
        """From the file of an earlier run; a line cut off by a crash is left out. Raises OSError, ValueError."""
        tally = cls()
        if not path.exists():
            return tally
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
            if not line.endswith("\n"):
                continue
            try:
                tally.add(Verdict(**json.loads(line)))
            except (TypeError, json.JSONDecodeError) as error:
                raise ValueError(f"line {number} is no result of `callctl sim fuzz`: {error}") from None
        return tally

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "provinces": len(self.seeds),
            **{word: self._sums[word] for word in ("calls", "remote", "orders", "troubles", "cities", "steps")},
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


def live_many(seeds: Sequence[int], processes: int | None = None) -> Iterator[Verdict]:
    """One verdict per seed, in their order."""
    number = min(processes or os.cpu_count() or 1, max(1, len(seeds) // PART))
    if number == 1:
        hush()
        yield from map(live_through, seeds)
        return
    with ProcessPoolExecutor(number, get_context("spawn"), hush) as pool:
        yield from pool.map(live_through, seeds, chunksize=PART)
