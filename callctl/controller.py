"""The loop: hear facts, plan from one picture, give the orders still missing. It owns the tasks and decides nothing.

Facts wake the loop, they never decide (docs/decisions/0003). One controller leads the province, others stand by and
watch (0004). Between reading the picture and having the orders nothing is awaited.

Stopping (SIGTERM, cancel) leaves every loan and slot as it is and gives the lease back: a standby or a restarted
controller adopts them from the PBXs, and calls being helped stay helped. Should none come, the PBXs' dead man's switch
ends the help after two minutes. To bring everybody home is a wish: `callctl stop --all`. SIGKILL needs nothing more:
what is ours is marked on the PBXs by token, and the lease runs out.
"""

import asyncio
import gc
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from callctl.core import callbacks, expect, listening
from callctl.core.callbacks import CallBacks
from callctl.core.commands import (
    CallBack,
    ForbidListening,
    Lend,
    OpenSlot,
    Order,
    PermitListening,
    Recall,
    RenewHeartbeat,
)
from callctl.core.events import CallLeftQueue, Fact, PbxLost, PbxObserved, SlotChanged
from callctl.core.expect import Expectations
from callctl.core.fold import fold
from callctl.core.in_force import in_force, ruled, under_rules
from callctl.core.model import Province, SeatRef
from callctl.core.picture import picture
from callctl.core.plan import Plan, Policy
from callctl.core.presses import unobeyed
from callctl.core.reconcile import held_back, reconcile
from callctl.core.sharing import plan as first_policy
from callctl.core.wishes import Wishes
from callctl.core.world import World, unseen
from callctl.ledger import Ledger
from callctl.orders import OrderQueue
from callctl.pbx.port import OrderFailed, OrderUnanswered, PbxLink
from callctl.store.port import History, Registry

log = structlog.get_logger()

# Pictures and plans are trees of frozen values and need no cycle collector. By Python's own (700, 10, 10) it walks the
# whole province every few plans: at 300 cities the slowest plans took twice as long (83 ms for 40 ms of CPU).
GC_THRESHOLDS = (50_000, 20, 100)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen; seconds."""

    tick_s: float = 1.0  # Waits grow without any fact.
    batch_s: float = 0.01  # Facts that come together are planned together; also the longest they wait for it.
    reread_s: float = 30.0  # A lost fact misleads us no longer than this.
    lease_s: float = 1.0  # Two tries may fail, each after 0.9 s, within the lease's life of 4 s.
    standby_s: float = 0.5  # How often who does not lead asks whether it may: a part of every take-over.
    wishes_s: float = 0.5  # From a supervisor's switch to the first order.
    heartbeat_s: float = 10.0  # The dead man's switch waits 120 s.
    status_s: float = 0.5  # The picture is published so often at least: ages and waits move by themselves …
    news_s: float = 0.1  # … and at once when something has changed, but not more often than this.
    start_s: float = 3.0  # A city silent for so long at the start is down; nobody is ordered before.
    inbox_most: int = 100_000  # Facts. More would be a PBX gone mad; then it is read anew instead.


class Controller:
    """Runs one province's call control. `links` by city; `holder` names this process, not this machine."""

    def __init__(
        self,
        province: Province,
        links: Mapping[str, PbxLink],
        registry: Registry,
        history: History,
        now: Callable[[], float],
        holder: str,
        policy: Policy = first_policy,
        pace: Pace | None = None,
    ) -> None:
        self._province = province
        self._links = links
        self._history = history
        self._now = now
        self._policy = policy
        self._pace = pace or Pace()
        self._ledger = Ledger(registry, history, holder, now)
        self._world = unseen(province)
        self._plan = Plan()
        self._wished: Wishes | None = None  # Whose rules are in force.
        self._in_force = Wishes()
        self._ruled = province
        self._expected: Expectations = {}
        self._call_backs = CallBacks()
        self._inbox: deque[Fact] = deque()
        self._overflowed: set[str] = set()
        self._unheard = set(links)  # Not heard since the start, neither up nor down.
        self._unread: set[str] = set()  # No reading asked since we lead: nothing is lent or opened there.
        self._wake = asyncio.Event()
        self._ask_registry = asyncio.Event()
        self._news = asyncio.Event()  # The picture is not the published one any more.
        self._queues = {city: OrderQueue() for city in links}
        self._reread = {city: asyncio.Event() for city in links}

    @property
    def leading(self) -> bool:
        """Whether this controller gives orders."""
        return self._ledger.lease is not None

    def picture(self) -> dict[str, Any]:
        """The province as people see it."""
        wishes = self._ledger.wishes or Wishes()
        world = replace(self._world, registry_up=self._ledger.up)
        return picture(self._province, world, self._plan, wishes, self._now())

    async def run(self) -> None:
        """Until cancelled. An exception that comes out of here is a bug: restart the process."""
        gc.set_threshold(*GC_THRESHOLDS)
        try:
            async with asyncio.TaskGroup() as tasks:
                for city, link in self._links.items():
                    tasks.create_task(link.run(self._hear), name=f"link {city}")
                    tasks.create_task(self._obey(city, link), name=f"orders {city}")
                    tasks.create_task(self._read_anew(city, link), name=f"reading {city}")
                tasks.create_task(self._watch_registry(), name="lease")
                tasks.create_task(self._follow_wishes(), name="wishes")
                tasks.create_task(self._beat(), name="heartbeat")
                tasks.create_task(self._publish(), name="status")
                tasks.create_task(self._loop(), name="loop")
        finally:
            await self._ledger.resign()

    # Observe ---------------------------------------------------------------------------------------------------------

    def _hear(self, fact: Fact) -> None:
        """Every link calls this, in its PBX's order. It must not block."""
        self._history.record(fact)
        if fact.city in self._overflowed:
            return  # Its picture has a gap already; it is read anew.
        if len(self._inbox) >= self._pace.inbox_most:
            # Who fills the inbox loses its place in it, not whoever speaks next.
            [(loudest, _)] = Counter(each.city for each in self._inbox).most_common(1)
            self._inbox = deque(each for each in self._inbox if each.city != loudest)
            self._overflowed.add(loudest)
            if fact.city == loudest:
                return
        self._inbox.append(fact)
        self._wake.set()

    def _drain(self) -> list[Fact]:
        facts = list(self._inbox)
        self._inbox.clear()
        for city in self._overflowed:
            # Unknown until it has been read anew: better no help than help on a picture with a hole.
            facts.append(PbxLost(city, self._now(), "too many facts at once"))
            self._reread[city].set()
        self._overflowed.clear()
        for fact in facts:
            if isinstance(fact, PbxObserved | PbxLost):
                self._unheard.discard(fact.city)
            if isinstance(fact, PbxLost):
                self._unread.discard(fact.city)
        return facts

    # Plan and act ------------------------------------------------------------------------------------------------------

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        clock = loop.time
        ready_at = clock() + self._pace.start_s
        while True:
            tick = loop.call_later(self._pace.tick_s, self._wake.set)  # Half as dear as a timeout, some 50 times a second.
            await self._wake.wait()
            tick.cancel()
            self._wake.clear()
            began = clock()
            if began >= ready_at:
                self._unheard.clear()  # Whoever is silent still is down.
            self._step()
            # At most half of the time goes into planning: the links must be read as well.
            await asyncio.sleep(max(self._pace.batch_s, clock() - began))

    def _step(self) -> None:
        """One tick: one picture, one plan, its orders. No await in here."""
        now = self._now()
        facts = self._drain()
        self._world = fold(self._world, facts)
        if facts:
            self._news.set()
        self._expected = expect.heard(self._expected, facts, now)
        for city in expect.unseen_in(self._expected, now):
            self._reread[city].set()
        for fact in facts:
            if isinstance(fact, CallLeftQueue) and self._world.cities[fact.city].has_unnamed_ring:
                self._reread[fact.city].set()  # It may have been this call's: who cancels a ring does not say so.
        self._call_backs = callbacks.heard(self._call_backs, facts, now)
        if self._ledger.doubt(max((_slot_token(fact) for fact in facts), default=0)):
            self._stand_back()
            self._ask_registry.set()
        if self._ledger.wishes is None or self._unheard:
            return
        if self._ledger.lease is not None and self._ledger.overslept:
            self._ask_registry.set()  # Stopped and woken (SIGSTOP, a paused machine): who leads now is asked first.
            return
        wishes = self._take_wishes(self._ledger.wishes)
        world = replace(
            expect.overlay(self._world, self._expected),
            registry_up=self._ledger.up,
            unbriefed=self._ledger.unbriefed(wishes),
        )
        self._plan = self._policy(self._ruled, world, wishes, self._plan.memory, now)
        if self._ledger.lease is None:
            if self._expected:
                self._stand_back()
            return
        orders = held_back(reconcile(world, self._plan, self._ledger.taken, self._ledger.lease, now), self._unread)
        self._give((*unobeyed(world, self._ledger.presses, now)[0], *orders, *self._begin_call_backs(world, now)), now)
        for fact in facts:
            if isinstance(fact, PbxObserved):  # Perhaps just started, and its dead man's switch has never been set.
                self._queues[fact.city].put([RenewHeartbeat(fact.city)])

    def _begin_call_backs(self, world: World, now: float) -> tuple[CallBack, ...]:
        begin = callbacks.due(self._ruled, world, self._ledger.wanted, self._call_backs, now)
        if begin:
            self._call_backs = callbacks.ordered(self._call_backs, begin, now)
        return begin

    def _take_wishes(self, wishes: Wishes) -> Wishes:
        """The wishes as the policy reads them; new ones may change the cities' rules."""
        if wishes != self._wished:
            self._wished, self._in_force = wishes, in_force(self._province, wishes)
            self._ruled = ruled(self._province, wishes)
            self._world = under_rules(self._world, self._ruled)
        return self._in_force

    def _give(self, orders: tuple[Order, ...], now: float) -> None:
        if not orders:
            return
        self._expected = expect.ordered(self._expected, orders, now)
        by_city: dict[str, list[Order]] = {}
        for order in orders:
            by_city.setdefault(order.city, []).append(order)
        for city, some in by_city.items():
            for refused in self._queues[city].put(some):
                self._expected = expect.failed(self._expected, refused)

    def _stand_back(self) -> None:
        """We do not lead any more: what is not on its way yet stays here."""
        for queue in self._queues.values():
            queue.clear()
        self._expected = {}

    async def _obey(self, city: str, link: PbxLink) -> None:
        """Carry out one PBX's orders, one after the other. A slow PBX keeps nobody waiting but itself."""
        while True:
            order = await self._queues[city].next()
            if self._ledger.lease is None or self._ledger.overslept:
                self._expected = expect.failed(self._expected, order)  # Should the lease be back before the next plan.
                continue
            if expect.overtaken(self._expected, order):
                continue  # A slow PBX: the plan has changed while the order waited, and its opposite is behind it.
            outdated = isinstance(order, OpenSlot) and order.token != self._ledger.lease  # Queued before we led anew.
            if outdated or (isinstance(order, Lend | OpenSlot) and not self._ledger.up):
                self._expected = expect.failed(self._expected, order)
                continue
            booked = order
            if isinstance(order, Lend) and not self._ledger.holds(order):
                # Not booked yet, or not any more: a Recall that stood before it in the queue has given the loan back.
                taken = await self._ledger.take(SeatRef(city, order.seat), order.assisted)
                # Asked anew: who was frozen meanwhile (SIGSTOP, a paused machine) may have been deposed.
                if taken is None or self._ledger.lease is None or not self._ledger.up:
                    self._expected = expect.failed(self._expected, order)
                    if not self.leading:
                        self._ask_registry.set()
                    continue
                booked = replace(order, token=taken.token)
            self._expected = expect.sent(self._expected, order, booked)
            await self._do(link, booked)

    async def _do(self, link: PbxLink, order: Order) -> None:
        try:
            await link.do(order)
        except OrderFailed as failure:
            log.warning("order failed", city=link.city, order=type(order).__name__, why=str(failure))
            self._expected = expect.failed(self._expected, order)
            if isinstance(order, CallBack):
                self._call_backs = callbacks.refused(self._call_backs, order, self._now())
            self._reread[link.city].set()
            return
        self._expected = expect.confirmed(self._expected, order, self._now())
        if isinstance(order, PermitListening):
            await self._ledger.permitted(order.id, self._now())
        elif isinstance(order, ForbidListening):
            await self._ledger.forget_listening([order.id])
        elif isinstance(order, Recall):
            await self._ledger.give_back(SeatRef(order.city, order.seat), order.assisted)
        self._wake.set()

    # Beside the loop -------------------------------------------------------------------------------------------------

    async def _read_anew(self, city: str, link: PbxLink) -> None:
        asked = self._reread[city]
        while True:
            try:
                async with asyncio.timeout(self._pace.reread_s):
                    await asked.wait()
                if city not in self._unread:
                    await asyncio.sleep(self._pace.tick_s)  # Several failed orders ask for one reading.
            except TimeoutError:
                pass
            asked.clear()
            lease = self._ledger.lease
            try:
                await link.reread()
            except OrderUnanswered:
                continue  # The link will tell that it is lost, or read on its own when it is back.
            if lease == self._ledger.lease is not None:  # A reading asked before we led is not what we wait for.
                self._unread.discard(city)
                self._wake.set()

    def _read_all(self) -> None:
        """We lead from now on: what the leader before us did we know from facts alone, and some may be lost."""
        self._unread = {city for city, view in self._world.cities.items() if view.up}
        for city in self._links:
            if city in self._unread:
                self._reread[city].set()

    async def _watch_registry(self) -> None:
        while True:
            if not self._unheard or self._ledger.lease is not None:
                before = self._ledger.lease
                await self._ledger.lead(self._world)
                if self._ledger.lease not in (None, before):
                    self._read_all()
                await self._ledger.tidy(self._world, self._expected, self._plan, self._unread)
                self._wake.set()
            pause = self._pace.lease_s if self.leading else self._pace.standby_s
            pause = self._pace.batch_s if self._unheard else pause
            try:
                async with asyncio.timeout(pause):
                    await self._ask_registry.wait()
            except TimeoutError:
                pass
            self._ask_registry.clear()

    async def _follow_wishes(self) -> None:
        while True:
            before = self._ledger.wishes
            await self._ledger.read_wishes()
            await self._ledger.read_agents()
            if self._ledger.wishes != before or self._ledger.presses:
                self._wake.set()
                self._news.set()
            if self.leading:
                await self._ledger.settle(unobeyed(self._world, self._ledger.presses, self._now())[1])
                await self._let_listen()
            await asyncio.sleep(self._pace.wishes_s)

    async def _let_listen(self) -> None:
        """Give and take back team leaders' permits. Not a part of the plan: nothing in it depends on them."""
        orders, over = listening.due(self._world, self._ledger.listenings, self._now())
        self._give(tuple(order for order in orders if expect.thing(order) not in self._expected), self._now())
        await self._ledger.forget_listening(over)

    async def _beat(self) -> None:
        while True:
            if self._ledger.lease is not None:
                for city, queue in self._queues.items():
                    if self._world.cities[city].up:
                        queue.put([RenewHeartbeat(city)])
            # A new leader beats soon: the switch may be about to fall.
            await asyncio.sleep(self._pace.heartbeat_s if self.leading else self._pace.tick_s)

    async def _publish(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.status_s):
                    await self._news.wait()
            self._news.clear()
            began = clock()
            if self.leading:
                await self._ledger.publish(self.picture())
            # At most a tenth of the time goes into pictures, however large the province is.
            await asyncio.sleep(max(self._pace.news_s, 9.0 * (clock() - began)))


def _slot_token(fact: Fact) -> int:
    """The newest lease token this fact shows."""
    if isinstance(fact, SlotChanged):
        return fact.token
    return max((seen.token for seen in fact.slots), default=0) if isinstance(fact, PbxObserved) else 0
