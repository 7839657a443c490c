"""A few cities of the province, with a few seats each, as data folders of their own: what a lab runs."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LAB_NETWORK = "127.0."
_DEDICATED_ONE_IN = 4  # Of a lab's few seats; the rest are shared, as most seats of a city are.
_LENDABLE = ("shared", "dedicated")
_PORTS = {"asterisk": 5038, "freeswitch": 8021}  # Of the management interface, as each kind comes.
_BROWSER_PORT = 8089

Table = dict[str, Any]


class SubsetError(Exception):
    """The province has no such cities or seats; str() says what and how to mend it."""


def write_subset(
    source: Path,
    target: Path,
    cities: Sequence[str],
    *,
    seats: int,
    version: int,
    network: int = 0,
    queue: Mapping[str, object] | None = None,
    kinds: Mapping[str, str] | None = None,
    browser_seats: int = 0,
    browser_tls: bool = False,
    reserve: int = 1,
) -> None:
    """Write target/queues and target/agents for `cities` of `source`.

    `seats` each at most; `version` is the Asterisk that will run; `network` moves every 127.0.x.y to 127.<network>.x.y,
    so that labs can run side by side; `queue` overrides keys of [queue], `kinds` the kind of a city's PBX; the last
    `browser_seats` of each city have their phone in a browser of this machine; `reserve`: free agents a city keeps home.
    Raises SubsetError.
    """
    for code in cities:
        pbx, agents = _read(source / "queues", code), _read(source / "agents", code)
        kept = _choose(agents.get("seat", []), seats)
        pbx["pbx"] = _pbx(pbx["pbx"], version, (kinds or {}).get(code, ""))
        in_browser = browser_seats if pbx["pbx"]["kind"] == "asterisk" else 0  # FreeSWITCH cities have none yet.
        if in_browser:
            kept = [*kept[:-in_browser], *({**seat, "phone": "browser"} for seat in kept[-in_browser:])]
        pbx["queue"] = {**pbx.get("queue", {}), **(queue or {})}
        pbx["trunk"] = [trunk for trunk in pbx.get("trunk", []) if trunk["to"] in cities]
        pbx["lend"] = _lend(pbx.get("lend", {}), cities, kept, reserve)
        moved = _moved(pbx, network)
        if in_browser:  # Not moved: a browser comes from 127.0.0.1, wherever the lab lies.
            moved["pbx"] |= {"browser_port": _BROWSER_PORT, "browser_tls": browser_tls, "browsers": "127.0.0.0/8"}
        _write(target / "queues" / f"{code}.toml", moved)
        _write(target / "agents" / f"{code}.toml", {"seat": kept})


def _read(folder: Path, code: str) -> Table:
    path = folder / f"{code}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
        raise SubsetError(f"there is no city {code} in {folder}; there are: {known or 'none'}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SubsetError(f"{path} cannot be read: {error}") from None


def _pbx(table: Table, version: int, kind: str) -> Table:
    if not kind or kind == table["kind"]:
        return {**table, "version": version}
    return {**table, "version": version, "kind": kind, "ami_port": _PORTS[kind]}


def _choose(seats: list[Table], count: int) -> list[Table]:
    order = ("shared", "no", "dedicated")
    dedicated = [seat for seat in seats if seat.get("lend") == "dedicated"][: count // _DEDICATED_ONE_IN]
    others = [seat for seat in seats if seat not in dedicated]
    others.sort(key=lambda seat: order.index(seat["lend"]) if seat.get("lend") in order else len(order))
    return sorted([*dedicated, *others][:count], key=lambda seat: str(seat["id"]))


def _lend(lend: Table, cities: Sequence[str], seats: list[Table], reserve: int) -> Table:
    helps = [code for code in lend.get("helps", []) if code == "*" or code in cities]
    lendable = sum(seat.get("lend") in _LENDABLE for seat in seats)
    return {**lend, "helps": helps, "quota": min(int(lend.get("quota", 0)), lendable), "reserve": min(reserve, lendable)}


def _moved(value: Any, network: int) -> Any:
    if isinstance(value, dict):
        return {key: _moved(inner, network) for key, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, network) for inner in value]
    if isinstance(value, str) and value.startswith(_LAB_NETWORK):
        return f"127.{network}.{value.removeprefix(_LAB_NETWORK)}"
    return value


def _write(path: Path, table: Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_toml(table)) + "\n", encoding="utf-8")


def _toml(table: Table) -> Iterable[str]:
    """The lines of a file as our data folders are: values, then tables, then arrays of tables, one level deep."""
    for key, value in table.items():
        if not isinstance(value, dict) and not _tables(value):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{key}]"
            yield from _toml(value)
    for key, value in table.items():
        if _tables(value):
            for row in value:
                yield f"\n[[{key}]]"
                yield from _toml(row)


def _tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _value(value: object) -> str:
    # A TOML basic string has JSON's escapes (TOML 1.0, "String"); so have its numbers, booleans and arrays.
    return json.dumps(value, ensure_ascii=False)
