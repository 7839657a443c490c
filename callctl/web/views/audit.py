"""审计: every press of every button of the auditor's cities, newest first; read, never changed."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

from callctl.atlas import find_city
from callctl.core.acts import ActRefused
from callctl.web.api.assistance import audited, audited_cities
from callctl.web.doors import Doors
from callctl.web.gate import TheHouse, Who, seen_cities
from callctl.web.pages import page

DOORS = Doors()
SHOWN = 200  # Lines on one page.


@DOORS.get("/audit", "see audit")
async def audit(request: Request, house: TheHouse, who: Who, city: str = "", q: str = "") -> HTMLResponse:
    """The audit, of one city or with one word where asked."""
    code = ""
    if city:
        try:
            code = find_city(house.province, city[:40]).code
        except ActRefused:
            code = ""
    cities = audited_cities(who, code)
    word = q.strip()[:100]
    entries = await audited(house, cities, word, SHOWN)
    shown = {"entries": entries, "city": code, "cities": seen_cities(house, who.actor)}
    return page(request, "audit.html", context={**shown, "q": word, "most": SHOWN})
