"""SIPp on paper: its figures read, its scenarios written."""

import random
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callctl.lab import sipp
from callctl.lab.agents import Habits
from callctl.lab.sipp import SippCount, parse_stat, patiences_ms
from tests.lab.minimal_conf import city

HEAD = "StartTime;ElapsedTime(C);TotalCallCreated;CurrentCall;SuccessfulCall(C);FailedCall(C);\n"


def test_the_newest_whole_line_counts() -> None:
    text = HEAD + "x;00:00:01:000000;3;3;0;0;\n" + "x;00:01:02:500000;15;2;12;1;\n" + "x;00:0"
    assert parse_stat(text) == SippCount(placed=15, now=2, succeeded=12, failed=1, elapsed_s=62.0)


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "x;00"])
def test_before_the_first_line_there_is_no_count(text: str) -> None:
    assert parse_stat(text) is None


def test_the_steps_of_patience_have_the_mean_that_was_asked() -> None:
    steps = patiences_ms(30.0)
    assert sum(steps) / len(steps) == pytest.approx(30_000, rel=0.001)
    assert steps == sorted(steps)


def test_nobody_is_so_impatient_that_sipp_takes_it_for_no_timeout() -> None:
    assert min(patiences_ms(0.1)) >= 100


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("citizen", {"patiences_ms": [100, 200, 300], "voice": ""}),
        ("citizen", {"patiences_ms": [100, 200], "voice": "a.alaw"}),
        ("agent", {"answer_ms": 1, "talk_ms": 2}),
        ("register", {}),
    ],
)
def test_every_scenario_is_whole_xml_whose_jumps_lead_somewhere(name: str, values: dict[str, object]) -> None:
    scenario = ElementTree.fromstring(sipp.scenario(name, **values))
    labels = {label.get("id") for label in scenario.iter("label")}
    jumps = {step.get(key) for step in scenario.iter() for key in ("next", "ontimeout") if step.get(key)}
    assert jumps <= labels


def test_no_sipp_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sipp.SippFailed, match="SIPp is not installed: run `make setup`"):
        sipp.citizens(tmp_path, city(), sipp.SippLoad(1, 1))


def test_habits_come_out_as_often_as_they_were_asked() -> None:
    chance = random.Random(1)
    drawn = [Habits(reject_share=0.2, no_answer_share=0.3, talk_s=4).draw(chance) for _ in range(2000)]
    assert sum(habit.reject_with == 486 for habit in drawn) / 2000 == pytest.approx(0.2, abs=0.03)
    assert sum(habit.answer_after_s is None for habit in drawn) / 2000 == pytest.approx(0.3, abs=0.03)
    assert all(2 <= habit.talk_s <= 6 for habit in drawn if habit.talk_s is not None)
