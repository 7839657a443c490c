"""scripts/recount.py, the stranger that counts a report again: over a lab's day as three real PBXs wrote it down.

tests/recorded_day: queue_log and call detail records of yangzhou (assisted), xuzhou and suzhou; yangzhou's report, and
callctl's record of each of its calls (tests/real/test_day_report.py writes them with CALLCTL_KEEP_REPORT).
"""

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DAY = ROOT / "tests/recorded_day"
CITIES = ("yangzhou", "xuzhou", "suzhou")
Calls = list[dict[str, Any]]


def recount(folder: Path, *cities: str) -> subprocess.CompletedProcess[str]:
    words = [str(folder / "yangzhou.json"), "--calls", str(folder / "calls.jsonl")]
    for city in cities:
        words += ["--log", f"{city}={folder / city}.queue_log", "--cdr", f"{city}={folder / city}.cdr.csv"]
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/recount.py"), *words], capture_output=True, text=True, check=False
    )


def test_queue_log_and_call_detail_records_agree_with_every_call_of_a_recorded_day() -> None:
    told = recount(DAY, *CITIES)
    assert told.returncode == 0, told.stdout + told.stderr
    report = json.loads((DAY / "yangzhou.json").read_text("utf-8"))
    asked, answered = (report["sums"][name] for name in ("requested", "talks_n"))
    assert f"{asked} calls (each compared), {answered} answered: " in told.stdout
    assert ", 0 differ" in told.stdout


def test_the_cities_are_those_of_the_report_and_whose_log_lacks_is_told() -> None:
    told = recount(DAY, "yangzhou", "suzhou")
    assert told.returncode == 2
    assert "--log lacks xuzhou" in told.stderr


def test_calls_of_other_days_are_not_the_report_s(tmp_path: Path) -> None:
    shutil.copytree(DAY, tmp_path / "day")
    log = tmp_path / "day/yangzhou.queue_log"
    heading = json.loads((DAY / "yangzhou.json").read_text("utf-8"))["heading"]
    lines = []
    for at in (int(heading["since"]) - 5, int(heading["made_at"]) + 5):  # The day before; after the report was made.
        lines += [f"{at}|yangzhou-{at}.1|q12345|NONE|ENTERQUEUE||13900000000|1\n"]
    log.write_text(lines[0] + log.read_text("utf-8") + lines[1], "utf-8")
    assert recount(tmp_path / "day", *CITIES).returncode == 0


def test_who_asked_for_a_call_back_is_one_call_whatever_came_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "day"
    shutil.copytree(DAY, folder)
    report, found = (folder / name for name in ("yangzhou.json", "calls.jsonl"))
    body = json.loads(report.read_text("utf-8"))
    at = int(body["heading"]["made_at"]) - 60
    name, number = f"yangzhou-{at}.900", "13900000000"
    lines = [
        f"{at}|{name}|q12345|NONE|ENTERQUEUE||{number}|1",
        f"{at + 9}|{name}|q12345|NONE|EXITWITHKEY|1|1|1|9",
        f"{at + 9}|yangzhou-{at + 9}.902|q12345|NONE|ENTERQUEUE||{number}|1",
        f"{at + 20}|yangzhou-{at + 9}.902|q12345|2001|CONNECT|11|yangzhou-{at + 9}.903|1",
        f"{at + 50}|yangzhou-{at + 9}.902|q12345|2001|COMPLETECALLER|11|30|1",
    ]
    with (folder / "yangzhou.queue_log").open("a", encoding="utf-8") as log:
        log.writelines(f"{line}\n" for line in lines)
    assert f"{name}: in the PBX's queue_log, not in callctl's records" in recount(folder, *CITIES).stdout
    call = {**json.loads(found.read_text("utf-8").splitlines()[0]), "call": name, "entered_at": float(at)}
    call |= {"outcome": "not_reached", "called_back": True, "answering_city": "yangzhou", "seat": "2001", "waited_s": 20.0}
    with found.open("a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\n")
    hour = (at + 8 * 3600) // 3600 % 24
    body["sums"]["requested"] += 1
    body["sums"]["call_back"] += 1
    body["callers"] += 1
    body["hours"][hour]["requested"] += 1
    report.write_text(json.dumps(body), "utf-8")
    told = recount(folder, *CITIES)
    assert told.returncode == 0, told.stdout


def in_sums(change: Callable[[dict[str, float]], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "yangzhou.json"
        body = json.loads(path.read_text("utf-8"))
        change(body["sums"])
        path.write_text(json.dumps(body), "utf-8")

    return do


def in_calls(change: Callable[[Calls], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "calls.jsonl"
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        change(found)
        path.write_text("".join(json.dumps(one) + "\n" for one in found), "utf-8")

    return do


def in_details(city: str, pattern: str, instead: str) -> Callable[[Path], None]:
    """Change the first record that fits."""

    def do(folder: Path) -> None:
        path = folder / f"{city}.cdr.csv"
        changed, count = re.subn(pattern, instead, path.read_text("utf-8"), count=1, flags=re.MULTILINE)
        assert count == 1
        path.write_text(changed, "utf-8")

    return do


def longer(sums: dict[str, float]) -> None:
    sums["talks_s"] += 60


def at_home(sums: dict[str, float]) -> None:
    sums["answered_home"] += 1
    sums["answered_remote"] -= 1


def remote(found: Calls) -> Calls:
    return [one for one in found if one["answering_city"] in CITIES[1:]]


def exchanged(name: str) -> Callable[[Calls], None]:
    """Two calls have each other's value: every sum stays right."""

    def do(found: Calls) -> None:
        first = remote(found)[0]
        other = next(one for one in remote(found) if one[name] != first[name])
        first[name], other[name] = other[name], first[name]

    return do


def set_first(name: str, value: Any) -> Callable[[Calls], None]:
    def do(found: Calls) -> None:
        remote(found)[0][name] = value

    return do


def one_more(found: Calls) -> None:
    found.append({**found[0], "call": f"{found[0]['call']}9"})


TALK = r'^.*"PJSIP/\d+-\w+","Queue".*"ANSWERED".*\n'
WRONG = {
    "talks longer in the report": (in_sums(longer), r"^sum talks_s: "),
    "a remote answer called a home one": (in_sums(at_home), r"^sum answered_remote: "),
    "talks exchanged between two calls": (in_calls(exchanged("talked_s")), r"^yangzhou-\d+\.\d+: seconds talked: "),
    "seats exchanged between two calls": (in_calls(exchanged("seat")), r"^yangzhou-\d+\.\d+: seat: "),
    "a call of another city": (in_calls(set_first("answering_city", "yangzhou")), r"^yangzhou-\d+\.\d+: answered by: "),
    "a call given up that was answered": (in_calls(set_first("outcome", "abandoned")), r"^yangzhou-\d+\.\d+: outcome: "),
    "a call the records lack": (
        in_calls(lambda found: found.pop() and None),
        r"^yangzhou-\S+: in the PBX's queue_log, not",
    ),
    "a call the PBX never had": (in_calls(one_more), r"^yangzhou-\S+: in callctl's records, not"),
    "a talk the home CDR lacks": (in_details("yangzhou", TALK, ""), r"^yangzhou-\d+\.\d+: the CDR has no talk of it"),
    "a talk that ended years later": (
        in_details("yangzhou", r'^(.*"PJSIP/\d+-\w+","Queue".*)"20(\d\d)(-[\d :-]+",\d+,\d+,"ANSWERED")', r'\1"19\2\3'),
        r"^yangzhou-\d+\.\d+: the CDR has no talk of it",
    ),
    "a leg ten times as long": (
        in_details("yangzhou", r'("Dial",.*,)(\d+)(,"ANSWERED")', r"\g<1>9\2\3"),
        r"^yangzhou-\d+\.\d+: seconds of the remote leg",
    ),
    "a talk the supporting city's CDR lacks": (
        in_details("xuzhou", r'^.*"support-yangzhou.*"ANSWERED".*\n', ""),
        r"^xuzhou: seat \d+ answered at \d+ by its queue_log, its CDR has no talk of it",
    ),
    "a longer talk at the supporting city": (
        in_details("suzhou", r'("support-yangzhou.*,)(\d+)(,"ANSWERED")', r"\g<1>9\2\3"),
        r"^suzhou: seconds talked",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_one_witness_says_otherwise_is_told_by_its_name(what: str, tmp_path: Path) -> None:
    shutil.copytree(DAY, tmp_path / "day")
    change, said = WRONG[what]
    change(tmp_path / "day")
    told = recount(tmp_path / "day", *CITIES)
    assert told.returncode == 1, told.stderr
    assert re.search(said, told.stdout, re.MULTILINE), told.stdout


def test_who_came_back_after_a_lost_leg_and_then_gave_up_is_abandoned(tmp_path: Path) -> None:
    log, at = tmp_path / "queue_log", 1_790_000_000
    name, queue = f"yangzhou-{at}.1", "q12345"
    lines = [
        f"{at}|{name}|{queue}|NONE|ENTERQUEUE||13900000000|1",
        f"{at + 5}|{name}|{queue}|2001|CONNECT|5|yangzhou-{at}.2|1",
        f"{at + 30}|{name}|{queue}|2001|COMPLETEAGENT|5|25|1",
        f"{at + 31}|{name}|{queue}|NONE|ENTERQUEUE||13900000000|1",
        f"{at + 50}|{name}|{queue}|NONE|ABANDON|1|1|19",
    ]
    log.write_text("\n".join(lines) + "\n", "utf-8")
    heading = {"since": at - 60, "until": at + 3600, "made_at": at + 3600}
    call = runpy.run_path(str(ROOT / "scripts/recount.py"))["home_calls"](log, queue, heading)[name]
    assert (call["outcome"], call["requeues"], call["waited_s"]) == ("abandoned", 1, 50)
