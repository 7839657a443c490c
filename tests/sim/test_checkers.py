"""Every promise, broken on purpose on simulated PBXs without a controller: the checkers must say which."""

import asyncio
import pickle
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from callctl.core.commands import CloseSlot, Lend, MoveCaller, OpenSlot, Order, Recall, RenewHeartbeat
from callctl.core.events import CallAnswered, CallRinging, HomeSeat, LentSeat, SeatState
from callctl.core.model import SeatRef, SlotRef
from callctl.core.wishes import Wishes
from callctl.sim.checkers import Checkers, Violation
from callctl.sim.lasting import LOOKS_EVERY_S, Health, Lasting
from callctl.sim.network import build_network
from callctl.sim.pbx import SimPbx
from callctl.sim.posts import Posts
from callctl.sim.registry import MemoryHistory, MemoryRegistry
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.provinces import a_province, wish

PROVINCE = a_province(3, {"nanjing": {"shared": 1}}, shared=3, dedicated=1, quota=2, channels=1)
SLOT = SlotRef("wuxi", 1)


class Watched:
    """Three cities, nobody who leads them, and the checkers' eyes on them."""

    def __init__(self, wishes: Wishes) -> None:
        self.pbxs = build_network(PROVINCE, loop_clock)
        self.booked: dict[SeatRef, tuple[str, int]] = {}
        self.checkers = Checkers(PROVINCE, self.pbxs, lambda: self.booked, loop_clock)
        self.checkers.wished.append((loop_clock(), wishes))
        registry = MemoryRegistry(loop_clock)
        self.posts = Posts(PROVINCE, self.pbxs, registry, MemoryHistory(), loop_clock)
        self.health = Health(self.pbxs, self.posts, loop_clock)
        self.lasting = Lasting(PROVINCE, self.checkers, self.health)
        self.health.well_s = lambda *cities: 1000.0  # type: ignore[method-assign]  # As if somebody led and saw all.
        self.order(*(RenewHeartbeat(city) for city in self.pbxs))

    def order(self, *orders: Order) -> None:
        for order in orders:
            self.pbxs[order.city].obey(order)

    def lend(self, number: int, to: str = "nanjing", booked: bool = True, token: int = 5) -> None:
        seat = f"12{number:03d}"
        if booked:
            self.booked[SeatRef("wuxi", seat)] = (to, token)
        self.order(Lend("wuxi", seat, to, token))

    async def look_for(self, seconds: float) -> None:
        for _ in range(int(seconds / LOOKS_EVERY_S)):
            await asyncio.sleep(LOOKS_EVERY_S)
            self.lasting.look()

    @property
    def broken(self) -> str:
        return self.checkers.failed.rule if self.checkers.failed is not None else ""

    @property
    def nanjing(self) -> SimPbx:
        return self.pbxs["nanjing"]


def watch(story: Callable[[Watched], Coroutine[Any, Any, None]], wishes: Wishes | None = None) -> str:
    """The rule that was broken at the end of the story."""

    async def whole() -> str:
        watched = Watched(wish("nanjing") if wishes is None else wishes)
        await story(watched)
        return watched.broken

    return run_virtual(whole())


def at_once(act: Callable[[Watched], object], wishes: Wishes | None = None) -> str:
    async def story(watched: Watched) -> None:
        act(watched)

    return watch(story, wishes)


def test_a_loan_and_a_slot_as_they_should_be_break_nothing() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(1)
        watched.order(OpenSlot("nanjing", SLOT, 5))
        await watched.look_for(1)
        watched.nanjing.citizen_calls("13800000001")
        watched.nanjing.citizen_calls("13800000002")
        await watched.look_for(5)
        assert watched.checkers.remote == 1

    assert watch(story) == ""


def test_a_loan_nobody_booked() -> None:
    assert at_once(lambda watched: watched.lend(1, booked=False)) == "booked before lent"


def test_a_loan_beyond_the_quota() -> None:
    assert at_once(lambda watched: [watched.lend(number) for number in (1, 2, 3)]) == "quota"


def test_a_seat_lent_to_two_cities() -> None:
    both = wish("nanjing", "xuzhou")
    assert at_once(lambda watched: [watched.lend(1, to) for to in ("nanjing", "xuzhou")], both) == "one loan a seat"


def test_a_loan_to_a_city_that_is_not_switched_on() -> None:
    assert at_once(lambda watched: watched.lend(1), wish("nanjing", on=False)) == "only for who is switched on"


def test_a_loan_under_the_emergency_stop() -> None:
    assert at_once(lambda watched: watched.lend(1), wish("nanjing", stopped=True)) == "only for who is switched on"


def test_wishes_a_moment_old_excuse_an_order_and_older_ones_do_not() -> None:
    async def after(seconds: float, watched: Watched) -> None:
        watched.checkers.wished.append((loop_clock(), wish()))
        await asyncio.sleep(seconds)
        watched.lend(1)

    assert watch(lambda watched: after(0.9, watched)) == ""
    assert watch(lambda watched: after(1.5, watched)) == "only for who is switched on"


def test_who_was_stopped_and_still_leads_is_excused_for_wishes_as_old_as_its_sleep_but_only_for_a_moment() -> None:
    async def woken(slept_s: float, old_s: float, ago_s: float, watched: Watched) -> None:
        watched.checkers.wished.append((loop_clock(), wish()))
        await asyncio.sleep(old_s - ago_s)
        watched.checkers.woken(slept_s)
        await asyncio.sleep(ago_s)
        watched.lend(1)

    assert watch(lambda watched: woken(3.5, 4.0, 0.5, watched)) == ""
    for slept_s, old_s, ago_s in ((3.5, 5.0, 0.5), (3.5, 4.0, 1.5), (2.0, 4.0, 0.5), (30.0, 4.0, 0.5)):
        told = watch(lambda watched, at=(slept_s, old_s, ago_s): woken(*at, watched))  # type: ignore[misc]
        assert told == "only for who is switched on"


def test_a_loan_beyond_the_citys_share_in_the_event() -> None:
    shares = wish("nanjing", seats={"wuxi": 1})
    assert at_once(lambda watched: [watched.lend(1), watched.lend(2)], shares) == "share in the event"


def test_more_slots_than_the_trunk_carries() -> None:
    slots = [OpenSlot("nanjing", SlotRef("wuxi", number), 5) for number in (1, 2)]
    assert at_once(lambda watched: watched.order(*slots)) == "trunk"


def test_a_slot_opened_by_a_lease_that_another_has_taken() -> None:
    def leased(token: int, ago_s: float) -> str:
        def act(watched: Watched) -> None:
            watched.checkers.leased = lambda: (token, loop_clock() - ago_s)
            watched.order(OpenSlot("nanjing", SLOT, 5))

        return at_once(act)

    assert leased(6, 1.0) == "only who leads opens"
    assert leased(6, 0.001) == ""  # It was on its way when the other took over.
    assert leased(5, 1.0) == ""


def test_a_slot_of_a_city_that_is_switched_off() -> None:
    off = wish("nanjing", on=False)
    assert at_once(lambda watched: watched.order(OpenSlot("nanjing", SLOT, 5)), off) == "only for who is switched on"


def test_a_caller_moved_by_nobodys_hand() -> None:
    def move(watched: Watched) -> None:
        watched.nanjing.set_ready("11002", ready=False)
        watched.order(MoveCaller("nanjing", watched.nanjing.citizen_calls("13800000001"), "wuxi"))

    assert at_once(move) == "no caller moved"


def test_a_call_that_travels_on() -> None:
    ring = CallRinging("wuxi", 0.0, "nanjing-1.1", SlotRef("xuzhou", 1))
    assert at_once(lambda watched: watched.checkers.hear(ring)) == "no onward hop"
    astray = CallRinging("wuxi", 0.0, "xuzhou-1.1", LentSeat("12001", "nanjing"))
    assert at_once(lambda watched: watched.checkers.hear(astray)) == "no onward hop"


def test_a_seat_rung_for_two_calls() -> None:
    rings = [CallRinging("nanjing", 0.0, f"nanjing-1.{number}", HomeSeat("11002")) for number in (1, 2)]
    assert at_once(lambda watched: [watched.checkers.hear(ring) for ring in rings]) == "no agent with two calls"


def test_a_call_answered_twice() -> None:
    answers = [CallAnswered("nanjing", 0.0, "nanjing-1.1", HomeSeat(seat), 1.0) for seat in ("11001", "11002")]
    assert at_once(lambda watched: [watched.checkers.hear(answer) for answer in answers]) == "no double answer"


def test_a_ring_without_a_heartbeat() -> None:
    async def story(watched: Watched) -> None:
        await asyncio.sleep(121)
        watched.checkers.hear(CallRinging("wuxi", loop_clock(), "nanjing-1.1", LentSeat("12001", "nanjing")))

    assert watch(story) == "dead man's switch"


def test_a_later_caller_rung_first() -> None:
    async def story(watched: Watched) -> None:
        pbx = watched.nanjing
        pbx.set_ready("11002", ready=False)
        pbx.citizen_calls("13800000001")
        await asyncio.sleep(3)
        pbx.citizen_calls("13800000002")
        await asyncio.sleep(3)
        pbx.waiting.reverse()
        pbx.set_ready("11002", ready=True)
        await asyncio.sleep(200)

    assert watch(story) == "place kept"


def test_a_heartbeat_nobody_renews() -> None:
    assert watch(lambda watched: watched.look_for(30)) == "heartbeat"


def test_a_slot_left_open_to_a_city_whose_own_callers_wait() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(2)
        watched.order(OpenSlot("nanjing", SLOT, 5))
        await watched.look_for(3)
        assert watched.broken == ""
        for _ in range(6):
            watched.pbxs["wuxi"].citizen_calls("13900000001")
        await watched.look_for(5)

    assert watch(story) == "reserve"


def test_each_open_slot_may_take_its_time_to_close_on_a_slow_link() -> None:
    async def story(watched: Watched, seconds: float) -> None:
        watched.lend(2)
        watched.order(OpenSlot("nanjing", SLOT, 5), OpenSlot("nanjing", SlotRef("xuzhou", 1), 5))
        watched.health.lag_s = lambda asked: 1.0 if asked == "nanjing" else 0.0  # type: ignore[method-assign]
        for _ in range(6):
            watched.pbxs["wuxi"].citizen_calls("13900000001")
        await watched.look_for(seconds)

    assert watch(lambda watched: story(watched, 11.0)) == "", "two slots, two heartbeats, and there and back"
    assert watch(lambda watched: story(watched, 13.0)) == "reserve"


def test_a_slot_open_for_a_dedicated_seat_takes_nothing_from_home() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(1)
        watched.order(OpenSlot("nanjing", SLOT, 5))
        for _ in range(6):
            watched.pbxs["wuxi"].citizen_calls("13900000001")
        await watched.look_for(5)

    assert watch(story) == ""


def test_a_slot_that_leads_to_nobody_once_no_talk_may_be_believed_in_any_more() -> None:
    async def story(watched: Watched, seconds: float) -> None:
        watched.order(OpenSlot("nanjing", SLOT, 5))
        await watched.look_for(seconds)

    assert watch(lambda watched: story(watched, 21.0)) == ""
    assert watch(lambda watched: story(watched, 23.0)) == "a slot leads somewhere"


def test_loans_that_go_on_after_the_switch_off() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(1)
        watched.checkers.wished.append((loop_clock(), wish()))
        await watched.look_for(7)

    assert watch(story) == "switched off"


def test_loans_come_home_one_after_the_other_on_a_slow_link() -> None:
    """The time is that of all of them, also when one is home already. Found by seed 184109."""

    async def story(watched: Watched, seconds: float) -> None:
        watched.lend(1)
        watched.lend(2)
        watched.health.lag_s = lambda asked: 1.0 if asked == "wuxi" else 0.0  # type: ignore[method-assign]
        watched.checkers.wished.append((loop_clock(), wish("nanjing", on=False)))
        await watched.look_for(10.0)
        watched.order(Recall("wuxi", "12001", "nanjing"))
        await watched.look_for(seconds - 10.0)

    assert watch(lambda watched: story(watched, 14.0)) == "", "two seats, two heartbeats, and there and back"
    assert watch(lambda watched: story(watched, 16.5)) == "switched off"


def test_slots_that_stay_open_after_the_switch_off() -> None:
    async def story(watched: Watched) -> None:
        watched.order(OpenSlot("nanjing", SLOT, 5))
        watched.checkers.wished.append((loop_clock(), wish()))
        await watched.look_for(7)

    assert watch(story) == "switched off"


def test_a_quota_that_was_lowered_and_is_not_kept() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(1)
        watched.checkers.wished.append((loop_clock(), wish("nanjing", quotas={"wuxi": 0})))
        await watched.look_for(7)

    assert watch(story) == "quota"


def test_a_loan_the_registry_does_not_know() -> None:
    async def story(watched: Watched) -> None:
        watched.lend(1)
        watched.booked.clear()
        for _ in range(2):
            await watched.look_for(10)
            watched.order(RenewHeartbeat("nanjing"), RenewHeartbeat("wuxi"), RenewHeartbeat("xuzhou"))

    assert watch(story) == "registry and PBX agree"


async def a_caller_in_need(watched: Watched) -> None:
    """Nanjing's only agent talks, a second caller has waited nearly the threshold; elsewhere agents are idle."""
    for _ in range(2):
        watched.nanjing.citizen_calls("13800000001")
    await watched.look_for(19)
    watched.order(*(RenewHeartbeat(city) for city in watched.pbxs))
    assert watched.broken == ""


def offered(change: Callable[[Watched], object], wishes: Wishes | None = None, seconds: float = 4.0) -> str:
    """The rule broken when nobody lends anything to a caller in need for a while, where something is different."""

    async def story(watched: Watched) -> None:
        change(watched)
        await a_caller_in_need(watched)
        await watched.look_for(seconds)

    return watch(story, wishes)


def nothing(watched: Watched) -> None:
    """All is as it was."""


def test_a_caller_in_need_whom_nobody_offers_a_seat() -> None:
    assert offered(nothing) == "help is offered"


def test_help_is_owed_within_two_ticks_and_not_at_once() -> None:
    assert offered(nothing, seconds=2.0) == ""


def test_a_slow_link_to_another_assisted_city_makes_help_owed_later_and_one_to_a_bystander_does_not() -> None:
    def slow(city: str) -> Callable[[Watched], None]:
        def change(watched: Watched) -> None:
            watched.health.lag_s = lambda asked: 0.5 if asked == city else 0.0  # type: ignore[method-assign]

        return change

    both, one = wish("nanjing", "xuzhou"), wish("nanjing", seats={"wuxi": 2})
    assert offered(slow("xuzhou"), both, seconds=4.0) == "", "the seat may be promised to xuzhou, the slot on its way"
    assert offered(slow("xuzhou"), both, seconds=8.0) == "help is offered"
    assert offered(slow("xuzhou"), one, seconds=4.0) == "help is offered"


@pytest.mark.parametrize("slots", [0, 12])
def test_for_slots_that_are_closed_no_order_is_waited_for_on_a_slow_link(slots: int) -> None:
    def change(watched: Watched) -> None:
        watched.health.lag_s = lambda asked: 1.0 if asked == "nanjing" else 0.0  # type: ignore[method-assign]
        for number in range(slots):
            ref = SlotRef("wuxi", number + 1)
            watched.order(OpenSlot("nanjing", ref, 5), CloseSlot("nanjing", ref))

    assert offered(change, seconds=6.0) == "", "two heartbeats and the order itself"
    assert offered(change, seconds=11.0) == "help is offered"


def test_over_a_trunk_that_is_just_back_nothing_is_owed_and_it_is_longer_after_the_second_fall() -> None:
    def change(falls: int) -> Callable[[Watched], None]:
        def fall(watched: Watched) -> None:
            for number in range(2 * falls):
                for other in ("wuxi", "xuzhou"):
                    at_s = 19.0 + 0.01 * number
                    asyncio.get_running_loop().call_later(at_s, watched.nanjing.set_trunk, other, bool(number % 2))

        return fall

    assert offered(change(1), seconds=4.0) == ""
    assert offered(change(1), seconds=6.5) == "help is offered"
    assert offered(change(2), seconds=6.5) == ""
    assert offered(change(2), seconds=9.5) == "help is offered"


def test_a_slot_that_is_open_or_a_call_that_rings_is_help() -> None:
    async def story(watched: Watched) -> None:
        await a_caller_in_need(watched)
        watched.lend(2)
        watched.order(OpenSlot("nanjing", SLOT, 5))
        await watched.look_for(2)
        assert watched.nanjing.slots[SLOT].call
        await watched.look_for(8)

    assert watch(story) == ""


def test_a_set_up_on_a_cut_wire_is_waited_for() -> None:
    async def story(watched: Watched) -> None:
        watched.pbxs["xuzhou"].set_trunk("nanjing", up=False)
        await a_caller_in_need(watched)
        watched.lend(2)
        watched.nanjing.cut_wire("wuxi")
        watched.order(OpenSlot("nanjing", SLOT, 5))
        await watched.look_for(4)
        assert watched.nanjing.slots[SLOT].call
        watched.order(CloseSlot("nanjing", SLOT))
        assert watched.broken == ""

    assert watch(story) == ""


def test_nobody_owes_help_who_may_not_or_cannot_give_it() -> None:
    assert offered(nothing, wish("nanjing", on=False)) == ""
    assert offered(nothing, wish("nanjing", stopped=True)) == ""
    assert offered(nothing, wish("nanjing", "wuxi", "xuzhou")) == ""
    assert offered(nothing, wish("nanjing", quotas={"wuxi": 0, "xuzhou": 0})) == ""
    assert offered(nothing, wish("nanjing", seats={"changzhou": 2})) == ""
    away = [("12001", "12002", "12003", "12004"), ("13001", "13002", "13003")]

    def nobody_there(watched: Watched) -> None:
        for city, seats in zip(("wuxi", "xuzhou"), away, strict=True):
            for seat in seats:
                watched.pbxs[city].set_ready(seat, ready=False)

    assert offered(nobody_there) == ""

    def trunks_down(watched: Watched) -> None:
        watched.nanjing.set_trunk("wuxi", up=False)
        watched.pbxs["xuzhou"].set_trunk("nanjing", up=False)

    assert offered(trunks_down) == ""


def test_a_city_keeps_its_reserve_and_a_dedicated_seat_is_owed_all_the_same() -> None:
    def one_left(watched: Watched, *ready: str) -> None:
        for city in ("wuxi", "xuzhou"):
            for seat in watched.pbxs[city].seats.values():
                if seat.id not in ready:
                    watched.pbxs[city].set_ready(seat.id, ready=False)

    shared, dedicated = "12002", "12001"
    assert offered(lambda watched: one_left(watched, shared)) == ""
    assert offered(lambda watched: one_left(watched, dedicated)) == "help is offered"


def test_an_own_caller_who_waits_beside_an_idle_seat() -> None:
    async def story(watched: Watched) -> None:
        pbx = watched.nanjing
        pbx.look_soon = lambda: None  # type: ignore[method-assign]
        pbx.set_ready("11002", ready=False)
        pbx.set_phone("11001", SeatState.OFFLINE)
        pbx.citizen_calls("13900000001")
        pbx.set_ready("11002", ready=True)
        await watched.look_for(4)

    assert watch(story) == "own callers first"


def test_the_same_seat_lent_and_called_back_again_and_again_while_nothing_happens() -> None:
    async def story(watched: Watched) -> None:
        for _ in range(5):
            await asyncio.sleep(2)
            watched.lend(1)
            watched.order(Recall("wuxi", "12001", "nanjing"))

    assert watch(story) == "the plan converges"


def test_a_seat_that_goes_to_and_fro_in_a_busy_province() -> None:
    async def story(watched: Watched) -> None:
        for number in range(9):
            await asyncio.sleep(1)
            watched.pbxs["xuzhou"].citizen_calls(f"1390000000{number}")
            watched.lend(1)
            watched.order(Recall("wuxi", "12001", "nanjing"))

    assert watch(story) == "no oscillation"


def test_a_finding_comes_whole_out_of_another_process() -> None:
    found = Violation("quota", "3 seats", 12.5, 99)
    again = pickle.loads(pickle.dumps(found))
    assert (str(again), again.rule, again.step) == (str(found), "quota", 99)
