"""示闲 / 示忙 from the desk: an agent's press is carried to the PBX until the PBX shows it, and then it is forgotten.

A press is no standing wish: who is paused afterwards by hand or by the PBX stays paused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from callctl.core.commands import SetReady
from callctl.core.model import SeatRef
from callctl.core.world import World

OBEYED_WITHIN_S = 30.0  # After that the agent has been told that the PBX does not obey; a late ready would surprise.


@dataclass(frozen=True, slots=True)
class Press:
    """One press of ready or not ready."""

    id: str
    ready: bool
    reason: str  # Code, see REASONS; "" for ready.
    at: float


# 示忙 reasons: Huawei CEC's codes (domain §4.3), its own range 200-250 for what it has no code for.
REASONS: Mapping[str, tuple[str, str]] = {
    "1": ("示忙", "not ready"),
    "2": ("久不应答", "did not answer"),
    "3": ("强制示忙", "made not ready by the team leader"),
    "4": ("休息", "rest"),
    "5": ("电话不可用", "telephone out of order"),
    "7": ("拒接", "refused a call"),
    "27": ("事后整理", "after-call work"),
    "201": ("小休", "short break"),
    "202": ("就餐", "meal"),
    "203": ("培训", "training"),
    "204": ("会议", "meeting"),
    "257": ("强制签出", "signed out by the team leader"),
    "258": ("签出", "signed out"),
    "260": ("已签入", "signed in"),
}
BY_AGENT = ("1", "4", "5", "27", "201", "202", "203", "204")  # What agents give themselves.


def unobeyed(
    world: World, presses: Mapping[SeatRef, Press], now: float
) -> tuple[tuple[SetReady, ...], tuple[tuple[SeatRef, Press], ...]]:
    """The orders still missing, and the presses that are settled: shown by the PBX, too old, or of no known seat."""
    orders: list[SetReady] = []
    settled: list[tuple[SeatRef, Press]] = []
    for ref, press in presses.items():
        view = world.cities.get(ref.city)
        seat = view.seats.get(ref.seat) if view is not None and view.up else None
        if now - press.at > OBEYED_WITHIN_S or (seat is not None and seat.ready is press.ready):
            settled.append((ref, press))
        elif seat is not None:
            orders.append(SetReady(ref.city, ref.seat, press.ready, press.reason))
    return tuple(orders), tuple(settled)
