"""A few hours cut out of a scenario, as a scenario of its own: what a slow depth has time for."""

from dataclasses import replace

from callctl.sim.scenario import Scenario, SimCity
from callctl.sim.spec_reader import Steps


def window(scenario: Scenario, from_s: float, to_s: float) -> Scenario:
    """The time from `from_s` to `to_s`. Its citizens are others: who has called before is not known."""
    return replace(
        scenario,
        name=f"{scenario.name} {from_s:g}-{to_s:g}",
        horizon_s=to_s - from_s,
        warmup_s=0.0,
        switches=tuple((max(0.0, at - from_s), name, on) for at, name, on in scenario.switches if at < to_s),
        faults=tuple(replace(fault, at=fault.at - from_s) for fault in scenario.faults if from_s <= fault.at < to_s),
        cities=tuple(_city(city, from_s, to_s) for city in scenario.cities),
    )


def _city(city: SimCity, from_s: float, to_s: float) -> SimCity:
    first, last = int(from_s // city.bin_s), int(-(-to_s // city.bin_s))
    return replace(city, staff=_steps(city.staff, from_s), quota=_steps(city.quota, from_s), per_h=city.per_h[first:last])


def _steps(steps: Steps, from_s: float) -> Steps:
    before = [number for at, number in steps if at <= from_s]
    return ((0.0, before[-1]), *((at - from_s, number) for at, number in steps if at > from_s))
