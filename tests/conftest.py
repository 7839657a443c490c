"""The contract suites are no test modules by name; their assertions shall explain themselves all the same."""

import pytest
import structlog

pytest.register_assert_rewrite("tests.pbx", "tests.store")


@pytest.fixture(autouse=True)
def _log_as_it_comes() -> None:
    """A command run in this process sets the log up for itself; no test hears less for it."""
    structlog.reset_defaults()
