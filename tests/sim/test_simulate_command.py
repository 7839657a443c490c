"""`callctl simulate`: what a person and a program get."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from callctl.cli import simulate

SCENARIO: dict[str, Any] = {
    "name": "小场景",
    "seed": 5,
    "horizon_s": 3600,
    "assist": [[0, "扬州", True]],
    "cities": [
        {
            "name": name,
            "lines": 30,
            "staff": [[0, n]],
            "quota": [[0, 4]],
            "arrivals": {"bin_s": 900, "per_h": [120] * 4},
            "talk": {"dist": "exp", "mean": 150},
            "wrap": {"dist": "exp", "mean": 30},
            "patience": {"dist": "exp", "mean": 180},
        }
        for name, n in (("扬州", 4), ("徐州", 12))
    ],
}


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    file = tmp_path / "s.json"
    file.write_text(json.dumps(SCENARIO), "utf-8")
    return str(file)


def call(*words: str) -> Any:
    app = typer.Typer()
    simulate.register(app)
    return CliRunner().invoke(app, list(words))


def test_json_has_the_figures_a_program_reads(scenario: str) -> None:
    got = call(scenario, "--policy", "policy", "--seeds", "2", "--json", "--processes", "1")
    assert got.exit_code == 0
    figures = json.loads(got.stdout)
    words = {"attempts", "connect_rate", "people_answered", "asa_s", "p95_wait_s", "abandoned", "sl15", "sl60"}
    assert words | {"answered_remote", "set_ups", "wasted"} <= figures["assisted"].keys()
    assert 0 < figures["supporters"]["徐州"]["sl15"] <= 1
    assert figures["seeds"] == [5, 6]
    assert figures["ratio"]["limit"]["connect_rate"] is None


def test_the_table_shows_the_yardsticks_and_the_ratio(scenario: str) -> None:
    got = call(scenario, "--processes", "1")
    assert got.exit_code == 0
    assert [line.split()[0] for line in got.stdout.splitlines()[2:]] == ["policy", "none", "limit", "pooled"]
    assert "R limit" in got.stdout


def test_the_page_stands_alone(scenario: str, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    assert call(scenario, "--no-ratios", "--processes", "1", "--html", str(page)).exit_code == 0
    text = page.read_text("utf-8")
    assert text.count("<svg") == 5
    assert "徐州" in text
    assert not any(word in text for word in ("http", "src=", "<script", "nan", "None"))


def test_mistakes_are_lines_on_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"horizon_s": 0}', "utf-8")
    got = call(str(file))
    assert got.exit_code == 1
    assert got.stderr.splitlines() == [
        f"callctl: {file}: cities: is missing",
        f"callctl: {file}: horizon_s: is 0; must be a number, 1 to 3.16224e+07",
    ]
    assert call(str(file), "--policy", "magic").exit_code == 2


def test_the_full_depth_is_a_policy_of_its_own_beside_the_yardsticks(scenario: str) -> None:
    got = call(scenario, "--depth", "full", "--processes", "1", "--json", "--ratios")
    assert got.exit_code == 0
    figures = json.loads(got.stdout)
    assert figures["policy"] == "full"
    assert figures["assisted"]["answered_remote"] > 0
    assert figures["ratio"]["limit"]["connect_rate"]["mean"] > 0.5


def test_the_full_depth_has_no_other_policy_and_no_page(scenario: str) -> None:
    for words in (("--policy", "static"), ("--html", "p.html")):
        got = call(scenario, "--depth", "full", *words)
        assert got.exit_code == 1
        assert "--depth full runs the real controller" in got.stderr


def test_the_full_depth_refuses_by_name_what_it_cannot_live(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    cities = [{**SCENARIO["cities"][0], "start": {"waiting_s": [5]}}, SCENARIO["cities"][1]]
    file.write_text(json.dumps({**SCENARIO, "cities": cities}), "utf-8")
    got = call(str(file), "--depth", "full", "--processes", "1")
    assert got.exit_code == 1
    assert "扬州.start: --depth full begins with nobody on the line" in got.stderr


@pytest.mark.parametrize("policy", ["static", "limit", "pooled"])
def test_every_yardstick_can_be_asked_for_by_itself(scenario: str, policy: str) -> None:
    got = call(scenario, "--policy", policy, "--seeds", "2", "--json", "--processes", "1")
    assert got.exit_code == 0
    figures = json.loads(got.stdout)
    assert figures["policy"] == policy
    assert 0.5 < figures["assisted"]["people_answered"] <= 1.0
    assert (figures["assisted"]["answered_remote"] > 0) is (policy != "pooled")  # Pooled agents belong to nobody.
