"""The sharing policy on days it was not made for: R of the protected limit and the guard figures for random scenarios.

    python scripts/held_out.py 0-59                 shapes used while the policy was tuned
    python scripts/held_out.py 1000-1099 --seeds 3  shapes kept aside

Every line is one scenario of callctl/sim/shapes.py. Goals: R >= .97 (ordinary days .95), worst seed >= .95, helpers'
SL15 in stress within 1.0 point of the limit's, empty-line answers <= 2 %, nobody lost by a trunk, and on an ordinary
day no city worse off than without help.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from callctl.sim.outcome import Outcome, sl_in, stressed
from callctl.sim.replicate import replicate, seeds_of
from callctl.sim.report import half_width, ratios
from callctl.sim.scenario import Scenario
from callctl.sim.shapes import shape

HEAD = (
    "shape        set-up pat. factor attempts   none  limit             R worst      helpers empty lost   hurt"
    "  misses (in brackets: within the interval)"
)
LEAST_GAIN = 0.005  # Where help changes less than this, a ratio of differences says nothing.
SHORT_SET_UP_S = 4.0  # The candidate of the goals was measured at 3 s; longer ones cost what no rule brings back.
NOISE_POINTS = 0.3  # A city's SL15 of a few hundred calls moves by this when one call more is late.


@dataclass(frozen=True)
class Verdict:
    """One scenario's figures: means over the seeds, and the worst of them."""

    name: str
    set_up_s: float
    patience_s: float
    factor: float
    attempts: float
    none: float
    limit: float
    share: float | None  # R.
    share_half: float  # Half its 95 % interval: small cities and endless redials make single days differ widely.
    worst: float | None
    gap: float | None  # Helpers' SL15 in stress, policy - limit, points.
    gap_half: float
    empty: float  # Percent of set-ups.
    lost: int
    hurt: float  # The worst city's SL15 against no help, points.

    def failures(self, slack: float = 0.0) -> list[str]:
        """Which goals it misses; with a slack of 1 only where chance is no excuse."""
        ordinary = "ordinary" in self.name
        return [
            word
            for word, missed in (
                ("R", self.share is not None and self.share + slack * self.share_half < (0.95 if ordinary else 0.97)),
                ("worst", self.worst is not None and self.worst < (0.93 if ordinary else 0.95)),
                ("helpers", self.gap is not None and self.gap + slack * self.gap_half < -1.0),
                ("empty", self.empty > 2.0),
                ("lost", self.lost > 0),
                ("hurt", ordinary and self.hurt < -NOISE_POINTS),
            )
            if missed
        ]


def verdict(scenario: Scenario, seeds: int, processes: int | None) -> Verdict:
    """Run one scenario without help, with the policy and at the protected limit."""
    runs = replicate(scenario, ("none", "policy", "limit"), seeds_of(scenario, seeds), processes)
    word = "people_answered" if fmean(o.assisted.connect_rate for o in runs["none"]) < 0.1 else "connect_rate"
    none, limit = (fmean(getattr(o.assisted, word) for o in runs[policy]) for policy in ("none", "limit"))
    shares = ratios(runs, "policy", "limit", word) if abs(limit - none) >= LEAST_GAIN else []
    gaps = list(_gaps(runs["none"], runs["policy"], runs["limit"]))
    return Verdict(
        name=scenario.name,
        set_up_s=scenario.remote.setup_s,
        patience_s=fmean(float(city.patience["mean"]) for city in scenario.cities),
        factor=scenario.remote.aht_factor,
        attempts=fmean(o.assisted.attempts for o in runs["policy"]),
        none=none,
        limit=limit,
        share=fmean(shares) if shares else None,
        share_half=half_width(shares),
        worst=min(shares) if shares else None,
        gap=fmean(gaps) if gaps else None,
        gap_half=half_width(gaps),
        empty=100.0 * sum(o.empty_answers for o in runs["policy"]) / max(1, sum(o.set_ups for o in runs["policy"])),
        lost=sum(o.lost_by_trunk for o in runs["policy"]),
        hurt=min(
            100.0
            * fmean(b.cities[city].sl15 - a.cities[city].sl15 for a, b in zip(runs["none"], runs["policy"], strict=True))
            for city in runs["none"][0].cities
        ),
    )


def _gaps(none: list[Outcome], policy: list[Outcome], limit: list[Outcome]) -> Iterator[float]:
    for without, ours, best in zip(none, policy, limit, strict=True):
        places = stressed(without)
        a, b = sl_in(ours, places), sl_in(best, places)
        if a is not None and b is not None:
            yield 100.0 * (a - b)


def line(v: Verdict) -> str:
    """One row."""
    share = f"{v.share:.3f} ± {v.share_half:.3f} {v.worst:.3f}" if v.share is not None else f"{'-':>19}"
    gap = f"{v.gap:+5.2f} ± {v.gap_half:4.2f}" if v.gap is not None else f"{'-':>12}"
    return (
        f"{v.name:14} {v.set_up_s:5.1f} {v.patience_s:4.0f} {v.factor:5.2f} {v.attempts:8,.0f}"
        f" {v.none:.4f} {v.limit:.4f} {share} {gap} {v.empty:5.2f} {v.lost:3} {v.hurt:+6.2f}  {_misses(v)}"
    )


def _misses(v: Verdict) -> str:
    surely = v.failures(1.0)
    return " ".join(word if word in surely else f"({word})" for word in v.failures())


def main() -> None:
    """Run the shapes that were asked for; rows on standard output."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("shapes", nargs="?", default="0-29", help="first-last")
    asked.add_argument("--seeds", type=int, default=2)
    asked.add_argument("--processes", type=int, default=None)
    asked.add_argument("--json", metavar="FILE", help="also write the figures")
    options = asked.parse_args()
    first, _, last = options.shapes.partition("-")
    print(HEAD)
    found: list[Verdict] = []
    for number in range(int(first), int(last or first) + 1):
        found.append(verdict(shape(number), options.seeds, options.processes))
        print(line(found[-1]), flush=True)
    _sum_up(found)
    if options.json:
        rows: list[dict[str, Any]] = [asdict(one) | {"misses": one.failures()} for one in found]
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def _sum_up(found: list[Verdict]) -> None:
    shares = [one.share for one in found if one.share is not None]
    words = ("R", "worst", "helpers", "empty", "lost", "hurt")
    missed = {word: sum(word in one.failures() for one in found) for word in words}
    surely = {word: sum(word in one.failures(1.0) for one in found) for word in words}
    if shares:
        print(f"\n{len(found)} shapes, {len(shares)} with a gain; R mean {fmean(shares):.4f}, least {min(shares):.4f}")
        short = [one.share for one in found if one.share is not None and one.set_up_s <= SHORT_SET_UP_S]
        if short:
            print(
                f"set-up up to {SHORT_SET_UP_S:g} s: {len(short)} shapes, R mean {fmean(short):.4f}, least {min(short):.4f}"
            )
    print("misses (beyond chance): " + ", ".join(f"{word} {missed[word]} ({surely[word]})" for word in words))


if __name__ == "__main__":
    main()
