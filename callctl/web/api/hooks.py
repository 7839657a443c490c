"""/api/v1/webhooks: whom to tell of what, and what could not be told. The system administrator's."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from callctl.hooks import ALL_KINDS
from callctl.store.hooks import DEAD, WAITING
from callctl.web.api.forms import Form, NamePath, OnceKey, Reason, ReasonAsked
from callctl.web.doors import Doors
from callctl.web.gate import TheHouse, Who
from callctl.web.problems import not_found

DOORS = Doors()
TAGS = ["webhooks"]
DELIVERY_MOST = 2**31 - 1  # The largest number that every database takes here.
DeliveryPath = Annotated[int, Path(ge=1, le=DELIVERY_MOST)]


class NewWebhook(Form):
    """Whom to tell of what."""

    name: Annotated[str, Field(max_length=64)]
    address: Annotated[str, Field(max_length=500)]
    kinds: Annotated[list[str], Field(max_length=len(ALL_KINDS))]
    reason: Reason = ""


@DOORS.get("/api/v1/webhooks", "webhooks", tags=TAGS)
async def webhooks(house: TheHouse) -> list[dict[str, Any]]:
    """Every webhook without its secret, with how many deliveries wait and how many nobody took (dead)."""
    counts = await house.hook_book.counts()
    return [
        {key: value for key, value in asdict(hook).items() if key != "secret"}
        | {state: counts.get((hook.name, state), 0) for state in (WAITING, DEAD)}
        for hook in await house.hook_book.all()
    ]


@DOORS.get("/api/v1/webhooks/kinds", "webhooks", tags=TAGS)
async def kinds() -> list[str]:
    """What can be told."""
    return list(ALL_KINDS)


@DOORS.post("/api/v1/webhooks", "webhooks", status_code=201, tags=TAGS)
async def create(house: TheHouse, who: Who, body: NewWebhook, key: OnceKey = "") -> dict[str, str]:
    """A new webhook; the answer holds its signing secret, which is not shown again."""
    secret = await house.webhooks.create(who.actor, body.name, body.address, body.kinds, body.reason, key)
    return {"name": body.name, "secret": secret}


@DOORS.delete("/api/v1/webhooks/{name}", "webhooks", status_code=204, tags=TAGS)
async def end(house: TheHouse, who: Who, name: NamePath, reason: ReasonAsked = "", key: OnceKey = "") -> Response:
    """Tell it nothing more."""
    await house.webhooks.end(who.actor, name, reason, key)
    return Response(status_code=204)


@DOORS.get("/api/v1/webhooks/{name}/deliveries", "webhooks", tags=TAGS)
async def deliveries(
    house: TheHouse,
    name: NamePath,
    state: Literal["", "waiting", "told", "dead"] = "",
    last: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=1, le=DELIVERY_MOST)] = None,
) -> list[dict[str, Any]]:
    """What was told within 30 days, what waits, and what nobody took (dead), the newest first.

    `before`: the id of a delivery; older ones are told.
    """
    return [asdict(one) for one in await house.hook_book.deliveries(name, state, last, before or 0)]


@DOORS.post("/api/v1/webhooks/{name}/again", "webhooks", status_code=202, tags=TAGS)
async def all_again(house: TheHouse, who: Who, name: NamePath, key: OnceKey = "") -> dict[str, int]:
    """Try the oldest 500 dead deliveries once more; how many there were. Fewer than 500: that was all."""
    return {"deliveries": await house.webhooks.all_again(who.actor, name, key)}


@DOORS.post("/api/v1/webhooks/{name}/deliveries/{delivery}/again", "webhooks", status_code=202, tags=TAGS)
async def again(
    house: TheHouse,
    who: Who,
    name: NamePath,
    delivery: DeliveryPath,
    key: OnceKey = "",
) -> dict[str, int]:
    """Try a dead delivery once more."""
    if not await house.webhooks.again(who.actor, name, delivery, key):
        raise not_found("没有这条失败的推送", "there is no such dead delivery")
    return {"delivery": delivery}
