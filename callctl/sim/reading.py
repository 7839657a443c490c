"""A full reading of a simulated PBX."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from callctl.core.events import LentSeat, LoanSeen, PbxObserved, SeatSeen, SlotSeen, SlotState, TalkSeen, TrunkSeen
from callctl.core.model import SlotRef

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
        talks=(*_own_talks(pbx), *_remote_talks(pbx)),
        trunks=tuple(TrunkSeen(other, up) for other, up in pbx.trunks.items()),
        booted_at=pbx.booted_at,
    )


def _own_talks(pbx: "SimPbx") -> Iterator[TalkSeen]:
    for call in pbx.calls.values():
        if call.answered_at and call.by is not None:
            yield TalkSeen(call.waiting.call, call.by, call.answered_at)


def _remote_talks(pbx: "SimPbx") -> Iterator[TalkSeen]:
    """Calls of other cities that talk to seats here."""
    for other in pbx.network.values():
        for call in other.calls.values():
            if call.answered_at and isinstance(call.by, SlotRef) and call.by.supporting == pbx.city:
                yield TalkSeen(call.waiting.call, LentSeat(call.peer_seat, other.city), call.answered_at)
