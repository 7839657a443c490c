"""One Valkey for the run, a clean console for each test."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from redis import Redis

from callctl.core.model import Province
from callctl.province import read_province
from callctl.settings import shipped
from tests.store.servers import Valkey, fill
from tests.web.browser import chromium
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


@pytest.fixture(scope="session")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite history with today's tables and nothing in them, to be copied: for tests that are not about making them."""
    file = tmp_path_factory.mktemp("filled") / "history.db"
    fill(f"sqlite+aiosqlite:///{file}")
    return file


def filled(folder: Path, filled_file: Path) -> Path:
    """A console's folder whose history has its tables already: making them is tests/store/test_db_command.py's affair."""
    folder.mkdir()
    shutil.copy(filled_file, folder / "history.db")
    return folder


@pytest.fixture
async def console(valkey: Valkey, tmp_path: Path, filled_file: Path) -> AsyncIterator[Console]:
    async with open_console(filled(tmp_path / "state", filled_file), valkey.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def jiangsu() -> Province:
    """The shipped province."""
    return read_province(shipped("queues").parent)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the run. What a test opens in it is a context of its own: nothing is shared, nothing stays."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def hall(
    valkey: Valkey, tmp_path: Path, jiangsu: Province, filled_file: Path, browser: Browser
) -> AsyncIterator[Hall]:
    """A console that listens, a browser, and a controller's pictures."""
    async with open_hall(filled(tmp_path / "hall", filled_file), valkey.url, jiangsu, browser) as made:
        yield made
