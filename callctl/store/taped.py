"""Recordings on a PBX: which call each belongs to, when it began, how long it is. The files stay where they are.

The dialplan names them `<day>/<call>[-<n>].wav` (dialplan/cc-hotline.conf.j2); n counts conversations after a lost leg.
"""

import re
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.events import CallEnded, LentSeat
from callctl.core.sightings import LogRead
from callctl.core.story import CallFact, Story
from callctl.store.ledger import upsert
from callctl.store.record_tables import recordings

_NAME = re.compile(r"(?P<city>[a-z]+)-(?P<unique>\d{1,12}\.\d{1,12})(?:-(?P<n>\d{1,3}))?\.wav")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file. `seconds` None: it cannot be read (still being written, or cut off)."""

    call: str
    n: int
    city: str
    file: str  # Below the folder that was looked into.
    ended_at: float  # When it was last written, by the PBX's clock.
    seconds: float | None


def find(folder: Path) -> Iterator[Recording]:
    """Every recording of ours below the folder. Raises OSError."""
    for path in sorted(folder.rglob("*.wav")):
        match = _NAME.fullmatch(path.name)
        if match:
            call = f"{match['city']}-{match['unique']}"
            ended_at = path.stat().st_mtime
            file = path.relative_to(folder).as_posix()
            yield Recording(call, int(match["n"] or 0), match["city"], file, ended_at, _seconds(path))


def _seconds(path: Path) -> float | None:
    try:
        with wave.open(str(path), "rb") as sound:
            rate = sound.getframerate() * sound.getnchannels() * sound.getsampwidth()
            # A recording that was cut off says 0 frames in its head; the file's size knows better.
            return round(max(0, path.stat().st_size - 44) / rate, 2) if rate else None
    except (wave.Error, EOFError, OSError):
        return None


async def remember(engine: AsyncEngine, found: Sequence[Recording]) -> None:
    """Write down which recordings there are; the same again changes nothing."""
    rows = [
        {
            "call": one.call,
            "n": one.n,
            "city": one.city,
            "file": one.file,
            "began_at": None if one.seconds is None else one.ended_at - one.seconds,
            "seconds": one.seconds,
        }
        for one in found
    ]
    async with engine.begin() as connection:
        await upsert(connection, recordings, rows)


def missing_ends(found: Sequence[Recording], stories: Mapping[str, Story]) -> list[CallFact]:
    """The end of conversations that nobody saw end, as their recording tells it."""
    facts: list[CallFact] = []
    for one in found:
        story = stories.get(one.call)
        if story is None or one.seconds is None:
            continue
        talks = [leg for leg in story.legs if leg.answered_at is not None and not isinstance(leg.by, LentSeat)]
        if one.n != len(talks) - 1 or talks[one.n].ended_at is not None:
            continue
        leg = talks[one.n]
        assert leg.answered_at is not None, "chosen above"
        ended_at = leg.answered_at + one.seconds
        facts.append(CallEnded(story.city, ended_at, story.call, leg.by, one.seconds))
        facts.append(LogRead(story.city, ended_at, story.call))
    return facts
