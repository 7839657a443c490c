"""What still bounds a question: seats that may be lent at all, the trunk, the own quota; calls beyond all measure."""

from collections.abc import Iterator

from callctl.core.acts import Sentence
from callctl.sim.scenario import MOST_CALLERS, MOST_PER_H, Scenario, SimCity
from callctl.sim.spec_reader import Steps
from callctl.sim.whatif import helped


def still_bounded(present: Scenario, asked: Scenario) -> Iterator[Sentence]:
    """A sentence for every bound below what is asked for; nothing about what is not asked for."""
    on = helped(asked)
    labels = {city.name: city.label or city.name for city in asked.cities}
    for before, city in zip(present.cities, asked.cities, strict=True):
        wanted = {name: _most(city, asked.shares(city).get(name)) for name in sorted(on - {city.name})}
        more = {name: n for name, n in wanted.items() if n > _most(before, present.shares(before).get(name))}
        most = max([n for _, n in city.quota] if city.quota != before.quota else [0])
        most = max(most, *more.values()) if more else most
        if city.lendable is not None and most > city.lendable:
            yield Sentence(
                f"{labels[city.name]}：问到 {most} 席，在岗可借调的只有 {city.lendable} 席，按后者推演",
                f"{labels[city.name]}: {most} seats are asked for;"
                f" only {city.lendable} on duty may be lent, no more are in this run",
            )
        if more and city.name in on:
            yield Sentence(
                f"{labels[city.name]}：本身也开启了支援，自己忙时不借出",
                f"{labels[city.name]} is switched on itself and lends nothing while it is helped",
            )
        for name, seats in more.items():
            yield from _of_pair(city, next(one for one in asked.cities if one.name == name), seats, labels)


def _most(city: SimCity, share: Steps | None) -> int:
    return max(n for _, n in (city.quota if share is None else share))


def _of_pair(city: SimCity, assisted: SimCity, seats: int, labels: dict[str, str]) -> Iterator[Sentence]:
    name, other = labels[city.name], labels[assisted.name]
    seats, quota = city.may_lend(seats), max(n for _, n in city.quota)
    calls = min(city.channels.get(assisted.name, city.trunks), city.trunks, assisted.trunks)
    if not calls:
        yield Sentence(
            f"{name}不能支援{other}（没有中继，或规则不许）：问到的 {seats} 席用不上",
            f"{name} cannot help {other} (no trunk, or not allowed): the {seats} seats asked for do nothing",
        )
    elif seats > calls:
        yield Sentence(
            f"{name}到{other}：问到 {seats} 席，中继只能同时通 {calls} 路",
            f"{name} to {other}: {seats} seats are asked for, the trunk carries {calls} calls at a time",
        )
    if seats > quota:
        yield Sentence(
            f"{name}：问到 {seats} 席，该市配额只有 {quota} 席",
            f"{name}: {seats} seats are asked for, its quota is {quota}",
        )


def beyond_measure(scenario: Scenario) -> Iterator[Sentence]:
    """Cities of which more calls are expected than can be lived through: a slip of the pen, and hours of waiting."""
    for city in scenario.cities:
        name, most = city.label or city.name, max(city.per_h, default=0.0)
        if most > MOST_PER_H:
            yield Sentence(
                f"{name}：预计每小时 {most:,.0f} 通，最多 {MOST_PER_H:,.0f} 通，请核对来电预测或倍数",
                f"{name}: {most:,.0f} calls an hour expected; at most {MOST_PER_H:,.0f}: look at the forecast or factor",
            )
    callers = sum(sum(city.per_h) * city.bin_s for city in scenario.cities) / 3600.0
    if callers > MOST_CALLERS:
        yield Sentence(
            f"各市合计 {callers:,.0f} 通来电，最多 {MOST_CALLERS:,.0f} 通",
            f"{callers:,.0f} callers in all cities together; at most {MOST_CALLERS:,.0f} can be lived through",
        )
