"""Makes the reports: gathers a day, keeps the draft, writes the files; and sees to it that no day is missed.

`callctl books` is a process of its own beside the controller, which must never wait for a count; `callctl report catch-up`
does the same once, for a timer. Whoever was down makes up for every day, and the report says that it is late.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from callctl.core.counting import Counters, together
from callctl.core.daily import Daily, Gain, Heading, Summary
from callctl.core.days import DAY_S, Span, day_of, day_span, day_text, days_between
from callctl.core.gain import before_after, by_model
from callctl.core.model import Province
from callctl.core.rates import connect_rate
from callctl.demands import calendar_in_use, tree_in_use
from callctl.given_files import GivenRefused
from callctl.missed import tell_wanted
from callctl.outbox import one_round
from callctl.paper.page import daily_page
from callctl.paper.pdf import print_pdf
from callctl.paper.workbook import daily_workbook
from callctl.rules import Rules
from callctl.store.assistance import PastEvent
from callctl.store.connect import Books
from callctl.store.counters import buckets, recount, rolled_up
from callctl.store.daily import Sources, daily, handling_time_s, help_hours, order_figures, supporters
from callctl.store.history import LOST, first_line
from callctl.store.port import Registry, StoreLost
from callctl.store.reports import Report, due, keep_draft, plain, read_report
from callctl.store.seal import Unsealable

ROUND_S = 5.0  # Counters and stubs are so old at most.
TELL_S = 10.0  # How old the list of whom to call back may be.
LOOK_S = 60.0  # How often it is asked whether a report is due.
FORMS = ("html", "pdf", "xlsx", "json")

log = structlog.get_logger()
_FROZEN = TypeAdapter(Daily)


async def sources_of(books: Books, province: Province, rules: Rules) -> Sources:
    """Where figures come from. Raises GivenRefused for a wrong list."""
    tree = await tree_in_use(books.engine, books.settings)
    return Sources(books.engine, province, rules, tree, calendar_in_use(books.settings))


async def make_daily(sources: Sources, city: str, day: date, now: float, late: bool) -> Daily:
    """Gather a day and keep it as a draft; an approved report of the day stays what it was."""
    made = await daily(sources, city, day, now, late)
    if not made.heading.partial:
        await keep_draft(sources.engine, made, now)
    return made


async def catch_up(sources: Sources, now: float) -> list[tuple[str, date, bool]]:
    """Make every report that is due; which, and whether late. Raises one of history.LOST."""
    done = []
    for one in await due(sources.engine, sources.rules.report, now):
        await make_daily(sources, one.city, one.day, now, one.late)
        done.append((one.city, one.day, one.late))
    return done


async def keep_books(
    books: Books, province: Province, rules: Rules, now: Callable[[], float], registry: Registry | None = None
) -> None:
    """Until cancelled: count what changed, hand over stubs, tell whom to call back, draft what is due.

    A lost database or registry is tried again; a job that fails does not keep the others from theirs. Without a registry
    nobody is called back by a PBX.
    """
    looked_at = told_at = float("-inf")
    while True:
        await _apart("counting", recount(books.engine))
        await _apart("handing over", _hand_over(books, rules, now()))
        if registry is not None and now() - told_at >= TELL_S:
            told_at = now()
            await _apart("call-backs", tell_wanted(books, province, rules, registry, now()))
        if now() - looked_at >= LOOK_S:
            looked_at = now()
            await _apart("daily reports", _draft(books, province, rules, now()))
        await asyncio.sleep(ROUND_S)


async def _apart(job: str, work: Awaitable[object]) -> None:
    """Do one job of the books; whatever goes wrong with it, the other jobs are done, and it is tried again."""
    try:
        await work
    except (*LOST, StoreLost) as error:
        log.warning("the books wait for the history", job=job, why=first_line(error))
    except (GivenRefused, Unsealable) as error:
        log.error("a job of the books cannot be done", job=job, why=first_line(error))
    except Exception:  # A fault of ours in one job: the others serve citizens, too.
        log.exception("a job of the books failed", job=job)


async def _hand_over(books: Books, rules: Rules, now: float) -> None:
    for line in (await one_round(books, rules, now)).refused:
        log.warning("a city's file was put aside", why=line)


async def _draft(books: Books, province: Province, rules: Rules, now: float) -> None:
    for city, day, late in await catch_up(await sources_of(books, province, rules), now):
        log.info("daily report drafted", city=city, day=day.isoformat(), late=late)


async def write_daily(made: Daily, kept: Report | None, folder: Path, forms: tuple[str, ...]) -> list[Path]:
    """Write the files of a report; each appears whole. Raises PrintFailed, OSError."""
    _made(folder)
    name = f"{made.heading.city}-{made.heading.day}{'-intraday' if made.heading.partial else ''}"
    notes, state = (kept.notes, kept.state) if kept else ("", "draft")
    written = []
    page = ""
    if {"html", "pdf"} & set(forms):
        page = daily_page(made, notes, state, kept.approved_by if kept else "", kept.approved_at if kept else None)
    for form in forms:
        path = folder / f"{name}.{form}"
        if form == "pdf":
            await print_pdf(page, path)
        elif form == "html":
            _put(path, page.encode())
        elif form == "xlsx":
            _put(path, daily_workbook(made, notes))
        else:
            body = {**plain(made), "notes": notes, "state": state}
            _put(path, (json.dumps(body, ensure_ascii=False, indent=2) + "\n").encode())
        written.append(path)
    return written


def _made(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _put(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


async def summary(sources: Sources, event: PastEvent, now: float) -> Summary:
    """总结报告 of an event, from the same figures as its daily reports."""
    engine, city, starts_h = sources.engine, event.assisted, sources.rules.report.day_starts_h
    await recount(engine)
    first = day_of(event.started_at, starts_h)
    last = day_of(min(now, event.ended_at or now) - 1, starts_h)
    whole = Span(day_span(first, starts_h).since, day_span(last, starts_h).until)
    all_days = list(days_between(first, last))
    found = (await buckets(engine, Span(whole.since - 28 * DAY_S, whole.until), [city])).get(city, {})
    per_day = rolled_up(found, [day_span(day, starts_h) for day in all_days])
    sums = together(per_day)
    gave = await supporters(sources, city, whole, event, now, {})
    before = _usual(found, whole)
    worked = sum(one.agents for one in gave)
    helped = [hour for day in all_days for hour in await help_hours(engine, city, day_span(day, starts_h), found)]
    model = by_model(helped, handling_time_s(sums, sources.rules), sources.rules.staffing.patience_s)
    usual = before.answered / before.requested if before.requested else None
    gain = Gain(before_after(connect_rate(sums), [connect_rate(before)]), usual, 28, model)
    return Summary(
        heading=_heading(sources, event, first, whole, now),
        days=len(all_days),
        sums=sums,
        usual_rate=usual,
        by_day=tuple(
            (day.isoformat(), one.requested, one.answered_home, one.answered_remote, connect_rate(one).value)
            for day, one in zip(all_days, per_day, strict=True)
        ),
        supporters=gave,
        seats=sum(one.planned or 0 for one in gave),
        agents=worked,
        per_agent_day=_per_agent_day(sources, event, all_days, per_day),
        orders=await order_figures(sources, city, whole, event, now),
        gain=gain,
    )


def _usual(found: dict[int, Counters], whole: Span) -> Counters:
    """The four weeks before the event: every weekday as often as the others."""
    return together(rolled_up(found, [Span(whole.since - 28 * DAY_S, whole.since)]))


def _per_agent_day(sources: Sources, event: PastEvent, all_days: list[date], per_day: list[Counters]) -> float | None:
    """Remote answers per agent planned and day: two agents man a seat in two shifts."""
    shifts = max(1, len(sources.rules.shift))
    starts_h = sources.rules.report.day_starts_h
    agents = [shifts * sum(event.seats_at(day_span(day, starts_h).until - 1).values()) for day in all_days]
    return sum(one.answered_remote for one in per_day) / sum(agents) if sum(agents) else None


def _heading(sources: Sources, event: PastEvent, first: date, whole: Span, now: float) -> Heading:
    names = sources.province.cities
    return Heading(
        city=event.assisted,
        city_zh=names[event.assisted].name_zh if event.assisted in names else event.assisted,
        day=first.isoformat(),
        day_zh=day_text(first),
        since=whole.since,
        until=whole.until,
        number=1,
        event_no=event.id,
        event_title=event.title,
        event_day=None,
        unit=sources.rules.report.unit,
        made_at=now,
        late=False,
        partial=event.ended_at is None,
        quality=(),
    )


async def kept_daily(sources: Sources, city: str, day: date, now: float) -> tuple[Daily, Report | None]:
    """The report as it stands now, with its notes and state. An approved one is told from its frozen figures."""
    kept = await read_report(sources.engine, city, day.isoformat())
    if kept is not None and kept.state != "draft":
        return _FROZEN.validate_python(kept.figures), kept
    made = await make_daily(sources, city, day, now, kept.late if kept else False)
    return made, await read_report(sources.engine, city, day.isoformat())
