"""How well a new caller's wait is foretold: QL, QLa, QLrate, the head's age and the last wait, in the fast depth.

python bench/estimators.py          a minute; callctl activates by QLa and announces by QLrate (core/estimate.py)

For every caller who has to wait and is answered: what each estimator said on arrival, against the wait that came.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from callctl.core.estimate import LastWait, wait_hol, wait_ql, wait_qla, wait_qlrate
from callctl.sim.engine import Engine
from callctl.sim.people import Caller
from callctl.sim.policies import Sharing
from callctl.sim.scenario import Scenario, read_scenario, scenario_from

SCENARIOS = Path(__file__).parent.parent / "scenarios"
NAMES = ("QL", "QLa", "QLrate", "HOL", "LES")


class Foretold(Engine):
    """A run in which one city's waiting callers are told their wait, five times, as they join the line."""

    def __init__(self, scenario: Scenario, seed: int, city: str) -> None:
        super().__init__(scenario, seed, Sharing())
        self.city = self.by_name[city]
        self.last = LastWait()
        self.said: dict[Caller, tuple[float, ...]] = {}
        self.errors: list[tuple[float, tuple[float, ...]]] = []  # The wait that came, and what was said too much.

    def _enqueue(self, caller: Caller) -> None:
        if caller.city is self.city and not caller.returned and self.now >= self.scenario.warmup_s:
            self.said[caller] = self._foretell()
        super()._enqueue(caller)

    def _foretell(self) -> tuple[float, ...]:
        room, now = self.city.room, self.now
        learned, ahead, agents = room.experience, room.waiting, max(1, room.staff)
        aht_s, patience_s = learned.own.mean_s, learned.patience.mean_s
        head = self.waiting_since(self.city, 0)
        return (
            wait_ql(ahead, agents, aht_s),
            wait_qla(ahead, agents, aht_s, patience_s),
            wait_qlrate(ahead, learned.answers.per_s(now, agents, aht_s), patience_s),
            wait_hol(head if math.isfinite(head) else None, now),
            self.last.wait_s,
        )

    def _answered(self, caller: Caller) -> None:
        super()._answered(caller)
        if caller.city is self.city:
            waited_s = self.now - caller.since
            if (said := self.said.pop(caller, None)) is not None:
                self.errors.append((waited_s, tuple(each - waited_s for each in said)))
                self.last.answered(waited_s)


def one_room(agents: int, load: float, dist: str = "exp") -> Scenario:
    """M/M/n+M, or the same with lognormal talks and patience: 240 s and 180 s, thirty hours, the first two not counted."""
    spread = {"cv": 1.0} if dist == "lognorm" else {}
    city = {
        "name": "a",
        "lines": 10**6,
        "staff": [[0, agents]],
        "arrivals": {"bin_s": 108_000, "per_h": [load * agents / 240 * 3600]},
        "talk": {"dist": dist, "mean": 240, **spread},
        "wrap": {"dist": "det", "mean": 0},
        "patience": {"dist": dist, "mean": 180, **spread},
    }
    return scenario_from({"horizon_s": 108_000, "warmup_s": 7200, "cities": [city]}, "one_room.json")


def cases() -> list[tuple[str, Scenario, str]]:
    """A name, what is lived through, and whose callers are told."""
    d, c = read_scenario(SCENARIOS / "D_supporter_surges.json"), read_scenario(SCENARIOS / "C_two_surges.json")
    assisted = d.switches[0][1]
    return [
        ("M/M/25+M, load 1.05", one_room(25, 1.05), "a"),
        ("M/M/25+M, load 1.3", one_room(25, 1.3), "a"),
        ("M/M/25+M, load 1.8", one_room(25, 1.8), "a"),
        ("M/M/75+M, load 1.3", one_room(75, 1.3), "a"),
        ("lognormal, 25 agents, load 1.3", one_room(25, 1.3, "lognorm"), "a"),
        (f"D, {assisted}, no help", replace(d, switches=()), assisted),
        (f"D, {assisted}, helped", d, assisted),
        (f"C, {c.switches[0][1]}, helped", c, c.switches[0][1]),
    ]


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, against}: the root mean square error as a share of the mean wait; the bias likewise."""
    rows = []
    for name, scenario, city in cases():
        run = Foretold(scenario, scenario.seed, city)
        run.run()
        mean_s = sum(waited for waited, _ in run.errors) / len(run.errors)
        for place, estimator in enumerate(NAMES):
            errors = [each[place] for _, each in run.errors]
            value = math.sqrt(sum(error * error for error in errors) / len(errors)) / mean_s
            bias = f"bias {sum(errors) / len(errors) / mean_s:+.2f}; {len(errors):,} waits, mean {mean_s:.0f} s"
            rows.append(
                {"name": f"{name}: {estimator}", "value": round(value, 2), "unit": "of the mean wait", "against": bias}
            )
    return rows


if __name__ == "__main__":
    for line in measure():
        print(f"{line['name']:44} {line['value']!s:>6} {line['unit']}  {line['against']}")
