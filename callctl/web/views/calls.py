"""通话记录: a city's calls by day, outcome and number, and each call's page; numbers in full with a reason, audited."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.core.day import DAY_S
from callctl.core.days import day_of, moment
from callctl.log import mask
from callctl.store.calls import Call, Fate
from callctl.store.port import StoreLost
from callctl.unmasking import FOUND_MOST
from callctl.web.api.calls import CallId, between_with_helped, call_of, shown_call, times_called
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who
from callctl.web.pages import page

DOORS = Doors()
SHOWN_MOST = 200  # Calls on one page, the newest first; older ones by the link below.
YEARS = (2000, 2100)  # What a day may be in; beyond them databases disagree about times.
FATE_WORDS = {
    "waiting": "排队中",
    "talking": "通话中",
    "answered": "已接听",
    "abandoned": "放弃",
    "call_back": "按键要求回拨",
    "not_reached": "回拨未接通",
    "moved": "人工转移",
    "refused": "未能接入",
    "cut_off": "通话中断",
    "left": "已离队",
    "unknown": "未知",
}


@DOORS.get("/cities/{city}/calls", "see calls")
async def calls(
    request: Request,
    house: TheHouse,
    words: TheWords,
    city: TheCity,
    day: str = "",
    before: str = "",
    behind: str = "",
    call: str = "",
    fate: str = "",
) -> Response:
    """The city's own calls of a day, and those its agents answered for other cities. `call`: straight to its page.

    `before`, `behind`: when the last call of the page before this one arrived, and its id.
    """
    if call.strip():
        asked = call.strip()[:100]
        known = await house.calls.find(asked)
        if known is not None and city.code in (known.city, known.by_city):
            return onward(f"/cities/{city.code}/calls/{known.call}")
        return onward(f"/cities/{city.code}/calls", "warn", words("本市没有这个通话"))
    looked_at = _day(day, day_of(house.now()))
    since = moment(looked_at)
    until = max(since, min(since + DAY_S, _time(before, since + DAY_S)))
    wanted = Fate(fate) if fate in FATE_WORDS else None
    found = await between_with_helped(house, city.code, since, until, SHOWN_MOST, behind[:100], wanted)
    shown = {"day": looked_at, "fate": fate if wanted else "", "last": found[-1] if len(found) == SHOWN_MOST else None}
    return _list(request, house, city, found, shown, Typed())


@DOORS.post("/cities/{city}/calls/search", "see number")
async def search(request: Request, house: TheHouse, who: Who, city: TheCity) -> HTMLResponse:
    """The calls of a number, of all days: with a reason, audited before they are shown. No address holds the number."""
    form = await typed(request)
    shown: dict[str, Any] = {"day": day_of(house.now()), "fate": "", "last": None}
    try:
        asked = form.get("number"), form.get("reason"), form.get("request")[:64]
        found = await house.unmasking.calls_of(who.actor, city.code, *asked)
        shown["sealed"] = await house.calls.has_sealed(city.code)
    except UNDONE as fault:
        return _list(request, house, city, [], shown, refused(form, fault), status_of(fault))
    shown |= {"sought": mask(form.get("number")), "most": FOUND_MOST if len(found) >= FOUND_MOST else 0}
    return _list(request, house, city, found, shown, Typed())


def _list(
    request: Request,
    house: TheHouse,
    city: TheCity,
    found: Sequence[Call],
    shown: Mapping[str, Any],
    form: Typed,
    status: int = 200,
) -> HTMLResponse:
    """The list. `sought`: whose calls these are, masked; "" for those of a day."""
    place = f"/cities/{city.code}/calls"
    rows = [shown_call(one) for one in found]
    return page(
        request,
        "calls/list.html",
        status,
        {"city": city, "rows": rows, "fates": FATE_WORDS, "form": form, "sought": "", "sealed": False, "most": 0}
        | {"path": place, **shown},
    )


@DOORS.get("/cities/{city}/calls/{call}", "see calls")
async def one(request: Request, house: TheHouse, who: Who, city: TheCity, call: CallId) -> HTMLResponse:
    """One call, its number masked."""
    return await _one(request, house, who, city, call, Typed())


@DOORS.post("/cities/{city}/calls/{call}/number", "see number")
async def number(request: Request, house: TheHouse, who: Who, city: TheCity, call: CallId) -> HTMLResponse:
    """The same with the number in full: with a reason, audited before it is shown."""
    form = await typed(request)
    try:
        await call_of(house, city, call)
        found = await house.unmasking.number(who.actor, city.code, call, form.get("reason"), form.get("request")[:64])
    except UNDONE as fault:
        return await _one(request, house, who, city, call, refused(form, fault), status=status_of(fault))
    return await _one(request, house, who, city, call, Typed(), found)


async def _one(
    request: Request,
    house: TheHouse,
    who: Caller,
    city: TheCity,
    call: str,
    form: Typed,
    clear: str = "",
    status: int = 200,
) -> HTMLResponse:
    """The call's page; with the database away, a look that was refused is there alone with its reason."""
    shown = {"path": f"/cities/{city.code}/calls/{call}", "city": city, "id": call, "call": None, "may_see": True}
    try:
        found = await call_of(house, city, call)
        shown |= {
            "call": shown_call(found),
            "times": await times_called(house, found),
            # The citizen is the city's that was called: whoever answered for it asks that city.
            "may_see": found.number != "" and city.code == found.city and who.actor.may("see number", city.code),
        }
    except StoreLost:
        if not form.wrong:
            raise
    return page(request, "calls/one.html", status, {**shown, "form": form, "clear": clear, "fates": FATE_WORDS})


def _day(text: str, otherwise: date) -> date:
    try:
        wanted = date.fromisoformat(text[:10])
    except ValueError:
        return otherwise
    return wanted if YEARS[0] <= wanted.year <= YEARS[1] else otherwise


def _time(text: str, otherwise: float) -> float:
    try:
        return float(text[:20])
    except ValueError:
        return otherwise
