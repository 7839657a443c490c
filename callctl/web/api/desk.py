"""/api/v1/desk: the agent's own seat, what rings there, the phone in the page, and notes to their last word."""

import re
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from callctl.core.acts import Sentence
from callctl.core.model import SeatRef
from callctl.core.presses import BY_AGENT, REASONS
from callctl.store.drafts import Note
from callctl.store.port import StoreLost
from callctl.web.api.calls import CallId
from callctl.web.api.forms import Form, Text
from callctl.web.api.scripts import agents_city, shown_script
from callctl.web.doors import Doors
from callctl.web.feed import Feed
from callctl.web.gate import Caller, TheHouse, TheWords, Who
from callctl.web.problems import Problem
from callctl.web.words import Words

DOORS = Doors()
TAGS = ["desk"]
_CALL = re.compile(r"[a-z]+-[0-9.]+")


class WantedSeat(Form):
    """Where the agent sits down."""

    seat: Annotated[str, Field(max_length=32)]


class WantedReadiness(Form):
    """示闲, or 示忙 with a code of GET /desk/reasons."""

    ready: bool
    reason: Annotated[str, Field(max_length=8)] = "1"


class WrapUp(Form):
    """小结: what the call was about."""

    call: Annotated[str, Field(max_length=100)]
    demand: Annotated[str, Field(max_length=32)]  # enquiry, help, complaint, suggestion, report, praise, other.
    code: Annotated[str, Field(max_length=32)] = ""
    result: Annotated[str, Field(max_length=32)]  # on_call or forwarded.
    title: Text = ""
    content: Annotated[str, Field(max_length=4000)] = ""
    address: Text = ""
    requester: Text = ""
    contact: Text = ""
    urgent: bool = False
    confidential: bool = False
    nuisance: bool = False
    script: Annotated[str, Field(max_length=32)] = ""
    script_version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None


class HalfWritten(Form):
    """小结草稿: what is written of a note so far; anything may be missing. `script`: "<script> v<version>"."""

    demand: Annotated[str, Field(max_length=32)] = ""
    code: Annotated[str, Field(max_length=32)] = ""
    result: Annotated[str, Field(max_length=32)] = ""
    title: Text = ""
    content: Annotated[str, Field(max_length=4000)] = ""
    address: Text = ""
    requester: Text = ""
    contact: Text = ""
    urgent: bool = False
    confidential: bool = False
    nuisance: bool = False
    script: Annotated[str, Field(max_length=32)] = ""


FLAGS = ("urgent", "confidential", "nuisance")


@DOORS.get("/api/v1/desk/reasons", "desk", tags=TAGS)
async def reasons(words: TheWords) -> list[dict[str, str]]:
    """The reasons an agent may give for not being ready."""
    return [{"code": code, "name": _reason(code, words)} for code in BY_AGENT]


@DOORS.get("/api/v1/desk", "desk", tags=TAGS)
async def desk(request: Request, house: TheHouse, who: Who) -> dict[str, Any]:
    """The agent's seat as the PBX shows it, the call on it with all that pops up, and what is still to be read.

    `state` null: unknown (the city's PBX, the controller or Redis is away). `press`: asked, but not shown by the PBX yet.
    `unread` null: SQL is away; the seat and the call on it are shown all the same. `since`: when the talk or the wrap-up
    began, where that is known. `fresh`: scripts that came into force lately and need no confirmation.
    """
    ref = await house.sitting.seat_of(who.account)
    unread = await _unread(house, who)
    if ref is None:
        return {"seat": None, "unread": unread}
    feed: Feed = request.app.state.feed
    city = ((feed.fresh_picture() or {}).get("cities") or {}).get(ref.city) or {}
    call = (city.get("seat_calls") or {}).get(ref.seat)
    press = (await house.room.registry.presses()).get(ref)
    pop = await house.seating.pop(call["call"], who.agent) if call else None
    if pop is not None:
        scripts = house.reading.shelf.search("", house.now(), pop["city"])
        pop["scripts"] = [shown_script(script) for script in scripts]
    return {
        "seat": ref.seat,
        "city": ref.city,
        "state": (city.get("seat_states") or {}).get(ref.seat),
        "press": None if press is None else {"ready": press.ready, "reason": press.reason, "at": press.at},
        "call": pop,
        "unread": unread,
        "since": (city.get("seat_since") or {}).get(ref.seat),
        "fresh": house.reading.fresh(agents_city(who)),
    }


async def _unread(house: TheHouse, who: Caller) -> list[dict[str, Any]] | None:
    city = agents_city(who)
    try:
        return [shown_script(script) for script in await house.reading.unread(who.agent, city)]
    except StoreLost:
        return None


@DOORS.put("/api/v1/desk/seat", "desk", tags=TAGS)
async def sit(house: TheHouse, who: Who, body: WantedSeat) -> dict[str, str]:
    """签入. Whoever else sits there must sign out first; the seat one had before is left."""
    ref = await house.seating.sit(who.actor, agents_city(who), who.agent, body.seat)
    return {"seat": ref.seat, "city": ref.city}


@DOORS.delete("/api/v1/desk/seat", "desk", status_code=204, tags=TAGS)
async def stand_up(house: TheHouse, who: Who) -> Response:
    """签出."""
    agents_city(who)
    await house.seating.stand_up(who.actor)
    return Response(status_code=204)


@DOORS.put("/api/v1/desk/ready", "desk", status_code=202, tags=TAGS)
async def ready(house: TheHouse, who: Who, body: WantedReadiness) -> dict[str, Any]:
    """示闲 / 示忙. Done when the PBX shows it: GET /desk then has it in `state`, and `press` null."""
    agents_city(who)
    ref = await house.seating.ready(who.actor, body.ready, body.reason)
    return {"seat": ref.seat, "ready": body.ready}


@DOORS.post("/api/v1/desk/wrap-up", "desk", tags=TAGS)
async def wrap_up(house: TheHouse, who: Who, body: WrapUp) -> dict[str, bool]:
    """Keep the note of a call that was answered at the agent's seat; the same again changes nothing, another corrects it.

    A forwarded one becomes a stub of a work order of the call's city.
    """
    agents_city(who)
    if not _CALL.fullmatch(body.call):
        said = Sentence("没有这个通话", "there is no such call")
        raise Problem(422, "fields", said, {"call": said})
    new = await house.demands.keep(who.actor, await seat_or_none(house, who), who.agent, body.model_dump())
    await house.drafts.drop(who.account, body.call)
    return {"new": new}


@DOORS.get("/api/v1/desk/notes", "desk", tags=TAGS)
async def notes(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """The agent's own half-written notes, the newest first; three days old ones are forgotten."""
    agents_city(who)
    return [_shown_note(note) for note in await house.drafts.all(who.account, house.now())]


@DOORS.put("/api/v1/desk/notes/{call}", "desk", tags=TAGS)
async def keep_note(house: TheHouse, who: Who, call: CallId, body: HalfWritten) -> dict[str, Any]:
    """The note as it stands, half-written: kept for three days, for this agent alone; POST /desk/wrap-up finishes it."""
    agents_city(who)
    at = house.now()
    fields = {name: "yes" if value is True else value or "" for name, value in body.model_dump().items()}
    await house.drafts.keep(who.account, call, fields, at)
    return {"call": call, "at": at}


@DOORS.delete("/api/v1/desk/notes/{call}", "desk", status_code=204, tags=TAGS)
async def drop_note(house: TheHouse, who: Who, call: CallId) -> Response:
    """Throw a half-written note away; a note that was finished stays."""
    agents_city(who)
    await house.drafts.drop(who.account, call)
    return Response(status_code=204)


@DOORS.get("/api/v1/desk/phone", "desk", tags=TAGS)
async def phone(house: TheHouse, who: Who) -> JSONResponse:
    """What the phone in the page registers with: only for the seat the agent sits at, and only where it is a browser's."""
    ref = await house.seating.seat_of(who.actor)
    city = house.province.cities[ref.city]
    seat = next((one for one in city.seats if one.id == ref.seat), None)
    if seat is None or not seat.in_browser or not city.pbx.browser_address:
        raise Problem(404, "no_browser_phone", Sentence("这个座席用话机接听", "this seat has a telephone of its own"))
    account = {
        "address": city.pbx.browser_address,
        "uri": f"sip:{seat.id}@{city.pbx.host}",
        "password": house.phone_secret(city.code, seat.id),
    }
    return JSONResponse(account, headers={"Cache-Control": "no-store"})


def _shown_note(note: Note) -> dict[str, Any]:
    fields = {name: note.fields.get(name, "") for name in HalfWritten.model_fields}
    return {"call": note.call, "at": note.at, **fields, **{name: fields[name] == "yes" for name in FLAGS}}


async def seat_or_none(house: TheHouse, who: Caller) -> SeatRef:
    """The agent's seat; after signing out, none of the city's."""
    return await house.sitting.seat_of(who.account) or SeatRef(agents_city(who), "")


@DOORS.get("/api/v1/desk/categories", "desk", tags=TAGS)
async def categories(house: TheHouse, q: Annotated[str, Query(max_length=100)] = "") -> list[dict[str, str]]:
    """Categories (诉求分类) by the beginning of a code, a name or a synonym."""
    found = await house.demands.categories(q)
    return [{"code": one.code, "name_zh": one.name_zh, "name_en": one.name_en} for one in found]


def _reason(code: str, words: Words) -> str:
    zh, en = REASONS[code]
    return words.told(Sentence(zh, en))
