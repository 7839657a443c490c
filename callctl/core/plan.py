"""What a sharing policy is asked and what it answers. A better policy replaces core/sharing.py and keeps this page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from callctl.core.model import Pair, Province, SeatRef
from callctl.core.reasons import Decision, Reason
from callctl.core.wishes import Wishes
from callctl.core.world import World


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be so. It names a state, not steps: core/reconcile.py finds the steps that are still missing."""

    loans: Mapping[SeatRef, str] = field(default_factory=dict)  # Seat to the assisted city. Seats not named stay home.
    # Slots of a pair that may be open or in use, those in use included. Pairs not named: none.
    open_slots: Mapping[Pair, int] = field(default_factory=dict)
    reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)  # By assisted city.
    active: frozenset[str] = frozenset()  # Assisted cities assistance acts for now.
    decisions: Mapping[str, tuple[Decision, ...]] = field(default_factory=dict)  # What was done and why, by city.
    memory: Any = None  # The policy's own, handed back to it with the next picture; a frozen value.
    # Of seats that are lent anew, or shall ring in another group than they do. Groups not named stay.
    groups: Mapping[SeatRef, int] = field(default_factory=dict)


class Policy(Protocol):
    """Decides from one picture of the whole province. Pure: the same arguments give the same plan."""

    def __call__(self, province: Province, world: World, wishes: Wishes, memory: Any, now: float) -> Plan:
        """`memory` is None at the start, then the memory of the plan before."""
        ...
