"""FreeSWITCH's words, and what they are in callctl's: agent states, hang-up causes, statuses. And its lists, as rows."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from callctl.core.events import RingEnd, SlotState
from callctl.pbx import freeswitch_names as names
from callctl.pbx.esl_frames import text_of


class Fields(Protocol):
    """The headers of one event."""

    def get(self, name: str, default: str = "") -> str:
        """A header's value."""
        ...


Row = Mapping[str, str]  # A row of a list, by the names of its columns.

# mod_callcenter.c, cc_agent_state_t.
WAITING, RESERVED, RECEIVING, TALKING = "Waiting", "Reserved", "Receiving", "In a queue call"
RUNG = frozenset({RESERVED, RECEIVING})
# mod_callcenter.c, cc_member_state_t; an Abandoned member stays listed for a while.
MEMBER_WAITS = frozenset({"Waiting", "Trying"})
MEMBER_TALKS = "Answered"

# switch_types.h, switch_call_cause_t, as bridge-agent-fail says it of a slot: the far end's answer, or our slot.lua's.
RING_ENDS: Mapping[str, RingEnd] = {
    "USER_BUSY": RingEnd.BUSY,
    "NO_ANSWER": RingEnd.NO_ANSWER,
    "NO_USER_RESPONSE": RingEnd.NO_ANSWER,
    "NORMAL_CIRCUIT_CONGESTION": RingEnd.TRUNK_FULL,
    "CALL_REJECTED": RingEnd.REFUSED,
    "FACILITY_REJECTED": RingEnd.REFUSED,
    "GATEWAY_DOWN": RingEnd.UNREACHABLE,
    "INVALID_GATEWAY": RingEnd.UNREACHABLE,
    "DESTINATION_OUT_OF_ORDER": RingEnd.UNREACHABLE,
    "PROGRESS_TIMEOUT": RingEnd.UNREACHABLE,
    "ALLOTTED_TIMEOUT": RingEnd.UNREACHABLE,
    "NORMAL_TEMPORARY_FAILURE": RingEnd.UNREACHABLE,
    "RECOVERY_ON_TIMER_EXPIRE": RingEnd.UNREACHABLE,
    "NETWORK_OUT_OF_ORDER": RingEnd.UNREACHABLE,
    "NO_ROUTE_DESTINATION": RingEnd.UNREACHABLE,
    "SERVICE_UNAVAILABLE": RingEnd.UNREACHABLE,
}
# Of a phone of our own: there a refusal is the agent who pressed the red key, and silence is silence.
PHONE_RING_ENDS: Mapping[str, RingEnd] = {
    **RING_ENDS,
    "CALL_REJECTED": RingEnd.BUSY,
    "ALLOTTED_TIMEOUT": RingEnd.NO_ANSWER,
    "USER_NOT_REGISTERED": RingEnd.UNREACHABLE,
}
THROWN_OUT = frozenset({"TIMEOUT", "NO_AGENT_TIMEOUT"})  # CC-Cancel-Reason

# What an agent status means for a slot; the switch itself gives `On Break` after max_no_answer (agent-no-answer-status).
SLOT_STATES: Mapping[str, tuple[SlotState, str]] = {
    names.OPEN: (SlotState.OPEN, ""),
    names.CLOSED: (SlotState.CLOSED, "closed"),
    names.PAUSED: (SlotState.CLOSED, "Auto-Pause"),
}


def stamp_of(event: Fields) -> float:
    """When the event happened, by the PBX's clock in seconds; long ago where it does not say so."""
    return micros_of(event.get("Event-Date-Timestamp"))


def micros_of(text: str) -> float:
    """FreeSWITCH's microseconds, in seconds; long ago where the text is no such number."""
    text = text.strip()
    return int(text) / 1e6 if text.isdecimal() and len(text) < 18 else -1e12


def rows_of(answer: bytes) -> list[Row]:
    """A list of mod_callcenter: a line of column names, then the rows, then `+OK`.

    A row that has not exactly its columns is left out: a `|` in a value has shifted the others.
    """
    lines = _structure(answer).split("\n")
    columns = lines[0].split("|")
    found: list[Row] = []
    for line in lines[1:]:
        values = line.split("|")
        if len(values) == len(columns) > 1:
            found.append(dict(zip(columns, map(_mended, values), strict=True)))
    return found


def json_rows_of(answer: bytes) -> list[Row]:
    """A list of `show … as json`; empty where there is nothing. Raises ValueError where it is no such list."""
    try:
        found: Any = json.loads(_structure(answer))
    except ValueError:
        found = None
    rows = found.get("rows", []) if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"not a list of rows: {answer[:60]!r}")
    return [{name: _mended(str(value)) for name, value in row.items()} for row in rows]


def _structure(answer: bytes) -> str:
    """Bytes that are no UTF-8 stay single characters, so that no quote or `|` is taken for half of a Chinese one."""
    return answer.decode("utf-8", "surrogateescape")


def _mended(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text_of(text.encode("utf-8", "surrogateescape"))
    return text
