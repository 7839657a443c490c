"""The full depth: a scenario lived through by the production controller on simulated PBXs, in virtual time.

The same citizens as in the fast depth call the same cities; who decides is callctl.controller with its real policy, over
the same doors (pbx.port, store.port) as in service. What differs between the depths is told in docs/SIMULATION.md.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from callctl.controller import Pace
from callctl.core.events import CallAnswered, CallRinging, Fact, LentSeat, RingEnd, RingEnded
from callctl.core.model import Province, SlotRef
from callctl.core.wishes import Wishes
from callctl.sim.checkers import Checkers, Violation
from callctl.sim.citizens import Town
from callctl.sim.draws import MASK, mixed, table
from callctl.sim.founding import codes_of, first_wishes, found, timing_of
from callctl.sim.lasting import Health, Lasting
from callctl.sim.network import build_network
from callctl.sim.outcome import Outcome, outcome_of
from callctl.sim.parts import SimCall, SimSeat
from callctl.sim.people import BIN_S, Counts
from callctl.sim.posts import Posts
from callctl.sim.registry import MemoryHistory, MemoryRegistry
from callctl.sim.scenario import Fault, Scenario
from callctl.sim.staff import Staff
from callctl.sim.virtual_time import loop_clock, run_virtual
from callctl.store.port import StoreLost

FULL = "full"  # Its name among the policies of a report.
LEAD_S = 5.0  # The controller starts so long before the scenario: it leads when the first citizen dials.
# Status is only looked at by people: there are none here. Everything that decides keeps its pace.
PACE = Pace(status_s=60.0, news_s=60.0)


class FullRun:
    """One run. It has what a run of the fast depth has for outcome_of(): cities with their specs and counts, set-ups."""

    pooled = False
    looks_every_s = 2.0  # How often the lasting promises are looked at; a day has many seconds.

    def __init__(self, scenario: Scenario, seed: int, province: Province | None = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.codes = codes_of(scenario)
        self.province = province or found(scenario)
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.pbxs = build_network(self.province, loop_clock, timing_of(scenario))
        self.registry = MemoryRegistry(loop_clock)
        self.history = MemoryHistory(keeps_facts=False)
        self.posts = Posts(self.province, self.pbxs, self.registry, self.history, loop_clock, PACE)
        self.checkers = Checkers(self.province, self.pbxs, self.registry.held, loop_clock)
        self.checkers.leased = self.registry.leased
        self.health = Health(self.pbxs, self.posts, loop_clock)
        self.lasting = Lasting(self.province, self.checkers, self.health)
        self.set_ups = self.rings = self.wasted = self.cancelled = 0
        self._ringing: dict[tuple[str, str], int] = {}  # By supporting city and call: seats.
        self.empty_answers = 0  # A PBX connects nobody to a line that is empty.
        self._setup_s = table({"dist": "lognorm", "mean": scenario.remote.setup_s, "cv": scenario.remote.setup_cv})
        bins = math.ceil(scenario.horizon_s / BIN_S) + 1
        self.towns: dict[str, Town] = {}
        for spec in scenario.cities:
            code = self.codes[spec.name]
            town = Town(spec, bins, self.pbxs[code], scenario.remote.aht_factor, self.seconds, self.towns)
            town.draw(scenario, seed)
            self.towns[code] = town
        self.staffs = {
            code: Staff(self.pbxs[code], town.spec.staff[0][1], self.answers_after_s) for code, town in self.towns.items()
        }
        self._down: dict[str, int] = dict.fromkeys(self.pbxs, 0)
        self._cut: dict[str, int] = dict.fromkeys(self.pbxs, 0)
        self._chores: set[asyncio.Task[None]] = set()
        for pbx in self.pbxs.values():
            pbx.taps.append(self._count)

    @property
    def cities(self) -> list[Town]:
        """Every city's citizens, in the scenario's order."""
        return [*self.towns.values()]

    def seconds(self) -> float:
        """The scenario's own time."""
        return self.loop.time() - LEAD_S

    async def watch(self, for_s: float) -> None:
        """Let time pass, under the checkers' eyes. Raises Violation, and whatever a controller died of."""
        until = self.loop.time() + for_s
        while (left := until - self.loop.time()) > 1e-6:
            await asyncio.sleep(min(self.looks_every_s, left))
            self.lasting.look()
            self._nobody_lost()
            crash = self.posts.crashed()
            if crash is not None:
                raise crash
            if self.checkers.failed is not None:
                raise self.checkers.failed

    def _nobody_lost(self) -> None:
        """Whoever is on the line is in the home queue, or talks."""
        for code, town in self.towns.items():
            pbx = self.pbxs[code]
            if not town.on_the_line or not pbx.alive:
                continue
            waiting = set(pbx.waiting)
            for call, citizen in town.on_the_line.items():
                known = pbx.calls.get(call)
                if known is None or not (known.answered_at or call in waiting):
                    self.checkers.broken("no caller lost", f"{call} is on the line, and {code} knows nothing of it")
                elif citizen.talking != bool(known.answered_at):
                    self.checkers.broken("no caller lost", f"{call} hears {'music' if citizen.talking else 'an agent'}")

    async def live(self) -> None:
        """Live through the scenario."""
        await self._wish(lambda _: first_wishes(self.scenario))
        self.posts.start("a")
        self._plan_changes()
        for town in self.towns.values():
            town.next_arrival()
        await self.watch(LEAD_S + self.scenario.horizon_s)
        for holder in [*self.posts.running]:
            await self.posts.stop(holder)

    # What the scenario says will happen ------------------------------------------------------------------------------

    def at(self, seconds: float, act: Callable[..., object], *who: object) -> None:
        """Let something happen at a time of the scenario."""
        self.loop.call_later(max(0.0, seconds - self.seconds()), act, *who)

    def _plan_changes(self) -> None:
        for code, town in self.towns.items():
            for at, number in town.spec.staff[1:]:
                self.at(at, self.staffs[code].shift, number)
            for at, number in town.spec.quota[1:]:
                self.at(at, self.wish, _quota(code, number))
        for at, name, on in self.scenario.switches:
            if at > 0.0:
                self.at(at, self.wish, _switch(self.codes[name], on))
        for fault in self.scenario.faults:
            self.at(fault.at, self._fault, fault)
            self.at(fault.at + fault.for_s, self._mended, fault)
        if self.scenario.warmup_s:
            self.at(self.scenario.warmup_s, self._count_from_here)

    def wish(self, change: Callable[[Wishes], Wishes]) -> None:
        """What a supervisor's desk does: into the history first, then into the registry."""
        self.chore(self._wish(change))

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Something to do beside."""
        task = self.loop.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _wish(self, change: Callable[[Wishes], Wishes]) -> None:
        known = self.history.known or Wishes()
        wished = change(known)
        # As the desk: an act is written into the history before it takes effect, a stop may stand in the registry alone.
        if self.history.lost and (self.registry.lost or known.stopped or not wished.stopped):
            return  # The supervisor is told, and nothing has changed.
        self.history.known = replace(wished, version=known.version + 1)
        self.checkers.wished.append((loop_clock(), self.history.known))
        self.lasting.changed()
        with suppress(StoreLost):  # The controller asks the history as well.
            await self.registry.restore_wishes(self.history.known)

    def _fault(self, fault: Fault) -> None:
        code = self.codes[fault.city]
        pbx = self.pbxs[code]
        if fault.kind == "pbx_down":
            self._down[code] += 1
            pbx.die()
            self.checkers.died(code)
            self.health.disturbed(code)
            return
        self._cut[code] += 1
        for other in pbx.trunks:
            pbx.cut_wire(other)

    def _mended(self, fault: Fault) -> None:
        code = self.codes[fault.city]
        pbx = self.pbxs[code]
        if fault.kind == "pbx_down":
            self._down[code] -= 1
            if not self._down[code]:
                pbx.boot()
            return
        self._cut[code] -= 1
        for other in pbx.trunks:
            if not self._cut[code] and not self._cut[other]:
                pbx.mend_wire(other)

    # Agents and figures ----------------------------------------------------------------------------------------------

    def answers_after_s(self, seat: SimSeat, call: SimCall) -> float | None:
        """At home the headset answers at once; a lent seat takes the scenario's set-up time, or lets it ring."""
        if not isinstance(call.by, SlotRef):
            return 0.0
        self.rings += 1
        bits = mixed(self.seed, self.rings)
        if (bits & 0xFFFFFF) < self.scenario.remote.rona_p * 0x1000000:
            return None
        return self._setup_s[bits >> 32 & MASK]

    def _count(self, fact: Fact) -> None:
        """A set-up is one call, at however many seats it rings."""
        kind = type(fact)
        if kind is CallRinging or kind is RingEnded or kind is CallAnswered:
            assert isinstance(fact, CallRinging | RingEnded | CallAnswered)
            if type(fact.by) is LentSeat:
                self._count_ring(fact)

    def _count_ring(self, fact: CallRinging | RingEnded | CallAnswered) -> None:
        at, before = (fact.city, fact.call), self._ringing.pop((fact.city, fact.call), 0)
        if isinstance(fact, CallRinging):
            self.set_ups += not before
            self._ringing[at] = before + 1
        elif isinstance(fact, RingEnded) and before > 1:
            self._ringing[at] = before - 1
        elif isinstance(fact, RingEnded):
            self.wasted += 1
            self.cancelled += fact.why is RingEnd.UNKNOWN

    def _count_from_here(self) -> None:
        self.set_ups = self.rings = self.wasted = self.cancelled = 0
        for town in self.towns.values():
            town.counts = Counts(len(town.counts.bin_attempts))


def _quota(code: str, number: int) -> Callable[[Wishes], Wishes]:
    return lambda wishes: replace(wishes, quotas=MappingProxyType({**wishes.quotas, code: number}))


def _switch(code: str, on: bool) -> Callable[[Wishes], Wishes]:
    def turn(wishes: Wishes) -> Wishes:
        event = replace(wishes.events[code], switched_on=on)
        return replace(wishes, events=MappingProxyType({**wishes.events, code: event}))

    return turn


def run_full(scenario: Scenario, seed: int) -> Outcome:
    """One run from start to end, in a loop of its own. Raises Violation where a promise is broken."""

    async def whole() -> Outcome:
        run = FullRun(scenario, seed)
        try:
            await run.live()
        except Violation as broken:
            raise Violation(broken.rule, f"{scenario.name}, seed {seed}: {broken.what}", broken.at_s, broken.step) from None
        return outcome_of(run, FULL)

    return run_virtual(whole())
