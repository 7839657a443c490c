"""Which city's seat is lent to whom, and when: the sharing policy, one decision at a time, on numbers only.

Two owners: the running controller's sharing plan (core/sharing.py, from every picture) and the simulator (event by event).
The owner keeps each Room's facts true, says what changed, and carries out the Helps. Cost follows what changed.

The policy (docs/SIMULATION.md has the evidence): a city becomes *active* when its wait, waited or predicted, passes its
threshold, and rests when its queue has been empty for a while (Perry & Whitt 2009, FQR-ART). While it is active every
waiting caller is covered by one set-up; the caller keeps the place, and the seat that answers takes whoever is then
first. A supporter lends while it has more idle agents than its reserve (Gans & Zhou 2003), nobody waits in its own
queue, and it is not active itself.
"""

import enum
import heapq
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from callctl.core.between import BREAKER_OPEN_S, HEALTHY, UNLIMITED, Between, PairHealth, let_through
from callctl.core.estimate import wait_qla
from callctl.core.experience import Experience, own_reserve
from callctl.core.model import RING_TOGETHER
from callctl.core.reasons import Why

FAIR_FACTOR = 1.3  # Help so much slower than at home still pays; beyond, a supporter needs more agents to spare.
REVIEW_S = 300.0  # A reserve computed from the load is computed again after this.


class HelpState(enum.Enum):
    """The life of one help."""

    UNDER_WAY = "under_way"
    TALKING = "talking"
    WRAPPING = "wrapping"
    OVER = "over"


class Pool(NamedTuple):
    """Seats of a room that are alike for one assisted city. The greater pool is asked first."""

    nearness: int  # How little must change for one of them to ring.
    dedicated: bool
    seats: int  # How many could be lent now; for shared ones, above the reserve.


def _nobody(place: int) -> float:
    return math.inf


class Room:
    """One city in numbers, as it may be helped and as it may help. The owner keeps the facts and levers true."""

    __slots__ = (
        *("index", "name", "known", "staff", "idle", "dedicated", "waiting", "waiting_since", "legs", "trunks"),
        *("switched_on", "weight", "threshold_s", "release_s", "quota", "lends", "least_reserve", "together"),
        *("experience", "active", "active_why", "calm_since", "under_way", "lent"),
        *("reserve", "tight_reserve", "reviewed_at"),
    )

    def __init__(self, index: int, name: str, experience: Experience | None = None) -> None:
        self.index, self.name = index, name
        # Facts.
        self.known = True
        self.staff = 0  # Agents on duty.
        self.idle = 0  # Shared seats that could take a call at once (below zero: a shift ended, calls go on).
        self.dedicated = 0  # Idle seats that take only assisted calls.
        self.waiting = 0
        self.waiting_since: Callable[[int], float] = _nobody  # Since when the k-th in the line waits, 0 is the head.
        self.legs = 0
        self.trunks = UNLIMITED
        self.experience = experience or Experience()
        # Levers and rules.
        self.switched_on = False
        self.weight = 1.0
        self.threshold_s = 20.0
        self.release_s = 60.0
        self.quota = 0
        self.lends = True
        self.least_reserve = 1
        self.together = RING_TOGETHER
        # What the policy remembers.
        self.active = False
        self.active_why: tuple[Why, float] | None = None  # Why it became so, with the wait in seconds.
        self.calm_since = -math.inf
        self.under_way: list[Help] = []  # Newest last.
        self.lent = 0
        self.reserve = 1
        self.tight_reserve = 0
        self.reviewed_at = -math.inf

    def bar(self) -> Why | None:
        """What keeps the city from lending a seat to anybody at all; None: it could lend one. Each rule is one line."""
        if not self.known:
            return Why.PBX_DOWN
        if self.active:
            return Why.ITSELF_ASSISTED  # One-way: who is helped does not help.
        if not self.lends or self.lent >= self.quota:
            return Why.QUOTA
        if self.legs >= self.trunks:
            return Why.TRUNK_FULL
        return None if self.dedicated > 0 else self.shared_bar()

    def shared_bar(self) -> Why | None:
        """What keeps it from lending a seat that its own callers need as well."""
        if self.staff <= 0:
            return Why.NO_SEAT_ON_DUTY
        if self.waiting > 0:
            return Why.OWN_CALLERS
        if self.idle <= 0:
            return Why.SEATS_BUSY
        return Why.RESERVE if self.above_reserve() <= 0 else None

    def above_reserve(self) -> int:
        """Idle agents the city need not keep at home."""
        return self.idle - self.reserve

    def spare(self) -> int:
        """Shared seats that could be lent at once."""
        return self.above_reserve() if self.shared_bar() is None else 0

    def pool(self, assisted: "Room") -> Pool:
        """The seats from which `assisted` would get one now. Dedicated ones go first: no caller at home needs them."""
        return Pool(0, True, self.dedicated) if self.dedicated > 0 else Pool(0, False, self.spare())

    def beside(self, help_: "Help") -> int:
        """Seats that may ring together with the help's."""
        return min(self.dedicated if help_.dedicated else self.spare(), self.quota - self.lent)


class Help:
    """Seats of `supporting` for one caller of `assisted`: reserved, then ringing together, then one of them talks."""

    __slots__ = ("assisted", "caller", "dedicated", "nearness", "seats", "state", "supporting")

    def __init__(self, assisted: Room, supporting: Room, dedicated: bool, seats: int = 1, nearness: int = 0) -> None:
        self.assisted, self.supporting, self.dedicated, self.seats = assisted, supporting, dedicated, seats
        self.nearness = nearness
        self.state = HelpState.UNDER_WAY
        self.caller: object = None  # The owner's.


_Giver = tuple[int, bool, int, float, int, Room]  # Its rank, then its index and itself.


class Allocation:
    """All rooms, and the two short lists that matter: who needs help, who can give it."""

    def __init__(self, rooms: list[Room], between: Callable[[Room, Room], Between] | None = None) -> None:
        """`between` makes what lies between an assisted and a supporting city, when it is first asked for."""
        self.rooms = rooms
        self.hungry: dict[int, Room] = {}  # Active, with waiting callers that no set-up covers.
        self.open: dict[int, Room] = {}  # Could lend a seat now.
        self._pairs: dict[tuple[int, int], Between] = {}
        self._make_pair = between or (lambda assisted, supporting: Between())

    def between(self, assisted: Room, supporting: Room) -> Between:
        """What lies between the two."""
        key = (assisted.index, supporting.index)
        pair = self._pairs.get(key)
        if pair is None:
            pair = self._pairs[key] = self._make_pair(assisted, supporting)
        return pair

    # What changed.

    def line_changed(self, room: Room, now: float) -> None:
        """Callers came or left, or the switch, staff or threshold changed: is the room active, and hungry?"""
        if room.waiting > 0:
            room.calm_since = math.inf
            if not room.active and room.switched_on and (why := self.too_long(room, now)) is not None:
                room.active, room.active_why = True, why
                self.open.pop(room.index, None)
        else:
            if room.calm_since == math.inf:
                room.calm_since = now
            if room.active and now >= room.calm_since + room.release_s:
                self._rest(room, now)
        if room.active and not room.switched_on:
            self._rest(room, now)
        self._appetite(room)
        self.seats_changed(room)

    def _rest(self, room: Room, now: float) -> None:
        room.active = False
        self.set_reserve(room, now)  # It may lend again; while it was helped nothing was computed.

    def _appetite(self, room: Room) -> None:
        if room.active and room.known and room.waiting > len(room.under_way):
            self.hungry[room.index] = room
        else:
            self.hungry.pop(room.index, None)

    @staticmethod
    def too_long(room: Room, now: float) -> tuple[Why, float] | None:
        """Whether the head has waited the threshold, or a new caller would (own agents only), and how long."""
        waited_s = now - room.waiting_since(0)
        if waited_s >= room.threshold_s:
            return Why.WAITED, waited_s
        if room.lent > 0 and room.waiting > room.idle:
            return Why.AGENTS_AWAY, waited_s  # Nobody is worse off for having helped.
        experience, ahead = room.experience, room.waiting - max(0, room.idle)
        if experience.own.known and ahead > 0:  # Agents idle at this moment take the first ones.
            predicted_s = wait_qla(ahead, max(0, room.staff), experience.own.mean_s, experience.patience.mean_s)
            if predicted_s >= room.threshold_s:
                return Why.PREDICTED, predicted_s
        return None

    @staticmethod
    def look_again_at(room: Room) -> float:
        """When time alone may change the room's activity; infinity if it cannot."""
        if not room.switched_on:
            return math.inf
        if room.active:
            return math.inf if room.waiting else room.calm_since + room.release_s
        return room.waiting_since(0) + room.threshold_s if room.waiting else math.inf

    def seats_changed(self, room: Room) -> None:
        """Idle agents, quota, legs, reserve or knowledge changed: could the room lend a seat now?"""
        self.open.pop(room.index, None)
        if room.bar() is None:
            self.open[room.index] = room

    def own_call(self, room: Room, now: float) -> None:
        """The room's experience counted an own call: its budget may be used up, or mended."""
        before = room.reserve
        self.set_reserve(room, now)
        if room.reserve != before:
            self.seats_changed(room)

    def rules_changed(self, room: Room, now: float) -> None:
        """Staff, handling times or the least reserve changed."""
        self.set_reserve(room, now)
        self.seats_changed(room)

    @staticmethod
    def set_reserve(room: Room, now: float) -> None:
        """The agents to keep idle: few, more where help is slow; by the room's own load while its budget is used up."""
        experience = room.experience
        if experience.budget.tight:
            if now - room.reviewed_at >= REVIEW_S and not room.active:
                reserve = own_reserve(experience, room.staff, room.quota, room.tight_reserve, now)
                room.reviewed_at, room.tight_reserve = now, reserve
            room.reserve = max(room.least_reserve, 2, room.tight_reserve)
        else:
            slow = experience.slower - FAIR_FACTOR
            room.reserve = max(room.least_reserve, math.ceil(slow * math.sqrt(room.staff)) if room.staff > 0 else 0)

    # Decisions.

    def start(self, now: float) -> Iterator[Help]:
        """Every set-up that should begin now: the fair line of all assisted cities, the best supporter for each."""
        if not self.hungry or not self.open:
            return
        # A caller may have been answered at home a moment ago, and the owner tells of the seat before it tells of the line.
        line = [(self._turn(r, now), r.index, r) for r in self.hungry.values() if r.waiting > len(r.under_way)]
        heapq.heapify(line)
        givers: dict[int, list[_Giver]] = {}
        while line:
            room = line[0][2]
            if room.index not in givers:
                givers[room.index] = self._givers(room, now)
            if (supporting := self._next_giver(room, givers[room.index], now)) is not None:
                yield self._begin(room, supporting)
            if supporting is None or room.index not in self.hungry:
                heapq.heappop(line)  # Nothing becomes free meanwhile.
            else:
                heapq.heapreplace(line, (self._turn(room, now), room.index, room))

    def _turn(self, room: Room, now: float) -> float:
        """The place of the room's first uncovered caller in the one line."""
        return room.weight * (room.waiting_since(len(room.under_way)) - now) if len(self.hungry) > 1 else 0.0

    def _givers(self, assisted: Room, now: float) -> list[_Giver]:
        """A heap of the rooms that can lend to `assisted`. Ranks only fall, so a rank that is out of date is on top."""
        ranks = [self._rank(assisted, room, now) for room in self.open.values()] if assisted.legs < assisted.trunks else []
        heapq.heapify(givers := [rank for rank in ranks if rank is not None])
        return givers

    def _next_giver(self, assisted: Room, givers: list[_Giver], now: float) -> Room | None:
        while givers and assisted.legs < assisted.trunks:
            top = givers[0]
            rank = self._rank(assisted, top[5], now) if top[4] in self.open else None
            if rank is None:
                heapq.heappop(givers)
            elif rank != top:
                heapq.heapreplace(givers, rank)
            else:
                return top[5]
        return None

    def _rank(self, assisted: Room, room: Room, now: float) -> _Giver | None:
        """Least first: a seat at hand, dedicated seats, the most idle above the reserve; the ledger of help breaks ties."""
        if room is assisted or self.between(assisted, room).why_not(now) is not None:
            return None
        nearness, dedicated, seats = room.pool(assisted)
        if seats <= 0:
            return None
        return (-nearness, not dedicated, -seats, room.experience.help_given(now) / room.quota, room.index, room)

    def _begin(self, assisted: Room, supporting: Room) -> Help:
        nearness, dedicated, _ = supporting.pool(assisted)
        help_ = Help(assisted, supporting, dedicated, 1, nearness)
        assisted.under_way.append(help_)
        self.between(assisted, supporting).ringing += 1
        self.adopt(help_)
        self._appetite(assisted)
        self.seats_changed(supporting)
        return help_

    def surplus(self, room: Room) -> Help | None:
        """The newest set-up, if there are more of them than waiting callers: it must be given up, its agent is free."""
        if len(room.under_way) <= room.waiting:
            return None
        self.given_up(help_ := room.under_way[-1])
        return help_

    # The life of a help, told by the owner.

    def given_up(self, help_: Help) -> None:
        """The set-up ended without an answer; its agent is idle again."""
        self._rings_no_more(help_)
        self._free_legs(help_)
        self.seat_back(help_)
        self._appetite(help_.assisted)

    def failed(self, help_: Help, now: float) -> float:
        """The trunk did not carry the set-up: give it up; returns until when the pair is left alone."""
        pair = self.between(help_.assisted, help_.supporting)
        pair.health = PairHealth(pair.health.failures + 1, now)
        self.given_up(help_)
        return now if let_through(pair.health, now) else now + BREAKER_OPEN_S

    def adopt(self, help_: Help) -> None:
        """The seats are lent and the legs taken, also for a talk that goes on from before, whoever decided it."""
        self.between(help_.assisted, help_.supporting).carried += 1
        help_.assisted.legs += 1
        help_.supporting.legs += 1
        self._reserve(help_, help_.seats)

    def answered(self, help_: Help, now: float) -> None:
        """The lent agent answered and has the caller who was first. The owner lowers `waiting` and calls line_changed."""
        self._rings_no_more(help_)
        help_.state = HelpState.TALKING
        self.resize(help_, 1)
        self.between(help_.assisted, help_.supporting).health = HEALTHY
        help_.supporting.experience.helped(now)

    def resize(self, help_: Help, seats: int) -> None:
        """So many seats are the help's from now on."""
        self._reserve(help_, seats - help_.seats)
        help_.seats = seats
        self.seats_changed(help_.supporting)

    def talk_ended(self, help_: Help) -> None:
        """The leg is free; the agent wraps up."""
        self._free_legs(help_)
        help_.state = HelpState.WRAPPING

    def seat_back(self, help_: Help) -> None:
        """The seat (or, before an answer, every seat that rang) is idle at home again."""
        help_.state = HelpState.OVER
        self._reserve(help_, -help_.seats)
        self.seats_changed(help_.supporting)

    def _rings_no_more(self, help_: Help) -> None:
        help_.assisted.under_way.remove(help_)
        self.between(help_.assisted, help_.supporting).ringing -= 1

    def _reserve(self, help_: Help, seats: int) -> None:
        room = help_.supporting
        room.lent += seats
        self.between(help_.assisted, room).lent += seats
        if help_.dedicated:
            room.dedicated -= seats
        else:
            room.idle -= seats

    def _free_legs(self, help_: Help) -> None:
        help_.assisted.legs -= 1
        help_.supporting.legs -= 1
        self.between(help_.assisted, help_.supporting).carried -= 1
        self.seats_changed(help_.supporting)

    # Reasons, on demand.

    def why_not_lending(self, assisted: Room, room: Room, now: float) -> Why | None:
        """Why `room` does not take one more caller of `assisted` just now; None if it could."""
        if assisted.legs >= assisted.trunks:
            return Why.TRUNK_FULL
        return room.bar() or self.between(assisted, room).why_not(now)

    def why_waiting(self, room: Room) -> Why | None:
        """Why the next waiting caller of `room` is not being connected to a lent seat; None: no help is due yet."""
        if not room.switched_on:
            return Why.SWITCHED_OFF
        if not room.active:
            return None
        if not room.known:
            return Why.HOME_UNKNOWN
        return Why.NO_HELPER if room.index in self.hungry else Why.UNDER_WAY
