"""The fast depth: one event list for a whole province, in virtual time; shifts, switches and faults come from the scenario.

Deterministic from the scenario and a seed. The policy under test is told what changed and starts or gives up helps;
it sees nothing a controller could not see.
"""

from heapq import heappop

from callctl.core.allocation import Help
from callctl.sim.calls import Calls
from callctl.sim.people import GONE, WAITING, Caller, City, Counts
from callctl.sim.scenario import Fault
from callctl.sim.start import place_all


class Engine(Calls):
    """One run of one scenario with one seed and one policy."""

    def run(self) -> None:
        """Live through the scenario."""
        self.policy.start(self)
        self._plan_changes()
        for at, name, on in self.scenario.switches:
            if at == 0.0:
                self.by_name[name].room.switched_on = on  # Before the start's people are looked at.
        place_all(self)
        for city in self.cities:
            self._next_arrival(city)
        events, horizon = self.events, self.scenario.horizon_s
        while events:
            self.now, _, act, who = heappop(events)
            if self.now >= horizon:
                break
            act(who)
        self.now = horizon

    def _plan_changes(self) -> None:
        for city in self.cities:
            for at, number in city.spec.staff[1:]:
                self.at(at, self._staff, (city, number))
            for at, number in city.spec.quota[1:]:
                self.at(at, self._quota, (city, number))
        for at, name, on in self.scenario.switches:
            self.at(at, self._switch, (self.by_name[name], on))
        for fault in self.scenario.faults:
            self.at(fault.at, self._fault, fault)
        if self.scenario.warmup_s:
            self.at(self.scenario.warmup_s, self._count_from_here, None)

    def _count_from_here(self, _: None) -> None:
        self.set_ups = self.rings = self.wasted = self.cancelled = self.empty_answers = 0
        for city in self.cities:
            city.counts = Counts(len(city.counts.bin_attempts))

    def _staff(self, what: tuple[City, int]) -> None:
        city, number = what
        before = next(n for at, n in reversed(city.spec.staff) if at < self.now)
        city.room.staff += number - before
        city.room.idle += number - before
        self.use_idle(city)

    def _quota(self, what: tuple[City, int]) -> None:
        city, number = what
        city.room.quota = city.spec.may_lend(number)
        self.policy.switched(city)

    def _switch(self, what: tuple[City, bool]) -> None:
        city, on = what
        city.room.switched_on = on
        self.policy.switched(city)

    # Faults.

    def _fault(self, fault: Fault) -> None:
        city = self.by_name[fault.city]
        doomed = list(city.helps) if fault.kind == "pbx_down" else []
        if fault.kind == "pbx_down":
            city.down += 1
            self._lose_all_calls(city)
        else:
            city.trunk_down += 1
        self.at(self.now + self.scenario.remote.detect_s, self._noticed, (city, doomed))
        self.at(self.now + fault.for_s, self._mended, fault)

    def _noticed(self, what: tuple[City, list[Help]]) -> None:
        """The dead legs' own timers end: agents wrap up, callers go back to the front of their own queue."""
        city, doomed = what
        dead = bool(city.down or city.trunk_down)
        if dead:
            city.room.known = False
        for help_ in list(city.helps) if dead else doomed:
            caller = help_.caller
            if isinstance(caller, Caller) and caller.helped_by is help_:
                self._leg_over(caller)
                caller.city.counts.cut += 1
                caller.returned = True
                self._enqueue(caller)
                self.use_idle(caller.city)
        self.policy.switched(city)

    def _mended(self, fault: Fault) -> None:
        city = self.by_name[fault.city]
        if fault.kind == "pbx_down":
            city.down -= 1
        else:
            city.trunk_down -= 1
        if not city.down and not city.trunk_down:
            city.room.known = True
            self.policy.switched(city)
            self.use_idle(city)

    def _lose_all_calls(self, city: City) -> None:
        """The PBX itself died: whoever waits or talks on it is cut off, and may dial again."""
        helped = [help_.caller for help_ in city.helps if help_.assisted is city.room]
        waiting = [entry[1] for entry in city.queue if self._still_there(entry)]
        for caller in [*city.talks, *waiting, *helped]:
            if not isinstance(caller, Caller):
                continue
            if caller.state == WAITING:
                city.room.waiting -= 1
                city.counts.abandoned += not caller.returned  # Who had talked before is counted as answered.
            elif caller.helped_by:
                self._leg_over(caller)
            else:
                city.room.idle += 1
            caller.state = GONE
            city.lines_free += 1
            city.counts.lost_by_pbx += 1
            self._redial(caller)
        city.talks.clear()
        city.queue.clear()
        self.policy.line_changed(city)
