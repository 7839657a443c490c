"""One city's real Asterisk in the lab."""

import asyncio
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from callctl.core.model import City
from callctl.lab import tones
from callctl.lab.program import AsteriskProgram
from callctl.lab.running import PbxFailed, RunningPbx

MUSIC = "music"  # The tone that callers hear while they wait.
MUSIC_S = 10
_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7), less the final zero.
_LOGS = ("messages.log", "messages", "console")  # The first is Asterisk's own default since 16.
_NEEDED = ("chan_pjsip", "app_queue", "pbx_config", "res_rtp_asterisk")  # It boots without them, too.
# A boot on a busy machine: pjproject says of its own modules that they came a moment late; they work.
_HARMLESS = re.compile(r"sip_endpoint\.c Warning: Module \S+ registered during operation")
# Colours, and what Asterisk says on a machine without a network card (a namespace).
_NOISE = re.compile(r"\x1b\[[0-9;]*m|^No ethernet interface found[^\n]*\n", re.MULTILINE)
_CHANNELS = re.compile(r"(\d+) active channel")
_COMPLAINT = re.compile(r"\b(?:WARNING|ERROR)\b")


class LabPbx(RunningPbx):
    """One city's Asterisk. It dies with the process that started it."""

    kind = "Asterisk"

    def __init__(self, program: AsteriskProgram, city: City, folder: Path) -> None:
        super().__init__(city, folder)
        self.program = program

    @property
    def version(self) -> tuple[int, ...]:
        """The program's version."""
        return self.program.version

    def _command(self) -> Sequence[str]:
        return [str(self.program.path), "-f", "-C", str(self._conf)]

    def _lay_out_varlib(self) -> None:
        share, varlib = self.program.share, self.folders.varlib
        for name in ("documentation", "static-http", "rest-api", "firmware", "images"):
            if (share / name).is_dir() and not (varlib / name).exists():
                (varlib / name).symlink_to(share / name)
        sounds = varlib / "sounds"
        sounds.mkdir(exist_ok=True)
        (varlib / "keys").mkdir(exist_ok=True)
        # Debian calls the English voice by its speaker and makes `en` only when the package is configured.
        for voice in (share / "sounds" / "en", share / "sounds" / "en_US_f_Allison"):
            if voice.is_dir() and not (sounds / "en").exists():
                (sounds / "en").symlink_to(voice)
        self.details.parent.mkdir(parents=True, exist_ok=True)  # Asterisk makes every folder but this one.
        music = varlib / "moh"
        if not music.exists():
            music.mkdir()
            # Two formats of one sound: Asterisk takes what needs no re-coding.
            tones.write_file(music / "tone.alaw", MUSIC, MUSIC_S)
            tones.write_file(music / "tone.wav", MUSIC, MUSIC_S)

    @property
    def queue_log(self) -> Path:
        """The PBX's own record of every call in its queues."""
        return self.folders.log / "queue_log"

    @property
    def details(self) -> Path:
        """The PBX's call detail records, where queues/<city>.toml asks for them (write_cdr)."""
        return self.folders.log / "cdr-csv" / "Master.csv"

    def complaints(self) -> list[str]:
        """Warnings and errors the PBX has logged since the log began."""
        return [line for line in self._lines() if _COMPLAINT.search(line) and not _HARMLESS.search(line)]

    def _lines(self) -> list[str]:
        logs = (self.folders.log / name for name in _LOGS)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in logs if path.is_file()]
        return [line for text in texts for line in text.splitlines()]

    async def _booted(self) -> bool:
        if not self.running:
            raise PbxFailed(self._story("ended while it booted"))
        try:
            return "fully booted" in await self.cli("core waitfullybooted")
        except PbxFailed:
            return False  # The control socket is not there yet.

    async def _check_modules(self) -> None:
        absent = [name for name in _NEEDED if "Running" not in await self.cli(f"module show like {name}.so")]
        if absent:
            raise PbxFailed(self._story(f"booted, but without {', '.join(absent)}"))

    # ------------------------------------------------------------------------------------- questions
    async def cli(self, command: str, within_s: float = 10.0) -> str:
        """What `asterisk -rx` answers. Raises PbxFailed where the PBX does not."""
        asked = await asyncio.create_subprocess_exec(
            str(self.program.path),
            "-C",
            str(self._conf),
            "-rx",
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(within_s):
                said, _ = await asked.communicate()
        except TimeoutError:
            asked.kill()
            await asked.wait()
            raise PbxFailed(f"{self.city.code}'s Asterisk did not answer “{command}” within {within_s:g} s") from None
        text = _NOISE.sub("", said.decode("utf-8", "replace"))
        if asked.returncode:
            raise PbxFailed(f"{self.city.code}'s Asterisk does not take “{command}”: {text.strip()}")
        return text

    async def registered(self, within_s: float = 10.0) -> set[str]:
        """The seats whose phones are registered now. Raises PbxFailed."""
        contacts = await self.cli("pjsip show contacts", within_s)
        return {seat.id for seat in self.city.seats} & set(re.findall(r"Contact:\s+(\d+)/", contacts))

    async def channels(self, within_s: float = 10.0) -> int:
        """How many channels it has now; a talk has two at least. Raises PbxFailed."""
        said = _CHANNELS.search(await self.cli("core show channels count", within_s))
        return int(said[1]) if said else 0

    async def trunks_down(self) -> list[str]:
        """The cities it sees no trunk to, after asking them once more. Raises PbxFailed."""
        lines = [line for line in (await self.cli("pjsip show contacts")).splitlines() if "trunk-" in line]
        down = [
            trunk.to
            for trunk in self.city.trunks
            if not any(f"trunk-{trunk.to}/" in line and "Avail" in line for line in lines)
        ]
        for to in down:  # One that booted last was "Unavailable" to the first; they ask by themselves only after 5 s.
            await self.cli(f"pjsip qualify trunk-{to}")
        return down

    # ------------------------------------------------------------------------------------- checks
    @property
    def _conf(self) -> Path:
        return self.folders.etc / "asterisk.conf"

    def _check_folder(self) -> None:
        if not self._conf.is_file():
            raise PbxFailed(f"{self.city.code}: there is no {self._conf}")
        if len(str(self.folders.run / "asterisk.ctl").encode()) > _LONGEST_SOCKET_PATH:
            raise PbxFailed(f"{self.folders.top}: too long a folder name for a control socket; choose a shorter one")
