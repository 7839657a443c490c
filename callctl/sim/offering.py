"""The promise that help is given at all: whoever waits too long beside a spare seat is offered it within two ticks.

All other rules say what must not happen; a controller that never lends would keep every one of them.
"""

from collections import Counter

from callctl.core.between import FIRST_SEEN, TrunkView
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    Fact,
    HomeSeat,
    LentSeat,
    Outcome,
    RingEnd,
    RingEnded,
    SeatState,
    TrunkChanged,
)
from callctl.core.experience import first_experience
from callctl.core.fold import LINK_FAILURES
from callctl.core.model import Lending, Pair, Province, SeatRef, SlotRef
from callctl.sim.checkers import Checkers
from callctl.sim.parts import SimSeat
from callctl.sim.pbx import SimPbx

# The loop ticks once a second, and a loan and its slot are two orders of some milliseconds. One tick finds the caller
# over the threshold, a second one mends whatever the first met with (a refusal, a slot that had just paused itself).
OFFER_S = 2.0
# A failed set-up closes its slot; three in a row leave the pair alone for 15 s (core/between.py), then one probes.
FAILED_S = 20.0
MEASURED = 20  # So many calls taken for others, and help may prove so slow that the city's reserve grows by it.


class Offering:
    """Whom a seat is owed, read off the PBXs alone."""

    def __init__(self, province: Province, checkers: Checkers) -> None:
        self._province, self._checkers, self._pbxs = province, checkers, checkers.pbxs
        self._failed_at: dict[Pair, float] = {}
        self._trunks: dict[tuple[str, str], TrunkView] = {}  # By its end and where it leads.
        self._missed: set[SeatRef] = set()  # They rang in vain: left in peace for a minute and more.
        self._late: Counter[str] = Counter()
        self._helped: Counter[str] = Counter()
        for pbx in self._pbxs.values():
            pbx.taps.append(self._fact)

    def _fact(self, fact: Fact) -> None:
        match fact:
            case TrunkChanged(city=city, to=to):
                self._trunks[city, to] = self._trunks.get((city, to), FIRST_SEEN).told(fact.up, fact.at)
            case RingEnded(by=SlotRef(supporting=other)) if fact.why in LINK_FAILURES:
                self._failed_at[Pair(fact.city, other)] = self._checkers.now()
            case RingEnded(by=LentSeat(seat=seat)) if fact.why is RingEnd.NO_ANSWER:
                self._missed.add(SeatRef(fact.city, seat))
            case CallAnswered(by=HomeSeat()):
                self._late[fact.city] += fact.waited_s > self._province.cities[fact.city].queue.sl_seconds
            case CallLeftQueue(outcome=Outcome.ABANDONED):
                self._late[fact.city] += 1
            case CallEnded(by=LentSeat()):
                self._helped[fact.city] += 1

    def in_need(self, home: str) -> bool:
        """Whether assistance is on, a caller is over the threshold, and nobody rings or is about to ring for the caller."""
        pbx, now = self._pbxs[home], self._checkers.now()
        if not pbx.alive or not pbx.waiting or home not in self._checkers.wished[-1][1].assisted():
            return False
        threshold_s = self._province.cities[home].queue.wait_threshold_s
        alone = (pbx.calls[call] for call in pbx.waiting if pbx.calls[call].by is None)
        if not any(now - call.waiting.waiting_since >= threshold_s for call in alone):
            return False
        offered = any(slot.open and not slot.call for slot in pbx.slots.values())
        return not offered and not any(idle_at_home(seat, now) for seat in pbx.seats.values())

    def owed(self, home: str, other: str) -> bool:
        """Whether `other` could spare `home` a seat, and nothing forbids it."""
        peer, wishes = self._pbxs[other], self._checkers.wished[-1][1]
        city, event = self._province.cities[other], wishes.events[home]
        if not peer.alive or other in wishes.assisted() or not city.may_help(home) or not self._passes(home, other):
            return False
        seats = [seat for seat in peer.seats.values() if self._could_ring(other, seat)]
        lent_to = {seat: assisted for assisted, some in peer.support.items() for seat in some}
        # Called home in mid-call: on loan until the call is over.
        lent_to.update({seat.id: by for seat in peer.seats.values() if (by := _serves(seat)) not in ("", other)})
        lent, lent_here = len(lent_to), sum(assisted == home for assisted in lent_to.values())
        share = event.seats.get(other, 0) if event.seats else lent_here + 1
        quota = wishes.quotas.get(other, city.lend.quota)
        fit = [seat for seat in seats if lent_to.get(seat.id) == home and lent <= quota and lent_here <= share]
        if lent < quota and lent_here < share:
            fit += [seat for seat in seats if seat.id not in lent_to]
        if any(seat.lend is Lending.DEDICATED for seat in fit):
            return True
        return bool(fit) and self._can_spare(other)

    def _passes(self, home: str, other: str) -> bool:
        """Whether the trunk is up at both ends, has a free channel, and did not fail lately."""
        pbx, peer, pair = self._pbxs[home], self._pbxs[other], Pair(home, other)
        if not pbx.trunks.get(other) or not peer.trunks.get(home):
            return False
        ends = (self._trunks.get((home, other), FIRST_SEEN), self._trunks.get((other, home), FIRST_SEEN))
        if not all(end.steady(self._checkers.now()) for end in ends):
            return False
        used = _legs(pbx, peer) + _legs(peer, pbx)
        lately = self._checkers.now() - self._failed_at.get(pair, float("-inf")) < FAILED_S
        return used < self._province.channels(pair) and not lately and not _dialling(pbx, peer)

    def _could_ring(self, city: str, seat: SimSeat) -> bool:
        lendable = seat.lend is not Lending.NO and SeatRef(city, seat.id) not in self._missed
        return lendable and rings_next(seat, self._checkers.now())

    def _can_spare(self, other: str) -> bool:
        """No own callers, more idle than the reserve and all that is offered; and no reason to keep more at home."""
        peer, city, now = self._pbxs[other], self._province.cities[other], self._checkers.now()
        own_seats = sum(seat.lend is not Lending.DEDICATED for seat in city.seats)
        budget = first_experience(own_seats, city.queue.sl_target, city.queue.sl_seconds).budget
        if self._late[other] >= budget.left or self._helped[other] >= MEASURED:
            return False
        if any(not isinstance(peer.calls[call].by, HomeSeat) for call in peer.waiting):
            return False
        idle = sum(idle_at_home(seat, now) for seat in peer.seats.values())
        offered = sum(open_unused(pbx, other) for pbx in self._pbxs.values())
        return idle - offered > city.lend.reserve


def _legs(home: SimPbx, away: SimPbx) -> int:
    """Calls of `home` at `away` and slots for more; a call may count twice, so this is rather too many."""
    slots = sum(ref.supporting == away.city and (slot.open or bool(slot.call)) for ref, slot in home.slots.items())
    return slots + sum(_serves(seat) == home.city for seat in away.seats.values())


def _dialling(home: SimPbx, away: SimPbx) -> bool:
    """Whether a set-up has reached no phone there: the wire is cut, and it gives up by itself. The seat is spoken for."""
    reached = {seat.call for seat in away.seats.values()}
    return any(ref.supporting == away.city and slot.call and slot.call not in reached for ref, slot in home.slots.items())


def _serves(seat: SimSeat) -> str:
    """The city whose caller it rings for or talks to; empty: nobody's."""
    return seat.call.partition("-")[0]


def open_unused(home: SimPbx, other: str) -> int:
    """Slots of `home` to `other` that are open, with no call in them."""
    return sum(ref.supporting == other and slot.open and not slot.call for ref, slot in home.slots.items())


def idle_at_home(seat: SimSeat, now: float) -> bool:
    """Whether its own city's queue could ring it."""
    return seat.lend is not Lending.DEDICATED and rings_next(seat, now)


def rings_next(seat: SimSeat, now: float) -> bool:
    """Whether a queue it sits in could ring it."""
    return seat.ready and seat.state is SeatState.FREE and seat.free_from <= now
