"""Mending the records: what events missed is taken from the PBX's own log and recordings, and written like any fact."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from callctl.core.days import Span
from callctl.core.model import Province
from callctl.core.story import CallFact
from callctl.pbx.asterisk_queue_log import Rederived, missing_facts
from callctl.store.cdr import stories
from callctl.store.connect import Books
from callctl.store.counters import recount
from callctl.store.history import SqlHistory
from callctl.store.port import StoreLost
from callctl.store.schema import open_engine
from callctl.store.spool import Spool
from callctl.store.taped import find, missing_ends, remember

# A running controller remembers calls so long; what it is still told of them must not be told twice.
QUIET_S = 900.0
LATE_S = 86_400.0  # A call that entered a day before the log's end may still be in it.


@dataclass(frozen=True, slots=True)
class Mended:
    """What came of it."""

    log: Rederived
    recordings: int
    facts: int


async def rederive(
    books: Books, province: Province, city: str, log: Iterable[str], taped: Path | None, span: Span, dry_run: bool
) -> Mended:
    """Take from the log, and from recordings, what the stories of the span lack. Raises StoreLost, OSError."""
    known = await stories(books.engine, Span(span.since - LATE_S, span.until))
    inside = [line for line in log if _epoch(line) in span]
    derived = missing_facts(inside, province.cities[city], list(province.cities), known, books.seal.caller)
    facts: list[CallFact] = list(derived.facts)
    found = list(find(taped)) if taped else []
    if not dry_run:
        await _write(books, facts)
        await remember(books.engine, found)
        known = await stories(books.engine, Span(span.since - LATE_S, span.until))
    ends = missing_ends([one for one in found if one.city == city and one.ended_at in span], known)
    if not dry_run:
        await _write(books, ends)
        await recount(books.engine)
    return Mended(derived, len(found), len(facts) + len(ends))


async def _write(books: Books, facts: list[CallFact]) -> None:
    """As the controller would: through the history, so that numbers are sealed and rows told anew."""
    if not facts:
        return
    history = SqlHistory(open_engine(books.settings.sql_url), Spool(books.settings.state_dir / "spool"), seal=books.seal)
    try:
        for fact in facts:
            history.record(fact)
        await history.flush()
        lost = history.health().lost_because
    finally:
        await history.close()
    if lost:
        raise StoreLost(f"the history cannot be written now: {lost}; what was derived waits in the spool")


def _epoch(line: str) -> float:
    head = line.split("|", 1)[0]
    return float(head) if head.isdigit() else -1.0
