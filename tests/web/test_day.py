"""The day's charts by page and API: the same figures, nulls where nobody listened, and no figure while SQL is away."""

from pathlib import Path

from callctl.core.day import DAY_S, day_start
from callctl.core.events import PbxObserved
from callctl.rights import Role
from tests.store.facts import T0, abandoned, answered_home, answered_remote, waiting
from tests.store.servers import Valkey
from tests.web.house import Console, open_console, problem

HOUR_S = 3600.0
PAGE, API = "/cities/yangzhou/board/day", "/api/v1/cities/yangzhou/day"


async def a_day(console: Console) -> int:
    """Calls of a quarter of today and of the same one a week ago; the number of that quarter."""
    at = day_start(T0) + 9 * HOUR_S
    facts = [
        PbxObserved("yangzhou", at - 8 * DAY_S, (), (), (), (), (), ()),
        *answered_home(9, at - 7 * DAY_S + 5, at - 7 * DAY_S + 9),
        *answered_home(1, at + 10, at + 22),
        *answered_remote(2, at + 20, at + 60),
        *abandoned(3, at + 30, at + 90),
        waiting(4, at + 100),
    ]
    for fact in facts:
        console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    console.clock.at = at + HOUR_S
    return 9 * 4


async def test_a_machine_gets_the_charts_figures_and_the_page_the_same_with_words(console: Console) -> None:
    quarter = await a_day(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    told, shown = (await supervisor.get(API)).json(), (await supervisor.get(PAGE)).json()
    assert len(told["steps"]) == 96
    assert told["steps"][quarter] == {"since": day_start(T0) + 9 * HOUR_S, "until": day_start(T0) + 9.25 * HOUR_S}
    today = {name: values[quarter] for name, values in told["today"].items()}
    assert (today["asked"], today["answered_home"], today["answered_remote"], today["unanswered"]) == (4, 1, 1, 1)
    assert (today["waiting"], today["longest_s"]) != (None, None)
    assert told["last_week"]["asked"][quarter] == 1
    assert told["yesterday"]["asked"][quarter] == 0
    assert told["today"]["asked"][95] is None, "the evening has not come"
    for line in ("today", "yesterday", "last_week"):
        assert shown[line] == told[line]
    assert shown["labels"][quarter] == "09:00"


async def test_the_last_hour_comes_by_minutes_and_the_province_is_the_sum_of_ones_own_cities(console: Console) -> None:
    await a_day(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    for place in (API, "/api/v1/day"):
        told = (await supervisor.get(place, params={"span": "hour"})).json()
        assert len(told["steps"]) == 60
        assert sum(asked or 0 for asked in told["today"]["asked"]) == 1, "of the four the one that came within the hour"
    whole = (await supervisor.get("/api/v1/day")).json()
    assert sum(asked or 0 for asked in whole["today"]["asked"]) == 4
    other = await console.as_role(Role.SUPERVISOR, "suzhou")
    assert (await other.get(API)).status_code == 403
    assert sum(asked or 0 for asked in (await other.get("/api/v1/day")).json()["today"]["asked"]) == 0
    refused = problem(await supervisor.get(API, params={"span": "year"}))
    assert [one["field"] for one in refused["errors"]] == ["span"]


async def test_with_sql_away_page_and_machine_are_told_so(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "state" / "history.db").mkdir(parents=True)
    async with open_console(tmp_path / "state", valkey.url) as console:
        supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
        page = await supervisor.get(PAGE, headers={"Accept-Language": "zh"})
        assert (page.status_code, page.json()) == (503, {"lost": "历史库联系不上"})
        assert problem(await supervisor.get(API))["code"] == "store_lost"
