"""A day of 1,000,000 calls: how long counters and the daily report take, on SQLite and PostgreSQL. Figures, no verdicts.

`python bench/report.py [calls]` runs it by hand; it is not part of `make bench`, for it takes minutes and 2 GB of disk.
Every answered call has its rings and its note, a third of the notes an order stub; the helpers' seats are lent all day.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from callctl.store.record_tables import counters, stale, stubs, wrapups
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import calls, legs, loans

ROOT = Path(__file__).resolve().parents[1]
CALLS = 1_000_000
DAY = date(2021, 7, 25)
CITY = "nanjing"
AT_ONCE = 5000
SURGE = (12, 8, 6, 5, 5, 8, 18, 42, 86, 119, 98, 72, 52, 54, 66, 64, 60, 52, 44, 40, 36, 28, 16, 9)
HELPERS = ("xuzhou", "suzhou", "wuxi", "changzhou", "nantong")

Row = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Rows:
    """What one call leaves in the tables."""

    call: dict[str, Any]
    legs: Sequence[dict[str, Any]] = ()
    note: Sequence[dict[str, Any]] = ()
    stub: Sequence[dict[str, Any]] = ()


def rows(count: int) -> Iterator[Rows]:
    """Calls and legs of a day like 25 July 2021: most give up, some are answered at home, some remotely; repeats abound."""
    chance = random.Random(1)
    total = sum(SURGE)
    number = 0
    for hour, weight in enumerate(SURGE):
        for _ in range(round(count * weight / total)):
            number += 1
            at = moment(DAY, hour) + chance.random() * 3600
            yield _one(number, at, chance)


def _one(number: int, at: float, chance: random.Random) -> Rows:
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
    if by is None:
        return Rows(row)
    sides = (("home", CITY),) if by == CITY else (("slot", CITY), ("lent", by))
    rung = [_leg(row, n, city, side, at + waited) for n, (side, city) in enumerate(sides, 1)]
    note = _note(row, at + waited + 200)
    stub = {
        "stub": call, "call": call, "city": CITY, "at": note["at"], "demand": note["demand"], "state": "done",
        "order_no": f"NJ-{number}", "accepted_at": note["at"] + 600, "due_at": note["at"] + 5 * 86_400.0,
        "done_at": note["at"] + 7200, "followed_up_at": None, "score": None, "supervised": False,
    }  # fmt: skip
    return Rows(row, rung, [note], [stub] if note["result"] == "forwarded" else [])


def _leg(call: dict[str, Any], n: int, city: str, side: str, answered_at: float) -> dict[str, Any]:
    return {
        "call": call["call"], "n": n, "city": city, "side": side, "seat": None if side == "slot" else call["by_seat"],
        "assisted": CITY if side == "lent" else None, "supporting": call["by_city"] if side == "slot" else None,
        "slot": 1 if side == "slot" else None, "rung_at": answered_at - 2, "answered_at": answered_at,
        "ended_at": answered_at + 150, "how": "talked", "talked_s": 150.0, "gone_at": None,
    }  # fmt: skip


def _note(call: dict[str, Any], at: float) -> dict[str, Any]:
    number = int(call["call"].rsplit(".", 1)[1])
    return {
        "call": call["call"], "city": CITY, "answering": call["by_city"], "seat": call["by_seat"],
        "agent": f"A{number % 220}", "at": at, "demand": "enquiry", "code": f"{1 + number % 40:06d}",
        "result": "forwarded" if number % 3 == 0 else "on_call", "urgent": False, "confidential": False, "nuisance": False,
        "script": "", "script_version": None, "wrapped_s": 50.0, "revision": 1, "personal": "",
    }  # fmt: skip


def lent() -> list[dict[str, Any]]:
    """A hundred seats of five cities, lent from the day's begin to its end."""
    return [
        {
            "city": city, "seat": f"{seat}", "token": 1, "assisted": CITY, "lent_at": moment(DAY), "gone_at": None,
            "returned_at": moment(DAY, 24), "seen_from": "events",
        }
        for city in HELPERS for seat in range(20)
    ]  # fmt: skip


async def fill(engine: AsyncEngine, count: int) -> float:
    """Seconds to load the day in bulk (no measure of the writer: bench/store.py is)."""
    await prepare(engine)
    began = time.perf_counter()
    some: list[Rows] = []

    async def put() -> None:
        into = {
            calls: [one.call for one in some],
            legs: [leg for one in some for leg in one.legs],
            wrapups: [note for one in some for note in one.note],
            stubs: [stub for one in some for stub in one.stub],
        }
        async with engine.begin() as connection:
            for table, found in into.items():
                if found:
                    await connection.execute(insert(table), found)
        some.clear()

    for one in rows(count):
        some.append(one)
        if len(some) >= AT_ONCE:
            await put()
    await put()
    async with engine.begin() as connection:
        begins = range(int(moment(DAY)), int(moment(DAY, 24)), BUCKET_S)
        await connection.execute(insert(stale), [{"bucket": bucket} for bucket in begins])
        await connection.execute(insert(loans), lent())
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
    began, cpu_began = time.perf_counter(), time.process_time()
    made = await daily(sources, CITY, DAY, moment(DAY, 32), False)
    report_s, report_cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
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
        {
            "name": f"{name}: daily report, CPU of this process",
            "value": round(report_cpu_s, 1),
            "unit": "s",
            "against": "a database server's own is not in it; more wall than that is other processes' work",
        },
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
