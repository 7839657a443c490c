"""A lab: a few real cities side by side on loopback addresses, from the configuration an admin would load."""

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from callctl.core.model import City, PbxKind, Province
from callctl.lab.freeswitch import FreeSwitchPbx, FreeSwitchProgram, find_freeswitch
from callctl.lab.pbx import LabPbx
from callctl.lab.processes import Mark
from callctl.lab.program import AsteriskProgram, find_asterisk
from callctl.lab.running import PbxFailed, RunningPbx
from callctl.lab.subset import write_subset
from callctl.province import read_province
from callctl.render import asterisk, freeswitch
from callctl.render.asterisk import NEWEST_VERSION, TIMES, AsteriskDirs, AsteriskTimes
from callctl.settings import Settings, read_settings

DEFAULT_CITIES = ("nanjing", "yangzhou", "xuzhou")
DEFAULT_SEATS = 4
# A city's agents sound different from every other city's, so that a citizen's phone can tell who answered.
_AGENT_TONES = ("agent", "helper", "helper-2", "helper-3")
_OWNER = "owner"
_ENDED_WITHIN_S = 12.0
_TRUNKS_ASKED_EVERY_S = 0.1


class LabRunning(Exception):
    """There is a lab in this folder already; str() says how to end it."""


class NoLab(Exception):
    """There is no lab in this folder; str() says how to start one."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The PBX programs of this machine; None where no city of the lab needs one."""

    asterisk: AsteriskProgram | None = None
    freeswitch: FreeSwitchProgram | None = None


def find_programs(kinds: Collection[PbxKind], environment: Mapping[str, str], project: Path) -> Programs:
    """A program for each of these kinds. Raises NoAsterisk, NoFreeSwitch."""
    return Programs(
        asterisk=find_asterisk(environment, project) if PbxKind.ASTERISK in kinds else None,
        freeswitch=find_freeswitch(environment) if PbxKind.FREESWITCH in kinds else None,
    )


def made(city: City, folder: Path, programs: Programs, settings: Settings) -> RunningPbx:
    """The city's PBX, not started. Raises SettingsError."""
    if city.pbx.kind is PbxKind.FREESWITCH:
        assert programs.freeswitch is not None, f"{city.code} needs a FreeSWITCH"
        return FreeSwitchPbx(programs.freeswitch, city, folder, settings.ami_secret(city.code))
    assert programs.asterisk is not None, f"{city.code} needs an Asterisk"
    return LabPbx(programs.asterisk, city, folder)


@dataclass(frozen=True, slots=True)
class LabPlan:
    """What lab to make, and where."""

    folder: Path
    source: Path  # Holds agents/ and queues/.
    cities: Sequence[str] = DEFAULT_CITIES
    seats: int = DEFAULT_SEATS  # Of each city, at most.
    network: int = 0  # The second number of every address: labs side by side need different ones.
    queue: Mapping[str, object] = field(default_factory=dict)  # Overrides of [queue], e.g. a shorter threshold.
    times: AsteriskTimes = TIMES
    kinds: Mapping[str, str] = field(default_factory=dict)  # City to PBX kind, where it shall not be the data folder's.
    browser_seats: int = 0  # Of each city, the last ones: their phone is a page in a browser of this machine.
    reserve: int = 1  # Free agents each city keeps home.
    browser_tls: bool = False  # Whether those pages speak TLS to the PBX (with a certificate nobody else trusts).


class Lab:
    """A running (or not yet running) lab. Its PBXs die with the process that started them."""

    def __init__(self, plan: LabPlan, programs: Programs) -> None:
        self.plan = plan
        self.programs = programs
        self.environment = environment(plan.folder)  # What a controller of this lab needs, in a process of its own.
        self.pbxs: dict[str, RunningPbx] = {}
        self._province: Province | None = None

    @property
    def province(self) -> Province:
        """The cities of this lab; prepare() reads them."""
        assert self._province is not None, "prepare() comes first"
        return self._province

    @property
    def settings(self) -> Settings:
        """The settings of a controller of this lab."""
        return read_settings({**os.environ, **self.environment})

    def tone(self, city: str) -> str:
        """What an agent of this city sounds like."""
        return _AGENT_TONES[list(self.plan.cities).index(city) % len(_AGENT_TONES)]

    def prepare(self) -> None:
        """Write the lab's folder: data, secrets, configuration.

        Raises LabRunning, SubsetError, ProvinceError, SettingsError, RenderError, OSError.
        """
        folder = self.plan.folder
        if running(folder):
            raise LabRunning(f"a lab is running in {folder}; `callctl lab down --folder {folder}` ends it")
        program = self.programs.asterisk
        version = min(program.version[0], NEWEST_VERSION) if program else NEWEST_VERSION
        for old in folder.glob("province/*/*.toml"):  # Cities of an earlier lab in this folder.
            old.unlink()
        write_subset(
            self.plan.source,
            folder / "province",
            self.plan.cities,
            seats=self.plan.seats,
            version=version,
            network=self.plan.network,
            queue=self.plan.queue,
            kinds=self.plan.kinds,
            browser_seats=self.plan.browser_seats,
            browser_tls=self.plan.browser_tls,
            reserve=self.plan.reserve,
        )
        _write_secrets(folder / "secrets", self.plan.cities)
        self._province = read_province(folder / "province")
        settings = self.settings
        for code in self.plan.cities:
            pbx = made(self.province.cities[code], folder / code, self.programs, settings)
            pbx.write(_files(pbx, self.province, settings, self.plan.times))
            if self.plan.browser_tls and isinstance(pbx, LabPbx):
                _write_certificate(pbx)
            self.pbxs[code] = pbx

    async def start(self, on_booted: Callable[[str], None] = lambda _: None) -> None:
        """Start every city at once; all or none. Raises PbxFailed."""
        (self.plan.folder / _OWNER).write_text(Mark.of(os.getpid()).write(), encoding="ascii")

        async def start_one(pbx: RunningPbx) -> None:
            await pbx.start()
            on_booted(pbx.city.code)

        try:
            async with asyncio.TaskGroup() as group:
                for pbx in self.pbxs.values():
                    group.create_task(start_one(pbx))
        except BaseExceptionGroup as failures:
            self.stop()
            raise failures.exceptions[0] from None
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every city."""
        for pbx in self.pbxs.values():
            pbx.kill()  # Nothing of a lab has to be saved: the quick way.
        (self.plan.folder / _OWNER).unlink(missing_ok=True)

    async def until_trunks_up(self, within_s: float = 15.0) -> None:
        """Wait until every city's OPTIONS to every other were answered. Raises PbxFailed."""
        waiting = set(self.pbxs)
        try:
            async with asyncio.timeout(within_s):
                while True:
                    waiting = {code for code in waiting if await self.pbxs[code].trunks_down()}
                    if not waiting:
                        return
                    await asyncio.sleep(_TRUNKS_ASKED_EVERY_S)
        except TimeoutError:
            raise PbxFailed(f"the trunks of {', '.join(sorted(waiting))} did not come up within {within_s:g} s") from None


def _files(pbx: RunningPbx, province: Province, settings: Settings, times: AsteriskTimes) -> dict[str, str]:
    if isinstance(pbx, LabPbx):
        return asterisk.render_city(province, pbx.city.code, settings, _folders(pbx), times)
    return freeswitch.render_city(province, pbx.city.code, settings, times)


def _folders(pbx: LabPbx) -> AsteriskDirs:
    top, varlib = str(pbx.folders.top), str(pbx.folders.varlib)
    return AsteriskDirs(
        etc=f"{top}/etc",
        modules=str(pbx.program.modules),
        varlib=varlib,
        db=varlib,
        keys=varlib,
        data=varlib,
        agi=f"{top}/agi",
        spool=f"{top}/spool",
        run=f"{top}/run",
        log=f"{top}/log",
        moh=f"{varlib}/moh",
    )


def _write_certificate(pbx: LabPbx) -> None:
    """A certificate the PBX signs for itself: good for a lab, where the browser is told to take it. Raises PbxFailed."""
    keys = pbx.folders.varlib / "keys"
    subject = ["-subj", f"/CN={pbx.city.pbx.host}", "-addext", f"subjectAltName=IP:{pbx.city.pbx.host}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
    files = ["-keyout", str(keys / "callctl-browser.key"), "-out", str(keys / "callctl-browser.crt")]
    try:
        made = subprocess.run(["openssl", "req", "-x509", *curve, *subject, *files], capture_output=True, check=False)
    except FileNotFoundError:
        raise PbxFailed("the program openssl is missing: it makes the lab's certificate") from None
    if made.returncode:
        raise PbxFailed(f"no certificate could be made: {made.stderr.decode(errors='replace').strip()[-300:]}")


def _write_secrets(folder: Path, cities: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name in ("sip", *(f"ami-{code}" for code in cities)):
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16) + "\n", encoding="ascii")


def environment(folder: Path) -> dict[str, str]:
    """The variables with which callctl works on the lab in this folder."""
    top = folder.absolute()
    return {
        "CALLCTL_PROVINCE": str(top / "province"),
        "CALLCTL_STATE": str(top / "state"),
        "CALLCTL_SECRETS": str(top / "secrets"),
    }


def owner(folder: Path) -> Mark | None:
    """The process that keeps the lab in this folder, dead or alive; None where there is no lab."""
    try:
        return Mark.read((folder / _OWNER).read_text(encoding="ascii"))
    except OSError:
        return None


def running(folder: Path) -> bool:
    """Whether somebody keeps a lab in this folder."""
    keeper = owner(folder)
    return keeper is not None and keeper.alive


def marks(folder: Path) -> dict[str, Mark]:
    """The cities' PBX processes that the lab in this folder started last, dead or alive, by city."""
    found = {path.parent.parent.name: Mark.read(path.read_text(encoding="ascii")) for path in folder.glob("*/run/mark")}
    return {code: mark for code, mark in sorted(found.items()) if mark is not None}


async def end(folder: Path) -> bool:
    """End the lab in this folder and everything it started; False where nothing ran. Safe to repeat."""
    keeper, started = owner(folder), marks(folder)
    was_running = (keeper is not None and keeper.alive) or any(mark.alive for mark in started.values())
    if keeper is not None and keeper.pid != os.getpid():
        await _ended(keeper, signal.SIGTERM)
    for mark in started.values():  # They died with their keeper, unless somebody else's setpriv failed us.
        await _ended(mark, signal.SIGKILL)
    (folder / _OWNER).unlink(missing_ok=True)
    return was_running


async def _ended(process: Mark, number: signal.Signals) -> None:
    process.send(number)
    try:
        async with asyncio.timeout(_ENDED_WITHIN_S):
            while process.alive:  # noqa: ASYNC110 - Not our child: nobody tells us.
                await asyncio.sleep(0.05)
    except TimeoutError:
        process.send(signal.SIGKILL)
