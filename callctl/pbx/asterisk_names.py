"""What things are called on a city's Asterisk. The rendered files, the dialplan and the map agree on this page.

| thing | name on the PBX |
|---|---|
| home queue | City.queue.name, members `PJSIP/<seat>`, member name = seat id |
| roster | queue `cc-seats`: every seat, never called; one truth for each phone's state |
| support queue | `support-<assisted>`; a loan is the member `PJSIP/<seat>` named `<seat>-<assisted>-t<token>` |
| ring group | the penalty of such a member: ringall rings all who have the lowest |
| slot | home-queue member `Local/<supporting>-support-<nn>@cc-seat/n`, penalty 10, named `<supporting>-<nn>-t<token>` |
| heartbeat | queue `cc-heartbeat`, its one member's penalty = the PBX's own clock, in seconds, at the last heartbeat |
| call-back desk | queue `cc-missed`: the one channel that waits there is told which missed call to call back |
| call-backs | queue `cc-back`: the home agents; what waits there is a call-back that wants an agent |
| permit to listen | member `Local/<how>-<phone>-<seat>-<id>@cc-none/n` of `cc-listen`, penalty = when it ends, as above |
| trunk | PJSIP endpoint and AOR `trunk-<city>`; carrier: endpoint `pstn` |

The heartbeat is a penalty because QueuePenalty needs only the manager class `agent`; DBPut would need `system`.
"""

import re

from callctl.core.model import SlotRef

ROSTER = "cc-seats"
HEARTBEAT_QUEUE = "cc-heartbeat"
HEARTBEAT_MEMBER = "Local/beat@cc-none/n"
MISSED_DESK = "cc-missed"
BACK_QUEUE = "cc-back"
LISTENING_QUEUE = "cc-listen"
SUPPORT_EXTENSION = "support"
SLOT_PENALTY = 10  # Behind the city's own agents (penalty 0).
HEARTBEAT_STALE_S = 120  # The dead man's switch; rendered into the dialplan.

_SLOT_NAME = re.compile(r"([a-z]+)-(\d+)-t(\d+)")
_LOAN_NAME = re.compile(r"(\d+)-([a-z]+)-t(\d+)")


def support_queue(assisted: str) -> str:
    """The support queue for `assisted`, on a supporting city's PBX."""
    return f"support-{assisted}"


def assisted_of(queue: str) -> str | None:
    """The assisted city of a support queue; None for any other queue."""
    return queue.removeprefix("support-") if queue.startswith("support-") else None


def slot_interface(slot: SlotRef) -> str:
    """The member interface of a slot."""
    return f"Local/{slot.supporting}-{SUPPORT_EXTENSION}-{slot.number:02d}@cc-seat/n"


def slot_name(slot: SlotRef, token: int) -> str:
    """The member name of a slot."""
    return f"{slot.supporting}-{slot.number:02d}-t{token}"


def parse_slot(name: str) -> tuple[SlotRef, int] | None:
    """The slot and its token from a member name; None where the member is not a slot of ours."""
    match = _SLOT_NAME.fullmatch(name)
    return (SlotRef(match[1], int(match[2])), int(match[3])) if match else None


def permit_interface(how: str, phone: str, seat: str, id: str) -> str:
    """The member that is a permit to listen."""
    return f"Local/{how}-{phone}-{seat}-{id}@cc-none/n"


def phone_interface(seat: str) -> str:
    """The member interface of a seat."""
    return f"PJSIP/{seat}"


def loan_name(seat: str, assisted: str, token: int) -> str:
    """The member name of a lent seat in a support queue."""
    return f"{seat}-{assisted}-t{token}"


def parse_loan(name: str) -> tuple[str, str, int] | None:
    """Seat, assisted city and token from a member name; None where the member is not a loan of ours."""
    match = _LOAN_NAME.fullmatch(name)
    return (match[1], match[2], int(match[3])) if match else None
