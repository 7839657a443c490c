"""Orders as manager actions, and which of Asterisk's refusals mean that the wish is fulfilled already. No I/O.

Every action needs only the manager class `agent`, or none (QueueWithdrawCaller). The words are app_queue.c's own.
"""

from collections.abc import Mapping
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
from callctl.core.model import City
from callctl.pbx import asterisk_names as names


@dataclass(frozen=True, slots=True)
class Step:
    """One action of an order. Carried out, it ends the order; refused as `fulfilled`, the next step (if any) follows."""

    headers: Mapping[str, str]
    fulfilled: str = ""  # The refusal that means it was so already.


def steps(order: Order, city: City, pbx_now: float, channel: str) -> tuple[Step, ...]:  # noqa: PLR0911
    """The order's actions. `pbx_now`: the PBX's clock (heartbeat); `channel`: the caller's (move) or desk's (call-back)."""
    match order:
        case Lend(seat=seat, assisted=assisted, token=token, group=group):
            return (_lend(seat, assisted, token, group),)
        case Regroup(seat=seat, assisted=assisted, group=group):
            return (_penalty(names.support_queue(assisted), names.phone_interface(seat), group),)
        case Recall(seat=seat, assisted=assisted):
            return (_remove(names.support_queue(assisted), names.phone_interface(seat)),)
        case OpenSlot(slot=slot, token=token):
            interface = names.slot_interface(slot)
            return (_add_slot(city.queue.name, interface, names.slot_name(slot, token)), _pause(city, interface, False))
        case CloseSlot(slot=slot):
            return (_pause(city, names.slot_interface(slot), True, "closed"),)
        case DropSlot(slot=slot):
            return (_remove(city.queue.name, names.slot_interface(slot)),)
        case MoveCaller(call=call, supporting=supporting):
            return (_withdraw(city.queue.name, channel, f"{supporting}:{call}", "Already requested"),)
        case CallBack(call=call, by=by):
            # An order the desk has not taken yet is another one's: ours is not fulfilled by it.
            return (_withdraw(names.MISSED_DESK, channel, f"{by}:{call}"),)
        case SetReady(seat=seat, ready=ready, reason=reason):
            return (_ready(seat, ready, reason),)
        case PermitListening():
            return (_permit(order, pbx_now),)
        case ForbidListening():
            interface = names.permit_interface(order.how, order.phone, order.seat, order.id)
            return (_remove(names.LISTENING_QUEUE, interface),)
        case RenewHeartbeat():
            return (_penalty(names.HEARTBEAT_QUEUE, names.HEARTBEAT_MEMBER, int(pbx_now)),)


def _lend(seat: str, assisted: str, token: int, group: int) -> Step:
    phone = names.phone_interface(seat)
    return Step(
        {
            "Action": "QueueAdd",
            "Queue": names.support_queue(assisted),
            "Interface": phone,
            "StateInterface": phone,
            "MemberName": names.loan_name(seat, assisted, token),
            "Penalty": str(group),  # ringall rings together whoever has the lowest penalty of those that can ring.
            "Paused": "false",
        },
        fulfilled="Already there",
    )


def _add_slot(queue: str, interface: str, name: str) -> Step:
    return Step(
        {
            "Action": "QueueAdd",
            "Queue": queue,
            "Interface": interface,
            "MemberName": name,
            "Penalty": str(names.SLOT_PENALTY),
            "Paused": "false",
        },
        fulfilled="Already there",
    )


def _pause(city: City, interface: str, paused: bool, reason: str = "") -> Step:
    headers = {
        "Action": "QueuePause",
        "Queue": city.queue.name,
        "Interface": interface,
        "Paused": "true" if paused else "false",
    }
    if reason:
        headers["Reason"] = reason
    # A slot that is not there is rung no more than a closed one; it cannot be opened, though.
    return Step(headers, fulfilled="Interface not found" if paused else "")


def _ready(seat: str, ready: bool, reason: str) -> Step:
    # Without Queue it is every queue the phone is in: home, roster and a support queue (app_queue.c set_member_paused).
    headers = {"Action": "QueuePause", "Interface": names.phone_interface(seat), "Paused": "false" if ready else "true"}
    return Step({**headers, "Reason": reason} if reason else headers)


def _permit(order: PermitListening, pbx_now: float) -> Step:
    return Step(
        {
            "Action": "QueueAdd",
            "Queue": names.LISTENING_QUEUE,
            "Interface": names.permit_interface(order.how, order.phone, order.seat, order.id),
            "MemberName": order.id,
            "Penalty": str(int(pbx_now + order.for_s)),
            "Paused": "true",
        },
        fulfilled="Already there",
    )


def _remove(queue: str, interface: str) -> Step:
    return Step({"Action": "QueueRemove", "Queue": queue, "Interface": interface}, fulfilled="Not there")


def _withdraw(queue: str, channel: str, reason: str, fulfilled: str = "") -> Step:
    headers = {"Action": "QueueWithdrawCaller", "Queue": queue, "Caller": channel, "WithdrawInfo": reason}
    return Step(headers, fulfilled)


def _penalty(queue: str, interface: str, penalty: int) -> Step:
    return Step({"Action": "QueuePenalty", "Queue": queue, "Interface": interface, "Penalty": str(penalty)})
