"""/api/v1 exports: the audit, and rows in general, as JSON or CSV for a spreadsheet."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import JSONResponse, Response

from callctl.web.api.assistance import audited_cities, shown_entry
from callctl.web.doors import Doors
from callctl.web.gate import TheHouse, Who

DOORS = Doors()
TAGS = ["exports"]
AUDIT_MOST = 10_000
Moment = Annotated[float, Query(ge=0, le=32_503_680_000)]
Kind = Literal["json", "csv"]
ROWS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "array"}}, "text/csv": {"schema": {"type": "string"}}}}
}


@DOORS.get("/api/v1/audit/export", "see audit", response_class=Response, responses=ROWS, tags=TAGS)
async def audit(
    house: TheHouse, who: Who, last: Annotated[int, Query(ge=1, le=AUDIT_MOST)] = 1000, kind: Kind = "csv"
) -> Response:
    """The newest entries of the audit of the auditor's cities."""
    found = await house.room.history.audited(last, audited_cities(who))
    return rows([shown_entry(entry) for entry in found], kind, "audit")


def rows(found: Sequence[Mapping[str, Any]], kind: Kind, name: str) -> Response:
    """What was found, as JSON or as a file for a spreadsheet."""
    if kind == "json":
        return JSONResponse(list(found))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if found:
        writer.writerow(found[0].keys())
        writer.writerows([_cell(value) for value in row.values()] for row in found)
    # With the mark, spreadsheet programs here read UTF-8.
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response("\ufeff" + text.getvalue(), 200, headers, "text/csv; charset=utf-8")


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is made a text again."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
