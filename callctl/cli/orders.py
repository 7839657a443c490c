"""`callctl orders`: wrap-up notes, order stubs and their way to the assisted city, cards, the day's reconciliation."""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from sqlalchemy import select

from callctl import clock
from callctl.cli.books import CityOption, DateOption, Desk, at_desk, the_day
from callctl.cli.shell import JsonOption, ProvinceOption, print_json, screen
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.core.categories import Category, search
from callctl.core.days import day_of, day_span, time_text
from callctl.core.demand import CARD_ZH, DEMAND_ZH, STATE_ZH, Card, Demand, Result, StubState, WrapUp
from callctl.demands import deadlines, due, tree_in_use, ways
from callctl.given_files import GivenRefused, own_or_given, read_calendar, read_categories
from callctl.outbox import one_round
from callctl.store.ledger import clean
from callctl.store.notes import CityStatus, keep_note, pull, reconcile, replace_tree, take_status
from callctl.store.supervision import Order, open_orders
from callctl.store.tables import calls

_CALL = re.compile(r"[\w.:@+-]{1,120}", re.ASCII)  # A stub and its file are named by it.
# What is no text in a note.
_NOTED: Mapping[str, Any] = {
    "at": int | float,
    "wrapped_s": int | float | None,
    "script_version": int | None,
    **dict.fromkeys(("urgent", "confidential", "nuisance"), bool),
}


def register(app: typer.Typer) -> None:
    """Add the group `orders`."""
    group = typer.Typer(
        help=say("诉求：小结、工单存根、送达、督办、核对", "Demands: notes, order stubs, delivery, cards"),
        no_args_is_help=True,
    )
    group.command("note", help=say("记一条小结（JSON，标准输入）", "Keep a wrap-up note (JSON on standard input)"))(note)
    group.command("categories", help=say("导入或查找诉求分类", "Import the categories, or search them"))(categories)
    group.command("deliver", help=say("把工单存根送往被支援市", "Hand the stubs to the assisted cities"))(deliver)
    group.command("pull", help=say("按游标取工单存根", "Stubs behind a cursor"))(pull_stubs)
    group.command("status", help=say("登记被支援市的办理进度", "What the city tells of an order"))(status)
    group.command("cards", help=say("督办：黄牌、红牌", "Yellow and red cards"))(cards)
    group.command("reconcile", help=say("日核对：支援接听与小结、签收", "The day's reconciliation"))(reconciled)
    app.add_typer(group, name="orders")


def note(province: ProvinceOption = None) -> None:
    """Keep one note; the same again changes nothing."""
    try:
        found = json.loads(sys.stdin.read())
        assert isinstance(found, dict), "an object"
        wrong = [key for key, told in found.items() if not isinstance(told, _NOTED.get(key, str))]
        assert not wrong, f"{', '.join(wrong)}: of another kind"
        found["demand"], found["result"] = Demand(found["demand"]), Result(found["result"])
        kept = WrapUp(**{"at": clock.now(), **found})
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise ActRefused(f"小结的 JSON 不对：{error}", f"the note's JSON is wrong: {error}") from None

    async def write(desk: Desk) -> bool:
        books = desk.books
        one = replace(kept, city=await _home_of(desk, kept), answering=desk.city(kept.answering))
        tree = {part.code: part for part in await tree_in_use(books.engine, books.settings) if part.valid(day_of(one.at))}
        due_at = due(one, tree.get(one.code), desk.rules, books.settings)
        return await keep_note(books.engine, one, tree, ways(one.city, desk.rules), due_at, books.seal)

    news = _told(lambda: at_desk(province, write))
    print(say("已记录" if news else "已有同样的记录", "kept" if news else "was there already"))


async def _home_of(desk: Desk, kept: WrapUp) -> str:
    """The city of the note's call, which has to be in the history and that city's. Raises ActRefused."""
    code = desk.city(kept.city)
    async with desk.books.engine.connect() as connection:
        asked = select(calls.c.city).where(calls.c.call == clean(kept.call))
        home = (await connection.execute(asked)).scalar_one_or_none()
    if home is None or not _CALL.fullmatch(kept.call):
        raise ActRefused(f"没有来电“{kept.call}”", f"nobody has heard of a call '{kept.call}'")
    if home != code:
        raise ActRefused(f"来电“{kept.call}”不是该市的", f"the call '{kept.call}' is of {home}, not of {code}")
    return code


def _told(do: Any) -> Any:
    """Lists that are wrong are told line by line."""
    try:
        return do()
    except GivenRefused as error:
        for line in str(error).splitlines():
            print(f"callctl: {line}", file=sys.stderr)
        raise typer.Exit(1) from None


def categories(
    file: Annotated[
        Path | None, typer.Option("--import", help=say("分类文件（CSV）", "file with categories (CSV)"))
    ] = None,
    find: Annotated[str, typer.Option("--find", help=say("查找：代码、名称或同义词", "code, name or synonym"))] = "",
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Import a whole tree, or look one up; a file with a mistake changes nothing."""

    async def do(desk: Desk) -> list[Category]:
        if file is not None:
            tree = read_categories(file)
            await replace_tree(desk.books.engine, tree, desk.entry("categories", "", f"{file.name}: {len(tree)}"))
        return await tree_in_use(desk.books.engine, desk.books.settings)

    tree = _told(lambda: at_desk(province, do))
    found = search(tree, find, day_of(clock.now())) if find else tree
    if as_json:
        print_json(
            [{"code": one.code, "name_zh": one.name_zh, "name_en": one.name_en, "status": one.status} for one in found]
        )
        return
    for one in found if find else []:
        print(f"{one.code}  {one.name_zh}")
    print(say(f"现行分类 {len(tree)} 条", f"{len(tree)} categories in use"))


def deliver(province: ProvinceOption = None) -> None:
    """Send what is due and read what the cities left, once; exit code 3 where something was not taken."""

    async def send(desk: Desk) -> Any:
        return await one_round(desk.books, desk.rules, clock.now())

    done = at_desk(province, send)
    for line in done.refused:
        print(f"callctl: {line}", file=sys.stderr)
    print(
        say(
            f"送达 {done.sent}，未送达 {done.failed}（将重试），回执 {done.acknowledged}",
            f"{done.sent} sent, {done.failed} not taken (tried again later), {done.acknowledged} answers",
        )
    )
    if done.failed or done.refused:
        raise typer.Exit(3)


def pull_stubs(
    city: CityOption,
    after: Annotated[int, typer.Option("--after", min=0, help=say("游标", "cursor"))] = 0,
    most: Annotated[int, typer.Option("--most", min=1, max=500)] = 100,
    province: ProvinceOption = None,
) -> None:
    """Print stubs and the next cursor, as JSON. Personal fields are in clear: it is audited."""

    async def ask(desk: Desk) -> Any:
        code = desk.city(city)
        await desk.audited("pull stubs", code, f"after {after}", "")
        return await pull(desk.books.engine, code, after, most, desk.books.seal)

    found, cursor = at_desk(province, ask)
    print_json({"stubs": found, "cursor": cursor})


def status(
    city: CityOption,
    stub: Annotated[str, typer.Option("--stub")],
    what: Annotated[str, typer.Option("--what", help="accepted|dispatched|supervised|done|followed_up|closed")],
    order_no: Annotated[str, typer.Option("--order-no", help=say("市工单编号", "the city's order number"))] = "",
    who: Annotated[str, typer.Option("--who")] = "",
    score: Annotated[
        int | None,
        typer.Option("--score", min=1, max=5, help=say("满意度，1（差）至 5（好）", "satisfaction, 1 (bad) to 5 (good)")),
    ] = None,
    province: ProvinceOption = None,
) -> None:
    """Keep one message about an order."""

    async def write(desk: Desk) -> bool:
        told = CityStatus(stub, what, clock.now(), who, "", order_no, score)
        return await take_status(desk.books.engine, told, desk.city(city))

    news = at_desk(province, write)
    print(say("已登记" if news else "已有", "kept" if news else "was there already"))


def cards(city: CityOption = "", as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Print open orders that are due soon or overdue."""

    async def look(desk: Desk) -> list[Order]:
        code = desk.city(city) if city else ""
        calendar = read_calendar(own_or_given(desk.books.settings.province_dir, "holidays.csv"))
        now = clock.now()
        if not calendar.known(day_of(now), day_of(now)):
            unknown = day_of(now).year
            print(
                say(
                    f"没有 {unknown} 年的节假日安排，只按周末计算：请补 holidays.csv",
                    f"no holidays of {unknown} are known: counted by weekends alone; add them to holidays.csv",
                ),
                file=sys.stderr,
            )
        return await open_orders(desk.books.engine, code, lambda one: deadlines(desk.rules.deadline(one)), calendar, now)

    found = [one for one in _told(lambda: at_desk(province, look)) if one.card is not Card.NONE]
    if as_json:
        print_json([{**one.__dict__, "card": one.card.value} for one in found])
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("", say("工单", "order"), say("类型", "type"), say("状态", "state"), say("时限", "due")):
        table.add_column(title)
    for one in found:
        kind, state = DEMAND_ZH[Demand(one.demand)], STATE_ZH[StubState(one.state)]
        table.add_row(CARD_ZH[one.card], one.order_no or one.stub, kind, state, time_text(one.due_at))
    screen().print(table)


def reconciled(
    city: CityOption, day: DateOption = "", as_json: JsonOption = False, province: ProvinceOption = None
) -> None:
    """Print what is not in order; exit code 1 where anything is."""

    async def look(desk: Desk) -> Any:
        starts_h = desk.rules.report.day_starts_h
        return await reconcile(desk.books.engine, desk.city(city), day_span(the_day(day, starts_h), starts_h))

    found = at_desk(province, look)
    if as_json:
        print_json({name: getattr(found, name) for name in found.__slots__})
    else:
        print(
            say(
                f"支援接听 {found.remote_answers}，有小结 {found.noted}，流转 {found.forwarded}，"
                f"未签收 {len(found.unaccepted)}",
                f"{found.remote_answers} remote answers, {found.noted} with a note, {found.forwarded} forwarded, "
                f"{len(found.unaccepted)} not accepted",
            )
        )
        for title, names in (
            (say("没有小结", "no note"), found.without_note),
            (say("未签收", "not accepted"), found.unaccepted),
        ):
            for one in names:
                print(f"  {title}: {one}")
    if found.without_note or found.unaccepted or found.without_stub:
        raise typer.Exit(1)
