"""Pages for people, one module a subject; VIEWS lists their route tables."""

from callctl.web.doors import Doors
from callctl.web.views import accounts, assistance, audit, books, calls, desk, scripts, team, visit, wallboard

VIEWS: tuple[Doors, ...] = (
    visit.DOORS,
    wallboard.DOORS,
    accounts.DOORS,
    assistance.DOORS,
    audit.DOORS,
    scripts.DOORS,
    desk.DOORS,
    team.DOORS,
    books.DOORS,
    calls.DOORS,
)
