"""A city's PBX files, whichever kind of PBX it has."""

from callctl.core.model import PbxKind, Province
from callctl.render import asterisk, freeswitch
from callctl.render.values import RenderError
from callctl.settings import Settings

SECRET_FILES = asterisk.SECRET_FILES | freeswitch.SECRET_FILES


def render_city(province: Province, city: str, settings: Settings) -> dict[str, str]:
    """Every file of the city's PBX, by its path in the PBX's configuration folder. Raises RenderError, SettingsError."""
    it = province.cities.get(city)
    if it is None:
        raise RenderError(f"{city}: no such city; there are: {', '.join(sorted(province.cities))}")
    if it.pbx.kind is PbxKind.FREESWITCH:
        return freeswitch.render_city(province, city, settings)
    return asterisk.render_city(province, city, settings)
