"""/api/v1/desk and seats: the agent's own seat, and the team leader's hand on the seats of the city."""

import re
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from callctl.core.acts import Sentence
from callctl.core.model import SeatRef
from callctl.core.presses import BY_AGENT, REASONS
from callctl.store.port import StoreLost
from callctl.web.api.forms import Form, Reason, Text
from callctl.web.api.scripts import agents_city, shown_script
from callctl.web.doors import Doors
from callctl.web.feed import Feed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who
from callctl.web.problems import Problem
from callctl.web.words import Words

DOORS = Doors()
TAGS = ["desk"]
CallId = Annotated[str, Path(max_length=100, pattern=r"^[a-z]+-[0-9.]+$")]
_CALL = re.compile(r"[a-z]+-[0-9.]+")


class WantedSeat(Form):
    """Where the agent sits down."""

    seat: Annotated[str, Field(max_length=32)]


class WantedReadiness(Form):
    """示闲, or 示忙 with a code of GET /desk/reasons."""

    ready: bool
    reason: Annotated[str, Field(max_length=8)] = "1"


class Asked(Form):
    """Why."""

    reason: Reason


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
    script_version: int | None = None


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


async def seat_or_none(house: TheHouse, who: Caller) -> SeatRef:
    """The agent's seat; after signing out, none of the city's."""
    return await house.sitting.seat_of(who.account) or SeatRef(agents_city(who), "")


@DOORS.get("/api/v1/desk/categories", "desk", tags=TAGS)
async def categories(house: TheHouse, q: Annotated[str, Query(max_length=100)] = "") -> list[dict[str, str]]:
    """Categories (诉求分类) by the beginning of a code, a name or a synonym."""
    found = await house.demands.categories(q)
    return [{"code": one.code, "name_zh": one.name_zh, "name_en": one.name_en} for one in found]


@DOORS.post("/api/v1/cities/{city}/calls/{call}/number", "see number", tags=["calls"])
async def number(house: TheHouse, who: Who, city: TheCity, call: CallId, body: Asked) -> dict[str, str]:
    """The caller's number in full. With a reason; audited before it is shown."""
    return {"call": call, "number": await house.seating.number(who.actor, city.code, call, body.reason)}


def _reason(code: str, words: Words) -> str:
    zh, en = REASONS[code]
    return words.told(Sentence(zh, en))
