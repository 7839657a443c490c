"""操作记录: what was done about the assistance of some cities, by their own people and by those who lend them seats."""

from collections.abc import Sequence
from dataclasses import replace

from callctl.said import confirmed_for
from callctl.store.port import AuditEntry, History

PRESSES = frozenset(
    (
        "event start",
        "event end",
        "switch on",
        "switch off",
        "quota",
        "threshold",
        "reserve",
        "confirm",
        "wave enter",
        "wave leave",
        "must read on",
        "must read off",
        "stop all",
        "resume",
        "withdrawn",
    )
)
STOPS = frozenset({"stop all", "resume"})
PROMISES = frozenset({"confirm", "withdrawn"})
PROMISES_READ = 500  # Newest confirmations of all cities that are looked through for those that help these.


async def presses(history: History, cities: frozenset[str] | None, last: int) -> Sequence[AuditEntry]:
    """The `last` newest presses about these cities, newest first; None is the province. Raises StoreLost.

    Of another city's confirmations only what it promised these cities is told, and not from where it was pressed.
    """
    found = list(await history.audited(last, cities, PRESSES))
    if cities is not None:
        found += await history.audited(last, None, STOPS)
        for entry in await history.audited(PROMISES_READ, None, PROMISES):
            if entry.city not in cities:
                found += [one for city in sorted(cities) if (one := _promised(entry, city))]
    return sorted(found, key=lambda entry: -entry.at)[:last]


def _promised(entry: AuditEntry, assisted: str) -> AuditEntry | None:
    """Another city's confirmation as the assisted one sees it; None where its promise to that one did not change."""
    before, after = confirmed_for(entry.before, assisted), confirmed_for(entry.after, assisted)
    return None if before == after else replace(entry, where="", before=before, after=after)
