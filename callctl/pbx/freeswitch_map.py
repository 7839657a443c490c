"""What a FreeSWITCH says, in callctl's words: one event in, the facts it holds out. No I/O.

mod_callcenter's "member" is the citizen who waits, its "agent" is a seat or a slot. Foreign or damaged events give no
facts: other people's queues, garbage for numbers, a citizen whose name looks like a header.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
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
    WaitingCall,
)
from callctl.core.model import City, SlotRef
from callctl.pbx import freeswitch_names as names
from callctl.pbx.city_map import MOST_ENTRIES, CityMap, Facts
from callctl.pbx.freeswitch_phone import Phone
from callctl.pbx.freeswitch_words import (
    PHONE_RING_ENDS,
    RECEIVING,
    RING_ENDS,
    RUNG,
    SLOT_STATES,
    TALKING,
    THROWN_OUT,
    Fields,
    stamp_of,
)
from callctl.pbx.values import number_of, remember

_CALL_ID = re.compile(r"([a-z]+)-(\d{1,12})\.\d{1,12}")


class FreeSwitchMap(CityMap):
    """The map of one city's FreeSWITCH."""

    def __init__(self, city: City, cities: Collection[str]) -> None:
        """`cities`: every city code of the province; calls and loans of others are foreign."""
        super().__init__(city, cities)
        self.slots: dict[SlotRef, int] = {}  # Token by slot. mod_callcenter tells nobody of tiers: we know by asking.
        self.loans: dict[tuple[str, str], int] = {}  # Token by seat and assisted city.
        self.phones = {seat: Phone() for seat in self.seats}
        self.rung: OrderedDict[str, float] = OrderedDict()  # Agents (seats and slots) that ring or talk, and since when.
        self.reading_wanted = False  # Somebody else changed what mod_callcenter does not tell.
        self._lent_since: OrderedDict[str, float] = OrderedDict()
        self._lost: OrderedDict[str, Answerer] = OrderedDict()
        self._auto_paused: set[str] = set()
        self.answerer = lru_cache(MOST_ENTRIES)(self._find_answerer)
        self._subclasses: dict[str, Callable[[Fields, float], Facts]] = {
            "callcenter::info": self._said_by_callcenter,
            "callctl::info": self._said_by_dialplan,
            "sofia::gateway_state": self._gateway,
            "sofia::unregister": self._unregistered,
            "sofia::expire": self._unregistered,
        }
        self._callcenter: dict[str, Callable[[Fields, float], Facts]] = {
            "member-queue-start": self._joined,
            "member-queue-end": self._left,
            "agent-offering": self._ringing,
            "bridge-agent-fail": self._not_answered,
            "bridge-agent-start": self._answered,
            "bridge-agent-end": self._talk_ended,
            "agent-state-change": self._agent_state,
            "agent-status-change": self._agent_status,
            "agent-max-no-answer": self._gave_up,
        }
        self._dialplan: dict[str, Callable[[Fields, str, float], Facts]] = {
            "leg-lost": self._leg_lost,
            "survey": self._survey,
            "callback-start": self._call_back,
            "move-start": self._moved,
            "queue-end": self._queue_ended,
        }
        self._lent: dict[str, Callable[[Fields, str, LentSeat, float], Facts]] = {
            "lent-ringing": self._lent_ringing,
            "lent-failed": self._lent_failed,
            "lent-answered": self._lent_answered,
            "lent-ended": self._lent_ended,
        }

    def facts(self, event: Fields, now: float) -> Facts:
        """The facts in one event. `now` is our clock when it arrived; it dates the fact where the event does not."""
        reader = self._subclasses.get(event.get("Event-Subclass"))
        if reader is None:
            return ()
        return reader(event, self.dated(stamp_of(event), now))

    def call_of(self, text: str, home: str) -> str:
        """The province call id, "" where it is none of `home`'s. Our own dialplan wrote it; a peer city chose its own."""
        match = _CALL_ID.fullmatch(text)
        return text if match and match[1] == home else ""

    def waiting_call(self, call: str, number: str, since: float, returned: bool) -> WaitingCall:
        """The citizen; `since` (our clock) counts where the first arrival is not believable."""
        match = _CALL_ID.fullmatch(call)
        # The id's time is the home PBX's clock in whole seconds, so it may lie a little ahead.
        return self.caller(call, number, int(match[2]) if match else -1e12, since, returned)

    def busy_slots(self) -> set[SlotRef]:
        """Slots that ring or talk, as far as we know; also those that were dropped meanwhile."""
        talking = {by for by, _ in self.talks.values() if isinstance(by, SlotRef)}
        return talking | {slot for slot in map(names.parse_slot, self.rung) if slot is not None}

    def _find_answerer(self, agent: str) -> Answerer | None:
        """Who an agent of the home queue is; None for whoever is not ours."""
        slot = names.parse_slot(agent)
        if slot is not None:
            return slot if slot.supporting in self.cities else None
        return HomeSeat(agent) if agent in self.seats else None

    def _said_by_callcenter(self, event: Fields, at: float) -> Facts:
        reader = self._callcenter.get(event.get("CC-Action"))
        return reader(event, at) if reader else ()

    def _who(self, event: Fields) -> tuple[str, Answerer] | None:
        if event.get("CC-Queue") != self.home:
            return None
        by = self.answerer(event.get("CC-Agent"))
        call = self.call_of(event.get("CC-Member-CID-Name"), self.city.code)
        return (call, by) if by is not None and call else None

    # Callers

    def _caller(self, event: Fields) -> str:
        return self.call_of(event.get("CC-Member-CID-Name"), self.city.code) if event.get("CC-Queue") == self.home else ""

    def _joined(self, event: Fields, at: float) -> Facts:
        call = self._caller(event)
        if not call:
            return ()
        remember(self.callers, call, event.get("CC-Member-Session-UUID"))
        returned = number_of(event.get("variable_cc_base_score")) >= names.RETURNED_SCORE
        caller = self.waiting_call(call, event.get("CC-Member-CID-Number"), at, returned)
        return (CallWaiting(self.city.code, at, caller),)

    def _left(self, event: Fields, at: float) -> Facts:
        call = self._caller(event)
        # A call-back's stand-in has the same id: only the one who is gone may be forgotten.
        if call and self.callers.get(call) == event.get("CC-Member-Session-UUID"):
            del self.callers[call]
        if not call or event.get("CC-Cause") != "Cancel":
            return ()
        reason = event.get("CC-Cancel-Reason")
        if reason == "BREAK_OUT":
            return (CallLeftQueue(self.city.code, at, call, Outcome.ABANDONED),)
        if reason in THROWN_OUT:
            return (CallLeftQueue(self.city.code, at, call, Outcome.REFUSED),)
        return ()  # By key: our dialplan says what becomes of him.

    # Rings and talks

    def _ringing(self, event: Fields, at: float) -> Facts:
        who = self._who(event)
        return (CallRinging(self.city.code, at, *who),) if who else ()

    def _not_answered(self, event: Fields, at: float) -> Facts:
        who = self._who(event)
        if who is None:
            return ()
        self.rung.pop(event.get("CC-Agent"), None)
        causes = RING_ENDS if isinstance(who[1], SlotRef) else PHONE_RING_ENDS
        return (RingEnded(self.city.code, at, *who, causes.get(event.get("CC-Hangup-Cause"), RingEnd.UNKNOWN)),)

    def _answered(self, event: Fields, at: float) -> Facts:
        who = self._who(event)
        if who is None:
            return ()
        self.callers.pop(who[0], None)
        remember(self.talks, who[0], (who[1], at))
        answered, joined = number_of(event.get("CC-Agent-Answered-Time")), number_of(event.get("CC-Member-Joined-Time"))
        waited_s = max(0.0, answered - joined) if joined else 0.0
        return (
            CallLeftQueue(self.city.code, at, who[0], Outcome.LEFT),
            CallAnswered(self.city.code, at, *who, waited_s),
        )

    def _talk_ended(self, event: Fields, at: float) -> Facts:
        who = self._who(event)
        if who is None:
            return ()
        self.rung.pop(event.get("CC-Agent"), None)
        # Answered, but no talk came of it: the caller may wait again.
        self.reading_wanted |= event.get("CC-Agent-Bridged") == "false"
        if self._lost.get(who[0]) == who[1]:  # The dialplan was first, and knew more.
            del self._lost[who[0]]
            return ()
        if self.talks.get(who[0], (None,))[0] == who[1]:
            del self.talks[who[0]]
        ended, answered = number_of(event.get("CC-Bridge-Terminated-Time")), number_of(event.get("CC-Agent-Answered-Time"))
        talked_s = max(0.0, ended - answered) if answered else 0.0
        self._talk_is_over(*who, talked_s)
        return (CallEnded(self.city.code, at, *who, talked_s),)

    # Phones and slots

    def _agent_state(self, event: Fields, at: float) -> Facts:
        agent, state = event.get("CC-Agent"), event.get("CC-Agent-State")
        if state in RUNG or state == TALKING:
            remember(self.rung, agent, self.rung.get(agent, at) if state in RUNG else at)
        else:
            self.rung.pop(agent, None)
        if agent not in self.phones:
            return ()
        self.phones[agent].agent_state = state
        self.phones[agent].registered |= state in (RECEIVING, TALKING)
        return self._phone_changed(agent, at)

    def _phone_changed(self, seat: str, at: float) -> Facts:
        phone = self.phones[seat]
        if phone.told is phone.state:
            return ()
        phone.told = phone.state
        return (SeatChanged(self.city.code, at, seat, phone.state),)

    def _agent_status(self, event: Fields, at: float) -> Facts:
        agent, status = event.get("CC-Agent"), event.get("CC-Agent-Status")
        if agent in self.seats:
            return self._seat_status(agent, status, at)
        slot = names.parse_slot(agent)
        if slot is None or status not in SLOT_STATES:
            return ()
        if slot not in self.slots:
            self.reading_wanted = True
            return ()
        return (SlotChanged(self.city.code, at, slot, self.slots[slot], *SLOT_STATES[status]),)

    def _seat_status(self, seat: str, status: str, at: float) -> Facts:
        """Logged Out is a phone that is not there (scripts/phones.lua says so), On Break an agent who is not ready."""
        auto = seat in self._auto_paused
        self._auto_paused.discard(seat)
        if status == names.PAUSED:
            return (SeatReadied(self.city.code, at, seat, False, "Auto-Pause" if auto else ""),)
        self.phones[seat].registered = status == names.OPEN
        changed = self._phone_changed(seat, at)
        return (*changed, SeatReadied(self.city.code, at, seat, True)) if status == names.OPEN else changed

    def _gave_up(self, event: Fields, at: float) -> Facts:
        if event.get("CC-Agent") in self.seats:
            self._auto_paused.add(event.get("CC-Agent"))
        return ()

    def _unregistered(self, event: Fields, at: float) -> Facts:
        seat = event.get("from-user") or event.get("user")
        if seat not in self.phones:
            return ()
        self.phones[seat].registered = False
        return self._phone_changed(seat, at)

    def _gateway(self, event: Fields, at: float) -> Facts:
        other = names.trunk_of(event.get("Gateway"))
        status = event.get("Ping-Status")
        return self._trunk(other, {"UP": True, "DOWN": False}.get(status), at)

    # What mod_callcenter tells nobody: we know it from the answer to our own order

    def lent(self, seat: str, assisted: str, token: int, at: float) -> Facts:
        """The seat has come into the support queue."""
        self.loans[seat, assisted] = token
        return (LoanChanged(self.city.code, at, seat, assisted, token, lent=True),)

    def recalled(self, seat: str, assisted: str, at: float) -> Facts:
        """The seat has left the support queue; no fact where it was not known to be there."""
        token = self.loans.pop((seat, assisted), None)
        return () if token is None else (LoanChanged(self.city.code, at, seat, assisted, token, lent=False),)

    def opened(self, slot: SlotRef, token: int) -> Facts:
        """The slot has come into the home queue; the status that follows says whether it is open."""
        self.slots[slot] = token
        return ()

    def dropped(self, slot: SlotRef, at: float) -> Facts:
        """The slot is gone; no fact where it was not known to be there."""
        token = self.slots.pop(slot, None)
        return () if token is None else (SlotChanged(self.city.code, at, slot, token, SlotState.ABSENT),)

    # What our dialplan says; every header of it begins with Callctl-

    def _said_by_dialplan(self, event: Fields, at: float) -> Facts:
        action, call = event.get("Callctl-Action"), event.get("Callctl-Call")
        reader = self._dialplan.get(action)
        if reader is not None:
            return reader(event, call, at) if self.call_of(call, self.city.code) else ()
        lent = self._lent.get(action)
        seat, home = event.get("Callctl-Seat"), event.get("Callctl-Home")
        if lent is None or seat not in self.phones or home not in self.cities or home == self.city.code:
            return ()
        return lent(event, call, LentSeat(seat, home), at) if self.call_of(call, home) else ()

    def _leg_lost(self, event: Fields, call: str, at: float) -> Facts:
        by = self.answerer(event.get("Callctl-Agent"))
        if by is None:
            return ()
        ended = self._ended.pop(call, None)
        talk = self.talks.pop(call, None)
        if ended is None or ended[0] != by:
            remember(self._lost, call, by)
            talked_s = max(0.0, at - talk[1]) if talk is not None and talk[0] == by else 0.0
        else:
            talked_s = ended[1]
        return (CallEnded(self.city.code, at, call, by, talked_s, lost=True),)

    def _survey(self, event: Fields, call: str, at: float) -> Facts:
        return self._score(call, event.get("Callctl-Score"), at)

    def _gone(self, call: str, at: float, outcome: Outcome) -> Facts:
        """Out of the queue by the dialplan's word; not where the caller, or a stand-in, waits there again."""
        return () if call in self.callers else (CallLeftQueue(self.city.code, at, call, outcome),)

    def _call_back(self, event: Fields, call: str, at: float) -> Facts:
        return self._gone(call, at, Outcome.CALL_BACK)

    def _moved(self, event: Fields, call: str, at: float) -> Facts:
        return self._gone(call, at, Outcome.MOVED)

    def _queue_ended(self, event: Fields, call: str, at: float) -> Facts:
        return self._gone(call, at, Outcome.REFUSED)

    def _lent_ringing(self, event: Fields, call: str, by: LentSeat, at: float) -> Facts:
        remember(self._lent_since, call, at)
        self.phones[by.seat].lent = SeatState.RINGING
        return (CallRinging(self.city.code, at, call, by), *self._phone_changed(by.seat, at))

    def _lent_failed(self, event: Fields, call: str, by: LentSeat, at: float) -> Facts:
        self._lent_since.pop(call, None)
        self.phones[by.seat].lent = None
        why = PHONE_RING_ENDS.get(event.get("Callctl-Cause"), RingEnd.UNKNOWN)
        return (RingEnded(self.city.code, at, call, by, why), *self._phone_changed(by.seat, at))

    def _lent_answered(self, event: Fields, call: str, by: LentSeat, at: float) -> Facts:
        since = self._lent_since.pop(call, at)
        remember(self.talks, call, (by, at))
        self.phones[by.seat].lent = SeatState.BUSY
        return (
            CallAnswered(self.city.code, at, call, by, max(0.0, at - since)),
            *self._phone_changed(by.seat, at),
        )

    def _lent_ended(self, event: Fields, call: str, by: LentSeat, at: float) -> Facts:
        self.talks.pop(call, None)
        self.phones[by.seat].lent = None
        talked_s = max(0.0, number_of(event.get("Callctl-Talked")))
        return (CallEnded(self.city.code, at, call, by, talked_s), *self._phone_changed(by.seat, at))

    # A full reading

    def take_over_rung(self, rung: Iterable[tuple[str, float]]) -> None:
        """Remember who rings or talks as a full reading saw it: the ends of other rings were missed."""
        self.rung = OrderedDict(rung)

    def take_over_tiers(self, slots: Mapping[SlotRef, int], loans: Mapping[tuple[str, str], int]) -> None:
        """Remember the slots and loans that a full reading saw."""
        self.slots = dict(slots)
        self.loans = dict(loans)
        self.reading_wanted = False
