"""漏接回拨 by the books: finds who is to be called back now and tells the controller, which finds the free agents."""

from collections.abc import Mapping
from contextlib import aclosing

from callctl.core.callbacks import can_call_back
from callctl.core.missed import Errand, Wanted, errands, quiet
from callctl.core.model import Province
from callctl.rules import Rules
from callctl.store.connect import Books
from callctl.store.missed import open_entries
from callctl.store.port import Registry

LIVES_S = 60.0  # Books that died do not know who has been answered since: their list ends.
LISTED_MOST = 200  # Errands told at a time; more than a city's agents dial in the minutes until the next list.


async def wanted(books: Books, province: Province, rules: Rules, now: float) -> Mapping[str, Wanted]:
    """By city, what its PBX shall dial now: nothing in quiet hours, nothing that is not due soon. Raises one of LOST."""
    found = {}
    for city, rule in rules.call_back.items():
        if city not in province.cities or not can_call_back(province, city) or quiet(now, rule.from_h, rule.to_h):
            continue
        soon: list[Errand] = []
        async with aclosing(open_entries(books.engine, city, now, rule.tries, rule.again_min * 60.0)) as entries:
            async for entry in entries:
                soon += [one for one in errands([entry]) if one.next_at <= now + LIVES_S]
                if len(soon) == LISTED_MOST:
                    break  # The rest of the day's calls is not read.
        found[city] = Wanted(tuple(soon), rule.at_once, rule.reserve)
    return found


async def tell_wanted(books: Books, province: Province, rules: Rules, registry: Registry, now: float) -> None:
    """Tell the controller. Raises StoreLost, one of LOST."""
    if rules.call_back:
        await registry.put_wanted(await wanted(books, province, rules, now), LIVES_S)
