"""A day that begins in the middle: who is waiting and talking at this moment, who is lent to whom.

A scenario's city may hold a `start`. Without one its room begins empty. What is not known (how long a call has lasted)
is drawn as theory says it must be: the rest of a talk found at a random moment.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from callctl.core.allocation import Help, HelpState
from callctl.sim.draws import MASK, SIZE, mixed, stream
from callctl.sim.people import TALK, TALKING, WAITING, Caller, City
from callctl.sim.scenario import NOTHING, Scenario, Start
from callctl.sim.spec_reader import Steps

if TYPE_CHECKING:
    from callctl.sim.engine import Engine


def rest_of(values: tuple[float, ...], lasted_s: float | None, chance: float, other: float) -> float:
    """How much longer something lasts that has lasted so long; `values` sorted, `chance` and `other` uniform below 1."""
    if lasted_s is not None:
        place = bisect_right(values, lasted_s)
        if place >= SIZE:
            return values[-1] * 0.05  # Longer than all we know: it ends soon.
        return values[place + int(chance * (SIZE - place))] - lasted_s
    sums = _sums(values)
    place = min(SIZE - 1, bisect_right(sums, chance * sums[-1]))
    return values[place] * other


_known_sums: dict[int, tuple[tuple[float, ...], list[float]]] = {}


def _sums(values: tuple[float, ...]) -> list[float]:
    known = _known_sums.get(id(values))
    if known is None or known[0] is not values:
        if len(_known_sums) >= 64:
            _known_sums.clear()
        known = _known_sums[id(values)] = (values, list(accumulate(values)))
    return known[1]


def place_all(engine: "Engine") -> None:
    """Put every city's callers and agents where its start says they are; then the policy looks at all of it."""
    started = [city for city in engine.cities if city.spec.start != NOTHING]
    for city in started:
        _Opening(engine, city).place()
    for city in started:
        engine.policy.switched(city)
        engine.use_idle(city)


class _Opening:
    """One city's people at the beginning."""

    def __init__(self, engine: "Engine", city: City) -> None:
        self.engine, self.city, self.start = engine, city, city.spec.start
        self.chance = stream(engine.scenario.name, engine.seed, city.spec.name, "start")

    def place(self) -> None:
        room, start = self.city.room, self.start
        for lasted_s in start.talking_s:
            self._talks_at_home(lasted_s)
        for number in range(start.wrapping):
            if number < start.wrapping_dedicated and room.dedicated > 0:
                room.dedicated -= 1
                self.engine.at(self._rest(self.city.wrap, None), self._dedicated_ready, None)
            else:
                room.idle -= 1
                self.engine.at(self._rest(self.city.wrap, None), self.engine._agent_ready, self.city)
        for assisted, talks in start.lent_s.items():
            for lasted_s in talks:
                self._talks_lent(self.engine.by_name[assisted], lasted_s)
        for age_s in sorted(start.waiting_s, reverse=True):
            self._waits(age_s)
        if start.active and room.switched_on:
            room.active = True
            room.calm_since = math.inf if room.waiting else self.engine.now

    def _dedicated_ready(self, _: None) -> None:
        self.city.room.dedicated += 1
        self.engine.use_idle(self.city)

    def _rest(self, values: tuple[float, ...], lasted_s: float | None) -> float:
        return rest_of(values, lasted_s, self.chance.random(), self.chance.random())

    def _caller(self, city: City) -> Caller:
        caller = Caller(city, self.chance.getrandbits(64))
        caller.bits = mixed(caller.key, 0)
        city.lines_free -= 1
        return caller

    def _talks_at_home(self, lasted_s: float | None) -> None:
        city, caller = self.city, self._caller(self.city)
        city.room.idle -= 1
        caller.state, caller.met = TALKING, True
        caller.due = self._rest(city.talk, lasted_s)
        city.talks[caller] = None
        self.engine.at(caller.due, self.engine._end_home_talk, caller)

    def _talks_lent(self, assisted: City, lasted_s: float | None) -> None:
        engine, caller = self.engine, self._caller(assisted)
        factor = engine.scenario.remote.aht_factor
        caller.state, caller.met = TALKING, True
        caller.due = factor * self._rest(assisted.talk, None if lasted_s is None else lasted_s / factor)
        if engine.pooled:
            self.city.room.idle -= 1
            assisted.talks[caller] = None
            engine.at(caller.due, engine._end_home_talk, caller)
            return
        help_ = Help(
            assisted.room, self.city.room, self.city.room.dedicated > 0
        )  # As the policy does: dedicated ones first.
        help_.state, help_.caller, caller.helped_by = HelpState.TALKING, caller, help_
        engine.policy.adopt(help_)
        assisted.helps[help_] = self.city.helps[help_] = None
        engine.at(caller.due, engine._end_lent_talk, caller)

    def _waits(self, age_s: float) -> None:
        city, caller = self.city, self._caller(self.city)
        counts = city.counts
        counts.callers += 1
        counts.attempts += 1
        counts.bin_attempts[0] += 1
        caller.state, caller.since, caller.queued = WAITING, -age_s, self.engine.now
        caller.due = self._rest(city.patience, age_s)
        self.engine.at(caller.due, self.engine._hang_up_waiting, caller)
        city.queue.append((caller.queued, caller))
        city.room.waiting += 1


def start_of(engine: "Engine", city: City) -> Start:
    """The city as it is in a running simulation at this moment."""
    now = engine.now
    factor = engine.scenario.remote.aht_factor
    lent: dict[str, tuple[float | None, ...]] = {}
    for help_ in city.helps:
        caller = help_.caller
        if help_.supporting is city.room and isinstance(caller, Caller):
            talk_s = factor * caller.city.talk[caller.bits >> TALK & MASK]
            name = caller.city.spec.name
            lent[name] = (*lent.get(name, ()), max(0.0, now - (caller.due - talk_s)))
    talked = [max(0.0, now - (caller.due - city.talk[caller.bits >> TALK & MASK])) for caller in city.talks]
    waiting = [now - entry[1].since for entry in city.queue if engine._still_there(entry)]
    room = city.room
    lent_talks = sum(map(len, lent.values()))
    ringing = sum(h.seats for other in engine.cities for h in other.room.under_way if h.supporting is room)
    wrapping = max(0, room.staff - room.idle - room.dedicated - len(talked) - lent_talks - ringing)
    return Start(
        tuple(waiting), tuple(talked), wrapping, min(wrapping, _dedicated_wrapping(engine, city)), lent, room.active
    )


def _dedicated_wrapping(engine: "Engine", city: City) -> int:
    """Dedicated seats that are neither idle nor ring nor talk."""
    room = city.room
    under_way = [help_ for other in engine.cities for help_ in other.room.under_way]
    taken = sum(help_.seats for help_ in [*under_way, *city.helps] if help_.supporting is room and help_.dedicated)
    return max(0, min(city.spec.dedicated, room.staff) - room.dedicated - taken)


def from_now_on(scenario: Scenario, at_s: float, starts: Mapping[str, Start]) -> Scenario:
    """What is left of a scenario from `at_s` on, as one that begins with these starts. Bins must fit: ValueError."""
    cities = []
    for city in scenario.cities:
        skipped, rest_s = divmod(at_s, city.bin_s)
        if rest_s:
            raise ValueError(f"{city.name}: {at_s:g} s is not at a border of its {city.bin_s:g} s bins")
        cities.append(
            replace(
                city,
                per_h=city.per_h[int(skipped) :],
                staff=_later(city.staff, at_s),
                quota=_later(city.quota, at_s),
                shares={name: _later(steps, at_s) for name, steps in scenario.shares(city).items()},
                start=starts.get(city.name, NOTHING),
            )
        )
    on = {name: on for at, name, on in scenario.switches if at <= at_s}
    return replace(
        scenario,
        horizon_s=scenario.horizon_s - at_s,
        warmup_s=max(0.0, scenario.warmup_s - at_s),
        switches=tuple((0.0, name, True) for name in on if on[name])
        + tuple((at - at_s, name, on_) for at, name, on_ in scenario.switches if at > at_s),
        faults=tuple(replace(fault, at=fault.at - at_s) for fault in scenario.faults if fault.at > at_s),
        cities=tuple(cities),
        waves=tuple(wave for wave in scenario.waves if wave.at is None),  # The others are in the shares.
    )


def _later(steps: Steps, at_s: float) -> Steps:
    now = next(number for at, number in reversed(steps) if at <= at_s)
    return ((0.0, now), *((at - at_s, number) for at, number in steps if at > at_s))
