"""Real tests run two at a time (`make test`, `--dist loadscope`): which of them never run beside each other.

They live in real time and mostly wait, and each worker has addresses of its own (`run_number` in tests/real/conftest.py).
"""

from xdist.scheduler import LoadScopeScheduling

# They keep the machine itself busy, or take addresses that are the same in every worker: all in one worker, one after the
# other, while the other worker runs what waits.
ONE_AFTER_ANOTHER = frozenset(
    {
        "tests/lab/test_pbx.py",
        *(
            f"tests/real/test_{name}.py"
            for name in ("browser_phone", "console_walk", "day_report", "demo", "lab_command", "storm")
        ),
    }
)


class SideBySide(LoadScopeScheduling):
    """Every test goes to the worker that is free first, but for those of ONE_AFTER_ANOTHER."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "one after another" if file in ONE_AFTER_ANOTHER else nodeid
