"""The contract suites are no test modules by name; their assertions shall explain themselves all the same."""

import pytest

pytest.register_assert_rewrite("tests.pbx", "tests.store")
