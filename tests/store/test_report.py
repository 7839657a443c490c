"""What the report says of calls whose fate we know, on real databases."""

import math
from pathlib import Path

from callctl.core.events import CallLeftQueue, CallRinging, Outcome, PbxLost
from callctl.core.fairness import Inversions
from callctl.core.model import SlotRef
from callctl.core.sightings import NotSeen
from callctl.store.report import Gap, city_figures, gaps, province_figures
from callctl.store.schema import open_engine
from tests.store.facts import SLOT, T0, X, Y, abandoned, answered_home, answered_remote, name, reading, waiting
from tests.store.test_history import history_at


async def write(url: str, folder: Path, facts) -> None:
    async with history_at(url, folder) as history:
        for fact in sorted(facts, key=lambda one: one.at):
            history.record(fact)
        await history.flush()


async def figures(url: str, since: float = T0, until: float = T0 + 86_400):
    engine = open_engine(url)
    try:
        return await city_figures(engine, Y, since, until)
    finally:
        await engine.dispose()


async def test_every_call_is_counted_once_and_the_counts_add_up(sql_url: str, tmp_path: Path) -> None:
    facts = [
        *answered_home(1, T0, T0 + 10.0),
        *answered_remote(2, T0 + 1, T0 + 31.0),
        *answered_remote(3, T0 + 2, T0 + 42.0),
        *abandoned(4, T0 + 3, T0 + 23.0),
        waiting(5, T0 + 50),
        *[waiting(6, T0 + 51), CallLeftQueue(Y, T0 + 60, name(6), Outcome.CALL_BACK)],
        *[waiting(7, T0 + 52), CallLeftQueue(Y, T0 + 60, name(7), Outcome.MOVED)],
        *[waiting(8, T0 + 53), CallLeftQueue(Y, T0 + 53, name(8), Outcome.REFUSED)],
        *[waiting(9, T0 + 54), CallLeftQueue(Y, T0 + 60, name(9), Outcome.LEFT)],
        waiting(10, T0 - 1),
        waiting(11, T0 + 55),
    ]
    async with history_at(sql_url, tmp_path) as history:
        for fact in sorted(facts, key=lambda one: one.at):
            history.record(fact)
        # A reading in which the eleventh call has vanished; the others still wait.
        history.record(reading(T0 + 62, {5: T0 + 50, 10: T0 - 1}))
        await history.flush()
    told = await figures(sql_url)
    assert told.asked == 10
    assert (told.answered_home, told.answered_remote, told.remote_by) == (1, 2, {X: 2})
    assert (told.abandoned, told.called_back, told.moved, told.waiting) == (1, 1, 1, 1)
    assert (told.lost, told.unknown) == (2, 1)
    parts = (told.answered, told.abandoned, told.called_back, told.moved, told.waiting, told.lost, told.unknown)
    assert sum(parts) == told.asked
    assert told.connect_rate == 0.3
    assert (told.mean_wait_s, told.max_wait_s) == (80.0 / 3, 40.0)


async def test_a_span_without_calls_has_no_rate_and_no_wait(sql_url: str, tmp_path: Path) -> None:
    await write(sql_url, tmp_path, abandoned(1, T0, T0 + 5))
    told = await figures(sql_url, T0 + 1)
    assert (told.asked, told.connect_rate, told.mean_wait_s, told.max_wait_s) == (0, None, None, None)
    told = await figures(sql_url)
    assert (told.connect_rate, told.mean_wait_s, told.mean_wait_all_s) == (0.0, None, 5.0)


async def test_inversions_are_found_and_a_ringing_call_keeps_its_place(sql_url: str, tmp_path: Path) -> None:
    await write(
        sql_url,
        tmp_path,
        [
            waiting(1, T0),  # Waits all the time: everybody below overtakes it.
            *answered_remote(2, T0 + 1, T0 + 30),  # Rung remotely from T0 + 27.
            *answered_home(3, T0 + 2, T0 + 29),  # Rung at home from T0 + 28, while 2 is being rung.
            CallRinging(Y, T0 + 27.5, name(1), SlotRef(X, 2)),  # Half a second late: 2 did not take its place, nor did 3.
            *answered_home(4, T0 + 3, T0 + 20),  # Nobody else is rung: it overtakes three.
        ],
    )
    told = (await figures(sql_url)).inversions
    assert told == Inversions(pairs=3, overtaken=1)


async def test_answers_in_order_have_no_inversion(sql_url: str, tmp_path: Path) -> None:
    facts = [fact for n in range(12) for fact in answered_remote(n, T0 + n, T0 + 100 + n)]
    await write(sql_url, tmp_path, facts)
    assert (await figures(sql_url)).inversions == Inversions(0, 0)


async def test_gaps_are_told_with_their_begin_and_end(sql_url: str, tmp_path: Path) -> None:
    await write(
        sql_url,
        tmp_path,
        [
            reading(T0),
            PbxLost(Y, T0 + 10, "ping unanswered"),
            reading(T0 + 25),
            reading(T0 + 55),
            PbxLost(X, T0 + 60, "EOF"),
        ],
    )
    engine = open_engine(sql_url)
    assert await gaps(engine, 0.0, T0 + 100) == [Gap(Y, None, T0), Gap(Y, T0 + 10, T0 + 25), Gap(X, T0 + 60, None)]
    await engine.dispose()


async def test_a_gap_over_the_ends_of_the_span_and_a_silent_span_are_told(sql_url: str, tmp_path: Path) -> None:
    await write(
        sql_url,
        tmp_path,
        [
            reading(T0),
            PbxLost(Y, T0 + 10, "ping unanswered"),
            reading(T0 + 500),
            *answered_remote(1, T0 + 510, T0 + 520),
        ],
    )
    async with history_at(sql_url, tmp_path) as history:  # Another controller, after a time in which none ran.
        history.record(reading(T0 + 1000))
        await history.flush()
    engine = open_engine(sql_url)
    lost = Gap(Y, T0 + 10, T0 + 500)
    assert await gaps(engine, T0 + 100, T0 + 200) == [lost]  # Nothing at all was told within.
    assert await gaps(engine, T0 + 5, T0 + 100) == [lost]
    assert await gaps(engine, T0 + 400, T0 + 510) == [lost]
    (down,) = [gap for gap in await gaps(engine, T0 + 800, T0 + 900) if gap.city == Y]
    assert (down.since, down.until) == (None, T0 + 1000)
    assert down.heard_at is not None
    assert T0 + 520 <= down.heard_at < T0 + 800
    await engine.dispose()


async def test_the_province_is_told_by_city(sql_url: str, tmp_path: Path) -> None:
    await write(sql_url, tmp_path, [*answered_remote(1, T0, T0 + 5), NotSeen(Y, T0 + 1000, name(99))])
    engine = open_engine(sql_url)
    told = await province_figures(engine, T0, T0 + 86_400)
    await engine.dispose()
    assert list(told) == [Y]  # The helper's calls are counted at home, once.
    assert told[Y].answered_remote == 1
    assert math.isclose(told[Y].mean_wait_s or 0.0, 5.0)
    assert SLOT.supporting == X
