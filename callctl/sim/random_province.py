"""A random province, its citizens, its supervisors' acts and its bad luck, all drawn from one seed."""

import random
from dataclasses import dataclass, replace
from types import MappingProxyType

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.sim.draws import stream
from callctl.sim.scenario import Redial, Remote, Scenario, SimCity

CITIES_MOST = 13
CALLS = 110  # A province, about; dense, in one or two minutes.
BINS = 6  # The load changes so often.
TALKS_S = (2.0, 4.0, 7.0, 12.0, 20.0, 35.0, 60.0)  # Few values: a table of quantiles costs as much as forty calls.
# What goes wrong, and how often compared with the others.
TROUBLES = {
    "link cut": 3, "link slow": 3, "facts lost": 1, "facts doubled": 2, "wire cut": 3, "trunk flaps": 2, "pbx dead": 2,
    "pbx frozen": 2, "slow pbx": 1, "controller killed": 3, "controller stopped": 1, "two controllers": 2,
    "controller without registry": 2, "registry lost": 2, "registry forgets": 2, "history lost": 1, "breaks": 3,
    "no answers": 3,
}  # fmt: skip
ASLEEP = "controller asleep"
ASLEEP_FROM, ASLEEP_SHARE = 30_000, 0.2  # Named seeds below keep the province they are named for.
FREESWITCH_FROM, FREESWITCH_SHARE = 110_000, 0.3
ACTS = {"switch": 3, "quota": 4, "stop": 1, "share": 2, "priority": 1, "event ends": 1}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something goes wrong at `at` (scenario seconds) and is mended after `for_s`."""

    at: float
    kind: str
    city: str
    other: str
    for_s: float
    size: float  # Between 0 and 1; what it means is the kind's own.


@dataclass(frozen=True, slots=True)
class Act:
    """What a supervisor wants from `at` on."""

    at: float
    what: str
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class RandomProvince:
    """All that one seed gives."""

    seed: int
    province: Province
    scenario: Scenario
    acts: tuple[Act, ...]  # The first is at 0.
    troubles: tuple[Trouble, ...]
    controllers: int
    dead_end: bool  # At the end no controller is left for longer than the dead man's switch waits.


def draw(seed: int) -> RandomProvince:
    """The province of this seed; the same on every machine."""
    chance = stream("fuzz", seed)
    cities = min(CITIES_MOST, chance.choice([2, 3, 3]) + int(chance.expovariate(0.5)))
    codes = ["c" + chr(97 + place) for place in range(cities)]
    assisted = chance.sample(codes, chance.choice([1] * 6 + [min(2, cities)] * 5 + [min(3, cities)] * 3 + [cities]))
    horizon_s = chance.uniform(50.0, 110.0)
    made = {code: _city(chance, code, place, codes) for place, code in enumerate(codes)}
    province = Province(MappingProxyType(_with_freeswitch(seed, made)))
    towns = _towns(chance, province, assisted, horizon_s)
    scenario = Scenario(
        name=f"fuzz-{seed}",
        seed=seed,
        horizon_s=horizon_s,
        warmup_s=0.0,
        remote=replace(
            Remote(),
            setup_s=chance.choice([0.5, 1.0, 2.0, 4.0]),
            rona_p=chance.choice([0.0, 0.02, 0.2]),
            aht_factor=chance.uniform(1.0, 1.5),
        ),
        bin_cv=0.0,
        day_cv=0.0,
        switches=(),
        faults=(),
        cities=towns,
    )
    return RandomProvince(
        seed,
        province,
        scenario,
        _acts(chance, province, assisted, horizon_s),
        (*_troubles(chance, codes, horizon_s), *_asleep(seed, codes[0], horizon_s)),
        chance.choice([1, 1, 2]),
        chance.random() < 0.1,
    )


def _city(chance: random.Random, code: str, place: int, codes: list[str]) -> City:
    kinds = [Lending.SHARED] * chance.randint(1, 7)
    kinds += [Lending.DEDICATED] * chance.choice([0, 0, 0, 1, 2]) + [Lending.NO] * chance.choice([0, 0, 1])
    chance.shuffle(kinds)
    others = [other for other in codes if other != code]
    # Trunks are mostly everywhere; now and then one end is missing.
    trunks = tuple(
        Trunk(other, "127.0.0.1", chance.choice([1, 2, 4, 8, 30, 30])) for other in others if chance.random() < 0.95
    )
    return City(
        code=code,
        name_zh=code,
        area_code="0510",
        pbx=PbxAddress(PbxKind.ASTERISK, f"127.0.{place + 11}.1"),
        queue=QueueRules(
            wait_threshold_s=chance.choice([1.0, 3.0, 5.0, 10.0]),
            release_after_s=chance.choice([5.0, 15.0, 60.0]),
            wrapup_s=chance.choice([0.0, 1.0, 5.0]),
            survey=chance.random() < 0.3,
            offer_callback=chance.random() < 0.5,
            pause_unanswered=chance.random() < 0.2,
        ),
        lend=LendRules(
            reserve=chance.choice([0, 0, 1, 1, 2]),
            quota=chance.choice([0, 1, 2, 3, 4, 5, 6, 8, 8]),
            helps=("*",) if chance.random() < 0.8 else tuple(chance.sample(others, chance.randint(0, len(others)))),
        ),
        trunks=trunks,
        seats=tuple(
            Seat(f"{place + 11}{number:03d}", f"{place + 11}{number:03d}", f"话务员{number}", kind)
            for number, kind in enumerate(kinds, 1)
        ),
    )


def _with_freeswitch(seed: int, made: dict[str, City]) -> dict[str, City]:
    """Some cities have a FreeSWITCH, in half of the provinces; drawn apart, so that it changes nothing else of the seed."""
    chance = stream("fuzz kinds", seed)
    if seed < FREESWITCH_FROM or chance.random() < 0.5:
        return made

    def kind() -> PbxKind:
        return PbxKind.FREESWITCH if chance.random() < FREESWITCH_SHARE else PbxKind.ASTERISK

    return {code: replace(city, pbx=replace(city.pbx, kind=kind())) for code, city in made.items()}


def _towns(chance: random.Random, province: Province, assisted: list[str], horizon_s: float) -> tuple[SimCity, ...]:
    """Loads that together make about CALLS calls: too much for who is assisted, now and then too much for others."""
    bin_s = horizon_s / BINS
    weights = {}
    for code, city in province.cities.items():
        seats = sum(seat.lend is not Lending.DEDICATED for seat in city.seats)
        load = chance.uniform(1.2, 3.0) if code in assisted else chance.choice([0.02, 0.1, 0.3, 0.5, 1.2])
        weights[code] = [seats * load * chance.choice([0.2, 1.0, 1.0, 2.0]) for _ in range(BINS)]
    total = sum(map(sum, weights.values())) / BINS
    # Talks as long as it takes for CALLS calls to make these loads.
    talk_s = min(TALKS_S, key=lambda mean_s: abs(mean_s - total * horizon_s / CALLS))
    per_weight = CALLS / total / BINS
    return tuple(
        SimCity(
            name=code,
            lines=chance.choice([5, 30, 200, 200, 200]),
            trunks=30,
            threshold_s=city.queue.wait_threshold_s,
            sl_target=0.8,
            supporter=True,
            staff=((0.0, len(city.seats)),),
            quota=((0.0, city.lend.quota),),
            bin_s=bin_s,
            per_h=tuple(weight * per_weight / bin_s * 3600.0 for weight in weights[code]),
            talk={"dist": "exp", "mean": talk_s},
            wrap={"dist": "det", "mean": city.queue.wrapup_s},
            patience={"dist": "exp", "mean": chance.choice([10.0, 30.0, 120.0])},
            redial=Redial(0.3, 0.5, {"dist": "exp", "mean": 5.0}, {"dist": "exp", "mean": 10.0}, 3),
        )
        for code, city in province.cities.items()
    )


def _times(chance: random.Random, number: int, horizon_s: float) -> list[float]:
    return sorted(chance.uniform(0.0, horizon_s) for _ in range(number))


def _choose(chance: random.Random, weighted: dict[str, int]) -> str:
    return chance.choices([*weighted], [*weighted.values()])[0]


def _acts(chance: random.Random, province: Province, assisted: list[str], horizon_s: float) -> tuple[Act, ...]:
    events = {code: _event(chance, province, code) for code in assisted}
    wishes = Wishes(1, MappingProxyType(events))
    acts = [Act(0.0, "start", wishes)]
    for at in _times(chance, chance.choice([0, 0, 1, 2, 5]), horizon_s):
        what = _choose(chance, ACTS)
        wishes = _changed(chance, province, wishes, what)
        acts.append(Act(at, what, wishes))
    return tuple(acts)


def _event(chance: random.Random, province: Province, code: str) -> AssistanceEvent:
    shares = {other: chance.randint(0, 4) for other in province.cities if other != code} if chance.random() < 0.2 else {}
    priority = chance.choice([0.5, 1.0, 1.0, 3.0])
    return AssistanceEvent(f"e-{code}", code, "支援", 0.0, priority, switched_on=True, seats=MappingProxyType(shares))


def _changed(chance: random.Random, province: Province, wishes: Wishes, what: str) -> Wishes:
    if what == "stop":
        return replace(wishes, stopped=not wishes.stopped)
    if what == "quota":
        return replace(
            wishes, quotas=MappingProxyType({**wishes.quotas, chance.choice([*province.cities]): chance.randint(0, 4)})
        )
    code = chance.choice([*province.cities])
    events = dict(wishes.events)
    known = events.get(code) or _event(chance, province, code)
    if what == "event ends":
        events.pop(code, None)
    elif what == "switch":
        events[code] = replace(known, switched_on=not known.switched_on)
    elif what == "priority":
        events[code] = replace(known, priority=chance.choice([0.2, 1.0, 5.0]))
    else:
        events[code] = replace(known, seats=_event(chance, province, code).seats)
    return replace(wishes, events=MappingProxyType(events))


def _asleep(seed: int, code: str, horizon_s: float) -> tuple[Trouble, ...]:
    """Now and then a controller is stopped and goes on later; drawn apart, so that it changes nothing else of the seed."""
    chance = stream("fuzz asleep", seed)
    if seed < ASLEEP_FROM or chance.random() >= ASLEEP_SHARE:
        return ()
    for_s = chance.choice([chance.uniform(0.5, 5.0), chance.uniform(5.0, 30.0)])
    return (Trouble(chance.uniform(0.0, horizon_s), ASLEEP, code, code, for_s, chance.random()),)


def _troubles(chance: random.Random, codes: list[str], horizon_s: float) -> tuple[Trouble, ...]:
    troubles = []
    for at in _times(chance, chance.choice([0, 1, 2, 3, 5, 8]), horizon_s):
        city, other = chance.sample(codes, 2)
        for_s = chance.choice([chance.uniform(0.5, 5.0), chance.uniform(5.0, 30.0)])
        troubles.append(Trouble(at, _choose(chance, TROUBLES), city, other, for_s, chance.random()))
    return tuple(troubles)
