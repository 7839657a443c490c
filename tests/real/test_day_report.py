"""A short day in three real cities, assistance on for one: the report's figures are the PBXs' own, recounted."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from callctl import clock
from callctl.core.days import day_of
from callctl.lab.command import order
from callctl.lab.crowd import Crowd, CrowdPlan
from callctl.lab.demo import ASSISTED, SUPPORTING, Demo, DemoPlan
from callctl.lab.lab import Programs
from callctl.lab.program import find_asterisk
from callctl.pbx import asterisk_names as names
from callctl.store.report import city_figures
from callctl.store.schema import open_engine

pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]
PROJECT = Path(__file__).resolve().parents[2]
SETTLED_WITHIN_S = 60.0
DETAILS = "cdr-csv/Master.csv"


async def settled(url: str, since: float, asked: dict[str, int]) -> None:
    """Wait until the history has the end of every call of every city."""
    engine = open_engine(url)
    try:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                found = [await city_figures(engine, city, since, clock.now() + 1) for city in asked]
                done = [one.asked == asked[city] and not one.waiting for city, one in zip(asked, found, strict=True)]
                async with engine.connect() as connection:
                    text = "SELECT count(*) FROM calls WHERE open"
                    still_open = (await connection.exec_driver_sql(text)).scalar_one()
                if all(done) and not still_open:
                    return
                await asyncio.sleep(0.5)
    finally:
        await engine.dispose()


async def a_day(demo: Demo) -> tuple[float, dict[str, Crowd]]:
    """Citizens of three cities at once; the assisted one has more than it can answer."""
    since = clock.now() - 1.0
    rates = {ASSISTED: 0.9, **dict.fromkeys(SUPPORTING, 0.12)}
    province = demo.lab.province.cities
    crowds = {city: Crowd(province[city], CrowdPlan(rate, 45.0, 25.0, seed=7)) for city, rate in rates.items()}
    await order(demo.lab.environment, "event", "start", ASSISTED, "--title", "演练", "--seats", "xuzhou=3,suzhou=3")
    await order(demo.lab.environment, "switch", ASSISTED, "on")
    await asyncio.gather(*(crowd.run() for crowd in crowds.values()))
    return since, crowds


def recount(report: Path, calls: Path, queue: str, logs: dict[str, Path]) -> "subprocess.CompletedProcess[str]":
    """By both witnesses: each city's queue_log, and the call detail records beside it; call by call."""
    words = [sys.executable, str(PROJECT / "scripts/recount.py"), str(report), "--calls", str(calls), "--queue", queue]
    for city, log in logs.items():
        words += ["--log", f"{city}={log}", "--cdr", f"{city}={log.parent / DETAILS}"]
    return subprocess.run(words, capture_output=True, text=True, check=False)


async def report_of_a_day(folder: Path, network: int) -> None:
    demo = Demo(
        DemoPlan(folder / "lab", PROJECT, seed=7, network=network), Programs(asterisk=find_asterisk(os.environ, PROJECT))
    )
    async with demo.opened():
        since, crowds = await a_day(demo)
        asked = {city: len(crowd.citizens) for city, crowd in crowds.items()}
        await settled(demo.lab.settings.sql_url, since, asked)
        logs = {city: demo.lab.pbxs[city].queue_log for city in demo.lab.plan.cities}
        for city in demo.lab.plan.cities:
            out = folder / "out" / city
            forms = "json,html,pdf" if city == ASSISTED else "json"
            words = ("report", "now", "--city", city, "--out", str(out), "--forms", forms)
            await order(demo.lab.environment, *words)
            report = out / f"{city}-{day_of(clock.now())}-intraday.json"
            export = ("records", "export", "--city", city, "--form", "jsonl", "--out", str(out / "calls.jsonl"))
            await order(demo.lab.environment, *export, "--from", str(day_of(since)), "--to", "2099-01-01")
            told = recount(report, out / "calls.jsonl", demo.lab.province.cities[city].queue.name, logs)
            assert told.returncode == 0, f"{city}: {told.stdout}{told.stderr}"
            print(city, told.stdout.strip())
        body = json.loads(
            (folder / "out" / ASSISTED / f"{ASSISTED}-{day_of(clock.now())}-intraday.json").read_text("utf-8")
        )
        assert body["sums"]["answered_remote"] > 0  # Else there was no assistance to count.
        assert body["sums"]["requested"] == asked[ASSISTED]
        assert all(body["checks"].values())
        helper = json.loads((folder / "out" / "xuzhou" / f"xuzhou-{day_of(clock.now())}-intraday.json").read_text("utf-8"))
        assert helper["sums"]["requested"] == asked["xuzhou"]  # What it answered for others is not its own.
        await mended(demo, since, logs)
        wrong = recount_of_a_wrong_report(folder, report, out / "calls.jsonl", logs)
        assert wrong.returncode == 1
        keep = os.environ.get("CALLCTL_KEEP_REPORT")
        if keep:
            shutil.copytree(folder / "out", keep, dirs_exist_ok=True)
            for city, log in logs.items():
                shutil.copy(log, Path(keep) / f"{city}.queue_log")
                shutil.copy(log.parent / DETAILS, Path(keep) / f"{city}.cdr.csv")


async def mended(demo: Demo, since: float, logs: dict[str, Path]) -> None:
    """A second history that heard nothing is filled from the PBXs' logs alone, to the same answers."""
    url = f"sqlite+aiosqlite:///{demo.plan.folder / 'mended.db'}"
    environment = {**demo.lab.environment, "CALLCTL_SQL_URL": url}
    quiet = "import callctl.cli.records as r; r.QUIET_S = 0.0; from callctl.__main__ import main; main()"
    for city, log in logs.items():
        words = [
            "records",
            "rederive",
            "--city",
            city,
            "--queue-log",
            str(log),
            "--from",
            "2020-01-01",
            "--to",
            "2099-01-01",
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", quiet, *words, env={**os.environ, **environment, "PYTHONPATH": str(PROJECT)}
        )
        assert await process.wait() == 0
    engines = [open_engine(demo.lab.settings.sql_url), open_engine(url)]
    for city in logs:
        heard, read = [await city_figures(engine, city, since - 2, clock.now()) for engine in engines]
        same = ("asked", "answered_home", "answered_remote", "abandoned", "lost", "remote_by")
        assert [getattr(heard, key) for key in same] == [getattr(read, key) for key in same], city
    for engine in engines:
        await engine.dispose()


def recount_of_a_wrong_report(
    folder: Path, report: Path, calls: Path, logs: dict[str, Path]
) -> "subprocess.CompletedProcess[str]":
    """The recount is worth something only if it finds one call too many."""
    body = json.loads(report.read_text("utf-8"))
    body["sums"]["answered_home"] += 1
    (folder / "wrong.json").write_text(json.dumps(body), "utf-8")
    return recount(folder / "wrong.json", calls, "q12345", logs)


def test_every_figure_of_a_day_s_report_is_the_pbxs_own(run_number: int) -> None:
    assert names.support_queue(ASSISTED) == "support-yangzhou"  # What the stranger's script looks for.
    with tempfile.TemporaryDirectory(prefix="cc-") as place:
        asyncio.run(report_of_a_day(Path(place), run_number + 100))
