"""The tables of docs/SIMULATION_TABLES.md: every scenario, every policy, many seeds, beside the first simulator's figures.

    python scripts/scenario_tables.py --seeds 10 > docs/SIMULATION_TABLES.md

About 15 minutes of one core, most of it the busy tones of B_nanjing.
"""

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from callctl.sim.outcome import Outcome, sl_in, stressed
from callctl.sim.replicate import replicate, seeds_of
from callctl.sim.report import Runs, as_json, as_markdown, half_width, ratios
from callctl.sim.scenario import Scenario, read_scenario

ROOT = Path(__file__).parent.parent
POLICIES = ("none", "static", "policy", "limit", "pooled")
FIRST_SEEDS = 3  # The first simulator's tables are means of three.
WORDS = ("connect_rate", "people_answered", "asa_s", "sl15", "abandoned")


def main() -> None:
    """Run everything; markdown on standard output, progress on standard error."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--only", default="ABCDEFG", help="first letters of the scenarios")
    asked.add_argument("--processes", type=int, default=None)
    options = asked.parse_args()
    published = json.loads((ROOT / "bench" / "first_simulator.json").read_text("utf-8"))["figures"]
    print(
        f"# Tables of the scenarios\n\nWritten by `python scripts/scenario_tables.py --seeds {options.seeds}`. Means over"
    )
    print(f"{options.seeds} seeds; the words are explained in SIMULATION.md. `first`: the first one's mean of three;")
    print("\\* and ! mark means that differ by more than chance explains (joint 95 % interval; three times it).\n")
    titles: tuple[str, ...] = ("scenario", "R limit", "worst seed", "R pooled", "helpers' SL15 in stress, policy - limit")
    titles += ("empty line", "lost by trunk", "R at set-up 1 s")
    goals = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for file in sorted((ROOT / "scenarios").glob("*.json")):
        if file.name[0] not in options.only:
            continue
        scenario = read_scenario(file)
        print(f"{scenario.name} …", file=sys.stderr, flush=True)
        seeds = seeds_of(scenario, options.seeds)
        runs = replicate(scenario, POLICIES, seeds, options.processes)
        word = "people_answered" if scenario.name.startswith("B") else "connect_rate"
        fast = _with_short_set_up(scenario, runs, options.seeds if word == "connect_rate" else 3, options.processes)
        goals.append(_goal_line(scenario.name, runs, word, fast))
        print(f"## {scenario.name}\n\n{as_markdown(runs)}\n\n{_beside(runs, published[scenario.name])}\n", flush=True)
        if scenario.name.startswith("E"):
            city, change = least_change(runs)
            print(f"Least change of SL15 by the policy: {city} {100.0 * change:+.2f} points.\n", flush=True)
    print("## Goals\n\n" + "\n".join(goals))


def _with_short_set_up(scenario: Scenario, runs: Runs, number: int, processes: int | None) -> list[float]:
    """R with set-ups of one second; everything else is unchanged, so only the policy is run again."""
    quick = replace(scenario, remote=replace(scenario.remote, setup_s=1.0))
    again: dict[str, list[Outcome]] = replicate(quick, ["policy"], seeds_of(scenario, number), processes)
    parts = {name: runs[name][:number] for name in ("none", "limit")} | again
    return ratios(parts, "policy", "limit", "people_answered" if scenario.name.startswith("B") else "connect_rate")


def least_change(runs: Runs) -> tuple[str, float]:
    """The city that gains least by the policy, and how much: its SL15 against no help, mean over the seeds."""
    changes = {
        city: fmean(
            policy.cities[city].sl15 - without.cities[city].sl15
            for without, policy in zip(runs["none"], runs["policy"], strict=True)
        )
        for city in runs["none"][0].cities
    }
    return min(changes.items(), key=lambda one: one[1])


def _goal_line(name: str, runs: Runs, word: str, fast: list[float]) -> str:
    share, pooled = ratios(runs, "policy", "limit", word), ratios(runs, "policy", "pooled", word)
    gaps = []
    for without, policy, limit in zip(runs["none"], runs["policy"], runs["limit"], strict=True):
        places = stressed(without)
        ours, best = sl_in(policy, places), sl_in(limit, places)
        if ours is not None and best is not None:
            gaps.append(100.0 * (ours - best))
    empty = sum(o.empty_answers for o in runs["policy"]) / max(1, sum(o.set_ups for o in runs["policy"]))
    lost = sum(o.lost_by_trunk for o in runs["policy"])
    gap = f"{fmean(gaps):+.2f} (worst {min(gaps):+.2f})" if gaps else "-"
    return (
        f"| {name} | {fmean(share):.4f} ± {half_width(share):.4f} | {min(share):.4f} | {fmean(pooled):.4f} | {gap} |"
        f" {100 * empty:.2f} % | {lost} | {fmean(fast):.4f} |"
    )


def _beside(runs: Runs, published: dict[str, dict[str, Any]]) -> str:
    """Ours with half its 95 % interval, the first simulator's mean of 3 seeds, and whether the two can be the same.

    The first simulator told means only. Its seeds are taken to spread as ours do, so the difference of the means spreads by
    s sqrt(1/n + 1/3) with n - 1 degrees of freedom; beyond three times its 95 % point the cell is marked !, beyond it *.
    """
    lines = [
        "| policy | " + " | ".join(f"{word}: now | first" for word in WORDS) + " |",
        "|" + "---|" * (1 + 2 * len(WORDS)),
    ]
    for policy in runs:
        figures = as_json(runs, policy)
        cells = [policy]
        for word in WORDS:
            digits = 1 if word == "asa_s" else 4
            ours, theirs = figures["assisted"][word], published[policy][word]
            mark = _mark([float(getattr(o.assisted, word)) for o in runs[policy]], theirs, 0.5 * 10**-digits)
            cells.append(f"{ours:.{digits}f} ± {figures['half_width_95'][word]:.{digits}f}")
            cells.append(f"{theirs:.{digits}f}{mark}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mark(values: list[float], theirs: float, rounding: float) -> str:
    """Empty where the two means differ by no more than chance and the printed digits allow."""
    number = len(values)
    wide = half_width(values) * math.sqrt(number) * math.sqrt(1.0 / number + 1.0 / FIRST_SEEDS)
    gap = max(0.0, abs(fmean(values) - theirs) - rounding)
    return "" if gap <= wide else " *" if gap <= 3.0 * wide else " !"


if __name__ == "__main__":
    main()
