"""The console's route table. A route says which right it needs when it is declared; without that there is no route."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from callctl.rights import RIGHTS

NOBODY = ""  # Open to who is not signed in: signing in itself, health, the styles of that page.

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Door:
    """One route: `right` of callctl.rights, for the city in the path's `city`, else for no city in particular."""

    method: str
    path: str
    right: str
    opens: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)  # For FastAPI: status_code, response_class, summary, …

    @property
    def of_city(self) -> bool:
        """Whether the right must hold for a city named in the path."""
        return "{city}" in self.path

    @property
    def is_api(self) -> bool:
        """Whether machines come here; else it is a page for people."""
        return self.path.startswith("/api/")


class Doors:
    """The routes of one module, collected by its decorators and built by site.make_site."""

    def __init__(self) -> None:
        self.all: list[Door] = []

    def get(self, path: str, right: str, **settings: Any) -> Callable[[Function], Function]:
        """A route that only looks."""
        return self._add("GET", path, right, settings)

    def post(self, path: str, right: str, **settings: Any) -> Callable[[Function], Function]:
        """A route that does something."""
        return self._add("POST", path, right, settings)

    def put(self, path: str, right: str, **settings: Any) -> Callable[[Function], Function]:
        """A route that sets something; the same again changes nothing."""
        return self._add("PUT", path, right, settings)

    def patch(self, path: str, right: str, **settings: Any) -> Callable[[Function], Function]:
        """A route that changes a part of something."""
        return self._add("PATCH", path, right, settings)

    def delete(self, path: str, right: str, **settings: Any) -> Callable[[Function], Function]:
        """A route that removes or ends something."""
        return self._add("DELETE", path, right, settings)

    def _add(self, method: str, path: str, right: str, settings: Mapping[str, Any]) -> Callable[[Function], Function]:
        assert right == NOBODY or right in RIGHTS, f"{method} {path}: no right is called {right!r}, see callctl/rights.py"

        def take(function: Function) -> Function:
            self.all.append(Door(method, path, right, function, settings))
            return function

        return take


def every_door(parts: Iterable[Doors]) -> list[Door]:
    """All routes of all modules, each once."""
    found = [door for part in parts for door in part.all]
    places = [(door.method, door.path) for door in found]
    assert len(set(places)) == len(places), "two routes in one place"
    return found
