"""The rolling counters always say what counting every call anew would say, whoever writes or counts at the same time."""

import asyncio
import random
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callctl.core.counting import count, together
from callctl.core.days import BUCKET_S, Span, bucket_of, day_span
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    Outcome,
    RingEnd,
    RingEnded,
    SurveyAnswered,
)
from callctl.store.attempts import AttemptsRefused, import_attempts
from callctl.store.counters import (
    buckets,
    callers,
    carrier_attempts,
    count_span,
    counted_calls,
    recount,
    rolled_up,
    seats_seen,
)
from callctl.store.ledger import mark_stale
from callctl.store.record_tables import attempts, stale
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import calls
from tests.store.facts import SLOT, T0, X, Y, a_day, abandoned, answered_home, answered_remote, name, waiting
from tests.store.test_history import history_at

DAY = Span(T0 - 86_400, T0 + 86_400)


async def write(url: str, folder: Path, facts) -> None:
    async with history_at(url, folder) as history:
        for fact in sorted(facts, key=lambda one: one.at):
            history.record(fact)
        await history.flush()


async def test_counters_are_what_counting_every_call_says(sql_url: str, tmp_path: Path) -> None:
    await write(sql_url, tmp_path, a_day(900))
    engine = open_engine(sql_url)
    assert await recount(engine) == 900 // BUCKET_S + 1
    found = await buckets(engine, DAY)
    assert {city: together(found[city].values()) for city in found} == await count_span(engine, DAY)
    whole = together(found[Y].values())
    assert (whole.requested, whole.answered_home, whole.answered_remote, whole.abandoned) == (900, 300, 300, 300)
    assert together(found[X].values()).answered_for_others == 300
    assert await recount(engine) == 0  # Nothing has changed since.
    await engine.dispose()


async def test_a_call_counts_in_the_five_minutes_in_which_it_entered(sql_url: str, tmp_path: Path) -> None:
    edge = (T0 // BUCKET_S + 1) * BUCKET_S
    await write(sql_url, tmp_path, answered_home(1, edge - 1, edge + 50) + answered_home(2, edge, edge + 5))
    engine = open_engine(sql_url)
    await recount(engine)
    found = (await buckets(engine, DAY))[Y]
    assert [found[bucket].requested for bucket in sorted(found)] == [1, 1]
    assert rolled_up(found, [Span(edge - BUCKET_S, edge), Span(edge, edge + 3600)])[0].answered_home == 1
    await engine.dispose()


async def test_a_late_fact_corrects_the_bucket_and_the_supporting_city_s(sql_url: str, tmp_path: Path) -> None:
    facts = answered_remote(1, T0, T0 + 30)
    await write(
        sql_url, tmp_path, [fact for fact in facts if not isinstance(fact, CallAnswered | CallEnded | SurveyAnswered)]
    )
    engine = open_engine(sql_url)
    await recount(engine)
    before = await buckets(engine, DAY)
    assert (before[Y][min(before[Y])].lost, X in before) == (1, False)
    await write(sql_url, tmp_path, [fact for fact in facts if isinstance(fact, CallAnswered | CallEnded | SurveyAnswered)])
    await recount(engine)
    after = await buckets(engine, DAY)
    sums = together(after[Y].values())
    assert (sums.lost, sums.answered_remote, sums.scored_remote, sums.satisfied_remote) == (0, 1, 1, 1)
    assert together(after[X].values()).for_others_s == 30.0
    await engine.dispose()


async def test_a_call_whose_arrival_is_told_late_leaves_the_five_minutes_it_was_counted_in(
    sql_url: str, tmp_path: Path
) -> None:
    edge = (T0 // BUCKET_S + 1) * BUCKET_S
    told, late = answered_home(1, edge - 60, edge + 50)[1:], answered_home(1, edge - 60, edge + 50)[:1]
    await write(sql_url, tmp_path, told)  # First seen when it rang: counted in the later five minutes.
    engine = open_engine(sql_url)
    await recount(engine)
    assert list((await buckets(engine, DAY))[Y]) == [edge]
    await write(sql_url, tmp_path, late)  # Another process, so that the memory of the first write is gone, too.
    await recount(engine)
    assert {bucket: sums.requested for bucket, sums in (await buckets(engine, DAY))[Y].items()} == {edge - BUCKET_S: 1}
    await engine.dispose()


async def test_a_batch_that_is_committed_after_its_five_minutes_were_counted_is_counted_then(
    sql_url: str, tmp_path: Path
) -> None:
    """A writer's transaction stays open while the counter closes the same five minutes; nothing is lost by it."""
    await write(sql_url, tmp_path, answered_home(1, T0, T0 + 5))
    engine, other = open_engine(sql_url), open_engine(sql_url)
    await prepare(engine)
    row = {"call": name(2), "city": Y, "number": "", "asked_at": T0 + 1, "state": "away", "open": False, "requeues": 0}
    async with other.connect() as writer:
        opened = await writer.begin()
        await writer.execute(calls.insert(), [{**row, "outcome": "abandoned", "seen_from": "events"}])
        await mark_stale(writer, {bucket_of(T0 + 1)})
        if engine.dialect.name == "postgresql":  # SQLite lets nobody count while somebody writes.
            assert await recount(engine) == 1
            assert together((await buckets(engine, DAY))[Y].values()).requested == 1
        await opened.commit()
    await recount(engine)
    assert together((await buckets(engine, DAY))[Y].values()).requested == 2
    await engine.dispose()
    await other.dispose()


async def test_a_slot_s_failed_ring_before_a_home_answer_is_a_return(sql_url: str, tmp_path: Path) -> None:
    call = name(1)
    failed = [CallRinging(Y, T0 + 21, call, SLOT), RingEnded(Y, T0 + 36, call, SLOT, RingEnd.NO_ANSWER)]
    giving_up = [
        waiting(2, T0),
        CallRinging(Y, T0 + 8, name(2), SLOT),
        CallLeftQueue(Y, T0 + 9, name(2), Outcome.ABANDONED),
    ]
    await write(sql_url, tmp_path, [*answered_home(1, T0, T0 + 40), *failed, *giving_up])
    engine = open_engine(sql_url)
    sums = (await count_span(engine, DAY))[Y]
    assert (sums.sent_out, sums.returned_home, sums.abandoned_ringing) == (2, 1, 1)
    await engine.dispose()


async def test_counting_and_writing_at_once_loses_and_doubles_nothing(sql_url: str, tmp_path: Path) -> None:
    facts = a_day(600)
    random.Random(1).shuffle(facts)  # Late and out of order: buckets are counted, change, and are counted again.
    engines = [open_engine(sql_url) for _ in range(3)]
    async with history_at(sql_url, tmp_path) as history:
        await prepare(engines[0])

        async def write_all() -> None:
            for first in range(0, len(facts), 400):
                for fact in facts[first : first + 400]:
                    history.record(fact)
                await history.flush()

        async def keep_counting(engine) -> None:
            while not writing.done():
                await recount(engine)
                await asyncio.sleep(0)

        writing = asyncio.create_task(write_all())
        await asyncio.gather(writing, *(keep_counting(engine) for engine in engines[:2]))
    await recount(engines[2])
    found = await buckets(engines[2], DAY)
    assert {city: together(found[city].values()) for city in found} == await count_span(engines[2], DAY)
    async with engines[2].connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(stale))).scalar_one() == 0
    for engine in engines:
        await engine.dispose()


async def test_a_recount_that_was_overtaken_forgets_no_later_call(
    sql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite gives the numbers of deleted rows again, unless it is told not to."""
    engine, other = open_engine(sql_url), open_engine(sql_url)
    await write(sql_url, tmp_path, answered_home(1, T0, T0 + 5))
    has_read, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*args):
        found = await counted_calls(*args)
        has_read.set()
        await may_go_on.wait()
        return found

    monkeypatch.setattr("callctl.store.counters.counted_calls", slowly)
    overtaken = asyncio.create_task(recount(engine))
    await has_read.wait()
    monkeypatch.undo()
    assert await recount(other) == 1
    await write(sql_url, tmp_path, answered_home(2, T0 + 1, T0 + 6))
    may_go_on.set()
    await overtaken
    await recount(other)
    assert together((await buckets(engine, DAY))[Y].values()).requested == 2
    await engine.dispose()
    await other.dispose()


async def test_a_recount_ends_although_calls_keep_coming_in(
    sql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(sql_url)
    await write(
        sql_url, tmp_path, [fact for hour in (0, 3600, 7200) for fact in answered_home(hour, T0 + hour, T0 + hour + 5)]
    )
    come_in = 0

    async def while_a_call_comes_in(*args):
        nonlocal come_in
        come_in += 1
        if come_in < 20:
            await write(sql_url, tmp_path, answered_home(come_in, T0, T0 + 5))
        return await counted_calls(*args)

    monkeypatch.setattr("callctl.store.counters.counted_calls", while_a_call_comes_in)
    assert await recount(engine) == 3
    await engine.dispose()


async def test_callers_seats_and_attempts_of_a_span(sql_url: str, tmp_path: Path) -> None:
    again = abandoned(7, T0 + 60, T0 + 70)
    await write(sql_url, tmp_path, [*answered_home(1, T0, T0 + 5), *abandoned(2, T0 + 1, T0 + 9), *again])
    engine = open_engine(sql_url)
    assert await callers(engine, Y, DAY) == 3
    assert await callers(engine, X, DAY) is None
    hour = Span(T0 - T0 % 3600, T0 - T0 % 3600 + 3600)
    assert sum((await seats_seen(engine, Y, hour)).values()) == 1
    assert (await carrier_attempts(engine, Y, hour)).attempts is None
    async with engine.begin() as connection:
        for n in range(12):
            row = {"city": Y, "since": int(hour.since) + n * 300, "seconds": 300, "attempts": 10, "source": "SBC"}
            await connection.execute(attempts.insert(), [row])
    assert (await carrier_attempts(engine, Y, hour)).attempts == 120
    assert (await carrier_attempts(engine, Y, Span(hour.since, hour.until + 300))).attempts is None  # Not covered whole.
    # Nor may an interval reach out of the span: the day's count is not that of 08 to 08.
    assert (await carrier_attempts(engine, Y, Span(hour.since + 150, hour.until - 150))).attempts is None
    await engine.dispose()


def test_counting_twice_is_counting_once() -> None:
    assert count([]) == {}


async def test_the_same_time_is_never_counted_twice_whatever_the_file_s_intervals(sql_url: str) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    head = b"city,time,seconds,attempts\n"
    hours = head + b"".join(b"yangzhou,2021-08-07 %02d:00,3600,100\n" % hour for hour in range(24))
    day = head + b"yangzhou,2021-08-07 00:00,86400,2500\n"
    span = day_span(date(2021, 8, 7))

    async def counted(raw: bytes) -> int | None:
        await import_attempts(engine, raw, "SBC", lambda code: code)
        return (await carrier_attempts(engine, "yangzhou", span)).attempts

    assert [await counted(raw) for raw in (hours, day, hours, day, day)] == [2400, 2500, 2400, 2500, 2500]
    with pytest.raises(AttemptsRefused, match="imported before"):
        await counted(head + b"yangzhou,2021-08-07 23:30,3600,7\n")
    assert (await carrier_attempts(engine, "yangzhou", span)).attempts == 2500
    later = Span(span.since + 8 * 3600, span.until + 8 * 3600)
    assert (await carrier_attempts(engine, "yangzhou", later)).attempts is None
    await engine.dispose()
