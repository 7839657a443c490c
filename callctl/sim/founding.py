"""From a scenario to a province as the data folders would describe it: cities, seats for the largest shift, trunks, quotas.

What a real PBX cannot do, a scenario at full depth cannot either: wrap-up is the queue's own, the same after every call,
so it takes the scenario's mean; trunks lead from city to city, so each pair gets the smaller of the two cities' groups.
"""

import string
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from types import MappingProxyType

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.sim.parts import SimTiming
from callctl.sim.scenario import NOTHING, Scenario, ScenarioError, SimCity

LETTERS = frozenset(string.ascii_lowercase)


def codes_of(scenario: Scenario) -> dict[str, str]:
    """City codes by the scenario's names; a name that is no code (letters only) gets one of its own."""
    names = [city.name for city in scenario.cities]
    taken = {name for name in names if LETTERS.issuperset(name)}
    free = (code for pair in product(string.ascii_lowercase, repeat=2) if (code := "x" + "".join(pair)) not in taken)
    return {name: name if name in taken else next(free) for name in names}


def check_livable(scenario: Scenario) -> None:
    """ScenarioError names every word of the scenario that --depth full cannot live: a call that no PBX ever connected."""
    what = "--depth full begins with nobody on the line; take `start` out, or use --depth fast"
    mistakes = [f"{city.name}.start: {what}" for city in scenario.cities if city.start != NOTHING]
    what = "--depth full keeps every share as it begins; leave the later ones out, or use --depth fast"
    changing = [city for city in scenario.cities if any(len(steps) > 1 for steps in scenario.shares(city).values())]
    mistakes += [f"{city.name}.shares: {what}" for city in changing]
    if mistakes:
        raise ScenarioError(scenario.name, mistakes)


def found(scenario: Scenario) -> Province:
    """The province of a scenario. Every city has a trunk to every other; who is no supporter helps nobody.

    ScenarioError: see check_livable.
    """
    check_livable(scenario)
    codes = codes_of(scenario)
    made = {
        codes[spec.name]: _city(spec, place, codes, {other.name: other.trunks for other in scenario.cities})
        for place, spec in enumerate(scenario.cities)
    }
    return Province(MappingProxyType(made))


def _city(spec: SimCity, place: int, codes: dict[str, str], legs: dict[str, int]) -> City:
    dedicated = min(spec.dedicated, spec.staff[0][1])  # The first seats: they are there from the start.
    lendable = max(dedicated, spec.may_lend(_most_staff(spec)))
    seats = tuple(
        Seat(
            f"{place + 11}{number:04d}",
            f"{place + 11}{number:04d}",
            f"话务员{number}",
            Lending.DEDICATED if number <= dedicated else Lending.SHARED if number <= lendable else Lending.NO,
        )
        for number in range(1, _most_staff(spec) + 1)
    )
    return City(
        code=codes[spec.name],
        name_zh=spec.name,
        area_code="0510",
        pbx=PbxAddress(PbxKind.ASTERISK, f"127.0.{place + 11}.1"),
        queue=QueueRules(
            wait_threshold_s=spec.threshold_s,
            release_after_s=spec.release_s,
            sl_target=spec.sl_target,
            wrapup_s=float(spec.wrap["mean"]),
            survey=False,
            offer_callback=False,
        ),
        lend=LendRules(spec.reserve, spec.quota[0][1], ("*",) if spec.supporter else (), spec.together),
        trunks=tuple(
            Trunk(codes[name], "127.0.0.1", min(spec.trunks, theirs)) for name, theirs in legs.items() if name != spec.name
        ),
        seats=seats,
    )


def _most_staff(spec: SimCity) -> int:
    return max(number for _, number in spec.staff)


def with_fixed_wrap_up(scenario: Scenario) -> Scenario:
    """The scenario as a PBX can live it: every wrap-up takes the mean. For comparing the two depths."""
    cities = (replace(city, wrap={"dist": "det", "mean": city.wrap["mean"]}) for city in scenario.cities)
    return replace(scenario, cities=tuple(cities))


def timing_of(scenario: Scenario) -> SimTiming:
    """The simulated PBXs' times, from what the scenario says of remote calls."""
    remote = scenario.remote
    return replace(
        SimTiming(),
        order_s=max(0.005, remote.latency_s - 0.01),  # The loop waits 0.01 s for facts that come together.
        support_ring_s=remote.rona_s,
        slot_ring_s=remote.rona_s + 2.0,
        invite_gives_up_s=remote.invite_timeout_s,
        leg_lost_after_s=remote.detect_s,
        trunk_noticed_s=remote.detect_s,
    )


def first_wishes(scenario: Scenario) -> Wishes:
    """An assistance event for every city that is ever switched on; switches and quotas as they stand at the start.

    A city's `channels` bound its share of the event: seats it may lend to that one city, none where they are 0.
    """
    codes = codes_of(scenario)
    weights = {city.name: city.weight for city in scenario.cities}
    on = {name for at, name, on in scenario.switches if on and at <= 0.0}
    events = {
        codes[name]: AssistanceEvent(
            f"e-{codes[name]}", codes[name], "支援", 0.0, weights[name], name in on, _shares(scenario, name, codes)
        )
        for name in sorted({name for _, name, on in scenario.switches if on})
    }
    return Wishes(1, MappingProxyType(events))


def _shares(scenario: Scenario, assisted: str, codes: Mapping[str, str]) -> Mapping[str, int]:
    """Most seats by supporting city; empty where no city limits its help."""
    others = [city for city in scenario.cities if city.name != assisted]
    named = {city.name: scenario.shares(city).get(assisted, ((0.0, _most_staff(city)),))[0][1] for city in others}
    if not any(assisted in city.channels or assisted in scenario.shares(city) for city in others):
        return MappingProxyType({})
    return MappingProxyType(
        {codes[city.name]: min(named[city.name], city.channels.get(assisted, named[city.name])) for city in others}
    )
