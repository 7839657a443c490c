"""/api/v1/scripts: 统一答复口径, their versions, search, receipts and rates."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field

from callctl.atlas import find_city
from callctl.core.acts import Sentence
from callctl.rights import Role
from callctl.scripts.desk import MOST, NoSuchScript, difference
from callctl.store.scripts import Script, Wording
from callctl.web.api.forms import Form, OnceKey, Reason
from callctl.web.doors import Doors
from callctl.web.gate import Caller, TheCity, TheHouse, Who
from callctl.web.problems import Problem

DOORS = Doors()
TAGS = ["scripts"]

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Saves = Annotated[int, Field(ge=0, le=2**31 - 1)]
Moment = Annotated[float | None, Field(ge=0, le=32_503_680_000)]  # Seconds since the epoch.


class Draft(Form):
    """What a script shall say. `seen_saves`: of the draft that was opened, 0 where there was none."""

    question: Annotated[str, Field(max_length=MOST["question"])]
    answer: Annotated[str, Field(max_length=MOST["answer"])]
    similar: Annotated[str, Field(max_length=MOST["similar"])] = ""
    scope: Annotated[str, Field(max_length=MOST["scope"])] = ""
    source: Annotated[str, Field(max_length=MOST["source"])] = ""
    category: Annotated[str, Field(max_length=MOST["category"])] = ""
    must_read: bool = False
    from_at: Moment = None
    until: Moment = None
    note: Annotated[str, Field(max_length=MOST["note"])] = ""
    seen_saves: Saves = 0

    def wording(self) -> Wording:
        """The words alone."""
        return Wording(**self.model_dump(exclude={"seen_saves"}))


class Decision(Form):
    """The draft as the approver saw it."""

    seen_saves: Saves
    why: Reason = ""


class Withdrawal(Form):
    """Why a script is withdrawn. `version`: which one; left out, the one in force, else the one that is to begin."""

    why: Reason
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None


class Receipt(Form):
    """Which version was read: a newer one may have come while the page was open."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


def shown_script(script: Script) -> dict[str, Any]:
    """A version as the API shows it."""
    found = asdict(script)
    wording = found.pop("wording")
    return {**found, **wording, "editors": list(script.editors)}


@DOORS.get("/api/v1/scripts", "see scripts", tags=TAGS)
async def search(
    house: TheHouse,
    q: Annotated[str, Query(max_length=200)] = "",
    city: Annotated[str, Query(max_length=64)] = "",
    category: Annotated[str, Query(max_length=32)] = "",
    most: Annotated[int, Query(ge=1, le=200)] = 50,
) -> list[dict[str, Any]]:
    """Published scripts in force that have every word of `q`, the best first."""
    code = find_city(house.province, city).code if city else ""
    return [shown_script(script) for script in house.reading.shelf.search(q, house.now(), code, category, most)]


@DOORS.get("/api/v1/scripts/unread", "script read", tags=TAGS)
async def unread(house: TheHouse, who: Who) -> list[dict[str, Any]]:
    """The must-read scripts this agent has not confirmed yet."""
    return [shown_script(script) for script in await house.reading.unread(who.agent, agents_city(who))]


@DOORS.get("/api/v1/cities/{city}/scripts", "see drafts", tags=TAGS)
async def of_city(house: TheHouse, who: Who, city: TheCity) -> list[dict[str, Any]]:
    """The city's scripts with their drafts, for its editors and approvers."""
    return [shown_script(script) for script in await house.scripts.of_city(who.actor, city.code)]


@DOORS.post("/api/v1/cities/{city}/scripts", "script write", status_code=201, tags=TAGS)
async def write_new(house: TheHouse, who: Who, city: TheCity, body: Draft, key: OnceKey = "") -> dict[str, Any]:
    """A new script, as a draft."""
    return shown_script(await house.scripts.write(who.actor, city.code, body.wording(), request=key))


@DOORS.put("/api/v1/cities/{city}/scripts/{script}/draft", "script write", tags=TAGS)
async def write(house: TheHouse, who: Who, city: TheCity, script: Id, body: Draft, key: OnceKey = "") -> dict[str, Any]:
    """A new version of a script, or its draft once more; 409 where somebody saved it meanwhile."""
    return shown_script(await house.scripts.write(who.actor, city.code, body.wording(), script, body.seen_saves, key))


@DOORS.post("/api/v1/cities/{city}/scripts/{script}/versions/{version}/publish", "script publish", tags=TAGS)
async def publish(
    house: TheHouse, who: Who, city: TheCity, script: Id, version: Version, body: Decision, key: OnceKey = ""
) -> dict[str, Any]:
    """Put a draft in force. By another person than who wrote it."""
    done = await house.scripts.publish(who.actor, city.code, script, version, body.seen_saves, key)
    await house.reading.published(done)
    return shown_script(done)


@DOORS.post("/api/v1/cities/{city}/scripts/{script}/versions/{version}/reject", "script publish", tags=TAGS)
async def reject(
    house: TheHouse, who: Who, city: TheCity, script: Id, version: Version, body: Decision, key: OnceKey = ""
) -> dict[str, Any]:
    """Send a draft back to its editor."""
    return shown_script(await house.scripts.reject(who.actor, city.code, script, version, body.seen_saves, body.why, key))


@DOORS.post("/api/v1/cities/{city}/scripts/{script}/expire", "script expire", tags=TAGS)
async def expire(
    house: TheHouse, who: Who, city: TheCity, script: Id, body: Withdrawal, key: OnceKey = ""
) -> dict[str, Any]:
    """Withdraw a script."""
    done = await house.scripts.expire(who.actor, city.code, script, body.why, key, body.version)
    await house.reading.published(done)
    return shown_script(done)


@DOORS.get("/api/v1/scripts/of/{owner}/{script}/versions", "see scripts", tags=TAGS)
async def versions(house: TheHouse, who: Who, owner: str, script: Id) -> list[dict[str, Any]]:
    """Every version of a script, the newest first; drafts only for its own city's editors and approvers."""
    code = find_city(house.province, owner).code
    return [shown_script(one) for one in await house.scripts.versions(who.actor, code, script)]


@DOORS.get("/api/v1/scripts/of/{owner}/{script}/difference", "see scripts", tags=TAGS)
async def versions_differ(
    house: TheHouse,
    who: Who,
    owner: str,
    script: Id,
    old: Annotated[int, Query(ge=1, le=2**31 - 1)],
    new: Annotated[int, Query(ge=1, le=2**31 - 1)],
) -> dict[str, Any]:
    """By field that differs: runs of text, each "same", "gone" or "new"."""
    code = find_city(house.province, owner).code
    found = {one.version: one for one in await house.scripts.versions(who.actor, code, script)}
    if old not in found or new not in found:
        raise NoSuchScript("没有这个版本", "there is no such version")
    return dict(difference(found[old].wording, found[new].wording))


@DOORS.post("/api/v1/scripts/{script}/receipt", "script read", tags=TAGS)
async def read(house: TheHouse, who: Who, script: Id, body: Receipt) -> dict[str, bool]:
    """已读确认: this agent has read this version."""
    found = house.reading.shelf.find(script, house.now())
    if found is None or found.version != body.version:
        raise Problem(
            409,
            "overtaken",
            Sentence("这条口径已有新版本或已失效，请重新阅读", "there is a newer version, or none: read again"),
        )
    new = await house.scripts.read(who.actor, who.agent, agents_city(who), found)
    if new:
        await house.reading.recount()
    return {"new": new}


@DOORS.get("/api/v1/cities/{city}/scripts/rates", "see receipts", tags=TAGS)
async def rates(house: TheHouse, city: TheCity) -> list[dict[str, Any]]:
    """Of each of the city's scripts in force: how many agents of each supporting city have read it."""
    return await house.reading.rates(city.code)


def agents_city(who: Caller) -> str:
    """The one city of an agent. Raises Problem for who is none."""
    if Role.AGENT not in who.actor.roles or not who.agent or len(who.actor.cities) != 1:
        raise Problem(
            422, "no_agent", Sentence("此账号没有工号和本市，不是话务员账号", "this account is no agent of one city")
        )
    (city,) = who.actor.cities
    return city
