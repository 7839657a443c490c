"""`callctl db`: one clear line each, for a person at a terminal."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from callctl.cli.db import register
from callctl.core.counting import NAMES
from callctl.settings import read_settings
from callctl.store import console_tables
from callctl.store.connect import open_history
from callctl.store.history import SqlHistory
from callctl.store.migrations import versions
from callctl.store.record_tables import counters, stale
from callctl.store.schema import Fit, SchemaUnfit, _config, open_engine, prepare, standing, upgrade
from callctl.store.spool import Spool
from callctl.store.tables import metadata
from tests.store.facts import T0, waiting

# The newest step, by the name of its file.
HEAD = max(path.name[1:5] for path in Path(versions.__file__).parent.glob("v*.py"))


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    return made


@pytest.fixture
def sql_url(empty_sql_url: str) -> str:
    """Here the tables are what is looked at."""
    return empty_sql_url


def run(app: typer.Typer, state: Path, *words: str, url: str = ""):
    environment = {"CALLCTL_STATE": str(state), "CALLCTL_PROVINCE": str(state), "CALLCTL_SQL_URL": url}
    return CliRunner().invoke(app, list(words), env=environment)


def test_an_empty_database_is_filled_and_then_up_to_date(app: typer.Typer, tmp_path: Path, sql_url: str) -> None:
    before = run(app, tmp_path, "db", "status", url=sql_url)
    assert before.exit_code == 1
    assert "empty: run `callctl db upgrade`" in before.output
    for _ in range(2):
        done = run(app, tmp_path, "db", "upgrade", url=sql_url)
        assert done.exit_code == 0, done.output
        assert f"up to date (revision {HEAD})" in done.output
    after = run(app, tmp_path, "db", "status", url=sql_url)
    assert after.exit_code == 0
    assert "calls: 0" in after.output


def test_a_database_that_cannot_be_reached_is_one_line_and_exit_one(app: typer.Typer, tmp_path: Path) -> None:
    url = "postgresql+asyncpg://callctl:geheim123@127.0.0.1:1/callctl"
    for word in ("status", "upgrade"):
        told = run(app, tmp_path, "db", word, url=url)
        assert told.exit_code == 1
        assert len(told.output.strip().splitlines()) == 1
        assert "cannot be used" in told.output
        assert "geheim123" not in told.output


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql+asyncpg://h:port/x"])
def test_an_address_that_is_none_is_told(app: typer.Typer, tmp_path: Path, url: str) -> None:
    told = run(app, tmp_path, "db", "status", url=url)
    assert told.exit_code == 1
    assert "is not an address" in told.output
    assert len(told.output.strip().splitlines()) == 1


def test_a_file_that_is_no_database_is_told(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("this is a letter, not a database, and it is long enough to be looked at" * 9)
    told = run(app, tmp_path, "db", "upgrade")
    assert told.exit_code == 1
    assert "file is not a database" in told.output


def test_somebody_else_s_database_is_left_alone(app: typer.Typer, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.db") as link:
        link.execute("CREATE TABLE letters (text)")
    link.close()
    for word in ("upgrade", "status"):
        told = run(app, tmp_path, "db", word)
        assert told.exit_code == 1
    assert "not of this callctl" in told.output
    with sqlite3.connect(tmp_path / "history.db") as link:
        assert [row[0] for row in link.execute("SELECT name FROM sqlite_master")] == ["letters"]
    link.close()


def test_what_waits_in_the_spool_is_told(app: typer.Typer, tmp_path: Path) -> None:
    run(app, tmp_path, "db", "upgrade")

    async def spooled() -> None:
        (tmp_path / "nothing.db").mkdir()
        lost = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}"), Spool(tmp_path / "spool"))
        lost.record(waiting(1, T0))
        await lost.close()

    asyncio.run(spooled())
    told = run(app, tmp_path, "db", "status")
    assert "bytes wait in" in told.output
    assert told.exit_code == 0


async def test_two_that_upgrade_at_once_do_it_once(sql_url: str) -> None:
    engines = [open_engine(sql_url) for _ in range(8)]
    done = await asyncio.gather(*(act(engine) for engine, act in zip(engines, [upgrade, prepare] * 4, strict=True)))
    assert {one.fit for one in done} == {Fit.CURRENT}
    for engine in engines:
        await engine.dispose()


async def test_a_new_file_that_another_process_fills_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses to change such a file's journal at once, whatever patience was asked of it."""
    filling = sqlite3.connect(tmp_path / "history.db", isolation_level=None, check_same_thread=False)
    filling.execute("CREATE TABLE alembic_version (version_num TEXT)")
    filling.execute("BEGIN IMMEDIATE")
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    waiting_for_it = asyncio.create_task(standing(engine))
    done, _ = await asyncio.wait({waiting_for_it}, timeout=0.3)
    assert not done
    filling.execute("ROLLBACK")
    assert (await waiting_for_it).fit is Fit.EMPTY
    await engine.dispose()
    filling.close()


async def test_an_older_database_is_refused_at_start_with_the_command_that_mends_it(
    sql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    assert (await standing(engine)).fit is Fit.CURRENT
    monkeypatch.setattr("callctl.store.schema.ScriptDirectory.get_current_head", lambda _: "9999")
    with pytest.raises(SchemaUnfit, match="callctl db upgrade"):
        await prepare(engine)
    await engine.dispose()
    settings = read_settings(
        {"CALLCTL_STATE": str(tmp_path), "CALLCTL_PROVINCE": str(tmp_path), "CALLCTL_SQL_URL": sql_url}
    )
    with pytest.raises(SchemaUnfit):
        async with open_history(settings):
            pass


async def test_the_migrations_make_exactly_the_tables_the_program_uses(sql_url: str) -> None:
    """Alembic's own comparison of the database after all steps with store/tables.py."""
    assert console_tables.accounts.metadata is metadata
    engine = open_engine(sql_url)
    await upgrade(engine)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert differences == []


def back_to(revision: str) -> Callable[[Connection], None]:
    """To an earlier version's tables."""

    def go(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    return go


async def test_an_upgrade_counts_again_what_a_number_given_twice_may_have_spoilt(sql_url: str) -> None:
    """From 0003 on; PostgreSQL never gives a number twice, and there nothing is touched."""
    engine = open_engine(sql_url)
    await upgrade(engine)

    async with engine.begin() as connection:
        await connection.run_sync(back_to("0003"))
        await connection.execute(insert(stale), [{"bucket": 600}])
        nothing = dict.fromkeys(NAMES, 0)
        await connection.execute(insert(counters), [{"bucket": bucket, "city": "扬州", **nothing} for bucket in (0, 600)])
    assert (await standing(engine)).fit is Fit.OLDER
    await upgrade(engine)
    async with engine.connect() as connection:
        marked = list((await connection.execute(select(stale.c.bucket).order_by(stale.c.bucket))).scalars())
    assert marked == ([600] if engine.dialect.name == "postgresql" else [0, 600])
    await engine.dispose()


async def test_an_upgrade_keeps_what_agents_have_read_and_each_city_has_its_own_numbers_from_then(sql_url: str) -> None:
    """From 0006 on, where the 工号 alone was the key; and back, where the first of two with one number stays."""
    engine = open_engine(sql_url)
    await upgrade(engine)
    at = datetime(2021, 8, 7, tzinfo=UTC).timestamp()
    rows = [{"script": 1, "version": 2, "agent": "8001", "city": "xuzhou", "read_at": at}]
    rows += [{"script": 1, "version": 2, "agent": "8002", "city": "suzhou", "read_at": at}]
    same = {**rows[0], "city": "suzhou", "read_at": at + 60.0}

    async def kept() -> list[dict[str, object]]:
        async with engine.connect() as connection:
            found = await connection.execute(select(console_tables.receipts).order_by("agent", "city"))
            return [dict(row) for row in found.mappings()]

    async with engine.begin() as connection:
        await connection.run_sync(back_to("0006"))
        await connection.execute(insert(console_tables.receipts), rows)
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(insert(console_tables.receipts), [same])
    await upgrade(engine)
    assert await kept() == rows
    async with engine.begin() as connection:
        await connection.execute(insert(console_tables.receipts), [same])
    assert await kept() == [same, *rows]
    async with engine.begin() as connection:
        await connection.run_sync(back_to("0006"))
    assert await kept() == rows
    await engine.dispose()


def test_only_the_owner_may_read_the_citizens_numbers(app: typer.Typer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert run(app, state, "db", "upgrade").exit_code == 0
    spool = Spool(state / "spool")
    spool.append(["one"])
    spool.put_aside("two", "too long")
    spool.close()
    made = [state, *state.rglob("*")]
    assert {path.name for path in made} >= {"state", "history.db", "spool", "damaged.txt"}
    assert [path for path in made if path.stat().st_mode & 0o077] == []
