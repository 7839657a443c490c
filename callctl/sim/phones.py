"""The phones and slots of a simulated PBX: what state they are in, and that every change of it is told."""

from collections.abc import Callable

from callctl.core.events import (
    Answerer,
    CallRinging,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
)
from callctl.core.model import City, Lending, PbxKind, SlotRef
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S
from callctl.sim.machine import Machine
from callctl.sim.parts import SimLoan, SimSeat, SimSlot, SimTiming


class Phones(Machine):
    """One city's phones, support queues and slots."""

    def __init__(self, home: City, now: Callable[[], float], timing: SimTiming) -> None:
        super().__init__(home.code, now, timing)
        self.home = home
        self.slots: dict[SlotRef, SimSlot] = {}
        self.support: dict[str, dict[str, SimLoan]] = {}  # By city helped: its lent seats.
        self.seats: dict[str, SimSeat] = {}
        self.heartbeat_at = -1e9
        self.rings_together = home.pbx.kind is PbxKind.ASTERISK

    def look_soon(self) -> None:
        """The queue looks for a free agent within its polling time."""
        raise NotImplementedError

    def ring_seat(self, seat: SimSeat, call: str, by: Answerer) -> None:
        """The phone starts to ring."""
        seat.state, seat.call = SeatState.RINGING, call
        self.tell(CallRinging(self.city, self.now(), call, by))
        self.tell(SeatChanged(self.city, self.now(), seat.id, SeatState.RINGING))

    def free_lent_seats(self, assisted: str) -> list[SimSeat]:
        """The lent seats the support queue would ring: the lowest group with anybody free (ringall). None: 486.

        A FreeSWITCH rings one, dedicated seats first (seat.lua).
        """
        now, loans = self.now(), self.support.get(assisted, {})
        if now - self.heartbeat_at > HEARTBEAT_STALE_S:
            return []
        lent = [self.seats[seat] for seat in sorted(loans)]
        free = [seat for seat in lent if seat.state is SeatState.FREE and seat.free_from <= now]
        if not self.rings_together:
            return sorted(free, key=lambda seat: seat.lend is not Lending.DEDICATED)[:1]
        lowest = min([loans[seat.id].group for seat in free], default=0)
        return [seat for seat in free if loans[seat.id].group == lowest]

    def end_ring(self, seat_id: str, call: str, by: Answerer, why: RingEnd) -> None:
        """The phone stops ringing."""
        if self.seats[seat_id].call == call:
            self.tell(RingEnded(self.city, self.now(), call, by, why))
            self.show(seat_id, SeatState.FREE)

    def stop_phone(self, seat_id: str, call: str) -> None:
        """Another phone of the group has taken the call."""
        if self.seats[seat_id].call == call:
            self.show(seat_id, SeatState.FREE)

    def show(self, seat_id: str, state: SeatState, call: str = "") -> None:
        """The phone, unless it is gone, rings, talks or is free."""
        seat = self.seats[seat_id]
        if seat.state is SeatState.OFFLINE:
            return
        seat.state, seat.call = state, call
        self.tell(SeatChanged(self.city, self.now(), seat_id, state))
        if state is SeatState.FREE:
            self.look_soon()

    def set_ready(self, seat_id: str, ready: bool, reason: str = "") -> None:
        """The agent goes ready or takes a break."""
        self.seats[seat_id].ready = ready
        self.tell(SeatReadied(self.city, self.now(), seat_id, ready, reason))
        self.look_soon()

    def set_slot(self, ref: SlotRef, slot: SimSlot, is_open: bool, reason: str = "") -> None:
        """Pause or unpause; told also where nothing changes."""
        slot.open, slot.reason = is_open, reason
        state = SlotState.OPEN if is_open else SlotState.CLOSED
        self.tell(SlotChanged(self.city, self.now(), ref, slot.token, state, reason))
