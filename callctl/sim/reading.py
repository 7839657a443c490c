"""A full reading of a simulated PBX."""

from collections.abc import Iterator

from callctl.core.events import HomeSeat, LoanSeen, PbxObserved, SeatSeen, SlotSeen, SlotState, TalkSeen, TrunkSeen
from callctl.core.model import SlotRef
from callctl.sim.parts import BY_HAND
from callctl.sim.queue import SimQueue


def observe(pbx: SimQueue) -> PbxObserved:
    """What a reading taken now shows."""
    return PbxObserved(
        city=pbx.city,
        at=pbx.now(),
        waiting=tuple(pbx.calls[call].waiting for call in pbx.waiting),
        seats=tuple(SeatSeen(seat.id, seat.state, seat.ready, seat.free_from, seat.call) for seat in pbx.seats.values()),
        loans=tuple(
            LoanSeen(seat, assisted, *loan) for assisted, queue in pbx.support.items() for seat, loan in queue.items()
        ),
        slots=tuple(
            SlotSeen(ref, SlotState.OPEN if slot.open else SlotState.CLOSED, slot.token, bool(slot.call), slot.reason)
            for ref, slot in pbx.slots.items()
        ),
        talks=(*_own_talks(pbx), *(TalkSeen(call, by, since) for call, (by, since) in pbx.lent_talks.items())),
        trunks=tuple(TrunkSeen(other, up) for other, up in pbx.trunks.items()),
        booted_at=pbx.booted_at,
        rings_together=pbx.rings_together,
    )


def _own_talks(pbx: SimQueue) -> Iterator[TalkSeen]:
    for call in pbx.calls.values():
        by = call.by
        # A caller moved by hand talks on a bare trunk leg, which no queue knows.
        if call.answered_at and (isinstance(by, HomeSeat) or (isinstance(by, SlotRef) and by.number != BY_HAND)):
            yield TalkSeen(call.waiting.call, by, call.answered_at)
