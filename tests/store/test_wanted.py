"""What the books want called back: within hours, only where two people allowed it, never who was reached."""

from dataclasses import replace
from pathlib import Path

from callctl.core.days import day_of, day_span, moment
from callctl.core.events import CallBackEnd, CallBackEnded, CalledBack, CallLeftQueue, Fact, Outcome
from callctl.core.missed import Errand, Missed, Tried
from callctl.core.model import Province
from callctl.missed import wanted
from callctl.rules import CallBackRule, Rules
from callctl.settings import read_settings
from callctl.store.connect import open_books
from callctl.store.counters import count_span
from callctl.store.missed import made_lately, to_call_back
from tests.provinces import three_cities
from tests.store.facts import T0, Y, abandoned, answered_home, name, waiting
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


def called_back_by_key(number: int, asked: float, how: CallBackEnd) -> list[Fact]:
    """Asked for by key, taken by an agent, who hears the ringing until its end."""
    taken = answered_home(number, asked, asked + 60, talked_s=30.0)
    return [
        waiting(number, asked),
        CallLeftQueue(Y, asked + 30, name(number), Outcome.CALL_BACK),
        *taken[1:],
        CalledBack(Y, asked + 90, name(number), how),
    ]


async def test_who_asked_by_key_and_did_not_pick_up_stays_on_the_list_with_one_try_more(
    sql_url: str, tmp_path: Path
) -> None:
    ends = [CallBackEnd.ANSWERED, CallBackEnd.NO_ANSWER, CallBackEnd.NO_AGENT]
    told = [called_back_by_key(n, NOON + 600 * n, how) for n, how in enumerate(ends)]
    await write(sql_url, tmp_path, [fact for facts in told for fact in facts])
    await write(sql_url, tmp_path, told[1])  # Told again: no second try.
    settings = read_settings({"CALLCTL_SQL_URL": sql_url, "CALLCTL_STATE": str(tmp_path)})
    async with open_books(settings) as books:
        left = await to_call_back(books.engine, Y, NOON + 3600)
        assert [(one.call, one.how, one.attempts, one.tries) for one in left] == [
            (name(1), Missed.NOT_REACHED, 1, 1),
            (name(2), Missed.NOT_REACHED, 1, 0),
        ]
        made = await made_lately(books.engine, Y, NOON)
        assert [(one.by_city, one.seat, one.outcome) for one in made] == [
            (Y, "2001", Tried.NO_ANSWER),
            (Y, "2001", Tried.ANSWERED),
        ]
        sums = (await count_span(books.engine, day_span(day_of(T0))))[Y]
        assert (sums.requested, sums.call_back, sums.called_back) == (3, 3, 1)
