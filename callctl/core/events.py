"""Facts: what the PBXs told us, in callctl's words. Past tense, frozen, one vocabulary for every kind of PBX.

`city` is the PBX that spoke; `at` is our own clock, in seconds (ages cross machines, clocks do not: an adapter
turns a PBX's "waited 37 s" into `at - 37`). A fact may be missed, doubled or late; a PbxObserved repairs the picture.
"""

import enum
from dataclasses import dataclass

from callctl.core.model import SlotRef


class SeatState(enum.Enum):
    """A seat's phone, as its PBX sees it."""

    OFFLINE = "offline"  # Not registered, or does not answer OPTIONS.
    FREE = "free"
    RINGING = "ringing"
    BUSY = "busy"


class Outcome(enum.Enum):
    """Why a call is not waiting any more."""

    LEFT = "left"  # Not known (yet): answered, or gone by key.
    ABANDONED = "abandoned"
    CALL_BACK = "call_back"  # Asked to be called back; the place is kept by the call-back's own call.
    MOVED = "moved"  # By hand, by a supervisor.
    REFUSED = "refused"  # Queue full, or the PBX threw the caller out.


class RingEnd(enum.Enum):
    """Why a ring ended without an answer."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"  # 486: no lent agent free, or the phone is in use.
    TRUNK_FULL = "trunk_full"
    UNREACHABLE = "unreachable"  # Trunk down, peer dead or frozen.
    REFUSED = "refused"  # The peer forbids it: dead man's switch, hop guard, 403.
    UNKNOWN = "unknown"


class CallBackEnd(enum.Enum):
    """How a call-back ended."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    NO_AGENT = "no_agent"  # Nobody took it: the citizen's phone has not rung.


class SlotState(enum.Enum):
    """A slot of the home queue."""

    OPEN = "open"
    CLOSED = "closed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class HomeSeat:
    """Answered by the city's own agent."""

    seat: str


@dataclass(frozen=True, slots=True)
class LentSeat:
    """At the supporting city: its seat that serves `assisted`."""

    seat: str
    assisted: str


# Who rings or talks: at the assisted city a HomeSeat or a SlotRef, at the supporting city a LentSeat.
Answerer = HomeSeat | SlotRef | LentSeat


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A citizen in the home queue."""

    call: str  # The province-wide call id: "<city>-<unique id of the PBX>".
    number: str  # The citizen's number in clear; masked before it is logged or shown.
    waiting_since: float  # First arrival, also after a lost leg or on a call-back.
    returned: bool = False  # Stands in front of all who were never answered.


@dataclass(frozen=True, slots=True)
class SeatSeen:
    """One seat in a full reading."""

    seat: str
    state: SeatState
    ready: bool = True  # False: paused at the home queue by the agent or by auto-pause.
    free_from: float = 0.0  # End of wrap-up; the seat takes no call before.
    call: str = ""  # Province call id it talks on, "" for none or unknown.


@dataclass(frozen=True, slots=True)
class LoanSeen:
    """A seat found in a support queue, in a full reading. Seats of one group ring together; the first to answer talks."""

    seat: str
    assisted: str
    token: int
    group: int = 0


@dataclass(frozen=True, slots=True)
class SlotSeen:
    """A slot found in the home queue, in a full reading."""

    slot: SlotRef
    state: SlotState
    token: int
    in_use: bool = False  # A call rings or talks on it.
    reason: str = ""  # E.g. the PBX's own "Auto-Pause".


@dataclass(frozen=True, slots=True)
class TalkSeen:
    """A call in progress, in a full reading."""

    call: str
    by: Answerer
    answered_at: float


@dataclass(frozen=True, slots=True)
class TrunkSeen:
    """A trunk in a full reading."""

    to: str
    up: bool


@dataclass(frozen=True, slots=True)
class PbxObserved:
    """A full reading; replaces all we thought about this PBX."""

    city: str
    at: float
    waiting: tuple[WaitingCall, ...]  # In queue order, head first.
    seats: tuple[SeatSeen, ...]
    loans: tuple[LoanSeen, ...]
    slots: tuple[SlotSeen, ...]
    talks: tuple[TalkSeen, ...]
    trunks: tuple[TrunkSeen, ...]
    booted_at: float = 0.0
    rings_together: bool = False  # Whether this PBX can ring several lent seats for one call; not known counts as no.


@dataclass(frozen=True, slots=True)
class PbxLost:
    """The link broke or lies: everything about this PBX is unknown from now on."""

    city: str
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class CallWaiting:
    """A citizen entered the home queue, or came back to its front."""

    city: str
    at: float
    call: WaitingCall


@dataclass(frozen=True, slots=True)
class CallLeftQueue:
    """A call is not in the home queue any more."""

    city: str
    at: float
    call: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CallRinging:
    """A seat or slot is being rung for this call."""

    city: str
    at: float
    call: str
    by: Answerer


@dataclass(frozen=True, slots=True)
class RingEnded:
    """The ring ended without an answer."""

    city: str
    at: float
    call: str
    by: Answerer
    why: RingEnd


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """An agent and the citizen talk."""

    city: str
    at: float
    call: str
    by: Answerer
    waited_s: float  # As the PBX counted it, since the (last) entry into the queue.


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The conversation is over."""

    city: str
    at: float
    call: str
    by: Answerer
    talked_s: float
    lost: bool = False  # The leg died in mid-talk; the citizen is brought back to the front of the home queue.


@dataclass(frozen=True, slots=True)
class SeatChanged:
    """A seat's phone changed."""

    city: str
    at: float
    seat: str
    state: SeatState


@dataclass(frozen=True, slots=True)
class SeatReadied:
    """An agent went ready (or was paused, by hand or by the PBX)."""

    city: str
    at: float
    seat: str
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LoanChanged:
    """A seat came into (`lent`) or left the support queue of `assisted`, at the supporting city."""

    city: str
    at: float
    seat: str
    assisted: str
    token: int
    lent: bool
    group: int = 0  # Seats of one group ring together. Told anew when only the group changes.


@dataclass(frozen=True, slots=True)
class SlotChanged:
    """A slot of the home queue was opened, closed or removed; `reason` is the PBX's own word."""

    city: str
    at: float
    slot: SlotRef
    token: int
    state: SlotState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TrunkChanged:
    """The trunk to `to` was seen up or down from this end."""

    city: str
    at: float
    to: str
    up: bool


@dataclass(frozen=True, slots=True)
class SurveyAnswered:
    """A citizen scored the call, 1 (bad) to 5 (good)."""

    city: str
    at: float
    call: str
    score: int


@dataclass(frozen=True, slots=True)
class CallBackEnded:
    """A call-back that callctl ordered is over. The missed call stays what it was: a call-back is outbound."""

    city: str
    at: float
    call: str  # The missed call.
    attempt: str  # The PBX's own name for this try: what comes doubled is one.
    by: str  # Whose agent called.
    seat: str  # "" where the supporting city's PBX alone knows.
    how: CallBackEnd


@dataclass(frozen=True, slots=True)
class CalledBack:
    """The call-back that a citizen asked for by key is over; only ANSWERED means that the citizen was reached."""

    city: str
    at: float
    call: str
    how: CallBackEnd


Fact = (
    PbxObserved
    | PbxLost
    | CallWaiting
    | CallLeftQueue
    | CallRinging
    | RingEnded
    | CallAnswered
    | CallEnded
    | SeatChanged
    | SeatReadied
    | LoanChanged
    | SlotChanged
    | TrunkChanged
    | SurveyAnswered
    | CallBackEnded
    | CalledBack
)
