"""The commands that look and order, through a console's API instead of the stores of this machine.

CALLCTL_API names the console, CALLCTL_API_TOKEN (or the secrets file api-token) the machine token to use there.
"""

import asyncio
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote

from callctl import clock
from callctl.app import Room
from callctl.atlas import find_city
from callctl.cli.words import english
from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import Province, SeatRef
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.desk import DeskClosed, Overtaken, Told
from callctl.rights import Actor, NotAllowed
from callctl.settings import Settings
from callctl.store.port import AuditEntry, Loan, StoreLost

DEADLINE_S = 15.0
_REFUSED: Mapping[int, type[ActRefused]] = {401: NotAllowed, 403: NotAllowed, 409: Overtaken, 503: DeskClosed}


class Console:
    """One console's API. Raises StoreLost where it cannot be reached, ActRefused where it says no."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address.rstrip("/")
        self._token = token

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request. An order carries an id of its own, so that it is done once, whatever a proxy does."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Language": "en" if english() else "zh"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(12)}
        text = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._address}/api/v1{path}", text, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            raise _refusal(refused) from None
        except (OSError, ValueError) as error:
            raise StoreLost(f"the console at {self._address} cannot be reached: {error}") from None


def _refusal(refused: urllib.error.HTTPError) -> ActRefused:
    try:
        told = json.loads(refused.read())
        detail = "; ".join([told["detail"], *(f"{one['field']}: {one['message']}" for one in told.get("errors", ()))])
    except (ValueError, KeyError, TypeError):
        detail = f"{refused.code} {refused.reason}"
    return _REFUSED.get(refused.code, ActRefused)(detail, detail)


class RemoteDesk:
    """As desk.Desk, for the commands; who acts is the token's affair, `actor` is not sent."""

    def __init__(self, province: Province, console: Console) -> None:
        self._province = province
        self._console = console

    async def start_event(
        self,
        actor: Actor,
        city: str,
        title: str | None = None,
        seats: Mapping[str, int] | None = None,
        priority: float | None = None,
        reason: str = "",
    ) -> Told:
        """See Desk. As there, seats need no confirmation unless the event asks for it already."""
        running = self._code(city) in (await self.wishes()).events
        wanted = {"title": title, "seats": seats, "priority": priority, "reason": reason}
        if not running:
            wanted["needs_confirmation"] = False
        return await self._order("PUT", f"/cities/{self._code(city)}/event", wanted)

    async def end_event(self, actor: Actor, city: str, reason: str = "") -> Told:
        """See Desk."""
        return await self._order("POST", f"/cities/{self._code(city)}/event/end", {"reason": reason})

    async def switch(self, actor: Actor, city: str, on: bool, reason: str = "") -> Told:
        """See Desk."""
        return await self._order("POST", f"/cities/{self._code(city)}/switch", {"on": on, "reason": reason})

    async def quota(self, actor: Actor, city: str, seats: int | None, reason: str = "") -> Told:
        """See Desk."""
        return await self._order("PUT", f"/cities/{self._code(city)}/quota", {"seats": seats, "reason": reason})

    async def stop_all(self, actor: Actor, reason: str = "") -> Told:
        """See Desk."""
        return await self._order("POST", "/stop", {"reason": reason})

    async def resume(self, actor: Actor, reason: str = "") -> Told:
        """See Desk."""
        return await self._order("POST", "/resume", {"reason": reason})

    async def wishes(self) -> Wishes:
        """See Desk; of the token's own cities."""
        return _wishes(await self._console.ask("GET", "/wishes"))

    async def _order(self, method: str, path: str, body: Mapping[str, Any]) -> Told:
        told = await self._console.ask(method, path, body)
        notes = tuple(Sentence(note, note) for note in told["notes"])
        said = Sentence(told["sentence"], told["sentence"])
        return Told(said, notes, told["changed"], told["in_effect"], _wishes(told["wishes"]))

    def _code(self, city: str) -> str:
        return quote(find_city(self._province, city).code)


class RemoteStores:
    """What the commands read of registry and history."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def status(self) -> Mapping[str, Any] | None:
        """See Registry. The picture's time is put on this machine's clock by its age: clocks do not cross machines."""
        found: Mapping[str, Any] = await self._console.ask("GET", "/status")
        return {**found, "at": clock.now() - found["age_s"]} if found["controller_alive"] else None

    async def loans(self) -> Mapping[SeatRef, Loan]:
        """See Registry; of the cities whose seats the token may see. Tokens are the controller's affair and not told."""
        found: dict[SeatRef, Loan] = {}
        for city in await self._console.ask("GET", "/cities"):
            if city["own"]:
                for row in await self._console.ask("GET", f"/cities/{quote(city['code'])}/seats"):
                    if row["lent_to"]:
                        seat = SeatRef(city["code"], row["seat"])
                        found[seat] = Loan(seat, row["lent_to"], 0, row["lent_at"])
        return found

    async def audited(self, last: int, cities: frozenset[str] | None = None) -> Sequence[AuditEntry]:
        """See History: one city's timeline, or the audit where the token may read it."""
        path = f"/cities/{quote(min(cities))}/timeline" if cities else "/audit"
        return [AuditEntry(**entry) for entry in await self._console.ask("GET", f"{path}?last={min(last, 1000)}")]


@asynccontextmanager
async def remote_room(settings: Settings, province: Province) -> AsyncIterator[Room]:
    """A room behind the API. Raises SettingsError where the token is missing."""
    console = Console(settings.api_address, settings.api_token())
    stores = cast(Any, RemoteStores(console))
    yield Room(province, cast(Any, RemoteDesk(province, console)), stores, stores)


def _wishes(told: Mapping[str, Any]) -> Wishes:
    events = {
        city: AssistanceEvent(
            id=event["id"],
            assisted=city,
            title=event["title"],
            started_at=event["started_at"],
            priority=event["priority"],
            switched_on=event["switched_on"],
            seats=MappingProxyType(event["seats"]),
        )
        for city, event in told["events"].items()
    }
    quotas = MappingProxyType(dict(told["quotas"]))
    return Wishes(told["version"], MappingProxyType(events), quotas, told["stopped"])
