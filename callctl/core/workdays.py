"""Working days as the State Council orders them: weekends, statutory holidays, and weekends worked instead (调休).

The lists come from a file a year (callctl/given_files.py). A year without a list is counted by weekends alone, and whoever
asks is told so: a deadline must not be silently wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from callctl.core.days import day_of, local, moment


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days that differ from the ordinary week, and the years somebody has filled in."""

    holidays: Mapping[date, str] = field(default_factory=dict)
    worked: Mapping[date, str] = field(default_factory=dict)  # 调休: weekend days that are worked.
    years: frozenset[int] = frozenset()

    def works(self, day: date) -> bool:
        """Whether offices work on that day."""
        if day in self.worked:
            return True
        return day.weekday() < 5 and day not in self.holidays

    def known(self, first: date, last: date) -> bool:
        """Whether every year between the two days has a list."""
        return all(year in self.years for year in range(first.year, last.year + 1))

    def add(self, at: float, days: int) -> float:
        """The moment `days` working days later: the same time of day; from a day off, counted from the next morning.

        A deadline of 0 days is the end of the working day itself.
        """
        day = day_of(at)
        hour = (at - moment(day)) / 3600.0
        if not self.works(day):
            day, hour = self._next(day), 0.0
        if days == 0:
            return moment(day, 24)
        for _ in range(days):
            day = self._next(day)
        return moment(day, hour)

    def back(self, at: float, days: int) -> float:
        """The moment `days` working days before, the same time of day."""
        day = local(at).date()
        hour = (at - moment(day)) / 3600.0
        for _ in range(days):
            day -= timedelta(days=1)
            while not self.works(day):
                day -= timedelta(days=1)
        return moment(day, hour)

    def days_between(self, since: float, until: float) -> float:
        """Working days from one moment to another, with their fraction: the working time a demand took."""
        if until <= since:
            return 0.0
        day, last = day_of(since), day_of(until)
        total = 0.0
        while day <= last:
            if self.works(day):
                begin, end = moment(day), moment(day, 24)
                total += (min(until, end) - max(since, begin)) / (end - begin)
            day += timedelta(days=1)
        return total

    def _next(self, day: date) -> date:
        day += timedelta(days=1)
        while not self.works(day):
            day += timedelta(days=1)
        return day
