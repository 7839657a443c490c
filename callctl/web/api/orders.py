"""/api/v1 orders: the city's order system pulls its stubs and tells what became of them; cards and reconciliation."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import Field

from callctl.core.demand import CARD_ZH
from callctl.store.notes import PULL_MOST, CityStatus
from callctl.web.api.forms import Form, Text
from callctl.web.doors import Doors
from callctl.web.gate import TheCity, TheHouse, Who

DOORS = Doors()
TAGS = ["orders"]
StubId = Annotated[str, Path(max_length=100, pattern=r"^[a-z]+-[0-9.]+$")]


class Told(Form):
    """What the city did with an order. `accepted` needs `order_no`; satisfaction either as score or in the city's words."""

    what: Literal["accepted", "dispatched", "supervised", "done", "followed_up", "closed"]
    at: Annotated[float | None, Field(ge=0, le=32_503_680_000)] = None  # When; now where it is left out.
    who: Text = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    order_no: Annotated[str, Field(max_length=64)] = ""
    score: Annotated[int | None, Field(ge=1, le=5)] = None
    satisfaction: Annotated[str, Field(max_length=32)] = ""


@DOORS.get("/api/v1/cities/{city}/stubs", "pull orders", tags=TAGS)
async def stubs(
    house: TheHouse,
    who: Who,
    city: TheCity,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    most: Annotated[int, Query(ge=1, le=PULL_MOST)] = 100,
) -> dict[str, Any]:
    """Stubs of orders taken for this city, oldest first, behind the cursor `after`; next time ask with `cursor`.

    A stub's name is its call's id and stays the same; a higher `revision` of it replaces what was pulled before.
    """
    found, cursor = await house.books.stubs(who.actor, city.code, after, most)
    return {"stubs": found, "cursor": cursor}


@DOORS.post("/api/v1/cities/{city}/stubs/{stub}/status", "order status", tags=TAGS)
async def status(house: TheHouse, city: TheCity, stub: StubId, body: Told) -> dict[str, bool]:
    """What became of the order. The same again changes nothing (`new` false); late and doubled words never lead back."""
    at = house.now() if body.at is None else body.at
    told = CityStatus(stub, body.what, at, body.who, body.note, body.order_no, body.score)
    return {"new": await house.books.told(city.code, told, body.satisfaction)}


@DOORS.get("/api/v1/cities/{city}/orders", "see orders", tags=TAGS)
async def orders(house: TheHouse, city: TheCity) -> list[dict[str, Any]]:
    """Open orders, the most urgent first, with 黄牌 and 红牌. No personal data."""
    return [
        {
            "stub": one.stub,
            "order_no": one.order_no,
            "type": one.demand,
            "state": one.state,
            "taken_at": one.at,
            "due_at": one.due_at,
            "card": one.card.value,
            "card_zh": CARD_ZH[one.card],
        }
        for one in await house.books.orders(city.code)
    ]


@DOORS.get("/api/v1/cities/{city}/reconciliation/{day}", "see orders", tags=TAGS)
async def reconciliation(house: TheHouse, city: TheCity, day: date) -> dict[str, Any]:
    """每日核对: remote answers without a note, forwarded ones without an acceptance. Calls are named, nobody else."""
    found = await house.books.unreconciled(city.code, day)
    return {name: getattr(found, name) for name in type(found).__slots__}
