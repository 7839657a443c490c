"""审计: every press of every button, newest first; read, never changed. The auditor's."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

from callctl.atlas import find_city
from callctl.core.acts import ActRefused
from callctl.web.doors import Doors
from callctl.web.gate import TheHouse
from callctl.web.pages import page

DOORS = Doors()
SHOWN = 200  # Lines on one page.
LOOKED_AT = 2000  # Lines searched for a word.


@DOORS.get("/audit", "see audit")
async def audit(request: Request, house: TheHouse, city: str = "", q: str = "") -> HTMLResponse:
    """The audit, of one city or with one word where asked."""
    code = ""
    if city:
        try:
            code = find_city(house.province, city[:40]).code
        except ActRefused:
            code = ""
    word = q.strip()[:100]
    found = await house.room.history.audited(LOOKED_AT if word else SHOWN, code)
    entries = [
        entry
        for entry in found
        if word.lower() in " ".join((entry.who, entry.where, entry.what, entry.city, entry.after, entry.reason)).lower()
    ][:SHOWN]
    return page(request, "audit.html", context={"entries": entries, "city": code, "q": word, "most": SHOWN})
