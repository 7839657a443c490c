"""The published scripts in memory, to be searched while somebody types.

Not the database's full-text search: SQLite's trigrams do not find words of two characters (疫苗), PostgreSQL's default
parser does not cut Chinese at all, and ten thousand scripts are a few megabytes. Ours is the same on both (decision 0011).
"""

import heapq
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callctl.store.scripts import Script, replaced_at

WORDS_MOST = 8  # Of a query; what is typed beyond is not looked at.
FOUND_MOST = 50


@dataclass(frozen=True, slots=True)
class _Book:
    script: Script
    question: str  # Folded.
    similar: str
    text: str  # Everything, folded.
    published_at: float
    replaced_at: float  # When a later version begins.

    def in_force(self, now: float) -> bool:
        return now < self.replaced_at and self.script.in_force(now)


def folded(text: str) -> str:
    """As it is compared: full-width letters narrow, capitals small."""
    return unicodedata.normalize("NFKC", text).casefold()


class Shelf:
    """Scripts as of the last `fill`."""

    def __init__(self) -> None:
        self._books: list[_Book] = []

    def fill(self, scripts: Iterable[Script]) -> None:
        """Put these there instead of what was there."""
        versions: dict[int, list[Script]] = {}
        for script in scripts:
            versions.setdefault(script.id, []).append(script)
        self._books = [_book(script, replaced_at(script, some)) for some in versions.values() for script in some]

    def all(self, now: float) -> list[Script]:
        """Those in force."""
        return [book.script for book in self._books if book.in_force(now)]

    def find(self, script: int, now: float) -> Script | None:
        """The version of a script that is in force."""
        return next((book.script for book in self._books if book.script.id == script and book.in_force(now)), None)

    def search(
        self, asked: str, now: float, city: str = "", category: str = "", most: int = FOUND_MOST
    ) -> Sequence[Script]:
        """Scripts with every word of `asked`, those first where the question itself has them.

        Of a city and category, if named. A category is a code: 0101 also finds 010102.
        """
        words = folded(asked).split()[:WORDS_MOST]
        books = self._books
        for word in sorted(words, key=len, reverse=True):  # The longest first: it leaves the fewest.
            books = [book for book in books if word in book.text]
        fit = (
            book
            for book in books
            if (not city or book.script.city == city)
            and (not category or book.script.wording.category.startswith(category))
            and book.in_force(now)
        )
        best = heapq.nsmallest(most, fit, key=lambda book: (-_weight(book, words), -book.published_at, book.script.id))
        return [book.script for book in best]


def _weight(book: _Book, words: Sequence[str]) -> int:
    """How well it fits: a word in the question counts most, must-read ones a little more than others."""
    weight = 1 if book.script.wording.must_read else 0
    for word in words:
        weight += 8 if word in book.question else 4 if word in book.similar else 1
    return weight


def _book(script: Script, replaced: float) -> _Book:
    said = script.wording
    parts = (said.question, said.similar, said.answer, said.scope, said.source, said.category)
    text, published_at = folded("\n".join(parts)), script.decided_at or 0.0
    return _Book(script, folded(said.question), folded(said.similar), text, published_at, replaced)
