"""Days, hours and five minutes in China's time: midnight, month end, leap day, and the promise about summer time."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from callctl.core.days import (
    BEIJING,
    BUCKET_S,
    DAY_S,
    THREE_SHIFTS,
    TWO_SHIFTS,
    bucket_of,
    day_of,
    day_span,
    day_text,
    days_between,
    hours_of,
    local,
    moment,
    shift_spans,
)


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


def test_our_one_time_zone_is_the_worlds_table_for_every_month_since_1992() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    moments = [datetime(year, month, 15, 12, tzinfo=UTC) for year in range(1992, 2038) for month in range(1, 13)]
    assert [one.astimezone(zone).utcoffset() for one in moments] == [one.astimezone(BEIJING).utcoffset() for one in moments]


@pytest.mark.parametrize(
    ("moment_", "day"),
    [
        (at(2021, 8, 7, 23, 59, 59), date(2021, 8, 7)),
        (at(2021, 8, 8), date(2021, 8, 8)),
        (at(2021, 8, 31, 23, 59, 59), date(2021, 8, 31)),
        (at(2021, 9, 1), date(2021, 9, 1)),
        (at(2024, 2, 28, 23, 59, 59), date(2024, 2, 28)),
        (at(2024, 2, 29), date(2024, 2, 29)),
        (at(2024, 2, 29, 23, 59, 59) + 1, date(2024, 3, 1)),
        (at(2023, 2, 28, 23, 59, 59) + 1, date(2023, 3, 1)),
        (at(2021, 12, 31, 23, 59, 59) + 1, date(2022, 1, 1)),
    ],
)
def test_the_day_changes_at_midnight_in_china(moment_: float, day: date) -> None:
    assert day_of(moment_) == day
    assert moment_ in day_span(day)


def test_a_day_from_eight_to_eight_has_the_name_of_its_first_morning() -> None:
    assert day_of(at(2024, 3, 1, 7, 59, 59), 8) == date(2024, 2, 29)
    assert day_of(at(2024, 3, 1, 8), 8) == date(2024, 3, 1)
    span = day_span(date(2024, 2, 29), 8)
    assert (span.since, span.until) == (at(2024, 2, 29, 8), at(2024, 3, 1, 8))


def test_every_moment_of_a_leap_year_belongs_to_exactly_one_day_hour_and_bucket() -> None:
    days = list(days_between(date(2024, 1, 1), date(2024, 12, 31)))
    assert len(days) == 366
    spans = [day_span(day) for day in days]
    assert all(one.until == two.since for one, two in pairwise(spans))
    assert all(len(hours_of(span)) == 24 for span in spans)
    for hour in range(0, 366 * 24, 7):
        now = spans[0].since + hour * 3600 + 17.5
        assert sum(now in span for span in spans) == 1
        assert bucket_of(now) <= now < bucket_of(now) + BUCKET_S
        assert local(bucket_of(now)).minute % 5 == 0


def test_shifts_cover_the_day_and_the_night_shift_ends_tomorrow() -> None:
    for shifts in (TWO_SHIFTS, THREE_SHIFTS):
        spans = [span for _, span in shift_spans(date(2024, 2, 29), shifts)]
        assert sum(span.seconds for span in spans) == DAY_S
    _, night = shift_spans(date(2024, 2, 29), TWO_SHIFTS)[1]
    assert (night.since, night.until) == (at(2024, 2, 29, 20), at(2024, 3, 1, 8))


def test_a_day_is_written_as_reports_write_it() -> None:
    assert day_text(date(2021, 8, 7)) == "2021年8月7日（星期六）"
    assert moment(date(2021, 8, 7), 24) == moment(date(2021, 8, 7) + timedelta(days=1))
