"""What people want: assistance events, switches, quotas, the emergency stop. The desk writes it, the loop reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class AssistanceEvent:
    """启动令: the province lets others help `assisted`, until it ends."""

    id: str
    assisted: str
    title: str
    started_at: float  # Seconds since the epoch.
    priority: float = 1.0  # Weight of its callers in the province's one fair line.
    switched_on: bool = False  # 开启支援, by the assisted city's duty supervisor.
    # Seats each supporting city may lend in this event; empty: everybody who may help, up to its own quota.
    seats: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything supervisors asked for, as one value with one version; a writer names the version it saw."""

    version: int = 0
    events: Mapping[str, AssistanceEvent] = field(default_factory=lambda: MappingProxyType({}))  # By assisted city.
    quotas: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))  # Override of lend.quota, by city.
    stopped: bool = False  # 全部停止: nothing is lent, every slot is closed; calls in progress go on.

    def assisted(self) -> frozenset[str]:
        """The cities whose switch is on, inside a running event, with no emergency stop."""
        if self.stopped:
            return frozenset()
        return frozenset(city for city, event in self.events.items() if event.switched_on)
