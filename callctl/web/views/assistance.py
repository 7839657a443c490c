"""支援调度: events and waves, the two keys, confirmations and limits, the emergency stop, and who pressed what.

Every form names the version of the wishes its person was looking at: who is overtaken is told by whom, and what was
typed stays in its form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.atlas import find_city
from callctl.core.acts import Act, ActRefused, Sentence, SetQuota, Stop, Switch, lendable
from callctl.core.event_acts import EndEvent
from callctl.core.in_force import entered
from callctl.core.notice import FIELDS, KINDS
from callctl.core.preview import preview
from callctl.core.seat_acts import ConfirmSeats, EnterWave, SetBriefing, SetReserve, SetThreshold, threshold_limits
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.desk import DeskClosed, Overtaken
from callctl.rights import EVERYWHERE
from callctl.store.port import AuditEntry, Refusal, StoreLost
from callctl.web.api.live import scope
from callctl.web.doors import Doors
from callctl.web.feed import Feed
from callctl.web.forms import Typed, onward, refused, told, typed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who, seen_cities
from callctl.web.pages import page
from callctl.web.timeline import presses
from callctl.web.views.event_form import WAVES, event_mark, event_typed, seconds, wanted_event, whole
from callctl.web.words import Words

DOORS = Doors()
TIMELINE = 60  # Presses shown.
PLACE = "/assistance"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A form that was refused: which one, and what was typed."""

    name: str = ""
    form: Typed = Typed()  # noqa: RUF009 - Frozen.

    def of(self, name: str, otherwise: Typed | None = None) -> Typed:
        """What stands in the form of this name."""
        return self.form if self.name == name else (otherwise or Typed())


@DOORS.get("/assistance", "see timeline")
async def assistance(request: Request, house: TheHouse, who: Who) -> HTMLResponse:
    """Everything about assistance that is this person's."""
    return await _page(request, house, who, Rejected())


@DOORS.get("/assistance/stores", "see timeline")
async def stores(request: Request, house: TheHouse) -> HTMLResponse:
    """What cannot be done now because a store is away; looked at again and again while the page is open."""
    return page(request, "assistance/stores.html", context={"stores": await house.desk.seen()})


@DOORS.get("/cities/{city}/assistance/now", "see timeline")
async def now(request: Request, house: TheHouse, who: Who, city: TheCity) -> HTMLResponse:
    """The part that changes by itself: who waits, why nobody helps, what the switch would do."""
    wishes = await house.desk.wishes()
    return page(request, "assistance/now.html", context={"city": city.code, **_now(request, house, who, wishes, city.code)})


@DOORS.post("/assistance/events", "event start")
async def start_event(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """启动, for the city chosen in the form."""
    form = await typed(request)
    try:
        act = wanted_event(form, find_city(house.province, form.get("city")[:40]).code, house.province)
    except ActRefused as fault:
        return await _page(request, house, who, Rejected("new", refused(form, fault)), 422)
    return await _press(request, house, who, words, act, Rejected("new", form))


@DOORS.post("/cities/{city}/event", "event start")
async def change_event(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """Change the running event."""
    form = await typed(request)
    name = f"event-{city.code}"
    try:
        act = wanted_event(form, city.code, house.province)
    except ActRefused as fault:
        return await _page(request, house, who, Rejected(name, refused(form, fault)), 422)
    return await _press(request, house, who, words, act, Rejected(name, form))


@DOORS.post("/cities/{city}/event/end", "event end")
async def end_event(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """终止."""
    form = await typed(request)
    return await _press(request, house, who, words, EndEvent(city.code), Rejected(f"end-{city.code}", form))


@DOORS.post("/cities/{city}/event/waves/{number}", "wave enter")
async def turn_wave(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, number: int) -> Response:
    """入场 or 离场."""
    form = await typed(request)
    act = EnterWave(city.code, number, form.get("entered") == "yes")
    return await _press(request, house, who, words, act, Rejected(f"wave-{city.code}-{number}", form))


@DOORS.post("/cities/{city}/switch", "switch off")
async def switch(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """开启支援 (the assisted city's key) or 关闭支援."""
    form = await typed(request)
    act = Switch(city.code, form.get("on") == "yes")
    return await _press(request, house, who, words, act, Rejected(f"switch-{city.code}", form))


@DOORS.post("/cities/{city}/confirmations/{assisted}", "confirm")
async def confirm(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, assisted: str) -> Response:
    """The supporting city promises seats, or takes them back."""
    form = await typed(request)
    name = f"confirm-{city.code}-{assisted}"
    wrong: dict[str, Sentence] = {}
    seats = whole(form.get("seats"), "seats", wrong)
    if seats is None:
        wrong.setdefault("seats", Sentence("请填座席数，0 表示不派", "type a number of seats, 0 for none"))
        return await _page(request, house, who, Rejected(name, Typed(form.values, wrong)), 422)
    act = ConfirmSeats(city.code, find_city(house.province, assisted[:40]).code, seats)
    return await _press(request, house, who, words, act, Rejected(name, form))


@DOORS.post("/cities/{city}/limits", "quota")
async def limits(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """Threshold, quota and reserve of a city; what is left empty is the data folder's figure again."""
    form = await typed(request)
    rejected = Rejected(f"limits-{city.code}", form)
    wrong: dict[str, Sentence] = {}
    acts: list[Act] = [
        SetThreshold(city.code, seconds(form.get("threshold_s"), "threshold_s", wrong)),
        SetQuota(city.code, whole(form.get("quota"), "quota", wrong)),
        SetReserve(city.code, whole(form.get("reserve"), "reserve", wrong)),
    ]
    if wrong:
        return await _page(request, house, who, Rejected(rejected.name, Typed(form.values, wrong)), 422)
    said = []
    for number, act in enumerate(acts):
        try:
            done = await house.desk.do(
                who.actor, act, form.get("reason"), f"{form.get('request')}.{number}", _version(form)
            )
        except (ActRefused, Refusal) as fault:
            return await _refused(request, house, who, rejected, fault)
        if done.changed:
            said.append(told(words, done.sentence, done.notes))
    return onward(PLACE, "good", "；".join(said) or words("没有改动"))


@DOORS.post("/cities/{city}/must-read", "must read on")
async def must_read(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """Whether agents who have not read the city's must-read scripts get its calls."""
    form = await typed(request)
    act = SetBriefing(city.code, form.get("required") == "yes")
    return await _press(request, house, who, words, act, Rejected(f"read-{city.code}", form))


@DOORS.post("/assistance/stop", "stop all")
async def stop(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """全部停止. Pressed twice it is stopped once: the second press says that it already is."""
    form = await typed(request)
    try:
        done = await house.desk.do(who.actor, Stop(True), form.get("reason"), form.get("request"))
    except ActRefused as fault:
        return onward(form.get("back", PLACE), "alarm", words.told(fault.sentence))
    return onward(form.get("back", PLACE), "warn" if done.in_effect else "alarm", told(words, done.sentence, done.notes))


@DOORS.post("/assistance/resume", "resume")
async def resume(request: Request, house: TheHouse, who: Who, words: TheWords) -> Response:
    """The one way back."""
    form = await typed(request)
    return await _press(request, house, who, words, Stop(False), Rejected("resume", form))


async def _press(request: Request, house: TheHouse, who: Caller, words: Words, act: Act, rejected: Rejected) -> Response:
    """Carry an act out and go back to the page with what came of it; refused, the page comes with what was typed."""
    form = rejected.form
    try:
        done = await house.desk.do(who.actor, act, form.get("reason"), form.get("request"), _version(form))
    except (ActRefused, Refusal) as fault:
        return await _refused(request, house, who, rejected, fault)
    return onward(PLACE, "good" if done.in_effect else "warn", told(words, done.sentence, done.notes))


async def _refused(
    request: Request, house: TheHouse, who: Caller, rejected: Rejected, fault: ActRefused | Refusal
) -> HTMLResponse:
    status = 503 if isinstance(fault, DeskClosed) else 409 if isinstance(fault, Overtaken | Refusal) else 422
    return await _page(request, house, who, Rejected(rejected.name, refused(rejected.form, fault)), status)


def _version(form: Typed) -> int | None:
    seen = form.get("seen_version")
    return int(seen) if seen.isascii() and seen.isdecimal() and len(seen) < 10 else None


async def _page(request: Request, house: TheHouse, who: Caller, rejected: Rejected, status: int = 200) -> HTMLResponse:
    stores = await house.desk.seen()
    wishes = stores.wishes
    own = seen_cities(house, who.actor)
    events = {code: event for code, event in wishes.events.items() if who.actor.sees(code)}
    asked = {code: event for code, event in wishes.events.items() if set(own) - {code}}
    shown = {
        "path": PLACE,
        "stores": stores,
        "wishes": wishes,
        "events": events,
        "forms": {code: rejected.of(f"event-{code}", event_typed(event)) for code, event in events.items()},
        "marks": {code: event_mark(event) for code, event in events.items()},
        "confirmations": [
            (code, city, event)
            for code, event in asked.items()
            for city in own
            if _may_confirm(house, city, event) and (len(own) == 1 or _is_asked(event, city))
        ],
        "rejected": rejected,
        "new": rejected.of("new"),
        "nows": {code: _now(request, house, who, wishes, code) for code in events},
        "limits": {code: _limits(house, wishes, code, rejected) for code in own},
        "startable": [code for code in house.province.cities if code not in wishes.events],
        "waves": WAVES,
        "notice_fields": FIELDS,
        "kinds": KINDS,
        "timeline": await _timeline(house, who),
        "fault": rejected.form.wrong.get(""),
    }
    return page(request, "assistance/page.html", status, shown)


def _may_confirm(house: TheHouse, city: str, event: AssistanceEvent) -> bool:
    supporting = house.province.cities[city]
    return city != event.assisted and supporting.may_help(event.assisted) and lendable(supporting) > 0


def _is_asked(event: AssistanceEvent, city: str) -> bool:
    """Whether a row about this city tells the province's dispatcher anything."""
    asked = entered(event)
    return city in event.confirmed or asked is None or city in asked


def _limits(house: TheHouse, wishes: Wishes, code: str, rejected: Rejected) -> dict[str, Any]:
    city = house.province.cities[code]
    least_s, most_s = threshold_limits(house.province, code)
    given = {
        "threshold_s": f"{wishes.thresholds[code]:g}" if code in wishes.thresholds else "",
        "quota": str(wishes.quotas.get(code, "")),
        "reserve": str(wishes.reserves.get(code, "")),
    }
    return {
        "form": rejected.of(f"limits-{code}", Typed({name: (value,) for name, value in given.items()})),
        "threshold_s": (f"{city.queue.wait_threshold_s:g}", f"{least_s:g}", f"{most_s:g}"),
        "quota": (city.lend.quota, 0, lendable(city)),
        "reserve": (city.lend.reserve, city.lend.reserve, len(city.seats)),
        "must_read": code not in wishes.unread_allowed,
    }


def _now(request: Request, house: TheHouse, who: Caller, wishes: Wishes, code: str) -> dict[str, Any]:
    """Who waits, why they are not helped, and what turning the switch on would do (or does, where it is on)."""
    feed: Feed = request.app.state.feed
    seen = feed.scene(scope(who))["cities"].get(code) or {}
    picture = feed.fresh_picture()
    effect = foretold = None
    if picture is not None and code in wishes.events:
        effect = preview(house.province, picture, Switch(code, True).apply(wishes, house.now()), code)
        foretold = house.foresight.effect(picture, wishes, code, not wishes.events[code].switched_on)
        if not who.actor.sees(EVERYWHERE) and EVERYWHERE not in who.actor.cities:
            # How many agents another city has free is that city's own affair; how many it could lend is not.
            effect = {**effect, "helpers": {city: {**one, "free": None} for city, one in effect["helpers"].items()}}
    return {"seen": seen, "effect": effect, "foretold": foretold, "event": wishes.events.get(code), "now": house.now()}


async def _timeline(house: TheHouse, who: Caller) -> Sequence[AuditEntry] | None:
    """The presses about this person's cities, newest first; None while SQL is lost."""
    try:
        return await presses(house.room.history, who.actor.of_cities, TIMELINE)
    except StoreLost:
        return None
