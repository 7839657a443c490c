"""数据日报: every figure of the report, as one value that pages, workbooks and JSON only have to print.

None means: not known, or not collected; the report prints — and says so. Shares are 0 to 1, times seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from callctl.core.advice import Advice
from callctl.core.counting import Counters


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose report, of which day."""

    city: str
    city_zh: str
    day: str  # ISO date.
    day_zh: str
    since: float
    until: float
    number: int  # Of the event's reports.
    event_no: str
    event_title: str
    event_day: int | None  # 启动第 n 天; None outside an event.
    unit: str
    made_at: float
    late: bool  # Made after its time: callctl was down.
    partial: bool  # In the course of the day.
    quality: tuple[str, ...]  # What is missing; empty: whole.


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of a day."""

    hour: int
    requested: int
    answered_home: int
    answered_remote: int
    abandoned: int
    max_wait_s: float
    waits_s: float
    waits_n: int
    home_seats: int
    max_waiting: int  # The longest queue.


@dataclass(frozen=True, slots=True)
class Supporter:
    """表1: one supporting city's day."""

    city: str
    city_zh: str
    wave: int | None
    planned: int | None  # Dedicated seats of the event's notice.
    peak: int  # Lent at once.
    mean: float  # Lent on average while any was.
    agents: int
    lent_s: float  # Seats times time: 签入时长.
    answered: int
    talk_s: float | None  # Mean.
    wrap_s: float | None  # Mean, where the screens told it.
    occupancy: float | None  # Talk and wrap-up, of lent_s.
    unanswered: int
    scored: int
    satisfied: int
    trunk_peak: int  # Calls at once.
    trunk_channels: int
    trunk_full: int  # Times a call found it full.
    signed_s: float | None = None  # Of lent_s, with somebody signed in at the seat; None: nobody signs in there by callctl.
    read: float | None = None  # 口径已读率: must-read scripts read by the agents who can get calls.

    @property
    def calls_per_h(self) -> float | None:
        """Calls one lent seat took in an hour of its loans; None where none was lent."""
        return self.answered * 3600.0 / self.lent_s if self.lent_s else None


@dataclass(frozen=True, slots=True)
class Topic:
    """表3: one category."""

    code: str
    name: str
    count: int
    before: int  # The day before.
    on_call: int
    new: bool  # Not once on the day before.


@dataclass(frozen=True, slots=True)
class OrderFigures:
    """六、工单办理."""

    forwarded: int
    accepted: int
    done: int
    done_in_time: int
    due: int
    mean_days: float | None
    usual_days: float | None  # Of the time before the event.
    yellow: int
    red: int
    supervised: int
    without_note: int
    unaccepted: int


@dataclass(frozen=True, slots=True)
class ScriptFigures:
    """五、答复口径."""

    in_force: int
    added: int
    changed: int
    ended: int
    read_by_all: int  # Of those published that day: read by everybody who can get calls.
    read_mean_s: float | None  # From publication to the last reader, of those.
    without: tuple[tuple[str, int], ...]  # 无口径问题: category and number of notes that name no script.


@dataclass(frozen=True, slots=True)
class Gain:
    """提升接通率, in points, by both methods."""

    before_after: float | None
    usual_rate: float | None  # Connect rate of the same weekdays before the event.
    usual_days: int
    model: float | None


@dataclass(frozen=True, slots=True)
class Daily:
    """The whole report."""

    heading: Heading
    sums: Counters
    day_before: Counters | None  # None: no call was counted that day.
    week_before: Counters | None
    attempts: int | None
    callers: int | None
    gain: Gain
    hours: tuple[Hour, ...]
    hours_before: tuple[int, ...]  # Requests by hour, the day before.
    hours_week: tuple[int, ...]
    supporters: tuple[Supporter, ...]
    topics: tuple[Topic, ...]
    orders: OrderFigures
    alarms: tuple[str, ...]
    advice: Advice | None
    audit_rows: int
    audit_chain: str
    checks: Mapping[str, bool]  # 校核: what was checked, and whether it holds.
    scripts: ScriptFigures | None = None  # None: the report was made before scripts were collected.


@dataclass(frozen=True, slots=True)
class Summary:
    """总结报告: the whole event."""

    heading: Heading
    days: int
    sums: Counters
    usual_rate: float | None
    by_day: tuple[tuple[str, int, int, int, float | None], ...]  # Day, requested, home, remote, gain (a).
    supporters: tuple[Supporter, ...]
    seats: int
    agents: int
    per_agent_day: float | None
    orders: OrderFigures
    gain: Gain
