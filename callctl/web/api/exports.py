"""/api/v1 exports: calls and the audit as JSON or CSV. Numbers are masked; each export of calls is audited."""

import csv
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import JSONResponse, Response

from callctl.log import mask
from callctl.store.calls import Call
from callctl.store.port import AuditEntry
from callctl.web.api.assistance import audited_cities, shown_entry
from callctl.web.doors import Doors
from callctl.web.gate import TheCity, TheHouse, Who

DOORS = Doors()
TAGS = ["exports"]
CALLS_MOST = 50_000  # Rows of one export; more is asked for in parts.
AUDIT_MOST = 10_000
Moment = Annotated[float, Query(ge=0, le=32_503_680_000)]
Kind = Literal["json", "csv"]
ROWS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "array"}}, "text/csv": {"schema": {"type": "string"}}}}
}


@DOORS.get("/api/v1/cities/{city}/calls", "see calls", response_class=Response, responses=ROWS, tags=TAGS)
async def calls(
    house: TheHouse,
    who: Who,
    city: TheCity,
    since: Moment,
    until: Moment,
    most: Annotated[int, Query(ge=1, le=CALLS_MOST)] = 1000,
    kind: Kind = "json",
) -> Response:
    """The city's own calls that first arrived in the span (seconds since the epoch), the newest first."""
    found = await house.calls.between(city.code, since, until, most)
    span = f"{since:.0f}-{until:.0f}: {len(found)}"
    once = secrets.token_hex(8)
    await house.calls.note(
        AuditEntry(house.now(), who.actor.name, who.actor.where, "export", city.code, "", span, "", once)
    )
    return _answer([_shown(call) for call in found], kind, f"calls-{city.code}")


@DOORS.get("/api/v1/audit/export", "see audit", response_class=Response, responses=ROWS, tags=TAGS)
async def audit(
    house: TheHouse, who: Who, last: Annotated[int, Query(ge=1, le=AUDIT_MOST)] = 1000, kind: Kind = "csv"
) -> Response:
    """The newest entries of the audit of the auditor's cities."""
    found = await house.room.history.audited(last, audited_cities(who))
    return _answer([shown_entry(entry) for entry in found], kind, "audit")


def _shown(call: Call) -> dict[str, Any]:
    return {**asdict(call), "number": None if call.number is None else mask(call.number)}


def _answer(rows: Sequence[Mapping[str, Any]], kind: Kind, name: str) -> Response:
    if kind == "json":
        return JSONResponse(list(rows))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if rows:
        writer.writerow(rows[0].keys())
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    # With the mark, spreadsheet programs here read UTF-8.
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response("\ufeff" + text.getvalue(), 200, headers, "text/csv; charset=utf-8")


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is made a text again."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
