"""Why a plan leaves calls waiting: for every call over its threshold that nobody comes for, the reasons."""

from collections.abc import Callable, Iterator, Mapping

from callctl.core.allocation import Allocation
from callctl.core.reasons import Reason, Why
from callctl.core.seats import FRESH_S, CityRoom, Setting

Look = Callable[[str], CityRoom]


class Reasons(Mapping[str, tuple[Reason, ...]]):
    """The reasons by assisted city, found when somebody first asks: a plan a second is shown, many are made."""

    def __init__(self, at: Setting, rooms: Mapping[str, CityRoom], allocation: Allocation, look: Look) -> None:
        """`rooms` and `allocation` as the finished plan left them; `look` makes the Room of a city it could leave out."""
        self._at, self._rooms, self._allocation, self._look = at, rooms, allocation, look
        self._found: dict[str, tuple[Reason, ...]] | None = None

    def _reasons(self) -> dict[str, tuple[Reason, ...]]:
        if self._found is None:
            self._found = explain(self._at, self._rooms, self._allocation, self._look)
        return self._found

    def __getitem__(self, code: str) -> tuple[Reason, ...]:
        return self._reasons()[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reasons())

    def __len__(self) -> int:
        return len(self._reasons())


def explain(
    at: Setting, rooms: Mapping[str, CityRoom], allocation: Allocation, look: Look
) -> dict[str, tuple[Reason, ...]]:
    """The reasons by assisted city, in a finished plan."""
    general: dict[Why | None, list[CityRoom]] | None = None
    found: dict[str, tuple[Reason, ...]] = {}
    for code, view in at.world.cities.items():
        if not view.up or not view.waiting:
            continue
        room = rooms.get(code)
        late = room.uncovered_too_long() if room is not None and room.active else view.unserved_too_long(at.now)
        if late <= 0:
            continue
        why = _own_reason(at, code)
        if why is not None or room is None or not room.active:
            found[code] = (Reason(why or Why.UNDER_WAY, late),)
            continue
        if general is None:
            for other in at.world.cities:
                if other not in rooms:
                    look(other)
            general = _general(at, rooms)
        reasons = [Reason(why, late, tuple(names)) for why, names in _by_reason(room, rooms, allocation, general) if names]
        found[code] = tuple(reasons) or (Reason(Why.NO_HELPER, late),)
    return found


def _own_reason(at: Setting, code: str) -> Why | None:
    event = at.wishes.events.get(code)
    if at.wishes.stopped:
        return Why.STOPPED
    if event is None:
        return Why.NO_EVENT
    if not event.switched_on:
        return Why.SWITCHED_OFF
    return None if at.world.cities[code].fresh(at.now, FRESH_S) else Why.HOME_UNKNOWN


def _general(at: Setting, rooms: Mapping[str, CityRoom]) -> dict[Why | None, list[CityRoom]]:
    """Supporting cities with one and the same bar for everybody who asks; None: it depends on who asks."""
    general: dict[Why | None, list[CityRoom]] = {}
    for room in rooms.values():
        general.setdefault(room.bar() if at.world.registry_up else Why.REGISTRY_LOST, []).append(room)
    return general


def _by_reason(
    assisted: CityRoom, rooms: Mapping[str, CityRoom], allocation: Allocation, general: Mapping[Why | None, list[CityRoom]]
) -> Iterator[tuple[Why, list[str]]]:
    """Each reason with its supporting cities. What lies between the two cities goes before what lies in one of them:
    it is for an engineer to mend."""
    code = assisted.code
    between = dict(_between(assisted, rooms, allocation))
    for why in sorted(set(between.values()), key=lambda each: each.value):
        yield why, [name for name, each in between.items() if each is why]
    for why_general, some in general.items():
        others = [room for room in some if code in room.view.fixed.helps and room.code not in between]
        if why_general is not None:
            yield why_general, [room.code for room in others]
            continue
        for room in others:
            yield room.why_not(assisted, allocation.between(assisted, room)) or Why.UNDER_WAY, [room.code]


def _between(assisted: CityRoom, rooms: Mapping[str, CityRoom], allocation: Allocation) -> Iterator[tuple[str, Why]]:
    at, code, home = assisted.at, assisted.code, assisted.view
    if not at.world.registry_up:
        return
    whole = not at.wishes.events[code].seats and len(home.fixed.channels) >= len(rooms) - 1
    # Where everybody may help by a trunk of its own, only what is broken is looked at: it is little.
    for name in (*home.failing, *home.trunks_fallen, *_trunk_lost_to(code, rooms)) if whole else rooms:
        room = rooms.get(name)
        if room is None or room is assisted or code not in room.view.fixed.helps or not room.known or room.active:
            continue
        pair = allocation.between(assisted, room)
        why = pair.bar or (pair.why_not(at.now) if pair.health.failures else None)
        if why is not None:
            yield name, why


def _trunk_lost_to(code: str, rooms: Mapping[str, CityRoom]) -> list[str]:
    return [name for name, room in rooms.items() if code in room.view.trunks_fallen]
