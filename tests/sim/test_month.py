"""The simulated Yangzhou month: the same every time, in the order of the public figures, loaded once however often."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from callctl.core.days import Span, moment
from callctl.core.demand import Deadlines
from callctl.core.story import tell
from callctl.given_files import GIVEN, read_calendar
from callctl.province import read_province
from callctl.reporting import summary
from callctl.rules import Rules
from callctl.sim import load
from callctl.sim.load import NotEmpty, load_month
from callctl.sim.month import ASSISTED, FIRST, LAST, calls_of, days, planned
from callctl.store.assistance import past_events
from callctl.store.chain import verify
from callctl.store.counters import count_span
from callctl.store.daily import Sources
from callctl.store.history import SqlHistory
from callctl.store.record_tables import stubs, wrapups
from callctl.store.schema import open_engine, prepare
from callctl.store.seal import Clear
from callctl.store.spool import Spool
from callctl.store.tables import calls
from tests.store.facts import T0, abandoned

LIMITS = Deadlines(1, 5, 24.0, 1)
PROVINCE = read_province(Path(__file__).resolve().parents[2])
CALENDAR = read_calendar(GIVEN / "holidays.csv")


def shares(day: date, seed: int = 1) -> tuple[int, int, int]:
    """Requests, home answers, remote answers."""
    found = list(calls_of(day, seed))
    return (
        len(found),
        sum(one.by_city == ASSISTED for one in found),
        sum(one.by_city not in ("", ASSISTED) for one in found),
    )


def test_the_history_is_58_days_and_the_seats_come_in_three_waves_to_89() -> None:
    assert len(list(days())) == 58
    assert [sum(planned(day).values()) for day in (FIRST - timedelta(days=1), FIRST, date(2021, 8, 13), LAST)] == [
        0,
        21,
        64,
        89,
    ]
    assert len(planned(LAST)) == 11


def test_the_same_seed_gives_the_same_calls_and_another_gives_others() -> None:
    day = FIRST - timedelta(days=3)
    assert list(calls_of(day, 1)) == list(calls_of(day, 1))
    assert list(calls_of(day, 1)) != list(calls_of(day, 2))


def test_the_first_days_are_like_the_public_ones() -> None:
    requested, home, remote = shares(date(2021, 8, 8))
    assert 4000 <= requested <= 5000
    assert 0.07 <= remote / (home + remote) <= 0.15  # 近10%
    assert 7 <= remote / 42 <= 14  # Ten calls a support agent and day.


def test_every_call_s_facts_tell_one_story_and_nobody_overtakes_the_queue() -> None:
    found = list(calls_of(FIRST - timedelta(days=2), 3))
    stories = [tell(one.facts) for one in found]
    assert {story.outcome for story in stories} == {"answered", "abandoned"}
    assert all(not story.open for story in stories)
    answered = [story for story in stories if story.outcome == "answered"]
    order = [story.left_at for story in sorted(answered, key=lambda story: story.seen_at)]
    assert order == sorted(order)


@pytest.fixture
def three_days(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    some = [FIRST - timedelta(days=7), FIRST, FIRST + timedelta(days=1)]
    monkeypatch.setattr(load, "days", lambda: iter(some))
    monkeypatch.setattr(load, "LAST", some[-1])
    return some


async def test_loading_twice_is_loading_once_and_the_summary_comes_from_it(tmp_path: Path, three_days: list[date]) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}")
    await prepare(engine)
    told: list[int] = []
    for _ in range(2):
        count = await load_month(engine, Clear(), CALENDAR, LIMITS, 1, lambda _, n: told.append(n))
    assert count == sum(told[:3])
    async with engine.connect() as connection:
        kept = [
            (await connection.execute(select(func.count()).select_from(one))).scalar_one()
            for one in (calls, wrapups, stubs)
        ]
    whole = await count_span(engine, Span(moment(three_days[0]), moment(three_days[-1], 24)))
    assert kept[0] == count == whole[ASSISTED].requested
    assert kept[1] == whole[ASSISTED].answered
    assert kept[2] == whole[ASSISTED].forwarded_home + whole[ASSISTED].forwarded_remote
    assert (await verify(engine)).broken == ()
    (event,) = await past_events(engine, ASSISTED)
    made = await summary(Sources(engine, PROVINCE, Rules(), [], CALENDAR), event, moment(LAST, 48))
    assert made.days == 2
    assert made.gain.before_after is not None
    assert 0 < made.gain.before_after < 15
    assert sum(one.answered for one in made.supporters) == made.sums.answered_remote
    await engine.dispose()


async def test_a_database_with_real_calls_is_left_alone(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}")
    history = SqlHistory(open_engine(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"), Spool(tmp_path / "spool"))
    for fact in abandoned(1, T0, T0 + 9):
        history.record(fact)
    await history.flush()
    await history.close()
    with pytest.raises(NotEmpty, match="1 other calls"):
        await load_month(engine, Clear(), CALENDAR, LIMITS, 1, lambda *_: None)
    await engine.dispose()
