"""One city's real FreeSWITCH in the lab, and how to ask it something (its event socket, as fs_cli does)."""

import asyncio
import contextlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callctl.core.model import City
from callctl.lab import tones
from callctl.lab.pbx import MUSIC
from callctl.lab.running import PbxFailed, RunningPbx

VARIABLE = "CALLCTL_FREESWITCH"  # Names the folder that holds bin/freeswitch.
_NEEDED = ("mod_callcenter", "mod_sofia", "mod_lua", "mod_hash", "mod_local_stream")
_COMPLAINT = re.compile(r"\[(?:WARNING|ERR|CRIT|ALERT)\]")
# mod_sofia greets like this at every start, and warns of what `gwlist` shows anyway.
_HARMLESS = re.compile(r"sofia\.c:\d+ (?:MSG Thread \d+ Started|Ping (?:succeeded|failed) trunk-)")
_VERSION = re.compile(r"FreeSWITCH [Vv]ersion:? (\d+)\.(\d+)\.(\d+)")
OLDEST = (1, 10)
_MUSIC_S = 120  # Between two files a frame of silence may be heard.
_TIMES = 400  # A day of music.


class NoFreeSwitch(Exception):
    """There is no FreeSWITCH the lab could run; str() says how to get one."""


@dataclass(frozen=True, slots=True)
class FreeSwitchProgram:
    """A runnable FreeSWITCH."""

    path: Path
    version: tuple[int, int, int]
    modules: Path


def find_freeswitch(environment: Mapping[str, str]) -> FreeSwitchProgram:
    """The one that CALLCTL_FREESWITCH names. Raises NoFreeSwitch."""
    prefix = environment.get(VARIABLE, "")
    if not prefix:
        mend = f"set {VARIABLE} to the folder that holds bin/freeswitch (README: FreeSWITCH cities)"
        raise NoFreeSwitch(f"a city with FreeSWITCH needs one, and it is in no package registry: {mend}")
    top = Path(prefix).absolute()
    path = top / "bin" / "freeswitch"
    try:
        said = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFreeSwitch(f"{VARIABLE}={prefix}: {path} cannot be run: {error}") from None
    version = _VERSION.search(said.stdout)
    if version is None:
        raise NoFreeSwitch(f"{VARIABLE}={prefix}: {path} does not say a FreeSWITCH version")
    numbers = (int(version[1]), int(version[2]), int(version[3]))
    if numbers[:2] < OLDEST:
        raise NoFreeSwitch(f"{VARIABLE}={prefix} is FreeSWITCH {'.'.join(map(str, numbers))}; 1.10 is needed")
    found = sorted(top.glob("lib*/freeswitch/mod")) + sorted(top.glob("mod"))
    if not found:
        raise NoFreeSwitch(f"{VARIABLE}={prefix} has no folder of modules (lib/freeswitch/mod)")
    return FreeSwitchProgram(path, numbers, found[0])


class FreeSwitchPbx(RunningPbx):
    """One city's FreeSWITCH. It dies with the process that started it."""

    kind = "FreeSWITCH"

    def __init__(self, program: FreeSwitchProgram, city: City, folder: Path, secret: str) -> None:
        super().__init__(city, folder)
        self.program = program
        self._secret = secret

    @property
    def version(self) -> tuple[int, ...]:
        """The program's version."""
        return self.program.version

    def _command(self) -> Sequence[str]:
        top, varlib = self.folders.top, self.folders.varlib
        places = {
            "-conf": self.folders.etc,
            "-log": self.folders.log,
            "-run": self.folders.run,
            "-db": varlib / "db",
            "-mod": self.program.modules,
            "-sounds": varlib / "sounds",
            "-scripts": self.folders.etc / "scripts",
            "-recordings": self.folders.spool,
            "-storage": varlib / "storage",
            "-cache": varlib / "cache",
            "-certs": varlib / "certs",
            "-temp": top / "run",
        }
        folders = [part for option, place in places.items() for part in (option, str(place))]
        return [str(self.program.path), "-nf", "-nc", "-nonat", *folders]

    def _lay_out_varlib(self) -> None:
        for name in ("db", "storage", "cache", "certs", "sounds/music/8000"):
            (self.folders.varlib / name).mkdir(parents=True, exist_ok=True)
        # A folder of music rests a second before it begins again; a list in it (*.loc) goes on, unless it names the same
        # file twice running.
        music = self.folders.varlib / "sounds" / "music"
        files = [music / "tone-1.wav", music / "tone-2.wav"]
        for path in files:
            if not path.exists():
                tones.write_file(path, MUSIC, _MUSIC_S)
        (music / "8000" / "tone.loc").write_text("".join(f"{path}\n" for path in files * _TIMES), encoding="utf-8")

    # ------------------------------------------------------------------------------------- what it says
    def complaints(self) -> list[str]:
        """Warnings and errors the PBX has logged since the log began."""
        return [line for line in self._lines() if _COMPLAINT.search(line) and not _HARMLESS.search(line)]

    def _lines(self) -> list[str]:
        logs = (self.folders.log / name for name in ("freeswitch.log", "console"))
        found = next((path for path in logs if path.is_file() and path.stat().st_size), None)
        return found.read_text(encoding="utf-8", errors="replace").splitlines() if found else []

    async def _booted(self) -> bool:
        if not self.running:
            raise PbxFailed(self._story("ended while it booted"))
        try:
            # The modules are loaded one after the other; the queue is the last.
            ready = await self.cli(f"module_exists {_NEEDED[0]}", 2.0) == "true"
            return ready and "RUNNING" in await self.cli("sofia status", 2.0)
        except PbxFailed:
            return False  # The event socket is not there yet.

    async def _check_modules(self) -> None:
        absent = [name for name in _NEEDED if await self.cli(f"module_exists {name}") != "true"]
        if absent:
            raise PbxFailed(self._story(f"booted, but without {', '.join(absent)}"))

    async def cli(self, command: str, within_s: float = 10.0) -> str:
        """What the event socket answers to `api <command>`. Raises PbxFailed where it does not."""
        assert "\n" not in command, "one command is one line"
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await self.connect()
                try:
                    writer.write(f"api {command}\n\n".encode())
                    return (await read_frame(reader))[1].strip()
                finally:
                    await _closed(writer)
        except (OSError, TimeoutError, EOFError) as error:
            why = str(error) or f"within {within_s:g} s"
            raise PbxFailed(f"{self.city.code}'s FreeSWITCH did not answer “{command}”: {why}") from None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the event socket, logged in. Raises OSError, EOFError, PbxFailed."""
        pbx = self.city.pbx
        reader, writer = await asyncio.open_connection(pbx.ami_host or pbx.host, pbx.ami_port)
        await read_frame(reader)  # auth/request
        writer.write(f"auth {self._secret}\n\n".encode())
        headers, _ = await read_frame(reader)
        if not headers.get("Reply-Text", "").startswith("+OK"):
            await _closed(writer)
            said = headers.get("Reply-Text") or headers.get("Content-Type", "")
            raise PbxFailed(f"{self.city.code}'s FreeSWITCH does not let us in: {said}")
        return reader, writer

    async def registered(self, within_s: float = 10.0) -> set[str]:
        """The seats whose phones are registered now. Raises PbxFailed."""
        rows = json.loads(await self.cli("show registrations as json", within_s)).get("rows", [])
        return {seat.id for seat in self.city.seats} & {str(row["reg_user"]) for row in rows}

    async def channels(self, within_s: float = 10.0) -> int:
        """How many channels it has now; a talk has two at least. Raises PbxFailed."""
        return int(json.loads(await self.cli("show channels as json", within_s))["row_count"])

    async def trunks_down(self) -> list[str]:
        """The cities it sees no trunk to. It asks them by itself, every 5 s. Raises PbxFailed."""
        up = (await self.cli("sofia profile city gwlist up")).split()
        return [trunk.to for trunk in self.city.trunks if f"trunk-{trunk.to}" not in up]

    # ------------------------------------------------------------------------------------- checks
    def _check_folder(self) -> None:
        if not (self.folders.etc / "freeswitch.xml").is_file():
            raise PbxFailed(f"{self.city.code}: there is no {self.folders.etc / 'freeswitch.xml'}")


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def read_frame(reader: asyncio.StreamReader) -> tuple[dict[str, str], str]:
    """One message of the event socket: its headers and its body. Raises EOFError where the connection ends."""
    head = (await reader.readuntil(b"\n\n")).decode("utf-8", "replace")
    headers = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    body = await reader.readexactly(int(headers.get("Content-Length", "0")))
    return headers, body.decode("utf-8", "replace")
