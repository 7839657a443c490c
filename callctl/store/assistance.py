"""The assistance events of the past, read from the audit: when each began and ended, and which seats were planned when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.days import Span
from callctl.store.tables import audit


@dataclass(frozen=True, slots=True)
class Planned:
    """Seats of each supporting city from a moment on."""

    at: float
    seats: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One assistance event."""

    id: str
    assisted: str
    title: str
    started_at: float
    ended_at: float | None  # None: it runs.
    plans: tuple[Planned, ...]

    def seats_at(self, at: float) -> Mapping[str, int]:
        """The plan that held then."""
        held = [plan.seats for plan in self.plans if plan.at <= at]
        return held[-1] if held else MappingProxyType({})

    def overlaps(self, span: Span) -> bool:
        """Whether it ran at any time of the span."""
        return self.started_at < span.until and (self.ended_at is None or self.ended_at > span.since)

    def wave_of(self, city: str) -> int | None:
        """In which wave a city came in: every plan that adds cities is a wave."""
        known: set[str] = set()
        wave = 0
        for plan in self.plans:
            added = {one for one, seats in plan.seats.items() if seats} - known
            wave += bool(added)
            if city in added:
                return wave
            known |= added
        return None


async def past_events(engine: AsyncEngine, city: str = "") -> list[PastEvent]:
    """Every event, oldest first; of one assisted city, if named."""
    asked = select(audit).where(audit.c.what.in_(("event start", "event end", "withdrawn"))).order_by(audit.c.id)
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).mappings().all()
    # The desk withdraws under the act's own request with the word behind it (desk.py).
    withdrawn = {(row["request"] or "").removesuffix(" withdrawn") for row in rows if row["what"] == "withdrawn"} - {""}
    found: dict[str, PastEvent] = {}
    for row in rows:
        if row["what"] == "withdrawn" or (row["request"] or "") in withdrawn or (city and row["city"] != city):
            continue
        told = _event(row["after"] or row["before"])
        if told is None:
            continue
        name = str(told["id"])
        known = found.get(name)
        if row["what"] == "event end":
            if known:
                found[name] = PastEvent(name, row["city"], known.title, known.started_at, row["at"], known.plans)
            continue
        plan = Planned(row["at"], MappingProxyType(_seats(told)))
        plans = (*known.plans, plan) if known else (plan,)
        found[name] = PastEvent(name, row["city"], str(told["title"]), float(str(told["started_at"])), None, plans)
    return sorted(found.values(), key=lambda event: event.started_at)


def _event(text: str) -> dict[str, object] | None:
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) and {"id", "title", "started_at"} <= told.keys() else None


def _seats(told: dict[str, object]) -> dict[str, int]:
    seats = told.get("seats")
    return {str(city): int(count) for city, count in seats.items()} if isinstance(seats, dict) else {}
