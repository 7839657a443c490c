"""Simulated PBXs of a province in virtual time: orders obeyed as Asterisk does, phones, trunks, deaths and rebirths."""

from collections.abc import Callable, Mapping
from contextlib import suppress

from callctl.core.commands import (
    CallBack,
    CloseSlot,
    DropSlot,
    ForbidListening,
    Lend,
    MoveCaller,
    OpenSlot,
    Order,
    PermitListening,
    Recall,
    Regroup,
    RenewHeartbeat,
    SetReady,
)
from callctl.core.events import LentSeat, LoanChanged, RingEnd, SeatChanged, SeatState, SlotChanged, SlotState, TrunkChanged
from callctl.core.model import City, SlotRef
from callctl.pbx.port import OrderRefused
from callctl.sim.parts import LentTalk, SimCall, SimLoan, SimSlot, SimTiming
from callctl.sim.queue import SimQueue


class SimPbx(SimQueue):
    """One city's PBX."""

    def __init__(
        self,
        home: City,
        network: Mapping[str, "SimPbx"],
        now: Callable[[], float],
        timing: SimTiming | None = None,
    ) -> None:
        super().__init__(home, network, now, timing or SimTiming())
        self.network: Mapping[str, SimPbx] = network
        self.order_taps: list[Callable[[Order], None]] = []  # Hear every order before it is obeyed: for checkers.
        self.permits: set[str] = set()  # To listen, by id.
        self.on_duty: Callable[[str], bool] = lambda _: True  # Whose phone comes back after a boot.

    # Orders ---------------------------------------------------------------------------------------------------------

    def obey(self, order: Order) -> None:  # noqa: PLR0912
        """Carry the order out, as the management interface does. Raises OrderRefused."""
        for tap in self.order_taps:
            tap(order)
        match order:
            case Lend():
                queue = self._support_queue(order.assisted)
                if order.seat not in queue:  # "Already there" is success, and keeps the older name.
                    queue[order.seat] = SimLoan(order.token, order.group)
                    self._tell_loan(order.seat, order.assisted, queue[order.seat], lent=True)
            case Regroup():
                queue = self._support_queue(order.assisted)
                if order.seat not in queue:
                    raise OrderRefused("Interface not found")
                queue[order.seat] = queue[order.seat]._replace(group=order.group)
                self._tell_loan(order.seat, order.assisted, queue[order.seat], lent=True)
            case Recall():
                loan = self._support_queue(order.assisted).pop(order.seat, None)
                if loan is not None:
                    self._tell_loan(order.seat, order.assisted, loan, lent=False)
            case OpenSlot():
                # "Already there" keeps the older name; "unpaused" is said of what was not paused, too.
                self.set_slot(order.slot, self._slot(order.slot, order.token), is_open=True)
            case CloseSlot():
                if order.slot in self.slots:
                    self.set_slot(order.slot, self.slots[order.slot], is_open=False, reason="closed")
            case DropSlot():
                self._drop(order.slot)
            case RenewHeartbeat():
                self.heartbeat_at = self.now()
            case SetReady():
                if order.seat not in self.seats:
                    raise OrderRefused("Interface not found")
                self.set_ready(order.seat, order.ready, order.reason)
            case CallBack():
                raise OrderRefused("nobody takes call-backs")
            case PermitListening():
                self.permits.add(order.id)
            case ForbidListening():
                self.permits.discard(order.id)
            case MoveCaller():
                if order.call not in self.waiting:
                    raise OrderRefused("No such caller")
                self.calls[order.call].withdrawn_to = order.supporting
        self.look_soon()

    def obey_late(self, order: Order) -> None:
        """An order that reached a frozen PBX: it lies in the socket, and is obeyed when the PBX thaws."""
        self.later(0.0, _obey_whatever_comes, self, order)

    def _support_queue(self, assisted: str) -> dict[str, SimLoan]:
        if assisted not in self.support:
            raise OrderRefused("Unable to add interface to queue: No such queue")
        return self.support[assisted]

    def _tell_loan(self, seat: str, assisted: str, loan: SimLoan, lent: bool) -> None:
        self.tell(LoanChanged(self.city, self.now(), seat, assisted, loan.token, lent, loan.group))

    def _slot(self, ref: SlotRef, token: int) -> SimSlot:
        if ref not in self.slots:
            # A slot dropped in mid-call is still in use when it comes back: its Local channel is there.
            in_use = next((call.waiting.call for call in self.calls.values() if call.by == ref), "")
            self.slots[ref] = SimSlot(False, token, in_use)
        return self.slots[ref]

    def _drop(self, ref: SlotRef) -> None:
        dropped = self.slots.pop(ref, None)
        if dropped is not None:
            self.tell(SlotChanged(self.city, self.now(), ref, dropped.token, SlotState.ABSENT))

    # What the tests and scenarios do ------------------------------------------------------------------------------------

    def agent_hangs_up(self, seat_id: str) -> None:
        """The agent ends the talk."""
        call_id = self.seats[seat_id].call
        for pbx in self.network.values():
            call = pbx.calls.get(call_id)
            if call is not None and call.answered_at:
                pbx.agent_is_done(call)
                return
        if call_id in self.lent_talks:  # The home PBX is dead.
            self.end_talk(call_id, self.lent_talks[call_id])

    def set_phone(self, seat_id: str, state: SeatState) -> None:
        """The phone registers or vanishes."""
        self.seats[seat_id].state = state
        self.tell(SeatChanged(self.city, self.now(), seat_id, state))
        self.look_soon()

    def set_trunk(self, other: str, up: bool) -> None:
        """The trunk to `other` fails or comes back, as this end sees it (OPTIONS)."""
        self.trunks[other] = up
        self.tell(TrunkChanged(self.city, self.now(), other, up))

    def cut_wire(self, other: str) -> None:
        """No packet passes between the two PBXs any more. Rings ring out, talks and trunks are found dead in a while."""
        peer = self.network[other]
        for here, there in ((self, peer), (peer, self)):
            here.cut_wires.add(there.city)
            here.peer_silent(there.city)
            here.later(here.timing.trunk_noticed_s, _notice, here, there)
            for call in here.calls.values():
                if call.peer_seats and isinstance(call.by, SlotRef) and call.by.supporting == there.city:
                    here.leave_far_end(call)

    def mend_wire(self, other: str) -> None:
        """Packets pass again."""
        peer = self.network[other]
        for here, there in ((self, peer), (peer, self)):
            here.cut_wires.discard(there.city)
            here.later(here.timing.trunk_back_s, _notice, here, there)

    def freeze(self) -> None:
        """SIGSTOP. The other cities find the trunk dead, and in a while the legs."""
        super().freeze()
        self._fall_silent()

    def thaw(self) -> None:
        """SIGCONT. A conversation that the other end gave up meanwhile is over, or lost, here too."""
        super().thaw()
        self._speak_again()
        for call in tuple(self.calls.values()):
            if call.answered_at and call.peer_seats and call.waiting.call not in self.far_end(call)[0].lent_talks:
                self.end(call, lost=True)
        for call_id, talk in tuple(self.lent_talks.items()):
            if call_id not in self.network[talk.seat.assisted].calls:
                self.end_talk(call_id, talk)

    def die(self) -> None:
        """The PBX is killed, its calls with it. Legs at the other cities are found dead in a while."""
        for call in tuple(self.calls.values()):
            if call.timer is not None:
                call.timer.cancel()
            if call.citizen is not None:
                call.citizen.cut_off(call)
        self._fall_silent()
        super().die()
        self.empty()
        for seat in self.seats.values():
            seat.state = SeatState.OFFLINE
        for slot in self.slots.values():
            slot.call = ""

    def boot(self) -> None:
        """Start again after die(): slots and loans are there still (persistentmembers), pauses of agents are not."""
        super().boot()
        self._speak_again()
        self.later(self.timing.phones_back_s, self._phones_back)

    def _phones_back(self) -> None:
        for seat in self.seats.values():
            if seat.state is SeatState.OFFLINE and self.on_duty(seat.id):
                self.set_phone(seat.id, SeatState.FREE)

    def _fall_silent(self) -> None:
        for code, other in self.network.items():
            if code == self.city:
                continue
            other.peer_silent(self.city)
            other.later(self.timing.trunk_noticed_s, _notice, other, self)
        for call in self.calls.values():
            if call.peer_seats:
                self.leave_far_end(call)

    def leave_far_end(self, call: SimCall) -> None:
        """The far end hears no voice any more, or nobody takes its answer: it gives up in a while."""
        (far, seats), name = self.far_end(call), call.waiting.call
        if not call.answered_at:
            left_s = max(0.0, call.rung_at + self.timing.support_ring_s - self.now())
            for seat in seats:
                far.later(left_s, _silent_ring, far, seat, name, self)
        elif (talk := far.lent_talks.get(name)) is not None:
            far.later(self.timing.leg_lost_after_s, _silent_talk, far, name, talk, self)

    def _speak_again(self) -> None:
        for code, other in self.network.items():
            if code != self.city and self.city in other.trunks:
                other.later(self.timing.trunk_back_s, _notice, other, self)


def _obey_whatever_comes(pbx: SimPbx, order: Order) -> None:
    with suppress(OrderRefused):
        pbx.obey(order)


def _notice(here: SimPbx, there: SimPbx) -> None:
    """The answers to OPTIONS have stopped, or are there again."""
    up = here.reaches(there.city)
    if here.trunks.get(there.city) not in (None, up):
        here.set_trunk(there.city, up=up)


def _silent_talk(here: SimQueue, call: str, talk: LentTalk, home: SimPbx) -> None:
    if not here.reaches(home.city) or not _carries(home, call, talk.seat):
        here.end_talk(call, talk)


def _silent_ring(here: SimQueue, seat: LentSeat, call: str, home: SimPbx) -> None:
    if not here.reaches(home.city) or not _carries(home, call, seat):
        here.end_ring(seat.seat, call, seat, RingEnd.NO_ANSWER)


def _carries(home: SimQueue, call_id: str, seat: LentSeat) -> bool:
    """Whether the home PBX still has this call on a leg to this seat."""
    call = home.calls.get(call_id)
    return call is not None and seat.seat in call.peer_seats
