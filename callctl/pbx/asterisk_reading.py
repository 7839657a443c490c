"""One full reading of an Asterisk: what its queues, its channels and its trunks say, as one PbxObserved. No I/O.

Asked: QueueStatus (every queue), CoreShowChannels, and for each trunk Getvar DEVICE_STATE(PJSIP/trunk-<city>). The
manager classes `agent` and `reporting` are enough for all three.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from callctl.core.events import (
    Answerer,
    HomeSeat,
    LentSeat,
    LoanSeen,
    PbxObserved,
    SeatSeen,
    SeatState,
    SlotSeen,
    SlotState,
    TalkSeen,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.model import SlotRef
from callctl.pbx import asterisk_names as names
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.asterisk_words import SEAT_STATES, Fields, ring_group, variables
from callctl.pbx.values import number_of

_BUSY_SLOT = frozenset({"2", "3", "6", "7", "8"})  # Device states of a Local channel that rings or talks.
_TRUNK_DOWN = frozenset({"UNAVAILABLE", "INVALID", "UNKNOWN", ""})  # The dialplan dials in every other state.
_PHONE = re.compile(r"PJSIP/(\d+)-[0-9a-f]+")
_SLOT = re.compile(rf"Local/([a-z]+)-{names.SUPPORT_EXTENSION}-(\d+)@cc-seat-[0-9a-f]+;1")


@dataclass(frozen=True, slots=True)
class Reading:
    """The answers, as they came."""

    queues: tuple[Fields, ...]  # QueueStatus
    channels: tuple[Fields, ...]  # CoreShowChannels
    trunks: Mapping[str, str]  # City to the device state of the trunk's endpoint.
    booted_at: float
    asked_at: float  # Our clock when we began to ask: whatever happened before is in the answers.
    queues_at: float  # Our clock when the queues' answer was complete; its ages count from here.


def trunk_variable(other: str) -> str:
    """The variable whose value is the trunk's device state."""
    return f"DEVICE_STATE(PJSIP/trunk-{other})"


def observe(chart: AsteriskMap, reading: Reading) -> PbxObserved:
    """The reading in callctl's words; the map takes over what it needs for the events that follow."""
    calls = _calls(chart, reading.channels)
    waiting = _waiting(chart, reading, calls)
    talks = tuple(_talks(chart, reading))
    returned = [call.call for call, _ in waiting if call.returned]
    chart.take_over({call.call: channel for call, channel in waiting}, talks)
    chart.take_over_queues(returned, _desk(reading))
    members = [fields for fields in reading.queues if fields.get("Event") == "QueueMember"]
    return PbxObserved(
        city=chart.city.code,
        at=reading.asked_at,
        waiting=tuple(call for call, _ in waiting),
        seats=_seats(chart, members, calls),
        loans=tuple(sorted(filter(None, [_loan(chart, fields) for fields in members]), key=lambda loan: loan.seat)),
        slots=tuple(sorted(_slots(chart, members), key=lambda seen: (seen.slot, seen.token))),
        talks=talks,
        trunks=tuple(
            TrunkSeen(trunk.to, reading.trunks.get(trunk.to, "") not in _TRUNK_DOWN) for trunk in chart.city.trunks
        ),
        booted_at=reading.booted_at,
        rings_together=_rings_together(chart, reading.queues),
    )


def _rings_together(chart: AsteriskMap, queues: Iterable[Fields]) -> bool:
    """Whether the support queues ring whole groups; files rendered before there were ring groups did not say so."""
    strategies = {fields.get("Strategy") for fields in queues if fields.get("Queue") in chart.supports}
    return strategies - {None} == {"ringall"}


def _desk(reading: Reading) -> str:
    """The channel that takes orders for call-backs."""
    entries = (one for one in reading.queues if one.get("Event") == "QueueEntry" and one.get("Queue") == names.MISSED_DESK)
    return next((str(one.get("Channel", "")) for one in entries), "")


def _calls(chart: AsteriskMap, channels: Iterable[Fields]) -> dict[str, Fields]:
    """Every channel by its name."""
    return {str(fields.get("Channel", "")): fields for fields in channels if fields.get("Event") == "CoreShowChannel"}


def _waiting(chart: AsteriskMap, reading: Reading, channels: Mapping[str, Fields]) -> list[tuple[WaitingCall, str]]:
    """Waiting calls and their channels, head of the queue first."""
    found: list[tuple[float, WaitingCall, str]] = []
    for fields in reading.queues:
        if fields.get("Event") != "QueueEntry" or fields.get("Queue") != chart.home:
            continue
        channel = str(fields.get("Channel", ""))
        # The entry itself carries no variables; the caller's channel does. Gone since: the entry alone must do.
        spoken = {**fields, "ChanVariable": channels.get(channel, {}).get("ChanVariable", ())}
        call = chart.call_of(spoken, chart.city.code)
        if not call:
            continue
        waited_s = min(86_400.0, max(0.0, number_of(fields.get("Wait"))))
        returned = number_of(fields.get("Priority")) > 0
        caller = chart.waiting_call(spoken, call, reading.queues_at - waited_s, returned)
        found.append((number_of(fields.get("Position")), caller, channel))
    return [(caller, channel) for _, caller, channel in sorted(found, key=lambda entry: entry[0])]


def _seats(chart: AsteriskMap, members: Iterable[Fields], channels: Mapping[str, Fields]) -> tuple[SeatSeen, ...]:
    states: dict[str, SeatState] = {}
    paused: set[str] = set()
    last_call: dict[str, float] = {}
    for fields in members:
        queue, location = str(fields.get("Queue", "")), str(fields.get("Location", ""))
        seat = location.removeprefix("PJSIP/")
        if seat not in chart.seats or location != names.phone_interface(seat):
            continue
        if queue == names.ROSTER:
            states[seat] = SEAT_STATES.get(str(fields.get("Status", "")), SeatState.OFFLINE)
        if queue == chart.ready_queue(seat) and fields.get("Paused") == "1":
            paused.add(seat)
        if queue == chart.home or queue in chart.supports:
            last_call[seat] = max(last_call.get(seat, 0.0), number_of(fields.get("LastCall")))
    talking = _talking_seats(chart, channels)
    return tuple(
        SeatSeen(
            seat,
            state,
            ready=seat not in paused,
            free_from=_free_from(chart, last_call.get(seat, 0.0)),
            call=talking.get(seat, ""),
        )
        for seat, state in ((seat, states[seat]) for seat in chart.seats if seat in states)
    )


def _free_from(chart: AsteriskMap, last_call: float) -> float:
    return last_call + chart.ahead_s + chart.city.queue.wrapup_s if last_call > 0 else 0.0


def _talking_seats(chart: AsteriskMap, channels: Mapping[str, Fields]) -> dict[str, str]:
    talking = {}
    for name, fields in channels.items():
        phone = _PHONE.fullmatch(name)
        if phone and phone[1] in chart.seats and fields.get("ChannelStateDesc") == "Up":
            talking[phone[1]] = _agent_call(chart, fields)[1]
    return talking


def _agent_call(chart: AsteriskMap, fields: Fields) -> tuple[str, str]:
    """Whose call an agent's channel serves, and its id: (city, call). ("", "") where the channel does not say."""
    found = variables(fields)
    home, call = found.get("CC_HOME", ""), found.get("CC_CALLID", "")
    if home not in chart.cities or chart.call_of(fields, home) != call:
        return "", ""
    return home, call


def _talks(chart: AsteriskMap, reading: Reading) -> Iterable[TalkSeen]:
    """Agents' channels and slots that are up. When they were answered we know from the event, else from their age."""
    for fields in reading.channels:
        name = str(fields.get("Channel", ""))
        if fields.get("Event") != "CoreShowChannel" or fields.get("ChannelStateDesc") != "Up":
            continue
        home, call = _agent_call(chart, fields)
        by = _answerer(chart, name, home)
        if by is None:
            continue
        # Duration counts from the first ring, so the answer may be dated some seconds too early.
        since = reading.queues_at - _seconds(str(fields.get("Duration", "")))
        yield chart.talk(call, by, since)


def _answerer(chart: AsteriskMap, channel: str, home: str) -> Answerer | None:
    phone = _PHONE.fullmatch(channel)
    if phone and phone[1] in chart.seats and home:
        return HomeSeat(phone[1]) if home == chart.city.code else LentSeat(phone[1], home)
    slot = _SLOT.fullmatch(channel)
    if slot and slot[1] in chart.cities and home == chart.city.code:
        return SlotRef(slot[1], int(slot[2]))
    return None


def _seconds(duration: str) -> float:
    """ "01:02:03" in seconds."""
    parts = [number_of(part) for part in duration.split(":")]
    return max(0.0, parts[0] * 3600 + parts[1] * 60 + parts[2]) if len(parts) == 3 else 0.0


def _loan(chart: AsteriskMap, fields: Fields) -> LoanSeen | None:
    found = chart.loan(str(fields.get("Queue", "")), str(fields.get("Name", "")), str(fields.get("Location", "")))
    return LoanSeen(*found, ring_group(fields)) if found else None


def _slots(chart: AsteriskMap, members: Iterable[Fields]) -> Iterable[SlotSeen]:
    for fields in members:
        found = chart.slot(str(fields.get("Queue", "")), str(fields.get("Name", "")), str(fields.get("Location", "")))
        if found is None:
            continue
        closed = fields.get("Paused") == "1"
        in_use = fields.get("InCall") == "1" or fields.get("Status") in _BUSY_SLOT
        state = SlotState.CLOSED if closed else SlotState.OPEN
        slot, token = found
        yield SlotSeen(slot, state, token, in_use=in_use, reason=str(fields.get("PausedReason", "")))
