"""Retention, holds and one citizen's rights on real databases: tried first, done once, killed half-way without harm."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from callctl import clock
from callctl.cli.root import make_app
from callctl.core.days import DAY_S, Span
from callctl.core.demand import Demand, Result, WrapUp
from callctl.core.events import CallLeftQueue, CallWaiting, Outcome, WaitingCall
from callctl.core.missed import CallBack, Tried
from callctl.given_files import GIVEN, read_categories
from callctl.rules import RetentionRules
from callctl.settings import read_settings
from callctl.store.connect import Books, open_books
from callctl.store.counters import count_span, recount
from callctl.store.history import SqlHistory
from callctl.store.missed import earlier_calls, keep_call_back, to_call_back
from callctl.store.notes import keep_note
from callctl.store.privacy import about_citizen, erase_citizen, hold, keep_retention, release
from callctl.store.record_tables import callbacks, stubs, wrapups
from callctl.store.schema import open_engine
from callctl.store.spool import Spool
from callctl.store.tables import audit, calls, journal, legs
from tests.store.facts import T0, X, Y, a_day, abandoned, answered_remote, name, waiting

ROOT = Path(__file__).resolve().parents[2]
CODES = {one.code: one for one in read_categories(GIVEN / "categories.csv")}
RULES = RetentionRules(personal_d=365, calls_d=1095, journal_d=190)
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def settings(sql_url: str, tmp_path: Path):
    return read_settings(
        {
            "CALLCTL_STATE": str(tmp_path),
            "CALLCTL_PROVINCE": str(ROOT),
            "CALLCTL_SQL_URL": sql_url,
            "CALLCTL_FIELD_KEY": KEY,
        }
    )


async def write(books: Books, facts) -> None:
    history = SqlHistory(open_engine(books.settings.sql_url), Spool(books.settings.state_dir / "spool"), seal=books.seal)
    for fact in sorted(facts, key=lambda one: one.at):
        history.record(fact)
    await history.flush()
    await history.close()


async def number_of(books: Books, table) -> int:
    async with books.engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def note(books: Books, number: int) -> None:
    kept = WrapUp(
        name(number), Y, X, "1301", "A1", T0 + 60, Demand.HELP, "900400", Result.FORWARDED, content="送药", requester="张三"
    )
    await keep_note(books.engine, kept, CODES, ["drop"], T0 + DAY_S, books.seal)


async def test_a_dry_run_says_what_would_be_done_and_does_nothing_and_the_figures_stay(settings) -> None:
    async with open_books(settings) as books:
        await write(books, a_day(30))
        await recount(books.engine)
        before = await count_span(books.engine, Span(T0 - 10, T0 + DAY_S))
        late = T0 + 400 * DAY_S
        dry = await keep_retention(books.engine, RULES, late, True)
        assert (dry.blanked, dry.calls, dry.held) == (30, 0, 0)
        assert dry.facts > 30
        again = await keep_retention(books.engine, RULES, late, True)
        assert again == dry
        done = await keep_retention(books.engine, RULES, late, False)
        assert done == dry
        assert (await keep_retention(books.engine, RULES, late, True)).blanked == 0
        async with books.engine.connect() as connection:
            assert set((await connection.execute(select(calls.c.number))).scalars()) == {""}
        assert await number_of(books, journal) == 0
        assert await count_span(books.engine, Span(T0 - 10, T0 + DAY_S)) == before  # No figure lived on a number.


async def test_after_three_years_the_call_goes_with_all_that_hangs_on_it_and_a_held_one_stays(settings) -> None:
    async with open_books(settings) as books:
        await write(books, [*answered_remote(1, T0, T0 + 25), *answered_remote(2, T0 + 1, T0 + 26), waiting(3, T0 + 2)])
        for number in (1, 2):
            await note(books, number)
        await hold(books.engine, "call", name(2), "行政复议", "法制科", T0)
        late = T0 + 1200 * DAY_S
        await write(books, [waiting(4, late - 60)])
        done = await keep_retention(books.engine, RULES, late, False)
        assert (done.calls, done.held) == (2, 1)  # Of the third nobody saw the end; no call lasts for three years.
        async with books.engine.connect() as connection:
            left = set((await connection.execute(select(calls.c.call))).scalars())
            assert left == {name(2), name(4)}  # An open call of today is nobody's to delete.
            assert set((await connection.execute(select(legs.c.call))).scalars()) == {name(2)}
            assert set((await connection.execute(select(stubs.c.call))).scalars()) == {name(2)}
            assert name(2) in set((await connection.execute(select(journal.c.call))).scalars())
        assert await release(books.engine, "call", name(2), late) == 1
        assert (await keep_retention(books.engine, RULES, late, False)).calls == 1
        assert await number_of(books, wrapups) == 0


async def test_notes_of_withheld_numbers_moved_calls_and_call_backs_lose_what_is_personal_too(settings) -> None:
    async with open_books(settings) as books:
        await write(
            books,
            [
                CallWaiting(Y, T0, WaitingCall(name(1), "", T0)),
                CallWaiting(Y, T0, WaitingCall(name(2), "13800000002", T0)),
                CallLeftQueue(Y, T0 + 9, name(2), Outcome.MOVED),
            ],
        )
        await note(books, 1)
        caller = books.seal.caller("13800000003")
        await keep_call_back(books.engine, "1", Y, CallBack(caller, T0, Tried.BUSY), Y, "", "张三之妻接听")
        late = T0 + 400 * DAY_S
        assert (await keep_retention(books.engine, RULES, late, True)).blanked == 2
        await keep_retention(books.engine, RULES, late, False)
        assert (await keep_retention(books.engine, RULES, late, False)).blanked == 0
        async with books.engine.connect() as connection:
            assert list((await connection.execute(select(wrapups.c.personal))).scalars()) == [""]
            assert set((await connection.execute(select(calls.c.number))).scalars()) == {""}
            back = (await connection.execute(select(callbacks))).mappings().one()
        assert (back["caller"], back["note"], back["outcome"]) == ("", "", "busy")
        await keep_retention(books.engine, RULES, T0 + 1200 * DAY_S, False)
        assert await number_of(books, callbacks) == 0
        assert await number_of(books, calls) == 0


def test_no_command_writes_a_number_into_the_audit_or_prints_whose_a_missed_call_was(settings, tmp_path: Path) -> None:
    at = clock.now() - 600
    environment = {key: value for key, value in settings.environment.items() if key != "CALLCTL_FIELD_KEY"}

    async def happened() -> None:
        async with open_books(read_settings(environment)) as books:
            await write(books, abandoned(1, at, at + 60))

    def run(*words: str) -> str:
        done = CliRunner().invoke(make_app(), list(words), env=environment)
        assert done.exit_code == 0, done.output
        return done.output

    asyncio.run(happened())
    whose = ("--number", "13800000001", "--reason", "本人申请")
    for words in (("hold",), ("release",), ("citizen",), ("erase", "--yes")):
        run("privacy", *words, *whose)
    assert "13800000001" not in run("missed", "list", "--city", Y, "--json")

    async def written() -> None:
        async with open_books(read_settings(environment)) as books, books.engine.connect() as connection:
            rows = (await connection.execute(select(audit))).mappings().all()
        assert len(rows) == 4
        assert "13800000001" not in str(rows)
        assert "138****0001" in str(rows)

    asyncio.run(written())


async def test_one_citizen_sees_everything_and_is_erased_but_for_what_is_held(settings) -> None:
    async with open_books(settings) as books:
        await write(books, [*answered_remote(1, T0, T0 + 25), *abandoned(2, T0 + 50, T0 + 60)])
        await note(books, 1)
        caller = books.seal.caller("+86 138 0000 0001")
        (told,) = await about_citizen(books.engine, caller, books.seal)
        assert (told["number"], told["note"]["requester"]) == ("13800000001", "张三")
        await hold(books.engine, "caller", caller, "举报核查", "纪检", T0)
        assert await erase_citizen(books.engine, caller, False) == (0, 1)
        await release(books.engine, "caller", caller, T0)
        assert await erase_citizen(books.engine, caller, True) == (1, 0)
        assert len(await about_citizen(books.engine, caller, books.seal)) == 1
        assert await erase_citizen(books.engine, caller, False) == (1, 0)
        assert await about_citizen(books.engine, caller, books.seal) == []
        async with books.engine.connect() as connection:
            bodies = "".join((await connection.execute(select(journal.c.body).where(journal.c.call == name(1)))).scalars())
            assert (await connection.execute(select(wrapups.c.personal))).scalar_one() == ""
            assert await number_of(books, calls) == 2
        assert caller not in bodies
        assert books.seal.caller("13800000002") != ""


async def test_the_missed_are_listed_once_and_a_call_back_registered_twice_is_one(settings) -> None:
    async with open_books(settings) as books:
        await write(
            books,
            [*abandoned(1, T0, T0 + 60), *abandoned(2, T0 + 5, T0 + 65), *answered_remote(3, T0 + 6, T0 + 40)],
        )
        now = T0 + 600
        found = await to_call_back(books.engine, Y, now)
        assert [books.seal.open(one.number) for one in found] == ["13800000001", "13800000002"]
        one = CallBack(found[0].caller, now, Tried.ANSWERED)
        for _ in range(2):
            await keep_call_back(books.engine, "r1", Y, one, X, "1301", "已答复")
        assert await number_of(books, callbacks) == 1
        assert [one.caller for one in await to_call_back(books.engine, Y, now)] == [found[1].caller]
        earlier = await earlier_calls(books.engine, books.seal.caller("13800000003"), T0 + 9999)
        assert [(one.call, one.outcome) for one in earlier] == [(name(3), "answered")]
        assert await earlier_calls(books.engine, "", T0 + 9999) == []


KILLED = """
import asyncio, os, sys
from callctl.settings import read_settings
from callctl.store import privacy
from callctl.rules import RetentionRules
from callctl.store.connect import open_books
async def run():
    async with open_books(read_settings()) as books:
        batches = 0
        privacy.AT_ONCE = 10
        from sqlalchemy import event
        @event.listens_for(books.engine.sync_engine, "commit")
        def committed(_):
            global count
            count += 1
            if count == 4:
                os.kill(os.getpid(), 9)
        await privacy.keep_retention(books.engine, RetentionRules(), float(sys.argv[1]), False)
count = 0
asyncio.run(run())
"""


async def test_a_retention_run_killed_in_the_middle_goes_on_where_it_was(settings) -> None:
    late = T0 + 1200 * DAY_S
    async with open_books(settings) as books:
        await write(books, a_day(60))
        environment = {**os.environ, **settings.environment}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(late), cwd=ROOT, env=environment)
        assert await process.wait() == -9
        left = await number_of(books, calls)
        assert 0 < left < 60
        async with books.engine.connect() as connection:
            orphans = select(func.count()).select_from(legs).where(legs.c.call.not_in(select(calls.c.call)))
            assert (await connection.execute(orphans)).scalar_one() == 0
        await keep_retention(books.engine, RULES, late, False)
        assert await number_of(books, calls) == 0


def test_the_commands_want_a_reason_and_write_down_who_looked(settings) -> None:
    async def fill() -> None:
        async with open_books(settings) as books:
            await write(books, abandoned(1, T0, T0 + 9))

    asyncio.run(fill())

    def run(*words: str):
        return CliRunner().invoke(
            make_app(), list(words), env={**settings.environment, "CALLCTL_REDIS_URL": "redis://127.0.0.1:1/0"}
        )

    assert run("privacy", "unmask", "--call", name(1)).exit_code != 0
    shown = run("privacy", "unmask", "--call", name(1), "--reason", "回访")
    assert shown.output.strip() == "13800000001"
    assert run("privacy", "state").exit_code == 0
    assert run("privacy", "citizen", "--number", "13800000001", "--reason", "本人申请").exit_code == 0
    assert run("privacy", "erase", "--number", "13800000001", "--reason", "本人申请", "--yes").exit_code == 0
    assert run("privacy", "retention", "--json").exit_code == 0
    told = [entry["what"] for entry in json.loads(run("audit", "--json").output)]
    assert told == ["citizen erased", "citizen's data", "unmask"]
    assert run("records", "verify").exit_code == 0
