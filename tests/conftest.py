"""The contract suites are no test modules by name; their assertions shall explain themselves all the same."""

from collections import Counter

import pytest
import structlog

pytest.register_assert_rewrite("tests.pbx", "tests.store")


@pytest.fixture(autouse=True)
def _log_as_it_comes() -> None:
    """A command run in this process sets the log up for itself; no test hears less for it."""
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why tests were skipped, each reason once."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple))
    for reason, times in reasons.most_common():
        terminalreporter.write_line(f"not run, {times} tests: {reason.removeprefix('Skipped: ')}")
