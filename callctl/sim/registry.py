"""The agent registry in this process's memory, for virtual time. The contract suite holds it and the real one to one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from callctl.core.events import Fact
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.wishes import Wishes
from callctl.store.port import AlreadyDone, AuditEntry, Loan, Refusal, StoreLost, WishesChanged
from callctl.store.registry import TOKEN_MOST

LOAN_TTL_S = 120.0  # Of a loan nobody has renewed yet.


class MemoryRegistry:
    """Implements store.port.Registry. `lost` is the test's switch for a registry that cannot be reached."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.lost = False
        self.forget()

    def forget(self) -> None:
        """Lose everything but the rule that tokens rise, as a server does that comes back empty."""
        self._token = getattr(self, "_token", 0)
        self._holder, self._lease, self._lease_until = "", 0, 0.0
        self._loans: dict[SeatRef, tuple[Loan, float]] = {}
        self._answers: dict[str, Loan] = {}
        self._wishes: Wishes | None = None
        self._status: Mapping[str, Any] | None = None
        self._unbriefed: Mapping[str, frozenset[SeatRef]] = {}
        self._unbriefed_until = 0.0
        self._presses: dict[SeatRef, Press] = {}

    def _reach(self) -> None:
        if self.lost:
            raise StoreLost("the registry cannot be reached")

    def _next_token(self) -> int:
        self._token += 1
        return self._token

    def _leads(self, lease: int) -> None:
        self._reach()
        if lease != self._lease or self._now() >= self._lease_until:
            raise Refusal("the controller's lease is outdated")

    def _alive(self) -> dict[SeatRef, Loan]:
        now = self._now()
        return {ref: loan for ref, (loan, until) in self._loans.items() if until > now}

    async def lead(self, holder: str, ttl_s: float) -> int | None:
        """See store.port.Registry."""
        self._reach()
        now = self._now()
        if self._holder != holder:
            if self._holder and now < self._lease_until:
                return None
            self._holder, self._lease = holder, self._next_token()
        elif now >= self._lease_until:
            self._lease = self._next_token()
        self._lease_until = now + ttl_s
        return self._lease

    async def resign(self, holder: str) -> None:
        """See store.port.Registry."""
        self._reach()
        if self._holder == holder:
            self._holder, self._lease_until = "", 0.0

    async def lend(self, request: str, lease: int, seat: SeatRef, assisted: str) -> Loan:
        """See store.port.Registry."""
        self._leads(lease)
        held = self._alive().get(seat)
        answered = self._answers.get(request)
        if answered is not None:
            if (answered.seat, answered.assisted) != (seat, assisted):
                raise Refusal(f"request {request} was used before, for seat {answered.seat.seat} and {answered.assisted}")
            if held != answered:
                raise Refusal(f"the loan of seat {seat.seat} of {seat.city} has ended meanwhile")
            return answered
        if held is not None:
            raise Refusal(f"seat {seat.seat} of {seat.city} is lent to {held.assisted} already")
        loan = Loan(seat, assisted, self._next_token(), self._now())
        self._loans[seat] = (loan, self._now() + LOAN_TTL_S)
        self._answers[request] = loan
        return loan

    async def recall(self, request: str, lease: int, seat: SeatRef, token: int) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        held = self._alive().get(seat)
        if held is not None and held.token == token:
            del self._loans[seat]

    async def loans(self) -> Mapping[SeatRef, Loan]:
        """See store.port.Registry."""
        self._reach()
        return self._alive()

    async def renew(self, lease: int, ttl_s: float) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        until = self._now() + ttl_s
        self._loans = {ref: (loan, until) for ref, loan in self._alive().items()}

    async def adopt(self, lease: int, loans: Iterable[Loan]) -> None:
        """See store.port.Registry."""
        self._leads(lease)
        for loan in loans:
            if not 0 < loan.token < TOKEN_MOST:
                continue
            held = self._alive().get(loan.seat)
            if held is None or held.token < loan.token:
                self._loans[loan.seat] = (loan, self._now() + LOAN_TTL_S)
            self._token = max(self._token, loan.token)

    async def wishes(self) -> Wishes | None:
        """See store.port.Registry."""
        self._reach()
        return self._wishes

    async def put_wishes(self, seen_version: int, wishes: Wishes) -> Wishes:
        """See store.port.Registry."""
        self._reach()
        current = self._wishes.version if self._wishes is not None else 0
        new = replace(wishes, version=seen_version + 1)
        if self._wishes == new:  # The same write again: its answer was lost.
            return new
        if current != seen_version:
            raise WishesChanged("somebody else changed the switches in the meantime")
        self._wishes = new
        return new

    async def restore_wishes(self, wishes: Wishes) -> None:
        """See store.port.Registry."""
        self._reach()
        if self._wishes is None or self._wishes.version < wishes.version:
            self._wishes = wishes

    async def unbriefed(self) -> Mapping[str, frozenset[SeatRef]]:
        """See store.port.Registry."""
        self._reach()
        return self._unbriefed if self._now() < self._unbriefed_until else {}

    async def put_unbriefed(self, seats: Mapping[str, frozenset[SeatRef]], ttl_s: float) -> None:
        """See store.port.Registry."""
        self._reach()
        self._unbriefed, self._unbriefed_until = seats, self._now() + ttl_s

    async def presses(self) -> Mapping[SeatRef, Press]:
        """See store.port.Registry."""
        self._reach()
        return dict(self._presses)

    async def put_press(self, seat: SeatRef, press: Press) -> None:
        """See store.port.Registry."""
        self._reach()
        self._presses[seat] = press

    async def settle_press(self, seat: SeatRef, press: Press) -> None:
        """See store.port.Registry."""
        self._reach()
        if self._presses.get(seat) == press:
            del self._presses[seat]

    async def put_status(self, status: Mapping[str, Any]) -> None:
        """See store.port.Registry."""
        self._reach()
        self._status = status

    async def status(self) -> Mapping[str, Any] | None:
        """See store.port.Registry."""
        self._reach()
        return self._status


class MemoryHistory:
    """Implements store.port.History: keeps every fact in a list, for checkers to read. `lost` as the registry's."""

    def __init__(self) -> None:
        self.lost = False
        self.facts: list[Fact] = []
        self.entries: list[AuditEntry] = []
        self.known: Wishes | None = None  # A test may set what was wished before.
        self._versions: dict[int, Wishes] = {}

    def record(self, fact: Fact) -> None:
        """See store.port.History."""
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

    async def audited(self, last: int, city: str = "") -> Sequence[AuditEntry]:
        """See store.port.History."""
        return [entry for entry in reversed(self.entries) if not city or entry.city == city][:last]
