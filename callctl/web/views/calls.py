"""通话记录: a city's calls of a day and each call's own page, numbers masked; in full only with a reason, audited first."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.core.acts import ActRefused
from callctl.core.day import DAY_S
from callctl.core.days import day_of, moment
from callctl.log import mask
from callctl.seating import REPEATED_S
from callctl.store.calls import Call
from callctl.web.api.desk import CallId
from callctl.web.doors import Doors
from callctl.web.forms import Typed, onward, typed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who
from callctl.web.pages import page
from callctl.web.problems import not_found

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
    "": "未知",
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
    own = await house.calls.between(city.code, since, until, SHOWN_MOST, behind[:100])
    helped = await house.calls.answered_for_others(city.code, since, until, SHOWN_MOST, behind[:100])
    found = sorted([*own, *helped], key=lambda one: (one.asked_at, one.call), reverse=True)[:SHOWN_MOST]
    shown = {
        "city": city,
        "day": looked_at,
        "rows": [_row(one) for one in found],
        "last": found[-1] if len(found) == SHOWN_MOST else None,
        "fates": FATE_WORDS,
    }
    return page(request, "calls/list.html", context=shown)


@DOORS.get("/cities/{city}/calls/{call}", "see calls")
async def one(request: Request, house: TheHouse, who: Who, city: TheCity, call: CallId) -> HTMLResponse:
    """One call, its number masked."""
    return await _one(request, house, who, city, call, Typed())


@DOORS.post("/cities/{city}/calls/{call}/number", "see number")
async def number(request: Request, house: TheHouse, who: Who, city: TheCity, call: CallId) -> HTMLResponse:
    """The same with the number in full: with a reason, audited before it is shown."""
    form = await typed(request)
    await _call_of(house, city, call)
    try:
        found = await house.seating.number(who.actor, city.code, call, form.get("reason"), form.get("request")[:64])
    except ActRefused as fault:
        return await _one(request, house, who, city, call, form.refused(fault), status=422)
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
    found = await _call_of(house, city, call)
    times = None
    if found.number is not None:
        since = found.asked_at - REPEATED_S
        times = await house.calls.times_called(found.city, found.number, since, found.asked_at)
    shown = {
        "path": f"/cities/{city.code}/calls/{call}",
        "city": city,
        "call": _row(found),
        "times": times,
        "form": form,
        "clear": clear,
        "fates": FATE_WORDS,
        # The citizen is the city's that was called: whoever answered for it asks that city.
        "may_see": found.number != "" and city.code == found.city and who.actor.may("see number", city.code),
    }
    return page(request, "calls/one.html", status, shown)


async def _call_of(house: TheHouse, city: TheCity, call: str) -> Call:
    """The call, where it is this city's: it was asked here, or answered here."""
    found = await house.calls.find(call)
    if found is None or city.code not in (found.city, found.by_city):
        raise not_found(
            "本市没有这个通话，或它刚刚开始、还没有记下", "the city has no such call, or one that has just begun"
        )
    return found


def _row(call: Call) -> Mapping[str, Any]:
    """A call for a template: no number in full comes near one."""
    fields = {name: getattr(call, name) for name in Call.__dataclass_fields__ if name != "number"}
    fate = call.state if call.state in ("waiting", "talking") else call.outcome or ""
    return {**fields, "masked": mask(call.number) if call.number else call.number, "fate": fate}


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
