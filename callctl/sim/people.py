"""Citizens and cities at run time: who calls, who waits, what was counted."""

from collections import deque
from collections.abc import Callable
from typing import Any

from callctl.core.allocation import Help, Room
from callctl.sim.draws import BITS, mixed, stream, table
from callctl.sim.scenario import Scenario, SimCity

GONE, WAITING, TALKING, AWAY = range(4)  # AWAY: sent by a dialplan into another city's queue.
BIN_S = 900.0  # Service is also counted per quarter hour of arrival.
CHANCE = 1 << 16
TALK, WRAP = BITS, 2 * BITS  # Where in a caller's bits talk (or redial delay) and wrap-up (or redial chance) lie.


class Caller:
    """A citizen; the same person over all attempts."""

    __slots__ = (
        "bits",
        "city",
        "due",
        "helped_by",
        "key",
        "met",
        "queued",
        "returned",
        "since",
        "state",
        "tries",
        "waited_s",
    )

    def __init__(self, city: "City", key: int) -> None:
        self.city, self.key = city, key
        self.bits = mixed(key, 0)
        self.tries = 0
        self.state = GONE
        self.since = self.queued = self.due = 0.0
        self.returned = False
        self.met = False  # Has spoken with an agent, in this attempt or an earlier one.
        self.helped_by: Help | None = None
        self.waited_s = 0.0


class Counts:
    """What happened to one city's citizens."""

    __slots__ = (
        *("attempts", "blocked", "abandoned", "answered", "remote", "in_sl", "in_60", "waits", "callers", "people"),
        *("cut", "given", "lost_by_trunk", "lost_by_pbx", "busy_s", "bin_attempts", "bin_in_sl", "bin_in_60"),
    )

    def __init__(self, bins: int) -> None:
        self.attempts = self.blocked = self.abandoned = self.answered = self.remote = self.in_sl = self.in_60 = 0
        self.callers = self.people = self.cut = self.given = self.lost_by_trunk = self.lost_by_pbx = 0
        self.waits: list[float] = []
        self.busy_s = 0.0
        self.bin_attempts, self.bin_in_sl, self.bin_in_60 = [0] * bins, [0] * bins, [0] * bins


class Populace:
    """A city's citizens: when they dial, what each of them is like, and what became of them. The same at both depths."""

    __slots__ = (
        *("spec", "lines_free", "counts", "arrivals", "next_key", "talk", "wrap", "patience"),
        *("delay_block", "delay_abandon", "p_block", "p_abandon", "most"),
    )

    def __init__(self, spec: SimCity, bins: int) -> None:
        self.spec = spec
        self.lines_free = spec.lines
        self.counts = Counts(bins)
        self.arrivals: list[float] = []
        self.next_key: Callable[[], int] = int
        self.talk, self.wrap, self.patience = table(spec.talk), table(spec.wrap), table(spec.patience)
        self.delay_block, self.delay_abandon = table(spec.redial.delay_block), table(spec.redial.delay_abandon)
        self.p_block, self.p_abandon = spec.redial.p_block * CHANCE, spec.redial.p_abandon * CHANCE
        self.most = spec.redial.most

    def draw(self, scenario: Scenario, seed: int) -> None:
        """Who will dial when, with this seed."""
        chance = stream(scenario.name, seed, self.spec.name)
        self.next_key = lambda: chance.getrandbits(64)
        self.arrivals = arrival_times(scenario, seed, self.spec)
        self.arrivals.reverse()


class City(Populace):
    """One city at run time in the fast depth: its citizens, its queue, its agents (counted in its Room)."""

    __slots__ = ("down", "helps", "queue", "room", "talks", "trunk_down")

    def __init__(self, spec: SimCity, room: Room, bins: int) -> None:
        super().__init__(spec, bins)
        self.room = room
        self.queue: deque[tuple[float, Any]] = deque()  # (when queued, Caller or leg); those gone stay until the front.
        self.down = 0
        self.trunk_down = 0
        self.talks: dict[Caller, None] = {}
        self.helps: dict[Help, None] = {}


def arrival_times(scenario: Scenario, seed: int, spec: SimCity) -> list[float]:
    """When new callers dial, first one first: steps of rates times gamma noise."""
    chance = stream(scenario.name, seed, spec.name, "arrivals")
    times: list[float] = []
    day_factor, day = 1.0, -1
    for place, per_h in enumerate(spec.per_h):
        start = place * spec.bin_s
        end = min(start + spec.bin_s, scenario.horizon_s)
        if scenario.day_cv and int(start // 86400) != day:
            day = int(start // 86400)
            day_factor = chance.gammavariate(scenario.day_cv**-2, scenario.day_cv**2)
        noise = chance.gammavariate(scenario.bin_cv**-2, scenario.bin_cv**2) if scenario.bin_cv else 1.0
        per_s = per_h / 3600.0 * noise * day_factor
        if per_s <= 0.0:
            continue
        t = start + chance.expovariate(per_s)
        while t < end:
            times.append(t)
            t += chance.expovariate(per_s)
    return times
