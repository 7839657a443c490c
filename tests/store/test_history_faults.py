"""The history while its database is killed, frozen or full, the disk is full, or the writer itself is killed."""

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.events import Fact
from callctl.store.history import SqlHistory
from callctl.store.port import AuditEntry, StoreLost
from callctl.store.schema import open_engine
from callctl.store.spool import Spool, SpoolFull
from callctl.store.tables import calls, journal
from tests.store.facts import T0, Y, a_day, waiting
from tests.store.servers import Postgres, why_no_postgres
from tests.store.test_history import count, history_at, rows

ENTRY = AuditEntry(T0, "王值班长", "扬州大厅", "switch on", Y, "off", "on")


async def assert_all_there(url: str, facts: list[Fact], number: int) -> None:
    """Every fact once, in its order, and every call told right."""
    assert await count(url, journal) == len(facts)
    assert [row["at"] for row in await rows(url, journal, journal.c.id)] == [fact.at for fact in facts]
    outcomes = Counter(row["outcome"] for row in await rows(url, calls))
    assert outcomes == Counter(["answered", "answered", "abandoned"][n % 3] for n in range(number))


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """One that may be ruined."""
    if why := why_no_postgres():
        pytest.skip(why)
    server = Postgres()
    yield server
    server.close()


async def test_postgresql_killed_in_the_middle_loses_and_doubles_nothing(own_postgres: Postgres, tmp_path: Path) -> None:
    url = own_postgres.database()
    facts = a_day(600)
    third = len(facts) // 3
    async with history_at(url, tmp_path) as history:
        for fact in facts[:third]:
            history.record(fact)
        writing = asyncio.create_task(history.flush())
        while history.health().written == 0 and not writing.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        own_postgres.kill()
        await writing
        for fact in facts[third : 2 * third]:
            history.record(fact)
        await history.flush()
        assert history.health().lost_because
        assert history.health().held == 0
        with pytest.raises(StoreLost):
            await history.audit(ENTRY, None)
        own_postgres.start()
        for fact in facts[2 * third :]:
            history.record(fact)
        await history.flush()
        assert history.health().lost_because == ""
        await history.audit(ENTRY, None)
    await assert_all_there(url, facts, 600)


async def test_a_frozen_postgresql_holds_nobody_up_and_gets_its_facts_when_it_thaws(
    own_postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.store.history.WRITE_S", 0.5)
    monkeypatch.setattr("callctl.store.history.AUDIT_S", 0.5)
    url = own_postgres.database()
    facts = a_day(60)
    async with history_at(url, tmp_path) as history:
        for fact in facts[:50]:
            history.record(fact)
        await history.flush()
        own_postgres.freeze()
        for fact in facts[50:]:
            history.record(fact)
        await history.flush()
        assert history.health().lost_because == "no answer in time"
        assert history.health().held == 0
        with pytest.raises(StoreLost):
            await history.audit(ENTRY, None)
        own_postgres.thaw()
        while history.health().lost_because:
            await history.flush()
    await assert_all_there(url, facts, 60)


def full_at(engine: AsyncEngine, pages: list[int]) -> None:
    """SQLite answers "database or disk is full" (SQLITE_FULL) beyond so many pages, looked up for each connection."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection, _) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count={pages[0]}")


async def test_a_full_sqlite_spools_and_gets_everything_when_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    facts = a_day(400)
    engine = open_engine(url)
    pages = [250]
    full_at(engine, pages)
    history = SqlHistory(engine, Spool(tmp_path / "spool"))
    for fact in facts:
        history.record(fact)
    await history.flush()
    assert history.health().lost_because == "database or disk is full"
    assert 0 < history.health().written < len(facts)
    assert history.health().held == 0
    for more in (0, 40, 40, 100_000):  # Room comes bit by bit: replays begin and break off again.
        pages[0] += more
        await engine.dispose()
        await history.flush()
    assert history.health().lost_because == ""
    await history.close()
    await assert_all_there(url, facts, 400)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_with_database_and_spool_on_a_full_disk_facts_stay_in_memory_and_it_says_so(small_disk: Path) -> None:
    url = f"sqlite+aiosqlite:///{small_disk / 'history.db'}"
    facts = a_day(3000)
    async with history_at(url, small_disk) as history:
        for fact in facts:
            history.record(fact)
        await history.flush()
        health = history.health()
        assert "full" in health.lost_because
        assert health.held > 0
        assert "facts are in memory only: make room" in health.alarm
        assert "No space left on device" in health.alarm
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)  # noqa: ASYNC221
        await history.flush()
        assert history.health().alarm == ""
        assert history.health().spooled_bytes == 0
    await assert_all_there(url, facts, 3000)


def test_half_a_batch_on_a_full_disk_is_taken_back_and_what_was_promised_stays(small_disk: Path) -> None:
    spool = Spool(small_disk)
    promised = []
    batches = ([f"{number}:{line}:" + "x" * 990 for line in range(100)] for number in range(100))
    for batch in batches:
        try:
            spool.append(batch)
        except SpoolFull:
            break
        promised += batch
    assert 0 < len(promised) < 10_000
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    spool.append(["after"])
    assert spool.peek(10_000) == [*promised, "after"]
    spool.close()


async def test_memory_has_a_bound_and_what_is_lost_beyond_it_is_counted_aloud(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    (tmp_path / "spool").write_text("no folder")
    async with history_at(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}", tmp_path, held_most=10) as history:
        for number in range(25):
            history.record(waiting(number, T0 + number))
            await history.flush()
        health = history.health()
        assert (health.held, health.dropped) == (10, 15)
        assert health.alarm == "15 facts are lost: database, disk and memory are full"


REPLAY = """
    import asyncio, sys
    from pathlib import Path
    from callctl.store.history import SqlHistory
    from callctl.store.schema import open_engine
    from callctl.store.spool import Spool
    async def main():
        history = SqlHistory(open_engine(sys.argv[1]), Spool(Path(sys.argv[2])))
        flushing = asyncio.create_task(history.flush())
        told = 0
        while not flushing.done():
            await asyncio.sleep(0)
            if history.health().written != told:
                told = history.health().written
                print(told, flush=True)
        await history.close()
    asyncio.run(main())
"""


async def test_a_writer_killed_again_and_again_in_mid_replay_loses_and_doubles_nothing(
    sql_url: str, tmp_path: Path
) -> None:
    facts = a_day(3000)
    spool = Spool(tmp_path / "spool")
    (tmp_path / "nothing.db").mkdir()
    lost = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}"), spool)
    for fact in facts:
        lost.record(fact)
    await lost.flush()
    await lost.close()
    command = [sys.executable, "-c", textwrap.dedent(REPLAY), sql_url, str(tmp_path / "spool")]
    for batches in (1, 2, 3):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])  # noqa: ASYNC220
        assert child.stdout is not None
        for _ in range(batches):
            assert child.stdout.readline()
        child.kill()
        child.wait()
        child.stdout.close()
        assert 0 < await count(sql_url, journal) < len(facts)
    async with history_at(sql_url, tmp_path) as history:
        await history.flush()
    await assert_all_there(sql_url, facts, 3000)


async def test_a_running_process_s_spool_is_left_alone_until_it_ends(tmp_path: Path) -> None:
    (tmp_path / "nothing.db").mkdir()
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    first = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}"), Spool(tmp_path / "spool"))
    first.record(waiting(1, T0))
    await first.flush()
    async with history_at(url, tmp_path) as second:
        second.record(waiting(2, T0))
        await second.flush()
        assert await count(url, journal) == 1
        await first.close()
        await second.flush()
    assert await count(url, journal) == 2


async def test_a_line_torn_by_a_power_cut_is_skipped_and_the_rest_is_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "nothing.db").mkdir()
    lost = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path / 'nothing.db'}"), spool)
    for number in range(3):
        lost.record(waiting(number, T0 + number))
    await lost.flush()
    await lost.close()
    (segment,) = (tmp_path / "spool").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes() + b'{"v":1,"k":"CallWai')
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    async with history_at(url, tmp_path) as history:
        await history.flush()
        assert history.health().spooled_bytes == 0
    assert await count(url, journal) == 3
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_spool_has_a_bound_and_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", most_bytes=100)
    spool.append(["x" * 50])
    with pytest.raises(SpoolFull, match="holds its most"):
        spool.append(["x" * 60])
    assert spool.peek(10) == ["x" * 50]
    spool.close()


async def test_an_alarm_is_raised_before_the_spool_is_full(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    history = SqlHistory(engine, Spool(tmp_path / "spool", most_bytes=1200))
    for number in range(7):
        history.record(waiting(number, T0))
    await history.flush()
    assert "% full: mend the history database" in history.health().alarm
    await history.close()


async def test_audited_acts_of_two_processes_at_once_all_arrive(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as one, history_at(sql_url, tmp_path / "other") as two:
        await one.flush()
        acts = [AuditEntry(T0, f"{n}号", "", "quota", Y, "", "", request=f"r{n}") for n in range(40)]
        for fact in a_day(200):
            one.record(fact)
        await asyncio.gather(one.flush(), *((one, two)[n % 2].audit(act, None) for n, act in enumerate(acts)))
        assert {entry.request for entry in await two.audited(100)} == {act.request for act in acts}
    assert await count(sql_url, calls) == 200


async def test_a_database_that_cannot_be_opened_leaves_no_thread_behind(tmp_path: Path) -> None:
    """Else its last word would meet an event loop that is closed, and a traceback stood under the message."""
    (tmp_path / "history.db").mkdir()
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    before = set(threading.enumerate())
    pause = sys.getswitchinterval()
    sys.setswitchinterval(5.0)  # The other thread goes on only while this one waits for it.
    try:
        with pytest.raises(OperationalError):
            await engine.connect()
        left = [each for each in set(threading.enumerate()) - before if "_connection_worker_thread" in each.name]
    finally:
        sys.setswitchinterval(pause)
        await engine.dispose()
    assert left == []
