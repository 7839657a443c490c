"""The full depth: scenarios lived through by the production controller, beside the fast depth."""

from dataclasses import replace
from typing import Any

import pytest

from callctl.core.commands import Lend
from callctl.core.model import Lending
from callctl.sim.checkers import Violation
from callctl.sim.founding import codes_of, first_wishes, found, with_fixed_wrap_up
from callctl.sim.full import LEAD_S, FullRun, run_full
from callctl.sim.outcome import Outcome, run_once
from callctl.sim.scenario import Fault, Scenario, ScenarioError, scenario_from
from callctl.sim.virtual_time import run_virtual
from callctl.sim.window import window


def city(name: str, per_h: float, seats: int, quota: int = 6, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "lines": 60,
        "trunks": 30,
        "staff": [[0, seats]],
        "quota": [[0, quota]],
        "arrivals": {"bin_s": 900, "per_h": [per_h] * 4},
        "talk": {"dist": "exp", "mean": 60},
        "wrap": {"dist": "det", "mean": 10},
        "patience": {"dist": "exp", "mean": 120},
        "redial": {"p_block": 0.5, "p_abandon": 0.5, "max": 5},
        **more,
    }


def scenario(*cities: dict[str, Any], on: tuple[str, ...] = ("nanjing",), **more: Any) -> Scenario:
    spec = {"horizon_s": 3600, "assist": [[0, name, True] for name in on], "cities": list(cities), **more}
    return scenario_from(spec, "small.json")


HELPED = scenario(city("nanjing", 500, 5), city("wuxi", 60, 8), city("xuzhou", 60, 8))


def test_both_depths_meet_the_same_citizens() -> None:
    alone = scenario(city("nanjing", 200, 40), city("wuxi", 100, 30))
    full, fast = run_full(alone, 1), run_once(alone, "none", 1)
    for name in ("nanjing", "wuxi"):
        one, other = full.cities[name], fast.cities[name]
        assert (one.attempts, one.answered) == (other.attempts, other.answered)
        assert one.occupancy == pytest.approx(other.occupancy)
        assert one.asa_s == 0.0


def test_a_city_without_help_fares_as_in_the_fast_depth() -> None:
    alone = scenario(city("nanjing", 300, 5), on=())
    full, fast = run_full(alone, 1), run_once(alone, "none", 1)
    # One look of app_queue between a free agent and the next caller: 0.5 s of 70 s.
    assert full.cities["nanjing"].connect_rate == pytest.approx(fast.cities["nanjing"].connect_rate, abs=0.02)
    assert full.cities["nanjing"].attempts == pytest.approx(fast.cities["nanjing"].attempts, rel=0.02)


def test_help_brings_what_the_fast_depth_says_it_brings() -> None:
    none, fast, full = run_once(HELPED, "none", 1), run_once(HELPED, "policy", 1), run_full(HELPED, 1)
    gain = full.assisted.connect_rate - none.assisted.connect_rate
    assert gain > 0.9 * (fast.assisted.connect_rate - none.assisted.connect_rate) > 0.1
    assert full.assisted.answered_remote == pytest.approx(fast.assisted.answered_remote, rel=0.15)
    assert full.helping.sl15 == pytest.approx(fast.helping.sl15, abs=0.03)
    assert full.set_ups >= full.assisted.answered_remote


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    short = replace(HELPED, horizon_s=900.0)
    assert run_full(short, 1) == run_full(short, 1)
    assert run_full(short, 1) != run_full(short, 2)


def with_fault(kind: str, name: str) -> Outcome:
    """A quarter of an hour of patient citizens, with the fault after five minutes."""
    cities = tuple(replace(city, patience={"dist": "det", "mean": 600.0}) for city in HELPED.cities)
    return run_full(replace(HELPED, cities=cities, horizon_s=900.0, faults=(Fault(300.0, kind, name, 60.0),)), 1)


def test_a_trunk_that_fails_in_mid_talk_brings_the_callers_back_and_loses_nobody() -> None:
    outcome = with_fault("trunk_down", "nanjing")
    assert outcome.cut > 0
    assert outcome.lost_by_trunk == 0
    assert outcome.assisted.answered_remote > 0


def test_a_helping_pbx_that_dies_loses_its_own_callers_only() -> None:
    outcome = with_fault("pbx_down", "wuxi")
    assert outcome.cities["wuxi"].attempts > 0
    assert outcome.lost_by_pbx <= outcome.cities["wuxi"].attempts
    assert outcome.lost_by_trunk == 0


def test_a_shift_that_ends_lets_agents_finish_and_one_that_begins_brings_them() -> None:
    shifts = scenario(city("nanjing", 200, 0, staff=[[0, 0], [900, 12], [2700, 0]]))

    async def whole() -> list[int]:
        run = FullRun(shifts, 1)
        present = []
        for at in (800.0, 1000.0, 3500.0):
            run.at(
                at,
                lambda: present.append(sum(seat.state.value != "offline" for seat in run.pbxs["nanjing"].seats.values())),
            )
        await run.live()
        return present

    assert run_virtual(whole()) == [0, 12, 0]


def test_switches_and_quotas_take_effect_when_the_scenario_says() -> None:
    late = replace(HELPED, switches=((1800.0, "nanjing", True), (2700.0, "nanjing", False)))

    async def whole() -> list[int]:
        run = FullRun(late, 1)
        lent = []
        for at in (1700.0, 2600.0, 2720.0):
            run.at(at, lambda: lent.append(sum(len(seats) for pbx in run.pbxs.values() for seats in pbx.support.values())))
        await run.live()
        return lent

    before, meanwhile, after = run_virtual(whole())
    assert (before, after) == (0, 0)
    assert meanwhile > 0


def test_cities_whose_names_are_no_codes_get_codes() -> None:
    strange = scenario(city("南京", 60, 1), city("xaa", 10, 1), city("City 3", 10, 1), on=())
    assert codes_of(strange) == {"南京": "xab", "xaa": "xaa", "City 3": "xac"}
    assert set(found(strange).cities) == {"xab", "xaa", "xac"}
    assert run_full(replace(strange, horizon_s=900.0), 1).cities["南京"].attempts > 0


def helped_by(**words: Any) -> Scenario:
    """Four minutes of a city in need, and one that could help."""
    supporting = city("wuxi", 60, 10, **words)
    return scenario(city("nanjing", 400, 2, trunks=30), supporting, horizon_s=240)


@pytest.mark.parametrize("words", [{"channels": {"nanjing": 0}}, {"reserve": 10}], ids=["may not help", "all kept home"])
def test_what_keeps_a_city_from_helping_keeps_it_at_both_depths(words: dict[str, Any]) -> None:
    bound, free = helped_by(**words), helped_by()
    assert [run_once(one, "policy", 1).assisted.answered_remote > 0 for one in (bound, free)] == [False, True]
    assert [run_full(one, 1).assisted.answered_remote > 0 for one in (bound, free)] == [False, True]


def test_dedicated_seats_help_although_the_reserve_keeps_all_others() -> None:
    bound = helped_by(reserve=10, dedicated=3)
    fast, full = run_once(bound, "policy", 1), run_full(bound, 1)
    assert full.assisted.answered_remote > 0
    assert full.assisted.answered_remote == pytest.approx(fast.assisted.answered_remote, abs=3)


def test_the_province_is_the_scenarios_to_the_word() -> None:
    spec = helped_by(channels={"nanjing": 2}, reserve=3, dedicated=4, lendable=6, release_s=15)
    wuxi = found(spec).cities["wuxi"]
    assert (wuxi.lend.reserve, wuxi.queue.release_after_s) == (3, 15.0)
    assert [seat.lend for seat in wuxi.seats] == [Lending.DEDICATED] * 4 + [Lending.SHARED] * 2 + [Lending.NO] * 4
    assert first_wishes(spec).events["nanjing"].seats == {"wuxi": 2}
    assert first_wishes(helped_by()).events["nanjing"].seats == {}
    three = scenario(city("nanjing", 1, 1), city("wuxi", 1, 5, channels={"nanjing": 0}), city("suzhou", 1, 7))
    assert first_wishes(three).events["nanjing"].seats == {"wuxi": 0, "suzhou": 7}


def test_a_day_that_has_begun_is_refused_by_name() -> None:
    begun = helped_by(start={"waiting_s": [3]})
    with pytest.raises(ScenarioError, match=r"wuxi.start: --depth full begins with nobody"):
        run_full(begun, 1)


def test_dedicated_seats_go_home_last() -> None:
    shifts = helped_by(staff=[[0, 10], [60, 4]], dedicated=4)

    async def whole() -> list[str]:
        run = FullRun(shifts, 1)
        present: list[str] = []
        run.at(
            200.0,
            lambda: present.extend(s.lend.value for s in run.pbxs["wuxi"].seats.values() if s.state.value != "offline"),
        )
        await run.live()
        return present

    assert run_virtual(whole()) == ["dedicated"] * 4


def test_a_wrap_up_that_varies_is_made_the_pbxs_own() -> None:
    varied = scenario(city("nanjing", 10, 1, wrap={"dist": "exp", "mean": 30}))
    assert with_fixed_wrap_up(varied).cities[0].wrap == {"dist": "det", "mean": 30.0}
    assert found(varied).cities["nanjing"].queue.wrapup_s == 30.0


def test_a_window_of_a_scenario_keeps_its_shifts_switches_and_faults() -> None:
    shifts = city("nanjing", 200, 5, staff=[[0, 5], [1800, 9], [2700, 2]])
    shifts["quota"] = [[0, 1], [900, 4]]
    shifts["arrivals"] = {"bin_s": 900, "per_h": [1, 2, 3, 4]}
    whole = replace(
        scenario(shifts, city("wuxi", 60, 8)),
        switches=((0.0, "nanjing", True), (2000.0, "nanjing", False), (3000.0, "nanjing", True)),
        faults=(Fault(1000.0, "trunk_down", "wuxi", 10.0), Fault(2500.0, "pbx_down", "wuxi", 10.0)),
    )
    cut = window(whole, 1800.0, 2700.0)
    nanjing = cut.cities[0]
    assert (nanjing.staff, nanjing.quota, nanjing.per_h) == (((0.0, 9), (900.0, 2)), ((0.0, 4),), (3.0,))
    assert cut.switches == ((0.0, "nanjing", True), (200.0, "nanjing", False))
    assert [(fault.at, fault.kind) for fault in cut.faults] == [(700.0, "pbx_down")]
    assert cut.horizon_s == 900.0


def test_a_scenario_is_lived_through_under_the_checkers_eyes() -> None:
    async def whole() -> None:
        run = FullRun(replace(HELPED, horizon_s=900.0), 1)
        run.at(1.0, run.pbxs["wuxi"].obey, Lend("wuxi", "120001", "nanjing", 999))
        await run.live()

    with pytest.raises(Violation, match="booked before lent: seat 120001") as found:
        run_virtual(whole())
    assert found.value.at_s == pytest.approx(1.0 + LEAD_S)
