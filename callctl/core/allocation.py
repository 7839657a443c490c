"""Which city's seat is lent to whom, and when: the sharing policy, one decision at a time, on numbers only.

The owner (the sharing plan of the running controller, or the simulator) keeps each Room's facts true, says what
changed, and carries out the Helps this module starts or gives up. Cost follows what changed, not the province's size.

The policy (docs/SIMULATION.md has the evidence): a city becomes *active* when its wait, waited or predicted, passes its
threshold, and rests when its queue has been empty for a while (Perry & Whitt 2009, FQR-ART: one-way sharing with
activation and release). While it is active every waiting caller is covered by one set-up under way; the caller keeps
the place, and the seat that answers first takes whoever is then first. A supporter lends while it has more idle agents
than its reserve (Gans & Zhou 2003), nobody waits in its own queue, and it is not active itself.
"""

import enum
import math
from collections.abc import Callable, Iterator, Mapping

from callctl.core.erlang import reserve_for
from callctl.core.estimate import Arrivals, wait_qla
from callctl.core.reasons import Why

BREAK_S = 15.0  # A trunk that failed is left alone this long, then tried with one call.
LEDGER_S = 1800.0  # Help is remembered over half an hour: fairness between supporting cities.
BUDGET_HOURS = 4.0  # Peak hours of late calls a supporting city may save up.
FAIR_FACTOR = 1.3  # Help so much slower than at home still pays; beyond, a supporter needs more agents to spare.
RING_TOGETHER = 3  # Seats one set-up rings at once where that many are idle above the reserve; the first to answer talks.
RECOVERED = 0.1  # Share of a full budget at which an emptied one counts as mended.
KNOWN_RESERVES = 4096  # Computed reserves kept, so that a room's load coming back costs nothing.
REVIEW_S = 300.0  # A reserve computed from the load is computed again after this.


class HelpState(enum.Enum):
    """The life of one help."""

    UNDER_WAY = "under_way"
    TALKING = "talking"
    WRAPPING = "wrapping"
    OVER = "over"


def _nobody(place: int) -> float:
    return math.inf


class Room:
    """One city in numbers, as it may be helped and as it may help. The owner keeps the facts and levers true."""

    __slots__ = (
        *("index", "name", "known", "staff", "idle", "dedicated", "waiting", "waiting_since", "legs", "trunks"),
        *("switched_on", "weight", "threshold_s", "release_s", "quota", "lends"),
        *("target", "least_reserve", "peak_per_h", "aht_s", "lent_aht_s", "patience_s", "sl_s"),
        *("active", "calm_since", "under_way", "lent", "reserve", "budget", "tight", "reviewed_at", "calls"),
        *("_helped", "_helped_at"),
    )

    def __init__(self, index: int, name: str) -> None:
        self.index, self.name = index, name
        # Facts.
        self.known = True
        self.staff = 0  # Agents on duty.
        self.idle = 0  # Shared seats that could take a call at once (below zero: a shift ended, calls go on).
        self.dedicated = 0  # Idle seats that take only assisted calls.
        self.waiting = 0
        self.waiting_since: Callable[[int], float] = _nobody  # Since when the k-th in the line waits, 0 is the head.
        self.legs = 0
        self.trunks = 1_000_000
        # Levers and rules.
        self.switched_on = False
        self.weight = 1.0
        self.threshold_s = 20.0
        self.release_s = 60.0
        self.quota = 0
        self.lends = True
        self.target = 0.80
        self.sl_s = 15.0
        self.least_reserve = 1
        self.peak_per_h = 0.0
        # Estimates.
        self.aht_s = 240.0
        self.lent_aht_s = 264.0
        self.patience_s = 180.0
        # What the policy remembers.
        self.active = False
        self.calm_since = -math.inf
        self.under_way: list[Help] = []  # Newest last.
        self.lent = 0
        self.reserve = 1
        self.budget = math.inf
        self.tight = False
        self.reviewed_at = -math.inf
        self.calls = Arrivals(0.0, 0.0)
        self._helped = 0.0
        self._helped_at = 0.0

    def helped(self, now: float, more: int = 0) -> float:
        """Calls taken for others in the last half hour, fading; the ledger of help."""
        self._helped = self._helped * math.exp((self._helped_at - now) / LEDGER_S) + more
        self._helped_at = now
        return self._helped

    def full_budget(self) -> float:
        """Late calls the room may save up."""
        return (1.0 - self.target) * BUDGET_HOURS * self.peak_per_h


class Help:
    """Seats of `supporting` for one caller of `assisted`: reserved, then ringing together, then one of them talks."""

    __slots__ = ("assisted", "caller", "dedicated", "seats", "state", "supporting")

    def __init__(self, assisted: Room, supporting: Room, dedicated: bool, seats: int = 1) -> None:
        self.assisted, self.supporting, self.dedicated, self.seats = assisted, supporting, dedicated, seats
        self.state = HelpState.UNDER_WAY
        self.caller: object = None  # The owner's.


class Allocation:
    """All rooms, and the two short lists that matter: who needs help, who can give it."""

    def __init__(self, rooms: list[Room], may_help: Callable[[Room, Room], bool] | None = None) -> None:
        self.rooms = rooms
        self.hungry: dict[int, Room] = {}  # Active, with waiting callers that no set-up covers.
        self.open: dict[int, Room] = {}  # Could lend a seat now.
        self.channels: Mapping[tuple[int, int], int] = {}  # Calls a trunk carries, where the pair has its own limit.
        self.ring_together = RING_TOGETHER
        self._reserves: dict[tuple[int, float, int, float, float, float, float, float], int] = {}
        self._may_help = may_help  # (assisted, supporting)
        self._carried: dict[tuple[int, int], int] = {}  # Helps on the pair's trunk.
        self._barred: dict[tuple[int, int], float] = {}  # Failed trunks: left alone until then.

    # What changed.

    def line_changed(self, room: Room, now: float) -> None:
        """Callers came or left, or the switch, staff or threshold changed: is the room active, and hungry?"""
        if room.waiting:
            room.calm_since = math.inf
            if not room.active and room.switched_on and self._too_long(room, now):
                room.active = True
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
        if room.tight:
            self.review(room, now)  # It may lend again: with the reserve of now, not of the time before its own surge.

    def _appetite(self, room: Room) -> None:
        if room.active and room.known and room.waiting > len(room.under_way):
            self.hungry[room.index] = room
        else:
            self.hungry.pop(room.index, None)

    @staticmethod
    def _too_long(room: Room, now: float) -> bool:
        if room.lent > 0:
            return True  # It waits for agents that are away helping: nobody is worse off for having helped.
        if now - room.waiting_since(0) >= room.threshold_s:
            return True
        return wait_qla(room.waiting, max(0, room.staff), room.aht_s, room.patience_s) >= room.threshold_s

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
        able = room.idle > room.reserve and not room.waiting
        if (
            (able or room.dedicated > 0)
            and room.lent < room.quota
            and room.legs < room.trunks
            and room.known
            and room.lends
            and not room.active
        ):
            self.open[room.index] = room
        else:
            self.open.pop(room.index, None)

    def own_call(self, room: Room, late: bool, now: float) -> None:
        """An own caller was answered (`late`: after the service time limit) or lost (late): the leaky bucket."""
        full = room.full_budget()
        room.budget = min(full, room.budget + 1.0 - room.target - late)
        if room.budget <= 0.0:
            room.budget = 0.0
            due = not room.tight or now - room.reviewed_at > REVIEW_S
            room.tight = True
        elif room.tight and room.budget >= RECOVERED * full:
            room.tight = False
            self.rules_changed(room)
            return
        else:
            due = room.tight and now - room.reviewed_at > REVIEW_S
        if due and not room.active:  # Whoever is helped lends nothing; its reserve is computed when it rests.
            self.review(room, now)

    def rules_changed(self, room: Room) -> None:
        """Staff, handling times or the least reserve changed: the reserve of a room that is not tight."""
        if not room.tight:
            slower = room.lent_aht_s / max(1.0, room.aht_s) - FAIR_FACTOR
            room.reserve = max(room.least_reserve, math.ceil(slower * math.sqrt(max(0, room.staff))))
        self.seats_changed(room)

    def review(self, room: Room, now: float) -> None:
        """Compute the reserve from the room's own load (milliseconds; only while its budget is used up)."""
        room.reviewed_at = now
        load = math.ceil(2.0 * room.calls.rate(now).mean * room.aht_s) / 2.0
        times = (round(room.aht_s), round(room.lent_aht_s), round(room.patience_s, -1), room.sl_s)
        key = (room.staff, load, min(room.quota, room.staff), room.target, *times)
        if key not in self._reserves:
            if len(self._reserves) >= KNOWN_RESERVES:
                self._reserves.clear()
            self._reserves[key] = reserve_for(*key)
        room.reserve = max(room.least_reserve, 2, self._reserves[key])
        self.seats_changed(room)

    # Decisions.

    def start(self, now: float) -> Iterator[Help]:
        """Every set-up that should begin now: the fair line of all assisted cities, the best supporter for each."""
        while self.hungry and self.open:
            for room in self._line(now):
                supporting = self._supporter_for(room, now)
                if supporting is not None:
                    yield self._begin(room, supporting)
                    break
            else:
                return

    def _line(self, now: float) -> list[Room]:
        """Hungry cities, the one whose first uncovered caller waits longest (weighted) first."""
        # A caller may have been answered at home a moment ago, and the owner tells of the seat before it tells of the line.
        rooms = [room for room in self.hungry.values() if room.waiting > len(room.under_way)]
        if len(rooms) > 1:
            rooms.sort(key=lambda room: (room.weight * (room.waiting_since(len(room.under_way)) - now), room.index))
        return rooms

    def _supporter_for(self, assisted: Room, now: float) -> Room | None:
        """The open room with the most idle agents above its reserve; dedicated seats first, the ledger breaks ties."""
        if assisted.legs >= assisted.trunks:
            return None
        best, best_rank = None, (False, 0, 0.0)
        for room in self.open.values():
            if room is assisted or self._pair_barred(assisted, room, now):
                continue
            slack = 0 if room.waiting else max(0, room.idle - room.reserve)
            rank = (room.dedicated > 0, slack, -room.helped(now) / room.quota)
            if best is None or rank > best_rank or (rank == best_rank and room.index < best.index):
                best, best_rank = room, rank
        return best

    def _pair_barred(self, assisted: Room, supporting: Room, now: float) -> Why | None:
        if self._may_help is not None and not self._may_help(assisted, supporting):
            return Why.NOT_IN_EVENT
        pair = (assisted.index, supporting.index)
        if pair in self._barred and (now < self._barred[pair] or self._trying(assisted, supporting)):
            return Why.BREAKER  # Broken, or a single call is probing it just now.
        if pair in self.channels and self._carried.get(pair, 0) >= self.channels[pair]:
            return Why.TRUNK_FULL
        return None

    @staticmethod
    def _trying(assisted: Room, supporting: Room) -> bool:
        return any(help_.supporting is supporting for help_ in assisted.under_way)

    def _begin(self, assisted: Room, supporting: Room) -> Help:
        dedicated = supporting.dedicated > 0
        spare = supporting.dedicated if dedicated else supporting.idle - supporting.reserve
        # Only seats that no other caller needs ring together: where help is short, each rings for a caller of its own.
        callers = max(1, assisted.waiting - len(assisted.under_way))
        free = min(spare, supporting.quota - supporting.lent)
        seats = max(1, min(self.ring_together, (spare + 1) // 2, free // callers))
        help_ = Help(assisted, supporting, dedicated, seats)
        assisted.under_way.append(help_)
        assisted.legs += 1
        supporting.legs += 1
        self._reserve(help_, seats)
        pair = (assisted.index, supporting.index)
        self._carried[pair] = self._carried.get(pair, 0) + 1
        self._appetite(assisted)
        self.seats_changed(supporting)
        return help_

    def surplus(self, room: Room) -> Help | None:
        """The newest set-up, if there are more of them than waiting callers: it must be given up, its agent is free."""
        if len(room.under_way) <= room.waiting:
            return None
        help_ = room.under_way[-1]
        self.given_up(help_)
        return help_

    # The life of a help, told by the owner.

    def given_up(self, help_: Help) -> None:
        """The set-up ended without an answer; its agent is idle again."""
        help_.assisted.under_way.remove(help_)
        self._free_legs(help_)
        self.seat_back(help_)
        self._appetite(help_.assisted)

    def failed(self, help_: Help, now: float) -> float:
        """The trunk did not carry the set-up: give it up and leave the pair alone; returns until when."""
        pair = (help_.assisted.index, help_.supporting.index)
        until = now + BREAK_S
        self._barred[pair] = until
        self.given_up(help_)
        return until

    def adopt(self, help_: Help) -> None:
        """A talk that goes on from before: the seat is lent and the legs are taken, whoever decided it."""
        pair = (help_.assisted.index, help_.supporting.index)
        self._carried[pair] = self._carried.get(pair, 0) + 1
        help_.assisted.legs += 1
        help_.supporting.legs += 1
        self._reserve(help_, help_.seats)

    def answered(self, help_: Help, now: float) -> None:
        """The lent agent answered and has the caller who was first. The owner lowers `waiting` and calls line_changed."""
        help_.assisted.under_way.remove(help_)
        help_.state = HelpState.TALKING
        if help_.seats > 1:
            self._reserve(help_, 1 - help_.seats)
            help_.seats = 1
            self.seats_changed(help_.supporting)
        self._barred.pop((help_.assisted.index, help_.supporting.index), None)
        help_.supporting.helped(now, 1)

    def talk_ended(self, help_: Help) -> None:
        """The leg is free; the agent wraps up."""
        self._free_legs(help_)
        help_.state = HelpState.WRAPPING

    def seat_back(self, help_: Help) -> None:
        """The seat (or, before an answer, every seat that rang) is idle at home again."""
        help_.state = HelpState.OVER
        self._reserve(help_, -help_.seats)
        self.seats_changed(help_.supporting)

    @staticmethod
    def _reserve(help_: Help, seats: int) -> None:
        room = help_.supporting
        room.lent += seats
        if help_.dedicated:
            room.dedicated -= seats
        else:
            room.idle -= seats

    def _free_legs(self, help_: Help) -> None:
        help_.assisted.legs -= 1
        help_.supporting.legs -= 1
        self._carried[help_.assisted.index, help_.supporting.index] -= 1
        self.seats_changed(help_.supporting)

    # Reasons, on demand.

    def why_not_lending(self, assisted: Room, room: Room, now: float) -> Why | None:
        """Why `room` does not take one more caller of `assisted` just now; None if it could."""
        reasons = (
            (not room.known, Why.PBX_DOWN),
            (room.active, Why.ITSELF_ASSISTED),
            (not room.lends or room.quota <= 0 or room.lent >= room.quota, Why.QUOTA),
            (room.staff <= 0 and room.dedicated <= 0, Why.NO_SEAT_ON_DUTY),
            (room.waiting > 0 and room.dedicated <= 0, Why.OWN_CALLERS),
            (room.idle <= 0 and room.dedicated <= 0, Why.SEATS_BUSY),
            (room.idle <= room.reserve and room.dedicated <= 0, Why.RESERVE),
            (room.legs >= room.trunks or assisted.legs >= assisted.trunks, Why.TRUNK_FULL),
        )
        return next((why for holds, why in reasons if holds), None) or self._pair_barred(assisted, room, now)

    def why_waiting(self, room: Room) -> Why | None:
        """Why the next waiting caller of `room` is not being connected to a lent seat; None: no help is due yet."""
        if not room.switched_on:
            return Why.SWITCHED_OFF
        if not room.active:
            return None
        if not room.known:
            return Why.HOME_UNKNOWN
        return Why.NO_HELPER if room.index in self.hungry else Why.UNDER_WAY
