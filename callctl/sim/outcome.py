"""What a run or several came to: the figures of the table, for the assisted cities and for those who help."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from callctl.sim.engine import Engine
from callctl.sim.people import Counts, Populace
from callctl.sim.policies import NoHelp, Sharing, Static
from callctl.sim.scenario import Scenario, SimCity

POLICIES = ("none", "static", "policy", "limit", "pooled", "ideal")
STRESS = 0.8  # A quarter hour is stressed when without help fewer than this share are answered within a minute.


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of several cities together."""

    attempts: int
    connect_rate: float
    people_answered: float
    asa_s: float
    p95_wait_s: float
    abandoned: float
    sl15: float
    sl60: float
    occupancy: float
    answered: int
    answered_remote: int  # By other cities' agents.
    answered_for_others: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    scenario: str
    policy: str
    seed: int
    assisted: Group
    helping: Group
    cities: dict[str, Group]
    helpers: tuple[str, ...]
    set_ups: int
    rings: int  # Seats rung; more than set-ups where seats ring together.
    wasted: int
    cancelled: int
    empty_answers: int
    cut: int  # Talks a dead trunk or a dead supporting PBX ended; the callers went back to the front.
    lost_by_trunk: int  # Of these, who hung up then.
    lost_by_pbx: int  # Callers on a home PBX that died.
    bins: tuple[tuple[int, int], ...]  # Assisted cities: attempts, answered within a minute, per quarter hour.
    helping_bins: tuple[tuple[int, int], ...]  # Helping cities: attempts, answered within 15 s.


def assisted_names(scenario: Scenario) -> set[str]:
    """Cities for which assistance is switched on at any time."""
    return {name for _, name, on in scenario.switches if on}


def group(cities: Sequence[tuple[SimCity, Counts]], horizon_s: float) -> Group:
    """Add up and divide; 0 for shares of nothing."""
    counts = [count for _, count in cities]

    def total(word: str) -> int:
        return sum(getattr(count, word) for count in counts)

    attempts, answered = total("attempts"), total("answered")
    waits = sorted(wait for count in counts for wait in count.waits)
    staffed_s = sum(staffed_seconds(spec, horizon_s) for spec, _ in cities)
    busy_s = sum(count.busy_s for count in counts)
    tries = max(1, attempts)
    return Group(
        attempts=attempts,
        connect_rate=answered / tries,
        people_answered=total("people") / max(1, total("callers")),
        asa_s=sum(waits) / max(1, answered),
        p95_wait_s=waits[int(0.95 * len(waits))] if waits else 0.0,
        abandoned=total("abandoned") / tries,
        sl15=total("in_sl") / tries,
        sl60=total("in_60") / tries,
        occupancy=busy_s / max(1.0, staffed_s),
        answered=answered,
        answered_remote=total("remote"),
        answered_for_others=total("given"),
    )


def staffed_seconds(spec: SimCity, horizon_s: float) -> float:
    """Agent seconds on duty."""
    ends = [at for at, _ in spec.staff[1:]] + [horizon_s]
    return sum(n * max(0.0, min(end, horizon_s) - at) for (at, n), end in zip(spec.staff, ends, strict=True))


def _bins(cities: Iterable[Populace], word: str) -> tuple[tuple[int, int], ...]:
    columns = [zip(city.counts.bin_attempts, getattr(city.counts, word), strict=True) for city in cities]
    return tuple((sum(a for a, _ in row), sum(b for _, b in row)) for row in zip(*columns, strict=True))


def engine_for(scenario: Scenario, policy: str, seed: int) -> Engine:
    """The run a policy's name stands for; ValueError for an unknown one."""
    free = replace(scenario.remote, setup_s=0.0, setup_cv=0.0, latency_s=0.0, rona_p=0.0)
    if policy == "none":
        return Engine(scenario, seed, NoHelp())
    if policy == "pooled":
        return Engine(replace(scenario, remote=replace(free, aht_factor=1.0)), seed, NoHelp(), pooled=True)
    if policy == "static":
        return Engine(scenario, seed, Static())
    if policy == "policy":
        return Engine(scenario, seed, Sharing())
    if policy in {"limit", "ideal"}:
        return Engine(replace(scenario, remote=free), seed, Sharing() if policy == "limit" else Sharing(0, protect=False))
    raise ValueError(f"no policy is named {policy!r}; known: {', '.join(POLICIES)}")


def run_once(scenario: Scenario, policy: str, seed: int) -> Outcome:
    """One run from start to end."""
    engine = engine_for(scenario, policy, seed)
    engine.run()
    return outcome_of(engine, policy)


class Lived(Protocol):
    """A finished run, of either depth."""

    @property
    def cities(self) -> Sequence[Populace]:
        """Every city's citizens, in the scenario's order."""

    @property
    def pooled(self) -> bool:
        """Whether all agents were everybody's."""

    scenario: Scenario
    seed: int
    set_ups: int
    rings: int
    wasted: int
    cancelled: int
    empty_answers: int


def outcome_of(engine: Lived, policy: str) -> Outcome:
    """The figures of a finished run."""
    scenario = engine.scenario
    names = assisted_names(scenario)
    assisted = [city for city in engine.cities if city.spec.name in names]
    # When everybody is assisted everybody helps, too.
    helping = [city for city in engine.cities if city.spec.name not in names] or assisted

    together = group([(city.spec, city.counts) for city in engine.cities], scenario.horizon_s)

    def of(cities: Iterable[Populace]) -> Group:
        one = group([(city.spec, city.counts) for city in cities], scenario.horizon_s)
        # Pooled agents belong to nobody: their occupancy is everybody's.
        return replace(one, occupancy=together.occupancy) if engine.pooled else one

    counts = [city.counts for city in engine.cities]
    return Outcome(
        scenario=scenario.name,
        policy=policy,
        seed=engine.seed,
        assisted=of(assisted),
        helping=of(helping),
        cities={city.spec.name: of([city]) for city in engine.cities},
        helpers=tuple(city.spec.name for city in helping),
        set_ups=engine.set_ups,
        rings=engine.rings,
        wasted=engine.wasted,
        cancelled=engine.cancelled,
        empty_answers=engine.empty_answers,
        cut=sum(count.cut for count in counts),
        lost_by_trunk=sum(count.lost_by_trunk for count in counts),
        lost_by_pbx=sum(count.lost_by_pbx for count in counts),
        bins=_bins(assisted, "bin_in_60"),
        helping_bins=_bins(helping, "bin_in_sl"),
    )


def stressed(without: Outcome) -> set[int]:
    """Quarter hours in which, without help, fewer than STRESS are answered within a minute; widened by one each way."""
    bad = {place for place, (tries, good) in enumerate(without.bins) if tries and good < STRESS * tries}
    return {place + step for place in bad for step in (-1, 0, 1)}


def sl_in(outcome: Outcome, places: set[int]) -> float | None:
    """Service level of the helping cities in these quarter hours; None if nobody called there."""
    rows: list[Any] = [outcome.helping_bins[place] for place in sorted(places) if 0 <= place < len(outcome.helping_bins)]
    tries = sum(row[0] for row in rows)
    return sum(row[1] for row in rows) / tries if tries else None
