"""The console's tests once more, on PostgreSQL: accounts, scripts, assistance, calls, desk, webhooks, tokens, …

The very same functions; only the console they are given keeps its books in another database.
"""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.store.servers import Postgres, Valkey, why_no_postgres
from tests.web import (
    test_accounts,
    test_assistance,
    test_calls,
    test_day,
    test_desk,
    test_desk_notes,
    test_hooks,
    test_machines,
    test_scripts,
    test_signing_in,
)
from tests.web.house import Console, open_console

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if why := why_no_postgres():
        pytest.skip(why)
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
async def console(valkey: Valkey, tmp_path: Path, postgres: Postgres) -> AsyncIterator[Console]:
    async with open_console(tmp_path / "state", valkey.url, CALLCTL_SQL_URL=postgres.filled()) as opened:
        assert not opened.house.demands.cabinet.is_sqlite
        yield opened


ON_SQLITE_ALONE = ("lose_sql(", "explained(", "CREATE TRIGGER")  # Its file is taken away, its own statements are asked.


def _again(module: ModuleType) -> dict[str, object]:
    """The module's tests that are given a console, under names of their own; fixtures they share come along."""
    found = {}
    for name, one in vars(module).items():
        if inspect.isfunction(one) and name.startswith("test_") and "console" in inspect.signature(one).parameters:
            if any(word in inspect.getsource(one) for word in ON_SQLITE_ALONE):
                continue
            found[f"{name}__{module.__name__.rpartition('.')[2]}"] = one
    return found


for _module in (
    test_accounts,
    test_assistance,
    test_calls,
    test_day,
    test_desk,
    test_desk_notes,
    test_hooks,
    test_machines,
    test_scripts,
    test_signing_in,
):
    globals().update(_again(_module))
receiver = test_hooks.receiver
