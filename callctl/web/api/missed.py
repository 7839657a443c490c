"""/api/v1 missed calls: whom to call back, and what came of it."""

from typing import Annotated, Any

from pydantic import Field

from callctl.core.missed import Tried
from callctl.web.api.calls import CallId
from callctl.web.api.forms import Form, OnceKey, Text
from callctl.web.doors import Doors
from callctl.web.gate import TheCity, TheHouse, Who

DOORS = Doors()
TAGS = ["missed calls"]


class Outcome(Form):
    """What came of a call-back that was dialled by hand."""

    outcome: Tried
    seat: Annotated[str, Field(max_length=32)] = ""
    note: Text = ""


@DOORS.get("/api/v1/cities/{city}/missed", "see missed", tags=TAGS)
async def missed(house: TheHouse, city: TheCity) -> dict[str, Any]:
    """Once a citizen, the first 500 who came, numbers masked (`more`: others stand behind them); the last day's call-backs.

    `by_pbx`: whether the PBX dials by itself. A number in full: POST /cities/{city}/calls/{call}/number, with a reason.
    """
    found = await house.books.missed(city.code)
    return {
        "by_pbx": found.by_pbx,
        "more": found.more,
        "waiting": [
            {
                "call": one.entry.call,
                "number": one.number,
                "how": one.entry.how.value,
                "first_at": one.entry.first_at,
                "last_at": one.entry.last_at,
                "attempts": one.entry.attempts,
                "waited_s": one.entry.waited_s,
                "tries": one.entry.tries,
                "next_at": max(0.0, one.entry.next_at),
            }
            for one in found.waiting
        ],
        "made": [
            {"at": one.at, "by_city": one.by_city, "seat": one.seat, "outcome": one.outcome.value} for one in found.made
        ],
    }


@DOORS.post("/api/v1/cities/{city}/missed/{call}/result", "call back", status_code=201, tags=TAGS)
async def result(house: TheHouse, who: Who, city: TheCity, call: CallId, body: Outcome, once: OnceKey) -> dict[str, str]:
    """Write down what came of it. With an Idempotency-Key the same again changes nothing."""
    await house.books.called_back(who.actor, city.code, call, body.outcome, body.seat, body.note, once)
    return {"call": call, "outcome": body.outcome.value}
