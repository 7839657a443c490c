"""The full depth: how many times faster than real time, and how near its figures are to those of the fast depth.

python bench/full.py                      both, two hours of D, E, F and G
python bench/full.py --hours 24 E         whole days; --seeds N for several
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callctl.sim.founding import with_fixed_wrap_up
from callctl.sim.full import FULL, run_full
from callctl.sim.outcome import Outcome, run_once
from callctl.sim.replicate import hush
from callctl.sim.scenario import Scenario, read_scenario
from callctl.sim.window import window

SCENARIOS = Path(__file__).parent.parent / "scenarios"
# Where in the day the two hours are: the surge, the faults, the flash.
BEGINS_S = {"D": 10 * 3600.0, "E": 9 * 3600.0, "F": 9.5 * 3600.0, "G": 20 * 3600.0}
GOAL = 700.0  # Times real time, 13 cities.


@dataclass(frozen=True)
class Run:
    """One run and its cost."""

    scenario: Scenario
    outcome: Outcome
    cpu_s: float


def stretch(letter: str, hours: float) -> Scenario:
    """The scenario, or the interesting hours of it, with the wrap-up a PBX has."""
    read = with_fixed_wrap_up(read_scenario(next(SCENARIOS.glob(f"{letter}_*"))))
    if hours * 3600.0 >= read.horizon_s:
        return read
    return window(read, BEGINS_S[letter], BEGINS_S[letter] + hours * 3600.0)


def live(scenario: Scenario, policy: str, seed: int) -> Run:
    """One run, timed in CPU seconds of this process."""
    began = time.process_time()
    outcome = run_full(scenario, seed) if policy == FULL else run_once(scenario, policy, seed)
    return Run(scenario, outcome, time.process_time() - began)


def measure() -> list[dict[str, Any]]:
    """Rows {name, value, unit, against} for `make bench`."""
    hush()
    scenario = stretch("E", 2.0)
    run = live(scenario, FULL, scenario.seed)
    told = f"goal {GOAL:g}; {run.outcome.assisted.attempts:,} calls, the real controller, 13 cities"
    value = round(scenario.horizon_s / run.cpu_s)
    return [{"name": "full depth, E 9:00 to 11:00", "value": value, "unit": "x real time", "against": told}]


def line(run: Run) -> str:
    """The figures that are compared."""
    assisted, helping = run.outcome.assisted, run.outcome.helping
    return (
        f"{run.outcome.policy:7}{assisted.attempts:8,}{assisted.connect_rate:9.4f}{assisted.asa_s:8.2f}{assisted.sl15:8.4f}"
        f"{assisted.answered_remote:8,}{helping.sl15:9.4f}{run.outcome.set_ups:9,}{run.outcome.wasted:8,}"
        f"{run.outcome.cut:6}{run.cpu_s:9.1f}{run.scenario.horizon_s / run.cpu_s:10,.0f}"
    )


def main() -> None:
    """A table for each scenario."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("letters", nargs="*", default=["D", "E", "F", "G"])
    asked.add_argument("--hours", type=float, default=2.0)
    asked.add_argument("--seeds", type=int, default=1)
    options = asked.parse_args()
    hush()
    for letter in options.letters:
        scenario = stretch(letter, options.hours)
        print(f"{scenario.name}: {options.seeds} seed(s) from {scenario.seed}")
        print("depth  attempts  connect     ASA    SL15  remote helpers'  set-ups  wasted   cut    CPU s  x real time")
        for seed in range(scenario.seed, scenario.seed + options.seeds):
            for policy in ("none", "policy", FULL):
                print(line(live(scenario, policy, seed)), flush=True)


if __name__ == "__main__":
    main()
