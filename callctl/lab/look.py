"""What a lab looks like from outside: which cities live, how many phones, how many calls."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from callctl.lab.lab import NoLab, environment, marks, running
from callctl.lab.pbx import LabPbx, PbxFailed
from callctl.lab.processes import Mark
from callctl.lab.program import AsteriskProgram
from callctl.province import read_province
from callctl.settings import Settings, read_settings

_CHANNELS = re.compile(r"(\d+) active channel")
_ANSWERED_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class CityLook:
    """One city of a lab."""

    city: str
    name_zh: str
    state: str  # "runs", "frozen", "silent" or "dead".
    pid: int
    rss_mb: float
    phones: int  # Registered now.
    seats: int
    channels: int


def settings_of(folder: Path) -> Settings:
    """The settings of the lab in this folder. Raises NoLab."""
    if not running(folder):
        raise NoLab(f"no lab runs in {folder}; start one: callctl lab up --folder {folder}")
    return read_settings({**os.environ, **environment(folder)})


async def look(folder: Path, program: AsteriskProgram) -> list[CityLook]:
    """Every city of the lab in this folder. Raises NoLab, ProvinceError."""
    settings = settings_of(folder)
    province = read_province(settings.province_dir)
    started = marks(folder)
    looks = []
    for code, city in province.cities.items():
        mark = started.get(code)
        pbx = LabPbx(program, city, folder / code)
        seats = {seat.id for seat in city.seats}
        state, phones, channels = await _ask(pbx, mark, seats)
        pid = mark.pid if mark and mark.alive else 0
        looks.append(CityLook(code, city.name_zh, state, pid, _rss_mb(pid), phones, len(seats), channels))
    return looks


async def _ask(pbx: LabPbx, mark: Mark | None, seats: set[str]) -> tuple[str, int, int]:
    if mark is None or not mark.alive:
        return "dead", 0, 0
    if mark.frozen:
        return "frozen", 0, 0
    try:
        contacts = await pbx.cli("pjsip show contacts", _ANSWERED_WITHIN_S)
        said = await pbx.cli("core show channels count", _ANSWERED_WITHIN_S)
    except PbxFailed:
        return "silent", 0, 0
    registered = seats & set(re.findall(r"Contact:\s+(\d+)/", contacts))
    channels = _CHANNELS.search(said)
    return "runs", len(registered), int(channels[1]) if channels else 0


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
