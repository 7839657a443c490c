"""座席: the agent's own desk. Sign in at a seat, ready or not, what rings and for whom, scripts, and the wrap-up note."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from callctl.core.acts import ActRefused, Sentence
from callctl.core.presses import BY_AGENT, REASONS
from callctl.rights import NotAllowed
from callctl.store.drafts import Note
from callctl.store.port import StoreLost
from callctl.web.api.calls import CallId
from callctl.web.api.desk import desk as seen_desk
from callctl.web.api.desk import phone, seat_or_none
from callctl.web.api.scripts import agents_city
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import Caller, TheHouse, TheWords, Who
from callctl.web.pages import page
from callctl.web.problems import Problem

DOORS = Doors()
CALL = re.compile(r"[a-z]{1,24}-[0-9.]{1,60}")
SCRIPT = re.compile(r"(\d{1,10}) v(\d{1,9})", re.ASCII)
# The note's fields, with the most characters each may have.
FIELDS = {
    "demand": 32,
    "code": 32,
    "result": 32,
    "title": 200,
    "content": 4000,
    "address": 200,
    "requester": 200,
    "contact": 200,
    "urgent": 8,
    "confidential": 8,
    "nuisance": 8,
    "script": 32,
}
DEMANDS = (
    ("enquiry", "咨询"),
    ("help", "求助"),
    ("complaint", "投诉"),
    ("report", "举报"),
    ("suggestion", "建议"),
    ("praise", "表扬"),
    ("other", "其他"),
)
RESULTS = (("on_call", "在线解答"), ("forwarded", "流转办理"))
NOT_READY = Sentence("示忙", "Not ready")  # The press; the state it leads to has the same word in Chinese only.
NOT_NOW = Sentence(
    "历史库或登记库联系不上，小结现在存不了；内容仍在本页和草稿里，稍后再存",
    "the note cannot be kept now, a store is away; what you typed is still on the page and in the draft",
)


@DOORS.get("/desk", "desk")
async def desk(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """The whole desk."""
    return await _desk(request, house, who, Typed(), "")


@DOORS.get("/desk/now", "desk")
async def now(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """The part that changes by itself: the seat's state, what rings, what is to be read."""
    return page(
        request,
        "desk/now.html",
        context={"desk": await _seen(request, house, who), "reasons": _reasons(), "not_ready": NOT_READY},
    )


@DOORS.get("/desk/notes", "desk")
async def notes(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """The notes that are not finished: of the call on the line, and those that were left."""
    shown = await _notes(house, who, await _seen(request, house, who))
    return page(request, "desk/notes.html", context={**shown, "form": Typed(), "wrong_call": ""})


@DOORS.post("/desk/seat", "desk")
async def sit(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """签入."""
    form = await typed(request)
    try:
        ref = await house.seating.sit(who.actor, agents_city(who), who.agent, form.get("seat").strip())
    except UNDONE as fault:
        return await _desk(request, house, who, refused(form, fault), "", status_of(fault))
    return onward("/desk", "good", words("已签入座席 {seat}，示闲后开始接听", seat=ref.seat))


@DOORS.post("/desk/seat/leave", "desk")
async def stand_up(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """签出."""
    try:
        await house.seating.stand_up(who.actor)
    except UNDONE as fault:
        return await _desk(request, house, who, refused(Typed(), fault), "", status_of(fault))
    return onward("/desk", "good", words("已签出"))


@DOORS.post("/desk/ready", "desk")
async def ready(request: Request, house: TheHouse, who: Who) -> Response:
    """示闲, or 示忙 with a reason."""
    form = await typed(request)
    wanted = form.get("ready") == "yes"
    try:
        await house.seating.ready(who.actor, wanted, form.get("reason") or "1")
    except UNDONE as fault:
        return await _desk(request, house, who, refused(form, fault), "", status_of(fault))
    return onward("/desk")


DOORS.get("/desk/phone", "desk")(phone)  # For the page's own script.


@DOORS.put("/desk/notes/{call}", "desk")
async def keep(request: Request, house: TheHouse, who: Who, call: str) -> JSONResponse:
    """The note as it stands, from the page's own script."""
    try:
        body: Any = await request.json()
    except ValueError:
        body = None
    if not CALL.fullmatch(call) or not isinstance(body, dict):
        raise Problem(422, "fields", Sentence("没有这个通话", "there is no such call"))
    at = house.now()
    await house.drafts.keep(who.account, call, _cut(body), at)
    return JSONResponse({"kept": True, "at": at})


@DOORS.post("/desk/notes/{call}", "desk")
async def finish(request: Request, house: TheHouse, who: Who, words: TheWords, call: str) -> Response:
    """Finish the note. What cannot be kept stays on the page, and in its draft."""
    form = await typed(request)
    if not CALL.fullmatch(call):
        raise Problem(404, "not_found", Sentence("没有这个通话", "there is no such call"))
    fields = _cut({name: form.get(name) for name in FIELDS})
    await _draft_kept(house, who, call, fields)
    flags = {name: fields[name] == "yes" for name in ("urgent", "confidential", "nuisance")}
    try:
        script, version = _named(fields["script"])
        note = {**fields, **flags, "call": call, "script": script, "script_version": version}
        await house.demands.keep(who.actor, await seat_or_none(house, who), who.agent, note)
        await house.drafts.drop(who.account, call)
    except StoreLost:
        return await _desk(request, house, who, Typed(form.values, {"": NOT_NOW}), call, 503)
    except ActRefused as fault:
        status = 403 if isinstance(fault, NotAllowed) else 422
        return await _desk(request, house, who, form.refused(fault), call, status)
    return onward("/desk", "good", words("小结已保存"))


@DOORS.post("/desk/notes/{call}/drop", "desk")
async def drop(house: TheHouse, who: Who, words: TheWords, call: CallId) -> Response:
    """Throw a half-written note away."""
    await house.drafts.drop(who.account, call)
    return onward("/desk", "good", words("草稿已丢弃"))


@DOORS.get("/desk/categories", "desk")
async def categories(request: Request, house: TheHouse, code: str = "") -> HTMLResponse:
    """What the field for the category offers to what is typed there."""
    return page(request, "desk/categories.html", context={"found": await house.demands.categories(code)})


async def _draft_kept(house: TheHouse, who: Caller, call: str, fields: dict[str, str]) -> None:
    try:
        await house.drafts.keep(who.account, call, fields, house.now())
    except StoreLost:
        return  # The browser's own copy is still there.


def _cut(body: dict[str, Any]) -> dict[str, str]:
    return {name: str(body.get(name) or "")[:most] for name, most in FIELDS.items()}


def _reasons() -> list[tuple[str, Sentence]]:
    return [(code, Sentence(*REASONS[code])) for code in BY_AGENT]


async def _seen(request: Request, house: TheHouse, who: Caller) -> dict[str, Any]:
    """The desk as the API tells it; with Redis away, that it is unknown."""
    nothing: dict[str, Any] = {"seat": None, "lost": False, "unread": [], "call": None, "state": None, "press": None}
    nothing |= {"since": None, "fresh": []}
    try:
        return {**nothing, **await seen_desk(request, house, who)}
    except StoreLost:
        return {**nothing, "lost": True}


async def _notes(house: TheHouse, who: Caller, seen: dict[str, Any], refused_call: str = "") -> dict[str, Any]:
    """The unfinished notes; the call on the line has one as soon as it rings, and a refused one is there in any case."""
    try:
        kept = list(await house.drafts.all(who.account, house.now()))
    except StoreLost:
        kept = []
    on_line = seen["call"]["call"] if seen["call"] else ""
    for call in (on_line, refused_call):
        if call and call not in {note.call for note in kept}:
            kept.insert(0, Note(call, 0.0, {}))  # Nothing is written there: what a browser has is newer.
    return {
        "notes": kept,
        "demands": DEMANDS,
        "results": RESULTS,
        "on_line": on_line,
        "unknown": (seen["seat"] or seen["lost"]) and seen["state"] is None,  # There may be a call unseen.
        "scripts_of": lambda call, named: _choices(house, call, named),
    }


def _choices(house: TheHouse, call: str, named: str) -> list[tuple[str, str]]:
    """The scripts of the call's city that a note may name, and the one it names already; by "<script> v<version>"."""
    mine = [one for one in house.reading.shelf.all(house.now()) if one.city == call.partition("-")[0]]
    found = {f"{one.id} v{one.version}": f"{one.wording.question[:60]} (v{one.version})" for one in mine}
    return list(({named: named} | found if named else found).items())


def _named(script: str) -> tuple[str, int | None]:
    """Script and version of a choice. Raises ActRefused."""
    if not script:
        return "", None
    if not (known := SCRIPT.fullmatch(script)):
        said = Sentence("请从列表中选择口径", "choose a script from the list")
        raise ActRefused(said.zh, said.en, {"script": said})
    return known[1], int(known[2])


async def _desk(
    request: Request, house: TheHouse, who: Caller, form: Typed, wrong_call: str, status: int = 200
) -> HTMLResponse:
    seen = await _seen(request, house, who)
    city = house.province.cities[agents_city(who)]
    sitting = next((seat for seat in city.seats if seat.id == seen.get("seat")), None)
    usual = next((seat.id for seat in city.seats if seat.agent == who.agent), "")
    shown = {
        "desk": seen,
        "city": city,
        "in_browser": sitting is not None and sitting.in_browser,
        "usual": usual,
        "reasons": _reasons(),
        "not_ready": NOT_READY,
        "form": form,
        "wrong_call": wrong_call,
        "path": "/desk",
        **await _notes(house, who, seen, wrong_call),
    }
    return page(request, "desk/page.html", status, shown)
