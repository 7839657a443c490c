"""A scenario file: cities, citizens, faults and switches of some hours or days, read from JSON and checked as a whole.

Format: docs/SIMULATION.md. All mistakes are reported at once, each with its place and how to mend it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callctl.sim.draws import FAMILIES

Steps = tuple[tuple[float, int], ...]
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
    wrapping: int = 0  # Own agents in wrap-up.
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
    channels: Mapping[str, int] = field(default_factory=dict)  # Calls at a time, by assisted city.
    start: Start = NOTHING
    label: str = ""  # The name for people; empty: the name itself.

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


class ScenarioError(Exception):
    """The file cannot be used; `mistakes` names every one of them."""

    def __init__(self, source: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{source}: {mistake}" for mistake in mistakes))


class _Reader:
    """Reads keys and remembers every mistake instead of stopping at the first."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        self.mistakes.append(f"{where}: {what}")

    def known(self, table: Mapping[str, Any], where: str, words: Sequence[str]) -> None:
        for word in table:
            if word not in words:
                self.wrong(f"{where}.{word}" if where else word, f"unknown key; known: {', '.join(words)}")

    def table(self, table: Mapping[str, Any], key: str, where: str, needed: bool = False) -> Mapping[str, Any]:
        got = table.get(key)
        if isinstance(got, Mapping):
            return got
        if got is not None or needed:
            self.wrong(f"{where}{key}", "must be an object { }" if got is not None else "is missing")
        return {}

    def number(
        self,
        table: Mapping[str, Any],
        key: str,
        where: str,
        default: float | None = None,
        low: float = 0.0,
        high: float = 1e12,
    ) -> float:
        got = table.get(key, default)
        if got is None:
            self.wrong(f"{where}{key}", "is missing")
            return low
        if isinstance(got, bool) or not isinstance(got, int | float) or not low <= got <= high:
            upper = f" to {high:g}" if high < 1e12 else " or more"
            self.wrong(f"{where}{key}", f"is {got!r}; must be a number, {low:g}{upper}")
            return low
        return float(got)

    def items(self, table: Mapping[str, Any], key: str, where: str, needed: bool = False) -> list[Any]:
        got = table.get(key)
        if isinstance(got, list):
            return got
        if got is not None or needed:
            self.wrong(f"{where}{key}", "must be a list [ ]" if got is not None else "is missing")
        return []

    def steps(self, table: Mapping[str, Any], key: str, where: str, default: int) -> Steps:
        steps: list[tuple[float, int]] = []
        for step in self.items(table, key, where):
            ok = isinstance(step, list) and len(step) == 2 and all(isinstance(x, int | float) for x in step)
            if not ok or step[0] < 0 or step[1] < 0 or step[1] != int(step[1]):
                self.wrong(f"{where}{key}", f"{step!r} must be [seconds, number], both 0 or more")
            elif steps and step[0] < steps[-1][0]:
                self.wrong(f"{where}{key}", f"{step!r} is earlier than the step before it")
            else:
                steps.append((float(step[0]), int(step[1])))
        if not steps or steps[0][0] > 0.0:
            steps.insert(0, (0.0, default))
        return tuple(steps)

    def dist(self, table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
        spec = self.table(table, key, where, needed=True)
        if not spec:
            return {"dist": "det", "mean": 1.0}
        family = FAMILIES.get(str(spec.get("dist")))
        if family is None:
            self.wrong(f"{where}{key}.dist", f"is {spec.get('dist')!r}; known: {', '.join(FAMILIES)}")
            return {"dist": "det", "mean": 1.0}
        for word in sorted(family[0] | {"dist"} ^ spec.keys()):
            if word in family[0] and word not in spec:
                self.wrong(f"{where}{key}.{word}", f"is missing; {spec['dist']} needs {', '.join(sorted(family[0]))}")
        checked: dict[str, Any] = {"dist": spec["dist"]}
        for word in family[0] & spec.keys():
            low = 1 if word == "k" else 0.0 if word in {"mean", "cv", "p"} else 1e-9
            checked[word] = self.number(spec, word, f"{where}{key}.", low=low, high=0.999999 if word == "p" else 1e12)
        self.known(spec, f"{where}{key}", ["dist", *sorted(family[0])])
        if spec["dist"] == "hyper" and checked.get("mean", 0) <= checked.get("p", 0) * checked.get("m1", 0):
            self.wrong(f"{where}{key}.m1", "p times m1 must be below the mean")
        return checked


CITY_KEYS = (
    *("name", "lines", "trunks", "threshold_s", "sl_target", "supporter", "weight", "staff", "quota"),
    *("arrivals", "talk", "wrap", "patience", "redial", "reserve", "release_s", "dedicated", "channels", "start", "label"),
)
START_KEYS = ("waiting_s", "talking_s", "wrapping", "lent_s", "active")


def _redial(reader: _Reader, city: Mapping[str, Any], where: str) -> Redial:
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


def _ages(reader: _Reader, table: Mapping[str, Any], key: str, where: str, unknown: bool) -> tuple[float | None, ...]:
    ages = reader.items(table, key, where)
    for age in ages:
        known = not isinstance(age, bool) and isinstance(age, int | float) and age >= 0
        if not known and not (age is None and unknown):
            reader.wrong(f"{where}{key}", f"{age!r} must be seconds, 0 or more" + (", or null" if unknown else ""))
            return ()
    return tuple(ages)


def _start(reader: _Reader, city: Mapping[str, Any], where: str) -> Start:
    if "start" not in city:
        return NOTHING
    spec = reader.table(city, "start", where)
    where += "start."
    reader.known(spec, where[:-1], START_KEYS)
    lent = reader.table(spec, "lent_s", where)
    return Start(
        tuple(age for age in _ages(reader, spec, "waiting_s", where, False) if age is not None),
        _ages(reader, spec, "talking_s", where, True),
        int(reader.number(spec, "wrapping", where, 0)),
        {name: _ages(reader, lent, name, f"{where}lent_s.", True) for name in lent},
        bool(spec.get("active", False)),
    )


def _channels(reader: _Reader, city: Mapping[str, Any], where: str) -> Mapping[str, int]:
    spec = reader.table(city, "channels", where)
    return {name: int(reader.number(spec, name, f"{where}channels.")) for name in spec}


def _city(reader: _Reader, spec: object, place: int) -> SimCity | None:
    if not isinstance(spec, Mapping):
        reader.wrong(f"cities[{place}]", "must be an object { }")
        return None
    name = spec.get("name")
    if not isinstance(name, str) or not name:
        reader.wrong(f"cities[{place}].name", "is missing")
        name = f"cities[{place}]"
    where = f"{name}."
    reader.known(spec, name, CITY_KEYS)
    arrivals = reader.table(spec, "arrivals", where, needed=True)
    reader.known(arrivals, f"{where}arrivals", ("bin_s", "per_h"))
    rates = reader.items(arrivals, "per_h", f"{where}arrivals.", needed=bool(arrivals))
    if not all(isinstance(rate, int | float) and rate >= 0 for rate in rates):
        reader.wrong(f"{where}arrivals.per_h", "every rate must be a number, 0 or more")
        rates = []
    return SimCity(
        name=name,
        lines=int(reader.number(spec, "lines", where)),
        trunks=int(reader.number(spec, "trunks", where, 30)),
        threshold_s=reader.number(spec, "threshold_s", where, 20.0),
        sl_target=reader.number(spec, "sl_target", where, 0.8, high=1.0),
        supporter=bool(spec.get("supporter", True)),
        staff=reader.steps(spec, "staff", where, 0),
        quota=reader.steps(spec, "quota", where, 0),
        bin_s=reader.number(arrivals, "bin_s", f"{where}arrivals.", 900.0, low=1.0),
        per_h=tuple(map(float, rates)),
        talk=reader.dist(spec, "talk", where),
        wrap=reader.dist(spec, "wrap", where),
        patience=reader.dist(spec, "patience", where),
        redial=_redial(reader, spec, where),
        weight=reader.number(spec, "weight", where, 1.0, low=0.001),
        reserve=int(reader.number(spec, "reserve", where, 1)),
        release_s=reader.number(spec, "release_s", where, 60.0),
        dedicated=int(reader.number(spec, "dedicated", where, 0)),
        channels=_channels(reader, spec, where),
        start=_start(reader, spec, where),
        label=str(spec.get("label", "")),
    )


def _switches(reader: _Reader, spec: Mapping[str, Any], names: set[str]) -> tuple[tuple[float, str, bool], ...]:
    switches = []
    for place, switch in enumerate(reader.items(spec, "assist", "")):
        if not isinstance(switch, list) or len(switch) != 3 or not isinstance(switch[0], int | float) or switch[0] < 0:
            reader.wrong(f"assist[{place}]", f"{switch!r} must be [seconds, city, true or false]")
        elif switch[1] not in names:
            reader.wrong(f"assist[{place}]", f"no city is named {switch[1]!r}")
        else:
            switches.append((float(switch[0]), str(switch[1]), bool(switch[2])))
    return tuple(sorted(switches, key=lambda switch: switch[0]))


def _faults(reader: _Reader, spec: Mapping[str, Any], names: set[str]) -> tuple[Fault, ...]:
    faults = []
    for place, fault in enumerate(reader.items(spec, "faults", "")):
        where = f"faults[{place}]"
        if not isinstance(fault, Mapping):
            reader.wrong(where, "must be an object { }")
            continue
        reader.known(fault, where, ("t", "kind", "city", "dur"))
        if fault.get("kind") not in FAULTS:
            reader.wrong(f"{where}.kind", f"is {fault.get('kind')!r}; known: {', '.join(FAULTS)}")
        if fault.get("city") not in names:
            reader.wrong(f"{where}.city", f"no city is named {fault.get('city')!r}")
        at, for_s = reader.number(fault, "t", f"{where}."), reader.number(fault, "dur", f"{where}.")
        faults.append(Fault(at, str(fault.get("kind")), str(fault.get("city")), for_s))
    return tuple(faults)


def _remote(reader: _Reader, spec: Mapping[str, Any]) -> Remote:
    defaults = Remote()
    words = Remote.__slots__
    reader.known(spec, "remote", words)
    highs = {"rona_p": 1.0}
    return Remote(
        **{word: reader.number(spec, word, "remote.", getattr(defaults, word), high=highs.get(word, 1e6)) for word in words}
    )


SCENARIO_KEYS = (
    *("name", "note", "begins_s", "seed", "horizon_s", "warmup_s", "remote", "noise", "assist", "faults", "cities"),
)


def scenario_from(spec: object, source: str) -> Scenario:
    """Check a parsed scenario. ScenarioError names every mistake."""
    if not isinstance(spec, Mapping):
        raise ScenarioError(source, ["the file must hold one object { }"])
    reader = _Reader()
    reader.known(spec, "", SCENARIO_KEYS)
    noise = reader.table(spec, "noise", "")
    reader.known(noise, "noise", ("bin_cv", "day_cv"))
    cities = [_city(reader, city, place) for place, city in enumerate(reader.items(spec, "cities", "", needed=True))]
    names = [city.name for city in cities if city]
    for name in sorted({name for name in names if names.count(name) > 1}):
        reader.wrong(f"cities: {name}", "is there twice; every city needs its own name")
    for city in filter(None, cities):
        for name in sorted({*city.channels, *city.start.lent_s} - set(names)):
            reader.wrong(f"{city.name}.channels and start.lent_s", f"no city is named {name!r}")
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
    )
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
        return scenario_from(json.loads(text), str(path))
    except json.JSONDecodeError as error:
        raise ScenarioError(str(path), [f"line {error.lineno}: not JSON: {error.msg}"]) from None
