"""What the commands on records share: opening the books, days and cities as people write them, masking and unmasking."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from callctl import clock
from callctl.atlas import find_city
from callctl.cli.shell import person
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.core.days import BEIJING, Span, day_of, day_span
from callctl.core.model import Province
from callctl.log import mask
from callctl.province import read_province
from callctl.rules import Rules, read_rules
from callctl.settings import read_settings
from callctl.store.connect import Books, open_books
from callctl.store.ledger import write_audit
from callctl.store.port import AuditEntry
from callctl.store.seal import Seal, Unsealable

Answer = TypeVar("Answer")

CityOption = Annotated[
    str, typer.Option("--city", help=say("市：代码、中文名或区号", "city: code, Chinese name or area code"))
]
FromOption = Annotated[
    str, typer.Option("--from", help=say("起：日期或日期时间，如 2021-08-07 09:00", "from: date or date and time, Beijing"))
]
ToOption = Annotated[str, typer.Option("--to", help=say("止（不含；只写日期则含当日）", "until; a bare date is included"))]
DateOption = Annotated[str, typer.Option("--date", help=say("日期 2021-08-07；默认昨天", "date; yesterday by default"))]
DryOption = Annotated[bool, typer.Option("--dry-run", help=say("只看不做", "only say what would be done"))]
YesOption = Annotated[bool, typer.Option("--yes", help=say("确实执行", "really do it"))]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command on records works with."""

    books: Books
    province: Province
    rules: Rules

    def city(self, text: str) -> str:
        """The code of a city a person named. Raises ActRefused."""
        return find_city(self.province, text).code

    async def audited(self, what: str, city: str, after: str, reason: str) -> None:
        """Write down who did this, before it is done. Raises one of history.LOST."""
        await write_audit(self.books.engine, self.entry(what, city, after, reason), None, "")

    def entry(self, what: str, city: str, after: str, reason: str = "") -> AuditEntry:
        """The audit's line of an act of the person at the keyboard, now."""
        who = person()
        return AuditEntry(clock.now(), who.name, who.where, what, city, "", after, reason)


def at_desk(province_dir: Path | None, ask: Callable[[Desk], Awaitable[Answer]]) -> Answer:
    """Open the books, do one thing, close them."""

    async def visit() -> Answer:
        settings = read_settings(province=province_dir)
        province = read_province(settings.province_dir)
        rules = read_rules(settings.province_dir)
        async with open_books(settings) as books:
            return await ask(Desk(books, province, rules))

    return asyncio.run(visit())


def the_day(text: str, starts_h: int = 0) -> date:
    """A day as a person writes it; "" is yesterday. Raises ActRefused."""
    if not text:
        return day_of(clock.now(), starts_h) - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ActRefused(f"日期“{text}”不对：写成 2021-08-07", f"'{text}' is no date: write 2021-08-07") from None


def the_span(since: str, until: str) -> Span:
    """A span as a person writes it; yesterday where nothing is given. Raises ActRefused."""
    if not since and not until:
        return day_span(the_day(""))
    begin = _moment(since or until, 0)
    end = _moment(until or since, 86_400)
    if end <= begin:
        raise ActRefused("时间段是空的：--to 要晚于 --from", "the span is empty: --to must be later than --from")
    return Span(begin, end)


def _moment(text: str, whole_day_s: float) -> float:
    try:
        if len(text) <= 10:
            return day_span(date.fromisoformat(text)).since + whole_day_s
        return datetime.fromisoformat(text).replace(tzinfo=BEIJING).timestamp()
    except ValueError:
        raise ActRefused(
            f"时间“{text}”不对：写成 2021-08-07 或 2021-08-07 09:00",
            f"'{text}' is no time: write 2021-08-07 or 2021-08-07 09:00",
        ) from None


def masked(seal: Seal) -> Callable[[str], str]:
    """A number as kept, as it may be shown to anybody: 138****0001."""

    def shown(number: str) -> str:
        try:
            return mask(seal.open(number))
        except Unsealable:
            return "***"

    return shown
