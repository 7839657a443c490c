"""The controller's side of the registry: lease, tokens of the loans, supervisors' wishes; and going on without it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import structlog

from callctl.core import expect
from callctl.core.commands import Lend
from callctl.core.expect import Expectations
from callctl.core.listening import Listening
from callctl.core.missed import Wanted
from callctl.core.model import SeatRef
from callctl.core.plan import Plan
from callctl.core.presses import Press
from callctl.core.reconcile import Taken
from callctl.core.wishes import Wishes
from callctl.core.world import World, all_loans, newest_token
from callctl.store.port import History, Loan, Outdated, Refusal, Registry, StoreLost

log = structlog.get_logger()

LEASE_TTL_S = 4.0  # So that a standby or a restarted controller leads within 5 s of a SIGKILL (design.md §7).
LOAN_TTL_S = 120.0  # As the dead man's switch on the PBXs.
RECOLLECT_S = 10.0  # An act whose desk died between history and registry is found this late.
RECOLLECT_LOST_S = 30.0  # A lost history answers late; the registry's wishes shall not wait for it often.


class Ledger:
    """What the registry says, kept at hand because a plan does not wait."""

    def __init__(self, registry: Registry, history: History, holder: str, now: Callable[[], float]) -> None:
        self._registry = registry
        self._history = history
        self._holder = holder
        self._now = now
        self._requests = 0
        self._touched: set[SeatRef] = set()
        self.lease: int | None = None  # Fencing token while we lead.
        self.newest_seen = 0  # Slot tokens up to this one are not taken for a rival's: the registry was asked.
        self._answers: bool | None = None  # None: not asked yet; the first silence is told, too.
        self._renewed_at = 0.0
        self._rival_at: float | None = None  # When another one led, or may have: nobody answered. None once we lead.
        self.taken: dict[SeatRef, Taken] = {}
        self.wishes: Wishes | None = None  # None: never heard; then nothing is planned.
        self._unbriefed: Mapping[str, frozenset[SeatRef]] = {}
        self.wanted: Mapping[str, Wanted] = {}  # Missed calls to be called back, by city.
        self.presses: Mapping[SeatRef, Press] = {}
        self.listenings: Sequence[Listening] = ()
        self._recollect_at = 0.0  # When the history is asked although the registry answers.

    @property
    def up(self) -> bool:
        """Whether anything new may be lent: the registry answers, and the lease was renewed within its life.

        The second half fences a controller that was frozen and wakes up: it asks before it lends or opens.
        """
        return bool(self._answers) and self._now() - self._renewed_at <= LEASE_TTL_S

    @property
    def overslept(self) -> bool:
        """Whether the lease was to be renewed and has run out meanwhile: we were stopped, and may have been deposed.

        A registry that does not answer is another matter: nothing new is lent, and taking back goes on (decision 0004).
        """
        return bool(self._answers) and not self.up

    def step_down(self, why: str) -> None:
        """Order nothing more."""
        if self.lease is not None:
            log.warning("lease lost", holder=self._holder, lease=self.lease, why=why)
        self.lease = None

    def doubt(self, token: int) -> bool:
        """A slot with a newer token than our lease: somebody else may lead. True: stop, and ask the registry."""
        if self.lease is None or token <= max(self.lease, self.newest_seen):
            return False
        self.step_down(f"a slot carries the newer token {token}")
        self.newest_seen = token  # Should the registry say that we lead all the same, it is an old mark.
        return True

    async def lead(self, world: World) -> None:
        """Take or renew the lease, and with a new one adopt what the PBXs show. Without a registry: as before."""
        asked_at = self._now()
        try:
            lease = await self._ask(world, asked_at)
            self._rival_at = asked_at if lease is None else None
            if lease is None:
                self.step_down("another controller leads")
            elif lease != self.lease:
                await self._registry.adopt(lease, _as_loans(all_loans(world), self._now()))
                log.info("leading", holder=self._holder, lease=lease)
            if lease is not None:
                await self._registry.renew(lease, LOAN_TTL_S)
            await self._refresh()
            self.lease = lease
            self._renewed_at = asked_at
            self._found()
        except StoreLost as lost:
            self.miss(lost)
        except Refusal as refusal:
            self.step_down(str(refusal))

    async def _ask(self, world: World, now: float) -> int | None:
        """The lease; a registry without memory leaves it to whom we know to lead, or must suppose to."""
        if self.lease is not None:
            return await self._registry.lead(self._holder, LEASE_TTL_S)
        if self._rival_at is not None:
            return await self._registry.lead(self._holder, LEASE_TTL_S, max(0.0, now - self._rival_at))
        seen = newest_token(world) if not self._renewed_at else 0  # Later we know what we were told ourselves.
        return await self._registry.lead(self._holder, LEASE_TTL_S, seen=seen)

    async def _refresh(self) -> None:
        self._touched.clear()
        loans = await self._registry.loans()
        fresh = {ref: Taken(loan.assisted, loan.token) for ref, loan in loans.items()}
        for ref in self._touched:  # Changed by us while we read.
            fresh.pop(ref, None)
            if ref in self.taken:
                fresh[ref] = self.taken[ref]
        self.taken = fresh

    async def tidy(self, world: World, expected: Expectations, plan: Plan, unread: Set[str]) -> None:
        """Make the registry's loans those of the PBXs: the PBXs are the truth, the registry is who may change it.

        Only what a PBX showed is adopted (`world`); what we ordered counts as being there, too. Nothing is ended while an
        order about it is on its way (`expected`): of a Lend and the Recall behind it the PBX may have obeyed but the first;
        nor in cities whose picture dates from before we led (`unread`): there a fact of it may have been lost.
        """
        if self.lease is None or not self.up:
            return
        unknown = [(ref, loan) for ref, loan in all_loans(world) if ref not in self.taken and plan.loans.get(ref)]
        shown = {ref for ref, _ in all_loans(expect.overlay(world, expected))} | expect.seats_under_way(expected)
        gone = [
            (ref, taken)
            for ref, taken in self.taken.items()
            if ref not in shown
            and plan.loans.get(ref) != taken.assisted
            and _readable(world, ref)
            and ref.city not in unread
        ]
        try:
            if unknown:
                await self._registry.adopt(self.lease, _as_loans(unknown, self._now()))
                await self._refresh()
            for ref, taken in gone:
                await self._end(ref, taken)
        except StoreLost as lost:
            self.miss(lost)
        except Refusal as refusal:
            self.step_down(str(refusal))

    def holds(self, order: Lend) -> bool:
        """Whether the registry books this very loan, by its token."""
        return self.taken.get(SeatRef(order.city, order.seat)) == Taken(order.assisted, order.token)

    async def take(self, ref: SeatRef, assisted: str) -> Taken | None:
        """Book the loan before the PBX hears of it; None where it may not be."""
        if self.lease is None or not self.up:
            return None
        self._requests += 1
        request = f"{self._holder}:{self.lease}:{self._requests}"
        try:
            loan = await self._registry.lend(request, self.lease, ref, assisted)
        except StoreLost as lost:
            self.miss(lost)
            return None
        except Outdated as outdated:
            self.step_down(str(outdated))
            return None
        except Refusal as refusal:
            found = await self._booked(ref, assisted)
            if found is None:
                log.info("loan refused", city=ref.city, seat=ref.seat, assisted=assisted, why=str(refusal))
                return None
            loan = found
        taken = Taken(loan.assisted, loan.token)
        self._touched.add(ref)
        self.taken[ref] = taken
        return taken

    async def _booked(self, ref: SeatRef, assisted: str) -> Loan | None:
        """The loan we were refused because it is there already, by a request of ours whose answer was lost: it is ours.

        Only who leads may lend, and what an earlier leader left the PBXs show; so there is nobody else it could belong to.
        """
        try:
            loan = (await self._registry.loans()).get(ref)
        except StoreLost as lost:
            self.miss(lost)
            return None
        return loan if loan is not None and loan.assisted == assisted and self.lease is not None else None

    async def give_back(self, ref: SeatRef, assisted: str) -> None:
        """The PBX took the seat out of the support queue: the registry may lend it again."""
        taken = self.taken.get(ref)
        if taken is None or taken.assisted != assisted or self.lease is None or not self.up:
            return  # Left to tidy().
        try:
            await self._end(ref, taken)
        except StoreLost as lost:
            self.miss(lost)
        except Refusal as refusal:
            self.step_down(str(refusal))

    async def _end(self, ref: SeatRef, taken: Taken) -> None:
        assert self.lease is not None
        self._requests += 1
        await self._registry.recall(f"{self._holder}:{self.lease}:{self._requests}", self.lease, ref, taken.token)
        self._touched.add(ref)
        if self.taken.get(ref) == taken:
            del self.taken[ref]

    async def read_wishes(self) -> None:
        """What the supervisors want now: the newest version that the registry, the history or we ourselves know.

        A registry that forgot, or came back with an older copy, is told; else a stop would be undone by a snapshot.
        """
        registered, told = None, True
        try:
            registered = await self._registry.wishes()
        except StoreLost as lost:
            self.miss(lost)
            told = False
        newest = _newest(registered, self.wishes)
        if newest is not None:
            self.wishes = newest  # In effect at once, before a slow history is asked.
        behind = registered is None or newest is None or registered.version < newest.version
        if behind or self._now() >= self._recollect_at:
            newest = await self._recollect(newest, told)
        if told and newest is not None and newest.version and (registered is None or registered.version < newest.version):
            try:
                await self._registry.restore_wishes(newest)
            except StoreLost as lost:
                self.miss(lost)

    async def read_agents(self) -> None:
        """What agents pressed, who has not read which city's scripts, whom to call back.

        Without the registry as heard last; but nobody is called back on a list that may be old.
        """
        try:
            self._unbriefed = await self._registry.unbriefed()
            self.presses = await self._registry.presses()
            self.wanted = await self._registry.wanted()
            self.listenings = await self._registry.listenings()
        except StoreLost as lost:
            self.wanted = {}
            self.miss(lost)

    async def settle(self, settled: Iterable[tuple[SeatRef, Press]]) -> None:
        """These presses need nothing more."""
        try:
            for ref, press in settled:
                await self._registry.settle_press(ref, press)
        except StoreLost as lost:
            self.miss(lost)

    async def permitted(self, id: str, now: float) -> None:
        """The PBX has the permit: the leader may dial."""
        for one in self.listenings:
            if one.id == id:
                await self._tell(self._registry.put_listening(replace(one, granted_at=now)))

    async def forget_listening(self, ids: Iterable[str]) -> None:
        """Nobody needs to remember these permits."""
        for id in ids:
            await self._tell(self._registry.forget_listening(id))

    async def _tell(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except StoreLost as lost:
            self.miss(lost)

    def unbriefed(self, wishes: Wishes) -> Mapping[str, frozenset[SeatRef]]:
        """By assisted city, the seats that may not be lent to it, but for cities whose supervisors waived the rule."""
        if not wishes.unread_allowed:
            return self._unbriefed
        return {city: seats for city, seats in self._unbriefed.items() if city not in wishes.unread_allowed}

    async def _recollect(self, known: Wishes | None, told: bool) -> Wishes | None:
        """Ask the history as well: an act made while the registry was away stands there alone."""
        try:
            remembered = await self._history.wishes()
        except StoreLost as lost:
            self._recollect_at = self._now() + RECOLLECT_LOST_S if told else 0.0
            if known is None:
                log.warning("wishes unknown: neither registry nor history tells them", why=str(lost))
            return known
        self._recollect_at = self._now() + RECOLLECT_S if told else 0.0
        newest = _newest(known, remembered)
        self.wishes = Wishes() if newest is None and told else newest
        return self.wishes

    async def publish(self, status: Mapping[str, Any]) -> None:
        """Show the province's picture to status, console and wallboard."""
        try:
            await self._registry.put_status(status)
        except StoreLost as lost:
            self.miss(lost)

    async def resign(self) -> None:
        """Let a standby take over at once."""
        try:
            await self._registry.resign(self._holder)
        except StoreLost as lost:
            self.miss(lost)
        self.lease = None

    def miss(self, lost: StoreLost) -> None:
        """The registry cannot be reached: nothing new is lent until it can."""
        if self._answers is not False:
            log.warning("registry lost: nothing new is lent", why=str(lost))
        self._answers = False
        if self.lease is None and self._rival_at is None:
            self._rival_at = self._now()  # Whoever leads does so on; started just now, we have not heard of it.
        self._recollect_at = 0.0  # What is wished meanwhile stands in the history alone: once it is back, that is asked.

    def _found(self) -> None:
        if not self._answers:
            log.info("registry there")
        self._answers = True


def _newest(first: Wishes | None, second: Wishes | None) -> Wishes | None:
    """The one with the higher version; of equals the first."""
    if first is None or second is None:
        return first or second
    return second if second.version > first.version else first


def _as_loans(loans: Iterable[tuple[SeatRef, Any]], now: float) -> list[Loan]:
    return [Loan(ref, loan.assisted, loan.token, now) for ref, loan in loans]


def _readable(world: World, ref: SeatRef) -> bool:
    view = world.cities.get(ref.city)
    return view is None or view.up  # A loan in a city that data folders no longer know is nobody's.
