"""统一答复口径: found, read and confirmed by agents; written by the city's editors, published by its approvers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from callctl.atlas import find_city
from callctl.core.acts import ActRefused, Sentence
from callctl.core.day import ZONE_S
from callctl.rights import Role
from callctl.scripts.desk import NoSuchScript, difference
from callctl.store.port import StoreLost
from callctl.store.scripts import DRAFT, PUBLISHED, Script, ScriptChanged, Wording
from callctl.web.api.scripts import Id, Version, agents_city
from callctl.web.doors import Doors
from callctl.web.forms import UNDONE, Typed, onward, refused, status_of, typed
from callctl.web.gate import Caller, TheCity, TheHouse, TheWords, Who
from callctl.web.pages import page

DOORS = Doors()
FOUND_MOST = 50
FIELDS = (
    ("question", "标准问"),
    ("similar", "相似问"),
    ("answer", "答复口径"),
    ("scope", "适用范围"),
    ("source", "政策依据"),
    ("category", "分类代码"),
    ("note", "变更说明"),
    ("must_read", "必读"),
    ("from_at", "生效时间"),
    ("until", "失效时间"),
)


@DOORS.get("/scripts", "see scripts")
async def search(
    request: Request, house: TheHouse, who: Who, q: str = "", city: str = "", category: str = ""
) -> HTMLResponse:
    """Scripts in force, by words, city and category; an agent's unread must-reads first."""
    code = _known(house, city)
    found = house.reading.shelf.search(q[:200], house.now(), code, category[:32], FOUND_MOST)
    shown = {
        "found": found,
        "q": q[:200],
        "city": code,
        "category": category[:32],
        "unread": await _unread(house, who),
        "own": [one for one in house.province.cities if who.actor.may("see drafts", one) and who.actor.sees(one)],
    }
    return page(request, "scripts/search.html", context=shown)


@DOORS.get("/scripts/of/{owner}/{script}", "see scripts")
async def one(
    request: Request, house: TheHouse, who: Who, owner: str, script: Id, old: int = 0, new: int = 0
) -> HTMLResponse:
    """One script, its versions, and the difference between two of them."""
    return await _one(request, house, who, find_city(house.province, owner).code, script, (old, new), Typed())


@DOORS.post("/scripts/{script}/receipt", "script read")
async def receipt(request: Request, house: TheHouse, who: Who, words: TheWords, script: Id) -> Response:
    """已读确认 of the version that was shown."""
    form = await typed(request)
    found = house.reading.shelf.find(script, house.now())
    back = form.get("back", "/scripts")
    if found is None or str(found.version) != form.get("version"):
        return onward(back, "warn", words("这条口径已有新版本或已失效，请重新阅读"))
    if await house.scripts.read(who.actor, who.agent, agents_city(who), found):
        await house.reading.recount()
    return onward(back, "good", words("已确认阅读：{q}", q=found.wording.question[:60]))


@DOORS.get("/cities/{city}/scripts", "see drafts")
async def of_city(request: Request, house: TheHouse, who: Who, city: TheCity) -> HTMLResponse:
    """The city's scripts with their drafts, and how many agents have read each."""
    found = await house.scripts.of_city(who.actor, city.code)
    rates = await house.reading.rates(city.code) if who.actor.may("see receipts", city.code) else []
    shown = {"city": city, "scripts": found, "rates": rates, "rights": _rights(who, city.code)}
    return page(request, "scripts/city.html", context=shown)


@DOORS.get("/cities/{city}/scripts/new", "script write")
async def new_page(request: Request, city: TheCity) -> HTMLResponse:
    """The form of a new script."""
    return _editor(request, city.code, None, Typed(), 0)


@DOORS.post("/cities/{city}/scripts/new", "script write")
async def write_new(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity) -> Response:
    """A new script, as a draft."""
    form = await typed(request)
    try:
        wording = wanted(form)
        made = await house.scripts.write(who.actor, city.code, wording, request=form.get("request"))
    except UNDONE as fault:
        return _editor(request, city.code, None, refused(form, fault), 0, status_of(fault))
    return onward(f"/scripts/of/{city.code}/{made.id}", "good", words("草稿已保存，等待另一人审核发布"))


@DOORS.get("/cities/{city}/scripts/{script}/edit", "script write")
async def edit_page(request: Request, house: TheHouse, who: Who, city: TheCity, script: Id) -> HTMLResponse:
    """The newest version in the form."""
    newest = (await house.scripts.versions(who.actor, city.code, script))[0]
    saves = newest.saves if newest.state == DRAFT else 0
    return _editor(request, city.code, script, written(newest.wording), saves)


@DOORS.post("/cities/{city}/scripts/{script}/edit", "script write")
async def edit(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, script: Id) -> Response:
    """A new version, or its draft once more; refused where somebody saved it meanwhile, with what was typed kept."""
    form = await typed(request)
    saves, meanwhile = form.number("seen_saves"), None
    try:
        await house.scripts.write(who.actor, city.code, wanted(form), script, saves, form.get("request"))
    except UNDONE as fault:
        if isinstance(fault, ScriptChanged):
            saves, meanwhile = await _meanwhile(house, who, city.code, script, form, saves)
        return _editor(request, city.code, script, refused(form, fault), saves, status_of(fault), meanwhile)
    return onward(f"/scripts/of/{city.code}/{script}", "good", words("草稿已保存，等待另一人审核发布"))


@DOORS.post("/cities/{city}/scripts/{script}/versions/{version}/decide", "script publish")
async def decide(
    request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, script: Id, version: Version
) -> Response:
    """Publish the draft, or send it back with a reason."""
    form = await typed(request)
    saves = form.number("seen_saves")
    try:
        if form.get("decision") == "publish":
            done = await house.scripts.publish(who.actor, city.code, script, version, saves, form.get("request"))
            await house.reading.published(done)
            said = words("已发布，正在推送到各支援市座席")
        else:
            await house.scripts.reject(who.actor, city.code, script, version, saves, form.get("why"), form.get("request"))
            said = words("已退回编写人")
    except UNDONE as fault:
        pressed = ("decide", version)
        return await _one(request, house, who, city.code, script, (0, 0), refused(form, fault), status_of(fault), pressed)
    return onward(f"/scripts/of/{city.code}/{script}", "good", said)


@DOORS.post("/cities/{city}/scripts/{script}/expire", "script expire")
async def expire(request: Request, house: TheHouse, who: Who, words: TheWords, city: TheCity, script: Id) -> Response:
    """Withdraw what is published."""
    form = await typed(request)
    version = form.number("version") if form.get("version") else None
    try:
        done = await house.scripts.expire(who.actor, city.code, script, form.get("why"), form.get("request"), version)
        await house.reading.published(done)
    except UNDONE as fault:
        pressed = ("expire", version or 0)
        return await _one(request, house, who, city.code, script, (0, 0), refused(form, fault), status_of(fault), pressed)
    return onward(f"/scripts/of/{city.code}/{script}", "good", words("已失效"))


def wanted(form: Typed) -> Wording:
    """What was typed. Raises ActRefused where a time cannot be read."""
    wrong: dict[str, Sentence] = {}
    times = {name: _moment(form.get(name), name, wrong) for name in ("from_at", "until")}
    if wrong:
        raise ActRefused("时间填错了", "a time is wrong", wrong)
    texts = {name: form.get(name).replace("\r\n", "\n").strip() for name, _ in FIELDS[:7]}
    return Wording(**texts, must_read=form.get("must_read") == "yes", from_at=times["from_at"], until=times["until"])


def written(wording: Wording) -> Typed:
    """A script as its form."""
    values = {name: str(getattr(wording, name)) for name, _ in FIELDS[:7]}
    values["must_read"] = "yes" if wording.must_read else ""
    for name in ("from_at", "until"):
        at = getattr(wording, name)
        moment = None if at is None else datetime.fromtimestamp(at, UTC) + timedelta(seconds=ZONE_S)
        values[name] = "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M")
    return Typed({name: (value,) for name, value in values.items()})


def _moment(text: str, name: str, wrong: dict[str, Sentence]) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    except ValueError:
        wrong[name] = Sentence("须是日期和时间", "a date and a time")
        return None
    return moment.timestamp() - ZONE_S


async def _meanwhile(
    house: TheHouse, who: Caller, city: str, script: int, form: Typed, saves: int
) -> tuple[int, Mapping[str, Sequence[tuple[str, str]]] | None]:
    """What somebody saved first: its number, with which the next press is an informed one, and how the form differs."""
    try:
        newest = (await house.scripts.versions(who.actor, city, script))[0]
    except StoreLost:
        return saves, None
    return newest.saves if newest.state == DRAFT else 0, difference(newest.wording, wanted(form))


def _editor(
    request: Request,
    city: str,
    script: int | None,
    form: Typed,
    saves: int,
    status: int = 200,
    meanwhile: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> HTMLResponse:
    about = {"city": city, "script": script, "saves": saves, "field_names": dict(FIELDS)}
    shown = {**about, "form": form, "meanwhile": meanwhile}
    return page(request, "scripts/edit.html", status, shown)


async def _one(
    request: Request,
    house: TheHouse,
    who: Caller,
    owner: str,
    script: int,
    pair: tuple[int, int],
    form: Typed,
    status: int = 200,
    pressed: tuple[str, int] = ("", 0),
) -> HTMLResponse:
    """The script. `pressed`: the form that was refused; with the database away it is there alone."""
    about = {"path": f"/scripts/of/{owner}/{script}", "owner": owner, "form": form, "pressed": pressed}
    try:
        versions = await house.scripts.versions(who.actor, owner, script)
    except StoreLost:
        if not form.wrong:
            raise
        return page(request, "scripts/press.html", status, {**about, "script": script})
    if not versions:
        raise NoSuchScript("没有这条口径", "there is no such script")
    by_number = {version.version: version for version in versions}
    newest = versions[0]
    old, new = (by_number.get(number) for number in pair)
    if (old is None or new is None) and len(versions) > 1:
        old, new = versions[1], newest
    in_force = house.reading.shelf.find(script, house.now())
    shown: dict[str, Any] = {
        **about,
        "versions": versions,
        "newest": newest,
        "in_force": in_force,
        "coming": [version for version in versions if version.state == PUBLISHED and not version.begun(house.now())],
        "shown": in_force or newest,
        "old": old,
        "new": new,
        "difference": difference(old.wording, new.wording) if old and new else {},
        "field_names": dict(FIELDS),
        "rights": _rights(who, owner),
        "unread": [one for one in await _unread(house, who) if one.id == script],
    }
    return page(request, "scripts/one.html", status, shown)


def _rights(who: Caller, city: str) -> dict[str, bool]:
    return {right: who.actor.may(right, city) for right in ("script write", "script publish", "script expire")}


async def _unread(house: TheHouse, who: Caller) -> list[Script]:
    if Role.AGENT not in who.actor.roles or not who.agent or len(who.actor.cities) != 1:
        return []
    try:
        return await house.reading.unread(who.agent, next(iter(who.actor.cities)))
    except StoreLost:
        return []


def _known(house: TheHouse, city: str) -> str:
    try:
        return find_city(house.province, city[:40]).code if city else ""
    except ActRefused:
        return ""
