"""Simulated PBXs of a province: queues, slots, support queues and trunks as Asterisk has them, in virtual time.

What is modelled, from pbx-asterisk.md: first come first served with penalties, up to 1 s between a free phone and its
ring, refusal at once (486) where no lent agent is free and a 2 s back-off of the slot, auto-pause after a link failure,
removal that never cuts a call, the dead man's switch, and readings that are already a little old when they arrive.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Order, Recall, RenewHeartbeat
from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    LoanChanged,
    Outcome,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
    TrunkChanged,
    WaitingCall,
)
from callctl.core.model import City, Lending, Province, SlotRef
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S
from callctl.pbx.port import OrderRefused
from callctl.sim.parts import SimCall, SimSeat, SimSlot, SimTiming


@dataclass
class SimPbx:
    """One city's PBX."""

    home: City
    network: Mapping[str, "SimPbx"]
    now: Callable[[], float]
    timing: SimTiming = field(default_factory=SimTiming)

    def __post_init__(self) -> None:
        self.alive = True  # False: frozen or dead; neither signalling nor management answers.
        self.booted_at = self.now()
        self.seats = {seat.id: SimSeat(seat.id, seat.lend) for seat in self.home.seats}
        self.calls: dict[str, SimCall] = {}
        self.waiting: list[str] = []  # In queue order.
        self.slots: dict[SlotRef, SimSlot] = {}
        self.support: dict[str, dict[str, int]] = {other: {} for other in self.network if self.home.may_help(other)}
        self.trunks = {trunk.to: True for trunk in self.home.trunks}
        self.heartbeat_at = -1e9
        self.orders: list[Order] = []  # Everything obeyed, for checkers.
        self.listeners: list[Callable[[Fact], None]] = []
        self._numbered = 0
        self._look_set = False

    @property
    def city(self) -> str:
        """The city's code."""
        return self.home.code

    def tell(self, fact: Fact) -> None:
        """To everybody who listens on a link."""
        for listener in tuple(self.listeners):
            listener(fact)

    # Orders ---------------------------------------------------------------------------------------------------------

    def obey(self, order: Order) -> None:
        """Carry the order out, as the management interface does. Raises OrderRefused."""
        self.orders.append(order)
        now = self.now()
        match order:
            case Lend():
                queue = self._support_queue(order.assisted)
                if order.seat not in queue:  # "Already there" is success, and keeps the older name.
                    queue[order.seat] = order.token
                    self.tell(LoanChanged(self.city, now, order.seat, order.assisted, order.token, lent=True))
            case Recall():
                token = self._support_queue(order.assisted).pop(order.seat, None)
                if token is not None:
                    self.tell(LoanChanged(self.city, now, order.seat, order.assisted, token, lent=False))
            case OpenSlot():
                slot = self.slots.setdefault(order.slot, SimSlot(False, order.token))
                if not slot.open:
                    self._set_slot(order.slot, slot, is_open=True)
            case CloseSlot():
                slot_or_none = self.slots.get(order.slot)
                if slot_or_none is not None and slot_or_none.open:
                    self._set_slot(order.slot, slot_or_none, is_open=False)
            case DropSlot():
                dropped = self.slots.pop(order.slot, None)
                if dropped is not None:
                    self.tell(SlotChanged(self.city, now, order.slot, dropped.token, SlotState.ABSENT))
            case RenewHeartbeat():
                self.heartbeat_at = now
            case MoveCaller():
                raise OrderRefused("No such caller" if order.call not in self.waiting else "Not simulated")
        self.look_soon()

    def _support_queue(self, assisted: str) -> dict[str, int]:
        if assisted not in self.support:
            raise OrderRefused("Unable to add interface to queue: No such queue")
        return self.support[assisted]

    def _set_slot(self, ref: SlotRef, slot: SimSlot, is_open: bool, reason: str = "") -> None:
        slot.open, slot.reason = is_open, reason
        state = SlotState.OPEN if is_open else SlotState.CLOSED
        self.tell(SlotChanged(self.city, self.now(), ref, slot.token, state, reason))

    # Citizens -------------------------------------------------------------------------------------------------------

    def citizen_calls(self, number: str) -> str:
        """A citizen dials 12345 and waits; the call's id."""
        self._numbered += 1
        call = f"{self.city}-{int(self.booted_at)}.{self._numbered}"
        self._enter(WaitingCall(call, number, self.now()))
        return call

    def _enter(self, waiting: WaitingCall) -> None:
        self.calls[waiting.call] = SimCall(waiting, self.now())
        place = len(self.waiting)
        if waiting.returned:  # QUEUE_PRIO: in front of everybody who was never answered.
            place = sum(self.calls[call].waiting.returned for call in self.waiting)
        self.waiting.insert(place, waiting.call)
        self.tell(CallWaiting(self.city, self.now(), waiting))
        self.look_soon()

    def citizen_hangs_up(self, call_id: str) -> None:
        """The citizen is gone, wherever the call was."""
        call = self.calls.get(call_id)
        if call is None:
            return
        if call.answered_at:
            self._end(call)
            return
        self.waiting.remove(call_id)
        self.tell(CallLeftQueue(self.city, self.now(), call_id, Outcome.ABANDONED))
        del self.calls[call_id]
        if call.by is not None:
            self._stop_ring(call, RingEnd.UNKNOWN, told_home=False)
        self.look_soon()

    # The home queue -------------------------------------------------------------------------------------------------

    def look_soon(self) -> None:
        """The queue looks for a free agent within its polling time."""
        if not self._look_set:
            self._look_set = True
            asyncio.get_running_loop().call_later(self.timing.queue_looks_s, self._look)

    def _look(self) -> None:
        self._look_set = False
        if not self.alive:
            return
        callers = [self.calls[call] for call in self.waiting if self.calls[call].by is None]
        free = self._free_agents()
        for call, by in zip(callers, free, strict=False):
            self._ring(call, by)
        if callers and self._will_be_free():
            self.look_soon()

    def _free_agents(self) -> list[Answerer]:
        now = self.now()
        seats = [
            seat
            for seat in self.seats.values()
            if seat.state is SeatState.FREE and seat.ready and seat.lend is not Lending.DEDICATED and seat.free_from <= now
        ]
        seats.sort(key=lambda seat: (seat.free_from, seat.id))  # Least recent first, as strategy=leastrecent.
        slots = sorted(ref for ref, slot in self.slots.items() if slot.open and not slot.call)
        return [*(HomeSeat(seat.id) for seat in seats), *slots]  # Penalty 0, then penalty 10.

    def _will_be_free(self) -> bool:
        return any(seat.state is SeatState.FREE and seat.free_from > self.now() for seat in self.seats.values())

    def _ring(self, call: SimCall, by: Answerer) -> None:
        call.by = by
        later = asyncio.get_running_loop().call_later
        if isinstance(by, SlotRef):
            self.slots[by].call = call.waiting.call
            self.tell(CallRinging(self.city, self.now(), call.waiting.call, by))
            self._dial_support(call, by)
            return
        seat = self.seats[by.seat]
        self.ring_seat(seat, call.waiting.call, by)
        if seat.answers_after_s is not None and seat.answers_after_s < self.timing.ring_s:
            call.timer = later(seat.answers_after_s, self._answer, call)
        else:
            call.timer = later(self.timing.ring_s, self._no_answer_home, call, seat)

    def ring_seat(self, seat: SimSeat, call: str, by: Answerer) -> None:
        """The phone starts to ring."""
        seat.state, seat.call = SeatState.RINGING, call
        self.tell(SeatChanged(self.city, self.now(), seat.id, SeatState.RINGING))
        self.tell(CallRinging(self.city, self.now(), call, by))

    def _no_answer_home(self, call: SimCall, seat: SimSeat) -> None:
        self._stop_ring(call, RingEnd.NO_ANSWER)
        self.set_ready(seat.id, ready=False, reason="Auto-Pause")
        self.look_soon()

    # The trunk and the support queue at its far end ------------------------------------------------------------------

    def _dial_support(self, call: SimCall, slot: SlotRef) -> None:
        later = asyncio.get_running_loop().call_later
        peer = self.network[slot.supporting]
        if self.now() - self.heartbeat_at > HEARTBEAT_STALE_S:
            call.timer = later(0.0, self._slot_failed, call, RingEnd.REFUSED)
        elif not self.trunks.get(slot.supporting) or not peer.trunks.get(self.city):
            call.timer = later(0.0, self._slot_failed, call, RingEnd.UNREACHABLE)
        elif not peer.alive:
            call.timer = later(self.timing.invite_gives_up_s, self._slot_failed, call, RingEnd.UNREACHABLE)
        else:
            seat = peer.free_lent_seat(self.city)
            if seat is None:
                call.timer = later(self.timing.backoff_s, self._slot_failed, call, RingEnd.BUSY)
                return
            call.peer_seat = seat.id
            peer.ring_seat(seat, call.waiting.call, LentSeat(seat.id, self.city))
            if seat.answers_after_s is not None and seat.answers_after_s < self.timing.ring_s:
                call.timer = later(seat.answers_after_s, self._answer, call)
            else:
                call.timer = later(self.timing.ring_s, self._slot_failed, call, RingEnd.NO_ANSWER)

    def free_lent_seat(self, assisted: str) -> SimSeat | None:
        """The lent seat the support queue would ring; None: 486."""
        now = self.now()
        if now - self.heartbeat_at > HEARTBEAT_STALE_S:
            return None
        lent = (self.seats[seat] for seat in sorted(self.support.get(assisted, ())))
        return next((seat for seat in lent if seat.state is SeatState.FREE and seat.free_from <= now), None)

    def _slot_failed(self, call: SimCall, why: RingEnd) -> None:
        slot = call.by
        assert isinstance(slot, SlotRef)
        self._stop_ring(call, why)
        # autopause=yes, autopausebusy=no; the pause of NO_ANSWER is app_queue's too.
        if why is not RingEnd.BUSY and slot in self.slots and self.slots[slot].open:
            self._set_slot(slot, self.slots[slot], is_open=False, reason="Auto-Pause")
        self.look_soon()

    def _stop_ring(self, call: SimCall, why: RingEnd, told_home: bool = True) -> None:
        by, call_id = call.by, call.waiting.call
        assert by is not None
        call.by = None
        if call.timer is not None:
            call.timer.cancel()
        if isinstance(by, SlotRef):
            if by in self.slots:
                self.slots[by].call = ""
            if call.peer_seat:
                self.network[by.supporting].end_ring(call.peer_seat, call_id, LentSeat(call.peer_seat, self.city), why)
                call.peer_seat = ""
            if told_home:
                self.tell(RingEnded(self.city, self.now(), call_id, by, why))
        else:
            self.end_ring(by.seat, call_id, by, why)

    def end_ring(self, seat_id: str, call: str, by: Answerer, why: RingEnd) -> None:
        """The phone stops ringing."""
        self.tell(RingEnded(self.city, self.now(), call, by, why))
        self._phone(seat_id, SeatState.FREE)

    # Talk -----------------------------------------------------------------------------------------------------------

    def _answer(self, call: SimCall) -> None:
        now, call_id, by = self.now(), call.waiting.call, call.by
        assert by is not None
        call.answered_at = now
        self.waiting.remove(call_id)
        self.tell(CallLeftQueue(self.city, now, call_id, Outcome.LEFT))
        self.tell(CallAnswered(self.city, now, call_id, by, now - call.entered_at))
        pbx, seat = (self, by) if isinstance(by, HomeSeat) else self._far_end(call)
        pbx._phone(seat.seat, SeatState.BUSY, call_id)
        if pbx is not self:
            pbx.tell(CallAnswered(pbx.city, now, call_id, seat, now - call.entered_at))
        talks_s = pbx.seats[seat.seat].talks_s
        call.timer = None if talks_s is None else asyncio.get_running_loop().call_later(talks_s, self._end, call)

    def _far_end(self, call: SimCall) -> tuple["SimPbx", LentSeat]:
        assert isinstance(call.by, SlotRef)
        return self.network[call.by.supporting], LentSeat(call.peer_seat, self.city)

    def _phone(self, seat_id: str, state: SeatState, call: str = "") -> None:
        seat = self.seats[seat_id]
        if seat.state is SeatState.OFFLINE:
            return
        seat.state, seat.call = state, call
        self.tell(SeatChanged(self.city, self.now(), seat_id, state))
        if state is SeatState.FREE:
            self.look_soon()

    def _end(self, call: SimCall, lost: bool = False) -> None:
        now, call_id, by = self.now(), call.waiting.call, call.by
        assert by is not None
        if call.timer is not None:
            call.timer.cancel()
        del self.calls[call_id]
        talked_s = now - call.answered_at
        self.tell(CallEnded(self.city, now, call_id, by, talked_s, lost))
        if isinstance(by, SlotRef):
            far, seat = self._far_end(call)
            if by in self.slots:
                self.slots[by].call = ""
            far.end_talk(seat, call_id, talked_s)
        else:
            assert isinstance(by, HomeSeat)
            self.seats[by.seat].free_from = now + self.home.queue.wrapup_s
            self._phone(by.seat, SeatState.FREE)
        if lost:
            self._enter(WaitingCall(call_id, call.waiting.number, call.waiting.waiting_since, returned=True))
        self.look_soon()

    def end_talk(self, seat: LentSeat, call: str, talked_s: float) -> None:
        """At the supporting city: the remote call is over, wrap-up begins."""
        if self.seats[seat.seat].call == call:
            self.tell(CallEnded(self.city, self.now(), call, seat, talked_s))
            self.seats[seat.seat].free_from = self.now() + self.home.queue.wrapup_s
            self._phone(seat.seat, SeatState.FREE)

    # What the tests and scenarios do ------------------------------------------------------------------------------------

    def agent_hangs_up(self, seat_id: str) -> None:
        """The agent ends the talk."""
        for pbx in self.network.values():
            call = pbx.calls.get(self.seats[seat_id].call)
            if call is not None and call.answered_at:
                pbx._end(call)
                return

    def set_phone(self, seat_id: str, state: SeatState) -> None:
        """The phone registers or vanishes."""
        self.seats[seat_id].state = state
        self.tell(SeatChanged(self.city, self.now(), seat_id, state))
        self.look_soon()

    def set_ready(self, seat_id: str, ready: bool, reason: str = "") -> None:
        """The agent goes ready or takes a break."""
        self.seats[seat_id].ready = ready
        self.tell(SeatReadied(self.city, self.now(), seat_id, ready, reason))
        self.look_soon()

    def set_trunk(self, other: str, up: bool) -> None:
        """The trunk to `other` fails or comes back, as this end sees it (OPTIONS)."""
        self.trunks[other] = up
        self.tell(TrunkChanged(self.city, self.now(), other, up))

    def die(self) -> None:
        """The PBX is killed: its calls and what we added are gone. Legs at the other cities are found dead in a while."""
        self.alive = False
        later = asyncio.get_running_loop().call_later
        for other in self.network.values():
            for call in list(other.calls.values()):
                if call.answered_at and isinstance(call.by, SlotRef) and call.by.supporting == self.city:
                    later(self.timing.leg_lost_after_s, other.leg_lost, call.waiting.call)

    def leg_lost(self, call_id: str) -> None:
        """The far end of a talk is dead: back to the front of the home queue."""
        call = self.calls.get(call_id)
        if call is not None and call.answered_at:
            self._end(call, lost=True)

    def boot(self) -> None:
        """Start again after die(): registered phones, empty queues, no members of ours."""
        for call in list(self.calls.values()):
            if call.timer is not None:
                call.timer.cancel()
        phones = self.seats
        self.__post_init__()  # Every link has to connect again.
        for seat_id, seat in self.seats.items():
            seat.answers_after_s, seat.talks_s = phones[seat_id].answers_after_s, phones[seat_id].talks_s


def build_network(province: Province, now: Callable[[], float], timing: SimTiming | None = None) -> dict[str, SimPbx]:
    """A simulated PBX for every city, wired together."""
    network: dict[str, SimPbx] = {}
    network.update(dict.fromkeys(province.cities))  # type: ignore[arg-type]  # Every PBX knows the names of all.
    for code, city in province.cities.items():
        network[code] = SimPbx(city, network, now, timing or SimTiming())
    return network
