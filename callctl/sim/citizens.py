"""Citizens at full depth: they dial a simulated PBX, wait, hang up, talk, are cut off and dial again.

Who they are is drawn as in the fast depth (people.Populace): the same scenario, seed and city give the same citizens.
"""

import asyncio
from collections.abc import Callable, Mapping

from callctl.core.model import SlotRef
from callctl.sim.draws import MASK, mixed
from callctl.sim.parts import SimCall, SimSeat
from callctl.sim.pbx import SimPbx
from callctl.sim.people import BIN_S, TALK, WRAP, Populace
from callctl.sim.scenario import SimCity


class Citizen:
    """One citizen, the same person over all attempts; notices what a person on the phone notices."""

    __slots__ = ("bits", "call", "gives_up", "key", "met", "returned", "since", "talking", "town", "tries")

    def __init__(self, town: "Town", key: int) -> None:
        self.town, self.key = town, key
        self.bits = mixed(key, 0)
        self.tries = 0
        self.call = ""  # On the line with this call.
        self.since = 0.0  # When this attempt began.
        self.talking = False
        self.returned = False
        self.met = False  # Has spoken with an agent, in this attempt or an earlier one.
        self.gives_up: asyncio.TimerHandle | None = None

    def answered(self, call: SimCall) -> None:
        """See parts.OnTheLine."""
        if self.call:
            self.talking = True
            self.stay()
            self.town.count_answer(self, call)
            self.town.habits(self.town, self)

    def over(self, call: SimCall) -> None:
        """See parts.OnTheLine."""
        if self.call:
            self.leave()

    def back_in_queue(self, call: SimCall) -> None:
        """See parts.OnTheLine."""
        if self.call:
            self.returned, self.talking = True, False
            self.town.counts.cut += 1
            self.town.lose_patience(self)

    def cut_off(self, call: SimCall) -> None:
        """See parts.OnTheLine."""
        if self.call:
            counts = self.town.counts
            counts.lost_by_pbx += 1
            counts.abandoned += not self.talking and not self.returned  # Who had talked before is counted as answered.
            self.leave()
            self.town.redial(self)

    def stay(self) -> None:
        """Think no more of hanging up."""
        if self.gives_up is not None:
            self.gives_up.cancel()
            self.gives_up = None

    def leave(self) -> None:
        """Off the line."""
        self.stay()
        del self.town.on_the_line[self.call]
        self.call, self.talking = "", False
        self.town.lines_free += 1


class Town(Populace):
    """One city's citizens on its simulated PBX. `seconds` is the scenario's own time."""

    __slots__ = ("aht_factor", "habits", "loop", "on_the_line", "pbx", "seconds", "towns")

    def __init__(
        self,
        spec: SimCity,
        bins: int,
        pbx: SimPbx,
        aht_factor: float,
        seconds: Callable[[], float],
        towns: Mapping[str, "Town"],
    ) -> None:
        super().__init__(spec, bins)
        self.pbx, self.aht_factor, self.seconds, self.towns = pbx, aht_factor, seconds, towns
        self.loop = asyncio.get_running_loop()
        self.on_the_line: dict[str, Citizen] = {}  # By call.
        self.habits: Callable[[Town, Citizen], None] = _no_habits  # Asked when a citizen begins to wait and to talk.
        pbx.talks_s = self.talks_s

    def next_arrival(self) -> None:
        """Let the next new citizen dial when it is time."""
        if self.arrivals:
            self.loop.call_later(self.arrivals.pop() - self.seconds(), self._new_citizen)

    def _new_citizen(self) -> None:
        self.counts.callers += 1
        self.dial(Citizen(self, self.next_key()))
        self.next_arrival()

    def dial(self, citizen: Citizen) -> None:
        """One attempt; without a line, or at a PBX that does not answer, the citizen hears busy."""
        now, counts = self.seconds(), self.counts
        counts.attempts += 1
        counts.bin_attempts[min(int(now / BIN_S), len(counts.bin_attempts) - 1)] += 1
        if self.lines_free <= 0 or not self.pbx.alive:
            counts.blocked += 1
            if citizen.tries < self.most and citizen.bits >> WRAP & 0xFFFF < self.p_block:
                self._dial_again(citizen, self.delay_block[citizen.bits >> TALK & MASK])
            return
        self.lines_free -= 1
        citizen.since = now
        citizen.call = self.pbx.citizen_calls(f"13{citizen.key % 10**9:09d}", citizen)
        self.on_the_line[citizen.call] = citizen
        self.lose_patience(citizen)
        self.habits(self, citizen)

    def lose_patience(self, citizen: Citizen) -> None:
        """Music: the citizen will hang up some time."""
        citizen.gives_up = self.loop.call_later(self.patience[citizen.bits & MASK], self._gives_up, citizen)

    def _gives_up(self, citizen: Citizen) -> None:
        # A PBX that stands still hears of it when it goes on.
        if self.pbx.frozen_at is None:
            self.pbx.citizen_hangs_up(citizen.call)
        else:
            self.pbx.later(0.0, self.pbx.citizen_hangs_up, citizen.call)
        citizen.leave()
        if citizen.returned:
            self.counts.lost_by_trunk += 1
        else:
            self.counts.abandoned += 1
            self.redial(citizen)

    def presses(self, citizen: Citizen, call: str, key: str) -> None:
        """A key of the phone, if the citizen is still on that call."""
        if citizen.call == call and self.pbx.alive:
            self.pbx.citizen_presses(call, key)

    def hangs_up(self, citizen: Citizen, call: str) -> None:
        """The citizen ends the talk."""
        if citizen.call == call and citizen.talking and self.pbx.alive:
            citizen.leave()
            self.pbx.citizen_hangs_up(call)

    def redial(self, citizen: Citizen) -> None:
        """Perhaps the citizen tries again."""
        if citizen.tries < self.most and citizen.bits >> WRAP & 0xFFFF < self.p_abandon:
            self._dial_again(citizen, self.delay_abandon[citizen.bits >> TALK & MASK])

    def _dial_again(self, citizen: Citizen, delay_s: float) -> None:
        citizen.tries += 1
        citizen.bits = mixed(citizen.key, citizen.tries)
        citizen.returned = False
        self.loop.call_later(delay_s, self.dial, citizen)

    def count_answer(self, citizen: Citizen, call: SimCall) -> None:
        """An agent speaks; of a citizen who had talked before only the agent's time counts."""
        counts, bits, by = self.counts, citizen.bits, call.by
        busy_s = self.talk[bits >> TALK & MASK] + self.wrap[bits >> WRAP & MASK]
        helper = self.towns[by.supporting].counts if isinstance(by, SlotRef) else None
        if helper is None:
            counts.busy_s += busy_s
        else:
            helper.busy_s += busy_s * self.aht_factor
        if citizen.returned:
            return
        if helper is not None:
            counts.remote += 1
            helper.given += 1
        waited_s = self.seconds() - citizen.since
        counts.answered += 1
        if not citizen.met:
            citizen.met = True
            counts.people += 1
        counts.waits.append(waited_s)
        place = int(citizen.since / BIN_S)
        if waited_s <= 60.0:
            counts.in_60 += 1
            counts.bin_in_60[place] += 1
            if waited_s <= 15.0:
                counts.in_sl += 1
                counts.bin_in_sl[place] += 1

    def talks_s(self, seat: SimSeat, call: SimCall) -> float | None:
        """How long the agent talks. A PBX gives lent seats no longer wrap-up: what help takes longer is all talk."""
        citizen = call.citizen
        if not isinstance(citizen, Citizen):
            return seat.talks_s
        talk_s = self.talk[citizen.bits >> TALK & MASK]
        if isinstance(call.by, SlotRef):
            return talk_s * self.aht_factor + (self.aht_factor - 1.0) * self.wrap[citizen.bits >> WRAP & MASK]
        return talk_s


def _no_habits(town: Town, citizen: Citizen) -> None:
    """Citizens wait and talk, and that is all."""
