"""Facts that wait on disk while the history database is lost: files of lines, oldest first, each batch safely on disk.

A file is deleted only after all its facts are in the database, so a crash in between repeats facts but loses none.
"""

import fcntl
import os
import re
import threading
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

SEGMENT_BYTES = 8 * 2**20  # One file; replayed and deleted as a whole.
SPOOL_BYTES = 512 * 2**20  # All files; about two million facts, a day of a province.
NEARLY_FULL = 0.8  # From here on it is an alarm.

_NAME = re.compile(r"facts-(\d{8})-[0-9a-f]{8}\.jsonl")


class SpoolFull(Exception):
    """The disk or the bound is reached; str() says which."""


class Spool:
    """The spool in `folder`. One process writes and replays its own files, and those that dead processes left."""

    def __init__(self, folder: Path, most_bytes: int = SPOOL_BYTES) -> None:
        self._folder = folder
        self.most_bytes = most_bytes
        self._mine = uuid.uuid4().hex[:8]
        self._turn = threading.Lock()  # It is used from threads, one call at a time.
        self._writing: IO[bytes] | None = None
        self._reading: IO[bytes] | None = None
        self._read_to = self._peeked_to = 0

    def append(self, lines: Iterable[str]) -> None:
        """Write lines and see them safely on disk. Raises SpoolFull, and then none of them is in the spool."""
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        with self._turn:
            self._append(text)

    def _append(self, text: bytes) -> None:
        if self.size_bytes() + len(text) > self.most_bytes:
            raise SpoolFull(f"the spool {self._folder} holds its most, {self.most_bytes // 2**20} MB")
        try:
            file = self._open_to_write()
            before = file.seek(0, os.SEEK_END)
            try:
                rest = memoryview(text)
                while rest:  # A nearly full disk takes a part first and refuses the rest.
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)  # Half a batch must not stay; truncating needs no room.
                raise
        except OSError as error:
            raise SpoolFull(f"the spool {self._folder} cannot be written: {error.strerror or error}") from None

    def peek(self, most: int) -> Sequence[str]:
        """The oldest lines, at most so many; they stay until `done`. Empty: nothing is left."""
        with self._turn:
            return self._peek(most)

    def _peek(self, most: int) -> Sequence[str]:
        while True:
            if self._reading is None and not self._open_to_read():
                return ()
            assert self._reading is not None, "opened above"
            self._reading.seek(self._read_to)
            lines = [line for _, line in zip(range(most), self._reading, strict=False)]
            if lines:
                self._peeked_to = self._read_to + sum(map(len, lines))
                # A line without its end was being written when the machine died; it was never promised to anybody.
                whole = [line.decode("utf-8", "replace").rstrip("\n") for line in lines if line.endswith(b"\n")]
                if whole:
                    return whole
            self._drop_segment()

    def done(self) -> None:
        """The lines of the last `peek` are in the database."""
        self._read_to = self._peeked_to

    def put_aside(self, line: str, why: str) -> None:
        """Keep a line that no database will ever take where a person can look at it."""
        with open(self._folder_made() / "damaged.txt", "a", encoding="utf-8", opener=_private) as file:
            file.write(f"{why}\t{line}\n")

    def size_bytes(self) -> int:
        """What all segments take on disk."""
        return sum(map(_size, self._segments()))

    def waiting(self) -> bool:
        """Whether there is anything to replay."""
        return any(map(_size, self._segments()))

    def close(self) -> None:
        """Let the files go; what is in them stays for the next process."""
        with self._turn:
            for file in (self._writing, self._reading):
                if file:
                    file.close()
            self._writing = self._reading = None

    def _folder_made(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._folder

    def _segments(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("facts-*.jsonl") if _NAME.fullmatch(path.name))

    def _open_to_write(self) -> IO[bytes]:
        if self._writing and self._writing.tell() > SEGMENT_BYTES:
            self._writing.close()
            self._writing = None
        if self._writing is None:
            last = [int(match[1]) for path in self._segments() if (match := _NAME.fullmatch(path.name))]
            path = self._folder_made() / f"facts-{max(last, default=0) + 1:08d}-{self._mine}.jsonl"
            self._writing = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115
            fcntl.flock(self._writing, fcntl.LOCK_EX)  # Other processes leave it alone as long as we live.
            sync(self._folder)
        return self._writing

    def _open_to_read(self) -> bool:
        """Take the oldest segment that is ours or nobody's; the one we write is closed first."""
        for path in self._segments():
            if self._writing and os.path.samefile(path, self._writing.name):
                self._writing.close()
                self._writing = None
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            if path.exists():  # Else another process replayed it between our look and our lock.
                self._reading, self._read_to, self._peeked_to = file, 0, 0
                return True
            file.close()
        return False

    def _drop_segment(self) -> None:
        assert self._reading is not None, "only a segment that was read is dropped"
        Path(self._reading.name).unlink(missing_ok=True)
        sync(self._folder)
        self._reading.close()
        self._reading = None


def _private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read: citizens' numbers are in it."""
    return os.open(path, flags, 0o600)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # Another process has just replayed and deleted it.
        return 0


def sync(path: Path) -> None:
    """What was written into this file or folder is on the disk when it returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
