"""支援排班表: who sits where and when, checked before it is sent: nobody in two seats, rest, home guarded."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from callctl.core.days import Shift, moment


@dataclass(frozen=True, slots=True)
class Duty:
    """One agent in one seat for one shift."""

    day: date
    city: str
    shift: Shift
    seat: str
    agent: str
    name: str
    skills: str = ""
    leader: str = ""
    reserve: str = ""
    state: str = "计划"
    remark: str = ""

    @property
    def begins_at(self) -> float:
        """Epoch seconds."""
        return moment(self.day, self.shift.from_h)

    @property
    def ends_at(self) -> float:
        """Epoch seconds."""
        return self.begins_at + self.shift.hours * 3600.0


@dataclass(frozen=True, slots=True)
class ShiftSum:
    """Seats manned in one shift."""

    day: date
    shift: str
    by_city: Mapping[str, int]

    @property
    def total(self) -> int:
        """All cities."""
        return sum(self.by_city.values())


def faults(duties: Sequence[Duty], rest_h: float, lendable: Mapping[str, int]) -> Iterator[str]:
    """What must be corrected, in Chinese. `lendable`: most seats a city may lend at once."""
    yield from _double(duties, "agent", lambda one: f"{one.name}（{one.agent}）")
    yield from _double(duties, "seat", lambda one: f"专席 {one.seat}")
    yield from _too_little_rest(duties, rest_h)
    for total in sums(duties):
        for city, seats in total.by_city.items():
            if city in lendable and seats > lendable[city]:
                yield f"{total.day} {total.shift}：{city} 排了 {seats} 席，最多可借 {lendable[city]} 席"


def _double(duties: Sequence[Duty], key: str, named: Callable[[Duty], str]) -> Iterator[str]:
    by_key: dict[str, list[Duty]] = defaultdict(list)
    for duty in duties:
        by_key[getattr(duty, key)].append(duty)
    for found in by_key.values():
        ordered = sorted(found, key=lambda one: one.begins_at)
        for number, one in enumerate(ordered):
            for other in ordered[number + 1 :]:
                if other.begins_at >= one.ends_at:
                    break
                where = f"{one.seat}、{other.seat}" if key == "agent" else f"{one.name}、{other.name}"
                yield f"{named(one)} 在 {one.day} {one.shift.name} 与 {other.day} {other.shift.name} 重叠（{where}）"


def _too_little_rest(duties: Sequence[Duty], rest_h: float) -> Iterator[str]:
    by_agent: dict[str, list[Duty]] = defaultdict(list)
    for duty in duties:
        by_agent[duty.agent].append(duty)
    for found in by_agent.values():
        ordered = sorted(found, key=lambda one: one.begins_at)
        for one, after in pairwise(ordered):
            rest = (after.begins_at - one.ends_at) / 3600.0
            if 0 <= rest < rest_h:
                yield (
                    f"{one.name}（{one.agent}）{one.day} {one.shift.name}下班到 {after.day} {after.shift.name}上班"
                    f"只有 {rest:g} 小时，至少 {rest_h:g} 小时"
                )


def sums(duties: Sequence[Duty]) -> list[ShiftSum]:
    """Seats by shift and city, in order."""
    found: dict[tuple[date, float, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for duty in duties:
        found[(duty.day, duty.shift.from_h, duty.shift.name)][duty.city].add(duty.seat)
    return [
        ShiftSum(day, name, {city: len(seats) for city, seats in sorted(by_city.items())})
        for (day, _, name), by_city in sorted(found.items())
    ]
