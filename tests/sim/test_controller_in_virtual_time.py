"""The real controller on simulated PBXs: what citizens and supervisors see, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from callctl.core.commands import Lend, OpenSlot, Order, RenewHeartbeat
from callctl.core.events import CallRinging, PbxLost, SeatReadied, SeatState
from callctl.core.expect import thing
from callctl.core.model import SeatRef, SlotRef
from callctl.core.wishes import Wishes
from callctl.sim.link import SimLink
from callctl.sim.parts import SimLoan, SimSlot
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.provinces import a_province, wish
from tests.sim.trial import Trial, a_trial

PROVINCE = a_province(3, {"nanjing": {"shared": 1, "helps": ()}})
Story = Callable[[Trial], Coroutine[Any, Any, None]]


def tell(story: Story, *holders: str, wishes: Wishes | None = None, province: Any = PROVINCE) -> None:
    """Run a story to its end; whatever happens in it, no seat is ever in two support queues."""

    async def whole() -> None:
        async with a_trial(province, wishes if wishes is not None else wish("nanjing"), *holders) as trial:
            await story(trial)
            assert all(len(queues) == 1 for queues in trial.loans().values())

    run_virtual(whole())


def ordered(trial: Trial) -> int:
    """Orders so far, heartbeats apart."""
    return sum(not isinstance(order, RenewHeartbeat) for some in trial.orders.values() for order in some)


def call_in(trial: Trial, calls: int, city: str = "nanjing") -> list[str]:
    return [trial.pbxs[city].citizen_calls(f"1380000{number:04d}") for number in range(calls)]


async def helped(trial: Trial, calls: int = 6) -> list[str]:
    """Nanjing's calls wait too long, and others talk to some of them."""
    made = call_in(trial, calls)
    await trial.until(lambda: len(trial.answered("nanjing", remote=True)) >= 3, 30)
    return made


def test_calls_over_the_threshold_are_answered_by_other_cities_in_their_order() -> None:
    async def story(trial: Trial) -> None:
        calls = call_in(trial, 6)
        await asyncio.sleep(19)
        assert trial.answered("nanjing", remote=True) == []
        await trial.until(lambda: len(trial.answered("nanjing")) == 6, 6)
        rung = [fact.call for fact in trial.facts if isinstance(fact, CallRinging) and fact.city == "nanjing"]
        assert rung == calls

    tell(story)


def test_a_waiting_call_is_rung_elsewhere_within_two_seconds_of_the_threshold() -> None:
    async def story(trial: Trial) -> None:
        call_in(trial, 2)
        await asyncio.sleep(20)
        assert await trial.until(lambda: trial.open_slots("nanjing") > 0, 2) <= 2

    tell(story)


def test_supporting_cities_keep_their_reserve_at_home() -> None:
    async def story(trial: Trial) -> None:
        call_in(trial, 40)
        await asyncio.sleep(60)
        for city in ("wuxi", "xuzhou"):
            seats = trial.pbxs[city].seats.values()
            assert sum(seat.state is SeatState.FREE for seat in seats) >= 1

    tell(story)


def test_switched_off_everything_closes_at_once_and_talks_go_on() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial)
        talking = len(trial.answered("nanjing", remote=True))
        await trial.wish(wish("nanjing", on=False))
        await trial.until(lambda: trial.open_slots("nanjing") == 0 and not trial.loans(), 2)
        assert sum(bool(call.answered_at) for call in trial.pbxs["nanjing"].calls.values()) >= talking

    tell(story)


def test_the_emergency_stop_brings_every_seat_home() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial)
        await trial.wish(wish("nanjing", stopped=True))
        await trial.until(lambda: trial.open_slots("nanjing") == 0 and not trial.loans(), 2)
        assert await trial.registry.loans() == {}

    tell(story)


def test_the_calm_city_gives_the_seats_back_after_a_while() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=4)
        await asyncio.sleep(40)
        assert trial.loans()  # Hysteresis: the next caller finds them.
        await trial.until(lambda: not trial.loans() and trial.open_slots("nanjing") == 0, 120)

    tell(story)


def test_a_seat_called_home_and_lent_again_at_once_is_booked_again_before_the_pbx_hears_of_it() -> None:
    async def story(trial: Trial) -> None:
        wuxi, lent, booked = trial.pbxs["wuxi"], [], []

        def hear(order: Order) -> None:
            if isinstance(order, Lend):
                lent.append(order.token)
                booked.append(trial.registry.held().get(SeatRef("wuxi", order.seat)) == ("nanjing", order.token))

        wuxi.order_taps.append(hear)
        call_in(trial, 4)
        await trial.until(lambda: bool(lent), 25)
        # The agent goes on a break, and is back before the PBX, slow just now, has obeyed the Recall.
        wuxi.timing = replace(wuxi.timing, order_s=0.3)
        wuxi.set_ready("12001", ready=False)
        await asyncio.sleep(0.1)
        wuxi.set_ready("12001", ready=True)
        await trial.until(lambda: len(lent) > 1, 5)
        assert booked == [True, True]
        assert lent[1] > lent[0]

    tell(story, province=a_province(2, {"nanjing": {"shared": 1, "helps": ()}, "wuxi": {"shared": 1, "reserve": 0}}))


def test_a_controller_that_was_stopped_asks_who_leads_before_it_orders_anything() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=8)
        trial.processes["a"].stopped = True
        # Meanwhile there is much to do: everything was stopped, and a helper has callers of its own.
        await trial.wish(wish("nanjing", stopped=True))
        call_in(trial, 8, "wuxi")
        await asyncio.sleep(10)
        assert trial.loans()
        asked: list[bool] = []
        woken_at = loop_clock()
        trial.registry.lag_s = 0.3
        for pbx in trial.pbxs.values():
            pbx.order_taps.append(lambda order: asked.append(trial.registry.leased()[1] >= woken_at))
        trial.processes["a"].go_on()
        await trial.until(lambda: not trial.loans() and trial.open_slots("nanjing") == 0, 5)
        assert asked
        assert all(asked)

    tell(story)


async def deposed_while_stopped(trial: Trial) -> None:
    """Process a has lent seats and is stopped; b leads."""
    await helped(trial, calls=8)
    trial.processes["a"].stopped = True
    trial.start("b")
    await trial.until(lambda: trial.running["b"][0].leading, 6)


def test_a_controller_that_was_stopped_and_deposed_orders_nothing_more() -> None:
    async def story(trial: Trial) -> None:
        await deposed_while_stopped(trial)
        await trial.wish(wish("nanjing", on=False))
        await trial.until(lambda: not trial.loans(), 3)
        await asyncio.sleep(3)
        before = ordered(trial)
        trial.processes["a"].go_on()
        await asyncio.sleep(3)
        assert ordered(trial) == before
        assert not trial.running["a"][0].leading
        assert trial.running["b"][0].leading

    tell(story)


def test_whoever_was_deposed_while_stopped_opens_and_lends_nothing_although_the_new_leader_sleeps() -> None:
    async def story(trial: Trial) -> None:
        await deposed_while_stopped(trial)
        await trial.wish(wish("nanjing", on=False))
        call_in(trial, 30)
        await trial.until(lambda: not trial.loans() and trial.open_slots("nanjing") == 0, 3)
        await asyncio.sleep(20)
        # Help is wanted again, "a" is woken, and "b", who leads, is slow.
        await trial.wish(wish("nanjing"))
        trial.processes["b"].stopped = True
        before = ordered(trial)
        trial.registry.lag_s = 0.3
        trial.processes["a"].go_on()
        await asyncio.sleep(2)
        given = ordered(trial) - before
        trial.processes["b"].go_on()
        assert given == 0
        await trial.until(lambda: trial.open_slots("nanjing") > 0, 2)
        lease = trial.registry.leased()[0]
        assert {slot.token for slot in trial.pbxs["nanjing"].slots.values() if slot.open} == {lease}

    tell(story, province=a_province(3, {"nanjing": {"shared": 1, "helps": ()}}, shared=20, quota=20))


def test_a_helper_with_own_callers_waiting_is_rung_no_more() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        call_in(trial, 12, city="wuxi")
        await asyncio.sleep(2)
        wuxi = [ref for ref, slot in trial.pbxs["nanjing"].slots.items() if slot.open and not slot.call]
        assert not [ref for ref in wuxi if ref.supporting == "wuxi"]

    tell(story)


def test_a_killed_controller_is_replaced_and_its_loans_are_adopted() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        before = trial.loans()
        controller, links, task = trial.running["a"]
        trial.registry.resign = _nothing  # type: ignore[method-assign]  # SIGKILL resigns nothing.
        task.cancel()
        del trial.running["a"], controller, links
        await trial.until(lambda: trial.running["b"][0].leading, 5.1)
        await asyncio.sleep(3)
        after = trial.loans()
        assert all(after.get(seat) == queues for seat, queues in before.items())
        answered = len(trial.answered("nanjing", remote=True))
        await trial.until(lambda: len(trial.answered("nanjing", remote=True)) > answered, 90)

    tell(story, "a", "b")


async def _nothing(holder: str) -> None:
    return None


def test_a_restarted_controller_keeps_helping_although_nobody_is_over_the_threshold() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=4)
        await trial.stop("a")
        loans = trial.loans()
        assert loans
        trial.start("c")
        await asyncio.sleep(10)
        assert trial.loans() == loans

    tell(story)


def test_the_standby_orders_nothing_while_another_leads() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial)
        leaders = [holder for holder, (controller, _, _) in trial.running.items() if controller.leading]
        assert len(leaders) == 1

    tell(story, "a", "b")


def test_a_controller_that_sees_a_newer_token_on_a_slot_steps_down() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial)
        controller = trial.running["a"][0]
        await trial.registry.resign("a")
        assert await trial.registry.lead("rival", 600)
        nanjing = trial.pbxs["nanjing"]
        slot = SimSlot(open=False, token=99_999)
        nanjing.slots[SlotRef("wuxi", 30)] = slot
        nanjing.set_slot(SlotRef("wuxi", 30), slot, is_open=True)
        await asyncio.sleep(0.1)
        assert not controller.leading

    tell(story)


def test_an_old_mark_on_a_slot_does_not_depose_the_one_whom_the_registry_confirms() -> None:
    async def story(trial: Trial) -> None:
        nanjing = trial.pbxs["nanjing"]
        nanjing.slots[SlotRef("wuxi", 30)] = SimSlot(open=True, token=99_999)
        await helped(trial)
        assert trial.running["a"][0].leading

    tell(story)


def test_two_loans_of_one_seat_end_with_the_newer_one_alone() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        seat = next(seat for seat, queues in trial.loans().items() if seat.startswith("12"))
        trial.pbxs["wuxi"].support["xuzhou"][seat] = SimLoan(0, 0)  # The older token: a deposed controller's.
        await trial.until(lambda: trial.loans().get(seat) == ["nanjing"], 35)

    tell(story)


def test_without_the_registry_nothing_new_is_lent_and_taking_back_works() -> None:
    async def story(trial: Trial) -> None:
        trial.registry.lost = True
        call_in(trial, 6)
        await asyncio.sleep(40)
        assert trial.loans() == {}
        assert trial.running["a"][0].picture()["cities"]["nanjing"]["reasons"][0]["code"] == "registry_lost"
        trial.registry.lost = False
        await trial.until(lambda: len(trial.answered("nanjing", remote=True)) > 2, 12)
        trial.registry.lost = True
        slots = trial.pbxs["nanjing"].slots
        unused = next(ref for ref, slot in slots.items() if slot.open and not slot.call)
        trial.pbxs[unused.supporting].set_trunk("nanjing", up=False)
        await trial.until(lambda: not slots[unused].open, 3)

    tell(story)


def test_a_registry_that_came_back_empty_leaves_the_lease_with_whoever_leads() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial)
        [led] = [holder for holder, (controller, _, _) in trial.running.items() if controller.leading]
        for _ in range(10):  # Whoever of the two asks first afterwards.
            trial.registry.forget()
            await asyncio.sleep(1.7)
            assert [holder for holder, (controller, _, _) in trial.running.items() if controller.leading] == [led]

    tell(story, "a", "b")


@pytest.mark.parametrize("calls", [8, 0])  # With nothing lent no PBX shows that somebody leads.
def test_a_controller_started_while_the_registry_was_away_leaves_the_lease_with_whoever_leads(calls: int) -> None:
    async def story(trial: Trial) -> None:
        if calls:
            await helped(trial, calls)
        await trial.until(lambda: trial.running["a"][0].leading, 5)
        trial.registry.lost = True
        trial.start("b")
        await asyncio.sleep(6.0)
        for turn in range(6):  # Whoever of the two asks first afterwards.
            trial.registry.lost = True
            await trial.stop("b")
            trial.start("b")
            await asyncio.sleep(2.0 + 0.13 * turn)
            trial.registry.forget()
            trial.registry.lost = False
            assert await _who_led_for(trial, 4.0) == {"a"}

    tell(story)


def test_a_controller_started_as_the_registry_comes_back_empty_sees_on_the_pbxs_that_somebody_leads() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=8)
        for turn in range(6):
            await asyncio.sleep(0.37 * turn)
            trial.registry.forget()
            trial.start("b")
            assert await _who_led_for(trial, 4.0) == {"a"}
            await trial.stop("b")

    tell(story)


def test_a_restarted_controller_leads_at_once_where_the_registry_remembers() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=8)
        await trial.stop("a")
        await asyncio.sleep(10)
        assert trial.loans()
        trial.start("b")
        await trial.until(lambda: trial.running["b"][0].leading, 0.5)

    tell(story)


async def _who_led_for(trial: Trial, for_s: float) -> set[str]:
    """Everybody who led for a moment of this time, however short."""
    led = set()
    for _ in range(int(for_s / 0.01)):
        led |= {holder for holder, (controller, _, _) in trial.running.items() if controller.leading}
        await asyncio.sleep(0.01)
    return led


def test_a_reading_asked_before_the_lease_does_not_tell_a_new_leader_what_the_one_before_did() -> None:
    async def story(trial: Trial) -> None:
        trial.start("b")
        await asyncio.sleep(5)
        call_in(trial, 6)
        await asyncio.sleep(18)
        for pbx in trial.pbxs.values():
            pbx.timing = replace(pbx.timing, reading_s=3.0)
        old = [asyncio.ensure_future(link.reread()) for link in trial.links("b").values()]
        await asyncio.sleep(0.1)
        for link in trial.links("b").values():
            link.loses = 1000  # What the leader lends from now on it does not hear of.
        await trial.until(lambda: bool(trial.loans()), 2.5)
        await trial.stop("a")
        await trial.until(lambda: trial.running["b"][0].leading, 0.6)
        before = {city: len(orders) for city, orders in trial.orders.items()}
        await asyncio.gather(*old)
        await asyncio.sleep(1.5)
        given = [order for city, orders in trial.orders.items() for order in orders[before[city] :]]
        assert not [order for order in given if isinstance(order, Lend | OpenSlot)]
        for link in trial.links("b").values():
            link.loses = 0
        await trial.until(lambda: len(trial.answered("nanjing", remote=True)) >= 3, 30)

    tell(story)


def test_what_waited_for_a_slow_pbx_is_not_opened_by_a_lease_of_before() -> None:
    async def story(trial: Trial) -> None:
        nanjing, orders = trial.pbxs["nanjing"], trial.orders["nanjing"]
        nanjing.timing = replace(nanjing.timing, order_s=1.0)
        call_in(trial, 6)
        await trial.until(lambda: any(isinstance(order, OpenSlot) for order in orders), 30)
        trial.registry.forget()
        await asyncio.sleep(2.5)  # It leads anew, and what was on its way has come.
        before = len(orders)
        await asyncio.sleep(10)
        opened = {order.token for order in orders[before:] if isinstance(order, OpenSlot)}
        assert opened == {trial.registry.leased()[0]}

    tell(story)


def test_a_registry_that_came_back_empty_learns_the_loans_from_the_pbxs_within_five_seconds() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        before = trial.loans()
        trial.registry.forget()
        await asyncio.sleep(5)
        assert {ref.seat for ref in await trial.registry.loans()} >= set(before)
        assert all(trial.loans().get(seat) == queues for seat, queues in before.items())
        assert await trial.registry.wishes() is not None

    tell(story)


def test_a_city_whose_link_is_lost_gets_no_orders_and_its_callers_wait_on() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        trial.links()["wuxi"].cut()
        await trial.until(lambda: any(isinstance(fact, PbxLost) for fact in trial.history.facts), 3)
        call_in(trial, 6)
        await asyncio.sleep(30)
        assert not trial.orders["wuxi"] or trial.pbxs["wuxi"].support["nanjing"] == {}
        picture = trial.running["a"][0].picture()
        assert picture["cities"]["wuxi"]["waiting"] is None
        trial.links()["wuxi"].mend()
        call_in(trial, 6)
        await trial.until(lambda: bool(trial.pbxs["wuxi"].support["nanjing"]), 40)

    tell(story)


def test_a_dead_supporting_pbx_brings_its_calls_back_to_the_front() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=20)
        nanjing = trial.pbxs["nanjing"]
        lost = [
            call.waiting.call
            for call in nanjing.calls.values()
            if call.answered_at and isinstance(call.by, SlotRef) and call.by.supporting == "wuxi"
        ]
        assert lost
        trial.pbxs["wuxi"].die()
        await asyncio.sleep(8)
        assert all(call in nanjing.calls for call in lost)
        await trial.until(lambda: all(trial.answered("nanjing").count(call) == 2 for call in lost), 90)

    tell(story)


def test_a_restarted_pbx_gets_its_loans_and_slots_again() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=40)
        trial.pbxs["wuxi"].die()
        await asyncio.sleep(5)
        trial.pbxs["wuxi"].boot()
        await trial.until(lambda: bool(trial.pbxs["wuxi"].support["nanjing"]), 20)

    tell(story)


def test_an_agent_who_does_not_answer_is_left_in_peace() -> None:
    async def story(trial: Trial) -> None:
        for city in ("wuxi", "xuzhou"):
            for seat in trial.pbxs[city].seats.values():
                seat.answers_after_s = None
        call_in(trial, 3)
        await asyncio.sleep(60)
        rung = [fact for fact in trial.facts if isinstance(fact, CallRinging) and fact.city in ("wuxi", "xuzhou")]
        assert len(rung) == len({fact.by for fact in rung})  # Nobody twice within the minute.

    tell(story)


def test_a_controller_that_stops_cleanly_leaves_the_loans_and_gives_the_lease_back() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        before = trial.loans()
        await trial.stop("a")
        assert trial.loans() == before
        assert await trial.registry.lead("next", 5) is not None

    tell(story)


def test_the_picture_names_a_reason_and_no_citizen() -> None:
    async def story(trial: Trial) -> None:
        call_in(trial, 6)
        await asyncio.sleep(25)
        status = await trial.registry.status()
        assert status is not None
        assert status["cities"]["nanjing"]["reasons"][0]["code"] == "no_event"
        assert "1380000" not in repr(status)

    tell(story, wishes=wish("wuxi"))


def test_a_link_that_floods_is_read_anew_instead_of_filling_the_memory() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        controller = trial.running["a"][0]
        fact = PbxLost("wuxi", 0.0, "")
        for _ in range(100_001):
            controller._hear(fact)
        await asyncio.sleep(5)
        assert controller.picture()["cities"]["wuxi"]["up"]

    tell(story)


def test_a_frozen_link_gets_its_orders_again_when_it_is_back() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        link: SimLink = trial.links()["wuxi"]
        call_in(trial, 20)
        await asyncio.sleep(14)
        trial.pbxs["wuxi"].freeze()
        await asyncio.sleep(10)
        trial.pbxs["wuxi"].thaw()
        await trial.until(lambda: link.connected and bool(trial.pbxs["wuxi"].support["nanjing"]), 15)

    tell(story)


def test_a_stop_recorded_while_the_registry_was_away_takes_effect_at_once_and_stays() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        trial.registry.lost = True
        wishes = trial.history.known
        assert wishes is not None
        trial.history.known = replace(wishes, version=wishes.version + 1, stopped=True)  # The desk: SQL took it.
        await trial.until(lambda: trial.open_slots("nanjing") == 0 and not trial.loans(), 2)
        trial.registry.lost = False
        await asyncio.sleep(10)
        told = await trial.registry.wishes()
        assert told is not None
        assert told.stopped
        assert trial.open_slots("nanjing") == 0

    tell(story, wishes=replace(wish("nanjing"), version=1))


def test_a_registry_that_comes_back_with_an_older_copy_does_not_undo_a_stop() -> None:
    async def story(trial: Trial) -> None:
        await helped(trial, calls=30)
        older = await trial.registry.wishes()
        assert older is not None
        await trial.wish(wish("nanjing", stopped=True))
        await trial.until(lambda: trial.open_slots("nanjing") == 0 and not trial.loans(), 2)
        trial.registry._wishes = older  # Redis restarted from its last snapshot.
        call_in(trial, 5)
        await asyncio.sleep(25)
        assert not trial.loans()
        told = await trial.registry.wishes()
        assert told is not None
        assert told.stopped

    tell(story, wishes=replace(wish("nanjing"), version=1))


def test_the_emergency_stop_does_not_wait_behind_what_a_slow_pbx_has_not_opened_yet() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        nanjing = trial.pbxs["nanjing"]
        nanjing.timing = replace(nanjing.timing, order_s=0.7)
        call_in(trial, 40)
        await trial.until(lambda: trial.open_slots("nanjing") > 0, 30)
        await trial.wish(replace(wish("nanjing", stopped=True)))
        await asyncio.sleep(2.5)
        obeyed = len(trial.orders["nanjing"])
        await asyncio.sleep(30)
        assert not [order for order in trial.orders["nanjing"][obeyed:] if isinstance(order, OpenSlot)]
        assert trial.open_slots("nanjing") == 0

    tell(story, province=a_province(4, {"nanjing": {"shared": 1, "helps": ()}}))


def test_a_pbx_gone_mad_costs_the_other_cities_nothing() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        controller = trial.running["a"][0]
        for _ in range(100_000):
            controller._hear(SeatReadied("xuzhou", 0.0, "1301", True))
        controller._hear(SeatReadied("wuxi", 0.0, "1201", True))
        await asyncio.sleep(0.3)
        cities = controller.picture()["cities"]
        assert (cities["wuxi"]["up"], cities["xuzhou"]["up"]) == (True, False)
        await asyncio.sleep(3)
        assert controller.picture()["cities"]["xuzhou"]["up"]

    tell(story)


def test_a_reading_older_than_our_orders_makes_nothing_be_ordered_twice() -> None:
    async def story(trial: Trial) -> None:
        await asyncio.sleep(5)
        for pbx in trial.pbxs.values():
            pbx.timing = replace(pbx.timing, reading_s=2.0)
        call_in(trial, 6)
        await asyncio.sleep(19.5)
        before = {city: len(orders) for city, orders in trial.orders.items()}
        for link in trial.links().values():
            link.loses = 100  # What happens during the reading is told after it; nobody hears of it.
        await asyncio.gather(*(link.reread() for link in trial.links().values()))
        for link in trial.links().values():
            link.loses = 0
        await asyncio.sleep(5)
        given = [order for city, orders in trial.orders.items() for order in orders[before[city] :]]
        things = [thing(order) for order in given if isinstance(order, Lend | OpenSlot)]
        assert len(things) >= 4
        assert len(things) == len(set(things))

    tell(story)
