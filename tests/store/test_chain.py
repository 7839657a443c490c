"""The audit's chain: whole after any number of desks at once; every silent change, removal or insertion shows."""

import asyncio

from alembic import command
from sqlalchemy import Connection, delete, insert, select, text, update

from callctl.store import schema
from callctl.store.chain import Head, head, verify
from callctl.store.counters import recount
from callctl.store.ledger import write_audit
from callctl.store.port import AuditEntry
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import audit, calls


def entry(number: int) -> AuditEntry:
    return AuditEntry(1.79e9 + number / 7, "王值班长", "扬州", "switch on", "yangzhou", "off", "on", "暴雨", f"r{number}")


async def test_two_desks_at_once_make_one_chain(sql_url: str) -> None:
    engines = [open_engine(sql_url) for _ in range(2)]
    await prepare(engines[0])
    assert await verify(engines[0]) == (await verify(engines[0]))
    await asyncio.gather(*(write_audit(engines[n % 2], entry(n), None, "") for n in range(24)))
    await write_audit(engines[0], entry(3), None, "")  # The same request again writes nothing.
    found = await verify(engines[0])
    assert (found.head.rows, found.broken) == (24, ())
    assert (await head(engines[0])).chain == found.head.chain
    for engine in engines:
        await engine.dispose()


async def test_every_silent_change_shows_where_it_was_made(sql_url: str) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    assert (await verify(engine)).head == Head(0, "")
    for number in range(6):
        await write_audit(engine, entry(number), None, "")
    whole = await verify(engine)
    assert (await verify(engine, Head(6, whole.head.chain[:16]))).printed is True
    assert await head(engine) == whole.head
    async with engine.connect() as connection:
        ids = (await connection.execute(select(audit.c.id).order_by(audit.c.id))).scalars().all()

    async def change(statement) -> None:
        async with engine.begin() as connection:
            await connection.execute(statement)

    await change(update(audit).where(audit.c.id == ids[2]).values(reason="演习"))
    assert (await verify(engine)).broken == (ids[2],)
    await change(update(audit).where(audit.c.id == ids[2]).values(reason="暴雨"))
    assert (await verify(engine)).broken == ()
    await change(delete(audit).where(audit.c.id == ids[3]))
    assert (await verify(engine)).broken == (ids[4],)
    await change(delete(audit).where(audit.c.id >= ids[4]))
    cut = await verify(engine)
    printed = Head(whole.head.rows, whole.head.chain[:16])
    assert (await verify(engine, printed)).printed is False
    assert (await verify(engine, Head(cut.head.rows, cut.head.chain[:16]))).printed is True
    assert cut.printed is None
    assert cut.broken == ()  # Cutting off the end leaves a whole chain …
    assert cut.head != whole.head  # … with another head than the daily report printed.
    await change(insert(audit).values(at=1.79e9, who="x", from_where="", what="", city="", before="", after="", reason=""))
    assert len((await verify(engine)).broken) == 1
    await engine.dispose()


async def test_a_database_of_the_version_before_gets_its_chain_its_callers_and_its_counters(empty_sql_url: str) -> None:
    engine = open_engine(empty_sql_url)

    def to_first_tables(connection: Connection) -> None:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with engine.begin() as connection:
        await connection.run_sync(to_first_tables)
        at = "2021-08-07 09:0{}:00+00:00" if engine.dialect.name == "postgresql" else "2021-08-07 09:0{}:00.000000"
        for number in range(3):
            words = f"'{at.format(number)}', '王', 'x', 'stop all', '', 'running', 'stopped', '', 'r{number}'"
            columns = "at, who, from_where, what, city, before, after, reason, request"
            await connection.execute(text(f"INSERT INTO audit ({columns}) VALUES ({words})"))
        columns = "call, city, number, asked_at, state, open, outcome, requeues, seen_from"
        words = f"'y-1.1', 'yangzhou', '13800000001', '{at.format(5)}', 'away', false, 'abandoned', 0, 'events'"
        await connection.execute(text(f"INSERT INTO calls ({columns}) VALUES ({words})"))
    await schema.upgrade(engine)
    await write_audit(engine, entry(9), None, "")
    found = await verify(engine)
    assert (found.head.rows, found.broken) == (4, ())
    assert await recount(engine) == 1
    async with engine.connect() as connection:
        assert (await connection.execute(select(calls.c.caller))).scalar_one() == "13800000001"
    await engine.dispose()
