"""A day of 1,000,000 calls: how long counters and the daily report take, on SQLite and PostgreSQL. Figures, no verdicts.

`python bench/report.py [calls]` runs it by hand; it is not part of `make bench`, for it takes minutes and 2 GB of disk.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.store import postgres
from callctl.core.days import BUCKET_S, Span, moment
from callctl.given_files import GIVEN, read_calendar, read_categories
from callctl.province import read_province
from callctl.rules import Rules
from callctl.store.connect import BOOKS_COMMAND_S
from callctl.store.counters import buckets, recount
from callctl.store.daily import Sources, daily
from callctl.store.record_tables import counters, stale
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import calls, legs

ROOT = Path(__file__).resolve().parents[1]
CALLS = 1_000_000
DAY = date(2021, 7, 25)
CITY = "nanjing"
AT_ONCE = 5000
SURGE = (12, 8, 6, 5, 5, 8, 18, 42, 86, 119, 98, 72, 52, 54, 66, 64, 60, 52, 44, 40, 36, 28, 16, 9)
HELPERS = ("xuzhou", "suzhou", "wuxi", "changzhou", "nantong")

Row = dict[str, str | float]


def rows(count: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Calls and legs of a day like 25 July 2021: most give up, some are answered at home, some remotely; repeats abound."""
    chance = random.Random(1)
    total = sum(SURGE)
    number = 0
    for hour, weight in enumerate(SURGE):
        for _ in range(round(count * weight / total)):
            number += 1
            at = moment(DAY, hour) + chance.random() * 3600
            yield _one(number, at, chance)


def _one(number: int, at: float, chance: random.Random) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    call, kind = f"{CITY}-1627142400.{number}", chance.random()
    waited = round(chance.expovariate(1 / 40), 1)
    answered = kind < 0.12
    by = None if not answered else CITY if kind < 0.08 else HELPERS[number % 5]
    row = {
        "call": call,
        "city": CITY,
        "number": f"138{number % 90_000:08d}",
        "caller": f"138{number % 90_000:08d}",
        "asked_at": at,
        "first_arrival": at,
        "left_at": at + waited,
        "state": "over" if answered else "away",
        "open": False,
        "outcome": "answered" if answered else "abandoned",
        "waited_s": waited,
        "answered_at": at + waited if answered else None,
        "by_city": by,
        "by_seat": f"{number % 110}" if answered else None,
        "by_slot": None,
        "ended_at": at + waited + 150 if answered else None,
        "talked_s": 150.0 if answered else None,
        "requeues": 0,
        "called_back": False,
        "score": 5 if kind < 0.04 else None,
        "seen_from": "events",
    }
    if not answered:
        return row, []
    side = "home" if by == CITY else "slot"
    leg = {
        "call": call,
        "n": 1,
        "city": CITY,
        "side": side,
        "seat": row["by_seat"] if side == "home" else None,
        "assisted": None,
        "supporting": by if side == "slot" else None,
        "slot": 1 if side == "slot" else None,
        "rung_at": at + waited - 2,
        "answered_at": at + waited,
        "ended_at": at + waited + 150,
        "how": "talked",
        "talked_s": 150.0,
        "gone_at": None,
    }
    return row, [leg]


async def fill(engine: AsyncEngine, count: int) -> float:
    """Seconds to load the day in bulk (no measure of the writer: bench/store.py is)."""
    await prepare(engine)
    began = time.perf_counter()
    some: list[dict[str, Any]] = []
    rung: list[dict[str, Any]] = []

    async def put() -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(calls), some)
            if rung:
                await connection.execute(insert(legs), rung)
        some.clear()
        rung.clear()

    for row, own in rows(count):
        some.append(row)
        rung += own
        if len(some) >= AT_ONCE:
            await put()
    if some:
        await put()
    async with engine.begin() as connection:
        begins = range(int(moment(DAY)), int(moment(DAY, 24)), BUCKET_S)
        await connection.execute(insert(stale), [{"bucket": bucket} for bucket in begins])
        await connection.execute(text("ANALYZE"))
    return time.perf_counter() - began


async def figures(url: str, name: str, count: int) -> list[Row]:
    """Counters from nothing, the busiest five minutes again, the report."""
    engine = open_engine(url, BOOKS_COMMAND_S)
    loaded_s = await fill(engine, count)
    began = time.perf_counter()
    await recount(engine)
    whole_s = time.perf_counter() - began
    busiest = int(moment(DAY, 9))
    async with engine.begin() as connection:
        await connection.execute(insert(stale), [{"bucket": busiest}])
    began = time.perf_counter()
    await recount(engine)
    bucket_s = time.perf_counter() - began
    sources = Sources(
        engine,
        read_province(ROOT),
        Rules(),
        read_categories(GIVEN / "categories.csv"),
        read_calendar(GIVEN / "holidays.csv"),
    )
    began = time.perf_counter()
    made = await daily(sources, CITY, DAY, moment(DAY, 32), False)
    report_s = time.perf_counter() - began
    assert made.checks["计数与通话记录一致"], made.checks
    found = await buckets(engine, Span(busiest, busiest + BUCKET_S))
    in_bucket = found[CITY][busiest].requested
    async with engine.connect() as connection:
        kept = len((await connection.execute(select(counters.c.bucket))).all())
    await engine.dispose()
    calls_text = f"{made.sums.requested:,} calls, {kept} rows of counters, loaded in {loaded_s:.0f} s"
    return [
        {"name": f"{name}: counters from nothing", "value": round(whole_s, 1), "unit": "s", "against": calls_text},
        {
            "name": f"{name}: the busiest five minutes counted again",
            "value": round(bucket_s, 2),
            "unit": "s",
            "against": f"{in_bucket:,} calls; it has 300 s, and is asked for every 5 s",
        },
        {"name": f"{name}: daily report", "value": round(report_s, 1), "unit": "s", "against": "aim: 30 s"},
    ]


def run(count: int) -> Iterator[Row]:
    """Both databases, one after the other."""
    with tempfile.TemporaryDirectory() as place:
        yield from asyncio.run(figures(f"sqlite+aiosqlite:///{place}/day.db", "SQLite", count))
    with postgres() as url:
        if url:
            yield from asyncio.run(figures(url, "PostgreSQL", count))


if __name__ == "__main__":
    for line in run(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS):
        print(json.dumps(line, ensure_ascii=False), flush=True)
