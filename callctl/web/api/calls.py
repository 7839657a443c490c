"""/api/v1/cities/{city}/calls: a city's calls, each by itself, by outcome and number. Masked; in full with a reason."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from callctl.app import House
from callctl.core.acts import Sentence
from callctl.core.day import DAY_S
from callctl.core.model import City
from callctl.log import mask
from callctl.seating import REPEATED_S
from callctl.store.calls import Call, Fate
from callctl.store.port import AuditEntry
from callctl.web.api.exports import ROWS, Kind, Moment, rows
from callctl.web.api.forms import Form, OnceKey, Reason
from callctl.web.doors import Doors
from callctl.web.gate import TheCity, TheHouse, Who
from callctl.web.problems import not_found, wrong_fields

DOORS = Doors()
TAGS = ["calls"]
CALLS_MOST = 50_000  # Rows of one answer; more is asked for in parts.
SPAN_MOST_S = 31 * DAY_S  # Of a look by outcome or with helped calls: all of the span is read for it.
SPAN_TOO_LONG = Sentence(
    "按结果查找或连同支援的通话，一次最多 31 天；请分段查",
    "by outcome, or with helped calls, 31 days at once at most; ask in parts",
)
CallId = Annotated[str, Path(max_length=100, pattern=r"^[a-z]+-[0-9.]+$")]


class Asked(Form):
    """Why."""

    reason: Reason


class Sought(Asked):
    """Whose calls, and why."""

    number: Annotated[str, Field(max_length=32)]


@DOORS.get("/api/v1/cities/{city}/calls", "see calls", response_class=Response, responses=ROWS, tags=TAGS)
async def calls(
    house: TheHouse,
    who: Who,
    city: TheCity,
    since: Moment,
    until: Moment,
    most: Annotated[int, Query(ge=1, le=CALLS_MOST)] = 1000,
    fate: Fate | None = None,
    helped: bool = False,
    behind: Annotated[str, Query(max_length=100)] = "",
    kind: Kind = "json",
) -> Response:
    """The city's own calls that first arrived in the span (seconds since the epoch), the newest first; audited.

    `helped`: also those that its agents answered for other cities. `behind`: the id of a call that arrived at `until`; what
    follows it is told. With `fate` or `helped` the span is 31 days at most.
    """
    if (fate or helped) and until - since > SPAN_MOST_S:
        raise wrong_fields({"since": SPAN_TOO_LONG})
    found = await (
        between_with_helped(house, city.code, since, until, most, behind, fate)
        if helped
        else house.calls.between(city.code, since, until, most, behind, fate)
    )
    asked = f"{since:.0f}-{until:.0f}", fate.value if fate else "", "helped" if helped else ""
    span = f"{' '.join(filter(None, asked))}: {len(found)}"
    once = secrets.token_hex(8)
    await house.calls.note(
        AuditEntry(house.now(), who.actor.name, who.actor.where, "export", city.code, "", span, "", once)
    )
    return rows([shown_call(call) for call in found], kind, f"calls-{city.code}")


@DOORS.post("/api/v1/cities/{city}/calls/search", "see number", tags=TAGS)
async def search(house: TheHouse, who: Who, city: TheCity, body: Sought, key: OnceKey = "") -> list[dict[str, Any]]:
    """The calls of a number to the city, the newest 200; sealed ones only where their key is. Audited first."""
    found = await house.unmasking.calls_of(who.actor, city.code, body.number, body.reason, key)
    return [shown_call(call) for call in found]


@DOORS.get("/api/v1/cities/{city}/calls/{call}", "see calls", tags=TAGS)
async def one(house: TheHouse, city: TheCity, call: CallId) -> dict[str, Any]:
    """One call, of this city or answered by it, its number masked.

    `times_called`: how often the number has called in the 24 hours before; null where that is not known.
    """
    found = await call_of(house, city, call)
    return {**shown_call(found), "times_called": await times_called(house, found)}


@DOORS.post("/api/v1/cities/{city}/calls/{call}/number", "see number", tags=TAGS)
async def number(house: TheHouse, who: Who, city: TheCity, call: CallId, body: Asked, key: OnceKey = "") -> dict[str, str]:
    """The caller's number in full. With a reason; audited before it is shown."""
    return {"call": call, "number": await house.unmasking.number(who.actor, city.code, call, body.reason, key)}


async def call_of(house: House, city: City, call: str) -> Call:
    """The call, where it is this city's: it was asked here, or answered here. Raises Problem."""
    found = await house.calls.find(call)
    if found is None or city.code not in (found.city, found.by_city):
        raise not_found(
            "本市没有这个通话，或它刚刚开始、还没有记下", "the city has no such call, or one that has just begun"
        )
    return found


async def times_called(house: House, call: Call) -> int | None:
    """How often its number has called in the day before it, this time included; None for a number that cannot be read."""
    if call.number is None:
        return None
    return await house.calls.times_called(call.city, call.number, call.asked_at - REPEATED_S, call.asked_at)


async def between_with_helped(
    house: House, city: str, since: float, until: float, most: int, before: str, fate: Fate | None
) -> Sequence[Call]:
    """The city's own calls and those its agents answered for others, as CallBook.between."""
    own = await house.calls.between(city, since, until, most, before, fate)
    helped = await house.calls.answered_for_others(city, since, until, most, before, fate)
    return sorted([*own, *helped], key=lambda one: (one.asked_at, one.call), reverse=True)[:most]


def shown_call(call: Call) -> dict[str, Any]:
    """A call as people and machines see it: no number in full comes near."""
    number = mask(call.number) if call.number else call.number
    return {**asdict(call), "number": number, "fate": call.fate.value}
