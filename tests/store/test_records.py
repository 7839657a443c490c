"""Call records on real databases: every step shown, what was missed mended from the log, files whole or not there."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import wave
from datetime import date, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from callctl import clock
from callctl.cli.root import make_app
from callctl.core.counting import together
from callctl.core.days import Span, moment
from callctl.core.events import CallAnswered, CallEnded, CallLeftQueue, CallWaiting, PbxLost
from callctl.core.steps import StepKind
from callctl.store.cdr import FIELDS, TYPED, records, stories, whole_call
from callctl.store.counters import carrier_attempts, count_span
from callctl.store.export import Form, each, write_file
from callctl.store.schema import open_engine
from tests.store.facts import SLOT, T0, X, Y, a_day, abandoned, answered_home, answered_remote, name, reading
from tests.store.test_history import history_at

ROOT = Path(__file__).resolve().parents[2]
DAY = Span(T0 - 86_400, T0 + 86_400)
SEAT, LENT_SEAT = "2001", "1301"


async def write(url: str, folder: Path, facts) -> None:
    async with history_at(url, folder) as history:
        for fact in sorted(facts, key=lambda one: one.at):
            history.record(fact)
        await history.flush()


def run(folder: Path, *words: str, url: str = "", **more: str):
    environment = {
        "CALLCTL_STATE": str(folder),
        "CALLCTL_PROVINCE": str(ROOT),
        "CALLCTL_SQL_URL": url,
        "CALLCTL_LANG": "en",
    }
    return CliRunner().invoke(make_app(), list(words), env={**environment, **more})


async def test_a_remote_call_shows_every_step_over_both_cities(sql_url: str, tmp_path: Path) -> None:
    await write(sql_url, tmp_path, answered_remote(1, T0, T0 + 25))
    engine = open_engine(sql_url)
    found = await whole_call(engine, name(1), 20.0)
    await engine.dispose()
    assert found is not None
    assert [(step.kind, step.city) for step in found.steps] == [
        (StepKind.CALL_ENTERED, Y),
        (StepKind.QUEUED, Y),
        (StepKind.THRESHOLD_HIT, Y),
        (StepKind.SENT_OUT, Y),
        (StepKind.REMOTE_RINGING, X),
        (StepKind.REMOTE_ANSWERED, X),
        (StepKind.TALK_ENDED, Y),
        (StepKind.TALK_ENDED, X),
        (StepKind.SCORED, Y),
    ]
    assert found.steps[5].actor == LENT_SEAT


async def test_a_gap_is_shown_as_a_gap(sql_url: str, tmp_path: Path) -> None:
    await write(sql_url, tmp_path, [answered_home(1, T0, T0 + 9)[0], PbxLost(Y, T0 + 5, "EOF"), reading(T0 + 60)])
    engine = open_engine(sql_url)
    found = await whole_call(engine, name(1), 20.0)
    await engine.dispose()
    assert found is not None
    assert [step.kind for step in found.steps][-2:] == [StepKind.GAP, StepKind.GAP]
    assert found.story.outcome is None


def log_of(facts) -> list[str]:
    """The queue_log a PBX would have written beside these facts of one city."""
    lines = []
    for fact in sorted(facts, key=lambda one: one.at):
        who = f"{fact.by.supporting}-{fact.by.number:02d}-t7" if getattr(fact, "by", None) == SLOT else SEAT
        match fact:
            case CallWaiting():
                rest = (fact.call.call, "NONE", "ENTERQUEUE", "", fact.call.number, 1)
            case CallAnswered():
                rest = (fact.call, who, "CONNECT", int(fact.waited_s), "x", 1)
            case CallEnded():
                rest = (fact.call, who, "COMPLETECALLER", 0, int(fact.talked_s), 1)
            case CallLeftQueue() if fact.outcome.value == "abandoned":
                rest = (fact.call, "NONE", "ABANDON", 1, 1, 1)
            case _:
                continue
        lines.append("|".join([str(int(fact.at)), str(rest[0]), "q12345", *map(str, rest[1:])]))
    return lines


def test_a_day_with_a_gap_is_mended_from_the_pbx_s_own_log_to_the_same_figures(tmp_path: Path) -> None:
    sql_url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    facts = [fact for fact in a_day(90) if fact.city == Y]
    for fact in facts:
        if hasattr(fact, "by") and fact.by != SLOT:
            object.__setattr__(fact.by, "seat", SEAT)
    heard = [fact for fact in facts if not 40 <= fact.at - T0 < 80]  # The link was lost for forty seconds.
    (tmp_path / "queue_log").write_text("\n".join(log_of(facts)))
    asyncio.run(write(sql_url, tmp_path, facts))
    whole = asyncio.run(_figures(sql_url))
    other = sql_url.replace("history.db", "gap.db")
    asyncio.run(write(other, tmp_path, heard))
    broken = asyncio.run(_figures(other))
    assert (broken.lost, broken.requested) != (whole.lost, whole.requested)
    words = ("records", "rederive", "--city", "扬州", "--queue-log", str(tmp_path / "queue_log"), "--from", "2026-09-01")
    until = ("--to", "2026-10-31")
    dry = run(tmp_path, *words, *until, "--dry-run", "--json", url=other)
    assert dry.exit_code == 0, dry.output
    assert asyncio.run(_figures(other)) == broken
    done = run(tmp_path, *words, *until, "--json", url=other)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["facts"] == json.loads(dry.output)["facts"] > 0
    mended = asyncio.run(_figures(other))
    for key in ("requested", "answered_home", "answered_remote", "abandoned", "lost", "unknown", "talks_n", "talks_s"):
        assert getattr(mended, key) == getattr(whole, key), key
    again = run(tmp_path, *words, *until, "--json", url=other)
    assert json.loads(again.output)["facts"] == 0


async def _figures(url: str):
    engine = open_engine(url)
    found = await count_span(engine, DAY)
    await engine.dispose()
    return together([found[Y]])


def test_a_recording_tells_the_end_that_nobody_saw(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    facts = [fact for fact in answered_home(1, T0, T0 + 9) if not isinstance(fact, CallEnded)]
    asyncio.run(write(url, tmp_path, facts))
    (tmp_path / "log").write_text("")
    taped = tmp_path / "taped" / "20260921"
    taped.mkdir(parents=True)
    with wave.open(str(taped / f"{name(1)}.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0" * 16_000 * 42)
    os.utime(taped / f"{name(1)}.wav", (T0 + 51, T0 + 51))
    words = ("records", "rederive", "--city", "yangzhou", "--queue-log", str(tmp_path / "log"))
    span = ("--recordings", str(tmp_path / "taped"), "--from", "2026-09-01", "--to", "2026-10-31")
    assert run(tmp_path, *words, *span, url=url).exit_code == 0
    told = run(tmp_path, "records", "story", name(1), "--json", url=url)
    found = json.loads(told.output)
    assert found["state"] == "over"
    assert found["recordings"] == [f"20260921/{name(1)}.wav"]
    assert "13800000001" not in told.output
    assert "138****0001" in told.output


async def test_the_export_is_one_row_a_call_masked_and_pages_lose_none(
    sql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.store.cdr.PAGE", 7)
    await write(sql_url, tmp_path, a_day(60))
    engine = open_engine(sql_url)
    found = [one async for one in records(engine, DAY, [Y], lambda number: number[:3])]
    assert [one["call"] for one in found] == [name(n) for n in range(60)]
    assert {one["number"] for one in found} == {"138"}
    assert sum(one["sent_out"] for one in found) == 20
    count = await write_file(tmp_path / "a.csv", Form.CSV, FIELDS, records(engine, DAY, [Y], str))
    assert count == 60
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert rows[1]["answering_city"] == X
    assert rows[0]["entered_at"].startswith("20")
    assert len(await stories(engine, DAY, [Y])) == 60
    await engine.dispose()


async def test_chinese_formulas_and_broken_text_survive_every_form(tmp_path: Path) -> None:
    rows = [{"a": "=HYPERLINK(1)", "b": "扬州，㐀𠀀"}, {"a": "\ud800", "b": None}]
    for form in Form:
        await write_file(tmp_path / form.value, form, ("a", "b"), each(rows))
    assert pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist() == [rows[0], {"a": "?", "b": None}]
    assert "'=HYPERLINK" in (tmp_path / "csv").read_text("utf-8-sig")
    assert "扬州，㐀𠀀" in (tmp_path / "csv-gb18030").read_text("gb18030")
    assert json.loads((tmp_path / "jsonl").read_text("utf-8").splitlines()[0])["b"] == "扬州，㐀𠀀"


async def test_a_parquet_file_holds_what_the_export_holds_typed(
    sql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.store.parquet.AT_ONCE", 25)
    await write(sql_url, tmp_path, a_day(60))
    engine = open_engine(sql_url)
    told = [one async for one in records(engine, DAY, [Y], str)]
    path = tmp_path / "a.parquet"
    assert await write_file(path, Form.PARQUET, FIELDS, records(engine, DAY, [Y], str), TYPED) == 60
    await engine.dispose()
    assert path.stat().st_mode & 0o077 == 0
    table = pyarrow.parquet.read_table(path)
    assert tuple(table.column_names) == FIELDS
    kinds = {name: str(table.schema.field(name).type) for name in ("entered_at", "waited_s", "score", "sent_out", "seat")}
    assert list(kinds.values()) == ["timestamp[us, tz=UTC]", "double", "int64", "bool", "string"]
    for row, one in zip(table.to_pylist(), told, strict=True):
        plain = {name: row[name].timestamp() if isinstance(row[name], datetime) else row[name] for name in FIELDS}
        assert plain == {name: pytest.approx(one[name]) if name.endswith("_at") else one[name] for name in FIELDS}


def test_without_pyarrow_an_export_says_what_to_install_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    asyncio.run(write(url, tmp_path, abandoned(1, T0, T0 + 5)))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ("records", "export", "--out", str(tmp_path / "a.parquet"), "--form", "parquet")
    refused = run(tmp_path, *words, "--from", "2026-09-01", "--to", "2026-10-31", url=url)
    assert refused.exit_code != 0
    assert "callctl[parquet]" in str(refused.exception)
    assert "jsonl" in str(refused.exception)
    assert not (tmp_path / "a.parquet").exists()


KILLED = """
import asyncio, sys
from pathlib import Path
from callctl.store.export import Form, write_file
async def rows():
    for n in range(10**9):
        if n == 20000:
            print("writing", flush=True)
        yield {"a": n}
asyncio.run(write_file(Path(sys.argv[1]), Form.CSV, ("a",), rows()))
"""


def test_an_export_killed_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("yesterday's")
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert target.read_text() == "yesterday's"
    assert target.with_name("a.csv.part").stat().st_mode & 0o077 == 0
    asyncio.run(write_file(target, Form.CSV, ("a",), each([{"a": 1}])))
    assert target.read_text("utf-8-sig").split() == ["a", "1"]
    assert not target.with_name("a.csv.part").exists()


def test_numbers_in_clear_need_a_reason_and_are_audited(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    key = {"CALLCTL_FIELD_KEY": "0123456789abcdef0123456789abcdef"}
    asyncio.run(write(url, tmp_path, abandoned(1, T0, T0 + 5)))
    words = ("records", "export", "--out", str(tmp_path / "a.csv"), "--from", "2026-09-01", "--to", "2026-10-31")
    refused = run(tmp_path, *words, "--clear-numbers", url=url, **key)
    assert refused.exit_code != 0
    assert not (tmp_path / "a.csv").exists()
    done = run(tmp_path, *words, "--clear-numbers", "--reason", "公安调取", url=url, **key)
    assert done.exit_code == 0, done.output
    assert "13800000001" in (tmp_path / "a.csv").read_text("utf-8-sig")
    told = run(tmp_path, "audit", "--json", url=url, CALLCTL_REDIS_URL="redis://127.0.0.1:1/0")
    entry = json.loads(told.output)[0]
    assert (entry["what"], entry["reason"]) == ("unmask export", "公安调取")
    assert run(tmp_path, "records", "verify", url=url).exit_code == 0


GOOD = 'city,time,seconds,attempts\n扬州,2021-08-07 09:00,3600,"1,200"\n0514,2021/08/07 10:00,3600,900\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_carrier_s_attempts_come_in_any_encoding_and_twice_is_once(tmp_path: Path, encoding: str) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    (tmp_path / "a.csv").write_bytes(GOOD.encode(encoding))
    for _ in range(2):
        done = run(tmp_path, "records", "attempts", str(tmp_path / "a.csv"), "--source", "电信SBC", url=url)
        assert done.exit_code == 0, done.output

    async def look():
        engine = open_engine(url)
        nine = moment(date(2021, 8, 7), 9)
        found = await carrier_attempts(engine, "yangzhou", Span(nine, nine + 7200))
        await engine.dispose()
        return found

    found = asyncio.run(look())
    assert (found.attempts, found.sources) == (2100, ("电信SBC",))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (GOOD.encode() + "扬州,2021-08-07 11:00,3600,-5\n".encode(), "line 4: attempts '-5'"),
        (GOOD.encode() + "扬州,7月25日,3600,5\n".encode(), "line 4: time"),
        (GOOD.encode() + "扬洲,2021-08-07 11:00,3600,5\n".encode(), "line 4:"),
        (GOOD.encode() + "扬州,2021-08-07 09:30,3600,5\n".encode(), "overlaps"),
        (GOOD.encode() + "扬州,2021-08-07 09:00,3600,5\n".encode(), "stands there twice"),
        (GOOD.encode() + "扬州,2021-08-07 11:00,0,5\n".encode(), "an interval is"),
        (GOOD.encode() + "扬州,2021-08-07\n".encode(), "line 4: 2 cells"),
        (GOOD.encode("gb18030") + b"\xd1\xff\xff,1,1,1\n", "line 4, byte"),
        (b"city,time,seconds\n", "no column attempts"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04\x00\x00", "NUL byte"),
    ],
)
def test_a_broken_file_is_told_by_line_and_nothing_of_it_is_imported(tmp_path: Path, raw: bytes, told: str) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'history.db'}"
    (tmp_path / "a.csv").write_bytes(raw)
    done = run(tmp_path, "records", "attempts", str(tmp_path / "a.csv"), url=url)
    assert done.exit_code == 1
    assert told in done.output + done.stderr

    async def rows() -> int:
        engine = open_engine(url)
        found = await carrier_attempts(engine, "yangzhou", Span(0, clock.now()))
        await engine.dispose()
        return len(found.sources)

    assert asyncio.run(rows()) == 0
