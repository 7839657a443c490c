"""The parts of a simulated PBX, and how long it takes for things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from callctl.core.events import Answerer, Fact, LentSeat, SeatState, WaitingCall
from callctl.core.model import Lending

BY_HAND = 0  # The number of the slot that stands for a caller who was moved: no slot of the home queue.


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


class SimLoan(NamedTuple):
    """A seat in a support queue."""

    token: int
    group: int


class LentTalk(NamedTuple):
    """A talk of our agent with another city's citizen."""

    seat: LentSeat
    since: float


@dataclass(slots=True)
class SimSlot:
    """A slot of the home queue."""

    open: bool
    token: int
    call: str = ""
    reason: str = ""


class OnTheLine(Protocol):
    """The citizen at the other end of a call: what they notice."""

    def answered(self, call: "SimCall") -> None:
        """An agent speaks."""

    def over(self, call: "SimCall") -> None:
        """The agent has hung up."""

    def back_in_queue(self, call: "SimCall") -> None:
        """The agent is gone in mid-talk; music again."""

    def cut_off(self, call: "SimCall") -> None:
        """The home PBX has died."""


@dataclass(slots=True)
class SimCall:
    """A citizen's call at its home PBX."""

    waiting: WaitingCall
    entered_at: float
    by: Answerer | None = None  # Rings or talks.
    rung_at: float = 0.0
    answered_at: float = 0.0  # 0: not answered.
    timer: asyncio.TimerHandle | None = None
    peer_seats: tuple[str, ...] = ()  # The lent seats at the other end that ring, or the one that talks.
    withdrawn_to: str = ""  # The city it shall be moved to, as soon as nobody is being rung for it.
    citizen: OnTheLine | None = None


@dataclass(slots=True)
class Connection:
    """One link's connection to the PBX."""

    on_fact: Callable[[Fact], None]
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class SimTiming:
    """How long the simulated PBX takes for things; seconds. The rings are those of render.asterisk.AsteriskTimes."""

    queue_looks_s: float = 0.5  # app_queue looks at its agents once a second: half of it on average.
    home_ring_s: float = 20.0
    slot_ring_s: float = 16.0
    support_ring_s: float = 14.0
    invite_gives_up_s: float = 4.0
    backoff_s: float = 2.0
    order_s: float = 0.005
    reading_s: float = 0.05
    deadline_s: float = 2.0
    reconnect_s: float = 1.0
    leg_lost_after_s: float = 20.0  # rtp_timeout of the trunk.
    trunk_noticed_s: float = 5.0  # OPTIONS every 5 s, 2 s of patience: measured 3 to 7 s.
    trunk_back_s: float = 3.0
    phones_back_s: float = 5.0  # After a boot, until the phones have answered OPTIONS: measured 2 to 8 s.
    survey_s: float = 8.0
