"""From the data folders to a city's complete Asterisk configuration: the same bytes for the same province, or an error.

The templates lie in dialplan/ for the PBX admin to read; this module only chooses what they may print.
"""

from dataclasses import dataclass
from pathlib import Path

import jinja2

from callctl.core.model import City, Lending, PbxKind, Province
from callctl.pbx import asterisk_names
from callctl.render.values import Fit, RenderError, UnfitValue, environment, is_address, word
from callctl.render.values import path as plain_path
from callctl.settings import Settings, shipped

OLDEST_VERSION = 18
NEWEST_VERSION = 22
SECRET_FILES = frozenset(("manager.conf", "pjsip.conf"))  # Hold passwords.
_SUFFIX = ".j2"


@dataclass(frozen=True, slots=True)
class AsteriskDirs:
    """Where one Asterisk keeps its things (asterisk.conf, [directories]); "" leaves the built-in place."""

    etc: str
    modules: str
    varlib: str
    db: str
    keys: str  # Asterisk looks in <keys>/keys.
    data: str  # Holds documentation/ and sounds/ (sounds/en, sounds/callctl).
    agi: str
    spool: str  # Recordings: <spool>/monitor/callctl/<day>/<call id>.wav.
    run: str
    log: str
    moh: str  # Music for waiting callers, *.alaw.

    @property
    def sounds(self) -> str:
        """The prompts' folder: Asterisk always looks under its data folder."""
        return f"{self.data}/sounds"

    @classmethod
    def under(cls, root: Path, modules: str, share: str) -> "AsteriskDirs":
        """Everything under `root` (a lab, a test) but the modules and `share`, the data folder, which may be common."""
        return cls(
            etc=f"{root}/etc",
            modules=modules,
            varlib=f"{root}/varlib",
            db=f"{root}/varlib",
            keys=f"{root}/varlib",
            data=share,
            agi=f"{root}/agi",
            spool=f"{root}/spool",
            run=f"{root}/run",
            log=f"{root}/log",
            moh=f"{root}/moh",
        )

    def make(self) -> None:
        """Make the folders that Asterisk writes to, and those it only complains about when they are missing."""
        written = (self.spool, self.run, self.log, f"{self.log}/cdr-csv")
        for folder in (self.etc, self.varlib, self.db, self.keys, self.agi, *written, self.moh):
            Path(folder).mkdir(parents=True, exist_ok=True)


DEBIAN = AsteriskDirs(
    etc="/etc/asterisk",
    modules="",  # The multiarch folder differs from machine to machine; the package knows it.
    varlib="/var/lib/asterisk",
    db="/var/lib/asterisk",
    keys="/var/lib/asterisk",
    data="/usr/share/asterisk",
    agi="/usr/share/asterisk/agi-bin",
    spool="/var/spool/asterisk",
    run="/var/run/asterisk",
    log="/var/log/asterisk",
    moh="/usr/share/asterisk/moh",
)


@dataclass(frozen=True, slots=True)
class AsteriskTimes:
    """The PBX's own times, in seconds. Each ring is shorter than the one around it, so that the innermost says why."""

    home_ring_s: int = 20  # A home agent's phone; then it pauses itself.
    slot_ring_s: int = 16  # A remote leg.
    support_ring_s: int = 14  # A lent seat's phone, at the supporting city.
    slot_silence_s: float = 4  # A peer that does not even say "ringing".
    backoff_s: float = 2  # A refused slot.
    rtp_timeout_s: int = 20  # No voice from a trunk: the leg is lost. 0: never.
    rtp_timeout_hold_s: int = 300
    rtp_keepalive_s: int = 5  # Keeps a silent trunk from looking dead. 0: none.
    seat_rtp_timeout_s: int = 20  # No voice from a phone. 0: never.


TIMES = AsteriskTimes()


def render_city(
    province: Province,
    city: str,
    settings: Settings,
    dirs: AsteriskDirs = DEBIAN,
    times: AsteriskTimes = TIMES,
) -> dict[str, str]:
    """Every file of one city's /etc/asterisk, by name. Raises RenderError, SettingsError."""
    it = _asterisk_city(province, city)
    values = _values(province, it, settings, dirs, times)
    templates = environment(str(shipped("dialplan")))
    files: dict[str, str] = {}
    for name in sorted(templates.list_templates(filter_func=_is_configuration)):
        target = name.removesuffix(_SUFFIX)
        try:
            files[target] = templates.get_template(name).render(values)
        except UnfitValue as error:
            raise RenderError(f"{city}: {target}: {error}") from error
        except jinja2.TemplateError as error:
            raise RenderError(f"{city}: {target}: the template dialplan/{name} is broken: {error}") from error
    if "extensions.conf" not in files:
        raise RenderError(f"{city}: no templates in {shipped('dialplan')}: install callctl again")
    return files


def _is_configuration(name: str) -> bool:
    return name.endswith((".conf", ".conf" + _SUFFIX)) and "/" not in name


def _asterisk_city(province: Province, city: str) -> City:
    it = province.cities.get(city)
    if it is None:
        raise RenderError(f"{city}: no such city; there are: {', '.join(sorted(province.cities))}")
    if it.pbx.kind is not PbxKind.ASTERISK:
        raise RenderError(f"{city}: its PBX is {it.pbx.kind.value}; this version of callctl writes files for Asterisk only")
    if not OLDEST_VERSION <= it.pbx.version <= NEWEST_VERSION:
        supported = f"{OLDEST_VERSION} to {NEWEST_VERSION}"
        raise RenderError(f"{city}: pbx.version: Asterisk {it.pbx.version} is not supported: use {supported}")
    for trunk in it.trunks:
        if trunk.to not in province.cities:
            raise RenderError(f"{city}: trunk.to: there is no city {trunk.to}: remove the trunk or add the city")
    return it


def _values(
    province: Province, city: City, settings: Settings, dirs: AsteriskDirs, times: AsteriskTimes
) -> dict[str, object]:
    """What the templates may use, sorted, so that the same province gives the same bytes."""
    trunks = sorted(city.trunks, key=lambda trunk: trunk.to)
    seats = sorted(city.seats, key=lambda seat: seat.id)
    others = [trunk.host for trunk in trunks] + ([city.pbx.carrier] if city.pbx.carrier else [])
    return {
        "banner": Fit("Written by `callctl render`. Change agents/, queues/ or dialplan/, not this file."),
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
        # An access list takes addresses only; with a peer known by name there is none, and identify alone decides.
        "strangers_refused": all(is_address(other) for other in others),
        "directories": _directories(dirs),
        "dirs": dirs,
        "browser_keys": f"{dirs.keys}/keys",
        "times": times,
        "names": _Names(),
    }


def _directories(dirs: AsteriskDirs) -> list[tuple[Fit, Fit]]:
    """The lines of asterisk.conf's [directories], under Asterisk's own keys."""
    places = {
        "astetcdir": dirs.etc,
        "astmoddir": dirs.modules,
        "astvarlibdir": dirs.varlib,
        "astdbdir": dirs.db,
        "astkeydir": dirs.keys,
        "astdatadir": dirs.data,
        "astagidir": dirs.agi,
        "astspooldir": dirs.spool,
        "astrundir": dirs.run,
        "astlogdir": dirs.log,
    }
    try:
        return [(word(key, "directories"), plain_path(place, f"dirs.{key}")) for key, place in places.items() if place]
    except UnfitValue as error:
        raise RenderError(f"asterisk.conf: {error}") from error


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of callctl.pbx.asterisk_names, for the templates."""

    roster: str = asterisk_names.ROSTER
    heartbeat_queue: str = asterisk_names.HEARTBEAT_QUEUE
    heartbeat_member: str = asterisk_names.HEARTBEAT_MEMBER
    missed_desk: str = asterisk_names.MISSED_DESK
    back_queue: str = asterisk_names.BACK_QUEUE
    heartbeat_stale_s: int = asterisk_names.HEARTBEAT_STALE_S
    listening_queue: str = asterisk_names.LISTENING_QUEUE

    def support_queue(self, assisted: str) -> str:
        """See callctl.pbx.asterisk_names.support_queue."""
        return asterisk_names.support_queue(assisted)
