"""What the books want called back: within hours, only where two people allowed it, never who was reached."""

from dataclasses import replace
from pathlib import Path

from callctl.core.days import day_of, moment
from callctl.core.events import CallBackEnd, CallBackEnded
from callctl.core.missed import Errand
from callctl.core.model import Province
from callctl.missed import wanted
from callctl.rules import CallBackRule, Rules
from callctl.settings import read_settings
from callctl.store.connect import open_books
from tests.provinces import three_cities
from tests.store.facts import T0, Y, abandoned, answered_home, name
from tests.store.test_counters import write

NOON = moment(day_of(T0), 12)


def province(allowed: bool = True) -> Province:
    whole = three_cities()
    city = whole.cities[Y]
    city = replace(city, queue=replace(city.queue, call_back_missed=allowed), pbx=replace(city.pbx, carrier="10.0.0.9"))
    return Province({**whole.cities, Y: city})


def rules(**more: float) -> Rules:
    return Rules(call_back={Y: CallBackRule(**more)})


async def test_who_gave_up_is_wanted_until_reached_tried_enough_or_the_day_is_over(sql_url: str, tmp_path: Path) -> None:
    facts = [
        *abandoned(1, NOON - 900, NOON - 800),
        *abandoned(2, NOON - 600, NOON - 500),
        *answered_home(3, NOON, NOON + 5),
    ]
    await write(sql_url, tmp_path, facts)
    settings = read_settings({"CALLCTL_SQL_URL": sql_url, "CALLCTL_STATE": str(tmp_path)})
    now = NOON + 60
    async with open_books(settings) as books:
        found = (await wanted(books, province(), rules(), now))[Y]
        assert [one.call for one in found.errands] == [name(1), name(2)]
        assert await wanted(books, province(allowed=False), rules(), now) == {}
        assert await wanted(books, province(), Rules(), now) == {}
        assert await wanted(books, province(), rules(to_h=12.0), now) == {}  # Quiet hours.
        ends = [
            CallBackEnded(Y, now, name(1), "a/1", Y, "2001", CallBackEnd.ANSWERED),
            CallBackEnded(Y, now, name(2), "b/1", Y, "2001", CallBackEnd.BUSY),
            CallBackEnded(Y, now, name(2), "b/0", Y, "", CallBackEnd.NO_AGENT),  # No try at his phone.
        ]
        await write(sql_url, tmp_path, ends)
        assert (await wanted(books, province(), rules(), now + 1))[Y].errands == ()  # Half an hour between two tries.
        soon = (await wanted(books, province(), rules(again_min=1), now + 30))[Y]
        assert soon.errands == (Errand(name(2), now + 60.0),)
        assert (await wanted(books, province(), rules(again_min=1, tries=1), now + 30))[Y].errands == ()
