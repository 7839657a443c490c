"""The contract, second part: what becomes of callers who are moved, lost, called back, who score, who hang up."""

import pytest

from callctl.core.commands import DropSlot, MoveCaller, OpenSlot, RenewHeartbeat
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    Outcome,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatState,
    SurveyAnswered,
    WaitingCall,
)
from callctl.pbx.port import OrderRefused
from tests.pbx.driver import SLOT, TOKEN, Driver, Suite, facts, lend, read, ready, remote_talk, until

FIRST, SECOND = "13800000001", "13800000002"


async def two_wait(driver: Driver) -> tuple[WaitingCall, WaitingCall]:
    """Two citizens wait at alpha, and nobody is there for them."""
    await ready(driver)
    await driver.pause(driver.alpha_seat)
    waiting = []
    for number in (FIRST, SECOND):
        await driver.citizen_calls(number)
        waiting.append((await until(driver, driver.alpha, CallWaiting, lambda fact, n=number: fact.call.number == n)).call)
        await driver.wait(1.2)
    return waiting[0], waiting[1]


def in_this_order(seen: list[object], *kinds: type) -> bool:
    """Whether facts of these kinds were told in this order (others may lie between them)."""
    rest = iter(seen)
    return all(any(isinstance(fact, kind) for fact in rest) for kind in kinds)


class CallerContract(Suite):
    """What becomes of the callers."""

    def test_facts_of_a_remote_call_come_in_the_order_of_what_happened(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            await driver.agent_hangs_up(driver.beta_seats[0])
            await until(driver, driver.alpha, CallEnded)
            await until(driver, driver.beta, CallEnded)
            home = [fact for fact in driver.heard(driver.alpha) if getattr(fact, "call", "") == answered.call]
            assert [type(fact) for fact in home] == [CallRinging, CallLeftQueue, CallAnswered, CallEnded]
            assert in_this_order(list(driver.heard(driver.alpha)), CallWaiting, CallRinging)
            there = [fact for fact in driver.heard(driver.beta) if getattr(fact, "call", "") == answered.call]
            assert [type(fact) for fact in there] == [CallRinging, CallAnswered, CallEnded]

        self.run(story)

    def test_a_caller_moved_by_hand_is_answered_there(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await two_wait(driver)
            seat = await lend(driver, slot=False)
            await driver.agent(seat, 0.5)
            await driver.alpha.do(MoveCaller("alpha", second.call, "beta"))
            answered = await until(driver, driver.beta, CallAnswered)
            assert (answered.call, answered.by) == (second.call, LentSeat(seat, "alpha"))
            left = [fact for fact in facts(driver, driver.alpha, CallLeftQueue) if fact.call == second.call]
            assert left[-1].outcome is Outcome.MOVED
            assert [call.call for call in (await read(driver, driver.alpha)).waiting] == [first.call]
            await driver.agent_hangs_up(seat)
            await until(driver, driver.beta, CallEnded)
            await driver.wait(2)
            assert [call.call for call in (await read(driver, driver.alpha)).waiting] == [first.call]

        self.run(story)

    def test_a_moved_caller_whom_nobody_answers_comes_back_to_the_front_with_the_first_arrival(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await two_wait(driver)
            await driver.alpha.do(MoveCaller("alpha", second.call, "beta"))
            back = await until(driver, driver.alpha, CallWaiting, lambda fact: fact.call.returned)
            assert (back.call.call, back.call.number) == (second.call, SECOND)
            assert abs(back.call.waiting_since - second.waiting_since) < 1.5
            assert [call.call for call in (await read(driver, driver.alpha)).waiting] == [second.call, first.call]

        self.run(story)

    def test_a_moved_caller_who_is_rung_in_vain_comes_back_to_the_front(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await two_wait(driver)
            seat = await lend(driver, slot=False)
            await driver.agent(seat, None)
            await driver.alpha.do(MoveCaller("alpha", second.call, "beta"))
            rung = await until(driver, driver.beta, CallRinging)
            assert rung.call == second.call
            ended = await until(driver, driver.beta, RingEnded)
            assert (ended.by, ended.why) == (LentSeat(seat, "alpha"), RingEnd.NO_ANSWER)
            await until(driver, driver.alpha, CallWaiting, lambda fact: fact.call.returned)
            assert [call.call for call in (await read(driver, driver.alpha)).waiting] == [second.call, first.call]

        self.run(story)

    def test_only_a_caller_who_waits_can_be_moved(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            for call in (answered.call, "alpha-1700000000.99"):
                with pytest.raises(OrderRefused):
                    await driver.alpha.do(MoveCaller("alpha", call, "beta"))
            assert not facts(driver, driver.alpha, CallEnded)

        self.run(story)

    def test_a_leg_lost_in_mid_talk_brings_the_caller_back_in_front_with_the_first_arrival(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            arrived = facts(driver, driver.alpha, CallWaiting)[0].call
            await driver.citizen_calls(SECOND)
            await driver.wait(1.2)
            await driver.freeze(driver.beta)
            lost = await until(driver, driver.alpha, CallEnded, lambda fact: fact.lost)
            assert (lost.call, lost.by) == (answered.call, SLOT)
            back = await until(driver, driver.alpha, CallWaiting, lambda fact: fact.call.returned)
            assert back.call.call == answered.call
            assert abs(back.call.waiting_since - arrived.waiting_since) < 1.5
            assert [call.number for call in (await read(driver, driver.alpha)).waiting] == [FIRST, SECOND]

        self.run(story)

    def test_a_citizen_who_asks_to_be_called_back_keeps_the_place_and_the_name(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await two_wait(driver)
            before = len(driver.heard(driver.alpha))
            await driver.citizen_presses(FIRST, "1")
            again = await until(driver, driver.alpha, CallWaiting, after=before)
            assert (again.call.call, again.call.number) == (first.call, FIRST)
            assert abs(again.call.waiting_since - first.waiting_since) < 1.5
            left = await until(
                driver, driver.alpha, CallLeftQueue, lambda fact: fact.outcome is Outcome.CALL_BACK, after=before
            )
            assert left.call == first.call
            assert [call.call for call in (await read(driver, driver.alpha)).waiting] == [first.call, second.call]

        self.run(story)

    def test_the_citizen_scores_the_call_after_the_agent_has_hung_up(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            await driver.agent_hangs_up(driver.beta_seats[0])
            await until(driver, driver.alpha, CallEnded)
            await driver.wait(2)
            await driver.citizen_presses(FIRST, "4")
            scored = await until(driver, driver.alpha, SurveyAnswered)
            assert (scored.call, scored.score) == (answered.call, 4)

        self.run(story)

    def test_a_citizen_who_hangs_up_while_a_lent_seat_rings_frees_seat_and_slot(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            seat = await lend(driver)
            await driver.agent(seat, None)
            await driver.citizen_calls(FIRST)
            rung = await until(driver, driver.beta, CallRinging)
            await driver.citizen_hangs_up(FIRST)
            left = await until(driver, driver.alpha, CallLeftQueue)
            assert (left.call, left.outcome) == (rung.call, Outcome.ABANDONED)
            ended = await until(driver, driver.beta, RingEnded)
            assert (ended.call, ended.by, ended.why) == (rung.call, LentSeat(seat, "alpha"), RingEnd.UNKNOWN)
            await driver.wait(1)
            slots = (await read(driver, driver.alpha)).slots
            assert [(slot.slot, slot.in_use) for slot in slots] == [(SLOT, False)]
            assert [seen.state for seen in (await read(driver, driver.beta)).seats] == [SeatState.FREE] * 2

        self.run(story)

    def test_an_agent_rests_after_a_call_before_the_next_one_rings(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.agent(driver.alpha_seat, 0.3)
            await driver.citizen_calls(FIRST)
            await until(driver, driver.alpha, CallAnswered)
            await driver.citizen_calls(SECOND)
            await driver.agent_hangs_up(driver.alpha_seat)
            ended = await until(driver, driver.alpha, CallEnded)
            [seat] = (await read(driver, driver.alpha)).seats
            assert abs(seat.free_from - ended.at - driver.wrapup_s) < 1.5
            home = HomeSeat(driver.alpha_seat)
            rung = await until(driver, driver.alpha, CallRinging, lambda fact: fact.by == home and fact.call != ended.call)
            assert rung.at - ended.at > driver.wrapup_s - 1.5

        self.run(story)

    def test_a_lent_agent_rests_too_and_is_busy_meanwhile_for_everybody(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await remote_talk(driver)
            await driver.citizen_calls(SECOND)
            await driver.agent_hangs_up(driver.beta_seats[0])
            ended = await until(driver, driver.beta, CallEnded)
            refused = await until(driver, driver.alpha, RingEnded)
            assert (refused.by, refused.why) == (SLOT, RingEnd.BUSY)
            rung = await until(driver, driver.beta, CallRinging, lambda fact: fact.call == refused.call)
            assert rung.at - ended.at > driver.wrapup_s - 1.5

        self.run(story)

    def test_an_own_agent_who_lets_it_ring_is_rung_again(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.agent(driver.alpha_seat, None)
            await driver.citizen_calls(FIRST)
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (HomeSeat(driver.alpha_seat), RingEnd.NO_ANSWER)
            before = len(driver.heard(driver.alpha))
            await until(driver, driver.alpha, CallRinging, after=before)
            assert not facts(driver, driver.alpha, CallLeftQueue)

        self.run(story)

    def test_a_slot_dropped_while_it_rings_is_answered_all_the_same(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await driver.agent(await lend(driver), 2.5)
            await driver.citizen_calls(FIRST)
            await until(driver, driver.beta, CallRinging)
            await driver.alpha.do(DropSlot("alpha", SLOT))
            answered = await until(driver, driver.alpha, CallAnswered)
            assert answered.by == SLOT
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.alpha.do(RenewHeartbeat("alpha"))
            seen = await read(driver, driver.alpha)
            assert (answered.call, SLOT) in [(talk.call, talk.by) for talk in seen.talks]
            assert isinstance(driver.heard(driver.alpha)[0], PbxObserved)

        self.run(story)
