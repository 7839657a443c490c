"""A full reading of a simulated PBX."""

from typing import TYPE_CHECKING

from callctl.core.events import LoanSeen, PbxObserved, SeatSeen, SlotSeen, SlotState, TalkSeen, TrunkSeen

if TYPE_CHECKING:
    from callctl.sim.pbx import SimPbx


def observe(pbx: "SimPbx") -> PbxObserved:
    """What a reading taken now shows."""
    now = pbx.now()
    return PbxObserved(
        city=pbx.city,
        at=now,
        waiting=tuple(pbx.calls[call].waiting for call in pbx.waiting),
        seats=tuple(SeatSeen(seat.id, seat.state, seat.ready, seat.free_from, seat.call) for seat in pbx.seats.values()),
        loans=tuple(
            LoanSeen(seat, assisted, token) for assisted, queue in pbx.support.items() for seat, token in queue.items()
        ),
        slots=tuple(
            SlotSeen(ref, SlotState.OPEN if slot.open else SlotState.CLOSED, slot.token, bool(slot.call), slot.reason)
            for ref, slot in pbx.slots.items()
        ),
        talks=tuple(
            TalkSeen(call.waiting.call, call.by, call.answered_at)
            for call in pbx.calls.values()
            if call.answered_at and call.by is not None
        ),
        trunks=tuple(TrunkSeen(other, up) for other, up in pbx.trunks.items()),
        booted_at=pbx.booted_at,
    )
