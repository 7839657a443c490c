"""Orders: what a PBX shall do. Each is safe to repeat, and harmless when it comes late or when the controller dies.

`city` is the PBX that obeys; `token` is the loan's or lease's fencing token and is carried in the PBX's own name for
the thing, so that a restarted controller recognises its work and an older controller's work is recognised as older.
"""

from dataclasses import dataclass

from callctl.core.model import SlotRef


@dataclass(frozen=True, slots=True)
class Lend:
    """At the supporting city: put the seat into the support queue of `assisted`, to ring together with its group."""

    city: str
    seat: str
    assisted: str
    token: int
    group: int = 0


@dataclass(frozen=True, slots=True)
class Regroup:
    """At the supporting city: from the next call on the lent seat rings together with `group`."""

    city: str
    seat: str
    assisted: str
    token: int  # Of the loan, which stays as it is.
    group: int


@dataclass(frozen=True, slots=True)
class Recall:
    """At the supporting city: take the seat out of the support queue of `assisted`. A call in progress goes on."""

    city: str
    seat: str
    assisted: str


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """At the assisted city: the slot may be rung for the caller at the head of the home queue."""

    city: str
    slot: SlotRef
    token: int


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """At the assisted city: ring the slot no more. A call in progress goes on."""

    city: str
    slot: SlotRef


@dataclass(frozen=True, slots=True)
class DropSlot:
    """At the assisted city: remove the slot from the home queue. A call in progress goes on."""

    city: str
    slot: SlotRef


@dataclass(frozen=True, slots=True)
class MoveCaller:
    """By hand only: send this one waiting call to `supporting`; it comes back to the front if nobody answers."""

    city: str
    call: str
    supporting: str


@dataclass(frozen=True, slots=True)
class CallBack:
    """At the home city: an agent of `by` shall call back whoever made `call`; the PBX dials once the agent has answered.

    The order names a missed call, never a number: a PBX calls only those who called it.
    """

    city: str
    call: str
    by: str  # The home city itself, or a supporting city.


@dataclass(frozen=True, slots=True)
class SetReady:
    """At a seat's own city: 示闲 / 示忙, in every queue the seat is in. A call in progress goes on."""

    city: str
    seat: str
    ready: bool
    reason: str = ""  # A code of core/presses.py; kept by the PBX for its own lists.


@dataclass(frozen=True, slots=True)
class PermitListening:
    """At the city of both seats: the phone of seat `phone` may once listen to `seat` (core/listening.py), for `for_s`."""

    city: str
    id: str
    phone: str
    seat: str
    how: str  # listen, whisper, barge.
    for_s: float


@dataclass(frozen=True, slots=True)
class ForbidListening:
    """Take the permit back; nothing happens where it was used. Who listens already goes on."""

    city: str
    id: str
    phone: str
    seat: str
    how: str


@dataclass(frozen=True, slots=True)
class RenewHeartbeat:
    """Tell the PBX's dead man's switch that a controller lives."""

    city: str


Order = (
    Lend
    | Regroup
    | Recall
    | OpenSlot
    | CloseSlot
    | DropSlot
    | MoveCaller
    | CallBack
    | SetReady
    | PermitListening
    | ForbidListening
    | RenewHeartbeat
)
