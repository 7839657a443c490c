"""Processes and ports as Linux shows them: who is still ours, who sits on a port we need."""

import errno
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

_START_TIME_FIELD = 22  # proc(5), /proc/<pid>/stat, counted from 1.
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Mark:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int  # Clock ticks after boot.

    def write(self) -> str:
        """As a line for a file."""
        return f"{self.pid} {self.started}"

    @classmethod
    def read(cls, line: str) -> "Mark | None":
        """From such a line; None where it is none."""
        parts = line.split()
        return cls(int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdigit() for part in parts) else None

    @classmethod
    def of(cls, pid: int) -> "Mark":
        """The mark of a running process. Raises ProcessLookupError."""
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(pid)
        return cls(pid, started)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return _started(self.pid) == self.started

    @property
    def frozen(self) -> bool:
        """Whether it is stopped (SIGSTOP), every thread of it: where the machine is busy some work on for a while."""
        threads = [_stat(path) for path in Path(f"/proc/{self.pid}/task").glob("[0-9]*")]
        return self.alive and all(fields is None or fields[0] == "T" for fields in threads)

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its group; nothing happens where it is gone."""
        if not self.alive:
            return
        try:
            # It leads its own group; never signal a group that is not its own.
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def _started(pid: int) -> int | None:
    fields = _stat(Path(f"/proc/{pid}"))
    return None if fields is None or fields[0] in {"Z", "X"} else int(fields[_START_TIME_FIELD - 3])


def _stat(folder: Path) -> list[str] | None:
    """The fields from the third on, of a process or a thread."""
    try:
        # The name in brackets may hold spaces and brackets: count from the last one.
        return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Port:
    """A port somebody wants to listen on."""

    kind: str  # "udp" or "tcp".
    host: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.host}:{self.number}"

    def free(self) -> bool:
        """Whether it can be had now. Raises OSError where the host is no address of this machine."""
        stream = self.kind == "tcp"
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as probe:
            if stream:  # Connections of the past in TIME_WAIT are no obstacle.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.number))
                if stream:
                    probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return False
                raise
        return True

    def holder(self) -> str:
        """Who has it: "asterisk (process 4711)", or "" where that cannot be told."""
        inodes = self._inodes()
        for folder in Path("/proc").glob("[0-9]*/fd"):
            try:
                if any(os.readlink(entry) in inodes for entry in folder.iterdir()):
                    name = (folder.parent / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    return f"{name} (process {folder.parent.name})"
            except OSError:  # Gone, or another user's.
                continue
        return ""

    def _inodes(self) -> set[str]:
        hosts = {_hexadecimal(self.host), _hexadecimal("0.0.0.0")}
        found = set()
        for line in Path(f"/proc/net/{self.kind}").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            host, _, number = columns[1].partition(":")
            if host in hosts and int(number, 16) == self.number and (self.kind == "udp" or columns[3] == _LISTENING):
                found.add(f"socket:[{columns[9]}]")
        return found


def _hexadecimal(host: str) -> str:
    # In the machine's byte order (proc(5)); amd64 and arm64 are little-endian.
    return socket.inet_aton(host)[::-1].hex().upper()
