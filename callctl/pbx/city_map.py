"""What the map of one city's PBX remembers, and the facts it tells in the same way whatever PBX it is. No I/O.

The little that is remembered is bounded; a full reading replaces it.
"""

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping

from callctl.core.events import Answerer, Fact, SurveyAnswered, TalkSeen, TrunkChanged, WaitingCall
from callctl.core.model import City
from callctl.pbx.values import remember

Facts = tuple[Fact, ...]

MOST_ENTRIES = 4096  # Of names that are parsed once; a city with 300 seats has not half as many.
OLDEST_STAMP_S = 60.0  # A message older than this is not late but wrong about the time.
LONGEST_WAIT_S = 86_400.0  # A first arrival before this is not a first arrival.

_DIALLABLE = re.compile(r"[^0-9+*#]")
_SCORES = ("1", "2", "3", "4", "5")


class CityMap:
    """One city, as its PBX shows it."""

    def __init__(self, city: City, cities: Collection[str]) -> None:
        """`cities`: every city code of the province; calls and loans of others are foreign."""
        self.city = city
        self.cities = frozenset(cities)
        self.seats = {seat.id: seat for seat in city.seats}
        self.home = city.queue.name
        self.ahead_s = 0.0  # Our clock minus the PBX's.
        self.callers: OrderedDict[str, str] = OrderedDict()  # Waiting call to its channel, for the order to move it.
        self.talks: OrderedDict[str, tuple[Answerer, float]] = OrderedDict()  # By call; and answered when (our clock).
        self._ended: OrderedDict[str, tuple[Answerer, float]] = OrderedDict()

    def dated(self, stamp: float, now: float) -> float:
        """When something happened, on our clock: by the PBX's own `stamp` where that can be, else `now`."""
        at = stamp + self.ahead_s
        return at if now - OLDEST_STAMP_S < at < now else now

    def caller(self, call: str, number: str, first: float, since: float, returned: bool) -> WaitingCall:
        """The citizen. `first` (PBX's clock, in whole seconds) is the arrival; `since` (ours) counts where it cannot be."""
        arrived = first + self.ahead_s
        arrived = min(arrived, since) if since - LONGEST_WAIT_S < arrived else since
        return WaitingCall(call, _DIALLABLE.sub("", number)[:32], arrived, returned)

    def talk(self, call: str, by: Answerer, since: float) -> TalkSeen:
        """A talk that a reading shows; `since` counts where its answer was not heard."""
        known = self.talks.get(call)
        return TalkSeen(call, by, known[1] if known and known[0] == by else since)

    def take_over(self, callers: Mapping[str, str], talks: Collection[TalkSeen]) -> None:
        """Remember what a full reading saw, and of the talks nothing else: the ends of others were missed."""
        self.callers = OrderedDict(callers)
        self.talks = OrderedDict((talk.call, (talk.by, talk.answered_at)) for talk in talks)

    def _talk_is_over(self, call: str, by: Answerer, talked_s: float) -> None:
        remember(self._ended, call, (by, talked_s))

    def _score(self, call: str, score: str, at: float) -> Facts:
        return (SurveyAnswered(self.city.code, at, call, int(score)),) if score in _SCORES else ()

    def _trunk(self, other: str | None, up: bool | None, at: float) -> Facts:
        """None: not a trunk of ours, or no word about whether it is up."""
        if other is None or up is None or self.city.trunk_to(other) is None:
            return ()
        return (TrunkChanged(self.city.code, at, other, up),)
