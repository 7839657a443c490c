"""What things are called on a city's FreeSWITCH. The rendered files, the dialplan and the map agree on this page.

| thing | name on the PBX |
|---|---|
| home queue | mod_callcenter queue City.queue.name, without a domain |
| seat | agent `<seat>`; a home seat has a tier of level 1 in the home queue, a dedicated one none |
| support queue | queue `support-<assisted>`; holds no caller: a lent seat's tier in it is the loan |
| slot | agent `<supporting>-<nn>` with a tier in the home queue, behind the home seats |
| token | level and position of such a tier together: each alone is an int of C, and a token has 16 digits |
| trunk | gateway `trunk-<city>` of the sofia profile `city` |
| domain | the city's code: a phone's leg has the presence id `<seat>@<city>` |
| call id | the member's caller id *name*, and the presence data of every channel of the call: `<city>-<epoch>.<n>` |
| heartbeat | global variable `callctl_heartbeat` = the PBX's own clock, in seconds, at the last heartbeat |

The token is in the tier because `tier add` is the one step that cannot be done twice, and lists show it. Of two slots the
one with the older token is rung first, which harms nobody: they lead to the same support queue, or to another city's.
"""

import re

from callctl.core.model import SlotRef

HEARTBEAT = "callctl_heartbeat"
FIRST_LEVEL = 2  # Level 1 is the city's own agents'.
POSITIONS = 10**9  # Positions a level; token // POSITIONS stays below 2**31 for a thousand years of microseconds.
CITY_PROFILE = "city"
MOVE_TO = "cc_move"  # The caller's variable that says where the supervisor sends him.
LEAVE_KEY = "D"  # The key that takes a caller out of the queue; no phone has it.
RETURNED_SCORE = 1_000_000  # cc_base_score of whoever stands in front of all who were never answered.

OPEN = "Available"  # Agent statuses: of slots, and of seats that are ready.
CLOSED = "Logged Out"
PAUSED = "On Break"  # By the agent; of a slot: by mod_callcenter, whose max_no_answer was reached.

_SLOT = re.compile(r"([a-z]+)-(\d{2,5})")
_TRUNK = re.compile(r"trunk-([a-z]+)")


def support_queue(assisted: str) -> str:
    """The support queue for `assisted`, on a supporting city's PBX."""
    return f"support-{assisted}"


def assisted_of(queue: str) -> str | None:
    """The assisted city of a support queue; None for any other queue."""
    return queue.removeprefix("support-") if queue.startswith("support-") else None


def slot_agent(slot: SlotRef) -> str:
    """The agent that is the slot."""
    return f"{slot.supporting}-{slot.number:02d}"


def parse_slot(agent: str) -> SlotRef | None:
    """The slot; None where the agent is none of ours."""
    match = _SLOT.fullmatch(agent)
    slot = SlotRef(match[1], int(match[2])) if match else None
    return slot if slot is not None and slot_agent(slot) == agent else None


def tier_of(token: int) -> tuple[int, int]:
    """Level and position that carry the token."""
    return FIRST_LEVEL + token // POSITIONS, token % POSITIONS


def token_of(level: str, position: str) -> int | None:
    """The token a tier carries; None where it carries none."""
    if not (level.isdecimal() and position.isdecimal()) or int(level) < FIRST_LEVEL or int(position) >= POSITIONS:
        return None
    return (int(level) - FIRST_LEVEL) * POSITIONS + int(position)


def trunk_of(gateway: str) -> str | None:
    """The city a gateway leads to; None where it is no trunk."""
    match = _TRUNK.fullmatch(gateway)
    return match[1] if match else None
