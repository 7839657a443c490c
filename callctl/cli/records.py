"""`callctl records`: one call's story, the call records as files, and mending them from the PBX's own log."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from callctl import clock
from callctl.cli.books import CityOption, Desk, DryOption, FromOption, ToOption, at_desk, masked, the_span
from callctl.cli.shell import JsonOption, ProvinceOption, ReasonOption, print_json, screen
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.core.days import Span, time_text
from callctl.core.demand import Deadlines
from callctl.core.steps import Step
from callctl.given_files import own_or_given, read_calendar
from callctl.records import QUIET_S, Mended, rederive
from callctl.sim.load import load_month
from callctl.sim.month import ASSISTED
from callctl.store.attempts import AttemptsRefused, import_attempts
from callctl.store.cdr import FIELDS, TYPED, WholeCall, records, whole_call
from callctl.store.chain import Head, verify
from callctl.store.counters import recount
from callctl.store.export import Form, write_file
from callctl.store.parquet import NoParquet

FormOption = Annotated[
    Form, typer.Option("--form", help=say("csv、csv-gb18030、jsonl 或 parquet", "csv, csv-gb18030, jsonl or parquet"))
]
ClearOption = Annotated[
    bool,
    typer.Option(
        "--clear-numbers", help=say("号码不掩码（记入审计，须 --reason）", "numbers in clear: audited, needs --reason")
    ),
]
DIGITS_LEAST = 8  # Of a printed head; a report prints sixteen.


def register(app: typer.Typer) -> None:
    """Add the group `records`."""
    group = typer.Typer(
        help=say("通话记录：一个来电的始末、导出、补记", "Call records: a call's story, export, mending"),
        no_args_is_help=True,
    )
    group.command("story", help=say("一个来电的每一步", "Every step of one call"))(story)
    group.command("export", help=say("导出通话记录（一通一行）", "Call records as a file, one row a call"))(export)
    group.command("rederive", help=say("由 PBX 的 queue_log 和录音补记", "Take what was missed from the PBX's queue_log"))(
        derive
    )
    group.command("attempts", help=say("导入运营商拨打量", "Import the carrier's dial attempts"))(attempts)
    group.command("verify", help=say("核对审计链", "Check the audit's hash chain"))(check_audit)
    group.command("load-month", help=say("装入模拟的扬州 2021 年 8 月", "Load the simulated Yangzhou month of 2021"))(load)
    app.add_typer(group, name="records")


def story(
    call: Annotated[str, typer.Argument(help=say("通话编号，如 yangzhou-1795393475.48", "the call id"))],
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Print one call from the first ring to the order's end; exit code 1 where nobody has heard of it."""

    async def look(desk: Desk) -> tuple[WholeCall, dict[str, str], str]:
        home = call.rsplit("-", 1)[0]
        threshold_s = desk.province.cities[home].queue.wait_threshold_s if home in desk.province.cities else 20.0
        found = await whole_call(desk.books.engine, call, threshold_s)
        if found is None:
            raise ActRefused(f"没有来电“{call}”", f"nobody has heard of a call '{call}'")
        names = {code: city.name_zh for code, city in desk.province.cities.items()}
        return found, names, masked(desk.books.seal)(found.number)

    found, names, number = at_desk(province, look)
    if as_json:
        print_json(
            {
                "call": found.story.call,
                "city": found.story.city,
                "number": number,
                "state": found.story.state,
                "outcome": found.story.outcome,
                "seen_from": found.story.seen_from,
                "recordings": found.recordings,
                "steps": [_step(step) for step in found.steps],
            }
        )
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in (
        say("时间", "when"),
        say("步骤", "step"),
        say("城市", "city"),
        say("座席/单位", "who"),
        say("说明", "note"),
    ):
        table.add_column(title)
    for step in found.steps:
        when = time_text(step.at) if step.at is not None else say("未见", "not seen")
        table.add_row(when, say(step.kind.value, step.kind.name), names.get(step.city, step.city), step.actor, step.note)
    screen().print(f"{found.story.call}  {number}", table)


def _step(step: Step) -> dict[str, Any]:
    return {
        "at": step.at,
        "step": step.kind.name,
        "zh": step.kind.value,
        "city": step.city,
        "who": step.actor,
        "note": step.note,
    }


def export(
    out: Annotated[Path, typer.Option("--out", help=say("文件", "file"))],
    since: FromOption = "",
    until: ToOption = "",
    city: CityOption = "",
    form: FormOption = Form.CSV,
    clear: ClearOption = False,
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Write one record a call; the file appears when it is whole."""
    span = the_span(since, until)
    if clear and not reason.strip():
        raise ActRefused("明文导出号码须写明事由：--reason", "numbers in clear need a reason: --reason")

    async def write(desk: Desk) -> int:
        code = desk.city(city) if city else ""
        if clear:
            what = f"{out.name} {time_text(span.since)} – {time_text(span.until)}"
            await desk.audited("unmask export", code, what, reason)
        shown = desk.books.seal.open if clear else masked(desk.books.seal)
        found = records(desk.books.engine, span, [code] if code else [], shown)
        try:
            return await write_file(out, form, FIELDS, found, TYPED)
        except NoParquet as error:
            raise ActRefused(f"本机未安装 pyarrow，不能写 Parquet：{error}", str(error)) from None

    count = at_desk(province, write)
    print(say(f"{out}：{count} 通来电", f"{out}: {count} calls"))


def derive(
    city: CityOption,
    log: Annotated[Path, typer.Option("--queue-log", help=say("该市 PBX 的 queue_log", "that PBX's queue_log"))],
    recordings: Annotated[Path | None, typer.Option("--recordings", help=say("录音目录", "folder with recordings"))] = None,
    since: FromOption = "",
    until: ToOption = "",
    dry_run: DryOption = False,
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Write what events missed; safe to repeat. Run it for the home city first, then for the supporting ones."""
    asked = the_span(since, until) if since or until else Span(0.0, clock.now())
    span = Span(asked.since, min(asked.until, clock.now() - QUIET_S))

    async def mend(desk: Desk) -> Mended:
        code = desk.city(city)
        with log.open(encoding="utf-8", errors="replace") as lines:
            return await rederive(desk.books, desk.province, code, lines, recordings, span, dry_run)

    try:
        done = at_desk(province, mend)
    except OSError as error:
        raise ActRefused(f"读不了 {error.filename}：{error.strerror}", f"{error.filename}: {error.strerror}") from None
    found = done.log
    if as_json:
        print_json(
            {
                "calls_in_log": found.calls_in_log,
                "calls_mended": found.calls_mended,
                "facts": done.facts,
                "skew_s": found.skew_s,
                "unjoined": found.unjoined,
                "recordings": done.recordings,
                "dry_run": dry_run,
            }
        )
        return
    skew = "?" if found.skew_s is None else f"{found.skew_s:+.1f}"
    print(
        say(
            f"日志中 {found.calls_in_log} 通，补记 {found.calls_mended} 通、{done.facts} 条事实；"
            f"时钟差 {skew} 秒；录音 {done.recordings} 个；对不上来电的支援接听 {found.unjoined} 个"
            + ("（只看，未写）" if dry_run else ""),
            f"{found.calls_in_log} calls in the log, {found.calls_mended} mended with {done.facts} facts; "
            f"clocks {skew} s apart; {done.recordings} recordings; {found.unjoined} remote answers fit no call"
            + (" (nothing written)" if dry_run else ""),
        )
    )


def attempts(
    file: Annotated[Path, typer.Argument(help=say("CSV：city,time,seconds,attempts", "CSV: city,time,seconds,attempts"))],
    source: Annotated[str, typer.Option("--source", help=say("来源，如 电信SBC", "who counted"))] = "carrier",
    province: ProvinceOption = None,
) -> None:
    """Import dial attempts; all rows or none."""

    async def write(desk: Desk) -> int:
        try:
            return await import_attempts(desk.books.engine, file.read_bytes(), source, desk.city)
        except OSError as error:
            raise ActRefused(f"读不了 {file}：{error.strerror}", f"{file}: {error.strerror}") from None

    try:
        count = at_desk(province, write)
    except AttemptsRefused as error:
        for line in str(error).splitlines():
            print(f"callctl: {file}: {line}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(say(f"导入 {count} 行", f"{count} rows imported"))


def check_audit(
    printed: Annotated[
        str,
        typer.Option(
            "--head",
            metavar="ROWS:CHAIN",
            help=say("日报页脚所印的链首，如 812:3f9a…", "a head as a daily report printed it: 812:3f9a…"),
        ),
    ] = "",
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Check every link, and whether a printed head is still in the chain; exit code 1 where one is broken or gone."""
    asked = _head(printed) if printed else None

    async def look(desk: Desk) -> Any:
        return await verify(desk.books.engine, asked)

    found = at_desk(province, look)
    told = {"rows": found.head.rows, "chain": found.head.chain, "broken": list(found.broken), "printed": found.printed}
    if as_json:
        print(json.dumps(told))
    elif found.broken:
        first = found.broken[0]
        print(
            say(
                f"审计链在第 {first} 行断开：该行或其前一行被改动",
                f"the chain breaks at row {first}: it, or the one before, was changed",
            )
        )
    else:
        print(
            say(
                f"审计链完整：{found.head.rows} 行，链首 {found.head.chain}",
                f"whole: {found.head.rows} rows, head {found.head.chain}",
            )
        )
    if found.printed is False and not as_json:
        print(
            say(
                f"所印链首 {printed} 不在链中：其后被截断或改写",
                f"the printed head {printed} is not in the chain: what was there was cut off or written anew",
            )
        )
    elif found.printed and not as_json:
        print(say(f"所印链首 {printed} 仍在链中", f"the printed head {printed} is still in the chain"))
    if found.broken or found.printed is False:
        raise typer.Exit(1)


def _head(text: str) -> Head:
    rows, _, chain = text.partition(":")
    if not (rows.isascii() and rows.isdigit() and re.fullmatch(f"[0-9a-f]{{{DIGITS_LEAST},64}}", chain)):
        raise ActRefused(
            f"链首“{text}”不对：写成 行数:链首，如 812:3f9a0c1d2e4b5a67",
            f"'{text}' is no head: write ROWS:CHAIN as the report prints them, like 812:3f9a0c1d2e4b5a67",
        )
    return Head(int(rows), chain)


def load(
    seed: Annotated[int, typer.Option("--seed", help=say("随机种子", "seed"))] = 1, province: ProvinceOption = None
) -> None:
    """Fill an empty history with 58 simulated days, two to five minutes; safe to start again."""

    async def fill(desk: Desk) -> int:
        calendar = read_calendar(own_or_given(desk.books.settings.province_dir, "holidays.csv"))
        rule = desk.rules.deadline(ASSISTED)
        limits = Deadlines(rule.consult_d, rule.other_d, rule.urgent_h, rule.yellow_before_d)
        engine, seal = desk.books.engine, desk.books.seal
        count = await load_month(engine, seal, calendar, limits, seed, lambda day, n: print(f"{day} {n}", flush=True))
        await recount(engine)
        return count

    count = at_desk(province, fill)
    print(say(f"装入 {count} 通模拟来电", f"{count} simulated calls loaded"))
