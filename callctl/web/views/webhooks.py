"""事件推送: which systems are told of what, what they took, and what is tried again; the secret is shown once."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.app import House
from callctl.hooks import AGAIN_AT_ONCE, ALL_KINDS
from callctl.store.hooks import DEAD, TOLD, WAITING
from callctl.store.port import StoreLost
from callctl.web.api.hooks import DELIVERY_MOST, DeliveryPath
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import TheHouse, TheWords, Who
from callctl.web.pages import page
from callctl.web.problems import not_found

DOORS = Doors()
PLACE = "/webhooks"
SHOWN = 100  # Deliveries on one page, the newest first.
KIND_WORDS = {
    "event.started": "支援启动或调整",
    "event.ended": "支援终止",
    "switch.on": "开启支援",
    "switch.off": "关闭支援",
    "stop.all": "全部停止",
    "resume": "恢复",
    "script.published": "口径发布",
    "script.withdrawn": "口径失效",
    "call.answered_remotely": "来电由他市接听",
}
STATE_WORDS = {WAITING: "待推送", TOLD: "已送达", DEAD: "已放弃"}


@DOORS.get("/webhooks", "webhooks")
async def all_webhooks(request: Request, house: TheHouse) -> HTMLResponse:
    """Every webhook, with what waits and what nobody took."""
    shown = {"hooks": await house.hook_book.all(), "counts": await house.hook_book.counts(), "kinds": KIND_WORDS}
    return page(request, "machines/webhooks.html", context=shown)


@DOORS.get("/webhooks/new", "webhooks")
async def new_page(request: Request) -> HTMLResponse:
    """The form of a new webhook."""
    return _form(request, Typed())


@DOORS.post("/webhooks/new", "webhooks")
async def create(request: Request, house: TheHouse, who: Who) -> Response:
    """Make it, and show its signing secret once."""
    form = await typed(request)
    name, address = form.get("name").strip(), form.get("address").strip()
    try:
        secret = await house.webhooks.create(
            who.actor, name, address, form.all("kinds"), form.get("reason"), form.get("request")
        )
    except UNDONE as fault:
        return _form(request, refused(form, fault), status_of(fault))
    return page(request, "machines/secret.html", context={"name": name, "secret": secret, "path": PLACE, "token": False})


@DOORS.get("/webhooks/{name}", "webhooks")
async def one(request: Request, house: TheHouse, name: str, state: str = "", before: str = "") -> HTMLResponse:
    """One webhook and what it was told; of one state, if asked. `before`: the last delivery of the page before this one."""
    return _one(request, name, Typed(), "", await _seen(house, name, *_leaf(state, before)))


@DOORS.post("/webhooks/{name}/again", "webhooks")
async def all_again(request: Request, house: TheHouse, who: Who, words: TheWords, name: str) -> Response:
    """Try every given-up delivery once more."""
    form = await typed(request)
    try:
        done = await house.webhooks.all_again(who.actor, name[:64], form.get("request"))
    except UNDONE as fault:
        return await _refused(request, house, name, refused(form, fault), "all", status_of(fault))
    if not done:
        return onward(f"{PLACE}/{name}", "warn", words("没有已放弃的推送，可能已重试"))
    return onward(f"{PLACE}/{name}", "good", words("{n} 条已重新排队推送", n=done))


@DOORS.post("/webhooks/{name}/end", "webhooks")
async def end(request: Request, house: TheHouse, who: Who, words: TheWords, name: str) -> Response:
    """Tell it nothing more."""
    form = await typed(request)
    try:
        await house.webhooks.end(who.actor, name[:64], form.get("reason"), form.get("request"))
    except UNDONE as fault:
        return await _refused(request, house, name, refused(form, fault), "end", status_of(fault))
    return onward(PLACE, "good", words("推送 {name} 已停用", name=name))


@DOORS.post("/webhooks/{name}/deliveries/{delivery}/again", "webhooks")
async def again(
    request: Request,
    house: TheHouse,
    who: Who,
    words: TheWords,
    name: str,
    delivery: DeliveryPath,
) -> Response:
    """Try a given-up delivery once more."""
    form = await typed(request)
    try:
        done = await house.webhooks.again(who.actor, name[:64], delivery, form.get("request"))
    except UNDONE as fault:
        return await _refused(request, house, name, refused(form, fault), delivery, status_of(fault))
    state, before = _leaf(form.get("state"), form.get("before"))
    asked = urlencode([(key, value) for key, value in (("state", state), ("before", before)) if value])
    back = f"{PLACE}/{name}" + (f"?{asked}" if asked else "")
    if not done:
        return onward(back, "warn", words("没有这条已放弃的推送，可能已重试"))
    return onward(back, "good", words("已重新排队推送"))


def _leaf(state: str, before: str) -> tuple[str, int]:
    """Which page of the deliveries somebody looks at: of one state ("" for all), and behind which delivery (0 for none)."""
    number = int(before) if before.isascii() and before.isdecimal() and len(before) < 11 else 0
    return state if state in STATE_WORDS else "", min(number, DELIVERY_MOST)


def _form(request: Request, form: Typed, status: int = 200) -> HTMLResponse:
    kinds = {kind: KIND_WORDS[kind] for kind in ALL_KINDS}
    return page(request, "machines/new_webhook.html", status, {"form": form, "kinds": kinds})


async def _seen(house: House, name: str, state: str, before: int) -> dict[str, Any]:
    """A webhook with a page of its deliveries. Raises Problem where there is none."""
    hook = next((hook for hook in await house.hook_book.all() if hook.name == name), None)
    if hook is None:
        raise not_found("没有这个推送，或它已停用", "there is no such webhook, or it has ended")
    found = await house.hook_book.deliveries(name, state, SHOWN + 1, before)
    dead = (await house.hook_book.counts()).get((name, DEAD), 0)
    more = len(found) > SHOWN
    return {"hook": hook, "found": found[:SHOWN], "more": more, "dead": dead, "state": state, "before": before}


async def _refused(request: Request, house: House, name: str, form: Typed, pressed: str | int, status: int) -> HTMLResponse:
    """The same page after a press that was refused; with the database away, what was pressed is there alone."""
    state, before = _leaf(form.get("state"), form.get("before"))
    try:
        shown = await _seen(house, name, state, before)
    except StoreLost:
        shown = {"hook": None, "state": state, "before": before}
    return _one(request, name, form, pressed, shown, status)


def _one(
    request: Request, name: str, form: Typed, pressed: str | int, shown: Mapping[str, Any], status: int = 200
) -> HTMLResponse:
    """`pressed`: whose refusal `form` tells of: "end", "all", a delivery's number, or "" for none."""
    about = {"name": name, "states": STATE_WORDS, "kinds": KIND_WORDS, "form": form, "path": f"{PLACE}/{name}"}
    about |= {"pressed": pressed, "most": AGAIN_AT_ONCE}
    return page(request, "machines/webhook.html", status, {**about, **shown})
