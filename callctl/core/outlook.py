"""What of the province's picture a person may see: the own cities in full, of the others what concerns the own ones.

An assisted city sees what is lent to it, not the traffic of who lends; a supporting city the same the other way round.
"""

from collections.abc import Mapping
from typing import Any

from callctl.core.model import Province

# Of a city that is not one's own: that it is there, and whether it is being helped.
_OPEN = ("name_zh", "up", "assistance")


def outlook(province: Province, picture: Mapping[str, Any] | None, cities: frozenset[str] | None) -> dict[str, Any]:
    """The JSON-able picture for somebody of these cities; None: all of them. Without a picture everything is null.

    Each city carries `own`: whether it is shown in full.
    """
    shown: dict[str, Any] = {}
    for code, city in province.cities.items():
        own = cities is None or code in cities
        seen = (picture or {}).get("cities", {}).get(code)
        if seen is None:
            shown[code] = {"own": own, "name_zh": city.name_zh, "up": None, "assistance": None}
        elif own:
            shown[code] = {"own": True, **seen}
        else:
            shown[code] = {"own": False, **{key: seen[key] for key in _OPEN}}
    return {
        "at": picture["at"] if picture else None,
        "registry_up": picture["registry_up"] if picture else None,
        "stopped": picture["stopped"] if picture else None,
        "cities": shown,
        "wishes": _wishes(picture, cities),
    }


def _wishes(picture: Mapping[str, Any] | None, cities: frozenset[str] | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    wishes = picture["wishes"]
    if cities is None:
        return dict(wishes)
    events = {
        city: event
        for city, event in wishes["events"].items()
        if city in cities or not event["seats"] or cities & event["seats"].keys()
    }
    return {
        **wishes,
        "quotas": {city: seats for city, seats in wishes["quotas"].items() if city in cities},
        "events": events,
    }
