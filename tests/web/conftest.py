"""One Valkey for the run, a clean console for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from callctl.core.model import Province
from callctl.province import read_province
from callctl.settings import shipped
from tests.store.servers import Valkey
from tests.web.hall import Hall, open_hall
from tests.web.house import Console, open_console


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()


@pytest.fixture
def valkey(valkey_server: Valkey, monkeypatch: pytest.MonkeyPatch) -> Valkey:
    """A server that answers and holds nothing. A busy machine is no fault: deadlines are the stores' own tests' affair."""
    for name in ("registry.DEADLINE_S", "registry.CONNECT_S", "history.AUDIT_S", "history.WRITE_S", "cabinet.ANSWER_S",
                 "connect.FIRST_LOOK_S", "schema.CONNECT_S", "schema.COMMAND_S"):  # fmt: skip
        monkeypatch.setattr(f"callctl.store.{name}", 60.0)
    if valkey_server.running.process is None or valkey_server.running.process.poll() is not None:
        valkey_server.start_again()
    with Redis.from_url(valkey_server.url) as link:
        link.flushall()
    return valkey_server


@pytest.fixture
async def console(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Console]:
    async with open_console(tmp_path / "state", valkey.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def jiangsu() -> Province:
    """The shipped province."""
    return read_province(shipped("queues").parent)


@pytest.fixture
async def hall(valkey: Valkey, tmp_path: Path, jiangsu: Province) -> AsyncIterator[Hall]:
    """A console that listens, a browser, and a controller's pictures."""
    async with open_hall(tmp_path / "hall", valkey.url, jiangsu) as made:
        yield made
