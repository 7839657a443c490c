"""`callctl kpi` and `callctl missed`: figures of any span by hour, shift or day; whom to call back, and what came of it."""

import enum
import secrets
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from callctl import clock
from callctl.cli.books import CityOption, Desk, FromOption, ToOption, at_desk, masked, the_span
from callctl.cli.shell import JsonOption, ProvinceOption, print_json, screen
from callctl.cli.words import say
from callctl.core import rates
from callctl.core.counting import NAMES, Counters
from callctl.core.days import BUCKET_S, DAY_S, HOUR_S, Shift, Span, bucket_of, day_of, local, shift_spans
from callctl.core.missed import CallBack, Entry, Missed, Tried
from callctl.store.counters import buckets, callers, carrier_attempts, recount, rolled_up
from callctl.store.missed import keep_call_back, to_call_back

_MISSED_ZH = {
    Missed.ABANDONED: "放弃",
    Missed.BLOCKED: "遇忙",
    Missed.CUT_OFF: "中断",
    Missed.NOT_REACHED: "回拨未接通",
    Missed.ASKED: "要求回拨",
}


class Step(enum.StrEnum):
    """How long an interval is."""

    BUCKET = "5min"
    HOUR = "hour"
    SHIFT = "shift"
    DAY = "day"
    ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("kpi", help=say("指标：接通率等，带分子分母", "Figures of a span, each rate with its denominator"))(kpi)
    group = typer.Typer(help=say("漏接回拨", "Missed calls and call-backs"), no_args_is_help=True)
    group.command("list", help=say("待回拨清单", "Whom to call back"))(missed)
    group.command("result", help=say("登记回拨结果", "What came of a call-back"))(result)
    app.add_typer(group, name="missed")


def spans_of(whole: Span, step: Step, shifts: tuple[Shift, ...]) -> list[tuple[str, Span]]:
    """The intervals of a span that begins at full five minutes, by name."""
    if step is Step.ALL:
        return [("", whole)]
    if step is Step.SHIFT:
        found = []
        day: date = day_of(whole.since) - timedelta(days=1)
        while day <= day_of(whole.until):
            found += [(f"{day} {shift.name}", span) for shift, span in shift_spans(day, shifts)]
            day += timedelta(days=1)
        return sorted((pair for pair in found if pair[1].since in whole), key=lambda pair: pair[1].since)
    length = {Step.BUCKET: BUCKET_S, Step.HOUR: HOUR_S, Step.DAY: DAY_S}[step]
    begins = [whole.since + n * length for n in range(int(whole.seconds // length))]
    shown = "%Y-%m-%d" if step is Step.DAY else "%Y-%m-%d %H:%M"
    return [(local(at).strftime(shown), Span(at, at + length)) for at in begins]


def kpi(
    city: CityOption,
    since: FromOption = "",
    until: ToOption = "",
    step: Annotated[Step, typer.Option("--by", help=say("间隔", "interval"))] = Step.DAY,
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Print counters and rates; yesterday by default."""
    asked = the_span(since, until)
    whole = Span(bucket_of(asked.since), asked.until)

    async def look(desk: Desk) -> list[dict[str, Any]]:
        code = desk.city(city)
        await recount(desk.books.engine)
        found = (await buckets(desk.books.engine, whole, [code])).get(code, {})
        named = spans_of(whole, step, tuple(rule.shift for rule in desk.rules.shift))
        rows = []
        for (name, span), sums in zip(named, rolled_up(found, [span for _, span in named]), strict=True):
            tries = await carrier_attempts(desk.books.engine, code, span) if step in (Step.DAY, Step.ALL) else None
            people = await callers(desk.books.engine, code, span) if step in (Step.DAY, Step.ALL) else None
            rows.append(_row(name, span, sums, people, tries.attempts if tries else None))
        return rows

    rows = at_desk(province, look)
    if as_json:
        print_json(rows)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    titles = (
        "",
        "请求",
        "本地接听",
        "支援接听",
        "放弃",
        "短时放弃",
        "未知",
        "接通率",
        "15秒",
        "20秒",
        "30秒",
        "分担",
        "最长等待",
    )
    for title in titles:
        table.add_column(title, justify="right")
    for row in rows:
        told = row["counters"]
        names = ("requested", "answered_home", "answered_remote", "abandoned", "short_abandoned", "unknown")
        shown = ("connect_rate", "within_15", "within_20", "within_30", "share_helped")
        percents = [_percent(row["rates"][name]["value"]) for name in shown]
        table.add_row(row["name"], *(str(told[name]) for name in names), *percents, f"{told['max_wait_s']:.0f}")
    screen().print(table)
    print(say("接通率、15/20/30 秒的分母：请求；分担的分母：接听", "rates are of requests; the share helped is of answers"))


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f}%"


def _row(name: str, span: Span, sums: Counters, people: int | None, attempts: int | None) -> dict[str, Any]:
    told = {
        "connect_rate": rates.connect_rate(sums),
        "attempt_rate": rates.attempt_rate(sums, attempts),
        **{f"within_{limit}": rates.within(sums, limit) for limit in (15, 20, 30)},
        "within_20_without_short": rates.within_without_short(sums, 20),
        "loss_rate": rates.loss_rate(sums),
        "abandon_rate": rates.abandon_rate(sums),
        "share_helped": rates.share_helped(sums),
        "redial_rate": rates.redial_rate(sums, people),
        "satisfied": rates.satisfied(sums),
        "satisfied_home": rates.satisfied_home(sums),
        "satisfied_remote": rates.satisfied_remote(sums),
        "answered_on_call": rates.answered_on_call(sums),
        "remote_recorded": rates.remote_recorded(sums),
    }
    return {
        "name": name,
        "since": span.since,
        "until": span.until,
        "callers": people,
        "attempts": attempts,
        "handling_s": rates.handling_s(sums),
        "counters": {key: getattr(sums, key) for key in NAMES},
        "rates": {key: {"value": rate.value, "part": rate.part, "whole": rate.whole} for key, rate in told.items()},
    }


def missed(city: CityOption, as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Print everybody to be called back, first come first; numbers masked."""

    async def look(desk: Desk) -> tuple[list[Entry], Any]:
        return await to_call_back(desk.books.engine, desk.city(city), clock.now()), masked(desk.books.seal)

    found, shown = at_desk(province, look)
    if as_json:
        print_json([{**_entry(one), "number": shown(one.number)} for one in found])
        return
    for one in found:
        first = local(one.first_at).strftime("%m-%d %H:%M:%S")
        print(
            f"{first}  {shown(one.number)}  {say(_MISSED_ZH[one.how], one.how.value)}  ×{one.attempts}  {one.waited_s:.0f}s"
        )
    print(say(f"待回拨 {len(found)} 人", f"{len(found)} to call back"))


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "how": one.how.value,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "attempts": one.attempts,
        "waited_s": one.waited_s,
        "tries": one.tries,
        "next_at": one.next_at,
    }


def result(
    city: CityOption,
    number: Annotated[str, typer.Option("--number", help=say("市民号码", "the citizen's number"))],
    outcome: Annotated[Tried, typer.Option("--outcome", help=say("结果", "what came of it"))],
    seat: Annotated[str, typer.Option("--seat")] = "",
    by: Annotated[str, typer.Option("--by-city", help=say("由哪市回拨", "which city called"))] = "",
    request: Annotated[
        str, typer.Option("--request", help=say("请求号：重复登记只算一次", "request id: twice is once"))
    ] = "",
    note: Annotated[str, typer.Option("--note")] = "",
    province: ProvinceOption = None,
) -> None:
    """Write down one call-back."""

    async def write(desk: Desk) -> None:
        code, at = desk.city(city), clock.now()
        caller = desk.books.seal.caller(number)
        by_city = desk.city(by) if by else code
        await keep_call_back(
            desk.books.engine,
            request or secrets.token_hex(8),
            code,
            CallBack(caller, at, outcome),
            by_city,
            seat,
            note,
        )

    at_desk(province, write)
    print(say("已登记", "kept"))
