"""What machines and pages ask: /api/v1, one module a subject; API lists their route tables."""

from callctl.web.api import (
    accounts,
    assistance,
    calls,
    desk,
    exports,
    hooks,
    live,
    missed,
    orders,
    reports,
    scripts,
    team,
    visit,
)
from callctl.web.doors import Doors

API: tuple[Doors, ...] = (
    visit.DOORS,
    live.DOORS,
    accounts.DOORS,
    assistance.DOORS,
    scripts.DOORS,
    desk.DOORS,
    team.DOORS,
    hooks.DOORS,
    calls.DOORS,
    exports.DOORS,
    orders.DOORS,
    missed.DOORS,
    reports.DOORS,
)
