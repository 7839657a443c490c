"""From the data folders to a city's complete FreeSWITCH configuration: the same bytes for the same province, or an error.

The templates lie in freeswitch_conf/ for the PBX admin to read; this module only chooses what they may print.
"""

from dataclasses import dataclass

import jinja2

from callctl.core.model import City, Lending, PbxKind, Province
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S, support_queue
from callctl.render.asterisk import TIMES, AsteriskTimes
from callctl.render.values import Fit, RenderError, UnfitValue, environment
from callctl.settings import Settings, shipped

SECRET_FILES = frozenset(("autoload_configs/event_socket.conf.xml", "directory/city.xml"))  # Hold passwords.
_FOLDER = "freeswitch_conf"
_SUFFIX = ".j2"


def render_city(province: Province, city: str, settings: Settings, times: AsteriskTimes = TIMES) -> dict[str, str]:
    """Every file of one city's /etc/freeswitch, by its path there. Raises RenderError, SettingsError."""
    it = _freeswitch_city(province, city)
    values = _values(province, it, settings, times)
    templates = environment(str(shipped(_FOLDER)))
    files: dict[str, str] = {}
    for name in sorted(templates.list_templates(filter_func=_is_configuration)):
        target = name.removesuffix(_SUFFIX)
        try:
            files[target] = templates.get_template(name).render(values) if name.endswith(_SUFFIX) else _plain(name)
        except UnfitValue as error:
            raise RenderError(f"{city}: {target}: {error}") from error
        except jinja2.TemplateError as error:
            raise RenderError(f"{city}: {target}: the template {_FOLDER}/{name} is broken: {error}") from error
    if "freeswitch.xml" not in files:
        raise RenderError(f"{city}: no templates in {shipped(_FOLDER)}: install callctl again")
    return files


def _is_configuration(name: str) -> bool:
    return name.endswith((".xml", ".xml" + _SUFFIX, ".lua"))


def _plain(name: str) -> str:
    # Lua's own brackets are no template's.
    return (shipped(_FOLDER) / name).read_text(encoding="utf-8")


def _freeswitch_city(province: Province, city: str) -> City:
    it = province.cities.get(city)
    if it is None:
        raise RenderError(f"{city}: no such city; there are: {', '.join(sorted(province.cities))}")
    if it.pbx.kind is not PbxKind.FREESWITCH:
        raise RenderError(f'{city}: its PBX is {it.pbx.kind.value}, not freeswitch: set pbx.kind = "freeswitch" first')
    for trunk in it.trunks:
        if trunk.to not in province.cities:
            raise RenderError(f"{city}: trunk.to: there is no city {trunk.to}: remove the trunk or add the city")
    if it.queue.announce_position:
        mend = "mod_callcenter cannot tell callers their place: set it to false, or put an announcement among the music"
        raise RenderError(f"{city}: queue.announce_position: {mend}")
    return it


def _values(province: Province, city: City, settings: Settings, times: AsteriskTimes) -> dict[str, object]:
    """What the templates may use, sorted, so that the same province gives the same bytes."""
    trunks = sorted(city.trunks, key=lambda trunk: trunk.to)
    seats = sorted(city.seats, key=lambda seat: seat.id)
    return {
        "banner": Fit("Written by `callctl render`. Change agents/, queues/ or freeswitch_conf/, not this file."),
        "province": province,
        "city": city,
        "trunks": trunks,
        "seats": seats,
        "home_seats": [seat for seat in seats if seat.lend is not Lending.DEDICATED],
        "assisted_cities": [trunk.to for trunk in trunks if city.may_help(trunk.to)],
        "ami_host": city.pbx.ami_host or city.pbx.host,
        "ami_secret": settings.ami_secret(city.code),
        "phone_secret": lambda seat: settings.phone_secret(city.code, seat),
        "controllers": settings.controllers,
        "times": times,
        "names": _Names(),
    }


@dataclass(frozen=True, slots=True)
class _Names:
    """Names that both kinds of PBX share, for the templates."""

    heartbeat_stale_s: int = HEARTBEAT_STALE_S

    def support_queue(self, assisted: str) -> str:
        """See callctl.pbx.asterisk_names.support_queue."""
        return support_queue(assisted)
