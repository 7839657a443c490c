"""Finding the city a person means: by code, Chinese name or area code, with a guess where it is mistyped."""

import difflib

from callctl.core.acts import ActRefused
from callctl.core.model import City, Province


def find_city(province: Province, text: str) -> City:
    """The city called `text`: yangzhou, Yangzhou, 扬州, 扬州市, 0514 or 514. Raises ActRefused, with the nearest names."""
    asked = text.strip()
    for city in province.cities.values():
        if asked.lower() == city.code or asked.removesuffix("市") == city.name_zh or asked == city.name_zh:
            return city
        if asked.isdigit() and asked.lstrip("0") == city.area_code.lstrip("0"):
            return city
    names = {name: city for city in province.cities.values() for name in (city.code, city.name_zh, city.area_code)}
    near = list(
        {
            names[name].code: names[name] for name in difflib.get_close_matches(asked.lower(), names, n=3, cutoff=0.5)
        }.values()
    )
    shown = asked if asked.isprintable() and len(asked) <= 40 else "?"
    if near:
        raise ActRefused(
            f"没有“{shown}”这个市；您是指{'、'.join(f'{city.name_zh}({city.code})' for city in near)}吗？",
            f"no city is called '{shown}'; did you mean {' or '.join(f'{city.code} ({city.name_zh})' for city in near)}?",
        )
    raise ActRefused(
        f"没有“{shown}”这个市；可用：{'、'.join(f'{city.name_zh}({city.code})' for city in province.cities.values())}",
        f"no city is called '{shown}'; known: {', '.join(province.cities)}",
    )
