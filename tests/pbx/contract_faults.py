"""The contract, third part: refusals, silent peers, dead and frozen PBXs, readings, an outdated controller's names."""

import asyncio

import pytest

from callctl.core.commands import CloseSlot, Lend, OpenSlot, RenewHeartbeat
from callctl.core.events import (
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    LentSeat,
    LoanSeen,
    PbxLost,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
    TrunkChanged,
)
from callctl.pbx.port import OrderUnanswered
from tests.pbx.driver import SLOT, TOKEN, Driver, Suite, facts, lend, read, ready, remote_talk, until

FIRST = "13800000001"


class FaultContract(Suite):
    """What fails, and what it looks like."""

    def test_a_slot_that_was_there_already_keeps_its_older_name(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN + 1))
            await driver.beta.do(Lend("beta", driver.beta_seats[0], "alpha", TOKEN))
            await driver.beta.do(Lend("beta", driver.beta_seats[0], "alpha", TOKEN + 1))
            [slot] = (await read(driver, driver.alpha)).slots
            assert (slot.slot, slot.token, slot.state) == (SLOT, TOKEN, SlotState.OPEN)
            assert (await read(driver, driver.beta)).loans == (LoanSeen(driver.beta_seats[0], "alpha", TOKEN),)
            assert {fact.token for fact in facts(driver, driver.alpha, SlotChanged)} == {TOKEN}

        self.run(story)

    def test_a_slot_whose_city_has_nobody_free_stays_open(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.citizen_calls(FIRST)
            for _ in range(2):  # Refused, and after the back-off tried again.
                before = len(driver.heard(driver.alpha))
                ended = await until(driver, driver.alpha, RingEnded, after=before)
                assert (ended.by, ended.why) == (SLOT, RingEnd.BUSY)
            assert {fact.state for fact in facts(driver, driver.alpha, SlotChanged)} == {SlotState.OPEN}

        self.run(story)

    def test_a_lent_agent_who_lets_it_ring_is_told_at_both_ends_and_closes_nothing(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            seat = await lend(driver)
            await driver.agent(seat, None)
            await driver.citizen_calls(FIRST)
            there = await until(driver, driver.beta, RingEnded)
            assert (there.by, there.why) == (LentSeat(seat, "alpha"), RingEnd.NO_ANSWER)
            here = await until(driver, driver.alpha, RingEnded)
            assert (here.by, here.why) == (SLOT, RingEnd.NO_ANSWER)
            assert {fact.state for fact in facts(driver, driver.alpha, SlotChanged)} == {SlotState.OPEN}
            assert not facts(driver, driver.beta, SeatReadied)
            assert not facts(driver, driver.alpha, CallLeftQueue)

        self.run(story)

    def test_the_assisted_city_whose_controllers_are_silent_rings_nobody_abroad(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await lend(driver)
            await driver.let_heartbeat_age(driver.alpha)
            await driver.citizen_calls(FIRST)
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (SLOT, RingEnd.REFUSED)
            closed = await until(driver, driver.alpha, SlotChanged, lambda fact: fact.state is SlotState.CLOSED)
            assert closed.reason == "Auto-Pause"
            assert not facts(driver, driver.beta, CallRinging)

        self.run(story)

    def test_the_supporting_city_whose_controllers_are_silent_says_busy(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await lend(driver)
            await driver.let_heartbeat_age(driver.beta)
            await driver.citizen_calls(FIRST)
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (SLOT, RingEnd.BUSY)
            assert not facts(driver, driver.beta, CallRinging)
            await driver.beta.do(RenewHeartbeat("beta"))
            await until(driver, driver.beta, CallRinging)

        self.run(story)

    def test_a_phone_that_signs_off_is_offline_and_its_loan_rings_nobody(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            seat = await lend(driver)
            await driver.agent_leaves(seat)
            gone = await until(driver, driver.beta, SeatChanged)
            assert (gone.seat, gone.state) == (seat, SeatState.OFFLINE)
            await driver.citizen_calls(FIRST)
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (SLOT, RingEnd.BUSY)
            await driver.agent_comes(seat)
            await until(driver, driver.beta, SeatChanged, lambda fact: fact.state is SeatState.FREE)
            await until(driver, driver.beta, CallRinging)

        self.run(story)

    def test_an_agent_who_takes_a_break_and_comes_back_is_told(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            away = await until(driver, driver.alpha, SeatReadied)
            assert (away.seat, away.ready) == (driver.alpha_seat, False)
            assert [seat.ready for seat in (await read(driver, driver.alpha)).seats] == [False]
            await driver.unpause(driver.alpha_seat)
            await until(driver, driver.alpha, SeatReadied, lambda fact: fact.ready)
            assert [seat.ready for seat in (await read(driver, driver.alpha)).seats] == [True]

        self.run(story)

    def test_a_trunk_that_fails_and_comes_back_is_told_by_both_ends(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            assert [(trunk.to, trunk.up) for trunk in (await read(driver, driver.alpha)).trunks] == [("beta", True)]
            await driver.break_trunk()
            await until(driver, driver.alpha, TrunkChanged, lambda fact: (fact.to, fact.up) == ("beta", False))
            await until(driver, driver.beta, TrunkChanged, lambda fact: (fact.to, fact.up) == ("alpha", False))
            assert [(trunk.to, trunk.up) for trunk in (await read(driver, driver.alpha)).trunks] == [("beta", False)]
            await driver.mend_trunk()
            await until(driver, driver.alpha, TrunkChanged, lambda fact: (fact.to, fact.up) == ("beta", True))
            await until(driver, driver.beta, TrunkChanged, lambda fact: (fact.to, fact.up) == ("alpha", True))

        self.run(story)

    def test_many_who_ask_for_a_reading_at_once_share_one(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            before = len(facts(driver, driver.alpha, PbxObserved))
            await asyncio.gather(*(driver.alpha.reread() for _ in range(10)))
            assert 1 <= len(facts(driver, driver.alpha, PbxObserved)) - before <= 2

        self.run(story)

    def test_a_frozen_pbx_leaves_orders_unanswered_is_lost_and_read_again_when_it_thaws(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.freeze(driver.alpha)
            with pytest.raises(OrderUnanswered):  # It lies in the PBX's socket, and is obeyed when nobody expects it.
                await driver.alpha.do(CloseSlot("alpha", SLOT))
            await until(driver, driver.alpha, PbxLost)
            with pytest.raises(OrderUnanswered):
                await driver.alpha.reread()
            before = len(driver.heard(driver.alpha))
            await driver.thaw(driver.alpha)
            seen = await until(driver, driver.alpha, PbxObserved, after=before)
            assert [(slot.slot, slot.state, slot.token) for slot in seen.slots] == [(SLOT, SlotState.CLOSED, TOKEN)]

        self.run(story)

    def test_callers_frozen_with_their_pbx_wait_on_when_it_thaws(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await driver.citizen_calls(FIRST)
            waiting = await until(driver, driver.alpha, CallWaiting)
            await driver.freeze(driver.alpha)
            await until(driver, driver.alpha, PbxLost)
            before = len(driver.heard(driver.alpha))
            await driver.thaw(driver.alpha)
            seen = await until(driver, driver.alpha, PbxObserved, after=before)
            assert [call.call for call in seen.waiting] == [waiting.call.call]

        self.run(story)

    def test_a_killed_pbx_is_lost_and_comes_back_without_calls_and_what_it_still_has_is_read(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await remote_talk(driver)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            booted = {}
            for link in (driver.beta, driver.alpha):
                booted[link.city] = facts(driver, link, PbxObserved)[-1].booted_at
                await driver.kill(link)
                await until(driver, link, PbxLost)
            for link in (driver.beta, driver.alpha):
                before = len(driver.heard(link))
                await driver.boot(link)
                seen = await until(driver, link, PbxObserved, after=before)
                assert seen.booted_at > booted[link.city]
                assert (seen.waiting, seen.talks) == ((), ())
                if driver.forgets_at_boot(link):
                    assert (seen.loans, seen.slots) == ((), ())
                elif link is driver.beta:
                    assert seen.loans == (LoanSeen(driver.beta_seats[0], "alpha", TOKEN),)
                else:
                    assert [(slot.slot, slot.token, slot.in_use) for slot in seen.slots] == [(SLOT, TOKEN, False)]

        self.run(story)

    def test_a_killed_supporting_city_loses_the_leg_and_its_slot_closes_by_itself(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            await driver.kill(driver.beta)
            lost = await until(driver, driver.alpha, CallEnded, lambda fact: fact.lost)
            assert (lost.call, lost.by) == (answered.call, SLOT)
            await until(driver, driver.alpha, CallWaiting, lambda fact: fact.call.returned)
            closed = await until(driver, driver.alpha, SlotChanged, lambda fact: fact.state is SlotState.CLOSED)
            assert closed.reason == "Auto-Pause"
            await driver.boot(driver.beta)

        self.run(story)

    def test_after_a_boot_the_dead_mans_switch_is_thrown_until_a_controller_is_heard(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await lend(driver)
            await driver.wait(1.5)  # A PBX may write down what it has been told a second later.
            await driver.kill(driver.beta)
            await until(driver, driver.beta, PbxLost)
            before = len(driver.heard(driver.beta))
            await driver.boot(driver.beta)
            await until(driver, driver.beta, PbxObserved, after=before)
            if driver.forgets_at_boot(driver.beta):
                await lend(driver, slot=False)
            # Alpha's OPTIONS may have noticed the absence, or be about to: one sent into it runs out after 2 s.
            await driver.wait(2.5)
            while not (await read(driver, driver.alpha)).trunks[0].up:
                await driver.wait(0.5)
            await driver.pause(driver.alpha_seat)
            await driver.citizen_calls(FIRST)
            ended = await until(driver, driver.alpha, RingEnded)
            assert ended.why is RingEnd.BUSY
            await driver.beta.do(RenewHeartbeat("beta"))
            await until(driver, driver.beta, CallRinging)

        self.run(story)
