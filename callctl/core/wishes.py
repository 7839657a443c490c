"""What people want: events, switches, seats, limits, the emergency stop. The desk writes it, the loop reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

Value = TypeVar("Value")


def _nothing() -> Mapping[str, Value]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wave:
    """批次: supporting cities that enter an event together, each with so many seats. Waves add up (增援)."""

    number: int  # 1 is 首批.
    seats: Mapping[str, int] = field(default_factory=_nothing)
    planned_at: float = 0.0  # 入场时间 as announced; 0: not announced.
    entered_at: float = 0.0  # 0: not yet, or left again.


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
    seats: Mapping[str, int] = field(default_factory=_nothing)
    # Where there are waves, `seats` is the sum of those that have entered, and none of them entered means nobody.
    waves: tuple[Wave, ...] = ()
    waves_on_time: bool = False  # A wave enters by itself at its announced time; else the dispatcher lets it in.
    needs_confirmation: bool = False  # Only seats that the supporting city's duty supervisor has confirmed are lent.
    confirmed: Mapping[str, int] = field(default_factory=_nothing)  # By supporting city; not named: neither yes nor no.
    notice: Mapping[str, str] = field(default_factory=_nothing)  # 启动通知, by core/notice.py FIELDS.


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything supervisors asked for, as one value with one version; a writer names the version it saw."""

    version: int = 0
    events: Mapping[str, AssistanceEvent] = field(default_factory=_nothing)  # By assisted city.
    quotas: Mapping[str, int] = field(default_factory=_nothing)  # Override of lend.quota, by city.
    stopped: bool = False  # 全部停止: nothing is lent, every slot is closed; calls in progress go on.
    thresholds: Mapping[str, float] = field(default_factory=_nothing)  # Override of queue.wait_threshold_s, by city.
    reserves: Mapping[str, int] = field(default_factory=_nothing)  # Override of lend.reserve, by city.
    # Assisted cities whose calls also go to agents who have not read their must-read scripts.
    unread_allowed: tuple[str, ...] = ()

    def assisted(self) -> frozenset[str]:
        """The cities whose switch is on, inside a running event, with no emergency stop."""
        if self.stopped:
            return frozenset()
        return frozenset(city for city, event in self.events.items() if event.switched_on)
