"""callctl status, seats, event list, audit: looking, without changing anything."""

import asyncio
import datetime
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table

from callctl import clock
from callctl.app import Room, open_room
from callctl.atlas import find_city
from callctl.cli.exits import STALE
from callctl.cli.picture import STALE_S, age_s, city_name, city_table, headline, seat_rows, seat_table
from callctl.cli.shell import JsonOption, ProvinceOption, in_room, print_json, screen
from callctl.cli.words import say, word
from callctl.core.model import City, Province
from callctl.core.wishes import Wishes
from callctl.province import read_province
from callctl.settings import read_settings
from callctl.store.port import StoreLost

WATCH_EVERY_S = 1.0  # As often as the controller publishes.

OneCity = Annotated[str, typer.Argument(help=say("只看一市", "one city only"))]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(help=say("全省现状", "The province now"))(status)
    app.command(help=say("座席一览", "Every seat"))(seats)
    app.command(help=say("审计：谁、何时、何事", "The audit: who did what, and when"))(audit)


def status(
    city: OneCity = "",
    watch: Annotated[bool, typer.Option("--watch", help=say("每秒刷新", "refresh every second"))] = False,
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Print the picture; exit code 4 where it is old."""
    if watch:
        asyncio.run(_watch(city, as_json, province))
        return

    async def look(room: Room) -> tuple[Province, Mapping[str, Any] | None]:
        return room.province, await room.registry.status()

    whole, picture = in_room(province, look)
    only = find_city(whole, city) if city else None
    now = clock.now()
    _show(picture, whole, only, now, as_json)
    if not _fresh(picture, now):
        raise typer.Exit(STALE)


def _fresh(picture: Mapping[str, Any] | None, now: float) -> bool:
    age = age_s(picture, now)
    return age is not None and age <= STALE_S


def _show(picture: Mapping[str, Any] | None, whole: Province, only: City | None, now: float, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(picture, only, now))
    else:
        screen().print(_page(picture, whole, only, now))
    sys.stdout.flush()


def _as_json(picture: Mapping[str, Any] | None, only: City | None, now: float) -> dict[str, Any]:
    cities = (picture or {}).get("cities") or {}
    return {
        **(picture or {}),
        "cities": cities if only is None else {code: city for code, city in cities.items() if code == only.code},
        "age_s": age_s(picture, now),
        "controller_alive": _fresh(picture, now),
    }


def _page(picture: Mapping[str, Any] | None, whole: Province, only: City | None, now: float) -> Group:
    lines: list[str | Table] = [headline(picture, now)]
    if picture:
        if (picture.get("wishes") or {}).get("stopped"):
            lines.append(word("stopped"))
        lines.append(city_table(picture, whole, only))
    return Group(*lines)


async def _watch(city: str, as_json: bool, province_dir: Path | None) -> None:
    settings = read_settings(province=province_dir)
    whole = read_province(settings.province_dir)
    only = find_city(whole, city) if city else None
    async with open_room(settings, whole, clock.now) as room:
        on_terminal = sys.stdout.isatty() and not as_json
        live = Live(console=screen(), auto_refresh=False, screen=True) if on_terminal else None
        if live:
            with live:
                while True:
                    live.update(await _look_again(room, only), refresh=True)
                    await asyncio.sleep(WATCH_EVERY_S)
        while True:
            _show(await room.registry.status(), whole, only, clock.now(), as_json)
            await asyncio.sleep(WATCH_EVERY_S)


async def _look_again(room: Room, only: City | None) -> Group:
    try:
        return _page(await room.registry.status(), room.province, only, clock.now())
    except StoreLost as error:
        return Group(say(f"Redis 联系不上：{error}", f"Redis cannot be reached: {error}"))


def seats(city: OneCity = "", as_json: JsonOption = False, province: ProvinceOption = None) -> None:
    """Print every seat; works without Redis, which only knows the states."""

    async def look(room: Room) -> tuple[Province, Mapping[str, Any] | None, dict[tuple[str, str], str] | None]:
        try:
            loans = await room.registry.loans()
            return (
                room.province,
                await room.registry.status(),
                {(r.city, r.seat): loan.assisted for r, loan in loans.items()},
            )
        except StoreLost:
            return room.province, None, None

    whole, picture, lent = in_room(province, look)
    fresh = _fresh(picture, clock.now())
    rows = seat_rows(picture if fresh else None, lent, whole, find_city(whole, city) if city else None)
    if as_json:
        print_json(rows)
    else:
        screen().print(seat_table(rows, whole))


def audit(
    last: Annotated[int, typer.Option(min=1, max=10_000, help=say("最近几条", "how many"))] = 20,
    city: Annotated[str, typer.Option(help=say("只看一市", "one city only"))] = "",
    as_json: JsonOption = False,
    province: ProvinceOption = None,
) -> None:
    """Print the newest audited acts, newest first."""

    async def look(room: Room) -> tuple[Province, list[dict[str, Any]]]:
        cities = frozenset({find_city(room.province, city).code}) if city else None
        entries = await room.history.audited(last, cities)
        keys = ("at", "who", "where", "what", "city", "before", "after", "reason", "request")
        return room.province, [{key: getattr(entry, key) for key in keys} for entry in entries]

    whole, entries = in_room(province, look)
    if as_json:
        print_json(entries)
    elif not entries:
        print(word("no_audit"))
    else:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for key in ("when", "who", "where", "what", "city", "before_after", "reason"):
            table.add_column(word(key))
        for entry in entries:
            table.add_row(
                local_time(entry["at"]),
                entry["who"],
                entry["where"],
                word(entry["what"]),
                city_name(whole, entry["city"]) if entry["city"] else word("all_cities"),
                f"{_readable(entry['before'], whole)} → {_readable(entry['after'], whole)}",
                entry["reason"],
            )
        screen().print(table)


def _readable(text: str, province: Province) -> str:
    """A wish as the audit keeps it, for a person: an event is JSON there."""
    if not text.startswith("{"):
        return text or "-"
    event = json.loads(text)
    shares = " ".join(f"{city_name(province, code)} {count}" for code, count in event["seats"].items())
    switched = say("开", "on") if event["switched_on"] else word("off")
    parts = (event["title"], shares or word("everybody"), f"{word('priority')} {event['priority']:g}", switched)
    return " | ".join(part for part in parts if part)


def local_time(at: float) -> str:
    """A time as people here read it."""
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def event_rows(wishes: Wishes) -> list[dict[str, Any]]:
    """The running events, for `event list`."""
    return [
        {
            "id": event.id,
            "assisted": event.assisted,
            "title": event.title,
            "started_at": event.started_at,
            "priority": event.priority,
            "switched_on": event.switched_on,
            "seats": dict(event.seats),
        }
        for event in wishes.events.values()
    ]


def event_table(rows: list[dict[str, Any]], province: Province) -> Table:
    """One row an event."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for key in ("city", "title", "started", "priority", "switch", "seats"):
        table.add_column(word(key))
    for row in rows:
        shares = " ".join(f"{city_name(province, code)} {count}" for code, count in row["seats"].items())
        table.add_row(
            city_name(province, row["assisted"]),
            row["title"],
            local_time(row["started_at"]),
            f"{row['priority']:g}",
            say("开", "on") if row["switched_on"] else word("off"),
            shares or word("everybody"),
        )
    return table
