"""The parts of a simulated PBX, and how long it takes for things."""

import asyncio
from dataclasses import dataclass

from callctl.core.events import Answerer, SeatState, WaitingCall
from callctl.core.model import Lending


@dataclass(slots=True)
class SimSeat:
    """A phone and what its agent does when it rings."""

    id: str
    lend: Lending
    state: SeatState = SeatState.FREE
    ready: bool = True
    free_from: float = 0.0
    call: str = ""
    answers_after_s: float | None = 2.0  # None: lets it ring.
    talks_s: float | None = 60.0  # None: until somebody hangs up.


@dataclass(slots=True)
class SimSlot:
    """A slot of the home queue."""

    open: bool
    token: int
    call: str = ""
    reason: str = ""


@dataclass(slots=True)
class SimCall:
    """A citizen's call at its home PBX."""

    waiting: WaitingCall
    entered_at: float
    by: Answerer | None = None  # Rings or talks.
    answered_at: float = 0.0  # 0: not answered.
    timer: asyncio.TimerHandle | None = None
    peer_seat: str = ""  # The lent seat at the other end.


@dataclass(frozen=True, slots=True)
class SimTiming:
    """How long the simulated PBX takes for things; seconds."""

    queue_looks_s: float = 0.5  # app_queue looks at its agents once a second: half of it on average.
    ring_s: float = 15.0
    invite_gives_up_s: float = 4.0
    backoff_s: float = 2.0
    order_s: float = 0.005
    reading_s: float = 0.05
    deadline_s: float = 2.0
    reconnect_s: float = 1.0
    leg_lost_after_s: float = 5.0  # rtp_timeout of the trunk.
