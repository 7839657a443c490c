"""The agent registry in this process's memory, for virtual time. The contract suite holds it and the real one to one."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from callctl.core.events import Fact
from callctl.core.listening import Listening
from callctl.core.missed import Wanted
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.wishes import Wishes
from callctl.store.port import AlreadyDone, AuditEntry, Loan, Outdated, Refusal, StoreLost, WishesChanged
from callctl.store.registry import TOKEN_MOST

LOAN_TTL_S = 120.0  # Of a loan nobody has renewed yet.
_NOBODY = ""  # Holds the lease of a registry that has lost its memory, until whoever led may have said so.


@dataclass(slots=True)
class _Server:
    """What all clients share."""

    lost: bool = False
    token: int = 0
    known: int = 0  # The last token it remembers; the real one goes on from its clock after it forgot.
    holder: str = ""
    lease: int = 0
    lease_until: float = 0.0
    leased_at: float = 0.0
    loans: dict[SeatRef, tuple[Loan, float]] = field(default_factory=dict)
    answers: dict[str, Loan] = field(default_factory=dict)
    wishes: Wishes | None = None
    status: Mapping[str, Any] | None = None
    unbriefed: Mapping[str, frozenset[SeatRef]] = field(default_factory=dict)
    unbriefed_until: float = 0.0
    wanted: Mapping[str, Wanted] = field(default_factory=dict)
    wanted_until: float = 0.0
    presses: dict[SeatRef, Press] = field(default_factory=dict)
    listenings: dict[str, Listening] = field(default_factory=dict)

    def forget(self) -> None:
        self.holder, self.lease, self.lease_until, self.known = "", 0, 0.0, 0
        self.loans, self.answers, self.wishes, self.status = {}, {}, None, None
        self.unbriefed, self.unbriefed_until, self.presses, self.listenings = {}, 0.0, {}, {}
        self.wanted, self.wanted_until = {}, 0.0


class MemoryRegistry:
    """Implements store.port.Registry: one client's connection to the server. `lost` is the test's switch for a server
    that nobody reaches, `cut` for one that only this client does not.
    """

    def __init__(self, now: Callable[[], float], server: _Server | None = None) -> None:
        self._now = now
        self._server = server or _Server()
        self.cut = False
        self.lag_s = 0.0  # What the network adds before the server hears who wants to lead.

    def another(self) -> "MemoryRegistry":
        """Another client of the same server."""
        return MemoryRegistry(self._now, self._server)

    @property
    def lost(self) -> bool:
        """Whether the server is away."""
        return self._server.lost

    @lost.setter
    def lost(self, lost: bool) -> None:
        self._server.lost = lost

    @property
    def reached(self) -> bool:
        """Whether this client reaches the server."""
        return not (self.cut or self._server.lost)

    def forget(self) -> None:
        """Lose everything but the rule that tokens rise, as a server does that comes back empty."""
        self._server.forget()

    def held(self) -> dict[SeatRef, tuple[str, int]]:
        """Every loan on the server's books as (assisted city, token), for checkers."""
        return {ref: (loan.assisted, loan.token) for ref, (loan, _) in self._server.loans.items()}

    def leased(self) -> tuple[int, float]:
        """The newest lease and since when, for checkers."""
        return self._server.lease, self._server.leased_at

    def _reach(self) -> _Server:
        if not self.reached:
            raise StoreLost("the registry cannot be reached")
        return self._server

    def _next_token(self) -> int:
        self._server.token += 1
        self._server.known = self._server.token
        return self._server.token

    def _leads(self, lease: int) -> None:
        self._reach()
        if lease != self._server.lease or self._server.holder == _NOBODY or self._now() >= self._server.lease_until:
            raise Outdated("the controller's lease is outdated")

    def _alive(self) -> dict[SeatRef, Loan]:
        now = self._now()
        return {ref: loan for ref, (loan, until) in self._server.loans.items() if until > now}

    async def lead(self, holder: str, ttl_s: float, rival_s: float | None = None, seen: int = 0) -> int | None:
        """See store.port.Registry."""
        if self.lag_s:
            await asyncio.sleep(self.lag_s)
        server, now = self._reach(), self._now()
        running = now < server.lease_until
        forgot = seen > server.known or (rival_s is not None and server.lease_until < now - rival_s - 1.0)
        if forgot and not running:
            server.holder, server.lease, server.lease_until = _NOBODY, 0, now + ttl_s
            return None
        if running and server.holder != holder and (server.holder != _NOBODY or rival_s is not None):
            return None
        if not running or server.holder != holder:
            server.holder, server.lease, server.leased_at = holder, self._next_token(), now
        server.lease_until = now + ttl_s
        return server.lease

    async def resign(self, holder: str) -> None:
        """See store.port.Registry."""
        self._reach()
        if self._server.holder == holder:
            self._server.lease_until = self._now()

    async def lend(self, request: str, lease: int, seat: SeatRef, assisted: str) -> Loan:
        """See store.port.Registry."""
        self._leads(lease)
        held = self._alive().get(seat)
        answered = self._server.answers.get(request)
        if answered is not None:
            if (answered.seat, answered.assisted) != (seat, assisted):
                raise Refusal(f"request {request} was used before, for seat {answered.seat.seat} and {answered.assisted}")
            if held != answered:
                raise Refusal(f"the loan of seat {seat.seat} of {seat.city} has ended meanwhile")
            return answered
        if held is not None:
            raise Refusal(f"seat {seat.seat} of {seat.city} is lent to {held.assisted} already")
        loan = Loan(seat, assisted, self._next_token(), self._now())
        self._server.loans[seat] = (loan, self._now() + LOAN_TTL_S)
        self._server.answers[request] = loan
        return loan

    async def recall(self, request: str, lease: int, seat: SeatRef, token: int) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        held = self._alive().get(seat)
        if held is not None and held.token == token:
            del self._server.loans[seat]

    async def loans(self) -> Mapping[SeatRef, Loan]:
        """See store.port.Registry."""
        self._reach()
        return self._alive()

    async def renew(self, lease: int, ttl_s: float) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        if self._server.loans:
            until = self._now() + ttl_s
            self._server.loans = {ref: (loan, until) for ref, loan in self._alive().items()}

    async def adopt(self, lease: int, loans: Iterable[Loan]) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        for loan in loans:
            if not 0 < loan.token < TOKEN_MOST:
                continue
            held = self._alive().get(loan.seat)
            if held is None or held.token < loan.token:
                self._server.loans[loan.seat] = (loan, self._now() + LOAN_TTL_S)
            self._server.token = max(self._server.token, loan.token)
            self._server.known = max(self._server.known, loan.token)

    async def wishes(self) -> Wishes | None:
        """See store.port.Registry."""
        self._reach()
        return self._server.wishes

    async def put_wishes(self, seen_version: int, wishes: Wishes) -> Wishes:
        """See store.port.Registry."""
        self._reach()
        current = self._server.wishes.version if self._server.wishes is not None else 0
        new = replace(wishes, version=seen_version + 1)
        if self._server.wishes == new:  # The same write again: its answer was lost.
            return new
        if current != seen_version:
            raise WishesChanged("somebody else changed the switches in the meantime")
        self._server.wishes = new
        return new

    async def restore_wishes(self, wishes: Wishes) -> None:
        """See store.port.Registry."""
        self._reach()
        if self._server.wishes is None or self._server.wishes.version < wishes.version:
            self._server.wishes = wishes

    async def unbriefed(self) -> Mapping[str, frozenset[SeatRef]]:
        """See store.port.Registry."""
        server = self._reach()
        return server.unbriefed if self._now() < server.unbriefed_until else {}

    async def put_unbriefed(self, seats: Mapping[str, frozenset[SeatRef]], ttl_s: float) -> None:
        """See store.port.Registry."""
        server = self._reach()
        server.unbriefed, server.unbriefed_until = seats, self._now() + ttl_s

    async def wanted(self) -> Mapping[str, Wanted]:
        """See store.port.Registry."""
        server = self._reach()
        return server.wanted if self._now() < server.wanted_until else {}

    async def put_wanted(self, wanted: Mapping[str, Wanted], ttl_s: float) -> None:
        """See store.port.Registry."""
        server = self._reach()
        server.wanted, server.wanted_until = wanted, self._now() + ttl_s

    async def presses(self) -> Mapping[SeatRef, Press]:
        """See store.port.Registry."""
        return dict(self._reach().presses)

    async def put_press(self, seat: SeatRef, press: Press) -> None:
        """See store.port.Registry."""
        self._reach().presses[seat] = press

    async def settle_press(self, seat: SeatRef, press: Press) -> None:
        """See store.port.Registry."""
        presses = self._reach().presses
        if presses.get(seat) == press:
            del presses[seat]

    async def listenings(self) -> Sequence[Listening]:
        """See store.port.Registry."""
        return list(self._reach().listenings.values())

    async def put_listening(self, one: Listening) -> None:
        """See store.port.Registry."""
        self._reach().listenings[one.id] = one

    async def forget_listening(self, id: str) -> None:
        """See store.port.Registry."""
        self._reach().listenings.pop(id, None)

    async def put_status(self, status: Mapping[str, Any]) -> None:
        """See store.port.Registry."""
        self._reach()
        self._server.status = status

    async def status(self) -> Mapping[str, Any] | None:
        """See store.port.Registry."""
        self._reach()
        return self._server.status


class MemoryHistory:
    """Implements store.port.History. `lost` as the registry's; a run of many days keeps no facts."""

    def __init__(self, keeps_facts: bool = True) -> None:
        self.lost = False
        self._keeps_facts = keeps_facts
        self.facts: list[Fact] = []
        self.entries: list[AuditEntry] = []
        self.known: Wishes | None = None  # A test may set what was wished before.
        self._versions: dict[int, Wishes] = {}

    def record(self, fact: Fact) -> None:
        """See store.port.History."""
        if self._keeps_facts:
            self.facts.append(fact)

    async def audit(self, entry: AuditEntry, wishes: Wishes | None) -> None:
        """See store.port.History."""
        done = bool(entry.request) and any(known.request == entry.request for known in self.entries)
        if done and wishes is not None:
            raise AlreadyDone(f"request {entry.request} was carried out before")
        if wishes is not None:
            if wishes.version in self._versions:
                raise WishesChanged(f"version {wishes.version} of the wishes is somebody else's")
            self._versions[wishes.version] = wishes
            if self.known is None or self.known.version < wishes.version:
                self.known = wishes
        if not done:
            self.entries.append(entry)

    async def wishes(self) -> Wishes | None:
        """See store.port.History."""
        if self.lost:
            raise StoreLost("the history cannot be read")
        return self.known

    async def wishes_at(self, version: int) -> Wishes | None:
        """See store.port.History."""
        if self.lost:
            raise StoreLost("the history cannot be read")
        return self._versions.get(version)

    async def audited(
        self, last: int, cities: frozenset[str] | None = None, acts: frozenset[str] | None = None
    ) -> Sequence[AuditEntry]:
        """See store.port.History."""
        found = (entry for entry in reversed(self.entries) if cities is None or entry.city in cities)
        return [entry for entry in found if acts is None or entry.what in acts][:last]
