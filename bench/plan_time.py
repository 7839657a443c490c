"""How long one plan takes, and how many facts a second the picture swallows, in steady churn. Run it: figures only."""

import gc
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log
from types import MappingProxyType
from typing import Any

from callctl.controller import GC_THRESHOLDS
from callctl.core import expect
from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Order, Recall, Regroup
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    LoanChanged,
    Outcome,
    PbxObserved,
    SeatChanged,
    SeatSeen,
    SeatState,
    SlotChanged,
    SlotState,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.fold import fold
from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, SeatRef, Trunk
from callctl.core.reconcile import Taken, reconcile
from callctl.core.sharing import plan
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.core.world import World, unseen

FACTS_A_PLAN = 5
ASSISTED_EVERY = 5  # Every fifth city is in need and switched on: a province in trouble, not a quiet night.
LEASE = 1
SMALL, LARGE = "aim p99 < 5 ms", "aim p99 < 100 ms"


@dataclass(frozen=True, slots=True)
class Size:
    """A province, and how many plans are measured."""

    cities: int
    waiting: int
    plans: int
    aim: str = ""
    quota: int = 10  # Seats each of the others lends at most, and in this churn does lend.
    own_gc: bool = False  # Python's own thresholds of the cycle collector instead of the controller's.

    def __str__(self) -> str:
        lent = "all seats lent" if self.quota >= SEATS else f"{self.quota} lent each"
        return f"{self.cities} cities x {SEATS} seats x {self.waiting} waiting, {lent}{', own gc' * self.own_gc}"


SEATS = 100
GROWTH = (Size(13, 1_000, 1500, SMALL), Size(60, 4_000, 400), Size(300, 20_000, 200, LARGE))
# The same with more on loan, and with Python's own cycle collection.
HARDER = (
    Size(13, 1_000, 1000, SMALL, 20),
    Size(13, 1_000, 1000, SMALL, SEATS),
    Size(13, 13_000, 1000, SMALL, SEATS),
    Size(300, 20_000, 150, LARGE, 20),
    Size(300, 20_000, 150, LARGE, SEATS),
    Size(300, 20_000, 150, LARGE, own_gc=True),
)


def a_province(cities: int, seats: int, quota: int = 10) -> Province:
    """Full mesh; every tenth seat dedicated."""
    codes = ["c" + "".join(chr(97 + int(digit)) for digit in f"{i:03d}") for i in range(cities)]
    made = {}
    for i, code in enumerate(codes):
        made[code] = City(
            code,
            code,
            "0514",
            PbxAddress(PbxKind.ASTERISK, "127.0.0.1"),
            QueueRules(),
            LendRules(reserve=1, quota=quota, helps=("*",)),
            tuple(Trunk(other, "127.0.0.1", 60) for other in codes if other != code),
            tuple(
                Seat(f"{i:03d}{n:03d}", "", "", Lending.DEDICATED if n % 10 == 0 else Lending.SHARED) for n in range(seats)
            ),
        )
    return Province(MappingProxyType(made))


@dataclass
class Churn:
    """A province in motion: calls come, are answered, end; orders are obeyed at once."""

    province: Province
    waiting: int
    rng: random.Random

    def __post_init__(self) -> None:
        self.codes = list(self.province.cities)
        self.assisted = self.codes[::ASSISTED_EVERY]
        self.now = 100_000.0
        self.numbered = 0
        self.taken: dict[SeatRef, Taken] = {}
        self.tokens = 0
        events = {code: AssistanceEvent(code, code, "", 0.0, switched_on=True) for code in self.assisted}
        self.wishes = Wishes(1, MappingProxyType(events))
        self.world = fold(unseen(self.province), [self.read(code) for code in self.codes])
        self.memory: Any = None

    def read(self, code: str) -> Fact:
        """A full reading of one city: half of the agents talk, and those in need have the queue."""
        city = self.province.cities[code]
        share = self.waiting // len(self.assisted) if code in self.assisted else 0
        calls = tuple(self.call(code, self.rng.uniform(0, 120)) for _ in range(share))
        seats = tuple(
            SeatSeen(seat.id, SeatState.BUSY if code in self.assisted or self.rng.random() < 0.5 else SeatState.FREE)
            for seat in city.seats
        )
        trunks = tuple(TrunkSeen(t.to, True) for t in city.trunks)
        return PbxObserved(code, self.now, calls, seats, (), (), (), trunks, rings_together=True)

    def call(self, code: str, waited_s: float) -> WaitingCall:
        """A new call."""
        self.numbered += 1
        return WaitingCall(f"{code}-1.{self.numbered}", "1", self.now - waited_s)

    def facts(self, number: int) -> list[Fact]:
        """What happens next: an arrival for every answer, so that the queues stay as long as they are."""
        found: list[Fact] = []
        while len(found) < number:
            found.extend(self.event())
        return found

    def event(self) -> Iterator[Fact]:
        """One thing that happens, as the facts that tell it."""
        code = self.rng.choice(self.codes if self.rng.random() < 0.5 else self.assisted)
        view = self.world.cities[code]
        if code in self.assisted:
            yield CallWaiting(code, self.now, self.call(code, 0.0))
            head = next(iter(view.waiting))
            yield CallLeftQueue(code, self.now, head, Outcome.LEFT)
            seat = self.rng.choice(self.province.cities[code].seats).id
            yield CallAnswered(code, self.now, head, HomeSeat(seat), 1.0)
            return
        seat = self.rng.choice(self.province.cities[code].seats).id
        seen = view.seats[seat]
        if seen.state is SeatState.BUSY:
            by = LentSeat(seat, seen.serving) if seen.serving else HomeSeat(seat)
            yield CallEnded(code, self.now, seen.call, by, 10.0)
            yield SeatChanged(code, self.now, seat, SeatState.FREE)
        elif not seen.loans:
            yield SeatChanged(code, self.now, seat, SeatState.BUSY)

    def answers(self) -> list[Fact]:
        """The PBXs ring what may be rung: every free lent seat takes one of the waiting calls."""
        found: list[Fact] = []
        for code, view in self.world.cities.items():
            for ref, assisted, _, free_from in view.tally.kept:
                if free_from <= self.now and code not in self.assisted and self.slots_free(assisted, code) > 0:
                    self.numbered += 1
                    call, by = f"{assisted}-2.{self.numbered}", LentSeat(ref.seat, assisted)
                    found += [CallRinging(code, self.now, call, by), CallAnswered(code, self.now, call, by, 2.0)]
        return found

    def slots_free(self, assisted: str, supporting: str) -> int:
        """Open slots of the pair that carry no call."""
        serving = self.world.cities[supporting].tally.serving.get(assisted, 0)
        return self.world.cities[assisted].slots_open.get(supporting, 0) - serving

    def decide(self) -> tuple[Order, ...]:
        """What the loop does between two facts and their orders."""
        world = expect.overlay(self.world, {})
        made = plan(self.province, world, self.wishes, self.memory, self.now)
        self.memory = made.memory
        return reconcile(world, made, self.taken, LEASE, self.now)

    def obey(self, orders: tuple[Order, ...]) -> None:
        """Every PBX does as it is told."""
        self.world = fold(self.world, [self.done(order) for order in orders])

    def done(self, order: Order) -> Fact:
        """The fact that comes of an order."""
        match order:
            case Lend(city=city, seat=seat, assisted=assisted, group=group):
                self.tokens += 1
                self.taken[SeatRef(city, seat)] = Taken(assisted, self.tokens)
                return LoanChanged(city, self.now, seat, assisted, self.tokens, lent=True, group=group)
            case Regroup(city=city, seat=seat, assisted=assisted, token=token, group=group):
                return LoanChanged(city, self.now, seat, assisted, token, lent=True, group=group)
            case Recall(city=city, seat=seat, assisted=assisted):
                self.taken.pop(SeatRef(city, seat), None)
                return LoanChanged(city, self.now, seat, assisted, 0, lent=False)
            case OpenSlot(city=city, slot=slot):
                return SlotChanged(city, self.now, slot, LEASE, SlotState.OPEN)
            case CloseSlot(city=city, slot=slot):
                return SlotChanged(city, self.now, slot, LEASE, SlotState.CLOSED)
            case DropSlot(city=city, slot=slot):
                return SlotChanged(city, self.now, slot, LEASE, SlotState.ABSENT)
        raise AssertionError(order)


def churn_times(size: Size) -> tuple[list[float], list[float]]:
    """Milliseconds of fold + plan + reconcile, once the first wave of loans is out: by the wall clock, and of our CPU.

    The two differ where the machine is shared: the wall clock then times the neighbours too.
    """
    churn = Churn(a_province(size.cities, SEATS, size.quota), size.waiting, random.Random(1))
    for _ in range(10):
        churn.obey(churn.decide())
        churn.world = fold(churn.world, churn.answers())
    times: list[float] = []
    cpu_times: list[float] = []
    gc.collect()
    for _ in range(size.plans):
        churn.now += 0.2
        for code in churn.codes:  # Somebody is heard everywhere, outside of the clock.
            view = churn.world.cities[code]
            if churn.now - view.heard_at > 30:
                churn.world = fold(churn.world, [SeatChanged(code, churn.now, next(iter(view.seats)), SeatState.BUSY)])
        facts = churn.facts(FACTS_A_PLAN)
        began, cpu_began = time.perf_counter(), time.thread_time()
        churn.world = fold(churn.world, facts)
        orders = churn.decide()
        times.append((time.perf_counter() - began) * 1000)
        cpu_times.append((time.thread_time() - cpu_began) * 1000)
        churn.obey(orders)
        churn.world = fold(churn.world, churn.answers())
    return times, cpu_times


def fold_rate(batch: int) -> float:
    """Facts a second into the picture, at 13 cities x 100 seats x 1,000 waiting."""
    churn = Churn(a_province(13, 100), 1000, random.Random(2))
    facts = churn.facts(20_000)
    began = time.perf_counter()
    world: World = churn.world
    for start in range(0, len(facts), batch):
        world = fold(world, facts[start : start + batch])
    return len(facts) / (time.perf_counter() - began)


def measure() -> list[dict[str, Any]]:
    """The rows for build/bench.json."""
    rows: list[dict[str, Any]] = []

    def row(name: str, value: float, unit: str, against: str) -> None:
        rows.append({"name": name, "value": round(value, 3), "unit": unit, "against": against})

    medians: dict[Size, float] = {}
    own = gc.get_threshold()
    for size in (*GROWTH, *HARDER):
        gc.set_threshold(*(own if size.own_gc else GC_THRESHOLDS))  # As the controller does.
        times, cpu_times = churn_times(size)
        cuts, cpu_cuts = statistics.quantiles(times, n=100), statistics.quantiles(cpu_times, n=100)
        busy = f"{size.aim}; wall clock, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores".lstrip("; ")
        row(f"plan, {size}, p50", cuts[49], "ms", busy)
        row(f"plan, {size}, p99", cuts[98], "ms", busy)
        row(f"plan, {size}, p50 of CPU time", cpu_cuts[49], "ms", size.aim)
        row(f"plan, {size}, p99 of CPU time", cpu_cuts[98], "ms", size.aim)
        medians[size] = cpu_cuts[49]
    few, many = GROWTH[0], GROWTH[-1]
    grown = log(medians[many] / medians[few]) / log(many.cities / few.cities)
    row("plan time growth exponent over cities", grown, "", f"1 is linear; p50 of CPU time, {few.cities} to {many.cities}")
    gc.set_threshold(*own)
    for batch in (1, 10, 100, 1000):
        row(f"fold, {batch} facts a batch", fold_rate(batch), "facts/s", "")
    return rows


def main(say: Callable[[str], None] = print) -> None:
    """Print the rows."""
    for each in measure():
        say(f"{each['name']:70} {each['value']:>12} {each['unit']:8} {each['against']}")


if __name__ == "__main__":
    main()
