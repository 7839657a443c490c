"""What was learnt of a PBX otherwise than by its events: the facts that close a gap in the journal, one thing each.

Most come from a full reading; LogRead marks a call some of whose facts were read from the PBX's own log afterwards.
"""

from dataclasses import dataclass

from callctl.core.events import Answerer, WaitingCall


@dataclass(frozen=True, slots=True)
class SeenWaiting:
    """A reading shows the call in the home queue, and no event had said so."""

    city: str
    at: float
    call: WaitingCall


@dataclass(frozen=True, slots=True)
class SeenTalking:
    """A reading shows the call in conversation, and no event had said so."""

    city: str
    at: float
    call: str
    by: Answerer
    answered_at: float


@dataclass(frozen=True, slots=True)
class NotSeen:
    """A reading of `city` does not show the call any more, and no event had said that it ended."""

    city: str
    at: float
    call: str


@dataclass(frozen=True, slots=True)
class GapClosed:
    """The first reading after the link was lost, or after callctl started: before it, events are missing."""

    city: str
    at: float


@dataclass(frozen=True, slots=True)
class LoanFound:
    """A reading shows a loan that no event had told of."""

    city: str
    at: float
    seat: str
    assisted: str
    token: int


@dataclass(frozen=True, slots=True)
class LoanNotSeen:
    """A reading does not show a loan any more that no event had ended."""

    city: str
    at: float
    seat: str
    assisted: str
    token: int


@dataclass(frozen=True, slots=True)
class LogRead:
    """Facts of this call were missed and have been taken from the PBX's own log; `at` is when the call was last in it."""

    city: str
    at: float
    call: str


Sighting = SeenWaiting | SeenTalking | NotSeen | GapClosed | LoanFound | LoanNotSeen | LogRead
