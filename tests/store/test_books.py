"""`callctl books` as the process it is: it counts, hands over and reports; killed or without its database, all is done."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callctl import clock
from callctl.core.counting import together
from callctl.core.days import DAY_S, Span, day_of
from callctl.core.demand import Demand, Result, WrapUp
from callctl.given_files import GIVEN, read_categories
from callctl.settings import read_settings
from callctl.store.connect import open_books
from callctl.store.counters import buckets, count_span, recount
from callctl.store.history import LOST, SqlHistory
from callctl.store.ledger import write_audit
from callctl.store.notes import keep_note
from callctl.store.record_tables import deliveries, reports, stale
from callctl.store.reports import list_reports
from callctl.store.schema import open_engine, prepare
from callctl.store.spool import Spool
from tests.store.facts import T0, X, Y, a_day, name
from tests.store.servers import Postgres, why_no_postgres
from tests.store.test_daily import event

ROOT = Path(__file__).resolve().parents[2]
CODES = {one.code: one for one in read_categories(GIVEN / "categories.csv")}
DAY = Span(T0 - DAY_S, T0 + DAY_S)
pytestmark = pytest.mark.timeout(300)  # Programs are started here; on a busy machine that takes long.


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    province = tmp_path / "province"
    province.mkdir()
    for part in ("agents", "queues"):
        (province / part).symlink_to(ROOT / part)
    (province / "records.toml").write_text(f'[delivery.{Y}]\ndrop = "{tmp_path / "drop"}"\nform = "jsonl"\n')
    return {
        "CALLCTL_STATE": str(tmp_path / "state"),
        "CALLCTL_PROVINCE": str(province),
        "CALLCTL_SQL_URL": f"sqlite+aiosqlite:///{tmp_path / 'h.db'}",
    }


@contextmanager
def books(environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "callctl", "books"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def fill(environment: dict[str, str], notes: int) -> None:
    settings = read_settings(environment)
    async with open_books(settings) as opened:
        began, ended = clock.now() - 4 * DAY_S, clock.now() - 2 * DAY_S  # Older ones nobody waits for.
        await write_audit(opened.engine, event(began, "event start", {X: 2}, "1", began), None, "")
        await write_audit(opened.engine, event(ended, "event end", {X: 2}, "2", began), None, "")
        history = SqlHistory(open_engine(settings.sql_url), Spool(settings.state_dir / "spool"))
        for fact in a_day(90):
            history.record(fact)
        await history.flush()
        await history.close()
        for n in range(notes):
            one = WrapUp(name(n), Y, X, "1301", "A1", T0 + 60, Demand.HELP, "900400", Result.FORWARDED, content="送药")
            await keep_note(opened.engine, one, CODES, ["drop"], T0 + DAY_S, opened.seal)


async def number_of(environment: dict[str, str], table) -> int:
    engine = open_engine(environment["CALLCTL_SQL_URL"])
    async with engine.connect() as connection:
        found: int = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    await engine.dispose()
    return found


def until(true: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Look again and again, and let the process have the machine in between; the test's own limit is the only clock."""
    while not true():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
            raise AssertionError("the books ended by themselves")


def test_killed_in_the_middle_it_does_everything_once(environment: dict[str, str], tmp_path: Path) -> None:
    asyncio.run(fill(environment, 40))
    drop = tmp_path / "drop"
    with books(environment) as process:
        until(lambda: len(list(drop.glob("*.jsonl"))) >= 5, process)
        process.send_signal(signal.SIGKILL)
    with books(environment) as process:
        until(lambda: asyncio.run(number_of(environment, reports)) >= 3, process)
        process.send_signal(signal.SIGTERM)
    assert len(list(drop.glob("*.jsonl"))) == 40

    async def look() -> None:
        engine = open_engine(environment["CALLCTL_SQL_URL"])
        made = await list_reports(engine, Y)
        days = {one.day for one in made}
        assert len(made) == len(days)
        assert days == {day_of(clock.now() - back * DAY_S).isoformat() for back in (4, 3, 2)}
        assert all(one.late for one in made)
        found = await buckets(engine, DAY)
        assert {city: together(found[city].values()) for city in found} == await count_span(engine, DAY)
        await engine.dispose()

    asyncio.run(look())
    assert asyncio.run(number_of(environment, deliveries)) == 40
    assert asyncio.run(number_of(environment, stale)) == 0


def test_a_wrong_list_of_the_province_stops_no_other_job(environment: dict[str, str], tmp_path: Path) -> None:
    asyncio.run(fill(environment, 3))
    (Path(environment["CALLCTL_PROVINCE"]) / "holidays.csv").write_text("day,kind\n2026-13-01,holiday\n")
    drop = tmp_path / "drop"
    with books(environment) as process:
        until(lambda: len(list(drop.glob("*.jsonl"))) == 3 and not asyncio.run(number_of(environment, stale)), process)
        (drop / "acks").mkdir()
        (drop / "acks" / "1.jsonl").write_text('["a"]')
        # The next round comes after the one in which the reports could not be drafted.
        until((drop / "acks" / "refused" / "1.jsonl").exists, process)
    assert asyncio.run(number_of(environment, reports)) == 0


async def test_a_database_killed_in_mid_count_is_counted_right_when_it_is_back(tmp_path: Path) -> None:
    if why := why_no_postgres():
        pytest.skip(why)
    server = Postgres()
    try:
        url = server.database()
        engine = open_engine(url)
        await prepare(engine)
        history = SqlHistory(open_engine(url), Spool(tmp_path / "spool"))
        for fact in a_day(300):
            history.record(fact)
        await history.flush()
        counting = asyncio.create_task(recount(engine))
        await asyncio.sleep(0)
        await asyncio.to_thread(server.kill)
        with contextlib.suppress(*LOST):
            await counting  # It may just have been through.
        with pytest.raises(LOST):
            await recount(engine)
        for fact in a_day(330)[-150:]:
            history.record(fact)
        await history.flush()
        await asyncio.to_thread(server.start)
        await history.flush()
        await recount(engine)
        found = await buckets(engine, DAY)
        assert {city: together(found[city].values()) for city in found} == await count_span(engine, DAY)
        await history.close()
        await engine.dispose()
    finally:
        server.close()
