"""Whether a history database fits this callctl, and how it is brought up to date."""

import asyncio
import contextlib
import enum
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from callctl.settings import SettingsError

BUSY_MS = 5000  # SQLite: how long a writer waits for another one.
BUSY_AGAIN_S, BUSY_TRIES = 0.02, 250  # Where SQLite itself would not wait: as long.
# SQLite's own 2 MB would read a page of a large day again for almost every call; taken only as far as pages are read.
CACHE_KIB = 65_536
POOL = {"pool_size": 3, "max_overflow": 2}  # Connections an engine; each of SQLite's may fill a cache.
CONNECT_S = 2.0
COMMAND_S = 5.0
THREAD_ENDS_S = 2.0  # At most, of an SQLite connection that could not be opened: it has nothing left to do.
_UPGRADE_LOCK = 0x63616C6C  # Any number of our own; PostgreSQL's advisory locks share one space.
IMMEDIATE = "callctl_immediate"


class SchemaUnfit(SettingsError):
    """The database is there but not of this version; str() says how to mend it."""


class Fit(enum.Enum):
    """How the database stands to this callctl."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    FOREIGN = "foreign"  # Newer than this callctl, or not callctl's at all.


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found."""

    fit: Fit
    revision: str  # "" for none.
    head: str  # The revision this callctl needs.


def open_engine(url: str, command_s: float = 0.0) -> AsyncEngine:
    """An engine with our settings; nothing is connected yet. Raises SchemaUnfit for an address that cannot be one.

    A command may take COMMAND_S: a writer must notice a frozen database. Who counts a day gives `command_s` instead.
    """
    try:
        parsed = make_url(url)
        return _postgres(parsed, command_s or COMMAND_S) if parsed.get_backend_name() == "postgresql" else _sqlite(parsed)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise SchemaUnfit(
            "CALLCTL_SQL_URL is not an address: write sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/DATABASE"
        ) from None


def _postgres(url: URL, command_s: float) -> AsyncEngine:
    if url.drivername != "postgresql+asyncpg":
        url = url.set(drivername="postgresql+asyncpg")  # "postgresql://" means another driver to SQLAlchemy 2.1.
    limits = {"timeout": CONNECT_S, "command_timeout": command_s}
    return create_async_engine(url, pool_pre_ping=True, **POOL, connect_args=limits)


async def _connected(*place: Any, **settings: Any) -> aiosqlite.Connection:
    """A connection, set up as we use it; where there is none, its thread is over, too.

    aiosqlite 0.22 leaves a thread behind whose last word goes to an event loop that may be closed by then: a traceback
    on the screen of a command that had said what was wrong.
    """
    # sqlite3 would begin transactions by itself, but not before DDL; then half a migration could stay.
    connection = aiosqlite.connect(*place, **settings, isolation_level=None)
    connection._thread.daemon = True  # As SQLAlchemy has it.
    try:
        await connection
    except BaseException:
        await asyncio.to_thread(connection._thread.join, THREAD_ENDS_S)
        raise
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
            await _write_ahead(cursor)
            for pragma in ("synchronous=NORMAL", "foreign_keys=ON", f"cache_size=-{CACHE_KIB}"):
                await cursor.execute(f"PRAGMA {pragma}")
    except BaseException:  # No database, or a spoilt one.
        await connection.close()
        raise
    return connection


async def _write_ahead(cursor: aiosqlite.Cursor) -> None:
    """Writers that let others read. Two that open a new file at once: SQLite refuses one without the usual patience.

    Its busy timeout does not hold where waiting could never end (each has read, each would write); asked anew, it does.
    """
    for tries_left in reversed(range(BUSY_TRIES)):
        try:
            await cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if not tries_left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        await asyncio.sleep(BUSY_AGAIN_S)


def _sqlite(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        raise ArgumentError("neither SQLite nor PostgreSQL")
    bounds = {}
    if url.database and url.database != ":memory:":
        bounds = POOL
        file = Path(url.database)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(OSError):  # Citizens' numbers are in it. Why it cannot be opened, SQLite will tell.
            file.touch(mode=0o600)
    creator = {"async_creator_fn": _connected}
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), **bounds, connect_args=creator)

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(IMMEDIATE) else "BEGIN")

    return engine


async def standing(engine: AsyncEngine) -> Standing:
    """Look, change nothing. Raises what the driver raises where the database cannot be reached."""
    async with engine.connect() as connection:
        return await connection.run_sync(_standing)


async def prepare(engine: AsyncEngine) -> Standing:
    """Fill an empty database; leave a current one; raise SchemaUnfit for all others."""
    found = await standing(engine)
    if found.fit is Fit.EMPTY:
        return await upgrade(engine)
    if found.fit is Fit.OLDER:
        raise SchemaUnfit(
            f"the history database is of an older callctl ({found.revision}, needed {found.head}): run `callctl db upgrade`"
        )
    if found.fit is Fit.FOREIGN:
        raise SchemaUnfit(_foreign(found))
    return found


async def upgrade(engine: AsyncEngine) -> Standing:
    """Bring the database to this callctl's version, in one transaction; two at once do it once. Raises SchemaUnfit."""
    async with engine.connect() as connection:
        await connection.execution_options(**{IMMEDIATE: True})
        async with connection.begin():
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
            found = await connection.run_sync(_standing)
            if found.fit is Fit.FOREIGN:
                raise SchemaUnfit(_foreign(found))
            if found.fit is not Fit.CURRENT:
                await connection.run_sync(_upgrade)
            return await connection.run_sync(_standing)


def _foreign(found: Standing) -> str:
    if found.revision:
        return (
            f"the history database is of a newer callctl ({found.revision}): install that version, or name another database"
        )
    return "the database in CALLCTL_SQL_URL has tables of something else: name an empty database"


def _standing(connection: Connection) -> Standing:
    script = ScriptDirectory.from_config(_config())
    head = script.get_current_head() or ""
    # In this order: another process may be filling the database right now, tables and revision in one transaction.
    names = set(inspect(connection).get_table_names()) - {"alembic_version"}
    revision = MigrationContext.configure(connection).get_current_revision() or ""
    if revision == head:
        fit = Fit.CURRENT
    elif revision:
        fit = Fit.OLDER if revision in {step.revision for step in script.walk_revisions()} else Fit.FOREIGN
    else:
        fit = Fit.FOREIGN if names else Fit.EMPTY
    return Standing(fit, revision, head)


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
