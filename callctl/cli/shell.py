"""What every command shares: the settings, the person at the keyboard, the printing that survives a pipe."""

import asyncio
import json
import os
import pwd
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from callctl import clock
from callctl.app import Room, open_room
from callctl.cli.exits import LATER
from callctl.cli.picture import STALE_S, age_s
from callctl.cli.remote import remote_room
from callctl.cli.words import say, told
from callctl.desk import Told
from callctl.province import read_province
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.settings import Settings, read_settings
from callctl.store.port import StoreLost

PIPE_WIDTH = 300  # Columns of a table that goes into a pipe: nothing is cut for a screen that is not there.

ProvinceOption = Annotated[
    Path | None, typer.Option("--province", help=say("省数据目录", "folder with agents/ and queues/"))
]
JsonOption = Annotated[bool, typer.Option("--json", help=say("输出 JSON", "print JSON"))]
ReasonOption = Annotated[str, typer.Option("--reason", help=say("事由，记入审计", "why, for the audit"))]
CityArgument = Annotated[str, typer.Argument(help=say("市：代码、中文名或区号", "city: code, Chinese name or area code"))]

Answer = TypeVar("Answer")


def in_room(province_dir: Path | None, ask: Callable[[Room], Awaitable[Answer]]) -> Answer:
    """Open the stores, or a console's API in their place; ask one thing, close them."""

    async def visit() -> Answer:
        settings = read_settings(province=province_dir)
        province = read_province(settings.province_dir)
        if settings.api_address:
            async with remote_room(settings, province) as room:
                return await ask(room)
        async with open_room(settings, province, clock.now) as room:
            return await ask(room)

    return asyncio.run(visit())


def act(province_dir: Path | None, order: Callable[[Room, Actor], Awaitable[Told]]) -> None:
    """Give one order as the system's user, and tell what came of it."""

    async def give(room: Room) -> tuple[Told, bool]:
        done = await order(room, person())
        try:
            age = age_s(await room.registry.status(), clock.now())
        except StoreLost:
            return done, True  # What Redis' loss means, the desk has said.
        return done, age is not None and age <= STALE_S

    done, alive = in_room(province_dir, give)
    print(told(done.sentence))
    for note in done.notes:
        print(told(note), file=sys.stderr)
    if not alive:
        place = _place(read_settings())
        print(
            say(
                f"{place}没有控制器在运行：命令已记录，在此启动 callctl run 后生效；控制器若在别处运行，它听不到这条命令",
                f"no controller is running {place}: the order waits for a `callctl run` there; "
                "a controller with other stores does not hear of it",
            ),
            file=sys.stderr,
        )
    if not (done.in_effect and alive):
        raise typer.Exit(LATER)


def _place(settings: Settings) -> str:
    """Which registry was asked: the embedded one is another one for every user and state folder."""
    if settings.api_address:
        return say("CALLCTL_API 上", "behind CALLCTL_API")
    if settings.redis_url:
        return say("CALLCTL_REDIS_URL 上", "at CALLCTL_REDIS_URL")
    return say(f"状态目录 {settings.state_dir} 中", f"in the state folder {settings.state_dir}")


def person() -> Actor:
    """The person at the keyboard: the system's user (behind sudo, who called it), with full rights."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid {os.getuid()}"
    if os.getuid() == 0 and os.environ.get("SUDO_USER"):
        name = f"{os.environ['SUDO_USER']} (sudo)"
    place = socket.gethostname()
    if sys.stdin is not None and sys.stdin.isatty():
        place += f" {os.ttyname(sys.stdin.fileno())}"
    if os.environ.get("SSH_CONNECTION"):
        place += f" {os.environ['SSH_CONNECTION'].split()[0]}"
    return Actor(_line(name), _line(place), frozenset(Role), frozenset({EVERYWHERE}))


def _line(text: str) -> str:
    """The environment is anybody's: one printable line into the audit, not more."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:120]


def screen() -> Console:
    """Standard output: coloured and fitted on a terminal, plain and uncut in a pipe. Texts are texts, never markup."""
    if sys.stdout.isatty():
        return Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=PIPE_WIDTH, color_system=None)


def print_json(value: Any) -> None:
    """JSON for programs, Chinese readable."""
    print(json.dumps(value, ensure_ascii=False, indent=2))
