"""The ledger and a registry that knows more than it told us: answers were lost, or came in another order."""

from dataclasses import replace

import pytest
from structlog.testing import CapturingLogger

from callctl.core.events import PbxObserved, SeatSeen, SeatState
from callctl.core.fold import fold
from callctl.core.model import SeatRef
from callctl.core.plan import Plan
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.ledger import Ledger
from callctl.sim.registry import MemoryHistory, MemoryRegistry
from callctl.sim.virtual_time import loop_clock, run_virtual
from callctl.store.port import AuditEntry, StoreLost
from tests.provinces import a_province

PROVINCE = a_province(3)
SEAT = SeatRef("wuxi", next(iter(PROVINCE.cities["wuxi"].seats)).id)


def test_a_loan_whose_answer_was_lost_is_ours_and_not_refused_for_ever() -> None:
    async def story() -> None:
        registry = MemoryRegistry(loop_clock)
        ledger = Ledger(registry, MemoryHistory(), "a", loop_clock)
        await ledger.lead(unseen(PROVINCE))
        assert ledger.lease is not None
        booked = await registry.lend("an answer that never came", ledger.lease, SEAT, "nanjing")
        taken = await ledger.take(SEAT, "nanjing")
        assert taken is not None
        assert taken.token == booked.token
        assert ledger.taken[SEAT] == taken
        assert await ledger.take(SEAT, "xuzhou") is None, "a seat is lent to one city"

    run_virtual(story())


def test_a_stop_that_only_the_history_heard_reaches_a_controller_without_the_registry() -> None:
    async def story() -> None:
        registry, history = MemoryRegistry(loop_clock), MemoryHistory()
        ledger = Ledger(registry, history, "a", loop_clock)
        running = await registry.put_wishes(0, Wishes(quotas={"wuxi": 1}))
        await ledger.read_wishes()
        registry.lost = True
        await ledger.read_wishes()
        assert ledger.wishes == running, "a history that knows nothing newer changes nothing"
        stopped = replace(running, version=2, stopped=True)
        await history.audit(AuditEntry(0.0, "王值班长", "扬州", "stop all", "", "running", "stopped"), stopped)
        await ledger.read_wishes()
        assert ledger.wishes == stopped
        history.lost = True
        await ledger.read_wishes()
        assert ledger.wishes == stopped, "with both lost the last wishes hold"
        registry.lost = False
        await ledger.read_wishes()
        assert ledger.wishes == stopped == await registry.wishes(), "a registry that comes back behind us learns it"

    run_virtual(story())


def test_an_act_that_only_the_history_heard_is_found_as_soon_as_the_registry_is_back() -> None:
    async def story() -> None:
        registry, history = MemoryRegistry(loop_clock), MemoryHistory()
        ledger = Ledger(registry, history, "a", loop_clock)
        running = await registry.put_wishes(0, Wishes(quotas={"wuxi": 1}))
        registry.lost = True
        await ledger.read_wishes()
        stopped = replace(running, version=2, stopped=True)
        await history.audit(AuditEntry(0.0, "王值班长", "扬州", "stop all", "", "running", "stopped"), stopped)
        registry.lost = False
        await ledger.read_wishes()
        assert ledger.wishes == stopped, "not ten seconds later"

    run_virtual(story())


def test_who_is_told_when_lending_that_the_lease_is_outdated_leads_no_more() -> None:
    async def story() -> None:
        registry = MemoryRegistry(loop_clock)
        ledger = Ledger(registry, MemoryHistory(), "a", loop_clock)
        await ledger.lead(unseen(PROVINCE))
        registry.forget()
        assert await ledger.take(SEAT, "nanjing") is None
        assert ledger.lease is None

    run_virtual(story())


def test_a_standby_leaves_the_lease_of_a_registry_without_memory_to_whoever_led() -> None:
    async def story() -> None:
        at, world = 100.0, unseen(PROVINCE)
        registry = MemoryRegistry(lambda: at)
        leader, standby = (Ledger(registry, MemoryHistory(), holder, lambda: at) for holder in "ab")
        await leader.lead(world)
        await standby.lead(world)
        registry.forget()
        at += 0.5
        await standby.lead(world)
        assert standby.lease is None, "the leader does not know yet that it was forgotten"
        await leader.lead(world)
        assert leader.lease is not None
        registry.forget()
        for _ in range(9):
            at += 0.5
            await standby.lead(world)
        assert standby.lease is not None, "but of a leader who says nothing for the life of a lease it takes over"

    run_virtual(story())


def test_a_standby_whose_clock_is_set_back_deposes_nobody() -> None:
    async def story() -> None:
        at, ahead_s, world = 100.0, 10.0, unseen(PROVINCE)
        registry = MemoryRegistry(lambda: at)
        leader = Ledger(registry, MemoryHistory(), "a", lambda: at)
        standby = Ledger(registry.another(), MemoryHistory(), "b", lambda: at + ahead_s)
        await leader.lead(world)
        await standby.lead(world)
        at, ahead_s = at + 0.5, 0.0
        await standby.lead(world)
        assert await leader.take(SEAT, "nanjing") is not None
        at += 5.0  # The leader is gone: the standby's clock keeps it from nothing either.
        await standby.lead(world)
        assert standby.lease is not None

    run_virtual(story())


def test_a_loan_the_picture_does_not_show_stays_booked_until_its_city_was_read() -> None:
    async def story() -> None:
        registry = MemoryRegistry(loop_clock)
        ledger = Ledger(registry, MemoryHistory(), "b", loop_clock)
        seats = (SeatSeen(SEAT.seat, SeatState.FREE),)
        world = fold(unseen(PROVINCE), [PbxObserved("wuxi", loop_clock(), (), seats, (), (), (), ())])
        earlier = await registry.lead("a", 4.0)
        assert earlier is not None
        booked = await registry.lend("the earlier leader's", earlier, SEAT, "nanjing")
        await registry.resign("a")
        await ledger.lead(world)
        await ledger.tidy(world, {}, Plan(), {"wuxi"})
        assert await registry.loans() == {SEAT: booked}, "the fact of it may be lost"
        await ledger.tidy(world, {}, Plan(), set())
        assert await registry.loans() == {}

    run_virtual(story())


def test_a_registry_that_never_answered_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(MemoryRegistry(lambda: 0.0), MemoryHistory(), "a", lambda: 0.0)
    said = CapturingLogger()  # Whatever another test's log.set_up() left behind.
    monkeypatch.setattr("callctl.ledger.log", said)
    ledger.miss(StoreLost("nobody at 127.0.0.1:1"))
    ledger.miss(StoreLost("nobody at 127.0.0.1:1"))
    assert [line.kwargs["why"] for line in said.calls] == ["nobody at 127.0.0.1:1"]
