"""The province of this moment as a scenario: what the controller publishes, what was measured, what is expected.

A saved one is an ordinary scenario file with a `start` for each city; `callctl simulate` reads it, too.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from callctl.core.acts import Sentence
from callctl.core.model import City, Lending, Pair, Province
from callctl.sim.coming import lent_now, waves_to_come
from callctl.sim.forecast import BIN_S, shaped
from callctl.sim.scenario import NOTHING, Scenario

TALK_S, TALK_CV = 150.0, 1.1  # Until measured: domain knowledge, a 12345 talk of 150 s, spread like log-normal 0.9.
PATIENCE_S = 180.0
NO_LIMIT = 100_000
ON_DUTY = ("free", "ringing", "busy", "wrap_up")


@dataclass(frozen=True, slots=True)
class Measured:
    """What the last hours showed of one city's citizens; None: too few to say."""

    per_h: float
    talk_s: float | None = None
    patience_s: float | None = None


def snapshot(
    province: Province,
    picture: Mapping[str, Any],
    measured: Mapping[str, Measured],
    begins_s: float,
    hours: float,
    day: str,
) -> tuple[dict[str, Any], list[Sentence]]:
    """A scenario file's content, and what a person must know about it."""
    notes: list[Sentence] = []
    bins = max(1, round(hours * 3600.0 / BIN_S))
    wishes = picture.get("wishes") or {}
    cities = []
    for code, city in province.cities.items():
        shown = (picture.get("cities") or {}).get(code)
        if not shown or not shown.get("up"):
            notes.append(
                Sentence(f"{city.name_zh}情况未知，未计入", f"{city.name_zh} ({code}) is unknown now and left out")
            )
            continue
        cities.append(_city(province, city, picture, measured.get(code), notes) | {"arrivals": {"bin_s": BIN_S}})
        rate = _rate(cities[-1], measured.get(code), city, notes)
        cities[-1]["arrivals"]["per_h"] = list(shaped(rate, begins_s, bins, day))
    known = {city["name"] for city in cities}
    for row in cities:
        row["channels"] = {name: most for name, most in row["channels"].items() if name in known}
        row["shares"] = {name: steps for name, steps in row["shares"].items() if name in known}
        row["start"]["lent_s"] = {name: talks for name, talks in row["start"]["lent_s"].items() if name in known}
    events = wishes.get("events") or {}
    on = [
        code for code, event in events.items() if event.get("switched_on") and code in known and not wishes.get("stopped")
    ]
    spec = {
        "name": "now",
        "begins_s": begins_s,
        "horizon_s": bins * BIN_S,
        "assist": [[0, code, True] for code in on],
        "waves": waves_to_come(province, picture, known, bins * BIN_S, notes),
        "cities": cities,
    }
    return spec, notes


def _rate(row: dict[str, Any], seen: Measured | None, city: City, notes: list[Sentence]) -> float:
    if seen is not None:
        return seen.per_h
    # Nothing was counted: as many calls come in as the talks of now must have begun.
    busy = len(row["start"]["talking_s"]) + sum(map(len, row["start"]["lent_s"].values())) + len(row["start"]["waiting_s"])
    handled_s = float(row["talk"]["mean"])
    notes.append(
        Sentence(
            f"{city.name_zh}还没有来电记录，来电量按正在进行的通话估计",
            f"no calls of {city.name_zh} ({city.code}) were recorded lately: the rate is guessed from the talks of now",
        )
    )
    return 3600.0 * busy / handled_s


def _city(
    province: Province, city: City, picture: Mapping[str, Any], seen: Measured | None, notes: list[Sentence]
) -> dict[str, Any]:
    code, shown = city.code, picture["cities"][city.code]
    wishes = picture.get("wishes") or {}
    states: Mapping[str, str] = shown.get("seat_states") or {}
    on_duty = {seat for seat, state in states.items() if state in ON_DUTY}
    lendable = sum(seat.lend is not Lending.NO and seat.id in on_duty for seat in city.seats)
    dedicated = sum(seat.lend is Lending.DEDICATED and seat.id in on_duty for seat in city.seats)
    talk_s = seen.talk_s if seen is not None and seen.talk_s else TALK_S
    patience_s = seen.patience_s if seen is not None and seen.patience_s else PATIENCE_S
    event = (wishes.get("events") or {}).get(code) or {}
    return {
        "name": code,
        "label": city.name_zh,
        "lines": NO_LIMIT,
        "trunks": sum(trunk.channels for trunk in city.trunks),
        "threshold_s": shown["threshold_s"],
        "release_s": city.queue.release_after_s,
        "sl_target": city.queue.sl_target,
        "reserve": shown["reserve"],
        "together": shown.get("together", city.lend.together),
        "weight": event.get("priority", 1.0),
        "staff": [[0, len(on_duty)]],
        "dedicated": dedicated,
        "lendable": lendable,
        "quota": [[0, min(shown["quota"], lendable)]],
        "channels": _channels(province, city),
        "shares": _shares(city, wishes),
        "talk": {"dist": "lognorm", "mean": talk_s, "cv": TALK_CV},
        "wrap": {"dist": "det", "mean": city.queue.wrapup_s},
        "patience": {"dist": "exp", "mean": patience_s},
        "start": _start(city, picture),
    }


def _channels(province: Province, city: City) -> dict[str, int]:
    """Calls at a time from each other city that may be helped; 0 where the two may or can not."""
    others = [other.code for other in province.cities.values() if other.code != city.code]
    return {other: province.channels(Pair(other, city.code)) if city.may_help(other) else 0 for other in others}


def _shares(city: City, wishes: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """Seats of this city in each event that names seats."""
    return {
        assisted: [[0, most.get(city.code, 0)]]
        for assisted, event in (wishes.get("events") or {}).items()
        if assisted != city.code and (most := lent_now(event))
    }


def _start(city: City, picture: Mapping[str, Any]) -> dict[str, Any]:
    """Where everybody is. How long each waiting caller has waited is not published: spread up to the longest."""
    cities, shown = picture["cities"], picture["cities"][city.code]
    waiting, longest_s = shown["waiting"] or 0, shown["longest_wait_s"] or 0.0
    lent = {
        other: [None] * int(view["lent_in"][city.code]["in_use"])
        for other, view in cities.items()
        if view.get("up") and (view.get("lent_in") or {}).get(city.code, {}).get("in_use")
    }
    busy = shown["seats"]["busy"] or 0
    return {
        "waiting_s": [round(longest_s * (1.0 - i / waiting), 1) for i in range(waiting)],
        "talking_s": [None] * max(0, busy - sum(map(len, lent.values()))),
        "wrapping": shown["seats"]["wrap_up"] or 0,
        "wrapping_dedicated": sum(
            seat.lend is Lending.DEDICATED and (shown.get("seat_states") or {}).get(seat.id) == "wrap_up"
            for seat in city.seats
        ),
        "lent_s": lent,
        "active": shown["assistance"] == "acting",
    }


def spec_of(scenario: Scenario) -> dict[str, Any]:
    """A scenario as its file's content; read again it is the same scenario."""
    cities = []
    for city in scenario.cities:
        row = asdict(city)
        row["arrivals"] = {"bin_s": row.pop("bin_s"), "per_h": list(row.pop("per_h"))}
        row["redial"]["max"] = row["redial"].pop("most")
        if city.start == NOTHING:
            del row["start"]
        cities.append(row)
    return {
        "name": scenario.name,
        "note": scenario.note,
        "begins_s": scenario.begins_s,
        "seed": scenario.seed,
        "horizon_s": scenario.horizon_s,
        "warmup_s": scenario.warmup_s,
        "remote": asdict(scenario.remote),
        "noise": {"bin_cv": scenario.bin_cv, "day_cv": scenario.day_cv},
        "assist": [list(switch) for switch in scenario.switches],
        "waves": [asdict(wave) for wave in scenario.waves],
        "faults": [{"t": f.at, "kind": f.kind, "city": f.city, "dur": f.for_s} for f in scenario.faults],
        "cities": cities,
    }
