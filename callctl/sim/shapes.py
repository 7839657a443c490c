"""Provinces and days nobody has seen before: random scenarios of many shapes, to try a policy on what it was not made for.

One number gives one scenario. Everything varies on its own: how many cities and how large, who is assisted and how often
the switch is thrown, loads and day shapes, talk, patience and redials, lines, trunks, quotas, set-up, slower help, faults.
"""

import math
import random
from typing import Any

from callctl.sim.draws import stream
from callctl.sim.scenario import Scenario, scenario_from

KINDS = ("surge", "several", "ordinary", "flash", "rolling", "faults")
HOUR = 3600.0
BIN_S = 900.0

Spec = dict[str, Any]


def shape(number: int) -> Scenario:
    """The scenario of this number; its name tells its kind."""
    chance = stream("shape", number)
    kind = KINDS[number % len(KINDS)]
    spec = _Shape(chance, kind).spec()
    return scenario_from({"name": f"{number:03d}_{kind}", "seed": 1} | spec, f"shape {number}")


class _Shape:
    """One scenario in the making."""

    def __init__(self, chance: random.Random, kind: str) -> None:
        self.chance, self.kind = chance, kind
        self.hours = chance.choice((5, 6, 8, 10))
        self.talk_s, self.wrap_s = chance.uniform(90, 280), chance.uniform(15, 110)
        self.patience_s = self._log(70, 320)
        sizes = [self._size() for _ in range(chance.randint(4, 14))]
        helped = chance.randint(2, 3) if kind == "several" else 1
        # A hall of three with forty calls a day shows nothing but chance.
        self.sizes = [max(8, size) if place < helped else size for place, size in enumerate(sizes)]
        self.helped = len(sizes) if kind == "ordinary" else helped

    def _log(self, low: float, high: float) -> float:
        return math.exp(self.chance.uniform(math.log(low), math.log(high)))

    def _size(self) -> int:
        return round(self.chance.choice((self._log(2, 6), self._log(6, 25), self._log(15, 45), self._log(30, 100))))

    def spec(self) -> Spec:
        """The parsed scenario file."""
        chance = self.chance
        cities = [self._city(place, size) for place, size in enumerate(self.sizes)]
        return {
            "horizon_s": self.hours * HOUR,
            "remote": {
                "setup_s": self._log(1, 8),
                "setup_cv": chance.uniform(0.1, 0.6),
                "latency_s": chance.choice((0.02, 0.05, 0.2)),
                "aht_factor": chance.uniform(1.0, 1.8),
                "rona_p": chance.choice((0.0, 0.01, 0.05)),
                "rona_s": chance.uniform(8, 20),
                "detect_s": chance.uniform(5, 15),
            },
            "noise": {"bin_cv": chance.choice((0.0, 0.1, 0.25)), "day_cv": chance.choice((0.0, 0.05, 0.15))},
            "assist": self._switches(cities),
            "faults": self._faults(cities) if self.kind == "faults" or chance.random() < 0.1 else [],
            "cities": cities,
        }

    def _switches(self, cities: list[Spec]) -> list[list[Any]]:
        switches: list[list[Any]] = []
        for city in cities[: self.helped]:
            on = 0.0 if self.chance.random() < 0.6 else self.chance.uniform(0, 0.3 * self.hours * HOUR)
            switches.append([on, city["name"], True])
            if self.chance.random() < 0.25:
                off = self.chance.uniform(0.4, 0.7) * self.hours * HOUR
                switches.append([off, city["name"], False])
                switches.append([off + self.chance.uniform(300, 5400), city["name"], True])
        return switches

    def _faults(self, cities: list[Spec]) -> list[Spec]:
        helping = [city["name"] for city in cities[self.helped :]] or [cities[-1]["name"]]
        return [
            {
                "t": self.chance.uniform(0.1, 0.9) * self.hours * HOUR,
                "kind": self.chance.choice(("trunk_down", "trunk_down", "pbx_down")),
                "city": self.chance.choice(helping),
                "dur": self._log(15, 1800),
            }
            for _ in range(self.chance.randint(1, 5))
        ]

    def _city(self, place: int, size: int) -> Spec:
        chance = self.chance
        helped = place < self.helped and self.kind != "ordinary"
        talk_s, wrap_s = self.talk_s * chance.uniform(0.85, 1.2), self.wrap_s * chance.uniform(0.8, 1.25)
        erlang_per_h = HOUR / (talk_s + wrap_s)
        calm = max(0.35, min(0.9, 1.0 - chance.uniform(0.6, 1.6) / math.sqrt(size)))  # A small room must be emptier.
        peak = size * erlang_per_h * (self._log(1.3, 5.0) * min(1.0, calm + 0.2) if helped else calm)
        rates = [round(peak * share, 2) for share in self._day(helped)]
        if self.kind == "rolling" and not helped and chance.random() < 0.4:
            start, length = chance.randrange(len(rates)), chance.randint(3, 10)
            more = chance.uniform(1.3, 2.2)
            rates = [rate * more if start <= i < start + length else rate for i, rate in enumerate(rates)]
        return {
            "name": f"{'assisted' if place < self.helped else 'city'}{place}",
            "lines": max(size + 3, round(size * self._log(1.3, 12))),
            "trunks": max(3, round(size * self._log(0.4, 4) + (40 if helped else 0))),
            "threshold_s": chance.choice((10, 15, 20, 20, 30, 45)),
            "sl_target": chance.choice((0.7, 0.8, 0.8, 0.9)),
            "supporter": chance.random() < 0.95,
            "weight": chance.choice((0.5, 1, 1, 2, 3)) if helped else 1,
            "staff": self._staff(size),
            "quota": self._quota(size),
            "arrivals": {"bin_s": BIN_S, "per_h": rates},
            "talk": self._duration(talk_s),
            "wrap": {"dist": chance.choice(("exp", "det")), "mean": wrap_s},
            "patience": self._patience(),
            "redial": {
                "p_block": chance.uniform(0.4, 0.95),
                "p_abandon": chance.uniform(0.1, 0.85),
                "delay_block": {"dist": "exp", "mean": self._log(20, 200)},
                "delay_abandon": {"dist": "exp", "mean": self._log(60, 900)},
                "max": chance.choice((3, 10, 20)),
            },
        }

    def _day(self, helped: bool) -> list[float]:
        """Shares of the peak per quarter hour."""
        bins = round(self.hours * HOUR / BIN_S)
        form = self.chance.choice(("flat", "hump", "two humps", "ramp"))
        if helped and self.kind == "flash":
            form = "flash"
        at, wide = self.chance.uniform(0.2, 0.8), self.chance.uniform(0.08, 0.25)
        low = self.chance.uniform(0.3, 0.7)

        def share(x: float) -> float:
            hump = math.exp(-(((x - at) / wide) ** 2) / 2)
            if form == "flat":
                return 1.0
            if form == "ramp":
                return low + (1 - low) * x
            if form == "two humps":
                other = math.exp(-(((x - (at + 0.45) % 1.0) / wide) ** 2) / 2)
                return low + (1 - low) * max(hump, 0.85 * other)
            if form == "flash":
                return 0.12 + (0.0 if x < at else math.exp(-(x - at) * self.hours * 2.0))
            return low + (1 - low) * hump

        return [min(1.12, share((i + 0.5) / bins)) for i in range(bins)]

    def _staff(self, size: int) -> list[list[float]]:
        steps = [[0.0, size]]
        for part in (0.35, 0.7):
            if self.chance.random() < 0.5:
                steps.append([part * self.hours * HOUR, max(1, round(size * self.chance.uniform(0.75, 1.15)))])
        return steps

    def _quota(self, size: int) -> list[list[float]]:
        steps = [[0.0, round(size * self.chance.uniform(0.15, 0.9))]]
        if self.chance.random() < 0.3:
            at = self.chance.uniform(0.2, 0.8) * self.hours * HOUR
            steps.append([at, round(size * self.chance.choice((0.0, 0.3, 0.8)))])
        return steps

    def _duration(self, mean_s: float) -> Spec:
        form = self.chance.choice(("lognorm", "lognorm", "exp", "erlang", "hyper"))
        more: dict[str, Spec] = {
            "lognorm": {"cv": self.chance.uniform(0.7, 1.5)},
            "exp": {},
            "erlang": {"k": self.chance.randint(2, 4)},
            "hyper": {"p": 0.7, "m1": 0.4 * mean_s},
        }
        return {"dist": form, "mean": mean_s, **more[form]}

    def _patience(self) -> Spec:
        mean_s = self.patience_s * self.chance.uniform(0.8, 1.25)
        form = self.chance.choice(("exp", "exp", "lognorm", "weibull"))
        more: dict[str, Spec] = {
            "exp": {},
            "lognorm": {"cv": self.chance.uniform(0.8, 1.4)},
            "weibull": {"shape": self.chance.uniform(0.7, 1.6)},
        }
        return {"dist": form, "mean": mean_s, **more[form]}
