"""The agents of one city at full depth: who is at a seat, how fast they answer, and when they go home."""

import asyncio
from collections.abc import Callable

from callctl.core.events import SeatState
from callctl.core.model import Lending
from callctl.sim.parts import SimCall, SimSeat
from callctl.sim.pbx import SimPbx

LOOKS_UP_S = 1.0  # Who may go home looks so often whether the work is done.

Answers = Callable[[SimSeat, SimCall], float | None]


class Staff:
    """Shifts of one city. Whoever is on a call or in wrap-up when the shift ends finishes first, and takes no other."""

    def __init__(self, pbx: SimPbx, present: int, answers_after_s: Answers) -> None:
        self._pbx = pbx
        self._present = dict.fromkeys([*pbx.seats][:present])  # In the order of coming.
        self._leaving: dict[str, None] = {}  # Of them; paused.
        pbx.on_duty = self._present.__contains__
        pbx.answers_after_s = answers_after_s
        for seat in pbx.seats.values():
            if seat.id not in self._present:
                seat.state = SeatState.OFFLINE

    def shift(self, number: int) -> None:
        """From now on so many agents work."""
        missing = number - (len(self._present) - len(self._leaving))
        for seat_id in [*self._leaving][: max(0, missing)]:
            del self._leaving[seat_id]
            self._ready(seat_id, ready=True)
            missing -= 1
        for seat_id in self._pbx.seats:
            if missing > 0 and seat_id not in self._present:
                missing -= 1
                self._present[seat_id] = None
                if self._pbx.alive:
                    self._ready(seat_id, ready=True)
                    self._pbx.set_phone(seat_id, SeatState.FREE)
        if missing < 0:
            # Who is idle goes first, and of these who came last; dedicated seats stay as long as others can go.
            staying = [seat_id for seat_id in reversed([*self._present]) if seat_id not in self._leaving]
            staying.sort(
                key=lambda seat_id: (self._pbx.seats[seat_id].lend is Lending.DEDICATED, not self._may_go(seat_id))
            )
            for seat_id in staying[:-missing]:
                self._leaving[seat_id] = None
                if not self._may_go(seat_id):
                    self._ready(seat_id, ready=False)
            self._go_home()

    def _may_go(self, seat_id: str) -> bool:
        seat = self._pbx.seats[seat_id]
        idle = seat.state is SeatState.FREE and seat.free_from <= self._pbx.now()
        return idle or seat.state is SeatState.OFFLINE

    def _ready(self, seat_id: str, ready: bool) -> None:
        if self._pbx.alive and self._pbx.seats[seat_id].ready is not ready:
            self._pbx.set_ready(seat_id, ready)

    def _go_home(self) -> None:
        for seat_id in [*self._leaving]:
            if self._may_go(seat_id):
                del self._present[seat_id], self._leaving[seat_id]
                if self._pbx.alive:
                    self._pbx.set_phone(seat_id, SeatState.OFFLINE)
        if self._leaving:
            asyncio.get_running_loop().call_later(LOOKS_UP_S, self._go_home)
