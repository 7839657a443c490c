"""Seats proposed for the next hours of a scenario, and the scenario with them: a proposal is tried before it is shown."""

from collections.abc import Sequence
from dataclasses import replace

from callctl.core.recommend import SPAN_S, Demand, Recommendation, Supply, recommend
from callctl.sim.forecast import BIN_S
from callctl.sim.scenario import Scenario, SimCity
from callctl.sim.spec_reader import Steps
from callctl.sim.whatif import helped


def proposals(scenario: Scenario, target: float | None = None) -> list[Recommendation]:
    """One for each city that is switched on at any time, the heaviest first; the later ones get what is left."""
    on = helped(scenario)
    assisted = sorted((city for city in scenario.cities if city.name in on), key=lambda city: (-city.weight, city.name))
    spans = max(1, round(scenario.horizon_s / SPAN_S))
    promised: dict[str, list[int]] = {city.name: [0] * spans for city in scenario.cities}
    found = []
    for place, city in enumerate(assisted):
        supplies = [
            _supply(one, _lent_now(scenario, one, city), city, promised[one.name], assisted[place + 1 :])
            for one in scenario.cities
            if one.name not in on and _may_help(one, city)
        ]
        found.append(recommend(_demand(city, scenario, spans, target), supplies))
        for name, row in found[-1].seats.items():
            promised[name] = [a + b for a, b in zip(promised[name], row, strict=True)]
    return found


def _may_help(city: SimCity, assisted: SimCity) -> bool:
    return city.channels.get(assisted.name, 1) > 0


def _lent_now(scenario: Scenario, city: SimCity, assisted: SimCity) -> int:
    """Seats the city's event lets it lend to this city at present."""
    return _at(scenario.shares(city).get(assisted.name, city.quota), 0)


def _demand(city: SimCity, scenario: Scenario, spans: int, target: float | None) -> Demand:
    return Demand(
        city.name,
        _rates(city, spans),
        tuple(_at(city.staff, span) - city.dedicated for span in range(spans)),
        _aht_s(city),
        float(city.patience["mean"]),
        target if target is not None else city.sl_target,
        factor=max(1.0, scenario.remote.aht_factor),
    )


def _supply(city: SimCity, lent: int, assisted: SimCity, promised: Sequence[int], later: Sequence[SimCity]) -> Supply:
    """What the city could give, whatever the event asks of it now: to change that is what a proposal is for.

    What its dedicated seats took lately is not in a scenario: only the daily report gives that reason.
    """
    spans = len(promised)
    agents = [_at(city.staff, span) for span in range(spans)]
    return Supply(
        city.name,
        _rates(city, spans),
        tuple(max(0, n - city.dedicated) for n in agents),
        _aht_s(city),
        float(city.patience["mean"]),
        city.sl_target,
        reserve=city.reserve,
        quota=city.may_lend(max(agents)) if city.supporter else 0,
        channels=min(city.channels.get(assisted.name, city.trunks), city.trunks),
        dedicated=city.dedicated,
        given=max(0, min(city.may_lend(_at(city.quota, 0)) - promised[0], lent)),
        promised=tuple(promised),
        asked_again=any(_may_help(city, other) for other in later),
    )


def _rates(city: SimCity, spans: int) -> tuple[float, ...]:
    """Calls per hour by half hour; nobody new calls after the last bin."""
    rates = []
    for span in range(spans):
        moments = [span * SPAN_S + BIN_S / 2.0, span * SPAN_S + 1.5 * BIN_S]
        places = [int(moment // city.bin_s) for moment in moments]
        rates.append(sum(city.per_h[place] if place < len(city.per_h) else 0.0 for place in places) / len(places))
    return tuple(rates)


def _at(steps: Steps, span: int) -> int:
    return next(n for at, n in reversed(steps) if at <= span * SPAN_S)


def _aht_s(city: SimCity) -> float:
    return float(city.talk["mean"]) + float(city.wrap["mean"])


def with_proposals(scenario: Scenario, found: Sequence[Recommendation]) -> Scenario:
    """Every supporting city's seats as proposed, half hour by half hour; together where several cities are helped.

    Where the event names seats those become what is proposed, waves to come among them.
    """
    rows: dict[str, list[int]] = {}
    for one in found:
        for name, row in one.seats.items():
            before = rows.setdefault(name, [0] * len(row))
            rows[name] = [a + b for a, b in zip(before, row, strict=True)]
    cities = [
        replace(city, quota=_steps(rows[city.name]), shares=_shares(scenario, city, found)) if city.name in rows else city
        for city in scenario.cities
    ]
    settled = {one.city for one in found}
    waves = tuple(wave for wave in scenario.waves if wave.city not in settled)
    return replace(scenario, cities=tuple(cities), waves=waves)


def _shares(scenario: Scenario, city: SimCity, found: Sequence[Recommendation]) -> dict[str, Steps]:
    proposed = {one.city: _steps(one.seats[city.name]) for one in found if city.name in one.seats}
    return {name: proposed.get(name, steps) for name, steps in {**scenario.shares(city), **city.shares}.items()}


def _steps(row: Sequence[int]) -> Steps:
    return tuple((span * SPAN_S, seats) for span, seats in enumerate(row))
