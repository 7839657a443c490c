"""Yangzhou, August 2021, as simulated history: 28 ordinary days, then 30 days of the event, three waves. Deterministic.

Public figures: 4,200 to 5,000 requests a day, 42 support agents at first, 89 seats and 178 agents at the end, 11 cities in
waves of 3, 5 and 3. Guesses, named as such: when waves 2 and 3 began, hours of the roster, patience, order handling times.
Each day is a small queue simulation: own seats first; a caller who has waited for the threshold may go to a lent seat.
"""

import heapq
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from callctl.core.days import days_between, moment
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    Outcome,
    SurveyAnswered,
    WaitingCall,
)
from callctl.core.model import SlotRef
from callctl.core.story import CallFact

ASSISTED = "yangzhou"
FIRST, LAST = date(2021, 8, 7), date(2021, 9, 5)
BEFORE_DAYS = 28
# Seats by city; the dates of waves 2 and 3 are not public (a guess of the figures' list).
WAVES: tuple[tuple[date, dict[str, int]], ...] = (
    (date(2021, 8, 7), {"xuzhou": 8, "suzhou": 8, "lianyungang": 5}),
    (date(2021, 8, 13), {"wuxi": 10, "changzhou": 9, "nantong": 9, "yancheng": 8, "suqian": 7}),
    (date(2021, 8, 23), {"huaian": 9, "zhenjiang": 8, "taizhou": 8}),
)
THRESHOLD_S = 20.0
PATIENCE_S = 180.0
TALK_S, TALK_SIGMA, WRAP_S = 150.0, 0.9, 95.0
RING_S = 3.0
NO_ANSWER = 0.03  # Of rings at lent seats.
NO_ANSWER_S = 15.0
HASTY = 0.02  # Callers who hang up within seconds whatever happens.
ORDINARY_PER_DAY = 600.0
# Share of a day by hour: an ordinary weekday, and a day of the event (fitted to public anchors, not measured).
ORDINARY = (8, 5, 3.5, 3, 3, 4.5, 10, 26, 72, 102, 96, 68, 46, 50, 84, 86, 80, 60, 44, 40, 39, 33, 22, 15)
SURGE = (12, 8, 6, 5, 5, 8, 18, 42, 86, 119, 98, 72, 52, 54, 66, 64, 60, 52, 44, 40, 36, 28, 16, 9)
# Own seats at work by hour (a guess: 45 agents in shifts; all hands during the event).
OWN_ORDINARY = (1, 1, 1, 1, 1, 1, 1, 2, 4, 6, 6, 4, 3, 3, 5, 5, 5, 4, 3, 3, 3, 2, 2, 1)
OWN_EVENT = (4, 4, 3, 3, 3, 4, 6, 12, 23, 33, 27, 21, 16, 16, 19, 18, 17, 16, 14, 13, 12, 10, 7, 5)


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """One call: its facts, and what the agent noted (None: not answered)."""

    call: str
    number: str
    asked_at: float
    facts: tuple[CallFact, ...]
    by_city: str
    seat: str
    ended_at: float | None
    wrapped_s: float


@dataclass(slots=True)
class _Caller:
    number: int
    phone: str
    asked_at: float
    gives_up_at: float
    gone: bool = False


@dataclass(slots=True)
class _Floor:
    """Seats of one kind; capacity changes with the hour, a busy seat finishes its call first."""

    free: list[tuple[str, str]]  # City, seat.
    busy: int = 0


def planned(day: date) -> dict[str, int]:
    """Seats by supporting city on that day."""
    seats: dict[str, int] = {}
    for begins, wave in WAVES:
        if FIRST <= day <= LAST and begins <= day:
            seats |= wave
    return seats


def seat_name(city: str, number: int) -> str:
    """A lent seat's extension in this history."""
    order = [code for _, wave in WAVES for code in wave].index(city)
    return f"{61 + order}{number:02d}"


def days() -> Iterator[date]:
    """Every day of the history."""
    yield from days_between(FIRST - timedelta(days=BEFORE_DAYS), LAST)


def requests_of(day: date) -> float:
    """Expected fresh requests: ordinary days, then a ramp to the plateau and a slow decay."""
    if day < FIRST:
        return ORDINARY_PER_DAY * (0.75 if day.weekday() >= 5 else 1.0)
    age = (day - FIRST).days
    plateau = 4350.0 + 90.0 * min(age, 7) - 22.0 * max(0, age - 12)
    return plateau * (0.94 if day.weekday() >= 5 else 1.0)


def calls_of(day: date, seed: int) -> Iterator[SimulatedCall]:
    """The calls of one day, by time of arrival."""
    chance = random.Random(f"{seed} {day.isoformat()}")
    yield from _Day(day, chance).run()


class _Day:
    """One day's queue."""

    def __init__(self, day: date, chance: random.Random) -> None:
        self._day, self._chance = day, chance
        self._midnight = moment(day)
        in_event = FIRST <= day <= LAST
        self._own = OWN_EVENT if in_event else OWN_ORDINARY
        self._profile = SURGE if in_event else ORDINARY
        own = [(ASSISTED, f"14{number:02d}") for number in range(1, 46)]
        lent = [(city, seat_name(city, n)) for city, seats in planned(day).items() for n in range(1, seats + 1)]
        chance.shuffle(lent)
        self._home, self._remote = _Floor(own), _Floor(lent)
        self._queue: deque[_Caller] = deque()
        self._facts: dict[int, list[CallFact]] = {}
        self._done: dict[int, tuple[str, str, float | None, float]] = {}
        self._events: list[tuple[float, int, str, object]] = []
        self._count = 0
        self._slots: dict[str, set[int]] = {}

    def _at(self, at: float, kind: str, what: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, kind, what))

    def run(self) -> Iterator[SimulatedCall]:
        """Play the day; calls that still talk at midnight end after it."""
        callers = self._arrivals()
        for caller in callers:
            self._at(caller.asked_at, "arrives", caller)
        for hour in range(1, 24):
            self._at(self._midnight + hour * 3600, "hour", None)
        while self._events:
            at, _, kind, what = heapq.heappop(self._events)
            self._step(at, kind, what)
            self._serve(at)
        for caller in callers:
            city, seat, ended_at, wrapped_s = self._done.get(caller.number, ("", "", None, 0.0))
            call = f"{ASSISTED}-{int(self._midnight)}.{caller.number}"
            facts = tuple(self._facts[caller.number])
            yield SimulatedCall(call, caller.phone, caller.asked_at, facts, city, seat, ended_at, wrapped_s)

    def _step(self, at: float, kind: str, what: object) -> None:
        if kind == "arrives":
            assert isinstance(what, _Caller), "an arrival is a caller's"
            call = WaitingCall(self._call(what), what.phone, at)
            self._facts[what.number] = [CallWaiting(ASSISTED, at, call)]
            self._queue.append(what)
            self._at(what.gives_up_at, "gives up", what)
            self._at(at + THRESHOLD_S, "looks", None)
        elif kind == "gives up":
            assert isinstance(what, _Caller), "giving up is a caller's"
            if not what.gone:
                what.gone = True
                self._facts[what.number].append(CallLeftQueue(ASSISTED, at, self._call(what), Outcome.ABANDONED))
        elif kind == "free":
            assert isinstance(what, tuple), "a seat is city and extension"
            floor = self._home if what[0] == ASSISTED else self._remote
            floor.busy -= 1
            # At home the same few seats are manned; the lent ones take turns.
            heapq.heappush(floor.free, what) if floor is self._home else floor.free.append(what)

    def _serve(self, at: float) -> None:
        hour = min(23, int((at - self._midnight) // 3600))
        while self._queue and self._queue[0].gone:
            self._queue.popleft()
        while self._queue and self._home.busy < self._own[hour] and self._home.free:
            self._answer(self._next(), self._home, at)
        while self._queue and self._remote.free and at - self._queue[0].asked_at >= THRESHOLD_S:
            self._answer(self._next(), self._remote, at)

    def _next(self) -> _Caller:
        caller = self._queue.popleft()
        caller.gone = True
        while self._queue and self._queue[0].gone:
            self._queue.popleft()
        return caller

    def _answer(self, caller: _Caller, floor: _Floor, at: float) -> None:
        chance, facts, call = self._chance, self._facts[caller.number], self._call(caller)
        city, seat = floor.free.pop(0) if floor is self._remote else heapq.heappop(floor.free)
        floor.busy += 1
        answered = at + RING_S
        remote = city != ASSISTED
        by = SlotRef(city, self._slot(city, at)) if remote else HomeSeat(seat)
        facts.append(CallRinging(ASSISTED, at, call, by))
        if remote:
            facts.append(CallRinging(city, at + 0.1, call, LentSeat(seat, ASSISTED)))
        talk = chance.lognormvariate(0.0, TALK_SIGMA) * TALK_S / 1.4993  # exp(0.9² / 2): the mean is TALK_S.
        talked = round(min(talk, 4751.0), 1)
        wrapped = round(min(chance.expovariate(1 / WRAP_S), 600.0), 1)
        waited = answered - caller.asked_at
        facts.append(CallAnswered(ASSISTED, answered, call, by, waited))
        if remote:
            facts.append(CallAnswered(city, answered - 0.1, call, LentSeat(seat, ASSISTED), RING_S))
            facts.append(CallEnded(city, answered + talked, call, LentSeat(seat, ASSISTED), talked))
        facts.append(CallEnded(ASSISTED, answered + talked, call, by, talked))
        if chance.random() < 0.42:
            score = chance.choices((5, 4, 3, 2, 1), (82, 16, 1, 0.5, 0.5))[0]
            facts.append(SurveyAnswered(ASSISTED, answered + talked + 5, call, score))
        self._done[caller.number] = (city, seat, answered + talked, wrapped)
        self._at(answered + talked + wrapped, "free", (city, seat))

    def _slot(self, city: str, at: float) -> int:
        """A number for the slot; in this history every call has its own of a few."""
        used = self._slots.setdefault(city, set())
        number = len(used) % 30 + 1
        used.add(len(used))
        return number

    def _call(self, caller: _Caller) -> str:
        return f"{ASSISTED}-{int(self._midnight)}.{caller.number}"

    def _arrivals(self) -> list[_Caller]:
        chance, total = self._chance, sum(self._profile)
        callers: list[_Caller] = []
        known: list[str] = []
        for hour, weight in enumerate(self._profile):
            rate = requests_of(self._day) * weight / total / 3600.0
            at = self._midnight + hour * 3600.0
            while True:
                at += chance.expovariate(rate)
                if at >= self._midnight + (hour + 1) * 3600.0:
                    break
                again = known and chance.random() < 0.18
                phone = chance.choice(known) if again else f"13{chance.randrange(10**9):09d}"
                known.append(phone)
                patience = chance.uniform(1, 8) if chance.random() < HASTY else chance.expovariate(1 / PATIENCE_S)
                callers.append(_Caller(len(callers) + 1, phone, at, at + patience))
        return callers


def loans_of(day: date) -> Sequence[tuple[str, str, int, float, float]]:
    """City, seat, token, begin and end of each loan: seats are manned from 08:00 to 24:00."""
    number = (day - FIRST).days
    return [
        (city, seat_name(city, n), number + 1, moment(day, 0), moment(day, 24))
        for city, seats in planned(day).items()
        for n in range(1, seats + 1)
    ]
