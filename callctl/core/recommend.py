"""How many seats from which city, when to add and when to give back: the proposal for the next hours, with its reasons.

Staffing by Erlang A for each half hour (docs/decisions/0008), seats from whoever can spare most above its own need and
reserve. A proposal, never an act: people decide. Pure; the daily report may print the same value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from callctl.core.acts import Sentence
from callctl.core.erlang import erlang_a, staff_erlang_a

SPAN_S = 1800.0  # A decision of people holds for half an hour at least.
GIVE_BACK_AFTER = 2  # Half hours in a row with fewer seats needed before any are given back: no coming and going.
FEW_CALLS_PER_H = 2.0  # A dedicated seat that took fewer is idle nine tenths of its time: 2021's took ten calls a day.
MOST_AGENTS = 5000  # Beyond this a forecast is a mistake.


class AbsurdForecast(ValueError):
    """So many calls that no province has the agents: the forecast is a mistake. In both languages."""

    def __init__(self, city: str, per_h: float, aht_s: float) -> None:
        self.told = Sentence(
            f"{city}：每小时 {per_h:,.0f} 通、每通 {aht_s:.0f} 秒，需超过 {MOST_AGENTS:,} 人，请核对来电预测",
            f"{city}: {per_h:,.0f} calls an hour of {aht_s:.0f} s need over {MOST_AGENTS} agents; look at the forecast",
        )
        super().__init__(self.told.en)


class Move(Enum):
    """What to do with seats."""

    ADD = "add"
    GIVE_BACK = "give_back"


@dataclass(frozen=True, slots=True)
class Demand:
    """The assisted city in the next half hours."""

    city: str
    per_h: tuple[float, ...]  # Calls per hour expected, by half hour.
    agents: tuple[int, ...]  # Own agents on duty, by half hour.
    aht_s: float
    patience_s: float
    target: float = 0.80  # Share answered within sl_s.
    sl_s: float = 15.0
    factor: float = 1.1  # How much longer a call takes at a supporting city.


@dataclass(frozen=True, slots=True)
class Supply:
    """One supporting city in the same half hours."""

    city: str
    per_h: tuple[float, ...]
    agents: tuple[int, ...]  # On duty, dedicated seats not counted.
    aht_s: float
    patience_s: float
    target: float = 0.80
    sl_s: float = 15.0
    reserve: int = 1
    quota: int = 0  # Lendable seats on duty: more cannot be lent whatever is wished.
    channels: int = 1_000_000  # Calls the trunk to the assisted city carries.
    dedicated: int = 0  # Seats that take only assisted calls: they cost the city nothing more.
    given: int = 0  # Seats it may lend now, and that no other assisted city goes on using.
    promised: tuple[int, ...] = ()  # Seats proposed for other assisted cities already, by half hour; dedicated ones first.
    asked_again: bool = False  # Another assisted city asks after this one: what is not needed now is left to it.
    dedicated_calls_per_h: float | None = None  # Calls one seat took lately in an hour on loan; None: not known.


@dataclass(frozen=True, slots=True)
class Step:
    """From half hour `span` on, this city lends so many seats more or fewer."""

    span: int
    city: str
    move: Move
    seats: int
    then: int  # Seats it lends afterwards.
    why_zh: str
    why_en: str


@dataclass(frozen=True, slots=True)
class Need:
    """One half hour of the assisted city."""

    span: int
    per_h: float
    needed: int  # Agents for the target, by Erlang A.
    own: int
    seats: int  # Lent seats that make up for the difference, slower as they are.
    proposed: int  # Seats the steps bring together.
    sl_alone: float
    sl_with: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The proposal for one assisted city."""

    city: str
    needs: tuple[Need, ...]
    steps: tuple[Step, ...]
    seats: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # By supporting city, by half hour.

    @property
    def short(self) -> tuple[int, ...]:
        """Seats that nobody can spare, by half hour."""
        return tuple(max(0, need.seats - need.proposed) for need in self.needs)


def seats_needed(demand: Demand, span: int) -> tuple[int, int]:
    """Agents the half hour needs, and lent seats for what the own agents lack."""
    per_h = demand.per_h[span]
    if per_h <= 0.0:
        return 0, 0
    if per_h / 3600.0 * demand.aht_s > MOST_AGENTS:
        raise AbsurdForecast(demand.city, per_h, demand.aht_s)
    needed = staff_erlang_a(per_h, demand.aht_s, demand.patience_s, demand.target, demand.sl_s)
    return needed, math.ceil(max(0, needed - demand.agents[span]) * demand.factor - 1e-9)


def can_spare(supply: Supply, span: int) -> int:
    """Seats the city can lend in this half hour and still serve its own callers as it must."""
    per_h = supply.per_h[span]
    needed = staff_erlang_a(per_h, supply.aht_s, supply.patience_s, supply.target, supply.sl_s) if per_h > 0.0 else 0
    own = max(0, supply.agents[span] - max(needed, supply.reserve))
    return max(0, min(min(supply.dedicated + own, supply.quota) - _promised(supply, span), supply.channels))


def _promised(supply: Supply, span: int) -> int:
    return supply.promised[span] if supply.promised else 0


def recommend(demand: Demand, supplies: Sequence[Supply]) -> Recommendation:
    """The proposal. ValueError where the half hours of demand and supply are not as many, or a forecast is absurd."""
    spans = len(demand.per_h)
    if any(len(row) != spans for one in supplies for row in (one.per_h, one.agents)) or len(demand.agents) != spans:
        raise ValueError("demand and supply must name the same half hours")
    wanted = [seats_needed(demand, span)[1] for span in range(spans)]
    spare = {one.city: [can_spare(one, span) for span in range(spans)] for one in supplies}
    rows = _rows(supplies, _held(wanted), spare)
    return Recommendation(
        demand.city,
        tuple(_need(demand, span, sum(row[span] for row in rows.values())) for span in range(spans)),
        tuple(_steps(demand, supplies, rows, spare)),
        {city: tuple(row) for city, row in rows.items()},
    )


def _held(wanted: Sequence[int]) -> list[int]:
    """Seats stay until they were not needed for GIVE_BACK_AFTER half hours; a peak ahead calls them half an hour early."""
    early = [max(wanted[span : span + 2]) for span in range(len(wanted))]
    return [max(early[max(0, span - GIVE_BACK_AFTER + 1) : span + 1]) for span in range(len(early))]


def _rows(supplies: Sequence[Supply], held: Sequence[int], spare: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Who lends how many, half hour by half hour; whoever lends goes on before anybody new begins."""
    rows: dict[str, list[int]] = {one.city: [] for one in supplies}
    before = {one.city: min(one.given, one.quota) for one in supplies}
    for span, needed in enumerate(held):
        dedicated = {one.city: max(0, one.dedicated - _promised(one, span)) for one in supplies}
        left = {city: spare[city][span] for city in rows}
        now = dict.fromkeys(rows, 0)
        # Dedicated seats first, then those who lend already, then the one with most to spare.
        for most in (dedicated, before):
            for city in sorted(rows, key=lambda name: (-min(most[name], left[name]), name)):
                take = min(max(0, min(most[city], spare[city][span]) - now[city]), left[city], needed - sum(now.values()))
                now[city] += take
                left[city] -= take
        while sum(now.values()) < needed and any(left.values()):
            city = max(sorted(left), key=lambda name: left[name])
            now[city] += 1
            left[city] -= 1
        for city, row in rows.items():
            row.append(now[city])
        before = now
    return rows


def _need(demand: Demand, span: int, proposed: int) -> Need:
    needed, seats = seats_needed(demand, span)
    own = demand.agents[span]

    def level(agents: float) -> float:
        per_h = demand.per_h[span]
        if agents < 1 or per_h <= 0.0:
            return 0.0 if per_h > 0.0 else 1.0
        return erlang_a(int(agents), per_h, demand.aht_s, demand.patience_s, demand.sl_s).sl

    with_help = level(math.floor(own + proposed / demand.factor + 1e-9))
    return Need(span, demand.per_h[span], needed, own, seats, proposed, level(own), with_help)


def _steps(
    demand: Demand, supplies: Sequence[Supply], rows: Mapping[str, Sequence[int]], spare: Mapping[str, Sequence[int]]
) -> list[Step]:
    steps = []
    for one in supplies:
        before = min(one.given, rows[one.city][0]) if one.asked_again else one.given
        for span, now in enumerate(rows[one.city]):
            if now > before:
                steps.append(_added(demand, one, span, now - before, now, spare[one.city][span]))
            elif now < before:
                steps.append(_given_back(demand, one, span, before - now, now, spare[one.city][span]))
            before = now
    return sorted(steps, key=lambda step: (step.span, step.move.value, -step.seats, step.city))


def _added(demand: Demand, one: Supply, span: int, seats: int, then: int, spare: int) -> Step:
    span_of_need = max(range(span, min(span + 2, len(demand.per_h))), key=lambda at: seats_needed(demand, at)[1])
    needed, missing = seats_needed(demand, span_of_need)
    load = demand.per_h[span_of_need] / 3600.0 * demand.aht_s
    per_h, own = demand.per_h[span_of_need], demand.agents[span_of_need]
    goal = f"{100 * demand.target:.0f}"
    zh = (
        f"预计每小时 {per_h:.0f} 通（{load:.1f} 爱尔兰），{demand.sl_s:.0f} 秒内接听 {goal}% 需 {needed} 人，"
        f"本市 {own} 人，缺口折合支援座席 {missing} 席；本市可让出 {spare} 席"
    )
    en = (
        f"{per_h:.0f} calls/h expected ({load:.1f} erlang): {goal} % within {demand.sl_s:.0f} s need {needed} agents,"
        f" {own} are there, {missing} lent seats make up for it; this city can spare {spare}"
    )
    return Step(span, one.city, Move.ADD, seats, then, zh, en)


def _given_back(demand: Demand, one: Supply, span: int, seats: int, then: int, spare: int) -> Step:
    few = one.dedicated_calls_per_h
    if spare < then + seats:
        zh, en = f"本市自己的来电也需要人：此时只能让出 {spare} 席", f"its own callers need them: it can spare {spare} now"
    elif few is not None and few < FEW_CALLS_PER_H:
        zh = f"借出座席每席每小时只接 {few:.1f} 通，连续半小时以上不需要"
        en = f"a lent seat took {few:.1f} calls an hour and is not needed for the next half hours"
    else:
        _, missing = seats_needed(demand, span)
        zh, en = f"需求回落：此时共需支援座席 {missing} 席", f"demand falls: {missing} lent seats are needed then"
    return Step(span, one.city, Move.GIVE_BACK, seats, then, zh, en)
