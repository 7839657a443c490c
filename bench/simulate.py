"""How fast the fast depth is: the two Nanjing days with the real policy, and one M/M/75+M beside simpy and ciw.

python bench/simulate.py            simpy and ciw are compared where they can be imported (extra `bench`)
"""

import importlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from callctl.sim.engine import Engine
from callctl.sim.outcome import engine_for
from callctl.sim.policies import NoHelp
from callctl.sim.scenario import read_scenario, scenario_from

NANJING = Path(__file__).parent.parent / "scenarios" / "B_nanjing.json"
AGENTS, PER_S, MEAN_S, PATIENCE_S, HORIZON_S = 75, 1.3 * 75 / 240, 240.0, 180.0, 250_000.0


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, against}."""
    rows = []
    scenario = read_scenario(NANJING)
    for policy, against in (("policy", 15.0), ("none", 5.1)):
        engine = engine_for(scenario, policy, scenario.seed)
        start = time.process_time()
        engine.run()
        seconds = time.process_time() - start
        attempts = sum(city.counts.attempts for city in engine.cities)
        told = f"{attempts:,} attempts; the first simulator took {against:g} s"
        rows.append({"name": f"two Nanjing days, {policy}", "value": round(seconds, 2), "unit": "s CPU", "against": told})
    ours, told = _calls_per_s(_ours)
    told = f"{told}; the first simulator: 260,000"
    rows.append({"name": "M/M/75+M, callctl", "value": ours, "unit": "calls/s", "against": told})
    for name, run in (("simpy", _simpy), ("ciw", _ciw)):
        row = {"name": f"M/M/75+M, {name}", "unit": "calls/s"}
        if importlib.util.find_spec(name) is None:
            rows.append({**row, "value": "not installed", "against": "the extra `bench` brings it"})
            continue
        theirs, told = _calls_per_s(run)
        rows.append({**row, "value": theirs, "against": f"{told}; callctl: {ours:,}"})
    return rows


def _calls_per_s(run: Callable[[], tuple[int, int]]) -> tuple[int, str]:
    """Calls a CPU second, the middle one of three runs; and what share hung up: the models must be the same."""
    rates = []
    for _ in range(3):
        start = time.process_time()
        calls, abandoned = run()
        rates.append(calls / (time.process_time() - start))
    return round(sorted(rates)[1]), f"{abandoned / calls:.3f} hung up"


def _ours() -> tuple[int, int]:
    spec = {
        "horizon_s": HORIZON_S,
        "cities": [
            {
                "name": "a",
                "lines": 10**6,
                "staff": [[0, AGENTS]],
                "arrivals": {"bin_s": HORIZON_S, "per_h": [PER_S * 3600]},
                "talk": {"dist": "exp", "mean": MEAN_S},
                "wrap": {"dist": "det", "mean": 0},
                "patience": {"dist": "exp", "mean": PATIENCE_S},
            }
        ],
    }
    engine = Engine(scenario_from(spec, "mmn.json"), 1, NoHelp())
    engine.run()
    counts = engine.cities[0].counts
    return counts.attempts, counts.abandoned


def _simpy() -> tuple[int, int]:
    simpy: Any = importlib.import_module("simpy")
    chance: Any = importlib.import_module("random").Random(1)
    env = simpy.Environment()
    agents = simpy.Resource(env, AGENTS)
    calls = abandoned = 0

    def caller() -> Any:
        nonlocal abandoned
        with agents.request() as request:
            got = yield request | env.timeout(chance.expovariate(1 / PATIENCE_S))
            if request in got:
                yield env.timeout(chance.expovariate(1 / MEAN_S))
            else:
                abandoned += 1

    def arrivals() -> Any:
        nonlocal calls
        while True:
            yield env.timeout(chance.expovariate(PER_S))
            calls += 1
            env.process(caller())

    env.process(arrivals())
    env.run(until=HORIZON_S / 5)
    return calls, abandoned


def _ciw() -> tuple[int, int]:
    ciw: Any = importlib.import_module("ciw")
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=PER_S)],
        service_distributions=[ciw.dists.Exponential(rate=1 / MEAN_S)],
        number_of_servers=[AGENTS],
        reneging_time_distributions=[ciw.dists.Exponential(rate=1 / PATIENCE_S)],
    )
    ciw.seed(1)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(HORIZON_S / 10)
    records = simulation.get_all_records()
    return len(records), sum(record.record_type == "renege" for record in records)


if __name__ == "__main__":
    for line in measure():
        print(f"{line['name']:32} {line['value']!s:>12} {line['unit']:24} against {line['against']}")
