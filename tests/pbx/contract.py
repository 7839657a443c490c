"""What every PBX behind the door must do. One suite, run on the simulated PBX and on real ones.

A kind of PBX joins by subclassing PbxContract and giving `run(story)`: it builds two cities, alpha (the assisted one,
one home agent) and beta (helps alpha, two agents), and calls story(driver) inside the loop and clock that suit it.
Nothing here knows how calls are made or how time passes; patience is given in seconds and is generous.
"""

from itertools import groupby

import pytest

from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Recall, RenewHeartbeat, SetReady
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    LoanChanged,
    Outcome,
    PbxLost,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
)
from callctl.core.model import SlotRef
from callctl.pbx.port import OrderRefused, OrderUnanswered
from tests.pbx.contract_callers import CallerContract
from tests.pbx.contract_faults import FaultContract
from tests.pbx.driver import SLOT, TOKEN, Driver, Suite, lend, ready, remote_talk, until


class OrderContract(Suite):
    """Orders, and calls on which nothing goes wrong."""

    def test_the_first_thing_heard_is_a_full_reading_with_every_seat(self) -> None:
        async def story(driver: Driver) -> None:
            await until(driver, driver.beta, PbxObserved)
            first = driver.heard(driver.beta)[0]
            assert isinstance(first, PbxObserved)
            assert {seat.seat for seat in first.seats} == set(driver.beta_seats)
            assert all(seat.state is SeatState.FREE for seat in first.seats)

        self.run(story)

    def test_a_call_answered_at_home_is_told_from_arrival_to_end(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.agent(driver.alpha_seat, 0.5)
            await driver.citizen_calls("13800000001")
            arrived = await until(driver, driver.alpha, CallWaiting)
            assert arrived.call.call.startswith("alpha-")
            assert arrived.call.number == "13800000001"
            home = HomeSeat(driver.alpha_seat)
            await until(driver, driver.alpha, CallRinging, lambda fact: fact.by == home)
            answered = await until(driver, driver.alpha, CallAnswered)
            assert (answered.call, answered.by) == (arrived.call.call, home)
            await until(driver, driver.alpha, SeatChanged, lambda fact: fact.state is SeatState.BUSY)
            await driver.agent_hangs_up(driver.alpha_seat)
            ended = await until(driver, driver.alpha, CallEnded)
            assert (ended.call, ended.lost) == (arrived.call.call, False)

        self.run(story)

    def test_a_seat_made_not_ready_says_so_and_takes_no_call_until_it_is_ready_again(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            seat = driver.alpha_seat
            await driver.alpha.do(SetReady("alpha", seat, False, "202"))
            told = await until(driver, driver.alpha, SeatReadied, lambda fact: fact.seat == seat)
            assert not told.ready
            await driver.alpha.do(SetReady("alpha", seat, False, "202"))  # Safe to repeat.
            await driver.citizen_calls("13800000001")
            arrived = await until(driver, driver.alpha, CallWaiting)
            await driver.alpha.do(SetReady("alpha", seat, True))
            ringing = await until(driver, driver.alpha, CallRinging)
            assert (ringing.call, ringing.by) == (arrived.call.call, HomeSeat(seat))
            facts = driver.heard(driver.alpha)
            kinds = [fact for fact in facts if isinstance(fact, SeatReadied | CallRinging)]
            assert isinstance(kinds[-1], CallRinging), "it rang only after it was ready again"

        self.run(story)

    def test_a_seat_that_is_not_there_cannot_be_made_ready(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            with pytest.raises(OrderRefused):
                await driver.alpha.do(SetReady("alpha", "9999", True))

        self.run(story)

    def test_a_caller_who_hangs_up_in_the_queue_is_abandoned(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await driver.citizen_calls("13800000001")
            arrived = await until(driver, driver.alpha, CallWaiting)
            await driver.citizen_hangs_up("13800000001")
            left = await until(driver, driver.alpha, CallLeftQueue)
            assert (left.call, left.outcome) == (arrived.call.call, Outcome.ABANDONED)

        self.run(story)

    def test_orders_given_twice_do_no_more_than_once(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            seat = driver.beta_seats[0]
            for order in (Lend("beta", seat, "alpha", TOKEN), Recall("beta", seat, "alpha"), RenewHeartbeat("beta")):
                await driver.beta.do(order)
                await driver.beta.do(order)
            slot_orders = (OpenSlot("alpha", SLOT, TOKEN), CloseSlot("alpha", SLOT), DropSlot("alpha", SLOT))
            for slot_order in slot_orders:
                await driver.alpha.do(slot_order)
                await driver.alpha.do(slot_order)
            await until(driver, driver.alpha, SlotChanged, lambda fact: fact.state is SlotState.ABSENT)
            loans = [fact for fact in driver.heard(driver.beta) if isinstance(fact, LoanChanged)]
            assert [(fact.seat, fact.assisted, fact.token, fact.lent) for fact in loans] == [
                (seat, "alpha", TOKEN, True),
                (seat, "alpha", TOKEN, False),
            ]
            slots = [fact for fact in driver.heard(driver.alpha) if isinstance(fact, SlotChanged)]
            # Asterisk says "unpaused" also of what was not paused: the same again is no news.
            assert [state for state, _ in groupby(slots, lambda fact: fact.state)] == [
                SlotState.OPEN,
                SlotState.CLOSED,
                SlotState.ABSENT,
            ]
            assert {(fact.slot, fact.token) for fact in slots} == {(SLOT, TOKEN)}

        self.run(story)

    def test_what_is_gone_already_can_be_closed_dropped_and_recalled(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.alpha.do(CloseSlot("alpha", SlotRef("beta", 9)))
            await driver.alpha.do(DropSlot("alpha", SlotRef("beta", 9)))
            await driver.beta.do(Recall("beta", driver.beta_seats[0], "alpha"))

        self.run(story)

    def test_a_loan_to_a_city_the_pbx_does_not_know_is_refused_in_its_own_words(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            with pytest.raises(OrderRefused, match=driver.no_such_queue):
                await driver.beta.do(Lend("beta", driver.beta_seats[0], "gamma", TOKEN))

        self.run(story)

    def test_a_waiting_call_is_answered_by_a_lent_seat_and_both_cities_name_the_same_call(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            seat = LentSeat(driver.beta_seats[0], "alpha")
            assert answered.by == SLOT
            there = await until(driver, driver.beta, CallAnswered)
            assert (there.call, there.by) == (answered.call, seat)
            await until(driver, driver.beta, CallRinging, lambda fact: fact.by == seat and fact.call == answered.call)
            await driver.agent_hangs_up(driver.beta_seats[0])
            ended = await until(driver, driver.alpha, CallEnded)
            assert (ended.call, ended.by, ended.lost) == (answered.call, SLOT, False)
            await until(driver, driver.beta, CallEnded, lambda fact: fact.by == seat)

        self.run(story)

    def test_closing_dropping_and_recalling_never_cut_a_call(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await remote_talk(driver)
            await driver.alpha.do(CloseSlot("alpha", SLOT))
            await driver.alpha.do(DropSlot("alpha", SLOT))
            await driver.beta.do(Recall("beta", driver.beta_seats[0], "alpha"))
            await driver.wait(3)
            assert not [fact for fact in driver.heard(driver.alpha) if isinstance(fact, CallEnded)]

        self.run(story)

    def test_a_closed_slot_is_not_rung(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await lend(driver)
            await driver.alpha.do(CloseSlot("alpha", SLOT))
            await driver.citizen_calls("13800000001")
            await driver.wait(4)
            assert not [fact for fact in driver.heard(driver.alpha) if isinstance(fact, CallRinging)]

        self.run(story)

    def test_no_free_lent_seat_means_busy_and_the_caller_waits_on(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            await driver.citizen_calls("13800000001")
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (SLOT, RingEnd.BUSY)
            assert not [fact for fact in driver.heard(driver.alpha) if isinstance(fact, CallLeftQueue)]

        self.run(story)

    def test_a_dead_trunk_closes_the_slot_by_itself_and_the_caller_waits_on(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            await lend(driver)
            await driver.break_trunk()
            await driver.citizen_calls("13800000001")
            ended = await until(driver, driver.alpha, RingEnded)
            assert (ended.by, ended.why) == (SLOT, RingEnd.UNREACHABLE)
            await until(
                driver, driver.alpha, SlotChanged, lambda fact: fact.state is SlotState.CLOSED and bool(fact.reason)
            )
            assert not [fact for fact in driver.heard(driver.alpha) if isinstance(fact, CallLeftQueue)]

        self.run(story)

    def test_a_home_agent_goes_before_a_slot(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await lend(driver)
            await driver.agent(driver.alpha_seat, 0.5)
            await driver.citizen_calls("13800000001")
            answered = await until(driver, driver.alpha, CallAnswered)
            assert answered.by == HomeSeat(driver.alpha_seat)

        self.run(story)

    def test_a_broken_link_is_told_and_the_reading_after_it_shows_what_was_done_before(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            answered = await remote_talk(driver)
            await driver.citizen_calls("13800000002")
            for link in (driver.alpha, driver.beta):
                await driver.cut(link)
                await until(driver, link, PbxLost)
                with pytest.raises(OrderUnanswered):
                    await link.do(RenewHeartbeat(link.city))
            before = {link.city: len(driver.heard(link)) for link in (driver.alpha, driver.beta)}
            for link in (driver.alpha, driver.beta):
                await driver.mend(link)
            alpha = await until(driver, driver.alpha, PbxObserved, after=before["alpha"])
            assert [(slot.slot, slot.state, slot.token, slot.in_use) for slot in alpha.slots] == [
                (SLOT, SlotState.OPEN, TOKEN, True)
            ]
            assert [call.number for call in alpha.waiting] == ["13800000002"]
            assert (answered.call, SLOT) in [(talk.call, talk.by) for talk in alpha.talks]
            beta = await until(driver, driver.beta, PbxObserved, after=before["beta"])
            assert [(loan.seat, loan.assisted, loan.token) for loan in beta.loans] == [
                (driver.beta_seats[0], "alpha", TOKEN)
            ]
            seat = LentSeat(driver.beta_seats[0], "alpha")
            assert (answered.call, seat) in [(talk.call, talk.by) for talk in beta.talks]

        self.run(story)

    def test_a_reading_can_be_asked_for(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            before = len(driver.heard(driver.alpha))
            await driver.alpha.reread()
            await until(driver, driver.alpha, PbxObserved, after=before)

        self.run(story)

    def test_waiting_calls_are_read_in_queue_order_with_their_first_arrival(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            numbers = ["13800000001", "13800000002", "13800000003"]
            for number in numbers:
                await driver.citizen_calls(number)
                await driver.wait(1.5)
            before = len(driver.heard(driver.alpha))
            await driver.alpha.reread()
            seen = await until(driver, driver.alpha, PbxObserved, after=before)
            assert [call.number for call in seen.waiting] == numbers
            sinces = [call.waiting_since for call in seen.waiting]
            assert sinces == sorted(sinces)
            assert sinces[-1] - sinces[0] + 1.0 >= 3

        self.run(story)

    def test_first_come_first_served_over_slots_opened_one_by_one(self) -> None:
        async def story(driver: Driver) -> None:
            await ready(driver)
            await driver.pause(driver.alpha_seat)
            for number in ("13800000001", "13800000002"):
                await driver.citizen_calls(number)
                await driver.wait(0.2)
            for seat in driver.beta_seats:
                await driver.agent(seat, 0.5)
                await driver.beta.do(Lend("beta", seat, "alpha", TOKEN))
            arrived = [fact.call.call for fact in driver.heard(driver.alpha) if isinstance(fact, CallWaiting)]
            await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
            first = await until(driver, driver.alpha, CallAnswered)
            await driver.alpha.do(OpenSlot("alpha", SlotRef("beta", 2), TOKEN))
            second = await until(driver, driver.alpha, CallAnswered, lambda fact: fact != first)
            assert [first.call, second.call] == arrived

        self.run(story)


class PbxContract(OrderContract, CallerContract, FaultContract):
    """What every PBX promises. Subclass it and give run(), with GroupContract or AloneContract beside it."""
