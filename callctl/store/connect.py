"""Opens the registry and the history that the settings name; used by app.py and by the commands that ask or order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.settings import Settings
from callctl.store.cabinet import Cabinet
from callctl.store.embedded import Embedded, EmbeddedFailed, start
from callctl.store.history import LOST, SqlHistory, first_line
from callctl.store.port import StoreLost
from callctl.store.registry import CONNECTIONS_MOST, RedisRegistry
from callctl.store.schema import SchemaUnfit, open_engine, prepare
from callctl.store.seal import Seal, read_seal
from callctl.store.spool import Spool

LOOK_S = 0.5  # How often we look whether the embedded server still lives.
BOOKS_COMMAND_S = 120.0  # A day of a million calls is read in seconds; on a busy machine in ten times as many.
FIRST_LOOK_S = 5.0  # How long a start waits for the history before it goes on without.

_log = structlog.get_logger()


@contextlib.asynccontextmanager
async def open_registry(settings: Settings, connections: int = CONNECTIONS_MOST) -> AsyncIterator[RedisRegistry]:
    """The registry; the embedded one is started and kept alive. Raises EmbeddedFailed."""
    if settings.redis_url:
        registry = _at(settings.redis_url, connections)
        try:
            yield registry
        finally:
            await registry.close()
        return
    # Not in a helper thread: the server would end with the thread (embedded.start).
    embedded = start(settings.state_dir / "valkey")
    registry = RedisRegistry(embedded.url, connections=connections)
    kept = asyncio.create_task(_keep(embedded), name="embedded registry")
    try:
        yield registry
    finally:
        kept.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await kept
        await registry.close()


@contextlib.asynccontextmanager
async def open_history(settings: Settings) -> AsyncIterator[SqlHistory]:
    """The history, its writer running. A lost database does not stop the start: facts are spooled. Raises SchemaUnfit."""
    engine = open_engine(settings.sql_url)
    try:
        async with asyncio.timeout(FIRST_LOOK_S):
            await prepare(engine)
    except SchemaUnfit:
        await engine.dispose()
        raise
    except LOST as error:
        _log.error("history lost at start, facts go to the spool", why=first_line(error))
    history = SqlHistory(engine, Spool(settings.state_dir / "spool"), seal=read_seal(settings))
    writing = asyncio.create_task(history.run(), name="history writer")
    try:
        yield history
    finally:
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await history.close()


@contextlib.asynccontextmanager
async def open_cabinet(settings: Settings) -> AsyncIterator[Cabinet]:
    """The console's way to the same database."""
    cabinet = Cabinet(open_engine(settings.sql_url))
    try:
        yield cabinet
    finally:
        await cabinet.close()


@dataclass(frozen=True, slots=True)
class Books:
    """The history's database, for those who read and correct records: no writer runs, nothing is lent."""

    engine: AsyncEngine
    seal: Seal
    settings: Settings


@contextlib.asynccontextmanager
async def books_at(settings: Settings) -> AsyncIterator[Books]:
    """The records, whether the database is there or not. Raises SettingsError (the field key)."""
    books = Books(open_engine(settings.sql_url, BOOKS_COMMAND_S), read_seal(settings), settings)
    try:
        yield books
    finally:
        await books.engine.dispose()


@contextlib.asynccontextmanager
async def open_books(settings: Settings) -> AsyncIterator[Books]:
    """The records. Raises SchemaUnfit, SettingsError (the field key) and StoreLost where the database is away."""
    async with books_at(settings) as books:
        try:
            await prepare(books.engine)
        except SchemaUnfit:
            raise
        except LOST as error:
            raise StoreLost(f"the history cannot be read: {first_line(error)}") from None
        yield books


async def _keep(embedded: Embedded) -> None:
    """Start the embedded server again whenever it is gone: killed, or stopped by the process that had started it."""
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            if embedded.alive():
                continue
            _log.error("embedded registry gone, starting it again", folder=str(embedded.folder))
            try:
                embedded = start(embedded.folder)
            except EmbeddedFailed as error:
                _log.error("embedded registry does not start", why=str(error))
    finally:
        embedded.stop()


def _at(url: str, connections: int) -> RedisRegistry:
    try:
        return RedisRegistry(url, connections=connections)
    except ValueError as error:
        raise EmbeddedFailed(f"CALLCTL_REDIS_URL is not an address like redis://HOST:6379/0: {error}") from None
