"""Orders as api commands, and which of FreeSWITCH's refusals mean that the wish is fulfilled already. No I/O.

The words are mod_callcenter.c's own. What a tier is for, and why its position is the token: freeswitch_names.
"""

from collections.abc import Collection
from dataclasses import dataclass

from callctl.core.commands import (
    CallBack,
    CloseSlot,
    DropSlot,
    ForbidListening,
    Lend,
    MoveCaller,
    OpenSlot,
    Order,
    PermitListening,
    Recall,
    Regroup,
    RenewHeartbeat,
    SetReady,
)
from callctl.core.model import City, SlotRef
from callctl.pbx import freeswitch_names as names
from callctl.pbx.freeswitch_words import TALKING
from callctl.pbx.port import OrderRefused

_ADDED = "Agent already exist!"
_TIERED = "Tier already exist!"
_NO_AGENT = "Agent not found!"

REST_S = 2  # After a ring without an answer. Without it the caller at the head would be tried hundreds of times a second.


@dataclass(frozen=True, slots=True)
class Step:
    """One command of an order. `fulfilled` is the refusal that means it was so already, and goes on as if carried out."""

    command: str
    fulfilled: str = ""
    is_tier: bool = False  # The step that makes the loan or the slot; its answer is the only word about it.


def steps(  # noqa: PLR0911
    order: Order, city: City, pbx_now: float, channel: str, busy: Collection[SlotRef]
) -> tuple[Step, ...]:
    """The order's commands, all of them, in this order.

    `pbx_now`: the PBX's clock (heartbeat); `channel`: the caller's (move); `busy`: slots that ring or talk, dropped or not.
    """
    match order:
        case Lend(seat=seat, assisted=assisted, token=token):
            return (_tier(names.support_queue(assisted), seat, token),)
        case Regroup():
            return ()  # seat.lua rings one lent seat at a time, and the link says so (PbxObserved.rings_together).
        case Recall(seat=seat, assisted=assisted):
            return (Step(f"callcenter_config tier del {names.support_queue(assisted)} {seat}"),)
        case OpenSlot(slot=slot, token=token):
            return _open(city, slot, token, slot in busy)
        case CloseSlot(slot=slot):
            return (_status(slot, names.CLOSED, fulfilled=_NO_AGENT),)
        case DropSlot(slot=slot):
            return (Step(f"callcenter_config agent del {names.slot_agent(slot)}"),)
        case MoveCaller(supporting=supporting):
            return (
                Step(f"uuid_setvar {channel} {names.MOVE_TO} {supporting}"),
                Step(f"uuid_recv_dtmf {channel} {names.LEAVE_KEY}"),
            )
        case SetReady(seat=seat, ready=ready):
            return (Step(f"callcenter_config agent set status {seat} '{names.OPEN if ready else names.PAUSED}'"),)
        case CallBack():  # core/callbacks.py can_call_back: never ordered of one; its list is for dialling by hand.
            raise ValueError("this PBX calls nobody back by order")
        case PermitListening() | ForbidListening():
            raise OrderRefused("listening is not there on FreeSWITCH cities")
        case RenewHeartbeat():
            return (Step(f"global_setvar {names.HEARTBEAT}={int(pbx_now)}"),)


def _open(city: City, slot: SlotRef, token: int, busy: bool) -> tuple[Step, ...]:
    """Everything before the tier, so that a slot half made is none; and all of it each time, for nothing tells how far
    a controller came that died here.
    """
    agent = names.slot_agent(slot)
    # ${…} is expanded on the caller's channel, each time the slot is rung. slot.lua pauses a slot that cannot be used;
    # mod_callcenter itself (max_no_answer) would pause one whose city has only nobody free to answer.
    script = f"${{conf_dir}}/scripts/slot.lua {slot.supporting} {slot.number:02d} ${{cc_home}} ${{cc_since}}"
    settings = {
        "contact": f"'${{lua({script})}}'",
        "max_no_answer": "0",
        "busy_delay_time": str(REST_S),
        "reject_delay_time": str(REST_S),
        "no_answer_delay_time": str(REST_S),
    }
    return (
        Step(f"callcenter_config agent add {agent} callback", fulfilled=_ADDED),
        *(Step(f"callcenter_config agent set {key} {agent} {value}") for key, value in settings.items()),
        # Dropped in mid-call and opened again: its old call ends in the state Waiting, and must come to its end first.
        *((Step(f"callcenter_config agent set state {agent} '{TALKING}'"),) if busy else ()),
        _tier(city.queue.name, agent, token),
        _status(slot, names.OPEN),
    )


def _tier(queue: str, agent: str, token: int) -> Step:
    level, position = names.tier_of(token)
    return Step(f"callcenter_config tier add {queue} {agent} {level} {position}", fulfilled=_TIERED, is_tier=True)


def _status(slot: SlotRef, status: str, fulfilled: str = "") -> Step:
    return Step(f"callcenter_config agent set status {names.slot_agent(slot)} '{status}'", fulfilled=fulfilled)
