"""The reports that were made: draft, notes, approval, sending. A day is reported once; an approved report never changes.

The row (kind, city, day) is made by whoever comes first; everybody else finds it. Figures of a draft are gathered anew
until it is approved; then they are frozen, as they were printed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.daily import Daily
from callctl.core.days import DAY_S, Span, day_of, day_span
from callctl.rules import ReportRules
from callctl.store.assistance import past_events
from callctl.store.chain import exclusive
from callctl.store.ledger import clean, insert_act, insert_new
from callctl.store.port import AuditEntry, Refusal
from callctl.store.record_tables import reports
from callctl.store.schema import IMMEDIATE
from callctl.store.tables import audit

DAILY = "daily"
NOTED, APPROVED, SENT = "report note", "report approve", "report sent"  # Audit words of the steps.
GRACE_S = 3600.0  # A report made this long after its time is not called late.
CATCH_UP_DAYS = 62  # Further back nobody waits for a daily report; the summary has the figures.


class ReportRefused(Refusal):
    """The step cannot be done; str() says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it stands."""

    kind: str
    city: str
    day: str
    state: str
    made_at: float
    late: bool
    figures: dict[str, Any]
    notes: str
    approved_by: str
    approved_at: float | None
    sent_at: float | None
    sent_to: str


@dataclass(frozen=True, slots=True)
class Due:
    """A report that should be there and is not."""

    city: str
    day: date
    late: bool


def plain(value: Daily) -> dict[str, Any]:
    """The figures as JSON has them."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(value), ensure_ascii=False, default=dict))
    return found


async def due(engine: AsyncEngine, rules: ReportRules, now: float, since: float = 0.0) -> list[Due]:
    """Every day of every event that is over and has no report, oldest first: nothing is missed while we were down."""
    found = []
    for event in await past_events(engine):
        first = day_of(event.started_at, rules.day_starts_h)
        last = day_of(min(now, (event.ended_at or now)) - 1, rules.day_starts_h)
        known = await days_reported(engine, event.assisted)
        day = max(first, day_of(max(since, now - CATCH_UP_DAYS * DAY_S), rules.day_starts_h))
        while day <= last:
            made_from = report_time(day, rules)
            if made_from <= now and day.isoformat() not in known:
                found.append(Due(event.assisted, day, now > made_from + GRACE_S))
            day += timedelta(days=1)
    return sorted(found, key=lambda one: (one.day, one.city))


def report_time(day: date, rules: ReportRules) -> float:
    """When the report of a day is made: at the hour the rules name, after the day is over."""
    over = day_span(day, rules.day_starts_h).until
    at = day_span(day_of(over)).since + rules.at_h * 3600.0
    return at if at >= over else at + DAY_S


async def days_reported(engine: AsyncEngine, city: str) -> set[str]:
    """The days that have a daily report."""
    mine = and_(reports.c.kind == DAILY, reports.c.city == city)
    async with engine.connect() as connection:
        return set((await connection.execute(select(reports.c.of_day).where(mine))).scalars())


async def keep_draft(engine: AsyncEngine, made: Daily, now: float) -> None:
    """Write a draft, or its new figures; an approved report stays as it is."""
    row = {
        "kind": DAILY,
        "city": made.heading.city,
        "of_day": made.heading.day,
        "state": "draft",
        "made_at": now,
        "late": made.heading.late,
        "figures": json.dumps(plain(made), ensure_ascii=False),
        "notes": "",
        "approved_by": "",
        "sent_to": "",
    }
    async with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
        await insert_new(connection, reports, [row])
        draft = and_(_mine(made.heading.city, made.heading.day), reports.c.state == "draft")
        await connection.execute(update(reports).where(draft).values(figures=row["figures"]))


async def read_report(engine: AsyncEngine, city: str, day: str) -> Report | None:
    """The daily report of a day, or None."""
    async with engine.connect() as connection:
        row = (await connection.execute(select(reports).where(_mine(city, day)))).mappings().one_or_none()
    return _report(row) if row else None


async def list_reports(engine: AsyncEngine, city: str = "") -> Sequence[Report]:
    """All daily reports, by day."""
    asked = select(reports).where(reports.c.kind == DAILY).order_by(reports.c.of_day, reports.c.city)
    if city:
        asked = asked.where(reports.c.city == city)
    async with engine.connect() as connection:
        return [_report(row) for row in (await connection.execute(asked)).mappings()]


def _report(row: Any) -> Report:
    return Report(
        row["kind"],
        row["city"],
        row["of_day"],
        row["state"],
        row["made_at"],
        row["late"],
        json.loads(row["figures"]),
        row["notes"],
        row["approved_by"],
        row["approved_at"],
        row["sent_at"],
        row["sent_to"],
    )


def _mine(city: str, day: str) -> Any:
    return and_(reports.c.kind == DAILY, reports.c.city == city, reports.c.of_day == day)


async def annotate(engine: AsyncEngine, city: str, day: str, notes: str, entry: AuditEntry) -> None:
    """Put the notes of a draft in place of the old ones. Raises ReportRefused, and AlreadyDone, as every step.

    The audit's entry and the step are one transaction: there is no step without its line, and no line without its step.
    """
    await _step(engine, city, day, "draft", {"notes": clean(notes)}, entry)


async def approve(engine: AsyncEngine, city: str, day: str, entry: AuditEntry) -> None:
    """Freeze a draft; never by who wrote its notes, as the audit knows. Raises ReportRefused, AlreadyDone."""
    values = {"state": "approved", "approved_by": clean(entry.who), "approved_at": entry.at}
    await _step(engine, city, day, "draft", values, entry, signer=entry.who)


async def mark_sent(engine: AsyncEngine, city: str, day: str, to: str, entry: AuditEntry) -> None:
    """Write down that an approved report went out. Raises ReportRefused, AlreadyDone."""
    await _step(engine, city, day, "approved", {"state": "sent", "sent_to": clean(to), "sent_at": entry.at}, entry)


async def _step(
    engine: AsyncEngine,
    city: str,
    day: str,
    needed: str,
    values: dict[str, Any],
    entry: AuditEntry,
    signer: str = "",
) -> None:
    async with exclusive(engine) as connection:
        await insert_act(connection, entry)
        if signer and await _wrote_notes(connection, city, day, signer):
            raise ReportRefused(f"{signer} 写过 {city} {day} 日报的编报说明，请由另一人审批")
        mine = and_(_mine(city, day), reports.c.state == needed)
        if (await connection.execute(update(reports).where(mine).values(values))).rowcount:
            return
        state = (await connection.execute(select(reports.c.state).where(_mine(city, day)))).scalar_one_or_none()
        known = {"draft": "草稿", "approved": "已审批", "sent": "已报出"}
        if state is None:
            raise ReportRefused(f"{city} {day} 还没有日报：先用 callctl report daily 生成")
        raise ReportRefused(f"{city} {day} 的日报是“{known.get(state, state)}”，此步须在“{known[needed]}”时做")


async def _wrote_notes(connection: AsyncConnection, city: str, day: str, who: str) -> bool:
    theirs = and_(audit.c.what == NOTED, audit.c.city == city, audit.c.after == day, audit.c.who == clean(who))
    return (await connection.execute(select(audit.c.id).where(theirs).limit(1))).first() is not None


def span_of(first: date, last: date, starts_h: int) -> Span:
    """From the begin of one business day to the end of another."""
    return Span(day_span(first, starts_h).since, day_span(last, starts_h).until)
