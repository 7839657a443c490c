"""How facts change the picture: every fact has one small function here, and a full reading replaces everything."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from callctl.core import lessons
from callctl.core.between import FIRST_SEEN, PairHealth
from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallBackEnded,
    CalledBack,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    LentSeat,
    LoanChanged,
    Outcome,
    PbxLost,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
    SurveyAnswered,
    TrunkChanged,
    WaitingCall,
)
from callctl.core.experience import Experience
from callctl.core.model import SlotRef
from callctl.core.world import CityView, Missed, SeatLoan, SeatView, SlotView, Talk, World

# The PBX or the link may say the same failure twice; two real ones of one call lie further apart than this.
SAME_FAILURE_S = 1.0
RINGS_MOST_S = 16.0  # A slot for one caller (render/asterisk.py).
# The trunk or the far PBX is at fault, not the agent. A full trunk is our own doing, BUSY proves the far end lives, and
# UNKNOWN is also how a ring ends that was cancelled because the caller or a home agent was quicker.
LINK_FAILURES = frozenset({RingEnd.UNREACHABLE, RingEnd.REFUSED})


def fold(world: World, facts: Iterable[Fact]) -> World:
    """The world after these facts, in their order. Each city touched is copied once, however many facts it has."""
    drafts: dict[str, _Draft] = {}
    for fact in facts:
        draft = drafts.get(fact.city)
        if draft is None:
            view = world.cities.get(fact.city)
            if view is None:
                continue  # A city that our data folders do not know.
            draft = drafts[fact.city] = _Draft(view)
        draft.take(fact)
    if not drafts:
        return world
    cities = dict(world.cities)
    cities.update((code, draft.view()) for code, draft in drafts.items())
    return replace(world, cities=cities)


def _place(call: WaitingCall) -> tuple[bool, float]:
    return (not call.returned, call.waiting_since)


class _Draft:
    """A city being changed: the only mutable picture there is, and it never leaves this module."""

    __slots__ = (
        "booted_at", "heard_at", "learned", "lost_reason", "missed", "old", "pairs", "reached", "rings", "rings_together",
        "seats", "slots", "sort_needed", "talks", "trunks", "up", "waiting",
    )  # fmt: skip

    def __init__(self, view: CityView) -> None:
        self.old = view
        self.up = view.up
        self.heard_at = view.heard_at
        self.booted_at = view.booted_at
        self.lost_reason = view.lost_reason
        self.rings_together = view.rings_together
        self.waiting = dict(view.waiting)
        self.seats = dict(view.seats)
        self.slots = dict(view.slots)
        self.talks = dict(view.talks)
        self.rings = dict(view.rings)
        self.trunks = dict(view.trunks)
        self.pairs = dict(view.pairs)
        self.reached = dict(view.reached)
        self.missed = dict(view.missed)
        self.learned: Experience | None = None
        self.sort_needed = False

    def take(self, fact: Fact) -> None:
        """Change the draft by one fact. Before the first full reading nothing else is believed."""
        kind = type(fact)
        if not self.up and kind is not PbxObserved and kind is not PbxLost:
            return
        _RULES[kind](self, fact)
        if kind is not PbxLost:
            self.heard_at = max(self.heard_at, fact.at)

    def view(self) -> CityView:
        """The finished picture."""
        waiting = self.waiting
        if self.sort_needed:
            waiting = {call.call: call for call in sorted(waiting.values(), key=_place)}
        view = CityView(
            fixed=self.old.fixed,
            up=self.up,
            heard_at=self.heard_at,
            booted_at=self.booted_at,
            rings_together=self.rings_together,
            lost_reason=self.lost_reason,
            waiting=waiting,
            seats=self.seats,
            slots=self.slots,
            talks=self.talks,
            rings=self.rings,
            trunks=self.trunks,
            pairs=self.pairs,
            reached=self.reached,
            missed=self.missed,
            experience=self.learned or self.old.experience,
        )
        view.come_from(self.old)
        return view

    @property
    def experience(self) -> Experience:
        """To be changed: copied when a fact of this city first teaches anything."""
        if self.learned is None:
            self.learned = self.old.experience.copied()
        return self.learned

    def forget(self) -> None:
        """Drop all that a reading would tell."""
        self.sort_needed = False
        for known in (self.waiting, self.seats, self.slots, self.talks, self.rings, self.trunks):
            known.clear()

    def occupy(self, by: Answerer, call: str, state: SeatState, at: float) -> None:
        """Mark a seat or slot as rung or talking; if it did not have the call before, since `at`."""
        if isinstance(by, SlotRef):
            slot = self.slots.get(by) or SlotView(SlotState.ABSENT)
            used_since = min(slot.used_since, at) if slot.in_use and slot.call in (call, "") else at
            if state is SeatState.BUSY:  # Answered at `at`; an older ring was another one, and its end not told.
                used_since = max(used_since, at - RINGS_MOST_S)
            self.slots[by] = slot._replace(in_use=True, call=call, used_since=used_since)
            return
        seat = self.seats.get(by.seat)
        if seat is not None:
            serving = by.assisted if isinstance(by, LentSeat) else ""
            since = min(seat.since, at) if seat.call == call else at
            self.seats[by.seat] = seat._replace(state=state, call=call, serving=serving, since=since)

    def release(self, by: Answerer, call: str, free_from: float = 0.0) -> None:
        """The seat or slot is done with this call (and only with this one)."""
        if isinstance(by, SlotRef):
            slot = self.slots.get(by)
            if slot is not None and slot.call in (call, ""):
                if slot.state is SlotState.ABSENT:
                    del self.slots[by]  # It was kept for its call only.
                else:
                    self.slots[by] = slot._replace(in_use=False, call="")
            return
        seat = self.seats.get(by.seat)
        if seat is None:
            return
        free_from = max(seat.free_from, free_from)
        if seat.call == call:
            state = seat.state if seat.state is SeatState.OFFLINE else SeatState.FREE
            self.seats[by.seat] = seat._replace(state=state, call="", serving="", free_from=free_from)
        elif free_from > seat.free_from:  # The phone was quicker to tell than the queue.
            self.seats[by.seat] = seat._replace(free_from=free_from)

    def stop_rings(self, call: str, answered_by: Answerer | None = None) -> None:
        """Whoever else rang for this call is free again."""
        for by in self.rings.pop(call, ()):
            if by != answered_by:
                self.release(by, call)

    def link_works(self, supporting: str, at: float) -> None:
        """The far end answered: the breaker closes."""
        self.pairs[supporting] = self.pairs.get(supporting, PairHealth())._replace(failures=0, succeeded_at=at)


def _observed(draft: _Draft, fact: PbxObserved) -> None:
    slots_before, rings_before, waited_before, gapless = dict(draft.slots), dict(draft.rings), set(draft.waiting), draft.up
    seats_before, trunks_before = dict(draft.seats), dict(draft.trunks)
    draft.forget()
    draft.up, draft.booted_at, draft.lost_reason, draft.rings_together = True, fact.booted_at, "", fact.rings_together
    draft.waiting.update((call.call, call) for call in sorted(fact.waiting, key=_place))
    for seen in fact.seats:
        known, since = seats_before.get(seen.seat), 0.0
        if seen.call and known is not None and known.call == seen.call:
            since = known.since
        elif seen.call:
            since = fact.at - RINGS_MOST_S if seen.state is SeatState.RINGING else fact.at  # At the earliest.
        serving = _serving(fact.city, seen.call)
        draft.seats[seen.seat] = SeatView(seen.state, seen.ready, seen.free_from, seen.call, serving, since=since)
    for loan in fact.loans:
        _lend(draft, loan.seat, SeatLoan(loan.assisted, loan.token, loan.group))
    for slot in fact.slots:
        before = slots_before.get(slot.slot)
        since = before.since if before is not None and before.state is slot.state else fact.at
        used_since = before.used_since if before is not None and before.in_use else fact.at
        draft.slots[slot.slot] = SlotView(slot.state, slot.token, slot.in_use, "", slot.reason, since, used_since)
    for talk in fact.talks:
        draft.talks[talk.call] = Talk(talk.by, talk.answered_at)
        draft.occupy(talk.by, talk.call, SeatState.BUSY, talk.answered_at)
    draft.trunks.update((each.to, trunks_before.get(each.to, FIRST_SEEN).told(each.up, fact.at)) for each in fact.trunks)
    _ring_on(draft, rings_before, seats_before, fact.at)
    if gapless:  # After a gap nobody knows over what time those who wait have come.
        for call in fact.waiting:
            if call.call not in waited_before:
                lessons.arrived(draft.experience, call, fact.at)


def _ring_on(draft: _Draft, rings: Mapping[str, tuple[Answerer, ...]], seats: Mapping[str, SeatView], at: float) -> None:
    """A reading shows what rings, but not for whom: those that rang before it and still ring, ring for the same call."""
    for call, some in rings.items():
        still = tuple(by for by in some if _rings(draft, by) and (isinstance(by, LentSeat) or call in draft.waiting))
        for by in still:
            known = None if isinstance(by, SlotRef) else seats.get(by.seat)
            draft.occupy(by, call, SeatState.RINGING, known.since if known is not None else at)
        if still:
            draft.rings[call] = still


def _rings(draft: _Draft, by: Answerer) -> bool:
    if isinstance(by, SlotRef):
        slot = draft.slots.get(by)
        return slot is not None and slot.in_use and not slot.call
    seat = draft.seats.get(by.seat)
    return seat is not None and seat.state is SeatState.RINGING and not seat.call


def _serving(city: str, call: str) -> str:
    # The province-wide call id begins with the home city (asterisk.conf systemname).
    home = call.partition("-")[0]
    return home if home != city else ""


def _lost(draft: _Draft, fact: PbxLost) -> None:
    draft.forget()
    draft.up, draft.lost_reason = False, fact.reason


def _waiting(draft: _Draft, fact: CallWaiting) -> None:
    new = fact.call
    talk = draft.talks.pop(new.call, None)
    if talk is not None:  # Came back from a lost leg, and the end of the leg was not told (yet).
        draft.release(talk.by, new.call)
    # In order already (the common case): nobody has to be sorted.
    last = next(reversed(draft.waiting.values()), None)
    if new.call in draft.waiting or (last is not None and _place(new) < _place(last)):
        draft.sort_needed = True
    draft.waiting[new.call] = new
    lessons.arrived(draft.experience, new, fact.at)


def _left(draft: _Draft, fact: CallLeftQueue) -> None:
    known = draft.waiting.pop(fact.call, None)
    if known is not None and fact.outcome is Outcome.ABANDONED:
        lessons.left(draft.experience, fact, known)
    if fact.outcome is not Outcome.LEFT:  # After LEFT the answer may follow: the rings are settled by it.
        draft.stop_rings(fact.call)


def _ringing(draft: _Draft, fact: CallRinging) -> None:
    rung = draft.rings.get(fact.call, ())
    if fact.by not in rung:
        draft.rings[fact.call] = (*rung, fact.by)
    draft.occupy(fact.by, fact.call, SeatState.RINGING, fact.at)
    if isinstance(fact.by, LentSeat):
        draft.reached[fact.by.assisted] = fact.at


def _ring_ended(draft: _Draft, fact: RingEnded) -> None:
    rest = tuple(by for by in draft.rings.get(fact.call, ()) if by != fact.by)
    if rest:
        draft.rings[fact.call] = rest
    else:
        draft.rings.pop(fact.call, None)
    if fact.call not in draft.talks:
        draft.release(fact.by, fact.call)
    if isinstance(fact.by, SlotRef):
        _count_link_failure(draft, fact, fact.by.supporting)
    elif isinstance(fact.by, LentSeat) and fact.why is RingEnd.NO_ANSWER and fact.call not in draft.talks:
        # Where the call is talked on, another seat of the group was only quicker.
        seat, before = fact.by.seat, draft.missed.get(fact.by.seat, Missed())
        if before.call != fact.call or fact.at - before.at > SAME_FAILURE_S:
            draft.missed[seat] = Missed(before.times + 1, fact.at, fact.call)


def _count_link_failure(draft: _Draft, fact: RingEnded, supporting: str) -> None:
    health = draft.pairs.get(supporting, PairHealth())
    if fact.why is RingEnd.BUSY:
        draft.link_works(supporting, fact.at)
    elif fact.why in LINK_FAILURES and (health.failed_call != fact.call or fact.at - health.failed_at > SAME_FAILURE_S):
        draft.pairs[supporting] = health._replace(failures=health.failures + 1, failed_at=fact.at, failed_call=fact.call)


def _answered(draft: _Draft, fact: CallAnswered) -> None:
    lessons.answered(draft.experience, fact)
    draft.waiting.pop(fact.call, None)
    draft.stop_rings(fact.call, answered_by=fact.by)
    draft.talks[fact.call] = Talk(fact.by, fact.at)
    draft.occupy(fact.by, fact.call, SeatState.BUSY, fact.at)
    if isinstance(fact.by, SlotRef):
        draft.link_works(fact.by.supporting, fact.at)
    else:
        draft.missed.pop(fact.by.seat, None)


def _ended(draft: _Draft, fact: CallEnded) -> None:
    lessons.ended(draft.experience, fact, draft.old.city.queue.wrapup_s)
    known = draft.talks.pop(fact.call, None) is not None
    draft.stop_rings(fact.call, answered_by=fact.by)
    # Told twice, the end of a call must not prolong the wrap-up.
    draft.release(fact.by, fact.call, fact.at + draft.old.city.queue.wrapup_s if known else 0.0)


def _seat_changed(draft: _Draft, fact: SeatChanged) -> None:
    seat = draft.seats.get(fact.seat, SeatView())
    if fact.state in (SeatState.RINGING, SeatState.BUSY):
        draft.seats[fact.seat] = seat._replace(state=fact.state)
        return
    free_from = seat.free_from
    if seat.state is SeatState.BUSY and seat.call in draft.talks:
        # The phone tells the end of a talk before the queue does: wrap-up has begun all the same.
        free_from = max(free_from, fact.at + draft.old.city.queue.wrapup_s)
    draft.seats[fact.seat] = seat._replace(state=fact.state, call="", serving="", free_from=free_from)


def _seat_readied(draft: _Draft, fact: SeatReadied) -> None:
    seat = draft.seats.get(fact.seat)
    if seat is not None:
        draft.seats[fact.seat] = seat._replace(ready=fact.ready)


def _lend(draft: _Draft, seat_id: str, loan: SeatLoan) -> None:
    seat = draft.seats.get(seat_id, SeatView())
    others = [other for other in seat.loans if other.assisted != loan.assisted]
    draft.seats[seat_id] = seat._replace(loans=tuple(sorted([*others, loan], key=lambda each: each.token)))


def _loan_changed(draft: _Draft, fact: LoanChanged) -> None:
    if fact.lent:
        _lend(draft, fact.seat, SeatLoan(fact.assisted, fact.token, fact.group))
        return
    seat = draft.seats.get(fact.seat)
    if seat is not None:
        left = tuple(loan for loan in seat.loans if loan.assisted != fact.assisted)
        draft.seats[fact.seat] = seat._replace(loans=left)


def _slot_changed(draft: _Draft, fact: SlotChanged) -> None:
    before = draft.slots.get(fact.slot) or SlotView(SlotState.ABSENT)
    if fact.state is SlotState.ABSENT and not before.in_use:
        draft.slots.pop(fact.slot, None)
        return
    since = before.since if before.state is fact.state else fact.at
    token = fact.token or before.token  # 0: not told.
    draft.slots[fact.slot] = before._replace(state=fact.state, token=token, reason=fact.reason, since=since)


def _trunk_changed(draft: _Draft, fact: TrunkChanged) -> None:
    before = draft.trunks.get(fact.to, FIRST_SEEN)
    if fact.up and not before.up:
        draft.link_works(fact.to, fact.at)
    draft.trunks[fact.to] = before.told(fact.up, fact.at)


def _for_the_history(draft: _Draft, fact: SurveyAnswered | CallBackEnded | CalledBack) -> None:
    """A score, or what became of a call-back, changes nothing here."""


_RULES: dict[type[Any], Callable[[_Draft, Any], None]] = {
    PbxObserved: _observed,
    PbxLost: _lost,
    CallWaiting: _waiting,
    CallLeftQueue: _left,
    CallRinging: _ringing,
    RingEnded: _ring_ended,
    CallAnswered: _answered,
    CallEnded: _ended,
    SeatChanged: _seat_changed,
    SeatReadied: _seat_readied,
    LoanChanged: _loan_changed,
    SlotChanged: _slot_changed,
    TrunkChanged: _trunk_changed,
    SurveyAnswered: _for_the_history,
    CallBackEnded: _for_the_history,
    CalledBack: _for_the_history,
}
assert _RULES.keys() == set(get_args(Fact)), "a kind of fact that the picture does not know would end the controller"
