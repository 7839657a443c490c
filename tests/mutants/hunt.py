"""Fuzz seeds one after the other until one fails: `python -m tests.mutants.hunt SEED SEED ...`; exit code 1 then."""

import sys

from callctl.sim.fuzz import live_through
from callctl.sim.replicate import hush


def main() -> int:
    """The first finding, and its seed."""
    hush()
    for seed in map(int, sys.argv[1:]):
        verdict = live_through(seed)
        if verdict.violation:
            print(f"seed {seed}: {verdict.violation}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
