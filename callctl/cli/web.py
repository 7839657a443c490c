"""callctl web, callctl account: the console, and the accounts that may sign in to it."""

import asyncio
import dataclasses
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from callctl import clock, log
from callctl.app import House, open_house
from callctl.cli.look import local_time
from callctl.cli.shell import JsonOption, ProvinceOption, ReasonOption, person, print_json, screen
from callctl.cli.words import say, word
from callctl.people.accounts import INVITED_S, Wanted
from callctl.province import read_province
from callctl.rights import Role
from callctl.settings import read_settings
from callctl.store.accounts import Account
from callctl.web.server import run_site

Answer = TypeVar("Answer")
NameArgument = Annotated[str, typer.Argument(help=say("账号", "account"))]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("web", help=say("运行控制台网页，直到 Ctrl-C 或 SIGTERM", "Run the web console until Ctrl-C or SIGTERM"))(
        web
    )
    account = typer.Typer(help=say("控制台账号", "Accounts of the console"), no_args_is_help=True)
    account.command("create", help=say("新建账号，给出一次性邀请码", "A new account and its one-time invitation"))(create)
    account.command("invite", help=say("重新邀请(忘记密码)", "A new invitation, for a forgotten password"))(invite)
    account.command("close", help=say("停用账号", "Close an account"))(close)
    account.command("list", help=say("账号一览", "Every account"))(list_accounts)
    app.add_typer(account, name="account")


def web(
    province: ProvinceOption = None,
    log_style: Annotated[str, typer.Option("--log", help="console, json")] = "",
) -> None:
    """Serve the console's pages and API."""
    if log_style not in ("", "console", "json"):
        raise typer.BadParameter("console, json", param_hint="--log")
    log.set_up(log_style or ("console" if sys.stderr.isatty() else "json"), clock.now)
    settings = read_settings(province=province)
    asyncio.run(run_site(settings, read_province(settings.province_dir), clock.now))


def create(
    name: NameArgument,
    role: Annotated[list[Role], typer.Option(help=say("角色，可多次", "role, may be repeated"))],
    city: Annotated[list[str], typer.Option(help=say("市，可多次；* 为全省", "city, may be repeated; * for the province"))],
    called: Annotated[str, typer.Option("--person", help=say("姓名", "the person's name"))] = "",
    agent: Annotated[str, typer.Option(help=say("话务员工号", "number of an agent"))] = "",
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Make an account without a password; its person sets one with the invitation."""
    wanted = Wanted(called or name, frozenset(role), frozenset(city), agent)

    async def make(house: House) -> str:
        return await house.people.create(person(), name, wanted, reason)

    _tell_invitation(name, _in_house(province, make))


def invite(name: NameArgument, reason: ReasonOption = "", province: ProvinceOption = None) -> None:
    """Void what was before and invite again."""

    async def again(house: House) -> str:
        return await house.people.invite(person(), name, reason)

    _tell_invitation(name, _in_house(province, again))


def close(name: NameArgument, reason: ReasonOption = "", province: ProvinceOption = None) -> None:
    """Close an account; its visits end at once."""

    async def end(house: House) -> Account:
        found = await house.people.own(name)
        roles = frozenset(Role(role) for role in found.roles)
        wanted = Wanted(found.person, roles, frozenset(found.cities), found.agent, closed=True)
        return await house.people.change(person(), name, found.version, wanted, reason)

    _in_house(province, end)
    print(say(f"账号 {name} 已停用", f"account {name} is closed"))


def list_accounts(as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """List every account."""

    async def look(house: House) -> list[Account]:
        return list(await house.people.accounts(person()))

    found = _in_house(province, look)
    if as_json:
        print_json([dataclasses.asdict(account) for account in found])
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in (say("账号", "account"), word("name"), say("角色", "roles"), word("city"), word("state")):
        table.add_column(title)
    for account in found:
        table.add_row(account.name, account.person, " ".join(account.roles), " ".join(account.cities), _state(account))
    screen().print(table)


def _state(account: Account) -> str:
    if account.closed:
        return say("停用", "closed")
    if account.password_at is None:
        return say("待设密码", "invited")
    codes = say("，动态码", ", one-time codes") if account.has_codes else ""
    return say("可用", "open") + codes


def _tell_invitation(name: str, invitation: str) -> None:
    hours = round(INVITED_S / 3600)
    until = local_time(clock.now() + INVITED_S)
    print(
        say(
            f"账号 {name} 的一次性邀请码({hours} 小时内有效，到 {until})：\n{invitation}\n"
            "请当面交给本人，在控制台 /welcome 页设置密码",
            f"One-time invitation of {name} (good for {hours} hours, until {until}):\n{invitation}\n"
            "Hand it over in person; the password is set at the console's page /welcome",
        )
    )


def _in_house(province_dir: Path | None, ask: Callable[[House], Awaitable[Answer]]) -> Answer:
    async def visit() -> Answer:
        settings = read_settings(province=province_dir)
        async with open_house(settings, read_province(settings.province_dir), clock.now) as house:
            return await ask(house)

    return asyncio.run(visit())
