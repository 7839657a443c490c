"""What an Asterisk says, in callctl's words: one manager message in, the facts it holds out. No I/O.

Foreign or damaged messages give no facts: other people's queues, garbage for numbers, a citizen whose name looks like a
header.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import lru_cache

from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallBackEnded,
    CalledBack,
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
    SlotChanged,
    SlotState,
    WaitingCall,
)
from callctl.core.model import City, Lending, SlotRef
from callctl.pbx import asterisk_names as names
from callctl.pbx.asterisk_words import (
    SEAT_STATES,
    THROWN_OUT,
    Fields,
    call_back_end,
    ring_end,
    ring_group,
    variables,
)
from callctl.pbx.city_map import MOST_ENTRIES, CityMap, Facts
from callctl.pbx.values import number_of, remember

_CALL_ID = re.compile(r"-\d{1,12}\.\d{1,12}")  # Behind the city's code.
_UNIQUE_ID = re.compile(r"\d{1,12}\.\d{1,12}")
_DIGITS = re.compile(r"\d{1,15}")
_CONTACTS = {"Reachable": True, "Unreachable": False, "Removed": False}


class AsteriskMap(CityMap):
    """The map of one city's Asterisk."""

    def __init__(self, city: City, cities: Collection[str]) -> None:
        """`cities`: every city code of the province; calls and loans of others are foreign."""
        super().__init__(city, cities)
        self.supports = {names.support_queue(code): code for code in self.cities if code != city.code}
        self.desk = ""  # The channel that takes orders for call-backs; "" while there is none.
        self._left_as: OrderedDict[str, Outcome] = OrderedDict()
        self._returning: OrderedDict[str, None] = OrderedDict()
        # Another city's call, and who rings for it here: a whole group at once.
        self._lent_rings: OrderedDict[str, tuple[LentSeat, ...]] = OrderedDict()
        self._ring_ends: OrderedDict[SlotRef, tuple[str, RingEnd]] = OrderedDict()
        self._called_by: OrderedDict[str, str] = OrderedDict()  # A call-back's attempt, and the home seat that took it.
        # What stands behind an entry of a queue never changes; there are as many as seats, slots and tokens in use.
        self.answerer = lru_cache(MOST_ENTRIES)(self._find_answerer)
        self.slot = lru_cache(MOST_ENTRIES)(self._find_slot)
        self.loan = lru_cache(MOST_ENTRIES)(self._find_loan)
        self._readers: dict[str, Callable[[Fields, float], Facts]] = {
            "QueueCallerJoin": self._joined,
            "QueueCallerLeave": self._left,
            "QueueCallerAbandon": self._abandoned,
            "AgentCalled": self._rung,
            "AgentRingNoAnswer": self._not_answered,
            "AgentConnect": self._answered,
            "AgentComplete": self._ended_talk,
            "QueueMemberStatus": self._phone_changed,
            "QueueMemberPause": self._paused,
            "QueueMemberAdded": self._added,
            "QueueMemberRemoved": self._removed,
            "QueueMemberPenalty": self._regrouped,
            "ContactStatus": self._contact,
            "UserEvent": self._said_by_dialplan,
        }
        self._dialplan: dict[str, Callable[[Fields, str, float], Facts]] = {
            "CCLegLost": self._leg_lost,
            "CCRingFailed": self._ring_failed,
            "CCSurvey": self._survey,
            "CCCallback": self._call_back,
            "CCCallbackEnd": self._called_back,
            "CCMove": self._moved,
            "CCBackTaken": self._call_back_taken,
            "CCBackEnd": self._call_back_ended,
            "CCQueueEnd": self._queue_ended,
        }

    def facts(self, fields: Fields, now: float) -> Facts:
        """The facts in one event. `now` is our clock when it arrived; it dates the fact where the event does not."""
        reader = self._readers.get(fields.get("Event", ""))
        if reader is None:
            return ()
        return reader(fields, self.dated(number_of(fields.get("Timestamp", ""), -1e12), now))

    def reads(self, fields: Fields) -> bool:
        """Whether such an event can hold a fact."""
        return fields.get("Event", "") in self._readers

    def call_of(self, fields: Fields, home: str) -> str:
        """The province call id of the caller's channel, "" where there is none.

        A peer city chooses the id it sends; only the ids of its own calls are believed.
        """
        raw = fields.get("ChanVariable", ())
        for line in (raw,) if type(raw) is str else raw:
            if line.startswith("CC_CALLID="):
                call: str = line[10:]
                if call.startswith(home) and _CALL_ID.fullmatch(call, len(home)):
                    return call
        return self._own_call(fields.get("Uniqueid", ""))

    def _own_call(self, text: str) -> str:
        code = self.city.code
        if text.startswith(code) and _CALL_ID.fullmatch(text, len(code)):
            return text
        return f"{code}-{text}" if _UNIQUE_ID.fullmatch(text) else ""

    def waiting_call(self, fields: Fields, call: str, since: float, returned: bool) -> WaitingCall:
        """The citizen of a message; `since` (our clock) counts where the first arrival is not known."""
        found = variables(fields)
        number = found.get("CC_NUM") or fields.get("CallerIDNum", "")
        first = found.get("CC_T0", "")
        return self.caller(call, number, int(first) if _DIGITS.fullmatch(first) else -1e12, since, returned)

    def _find_answerer(self, queue: str, name: str) -> Answerer | None:
        """Who stands behind a queue's entry; None for whoever is not ours."""
        if queue == self.home:
            slot = names.parse_slot(name)
            if slot is not None:
                return slot[0] if slot[0].supporting in self.cities else None
            return HomeSeat(name) if name in self.seats else None
        loan = names.parse_loan(name)
        if loan is not None and self.supports.get(queue) == loan[1] and loan[0] in self.seats:
            return LentSeat(loan[0], loan[1])
        return None

    def _who(self, fields: Fields) -> tuple[str, Answerer] | None:
        queue = fields.get("Queue", "")
        by = self.answerer(queue, fields.get("MemberName", ""))
        if by is None:
            return None
        call = self.call_of(fields, by.assisted if isinstance(by, LentSeat) else self.city.code)
        return (call, by) if call else None

    # Callers

    def _joined(self, fields: Fields, at: float) -> Facts:
        if fields.get("Queue") == names.MISSED_DESK:
            self.desk = fields.get("Channel", "")
            return ()
        call = self.call_of(fields, self.city.code) if fields.get("Queue") == self.home else ""
        if not call:
            return ()
        remember(self.callers, call, fields.get("Channel", ""))
        self._left_as.pop(call, None)
        return (CallWaiting(self.city.code, at, self.waiting_call(fields, call, at, call in self._returning)),)

    def _left(self, fields: Fields, at: float) -> Facts:
        if fields.get("Queue") == names.MISSED_DESK and fields.get("Channel", "") == self.desk:
            self.desk = ""
        call = self.call_of(fields, self.city.code) if fields.get("Queue") == self.home else ""
        # An abandoned call says both, Abandon first.
        if not call or self._left_as.get(call) is Outcome.ABANDONED:
            return ()
        return self._gone_as(call, at, Outcome.LEFT)

    def _abandoned(self, fields: Fields, at: float) -> Facts:
        assisted = self.supports.get(fields.get("Queue", ""))
        if assisted is not None:
            # The home city took its caller back, or the caller hung up; app_queue says no more of the ring here.
            call = self.call_of(fields, assisted)
            rung = self._lent_rings.pop(call, ())
            return tuple([RingEnded(self.city.code, at, call, by, RingEnd.UNKNOWN) for by in rung])
        call = self.call_of(fields, self.city.code) if fields.get("Queue") == self.home else ""
        return self._gone_as(call, at, Outcome.ABANDONED) if call else ()

    def _gone_as(self, call: str, at: float, outcome: Outcome) -> Facts:
        self.callers.pop(call, None)
        remember(self._left_as, call, outcome)
        return (CallLeftQueue(self.city.code, at, call, outcome),)

    # Rings and talks

    def _rung(self, fields: Fields, at: float) -> Facts:
        who = self._who(fields)
        if who is None:
            return ()
        call, by = who
        if isinstance(by, LentSeat):
            others = self._lent_rings.get(call, ())
            remember(self._lent_rings, call, others if by in others else (*others, by))
        return (CallRinging(self.city.code, at, call, by),)

    def _not_answered(self, fields: Fields, at: float) -> Facts:
        who = self._who(fields)
        if who is None:
            return ()
        call, by = who
        if isinstance(by, LentSeat) and call in self._lent_rings:
            self._lent_rings[call] = tuple([other for other in self._lent_rings[call] if other != by])
        why = RingEnd.NO_ANSWER
        if isinstance(by, SlotRef):
            told_call, told = self._ring_ends.pop(by, ("", RingEnd.UNKNOWN))
            why = told if told_call == call else RingEnd.UNKNOWN
        return (RingEnded(self.city.code, at, call, by, why),)

    def _answered(self, fields: Fields, at: float) -> Facts:
        who = self._who(fields)
        if who is None:
            return ()
        self._lent_rings.pop(who[0], None)
        remember(self.talks, who[0], (who[1], at))
        self._returning.pop(who[0], None)
        return (CallAnswered(self.city.code, at, *who, max(0.0, number_of(fields.get("HoldTime")))),)

    def _ended_talk(self, fields: Fields, at: float) -> Facts:
        who = self._who(fields)
        if who is None:
            return ()
        self.talks.pop(who[0], None)
        talked_s = max(0.0, number_of(fields.get("TalkTime")))
        if not isinstance(who[1], LentSeat):
            self._talk_is_over(*who, talked_s)
        return (CallEnded(self.city.code, at, *who, talked_s),)

    # Phones, slots, loans, trunks

    def _phone_changed(self, fields: Fields, at: float) -> Facts:
        seat = fields.get("MemberName", "")
        state = SEAT_STATES.get(fields.get("Status", ""))
        if fields.get("Queue") != names.ROSTER or seat not in self.seats or state is None:
            return ()
        return (SeatChanged(self.city.code, at, seat, state),)

    def ready_queue(self, seat: str) -> str:
        """The queue whose pause means "not ready": the home queue; for a dedicated seat, which is not in it, the roster."""
        return names.ROSTER if self.seats[seat].lend is Lending.DEDICATED else self.home

    def _paused(self, fields: Fields, at: float) -> Facts:
        queue, name = fields.get("Queue", ""), fields.get("MemberName", "")
        paused, reason = fields.get("Paused") == "1", fields.get("PausedReason", "")
        if name in self.seats:
            if queue != self.ready_queue(name):
                return ()
            return (SeatReadied(self.city.code, at, name, not paused, reason),)
        return self._slot_changed(fields, at, SlotState.CLOSED if paused else SlotState.OPEN)

    def _slot_changed(self, fields: Fields, at: float, state: SlotState) -> Facts:
        found = self.slot(fields.get("Queue", ""), fields.get("MemberName", ""), fields.get("Interface", ""))
        if found is None:
            return ()
        return (SlotChanged(self.city.code, at, *found, state, fields.get("PausedReason", "")),)

    def _find_slot(self, queue: str, name: str, interface: str) -> tuple[SlotRef, int] | None:
        """A slot of the home queue and its token; name and interface must agree, we address it by the interface.

        Also one to a city that the data folders (or --cities) no longer name: left open, it would be rung for ever, and
        each time its caller waits out the back-off of a city that answers 486.
        """
        found = names.parse_slot(name) if queue == self.home else None
        return found if found is not None and names.slot_interface(found[0]) == interface else None

    def _find_loan(self, queue: str, name: str, interface: str) -> tuple[str, str, int] | None:
        """Seat, assisted city and token of a support queue's entry; None for whatever is not a loan of ours."""
        found = names.parse_loan(name)
        if found is None or self.supports.get(queue) != found[1]:
            return None
        return found if found[0] in self.seats and names.phone_interface(found[0]) == interface else None

    def _added(self, fields: Fields, at: float) -> Facts:
        return self._loan_changed(fields, at, True) or self._slot_changed(
            fields, at, SlotState.CLOSED if fields.get("Paused") == "1" else SlotState.OPEN
        )

    def _regrouped(self, fields: Fields, at: float) -> Facts:
        return self._loan_changed(fields, at, True)

    def _removed(self, fields: Fields, at: float) -> Facts:
        return self._loan_changed(fields, at, False) or self._slot_changed(fields, at, SlotState.ABSENT)

    def _loan_changed(self, fields: Fields, at: float, lent: bool) -> Facts:
        found = self.loan(fields.get("Queue", ""), fields.get("MemberName", ""), fields.get("Interface", ""))
        return (LoanChanged(self.city.code, at, *found, lent, ring_group(fields)),) if found else ()

    def _contact(self, fields: Fields, at: float) -> Facts:
        other = fields.get("AOR", "").removeprefix("trunk-")
        status = fields.get("ContactStatus")
        return self._trunk(other, _CONTACTS.get(status or ""), at)

    # What the dialplan says (UserEvent)

    def _said_by_dialplan(self, fields: Fields, at: float) -> Facts:
        reader = self._dialplan.get(fields.get("UserEvent", ""))
        call = self._own_call(fields.get("CallId", "")) if reader else ""
        return reader(fields, call, at) if reader and call else ()

    def _leg_lost(self, fields: Fields, call: str, at: float) -> Facts:
        # AgentComplete came first and said "ended"; this corrects it, and is itself enough where that was missed.
        ended = self._ended.pop(call, None)
        by = self.answerer(self.home, fields.get("Slot", ""))
        remember(self._returning, call, None)
        if by is None:
            return ()
        self.talks.pop(call, None)
        talked_s = ended[1] if ended and ended[0] == by else 0.0
        return (CallEnded(self.city.code, at, call, by, talked_s, lost=True),)

    def _ring_failed(self, fields: Fields, call: str, at: float) -> Facts:
        # Asterisk's own AgentRingNoAnswer follows after the slot's back-off, and carries no reason.
        peer, number = fields.get("Peer", ""), fields.get("Number", "")
        if peer in self.cities and _DIGITS.fullmatch(number):
            why = ring_end(fields.get("Status", ""), fields.get("Cause", ""))
            remember(self._ring_ends, SlotRef(peer, int(number)), (call, why))
        return ()

    def _survey(self, fields: Fields, call: str, at: float) -> Facts:
        return self._score(call, fields.get("Score", ""), at)

    def _call_back(self, fields: Fields, call: str, at: float) -> Facts:
        return () if call in self.callers else self._gone_as(call, at, Outcome.CALL_BACK)

    def _called_back(self, fields: Fields, call: str, at: float) -> Facts:
        return (CalledBack(self.city.code, at, call, call_back_end(fields.get("Status", ""), fields.get("Cause", ""))),)

    def _call_back_taken(self, fields: Fields, call: str, at: float) -> Facts:
        phone = fields.get("Phone", "").removeprefix("PJSIP/").partition("-")[0]
        if phone in self.seats:
            remember(self._called_by, fields.get("Try", ""), phone)
        return ()

    def _call_back_ended(self, fields: Fields, call: str, at: float) -> Facts:
        by, attempt = fields.get("By", ""), fields.get("Try", "")[:128]
        how = call_back_end(fields.get("Status", ""), fields.get("Cause", ""))
        if by not in self.cities or not attempt:
            return ()
        return (CallBackEnded(self.city.code, at, call, attempt, by, self._called_by.pop(attempt, ""), how),)

    def _moved(self, fields: Fields, call: str, at: float) -> Facts:
        if fields.get("Stage") == "dial" and call not in self.callers:
            remember(self._returning, call, None)
            return self._gone_as(call, at, Outcome.MOVED)
        return ()

    def _queue_ended(self, fields: Fields, call: str, at: float) -> Facts:
        thrown_out = fields.get("Status") in THROWN_OUT and call not in self.callers
        return self._gone_as(call, at, Outcome.REFUSED) if thrown_out else ()

    # A full reading

    def take_over_queues(self, returned: Collection[str], desk: str) -> None:
        """Remember who a full reading saw in front, because he was in a talk already; and who takes call-backs."""
        self.desk = desk
        for call in returned:
            remember(self._returning, call, None)
