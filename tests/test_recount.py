"""scripts/recount.py, the stranger that counts a report again: over a lab's day as three real PBXs wrote it down.

tests/recorded_day: queue_log and call detail records of yangzhou (assisted), xuzhou and suzhou, and yangzhou's report.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DAY = ROOT / "tests/recorded_day"
SINCE = "1795708717.8804126"
HELPERS = ("xuzhou", "suzhou")


def recount(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [str(folder / "yangzhou.json"), "--home", f"q12345={folder / 'yangzhou.queue_log'}", "--since", SINCE]
    words += ["--cdr", str(folder / "yangzhou.cdr.csv")]
    for city in HELPERS:
        words += ["--support", f"{city}={folder / city}.queue_log", "--support-cdr", f"{city}={folder / city}.cdr.csv"]
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/recount.py"), *words], capture_output=True, text=True, check=False
    )


def test_queue_log_and_call_detail_records_agree_with_the_report_of_a_recorded_day() -> None:
    told = recount(DAY)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "32 figures agree, 0 differ; 43 calls, 37 answered" in told.stdout


def in_report(change: Callable[[dict[str, float]], None]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "yangzhou.json"
        body = json.loads(path.read_text("utf-8"))
        change(body["sums"])
        path.write_text(json.dumps(body), "utf-8")

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


TALK = r'^.*"Queue".*"ANSWERED",.*"yangzhou-1795708768.96".*\n'  # The last of the day.
WRONG = {
    "talks longer in the report": (in_report(longer), "seconds talked, by the CDR"),
    "a remote answer called a home one": (in_report(at_home), "calls answered remotely, by the CDR"),
    "a talk the home CDR lacks": (in_details("yangzhou", TALK, ""), "the CDR has no talk of"),
    "a talk that ended minutes later": (
        in_details("yangzhou", r'^(.*"Queue".*)15:59:43(",.*"yangzhou-1795708768.96".*)$', r"\g<1>16:04:43\2"),
        "seconds talked, by the CDR",
    ),
    "a leg ten times as long": (
        in_details("yangzhou", r'("Dial",.*,)(\d+)(,"ANSWERED")', r"\g<1>9\2\3"),
        "seconds talked remotely",
    ),
    "a talk the supporting city's CDR lacks": (
        in_details("xuzhou", r'^.*"support-yangzhou.*"ANSWERED".*\n', ""),
        "xuzhou: talks of its CDR",
    ),
    "a longer talk at the supporting city": (
        in_details("suzhou", r'("support-yangzhou.*,)(\d+)(,"ANSWERED")', r"\g<1>9\2\3"),
        "suzhou: seconds talked",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_one_witness_says_otherwise_is_told(what: str, tmp_path: Path) -> None:
    shutil.copytree(DAY, tmp_path / "day")
    change, said = WRONG[what]
    change(tmp_path / "day")
    told = recount(tmp_path / "day")
    assert told.returncode == 1
    assert said in told.stdout, told.stdout
