"""A mistake in agents/ or queues/, as one line for the person who has to mend it: where, what, how."""

from dataclasses import dataclass

Path = tuple[str | int, ...]  # Where a value stands in a TOML file: ("trunk", 2, "to"), counted from 0.
SHOWN_CHARACTERS = 60  # More of a wrong value than this helps nobody.


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong (or, as a warning, odd) in one file."""

    file: str  # Inside the province folder: "queues/yangzhou.toml".
    key: str  # "trunk[3].to", tables counted from 1; "" for the file as a whole.
    line: int | None  # Counted from 1; None where the mistake stands on no line (a missing file).
    what: str
    mend: str

    @property
    def where(self) -> str:
        """File, line and key, as an editor's "go to" takes them."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} {self.key}" if self.key else place

    def __str__(self) -> str:
        return _escaped(f"{self.where} – {self.what} – {self.mend}")


def shown(text: str) -> str:
    """The text on one line and cut short: no file may write control characters to the reader's terminal."""
    return _escaped(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")


def _escaped(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def quoted(value: object) -> str:
    """A value from a file, as it would be written there."""
    if isinstance(value, str):
        return f'"{shown(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    # Python refuses to print an integer of more than 4,300 digits, and TOML lets one be written in hexadecimal.
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large number"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else shown(str(value))


def key_path(path: Path) -> str:
    """A path as people write it: `trunk[3].to`."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{shown(part)}" if text else shown(part)
    return text
