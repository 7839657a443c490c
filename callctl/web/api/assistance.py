"""/api/v1: assistance events, switches, seats and limits, the emergency stop, previews and timelines."""

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request

from callctl.app import House
from callctl.atlas import find_city
from callctl.core.acts import Act, Sentence, SetQuota, Stop, Switch, lendable
from callctl.core.event_acts import EndEvent, StartEvent
from callctl.core.outlook import outlook
from callctl.core.picture import shown_wishes
from callctl.core.preview import preview
from callctl.core.seat_acts import (
    ConfirmSeats,
    EnterWave,
    SetBriefing,
    SetReserve,
    SetThreshold,
    threshold_limits,
)
from callctl.core.wishes import Wave
from callctl.desk import Told
from callctl.rights import EVERYWHERE
from callctl.store.port import AuditEntry
from callctl.web.api.forms import Form, OnceKey, Reason
from callctl.web.doors import Doors
from callctl.web.feed import Feed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who
from callctl.web.problems import Problem
from callctl.web.timeline import presses
from callctl.web.words import Words

DOORS = Doors()
TAGS = ["assistance"]
AUDIT_LOOKED_AT = 2000  # Entries searched for a word.

Count = Annotated[int, Field(ge=0, le=10_000)]
Shares = Annotated[dict[str, Count], Field(max_length=200)]
Version = Annotated[int | None, Field(ge=0, le=2**31 - 1)]  # Of the wishes the person was looking at.
Moment = Annotated[float, Field(ge=0, le=32_503_680_000)]  # Seconds since the epoch, until the year 3000.
Last = Annotated[int, Query(ge=1, le=1000)]


class Press(Form):
    """What goes with every press of a button."""

    reason: Reason = ""
    seen_version: Version = None


class WantedWave(Form):
    """One wave of an event."""

    number: Annotated[int, Field(ge=1, le=9)]
    seats: Shares
    planned_at: Moment = 0.0


class WantedEvent(Press):
    """An event; what is not given stays as it is, in a new event as the defaults say."""

    title: Annotated[str | None, Field(max_length=80)] = None
    seats: Shares | None = None
    priority: Annotated[float | None, Field(gt=0, le=100)] = None
    waves: Annotated[list[WantedWave] | None, Field(max_length=9)] = None
    needs_confirmation: bool | None = None
    waves_on_time: bool | None = None  # Waves enter by themselves at `planned_at`; else by a press.
    notice: Annotated[dict[str, str] | None, Field(max_length=50)] = None


class WantedSwitch(Press):
    """On or off."""

    on: bool


class WantedWaveState(Press):
    """In or out."""

    entered: bool


class WantedSeats(Press):
    """So many seats; null gives back the data folder's figure."""

    seats: Count | None


class ConfirmedSeats(Press):
    """So many seats; 0 is none."""

    seats: Count


class WantedThreshold(Press):
    """Seconds; null gives back the data folder's figure."""

    threshold_s: Annotated[float | None, Field(gt=0, le=86_400)]


class WantedBriefing(Press):
    """Whether the city's calls go only to agents who have read its must-read scripts."""

    required: bool


@DOORS.get("/api/v1/wishes", "see", tags=TAGS)
async def wishes(house: TheHouse, who: Who) -> dict[str, Any]:
    """Events, switches, seats and limits as they are wished now, also while no controller runs."""
    return _shown(house, who, await house.desk.wishes())


@DOORS.get("/api/v1/cities", "see", tags=TAGS)
async def cities(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """The province's cities; of the own ones also the limits of what may be set."""
    return [_limits(house, code, who.actor.sees(code)) for code in house.province.cities]


@DOORS.put("/api/v1/cities/{city}/event", "event start", tags=TAGS)
async def start_event(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedEvent, key: OnceKey = ""
) -> dict[str, Any]:
    """启动: open an event, or change the running one. A new one waits for the supporting cities' confirmation."""
    running = city.code in (await house.desk.wishes()).events
    confirmation = body.needs_confirmation if body.needs_confirmation is not None or running else True
    waves = None if body.waves is None else tuple(_wave(house, wave) for wave in body.waves)
    seats = None if body.seats is None else _by_code(house, body.seats)
    act = StartEvent(city.code, body.title, seats, body.priority, waves, confirmation, body.waves_on_time, body.notice)
    return await _do(house, who, words, act, body, key)


@DOORS.post("/api/v1/cities/{city}/event/end", "event end", tags=TAGS)
async def end_event(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: Press, key: OnceKey = ""
) -> dict[str, Any]:
    """终止."""
    return await _do(house, who, words, EndEvent(city.code), body, key)


@DOORS.post("/api/v1/cities/{city}/event/waves/{number}", "wave enter", tags=TAGS)
async def turn_wave(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, number: int, body: WantedWaveState, key: OnceKey = ""
) -> dict[str, Any]:
    """入场 / 离场."""
    return await _do(house, who, words, EnterWave(city.code, number, body.entered), body, key)


@DOORS.post("/api/v1/cities/{city}/switch", "switch off", tags=TAGS)
async def switch(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedSwitch, key: OnceKey = ""
) -> dict[str, Any]:
    """开启支援 (the assisted city's own key) / 关闭支援."""
    return await _do(house, who, words, Switch(city.code, body.on), body, key)


@DOORS.put("/api/v1/cities/{city}/quota", "quota", tags=TAGS)
async def quota(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedSeats, key: OnceKey = ""
) -> dict[str, Any]:
    """Most seats the city lends at once."""
    return await _do(house, who, words, SetQuota(city.code, body.seats), body, key)


@DOORS.put("/api/v1/cities/{city}/reserve", "reserve", tags=TAGS)
async def reserve(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedSeats, key: OnceKey = ""
) -> dict[str, Any]:
    """Free agents the city keeps home."""
    return await _do(house, who, words, SetReserve(city.code, body.seats), body, key)


@DOORS.put("/api/v1/cities/{city}/threshold", "threshold", tags=TAGS)
async def threshold(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedThreshold, key: OnceKey = ""
) -> dict[str, Any]:
    """The wait at which assistance acts for the city."""
    return await _do(house, who, words, SetThreshold(city.code, body.threshold_s), body, key)


@DOORS.put("/api/v1/cities/{city}/confirmations/{assisted}", "confirm", tags=TAGS)
async def confirm(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, assisted: str, body: ConfirmedSeats, key: OnceKey = ""
) -> dict[str, Any]:
    """The supporting `city` promises so many of its seats to `assisted`, or takes them back."""
    return await _do(house, who, words, ConfirmSeats(city.code, _code(house, assisted), body.seats), body, key)


@DOORS.put("/api/v1/cities/{city}/must-read", "must read on", tags=TAGS)
async def must_read(
    house: TheHouse, who: Who, city: TheCity, words: TheWords, body: WantedBriefing, key: OnceKey = ""
) -> dict[str, Any]:
    """Whether an agent who has not read the city's must-read scripts gets calls of it."""
    return await _do(house, who, words, SetBriefing(city.code, body.required), body, key)


@DOORS.post("/api/v1/stop", "stop all", tags=TAGS)
async def stop(house: TheHouse, who: Who, words: TheWords, body: Press, key: OnceKey = "") -> dict[str, Any]:
    """全部停止: the emergency stop. Works as long as Redis or SQL is there."""
    return await _do(house, who, words, Stop(True), body, key)


@DOORS.post("/api/v1/resume", "resume", tags=TAGS)
async def resume(house: TheHouse, who: Who, words: TheWords, body: Press, key: OnceKey = "") -> dict[str, Any]:
    """The one way back from the emergency stop."""
    return await _do(house, who, words, Stop(False), body, key)


@DOORS.get("/api/v1/cities/{city}/switch/preview", "switch off", tags=TAGS)
async def switch_preview(request: Request, house: TheHouse, city: TheCity, on: bool = True) -> dict[str, Any]:
    """What turning the switch would do: seats that could be lent at once, callers who wait; and `what_if`, the next hour.

    `what_if` is null until it has been worked out: ask again in some seconds.
    """
    act = Switch(city.code, on)
    seen = await house.desk.wishes()
    act.check(house.province, seen)
    wished = act.apply(seen, house.now())
    feed: Feed = request.app.state.feed
    picture = feed.fresh_picture()
    if picture is None:
        raise Problem(503, "no_picture", NO_PICTURE, headers={"Retry-After": "2"})
    foretold = house.foresight.effect(picture, seen, city.code, on)
    return {**preview(house.province, picture, wished, city.code), "what_if": foretold}


@DOORS.get("/api/v1/cities/{city}/timeline", "see timeline", tags=TAGS)
async def timeline(house: TheHouse, city: TheCity, last: Last = 100) -> list[dict[str, Any]]:
    """What was done about the city's assistance, newest first: by whom, when, from where, and why."""
    return [shown_entry(entry) for entry in await presses(house.room.history, frozenset({city.code}), last)]


@DOORS.get("/api/v1/timeline", "see timeline", tags=TAGS)
async def whole_timeline(house: TheHouse, who: Who, last: Last = 100) -> list[dict[str, Any]]:
    """What was done about the assistance of all of one's own cities, and to the whole province, newest first."""
    return [shown_entry(entry) for entry in await presses(house.room.history, who.actor.of_cities, last)]


@DOORS.get("/api/v1/audit", "see audit", tags=["audit"])
async def audit(
    house: TheHouse, who: Who, last: Last = 100, city: str = "", q: Annotated[str, Query(max_length=100)] = ""
) -> list[dict[str, Any]]:
    """The audit of the auditor's cities, or of one of them, newest first; `q`: of the newest 2000 those with this word."""
    cities = audited_cities(who, _code(house, city) if city else "")
    return [shown_entry(entry) for entry in await audited(house, cities, q, last)]


async def audited(house: House, cities: frozenset[str] | None, word: str, last: int) -> list[AuditEntry]:
    """The newest entries of these cities that hold the word; "" is in all of them. Raises StoreLost."""
    found = await house.room.history.audited(AUDIT_LOOKED_AT if word else last, cities)
    return [
        entry
        for entry in found
        if word.lower() in " ".join((entry.who, entry.where, entry.what, entry.city, entry.after, entry.reason)).lower()
    ][:last]


def audited_cities(who: Caller, city: str = "") -> frozenset[str] | None:
    """Whose audit this person reads: of `city`, or of all the own ones; None is the province's. Raises NotAllowed."""
    who.actor.must("see audit", city)
    return frozenset({city}) if city else who.actor.of_cities


NO_PICTURE = Sentence(
    "现在没有实时画面(控制器或 Redis 不在)，无法预估；仍可开启，控制器恢复后生效",
    "there is no live picture now (controller or Redis away), so nothing can be foretold; the switch works all the same",
)


def shown_entry(entry: AuditEntry) -> dict[str, Any]:
    """An audit entry as the API shows it."""
    return asdict(entry)


async def _do(house: House, who: Caller, words: Words, act: Act, press: Press, key: str) -> dict[str, Any]:
    told = await house.desk.do(who.actor, act, press.reason, key, press.seen_version)
    return {**_told(told, words), "wishes": _shown(house, who, told.wishes)}


def _told(told: Told, words: Words) -> dict[str, Any]:
    return {
        "changed": told.changed,
        "in_effect": told.in_effect,
        "sentence": words.told(told.sentence),
        "notes": [words.told(note) for note in told.notes],
        "version": told.wishes.version,
    }


def _shown(house: House, who: Caller, wished: Any) -> dict[str, Any]:
    """The wishes as far as this person sees them."""
    shown = shown_wishes(house.province, wished)
    whole = {"at": 0.0, "registry_up": None, "stopped": wished.stopped, "cities": {}, "wishes": shown}
    mine = None if EVERYWHERE in who.actor.cities else who.actor.cities
    seen: dict[str, Any] = outlook(house.province, whole, mine)["wishes"]
    return seen


def _limits(house: House, code: str, own: bool) -> dict[str, Any]:
    city = house.province.cities[code]
    shown: dict[str, Any] = {"code": code, "name_zh": city.name_zh, "area_code": city.area_code, "own": own}
    if own:
        least_s, most_s = threshold_limits(house.province, code)
        shown["threshold_s"] = {"default": city.queue.wait_threshold_s, "least": least_s, "most": most_s}
        shown["reserve"] = {"default": city.lend.reserve, "least": city.lend.reserve, "most": len(city.seats)}
        shown["quota"] = {"default": city.lend.quota, "least": 0, "most": lendable(city)}
    return shown


def _code(house: House, name: str) -> str:
    return find_city(house.province, name).code


def _by_code(house: House, seats: Mapping[str, int]) -> Mapping[str, int]:
    return MappingProxyType({_code(house, name): count for name, count in seats.items()})


def _wave(house: House, wave: WantedWave) -> Wave:
    return Wave(wave.number, _by_code(house, wave.seats), wave.planned_at)
