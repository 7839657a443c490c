"""The sharing plan: the policy of core/allocation.py, applied to one picture of the whole province. Pure; one plan a call.

The picture is turned into Rooms; seats on loan that are free count as idle seats of their city that are at hand for the
city they are lent to. Then the policy goes through the one fair line of all assisted cities' callers. Whoever is first
gets a seat at hand, else one at home, else one lent to another assisted city whose callers stand further back (late
binding). What nobody asked for stays where it is, slot open, while its city can spare it.

No ping-pong: a seat moves only for a caller who stands before every caller its present city has for it. In a picture that
does not change the order of two callers changes once at most (their weights are straight lines in time), so a seat that
has moved for one does not move back. When callers come and go, a moved seat stays for MOVED_STAYS_S. A seat that rings or
talks is never touched.

Why slots are counted with those in use: the number for a pair is read off the supporting city alone, as seats lent
that are free or already on a call of the pair. A seat that goes from free to ringing to talking stays counted once, so
it does not matter that the assisted city's picture runs a moment ahead or behind: the sum is the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from callctl.core.allocation import Allocation, Help, Room
from callctl.core.between import Between
from callctl.core.explain import Reasons
from callctl.core.groups import AtHand, Calls, arrange, fresh
from callctl.core.model import Pair, Province, SeatRef
from callctl.core.plan import Plan
from callctl.core.reasons import Decision, Did, Why
from callctl.core.seats import (
    AT_HOME,
    FRESH_S,
    LENT_HERE,
    CityRoom,
    Setting,
    between_cities,
    cooling_down,
    could_lend,
    cut_off,
    pair_bar,
    ringing_elsewhere,
    served,
)
from callctl.core.telling import Telling, Told
from callctl.core.together import widen
from callctl.core.wishes import Wishes
from callctl.core.world import Kept, World, all_loans

SHORT_S = 20.0  # Own callers wait this long without a pause: shared seats come home for good, not only their slots.
MOVED_STAYS_S = 5.0  # A seat moved to another assisted city stays at least so long: the PBX's look, ring and answer.
HELD_S = 30.0  # An assisted city not heard for so long keeps its loans: most broken links heal at once.


class Standing(NamedTuple):
    """An active city."""

    calm_since: float | None  # None while calls wait.
    why: Decision


@dataclass(frozen=True, slots=True)
class Memory:
    """What the policy remembers from plan to plan."""

    active: Mapping[str, Standing] = field(default_factory=dict)
    reserves: Mapping[str, tuple[int, float]] = field(default_factory=dict)  # Computed for a tight city, and when.
    short_since: Mapping[str, float] = field(default_factory=dict)  # Cities with own callers waiting.
    moved_at: Mapping[SeatRef, float] = field(default_factory=dict)
    told: Told = field(default_factory=dict)  # What was done lately.


def plan(province: Province, world: World, wishes: Wishes, memory: Any, now: float) -> Plan:
    """What shall be so, from one picture of the whole province."""
    before = memory if isinstance(memory, Memory) else _adopted(world, now)
    return _Round(province, world, wishes, before, now).plan()


def _adopted(world: World, now: float) -> Memory:
    """What a fresh start remembers: whoever is being helped goes on being helped, as if the queue were calm since now."""
    why = Decision(Did.ACTIVATED, Why.ADOPTED, now)
    return Memory(active={loan.assisted: Standing(now, why) for _, loan in all_loans(world)})


class _Round:
    """One plan in the making."""

    def __init__(self, province: Province, world: World, wishes: Wishes, memory: Memory, now: float) -> None:
        moved_at = memory.moved_at and {ref: at for ref, at in memory.moved_at.items() if now - at < MOVED_STAYS_S}
        self.at = Setting(province, world, wishes, now, moved_at.keys())
        self.memory = memory
        self.moved_at = dict(moved_at)
        self.rooms: dict[str, CityRoom] = {}
        self.allocation = Allocation([], self._between)
        self.active: dict[str, Standing] = {}
        self.loans: dict[SeatRef, str] = {}
        self.rung: dict[Pair, int] = {}  # Slots that shall be open for free lent seats: one a ring group.
        self.asked: dict[Pair, list[str]] = {}  # Free lent seats that are asked for, one a call.
        self.groups: dict[SeatRef, int] = {}
        self.numbers: dict[Pair, set[int]] = {}  # Of the ring groups, as far as anybody asked.
        self.telling = Telling(now)
        self.short_since = {
            code: memory.short_since.get(code, now) for code, view in world.cities.items() if view.waiting and view.unserved
        }

    def plan(self) -> Plan:
        """First who is active, then what exists, then what is missing; why the rest is left waiting, when it is asked."""
        self._find_active()
        if self.active:
            self._share()
        else:
            self._all_back()
        told = self.telling.lately(self.memory.told)
        memory = Memory(self.active, self._reserves(), self.short_since, self.moved_at, told)
        reasons = Reasons(self.at, self.rooms, self.allocation, self._room)
        slots = self._open_slots()
        return Plan(self.loans, slots, reasons, frozenset(self.active), self._shown(told), memory, self.groups)

    def _share(self) -> None:
        rooms = self._prepare()
        for room in rooms:
            self._look_at_loans(room)
            self.allocation.seats_changed(room)
        groups: dict[Help, int] = {}
        for help_ in self.allocation.start(self.at.now):
            groups[help_] = self._carry_out(help_)
        for help_, more in widen(self.allocation, groups):
            self._join(help_, more, groups[help_])
        for room in rooms:
            self._leave_be(room)

    def _reserves(self) -> Mapping[str, tuple[int, float]]:
        """Computed reserves, kept for as long as their cities' budgets of late calls are used up."""
        tight = [room for room in self.rooms.values() if room.experience.budget.tight]
        kept = {
            code: each for code, each in self.memory.reserves.items() if self.at.world.cities[code].experience.budget.tight
        }
        return {**kept, **{room.code: (room.tight_reserve, room.reviewed_at) for room in tight}}

    def _between(self, assisted: Room, supporting: Room) -> Between:
        return between_cities(self.at, self.rooms[assisted.name], self.rooms[supporting.name])

    def _room(self, code: str) -> CityRoom:
        room = self.rooms[code] = CityRoom(self.at, code, len(self.rooms))
        room.tight_reserve, room.reviewed_at = self.memory.reserves.get(code, (0, float("-inf")))
        self.allocation.set_reserve(room, self.at.now)
        return room

    # Who is helped -------------------------------------------------------------------------------------------------

    def _find_active(self) -> None:
        """The cities assistance acts for; hysteresis keeps them from flapping."""
        at, now = self.at, self.at.now
        for code in sorted(at.wishes.assisted()):
            was, view = self.memory.active.get(code), at.world.cities.get(code)
            if view is None or (was is None and not view.waiting):
                continue  # Whoever is not active and has nobody waiting, stays so.
            room = self._room(code)
            if was is not None:
                room.active, room.calm_since = True, float("inf") if was.calm_since is None else was.calm_since
            if room.known:
                self.allocation.line_changed(room, now)
            elif now - room.view.heard_at > HELD_S:
                room.active = False
            if room.active:
                calm_since = None if room.calm_since == float("inf") else room.calm_since
                self.active[code] = Standing(calm_since, was.why if was is not None else self._activated(room))
        for code in self.memory.active:
            if code not in self.active and code in at.world.cities:
                self.telling.tell(code, Did.RESTED, self._why_ended(code))

    def _activated(self, room: CityRoom) -> Decision:
        why, wait_s = room.active_why or (Why.WAITED, 0.0)
        return Decision(Did.ACTIVATED, why, self.at.now, wait_s=wait_s, threshold_s=room.threshold_s)

    def _why_ended(self, assisted: str) -> Why:
        """Why a city that had loans is not active now."""
        event = self.at.wishes.events.get(assisted)
        if self.at.wishes.stopped:
            return Why.STOPPED
        if event is None:
            return Why.NO_EVENT
        if not event.switched_on:
            return Why.SWITCHED_OFF
        view = self.at.world.cities.get(assisted)
        return Why.CALM if view is not None and view.fresh(self.at.now, FRESH_S) else Why.HOME_UNKNOWN

    def _prepare(self) -> list[CityRoom]:
        """The Rooms that matter: those helped, those that lend, and where somebody needs more, those that could."""
        at, active = self.at, [self.rooms[code] for code in self.active]
        for room in active:
            self._count_ringing(room)
        needy = any(room.index in self.allocation.hungry for room in active)
        for code, view in at.world.cities.items():
            if code not in self.rooms and (view.tally.lent or (needy and could_lend(view, at.now))):
                self._room(code)
        return list(self.rooms.values())

    def _count_ringing(self, room: CityRoom) -> None:
        """Waiting calls of an assisted city that ring elsewhere are covered."""
        ringing = dict(ringing_elsewhere(self.at.world, room.view))
        room.cover(frozenset().union(*ringing.values()))
        for code, calls in ringing.items():
            supporting = self.rooms.get(code) or self._room(code)
            room.under_way += [Help(room, supporting, False)] * len(calls)
            self.allocation.between(room, supporting).ringing += len(calls)
        self.allocation.line_changed(room, self.at.now)

    # Loans that exist ----------------------------------------------------------------------------------------------

    def _look_at_loans(self, room: CityRoom) -> None:
        """Which loans of this city go on. A call in progress goes on in any case, and its loan as long as the pair does."""
        tally = room.view.tally
        if not tally.lent:
            return
        ends = {assisted: self._pair_ends(room, assisted) for assisted in tally.helped}
        if len(tally.lent) > len(tally.kept) + sum(map(len, tally.held.values())):
            self._tell_not_ready(room)
        for assisted, held in tally.held.items():
            if (why := ends[assisted]) is None:
                self.loans.update(held)
            else:
                self._back(room, why, held)
        short = self.at.now - self.short_since.get(room.code, self.at.now) >= SHORT_S
        for kept in tally.kept:
            ending = ends[kept.assisted] or self._seat_ends(room, kept, short)
            if ending is not None:
                self._back(room, ending, {kept.ref: kept.assisted})
            elif kept.free_from > self.at.now:  # Rests after a call, or takes one of its own city.
                self._keep(room, kept.ref, kept.assisted)
            else:
                room.lend_again(kept)
        for seats in room.lent_free.values():
            seats.reverse()

    def _tell_not_ready(self, room: CityRoom) -> None:
        """Whose agent makes a break, or whose phone is gone, comes home."""
        tally = room.view.tally
        stay = {kept.ref for kept in tally.kept}.union(*tally.held.values())
        for seat, loan in tally.lent.items():
            if (ref := SeatRef(room.code, seat)) not in stay:
                self._note_back(ref, loan.assisted, Why.NOT_READY)

    def _pair_ends(self, room: CityRoom, assisted: str) -> Why | None:
        """Why loans between the two end; None: they go on. Their free slots are closed earlier and separately."""
        if assisted not in self.active:
            return self._why_ended(assisted)
        if room.active:
            return Why.ITSELF_ASSISTED
        bar = pair_bar(self.at, assisted, room.code)
        return None if bar is Why.NO_TRUNK else bar

    def _seat_ends(self, room: CityRoom, kept: Kept, short: bool) -> Why | None:
        if short and not kept.dedicated:
            return Why.SHORT
        if room.view.missed and cooling_down(room.view.missed.get(kept.ref.seat), self.at.now):
            return Why.COOL_DOWN
        if kept.ref in self.at.world.unbriefed.get(kept.assisted, ()):
            return Why.UNBRIEFED
        return None

    def _keep(self, room: CityRoom, ref: SeatRef, assisted: str) -> bool:
        """A loan that goes on, if quota and event have room for it."""
        between = self.allocation.between(self.rooms[assisted], room)
        if room.lent >= room.quota or between.lent >= between.seats:
            self._back(room, Why.QUOTA, {ref: assisted})
            return False
        room.lent += 1
        between.lent += 1
        self.loans[ref] = assisted
        return True

    def _leave_be(self, room: CityRoom) -> None:
        """Free seats on loan that nobody asked for stay where they are, their slots open as far as they can be spared."""
        hands: dict[str, list[AtHand]] = {}
        for (assisted, dedicated), seats in room.lent_free.items():
            hand = hands.setdefault(assisted, [])
            asked = self.asked.get(Pair(assisted, room.code), ())
            kept = [seat for seat in reversed(seats) if self._keep(room, SeatRef(room.code, seat), assisted)]
            hand += [self._at_hand(room, seat, dedicated) for seat in asked if room.is_dedicated(seat) is dedicated]
            hand += [self._at_hand(room, seat, dedicated) for seat in kept]
        for assisted, hand in hands.items():
            self._ring(room, assisted, hand)

    def _at_hand(self, room: CityRoom, seat: str, dedicated: bool) -> AtHand:
        ref, group = SeatRef(room.code, seat), room.view.tally.lent[seat].group
        return AtHand(seat, group, dedicated, ref not in self.at.world.pending)

    def _all_back(self) -> None:
        """Nobody is active: every loan ends."""
        for view in self.at.world.cities.values():
            for seat, loan in view.tally.lent.items() if view.up else ():
                ref = SeatRef(view.city.code, seat)
                self._note_back(ref, loan.assisted, self._why_ended(loan.assisted))

    # Loans to make, seats to ring ----------------------------------------------------------------------------------

    def _carry_out(self, help_: Help) -> int:
        """Find the seat of a help the policy decided on, and say in which group it shall ring."""
        room, assisted = self.rooms[help_.supporting.name], help_.assisted.name
        seat, present = room.take(help_.assisted, help_.nearness, help_.dedicated)
        ref, pair = SeatRef(room.code, seat), Pair(assisted, room.code)
        self.loans[ref] = assisted
        if help_.nearness == LENT_HERE:
            self.asked.setdefault(pair, []).append(seat)
            return room.view.tally.lent[seat].group
        group = self.groups[ref] = fresh(self._numbers(pair))
        self._numbers(pair).add(group)
        if present:
            self.moved_at[ref] = self.at.now
            self.telling.tell(room.code, Did.SEAT_MOVED, Why.MORE_URGENT, assisted, seat)
        elif ref not in self.moved_at:  # Else it was told: to move is to come home and be lent anew.
            self.telling.tell(room.code, Did.SEAT_LENT, Why.NEXT_IN_LINE, assisted, seat)
        return group

    def _join(self, help_: Help, seats: int, group: int) -> None:
        """More seats of the same city ring together with the help's."""
        room, assisted = self.rooms[help_.supporting.name], help_.assisted.name
        joined = [room.take(help_.assisted, AT_HOME, help_.dedicated)[0] for _ in range(seats)]
        for seat in joined:
            self.loans[SeatRef(room.code, seat)] = assisted
            self.groups[SeatRef(room.code, seat)] = group
        self.telling.tell(room.code, Did.RING_TOGETHER, Why.NOBODY_ELSE, assisted, *joined)

    def _numbers(self, pair: Pair) -> set[int]:
        """The groups of the pair's loans, those of this plan included."""
        if pair not in self.numbers:
            lent = self.at.world.cities[pair.supporting].tally.lent.values()
            self.numbers[pair] = {loan.group for loan in lent if loan.assisted == pair.assisted}
        return self.numbers[pair]

    def _ring(self, room: CityRoom, assisted: str, hand: list[AtHand]) -> None:
        """Slots for the seats at hand, one a ring group: as far as they can be spared, and trunk and breaker let them."""
        pair, now, alone = Pair(assisted, room.code), self.at.now, not room.view.rings_together
        asked, between = self.asked.get(pair, ()), self.allocation.between(self.rooms[assisted], room)
        if alone:
            hand = [one._replace(group=place) for place, one in enumerate(hand)]
        calls = Calls(len(asked), len(asked) + (between.more_calls(now) if room.known else 0))
        paid = sum(not room.is_dedicated(seat) for seat in asked)
        arranged = arrange(hand, calls, paid + room.spare(), room.together, self._numbers(pair))
        besides = max(0, arranged.ringing - len(asked))
        between.carried += besides
        between.ringing += besides
        if arranged.ringing < len({one.group for one in hand}):
            self.telling.tell(room.code, Did.SLOT_CLOSED, _why_silent(room, between, now), assisted)
        room.idle -= max(0, arranged.shared - paid)
        self.rung[pair] = arranged.slots
        for seat, group in () if alone else arranged.moves.items():
            self.groups[SeatRef(room.code, seat)] = group
            why = _why_silent(room, between, now) if seat in arranged.aside else Why.NEXT_IN_LINE
            self.telling.tell(room.code, Did.SEAT_REGROUPED, why, assisted, seat)

    def _open_slots(self) -> dict[Pair, int]:
        """Slots by pair: free lent seats that may be rung, and calls in progress.

        A seat whose caller is gone has no slot: the next caller would meet nobody.
        """
        cities = self.at.world.cities
        rung = [(pair, number) for pair, number in self.rung.items() if number]
        slots = {pair: number + cut_off(cities[pair.assisted], cities[pair.supporting]) for pair, number in rung}
        for code, view in cities.items() if self.active else ():
            for assisted in view.tally.served:
                if assisted in self.active:
                    pair, calls = Pair(assisted, code), served(cities[assisted], view)[0]
                    # Never beyond the trunk, though a lost fact may leave us with a call too many in the picture.
                    slots[pair] = min(slots.get(pair, 0) + len(calls), view.fixed.channels.get(assisted, 0))
        if not self.at.world.registry_up:
            slots = {
                pair: min(number, cities[pair.assisted].slots_open.get(pair.supporting, 0))
                for pair, number in slots.items()
            }
        return {pair: number for pair, number in slots.items() if number}

    # What is told --------------------------------------------------------------------------------------------------

    def _back(self, room: CityRoom, why: Why, seats: Mapping[SeatRef, str]) -> None:
        for ref, assisted in seats.items():
            self._note_back(ref, assisted, why)

    def _note_back(self, ref: SeatRef, assisted: str, why: Why) -> None:
        self.telling.tell(ref.city, Did.SEAT_BACK, why, assisted, ref.seat)

    def _shown(self, told: Told) -> Told:
        """For a city assistance acts for, first why; then what was done lately."""
        acting: Iterator[tuple[str, tuple[Decision, ...]]] = ((code, (each.why,)) for code, each in self.active.items())
        return {**told, **{code: (*why, *told.get(code, ())) for code, why in acting}} if self.active else told


def _why_silent(room: CityRoom, between: Between, now: float) -> Why:
    """Why free seats on loan do not ring: the city is not heard, no call passes between the two, or it needs them."""
    if not room.known:
        return Why.PBX_DOWN
    between_them = None if between.more_calls(now) else between.why_not(now)
    return between_them or room.shared_bar() or Why.RESERVE
