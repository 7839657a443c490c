"""Questions a supervisor asks, the forecast behind them, and the proposal that is tried before it is shown."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from callctl.core.recommend import Demand, Move, seats_needed
from callctl.sim.bounds import still_bounded
from callctl.sim.forecast import ForecastError, day_shares, read_forecast, shaped
from callctl.sim.lookahead import difference, look_ahead, measured
from callctl.sim.proposal import proposals, with_proposals
from callctl.sim.scenario import Scenario, scenario_from
from callctl.sim.snapshot import spec_of
from callctl.sim.whatif import WhatIfRefused, changed, city_called, read_changes


def city(name: str, label: str, n: int, per_h: float, quota: int, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": name,
        "label": label,
        "lines": 1000,
        "trunks": 60,
        "staff": [[0, n]],
        "quota": [[0, quota]],
        "arrivals": {"bin_s": 900, "per_h": [per_h] * 8},
        "talk": {"dist": "exp", "mean": 180},
        "wrap": {"dist": "det", "mean": 60},
        "patience": {"dist": "exp", "mean": 180},
    }
    return spec | more


def nine_o_clock(**more: Any) -> Scenario:
    """Yangzhou at nine: 436 calls an hour, 24 agents, nobody helps yet."""
    cities = [
        city("yangzhou", "扬州", 24, 436, 0),
        city("xuzhou", "徐州", 46, 300, 12),
        city("suzhou", "苏州", 40, 300, 0),
    ]
    return scenario_from({"name": "now", "begins_s": 32400, "horizon_s": 7200, "cities": cities} | more, "now.json")


def test_a_question_is_read_in_either_language() -> None:
    base = nine_o_clock()
    zh = read_changes("开启 扬州市； 徐州 +12 @10:00；撤回 苏州 @+30、来电 扬州 x1.5；优先 扬州 2，阈值 扬州 10秒", base)
    en = read_changes(
        "on yangzhou; xuzhou +12 @10:00; withdraw Suzhou @+30; calls yangzhou x1.5; priority yangzhou 2", base
    )
    assert [(c.kind, c.city, c.number, c.at_s) for c in zh] == [
        ("on", "yangzhou", 0.0, 0.0),
        ("seats", "xuzhou", 12.0, 3600.0),
        ("withdraw", "suzhou", 0.0, 1800.0),
        ("calls", "yangzhou", 1.5, 0.0),
        ("priority", "yangzhou", 2.0, 0.0),
        ("threshold", "yangzhou", 10.0, 0.0),
    ]
    assert [(c.kind, c.city, c.number, c.at_s) for c in en] == [(c.kind, c.city, c.number, c.at_s) for c in zh[:5]]


@pytest.mark.parametrize(
    ("typed", "kind", "name", "number", "at_s"),
    [
        ("第二批 扬州", "wave", "yangzhou", 2.0, 0.0),
        ("第2批入场扬州市@+30", "wave", "yangzhou", 2.0, 1800.0),
        ("wave 2 @10:00", "wave", "yangzhou", 2.0, 3600.0),
        ("Wave 2 enters", "wave", "yangzhou", 2.0, 0.0),
        ("徐州+12", "seats", "xuzhou", 12.0, 0.0),
        ("徐州＋12", "seats", "xuzhou", 12.0, 0.0),
        ("徐州市－３席", "seats", "xuzhou", -3.0, 0.0),
        ("开启徐州", "on", "xuzhou", 0.0, 0.0),
        ("开启支援徐州市＠１０：００", "on", "xuzhou", 0.0, 3600.0),
        ("专席徐州+6", "dedicated", "xuzhou", 6.0, 0.0),
        ("来电扬州x1.5", "calls", "yangzhou", 1.5, 0.0),
        ("来电 扬州 *1.5", "calls", "yangzhou", 1.5, 0.0),
        ("来电 扬州 × 1.5倍", "calls", "yangzhou", 1.5, 0.0),
        ("徐州12@+30", "seats", "xuzhou", 12.0, 1800.0),
        ("onxuzhou", "on", "xuzhou", 0.0, 0.0),
        ("开启　徐州", "on", "xuzhou", 0.0, 0.0),
    ],
)
def test_a_question_is_read_as_people_type_it(typed: str, kind: str, name: str, number: float, at_s: float) -> None:
    waves = [{"city": "yangzhou", "number": 2, "seats": {"suzhou": 5}}]
    (change,) = read_changes(typed, nine_o_clock(waves=waves))
    assert (change.kind, change.city, change.number, change.at_s) == (kind, name, number, at_s)


def in_events() -> Scenario:
    """徐州 has a share of both events, 苏州 of none; 苏州's wave for 扬州 is still to enter."""
    shares = {"xuzhou": {"yangzhou": [[0, 3]], "suqian": [[0, 2]]}, "suzhou": {"yangzhou": [[0, 0]], "suqian": [[0, 0]]}}
    cities = [city("yangzhou", "扬州", 24, 436, 0), city("suqian", "宿迁", 24, 436, 0)]
    cities += [
        city("xuzhou", "徐州", 46, 300, 12, shares=shares["xuzhou"], channels={"suqian": 4}),
        city("suzhou", "苏州", 40, 300, 9, shares=shares["suzhou"], lendable=9, channels={"suqian": 0}),
    ]
    waves = [{"city": "yangzhou", "number": 2, "seats": {"suzhou": 11}, "at": None}]
    return nine_o_clock(cities=cities, waves=waves, assist=[[0, "yangzhou", True]])


@pytest.mark.parametrize(
    ("asked", "xuzhou", "suzhou"),
    [
        ("徐州 +2", ({"yangzhou": ((0.0, 5),), "suqian": ((0.0, 4),)}, 14), None),
        ("徐州 +2 给 扬州", ({"yangzhou": ((0.0, 5),), "suqian": ((0.0, 2),)}, 14), None),
        ("徐州+2席给扬州", ({"yangzhou": ((0.0, 5),), "suqian": ((0.0, 2),)}, 14), None),
        ("xuzhou =1 for suqian @+30", ({"yangzhou": ((0.0, 3),), "suqian": ((0.0, 2), (1800.0, 1))}, 12), None),
        ("苏州 8 @+30", None, ({"yangzhou": ((0.0, 0), (1800.0, 8)), "suqian": ((0.0, 0),)}, 9)),
        ("苏州 4; 开启 宿迁", None, ({"yangzhou": ((0.0, 4),), "suqian": ((0.0, 4),)}, 4)),
        ("专席 徐州 +3", ({"yangzhou": ((0.0, 6),), "suqian": ((0.0, 5),)}, 15), None),
        ("第2批 @+30", None, ({"yangzhou": ((0.0, 0), (1800.0, 11)), "suqian": ((0.0, 0),)}, 9)),
    ],
)
def test_seats_are_seats_of_the_event(asked: str, xuzhou: Any, suzhou: Any) -> None:
    base = in_events()
    new = changed(base, read_changes(asked, base))
    for place, expected in ((2, xuzhou), (3, suzhou)):
        now = new.cities[place]
        if expected is None:
            assert now == base.cities[place]
        else:
            assert (new.shares(now), max(n for _, n in now.quota)) == expected


def test_seats_for_one_city_are_bounded_for_it_alone_also_where_its_event_names_none() -> None:
    present = nine_o_clock(assist=[[0, "yangzhou", True]])

    def xuzhou(asked: str) -> tuple[Any, Any]:
        there = next(one for one in changed(present, read_changes(asked, present)).cities if one.name == "xuzhou")
        return there.quota, there.shares.get("yangzhou")

    assert xuzhou("徐州 =3 给 扬州") == (((0.0, 12),), ((0.0, 3),))
    assert xuzhou("徐州 -3 扬州") == (((0.0, 12),), ((0.0, 9),))
    assert xuzhou("徐州 +4 扬州") == (((0.0, 16),), ((0.0, 16),))
    with pytest.raises(WhatIfRefused, match="itself"):
        read_changes("徐州 +4 给 徐州", present)


def test_what_bounds_the_seats_asked_for_is_told_in_words() -> None:
    base = in_events()

    def told(asked: str) -> list[str]:
        return [note.zh for note in still_bounded(base, changed(base, read_changes(asked, base)))]

    assert told("徐州 +1") == []
    assert told("开启 宿迁; 徐州 +4 宿迁") == ["徐州到宿迁：问到 6 席，中继只能同时通 4 路"]
    assert told("开启 宿迁; 苏州 5 宿迁") == ["苏州不能支援宿迁（没有中继，或规则不许）：问到的 5 席用不上"]
    assert told("苏州 20") == ["苏州：问到 20 席，在岗可借调的只有 9 席，按后者推演"]
    assert told("第2批; 撤回 苏州") == [
        "苏州：问到 11 席，在岗可借调的只有 9 席，按后者推演",
        "苏州：问到 9 席，该市配额只有 0 席",
    ]
    assert told("开启 徐州; 徐州 +1") == ["徐州：本身也开启了支援，自己忙时不借出"]


def test_seats_in_the_event_bound_the_seats_lent_and_a_wave_adds_to_them() -> None:
    base = in_events()
    with_wave = changed(base, read_changes("wave 2 @+60", base))
    before, after = look_ahead([base, with_wave], [1], processes=1)
    assert 0.0 < (measured(before[0], ["xuzhou"], "lent") or 0.0) <= 3.0
    assert measured(before[0], ["suzhou"], "lent") == measured(after[0], ["suzhou"], "lent", 0) == 0.0
    assert (measured(after[0], ["suzhou"], "lent", 1) or 0.0) > 3.0


def test_a_proposal_sizes_the_event_anew() -> None:
    base = in_events()
    base = changed(base, read_changes("在岗 徐州 -18", base))  # It cannot give all of them: 苏州 must come in.
    (one,) = proposals(base)
    tried = with_proposals(base, [one])
    assert one.seats["suzhou"][0] > 0
    for city_ in tried.cities[2:]:
        assert [n for _, n in tried.shares(city_)["yangzhou"]] == list(one.seats[city_.name])
    assert tried.waves == ()


def test_what_holds_from_now_on_takes_no_time() -> None:
    for text in ("专席 徐州 +6 @+10", "阈值 扬州 10 @+10", "@10:00"):
        with pytest.raises(WhatIfRefused):
            read_changes(text, nine_o_clock())


def test_changes_change_what_they_name_and_nothing_else() -> None:
    base = nine_o_clock()
    new = changed(base, read_changes("on 扬州 @9:30; 徐州 +12 @10:00; 徐州 =3 @10:30; 专席 苏州 +4; 在岗 扬州 -4", base))
    assert new.switches == ((1800.0, "yangzhou", True),)
    yangzhou, xuzhou, suzhou = new.cities
    assert xuzhou.quota == ((0.0, 12), (3600.0, 24), (5400.0, 3))
    assert (suzhou.dedicated, suzhou.staff, suzhou.quota) == (4, ((0.0, 44),), ((0.0, 4),))
    assert yangzhou.staff == ((0.0, 20),)
    assert (yangzhou.per_h, yangzhou.talk) == (base.cities[0].per_h, base.cities[0].talk)


def test_every_mistake_of_a_question_is_told() -> None:
    base = nine_o_clock()
    with pytest.raises(WhatIfRefused) as refused:
        read_changes("on 无锡; 徐州 many; calls 扬州 +3; off 扬州 @25:00; 徐州 +3 @14:00; priority 扬州 0", base)
    said = [mistake.zh for mistake in refused.value.mistakes]
    assert len(said) == 6
    assert "没有“无锡”这个市；可用：扬州、徐州、苏州" in said[0]
    assert "@10:00" in said[3]
    assert "2 小时" in said[4]
    with pytest.raises(WhatIfRefused):
        read_changes(" ; ", base)


def test_switching_on_helps_the_citizens_at_a_price_that_is_told() -> None:
    base = changed(nine_o_clock(), read_changes("在岗 徐州 28", nine_o_clock()))
    on = changed(base, read_changes("on 扬州", base))
    before, after = look_ahead([base, on], range(8), processes=1)
    gain = difference(after, before, ["yangzhou"], "connect_rate")
    assert gain.mean is not None
    assert gain.mean - gain.half > 0.1
    price = difference(after, before, ["xuzhou"], "sl15")
    assert price.mean is not None
    assert price.mean < 0.0
    assert difference(after, before, ["suzhou"], "sl15").mean == 0.0
    lent = fmean(measured(run, ["xuzhou"], "lent") or 0.0 for run in after)
    assert 2.0 < lent <= 12.0
    for run in after:
        hours = [measured(run, ["yangzhou"], "answered_remote", hour) or 0.0 for hour in (0, 1)]
        assert sum(hours) == measured(run, ["yangzhou"], "answered_remote")
        assert sum(hours) == measured(run, ["xuzhou"], "answered_for_others")


def test_processes_change_nothing() -> None:
    base = nine_o_clock(horizon_s=1800)
    assert look_ahead([base], range(3), processes=1) == look_ahead([base], range(3), processes=2)


def test_the_proposed_seats_reach_the_target_and_a_wave_less_does_not() -> None:
    base = nine_o_clock(assist=[[0, "yangzhou", True]])
    (proposal,) = proposals(base)
    assert [need.seats for need in proposal.needs] == [9, 9, 9, 9]
    full = with_proposals(base, [proposal])
    # One wave less: four of nine seats stay away.
    less = changed(
        full, read_changes("; ".join(f"xuzhou {n} @+{30 * i}" if i else f"xuzhou {n}" for i, n in enumerate([5] * 4)), full)
    )
    with_all, with_less = look_ahead([full, less], range(12), processes=1)

    def level(runs: Any) -> float:
        return fmean(measured(run, ["yangzhou"], "sl15") or 0.0 for run in runs)

    assert level(with_all) >= 0.80
    assert level(with_less) < 0.80
    # The helpers keep what they must.
    assert min(fmean(measured(run, [name], "sl15") or 0.0 for run in with_all) for name in ("xuzhou", "suzhou")) >= 0.80


def test_a_second_city_in_need_gets_what_the_first_leaves() -> None:
    cities = [city("a", "甲", 24, 436, 0), city("b", "乙", 24, 436, 0, weight=2), city("c", "丙", 42, 420, 12)]
    base = nine_o_clock(cities=cities, assist=[[0, "a", True], [0, "b", True]])
    first, second = proposals(base)
    assert (first.city, second.city) == ("b", "a")
    assert first.needs[0].proposed > 0
    assert first.needs[0].proposed + second.needs[0].proposed <= 42 - 31
    assert second.short[0] > 0


def two_in_need(per_h: float = 60.0, **supporting: Any) -> Scenario:
    """Two small cities in need of a few seats each, and one that could lend."""
    cities = [
        city("a", "甲", 2, per_h, 0, weight=2),
        city("b", "乙", 2, per_h, 0),
        city("c", "丙", 8, 0, 8) | supporting,
    ]
    return nine_o_clock(cities=cities, assist=[[0, "a", True], [0, "b", True]])


def test_dedicated_seats_are_proposed_to_one_city_only() -> None:
    first, second = proposals(two_in_need(staff=[[0, 6]], dedicated=6, quota=[[0, 0]]))
    assert first.seats["c"][0] > 0
    assert first.seats["c"][0] + second.seats["c"][0] <= 6
    assert second.short[0] > 0


def test_seats_that_another_city_goes_on_using_are_not_given_back() -> None:
    base = two_in_need(quota=[[0, 7]], dedicated=3)
    first, second = proposals(base)
    lent = first.seats["c"][0] + second.seats["c"][0]
    assert lent == 7
    assert not [step for one in (first, second) for step in one.steps]
    # Fewer are needed than are lent: the difference is given back once, by the last who could use them.
    few = proposals(two_in_need(per_h=40.0, quota=[[0, 8]], dedicated=3))
    lent = sum(one.seats["c"][0] for one in few)
    back = [step for one in few for step in one.steps if step.span == 0]
    assert lent < 8
    assert [(step.move, step.seats) for step in back] == [(Move.GIVE_BACK, 8 - lent)]


def test_only_seats_that_may_be_lent_are_proposed() -> None:
    (first, second) = proposals(two_in_need(quota=[[0, 0]], lendable=4))
    assert first.seats["c"][0] + second.seats["c"][0] == 4
    more = two_in_need(quota=[[0, 0]], lendable=4)
    more = changed(more, read_changes("专席 丙 +2", more))
    assert sum(one.seats["c"][0] for one in proposals(more)) == 6


def test_a_saved_scenario_reads_as_itself() -> None:
    base = nine_o_clock(assist=[[0, "yangzhou", True]], faults=[{"t": 5, "kind": "pbx_down", "city": "suzhou", "dur": 9}])
    base = changed(base, read_changes("专席 苏州 +4", base))
    assert scenario_from(json.loads(json.dumps(spec_of(in_events()))), "again.json") == in_events()
    assert scenario_from(json.loads(json.dumps(spec_of(base))), "again.json") == base
    assert city_called(base, "徐州市") == "xuzhou"


def test_the_rate_of_now_goes_on_as_the_day_does() -> None:
    shares = day_shares("normal_weekday")
    assert sum(shares) == pytest.approx(1.0, abs=0.002)
    rates = shaped(100.0, 9.5 * 3600, 8, "normal_weekday")
    assert rates[0] == pytest.approx(100.0, rel=0.02)
    assert rates[-1] == pytest.approx(100 * (shares[11] * 0.875 + shares[10] * 0.125) / shares[9], rel=0.03)
    assert shaped(100.0, 23.9 * 3600, 40, "surge")[4] < 100.0  # Past midnight.


def known(name: str) -> str | None:
    return {"扬州": "yangzhou", "徐州": "xuzhou"}.get(name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_forecast_comes_as_a_spreadsheet_writes_it(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "f.csv"
    file.write_bytes("time,扬州,徐州\r\n09:00,100,20\r\n09:15,110,21\r\n09:30,120,22\r\n".encode(encoding))
    assert read_forecast(file, 32400.0, 3, known) == {"yangzhou": (400.0, 440.0, 480.0), "xuzhou": (80.0, 84.0, 88.0)}
    file.write_text('{"扬州": [100, 110]}', "utf-8")
    assert read_forecast(file, 0.0, 3, known) == {"yangzhou": (400.0, 440.0, 440.0)}


def test_mistakes_of_a_forecast_are_told_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("time,扬州,无锡\n09:05,1,2\n09:15,x,2\n09:30,1\n", "utf-8")
    with pytest.raises(ForecastError) as told:
        read_forecast(file, 32400.0, 2, known)
    assert told.value.mistakes == (
        "line 1: 无锡: no city has this name",
        "line 2: time '09:05' must be a quarter hour like 09:15",
        "line 3: 'x' must be a number of calls, 0 or more",
        "line 4: has 1 numbers, the first line names 2 cities",
        "these quarter hours are missing: 09:00",
    )
    for text in ("", "[1]", '{"扬州": ["x"], "无锡": [1]}', '{"a'):
        file.write_text(text, "utf-8")
        with pytest.raises(ForecastError):
            read_forecast(file, 0.0, 2, known)
    with pytest.raises(ForecastError, match="cannot be read"):
        read_forecast(tmp_path / "absent.csv", 0.0, 2, known)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,扬州\n²:00,5\n", "line 2: time '²:00' must be a quarter hour"),
        ("time,扬州\n" + "9" * 140_000 + ",1\n", "line 2: not CSV"),
        ('{"扬州": ' + "1" * 5000 + "}", "line 1: a number of more than 4,300 digits"),
        ('{"扬州":' + "[" * 100_000, "line 1: more than 50 brackets"),
    ],
    ids=["superscript", "long", "digits", "deep"],
)
def test_a_forecast_no_parser_likes_is_a_mistake_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "f"
    file.write_text(text, "utf-8")
    with pytest.raises(ForecastError) as told:
        read_forecast(file, 0.0, 4, known)
    assert words in told.value.mistakes[0]


def test_the_simulators_citizens_need_what_the_theory_says() -> None:
    assert seats_needed(Demand("yangzhou", (436.0,), (24,), 240.0, 180.0), 0) == (32, 9)
