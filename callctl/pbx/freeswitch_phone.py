"""One phone of a FreeSWITCH city: its registration, the home queue's calls and other cities' calls, as one state."""

from dataclasses import dataclass

from callctl.core.events import SeatState
from callctl.pbx.freeswitch_words import RECEIVING, TALKING


@dataclass(slots=True)
class Phone:
    """What makes up the state of one seat's phone."""

    registered: bool = False
    agent_state: str = ""  # mod_callcenter's, for calls of the home queue.
    lent: SeatState | None = None  # RINGING or BUSY with another city's call.
    told: SeatState | None = None  # The last state that became a fact.

    @property
    def state(self) -> SeatState:
        """All of it in one word."""
        if not self.registered:
            return SeatState.OFFLINE
        if self.lent is SeatState.BUSY or self.agent_state == TALKING:
            return SeatState.BUSY
        # Not RESERVED: our dialplan holds a lent seat by that state, through ring and talk alike.
        if self.lent is SeatState.RINGING or self.agent_state == RECEIVING:
            return SeatState.RINGING
        return SeatState.FREE
