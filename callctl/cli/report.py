"""`callctl report`: 数据日报 and the other documents of an assistance event, made, annotated, approved, sent."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from callctl import clock, log
from callctl.cli.books import CityOption, DateOption, Desk, at_desk, the_day
from callctl.cli.documents import write_notice, write_roster, write_scripts
from callctl.cli.shell import JsonOption, ProvinceOption, print_json
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.core.advice import urgent
from callctl.core.days import BUCKET_S, bucket_of, day_of, day_span
from callctl.paper.page import summary_page
from callctl.paper.pdf import PrintFailed, print_pdf
from callctl.reporting import FORMS, catch_up, keep_books, kept_daily, make_daily, sources_of, summary, write_daily
from callctl.store.assistance import past_events
from callctl.store.connect import open_registry
from callctl.store.counters import buckets, recount
from callctl.store.reports import APPROVED, NOTED, SENT, annotate, approve, list_reports, mark_sent

OutOption = Annotated[Path, typer.Option("--out", help=say("输出目录", "folder for the files"))]
FormsOption = Annotated[str, typer.Option("--forms", help=say("文件类型", "which files"))]
_ALL_FORMS = ",".join(FORMS)
_STATES = {"draft": ("草稿", "draft"), "approved": ("已审批", "approved"), "sent": ("已报出", "sent")}


def register(app: typer.Typer) -> None:
    """Add the group `report`."""
    group = typer.Typer(help=say("数据日报与各类表单", "Daily reports and forms"), no_args_is_help=True)
    for name, zh, en, command in (
        ("daily", "生成一日的数据日报", "The daily report of a day", daily),
        ("now", "特殊时期快报：当日至今", "The day so far", now),
        ("catch-up", "补出所有到期未报的日报", "Make every report that is due", make_up),
        ("list", "日报一览", "All daily reports", list_all),
        ("note", "编报说明", "Notes on a draft", note),
        ("approve", "审批（数字从此不变）", "Approve: figures are frozen", approve_one),
        ("sent", "登记已报出", "Write down that it went out", sent),
        ("summary", "总结报告", "The event's summary", whole),
        ("notice", "启动通知", "The event's notice", write_notice),
        ("roster", "支援排班表（含核对）", "The roster, checked", write_roster),
        ("scripts", "口径清单", "The list of scripts", write_scripts),
    ):
        group.command(name, help=say(zh, en))(command)
    app.add_typer(group, name="report")
    app.command(
        "books", help=say("记账进程：计数、送达、日报，直到 Ctrl-C", "Count, deliver, draft reports, until Ctrl-C")
    )(books)


def _forms(text: str) -> tuple[str, ...]:
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [part for part in wanted if part not in FORMS]
    if wrong or not wanted:
        raise ActRefused(
            f"没有“{','.join(wrong)}”；可用 {','.join(FORMS)}", f"no form '{','.join(wrong)}': {','.join(FORMS)}"
        )
    return wanted


async def _cities(desk: Desk, city: str, day: date) -> list[str]:
    """The city named, or every city that was assisted on the day. Raises ActRefused."""
    if city:
        return [desk.city(city)]
    span = day_span(day, desk.rules.report.day_starts_h)
    found = sorted({event.assisted for event in await past_events(desk.books.engine) if event.overlaps(span)})
    if not found:
        raise ActRefused(f"{day} 没有启动令；用 --city 指明被支援市", f"no event ran on {day}: name a city with --city")
    return found


def daily(
    out: OutOption,
    day: DateOption = "",
    city: CityOption = "",
    forms: FormsOption = _ALL_FORMS,
    province: ProvinceOption = None,
) -> None:
    """Make the report of a day that is over, and its files."""
    wanted = _forms(forms)

    async def make(desk: Desk) -> list[Path]:
        which = the_day(day, desk.rules.report.day_starts_h)
        if day_span(which, desk.rules.report.day_starts_h).until > clock.now():
            raise ActRefused(f"{which} 还没有结束；当日快报用 callctl report now", f"{which} is not over: use `report now`")
        sources, files = await sources_of(desk.books, desk.province, desk.rules), []
        for one in await _cities(desk, city, which):
            made, kept = await kept_daily(sources, one, which, clock.now())
            files += await write_daily(made, kept, out, wanted)
        return files

    _say_files(_printed(lambda: at_desk(province, make)))


def now(out: OutOption, city: CityOption = "", forms: FormsOption = _ALL_FORMS, province: ProvinceOption = None) -> None:
    """The day so far; says whether more seats are needed at once."""
    wanted = _forms(forms)

    async def make(desk: Desk) -> tuple[list[Path], list[str]]:
        at = clock.now()
        which = day_of(at, desk.rules.report.day_starts_h)
        sources, files, calls = await sources_of(desk.books, desk.province, desk.rules), [], []
        for one in await _cities(desk, city, which):
            made = await make_daily(sources, one, which, at, False)
            files += await write_daily(made, None, out, wanted)
            await recount(desk.books.engine)
            found = (await buckets(desk.books.engine, day_span(which), [one])).get(one, {})
            over = [found[bucket] for bucket in sorted(found) if bucket < bucket_of(at) and bucket >= at - 3 * BUCKET_S]
            why = urgent(over, desk.province.cities[one].queue.wait_threshold_s)
            if why:
                calls.append(
                    say(f"建议即刻增加{desk.province.cities[one].name_zh}支援：{why}", f"{one} needs more seats now: {why}")
                )
        return files, calls

    files, calls = _printed(lambda: at_desk(province, make))
    _say_files(files)
    for line in calls:
        print(line)


def make_up(as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Draft every report that is due; for a timer, where no controller runs."""

    async def make(desk: Desk) -> Any:
        return await catch_up(await sources_of(desk.books, desk.province, desk.rules), clock.now())

    done = at_desk(province, make)
    if as_json:
        print_json([{"city": city, "day": day.isoformat(), "late": late} for city, day, late in done])
        return
    for city, day, late in done:
        print(f"{day} {city}" + (say("（补报）", " (late)") if late else ""))
    print(say(f"补出 {len(done)} 份", f"{len(done)} made"))


def books(province: ProvinceOption = None) -> None:
    """Keep the books beside the controller; ends with Ctrl-C or SIGTERM, at any moment without harm."""

    async def keep(desk: Desk) -> None:
        if not desk.rules.call_back:
            await keep_books(desk.books, desk.province, desk.rules, clock.now)
            return
        async with open_registry(desk.books.settings) as registry:
            await keep_books(desk.books, desk.province, desk.rules, clock.now, registry)

    log.set_up("console", clock.now)
    at_desk(province, keep)


def list_all(city: CityOption = "", as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Print day, city, state."""

    async def look(desk: Desk) -> Any:
        return await list_reports(desk.books.engine, desk.city(city) if city else "")

    found = at_desk(province, look)
    if as_json:
        print_json([{"city": one.city, "day": one.day, "state": one.state, "late": one.late} for one in found])
        return
    for one in found:
        late = say("补报", "late") if one.late else ""
        print("  ".join(part for part in (one.day, one.city, say(*_STATES[one.state]), late, one.approved_by) if part))


def note(
    text: Annotated[str, typer.Argument(help=say("说明", "the notes"))],
    city: CityOption,
    day: DateOption = "",
    province: ProvinceOption = None,
) -> None:
    """Put notes on a draft; audited."""

    async def write(desk: Desk) -> None:
        code, which = desk.city(city), the_day(day).isoformat()
        await annotate(desk.books.engine, code, which, text, desk.entry(NOTED, code, which))

    at_desk(province, write)
    print(say("已记入", "kept"))


def approve_one(city: CityOption, day: DateOption = "", province: ProvinceOption = None) -> None:
    """Approve a draft as the person at the keyboard; audited."""

    async def write(desk: Desk) -> None:
        code, which = desk.city(city), the_day(day).isoformat()
        await approve(desk.books.engine, code, which, desk.entry(APPROVED, code, which))

    at_desk(province, write)
    print(say("已审批，数字从此不变", "approved: its figures are frozen"))


def sent(
    to: Annotated[str, typer.Option("--to", help=say("报送单位", "to whom"))],
    city: CityOption,
    day: DateOption = "",
    province: ProvinceOption = None,
) -> None:
    """Write down that an approved report went out; audited."""

    async def write(desk: Desk) -> None:
        code, which = desk.city(city), the_day(day).isoformat()
        await mark_sent(desk.books.engine, code, which, to, desk.entry(SENT, code, which))

    at_desk(province, write)
    print(say("已登记", "kept"))


def whole(
    out: OutOption,
    city: CityOption,
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """The summary of the city's last event, as page and PDF."""

    async def make(desk: Desk) -> Any:
        code = desk.city(city)
        events = await past_events(desk.books.engine, code)
        if not events:
            raise ActRefused(f"{city} 没有启动令", f"{city} never had an event")
        made = await summary(await sources_of(desk.books, desk.province, desk.rules), events[-1], clock.now())
        page = summary_page(made)
        target = out / f"{code}-summary"
        _write(target.with_suffix(".html"), page)
        await print_pdf(page, target.with_suffix(".pdf"))
        return made, [target.with_suffix(".html"), target.with_suffix(".pdf")]

    made, files = _printed(lambda: at_desk(province, make))
    if as_json:
        print_json(
            {
                "days": made.days,
                "requested": made.sums.requested,
                "answered": made.sums.answered,
                "answered_remote": made.sums.answered_remote,
                "gain_before_after": made.gain.before_after,
                "gain_model": made.gain.model,
                "seats": made.seats,
                "agents": made.agents,
                "per_agent_day": made.per_agent_day,
                "mean_days": made.orders.mean_days,
                "usual_days": made.orders.usual_days,
                "supporters": {one.city: one.answered for one in made.supporters},
            }
        )
        return
    _say_files(files)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _printed(do: Any) -> Any:
    try:
        return do()
    except PrintFailed as error:
        raise ActRefused(f"PDF 印不出来：{error}", f"no PDF: {error}") from None


def _say_files(files: list[Path]) -> None:
    for path in files:
        print(path)
