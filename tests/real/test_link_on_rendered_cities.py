"""Two links on the cities as they are rendered: one assisted call through both PBXs, told by both in the same words."""

from collections.abc import AsyncIterator

import pytest

from callctl.core.commands import DropSlot, Lend, OpenSlot, Recall, RenewHeartbeat
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallRinging,
    CallWaiting,
    LentSeat,
    LoanSeen,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatState,
    TalkSeen,
)
from callctl.core.model import SlotRef
from callctl.lab.phone import Habit
from tests.real.floor import Floor
from tests.real.listener import Listener
from tests.real.mixed import every_mix

pytestmark = [pytest.mark.real, every_mix]

SLOT = SlotRef("xuzhou", 1)
ASSISTED, SUPPORTING = "yangzhou", "xuzhou"


@pytest.fixture
async def links(floor: Floor) -> AsyncIterator[tuple[Listener, Listener]]:
    async with Listener(floor, ASSISTED) as home, Listener(floor, SUPPORTING) as helping:
        yield home, helping


async def test_both_cities_tell_one_assisted_call_in_the_same_words(floor, links) -> None:
    home, helping = links
    seat = floor.seats(SUPPORTING)[0]
    await floor.log_in(SUPPORTING, seat, habit=Habit(answer_after_s=0.5))
    await helping.until(SeatChanged, true=lambda fact: (fact.seat, fact.state) == (seat, SeatState.FREE))
    for listener in links:
        await listener.link.do(RenewHeartbeat(listener.link.city))
    await helping.link.do(Lend(SUPPORTING, seat, ASSISTED, 7))
    await home.link.do(OpenSlot(ASSISTED, SLOT, 9))

    citizen = await floor.citizen(ASSISTED, "13812345678")
    answered = await home.until(CallAnswered)
    there = await helping.until(CallAnswered)
    assert (answered.by, there.by) == (SLOT, LentSeat(seat, ASSISTED))
    assert answered.call == there.call
    waiting = await home.until(CallWaiting)
    assert (waiting.call.call, waiting.call.number) == (answered.call, "13812345678")
    assert [type(fact) for fact in home.facts if isinstance(fact, CallRinging)] == [CallRinging]

    seen, seen_there = await home.observe(), await helping.observe()
    assert [(talk.call, talk.by) for talk in seen.talks] == [(answered.call, SLOT)]
    assert seen.slots[0].in_use
    assert seen_there.talks == (TalkSeen(answered.call, LentSeat(seat, ASSISTED), there.at),)
    assert seen_there.loans == (LoanSeen(seat, ASSISTED, 7),)
    assert [found.call for found in seen_there.seats if found.seat == seat] == [answered.call]

    citizen.hang_up()
    ended = [await listener.until(CallEnded) for listener in links]
    assert [fact.lost for fact in ended] == [False, False]
    await helping.link.do(Recall(SUPPORTING, seat, ASSISTED))
    await home.link.do(DropSlot(ASSISTED, SLOT))
    assert (await home.observe()).slots == ()
    assert (await helping.observe()).loans == ()
    assert [listener.link.distrusted for listener in links] == [0, 0]


async def test_slot_without_a_lent_agent_is_told_as_busy(floor, links) -> None:
    home, _ = links
    await home.link.do(OpenSlot(ASSISTED, SLOT, 9))
    citizen = await floor.citizen(ASSISTED)
    ended = await home.until(RingEnded)
    assert (ended.by, ended.why) == (SLOT, RingEnd.BUSY)
    citizen.hang_up()


async def test_leg_lost_with_the_supporting_pbx_is_told_as_lost_and_the_caller_waits_again(floor, links) -> None:
    home, helping = links
    seat = floor.seats(SUPPORTING)[0]
    await floor.log_in(SUPPORTING, seat, habit=Habit(answer_after_s=0.3))
    await helping.until(SeatChanged, true=lambda fact: (fact.seat, fact.state) == (seat, SeatState.FREE))
    await helping.link.do(Lend(SUPPORTING, seat, ASSISTED, 7))
    await home.link.do(OpenSlot(ASSISTED, SLOT, 9))
    await floor.citizen(ASSISTED)
    first = await home.until(CallWaiting)
    await home.until(CallAnswered)
    floor.pbx(SUPPORTING).freeze()
    lost = await home.until(CallEnded, true=lambda fact: fact.lost)
    floor.pbx(SUPPORTING).thaw()
    again = await home.until(CallWaiting, true=lambda fact: fact.call.returned)
    assert lost.by == SLOT
    assert (again.call.call, again.call.waiting_since) == (first.call.call, first.call.waiting_since)
