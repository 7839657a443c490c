"""The list of whom to call back, read a page at a time: the same as from all calls of the day, and few are read."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.missed import GONE_S, Attempt, CallBack, Tried, missed_list
from callctl.store.missed import entry_of, open_entries, to_call_back
from callctl.store.record_tables import callbacks
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import calls
from tests.store.facts import T0, X, Y

OUTCOMES = ("abandoned", "abandoned", "abandoned", "answered", "refused", "cut_off", "left", "moved", "call_back", None)


@pytest.fixture
async def engine(sql_url: str) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(sql_url)
    await prepare(opened)
    yield opened
    await opened.dispose()


def row(number: int, caller: str, at: float, outcome: str | None, **more: Any) -> dict[str, Any]:
    told = {
        "call": f"{Y}-1790000000.{number}", "city": Y, "number": f"138-{number}", "caller": caller, "asked_at": at,
        "state": "away", "open": False, "outcome": outcome, "waited_s": 60.0, "requeues": 0, "called_back": False,
        "seen_from": "events",
    }  # fmt: skip
    return told | more


def some_day(seed: int) -> tuple[list[dict[str, Any]], list[CallBack]]:
    """Two hundred calls of thirty citizens, many at the same moment, some too old, open, hidden or of another city."""
    chance = random.Random(seed)
    rows = [
        row(
            number,
            chance.choice(["", *(f"caller {n}" for n in range(30))]),
            T0 - chance.randrange(30) * 3000.0,
            chance.choice(OUTCOMES),
            waited_s=chance.choice([None, 2.0, 40.0, 300.0]),
            called_back=chance.random() < 0.1,
            open=chance.random() < 0.1,
            city=chance.choice([Y, Y, Y, Y, X]),
        )
        for number in range(200)
    ]
    tried = [
        CallBack(f"caller {chance.randrange(30)}", T0 - chance.randrange(30) * 3000.0, chance.choice(list(Tried)))
        for _ in range(25)
    ]
    return rows, tried


async def fill(engine: AsyncEngine, rows: list[dict[str, Any]], tried: list[CallBack]) -> None:
    backs = [
        {"city": Y, "caller": one.caller, "at": one.at, "by_city": Y, "seat": "", "outcome": one.outcome.value, "note": ""}
        for one in tried
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(calls), rows)
        if backs:
            await connection.execute(insert(callbacks), backs)


@pytest.mark.parametrize("seed", range(8))
async def test_pages_give_the_list_that_all_calls_of_the_day_give(
    engine: AsyncEngine, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.store.missed.PAGE", 1 + seed * 3)
    rows, tried = some_day(seed)
    await fill(engine, rows, tried)
    names = ("caller", "number", "asked_at", "outcome", "called_back", "waited_s", "call", "open")
    for now in (T0, T0 + 1.0, T0 + 20_000.0):
        since = now - GONE_S
        seen = [one for one in rows if one["city"] == Y and since <= one["asked_at"] < now]
        whole = missed_list(
            [Attempt(*(one[name] for name in names)) for one in seen], [one for one in tried if one.at >= since], now
        )
        assert len(whole) > 3
        # Of two calls at one moment either may be "the last".
        assert [(one.caller, one.first_at, one.attempts, one.tries, one.how) for one in whole] == [
            (one.caller, one.first_at, one.attempts, one.tries, one.how) for one in await to_call_back(engine, Y, now)
        ]
        assert await to_call_back(engine, Y, now, most=3) == (await to_call_back(engine, Y, now))[:3]
        for one in await to_call_back(engine, Y, now):
            assert await entry_of(engine, Y, one.call, now) == one
        listed = {one.caller for one in await to_call_back(engine, Y, now)}
        talking = {one["caller"] for one in rows if one["open"]}
        others = [one["call"] for one in rows if one["caller"] not in listed | talking or one["city"] == X][:12]
        assert [found for call in others if (found := await entry_of(engine, Y, call, now))] == []


async def test_who_takes_the_first_of_many_reads_few(engine: AsyncEngine) -> None:
    answered = [row(n, f"helped {n % 900}", T0 - 40_000.0 + n, "abandoned") for n in range(2700)]
    answered += [row(10_000 + n, f"helped {n}", T0 - 30_000.0 + n, "answered") for n in range(900)]
    waiting = [row(20_000 + n, f"waits {n}", T0 - 20_000.0 + n, "abandoned") for n in range(3000)]
    await fill(engine, [*answered, *waiting], [])
    asked: list[str] = []

    def look(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.extend([statement] if statement.startswith("SELECT") else [])

    event.listen(engine.sync_engine, "before_cursor_execute", look)
    first = []
    entries = open_entries(engine, Y, T0)
    async for entry in entries:
        first.append(entry.caller)
        if len(first) == 200:
            break
    await entries.aclose()
    assert first == [f"waits {n}" for n in range(200)]
    assert len(asked) == 3, asked  # What was tried, one page, its callers' calls: those who got through are no page.


async def test_who_is_on_the_line_right_now_is_not_dialled_and_the_result_of_an_earlier_call_back_is_kept(
    engine: AsyncEngine,
) -> None:
    missed = [row(1, "redials", T0 - 900.0, "abandoned"), row(2, "waits", T0 - 800.0, "abandoned")]
    missed += [row(3, "asked", T0 - 700.0, "abandoned"), row(4, "tries again", T0 - 600.0, "abandoned")]
    now_on = [row(11, "redials", T0 - 60.0, "answered", open=True), row(12, "waits", T0 - 30.0, None, open=True)]
    # Who asked for a call-back by key stays "open" until it is made: he is not on the line.
    now_on += [row(13, "asked", T0 - 20.0, "call_back", open=True, called_back=True)]
    await fill(engine, [*missed, *now_on, row(14, "tries again", T0 - 10.0, "abandoned")], [])
    assert [one.caller for one in await to_call_back(engine, Y, T0)] == ["asked", "tries again"]
    # Dialled by hand from the page as it was a minute ago: what came of it is written down whatever he did since.
    for number in (2, 4, 14):
        found = await entry_of(engine, Y, f"{Y}-1790000000.{number}", T0)
        assert found is not None
        assert found.caller == ("waits" if number == 2 else "tries again")
    assert await entry_of(engine, X, f"{Y}-1790000000.4", T0) is None
