"""Calls from the first ring to the end: citizens who dial, wait, hang up and dial again; agents at home and lent ones."""

import math
from collections.abc import Callable
from heapq import heappush
from itertools import count
from typing import Any, Protocol

from callctl.core.allocation import Help, HelpState, Room
from callctl.core.experience import Experience
from callctl.sim.draws import MASK, WORD, mixed, table
from callctl.sim.people import AWAY, BIN_S, GONE, TALK, TALKING, WAITING, WRAP, Caller, City
from callctl.sim.scenario import NOTHING, Scenario, SimCity


class Policy(Protocol):
    """Who decides about help. Called after the engine's own picture has changed."""

    def start(self, engine: "Calls") -> None:
        """The run begins."""

    def arrived(self, city: City) -> None:
        """An attempt reached the city's PBX (not: busy line)."""

    def line_changed(self, city: City) -> None:
        """A caller joined or left the queue."""

    def seats_changed(self, city: City) -> None:
        """An agent went on or off a call, or on or off duty."""

    def wait_over(self, city: City, waited_s: float, hung_up: bool) -> None:
        """A caller was answered by the own room or hung up."""

    def own_talk_ended(self, city: City, seconds: float) -> None:
        """A call of the own room is over; talk and wrap-up take `seconds` together."""

    def switched(self, city: City) -> None:
        """Assistance was switched on or off, or a quota changed."""

    def failed(self, help_: Help) -> None:
        """A set-up ended without an answer because the trunk or the PBX is dead."""

    def unanswered(self, help_: Help) -> None:
        """A set-up rang and nobody answered."""

    def adopt(self, help_: Help) -> None:
        """A lent talk that was there before the run began."""

    def answered(self, help_: Help) -> None:
        """The lent agent has the caller; the queue is one shorter already."""

    def talk_ended(self, help_: Help, seconds: float) -> None:
        """The leg is free; talk and wrap-up take `seconds` together."""

    def wrapped_up(self, help_: Help) -> None:
        """The lent agent is idle again."""


class Calls:
    """The province's calls in one run. Events are tuples (time, order, what to do, with whom) on one heap."""

    def __init__(self, scenario: Scenario, seed: int, policy: Policy, pooled: bool = False) -> None:
        self.scenario, self.seed, self.policy, self.pooled = scenario, seed, policy, pooled
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self.order = count()
        remote = scenario.remote
        self.set_up_s = table({"dist": "lognorm", "mean": remote.setup_s, "cv": remote.setup_cv})
        self.set_ups = 0
        self.rings = 0  # Seats rung.
        self.wasted = 0
        self.cancelled = 0
        self.empty_answers = 0  # A lent agent answered and nobody was there.
        bins = math.ceil(scenario.horizon_s / BIN_S) + 1
        common = Room(0, "province") if pooled else None
        self.cities = [City(spec, common or Room(place, spec.name), bins) for place, spec in enumerate(scenario.cities)]
        self.by_name = {city.spec.name: city for city in self.cities}
        if common:
            for city in self.cities:
                city.queue = self.cities[0].queue
        for city in self.cities:
            self._prepare(city)

    def _prepare(self, city: City) -> None:
        spec, room = city.spec, city.room
        room.trunks, room.threshold_s, room.release_s = spec.trunks, spec.threshold_s, spec.release_s
        room.weight, room.lends, room.quota = spec.weight, spec.supporter, spec.may_lend(spec.quota[0][1])
        room.least_reserve, room.together = spec.reserve, spec.together
        room.experience = self._known_of(spec)
        room.waiting_since = lambda place: self.waiting_since(city, place)
        room.staff += spec.staff[0][1]
        # Pooled agents have no city: nobody is kept apart.
        dedicated = 0 if self.pooled else min(spec.dedicated, spec.staff[0][1])
        room.dedicated += dedicated
        room.idle += spec.staff[0][1] - dedicated
        city.draw(self.scenario, self.seed)

    def _known_of(self, spec: SimCity) -> Experience:
        """A city that has answered calls for years knows its handling times and its day."""
        aht_s = float(spec.talk["mean"]) + float(spec.wrap["mean"])
        patience_s = max(1.0, float(spec.patience["mean"]))
        known = Experience(spec.sl_target, peak_per_h=spec.peak_per_h(), aht_s=aht_s, patience_s=patience_s)
        known.own.known = known.lent.known = True
        known.lent.mean_s = aht_s * self.scenario.remote.aht_factor
        begun = spec.start != NOTHING and spec.per_h  # In the middle of a day the rate of now is known.
        known.calls.new_forecast((spec.per_h[0] if begun else spec.peak_per_h() / 2.0) / 3600.0, 0.0)
        return known

    # The clock.

    def at(self, time: float, act: Callable[[Any], None], who: Any) -> None:
        """Let something happen later."""
        heappush(self.events, (time, next(self.order), act, who))

    # Citizens.

    def _next_arrival(self, city: City) -> None:
        if city.arrivals:
            heappush(self.events, (city.arrivals.pop(), next(self.order), self._new_caller, city))

    def _new_caller(self, city: City) -> None:
        city.counts.callers += 1
        self._dial(Caller(city, city.next_key()))
        if city.arrivals:
            heappush(self.events, (city.arrivals.pop(), next(self.order), self._new_caller, city))

    def _dial(self, caller: Caller) -> None:
        city, now = caller.city, self.now
        counts = city.counts
        counts.attempts += 1
        counts.bin_attempts[int(now / BIN_S)] += 1
        if city.lines_free <= 0 or city.down:
            counts.blocked += 1
            if caller.tries < city.most and (bits := caller.bits) >> WRAP & 0xFFFF < city.p_block:
                caller.tries = tries = caller.tries + 1
                # draws.mixed, written out: this is the hottest line of a day of busy tones.
                x = (caller.key + tries * 0x9E3779B97F4A7C15) & WORD
                x = ((x ^ x >> 32) * 0xD6E8FEB86659FD93) & WORD
                caller.bits = (x ^ x >> 32) * 0xD6E8FEB86659FD93 & WORD
                again = now + city.delay_block[bits >> TALK & MASK]
                heappush(self.events, (again, next(self.order), self._dial, caller))
            return
        city.lines_free -= 1
        caller.since = now
        self.policy.arrived(city)
        room = city.room
        if room.idle > 0 and not room.waiting:
            self._serve_at_home(caller)
        else:
            self._enqueue(caller)

    def _enqueue(self, caller: Caller) -> None:
        city, now = caller.city, self.now
        caller.state, caller.queued = WAITING, now
        caller.due = now + city.patience[caller.bits & MASK]
        heappush(self.events, (caller.due, next(self.order), self._hang_up_waiting, caller))
        if caller.returned:
            city.queue.appendleft((now, caller))
        else:
            city.queue.append((now, caller))
        city.room.waiting += 1
        self.policy.line_changed(city)

    def _redial(self, caller: Caller) -> None:
        city, bits = caller.city, caller.bits
        if caller.tries < city.most and bits >> WRAP & 0xFFFF < city.p_abandon:
            caller.tries += 1
            caller.bits = mixed(caller.key, caller.tries)
            caller.returned = False  # A new call: it stands at the end, and counts.
            self.at(self.now + city.delay_abandon[bits >> TALK & MASK], self._dial, caller)

    def _hang_up_waiting(self, caller: Caller) -> None:
        if caller.due != self.now or caller.state not in (WAITING, AWAY):
            return
        city = caller.city
        if caller.state == WAITING:
            city.room.waiting -= 1
        caller.state = GONE
        city.lines_free += 1
        if caller.returned:
            city.counts.lost_by_trunk += 1
        else:
            city.counts.abandoned += 1
            self._redial(caller)
        self.policy.wait_over(city, self.now - caller.since, True)
        self.policy.line_changed(city)

    def waiting_since(self, city: City, place: int) -> float:
        """Since when the caller at `place` of the queue waits (first arrival counts); infinity beyond the end."""
        queue = city.queue
        while queue and not self._still_there(queue[0]):
            queue.popleft()
        for entry in queue:
            if self._still_there(entry):
                if place == 0:
                    since: float = entry[1].since
                    return since
                place -= 1
        return math.inf

    @staticmethod
    def _still_there(entry: tuple[float, Any]) -> bool:
        return bool(entry[1].state == WAITING and entry[1].queued == entry[0])

    def take_head(self, city: City) -> Any:
        """Remove and return who is first in the queue; there must be somebody."""
        queue = city.queue
        while True:
            queued, who = queue.popleft()
            if who.state == WAITING and who.queued == queued:
                if who.__class__ is Caller:
                    city.room.waiting -= 1
                return who

    def _answered(self, caller: Caller) -> None:
        """Count an answer, by whomever."""
        caller.state = TALKING
        counts, since = caller.city.counts, caller.since
        if caller.returned:
            return
        waited_s = self.now - since
        caller.waited_s = waited_s
        counts.answered += 1
        if not caller.met:
            caller.met = True
            counts.people += 1
        counts.waits.append(waited_s)
        if waited_s <= 60.0:
            place = int(since / BIN_S)
            counts.in_60 += 1
            counts.bin_in_60[place] += 1
            if waited_s <= 15.0:
                counts.in_sl += 1
                counts.bin_in_sl[place] += 1

    # The city's own agents.

    def _serve_at_home(self, caller: Caller) -> None:
        city, bits = caller.city, caller.bits
        city.room.idle -= 1
        self._answered(caller)
        talk_s = city.talk[bits >> TALK & MASK]
        city.counts.busy_s += talk_s + city.wrap[bits >> WRAP & MASK]
        caller.due = self.now + talk_s
        city.talks[caller] = None
        heappush(self.events, (caller.due, next(self.order), self._end_home_talk, caller))
        self.policy.wait_over(city, self.now - caller.since, False)
        self.policy.seats_changed(city)

    def _end_home_talk(self, caller: Caller) -> None:
        if caller.due != self.now or caller.state != TALKING:
            return
        city = caller.city
        caller.state = GONE
        city.lines_free += 1
        del city.talks[caller]
        wrap_s = city.wrap[caller.bits >> WRAP & MASK]
        self.policy.own_talk_ended(city, city.talk[caller.bits >> TALK & MASK] + wrap_s)
        heappush(self.events, (self.now + wrap_s, next(self.order), self._agent_ready, city))

    def _agent_ready(self, city: City) -> None:
        city.room.idle += 1
        self.use_idle(city)

    def use_idle(self, city: City) -> None:
        """Local first: idle agents take the city's own waiting callers; what is left may be lent."""
        room = city.room
        if room.idle > 0 and city.queue:
            self.waiting_since(city, 0)  # Drops those gone from the front.
            while room.idle > 0 and city.queue:
                who = self.take_head(city)
                if who.__class__ is Caller:
                    self._serve_at_home(who)
                    self.policy.line_changed(who.city)
                else:
                    who.answer()
                self.waiting_since(city, 0)
        self.policy.seats_changed(city)

    # Help. The policy reserved the seat already; the engine brings it together with a caller.

    def link_dead(self, one: City, other: City) -> bool:
        """Whether calls between two cities go nowhere just now."""
        return bool(one.trunk_down or other.trunk_down or one.down or other.down)

    def set_up(self, help_: Help) -> None:
        """Ring the lent seat through the trunk."""
        remote = self.scenario.remote
        self.set_ups += 1
        start = self.now + remote.latency_s
        if self.link_dead(self.cities[help_.assisted.index], self.cities[help_.supporting.index]):
            self.at(start + remote.invite_timeout_s, self._set_up_failed, help_)
            return
        answers = []
        for _ in range(help_.seats):
            self.rings += 1
            bits = mixed(self.seed, self.rings)
            if (bits & 0xFFFFFF) >= remote.rona_p * 0x1000000:
                answers.append(self.set_up_s[bits >> 32 & MASK])
        if answers:
            self.at(start + min(answers), self._seat_answers, help_)
        else:
            self.at(start + remote.rona_s, self._nobody_answers, help_)

    def _set_up_failed(self, help_: Help) -> None:
        if help_.state is HelpState.UNDER_WAY:
            self.wasted += 1
            self.policy.failed(help_)

    def _nobody_answers(self, help_: Help) -> None:
        if help_.state is HelpState.UNDER_WAY:
            self.wasted += 1
            self.policy.unanswered(help_)

    def _seat_answers(self, help_: Help) -> None:
        if help_.state is not HelpState.UNDER_WAY:
            return
        city, supporter = self.cities[help_.assisted.index], self.cities[help_.supporting.index]
        if self.link_dead(city, supporter):
            self.at(self.now + self.scenario.remote.invite_timeout_s, self._set_up_failed, help_)
            return
        if not city.room.waiting:
            self.empty_answers += 1
            self._nobody_answers(help_)
            return
        self.waiting_since(city, 0)
        self.talk_to(self.take_head(city), help_)
        several = help_.seats > 1
        self.policy.answered(help_)
        if several:
            self.use_idle(supporter)

    def talk_to(self, caller: Caller, help_: Help) -> None:
        """The lent agent has the caller, who left the queue just now."""
        city, supporter = caller.city, self.cities[help_.supporting.index]
        if not caller.returned:
            city.counts.remote += 1
            supporter.counts.given += 1
        self._answered(caller)
        caller.helped_by = help_
        help_.caller = caller
        factor = self.scenario.remote.aht_factor
        talk_s = city.talk[caller.bits >> TALK & MASK] * factor
        supporter.counts.busy_s += talk_s + city.wrap[caller.bits >> WRAP & MASK] * factor
        caller.due = self.now + talk_s
        city.helps[help_] = supporter.helps[help_] = None
        self.at(caller.due, self._end_lent_talk, caller)

    def _end_lent_talk(self, caller: Caller) -> None:
        if caller.due != self.now or caller.state != TALKING:
            return
        caller.city.lines_free += 1
        caller.state = GONE
        self._leg_over(caller)

    def _leg_over(self, caller: Caller) -> None:
        help_, city = caller.helped_by, caller.city
        assert help_ is not None, "a lent talk has its help"
        caller.helped_by = None
        supporter = self.cities[help_.supporting.index]
        del city.helps[help_], supporter.helps[help_]
        factor, bits = self.scenario.remote.aht_factor, caller.bits
        wrap_s = city.wrap[bits >> WRAP & MASK] * factor
        self.policy.talk_ended(help_, city.talk[bits >> TALK & MASK] * factor + wrap_s)
        self.at(self.now + wrap_s, self._lent_agent_ready, help_)

    def _lent_agent_ready(self, help_: Help) -> None:
        self.policy.wrapped_up(help_)
        self.use_idle(self.cities[help_.supporting.index])
