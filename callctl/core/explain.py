"""Why a plan leaves calls waiting: for every call over its threshold that nobody comes for, the reasons."""

from collections.abc import Iterator, Mapping

from callctl.core.reasons import Reason, Why
from callctl.core.rooms import FRESH_S, Room, Setting, waits_too_long

# Supporting cities with one and the same bar for everybody who asks; None: it depends on who asks.
Groups = Mapping[Why | None, list[Room]]


def explain(at: Setting, rooms: Mapping[str, Room], covered: Mapping[str, int]) -> dict[str, tuple[Reason, ...]]:
    """The reasons by assisted city. `rooms` as the finished plan left them, `covered` the calls somebody comes for."""
    groups: dict[Why | None, list[Room]] | None = None
    found: dict[str, tuple[Reason, ...]] = {}
    for code, view in at.world.cities.items():
        if not view.up or not view.waiting:
            continue
        late = waits_too_long(view, at.now) - covered.get(code, 0)
        if late <= 0:
            continue
        why = _own_reason(at, code)
        if why is not None:
            found[code] = (Reason(why, late),)
            continue
        groups = _groups(rooms) if groups is None else groups
        reasons = tuple(Reason(why, late, tuple(names)) for why, names in _by_reason(at, code, rooms, groups) if names)
        found[code] = reasons or (Reason(Why.NO_HELPER, late),)
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


def _groups(rooms: Mapping[str, Room]) -> dict[Why | None, list[Room]]:
    groups: dict[Why | None, list[Room]] = {}
    for room in rooms.values():
        groups.setdefault(room.general_bar(), []).append(room)
    return groups


def _by_reason(at: Setting, code: str, rooms: Mapping[str, Room], groups: Groups) -> Iterator[tuple[Why, list[str]]]:
    """Each reason with its supporting cities. What lies between the two cities goes before what lies in one of them:
    it is for an engineer to mend."""
    between = {name: why for name, why in _between(at, code, rooms) if code in rooms[name].helps}
    for why in sorted(set(between.values()), key=lambda each: each.value):
        yield why, [name for name, each in between.items() if each is why]
    for general, some in groups.items():
        if general is not None:
            yield general, [room.code for room in some if code in room.helps and room.code not in between]
            continue
        for room in some:
            if code in room.helps and room.code not in between:
                yield room.why_not(code) or Why.UNDER_WAY, [room.code]


def _between(at: Setting, code: str, rooms: Mapping[str, Room]) -> Iterator[tuple[str, Why]]:
    channels = at.world.cities[code].fixed.channels
    if not at.world.registry_up:
        return
    seats = at.event(code).seats
    if seats:
        yield from ((name, Why.NOT_IN_EVENT) for name, room in rooms.items() if seats.get(name, 0) <= 0 and not room.closed)
    if len(channels) < len(rooms) - 1:
        yield from ((name, Why.NO_TRUNK) for name, room in rooms.items() if name not in channels and not room.closed)
    yield from ((name, why) for name, why in at.barred[code].items() if name in rooms and not rooms[name].closed)
