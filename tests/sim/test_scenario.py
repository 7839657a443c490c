"""Scenario files: every mistake is named at once, and the words of the format are understood."""

import json
from pathlib import Path
from typing import Any

import pytest

from callctl.sim.draws import SIZE, table
from callctl.sim.scenario import ScenarioError, read_scenario, scenario_from


def city(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": "扬州",
        "lines": 20,
        "staff": [[0, 5]],
        "arrivals": {"bin_s": 900, "per_h": [60] * 4},
        "talk": {"dist": "exp", "mean": 150},
        "wrap": {"dist": "det", "mean": 30},
        "patience": {"dist": "exp", "mean": 180},
    }
    return spec | changes


def mistakes(spec: Any) -> tuple[str, ...]:
    with pytest.raises(ScenarioError) as caught:
        scenario_from(spec, "x.json")
    return caught.value.mistakes


def test_a_small_scenario_is_read_with_its_defaults() -> None:
    scenario = scenario_from({"horizon_s": 3600, "assist": [[0, "扬州", True]], "cities": [city()]}, "x.json")
    assert scenario.cities[0].name == "扬州"
    assert (scenario.remote.setup_s, scenario.cities[0].threshold_s, scenario.cities[0].quota) == (3.0, 20.0, ((0.0, 0),))
    assert scenario.name == "x"


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(
        {
            "horizon_s": -1,
            "colour": "red",
            "assist": [[0, "nowhere", True], "now"],
            "faults": [{"t": 0, "kind": "flood", "city": "扬州", "dur": 1}],
            "remote": {"setup": 3},
            "cities": [city(), city(staff=[[0, 1.5]], talk={"dist": "normal", "mean": 3}), city(name="b", lines="many"), 7],
        }
    )
    assert len(found) == 11
    for words in (
        "colour: unknown key",
        "horizon_s: is -1",
        "no city is named 'nowhere'",
        "'now' must be [seconds, city, true or false]",
        "faults[0].kind: is 'flood'; known: trunk_down, pbx_down",
        "remote.setup: unknown key",
        "扬州: is there twice",
        "扬州.staff: [0, 1.5] must be",
        "扬州.talk.dist: is 'normal'; known: exp, det, lognorm, erlang, weibull, hyper",
        "b.lines: is 'many'; must be a number",
        "cities[3]: must be an object",
    ):
        assert any(words in mistake for mistake in found), (words, found)


def test_missing_and_foreign_words_of_a_distribution_are_named() -> None:
    found = mistakes({"horizon_s": 9, "cities": [city(talk={"dist": "lognorm", "mean": 3, "shape": 2})]})
    assert found == (
        "扬州.talk.cv: is missing; lognorm needs cv, mean",
        "扬州.talk.shape: unknown key; known: dist, cv, mean",
    )


def test_unreadable_files_are_one_clear_line(tmp_path: Path) -> None:
    for content, words in ((b"{", "line 1: not JSON"), (b"\xff\xfe", "is not UTF-8"), (b"[1]", "one object")):
        file = tmp_path / "s.json"
        file.write_bytes(content)
        with pytest.raises(ScenarioError, match=words):
            read_scenario(file)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_scenario(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("spec", "mean", "cv"),
    [
        ({"dist": "exp", "mean": 180}, 180, 1.0),
        ({"dist": "det", "mean": 5}, 5, 0.0),
        ({"dist": "lognorm", "mean": 150, "cv": 1.1}, 150, 1.1),
        ({"dist": "erlang", "mean": 200, "k": 4}, 200, 0.5),
        ({"dist": "weibull", "mean": 100, "shape": 2}, 100, 0.5227),
        ({"dist": "hyper", "mean": 100, "p": 0.9, "m1": 50}, 100, 2.345),
    ],
    ids=lambda value: value["dist"] if isinstance(value, dict) else "",
)
def test_distributions_have_their_mean_and_spread(spec: dict[str, Any], mean: float, cv: float) -> None:
    values = table(spec)
    assert len(values) == SIZE
    assert sum(values) / SIZE == pytest.approx(mean, rel=1e-6)
    spread = (sum((value - mean) ** 2 for value in values) / SIZE) ** 0.5
    assert spread / mean == pytest.approx(cv, rel=0.02, abs=1e-9)


def test_the_format_survives_json() -> None:
    spec = {"horizon_s": 60, "cities": [city()]}
    assert scenario_from(json.loads(json.dumps(spec)), "x.json") == scenario_from(spec, "x.json")


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("cities",), [], "cities: is empty; at least one city is needed"),
        (
            ("cities", 0, "arrivals", "per_h"),
            [float("inf")],
            "扬州.arrivals.per_h: every rate must be a number, 0 to 1,000,000",
        ),
        (("cities", 0, "arrivals", "per_h"), [1e6] * 100, "arrivals: are 25,000,000 callers in all; at most 20,000,000"),
        (("cities", 0, "staff"), [[0, float("inf")]], "扬州.staff: [0, inf] must be [seconds, number]"),
        (
            ("cities", 0, "patience"),
            {"dist": "weibull", "mean": 3, "shape": 1e-9},
            "扬州.patience.shape: is 1e-09; must be",
        ),
        (
            ("cities", 0, "talk"),
            {"dist": "erlang", "mean": 3, "k": 10**9},
            "扬州.talk.k: is 1000000000; must be a number, 1 to 200",
        ),
        (("cities", 0, "supporter"), "no", "扬州.supporter: is 'no'; must be true or false"),
        (("assist",), [[0, "扬州", "on"]], "assist[0]: 'on' must be true or false"),
        (("warmup_s",), 7200, "warmup_s: is 7200; must be a number, 0 to 3600"),
    ],
)
def test_values_no_province_has_are_refused_at_once(where: tuple[str | int, ...], value: object, said: str) -> None:
    exp = {"dist": "exp", "mean": 100}
    one = {"name": "扬州", "lines": 9, "arrivals": {"per_h": [60]}, "talk": exp, "wrap": exp, "patience": exp}
    spec: Any = {"horizon_s": 3600, "cities": [one]}
    place = spec
    for word in where[:-1]:
        place = place[word]
    place[where[-1]] = value
    with pytest.raises(ScenarioError) as told:
        scenario_from(spec, "s.json")
    assert len(told.value.mistakes) == 1
    assert told.value.mistakes[0].startswith(said)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"assist": [[0, ["扬州"], True]]}, "assist[0]: no city is named ['扬州']"),
        ({"assist": [[10**400, "扬州", True]]}, "must be [seconds, city, true or false]"),
        ({"assist": [[0, {}, True]]}, "assist[0]: no city is named {}"),
        ({"faults": [{"t": 0, "kind": [], "city": ["扬州"], "dur": 1}]}, "faults[0].city: no city is named ['扬州']"),
        ({"cities": [city(start={"waiting_s": [10**400]})]}, "扬州.start.waiting_s"),
        ({"cities": [city(name="\ud800")]}, "cities[0].name: is '\\ud800'"),
        ({"cities": [city(lines="9" * 99_999)]}, "扬州.lines: is '999"),
    ],
    ids=["list in assist", "huge time", "object in assist", "lists in faults", "huge wait", "surrogate", "long text"],
)
def test_no_value_of_the_wrong_kind_stops_the_reader(changes: dict[str, Any], words: str) -> None:
    found = mistakes({"horizon_s": 9, "cities": [city()], **changes})
    assert any(words in mistake for mistake in found), found
    assert all(len(mistake) < 1000 for mistake in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 200_000, "line 1: more than 50 brackets one in the other"),
        ('{"a": "[[[",\n"b": ' + "[" * 60 + "]" * 60 + "}", "line 2: more than 50 brackets"),
        ('{"a": "' + "[" * 60 + '"}', "a: unknown key"),
        ('{\n"seed": ' + "1" * 5000 + "}", "line 2: a number of more than 4,300 digits"),
    ],
    ids=["open", "deep", "in a text", "digits"],
)
def test_files_no_parser_likes_are_mistakes_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text, "utf-8")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(file)
    assert any(words in mistake for mistake in caught.value.mistakes), caught.value.mistakes[:1]
