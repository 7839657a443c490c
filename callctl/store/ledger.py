"""Writes facts into the history's tables: the journal first, then what the journal tells about calls, loans and surveys.

One batch is one transaction, and writing a batch twice changes nothing: that is what makes the spool's replay safe.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import Table, bindparam, case, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.events import CallBackEnd, CallBackEnded, CalledBack, HomeSeat, LentSeat, LoanChanged, SurveyAnswered
from callctl.core.sightings import LoanFound, LoanNotSeen
from callctl.core.story import CallFact, Leg, Story
from callctl.store.chain import chain_on, exclusive
from callctl.store.chronicle import CALL_FACTS, KEEP_OPEN_S, Chronicle, calls_in, counted_in
from callctl.store.codec import Record, Unreadable, decode, encode
from callctl.store.port import AlreadyDone, AuditEntry, WishesChanged
from callctl.store.record_tables import callbacks, stale
from callctl.store.seal import Clear
from callctl.store.tables import audit, calls, journal, legs, loans, surveys, waits, wishes

FETCH_MOST = 500  # Calls asked for in one query; far below every driver's limit of parameters.
Row = dict[str, Any]


async def recall_open(engine: AsyncEngine, chronicle: Chronicle, at: float) -> None:
    """Give an empty chronicle what the database believes to be going on."""
    async with engine.connect() as connection:
        found = await connection.execute(select(calls.c.call).where(calls.c.open, calls.c.asked_at > at - KEEP_OPEN_S))
        await _fetch(connection, chronicle, [row.call for row in found])
        open_loans = await connection.execute(
            select(loans.c.city, loans.c.seat, loans.c.assisted, loans.c.token).where(
                loans.c.returned_at.is_(None), loans.c.gone_at.is_(None)
            )
        )
        chronicle.remember((), (tuple(row) for row in open_loans))


async def write(engine: AsyncEngine, chronicle: Chronicle, batch: Sequence[Record]) -> None:
    """Write a batch. Where it raises, nothing is written, and the chronicle must be thrown away."""
    unknown = chronicle.unknown(batch)
    if unknown:
        async with engine.connect() as connection:
            await _fetch(connection, chronicle, unknown)
    records = [one for record in batch for one in chronicle.take(record)]
    changed = chronicle.changed()
    async with engine.begin() as connection:
        await insert_new(connection, journal, [_journal_row(record) for record in records])
        stories = [story for story, _ in changed]
        await upsert(connection, calls, [call_row(story) for story in stories])
        await upsert(connection, waits, [row for story in stories for row in wait_rows(story)])
        await upsert(connection, legs, [row for story in stories for row in leg_rows(story)])
        await _shorten(connection, waits, [(story.call, len(story.waits), told.waits) for story, told in changed])
        await _shorten(connection, legs, [(story.call, len(story.legs), told.legs) for story, told in changed])
        for row in _loan_rows(records):
            await _merge_loan(connection, row)
        await upsert(connection, surveys, _survey_rows(records))
        await _keep_call_backs(connection, [one for one in records if isinstance(one, CallBackEnded | CalledBack)])
        # Where a late fact moved the call, the five minutes it was counted in are wrong, too.
        moved_from = {told.bucket for _, told in changed if told.bucket is not None}
        await mark_stale(connection, {counted_in(story) for story in stories} | moved_from)
    chronicle.written()


async def mark_stale(connection: AsyncConnection, buckets: Collection[int]) -> None:
    """These five minutes have to be counted again (store/counters.py)."""
    if buckets:
        await connection.execute(insert(stale), [{"bucket": bucket} for bucket in sorted(buckets)])


async def write_audit(engine: AsyncEngine, entry: AuditEntry, version: int | None, body: str) -> None:
    """Write an audited act and, where there is a version, the wishes that came of it.

    A version is taken once: SQL decides which of two desks was first, also while Redis is lost. Raises WishesChanged,
    AlreadyDone, and then writes nothing.
    """
    async with exclusive(engine) as connection:
        if version is None:
            await insert_audit(connection, entry)
            return
        number = await insert_act(connection, entry)
        wished = _dialect_insert(connection, wishes).values(version=version, at=entry.at, audit_id=number, body=body)
        taken = wished.on_conflict_do_nothing(index_elements=["version"]).returning(wishes.c.id)
        if (await connection.execute(taken)).scalar_one_or_none() is None:
            raise WishesChanged(f"version {version} of the wishes is somebody else's")  # Rolls the audit row back.


async def insert_audit(connection: AsyncConnection, entry: AuditEntry) -> int | None:
    """Write the entry in the caller's `exclusive` transaction; its number, or None where its request is there already."""
    row = {
        "request": clean(entry.request) or None,
        "at": entry.at,
        "who": one_line(entry.who),
        "from_where": one_line(entry.where),
        "what": one_line(entry.what),
        "city": one_line(entry.city),
        "before": one_line(entry.before),
        "after": one_line(entry.after),
        "reason": one_line(entry.reason),
    }
    new = _dialect_insert(connection, audit).values(row).on_conflict_do_nothing(index_elements=["request"])
    number: int | None = (await connection.execute(new.returning(audit.c.id))).scalar_one_or_none()
    if number is not None:
        await chain_on(connection, number)
    return number


async def insert_act(connection: AsyncConnection, entry: AuditEntry) -> int:
    """As insert_audit, of what must not be done twice. Raises AlreadyDone."""
    number = await insert_audit(connection, entry)
    if number is None:
        raise already_done(entry)
    return number


def already_done(entry: AuditEntry) -> AlreadyDone:
    """That the entry's request is in the audit."""
    return AlreadyDone(f"request {entry.request} was carried out before")


async def read_audit(
    engine: AsyncEngine, last: int, cities: frozenset[str] | None, acts: frozenset[str] | None
) -> list[AuditEntry]:
    """The newest audited acts, newest first; only of these cities and acts, where they are not None."""
    newest = select(audit).order_by(audit.c.id.desc()).limit(last)
    if cities is not None:
        newest = newest.where(audit.c.city.in_(sorted(cities)))
    if acts is not None:
        newest = newest.where(audit.c.what.in_(sorted(acts)))
    async with engine.connect() as connection:
        rows = (await connection.execute(newest)).mappings().all()
    return [
        AuditEntry(
            at=row["at"],
            who=row["who"],
            where=row["from_where"],
            what=row["what"],
            city=row["city"],
            before=row["before"],
            after=row["after"],
            reason=row["reason"],
            request=row["request"] or "",
        )
        for row in rows
    ]


async def last_wishes(engine: AsyncEngine) -> str | None:
    """The last wishes written, as JSON."""
    async with engine.connect() as connection:
        newest = select(wishes.c.body).order_by(wishes.c.version.desc(), wishes.c.id.desc()).limit(1)
        body: str | None = (await connection.execute(newest)).scalar_one_or_none()
        return body


async def wishes_of(engine: AsyncEngine, version: int) -> str | None:
    """The wishes of that version, as JSON."""
    async with engine.connect() as connection:
        body: str | None = (
            await connection.execute(select(wishes.c.body).where(wishes.c.version == version))
        ).scalar_one_or_none()
        return body


def is_about_the_row(error: Exception) -> bool:
    """Whether the database refused a value for what it is, so that trying again can never help."""
    if isinstance(error, DBAPIError):
        cause = error.orig.__cause__ if error.orig else None
        return isinstance(error, DataError | IntegrityError) or isinstance(cause, asyncpg.exceptions.DataError)
    return isinstance(error, StatementError | OverflowError | ValueError)


def one_line(text: str) -> str:
    """Text that stays one line on every screen: line ends, escape codes and other control signs become spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in clean(text))


def clean(text: str) -> str:
    """Text that every database takes: PostgreSQL refuses NUL, and nobody takes lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


async def _fetch(connection: AsyncConnection, chronicle: Chronicle, names: Sequence[str]) -> None:
    for start in range(0, len(names), FETCH_MOST):
        some = [clean(name) for name in names[start : start + FETCH_MOST]]
        found = await connection.execute(select(journal.c.body).where(journal.c.call.in_(some)).order_by(journal.c.id))
        chronicle.remember(fact for row in found for fact in _call_facts(row.body))


def _call_facts(body: str) -> Iterator[CallFact]:
    try:
        fact = decode(body)
    except Unreadable:  # Written by a later callctl; that one will tell the story again.
        return
    if isinstance(fact, CALL_FACTS):
        yield fact


def _dialect_insert(connection: AsyncConnection, table: Table) -> Any:
    """INSERT with ON CONFLICT, which SQLite and PostgreSQL both have and standard SQL has not."""
    return (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(table)


async def insert_new(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows that are not there yet."""
    if rows:
        await connection.execute(_dialect_insert(connection, table).on_conflict_do_nothing(), rows)


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or write them over, by their primary key."""
    if not rows:
        return
    keys = [column.name for column in table.primary_key.columns]
    new = _dialect_insert(connection, table)
    values = {column.name: new.excluded[column.name] for column in table.columns if column.name not in keys}
    await connection.execute(new.on_conflict_do_update(index_elements=keys, set_=values), rows)


async def _shorten(connection: AsyncConnection, table: Table, lengths: Sequence[tuple[str, int, int]]) -> None:
    """Delete rows that a story does not have any more: a late fact may show two legs to have been one."""
    surplus = [{"of": clean(call), "most": most} for call, most, told in lengths if told > most]
    if surplus:
        await connection.execute(
            delete(table).where(table.c.call == bindparam("of"), table.c.n > bindparam("most")), surplus
        )


async def _merge_loan(connection: AsyncConnection, row: Row) -> None:
    """What is known stays: the facts of a loan may come doubled and in any order."""
    new = _dialect_insert(connection, loans)
    known = {name: func.coalesce(loans.c[name], new.excluded[name]) for name in ("lent_at", "returned_at", "gone_at")}
    from_reading = case((loans.c.seen_from == "reading", "reading"), else_=new.excluded.seen_from)
    merge = new.on_conflict_do_update(index_elements=["city", "seat", "token"], set_={**known, "seen_from": from_reading})
    await connection.execute(merge, [row])


def mark_of(body: str) -> str:
    """The digest by which a fact that comes again is known."""
    return hashlib.blake2b(body.encode("utf-8"), digest_size=16).hexdigest()


def _journal_row(record: Record) -> Row:
    body = encode(record)
    return {
        "mark": mark_of(body),
        "at": record.at,
        "city": clean(record.city),
        "kind": type(record).__name__,
        "call": clean(record.call) if isinstance(record, CallBackEnded) else next(map(clean, calls_in(record)), None),
        "body": body,
    }


def call_row(story: Story) -> Row:
    """The row of `calls` that tells a story."""
    talk = story.talk
    return {
        "call": clean(story.call),
        "city": clean(story.city),
        "number": clean(story.number),
        "caller": clean(Clear().caller(story.number))[:64],
        "asked_at": story.seen_at if story.first_arrival is None else story.first_arrival,
        "first_arrival": story.first_arrival,
        "left_at": story.left_at,
        "state": story.state,
        "open": story.open,
        "outcome": story.outcome,
        "waited_s": story.waited_s,
        "answered_at": talk.answered_at if talk else None,
        **_answered_by(story),
        "ended_at": talk.ended_at if talk else None,
        "talked_s": talk.talked_s if talk else None,
        "requeues": story.requeues,
        "called_back": story.called_back,
        "score": story.score,
        "seen_from": story.seen_from,
    }


def _answered_by(story: Story) -> Row:
    talk, remote = story.talk, story.remote_seat
    match talk.by if talk else None:
        case HomeSeat(seat=seat) | LentSeat(seat=seat):
            return {"by_city": clean(talk.city) if talk else None, "by_seat": clean(seat), "by_slot": None}
        case (supporting, number):
            there = remote.by if remote else None
            seat_there = clean(there.seat) if isinstance(there, LentSeat) else None
            return {"by_city": clean(supporting), "by_seat": seat_there, "by_slot": number}
    return {"by_city": None, "by_seat": None, "by_slot": None}


def wait_rows(story: Story) -> Iterator[Row]:
    """Its rows of `waits`."""
    for number, wait in enumerate(story.waits, 1):
        yield {
            "call": clean(story.call),
            "n": number,
            "city": clean(story.city),
            "entered_at": wait.entered_at,
            "left_at": wait.left_at,
            "waited_s": wait.waited_s,
            "gone_at": wait.gone_at,
        }


def leg_rows(story: Story) -> Iterator[Row]:
    """Its rows of `legs`."""
    for number, leg in enumerate(story.legs, 1):
        yield {
            "call": clean(story.call),
            "n": number,
            "city": clean(leg.city),
            **_who(leg),
            "rung_at": leg.rung_at,
            "answered_at": leg.answered_at,
            "ended_at": leg.ended_at,
            "how": leg.end,
            "talked_s": leg.talked_s,
            "gone_at": leg.gone_at,
        }


def _who(leg: Leg) -> Row:
    nobody: Row = {"seat": None, "assisted": None, "supporting": None, "slot": None}
    match leg.by:
        case HomeSeat(seat=seat):
            return {**nobody, "side": "home", "seat": clean(seat)}
        case LentSeat(seat=seat, assisted=assisted):
            return {**nobody, "side": "lent", "seat": clean(seat), "assisted": clean(assisted)}
        case (supporting, number):
            return {**nobody, "side": "slot", "supporting": clean(supporting), "slot": number}


def _loan_rows(records: Iterable[Record]) -> Iterator[Row]:
    for record in records:
        if not isinstance(record, LoanChanged | LoanFound | LoanNotSeen):
            continue
        told = isinstance(record, LoanChanged)
        yield {
            "city": clean(record.city),
            "seat": clean(record.seat),
            "token": record.token,
            "assisted": clean(record.assisted),
            "lent_at": record.at if isinstance(record, LoanChanged) and record.lent else None,
            "returned_at": record.at if isinstance(record, LoanChanged) and not record.lent else None,
            "gone_at": record.at if isinstance(record, LoanNotSeen) else None,
            "seen_from": "events" if told else "reading",
        }


async def _keep_call_backs(connection: AsyncConnection, ends: Sequence[CallBackEnded | CalledBack]) -> None:
    """Every try at a citizen's phone, once; where no agent took it, there was none."""
    tried = [one for one in ends if one.how is not CallBackEnd.NO_AGENT]
    if not tried:
        return
    columns = (calls.c.call, calls.c.caller, calls.c.by_city, calls.c.by_seat)
    asked = select(*columns).where(calls.c.call.in_([clean(one.call) for one in tried]))
    known = {row.call: row for row in await connection.execute(asked)}
    rows = []
    for one in tried:
        call = known.get(clean(one.call))
        if call is None or not call.caller:
            continue
        if isinstance(one, CallBackEnded):
            attempt, by, seat = one.attempt, one.by, one.seat
        else:  # Asked for by key, once a call: who took it stands in the call's own row.
            attempt, by, seat = f"{one.call}/key", call.by_city or one.city, call.by_seat or ""
        rows.append(
            {
                "request": clean(attempt),
                "city": clean(one.city),
                "caller": call.caller,
                "at": one.at,
                "by_city": clean(by),
                "seat": clean(seat),
                "outcome": one.how.value,
                "note": call.call,
            }
        )
    await insert_new(connection, callbacks, rows)


def _survey_rows(records: Iterable[Record]) -> list[Row]:
    rows: Mapping[str, Row] = {
        record.call: {"call": clean(record.call), "city": clean(record.city), "at": record.at, "score": record.score}
        for record in records
        if isinstance(record, SurveyAnswered)
    }
    return list(rows.values())
