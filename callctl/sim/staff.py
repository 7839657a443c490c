"""The agents of one city at full depth: who is at a seat, how fast they answer, and when they go home."""

import asyncio
from collections.abc import Callable

from callctl.core.events import SeatState
from callctl.sim.parts import SimCall, SimSeat
from callctl.sim.pbx import SimPbx

LOOKS_UP_S = 1.0  # Who may go home looks so often whether the work is done.

Answers = Callable[[SimSeat, SimCall], float | None]


class Staff:
    """Shifts of one city. Whoever is on a call or in wrap-up when the shift ends finishes first."""

    def __init__(self, pbx: SimPbx, present: int, answers_after_s: Answers) -> None:
        self._pbx = pbx
        self._present = dict.fromkeys([*pbx.seats][:present])  # In the order of coming.
        self._wanted = present
        self._leaving = False
        pbx.on_duty = self._present.__contains__
        pbx.answers_after_s = answers_after_s
        for seat in pbx.seats.values():
            if seat.id not in self._present:
                seat.state = SeatState.OFFLINE

    def shift(self, number: int) -> None:
        """From now on so many agents work."""
        self._wanted = number
        for seat_id in self._pbx.seats:
            if len(self._present) >= number:
                break
            if seat_id not in self._present:
                self._present[seat_id] = None
                if self._pbx.alive:
                    self._pbx.set_phone(seat_id, SeatState.FREE)
        if not self._leaving:
            self._go_home()

    def _go_home(self) -> None:
        now, seats = self._pbx.now(), self._pbx.seats
        for seat_id in reversed([*self._present]):
            if len(self._present) <= self._wanted:
                break
            seat = seats[seat_id]
            if seat.state is SeatState.OFFLINE or (seat.state is SeatState.FREE and seat.free_from <= now):
                del self._present[seat_id]
                if self._pbx.alive:
                    self._pbx.set_phone(seat_id, SeatState.OFFLINE)
        self._leaving = len(self._present) > self._wanted
        if self._leaving:
            asyncio.get_running_loop().call_later(LOOKS_UP_S, self._go_home)
