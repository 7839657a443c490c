"""A scenario file: cities, citizens, faults and switches of some hours or days, read from JSON and checked as a whole.

Format: docs/SIMULATION.md. All mistakes are reported at once, each with its place and how to mend it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callctl.core.model import RING_TOGETHER
from callctl.sim.spec_reader import SpecReader, Steps, parsed, stepped

FAULTS = ("trunk_down", "pbx_down")


@dataclass(frozen=True, slots=True)
class Remote:
    """What it costs to bring a caller to a lent seat."""

    setup_s: float = 3.0
    setup_cv: float = 0.3
    latency_s: float = 0.05
    aht_factor: float = 1.1
    rona_p: float = 0.01  # Share of rings nobody answers.
    rona_s: float = 15.0
    invite_timeout_s: float = 4.0  # A leg into a dead trunk gives up after this.
    detect_s: float = 10.0  # A dead trunk or a dead talk is noticed after this.


@dataclass(frozen=True, slots=True)
class Redial:
    """Who tries again, and when."""

    p_block: float
    p_abandon: float
    delay_block: Mapping[str, Any]
    delay_abandon: Mapping[str, Any]
    most: int


@dataclass(frozen=True, slots=True)
class Start:
    """A city at time 0, in the middle of its day."""

    waiting_s: tuple[float, ...] = ()  # How long each waiting caller has waited.
    talking_s: tuple[float | None, ...] = ()  # How long each own talk has lasted; None: not known.
    wrapping: int = 0  # Agents in wrap-up.
    wrapping_dedicated: int = 0  # Of them, those of dedicated seats.
    lent_s: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)  # By assisted city.
    active: bool = False  # Assistance acts for this city.


NOTHING = Start()


@dataclass(frozen=True, slots=True)
class SimCity:
    """One city of a scenario."""

    name: str
    lines: int  # PSTN lines; a caller without one hears busy.
    trunks: int  # Legs of the inter-city group, in and out together.
    threshold_s: float
    sl_target: float
    supporter: bool
    staff: Steps
    quota: Steps
    bin_s: float
    per_h: tuple[float, ...]  # Nobody new calls after the last bin.
    talk: Mapping[str, Any]
    wrap: Mapping[str, Any]
    patience: Mapping[str, Any]
    redial: Redial
    weight: float = 1.0
    reserve: int = 1  # Free agents always kept home, at least.
    release_s: float = 60.0
    dedicated: int = 0  # Of the staff, seats that take only assisted calls.
    lendable: int | None = None  # Of the staff, seats that may be lent at all, dedicated ones with them; None: all.
    channels: Mapping[str, int] = field(default_factory=dict)  # Calls at a time, by assisted city.
    shares: Mapping[str, Steps] = field(
        default_factory=dict
    )  # Seats in the event of an assisted city; not named: by quota.
    together: int = RING_TOGETHER  # Most lent seats that ring together for one caller.
    start: Start = NOTHING
    label: str = ""  # The name for people; empty: the name itself.

    def may_lend(self, quota: int) -> int:
        """Seats it can lend where it is asked for so many."""
        return quota if self.lendable is None else min(quota, self.lendable)

    def peak_per_h(self) -> float:
        """Calls in the busiest hour of an ordinary rate curve."""
        bins = max(1, round(3600.0 / self.bin_s))
        return max(sum(self.per_h[i : i + bins]) / bins for i in range(max(1, len(self.per_h) - bins + 1)))


@dataclass(frozen=True, slots=True)
class Fault:
    """Something fails at `at` for `for_s` seconds."""

    at: float
    kind: str
    city: str
    for_s: float


@dataclass(frozen=True, slots=True)
class SimWave:
    """Seats that come on top of the shares of one city's event when the wave enters."""

    city: str  # The assisted one.
    number: int
    seats: Mapping[str, int]  # By supporting city.
    at: float | None = None  # None: it waits for somebody to let it in.


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario; `switches` are (time, city, assistance on)."""

    name: str
    seed: int
    horizon_s: float
    warmup_s: float  # Attempts before it are lived through, but not counted.
    remote: Remote
    bin_cv: float
    day_cv: float
    switches: tuple[tuple[float, str, bool], ...]
    faults: tuple[Fault, ...]
    cities: tuple[SimCity, ...]
    note: str = field(default="", compare=False)
    begins_s: float = 0.0  # Time of day at time 0, seconds after midnight.
    waves: tuple[SimWave, ...] = ()  # Of the events, those still to enter.

    def shares(self, city: SimCity) -> dict[str, Steps]:
        """Seats the city may lend to each assisted city whose event names seats, with the waves that enter."""
        found = dict(city.shares)
        for wave in self.waves:
            if (more := wave.seats.get(city.name, 0)) and wave.at is not None:
                found[wave.city] = stepped(found.get(wave.city, ((0.0, 0),)), wave.at, more.__add__)
        return found


MOST_PER_H = 1e6
MOST_S = 1e9
MOST_CALLERS = 2e7  # A day of a province has a few hundred thousand; more is a slip of the pen, and hours of waiting.


class ScenarioError(Exception):
    """The file cannot be used; `mistakes` names every one of them."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))


CITY_KEYS = (
    *("name", "lines", "trunks", "threshold_s", "sl_target", "supporter", "weight", "staff", "quota"),
    *("arrivals", "talk", "wrap", "patience", "redial", "reserve", "release_s", "dedicated", "channels", "together"),
    *("start", "label", "lendable", "shares"),
)
START_KEYS = ("waiting_s", "talking_s", "wrapping", "wrapping_dedicated", "lent_s", "active")


def _redial(reader: SpecReader, city: Mapping[str, Any], where: str) -> Redial:
    spec = reader.table(city, "redial", where)
    where += "redial."
    reader.known(spec, where[:-1], ("p_block", "p_abandon", "delay_block", "delay_abandon", "max"))
    never = {"dist": "exp", "mean": 300.0}
    return Redial(
        reader.number(spec, "p_block", where, 0.0, high=1.0),
        reader.number(spec, "p_abandon", where, 0.0, high=1.0),
        reader.dist(spec, "delay_block", where) if "delay_block" in spec else never,
        reader.dist(spec, "delay_abandon", where) if "delay_abandon" in spec else never,
        int(reader.number(spec, "max", where, 20, high=1000)),
    )


def _ages(reader: SpecReader, table: Mapping[str, Any], key: str, where: str, unknown: bool) -> tuple[float | None, ...]:
    ages = reader.items(table, key, where)
    for age in ages:
        known = not isinstance(age, bool) and isinstance(age, int | float) and 0 <= age <= MOST_S
        if not known and not (age is None and unknown):
            reader.wrong(f"{where}{key}", f"{age!r} must be seconds, 0 to {MOST_S:.0f}" + (", or null" if unknown else ""))
            return ()
    return tuple(ages)


def _start(reader: SpecReader, city: Mapping[str, Any], where: str) -> Start:
    if "start" not in city:
        return NOTHING
    spec = reader.table(city, "start", where)
    where += "start."
    reader.known(spec, where[:-1], START_KEYS)
    lent = reader.table(spec, "lent_s", where)
    wrapping = int(reader.number(spec, "wrapping", where, 0))
    return Start(
        tuple(age for age in _ages(reader, spec, "waiting_s", where, False) if age is not None),
        _ages(reader, spec, "talking_s", where, True),
        wrapping,
        int(reader.number(spec, "wrapping_dedicated", where, 0, high=wrapping)),
        {name: _ages(reader, lent, name, f"{where}lent_s.", True) for name in lent},
        reader.flag(spec, "active", where, False),
    )


def _by_city(reader: SpecReader, table: Mapping[str, Any], key: str, where: str) -> Mapping[str, int]:
    spec = reader.table(table, key, where)
    return {name: int(reader.number(spec, name, f"{where}{key}.")) for name in spec}


def _shares(reader: SpecReader, city: Mapping[str, Any], where: str) -> Mapping[str, Steps]:
    spec = reader.table(city, "shares", where)
    return {name: reader.steps(spec, name, f"{where}shares.", 0) for name in spec}


def _city(reader: SpecReader, spec: object, place: int) -> SimCity | None:
    if not isinstance(spec, Mapping):
        reader.wrong(f"cities[{place}]", "must be an object { }")
        return None
    name = spec.get("name")
    if not isinstance(name, str) or not name or not name.isprintable():
        reader.wrong(f"cities[{place}].name", f"is {name!r}; must be a text that can be shown" if name else "is missing")
        name = f"cities[{place}]"
    where = f"{name}."
    reader.known(spec, name, CITY_KEYS)
    arrivals = reader.table(spec, "arrivals", where, needed=True)
    reader.known(arrivals, f"{where}arrivals", ("bin_s", "per_h"))
    rates = reader.items(arrivals, "per_h", f"{where}arrivals.", needed=bool(arrivals))
    if not all(isinstance(rate, int | float) and 0 <= rate <= MOST_PER_H for rate in rates):
        reader.wrong(f"{where}arrivals.per_h", f"every rate must be a number, 0 to {MOST_PER_H:,.0f}")
        rates = []
    return SimCity(
        name=name,
        lines=int(reader.number(spec, "lines", where)),
        trunks=int(reader.number(spec, "trunks", where, 30)),
        threshold_s=reader.number(spec, "threshold_s", where, 20.0),
        sl_target=reader.number(spec, "sl_target", where, 0.8, high=1.0),
        supporter=reader.flag(spec, "supporter", where, True),
        staff=reader.steps(spec, "staff", where, 0),
        quota=reader.steps(spec, "quota", where, 0),
        bin_s=reader.number(arrivals, "bin_s", f"{where}arrivals.", 900.0, low=1.0, high=1e9),
        per_h=tuple(map(float, rates)),
        talk=reader.dist(spec, "talk", where),
        wrap=reader.dist(spec, "wrap", where),
        patience=reader.dist(spec, "patience", where),
        redial=_redial(reader, spec, where),
        weight=reader.number(spec, "weight", where, 1.0, low=0.001),
        reserve=int(reader.number(spec, "reserve", where, 1)),
        release_s=reader.number(spec, "release_s", where, 60.0),
        dedicated=int(reader.number(spec, "dedicated", where, 0)),
        lendable=None if spec.get("lendable") is None else int(reader.number(spec, "lendable", where)),
        channels=_by_city(reader, spec, "channels", where),
        shares=_shares(reader, spec, where),
        together=int(reader.number(spec, "together", where, RING_TOGETHER, low=1, high=10)),
        start=_start(reader, spec, where),
        label=str(spec.get("label", "")),
    )


def _switches(reader: SpecReader, spec: Mapping[str, Any], names: set[str]) -> tuple[tuple[float, str, bool], ...]:
    switches = []
    for place, switch in enumerate(reader.items(spec, "assist", "")):
        whole = isinstance(switch, list) and len(switch) == 3
        if not whole or not isinstance(switch[0], int | float) or not 0 <= switch[0] <= MOST_S:
            reader.wrong(f"assist[{place}]", f"{switch!r} must be [seconds, city, true or false]")
        elif not isinstance(switch[1], str) or switch[1] not in names:
            reader.wrong(f"assist[{place}]", f"no city is named {switch[1]!r}")
        elif not isinstance(switch[2], bool):
            reader.wrong(f"assist[{place}]", f"{switch[2]!r} must be true or false")
        else:
            switches.append((float(switch[0]), switch[1], switch[2]))
    return tuple(sorted(switches, key=lambda switch: switch[0]))


def _objects(
    reader: SpecReader, spec: Mapping[str, Any], key: str, words: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each with its place; what is none, or has unknown words, is told."""
    for place, one in enumerate(reader.items(spec, key, "")):
        where = f"{key}[{place}]"
        if isinstance(one, Mapping):
            reader.known(one, where, words)
            yield where, one
        else:
            reader.wrong(where, "must be an object { }")


def _faults(reader: SpecReader, spec: Mapping[str, Any], names: set[str]) -> tuple[Fault, ...]:
    faults = []
    for where, fault in _objects(reader, spec, "faults", ("t", "kind", "city", "dur")):
        if fault.get("kind") not in FAULTS:
            reader.wrong(f"{where}.kind", f"is {fault.get('kind')!r}; known: {', '.join(FAULTS)}")
        if fault.get("city") not in [*names]:  # A list compares what a set cannot hold.
            reader.wrong(f"{where}.city", f"no city is named {fault.get('city')!r}")
        at, for_s = reader.number(fault, "t", f"{where}."), reader.number(fault, "dur", f"{where}.")
        faults.append(Fault(at, str(fault.get("kind")), str(fault.get("city")), for_s))
    return tuple(faults)


def _waves(reader: SpecReader, spec: Mapping[str, Any], names: set[str]) -> tuple[SimWave, ...]:
    waves = []
    for where, wave in _objects(reader, spec, "waves", ("city", "number", "seats", "at")):
        seats = _by_city(reader, wave, "seats", f"{where}.")
        for name in [wave.get("city"), *seats]:
            if name not in [*names]:
                reader.wrong(where, f"no city is named {name!r}")
        at = None if wave.get("at") is None else reader.number(wave, "at", f"{where}.", high=MOST_S)
        waves.append(SimWave(str(wave.get("city")), int(reader.number(wave, "number", f"{where}.", low=1)), seats, at))
    return tuple(waves)


def _remote(reader: SpecReader, spec: Mapping[str, Any]) -> Remote:
    defaults = Remote()
    words = Remote.__slots__
    reader.known(spec, "remote", words)
    highs = {"rona_p": 1.0}
    return Remote(
        **{word: reader.number(spec, word, "remote.", getattr(defaults, word), high=highs.get(word, 1e6)) for word in words}
    )


SCENARIO_KEYS = (
    *("name", "note", "begins_s", "seed", "horizon_s", "warmup_s", "remote", "noise", "assist", "faults", "cities"),
    "waves",
)


def scenario_from(spec: object, source: str) -> Scenario:
    """Check a parsed scenario. ScenarioError names every mistake."""
    if not isinstance(spec, Mapping):
        raise ScenarioError(source, ["the file must hold one object { }"])
    reader = SpecReader()
    reader.known(spec, "", SCENARIO_KEYS)
    noise = reader.table(spec, "noise", "")
    reader.known(noise, "noise", ("bin_cv", "day_cv"))
    cities = [_city(reader, city, place) for place, city in enumerate(reader.items(spec, "cities", "", needed=True))]
    names = [city.name for city in cities if city]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.wrong(f"cities: {name}", "is there twice; every city needs its own name")
    for city in filter(None, cities):
        for name in sorted({*city.channels, *city.shares, *city.start.lent_s} - set(names)):
            reader.wrong(f"{city.name}.channels, shares and start.lent_s", f"no city is named {name!r}")
    horizon_s = reader.number(spec, "horizon_s", "", low=1.0, high=366 * 86400)
    scenario = Scenario(
        name=str(spec.get("name") or Path(source).stem),
        seed=int(reader.number(spec, "seed", "", 1)),
        horizon_s=horizon_s,
        warmup_s=reader.number(spec, "warmup_s", "", 0.0, high=horizon_s),
        remote=_remote(reader, reader.table(spec, "remote", "")),
        bin_cv=reader.number(noise, "bin_cv", "noise.", 0.0, high=10.0),
        day_cv=reader.number(noise, "day_cv", "noise.", 0.0, high=10.0),
        switches=_switches(reader, spec, set(names)),
        faults=_faults(reader, spec, set(names)),
        cities=tuple(filter(None, cities)),
        note=str(spec.get("note", "")),
        begins_s=reader.number(spec, "begins_s", "", 0.0, high=86400.0),
        waves=_waves(reader, spec, set(names)),
    )
    callers = sum(sum(city.per_h) * city.bin_s for city in scenario.cities) / 3600.0
    if callers > MOST_CALLERS:
        reader.wrong("arrivals", f"are {callers:,.0f} callers in all; at most {MOST_CALLERS:,.0f} can be lived through")
    if not names and not reader.mistakes:
        reader.wrong("cities", "is empty; at least one city is needed")
    if reader.mistakes:
        raise ScenarioError(source, reader.mistakes)
    return scenario


def read_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. ScenarioError names every mistake, also an unreadable file."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ScenarioError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ScenarioError(str(path), ["is not UTF-8 text"]) from None
    try:
        spec = parsed(text)
    except ValueError as error:
        raise ScenarioError(str(path), [str(error)]) from None
    return scenario_from(spec, str(path))
