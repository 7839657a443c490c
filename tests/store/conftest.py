"""Servers for the whole run, clean stores for each test."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from callctl.store.registry import RedisRegistry
from tests.store.servers import Postgres, Valkey, fill, why_no_postgres


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no fault: deadlines only count in the tests that freeze something, and those set their own."""
    for name in ("history.WRITE_S", "history.AUDIT_S", "schema.CONNECT_S", "schema.COMMAND_S"):
        monkeypatch.setattr(f"callctl.store.{name}", 60.0)
    monkeypatch.setattr("callctl.store.schema.BUSY_MS", 60_000)
    for name in ("DEADLINE_S", "CONNECT_S"):
        monkeypatch.setattr(f"callctl.store.registry.{name}", 60.0)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """A server that answers and holds nothing."""
    if valkey_server.running.process is None or valkey_server.running.process.poll() is not None:
        valkey_server.start_again()
    with Redis.from_url(valkey_server.url) as link:
        link.flushall()
    return valkey_server


@pytest.fixture
async def registry(valkey: Valkey) -> AsyncIterator[RedisRegistry]:
    opened = RedisRegistry(valkey.url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if why := why_no_postgres():
        pytest.skip(why)
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite history with today's tables and nothing in them, to be copied: for tests that are not about making them."""
    file = tmp_path_factory.mktemp("filled") / "history.db"
    fill(f"sqlite+aiosqlite:///{file}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path, filled_file: Path) -> str:
    """A database of each kind, with today's tables and nothing in them."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{shutil.copy(filled_file, tmp_path / 'history.db')}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.filled()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of each kind without any table: for tests of how one gets them."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()
