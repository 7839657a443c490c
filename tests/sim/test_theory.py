"""The simulator reproduces what queueing theory proves, within 99 % confidence intervals, from fixed seeds."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

import pytest

from callctl.core import erlang
from callctl.core.allocation import Allocation, Room
from callctl.core.reasons import Why
from callctl.sim.engine import Engine
from callctl.sim.policies import NoHelp, Sharing
from callctl.sim.scenario import Scenario, scenario_from

T99 = {8: 3.499, 10: 3.250, 12: 3.106}  # Student's t for so many replications.


def room(name: str, n: int, load: float, patience_s: float = 180.0, **more: Any) -> dict[str, Any]:
    """A room with exponential calls of 240 s."""
    exp = {"dist": "exp", "mean": 240}
    return {
        "name": name,
        "lines": 100000,
        "trunks": 100000,
        "staff": [[0, n]],
        "arrivals": {"bin_s": 1e6, "per_h": [load * 15.0]},
        "talk": exp,
        "wrap": {"dist": "det", "mean": 0},
        "patience": {"dist": "exp", "mean": patience_s},
    } | more


def province(cities: Sequence[dict[str, Any]], horizon_s: float, **more: Any) -> Scenario:
    spec = {"name": "theory", "horizon_s": horizon_s, "warmup_s": 3000, "cities": list(cities)}
    return scenario_from(spec | more, "theory.json")


def agrees(values: Sequence[float], truth: float, slack: float = 0.0) -> None:
    half = T99[len(values)] * stdev(values) / math.sqrt(len(values))
    assert abs(fmean(values) - truth) <= half + slack, f"{fmean(values):.5f} +- {half:.5f}, theory {truth:.5f}"
    assert half < 0.25 * max(truth, 0.05), f"interval {half:.4f} too wide to show anything about {truth:.4f}"


def _looks(engine: Engine, lent: list[int]) -> None:
    """Count the lent seats of the province every minute after the warm-up."""
    for minute in range(int(engine.scenario.warmup_s // 60) + 1, int(engine.scenario.horizon_s // 60)):
        engine.at(60.0 * minute, lambda _: lent.append(sum(city.room.lent for city in engine.cities)), None)


def figures(
    scenario: Scenario, runs: int, policy: Callable[[], NoHelp] = NoHelp, pooled: bool = False, first: int = 0
) -> dict[str, list[float]]:
    """Per replication: waited, abandoned, mean wait of the answered, answered within 15 s; of the cities from `first`."""
    rows: dict[str, list[float]] = {"p_wait": [], "p_ab": [], "asa": [], "sl": [], "foreign": [], "lent": []}
    for seed in range(runs):
        engine = Engine(scenario, seed, policy(), pooled)
        lent: list[int] = []
        _looks(engine, lent)
        engine.run()
        rows["lent"].append(fmean(lent))
        counts = [city.counts for city in engine.cities[first:]]
        attempts = sum(count.attempts for count in counts)
        waits = [wait for count in counts for wait in count.waits]
        abandoned = sum(count.abandoned for count in counts)
        seconds = scenario.horizon_s - scenario.warmup_s
        rows["p_wait"].append((sum(wait > 0 for wait in waits) + abandoned) / attempts)
        rows["p_ab"].append(abandoned / attempts)
        rows["asa"].append(fmean(waits))
        rows["sl"].append(sum(count.in_sl for count in counts) / attempts)
        rows["foreign"].append(sum(count.given for count in counts) / seconds)
    return rows


def test_patient_callers_as_erlang_c() -> None:
    got = figures(province([room("a", 20, 17, 1e9)], 250_000), 12)
    truth = erlang.erlang_c(20, 255, 240, 15)
    agrees(got["p_wait"], truth.p_wait)
    agrees(got["sl"], truth.sl)


@pytest.mark.parametrize(("n", "load"), [(20, 17), (20, 22), (20, 40), (75, 70)])
def test_impatient_callers_as_erlang_a(n: int, load: float) -> None:
    got = figures(province([room("a", n, load)], 120_000 if n < 50 else 60_000), 10)
    truth = erlang.erlang_a(n, load * 15, 240, 180, 15)
    agrees(got["p_wait"], truth.p_wait)
    agrees(got["p_ab"], truth.p_abandon)
    agrees(got["sl"], truth.sl)


def test_callers_who_never_wait_as_erlang_b() -> None:
    scenario = province([room("a", 30, 28, lines=30)], 120_000)
    shares = []
    for seed in range(10):
        engine = Engine(scenario, seed, NoHelp())
        engine.run()
        shares.append(engine.cities[0].counts.blocked / engine.cities[0].counts.attempts)
    agrees(shares, erlang.erlang_b(30, 28))


def test_thirteen_cities_pooled_are_one_large_room() -> None:
    cities = [room(f"city{i}", 14 + (i % 3 == 0), 13.5) for i in range(13)]
    agents, load = sum(14 + (i % 3 == 0) for i in range(13)), 13 * 13.5
    got = figures(province(cities, 40_000), 8, pooled=True)
    truth = erlang.erlang_a(agents, load * 15, 240, 180, 15)
    agrees(got["p_wait"], truth.p_wait)
    agrees(got["p_ab"], truth.p_abandon, slack=0.001)
    agrees(got["sl"], truth.sl)


def endless(n: int, load: float, quota: int, factor: float) -> Scenario:
    """A city without agents and far too many callers, helped by one room."""
    helped = room("needy", 0, 27, 600, quota=[[0, 0]])
    return province(
        [helped, room("helper", n, load, quota=[[0, quota]])],
        120_000,
        assist=[[0, "needy", True]],
        remote={"setup_s": 0, "setup_cv": 0, "latency_s": 0, "rona_p": 0, "aht_factor": factor},
    )


class Fixed(Sharing):
    """The policy with a fixed reserve and one seat at a time, as the chains assume."""

    def allocation_over(self, rooms: list[Room]) -> Allocation:
        for each in rooms:
            each.together = 1
        return super().allocation_over(rooms)


@pytest.mark.parametrize("r", [1, 2, 4])
def test_a_room_that_lends_all_but_its_reserve_as_the_reserve_chain(r: int) -> None:
    got = figures(endless(30, 18, 30, 1.0), 8, lambda: Fixed(r, protect=False), first=1)
    truth = erlang.reserve_chain(30, 18, 240, 180, r)
    agrees(got["p_wait"], truth.p_wait)
    agrees(got["foreign"], truth.foreign_per_s)


@pytest.mark.parametrize(
    ("n", "load", "quota", "r", "lent"),
    [(26, 18.9, 10, 2, 6.87), (14, 8, 7, 2, 4.98), (8, 4, 6, 2, 2.975), (38, 28, 9, 0, 8.35)],
)
def test_a_room_with_reserve_and_quota_as_the_room_chain(n: int, load: float, quota: int, r: int, lent: float) -> None:
    got = figures(endless(n, load, quota, 1.1), 8, lambda: Fixed(r, protect=False), first=1)
    truth = erlang.room_chain(n, load, quota, r, 240, 264, 180, 15)
    agrees(got["p_wait"], truth.p_wait)
    agrees(got["lent"], lent, slack=0.005)  # Published with two digits.
    agrees(got["sl"], truth.sl, slack=0.008)  # The formula takes those in front to be patient, and the caller too.


class BlindRoom(Room):
    """Lends whatever is idle, although it is helped itself and its own callers wait."""

    __slots__ = ()

    def bar(self) -> Why | None:
        return Why.SEATS_BUSY if self.idle <= 0 else None

    def spare(self) -> int:
        return max(0, self.idle)


class TwoWay(Allocation):
    """Blind sharing in both directions at any time: what the literature warns of."""

    def line_changed(self, room: Room, now: float) -> None:
        room.active, room.calm_since = True, math.inf
        self._appetite(room)
        self.seats_changed(room)


class Blind(Sharing):
    def allocation_over(self, rooms: list[Room]) -> Allocation:
        for room in rooms:
            room.__class__ = BlindRoom
        return TwoWay(rooms)


def test_blind_two_way_sharing_collapses_and_the_policy_does_not() -> None:
    cities = [room(name, 25, 22.5, quota=[[0, 25]]) for name in "ab"]
    on = [[0, "a", True], [0, "b", True]]
    scenario = province(cities, 40_000, assist=on, remote={"aht_factor": 2.5})
    alone = fmean(figures(scenario, 3)["p_ab"])
    blind = fmean(figures(scenario, 3, lambda: Blind(0, protect=False))["p_ab"])
    policy = fmean(figures(scenario, 3, Sharing)["p_ab"])
    assert blind > 2.0 * alone
    assert policy < 1.1 * alone
