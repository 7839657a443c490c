"""The next hours of several scenarios, hour by hour, with the same citizens: who waits how long, and at whose cost."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import fmean
from typing import Any

from callctl.sim.engine import Engine
from callctl.sim.people import City
from callctl.sim.policies import Sharing
from callctl.sim.report import half_width
from callctl.sim.scenario import Scenario

HOUR_S = 3600.0
LOOK_S = 60.0  # How often lent seats and queues are looked at.
# What is counted of one city in one hour, in this order.
COUNTS = ("attempts", "answered", "answered_remote", "abandoned", "blocked", "wait_s", "in_sl", "lent", "waiting", "given")

Row = tuple[float, ...]
Run = dict[str, list[Row]]  # By city: its hours.


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over the seeds and half its 95 % interval; `mean` None: nothing to count."""

    mean: float | None
    half: float = 0.0


def looked_at(scenario: Scenario, seed: int) -> Run:
    """One run, with callctl's own policy."""
    engine = Engine(scenario, seed, Sharing())
    hours = _Hours(engine)
    engine.run()
    hours.over()
    return hours.rows


class _Hours:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.rows: Run = {city.spec.name: [] for city in engine.cities}
        self.before = {city.spec.name: self._totals(city) for city in engine.cities}
        self.lent = {name: [0.0, 0.0] for name in self.rows}
        self.looks = 0
        engine.at(LOOK_S / 2.0, self._look, None)
        for hour in range(1, math.ceil(engine.scenario.horizon_s / HOUR_S)):
            engine.at(hour * HOUR_S, self._hour_over, None)

    def _look(self, _: None) -> None:
        self.looks += 1
        for city in self.engine.cities:
            sums = self.lent[city.spec.name]
            sums[0] += city.room.lent
            sums[1] += city.room.waiting
        self.engine.at(self.engine.now + LOOK_S, self._look, None)

    @staticmethod
    def _totals(city: City) -> list[float]:
        counts = city.counts
        return [
            counts.attempts,
            counts.answered,
            counts.remote,
            counts.abandoned,
            counts.blocked,
            math.fsum(counts.waits),
            counts.in_sl,
            counts.given,
        ]

    def _hour_over(self, _: None) -> None:
        self.over()

    def over(self) -> None:
        """Close the hour."""
        looks = max(1, self.looks)
        for city in self.engine.cities:
            name, now = city.spec.name, self._totals(city)
            *first, given = [a - b for a, b in zip(now, self.before[name], strict=True)]
            lent, waiting = self.lent[name]
            self.rows[name].append((*first, lent / looks, waiting / looks, given))
            self.before[name], self.lent[name] = now, [0.0, 0.0]
        self.looks = 0


def look_ahead(
    scenarios: Sequence[Scenario],
    seeds: Sequence[int],
    processes: int | None = None,
    done: Callable[[], None] | None = None,
) -> list[list[Run]]:
    """Every scenario with every seed: [scenario][seed]. The citizens of one seed are the same in all of them."""
    tasks = [(scenario, seed) for scenario in scenarios for seed in seeds]
    runs = []
    for run in _runs(tasks, processes or os.cpu_count() or 1):
        runs.append(run)
        if done:
            done()
    return [runs[i * len(seeds) : (i + 1) * len(seeds)] for i in range(len(scenarios))]


def _runs(tasks: list[tuple[Scenario, int]], processes: int) -> Iterator[Run]:
    if processes == 1 or len(tasks) == 1:
        for task in tasks:
            yield looked_at(*task)
        return
    with ProcessPoolExecutor(min(processes, len(tasks)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, tasks, chunksize=max(1, len(tasks) // (4 * processes)))


def _run(task: tuple[Scenario, int]) -> Run:
    return looked_at(*task)


MEASURES: Mapping[str, Callable[[Mapping[str, float]], float | None]] = {
    "calls": lambda c: c["attempts"],
    "connect_rate": lambda c: _share(c["answered"], c["answered"] + c["abandoned"] + c["blocked"]),
    "wait_s": lambda c: _share(c["wait_s"], c["answered"]),
    "abandoned": lambda c: _share(c["abandoned"], c["answered"] + c["abandoned"] + c["blocked"]),
    "sl15": lambda c: _share(c["in_sl"], c["answered"] + c["abandoned"] + c["blocked"]),
    "answered_remote": lambda c: c["answered_remote"],
    "waiting": lambda c: c["waiting"],
    "lent": lambda c: c["lent"],
    "answered_for_others": lambda c: c["given"],
}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0.0 else None


def measured(run: Run, cities: Sequence[str], measure: str, hour: int | None = None) -> float | None:
    """One figure of some cities together, of one hour or of all; lent and waiting are means over time."""
    rows = [row for city in cities for row in (run[city] if hour is None else [run[city][hour]])]
    counts = dict(zip(COUNTS, (sum(column) for column in zip(*rows, strict=True)), strict=True))
    spans = len(run[cities[0]]) if hour is None else 1
    for word in ("lent", "waiting"):
        counts[word] /= spans
    return MEASURES[measure](counts)


def figure(values: Sequence[float | None]) -> Figure:
    """Mean and interval of what is known."""
    known = [value for value in values if value is not None]
    return Figure(fmean(known), half_width(known)) if known else Figure(None)


def difference(runs: Sequence[Run], other: Sequence[Run], cities: Sequence[str], measure: str) -> Figure:
    """What the change does, seed by seed: the same citizens on both sides."""
    pairs = [(measured(a, cities, measure), measured(b, cities, measure)) for a, b in zip(runs, other, strict=True)]
    return figure([a - b if a is not None and b is not None else None for a, b in pairs])


def as_table(runs: Sequence[Run], cities: Sequence[str]) -> dict[str, Any]:
    """The figures of each city, hour by hour and together, ready for JSON."""
    hours = len(next(iter(runs[0].values())))
    table: dict[str, Any] = {}
    for city in cities:
        table[city] = {
            measure: {
                "all": _json(figure([measured(run, [city], measure) for run in runs])),
                "hours": [_json(figure([measured(run, [city], measure, hour) for run in runs])) for hour in range(hours)],
            }
            for measure in MEASURES
        }
    return table


def _json(one: Figure) -> list[float] | None:
    """[mean, half the 95 % interval]."""
    return None if one.mean is None else [round(one.mean, 5), round(one.half, 5)]
