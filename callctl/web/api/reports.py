"""/api/v1 daily reports: listed, read as figures, taken as files, annotated, approved, sent; and the categories' import."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from callctl.bookkeeping import FORMS, SHEET_MOST
from callctl.store.reports import Report, plain
from callctl.web.api.forms import Form, OnceKey, Text
from callctl.web.doors import Doors
from callctl.web.gate import TheCity, TheHouse, Who
from callctl.web.shields import SHEET_BODY_MOST

DOORS = Doors()
TAGS = ["reports"]
FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in FORMS.values()}
        | {FORMS["json"]: {"schema": {"type": "object"}}}
    }
}


class Notes(Form):
    """编报说明."""

    notes: Annotated[str, Field(max_length=4000)]


class Sent(Form):
    """To whom the report went."""

    to: Text


@DOORS.get("/api/v1/cities/{city}/reports", "see reports", tags=TAGS)
async def reports(house: TheHouse, city: TheCity) -> list[dict[str, Any]]:
    """The city's daily reports, the newest first."""
    return [shown(one) for one in await house.books.reports(city.code)]


@DOORS.get("/api/v1/cities/{city}/reports/{day}", "see reports", tags=TAGS)
async def report(house: TheHouse, city: TheCity, day: date) -> dict[str, Any]:
    """Every figure of a day's report; a draft is gathered anew, an approved one is what was approved."""
    made, kept = await house.books.report(city.code, day)
    return {"report": shown(kept) if kept else None, "figures": plain(made)}


@DOORS.get("/api/v1/cities/{city}/reports/{day}/file", "see reports", response_class=Response, responses=FILE, tags=TAGS)
async def file(house: TheHouse, city: TheCity, day: date, form: Literal["html", "pdf", "xlsx", "json"] = "pdf") -> Response:
    """The report as it is printed."""
    return download(await house.books.report_file(city.code, day, form), city.code, day, form)


@DOORS.put("/api/v1/cities/{city}/reports/{day}/notes", "report write", status_code=204, tags=TAGS)
async def notes(house: TheHouse, who: Who, city: TheCity, day: date, body: Notes, key: OnceKey = "") -> Response:
    """Notes of a draft, in place of the old ones."""
    await house.books.annotate(who.actor, city.code, day, body.notes, key)
    return Response(status_code=204)


@DOORS.post("/api/v1/cities/{city}/reports/{day}/approval", "report approve", status_code=204, tags=TAGS)
async def approval(house: TheHouse, who: Who, city: TheCity, day: date, key: OnceKey = "") -> Response:
    """Freeze the figures of a draft."""
    await house.books.approve(who.actor, city.code, day, key)
    return Response(status_code=204)


@DOORS.post("/api/v1/cities/{city}/reports/{day}/sending", "report send", status_code=204, tags=TAGS)
async def sending(house: TheHouse, who: Who, city: TheCity, day: date, body: Sent, key: OnceKey = "") -> Response:
    """Write down that an approved report went out."""
    await house.books.sent(who.actor, city.code, day, body.to, key)
    return Response(status_code=204)


@DOORS.get("/api/v1/categories", "see orders", tags=TAGS)
async def categories(house: TheHouse) -> list[dict[str, Any]]:
    """The categories in use."""
    return [
        {
            "code": one.code,
            "parent": one.parent,
            "name_zh": one.name_zh,
            "name_en": one.name_en,
            "valid_from": one.valid_from,
            "valid_to": one.valid_to,
            "status": one.status,
        }
        for one in await house.books.tree()
    ]


@DOORS.put(
    "/api/v1/categories",
    "categories",
    tags=TAGS,
    max_body_size=SHEET_BODY_MOST,
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def replace(request: Request, house: TheHouse, who: Who) -> dict[str, int]:
    """A whole tree as CSV (UTF-8 or GB18030) in place of the old one. A file with a mistake changes nothing."""
    sheet = (await request.body())[: SHEET_MOST + 1]
    return {"categories": await house.books.replace_categories(who.actor, sheet)}


def download(content: bytes, city: str, day: date, form: str) -> Response:
    """The file, to be kept; a page is never shown inside ours, for it is drawn by other rules."""
    headers = {"Content-Disposition": f'attachment; filename="{city}-{day.isoformat()}.{form}"'}
    return Response(content, 200, headers, FORMS[form])


def shown(one: Report) -> dict[str, Any]:
    """The report without its figures."""
    return {
        "city": one.city,
        "day": one.day,
        "state": one.state,
        "late": one.late,
        "made_at": one.made_at,
        "notes": one.notes,
        "approved_by": one.approved_by,
        "approved_at": one.approved_at,
        "sent_at": one.sent_at,
        "sent_to": one.sent_to,
    }
