"""What the wallboard says, from the published picture: tiles, flows, events, trunks, alarms. Pure; None is 未知.

An old picture is no picture: then everything in it is unknown, and the alarm says since when.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from callctl.core.day import Asked, day_start
from callctl.core.model import City, Province

FRESH_S = 10.0  # A city heard within this is live; an older reading is told with its age.
TRUNK_HIGH = 0.8  # From here on a trunk's load is an alarm.
SEAT_STATES = ("free", "ringing", "busy", "wrap_up", "paused", "offline")

# Where the cities lie on the schematic map: left and top edge of a tile, 10 wide and 9 high, on a field of 50 by 50.
# Roughly as on a map, pulled apart so that nothing overlaps; no borders are drawn. Cities not listed find a free place.
PLACES: Mapping[str, tuple[int, int]] = {
    "xuzhou": (1, 1),
    "suqian": (13, 4),
    "lianyungang": (26, 1),
    "huaian": (24, 11),
    "yancheng": (36, 9),
    "jiangsu": (1, 13),
    "yangzhou": (17, 21),
    "taizhou": (28, 21),
    "nantong": (39, 20),
    "nanjing": (4, 28),
    "zhenjiang": (15, 33),
    "changzhou": (26, 32),
    "wuxi": (37, 31),
    "suzhou": (35, 41),
}


@dataclass(frozen=True, slots=True)
class Count:
    """Answered of asked, so far today; the share is never shown without both."""

    asked: int
    answered: int
    within: Mapping[int, int]

    @property
    def share(self) -> float | None:
        """接通率: None where nobody asked."""
        return self.answered / self.asked if self.asked else None

    def share_within(self, seconds: int) -> float | None:
        """Answered within so many seconds, of all who asked."""
        return self.within.get(seconds, 0) / self.asked if self.asked else None


@dataclass(frozen=True, slots=True)
class Lent:
    """One supporting city's seats or slots at one assisted city."""

    city: str
    ready: int | None  # Seats lent, or slots open.
    talking: int | None = None


@dataclass(frozen=True, slots=True)
class Tile:
    """One city on the board."""

    code: str
    name_zh: str
    place: tuple[int, int] | None
    own: bool  # False: another city's traffic, which this person does not see.
    up: bool
    lost_reason: str
    assistance: str | None  # off, on, acting; None: unknown.
    waiting: int | None
    over: bool  # The longest wait has passed the threshold.
    longest_wait_s: float | None
    talking: int | None
    seats: Mapping[str, int | None]
    lent_out: tuple[Lent, ...] | None
    lent_in: tuple[Lent, ...] | None
    today: Count | None
    age_s: float | None

    @property
    def lent_out_total(self) -> int | None:
        """Seats lent out now."""
        return None if self.lent_out is None else sum(lent.ready or 0 for lent in self.lent_out)

    @property
    def late(self) -> bool:
        """Heard, but not lately."""
        return self.up and self.age_s is not None and self.age_s > FRESH_S


@dataclass(frozen=True, slots=True)
class Flow:
    """Help from one city to another: calls in progress, and slots that are open for more."""

    supporting: str
    assisted: str
    talking: int
    ready: int


@dataclass(frozen=True, slots=True)
class EventLine:
    """A running assistance event, as its header on the board."""

    assisted: str
    title: str
    day: int  # 启动第 N 天, from 1.
    state: str | None  # off, on, acting.
    waves: tuple[int, ...]  # Numbers of those that have entered.
    seats_lent: int | None
    seats_planned: int | None  # None: no figure was agreed, each city lends up to its quota.
    answered: int | None
    answered_remote: int | None
    gain_points: float | None  # 接通率 today less that of the same weekday a week ago, in points; None: no such figure.

    @property
    def share(self) -> float | None:
        """分担比例: answered remote of answered."""
        if not self.answered or self.answered_remote is None:
            return None
        return self.answered_remote / self.answered


@dataclass(frozen=True, slots=True)
class TrunkLoad:
    """One trunk, both directions together."""

    cities: tuple[str, str]
    up: bool | None
    in_use: int
    channels: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.in_use / self.channels if self.channels else 0.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing a supervisor should know. `grade`: alarm, warn or note; the words are the page's, by `kind`."""

    grade: str
    kind: str
    city: str = ""
    other: str = ""
    count: int | None = None
    most: int | None = None
    seconds: float | None = None
    zh: str = ""  # Where the core has said it in words already.
    en: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """Everything on the wallboard at one moment."""

    at: float | None  # When the picture was published.
    age_s: float | None
    live: bool
    stopped: bool | None
    tiles: tuple[Tile, ...]
    flows: tuple[Flow, ...]
    events: tuple[EventLine, ...]
    trunks: tuple[TrunkLoad, ...]
    alarms: tuple[Alarm, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Today's counts, and those of the same time a week ago; None: the history is lost or was not asked."""

    today: Mapping[str, Asked] | None = None
    week_ago: Mapping[str, Asked] | None = None
    lost: bool = False  # It was asked, and did not answer.


def board(scene: Mapping[str, Any], province: Province, figures: Figures, now: float, only: Iterable[str] = ()) -> Board:
    """The board of these cities, or of all. `scene`: what the live feed tells this person (web/feed.py)."""
    codes = tuple(code for code in province.cities if code in set(only)) or tuple(province.cities)
    age_s, live = scene["age_s"], bool(scene["controller_alive"])
    seen: Mapping[str, Any] = scene["cities"] if live else {}
    tiles = tuple(_tile(province.cities[code], seen.get(code), figures, age_s) for code in codes)
    wishes: Mapping[str, Any] = (scene["wishes"] if live else None) or {}
    return Board(
        at=scene["at"],
        age_s=age_s,
        live=live,
        stopped=scene["stopped"] if live else None,
        tiles=tiles,
        flows=_flows(seen, codes),
        events=tuple(
            _event(city, event, seen, figures, now) for city, event in (wishes.get("events") or {}).items() if city in codes
        ),
        trunks=_trunks(seen, codes),
        alarms=_alarms(scene, live, tiles, seen, figures.lost),
    )


def _tile(city: City, seen: Mapping[str, Any] | None, figures: Figures, picture_age_s: float | None) -> Tile:
    own = bool(seen and seen["own"])
    up = bool(seen and seen["up"])
    told: Mapping[str, Any] = seen if seen and up and own else {}
    longest = told.get("longest_wait_s")
    age = seen.get("age_s") if seen else None
    today = figures.today.get(city.code) if figures.today is not None else None
    return Tile(
        code=city.code,
        name_zh=city.name_zh,
        place=PLACES.get(city.code),
        own=own or seen is None,
        up=up,
        lost_reason=str((seen or {}).get("lost_reason") or ""),
        assistance=seen["assistance"] if seen else None,
        waiting=told.get("waiting"),
        over=bool(told.get("over_threshold")),
        longest_wait_s=longest,
        talking=told.get("talking"),
        seats={state: (told.get("seats") or {}).get(state) for state in SEAT_STATES},
        lent_out=tuple(Lent(other, count) for other, count in told["lent_out"].items() if count) if told else None,
        lent_in=tuple(
            Lent(other, slots["open"], slots["in_use"])
            for other, slots in told["lent_in"].items()
            if slots["open"] or slots["in_use"]
        )
        if told
        else None,
        today=None if today is None else Count(today.asked, today.answered, today.within),
        age_s=None if age is None else age + (picture_age_s or 0.0),
    )


def _flows(seen: Mapping[str, Any], codes: Iterable[str]) -> tuple[Flow, ...]:
    flows = []
    shown = set(codes)
    for assisted, city in seen.items():
        for supporting, slots in (city.get("lent_in") or {}).items():
            if (slots["open"] or slots["in_use"]) and {assisted, supporting} & shown:
                flows.append(Flow(supporting, assisted, slots["in_use"], max(0, slots["open"] - slots["in_use"])))
    return tuple(sorted(flows, key=lambda flow: (-flow.talking, flow.assisted, flow.supporting)))


def _event(city: str, event: Mapping[str, Any], seen: Mapping[str, Any], figures: Figures, now: float) -> EventLine:
    planned = event.get("granted") or event.get("seats") or {}
    today = (figures.today or {}).get(city)
    before = (figures.week_ago or {}).get(city)
    gain = None
    if today and before and today.asked and before.asked:
        gain = 100.0 * (today.answered / today.asked - before.answered / before.asked)
    started = float(event["started_at"])
    return EventLine(
        assisted=city,
        title=str(event.get("title") or ""),
        day=int((day_start(now) - day_start(started)) // 86400) + 1,
        state=seen[city]["assistance"] if city in seen else None,
        waves=tuple(wave["number"] for wave in event.get("waves") or () if wave["entered_at"]),
        seats_lent=_seats_lent(city, seen),
        seats_planned=sum(planned.values()) if planned else None,
        answered=today.answered if today else None,
        answered_remote=today.answered_remote if today else None,
        gain_points=gain,
    )


def _seats_lent(city: str, seen: Mapping[str, Any]) -> int | None:
    """Seats lent to the city. Who does not see the lenders counts the slots that are open for it."""
    if not seen:
        return None
    lenders = [other for code, other in seen.items() if code != city]
    if seen[city]["own"] and not all(other["own"] for other in lenders):
        slots: Mapping[str, Mapping[str, int]] | None = seen[city].get("lent_in")
        return None if slots is None else sum(max(one["open"], one["in_use"]) for one in slots.values())
    lent: list[int] = [(other.get("lent_out") or {}).get(city, 0) for other in lenders]
    return sum(lent)


def _trunks(seen: Mapping[str, Any], codes: Iterable[str]) -> tuple[TrunkLoad, ...]:
    shown = set(codes)
    found: dict[tuple[str, str], TrunkLoad] = {}
    for code, city in seen.items():
        for other, trunk in (city.get("trunks") or {}).items():
            pair = (min(code, other), max(code, other))
            if not {code, other} & shown:
                continue
            was = found.get(pair)
            down = trunk["up"] is False or (was is not None and was.up is False)
            up = False if down else trunk["up"] if trunk["up"] is not None else was.up if was else None
            # Each end counts its own calls; the larger count is the one that misses least.
            found[pair] = TrunkLoad(pair, up, max(trunk["in_use"], was.in_use if was else 0), trunk["channels"])
    return tuple(sorted(found.values(), key=lambda one: (one.up is not False, -one.share, one.cities)))


def _alarms(
    scene: Mapping[str, Any], live: bool, tiles: Iterable[Tile], seen: Mapping[str, Any], history_lost: bool
) -> tuple[Alarm, ...]:
    lost = [Alarm("warn", "history_lost")] if history_lost else []
    if not scene["registry_answers"]:
        return (Alarm("alarm", "registry_silent"), *lost)
    if not live:
        kind = "no_controller" if scene["age_s"] is None else "controller_silent"
        return (Alarm("alarm", kind, seconds=scene["age_s"]), *lost)
    told: list[Alarm] = lost
    if scene["stopped"]:
        told.append(Alarm("alarm", "stopped"))
    if not scene["registry_up"]:
        told.append(Alarm("alarm", "registry_lost"))
    listed = list(tiles)
    for tile in listed:
        told += _city_alarms(tile, seen.get(tile.code) or {})
    told += _trunk_alarms(seen, [tile.code for tile in listed])
    return tuple(sorted(told, key=lambda alarm: ("alarm", "warn", "note").index(alarm.grade)))


def _city_alarms(tile: Tile, city: Mapping[str, Any]) -> Iterator[Alarm]:
    if not tile.up:
        yield Alarm("alarm", "city_lost", tile.code, zh=tile.lost_reason, en=tile.lost_reason)
        return
    if tile.late:
        yield Alarm("warn", "city_late", tile.code, seconds=tile.age_s)
    if tile.over and tile.assistance != "acting":
        yield Alarm("warn", "over_threshold", tile.code, count=tile.waiting, seconds=tile.longest_wait_s)
    for reason in city.get("reasons") or ():
        yield Alarm("warn", "not_helped", tile.code, count=reason["count"], zh=reason["zh"], en=reason["en"])


def _trunk_alarms(seen: Mapping[str, Any], codes: Iterable[str]) -> Iterator[Alarm]:
    for trunk in _trunks(seen, codes):
        if trunk.up is False:
            yield Alarm("alarm", "trunk_down", *trunk.cities)
        elif trunk.channels and trunk.share >= TRUNK_HIGH:
            yield Alarm("warn", "trunk_high", *trunk.cities, count=trunk.in_use, most=trunk.channels)
