"""The figures of several runs as a table for people and as JSON for programs; ratios to what is possible at best."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from callctl.sim.outcome import Outcome, sl_in, stressed

Runs = Mapping[str, Sequence[Outcome]]
# Two-sided 95 % points of Student's t for 1, 2, … degrees of freedom.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131)

GROUP_WORDS = ("attempts", "connect_rate", "people_answered", "asa_s", "p95_wait_s", "abandoned", "sl15", "sl60")
HEAD = (
    *("policy", "attempts", "connect", "people", "ASA s", "P95 s", "abandon", "SL15", "SL60", "occ."),
    *(
        "sup. SL15",
        "sup. SL15 stress (change)",
        "sup. occ.",
        "set-ups",
        "moved",
        "wasted (cancelled)",
        "R limit",
        "R pooled",
    ),
)


def half_width(values: Sequence[float]) -> float:
    """Half the 95 % confidence interval of the mean; 0 for a single value."""
    if len(values) < 2:
        return 0.0
    t = T95[min(len(values) - 2, len(T95) - 1)]
    return t * stdev(values) / math.sqrt(len(values))


def _mean(outcomes: Sequence[Outcome], read: Callable[[Outcome], float]) -> float:
    return fmean(read(outcome) for outcome in outcomes)


def ratios(runs: Runs, policy: str, best: str, word: str) -> list[float]:
    """Per seed, the share of the gain from `none` to `best` that `policy` reaches; empty without these runs or a gain."""
    if not {"none", best, policy} <= runs.keys():
        return []
    shares = []
    for without, got, most in zip(runs["none"], runs[policy], runs[best], strict=True):
        low, x, high = (float(getattr(outcome.assisted, word)) for outcome in (without, got, most))
        if high - low > 1e-9:
            shares.append((x - low) / (high - low))
    return shares


def stress_sl(runs: Runs, policy: str) -> tuple[float, float] | None:
    """Helping cities' service level in the quarter hours that are bad without help, and its change against no help."""
    if "none" not in runs:
        return None
    pairs = []
    for without, got in zip(runs["none"], runs[policy], strict=True):
        places = stressed(without)
        now, before = sl_in(got, places), sl_in(without, places)
        if now is not None and before is not None:
            pairs.append((now, now - before))
    return (fmean(a for a, _ in pairs), fmean(b for _, b in pairs)) if pairs else None


def as_json(runs: Runs, policy: str) -> dict[str, Any]:
    """One policy's figures, means over the seeds; ratios are null where their yardsticks were not run."""
    outcomes = runs[policy]
    assisted: dict[str, Any] = {word: fmean(getattr(o.assisted, word) for o in outcomes) for word in GROUP_WORDS}
    assisted |= {
        "occupancy": _mean(outcomes, lambda o: o.assisted.occupancy),
        "answered_remote": _mean(outcomes, lambda o: o.assisted.answered_remote),
        "set_ups": _mean(outcomes, lambda o: o.set_ups),
        "wasted": _mean(outcomes, lambda o: o.wasted),
        "wasted_cancelled": _mean(outcomes, lambda o: o.cancelled),
        "empty_answers": _mean(outcomes, lambda o: o.empty_answers),
        "seats_rung": _mean(outcomes, lambda o: o.rings),
        "cut_by_trunk": _mean(outcomes, lambda o: o.cut),
        "lost_by_trunk": _mean(outcomes, lambda o: o.lost_by_trunk),
        "lost_by_pbx": _mean(outcomes, lambda o: o.lost_by_pbx),
    }
    stress = stress_sl(runs, policy)
    return {
        "scenario": outcomes[0].scenario,
        "policy": policy,
        "seeds": [outcome.seed for outcome in outcomes],
        "assisted": assisted,
        "half_width_95": {word: half_width([getattr(o.assisted, word) for o in outcomes]) for word in GROUP_WORDS},
        "supporters": {name: _city_json(outcomes, name) for name in outcomes[0].helpers},
        "supporters_together": {
            "sl15": _mean(outcomes, lambda o: o.helping.sl15),
            "occupancy": _mean(outcomes, lambda o: o.helping.occupancy),
            "sl15_stress": stress[0] if stress else None,
            "sl15_stress_change": stress[1] if stress else None,
        },
        "cities": {name: _city_json(outcomes, name) for name in outcomes[0].cities},
        "ratio": {
            best: {word: _ratio_json(ratios(runs, policy, best, word)) for word in ("connect_rate", "people_answered")}
            for best in ("limit", "pooled")
        },
    }


def _ratio_json(shares: Sequence[float]) -> dict[str, Any] | None:
    return {"mean": fmean(shares), "worst": min(shares), "half_width_95": half_width(shares)} if shares else None


def _city_json(outcomes: Sequence[Outcome], name: str) -> dict[str, float]:
    words = (*GROUP_WORDS, "occupancy", "answered_for_others")
    return {word: fmean(getattr(outcome.cities[name], word) for outcome in outcomes) for word in words}


def row(runs: Runs, policy: str) -> list[str]:
    """One line of the table, in the order of HEAD."""
    outcomes = runs[policy]
    figures = as_json(runs, policy)
    assisted, together = figures["assisted"], figures["supporters_together"]
    stress = (
        f"{together['sl15_stress']:.4f} ({100 * together['sl15_stress_change']:+.1f})" if together["sl15_stress"] else "-"
    )
    shares = [figures["ratio"][best][measure(runs)] for best in ("limit", "pooled")]
    return [
        policy,
        f"{assisted['attempts']:,.0f}",
        f"{assisted['connect_rate']:.4f}",
        f"{assisted['people_answered']:.4f}",
        f"{assisted['asa_s']:.1f}",
        f"{assisted['p95_wait_s']:.0f}",
        f"{assisted['abandoned']:.3f}",
        f"{assisted['sl15']:.3f}",
        f"{assisted['sl60']:.3f}",
        f"{assisted['occupancy']:.3f}",
        f"{together['sl15']:.4f}",
        stress,
        f"{_mean(outcomes, lambda o: o.helping.occupancy):.3f}",
        f"{assisted['set_ups']:,.0f}",
        f"{assisted['answered_remote']:,.0f}",
        f"{assisted['wasted']:,.0f} ({assisted['wasted_cancelled']:,.0f})",
        *(f"{share['mean']:.3f} (worst {share['worst']:.3f})" if share else "-" for share in shares),
    ]


def measure(runs: Runs) -> str:
    """What R compares: answered attempts; people where busy tones make attempts meaningless (under a tenth answered)."""
    without = runs.get("none")
    return "people_answered" if without and without[0].assisted.connect_rate < 0.1 else "connect_rate"


def as_table(runs: Runs) -> str:
    """All policies, aligned for a terminal."""
    lines = [list(HEAD)] + [row(runs, policy) for policy in runs]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def as_markdown(runs: Runs) -> str:
    """All policies, as docs/SIMULATION.md shows them."""
    lines = [list(HEAD), ["---"] * len(HEAD)] + [row(runs, policy) for policy in runs]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
