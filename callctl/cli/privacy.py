"""`callctl privacy`: masking and unmasking, retention, holds, one citizen's data; and whether fields are sealed at all."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy import func, select

from callctl import clock
from callctl.cli.books import Desk, YesOption, at_desk
from callctl.cli.shell import JsonOption, ProvinceOption, person, print_json
from callctl.cli.words import say
from callctl.core.acts import ActRefused
from callctl.log import mask
from callctl.store.privacy import Kept, about_citizen, erase_citizen, hold, keep_retention, release
from callctl.store.seal import Clear, Unsealable
from callctl.store.sealing import InClear, in_clear, seal_old
from callctl.store.tables import calls

CallOption = Annotated[str, typer.Option("--call", help=say("通话编号", "the call id"))]
NumberOption = Annotated[str, typer.Option("--number", help=say("市民号码", "the citizen's number"))]
WhyOption = Annotated[str, typer.Option("--reason", help=say("事由，记入审计（必填）", "why, for the audit (needed)"))]


def register(app: typer.Typer) -> None:
    """Add the group `privacy`."""
    group = typer.Typer(
        help=say("个人信息：掩码、留存、冻结、查询与删除", "Personal data: masking, retention, holds, requests"),
        no_args_is_help=True,
    )
    group.command("state", help=say("个人字段是否加密", "Are personal fields sealed?"))(state)
    group.command("seal", help=say("加密旧记录（不加 --yes 只看）", "Seal what is still in clear; --yes does it"))(seal)
    group.command("unmask", help=say("查看一个来电的号码", "Show one call's number"))(unmask)
    group.command("retention", help=say("到期清理（不加 --yes 只看）", "What is over its time; --yes does it"))(retention)
    group.command("hold", help=say("冻结：不得清理", "Keep a call or a caller whatever the rules say"))(hold_one)
    group.command("release", help=say("解除冻结", "End a hold"))(release_one)
    group.command("citizen", help=say("一位市民的全部记录", "All that is kept about one citizen"))(citizen)
    group.command("erase", help=say("删除一位市民的个人字段", "Erase one citizen's personal fields"))(erase)
    app.add_typer(group, name="privacy")


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ActRefused("须写明事由：--reason", "this needs a reason: --reason")
    return reason


def state(as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Say how fields are kept; exit code 1 where numbers stand in clear."""

    async def look(desk: Desk) -> tuple[str, int, int]:
        provider = "" if isinstance(desk.books.seal, Clear) else type(desk.books.seal).__name__
        in_clear = calls.c.number.not_like("~%") & (calls.c.number != "")
        async with desk.books.engine.connect() as connection:
            total = (await connection.execute(select(func.count()).select_from(calls))).scalar_one()
            clear = (await connection.execute(select(func.count()).select_from(calls).where(in_clear))).scalar_one()
        return provider, total, clear

    provider, total, clear = at_desk(province, look)
    if as_json:
        print_json({"provider": provider, "calls": total, "numbers_in_clear": clear})
    else:
        how = provider or say("未设密钥，新记录为明文", "no field key: new records are in clear")
        print(say(f"加密：{how}；{total} 通中 {clear} 通的号码为明文", f"sealed: {how}; {clear} of {total} calls in clear"))
    if clear or not provider:
        raise typer.Exit(1)


def seal(yes: YesOption = False, as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Count what was written before the field key was set; with --yes seal it."""

    async def do(desk: Desk) -> tuple[InClear, InClear]:
        if isinstance(desk.books.seal, Clear):
            raise ActRefused(
                "没有设置字段密钥：先把 field-key 放入密钥目录，并重启 callctl",
                "no field key is set: put field-key into the secrets folder and restart callctl first",
            )
        before = await in_clear(desk.books.engine)
        if yes:
            await desk.audited("seal", "", f"{before.numbers} calls, {before.notes} notes, {before.facts} facts", "")
            await seal_old(desk.books.engine, desk.books.seal)
        return before, await in_clear(desk.books.engine)

    before, left = at_desk(province, do)
    if as_json:
        print_json({"in_clear": asdict(before), "left": asdict(left), "done": yes})
        return
    zh, en = ("已加密", "sealed") if yes else ("将加密", "to seal")
    numbers, notes, facts, callers = before.numbers, before.notes, before.facts, before.callers
    print(
        say(
            f"{zh}：{numbers} 通号码、{notes} 条登记、{facts} 条事实、{callers} 个回拨或冻结对象",
            f"{en}: {numbers} calls, {notes} notes, {facts} facts, {callers} call-backs or holds",
        )
    )
    if yes and left != InClear(0, 0, 0, 0):
        print(
            say(
                "其间又有明文写入：请重启未带密钥的进程后再运行一次",
                "more came in clear meanwhile: restart what has no key, run again",
            )
        )
        raise typer.Exit(1)


def unmask(call: CallOption, reason: WhyOption = "", province: ProvinceOption = None) -> None:
    """Print one number, after it was written down who asked and why."""
    _reason(reason)

    async def look(desk: Desk) -> str:
        async with desk.books.engine.connect() as connection:
            asked = select(calls.c.city, calls.c.number).where(calls.c.call == call)
            row = (await connection.execute(asked)).one_or_none()
        if row is None:
            raise ActRefused(f"没有来电“{call}”", f"nobody has heard of a call '{call}'")
        await desk.audited("unmask", row.city, call, reason)
        return desk.books.seal.open(row.number)

    print(_opened(lambda: at_desk(province, look)))


def retention(yes: YesOption = False, as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Count what is over its time; with --yes blank and delete it."""

    async def do(desk: Desk) -> Kept:
        rules = desk.rules.retention
        if yes:
            await desk.audited("retention", "", f"{rules.personal_d}/{rules.calls_d}/{rules.journal_d} d", "")
        return await keep_retention(desk.books.engine, rules, clock.now(), not yes)

    done = at_desk(province, do)
    if as_json:
        print_json({"blanked": done.blanked, "calls": done.calls, "facts": done.facts, "held": done.held, "done": yes})
        return
    zh, en = ("已", "done") if yes else ("将", "to do")
    print(
        say(
            f"{zh}去除个人字段 {done.blanked} 通，{zh}删除 {done.calls} 通、事实 {done.facts} 条；冻结 {done.held} 通",
            f"{en}: {done.blanked} calls blanked, {done.calls} calls and {done.facts} facts deleted; {done.held} held",
        )
    )


def _which(desk: Desk, call: str, number: str) -> tuple[str, str]:
    if bool(call) == bool(number):
        raise ActRefused("给出 --call 或 --number 之一", "name a --call or a --number")
    return ("call", call) if call else ("caller", desk.books.seal.caller(number))


def hold_one(
    call: CallOption = "", number: NumberOption = "", reason: WhyOption = "", province: ProvinceOption = None
) -> None:
    """Hold a call, or all calls of a number."""
    _reason(reason)

    async def do(desk: Desk) -> None:
        kind, what = _which(desk, call, number)
        await desk.audited("hold", "", f"{kind} {call or mask(number)}", reason)
        await hold(desk.books.engine, kind, what, reason, person().name, clock.now())

    at_desk(province, do)
    print(say("已冻结", "held"))


def release_one(
    call: CallOption = "", number: NumberOption = "", reason: WhyOption = "", province: ProvinceOption = None
) -> None:
    """End the holds on it."""
    _reason(reason)

    async def do(desk: Desk) -> int:
        kind, what = _which(desk, call, number)
        await desk.audited("release", "", f"{kind} {call or mask(number)}", reason)
        return await release(desk.books.engine, kind, what, clock.now())

    count = at_desk(province, do)
    print(say(f"解除 {count} 个冻结", f"{count} holds ended"))


def citizen(number: NumberOption, reason: WhyOption = "", province: ProvinceOption = None) -> None:
    """Print everything kept about one number, as JSON."""
    _reason(reason)

    async def look(desk: Desk) -> Any:
        caller = desk.books.seal.caller(number)
        await desk.audited("citizen's data", "", mask(number), reason)
        return await about_citizen(desk.books.engine, caller, desk.books.seal)

    print_json(_opened(lambda: at_desk(province, look)))


def erase(number: NumberOption, reason: WhyOption = "", yes: YesOption = False, province: ProvinceOption = None) -> None:
    """Count, or with --yes blank, a citizen's personal fields."""
    _reason(reason)

    async def do(desk: Desk) -> tuple[int, int]:
        caller = desk.books.seal.caller(number)
        if yes:
            await desk.audited("citizen erased", "", mask(number), reason)
        return await erase_citizen(desk.books.engine, caller, not yes)

    count, held = at_desk(province, do)
    print(
        say(
            f"{'已删除' if yes else '将删除'} {count} 通的个人字段；冻结 {held} 通",
            f"{'erased' if yes else 'to erase'}: {count} calls; {held} held",
        )
    )


def _opened(do: Any) -> Any:
    try:
        return do()
    except Unsealable as error:
        raise ActRefused(f"解不开：{error}", str(error)) from None
