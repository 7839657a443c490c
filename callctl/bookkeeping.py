"""The books as the console and the cities' own systems see them: orders, missed calls, daily reports, categories.

The same functions as the command line's; every act and every look at personal data is audited before it is done.
"""

import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from callctl.core.acts import ActRefused
from callctl.core.callbacks import can_call_back
from callctl.core.categories import Category
from callctl.core.daily import Daily
from callctl.core.days import DAY_S, Span, day_span
from callctl.core.missed import AGAIN_S, TRIES_MOST, CallBack, Entry, Tried
from callctl.core.model import Province
from callctl.core.satisfaction import SCALES, score_of
from callctl.demands import calendar_in_use, deadlines, tree_in_use
from callctl.given_files import GivenRefused, read_categories
from callctl.log import mask
from callctl.paper.pdf import PrintFailed
from callctl.reporting import kept_daily, make_daily, sources_of, write_daily
from callctl.rights import Actor
from callctl.rules import Rules, RulesError, read_rules
from callctl.store.connect import Books
from callctl.store.daily import Sources
from callctl.store.history import LOST, first_line
from callctl.store.ledger import write_audit
from callctl.store.missed import Made, entry_of, keep_call_back, made_lately, to_call_back
from callctl.store.notes import CityStatus, StatusRefused, Unreconciled, pull, reconcile, replace_tree, take_status
from callctl.store.port import AlreadyDone, AuditEntry, StoreLost, act_id
from callctl.store.reports import APPROVED, NOTED, SENT, Report, ReportRefused, annotate, approve, list_reports, mark_sent
from callctl.store.schema import SchemaUnfit, prepare
from callctl.store.seal import Unsealable
from callctl.store.supervision import Order, open_orders

FORMS = {"html": "text/html", "pdf": "application/pdf", "json": "application/json"} | {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
}
LISTED_MOST = 500  # Missed callers a page shows; nobody dials more before looking again.
SHEET_MOST = 2_000_000  # Bytes of a list of categories; the largest known has some hundred kilobytes.


@dataclass(frozen=True, slots=True)
class Listed:
    """One citizen on the list of missed calls, the number masked."""

    entry: Entry
    number: str


@dataclass(frozen=True, slots=True)
class MissedList:
    """Whom to call back, what was tried lately, and whether the PBX dials."""

    waiting: Sequence[Listed]
    made: Sequence[Made]
    by_pbx: bool  # False: by hand, for the city's PBX cannot, or its admin or records.toml has not allowed it.
    hours: tuple[float, float] | None
    more: bool = False  # There are more than LISTED_MOST; the first come are shown.


class BookKeeping:
    """Every call may raise StoreLost, and ActRefused where a rule or a list of the province is wrong."""

    def __init__(self, books: Books, province: Province, now: Callable[[], float]) -> None:
        self._books = books
        self._province = province
        self._now = now
        self._ready = False

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Books]:
        try:
            if not self._ready:
                await prepare(self._books.engine)
                self._ready = True
            yield self._books
        except SchemaUnfit:
            raise
        except LOST as error:
            raise StoreLost(f"the books cannot be read: {first_line(error)}") from None
        except Unsealable as error:
            raise ActRefused("加密字段打不开：本机的字段密钥不对", f"sealed fields cannot be opened: {error}") from None

    def _rules(self) -> Rules:
        try:
            return read_rules(self._books.settings.province_dir)
        except RulesError as error:
            raise ActRefused(f"记录规则有误：{error}", str(error)) from None

    async def _sources(self, books: Books) -> Sources:
        try:
            return await sources_of(books, self._province, self._rules())
        except GivenRefused as error:
            raise ActRefused(f"分类或节假日文件有误：{error}", str(error)) from None

    async def _audit(self, books: Books, actor: Actor, what: str, city: str, after: str) -> None:
        await write_audit(books.engine, self._entry(actor, what, city, after), None, "")

    def _entry(self, actor: Actor, what: str, city: str, after: str) -> AuditEntry:
        return AuditEntry(self._now(), actor.name, actor.where, what, city, "", after, "", secrets.token_hex(8))

    # ------------------------------------------------------------------------------------- orders
    async def stubs(self, actor: Actor, city: str, after: int, most: int) -> tuple[list[dict[str, Any]], int]:
        """The city's stubs behind the cursor, and the next cursor. What leaves is audited."""
        async with self._open() as books:
            found, cursor = await pull(books.engine, city, after, most, books.seal)
            if found:
                await self._audit(books, actor, "pull stubs", city, f"after {after}: {len(found)}")
            return found, cursor

    async def told(self, city: str, told: CityStatus, satisfaction: str = "") -> bool:
        """What the city's system says of its order; whether it was news. The same again changes nothing."""
        if satisfaction:
            scale = self._rules().scale(city)
            score = score_of(satisfaction, scale)
            if score is None:
                known = "、".join(SCALES[scale])
                raise ActRefused(f"满意度“{satisfaction}”不在评价档次中：{known}", f"satisfaction: one of {known}")
            told = replace(told, score=score)
        async with self._open() as books:
            try:
                return await take_status(books.engine, told, city)
            except StatusRefused as error:
                raise ActRefused(f"不能登记：{error}", str(error)) from None

    async def orders(self, city: str) -> Sequence[Order]:
        """The city's open orders with their cards, the most urgent first."""
        rules = self._rules()
        limits = deadlines(rules.deadline(city))
        async with self._open() as books:
            try:
                calendar = calendar_in_use(books.settings)
            except GivenRefused as error:
                raise ActRefused(f"节假日文件有误：{error}", str(error)) from None
            return await open_orders(books.engine, city, lambda _: limits, calendar, self._now())

    async def unreconciled(self, city: str, day: date) -> Unreconciled:
        """每日核对."""
        span: Span = day_span(day, self._rules().report.day_starts_h)
        async with self._open() as books:
            return await reconcile(books.engine, city, span)

    # ------------------------------------------------------------------------------------- missed calls
    async def missed(self, city: str) -> MissedList:
        """Whom the city should call back, numbers masked, and what was tried in the last day."""
        rule = self._rules().call_back.get(city)
        async with self._open() as books:
            tries = (rule.tries, rule.again_min * 60.0) if rule else (TRIES_MOST, AGAIN_S)
            found = await to_call_back(books.engine, city, self._now(), *tries, most=LISTED_MOST + 1)
            listed = [Listed(one, mask(books.seal.open(one.number))) for one in found[:LISTED_MOST]]
            made = await made_lately(books.engine, city, self._now() - DAY_S)
        by_pbx = rule is not None and can_call_back(self._province, city)
        hours = (rule.from_h, rule.to_h) if rule and by_pbx else None
        return MissedList(listed, made, by_pbx, hours, len(found) > LISTED_MOST)

    async def called_back(
        self, actor: Actor, city: str, call: str, outcome: Tried, seat: str, note: str, request: str
    ) -> None:
        """Write down what came of a call-back that was dialled by hand; the same request again changes nothing."""
        async with self._open() as books:
            entry = await entry_of(books.engine, city, call, self._now())
            if entry is None:
                raise ActRefused("该号码已不在待回拨清单上", "this caller is not on the list any more")
            await self._audit(books, actor, "call back", city, f"{call}: {outcome.value}")
            one = CallBack(entry.caller, self._now(), outcome)
            await keep_call_back(books.engine, request or secrets.token_hex(8), city, one, city, seat, note)

    # ------------------------------------------------------------------------------------- reports
    async def reports(self, city: str) -> Sequence[Report]:
        """The city's daily reports, the newest first."""
        async with self._open() as books:
            return list(reversed(await list_reports(books.engine, city)))

    async def report(self, city: str, day: date) -> tuple[Daily, Report | None]:
        """The report of a day as it stands: a draft is gathered anew, an approved one is what was approved."""
        async with self._open() as books:
            return await kept_daily(await self._sources(books), city, day, self._now())

    async def report_so_far(self, city: str, day: date) -> Daily:
        """The day so far: 快报."""
        async with self._open() as books:
            return await make_daily(await self._sources(books), city, day, self._now(), False)

    async def report_file(self, city: str, day: date, form: str) -> bytes:
        """The report as a file of one of FORMS."""
        made, kept = await self.report(city, day)
        with tempfile.TemporaryDirectory(prefix="callctl-report-") as folder:
            try:
                [path] = await write_daily(made, kept, Path(folder), (form,))
            except PrintFailed as error:
                raise ActRefused(f"PDF 打印失败：{error}", f"the PDF could not be printed: {error}") from None
            return path.read_bytes()

    async def annotate(self, actor: Actor, city: str, day: date, notes: str, request: str = "") -> None:
        """编报说明 of a draft."""
        entry = self._step_entry(actor, NOTED, city, day, notes, request)
        await self._step(city, day, lambda engine, of: annotate(engine, city, of, notes, entry))

    async def approve(self, actor: Actor, city: str, day: date, request: str = "") -> None:
        """审批: the figures are frozen from here."""
        entry = self._step_entry(actor, APPROVED, city, day, "", request)
        await self._step(city, day, lambda engine, of: approve(engine, city, of, entry))

    async def sent(self, actor: Actor, city: str, day: date, to: str, request: str = "") -> None:
        """登记报出."""
        entry = self._step_entry(actor, SENT, city, day, to, request)
        await self._step(city, day, lambda engine, of: mark_sent(engine, city, of, to, entry))

    def _step_entry(self, actor: Actor, what: str, city: str, day: date, content: str, request: str) -> AuditEntry:
        """The audit's line. A repetition is the same person's same step with the same content; a key alone is anybody's."""
        once = act_id(request, actor.account or actor.name, what, city, day.isoformat(), content)
        return AuditEntry(self._now(), actor.name, actor.where, what, city, "", day.isoformat(), "", once)

    async def _step(self, city: str, day: date, do: Callable[[Any, str], Awaitable[None]]) -> None:
        """A step of the report's way. What was done by the same request before is done: nothing happens again."""
        async with self._open() as books:
            try:
                with suppress(AlreadyDone):
                    await do(books.engine, day.isoformat())
            except ReportRefused as error:
                raise ActRefused(str(error), f"the report of {day} of {city} is not at this step: {error}") from None

    # ------------------------------------------------------------------------------------- categories
    async def tree(self) -> Sequence[Category]:
        """The categories in use; nothing else is read for them, so a wrong list of holidays does not hide them."""
        async with self._open() as books:
            try:
                return await tree_in_use(books.engine, books.settings)
            except GivenRefused as error:
                raise ActRefused(f"分类文件有误：{error}", str(error)) from None

    async def replace_categories(self, actor: Actor, sheet: bytes) -> int:
        """Put the tree of a CSV file (UTF-8 or GB18030) in place of the old one: all of it, or nothing."""
        if len(sheet) > SHEET_MOST:
            raise ActRefused("文件太大", "the file is too large")
        with tempfile.TemporaryDirectory(prefix="callctl-categories-") as folder:
            path = Path(folder) / "categories.csv"
            path.write_bytes(sheet)
            try:
                tree = read_categories(path)
            except GivenRefused as error:
                lines = [line.removeprefix(f"{path}: ") for line in str(error).splitlines()]
                raise ActRefused("；".join(lines[:20]), "; ".join(lines[:20])) from None
        async with self._open() as books:
            await replace_tree(books.engine, tree, self._entry(actor, "categories", "", f"{len(tree)}"))
        return len(tree)
