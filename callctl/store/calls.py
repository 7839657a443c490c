"""Single calls for the desk, the exports and who may see a number: read from the history's tables."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, or_, select

from callctl.store.cabinet import Cabinet
from callctl.store.port import AuditEntry
from callctl.store.seal import Clear, Seal, Unsealable, normal
from callctl.store.tables import NUMBERED, calls, legs

DAY_S = 86_400.0
ENDS_MOST = 50  # Calls with a number at either end that tell whether a key came, went or was changed.


class Fate(enum.Enum):
    """What became of a call, in one word: where it is while it goes on, then how it ended."""

    WAITING = "waiting"
    TALKING = "talking"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    CALL_BACK = "call_back"
    NOT_REACHED = "not_reached"
    MOVED = "moved"
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    LEFT = "left"
    UNKNOWN = "unknown"


_GOING_ON = (Fate.WAITING.value, Fate.TALKING.value)
_NEWEST_FIRST = calls.c.asked_at.desc(), calls.c.call.desc()


def _earlier(until: float, before: str) -> ColumnElement[bool]:
    """Behind the call `before` of that moment in the order, or before that moment."""
    same = and_(calls.c.asked_at == until, calls.c.call < before)
    return or_(calls.c.asked_at < until, same) if before else calls.c.asked_at < until


def _of_fate(fate: Fate | None) -> list[ColumnElement[bool]]:
    """What holds for calls of this fate; nothing for None. Says the same as Call.fate."""
    if fate is None:
        return []
    if fate.value in _GOING_ON:
        return [calls.c.state == fate.value]
    known = calls.c.outcome.is_(None) if fate is Fate.UNKNOWN else calls.c.outcome == fate.value
    return [calls.c.state.not_in(_GOING_ON), known]


@dataclass(frozen=True, slots=True)
class Call:
    """One citizen's call. `number` is in clear: mask it before it is shown. None: sealed with a key that is not here."""

    call: str
    city: str
    number: str | None
    asked_at: float
    state: str
    outcome: str | None
    waited_s: float | None
    answered_at: float | None
    by_city: str | None
    by_seat: str | None
    ended_at: float | None
    talked_s: float | None
    score: int | None

    @property
    def fate(self) -> Fate:
        """What became of it."""
        return Fate(self.state if self.state in _GOING_ON else self.outcome or Fate.UNKNOWN.value)


class CallBook:
    """Every call may raise StoreLost."""

    def __init__(self, cabinet: Cabinet, seal: Seal | None = None) -> None:
        self._cabinet = cabinet
        self._seal = seal or Clear()

    async def find(self, call: str) -> Call | None:
        """The call with this province-wide id."""
        async with self._cabinet.reading() as connection:
            row = (await connection.execute(select(calls).where(calls.c.call == call))).mappings().one_or_none()
        return self._call(row) if row else None

    async def times_called(self, city: str, number: str, since: float, until: float | None = None) -> int:
        """How often this number asked this city since then (up to `until`, or to now); 0 for a withheld number."""
        if not number.removeprefix("+").isdigit():
            return 0
        same = [calls.c.city == city, calls.c.asked_at >= since, calls.c.caller == self._seal.caller(number)]
        if until is not None:
            same.append(calls.c.asked_at <= until)
        async with self._cabinet.reading() as connection:
            count: int = (await connection.execute(select(func.count()).select_from(calls).where(*same))).scalar_one()
        return count

    def whose(self, number: str) -> str:
        """What stands for the number where it may not be written: with a field key its keyed digest (store/seal.py)."""
        return self._seal.caller(number)

    async def of_number(self, city: str, number: str, most: int) -> Sequence[Call]:
        """The calls of this number to the city that are kept, the newest first: sealed ones by their digest, those from
        before there was a field key by the number itself.
        """
        same = calls.c.caller.in_({self.whose(number), normal(number)}), calls.c.city == city
        return await self._found(select(calls).where(*same).order_by(*_NEWEST_FIRST).limit(most))

    async def has_sealed(self, city: str) -> bool:
        """Whether numbers of the city's calls are sealed with a key that is not here, by its newest and its oldest
        that have a number: it was not withheld, and retention has not blanked it yet.
        """
        mine = select(calls).where(calls.c.city == city, NUMBERED).limit(ENDS_MOST)
        ends = *await self._found(mine.order_by(*_NEWEST_FIRST)), *await self._found(mine.order_by(calls.c.asked_at))
        return any(one.number is None for one in ends)

    async def between(
        self, city: str, since: float, until: float, most: int, before: str = "", fate: Fate | None = None
    ) -> Sequence[Call]:
        """The city's calls that first arrived in the span, the newest first, those of one moment by their ids.

        `before`: the id of a call that arrived at `until`; those of that moment behind it in this order come, too.
        """
        span = calls.c.city == city, calls.c.asked_at >= since, _earlier(until, before), *_of_fate(fate)
        return await self._found(select(calls).where(*span).order_by(*_NEWEST_FIRST).limit(most))

    async def answered_for_others(
        self, city: str, since: float, until: float, most: int, before: str = "", fate: Fate | None = None
    ) -> Sequence[Call]:
        """Calls of other cities that this one's agents answered and that first arrived in the span; as `between`."""
        lent = legs.c.city == city, legs.c.side == "lent", legs.c.answered_at.is_not(None)
        # By when it rang here, which has an index; nobody waits in a queue for a day.
        rung = legs.c.rung_at >= since, legs.c.rung_at < until + DAY_S
        span = calls.c.by_city == city, calls.c.city != city, calls.c.asked_at >= since, _earlier(until, before)
        mine = calls.c.call.in_(select(legs.c.call).where(*lent, *rung))
        return await self._found(select(calls).where(*span, mine, *_of_fate(fate)).order_by(*_NEWEST_FIRST).limit(most))

    async def _found(self, wanted: Select[Any]) -> Sequence[Call]:
        async with self._cabinet.reading() as connection:
            return [self._call(row) for row in (await connection.execute(wanted)).mappings()]

    async def note(self, entry: AuditEntry) -> None:
        """Audit that something was looked at. It is shown only once this is written."""
        async with self._cabinet.writing(entry):
            pass

    def _call(self, row: RowMapping) -> Call:
        found = {name: row[name] for name in Call.__dataclass_fields__}
        try:
            found["number"] = self._seal.open(found["number"])
        except Unsealable:
            found["number"] = None
        return Call(**found)
