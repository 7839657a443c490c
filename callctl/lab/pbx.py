"""One city's real Asterisk in the lab: started, killed, frozen and asked, with all its files in one folder."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callctl.core.model import City
from callctl.lab import tones
from callctl.lab.processes import Mark, Port
from callctl.lab.program import AsteriskProgram

MUSIC = "music"  # The tone that callers hear while they wait.
_MUSIC_S = 10
_ASKED_EVERY_S = 0.05
_LOG_LINES_SHOWN = 12
_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7), less the final zero.
_LOGS = ("messages.log", "messages", "console")  # The first is Asterisk's own default since 16.
_NEEDED = ("chan_pjsip", "app_queue", "pbx_config", "res_rtp_asterisk")  # It boots without them, too.
# A boot on a busy machine: pjproject says of its own modules that they came a moment late; they work.
_HARMLESS = re.compile(r"sip_endpoint\.c Warning: Module \S+ registered during operation")
# Colours, and what Asterisk says on a machine without a network card (a namespace).
_NOISE = re.compile(r"\x1b\[[0-9;]*m|^No ethernet interface found[^\n]*\n", re.MULTILINE)
_COMPLAINT = re.compile(r"\b(?:WARNING|ERROR)\b")
_BAD_ADDRESS = "is no address of this machine (the lab needs the whole 127.0.0.0/8 on lo)"


class PbxFailed(Exception):
    """The city's Asterisk did not start, or does not answer; str() says what and why."""


@dataclass(frozen=True, slots=True)
class PbxFolders:
    """Where one city's Asterisk keeps what: every folder of asterisk.conf, below one."""

    top: Path

    @property
    def etc(self) -> Path:
        """The rendered configuration."""
        return self.top / "etc"

    @property
    def varlib(self) -> Path:
        """Sounds, music, documentation, and the PBX's own small database."""
        return self.top / "varlib"

    @property
    def spool(self) -> Path:
        """Recordings."""
        return self.top / "spool"

    @property
    def run(self) -> Path:
        """The control socket."""
        return self.top / "run"

    @property
    def log(self) -> Path:
        """messages, queue_log, console."""
        return self.top / "log"


class LabPbx:
    """One city's Asterisk. It dies with the process that started it."""

    def __init__(self, program: AsteriskProgram, city: City, folder: Path) -> None:
        self.city = city
        self.program = program
        self.folders = PbxFolders(folder.absolute())  # Asterisk runs in a folder of its own.
        self._process: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------------------------------- files
    def write(self, files: Mapping[str, str]) -> None:
        """Write the configuration (file name → text) and lay out the folders around it."""
        for folder in ("etc", "varlib", "spool", "run", "log"):
            (self.folders.top / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = self.folders.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)  # The manager password is in one of them.
        self._lay_out_varlib()

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
        music = varlib / "moh"
        if not music.exists():
            music.mkdir()
            # Two formats of one sound: Asterisk takes what needs no re-coding.
            tones.write_file(music / "tone.alaw", MUSIC, _MUSIC_S)
            tones.write_file(music / "tone.wav", MUSIC, _MUSIC_S)

    @property
    def queue_log(self) -> Path:
        """The PBX's own record of every call in its queues."""
        return self.folders.log / "queue_log"

    def complaints(self) -> list[str]:
        """Warnings and errors the PBX has logged since the log began."""
        return [line for line in self._lines() if _COMPLAINT.search(line) and not _HARMLESS.search(line)]

    def _lines(self) -> list[str]:
        logs = (self.folders.log / name for name in _LOGS)
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in logs if path.is_file()]
        return [line for text in texts for line in text.splitlines()]

    # ------------------------------------------------------------------------------------- life
    async def start(self, within_s: float = 20.0) -> None:
        """Start and wait until fully booted. Raises PbxFailed, and leaves nothing running then."""
        self.spawn()
        try:
            await self.until_booted(within_s)
        except BaseException:
            self.kill()
            raise

    def spawn(self) -> None:
        """Start without waiting. Raises PbxFailed."""
        if self.running:
            raise PbxFailed(f"{self.city.code}'s Asterisk runs already (process {self.pid})")
        self._check_folder()
        self._check_ports()
        setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
        # Nothing may stay when we are killed: the kernel sends the signal for us (prctl(2), PR_SET_PDEATHSIG).
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (self.folders.log / "console").open("ab") as console:
            self._process = subprocess.Popen(
                [*tied, str(self.program.path), "-f", "-C", str(self._conf)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                cwd=self.folders.top,
                process_group=0,
            )
        (self.folders.run / "mark").write_text(Mark.of(self._process.pid).write(), encoding="ascii")

    async def until_booted(self, within_s: float = 20.0) -> None:
        """Wait until every module is loaded and the ports are open. Raises PbxFailed."""
        try:
            async with asyncio.timeout(within_s):
                # Only polling can tell: Asterisk announces "fully booted" to those who are already connected.
                while not await self._booted():  # noqa: ASYNC110
                    await asyncio.sleep(_ASKED_EVERY_S)
        except TimeoutError:
            raise PbxFailed(self._story(f"did not boot within {within_s:g} s")) from None
        # Asterisk boots happily without the ports it was told to open.
        closed = [str(port) for port in self._ports() if port.free()]
        if closed:
            raise PbxFailed(self._story(f"booted, but does not listen on {', '.join(closed)}"))
        absent = [name for name in _NEEDED if "Running" not in await self.cli(f"module show like {name}.so")]
        if absent:
            raise PbxFailed(self._story(f"booted, but without {', '.join(absent)}"))

    async def _booted(self) -> bool:
        if not self.running:
            raise PbxFailed(self._story("ended while it booted"))
        try:
            return "fully booted" in await self.cli("core waitfullybooted")
        except PbxFailed:
            return False  # The control socket is not there yet.

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process, 0 where there is none."""
        return self._process.pid if self._process and self.running else 0

    def stop(self, within_s: float = 5.0) -> None:
        """End it in order, by force where it takes longer. Nothing happens where it does not run."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it keeps its ports and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            Mark.of(self._process.pid).send(number)

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

    # ------------------------------------------------------------------------------------- checks
    @property
    def _conf(self) -> Path:
        return self.folders.etc / "asterisk.conf"

    def _ports(self) -> list[Port]:
        pbx = self.city.pbx
        return [Port("udp", pbx.host, pbx.sip_port), Port("tcp", pbx.ami_host or pbx.host, pbx.ami_port)]

    def _check_ports(self) -> None:
        for port in self._ports():
            try:
                free = port.free()
            except OSError as error:
                raise PbxFailed(f"{self.city.code}: {port.host} {_BAD_ADDRESS}: {error.strerror}") from None
            if not free:
                holder = port.holder()
                by = f" by {holder}" if holder else ""
                raise PbxFailed(f"{self.city.code}: {port} is in use{by}; end that first")

    def _check_folder(self) -> None:
        if not self._conf.is_file():
            raise PbxFailed(f"{self.city.code}: there is no {self._conf}")
        if len(str(self.folders.run / "asterisk.ctl").encode()) > _LONGEST_SOCKET_PATH:
            raise PbxFailed(f"{self.folders.top}: too long a folder name for a control socket; choose a shorter one")

    def _story(self, what: str) -> str:
        """One sentence, and the log's last words."""
        lines = self.complaints() or self._lines()
        told = "".join(f"\n  {line}" for line in lines[-_LOG_LINES_SHOWN:])
        return f"{self.city.code}'s Asterisk {what}; its log is in {self.folders.log}{told}"
