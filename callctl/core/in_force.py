"""What the wishes mean for the policy: the province with the supervisors' limits, and the seats that may really be lent.

The policy knows data folders and events only. Waves, confirmations, thresholds and reserves become those here.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from callctl.core.acts import can_help, lendable
from callctl.core.model import Province
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.core.world import World


def ruled(province: Province, wishes: Wishes) -> Province:
    """The province with the thresholds and reserves that are in force."""
    if not wishes.thresholds and not wishes.reserves:
        return province
    cities = dict(province.cities)
    for code, city in province.cities.items():
        threshold_s = wishes.thresholds.get(code, city.queue.wait_threshold_s)
        reserve = wishes.reserves.get(code, city.lend.reserve)
        if threshold_s != city.queue.wait_threshold_s or reserve != city.lend.reserve:
            queue, lend = replace(city.queue, wait_threshold_s=threshold_s), replace(city.lend, reserve=reserve)
            cities[code] = replace(city, queue=queue, lend=lend)
    return Province(MappingProxyType(cities))


def granted(province: Province, event: AssistanceEvent) -> Mapping[str, int]:
    """Most seats each supporting city may lend in this event now; empty: everybody who may help, by its own quota."""
    asked = entered(event)
    if asked is not None and not event.needs_confirmation and not event.confirmed:
        return asked or MappingProxyType({event.assisted: 0})
    if asked is None and not event.needs_confirmation and not event.confirmed:
        return event.seats
    assisted = province.cities[event.assisted]
    seats: dict[str, int] = {event.assisted: 0}  # Never empty: that would mean everybody.
    for code, city in province.cities.items():
        if can_help(province, assisted, city):
            wanted = lendable(city) if asked is None else asked.get(code, 0)
            seats[code] = min(wanted, event.confirmed.get(code, 0 if event.needs_confirmation else wanted))
    return MappingProxyType(seats)


def entered(event: AssistanceEvent) -> Mapping[str, int] | None:
    """Seats asked of each supporting city at present; None: of everybody, as many as the quotas allow."""
    if not event.waves:
        return event.seats or None
    asked: dict[str, int] = {}
    for wave in event.waves:
        if wave.entered_at:
            for code, seats in wave.seats.items():
                asked[code] = asked.get(code, 0) + seats
    return MappingProxyType(asked)


def in_force(province: Province, wishes: Wishes) -> Wishes:
    """The wishes as the policy reads them: each event's `seats` are those that may be lent now."""
    plain = all(
        not event.waves and not event.needs_confirmation and not event.confirmed for event in wishes.events.values()
    )
    if plain:
        return wishes
    events = {code: replace(event, seats=granted(province, event)) for code, event in wishes.events.items()}
    return replace(wishes, events=MappingProxyType(events))


def under_rules(world: World, province: Province) -> World:
    """The picture with these rules of each city in it."""
    cities = {
        code: view
        if view.city is province.cities[code]
        else replace(view, fixed=view.fixed._replace(city=province.cities[code]))
        for code, view in world.cities.items()
    }
    return replace(world, cities=cities)
