"""The tree of what citizens ask for: codes with validity, checked as a whole before one is used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

CODE_DIGITS = (4, 6, 8)  # 2+2, 2+2+2, 2+2+2+2: two digits a step, as the standards of the provinces have it.


@dataclass(frozen=True, slots=True)
class Category:
    """One code and what it means, for a time."""

    code: str
    parent: str  # "" at the top.
    depth: int  # 1 at the top.
    name_zh: str
    name_en: str = ""
    valid_from: date | None = None
    valid_to: date | None = None  # The last day.
    synonyms: tuple[str, ...] = ()
    unit: str = ""  # Who usually handles it.
    profile: str = ""  # Deadline profile.
    status: str = ""

    def valid(self, day: date) -> bool:
        """Whether it may be used on that day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


def mistakes(tree: Sequence[Category]) -> Iterator[tuple[int, str]]:
    """What is wrong with a tree: the place in the sequence, and what."""
    by_code: dict[str, list[tuple[int, Category]]] = {}
    for place, one in enumerate(tree):
        by_code.setdefault(one.code, []).append((place, one))
    for place, one in enumerate(tree):
        if not one.code.isdigit() or len(one.code) not in CODE_DIGITS:
            yield place, f"code {one.code!r}: write {' or '.join(map(str, CODE_DIGITS))} digits, two a level"
        if not one.name_zh:
            yield place, f"{one.code}: no name_zh"
        if one.valid_from and one.valid_to and one.valid_to < one.valid_from:
            yield place, f"{one.code}: valid_to {one.valid_to} is before valid_from {one.valid_from}"
        if (one.depth == 1) != (one.parent == ""):
            yield place, f"{one.code}: level {one.depth} and parent {one.parent!r} do not fit: only level 1 has no parent"
        if one.parent and one.parent not in by_code:
            yield place, f"{one.code}: its parent {one.parent} is not in the file"
        elif one.parent and all(above.depth != one.depth - 1 for _, above in by_code[one.parent]):
            yield place, f"{one.code}: level {one.depth} under {one.parent}, which is not of level {one.depth - 1}"
    yield from _overlaps(by_code)


def _overlaps(by_code: Mapping[str, Sequence[tuple[int, Category]]]) -> Iterator[tuple[int, str]]:
    for code, found in by_code.items():
        ordered = sorted(found, key=lambda pair: pair[1].valid_from or date.min)
        for (_, before), (place, after) in pairwise(ordered):
            if before.valid_to is None or (after.valid_from or date.min) <= before.valid_to:
                yield place, f"{code} stands there twice for the same days: give the older one a valid_to"


def search(tree: Iterable[Category], text: str, day: date) -> list[Category]:
    """What an agent may mean: code, name or synonym; the deepest and best fitting first."""
    asked = text.strip().lower()
    found = []
    for one in tree:
        if not asked or not one.valid(day):
            continue
        words = (one.name_zh, one.name_en.lower(), *one.synonyms)
        if one.code.startswith(asked) or asked in words:
            found.append((0, one))
        elif any(asked in word.lower() or (len(word) > 1 and word.lower() in asked) for word in words if word):
            found.append((1, one))
    return [one for _, one in sorted(found, key=lambda pair: (pair[0], -pair[1].depth, pair[1].code))]
