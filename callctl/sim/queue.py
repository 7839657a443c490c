"""The home queue of a simulated PBX: citizens wait, phones and slots ring for them, they talk, score, are called back.

What is modelled, from pbx-asterisk.md: first come first served with penalties, up to 1 s between a free phone and its
ring, refusal at once (486) where no lent agent is free and a back-off of the slot, slots that pause themselves where
the city cannot be used, the dead man's switch. tests/pbx/contract.py holds it and real PBXs to one behaviour.
"""

from collections.abc import Callable, Mapping
from itertools import islice

from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    Outcome,
    RingEnd,
    RingEnded,
    SeatState,
    SurveyAnswered,
    WaitingCall,
)
from callctl.core.model import City, Lending, SlotRef
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S
from callctl.sim.parts import BY_HAND, LentTalk, OnTheLine, SimCall, SimSeat, SimTiming
from callctl.sim.phones import Phones

NEVER_S = float("inf")


class SimQueue(Phones):
    """One city's queue, phones and slots."""

    def __init__(self, home: City, network: Mapping[str, "SimQueue"], now: Callable[[], float], timing: SimTiming) -> None:
        super().__init__(home, now, timing)
        self.network = network
        self.support = {other: {} for other in network if home.may_help(other)}
        self.trunks = {trunk.to: True for trunk in home.trunks}
        self.cut_wires: set[str] = set()  # Cities no packet reaches; what the trunks' OPTIONS say of it comes later.
        # How agents behave, asked at every ring and at every answer; None: not at all, or until somebody hangs up.
        self.answers_after_s: Callable[[SimSeat, SimCall], float | None] = lambda seat, _: seat.answers_after_s
        self.talks_s: Callable[[SimSeat, SimCall], float | None] = lambda seat, _: seat.talks_s
        self.empty()

    def empty(self) -> None:
        """As just started: no call, nobody paused."""
        self.seats = {seat.id: SimSeat(seat.id, seat.lend) for seat in self.home.seats}
        self.calls: dict[str, SimCall] = {}
        self.waiting: list[str] = []  # In queue order.
        self.lent_talks: dict[str, LentTalk] = {}  # Other cities' calls with our agents.
        self.heartbeat_at = -1e9
        self._scoring: dict[str, float] = {}  # Calls whose citizen is asked for a score, and until when.
        self._numbered = 0
        self._look_set = False

    # Citizens -------------------------------------------------------------------------------------------------------

    def citizen_calls(self, number: str, citizen: OnTheLine | None = None) -> str:
        """A citizen dials 12345 and waits; the call's id."""
        self._numbered += 1
        call = f"{self.city}-{int(self.booted_at)}.{self._numbered}"
        self._enter(WaitingCall(call, number, self.now()), citizen)
        return call

    def _enter(self, waiting: WaitingCall, citizen: OnTheLine | None, place: int | None = None) -> None:
        self.calls[waiting.call] = SimCall(waiting, self.now(), citizen=citizen)
        if place is None:
            place = len(self.waiting)
            if waiting.returned:  # QUEUE_PRIO: in front of everybody who was never answered.
                place = sum(self.calls[call].waiting.returned for call in self.waiting)
        self.waiting.insert(place, waiting.call)
        self.tell(CallWaiting(self.city, self.now(), waiting))
        ahead = islice(self.waiting, place)
        if place + 1 == len(self.waiting) and all(self.calls[call].by is not None for call in ahead):
            self._look_now()  # Nobody stands before the new caller: app_queue rings at once (recordings: 1 to 3 ms).
        self.look_soon()

    def _left(self, call: str, *outcomes: Outcome) -> None:
        self.waiting.remove(call)
        for outcome in outcomes:
            self.tell(CallLeftQueue(self.city, self.now(), call, outcome))

    def citizen_hangs_up(self, call_id: str) -> None:
        """The citizen is gone, wherever the call was."""
        self._scoring.pop(call_id, None)
        call = self.calls.get(call_id)
        if call is None:
            return
        if call.answered_at:
            self.end(call)
            return
        if call_id in self.waiting:
            self._left(call_id, Outcome.ABANDONED)
        del self.calls[call_id]
        if call.by is not None:
            self._stop_ring(call, RingEnd.UNKNOWN, told_home=False)
        self.look_soon()

    def citizen_presses(self, call_id: str, key: str) -> None:
        """1 while waiting: call me back. 1 to 5 after the talk: the score."""
        call = self.calls.get(call_id)
        if call is None:
            if self.now() < self._scoring.pop(call_id, 0.0) and key in "12345":
                self.tell(SurveyAnswered(self.city, self.now(), call_id, int(key)))
        elif key == "1" and call_id in self.waiting and call.by is None and self.home.queue.offer_callback:
            place = self.waiting.index(call_id)
            self._left(call_id, Outcome.LEFT, Outcome.CALL_BACK)
            self._enter(call.waiting, call.citizen, place)

    # The queue looks for agents -------------------------------------------------------------------------------------

    def look_soon(self) -> None:
        """The queue looks for a free agent within its polling time."""
        if not self._look_set and self.waiting and not self.dead:
            self._look_set = True
            self.later(self.timing.queue_looks_s, self._look)

    def _look(self) -> None:
        self._look_set = False
        for call_id in tuple(self.waiting):
            call = self.calls[call_id]
            if call.withdrawn_to and call.by is None:
                self._move(call)
        self._look_now()
        now = self.now()
        if self.waiting and any(seat.state is SeatState.FREE and seat.free_from > now for seat in self.seats.values()):
            self.look_soon()

    def _look_now(self) -> None:
        agents = self._free_agents()
        if agents:
            callers = [self.calls[call] for call in self.waiting if self.calls[call].by is None]
            for call, by in zip(callers, agents, strict=False):
                self._ring(call, by)

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

    def _ring(self, call: SimCall, by: Answerer) -> None:
        call.by, call.rung_at = by, self.now()
        if isinstance(by, SlotRef):
            self.slots[by].call = call.waiting.call
            self.tell(CallRinging(self.city, self.now(), call.waiting.call, by))
            self._dial_support(call, by.supporting)
            return
        seat = self.seats[by.seat]
        self.ring_seat(seat, call.waiting.call, by)
        answers_after_s = self.answers_after_s(seat, call)
        if answers_after_s is not None and answers_after_s < self.timing.home_ring_s:
            call.timer = self.later(answers_after_s, self._answer, call, seat.id)
        else:
            call.timer = self.later(self.timing.home_ring_s, self._no_answer_home, call, seat)

    def _no_answer_home(self, call: SimCall, seat: SimSeat) -> None:
        self._stop_ring(call, RingEnd.NO_ANSWER)
        if self.home.queue.pause_unanswered:
            self.set_ready(seat.id, ready=False, reason="Auto-Pause")
        self.look_soon()

    def _move(self, call: SimCall) -> None:
        """By hand: out of the queue, and to the other city."""
        # app_queue tells a withdrawn caller as abandoned; the dialplan then says the truth.
        self._left(call.waiting.call, Outcome.ABANDONED, Outcome.MOVED)
        call.by, call.rung_at = SlotRef(call.withdrawn_to, BY_HAND), self.now()
        self._dial_support(call, call.withdrawn_to)

    # The trunk and the support queue at its far end ------------------------------------------------------------------

    def _dial_support(self, call: SimCall, supporting: str) -> None:
        peer, timing = self.network[supporting], self.timing
        if self.now() - self.heartbeat_at > HEARTBEAT_STALE_S and not _by_hand(call):
            self._fail_soon(call, 0.0, RingEnd.REFUSED)
        elif not self.trunks.get(supporting) or not peer.trunks.get(self.city):
            self._fail_soon(call, 0.0, RingEnd.UNREACHABLE)
        elif self._legs(supporting) + peer._legs(self.city) >= self._channels(supporting):
            self._fail_soon(call, timing.backoff_s, RingEnd.TRUNK_FULL)
        elif not self.reaches(supporting):
            self._fail_soon(call, timing.invite_gives_up_s, RingEnd.UNREACHABLE)
        else:
            seats = peer.free_lent_seats(self.city)
            if not seats:
                self._fail_soon(call, timing.backoff_s, RingEnd.BUSY)
                return
            call.peer_seats = tuple(seat.id for seat in seats)
            for seat in seats:
                peer.ring_seat(seat, call.waiting.call, LentSeat(seat.id, self.city))
            self._await_answer_there(call, seats)

    def _await_answer_there(self, call: SimCall, seats: list[SimSeat]) -> None:
        """The first of the group to answer has the call."""
        waits = [(self.answers_after_s(seat, call), seat.id) for seat in seats]
        wait_s, first = min([(after_s, seat) for after_s, seat in waits if after_s is not None], default=(NEVER_S, ""))
        if wait_s < self.timing.support_ring_s:
            call.timer = self.later(wait_s, self._answer, call, first)
        else:
            call.timer = self.later(self.timing.support_ring_s, self._no_answer_there, call)

    def _fail_soon(self, call: SimCall, delay_s: float, why: RingEnd) -> None:
        call.timer = self.later(delay_s, self._slot_failed, call, why)

    def _legs(self, supporting: str) -> int:
        legs = (call for call in self.calls.values() if isinstance(call.by, SlotRef) and call.peer_seats)
        return sum(isinstance(call.by, SlotRef) and call.by.supporting == supporting for call in legs)

    def _channels(self, other: str) -> int:
        trunk = self.home.trunk_to(other)
        return trunk.channels if trunk is not None else 0

    def _no_answer_there(self, call: SimCall) -> None:
        """The lent seats rang out: their phones stop, the slot backs off."""
        self._end_ring_there(call, RingEnd.NO_ANSWER)
        self._fail_soon(call, self.timing.backoff_s, RingEnd.NO_ANSWER)

    def reaches(self, city: str) -> bool:
        """Whether anything sent to the PBX of `city` is answered."""
        return self.network[city].alive and city not in self.cut_wires

    def peer_silent(self, city: str) -> None:
        """The PBX of `city` answers no more: what it rings for us rings out, what talks to it is lost in a while."""
        for call in tuple(self.calls.values()):
            if not isinstance(call.by, SlotRef) or call.by.supporting != city or not call.peer_seats:
                continue
            if call.answered_at:
                self.later(self.timing.leg_lost_after_s, self._lost_if_silent, call)
            elif call.timer is not None:
                call.timer.cancel()
                left_s = call.rung_at + self.timing.slot_ring_s - self.now()
                self._fail_soon(call, max(0.0, left_s), RingEnd.NO_ANSWER)

    def _lost_if_silent(self, call: SimCall) -> None:
        assert isinstance(call.by, SlotRef)
        peer = self.network[call.by.supporting]
        silent = not self.reaches(call.by.supporting) or call.waiting.call not in peer.lent_talks
        if self.calls.get(call.waiting.call) is call and call.answered_at and silent:
            self.end(call, lost=True)

    def _slot_failed(self, call: SimCall, why: RingEnd) -> None:
        slot = call.by
        assert isinstance(slot, SlotRef)
        # The slot's dialplan: nobody there now leaves it open, a city that cannot be used pauses it.
        known = self.slots.get(slot)
        if why in (RingEnd.UNREACHABLE, RingEnd.REFUSED) and known is not None:
            self.set_slot(slot, known, is_open=False, reason="Auto-Pause")
        self._stop_ring(call, why)
        self.look_soon()

    def _stop_ring(self, call: SimCall, why: RingEnd, told_home: bool = True) -> None:
        by, call_id = call.by, call.waiting.call
        assert by is not None
        if call.timer is not None:
            call.timer.cancel()
        if not isinstance(by, SlotRef):
            call.by = None
            self.end_ring(by.seat, call_id, by, why)
            return
        self._end_ring_there(call, why)
        call.by = None
        if by in self.slots:
            self.slots[by].call = ""
        if by.number == BY_HAND:
            if call_id in self.calls:
                self._enter_again(call)
        elif told_home:
            self.tell(RingEnded(self.city, self.now(), call_id, by, why))

    def _enter_again(self, call: SimCall) -> None:
        waiting = call.waiting
        self._enter(WaitingCall(waiting.call, waiting.number, waiting.waiting_since, returned=True), call.citizen)

    def _end_ring_there(self, call: SimCall, why: RingEnd) -> None:
        if call.peer_seats:
            peer, seats = self.far_end(call)
            call.peer_seats = ()
            for seat in seats:
                peer.later(0.0, peer.end_ring, seat.seat, call.waiting.call, seat, why)

    # Talk -----------------------------------------------------------------------------------------------------------

    def _answer(self, call: SimCall, seat_id: str) -> None:
        now, call_id, by = self.now(), call.waiting.call, call.by
        assert by is not None
        pbx, seat = (self.network[by.supporting], LentSeat(seat_id, self.city)) if isinstance(by, SlotRef) else (self, by)
        if pbx.seats[seat_id].call != call_id:  # We were frozen, and the far end has given up meanwhile.
            call.peer_seats = ()
            self._slot_failed(call, RingEnd.NO_ANSWER)
            return
        call.answered_at = now
        pbx.show(seat_id, SeatState.BUSY, call_id)
        if isinstance(seat, LentSeat):
            others, call.peer_seats = [each for each in call.peer_seats if each != seat_id], (seat_id,)
            for other in others:  # Answered elsewhere: they stop at once, and app_queue says nothing of them.
                pbx.stop_phone(other, call_id)
            pbx.lent_talks[call_id] = LentTalk(seat, now)
            pbx.tell(CallAnswered(pbx.city, now, call_id, seat, now - call.entered_at))
        if not _by_hand(call):
            self._left(call_id, Outcome.LEFT)
            self.tell(CallAnswered(self.city, now, call_id, by, now - call.entered_at))
        if call.citizen is not None:
            call.citizen.answered(call)
        talks_s = self.talks_s(pbx.seats[seat_id], call)
        call.timer = None if talks_s is None else self.later(talks_s, self._talked, call)

    def far_end(self, call: SimCall) -> tuple["SimQueue", list[LentSeat]]:
        """Where a remote call rings or talks."""
        assert isinstance(call.by, SlotRef)
        return self.network[call.by.supporting], [LentSeat(seat, self.city) for seat in call.peer_seats]

    def _talked(self, call: SimCall) -> None:
        """Everything is said; on a leg that is dead nothing is, and nobody hears who hangs up."""
        if isinstance(call.by, SlotRef) and not self.reaches(call.by.supporting):
            call.timer = self.later(self.timing.reconnect_s, self._talked, call)
        else:
            self.agent_is_done(call)

    def agent_is_done(self, call: SimCall) -> None:
        """The agent hangs up, and the citizen is asked for a score."""
        if self.home.queue.survey:
            self._scoring[call.waiting.call] = self.now() + self.timing.survey_s
        if call.citizen is not None:
            call.citizen.over(call)
        self.end(call)

    def end(self, call: SimCall, lost: bool = False) -> None:
        """The conversation is over, or lost: then the caller comes back to the front."""
        now, call_id, by = self.now(), call.waiting.call, call.by
        assert by is not None
        if call.timer is not None:
            call.timer.cancel()
        del self.calls[call_id]
        talked_s = now - call.answered_at
        if not _by_hand(call):
            # app_queue tells the end of a lost leg like any other; the dialplan then says the truth.
            for said_lost in (False, True)[: 1 + lost]:
                self.tell(CallEnded(self.city, now, call_id, by, talked_s, said_lost))
        if isinstance(by, SlotRef):
            far, _ = self.far_end(call)
            if by in self.slots:
                self.slots[by].call = ""
            # A BYE that does not get through leaves the far end to its own timer.
            if (talk := far.lent_talks.get(call_id)) is not None:
                far.later(self.timing.leg_lost_after_s if far.city in self.cut_wires else 0.0, far.end_talk, call_id, talk)
        else:
            assert isinstance(by, HomeSeat)
            self.seats[by.seat].free_from = now + self.home.queue.wrapup_s
            self.show(by.seat, SeatState.FREE)
        if lost:
            if call.citizen is not None:
                call.citizen.back_in_queue(call)
            self._enter_again(call)
        self.look_soon()

    def end_talk(self, call: str, talk: LentTalk) -> None:
        """At the supporting city: the remote call is over, wrap-up begins. By now the citizen may be in another talk."""
        if self.lent_talks.get(call) == talk:
            del self.lent_talks[call]
            seat, since = talk
            self.tell(CallEnded(self.city, self.now(), call, seat, self.now() - since))
            self.seats[seat.seat].free_from = self.now() + self.home.queue.wrapup_s
            self.show(seat.seat, SeatState.FREE)


def _by_hand(call: SimCall) -> bool:
    return isinstance(call.by, SlotRef) and call.by.number == BY_HAND
