"""监听、耳语、强插: a team leader's phone may listen to one seat of the own city, whisper to its agent, or barge in.

callctl never calls anybody for it. It gives the PBX a permit for one phone and one seat, good once and for a minute; the
leader's own phone dials, and the PBX's dialplan decides. A dead controller gives no permits, and takes nothing away.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from callctl.core.commands import ForbidListening, PermitListening
from callctl.core.world import World

PERMITTED_S = 60.0  # From the PBX's yes to the leader's dialling; a forgotten permit is no open door.
ASKED_WITHIN_S = 30.0  # A PBX that did not say yes by then was away: the leader has given up, and asks again.
KEPT_S = 600.0  # A PBX that is away for longer has nothing taken back; what it holds is too old to be worth anything.
DIALLED = "*90"  # Before the seat's number; the dialplan of the PBX has the same (dialplan/cc-listen.conf.j2).


class How(enum.Enum):
    """What the leader may do; each includes hearing both."""

    LISTEN = "listen"  # 监听: nobody hears the leader.
    WHISPER = "whisper"  # 耳语: the agent hears the leader, the citizen does not.
    BARGE = "barge"  # 强插: both hear the leader.


@dataclass(frozen=True, slots=True)
class Listening:
    """One permit, asked for by a leader. Times are epoch seconds."""

    id: str
    city: str
    phone: str  # The seat whose phone dials.
    seat: str  # The seat that is listened to.
    how: How
    who: str  # Account of the leader.
    at: float
    granted_at: float | None = None  # When the PBX had it.

    def ends_at(self) -> float:
        """When it is worth nothing any more."""
        return self.at + ASKED_WITHIN_S if self.granted_at is None else self.granted_at + PERMITTED_S


def due(world: World, asked: Iterable[Listening], now: float) -> tuple[list[PermitListening | ForbidListening], list[str]]:
    """The orders still missing, and the ids of permits that nobody needs to remember any more."""
    orders: list[PermitListening | ForbidListening] = []
    over: list[str] = []
    for one in asked:
        view = world.cities.get(one.city)
        ended, up = now > one.ends_at(), view is not None and view.up
        if now > one.at + KEPT_S or (ended and one.granted_at is None):
            over.append(one.id)
        elif up and one.granted_at is None:
            orders.append(PermitListening(one.city, one.id, one.phone, one.seat, one.how.value, PERMITTED_S))
        elif up and ended:
            # Used or not, nothing of it shall lie about on the PBX.
            orders.append(ForbidListening(one.city, one.id, one.phone, one.seat, one.how.value))
    return orders, over
