"""What a switch would do at this moment, counted from the picture: how many seats of which city could be lent at once.

It looks at nothing but the present: no forecast. Where the what-if engine is there, its answer goes before this one.
"""

from collections.abc import Mapping
from typing import Any

from callctl.core.acts import can_help
from callctl.core.in_force import in_force, ruled
from callctl.core.model import City, Lending, Pair, Province
from callctl.core.wishes import Wishes


def preview(province: Province, picture: Mapping[str, Any], wishes: Wishes, assisted: str) -> dict[str, Any]:
    """JSON-able: by supporting city the free seats and why not all of them, the callers who wait, the difference.

    `wishes`: as they would be. A city that is not heard has null, and counts as nothing.
    """
    province, wishes = ruled(province, wishes), in_force(province, wishes)
    home = picture["cities"].get(assisted) or {}
    event = wishes.events.get(assisted)
    helpers = {}
    if event is not None and event.switched_on and not wishes.stopped:
        for code, city in province.cities.items():
            if can_help(province, province.cities[assisted], city):
                cap = event.seats.get(code, 0) if event.seats else None
                helpers[code] = _from(province, picture, wishes, Pair(assisted, code), cap)
    seats = sum(helper["seats"] or 0 for helper in helpers.values())
    waiting = home.get("waiting")
    return {
        "by": "free_seats",
        "waiting": waiting,
        "over_threshold": home.get("over_threshold"),
        "seats": seats,
        "left_waiting": None if waiting is None else max(0, waiting - seats),
        "helpers": helpers,
    }


def _from(province: Province, picture: Mapping[str, Any], wishes: Wishes, pair: Pair, cap: int | None) -> dict[str, Any]:
    city = province.cities[pair.supporting]
    seen = picture["cities"].get(city.code) or {}
    if not seen.get("up"):
        return {"seats": None, "free": None, "bounds": {}}
    shared, dedicated = _free(city, seen["seat_states"])
    lent = sum(seen["lent_out"].values())
    trunk = seen["trunks"].get(pair.assisted, {})
    free = max(0, shared - city.lend.reserve - seen["waiting"]) + dedicated
    bounds = {
        "quota": max(0, wishes.quotas.get(city.code, city.lend.quota) - lent),
        "trunk": max(0, trunk.get("channels", 0) - trunk.get("in_use", 0)) if trunk.get("up") is not False else 0,
    }
    if cap is not None:
        bounds["event"] = max(0, cap - seen["lent_out"].get(pair.assisted, 0))
    if seen["assistance"] == "acting":
        bounds["itself"] = 0  # Who is being helped lends nothing.
    return {"seats": min(free, *bounds.values()), "free": free, "bounds": bounds}


def _free(city: City, states: Mapping[str, str]) -> tuple[int, int]:
    """Free seats: those of the home queue, and the dedicated ones."""
    free = [seat for seat in city.seats if states.get(seat.id) == "free"]
    dedicated = sum(seat.lend is Lending.DEDICATED for seat in free)
    return len(free) - dedicated, dedicated
