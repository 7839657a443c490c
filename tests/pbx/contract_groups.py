"""Seats that ring together: one call rings a whole group, the first to answer talks, and nobody gets two calls."""

import pytest

from callctl.core.commands import Lend, OpenSlot, Regroup
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallRinging,
    LentSeat,
    LoanChanged,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatState,
)
from callctl.core.model import SlotRef
from callctl.pbx.port import OrderRefused
from tests.pbx.driver import SLOT, TOKEN, Driver, Suite, facts, read, ready, until

NUMBERS = ("13800000001", "13800000002")


async def lend_all(driver: Driver, *groups: int) -> list[LentSeat]:
    """Beta's seats serve alpha in these groups; nobody answers yet."""
    await ready(driver)
    await driver.pause(driver.alpha_seat)
    for token, (seat, group) in enumerate(zip(driver.beta_seats, groups, strict=True), TOKEN):
        await driver.agent(seat, None)
        await driver.beta.do(Lend("beta", seat, "alpha", token, group))
    return [LentSeat(seat, "alpha") for seat in driver.beta_seats]


async def two_citizens_call(driver: Driver) -> None:
    """There is a slot for each of them."""
    for slot in (SLOT, SlotRef("beta", 2)):
        await driver.alpha.do(OpenSlot("alpha", slot, TOKEN))
    for number in NUMBERS:
        await driver.citizen_calls(number)


class AloneContract(Suite):
    """What a PBX promises that rings one lent seat a call: to say so, for then the plan counts on nothing else."""

    def test_who_rings_one_seat_a_call_says_so_in_every_reading_and_does(self) -> None:
        async def story(driver: Driver) -> None:
            await lend_all(driver, 0, 0)
            assert not (await read(driver, driver.beta)).rings_together
            await driver.beta.do(Regroup("beta", driver.beta_seats[1], "alpha", TOKEN + 1, 1))
            await two_citizens_call(driver)
            rung = [
                await until(driver, driver.beta, CallRinging, lambda fact, seat=seat: fact.by.seat == seat)
                for seat in driver.beta_seats
            ]
            assert len({fact.call for fact in rung}) == 2

        self.run(story)


class GroupContract(Suite):
    """What ringing together promises."""

    def test_who_rings_seats_together_says_so_in_every_reading(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            assert (await read(driver, driver.beta)).rings_together

        self.run(story)

    def test_a_seat_changes_its_group_without_leaving_its_loan(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await lend_all(driver, 0, 0)
            await driver.beta.do(Regroup("beta", second.seat, "alpha", TOKEN + 1, 5))
            told = await until(driver, driver.beta, LoanChanged, lambda fact: fact.seat == second.seat and fact.group == 5)
            assert (told.lent, told.token) == (True, TOKEN + 1)
            assert {(loan.seat, loan.group) for loan in (await read(driver, driver.beta)).loans} >= {
                (first.seat, 0),
                (second.seat, 5),
            }
            await two_citizens_call(driver)
            one = await until(driver, driver.beta, CallRinging, lambda fact: fact.by == first)
            two = await until(driver, driver.beta, CallRinging, lambda fact: fact.by == second)
            assert one.call != two.call

        self.run(story)

    def test_a_seat_that_is_not_lent_cannot_change_its_group(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            with pytest.raises(OrderRefused):
                await driver.beta.do(Regroup("beta", driver.beta_seats[0], "alpha", TOKEN, 1))

        self.run(story)

    def test_a_group_that_lets_it_ring_has_missed_the_call_one_and_all(self) -> None:
        async def story(driver: Driver) -> None:
            seats = await lend_all(driver, 0, 0)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.citizen_calls(NUMBERS[0])
            for seat in seats:
                missed = await until(driver, driver.beta, RingEnded, lambda fact, seat=seat: fact.by == seat)
                assert missed.why is RingEnd.NO_ANSWER
            assert not facts(driver, driver.beta, CallAnswered)

        self.run(story)

    def test_a_caller_who_hangs_up_stops_the_whole_group(self) -> None:
        async def story(driver: Driver) -> None:
            seats = await lend_all(driver, 0, 0)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.citizen_calls(NUMBERS[0])
            for seat in seats:
                await until(driver, driver.beta, CallRinging, lambda fact, seat=seat: fact.by == seat)
            await driver.citizen_hangs_up(NUMBERS[0])
            for seat in seats:
                ended = await until(driver, driver.beta, RingEnded, lambda fact, seat=seat: fact.by == seat)
                assert ended.why is RingEnd.UNKNOWN

        self.run(story)

    def test_a_loan_shows_its_group_at_once_and_in_every_reading(self) -> None:
        async def story(driver: Driver) -> None:
            await lend_all(driver, 0, 3)
            seat = driver.beta_seats[1]
            told = await until(driver, driver.beta, LoanChanged, lambda fact: fact.seat == seat)
            assert told.group == 3
            assert {loan.seat: loan.group for loan in (await read(driver, driver.beta)).loans}[seat] == 3

        self.run(story)

    def test_one_call_rings_every_free_seat_of_its_group_and_the_first_to_answer_stops_the_others(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await lend_all(driver, 0, 0)
            await driver.agent(second.seat, 2.0)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.citizen_calls(NUMBERS[0])
            for seat in (first, second):
                await until(driver, driver.beta, CallRinging, lambda fact, seat=seat: fact.by == seat)
            answered = await until(driver, driver.beta, CallAnswered)
            assert answered.by == second
            await driver.wait(1.0)
            told = [fact for fact in driver.heard(driver.beta) if isinstance(fact, SeatChanged)]
            assert [fact.state for fact in told if fact.seat == first.seat][-1] is SeatState.FREE
            assert {fact.call for fact in facts(driver, driver.beta, CallRinging)} == {answered.call}
            assert len(facts(driver, driver.beta, CallAnswered)) == 1
            assert not facts(driver, driver.beta, RingEnded)  # The quicker one's mates have missed nothing.

        self.run(story)

    def test_a_second_call_rings_the_next_group_while_the_first_group_rings(self) -> None:
        async def story(driver: Driver) -> None:
            first, second = await lend_all(driver, 0, 1)
            await two_citizens_call(driver)
            one = await until(driver, driver.beta, CallRinging, lambda fact: fact.by == first)
            two = await until(driver, driver.beta, CallRinging, lambda fact: fact.by == second)
            assert one.call != two.call

        self.run(story)

    def test_no_agent_gets_two_calls_when_a_whole_group_rings_for_the_first_of_two_callers(self) -> None:
        async def story(driver: Driver) -> None:
            await lend_all(driver, 0, 0)
            for seat in driver.beta_seats:
                await driver.agent(seat, 1.0)
            await two_citizens_call(driver)
            answered = []
            for _ in range(100):
                answered = facts(driver, driver.beta, CallAnswered)
                if len(answered) == 2:
                    break
                await driver.wait(0.2)
            assert len({fact.call for fact in answered}) == len({fact.by for fact in answered}) == 2
            assert not facts(driver, driver.beta, CallEnded)

        self.run(story)
