"""The first sharing policy: who helps whom, with which seats, and how many slots may be open. Pure; one plan a call.

One fair line over all assisted cities (priority x wait, longest first); a city helps only with agents it can spare.

Why slots are counted with those in use: the number for a pair is read off the supporting city alone, as seats lent
that are free or already on a call of the pair. A seat that goes from free to ringing to talking stays counted once, so
it does not matter that the assisted city's picture runs a moment ahead or behind: the sum is the same.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callctl.core.events import SeatState
from callctl.core.explain import explain
from callctl.core.model import Lending, Pair, Province, SeatRef
from callctl.core.plan import Plan
from callctl.core.reasons import Why
from callctl.core.rooms import FRESH_S, Room, Setting, barred_pairs, breaker_slots, cooling_down
from callctl.core.wishes import Wishes
from callctl.core.world import World, all_loans

SHORT_S = 20.0  # Own callers wait this long without a pause: shared seats come home for good, not only their slots.
STAY_S = 5.0  # A seat stays at least so long before it moves to another assisted city.
HELD_S = 30.0  # An assisted city not heard for so long keeps its loans: most broken links heal at once.


@dataclass(frozen=True, slots=True)
class Memory:
    """What the policy remembers from plan to plan."""

    active: Mapping[str, float | None] = field(default_factory=dict)  # Active city: calm since, None while calls wait.
    lent_at: Mapping[SeatRef, float] = field(default_factory=dict)
    short_since: Mapping[str, float] = field(default_factory=dict)  # Cities with own callers waiting.


def plan(province: Province, world: World, wishes: Wishes, memory: Any, now: float) -> Plan:
    """What shall be so, from one picture of the whole province."""
    before = memory if isinstance(memory, Memory) else _adopted(world, now)
    active = _active(world, wishes, before, now)
    at = Setting(province, world, wishes, active, now, barred_pairs(world, active, now))
    return _Round(at, before).plan()


def _adopted(world: World, now: float) -> Memory:
    """What a fresh start remembers: whoever is being helped goes on being helped, as if the queue were calm since now."""
    return Memory(active={loan.assisted: now for _, loan in all_loans(world)})


def _active(world: World, wishes: Wishes, memory: Memory, now: float) -> dict[str, float | None]:
    """The cities assistance acts for, with the time their queue became empty; hysteresis keeps them from flapping."""
    active: dict[str, float | None] = {}
    for code in sorted(wishes.assisted()):
        view = world.cities.get(code)
        if view is None:
            continue
        was = code in memory.active
        if not view.fresh(now, FRESH_S):
            if was and now - view.heard_at <= HELD_S:
                active[code] = memory.active[code]
        elif view.waiting:
            if was or view.longest_wait_s(now) >= view.city.queue.wait_threshold_s:
                active[code] = None
        elif was:
            calm_since = memory.active[code]
            calm_since = now if calm_since is None else calm_since
            if now - calm_since < view.city.queue.release_after_s:
                active[code] = calm_since
    return active


class _Round:
    """One plan in the making."""

    def __init__(self, at: Setting, memory: Memory) -> None:
        self.at = at
        self.memory = memory
        self.rooms = {code: Room(at, code) for code in at.world.cities} if at.active else {}
        self.loans: dict[SeatRef, str] = {}
        self.moved: set[SeatRef] = set()
        # Waiting calls somebody is found for: a home agent's phone rings, or a lent seat is or will be free.
        self.covered = {code: at.world.cities[code].tally.ringing_home for code in at.active}
        self.open_slots: dict[Pair, int] = {}
        self.short_since = {
            code: memory.short_since.get(code, at.now) for code, view in at.world.cities.items() if view.unserved
        }

    def plan(self) -> Plan:
        """First what exists, then what is missing, then why the rest is left waiting."""
        at = self.at
        for room in self.rooms.values():
            self._keep_loans(room)
        pairs = self._pairs()
        for assisted in sorted(at.active, key=self._weight, reverse=True):
            for room in pairs.get(assisted, ()):
                self._open(room, assisted)
        self._lend()
        reasons = explain(at, self.rooms, self.covered)
        memory = Memory(
            active=at.active,
            lent_at=self._lent_at(),
            short_since=self.short_since,
        )
        return Plan(self.loans, self.open_slots, reasons, frozenset(at.active), memory)

    def _lent_at(self) -> dict[SeatRef, float]:
        before, now = self.memory.lent_at, self.at.now
        return {ref: now if ref in self.moved else before.get(ref, now) for ref in self.loans}

    def _weight(self, assisted: str, served: int = 0) -> float:
        """Weight in the province's one fair line of the caller behind the first `served`; below 0: nobody waits."""
        sinces = self.at.world.cities[assisted].waiting_sinces
        if served >= len(sinces):
            return -1.0
        return self.at.event(assisted).priority * max(0.0, self.at.now - sinces[served])

    # Loans that exist ----------------------------------------------------------------------------------------------

    def _keep_loans(self, room: Room) -> None:
        lent = room.view.tally.kept
        if not lent or room.code in self.at.active:
            return
        now, missed, short = self.at.now, room.view.missed, self._short(room.code)
        stays = {assisted: self._pair_stays(room, assisted) for assisted in {kept.assisted for kept in lent}}
        for kept in lent:
            assisted = kept.assisted
            if not stays[assisted] or room.quota_left <= 0 or room.caps(assisted) <= 0 or (short and not kept.dedicated):
                continue
            if missed and cooling_down(missed.get(kept.ref.seat), now):
                continue
            self.loans[kept.ref] = assisted
            room.keep(kept)

    def _pair_stays(self, room: Room, assisted: str) -> bool:
        """Whether loans between the two go on. Free slots are closed earlier and separately (_open)."""
        if assisted not in self.at.active or assisted not in room.helps:
            return False
        return self.at.barred[assisted].get(room.code) is not Why.TRUNK_DOWN

    def _short(self, code: str) -> bool:
        """Whether own callers have waited there for so long that the shared seats come home for good."""
        return self.at.now - self.short_since.get(code, self.at.now) >= SHORT_S

    def _pairs(self) -> dict[str, list[Room]]:
        """Who lends or talks to whom, by assisted city: the only pairs that can have slots."""
        pairs: dict[str, list[Room]] = {}
        for room in self.rooms.values():
            for assisted in {**room.kept, **room.view.tally.serving}:
                if assisted in self.at.active:
                    pairs.setdefault(assisted, []).append(room)
        return pairs

    def _open(self, room: Room, assisted: str) -> None:
        """Slots of one pair: free lent seats as far as the supporting city can spare them, and calls in progress."""
        serving = room.view.tally.serving.get(assisted, 0)
        rung = 0
        if assisted in room.kept and room.bars(assisted) is None:
            dedicated, shared, pending = room.kept[assisted]
            most = room.channels_left(assisted)
            if room.code in self.at.world.cities[assisted].failing:
                most = min(most, breaker_slots(self.at.world, Pair(assisted, room.code), self.at.now))
            dedicated = max(0, min(dedicated, most))
            shared = max(0, min(shared, most - dedicated, room.idle_left))
            room.idle_left -= shared
            room.trunk_left[assisted] -= dedicated + shared
            self.covered[assisted] += dedicated + shared
            # A seat the PBX has not confirmed yet would answer "busy" to a slot that is quicker.
            rung = max(0, dedicated + shared - pending)
        if serving:
            self.covered[assisted] += self._ringing(room, assisted)
        number = rung + serving
        if not self.at.world.registry_up:
            number = min(number, self.at.world.cities[assisted].slots_open.get(room.code, 0))
        if number:
            self.open_slots[Pair(assisted, room.code)] = number

    def _ringing(self, room: Room, assisted: str) -> int:
        """Waiting calls of `assisted` that ring here: they are still in its queue, and need no further seat.

        Also those just answered here of which their own city has not told yet.
        """
        waiting = self.at.world.cities[assisted].waiting
        return sum(
            seat.serving == assisted and (seat.state is SeatState.RINGING or seat.call in waiting)
            for seat in room.view.seats.values()
        )

    # Loans to make -------------------------------------------------------------------------------------------------

    def _lend(self) -> None:
        """Give every waiting call that is not covered a seat, the heaviest in the fair line first."""
        line = [(-self._weight(code, self.covered[code]), code) for code in self.at.active if self._uncovered(code)]
        heapq.heapify(line)
        givers = [room for room in self.rooms.values() if room.closed is None and room.has_seat()] if line else []
        able = {code: self._able_to_help(code, givers) for _, code in line}
        spare = None
        while line:
            _, assisted = heapq.heappop(line)
            ref = self._next_seat(assisted, able[assisted])
            if ref is None:
                spare = self._spare_seats() if spare is None else spare
                ref = self._moved_seat(assisted, spare)
            if ref is None:
                continue
            self.loans[ref] = assisted
            self.covered[assisted] += 1
            if self._uncovered(assisted):
                heapq.heappush(line, (-self._weight(assisted, self.covered[assisted]), assisted))

    def _uncovered(self, assisted: str) -> int:
        view = self.at.world.cities[assisted]
        return max(0, len(view.waiting) - self.covered[assisted]) if view.fresh(self.at.now, FRESH_S) else 0

    def _able_to_help(self, assisted: str, givers: list[Room]) -> list[tuple[bool, int, str]]:
        """A heap of the cities that can lend a seat now. Ranks only fall, so a stale entry is found on top."""
        heap = []
        for room in givers:
            if assisted in room.helps and room.why_not(assisted) is None:
                dedicated, spare = room.rank()
                heap.append((not dedicated, -spare, room.code))
        heapq.heapify(heap)
        return heap

    def _next_seat(self, assisted: str, able: list[tuple[bool, int, str]]) -> SeatRef | None:
        while able:
            _, _, code = able[0]
            room = self.rooms[code]
            if room.why_not(assisted) is not None:
                heapq.heappop(able)
                continue
            dedicated, spare = room.rank()
            if able[0] != (entry := (not dedicated, -spare, code)):
                heapq.heapreplace(able, entry)
                continue
            return room.take(assisted)
        return None

    def _spare_seats(self) -> list[tuple[str, SeatRef]]:
        """Free lent seats whose present city has nobody waiting, and that have been there for a while."""
        at = self.at
        calm = {code for code in at.active if not at.world.cities[code].waiting}
        found = []
        for ref, assisted in self.loans.items() if calm else ():
            seat = at.world.cities[ref.city].seats[ref.seat]
            stayed = at.now - self.memory.lent_at.get(ref, at.now) >= STAY_S
            if assisted in calm and stayed and seat.state is SeatState.FREE and seat.free_from <= at.now:
                found.append((assisted, ref))
        return found

    def _moved_seat(self, assisted: str, spare: list[tuple[str, SeatRef]]) -> SeatRef | None:
        for index, (present, ref) in enumerate(spare):
            room = self.rooms[ref.city]
            at_home = room.view.fixed.lending[ref.seat] is not Lending.DEDICATED and room.view.unserved > 0
            fits = assisted in room.helps and room.bars(assisted) is None and room.caps(assisted) > 0
            if fits and not at_home and self.at.world.registry_up and room.channels_left(assisted) > 0:
                del spare[index]
                room.cap_left[assisted] -= 1
                room.trunk_left[assisted] -= 1
                self.moved.add(ref)
                pair = Pair(present, ref.city)
                self.open_slots[pair] = max(0, self.open_slots.get(pair, 0) - 1)
                return ref
        return None
