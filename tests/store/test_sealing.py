"""A field key that is set later: what stood in clear is sealed, once, also by a run that was killed on the way."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from callctl.cli.root import make_app
from callctl.core.acts import ActRefused
from callctl.core.events import CallRinging, HomeSeat
from callctl.core.missed import CallBack, Tried
from callctl.settings import Settings, read_settings
from callctl.store.connect import open_books
from callctl.store.history import SqlHistory
from callctl.store.missed import keep_call_back, to_call_back
from callctl.store.privacy import about_citizen, hold
from callctl.store.record_tables import callbacks, holds, wrapups
from callctl.store.schema import open_engine
from callctl.store.seal import sealed
from callctl.store.sealing import InClear, in_clear, seal_old
from callctl.store.spool import Spool
from callctl.store.tables import calls, journal
from tests.store.facts import T0, Y, a_day, abandoned, name, reading, waiting
from tests.store.test_privacy import KEY, note, write

ROOT = Path(__file__).resolve().parents[2]
CALLS = 60
NOBODY = InClear(0, 0, 0, 0)


@pytest.fixture
def plain(sql_url: str, tmp_path: Path) -> Settings:
    return read_settings({"CALLCTL_STATE": str(tmp_path), "CALLCTL_PROVINCE": str(ROOT), "CALLCTL_SQL_URL": sql_url})


@pytest.fixture
def keyed(plain: Settings) -> Settings:
    return read_settings({**plain.environment, "CALLCTL_FIELD_KEY": KEY})


async def a_site_without_a_key(plain: Settings) -> None:
    """Calls of every kind, one first seen in a reading, one vain call-back, a note, a hold."""
    async with open_books(plain) as books:
        await write(books, [*a_day(CALLS), *abandoned(100, T0 + 5, T0 + 65), reading(T0 + 70, {101: T0 + 8})])
        await note(books, 1)
        await keep_call_back(books.engine, "r1", Y, CallBack("13800000100", T0 + 100, Tried.BUSY), Y, "", "")
        await hold(books.engine, "caller", "13800000002", "复议", "法制科", T0)


async def texts(engine: AsyncEngine) -> str:
    """Everything the tables of calls hold."""
    async with engine.connect() as connection:
        found = [(await connection.execute(select(table))).all() for table in (calls, wrapups, journal, callbacks, holds)]
    return repr(found)


async def names(engine: AsyncEngine) -> list[Any]:
    """The rows, without what is sealed."""
    async with engine.connect() as connection:
        told = (await connection.execute(select(calls.c.call, calls.c.outcome).order_by(calls.c.call))).all()
        facts = (
            await connection.execute(select(journal.c.id, journal.c.kind, journal.c.call).order_by(journal.c.id))
        ).all()
    return [*told, *facts]


async def test_what_stood_in_clear_is_sealed_and_everything_is_found_as_before(plain: Settings, keyed: Settings) -> None:
    await a_site_without_a_key(plain)
    async with open_books(keyed) as books:
        rows = await names(books.engine)
        found = await in_clear(books.engine)
        assert found == InClear(CALLS + 2, 1, CALLS + 2, 2)
        assert await in_clear(books.engine) == found  # To count changes nothing.
        await seal_old(books.engine, books.seal)
        assert await in_clear(books.engine) == NOBODY
        assert await names(books.engine) == rows
        kept = await texts(books.engine)
        assert "138000000" not in kept
        assert "张三" not in kept
        await seal_old(books.engine, books.seal)
        assert await texts(books.engine) == kept
        [told] = await about_citizen(books.engine, books.seal.caller("13800000001"), books.seal)
        assert (told["number"], told["note"]["requester"]) == ("13800000001", "张三")
        missed = {books.seal.open(one.number): one.tries for one in await to_call_back(books.engine, Y, T0 + 600)}
        assert missed["13800000100"] == 1  # The vain call-back is still his.


async def test_a_fact_told_in_clear_and_told_again_sealed_stays_one(plain: Settings, keyed: Settings) -> None:
    await a_site_without_a_key(plain)
    async with open_books(keyed) as books:
        rows = await names(books.engine)
        await write(books, [waiting(100, T0 + 5)])  # Before the old ones were sealed: now it is there twice.
        assert len(await names(books.engine)) == len(rows) + 1
        await seal_old(books.engine, books.seal)
        await write(books, [waiting(100, T0 + 5)])  # And after.
        assert [kind for _, *kind in await names(books.engine)].count(["CallWaiting", name(100)]) == 1
        assert await in_clear(books.engine) == NOBODY


async def test_a_running_writer_that_remembers_clear_facts_writes_sealed_rows(plain: Settings, keyed: Settings) -> None:
    async with open_books(plain) as books:
        await write(books, [waiting(200, T0)])
    async with open_books(keyed) as books:
        spool = Spool(keyed.state_dir / "spool")
        history = SqlHistory(open_engine(keyed.sql_url), spool, seal=books.seal)
        history.record(CallRinging(Y, T0 + 5.0, name(200), HomeSeat("2001")))
        await history.flush()  # It remembers the call now, as it was told in clear.
        await seal_old(books.engine, books.seal)
        for fact in abandoned(200, T0, T0 + 60.0)[1:]:
            history.record(fact)
        await history.flush()
        await history.close()
        assert await in_clear(books.engine) == NOBODY
        kept = await texts(books.engine)
        assert "13800000200" not in kept
        assert "abandoned" in kept


KILLED = """
import asyncio, os
from sqlalchemy import event
from callctl.settings import read_settings
from callctl.store import sealing
from callctl.store.connect import open_books
count = 0
async def run():
    async with open_books(read_settings()) as books:
        sealing.AT_ONCE = 10
        @event.listens_for(books.engine.sync_engine, "commit")
        def committed(_):
            global count
            count += 1
            if count == 9:
                os.kill(os.getpid(), 9)
        await sealing.seal_old(books.engine, books.seal)
asyncio.run(run())
"""


async def test_a_run_killed_in_the_middle_loses_and_doubles_nothing(plain: Settings, keyed: Settings) -> None:
    await a_site_without_a_key(plain)
    async with open_books(keyed) as books:
        rows = await names(books.engine)
        environment = {**os.environ, **keyed.environment}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, cwd=ROOT, env=environment)
        assert await process.wait() == -9
        left = await in_clear(books.engine)
        assert (left.facts, left.notes, left.callers) == (0, 1, 2)
        assert 0 < left.numbers < CALLS
        assert await names(books.engine) == rows
        await seal_old(books.engine, books.seal)
        assert await in_clear(books.engine) == NOBODY
        assert await names(books.engine) == rows


def test_the_command_counts_first_and_wants_the_key(plain: Settings, keyed: Settings) -> None:
    asyncio.run(a_site_without_a_key(plain))

    def run(settings: Settings, *words: str) -> Any:
        return CliRunner().invoke(make_app(), ["privacy", *words], env=settings.environment)

    refused = run(plain, "seal", "--yes")
    assert isinstance(refused.exception, ActRefused)
    assert "field-key" in str(refused.exception)
    assert run(keyed, "state").exit_code == 1
    dry = json.loads(run(keyed, "seal", "--json").output)
    assert (dry["done"], dry["left"]) == (False, dry["in_clear"])
    assert json.loads(run(keyed, "seal", "--yes", "--json").output)["left"]["numbers"] == 0
    assert run(keyed, "state").exit_code == 0


def test_a_call_first_seen_in_a_reading_is_sealed_as_one_that_was_told(keyed: Settings) -> None:
    async def look() -> None:
        async with open_books(keyed) as books:
            told = sealed(reading(T0, {1: T0}), books.seal)
            assert sealed(waiting(1, T0), books.seal).call.number == told.waiting[0].number

    asyncio.run(look())
