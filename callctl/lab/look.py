"""What a lab looks like from outside: which cities live, how many phones, how many calls."""

import os
from dataclasses import dataclass
from pathlib import Path

from callctl.lab.lab import NoLab, Programs, environment, made, marks, running
from callctl.lab.processes import Mark
from callctl.lab.running import PbxFailed, RunningPbx
from callctl.province import read_province
from callctl.settings import Settings, read_settings

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


async def look(folder: Path, programs: Programs) -> list[CityLook]:
    """Every city of the lab in this folder. Raises NoLab, ProvinceError."""
    settings = settings_of(folder)
    province = read_province(settings.province_dir)
    started = marks(folder)
    looks = []
    for code, city in province.cities.items():
        mark = started.get(code)
        pbx = made(city, folder / code, programs, settings)
        state, phones, channels = await _ask(pbx, mark)
        pid = mark.pid if mark and mark.alive else 0
        looks.append(CityLook(code, city.name_zh, state, pid, _rss_mb(pid), phones, len(city.seats), channels))
    return looks


async def _ask(pbx: RunningPbx, mark: Mark | None) -> tuple[str, int, int]:
    if mark is None or not mark.alive:
        return "dead", 0, 0
    if mark.frozen:
        return "frozen", 0, 0
    try:
        phones = await pbx.registered(_ANSWERED_WITHIN_S)
        return "runs", len(phones), await pbx.channels(_ANSWERED_WITHIN_S)
    except PbxFailed:
        return "silent", 0, 0


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
