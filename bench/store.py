"""How fast the stores are on this machine: facts into the history, loans through the registry. Figures, no verdicts.

Run it by itself (`python bench/store.py`) or through `make bench`, which collects measure() of every file here.
"""

import asyncio
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aiosqlite

from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    LentSeat,
    Outcome,
    WaitingCall,
)
from callctl.core.model import SeatRef, SlotRef
from callctl.store.codec import encode
from callctl.store.embedded import start
from callctl.store.history import SqlHistory
from callctl.store.registry import RedisRegistry
from callctl.store.schema import open_engine
from callctl.store.spool import Spool

CALLS = 3000
LOANS = 2000
T0 = 1_790_000_000.0

Row = dict[str, str | float]


def facts() -> list[Fact]:
    """CALLS remote calls, nine facts each, interleaved as at 20 calls a second."""
    slot, lent, told = SlotRef("xuzhou", 1), LentSeat("1301", "yangzhou"), []
    for number in range(CALLS):
        call, at = f"yangzhou-1790000000.{number}", T0 + number / 20
        told += [
            CallWaiting("yangzhou", at, WaitingCall(call, f"138{number:08d}", at)),
            CallRinging("yangzhou", at + 20, call, slot),
            CallRinging("xuzhou", at + 20.1, call, lent),
            CallAnswered("xuzhou", at + 23, call, lent, 2.9),
            CallLeftQueue("yangzhou", at + 23, call, Outcome.LEFT),
            CallAnswered("yangzhou", at + 23.1, call, slot, 23.0),
            CallEnded("xuzhou", at + 80, call, lent, 57.0),
            CallEnded("yangzhou", at + 80.1, call, slot, 57.0),
        ]
    return sorted(told, key=lambda fact: fact.at)


async def history_rate(url: str, folder: Path, all_facts: list[Fact]) -> float:
    """Facts a second from record() until they, their calls and their legs are committed."""
    history = SqlHistory(open_engine(url), Spool(folder / "spool"))
    await history.flush()
    began = time.perf_counter()
    for fact in all_facts:
        history.record(fact)
    await history.flush()
    took_s = time.perf_counter() - began
    assert history.health().written == len(all_facts), history.health()
    await history.close()
    return len(all_facts) / took_s


async def bare_rate(path: Path, all_facts: list[Fact]) -> float:
    """The same facts as bare JSON lines into one table, 500 a transaction: what SQLite itself takes through aiosqlite."""
    rows = [(fact.at, fact.city, encode(fact)) for fact in all_facts]
    async with aiosqlite.connect(path) as link:
        await link.execute("PRAGMA journal_mode=WAL")
        await link.execute("PRAGMA synchronous=NORMAL")
        await link.execute("CREATE TABLE journal (at REAL, city TEXT, body TEXT)")
        began = time.perf_counter()
        for first in range(0, len(rows), 500):
            await link.executemany("INSERT INTO journal VALUES (?, ?, ?)", rows[first : first + 500])
            await link.commit()
        return len(rows) / (time.perf_counter() - began)


async def spool_rate(folder: Path, all_facts: list[Fact]) -> float:
    """Facts a second onto disk while the database is lost."""
    lost = folder / "nothing.db"
    lost.mkdir()
    history = SqlHistory(open_engine(f"sqlite+aiosqlite:///{lost}"), Spool(folder / "spool-rate"))
    await history.flush()
    began = time.perf_counter()
    for fact in all_facts:
        history.record(fact)
    await history.flush()
    took_s = time.perf_counter() - began
    assert history.health().held == 0
    await history.close()
    return len(all_facts) / took_s


async def registry_rates(url: str) -> tuple[float, float]:
    """Loans a second one after the other, and round trips of a bare PING on the same connection."""
    registry = RedisRegistry(url)
    lease = await registry.lead("bench", 600.0)
    assert lease is not None
    began = time.perf_counter()
    for number in range(LOANS):
        await registry.lend(f"r{number}", lease, SeatRef("xuzhou", str(number)), "yangzhou")
    loans = LOANS / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(LOANS):
        await registry.status()
    bare = LOANS / (time.perf_counter() - began)
    await registry.close()
    return loans, bare


@contextmanager
def postgres() -> Iterator[str | None]:
    """A PostgreSQL of our own where it is installed; None where not."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or (os.geteuid() == 0 and not shutil.which("setpriv")):
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="callctl-bench-"))
    run_as: list[str] = []
    if os.geteuid() == 0:
        who = pwd.getpwnam("postgres")
        os.chown(folder, who.pw_uid, who.pw_gid)
        run_as = ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]

    def do(program: str, *words: str) -> None:
        command = [*run_as, str(programs[-1] / program), "-D", str(folder / "db"), *words]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    do("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8")
    do(
        "pg_ctl",
        "-w",
        "-l",
        str(folder / "log"),
        "-o",
        f"-c listen_addresses= -c unix_socket_directories={folder}",
        "start",
    )
    try:
        yield f"postgresql+asyncpg://postgres@/postgres?host={folder}"
    finally:
        do("pg_ctl", "-m", "fast", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def measure() -> list[Row]:
    """The figures, as build/bench.json wants them."""
    all_facts = facts()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bare = asyncio.run(bare_rate(folder / "bare.db", all_facts))
        sqlite = asyncio.run(history_rate(f"sqlite+aiosqlite:///{folder / 'history.db'}", folder, all_facts))
        rows.append(
            _row("history SQLite", sqlite, "facts/s", f"{bare:.0f} facts/s as bare lines, {sqlite / bare:.2f} of it")
        )
        with postgres() as url:
            if url:
                rate = asyncio.run(history_rate(url, folder, all_facts))
                rows.append(_row("history PostgreSQL", rate, "facts/s", f"SQLite here: {sqlite:.0f} facts/s"))
        spool = asyncio.run(spool_rate(folder, all_facts))
        rows.append(_row("history spool, database lost", spool, "facts/s", f"SQLite here: {sqlite:.0f} facts/s"))
        server = start(folder / "valkey")
        loans, trips = asyncio.run(registry_rates(server.url))
        server.stop()
        rows.append(_row("registry lend", loans, "round trips/s", f"a bare GET: {trips:.0f}/s, {loans / trips:.2f} of it"))
    return rows


def _row(name: str, value: float, unit: str, against: str) -> Row:
    return {"name": name, "value": round(value, 1), "unit": unit, "against": against}


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2, ensure_ascii=False))
