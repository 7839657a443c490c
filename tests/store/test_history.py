"""The history on real databases: every call told once, whatever is doubled, lost, full or killed in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from callctl.core.events import (
    CallAnswered,
    CallLeftQueue,
    HomeSeat,
    LoanChanged,
    LoanSeen,
    Outcome,
    PbxLost,
    SurveyAnswered,
    TalkSeen,
)
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.settings import read_settings
from callctl.store.connect import open_history
from callctl.store.history import SqlHistory
from callctl.store.port import AlreadyDone, AuditEntry, StoreLost, WishesChanged
from callctl.store.schema import open_engine
from callctl.store.spool import Spool
from callctl.store.tables import audit, calls, journal, legs, loans, surveys, waits
from tests.store.facts import LENT, SLOT, T0, X, Y, a_day, abandoned, answered_home, answered_remote, name, reading, waiting

ENTRY = AuditEntry(T0, "王值班长", "扬州大厅", "switch on", Y, "off", "on", "突发", "r1")


@asynccontextmanager
async def history_at(url: str, folder: Path, **bounds: Any) -> AsyncIterator[SqlHistory]:
    """A history whose writer only runs when the test says flush()."""
    opened = SqlHistory(open_engine(url), Spool(folder / "spool"), **bounds)
    yield opened
    await opened.close()


async def rows(url: str, table: Any, order: Any = None) -> list[dict[str, Any]]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        asked = select(table) if order is None else select(table).order_by(order)
        found = [dict(row) for row in (await connection.execute(asked)).mappings()]
    await engine.dispose()
    return found


async def count(url: str, table: Any) -> int:
    engine = open_engine(url)
    async with engine.connect() as connection:
        found: int = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    await engine.dispose()
    return found


async def test_a_remote_call_is_one_row_that_names_city_slot_and_seat(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        for fact in answered_remote(1, T0, T0 + 25.5):
            history.record(fact)
        await history.flush()
    (row,) = await rows(sql_url, calls)
    assert (row["call"], row["city"], row["number"], row["outcome"]) == (name(1), Y, "13800000001", "answered")
    assert (row["by_city"], row["by_slot"], row["by_seat"], row["score"]) == (X, 1, "1301", 5)
    assert (row["first_arrival"], row["answered_at"], row["waited_s"], row["talked_s"]) == (T0, T0 + 25.5, 25.5, 30.0)
    assert (row["open"], row["requeues"], row["seen_from"]) == (False, 0, "events")
    assert [leg["side"] for leg in await rows(sql_url, legs, legs.c.n)] == ["slot", "lent"]
    assert await count(sql_url, waits) == 1
    assert [one["score"] for one in await rows(sql_url, surveys)] == [5]


async def test_a_call_is_told_anew_with_every_fact_also_over_several_flushes(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        states = []
        for fact in answered_remote(1, T0, T0 + 25.0):
            history.record(fact)
            await history.flush()
            states.append((await rows(sql_url, calls))[0]["state"])
    # It talks as soon as it has left the queue: the helper's PBX had told of the answer before.
    assert states == ["waiting"] * 4 + ["talking"] * 3 + ["over"] * 2


async def test_doubled_facts_double_no_row(sql_url: str, tmp_path: Path) -> None:
    facts = [*a_day(30), LoanChanged(X, T0, "1301", Y, 7, lent=True)]
    async with history_at(sql_url, tmp_path) as history:
        for fact in [*facts, *facts]:
            history.record(fact)
        await history.flush()
    first = [await count(sql_url, table) for table in (journal, calls, waits, legs, loans, surveys)]
    told = await rows(sql_url, calls, calls.c.call)
    async with history_at(sql_url, tmp_path) as history:
        for fact in facts:
            history.record(fact)
        await history.flush()
    assert [await count(sql_url, table) for table in (journal, calls, waits, legs, loans, surveys)] == first
    assert first[:2] == [len(facts), 30]
    assert not (tmp_path / "spool/damaged.txt").exists()
    assert await rows(sql_url, calls, calls.c.call) == told


async def test_a_new_process_goes_on_with_a_call_that_began_before(sql_url: str, tmp_path: Path) -> None:
    facts = answered_remote(1, T0, T0 + 25.0)
    for fact in facts:
        async with history_at(sql_url, tmp_path) as history:
            history.record(fact)
            await history.flush()
    (row,) = await rows(sql_url, calls)
    assert (row["state"], row["waited_s"], row["by_seat"], row["score"]) == ("over", 25.0, "1301", 5)


async def test_a_gap_is_in_the_journal_and_what_vanished_in_it_has_no_invented_end(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        for fact in (reading(T0), waiting(1, T0 + 1), waiting(2, T0 + 2), PbxLost(Y, T0 + 5, "no answer")):
            history.record(fact)
        await history.flush()
        talk = TalkSeen(name(2), HomeSeat("2001"), T0 + 20)
        history.record(reading(T0 + 60, {3: T0 + 30}, (talk,)))
        history.record(reading(T0 + 90, {3: T0 + 30}, (talk,)))
        await history.flush()
    gone, talking, found = await rows(sql_url, calls, calls.c.call)
    assert (gone["state"], gone["outcome"], gone["waited_s"], gone["seen_from"]) == ("gone", None, None, "reading")
    assert (talking["state"], talking["outcome"], talking["waited_s"]) == ("talking", "answered", 18.0)
    assert (found["state"], found["first_arrival"], found["seen_from"]) == ("waiting", T0 + 30, "reading")
    kinds = [row["kind"] for row in await rows(sql_url, journal, journal.c.id)]
    assert kinds == [
        "GapClosed",
        "CallWaiting",
        "CallWaiting",
        "PbxLost",
        "GapClosed",
        "SeenWaiting",
        "SeenTalking",
        "NotSeen",
    ]


async def test_what_vanished_while_no_controller_ran_is_noticed_by_the_next_one(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        for fact in (reading(T0), waiting(1, T0 + 1), LoanChanged(X, T0, "1301", Y, 7, lent=True)):
            history.record(fact)
        await history.flush()
    async with history_at(sql_url, tmp_path) as history:
        history.record(reading(T0 + 60))
        history.record(reading(T0 + 60, city=X, loans=(LoanSeen("1302", Y, 8),)))
        await history.flush()
    assert (await rows(sql_url, calls))[0]["state"] == "gone"
    lent, found = await rows(sql_url, loans, loans.c.token)
    assert (lent["lent_at"], lent["returned_at"], lent["gone_at"]) == (T0, None, T0 + 60)
    assert (found["lent_at"], found["returned_at"], found["seen_from"]) == (None, None, "reading")


async def test_a_loan_is_one_row_with_when_it_was_lent_and_returned(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        history.record(LoanChanged(X, T0 + 50, "1301", Y, 1_795_420_480_557_123, lent=False))
        history.record(LoanChanged(X, T0, "1301", Y, 1_795_420_480_557_123, lent=True))
        await history.flush()
    (loan,) = await rows(sql_url, loans)
    assert (loan["assisted"], loan["lent_at"], loan["returned_at"], loan["seen_from"]) == (Y, T0, T0 + 50, "events")


async def test_chinese_survives_everywhere(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        event = AssistanceEvent("e1", Y, "扬州疫情支援", T0, seats={X: 3})
        await history.audit(ENTRY, Wishes(1, events={Y: event}))
        assert await history.wishes() == Wishes(1, events={Y: event})
        assert await history.audited(5) == [ENTRY]
        history.record(PbxLost(Y, T0, "扬州\0\ud800断线"))
        await history.flush()
    assert "扬州" in (await rows(sql_url, journal))[0]["body"] or "\\u626c" in (await rows(sql_url, journal))[0]["body"]


async def test_an_audited_act_is_written_once_and_a_version_is_taken_once(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        await history.audit(ENTRY, Wishes(1, stopped=True))
        with pytest.raises(AlreadyDone):
            await history.audit(ENTRY, Wishes(2))
        with pytest.raises(WishesChanged):
            await history.audit(AuditEntry(T0, "李", "省", "resume", "", "", "", request="r2"), Wishes(1))
        assert await history.wishes() == Wishes(1, stopped=True)
    assert await count(sql_url, audit) == 1


@pytest.mark.parametrize("bad", ["138\0", "\ud800", "1" * 5000])
async def test_numbers_no_database_likes_lose_no_call(sql_url: str, tmp_path: Path, bad: str) -> None:
    fact = waiting(1, T0)
    broken = type(fact)(Y, T0, type(fact.call)(name(1), bad, T0))
    async with history_at(sql_url, tmp_path) as history:
        history.record(broken)
        for one in abandoned(2, T0, T0 + 5):
            history.record(one)
        await history.flush()
    assert await count(sql_url, calls) == 2


async def test_a_fact_with_impossible_values_is_put_aside_and_the_others_are_written(sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        for fact in answered_home(1, T0, T0 + 5):
            history.record(fact)
        history.record(SurveyAnswered(Y, 1e18, name(1), 5))  # A time no calendar has.
        history.record(LoanChanged(X, T0, "1301", Y, 10**30, lent=True))  # A token no database has room for.
        for fact in abandoned(2, T0, T0 + 5):
            history.record(fact)
        await history.flush()
        assert history.health().lost_because == ""
    assert [row["outcome"] for row in await rows(sql_url, calls, calls.c.call)] == ["answered", "abandoned"]
    aside = (tmp_path / "spool/damaged.txt").read_text(encoding="utf-8").splitlines()
    assert len(aside) == 2


async def test_facts_recorded_while_the_database_cannot_be_opened_are_written_later_in_order(tmp_path: Path) -> None:
    file = tmp_path / "sql" / "history.db"
    file.mkdir(parents=True)  # A folder where the file should be.
    url = f"sqlite+aiosqlite:///{file}"
    facts = a_day(300)
    async with history_at(url, tmp_path) as history:
        for at, fact in enumerate(facts):
            history.record(fact)
            if at % 400 == 0:
                await history.flush()
        await history.flush()
        health = history.health()
        assert (health.held, health.dropped) == (0, 0)
        assert health.spooled_bytes > 0
        assert "unable to open" in health.lost_because
        with pytest.raises(StoreLost, match="nothing was changed"):
            await history.audit(ENTRY, None)
        file.rmdir()
        await history.flush()
        assert history.health().spooled_bytes == 0
    assert await count(url, journal) == len(facts)
    assert [row["at"] for row in await rows(url, journal, journal.c.id)] == sorted(fact.at for fact in facts)
    assert await count(url, calls) == 300


async def test_what_one_process_spooled_the_next_one_writes(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.mkdir()
    url = f"sqlite+aiosqlite:///{file}"
    facts = a_day(40)
    async with history_at(url, tmp_path) as history:
        for fact in facts[: len(facts) // 2]:
            history.record(fact)
    file.rmdir()
    async with history_at(url, tmp_path) as history:
        for fact in facts[len(facts) // 2 :]:
            history.record(fact)
        await history.flush()
    assert await count(url, journal) == len(facts)
    outcomes = [row["outcome"] for row in await rows(url, calls, calls.c.asked_at)]
    assert outcomes == [["answered", "answered", "abandoned"][number % 3] for number in range(40)]


async def test_a_database_of_a_newer_callctl_is_not_touched_and_facts_wait(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    async with history_at(url, tmp_path) as history:
        await history.flush()
        await history.audit(ENTRY, None)
    engine = open_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    async with history_at(url, tmp_path) as history:
        history.record(waiting(1, T0))
        await history.flush()
        assert "newer callctl (9999)" in history.health().lost_because
        assert history.health().spooled_bytes > 0


async def test_readings_do_not_fill_the_spool(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    async with history_at(f"sqlite+aiosqlite:///{tmp_path / 'history.db'}", tmp_path) as history:
        for number in range(100):
            history.record(reading(T0 + 2.0 * number, dict.fromkeys(range(50), T0)))
            await history.flush()
    lines = [line for path in (tmp_path / "spool").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) == 1


async def test_the_history_named_in_the_settings_makes_its_own_tables_and_writes_by_itself(tmp_path: Path) -> None:
    settings = read_settings({"CALLCTL_STATE": str(tmp_path / "扬州"), "CALLCTL_PROVINCE": str(tmp_path)})
    async with open_history(settings) as history:
        history.record(waiting(1, T0))
        while history.health().written == 0:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert await count(settings.sql_url, calls) == 1


async def test_legs_that_a_late_fact_joins_leave_no_row_behind(sql_url: str, tmp_path: Path) -> None:
    """The ring is told after the answer, by another controller's spool: one leg, not two."""
    facts = answered_remote(1, T0, T0 + 25.0)
    late = [fact for fact in facts if type(fact).__name__ == "CallRinging"]
    async with history_at(sql_url, tmp_path) as history:
        for fact in [*(fact for fact in facts if fact not in late), *late]:
            history.record(fact)
            await history.flush()
    told = [(row["side"], row["how"], row["rung_at"]) for row in await rows(sql_url, legs, legs.c.n)]
    assert told == [("slot", "talked", T0 + 22.0), ("lent", "talked", T0 + 22.1)]
    assert LENT.seat == "1301"
    assert SLOT.supporting == X


async def test_a_stay_that_a_late_fact_unmakes_leaves_no_row_behind(sql_url: str, tmp_path: Path) -> None:
    """It seemed to leave and to come again; then its answer is told, and the second arrival was a doubled report."""
    async with history_at(sql_url, tmp_path) as history:
        for fact in (waiting(1, T0), CallLeftQueue(Y, T0 + 5, name(1), Outcome.LEFT), waiting(1, T0 + 9)):
            history.record(fact)
        await history.flush()
        assert await count(sql_url, waits) == 2
        history.record(CallAnswered(Y, T0 + 6, name(1), HomeSeat("2001"), 5.0))
        await history.flush()
    assert [row["n"] for row in await rows(sql_url, waits)] == [1]


async def test_what_a_reading_told_is_kept_when_another_fact_of_its_batch_is_put_aside(
    sql_url: str, tmp_path: Path
) -> None:
    async with history_at(sql_url, tmp_path) as history:
        history.record(waiting(1, T0))
        await history.flush()
        history.record(reading(T0 + 60))
        history.record(SurveyAnswered(Y, 1e18, name(1), 5))
        await history.flush()
    kinds = [row["kind"] for row in await rows(sql_url, journal, journal.c.id)]
    assert kinds == ["CallWaiting", "GapClosed", "NotSeen"]
