"""漏接回拨 by the books: finds who is to be called back now and tells the controller, which finds the free agents."""

from collections.abc import Mapping

from callctl.core.callbacks import can_call_back
from callctl.core.missed import Wanted, errands, quiet
from callctl.core.model import Province
from callctl.rules import Rules
from callctl.store.connect import Books
from callctl.store.missed import to_call_back
from callctl.store.port import Registry

LIVES_S = 60.0  # Books that died do not know who has been answered since: their list ends.
LISTED_MOST = 200  # Errands told at a time; more than a city's agents dial in the minutes until the next list.


async def wanted(books: Books, province: Province, rules: Rules, now: float) -> Mapping[str, Wanted]:
    """By city, what its PBX shall dial now: nothing in quiet hours, nothing that is not due soon. Raises one of LOST."""
    found = {}
    for city, rule in rules.call_back.items():
        if city not in province.cities or not can_call_back(province, city) or quiet(now, rule.from_h, rule.to_h):
            continue
        listed = await to_call_back(books.engine, city, now, rule.tries, rule.again_min * 60.0)
        soon = [one for one in errands(listed) if one.next_at <= now + LIVES_S]
        found[city] = Wanted(tuple(soon[:LISTED_MOST]), rule.at_once, rule.reserve)
    return found


async def tell_wanted(books: Books, province: Province, rules: Rules, registry: Registry, now: float) -> None:
    """Tell the controller. Raises StoreLost, one of LOST."""
    if rules.call_back:
        await registry.put_wanted(await wanted(books, province, rules, now), LIVES_S)
