"""Loads the simulated month into a history database that holds nothing else: calls told by the same story as real ones.

Loading again writes the same rows over: killed in the middle, it is simply started once more.
"""

import json
import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.days import bucket_of, moment
from callctl.core.demand import Deadlines, Demand, due_at
from callctl.core.events import SurveyAnswered
from callctl.core.story import tell
from callctl.core.workdays import Calendar
from callctl.sim.month import ASSISTED, BEFORE_DAYS, FIRST, LAST, WAVES, SimulatedCall, calls_of, days, loans_of, planned
from callctl.store.ledger import call_row, insert_new, leg_rows, upsert, wait_rows, write_audit
from callctl.store.port import AuditEntry, Refusal
from callctl.store.record_tables import stale, stub_steps, stubs, wrapups
from callctl.store.seal import Seal
from callctl.store.tables import calls, legs, loans, surveys, waits

MARK = "simulated month"
ROWS_AT_ONCE = 2000
_TOPICS = (
    ("900100", 22), ("900200", 17), ("900300", 9), ("900400", 15), ("900500", 7), ("900600", 10), ("900700", 6),
    ("080100", 3), ("060300", 3), ("100100", 3), ("010200", 2), ("070200", 1), ("990300", 2),
)  # fmt: skip
_ORDINARY_TOPICS = (
    ("010200", 14),
    ("060300", 16),
    ("080100", 10),
    ("100100", 18),
    ("070200", 9),
    ("030300", 8),
    ("990300", 25),
)
_DEMANDS = (("enquiry", 60), ("help", 19), ("complaint", 8), ("report", 8), ("suggestion", 1), ("other", 4))
_DAYS_LATER = {"before": 4.3, "event": 3.3}  # Mean working days an order takes: 平均办理期限 is a day shorter in the event.


class NotEmpty(Refusal):
    """The database holds calls that are not of the simulated month."""


async def load_month(
    engine: AsyncEngine, seal: Seal, calendar: Calendar, limits: Deadlines, seed: int, tell_day: Callable[[date, int], None]
) -> int:
    """Load all days; how many calls. Raises NotEmpty, and whatever the database raises."""
    await _only_ours(engine)
    count = 0
    for day in days():
        some = list(calls_of(day, seed))
        await _load_day(engine, day, some, seal, calendar, limits, seed)
        count += len(some)
        tell_day(day, len(some))
    await _tell_event(engine)
    return count


async def _only_ours(engine: AsyncEngine) -> None:
    first, last = moment(FIRST - timedelta(days=BEFORE_DAYS)), moment(LAST, 24)
    foreign = (calls.c.asked_at < first) | (calls.c.asked_at >= last) | (calls.c.city != ASSISTED)
    async with engine.connect() as connection:
        other = (await connection.execute(select(func.count()).select_from(calls).where(foreign))).scalar_one()
    if other:
        raise NotEmpty(f"the database holds {other} other calls: name an empty one in CALLCTL_SQL_URL")


async def _load_day(
    engine: AsyncEngine,
    day: date,
    some: Sequence[SimulatedCall],
    seal: Seal,
    calendar: Calendar,
    limits: Deadlines,
    seed: int,
) -> None:
    chance = random.Random(f"notes {seed} {day.isoformat()}")
    stories = [tell(one.facts) for one in some]
    for story, one in zip(stories, some, strict=True):
        story.number = seal.close(one.number, one.call)
    notes = [_note(one, day, chance, seal) for one in some if one.by_city]
    orders = [_order(note, day, chance, calendar, limits) for note in notes if note["result"] == "forwarded"]
    scored = [
        {"call": one.call, "city": ASSISTED, "at": fact.at, "score": fact.score}
        for one in some
        for fact in one.facts
        if isinstance(fact, SurveyAnswered)
    ]
    async with engine.begin() as connection:
        for table, rows in (
            (calls, [call_row(story) for story in stories]),
            (waits, [row for story in stories for row in wait_rows(story)]),
            (legs, [row for story in stories for row in leg_rows(story)]),
            (surveys, scored),
            (wrapups, notes),
            (loans, [_loan(*one) for one in loans_of(day)]),
        ):
            for first in range(0, len(rows), ROWS_AT_ONCE):
                await upsert(connection, table, rows[first : first + ROWS_AT_ONCE])
        for first in range(0, len(orders), ROWS_AT_ONCE):
            await insert_new(connection, stubs, [stub for stub, _ in orders[first : first + ROWS_AT_ONCE]])
            steps = [step for _, told in orders[first : first + ROWS_AT_ONCE] for step in told]
            await insert_new(connection, stub_steps, steps)
        buckets = sorted({bucket_of(one.asked_at) for one in some})
        await connection.execute(insert(stale), [{"bucket": bucket} for bucket in buckets])


def _note(one: SimulatedCall, day: date, chance: random.Random, seal: Seal) -> dict[str, Any]:
    topics = _TOPICS if day >= FIRST else _ORDINARY_TOPICS
    code = chance.choices([code for code, _ in topics], [weight for _, weight in topics])[0]
    demand = chance.choices([kind for kind, _ in _DEMANDS], [weight for _, weight in _DEMANDS])[0]
    on_call = chance.random() < (0.93 if demand == "enquiry" else 0.62)
    at = (one.ended_at or one.asked_at) + one.wrapped_s
    shift = "A" if 8 <= (at - moment(day)) / 3600.0 < 20 else "B"  # Two agents a seat.
    personal = json.dumps({"content": "模拟诉求", "number": one.number}, ensure_ascii=False)
    return {
        "call": one.call,
        "city": ASSISTED,
        "answering": one.by_city,
        "seat": one.seat,
        "agent": f"{one.seat}{shift}",
        "at": at,
        "demand": demand,
        "code": code,
        "result": "on_call" if on_call else "forwarded",
        "urgent": False,
        "confidential": False,
        "nuisance": False,
        "script": "",
        "script_version": None,
        "wrapped_s": one.wrapped_s,
        "revision": 1,
        "personal": seal.close(personal, one.call),
    }


def _order(
    note: dict[str, Any], day: date, chance: random.Random, calendar: Calendar, limits: Deadlines
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    at, stub = note["at"], note["call"]
    accepted = at + chance.uniform(60, 3600)
    mean_d = _DAYS_LATER["event" if day >= FIRST else "before"] * (0.45 if note["demand"] == "enquiry" else 1.0)
    done = calendar.add(at, max(1, round(chance.gauss(mean_d, 0.7)))) - chance.uniform(0, 20_000)
    number = f"YZ{day:%Y%m%d}{stub.rsplit('.', 1)[1]:0>5}"
    row = {
        "stub": stub,
        "call": stub,
        "city": ASSISTED,
        "at": at,
        "demand": note["demand"],
        "state": "done",
        "order_no": number,
        "accepted_at": accepted,
        "due_at": due_at(Demand(note["demand"]), False, at, limits, calendar),
        "done_at": max(done, accepted + 60),
        "score": None,
    }
    told = (("accepted", accepted, number), ("done", row["done_at"], ""))
    steps = [
        {"mark": f"{what[:4]}{stub}"[:32], "stub": stub, "at": when, "what": what, "who": "", "note": text}
        for what, when, text in told
    ]
    return row, steps


def _loan(city: str, seat: str, token: int, since: float, until: float) -> dict[str, Any]:
    return {
        "city": city,
        "seat": seat,
        "token": token,
        "assisted": ASSISTED,
        "lent_at": since,
        "returned_at": until,
        "gone_at": None,
        "seen_from": "events",
    }


async def _tell_event(engine: AsyncEngine) -> None:
    """The event and its waves, as the desk's audit would have them."""
    seats: dict[str, int] = {}
    for number, (begins, _) in enumerate(WAVES, 1):
        before = dict(seats)
        seats = planned(begins)
        after = _event_text(seats)
        entry = _entry(moment(begins), "event start", _event_text(before) if before else "", after, f"第{number}批", number)
        await write_audit(engine, entry, None, "")
    await write_audit(engine, _entry(moment(LAST, 24), "event end", _event_text(seats), "", "", len(WAVES) + 1), None, "")


def _event_text(seats: dict[str, int]) -> str:
    title = "关于启动对扬州12345热线“多援一”远程协作的通知（模拟）"
    fields = {
        "id": "2021-1",
        "title": title,
        "started_at": moment(FIRST),
        "priority": 1.0,
        "switched_on": True,
        "seats": seats,
    }
    return json.dumps(fields, ensure_ascii=False)


def _entry(at: float, what: str, before: str, after: str, reason: str, number: int) -> AuditEntry:
    return AuditEntry(at, "省级调度员", MARK, what, ASSISTED, before, after, reason, f"{MARK} {number}")
