"""On which line of a TOML file a key stands: Python's own TOML reader does not tell, and people need it.

It reads only files that Python's reader has accepted, so it may trust the grammar; where it gets lost all the same,
it answers with the lines it has found so far.
"""

import bisect
import re
import tomllib
from collections.abc import Mapping

from callctl.folders.mistake import Path

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_GAP = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(r""""{3}(?:\\.|[^\\])*?"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'""", re.DOTALL)
_BARE = re.compile(r"[^,\]}#\n]+")


class _Lost(Exception):
    """The text is not what the grammar promises."""


class _Reader:
    """One pass over one file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}  # How many [[tables]] of this name so far.
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    def file(self) -> None:
        """Every statement of the file."""
        table: Path = ()
        self._take(_GAP)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._take(_GAP)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _Lost
        self.at = match.end()
        return match[0]

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise _Lost
        self.at += len(mark)

    def _note(self, path: Path, at: int) -> None:
        self.found.setdefault(path, bisect.bisect_left(self._line_ends, at) + 1)

    def _parts(self) -> list[str]:
        parts = []
        while True:
            self._take(_KEY_GAP)
            word = self._take(_KEY)
            parts.append(tomllib.loads(f"key = {word}")["key"] if word[0] in "\"'" else word)
            self._take(_KEY_GAP)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _header(self) -> Path:
        start = self.at
        repeated = self.text.startswith("[[", start)
        self.at += 2 if repeated else 1
        parts = self._parts()
        path: Path = ()
        for part in parts[:-1]:
            path = (*path, part)
            self._note(path, start)
            if path in self._tables:  # [trunk.x] after [[trunk]] belongs to the last trunk.
                path = (*path, self._tables[path] - 1)
        path = (*path, parts[-1])
        self._note(path, start)
        if repeated:
            number = self._tables.get(path, 0)
            self._tables[path] = number + 1
            path = (*path, number)
            self._note(path, start)
        self._expect("]]" if repeated else "]")
        return path

    def _pair(self, table: Path) -> None:
        start = self.at
        path = table
        for part in self._parts():
            path = (*path, part)
            self._note(path, start)
        self._expect("=")
        self._take(_KEY_GAP)
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self.at += 1
            while not self._closed("}"):
                self._pair(path)
        else:
            self._take(_TEXT if opening in ('"', "'") else _BARE)

    def _list(self, path: Path) -> None:
        self.at += 1
        number = 0
        while not self._closed("]"):
            self._note((*path, number), self.at)
            self._value((*path, number))
            number += 1

    def _closed(self, mark: str) -> bool:
        """Step over the comma, if any, and over the closing mark, if it comes."""
        self._take(_GAP)
        if self.text.startswith(",", self.at):
            self.at += 1
            self._take(_GAP)
        if self.text.startswith(mark, self.at):
            self.at += 1
            return True
        return False


def key_lines(text: str) -> Mapping[Path, int]:
    """The line (from 1) of every key, table and list entry of a valid TOML text."""
    reader = _Reader(text)
    try:
        reader.file()
    except (_Lost, tomllib.TOMLDecodeError, RecursionError):
        return reader.found
    return reader.found


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of the key, else of the nearest table around it that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
