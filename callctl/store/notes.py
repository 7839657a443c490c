"""Wrap-up notes and order stubs in the database: one note a call, one stub a forwarded demand, both written at once.

A stub's name is its call's id, so a note that is sent twice makes one stub, one delivery, one order.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL as LABELLED
from sqlalchemy import RowMapping, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.categories import Category
from callctl.core.days import Span, bucket_of
from callctl.core.demand import PERSONAL, Demand, Result, StubState, WrapUp, further, wrong_with
from callctl.store.chain import exclusive
from callctl.store.ledger import clean, insert_audit, upsert
from callctl.store.port import AuditEntry, Refusal
from callctl.store.record_tables import categories, deliveries, stale, stub_steps, stubs, wrapups
from callctl.store.schema import IMMEDIATE
from callctl.store.seal import Seal
from callctl.store.stubs import make_stub, withdraw_stub
from callctl.store.tables import calls

PULL_MOST = 500  # Stubs in one answer of the pull API.
# A city's words for what it did with an order, and the state each leads to.
TOLD_STATES = {
    "accepted": StubState.ACCEPTED,
    "dispatched": StubState.DISPATCHED,
    "supervised": StubState.DISPATCHED,
    "done": StubState.DONE,
    "followed_up": StubState.FOLLOWED_UP,
    "closed": StubState.CLOSED,
}


class NoteRefused(Refusal):
    """The note cannot be kept; str() says why, for the agent, and `en` the same in English."""

    def __init__(self, zh: str, en: str = "") -> None:
        super().__init__(zh)
        self.en = en or zh


class StatusRefused(Refusal):
    """What the city told of an order cannot be kept; str() says why."""


@dataclass(frozen=True, slots=True)
class CityStatus:
    """One message of the assisted city about one of its orders."""

    stub: str
    what: str  # A key of TOLD_STATES.
    at: float
    who: str = ""
    note: str = ""
    order_no: str = ""
    score: int | None = None  # Of the follow-up, 1 to 5.


@dataclass(frozen=True, slots=True)
class Unreconciled:
    """What is not in order on a day: calls to which nothing was written, and stubs nobody accepted."""

    remote_answers: int
    noted: int
    without_note: tuple[str, ...]  # Calls.
    forwarded: int
    without_stub: tuple[str, ...]  # Calls noted as forwarded, and no stub: must be none.
    unaccepted: tuple[str, ...]  # Stubs.


async def keep_note(
    engine: AsyncEngine, note: WrapUp, codes: dict[str, Category], ways: Sequence[str], due_at: float, seal: Seal
) -> bool:
    """Keep a note and, of a forwarded demand, its stub with one delivery for each way; whether it was news.

    The same note again changes nothing; another one of the same agent corrects it as long as the city has not accepted
    the order. Raises NoteRefused.
    """
    wrong = list(wrong_with(note, codes))
    if wrong:
        raise NoteRefused("；".join(wrong))
    row = _note_row(note, seal)
    async with _writing(engine) as connection:
        # Held until we are done: the history's writer may be moving the call to other five minutes this very moment.
        entered = select(calls.c.asked_at).where(calls.c.call == note.call).with_for_update()
        asked_at = (await connection.execute(entered)).scalar_one_or_none()
        before = (await connection.execute(select(wrapups).where(wrapups.c.call == note.call))).mappings().one_or_none()
        if before is not None:
            if all(before[key] == value for key, value in row.items() if key not in ("at", "revision", "wrapped_s")):
                return False
            if (before["answering"], before["agent"]) != (row["answering"], row["agent"]):
                raise NoteRefused(
                    f"该通话的小结已由工号 {before['agent']} 写下，只有其本人可以改",
                    f"agent {before['agent']} has written the note of this call; nobody else corrects it",
                )
            await _may_correct(connection, note)
            row["revision"] = before["revision"] + 1
        await upsert(connection, wrapups, [row])
        if note.result is Result.FORWARDED:
            await make_stub(connection, note, ways, due_at)
        elif before is not None and before["result"] == Result.FORWARDED.value:
            await withdraw_stub(connection, note, ways)
        if asked_at is not None:
            await connection.execute(insert(stale), [{"bucket": bucket_of(asked_at)}])
    return True


async def noted_by(engine: AsyncEngine, call: str) -> tuple[str, str] | None:
    """The city and agent whose note the call has; None where it has none."""
    asked = select(wrapups.c.answering, wrapups.c.agent).where(wrapups.c.call == call)
    async with engine.connect() as connection:
        row = (await connection.execute(asked)).one_or_none()
    return None if row is None else (row.answering, row.agent)


def _writing(engine: AsyncEngine) -> Any:
    """A transaction that has SQLite's write lock from its begin: what was read is still so when it is written."""
    return engine.execution_options(**{IMMEDIATE: True}).begin()


async def _may_correct(connection: AsyncConnection, note: WrapUp) -> None:
    stub = (await connection.execute(select(stubs.c.state).where(stubs.c.stub == note.call))).scalar_one_or_none()
    if stub is not None and stub != StubState.WAITING.value:
        raise NoteRefused(
            "该诉求已由被支援市签收，不能再改；请与该市联系",
            "the assisted city has accepted this demand, it cannot be changed any more; ask that city",
        )
    sent = select(func.count()).select_from(deliveries).where(deliveries.c.stub == note.call, deliveries.c.state == "sent")
    if stub is not None and note.result is Result.ON_CALL and (await connection.execute(sent)).scalar_one():
        raise NoteRefused(
            "该诉求已送出，不能改为在线解答；请与被支援市联系",
            "this demand was handed over already and cannot become answered on the call; ask the assisted city",
        )


def _note_row(note: WrapUp, seal: Seal) -> dict[str, Any]:
    personal = json.dumps({name: getattr(note, name) for name in PERSONAL}, ensure_ascii=False)
    return {
        "call": clean(note.call),
        "city": clean(note.city),
        "answering": clean(note.answering),
        "seat": clean(note.seat),
        "agent": clean(note.agent),
        "at": note.at,
        "demand": note.demand.value,
        "code": note.code,
        "result": note.result.value,
        "urgent": note.urgent,
        "confidential": note.confidential,
        "nuisance": note.nuisance,
        "script": clean(note.script),
        "script_version": note.script_version,
        "wrapped_s": note.wrapped_s,
        "revision": 1,
        "personal": seal.close(clean(personal), note.call),
    }


def note_of(row: RowMapping, seal: Seal) -> WrapUp:
    """The note, personal fields in clear. Raises Unsealable."""
    personal = json.loads(seal.open(row["personal"])) if row["personal"] else {}
    return WrapUp(
        **{key: row[key] for key in ("call", "city", "answering", "seat", "agent", "at", "code")},
        **{key: row[key] for key in ("urgent", "confidential", "nuisance", "script", "script_version", "wrapped_s")},
        demand=Demand(row["demand"]),
        result=Result(row["result"]),
        **{name: personal.get(name, "") for name in PERSONAL},
    )


async def pull(engine: AsyncEngine, city: str, after: int, most: int, seal: Seal) -> tuple[list[dict[str, Any]], int]:
    """The pull API: the city's stubs behind the cursor, oldest first, and the cursor for the next question."""
    asked = (
        select(stubs, wrapups)
        .join(wrapups, wrapups.c.call == stubs.c.call)
        .where(stubs.c.city == city, stubs.c.seq > after)
        .order_by(stubs.c.seq)
        .limit(min(most, PULL_MOST))
        .set_label_style(LABELLED)
        .with_for_update(of=stubs)  # What leaves may not be deleted before it is marked as seen.
    )
    async with _writing(engine) as connection:
        rows = (await connection.execute(asked)).mappings().all()
        new = [row["stubs_stub"] for row in rows if not row["stubs_seen"]]
        await connection.execute(update(stubs).where(stubs.c.stub.in_(new)).values(seen=True))
    found = [stub_body(row, seal) for row in rows]
    return found, rows[-1]["stubs_seq"] if rows else after


def stub_body(row: RowMapping, seal: Seal) -> dict[str, Any]:
    """A stub as it goes to the city, the fields of §3.4 that callctl knows. `row` has stubs_… and wrapups_… columns."""
    note = note_of(_Prefixed(row, "wrapups_"), seal)  # type: ignore[arg-type]
    return {
        "stub": row["stubs_stub"],
        "seq": row["stubs_seq"],
        "revision": row["wrapups_revision"],
        "withdrawn": row["stubs_withdrawn"],
        "source": "电话",
        "city": note.city,
        "answering_city": note.answering,
        "agent": note.agent,
        "seat": note.seat,
        "call_id": note.call,
        "taken_at": note.at,
        "caller_no": note.number,
        "contact": note.contact or note.number,
        "requester": note.requester,
        "confidential": note.confidential,
        "title": note.title,
        "content": note.content,
        "type": note.demand.value,
        "code": note.code,
        "address": note.address,
        "urgent": note.urgent,
        "script_id": note.script,
        "script_version": note.script_version,
        "due_at": row["stubs_due_at"],
    }


class _Prefixed:
    """A row's columns of one table, by their own names."""

    def __init__(self, row: RowMapping, prefix: str) -> None:
        self._row, self._prefix = row, prefix

    def __getitem__(self, key: str) -> Any:
        return self._row[f"{self._prefix}{key}"]


async def take_status(engine: AsyncEngine, told: CityStatus, city: str) -> bool:
    """What a city tells of its order; whether it was news. Late and doubled ones never lead back. Raises StatusRefused."""
    return await take_all(engine, [told], city) == 1


async def take_all(engine: AsyncEngine, messages: Sequence[CityStatus], city: str) -> int:
    """All of a city's messages, or none of them; how many were news. Raises StatusRefused, and then nothing is kept."""
    async with _writing(engine) as connection:
        return sum([await _take(connection, told, city) for told in messages])


async def _take(connection: AsyncConnection, told: CityStatus, city: str) -> bool:
    state = TOLD_STATES.get(told.what)
    if state is None:
        raise StatusRefused(f"what {told.what!r}: one of {', '.join(TOLD_STATES)}")
    if told.what == "accepted" and not told.order_no.strip():
        raise StatusRefused("an acceptance needs the city's order_no")
    if told.score is not None and not 1 <= told.score <= 5:
        raise StatusRefused(f"score {told.score}: 1 to 5")
    mark = hashlib.blake2b(repr((told.stub, told.what, round(told.at), told.order_no)).encode(), digest_size=16).hexdigest()
    mine = and_(stubs.c.stub == clean(told.stub), stubs.c.city == city)
    row = (await connection.execute(select(stubs).where(mine).with_for_update())).mappings().one_or_none()
    if row is None:
        raise StatusRefused(f"no stub {told.stub!r} of {city}")
    if told.order_no and row["order_no"] and row["order_no"] != clean(told.order_no):
        raise StatusRefused(f"{told.stub} has the order number {row['order_no']} already, not {told.order_no}")
    known = select(func.count()).select_from(stub_steps).where(stub_steps.c.mark == mark)
    if (await connection.execute(known)).scalar_one():
        return False
    note = clean(told.note or told.order_no)
    step = {"mark": mark, "stub": row["stub"], "at": told.at, "what": told.what, "who": clean(told.who), "note": note}
    await connection.execute(insert(stub_steps), [step])
    await connection.execute(update(stubs).where(mine).values(_after(row, told, state)))
    return True


def _after(row: RowMapping, told: CityStatus, state: StubState) -> dict[str, Any]:
    after: dict[str, Any] = {"state": further(StubState(row["state"]), state).value}
    if told.order_no:
        after["order_no"] = clean(told.order_no)
    column = {"accepted": "accepted_at", "done": "done_at", "followed_up": "followed_up_at"}.get(told.what)
    if column and row[column] is None:
        after[column] = told.at
    if told.score is not None and (row["score_at"] is None or told.at >= row["score_at"]):
        after |= {"score": told.score, "score_at": told.at}
    if told.what == "supervised":
        after["supervised"] = True
    return after


async def reconcile(engine: AsyncEngine, city: str, span: Span) -> Unreconciled:
    """Every remote answer has exactly one of answered-on-call and forwarded; every forwarded one is accepted."""
    remote = and_(
        calls.c.city == city,
        calls.c.asked_at >= span.since,
        calls.c.asked_at < span.until,
        calls.c.outcome == "answered",
        calls.c.by_city != city,
    )
    asked = (
        select(calls.c.call, wrapups.c.result, stubs.c.stub, stubs.c.accepted_at)
        .outerjoin(wrapups, wrapups.c.call == calls.c.call)
        .outerjoin(stubs, and_(stubs.c.call == calls.c.call, stubs.c.withdrawn.is_(False)))
        .where(remote)
        .order_by(calls.c.call)
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(asked)).all()
    forwarded = [row for row in rows if row.result == Result.FORWARDED.value]
    return Unreconciled(
        remote_answers=len(rows),
        noted=sum(row.result is not None for row in rows),
        without_note=tuple(row.call for row in rows if row.result is None),
        forwarded=len(forwarded),
        without_stub=tuple(row.call for row in forwarded if row.stub is None),
        unaccepted=tuple(row.stub for row in forwarded if row.stub is not None and row.accepted_at is None),
    )


async def replace_tree(engine: AsyncEngine, tree: Sequence[Category], entry: AuditEntry) -> None:
    """The new tree in place of the old one, and the audit's line, in one transaction; notes keep their codes."""
    rows = [
        {
            "code": one.code,
            "valid_from": one.valid_from.isoformat() if one.valid_from else "",
            "valid_to": one.valid_to.isoformat() if one.valid_to else "",
            "parent": one.parent,
            "depth": one.depth,
            "name_zh": clean(one.name_zh),
            "name_en": clean(one.name_en),
            "synonyms": "|".join(one.synonyms),
            "unit": clean(one.unit),
            "profile": one.profile,
            "status": one.status,
        }
        for one in tree
    ]
    async with exclusive(engine) as connection:
        await insert_audit(connection, entry)
        await connection.execute(delete(categories))
        await connection.execute(insert(categories), rows)


async def kept_tree(engine: AsyncEngine, day_of: Callable[[str], Any]) -> list[Category]:
    """The imported tree; empty where none was imported. `day_of` reads an ISO date."""
    async with engine.connect() as connection:
        rows = (await connection.execute(select(categories).order_by(categories.c.code))).mappings().all()
    return [
        Category(
            code=row["code"],
            parent=row["parent"],
            depth=row["depth"],
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            valid_from=day_of(row["valid_from"]) if row["valid_from"] else None,
            valid_to=day_of(row["valid_to"]) if row["valid_to"] else None,
            synonyms=tuple(word for word in row["synonyms"].split("|") if word),
            unit=row["unit"],
            profile=row["profile"],
            status=row["status"],
        )
        for row in rows
    ]
