"""Pages for people, one module a subject; VIEWS lists their route tables."""

from callctl.web.doors import Doors
from callctl.web.views import (
    accounts,
    assistance,
    audit,
    books,
    calls,
    desk,
    scripts,
    team,
    tokens,
    visit,
    wallboard,
    webhooks,
)

VIEWS: tuple[Doors, ...] = (
    visit.DOORS,
    wallboard.DOORS,
    accounts.DOORS,
    tokens.DOORS,
    webhooks.DOORS,
    assistance.DOORS,
    audit.DOORS,
    scripts.DOORS,
    desk.DOORS,
    team.DOORS,
    books.DOORS,
    calls.DOORS,
)
