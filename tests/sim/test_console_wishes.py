"""What supervisors and agents ask for at the console, carried out by the real controller on simulated PBXs."""

import asyncio
from dataclasses import replace

from callctl.core.event_acts import StartEvent
from callctl.core.events import SeatReadied
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.seat_acts import ConfirmSeats, SetThreshold
from callctl.core.wishes import Wishes
from callctl.sim.virtual_time import loop_clock
from tests.provinces import wish
from tests.sim.test_controller_in_virtual_time import call_in, tell
from tests.sim.trial import Trial

SEAT = SeatRef("wuxi", "12001")


async def press(trial: Trial, name: str, ready: bool) -> None:
    await trial.registry.put_press(SEAT, Press(name, ready, "" if ready else "202", loop_clock()))


def told(trial: Trial) -> list[bool]:
    return [fact.ready for fact in trial.facts if isinstance(fact, SeatReadied) and fact.seat == SEAT.seat]


def test_an_agent_who_presses_not_ready_is_so_within_two_seconds_and_is_sent_no_call() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        await press(trial, "p1", ready=False)
        await trial.until(lambda: told(trial) == [False], 2)
        await asyncio.sleep(2)
        assert await trial.registry.presses() == {}, "settled: the PBX shows it"
        call_in(trial, 6)
        await asyncio.sleep(40)
        assert SEAT.seat not in trial.loans()

    tell(story)


def test_a_press_that_was_fulfilled_does_not_fight_a_later_pause_by_hand() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        trial.pbxs["wuxi"].set_ready(SEAT.seat, ready=False, reason="by the phone's key")
        await press(trial, "p1", ready=True)
        await trial.until(lambda: told(trial) == [False, True], 2)
        await asyncio.sleep(2)
        trial.pbxs["wuxi"].set_ready(SEAT.seat, ready=False, reason="Auto-Pause")
        await asyncio.sleep(60)
        assert told(trial) == [False, True, False]

    tell(story)


def test_a_press_outlives_the_controller_that_should_have_obeyed_it() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        await trial.stop("a")
        await press(trial, "p1", ready=False)
        await asyncio.sleep(5)
        assert told(trial) == []
        trial.start("b")
        await trial.until(lambda: told(trial) == [False], 10)

    tell(story)


def test_only_confirmed_seats_are_lent_and_a_withdrawn_city_gets_its_seats_back() -> None:
    async def story(trial: Trial) -> None:
        call_in(trial, 8)
        await asyncio.sleep(30)
        assert trial.loans() == {}, "nobody has confirmed"
        wishes = await trial.registry.wishes()
        assert wishes is not None
        confirmed = ConfirmSeats("wuxi", "nanjing", 2).apply(wishes, 0.0)
        await trial.wish(confirmed)
        await trial.until(lambda: len(trial.loans()) == 2, 5)
        assert all(seat.startswith("12") for seat in trial.loans())
        await trial.wish(ConfirmSeats("wuxi", "nanjing", 0).apply(confirmed, 0.0))
        await trial.until(lambda: trial.loans() == {}, 5)

    asks = StartEvent("nanjing", "台风", {"wuxi": 3, "xuzhou": 3}, needs_confirmation=True).apply(Wishes(1), 0.0)
    event = replace(asks.events["nanjing"], switched_on=True)
    tell(story, wishes=replace(asks, events={"nanjing": event}))


def test_a_lower_threshold_brings_help_earlier_and_giving_it_up_the_old_one() -> None:
    async def story(trial: Trial) -> None:
        call_in(trial, 6)
        await asyncio.sleep(9)
        assert trial.loans() == {}
        await trial.until(lambda: bool(trial.loans()), 5)
        assert loop_clock() - trial.facts[0].at < 16, "ten seconds instead of twenty"

    tell(story, wishes=SetThreshold("nanjing", 10.0).apply(wish("nanjing"), 0.0))
