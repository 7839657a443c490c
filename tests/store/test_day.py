"""The wallboard's day from SQL: who asked, who answered; and nothing is told of hours in which nobody was listening."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from callctl.core.day import steps
from callctl.core.events import PbxLost, PbxObserved
from callctl.store.cabinet import Cabinet
from callctl.store.day import DayFigures
from callctl.store.history import SqlHistory
from callctl.store.schema import open_engine
from tests.store.facts import T0, X, Y, abandoned, answered_home, answered_remote, waiting
from tests.store.test_history import history_at

HOUR_S = 3600.0


@pytest.fixture
async def day(sql_url: str) -> AsyncIterator[DayFigures]:
    cabinet = Cabinet(open_engine(sql_url))
    yield DayFigures(cabinet)
    await cabinet.close()


def heard(city: str, at: float) -> PbxObserved:
    return PbxObserved(city, at, (), (), (), (), (), ())


async def written(history: SqlHistory, *facts: object) -> None:
    for fact in facts:
        history.record(fact)  # type: ignore[arg-type]
    await history.flush()


async def test_home_remote_and_lost_calls_are_counted_once_at_the_city_that_was_asked(
    sql_url: str, tmp_path: Path, day: DayFigures
) -> None:
    async with history_at(sql_url, tmp_path) as history:
        await written(
            history,
            heard(Y, T0),
            *answered_home(1, T0 + 10, T0 + 22),
            *answered_remote(2, T0 + 20, T0 + 60),
            *abandoned(3, T0 + 30, T0 + 90),
            waiting(4, T0 + 100),
        )
        told = (await day.asked([Y, X], T0, T0 + HOUR_S))[Y]
        assert (told.asked, told.answered_home, told.answered_remote, told.waiting) == (4, 1, 1, 1)
        assert told.within == {15: 1, 20: 1, 30: 1}, "answered within so many seconds, of all who asked"
        assert (await day.asked([Y, X], T0, T0 + HOUR_S))[X].asked == 0, "helping is not being asked"
        assert (await day.asked([Y], T0 + 11, T0 + 21))[Y].asked == 1, "by the time of their first arrival"


async def test_a_step_in_which_the_pbx_was_hardly_heard_is_not_told(sql_url: str, tmp_path: Path, day: DayFigures) -> None:
    async with history_at(sql_url, tmp_path) as history:
        await written(history, heard(Y, T0), *answered_home(1, T0 + 10, T0 + 22))
        await written(history, PbxLost(Y, T0 + HOUR_S + 600, "cable"))
        row = steps(T0, 3, HOUR_S)
        line = await day.line([Y], row, T0 + 3 * HOUR_S)
        assert line.steps[0] is not None
        assert line.steps[0].asked.asked == 1
        assert line.steps[1] is None, "silent for five sixths of it"
        assert line.steps[2] is None
        before = await day.line([Y], steps(T0 - 2 * HOUR_S, 2, HOUR_S), T0 + HOUR_S)
        assert before.steps == [None, None], "before its first word nobody was listening"


async def test_a_settled_step_is_asked_of_sql_once_and_a_running_one_again(
    sql_url: str, tmp_path: Path, day: DayFigures
) -> None:
    async with history_at(sql_url, tmp_path) as history:
        await written(history, heard(Y, T0), *answered_home(1, T0 + 10, T0 + 22))
        row = steps(T0, 1, HOUR_S)
        running = await day.line([Y], row, T0 + 1800)
        await written(history, *answered_home(2, T0 + 1900, T0 + 1920))
        later = await day.line([Y], row, T0 + 2000)
        assert [line.steps[0].asked.asked for line in (running, later) if line.steps[0]] == [1, 2]
        settled = await day.line([Y], row, T0 + 3 * HOUR_S)
        await written(history, *answered_home(3, T0 + 1950, T0 + 1960))
        assert (await day.line([Y], row, T0 + 3 * HOUR_S)).steps == settled.steps
