"""话务大屏: the province's board and each city's, live, with the charts of the day."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, StreamingResponse

from callctl.store.port import StoreLost
from callctl.web.api.live import day_lines, scope
from callctl.web.boards import Boards, Sight
from callctl.web.doors import Doors
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Watch, Who
from callctl.web.pages import page
from callctl.web.shown.show import Show
from callctl.web.words import Words

DOORS = Doors()


@DOORS.get("/board", "see")
async def province_board(request: Request, who: Who, words: TheWords) -> HTMLResponse:
    """Every city on the schematic map."""
    return _board(request, Sight(scope(who), words.language), "/board")


@DOORS.get("/cities/{city}/board", "see")
async def city_board(request: Request, who: Who, words: TheWords, city: TheCity) -> HTMLResponse:
    """One city, with every seat."""
    return _board(request, Sight(scope(who), words.language, city.code), f"/cities/{city.code}/board")


@DOORS.get("/board/stream", "see")
async def province_stream(request: Request, house: TheHouse, who: Who, words: TheWords) -> StreamingResponse:
    """The province's board as it changes."""
    return _stream(request, house, who, Sight(scope(who), words.language))


@DOORS.get("/cities/{city}/board/stream", "see")
async def city_stream(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> StreamingResponse:
    """One city's board as it changes."""
    return _stream(request, house, who, Sight(scope(who), words.language, city.code))


@DOORS.get("/board/day", "see")
async def province_day(house: TheHouse, who: Who, words: TheWords, span: str = "day") -> JSONResponse:
    """The charts' figures, of all of the person's cities together."""
    return await _day(house, sorted(scope(who) or house.province.cities), words, span)


@DOORS.get("/cities/{city}/board/day", "see")
async def city_day(house: TheHouse, words: TheWords, city: TheCity, span: str = "day") -> JSONResponse:
    """The charts' figures of one city."""
    return await _day(house, [city.code], words, span)


def _board(request: Request, sight: Sight, path: str) -> HTMLResponse:
    boards: Boards = request.app.state.boards
    span = "hour" if request.query_params.get("span") == "hour" else "day"
    shown = {
        "board": boards.board(sight),
        "blocks": boards.blocks(sight),
        "stream": f"{path}/stream",
        "day": f"{path}/day?span={span}",
        "span": span,
        "city": request.app.state.house.province.cities[sight.city] if sight.city else None,
    }
    return page(request, "board/page.html", context=shown)


def _stream(request: Request, house: TheHouse, who: Caller, sight: Sight) -> StreamingResponse:
    boards: Boards = request.app.state.boards
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx must not gather what is live.
    return StreamingResponse(_watched(boards, house, who, sight), headers=headers, media_type="text/event-stream")


async def _watched(boards: Boards, house: TheHouse, who: Caller, sight: Sight) -> AsyncIterator[bytes]:
    watch = Watch(house, who)
    async for message in boards.watch(sight):
        yield message
        if await watch.over():
            yield b"event: end\ndata: {}\n\n"
            return


async def _day(house: TheHouse, cities: list[str], words: Words, span: str) -> JSONResponse:
    """As /api/v1/day, with the chart's words."""
    try:
        found = await day_lines(house, cities, "hour" if span == "hour" else "day")
    except StoreLost:
        return JSONResponse({"lost": words("历史库联系不上")}, 503, {"Retry-After": "5"})
    show, now, steps = Show(words), found["at"], found.pop("steps")
    said = words("截至{t}", t=show.time(now)[:5])
    asked = found["today"]["asked"]
    holes = sum(seen is None for seen, step in zip(asked, steps, strict=True) if step["until"] <= now)
    if holes:
        said += " · " + words("{n}个时段无数据", n=holes)
    if found["partial"]:
        said += " · " + words("{n}个时段数据不全", n=found["partial"])
    shown = {
        **found,
        "labels": [show.time(step["since"])[:5] for step in steps],
        "said": said,
        "words": {key: words(text) for key, text in _CHART_WORDS.items()},
    }
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


_CHART_WORDS = {
    "calls": "件",
    "callers": "人",
    "seconds": "秒",
    "home": "本市接听",
    "remote": "支援接听",
    "unanswered": "未接",
    "asked_yesterday": "昨日来电",
    "asked_week": "上周同日来电",
    "waiting": "排队人数",
    "longest": "最长等待",
    "longest_yesterday": "昨日最长等待",
    "longest_week": "上周同日最长等待",
    "unknown": "未知",
}
