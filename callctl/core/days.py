"""Which day, hour, shift and five minutes a moment belongs to, in China's one time zone. Moments are epoch seconds.

China has kept UTC+8 without summer time since 1991, so no table of time zones is needed (tests/core/test_days.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")
BUCKET_S = 300  # The smallest interval that is counted (Huawei's call statistics have the same).
HOUR_S = 3600
DAY_S = 86_400

WEEKDAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until before `until`, epoch seconds."""

    since: float
    until: float

    def __contains__(self, at: float) -> bool:
        return self.since <= at < self.until

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of every day, in hours; one that ends before it begins runs over midnight."""

    name: str
    from_h: float
    to_h: float

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.to_h - self.from_h) % 24 or 24.0


# Templates of the trade; a city names its own in records.toml.
TWO_SHIFTS = (Shift("白班", 8, 20), Shift("夜班", 20, 8))
THREE_SHIFTS = (Shift("早班", 0, 8), Shift("中班", 8, 16), Shift("晚班", 16, 24))


def local(at: float) -> datetime:
    """The moment as a clock on a wall in China shows it."""
    return datetime.fromtimestamp(at, BEIJING)


def moment(day: date, hour: float = 0.0) -> float:
    """Epoch seconds of `hour` (may be 24 or more) of that day."""
    return datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp() + hour * HOUR_S


def day_of(at: float, starts_h: int = 0) -> date:
    """The business day; with starts_h = 8 a day runs from 08:00 to 08:00 and has the name of its first morning."""
    return local(at - starts_h * HOUR_S).date()


def day_span(day: date, starts_h: int = 0) -> Span:
    """The business day as a span; always 24 hours long."""
    since = moment(day, starts_h)
    return Span(since, since + DAY_S)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day, both ends included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def bucket_of(at: float) -> int:
    """The begin of the five minutes that hold the moment."""
    return int(at // BUCKET_S) * BUCKET_S


def hours_of(span: Span) -> list[Span]:
    """The hours of a span that begins at a full hour."""
    return [Span(span.since + n * HOUR_S, span.since + (n + 1) * HOUR_S) for n in range(round(span.seconds / HOUR_S))]


def shift_spans(day: date, shifts: tuple[Shift, ...]) -> list[tuple[Shift, Span]]:
    """Each shift that begins on that calendar day."""
    return [(shift, Span(moment(day, shift.from_h), moment(day, shift.from_h + shift.hours))) for shift in shifts]


def day_text(day: date) -> str:
    """2021年8月7日（星期六）."""
    return f"{day.year}年{day.month}月{day.day}日（{WEEKDAYS_ZH[day.weekday()]}）"


def time_text(at: float) -> str:
    """2021-08-07 09:00:00, the form the platforms exchange."""
    return local(at).strftime("%Y-%m-%d %H:%M:%S")
