"""The contract suites are no test modules by name; their assertions shall explain themselves all the same."""

from collections import Counter

import pytest
import structlog
from xdist.remote import Producer

from tests.side_by_side import SideBySide

pytest.register_assert_rewrite("tests.pbx", "tests.store")


@pytest.fixture(autouse=True)
def _log_as_it_comes() -> None:
    """A command run in this process sets the log up for itself; no test hears less for it."""
    structlog.reset_defaults()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide | None:
    """What `--dist loadscope` means here. (xdist 3.8 reads no `xdist_group` under pytest 9.2.)"""
    return SideBySide(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why tests were skipped, each reason once."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple))
    for reason, times in reasons.most_common():
        terminalreporter.write_line(f"not run, {times} tests: {reason.removeprefix('Skipped: ')}")
