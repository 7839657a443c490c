"""漏接回拨, carried out: which missed calls are called back this moment, and by whose free agents. Pure.

A live caller comes first, always: nothing is begun while anybody waits, and some agents stay free for the next one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from callctl.core.commands import CallBack
from callctl.core.events import CallBackEnded, Fact
from callctl.core.missed import Floor, Wanted, call_back_now
from callctl.core.model import Pair, PbxKind, Province
from callctl.core.seats import trunk_up
from callctl.core.world import CityView, World

FRESH_S = 45.0  # As for lending: a picture older than a reading and a half is not acted on.
AGAIN_SOON_S = 120.0  # The books know of a try that ended within seconds; until then it is not begun again.
SHOWN_S = 5.0  # From an order to the ringing phone in the picture.
LASTS_MOST_S = 1800.0  # Whose end was not told is over by then.
PAUSE_S = 30.0  # After an order the PBX refused: it has nobody to take orders yet.


class Begun(NamedTuple):
    """A call-back that was ordered."""

    city: str
    by: str
    at: float
    ended: bool = False


@dataclass(frozen=True, slots=True)
class CallBacks:
    """What a controller remembers of its call-backs. A new one remembers nothing: the PBX refuses what goes on already."""

    begun: Mapping[str, Begun] = field(default_factory=dict)  # By missed call.
    paused_until: Mapping[str, float] = field(default_factory=dict)  # By city.


def can_call_back(province: Province, city: str) -> bool:
    """Whether the city's PBX can do it: else its list is for dialling by hand."""
    it = province.cities[city]
    return it.pbx.kind is PbxKind.ASTERISK and bool(it.pbx.carrier) and it.queue.call_back_missed


def heard(known: CallBacks, facts: Iterable[Fact], now: float) -> CallBacks:
    """With the ends that were told, without what is long past."""
    ended = {fact.call for fact in facts if isinstance(fact, CallBackEnded)}
    old = [call for call, one in known.begun.items() if now - one.at > LASTS_MOST_S]
    if not (ended & known.begun.keys() or old):
        return known
    begun = {call: one._replace(ended=one.ended or call in ended) for call, one in known.begun.items() if call not in old}
    return replace(known, begun=begun)


def ordered(known: CallBacks, orders: Iterable[CallBack], now: float) -> CallBacks:
    """With these on their way."""
    return replace(known, begun={**known.begun, **{one.call: Begun(one.city, one.by, now) for one in orders}})


def refused(known: CallBacks, order: CallBack, now: float) -> CallBacks:
    """The PBX would not: it is left in peace for a while."""
    begun = {call: one for call, one in known.begun.items() if call != order.call}
    return CallBacks(begun, {**known.paused_until, order.city: now + PAUSE_S})


def due(
    province: Province, world: World, wanted: Mapping[str, Wanted], known: CallBacks, now: float
) -> tuple[CallBack, ...]:
    """The call-backs to order now."""
    found: list[CallBack] = []
    for city, what in wanted.items():
        view = world.cities.get(city)
        paused = known.paused_until.get(city, 0.0) > now
        if view is None or paused or not view.fresh(now, FRESH_S) or not can_call_back(province, city):
            continue
        fresh = [one for one in what.errands if not _lately(known, one.call, now)]
        if not fresh or view.waiting:  # The live caller first, also one for whom a phone rings already.
            continue
        floors = [_at_home(view, what, known, now), *_abroad(world, view, known, now)]
        found += [CallBack(city, call, by) for call, by in call_back_now(fresh, floors, now, what.at_once)]
    return tuple(found)


def _lately(known: CallBacks, call: str, now: float) -> bool:
    one = known.begun.get(call)
    return one is not None and (not one.ended or now - one.at < AGAIN_SOON_S)


def _calling(known: CallBacks, city: str, by: str) -> int:
    return sum(one.city == city and one.by == by and not one.ended for one in known.begun.values())


def _at_home(view: CityView, what: Wanted, known: CallBacks, now: float) -> Floor:
    code = view.city.code
    # Ordered a moment ago: the agent's phone is about to ring, and is still shown free.
    promised = sum(one.city == one.by == code and now - one.at < SHOWN_S for one in known.begun.values() if not one.ended)
    return Floor(code, view.idle(now), what.reserve, len(view.waiting) + promised, _calling(known, code, code))


def _abroad(world: World, home: CityView, known: CallBacks, now: float) -> Iterable[Floor]:
    """Supporting cities by their seats on loan that are free; one at a time each, so that a slot's call finds a seat."""
    code = home.city.code
    for other, view in world.cities.items():
        if other == code or not view.fresh(now, FRESH_S) or not trunk_up(world, Pair(code, other)):
            continue
        free = sum(one.assisted == code and one.free_from <= now for one in view.tally.kept)
        used = home.slots_in_use.get(other, 0)
        calling = _calling(known, code, other)
        yield Floor(other, min(1, free), 0, len(view.waiting) + used + calling, calling)
