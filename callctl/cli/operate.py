"""callctl event, switch, quota, stop, resume: what supervisors order; each order is audited with who and when."""

import enum
from collections.abc import Mapping
from typing import Annotated

import typer

from callctl.app import Room
from callctl.cli.look import event_rows, event_table
from callctl.cli.shell import CityArgument, JsonOption, ProvinceOption, ReasonOption, act, in_room, print_json, screen
from callctl.cli.words import say, word
from callctl.core.acts import ActRefused
from callctl.core.model import Province
from callctl.core.wishes import Wishes

# What a Chinese input method types for = , :
_PLAIN = str.maketrans({"\uff0c": ",", "、": ",", "\uff1d": "=", "\uff1a": "=", ":": "="})


class Turn(enum.Enum):
    """The two ways to turn a switch."""

    ON = "on"
    OFF = "off"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    event = typer.Typer(help=say("启动令：启动、终止、查看", "Assistance events: start, end, list"), no_args_is_help=True)
    event.command("start", help=say("启动，或调整进行中的启动令", "Start an event, or change the running one"))(event_start)
    event.command("end", help=say("终止启动令", "End an event"))(event_end)
    event.command("list", help=say("进行中的启动令", "The running events"))(event_list)
    app.add_typer(event, name="event")
    app.command(help=say("开启/关闭一市的支援", "Turn a city's assistance on or off"))(switch)
    app.command(help=say("一市最多借出几个座席", "Most seats a city lends at once"))(quota)
    app.command(help=say("全部停止(恢复用 resume)", "Stop all assistance (the way back is resume)"))(stop)
    app.command(help=say("从全部停止恢复", "The way back from stop --all"))(resume)


def event_start(
    city: CityArgument,
    title: Annotated[str | None, typer.Option(help=say("标题", "title"))] = None,
    seats: Annotated[
        str | None,
        typer.Option(help=say("各市座席数：徐州=8,苏州=9;all 为各市按配额", "xuzhou=8,suzhou=9; all: everybody by quota")),
    ] = None,
    priority: Annotated[
        float | None, typer.Option(help=say("优先级，1 为平等", "weight of its callers, 1 is equal"))
    ] = None,
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Start the event; what is not given stays as it is in a running one."""
    shares = None if seats is None else parse_shares(seats)
    act(province, lambda room, who: room.desk.start_event(who, city, title, shares, priority, reason))


def parse_shares(text: str) -> Mapping[str, int]:
    """Seats by city as typed: "徐州=8,suzhou=9"; "all" is {}. Raises ActRefused."""
    if text.strip().lower() == "all":
        return {}
    shares: dict[str, int] = {}
    for part in text.translate(_PLAIN).split(","):
        name, sign, count = (piece.strip() for piece in part.partition("="))
        if not (name and sign and count.isdecimal() and len(count) <= 6) or name in shares:
            raise ActRefused(
                f"--seats 看不懂“{part.strip()}”：写成 徐州=8,苏州=9,每市一次",
                f"--seats does not read '{part.strip()}': write xuzhou=8,suzhou=9, each city once",
            )
        shares[name] = int(count)
    return shares


def event_end(city: CityArgument, reason: ReasonOption = "", province: ProvinceOption = None) -> None:
    """End the event; calls in progress go on."""
    act(province, lambda room, who: room.desk.end_event(who, city, reason))


def event_list(as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """List the running events."""

    async def look(room: Room) -> tuple[Province, Wishes]:
        return room.province, await room.desk.wishes()

    whole, wishes = in_room(province, look)
    rows = event_rows(wishes)
    if as_json:
        print_json(rows)
        return
    if wishes.stopped:
        print(word("stopped"))
    if rows:
        screen().print(event_table(rows, whole))
    else:
        print(word("no_event"))


def switch(
    city: CityArgument,
    turn: Annotated[Turn, typer.Argument(help="on, off")],
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Turn a city's assistance on or off."""
    act(province, lambda room, who: room.desk.switch(who, city, turn is Turn.ON, reason))


def quota(
    city: CityArgument,
    count: Annotated[str, typer.Argument(metavar="N|default", help=say("座席数，或 default", "seats, or default"))],
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Set most seats the city lends at once; `default` gives back the data folder's figure."""
    if count != "default" and not (count.isdecimal() and len(count) <= 6):
        raise ActRefused(f"配额须是数字或 default，不是“{count}”", f"the quota must be a number or default, not '{count}'")
    seats = None if count == "default" else int(count)
    act(province, lambda room, who: room.desk.quota(who, city, seats, reason))


def stop(
    everything: Annotated[bool, typer.Option("--all", help=say("全省", "the whole province"))] = False,
    reason: ReasonOption = "",
    province: ProvinceOption = None,
) -> None:
    """Stop all assistance; calls in progress go on."""
    if not everything:
        raise ActRefused(
            "停止全省支援请写 callctl stop --all；只停一市请用 callctl switch 市 off",
            "to stop the whole province write `callctl stop --all`; for one city `callctl switch CITY off`",
        )
    act(province, lambda room, who: room.desk.stop_all(who, reason))


def resume(reason: ReasonOption = "", province: ProvinceOption = None) -> None:
    """Go on after stop --all, with the events, switches and quotas as they were."""
    act(province, lambda room, who: room.desk.resume(who, reason))
