"""The promises of callctl, checked on every fact and every order of a simulated province.

Two kinds. What must hold at every instant is checked as it happens (here). What may be wrong for as long as a fact needs
to the controller and an order back is checked by how long it stays wrong (sim/lasting.py). Each rule says its moment.
Ground truth is the PBXs' own state, never the controller's picture.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping

from callctl.core.commands import Lend, MoveCaller, OpenSlot, Order, RenewHeartbeat
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    LoanChanged,
    RingEnded,
)
from callctl.core.fairness import Stay, Turn, inversions
from callctl.core.model import Lending, Pair, Province, SeatRef, SlotRef
from callctl.core.wishes import Wishes
from callctl.ledger import LEASE_TTL_S
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S
from callctl.sim.pbx import SimPbx

# From a supervisor's act to the last order given by the old wishes: wishes are read each 0.5 s, then one plan and its
# orders. What a slow network adds is the link's own lag.
WISH_S = 1.0
REBOOK_S = 5.0  # A registry that came back empty learns the loans of the PBXs within its next lease turns.


class Violation(AssertionError):
    """A promise is broken. The seed that replays it is the caller's to tell."""

    def __init__(self, rule: str, what: str, at_s: float, step: int) -> None:
        super().__init__(f"{rule}: {what} (at {at_s:.3f} s, step {step})")
        self.rule, self.what, self.at_s, self.step = rule, what, at_s, step

    def __reduce__(self) -> tuple[type, tuple[str, str, float, int]]:
        """So that it comes whole out of another process."""
        return type(self), (self.rule, self.what, self.at_s, self.step)


class Line:
    """One home queue's calls, kept until it is empty, for the rule that everybody keeps the place.

    Time is counted in steps: a PBX that thaws tells many things in one instant, and their order still matters.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nobody waits."""
        self.waiting: dict[str, tuple[float, float]] = {}  # Call: the rank it stands by, and when it entered.
        self.stays: list[Stay] = []
        self.rings: list[Stay] = []
        self.turns: list[Turn] = []
        self.ringing: dict[str, float] = {}
        self.ranks: dict[str, float] = {}

    def enter(self, call: str, at: float, since: float, returned: bool) -> None:
        """Who came back from a lost leg stands in front of all who were never answered, in the order of coming back."""
        # Who asked to be called back enters again, and keeps the rank.
        rank = self.ranks.setdefault(call, at - 1e12 if returned else since)
        self.waiting[call] = (rank, at)

    def leave(self, call: str, at: float) -> None:
        """Answered, or gone."""
        self.ring_ended(call, at)
        rank, entered = self.waiting.pop(call, (0.0, 0.0))
        if entered:
            self.stays.append(Stay(rank, entered, at))

    def ring(self, call: str, at: float) -> None:
        """A phone or slot begins to ring."""
        if call in self.waiting and call not in self.ringing:
            self.ringing[call] = at

    def ring_ended(self, call: str, at: float) -> None:
        """It rings no more."""
        began = self.ringing.pop(call, None)
        if began is not None and call in self.waiting:
            self.rings.append(Stay(self.waiting[call][0], began, at))

    def answered(self, call: str) -> None:
        """Somebody speaks; the turn began with the ring."""
        if call in self.waiting:
            self.turns.append(Turn(self.waiting[call][0], self.ringing.get(call, self.waiting[call][1])))
            self.ranks.pop(call, None)

    def lost_places(self) -> int:
        """Answered calls that overtook another, since the queue was last empty; to be asked when it is empty."""
        lost = inversions(self.stays, self.rings, self.turns).overtaken if len(self.stays) > 1 else 0
        self.clear()
        return lost


class Checkers:
    """Hears every fact and order of the province's PBXs. `registered` tells the registry's loans as (assisted, token)."""

    def __init__(
        self,
        province: Province,
        pbxs: Mapping[str, SimPbx],
        registered: Callable[[], Mapping[SeatRef, tuple[str, int]]],
        now: Callable[[], float],
    ) -> None:
        self.province, self.pbxs, self.registered, self.now = province, pbxs, registered, now
        self.began_at = now()
        self.step = 0
        self.calls = 0
        self.remote = 0
        self.orders = 0
        self.failed: Violation | None = None
        self.wished: deque[tuple[float, Wishes]] = deque()  # Wishes and since when, the latest last.
        self.registry_doubted_until = 0.0  # After it was lost or forgot.
        self.woken_at, self.slept_s = float("-inf"), 0.0  # When a stopped controller went on and still led, the last time.
        self.late_orders_until: dict[str, float] = {}  # PBXs that thaw: what lay in their sockets is obeyed late.
        self.lag_s: Callable[[str], float] = lambda _: 0.0
        self.leased: Callable[[], tuple[int, float]] = lambda: (0, 0.0)  # The registry's newest lease, and since when.
        self._talks: dict[str, object] = {}  # Call: who talks, as its home PBX tells.
        self._busy: dict[SeatRef, str] = {}
        self._lines = {code: Line() for code in pbxs}
        self._trace = hashlib.sha256()
        self.traced = False
        for pbx in pbxs.values():
            pbx.taps.append(self.hear)
            pbx.order_taps.append(self.order)

    @property
    def trace(self) -> str:
        """What happened so far, as one number: equal runs have equal traces. Only where `traced` was set before."""
        return self._trace.hexdigest()[:16]

    def woken(self, slept_s: float) -> None:
        """A controller that was stopped goes on.

        While its lease lives it does at once what it was about to do, before it has read anything, by wishes as old as its
        sleep; one that was stopped for longer asks first (Ledger.overslept).
        """
        if slept_s <= LEASE_TTL_S:
            self.woken_at, self.slept_s = self.now(), slept_s

    def broken(self, rule: str, what: str) -> None:
        """A promise is broken. The first one is kept, the run goes on to its next look."""
        if self.failed is None:
            self.failed = Violation(rule, what, self.now() - self.began_at, self.step)

    # Facts -----------------------------------------------------------------------------------------------------------

    def hear(self, fact: Fact) -> None:
        """Every fact, as the PBX tells it."""
        self.step += 1
        if self.traced:
            self._trace.update(repr(fact).encode())
        rule = _RULES.get(type(fact))
        if rule is not None:
            rule(self, fact)

    def _waiting(self, fact: CallWaiting) -> None:
        call = fact.call
        self.calls += not call.returned
        self._talks.pop(call.call, None)
        self._lines[fact.city].enter(call.call, self.step, call.waiting_since, call.returned)

    def _left(self, fact: CallLeftQueue) -> None:
        line = self._lines[fact.city]
        if self.pbxs[fact.city].calls.get(fact.call) is not None and self.pbxs[fact.city].calls[fact.call].answered_at:
            line.answered(fact.call)
        line.leave(fact.call, self.step)
        if not line.waiting and line.lost_places():
            self.broken("place kept", f"a later caller of {fact.city} was rung before an earlier one who waited")

    def _ringing(self, fact: CallRinging) -> None:
        by, home = fact.by, fact.call.partition("-")[0]
        if isinstance(by, LentSeat):
            if home != by.assisted or by.assisted == fact.city:
                self.broken("no onward hop", f"{fact.call} rings at {fact.city} on the way of {by.assisted}")
            if fact.at - self.pbxs[fact.city].heartbeat_at > HEARTBEAT_STALE_S:
                self.broken("dead man's switch", f"{fact.city} rings seat {by.seat} for {by.assisted} without heartbeat")
        else:
            if home != fact.city:
                self.broken("no onward hop", f"{fact.call} of {home} is sent on by {fact.city}")
            self._lines[fact.city].ring(fact.call, self.step)
        if not isinstance(by, SlotRef):
            ref = SeatRef(fact.city, by.seat)
            if self._busy.get(ref, fact.call) != fact.call:
                self.broken("no agent with two calls", f"seat {by.seat} has {self._busy[ref]} and is rung for {fact.call}")
            self._busy[ref] = fact.call

    def _ring_ended(self, fact: RingEnded) -> None:
        if isinstance(fact.by, LentSeat):
            self._free(fact.city, fact.by.seat, fact.call)
            return
        self._lines[fact.city].ring_ended(fact.call, self.step)
        if isinstance(fact.by, HomeSeat):
            self._free(fact.city, fact.by.seat, fact.call)

    def _free(self, city: str, seat: str, call: str) -> None:
        if self._busy.get(SeatRef(city, seat)) == call:
            del self._busy[SeatRef(city, seat)]

    def _answered(self, fact: CallAnswered) -> None:
        if isinstance(fact.by, LentSeat):
            self._answered_there(fact, fact.by.seat)
            return
        if fact.call in self._talks:
            self.broken("no double answer", f"{fact.call} talks to {self._talks[fact.call]} and is answered by {fact.by}")
        self._talks[fact.call] = fact.by
        self.remote += isinstance(fact.by, SlotRef)

    def _answered_there(self, fact: CallAnswered, seat: str) -> None:
        """One of the seats that rang together has the call; the supporting city tells it before the home city does."""
        if fact.call in self._talks:
            self.broken("no double answer", f"{fact.call} talks to {self._talks[fact.call]}, and seat {seat} answers it")
        for ref in [ref for ref, call in self._busy.items() if ref.city == fact.city and call == fact.call]:
            if ref.seat != seat:
                del self._busy[ref]

    def _ended(self, fact: CallEnded) -> None:
        if not isinstance(fact.by, SlotRef):
            self._free(fact.city, fact.by.seat, fact.call)
        if not isinstance(fact.by, LentSeat):
            self._talks.pop(fact.call, None)
            if fact.lost and not self.pbxs[fact.city].dead:
                self._came_back(fact)

    def _came_back(self, fact: CallEnded) -> None:
        # Told a moment before the caller is back in the line: looked at once this instant is over.
        self.pbxs[fact.city].later(0.0, self._must_wait, fact.city, fact.call)

    def _must_wait(self, city: str, call: str) -> None:
        if call in self.pbxs[city].calls and call not in self.pbxs[city].waiting and call not in self._talks:
            self.broken("no caller lost", f"{call} lost its agent and is not back in the queue of {city}")

    def _loan_changed(self, fact: LoanChanged) -> None:
        if fact.lent:
            queues = [other for other, seats in self.pbxs[fact.city].support.items() if fact.seat in seats]
            if len(queues) > 1:
                self.broken("one loan a seat", f"seat {fact.seat} of {fact.city} is lent to {' and '.join(queues)}")

    def died(self, city: str) -> None:
        """The PBX of this city is dead, and all its calls with it."""
        self._lines[city].clear()
        self._talks = {call: by for call, by in self._talks.items() if call.partition("-")[0] != city}
        self._busy = {ref: call for ref, call in self._busy.items() if ref.city != city}

    # Orders ----------------------------------------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        """Every order, in the moment the PBX obeys it."""
        self.step += 1
        if self.traced:
            self._trace.update(repr(order).encode())
        if isinstance(order, RenewHeartbeat):
            return
        self.orders += 1
        if isinstance(order, Lend):
            self._lend(order)
        elif isinstance(order, OpenSlot):
            self._open(order)
        elif isinstance(order, MoveCaller):
            self.broken("no caller moved", f"{order.call} shall be moved to {order.supporting} by nobody's hand")

    def wishes(self, city: str) -> list[Wishes]:
        """Every value of the wishes that an order arriving at this PBX now may rest on."""
        late_s = WISH_S + 2 * self.lag_s(city) + self.pbxs[city].timing.order_s
        since = self.now() - late_s - (self.slept_s if self.now() - self.woken_at <= late_s else 0.0)
        while len(self.wished) > 1 and self.wished[1][0] < self.now() - 60.0:
            self.wished.popleft()
        later = [wishes for at, wishes in self.wished if at > since]
        before = [wishes for at, wishes in self.wished if at <= since][-1:]
        return before + later

    def _late(self, city: str) -> bool:
        return self.now() <= self.late_orders_until.get(city, 0.0)

    def _lend(self, order: Lend) -> None:
        city, pbx = self.province.cities[order.city], self.pbxs[order.city]
        if order.seat in pbx.support.get(order.assisted, ()):
            return  # There already: the order changes nothing.
        told = f"seat {order.seat} of {order.city} to {order.assisted}"
        seat = next((seat for seat in city.seats if seat.id == order.seat), None)
        if seat is None or seat.lend is Lending.NO or not city.may_help(order.assisted):
            self.broken("only what may be lent", told)
        if self._late(order.city):
            return  # Given before the PBX froze: the orders after it take it back.
        held = self.registered().get(SeatRef(order.city, order.seat))
        if held != (order.assisted, order.token) and self.now() >= self.registry_doubted_until:
            self.broken("booked before lent", f"{told}, token {order.token}; the registry has {held}")
        lent = sum(len(seats) for seats in pbx.support.values())
        known = self.wishes(order.city)
        quota = max((wishes.quotas.get(order.city, city.lend.quota) for wishes in known), default=0)
        if lent >= quota:
            self.broken("quota", f"{told}, although {lent} seats are lent and the quota is {quota}")
        if not any(order.assisted in wishes.assisted() for wishes in known):
            self.broken("only for who is switched on", told)
        shares = [wishes.events[order.assisted].seats for wishes in known if order.assisted in wishes.events]
        share = max((share.get(order.city, 0) if share else 10**6 for share in shares), default=0)
        if len(pbx.support[order.assisted]) >= share:
            self.broken("share in the event", f"{told}, although its share is {share}")

    def _open(self, order: OpenSlot) -> None:
        pbx, other = self.pbxs[order.city], order.slot.supporting
        slot = pbx.slots.get(order.slot)
        if slot is not None and slot.open:
            return
        told = f"slot {order.slot.number} of {other} at {order.city}"
        if not self.province.cities[other].may_help(order.city):
            self.broken("only who may help", told)
        if self._late(order.city):
            return
        lease, leased_at = self.leased()
        if order.token < lease and self.now() - leased_at > pbx.timing.order_s + self.lag_s(order.city) + 1e-6:
            self.broken("only who leads opens", f"{told}, by lease {order.token}; the registry has given {lease} since")
        if not any(order.city in wishes.assisted() for wishes in self.wishes(order.city)):
            self.broken("only for who is switched on", told)
        used = sum(each.open or bool(each.call) for ref, each in pbx.slots.items() if ref.supporting == other)
        used -= slot is not None and bool(slot.call)
        if used >= self.province.channels(Pair(order.city, other)):
            self.broken("trunk", f"{told}, although {used} are open or in use and the trunk carries no more")


_RULES: dict[type, Callable[[Checkers, Fact], None]] = {
    CallWaiting: Checkers._waiting,  # type: ignore[dict-item]
    CallLeftQueue: Checkers._left,  # type: ignore[dict-item]
    CallRinging: Checkers._ringing,  # type: ignore[dict-item]
    RingEnded: Checkers._ring_ended,  # type: ignore[dict-item]
    CallAnswered: Checkers._answered,  # type: ignore[dict-item]
    CallEnded: Checkers._ended,  # type: ignore[dict-item]
    LoanChanged: Checkers._loan_changed,  # type: ignore[dict-item]
}
