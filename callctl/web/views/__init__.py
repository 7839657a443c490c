"""Pages for people, one module a subject; VIEWS lists their route tables."""

from callctl.web.doors import Doors

VIEWS: tuple[Doors, ...] = ()
