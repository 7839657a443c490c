"""One TOML file: read from disk, decoded, parsed; what goes wrong on the way becomes mistakes, never an exception."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from callctl.folders.lines import key_lines, line_of
from callctl.folders.mistake import Mistake, Path, key_path, shown

LARGEST_FILE = 8 * 1024 * 1024  # Ten thousand seats are 1.5 MB; more is not a city's file.
_AT_LINE = re.compile(r" ?\(at line (\d+), column (\d+)\)")
_FULL_WIDTH = "＝＂＇“”‘’，［］＃"  # What a Chinese input method types for = " ' , [ ] #.


@dataclass(frozen=True)
class Source:
    """What a file says. `doc` is None where the file could not be parsed."""

    file: str
    text: str = ""
    doc: dict[str, Any] | None = None
    mistakes: tuple[Mistake, ...] = field(default=())

    @cached_property
    def _lines(self) -> Mapping[Path, int]:
        return key_lines(self.text)

    def line(self, path: Path) -> int | None:
        """The line of a key, or of the nearest table around it."""
        return line_of(self._lines, path) if path else None

    def place(self, path: Path) -> str:
        """File and line, to point at from another mistake."""
        line = self.line(path)
        return self.file if line is None else f"{self.file}:{line}"

    def mistake(self, path: Path, what: str, mend: str) -> Mistake:
        """A mistake at this key."""
        return Mistake(self.file, key_path(path), self.line(path), what, mend)


def read_source(path: FilePath, name: str) -> Source:
    """Read one file; `name` is what messages call it. Never raises for what the file holds."""
    try:
        with path.open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        return _broken(name, None, what, "mend its owner or permissions (ls -l)")
    if len(raw) > LARGEST_FILE:
        return _broken(name, None, f"is over {LARGEST_FILE // 1024**2} MB", "this is not a city's file: replace it")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _broken(name, 1, "is UTF-16, not UTF-8", "save it as UTF-8 (in Windows Notepad: Save as, Encoding UTF-8)")
    text, coding = _decoded(raw, name)
    if text is None:
        return Source(name, mistakes=coding)
    source = _parse(name, text.replace("\r\n", "\n"))
    return Source(name, source.text, source.doc, (*coding, *source.mistakes))


def _decoded(raw: bytes, name: str) -> tuple[str | None, tuple[Mistake, ...]]:
    """The text, also of a file in the wrong coding where it can be guessed: its other mistakes shall be told as well."""
    mistakes: tuple[Mistake, ...] = ()
    if raw.startswith(b"\xef\xbb\xbf"):
        raw = raw[3:]
        mistakes = (Mistake(name, "", 1, "begins with a byte-order mark (BOM)", "save it as UTF-8 without BOM"),)
    try:
        return raw.decode("utf-8"), mistakes
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return None, (*mistakes, Mistake(name, "", line, "is not UTF-8 text", "save it as UTF-8"))
    mend = f"save it as UTF-8: iconv -f GB18030 -t UTF-8 {name}"
    return text, (*mistakes, Mistake(name, "", line, "is not UTF-8; it looks like GB18030 (GBK)", mend))


def _parse(name: str, text: str) -> Source:
    try:
        return Source(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        return _syntax(name, text, str(error))
    except RecursionError:
        return _broken(name, None, "is nested too deep", "write the tables as in the shipped files")
    except ValueError:  # Python's own limit: a decimal number of more than 4,300 digits.
        return _broken(name, None, "holds a number that is far too long", "shorten it")


def _syntax(name: str, text: str, message: str) -> Source:
    found = _AT_LINE.search(message)
    lines = text.split("\n")
    line = int(found[1]) if found else max(len(text.rstrip().split("\n")), 1)
    column = f", column {found[2]}" if found else ""
    problem = _AT_LINE.sub("", message).replace("(at end of document)", "at the end of the file").rstrip(".")
    signs = sorted({sign for sign in lines[line - 1] if sign in _FULL_WIDTH}) if line <= len(lines) else []
    mend = "mend the line; the shipped files show the form"
    if signs:
        mend = f'type {" ".join(signs)} as plain signs = " , [ ] # (switch the Chinese input method off)'
    return _broken(name, line, f"is not TOML: {shown(problem)}{column}", mend)


def _broken(name: str, line: int | None, what: str, mend: str) -> Source:
    return Source(name, mistakes=(Mistake(name, "", line, what, mend),))
