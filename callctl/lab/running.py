"""One city's real PBX process in the lab: started, killed, frozen, with all its files in one folder, whatever its kind."""

import abc
import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from callctl.core.model import City
from callctl.lab.processes import Mark, Port

ASKED_EVERY_S = 0.05
_LOG_LINES_SHOWN = 12
_FROZEN_LOOKS, _FROZEN_LOOK_S = 5_000, 0.002
_BAD_ADDRESS = "is no address of this machine (the lab needs the whole 127.0.0.0/8 on lo)"


class PbxFailed(Exception):
    """The city's PBX did not start, or does not answer; str() says what and why."""


@dataclass(frozen=True, slots=True)
class PbxFolders:
    """Where one city's PBX keeps what, below one folder."""

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
        """The control socket, and the mark of the process."""
        return self.top / "run"

    @property
    def log(self) -> Path:
        """What it logs, and what it prints (console)."""
        return self.top / "log"


class RunningPbx(abc.ABC):
    """One city's PBX. It dies with the process that started it."""

    kind = ""  # As people call it: "Asterisk", "FreeSWITCH".

    def __init__(self, city: City, folder: Path) -> None:
        self.city = city
        self.folders = PbxFolders(folder.absolute())  # The PBX runs in a folder of its own.
        self._process: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------------------------------- what a kind says
    @property
    @abc.abstractmethod
    def version(self) -> tuple[int, ...]:
        """The program's version."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str]:
        """What to run; it stays in the foreground."""

    @abc.abstractmethod
    def _check_folder(self) -> None:
        """Raises PbxFailed where it could not run from its folder."""

    @abc.abstractmethod
    async def _booted(self) -> bool:
        """Whether it says that it is up. Raises PbxFailed where it ended instead."""

    @abc.abstractmethod
    async def _check_modules(self) -> None:
        """Raises PbxFailed where it is up without something it needs."""

    @abc.abstractmethod
    def _lines(self) -> list[str]:
        """Its log, oldest line first."""

    @abc.abstractmethod
    def complaints(self) -> list[str]:
        """Warnings and errors the PBX has logged since the log began."""

    @abc.abstractmethod
    async def cli(self, command: str, within_s: float = 10.0) -> str:
        """What it answers to a command of its own command line. Raises PbxFailed where it does not."""

    @abc.abstractmethod
    async def registered(self, within_s: float = 10.0) -> set[str]:
        """The seats whose phones are registered now. Raises PbxFailed."""

    @abc.abstractmethod
    async def channels(self, within_s: float = 10.0) -> int:
        """How many channels it has now; a talk has two at least. Raises PbxFailed."""

    @abc.abstractmethod
    async def trunks_down(self) -> list[str]:
        """The cities it sees no trunk to; asks them once more where that can be asked for. Raises PbxFailed."""

    # ------------------------------------------------------------------------------------- files
    def write(self, files: Mapping[str, str]) -> None:
        """Write the configuration (path below etc → text) and lay out the folders around it."""
        for folder in ("etc", "varlib", "spool", "run", "log"):
            (self.folders.top / folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = self.folders.etc / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)  # Passwords are in some of them.
        self._lay_out_varlib()

    @abc.abstractmethod
    def _lay_out_varlib(self) -> None:
        """Sounds, music and whatever else it expects to find."""

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
            raise PbxFailed(f"{self.city.code}'s {self.kind} runs already (process {self.pid})")
        self._check_folder()
        self._check_ports()
        setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
        # Nothing may stay when we are killed: the kernel sends the signal for us (prctl(2), PR_SET_PDEATHSIG).
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        with (self.folders.log / "console").open("ab") as console:
            self._process = subprocess.Popen(
                [*tied, *self._command()],
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
                # Only polling can tell: a PBX announces that it is up to those who are already connected.
                while not await self._booted():  # noqa: ASYNC110
                    await asyncio.sleep(ASKED_EVERY_S)
        except TimeoutError:
            raise PbxFailed(self._story(f"did not boot within {within_s:g} s")) from None
        # A PBX boots happily without the ports it was told to open.
        closed = [str(port) for port in self._ports() if port.free()]
        if closed:
            raise PbxFailed(self._story(f"booted, but does not listen on {', '.join(closed)}"))
        await self._check_modules()

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
        """SIGSTOP: it keeps its ports and answers nothing, from now on: every thread of it has stopped."""
        self._signal(signal.SIGSTOP)
        for _ in range(_FROZEN_LOOKS):
            if self._process is None or not self.running or Mark.of(self._process.pid).frozen:
                return
            time.sleep(_FROZEN_LOOK_S)
        raise PbxFailed(f"{self.city.code}: its {self.kind} did not stop within {_FROZEN_LOOKS * _FROZEN_LOOK_S:g} s")

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            Mark.of(self._process.pid).send(number)

    # ------------------------------------------------------------------------------------- checks
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

    def _story(self, what: str) -> str:
        """One sentence, and the log's last words."""
        lines = self.complaints() or self._lines()
        told = "".join(f"\n  {line}" for line in lines[-_LOG_LINES_SHOWN:])
        return f"{self.city.code}'s {self.kind} {what}; its log is in {self.folders.log}{told}"
