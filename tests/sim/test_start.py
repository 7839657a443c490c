"""A day that begins in the middle goes on as the day it was taken from would have gone on."""

import math
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import pytest

from callctl.core.allocation import Room
from callctl.sim.draws import table
from callctl.sim.engine import Engine
from callctl.sim.outcome import engine_for, run_once
from callctl.sim.scenario import NOTHING, Scenario, ScenarioError, Start, scenario_from
from callctl.sim.start import from_now_on, rest_of, start_of

NOON_S, AFTER_S = 7200.0, 1200.0
T99_24 = 2.797  # Student's t, two-sided 99 %, for 25 pairs.


def city(name: str, n: int, per_h: float, quota: int, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": name,
        "lines": 90,
        "trunks": 40,
        "staff": [[0, n]],
        "quota": [[0, quota]],
        "arrivals": {"bin_s": 900, "per_h": [per_h] * 12},
        "talk": {"dist": "lognorm", "mean": 200, "cv": 1.1},
        "wrap": {"dist": "exp", "mean": 60},
        "patience": {"dist": "exp", "mean": 240},
        "redial": {},  # Who will call again cannot be seen; a forecast of calls holds them.
    }
    return spec | more


def busy() -> Scenario:
    cities = [city("扬州", 8, 330, 0), city("徐州", 20, 170, 6), city("苏州", 16, 120, 4, sl_target=0.9)]
    spec = {"name": "noon", "horizon_s": NOON_S + AFTER_S, "assist": [[0, "扬州", True]], "cities": cities}
    return scenario_from(spec, "noon.json")


def marks(engine: Engine) -> list[float]:
    """What the next minutes are compared by."""
    helped = engine.cities[0]
    lent = sum(city_.room.lent for city_ in engine.cities)
    counts = [city_.counts for city_ in engine.cities]
    own = sum(count.answered for count in counts[1:])
    return [helped.counts.answered, helped.counts.remote, helped.counts.abandoned, helped.room.waiting, lent, own]


def taken(seed: int) -> tuple[list[float], dict[str, Start]]:
    """Live through the whole day; what happened after noon, and the picture of noon."""
    engine = engine_for(busy(), "policy", seed)
    starts: dict[str, Start] = {}
    before: list[float] = []

    def noon(_: None) -> None:
        starts.update({city_.spec.name: start_of(engine, city_) for city_ in engine.cities})
        before.extend(marks(engine))

    engine.at(NOON_S, noon, None)
    engine.run()
    after = marks(engine)
    return [a - b if i not in (3, 4) else a for i, (a, b) in enumerate(zip(after, before, strict=True))], starts


def gone_on(seed: int, starts: dict[str, Start]) -> list[float]:
    engine = engine_for(from_now_on(replace(busy(), name="after"), NOON_S, starts), "policy", seed)
    engine.run()
    return marks(engine)


def test_starting_from_a_picture_of_noon_gives_the_afternoon_that_followed() -> None:
    real, resumed, empty = [], [], []
    told = 0  # Pictures in which callers wait and seats are lent: what a picture is for.
    for seed in range(25):
        after, starts = taken(seed)
        told += bool(starts["扬州"].waiting_s and starts["徐州"].lent_s.get("扬州"))
        real.append(after)
        resumed.append(gone_on(1000 + seed, starts))
        empty.append(gone_on(1000 + seed, {}))
    assert told >= 20
    names = ("answered", "remote", "abandoned", "waiting", "lent", "own answered")
    told_apart = set()
    for i, name in enumerate(names):
        gaps = [b[i] - a[i] for a, b in zip(real, resumed, strict=True)]
        half = T99_24 * stdev(gaps) / math.sqrt(len(gaps))
        assert abs(fmean(gaps)) <= half, (
            f"{name}: {fmean(a[i] for a in real):.1f} became {fmean(b[i] for b in resumed):.1f}"
        )
        gaps = [b[i] - a[i] for a, b in zip(real, empty, strict=True)]
        if abs(fmean(gaps)) > T99_24 * stdev(gaps) / math.sqrt(len(gaps)):
            told_apart.add(name)
    assert {"answered", "abandoned"} <= told_apart, "the comparison sees no difference where there is one"


def test_what_is_not_known_of_a_talk_is_drawn_as_if_looked_at_by_chance() -> None:
    talk = table({"dist": "lognorm", "mean": 200, "cv": 1.1})
    places = [(i + 0.5) / 5000 for i in range(5000)]
    rests = [rest_of(talk, None, a, b) for a in places for b in places[250::500]]
    assert fmean(rests) == pytest.approx(sum(x * x for x in talk) / sum(talk) / 2, rel=0.01)  # Renewal theory.
    longer = [x - 300 for x in talk if x > 300]
    assert fmean(rest_of(talk, 300.0, a, 0.5) for a in places) == pytest.approx(fmean(longer), rel=0.02)
    assert 0 < rest_of(talk, 1e9, 0.5, 0.5) < 1e4


@pytest.mark.parametrize("policy", ["none", "static", "policy", "limit", "pooled"])
def test_whoever_is_there_at_the_start_gets_through_and_every_seat_comes_home(policy: str) -> None:
    start = {"waiting_s": [5, 40], "talking_s": [10, None], "wrapping": 1, "lent_s": {"扬州": [30, None]}, "active": True}
    cities = [city("扬州", 4, 0.001, 0, start={"waiting_s": [3, 9, 200], "talking_s": [None] * 4, "active": True})]
    cities.append(city("徐州", 8, 0.001, 6, start=start))
    spec = {"name": "few", "horizon_s": 9000, "assist": [[0, "扬州", True]], "cities": cities}
    engine = engine_for(scenario_from(spec, "few.json"), policy, 3)
    engine.run()
    assert sum(c.counts.answered + c.counts.abandoned for c in engine.cities) >= 5
    assert [c.lines_free for c in engine.cities] == [90, 90]
    if policy != "pooled":
        assert [(c.room.idle, c.room.lent, c.room.legs) for c in engine.cities] == [(4, 0, 0), (8, 0, 0)]


def test_a_pair_that_may_not_help_does_not_and_dedicated_seats_serve_no_own_calls() -> None:
    barred = [city("扬州", 4, 300, 0), city("徐州", 20, 60, 9, channels={"扬州": 0})]
    spec = {"name": "pairs", "horizon_s": 3600, "assist": [[0, "扬州", True]]}
    assert run_once(scenario_from(spec | {"cities": barred}, "p.json"), "policy", 1).set_ups == 0
    kept = [city("扬州", 4, 300, 0), city("徐州", 6, 300, 6, dedicated=6)]
    outcome = run_once(scenario_from(spec | {"cities": kept}, "p.json"), "policy", 1)
    assert outcome.cities["徐州"].answered == 0
    assert outcome.assisted.answered_remote > 30


def test_mistakes_of_a_start_are_told_all_at_once() -> None:
    wrong = city("扬州", 4, 60, 0, start={"waiting_s": [-1], "talking_s": ["x"], "wraping": 2, "lent_s": {"无锡": [1]}})
    with pytest.raises(ScenarioError) as told:
        scenario_from({"horizon_s": 60, "cities": [wrong]}, "w.json")
    assert told.value.mistakes == (
        "扬州.start.wraping: unknown key; known: waiting_s, talking_s, wrapping, wrapping_dedicated, lent_s, active",
        "扬州.start.waiting_s: -1 must be seconds, 0 to 1000000000",
        "扬州.start.talking_s: 'x' must be seconds, 0 to 1000000000, or null",
        "扬州.channels, shares and start.lent_s: no city is named '无锡'",
    )


def test_a_shift_of_the_day_must_fall_on_a_border_of_its_bins() -> None:
    with pytest.raises(ValueError, match="border of its 900 s bins"):
        from_now_on(busy(), 1000.0, {})
    assert from_now_on(busy(), 900.0, {}).cities[0].start == NOTHING


@pytest.mark.parametrize(
    ("lent", "wrapping", "of_them_dedicated", "idle", "dedicated"),
    [(4, 0, 0, 6, 0), (3, 0, 0, 6, 1), (6, 0, 0, 4, 0), (0, 3, 0, 3, 4), (3, 2, 2, 5, 0), (1, 3, 2, 5, 1)],
)
def test_the_dedicated_seats_are_the_first_to_be_lent(
    lent: int, wrapping: int, of_them_dedicated: int, idle: int, dedicated: int
) -> None:
    """Ten agents, four of them dedicated: four lent talks leave all six shared ones at home."""
    start = {"lent_s": {"扬州": [None] * lent}, "wrapping": wrapping, "wrapping_dedicated": of_them_dedicated}
    cities = [city("扬州", 4, 0.001, 0), city("徐州", 10, 0.001, 9, dedicated=4, start=start)]
    spec = {"name": "dedicated", "horizon_s": 9000, "assist": [[0, "扬州", True]], "cities": cities}
    for policy in ("none", "static", "policy"):
        engine = engine_for(scenario_from(spec, "d.json"), policy, 1)
        seen: list[tuple[int, int]] = []

        def look(_: None, room: Room = engine.cities[1].room, seen: list[tuple[int, int]] = seen) -> None:
            seen.append((room.idle, room.dedicated))

        engine.at(0.0, look, None)
        engine.at(8999.0, look, None)
        engine.run()
        assert seen == [(idle, dedicated), (6, 4)]


def test_a_picture_tells_dedicated_seats_from_the_others() -> None:
    start = {"lent_s": {"扬州": [None, None]}, "wrapping": 2, "wrapping_dedicated": 1}
    cities = [city("扬州", 4, 0.001, 0), city("徐州", 10, 0.001, 9, dedicated=4, start=start)]
    scenario = scenario_from({"name": "d", "horizon_s": 60, "assist": [[0, "扬州", True]], "cities": cities}, "d.json")
    engine = engine_for(scenario, "policy", 1)
    found: list[Start] = []
    engine.at(0.0, lambda _: found.append(start_of(engine, engine.cities[1])), None)
    engine.run()
    assert (found[0].wrapping, found[0].wrapping_dedicated, len(found[0].lent_s["扬州"])) == (2, 1, 2)
