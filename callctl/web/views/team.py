"""班组: a city's seats and who sits there; the team leader makes ready and not ready, signs out, listens and barges in."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from callctl.core.acts import Sentence
from callctl.core.listening import How
from callctl.core.model import City, PbxKind
from callctl.listening import HOW_WORDS
from callctl.store.port import StoreLost
from callctl.web.api.team import seats as seen_seats
from callctl.web.api.team import shown_permit
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who, seen_cities, words_of
from callctl.web.pages import page
from callctl.web.problems import not_found

DOORS = Doors()
ACTS = ("ready", "not ready", "out")
PHONE_COOKIE = "callctl_phone"  # The telephone this person used last.
MONTH_S = 30 * 86_400


@DOORS.get("/team", "see seats")
async def own_team(house: TheHouse, who: Who) -> Response:
    """The first of one's own cities."""
    return RedirectResponse(f"/cities/{seen_cities(house, who.actor)[0]}/team", 303)


@DOORS.get("/cities/{city}/team", "see seats")
async def team(request: Request, house: TheHouse, who: Who, city: TheCity) -> HTMLResponse:
    """The whole page."""
    chosen = {"seat": request.query_params.get("seat", "")[:32], "phone": request.cookies.get(PHONE_COOKIE, "")[:32]}
    form = Typed({name: (value,) for name, value in chosen.items()})
    return await _team(request, house, who, city, form)


@DOORS.get("/cities/{city}/team/now", "see seats")
async def now(request: Request, house: TheHouse, who: Who, city: TheCity) -> HTMLResponse:
    """The part that changes by itself."""
    return page(request, "team/now.html", context=await _now(request, house, who, city))


@DOORS.post("/cities/{city}/team/seats/{seat}", "force")
async def force(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, seat: str) -> Response:
    """强制示闲, 强制示忙, 强制签出, of the agent whom the page showed there (`sitter` in the address, "" for nobody)."""
    form = await typed(request)
    agent = request.query_params.get("sitter")
    act = form.get("act")
    if act not in ACTS or not any(one.id == seat for one in city.seats):
        raise not_found("没有这个座席或操作", "there is no such seat or act")
    # One form for every seat and button of the page: each of them is an act of its own.
    request_id = f"{form.get('request')[:64]} {seat} {act}" if form.get("request") else ""
    reason = form.get("reason")[:200]
    try:
        if act == "out":
            await house.seating.force_out(who.actor, city.code, seat, reason, request_id, agent=agent)
            return onward(_place(city), "good", words("座席 {seat} 已强制签出", seat=seat))
        await house.seating.force(who.actor, city.code, seat, act == "ready", reason, request_id, agent=agent)
    except UNDONE as fault:
        return await _team(request, house, who, city, refused(form, fault), status_of(fault))
    said = "已要求座席 {seat} 示闲" if act == "ready" else "已要求座席 {seat} 示忙"
    return onward(_place(city), "good", words(said, seat=seat))


@DOORS.post("/cities/{city}/team/listening", "listen")
async def listen(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """监听, 耳语, 强插: ask for the permit; the page then says what to dial."""
    form = await typed(request)
    try:
        how = How(form.get("how"))
    except ValueError:
        said = Sentence("请选择方式", "choose how")
        return await _team(request, house, who, city, Typed(form.values, {"how": said}), 422)
    try:
        seat, phone = form.get("seat").strip(), form.get("phone").strip()
        await house.ear.ask(who.actor, city.code, seat, how, phone, form.get("reason")[:200], form.get("request")[:64])
    except UNDONE as fault:
        return await _team(request, house, who, city, refused(form, fault), status_of(fault))
    answer = onward(_place(city), "good", words("已申请，话务平台许可后请拨号"))
    answer.set_cookie(PHONE_COOKIE, phone, max_age=MONTH_S, secure=True, httponly=True, samesite="lax")
    return answer


async def _team(request: Request, house: TheHouse, who: Caller, city: City, form: Typed, status: int = 200) -> HTMLResponse:
    shown = {
        **await _now(request, house, who, city),
        "form": form,
        "path": _place(city),
        "cities": seen_cities(house, who.actor),
        "seat_choices": [(seat.id, f"{seat.id} {seat.name}") for seat in city.seats],
        "how_choices": [(how.value, words_of(request).told(said)) for how, said in HOW_WORDS.items()],
    }
    return page(request, "team/page.html", status, shown)


async def _now(request: Request, house: TheHouse, who: Caller, city: City) -> dict[str, Any]:
    """The seats as /api/v1 tells them; with Redis away who sits where is unknown."""
    lost = False
    permits: list[dict[str, Any]] = []
    try:
        rows = await seen_seats(request, house, city)
        if who.actor.may("listen", city.code):
            permits = [shown_permit(one) for one in await house.ear.mine(who.actor, city.code)]
    except StoreLost:
        lost = True
        rows = [
            {"seat": seat.id, "agent": None, "planned_agent": seat.agent, "state": None, "call": None}
            for seat in city.seats
        ]
    names = {seat.id: seat.name for seat in city.seats}
    return {
        "city": city,
        "rows": rows,
        "names": names,
        "lost": lost,
        "permits": permits,
        "how_words": HOW_WORDS_BY_NAME,
        "can_listen": city.pbx.kind is PbxKind.ASTERISK,
    }


HOW_WORDS_BY_NAME = {how.value: said for how, said in HOW_WORDS.items()}


def _place(city: City) -> str:
    return f"/cities/{city.code}/team"
