"""Pictures as a controller would publish them: readings of fourteen PBXs, folded, planned and put by the real functions."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from callctl.core.events import (
    Fact,
    LoanSeen,
    PbxLost,
    PbxObserved,
    SeatSeen,
    SeatState,
    SlotSeen,
    SlotState,
    TalkSeen,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.events import HomeSeat as Home
from callctl.core.fold import fold
from callctl.core.model import City, Lending, Province, SlotRef
from callctl.core.picture import picture
from callctl.core.sharing import plan
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.core.world import unseen

SUPPORT = {"xuzhou": (3, 2), "suzhou": (4, 4), "lianyungang": (3, 1), "wuxi": (2, 0)}  # Slots open, in use.


@dataclass
class Scene:
    """A province at one moment. Change what a test is about, then publish `picture(now)`."""

    province: Province
    assisted: str = "yangzhou"
    waiting: dict[str, int] = field(default_factory=lambda: {"yangzhou": 9, "nanjing": 1})
    longest_s: float = 83.0
    lost: dict[str, str] = field(default_factory=dict)  # City: why.
    trunks_down: set[tuple[str, str]] = field(default_factory=set)
    numbers: str = "1390514"
    seed: int = 1
    more: list[Fact] = field(default_factory=list)  # What happens on top of the readings.

    def wishes(self, now: float) -> Wishes:
        """扬州 is assisted since four days, switched on."""
        seats = MappingProxyType({city: open_slots + 1 for city, (open_slots, _) in SUPPORT.items()})
        event = AssistanceEvent("e1", self.assisted, "防汛热线应急支援", now - 4 * 86_400, 1.0, True, seats)
        return Wishes(3, MappingProxyType({self.assisted: event}))

    def picture(self, now: float) -> dict[str, Any]:
        """As the controller publishes it."""
        world = replace(fold(unseen(self.province), self._facts(now)), registry_up=True)
        wishes = self.wishes(now)
        return picture(self.province, world, plan(self.province, world, wishes, None, now), wishes, now)

    def _facts(self, now: float) -> list[Fact]:
        chance = random.Random(self.seed)
        facts: list[Fact] = [self._reading(city, now, chance) for city in self.province.cities.values()]
        return [*facts, *self.more, *(PbxLost(city, now, why) for city, why in self.lost.items())]

    def _reading(self, city: City, now: float, chance: random.Random) -> PbxObserved:
        talking = SUPPORT.get(city.code, (0, 0))[1]
        loans, seats, talks = [], [], []
        for seat in city.seats:
            lent = seat.lend is not Lending.NO and len(loans) < SUPPORT.get(city.code, (0, 0))[0]
            if lent:
                loans.append(LoanSeen(seat.id, self.assisted, len(loans) + 1))
                state = SeatState.BUSY if len(loans) <= talking else SeatState.FREE
                seats.append(SeatSeen(seat.id, state))
                continue
            states = [SeatState.BUSY] * 9 + [SeatState.OFFLINE] * 2
            free = [SeatState.FREE] * 6 if city.code != self.assisted else []
            state = chance.choice(states + free)
            seats.append(SeatSeen(seat.id, state, ready=chance.random() > 0.1))
            if state is SeatState.BUSY:
                talks.append(TalkSeen(f"{city.code}-{now - 60:.0f}.{seat.id}", Home(seat.id), now - 60))
        slots = []
        if city.code == self.assisted:
            for other, (open_slots, in_use) in SUPPORT.items():
                slots += [SlotSeen(SlotRef(other, n + 1), SlotState.OPEN, 1, n < in_use) for n in range(open_slots)]
        count = self.waiting.get(city.code, 0)
        waiting = tuple(
            WaitingCall(f"{city.code}-1.{n}", f"{self.numbers}{n:04d}", now - self.longest_s * (count - n) / count)
            for n in range(count)
        )
        trunks = tuple(TrunkSeen(trunk.to, (city.code, trunk.to) not in self.trunks_down) for trunk in city.trunks)
        return PbxObserved(city.code, now, waiting, tuple(seats), tuple(loans), tuple(slots), tuple(talks), trunks)


def alive(picture: Mapping[str, Any]) -> int:
    """How many cities the picture shows as heard."""
    return sum(bool(city["up"]) for city in picture["cities"].values())
