"""The forms beside the reports: 启动通知, 支援排班表, 口径清单, as pages and PDF from the event and the cities' tables."""

import asyncio
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from callctl import clock
from callctl.cli.books import CityOption, Desk, at_desk
from callctl.cli.shell import ProvinceOption
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.core.model import Lending
from callctl.core.roster import Duty, faults, sums
from callctl.paper.page import form_page
from callctl.paper.pdf import PrintFailed, print_pdf
from callctl.store.assistance import past_events
from callctl.store.sheet import Line, SheetRefused, read_sheet, refuse

OutFile = Annotated[Path, typer.Option("--out", help=say("输出文件（.html 或 .pdf）", "file to write, .html or .pdf"))]
TableFile = Annotated[Path, typer.Option("--table", help=say("表格（CSV）", "table (CSV)"))]
_ROSTER_NEEDED = ("day", "city", "shift", "seat", "agent", "name")
_ROSTER_MORE = ("skills", "leader", "reserve", "state", "remark")
_SCRIPT_NEEDED = ("id", "question", "answer", "version")
_SCRIPT_MORE = ("scope", "basis", "code", "weight", "valid_from", "valid_to", "used")


def write_notice(
    city: CityOption,
    out: OutFile,
    number: Annotated[str, typer.Option("--number", help=say("文号", "number of the document"))] = "",
    signed_by: Annotated[str, typer.Option("--signed-by", help=say("签发人", "who signs"))] = "",
    cause: Annotated[str, typer.Option("--cause", help=say("事由", "cause"))] = "",
    severity: Annotated[str, typer.Option("--severity", help=say("等级", "grade of the event"))] = "",
    until: Annotated[str, typer.Option("--until", help=say("预计结束", "expected end"))] = "",
    province: ProvinceOption = None,
) -> None:
    """The notice of the city's last event: supporting cities, waves, seats, conditions."""

    async def make(desk: Desk) -> str:
        code = desk.city(city)
        events = await past_events(desk.books.engine, code)
        if not events:
            raise ActRefused(f"{city} 没有启动令", f"{city} never had an event")
        event, names = events[-1], desk.province.cities
        planned = event.plans[-1].seats
        shifts = len(desk.rules.shift)
        since = {one: next(plan.at for plan in event.plans if plan.seats.get(one)) for one, n in planned.items() if n}
        seats = [
            {
                "city_zh": names[one].name_zh if one in names else one,
                "wave": event.wave_of(one),
                "since": since[one],
                "seats": planned[one],
                "agents": planned[one] * shifts,
                "contact": "",
            }
            for one in since
        ]
        minutes = round(desk.rules.report.at_h * 60)
        return form_page(
            "notice",
            city_zh=names[code].name_zh,
            number=number,
            unit=desk.rules.report.unit,
            signed_by=signed_by,
            status="终止" if event.ended_at is not None else "执行",
            cause=cause,
            level=severity,
            started_at=event.started_at,
            title=event.title,
            until=until,
            seats=sorted(seats, key=lambda one: (one["wave"] or 99, one["since"])),
            hours="7×24 小时",
            threshold_s=names[code].queue.wait_threshold_s,
            script_within="",
            script_owner="",
            report_at=f"{minutes // 60:02d}:{minutes % 60:02d}",
            contacts={"province": "", "city": "", "technical": "", "carrier": ""},
        )

    _put(out, lambda: at_desk(province, make))


def write_roster(city: CityOption, table: TableFile, out: OutFile, province: ProvinceOption = None) -> None:
    """The roster from a table; exit code 1 where something must be corrected (it stands on the page, too)."""
    found: list[str] = []

    async def make(desk: Desk) -> str:
        duties = _duties(desk, table)
        lendable = {
            code: sum(seat.lend is not Lending.NO for seat in one.seats) for code, one in desk.province.cities.items()
        }
        found.extend(faults(duties, desk.rules.rest_h, lendable))
        names = {code: one.name_zh for code, one in desk.province.cities.items()}
        totals = sums(duties)
        by_city = [{names[code]: count for code, count in one.by_city.items()} for one in totals]
        days = sorted({one.day for one in duties})
        return form_page(
            "roster",
            city_zh=names[desk.city(city)],
            unit=desk.rules.report.unit,
            days=f"{days[0]} 至 {days[-1]}",
            faults=found,
            rows=[
                {
                    "day": one.day.isoformat(),
                    "shift": one.shift.name,
                    "city_zh": names[one.city],
                    **{key: getattr(one, key) for key in ("seat", "agent", "name", *_ROSTER_MORE)},
                }
                for one in sorted(duties, key=lambda one: (one.begins_at, one.city, one.seat))
            ],
            cities=sorted({name for one in by_city for name in one}),
            sums=[
                {"day": one.day.isoformat(), "shift": one.shift, "by_city": named, "total": one.total}
                for one, named in zip(totals, by_city, strict=True)
            ],
        )

    _put(out, lambda: at_desk(province, make))
    for line in found:
        print(f"callctl: {line}", file=sys.stderr)
    if found:
        raise typer.Exit(1)


def _duties(desk: Desk, table: Path) -> list[Duty]:
    """The rows of a roster. Raises SheetRefused."""
    shifts = {rule.name: rule.shift for rule in desk.rules.shift}
    duties: list[Duty] = []
    wrong: list[str] = []
    for line in read_sheet(table.read_bytes(), _ROSTER_NEEDED, _ROSTER_MORE):
        cells = line.cells
        try:
            if cells["shift"] not in shifts:
                raise ValueError(f"shift {cells['shift']!r}: one of {', '.join(shifts)} (records.toml)")
            more = {key: cells[key] for key in _ROSTER_MORE if cells.get(key)}
            who = {key: cells[key] for key in ("seat", "agent", "name")}
            duties.append(Duty(_day(line), desk.city(cells["city"]), shifts[cells["shift"]], **who, **more))
        except (ValueError, ActRefused) as error:
            wrong.append(f"line {line.number}: {error}")
    if not duties and not wrong:
        wrong.append("no row in it")
    refuse(wrong)
    return duties


def _day(line: Line) -> date:
    try:
        return date.fromisoformat(line.cells["day"])
    except ValueError:
        raise ValueError(f"day {line.cells['day']!r}: write 2021-08-07") from None


def write_scripts(city: CityOption, table: TableFile, out: OutFile, province: ProvinceOption = None) -> None:
    """The list of scripts from a table the assisted city keeps."""

    async def make(desk: Desk) -> str:
        rows = [line.cells for line in read_sheet(table.read_bytes(), _SCRIPT_NEEDED, _SCRIPT_MORE)]
        whole = [{key: row.get(key, "") for key in (*_SCRIPT_NEEDED, *_SCRIPT_MORE)} for row in rows]
        name = desk.province.cities[desk.city(city)].name_zh
        return form_page("scripts", city_zh=name, made_at=clock.now(), rows=whole)

    _put(out, lambda: at_desk(province, make))


def _put(out: Path, make: Any) -> None:
    """Write the page, or print it."""
    if out.suffix not in (".html", ".pdf"):
        raise ActRefused("--out 以 .html 或 .pdf 结尾", "--out ends in .html or .pdf")
    try:
        page = make()
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".html":
            out.write_text(page, encoding="utf-8")
        else:
            _print(page, out)
    except SheetRefused as error:
        for line in str(error).splitlines():
            print(f"callctl: {line}", file=sys.stderr)
        raise typer.Exit(1) from None
    except PrintFailed as error:
        raise ActRefused(f"PDF 印不出来：{error}", f"no PDF: {error}") from None
    print(out)


def _print(page: str, out: Path) -> None:
    asyncio.run(print_pdf(page, out))
