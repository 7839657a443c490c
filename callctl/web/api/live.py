"""/api/v1/status, /health, /stream and /day: the province now, as it is, as it changes, and as the day has been."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from callctl.app import House
from callctl.core.day import DAY_S, Step, day_start, steps
from callctl.rights import EVERYWHERE
from callctl.store.day import DayLine
from callctl.store.port import StoreLost
from callctl.web.doors import NOBODY, Doors
from callctl.web.feed import Feed
from callctl.web.gate import Caller, TheCity, TheHouse, Watch, Who

DOORS = Doors()
QUARTER_S = 900.0
MINUTE_S = 60.0
HOUR_STEPS = 60
Span = Literal["day", "hour"]


@DOORS.get("/api/v1/health", NOBODY, tags=["live"])
async def health(request: Request, house: TheHouse) -> JSONResponse:
    """Whether the console can do its work: for the proxy, and for the page that says what still works.

    200 as long as anything works. `registry`, `history`: whether Redis and SQL answer; `controller`: whether the
    picture is fresh.
    """
    scene = _feed(request).scene(frozenset())
    try:
        await house.room.history.audited(1)
        history = True
    except StoreLost:
        history = False
    return JSONResponse(
        {"registry": scene["registry_answers"], "history": history, "controller": scene["controller_alive"]}
    )


@DOORS.get("/api/v1/status", "see", tags=["live"])
async def status(request: Request, who: Who) -> dict[str, Any]:
    """The province's picture: the own cities in full, of the others that they are there."""
    return _feed(request).scene(scope(who))


@DOORS.get("/api/v1/day", "see", tags=["live"])
async def day(house: TheHouse, who: Who, span: Span = "day") -> dict[str, Any]:
    """The charts' figures, of all of one's own cities together: see /cities/{city}/day."""
    return await day_lines(house, sorted(scope(who) or house.province.cities), span)


@DOORS.get("/api/v1/cities/{city}/day", "see", tags=["live"])
async def day_of_city(house: TheHouse, city: TheCity, span: Span = "day") -> dict[str, Any]:
    """The day's figures of a city by quarter hours (`span=hour`: the last hour by minutes), beside yesterday and last week.

    A step that was not heard for more than half is null; `partial` counts today's steps that were heard in part.
    """
    return await day_lines(house, [city.code], span)


async def day_lines(house: House, cities: Sequence[str], span: Span) -> dict[str, Any]:
    """The steps of the span, and the figures of each: now, a day ago, a week ago. Raises StoreLost."""
    now = house.now()
    if span == "hour":
        row = steps((now // MINUTE_S + 1) * MINUTE_S - HOUR_STEPS * MINUTE_S, HOUR_STEPS, MINUTE_S)
    else:
        row = steps(day_start(now), int(DAY_S / QUARTER_S), QUARTER_S)
    today, yesterday, last_week = [
        await house.day.line(cities, [Step(step.since - back * DAY_S, step.until - back * DAY_S) for step in row], now)
        for back in (0, 1, 7)
    ]
    return {
        "at": now,
        "steps": [{"since": step.since, "until": step.until} for step in row],
        "partial": today.partial,
        "today": _figures(today),
        "yesterday": _figures(yesterday),
        "last_week": _figures(last_week),
    }


def _figures(line: DayLine) -> dict[str, list[float | None]]:
    return {
        "asked": [None if seen is None else seen.asked.asked for seen in line.steps],
        "answered_home": [None if seen is None else seen.asked.answered_home for seen in line.steps],
        "answered_remote": [None if seen is None else seen.asked.answered_remote for seen in line.steps],
        "unanswered": [None if seen is None else seen.asked.unanswered for seen in line.steps],
        "waiting": [None if seen is None else seen.queue.most_waiting for seen in line.steps],
        "longest_s": [None if seen is None else round(seen.queue.longest_wait_s) for seen in line.steps],
    }


@DOORS.get(
    "/api/v1/stream",
    "see",
    response_class=StreamingResponse,  # FastAPI takes EventSourceResponse here only for its own encoding.
    responses={200: {"content": {"text/event-stream": {}}}},
    tags=["live"],
)
async def stream(request: Request, house: TheHouse, who: Who, pictures: bool = True) -> StreamingResponse:
    """Server-sent events. `picture`: as /status, at once and on every change; `end`: the visit, or the token, has ended.

    `pictures=false`: notices alone, for who has the picture otherwise.

    `notice`: something happened that a picture does not show: {"kind": "script", "city", "script", "version"}.
    """
    return EventSourceResponse(_messages(_feed(request), house, who, pictures), headers={"X-Accel-Buffering": "no"})


async def _messages(feed: Feed, house: TheHouse, who: Caller, pictures: bool) -> AsyncIterator[bytes]:
    """The stream as it goes over the line. FastAPI would encode each message for each client: at 500 of them, too slow."""
    cities = scope(who)
    number, watch = feed.number, Watch(house, who)
    yield feed.message(cities) if pictures else KEEPALIVE_COMMENT
    while True:
        before, number = number, await feed.next(number)
        for notice in feed.notices(before):
            body = json.dumps({**notice.body, "kind": notice.kind, "city": notice.city}, ensure_ascii=False)
            yield f"event: notice\ndata: {body}\n\n".encode()
        yield feed.message(cities) if pictures and number != before else KEEPALIVE_COMMENT
        if await watch.over():
            yield b"event: end\ndata: {}\n\n"
            return


def scope(who: Caller) -> frozenset[str] | None:
    """The cities somebody sees in full; None for all."""
    return None if EVERYWHERE in who.actor.cities else who.actor.cities


def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed
