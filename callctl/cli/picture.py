"""The province's picture as a table: what the controller published last, how old it is, and 未知 for what nobody knows."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from callctl.cli.words import english, say, word
from callctl.core.model import City, Lending, Province

STALE_S = 10.0  # The controller publishes every second or two; ten seconds without is not a hiccup.
SEAT_STATES = ("free", "ringing", "busy", "wrap_up", "paused", "offline")


def age_s(picture: Mapping[str, Any] | None, now: float) -> float | None:
    """Seconds since the controller published this; None without a picture."""
    at = picture.get("at") if picture else None
    return max(0.0, now - at) if isinstance(at, int | float) else None


def duration(seconds: float | None) -> str:
    """A duration for people: 8 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return word("unknown")
    whole = int(seconds)
    if whole < 60:
        return say(f"{whole}秒", f"{whole} s")
    if whole < 3600:
        return say(f"{whole // 60}分{whole % 60:02d}秒", f"{whole // 60} min {whole % 60:02d} s")
    return say(f"{whole // 3600}小时{whole % 3600 // 60:02d}分", f"{whole // 3600} h {whole % 3600 // 60:02d} min")


def headline(picture: Mapping[str, Any] | None, now: float) -> str:
    """One line above the table: is the controller alive, and how old is what follows."""
    age = age_s(picture, now)
    if age is None:
        return say(
            "控制器未运行：还没有画面。用 callctl run 启动；各市照常接听自己的来电",
            "the controller is not running and has published nothing; start it with `callctl run`; "
            "cities answer their own calls meanwhile",
        )
    if age > STALE_S:
        return say(
            f"控制器已停 {duration(age)}：以下是停前的画面，不代表现状。用 callctl run 启动",
            f"the controller has been silent for {duration(age)}: below is its last picture, not the present; "
            "start it with `callctl run`",
        )
    return say(f"控制器运行中，画面 {duration(age)}前", f"controller running, picture {duration(age)} old")


def city_table(picture: Mapping[str, Any], province: Province, only: City | None) -> Table:
    """One row a city."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(word("city"), no_wrap=True)
    for key in ("waiting", "longest_wait", *SEAT_STATES):
        table.add_column(word(key), justify="right", no_wrap=True)
    for key in ("lent_out", "lent_in", "trunks", "assistance", "unhelped"):
        table.add_column(word(key))
    cities = picture.get("cities") or {}
    for code, city in province.cities.items():
        if only is None or code == only.code:
            table.add_row(*_row(city, cities.get(code) or {}, province))
    return table


def city_name(province: Province, code: str) -> str:
    """The city's name in this person's language."""
    city = province.cities.get(code)
    return city.name_zh if city and not english() else code


def _row(city: City, seen: Mapping[str, Any], province: Province) -> list[str]:
    seats = seen.get("seats") or {}
    up = bool(seen.get("up"))
    name = city_name(province, city.code)
    counts = [_count(seats.get(state) if up else None) for state in SEAT_STATES]
    if not up:
        lost = say("联系中断", "no link") + (f": {seen['lost_reason']}" if seen.get("lost_reason") else "")
        return [name, *([word("unknown")] * 2), *counts, *([word("unknown")] * 3), _assistance(seen), lost]
    return [
        name,
        _count(seen.get("waiting")),
        _longest(seen),
        *counts,
        _pairs(seen.get("lent_out"), province, lambda count: str(count or "")),
        _pairs(seen.get("lent_in"), province, _slots),
        _trunks(seen.get("trunks"), province),
        _assistance(seen),
        _reasons(seen),
    ]


def _count(value: object) -> str:
    return str(value) if isinstance(value, int) else word("unknown")


def _longest(seen: Mapping[str, Any]) -> str:
    if seen.get("waiting") == 0:
        return "-"
    return duration(seen.get("longest_wait_s"))


def _slots(lent: Mapping[str, Any]) -> str:
    return f"{_count(lent.get('in_use'))}/{_count(lent.get('open'))}" if lent.get("in_use") or lent.get("open") else ""


def _trunks(trunks: object, province: Province) -> str:
    """Calls on all trunks of the city against their limit, and the trunks that are down by name."""
    if not isinstance(trunks, Mapping):
        return word("unknown")
    used = sum(trunk.get("in_use") or 0 for trunk in trunks.values())
    most = sum(trunk.get("channels") or 0 for trunk in trunks.values())
    down = " ".join(city_name(province, code) for code, trunk in trunks.items() if trunk.get("up") is False)
    return f"{used}/{most} {say('断：', 'down: ')}{down}" if down else f"{used}/{most}"


def _pairs(values: object, province: Province, show: Callable[[Any], str]) -> str:
    if not isinstance(values, Mapping):
        return word("unknown")
    shown = {code: show(value) for code, value in values.items()}
    return " ".join(f"{city_name(province, code)} {text}" for code, text in shown.items() if text) or "-"


def _assistance(seen: Mapping[str, Any]) -> str:
    state = seen.get("assistance")
    return word(str(state)) if state in ("off", "on", "acting") else word("unknown")


def _reasons(seen: Mapping[str, Any]) -> str:
    said = [
        f"{reason.get('en' if english() else 'zh') or reason.get('code')} ×{reason.get('count', '?')}"
        for reason in seen.get("reasons") or ()
    ]
    said += [
        f"· {decision.get('en' if english() else 'zh') or decision.get('code')}" for decision in seen.get("decisions") or ()
    ]
    return "\n".join(said)


def seat_rows(
    picture: Mapping[str, Any] | None, lent: Mapping[tuple[str, str], str] | None, province: Province, only: City | None
) -> list[dict[str, Any]]:
    """Every seat with its state (None: unknown) and the city it is lent to (None: not lent, or unknown)."""
    cities = (picture or {}).get("cities") or {}
    rows = []
    for code, city in province.cities.items():
        if only is not None and code != only.code:
            continue
        seen = cities.get(code) or {}
        states = seen.get("seat_states") if seen.get("up") else None
        rows += [
            {
                "city": code,
                "seat": seat.id,
                "agent": seat.agent,
                "name": seat.name,
                "lend": seat.lend.value,
                "skills": list(seat.skills),
                "state": (states or {}).get(seat.id),
                "lent_to": None if lent is None else lent.get((code, seat.id)),
                "lent_known": lent is not None,
            }
            for seat in city.seats
        ]
    return rows


def seat_table(rows: list[dict[str, Any]], province: Province) -> Table:
    """One row a seat."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for key in ("city", "seat", "agent", "name", "lend", "skills", "state", "lent_to"):
        table.add_column(word(key))
    for row in rows:
        lent = city_name(province, row["lent_to"]) if row["lent_to"] else "-"
        table.add_row(
            city_name(province, row["city"]),
            row["seat"],
            row["agent"],
            row["name"],
            word("no" if row["lend"] == Lending.NO.value else row["lend"]),
            " ".join(row["skills"]),
            word(row["state"] or "unknown"),
            lent if row["lent_known"] else word("unknown"),
        )
    return table
