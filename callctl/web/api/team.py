"""/api/v1/cities/{city}/seats: the team leader's hand on the city's seats, and the permits to listen to them."""

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from callctl.core.listening import DIALLED, PERMITTED_S, How, Listening
from callctl.core.model import SeatRef
from callctl.web.api.forms import Form, OnceKey, Reason
from callctl.web.doors import Doors
from callctl.web.feed import Feed
from callctl.web.gate import TheCity, TheHouse, Who

DOORS = Doors()
TAGS = ["desk"]
SeatId = Annotated[str, Path(max_length=32, pattern=r"^[0-9]+$")]


class Forced(Form):
    """The team leader's word."""

    ready: bool
    reason: Reason = ""
    agent: Annotated[str, Field(max_length=32)] | None = None  # Who was seen sitting there; 409 where that has changed.


@DOORS.get("/api/v1/cities/{city}/seats", "see seats", tags=TAGS)
async def seats(request: Request, house: TheHouse, city: TheCity) -> list[dict[str, Any]]:
    """The city's seats: who sits there, in what state, lent to whom; `state` null is unknown."""
    sitters = await house.sitting.all()
    loans = await house.room.registry.loans()
    feed: Feed = request.app.state.feed
    seen = ((feed.fresh_picture() or {}).get("cities") or {}).get(city.code) or {}
    rows = []
    for seat in city.seats:
        sitter = sitters.get(SeatRef(city.code, seat.id))
        rows.append(
            {
                "seat": seat.id,
                "lend": seat.lend.value,
                "agent": sitter.agent if sitter else None,
                "since": sitter.since if sitter else None,
                "planned_agent": seat.agent,
                "lent_to": loans[ref].assisted if (ref := SeatRef(city.code, seat.id)) in loans else None,
                "lent_at": loans[ref].lent_at if ref in loans else None,
                "state": (seen.get("seat_states") or {}).get(seat.id),
                "call": (seen.get("seat_calls") or {}).get(seat.id),
            }
        )
    return rows


@DOORS.put("/api/v1/cities/{city}/seats/{seat}/ready", "force", status_code=202, tags=TAGS)
async def force(house: TheHouse, who: Who, city: TheCity, seat: SeatId, body: Forced, key: OnceKey = "") -> dict[str, Any]:
    """强制示闲 / 强制示忙."""
    await house.seating.force(who.actor, city.code, seat, body.ready, body.reason, key, body.agent)
    return {"seat": seat, "ready": body.ready}


@DOORS.delete("/api/v1/cities/{city}/seats/{seat}/sitter", "force", status_code=204, tags=TAGS)
async def force_out(
    house: TheHouse,
    who: Who,
    city: TheCity,
    seat: SeatId,
    reason: Reason = "",
    agent: Annotated[str | None, Query(max_length=32)] = None,
    key: OnceKey = "",
) -> Response:
    """强制签出. `agent`: who was seen sitting there; 409 where that has changed."""
    await house.seating.force_out(who.actor, city.code, seat, reason, key, agent)
    return Response(status_code=204)


class WantedEar(Form):
    """How, and by which telephone of the city."""

    how: How
    phone: Annotated[str, Field(max_length=32)]
    reason: Reason = ""


@DOORS.post("/api/v1/cities/{city}/seats/{seat}/listening", "listen", status_code=202, tags=TAGS)
async def listen(
    house: TheHouse, who: Who, city: TheCity, seat: SeatId, body: WantedEar, key: OnceKey = ""
) -> dict[str, Any]:
    """监听, 耳语 or 强插: a permit for one telephone, once, for a minute after the PBX has it (`granted`)."""
    return shown_permit(await house.ear.ask(who.actor, city.code, seat, body.how, body.phone, body.reason, key))


@DOORS.get("/api/v1/cities/{city}/listening", "listen", tags=TAGS)
async def permits(house: TheHouse, who: Who, city: TheCity) -> list[dict[str, Any]]:
    """One's own permits that are asked for or may still be used; `dial` is what the telephone dials."""
    return [shown_permit(one) for one in await house.ear.mine(who.actor, city.code)]


def shown_permit(one: Listening) -> dict[str, Any]:
    """A permit as people see it."""
    return {
        "id": one.id,
        "seat": one.seat,
        "phone": one.phone,
        "how": one.how.value,
        "granted": one.granted_at is not None,
        "dial": f"{DIALLED}{one.seat}",
        "until": one.ends_at(),
        "for_s": PERMITTED_S,
    }
