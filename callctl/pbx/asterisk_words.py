"""Asterisk's words, and what they are in callctl's: device states, ends of a ring, queue ends, variables."""

from collections.abc import Mapping
from typing import Any

from callctl.core.events import CallBackEnd, RingEnd, SeatState
from callctl.pbx.values import number_of

Fields = Mapping[str, Any]  # A message's headers; a repeated variable header is a list.

# include/asterisk/devicestate.h; the numbers are those of QueueMemberStatus and QueueMember. 0 is "unknown".
SEAT_STATES: Mapping[str, SeatState] = {
    "0": SeatState.OFFLINE,
    "1": SeatState.FREE,
    "2": SeatState.BUSY,
    "3": SeatState.BUSY,
    "4": SeatState.OFFLINE,
    "5": SeatState.OFFLINE,
    "6": SeatState.RINGING,
    "7": SeatState.BUSY,
    "8": SeatState.BUSY,
}

# What our dialplan says of a ring that failed: its own words, and Dial()'s DIALSTATUS.
RING_ENDS: Mapping[str, RingEnd] = {
    "BUSY": RingEnd.BUSY,
    "NOANSWER": RingEnd.NO_ANSWER,
    "CHANUNAVAIL": RingEnd.UNREACHABLE,
    "DOWN": RingEnd.UNREACHABLE,
    "FULL": RingEnd.TRUNK_FULL,
    "STALE": RingEnd.REFUSED,
    "HOP": RingEnd.REFUSED,
}
# DIALSTATUS is CONGESTION or CHANUNAVAIL for many things; the cause (Q.850, include/asterisk/causes.h) tells them apart.
CAUSES: Mapping[str, RingEnd] = {
    "17": RingEnd.BUSY,
    "18": RingEnd.NO_ANSWER,
    "19": RingEnd.NO_ANSWER,
    "20": RingEnd.UNREACHABLE,
    "21": RingEnd.REFUSED,
    "27": RingEnd.UNREACHABLE,
    "34": RingEnd.TRUNK_FULL,
    "38": RingEnd.UNREACHABLE,
    "42": RingEnd.TRUNK_FULL,
}
THROWN_OUT = frozenset({"FULL", "JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL", "TIMEOUT"})  # QUEUESTATUS


def call_back_end(status: str, cause: str) -> CallBackEnd:
    """How a call-back ended: our dialplan's own word, or Dial()'s DIALSTATUS and the cause."""
    known = {
        "ANSWER": CallBackEnd.ANSWERED,
        "BUSY": CallBackEnd.BUSY,
        "NOANSWER": CallBackEnd.NO_ANSWER,
        "CANCEL": CallBackEnd.NO_ANSWER,  # The agent gave up while it rang.
        "NOAGENT": CallBackEnd.NO_AGENT,
        "EXPIRED": CallBackEnd.NO_AGENT,  # Nobody took it within its hour.
        "": CallBackEnd.NO_AGENT,  # The agent had gone before Dial().
    }
    by_cause = {"17": CallBackEnd.BUSY, "18": CallBackEnd.NO_ANSWER, "19": CallBackEnd.NO_ANSWER}
    return known.get(status) or by_cause.get(cause, CallBackEnd.UNREACHABLE)


def variables(fields: Fields) -> dict[str, str]:
    """The channel variables a message carries (manager.conf, channelvars)."""
    raw = fields.get("ChanVariable", ())
    return dict([str(line).partition("=")[::2] for line in ((raw,) if isinstance(raw, str) else raw)])


def ring_end(status: str, cause: str) -> RingEnd:
    """Why a ring ended, from the dialplan's Status and Cause."""
    told = CAUSES.get(cause) if status in ("CONGESTION", "CHANUNAVAIL") else None
    return told or RING_ENDS.get(status, RingEnd.UNKNOWN)


def ring_group(fields: Fields) -> int:
    """The group of lent seats that ring together: the penalty in the support queue."""
    return int(number_of(fields.get("Penalty")))
