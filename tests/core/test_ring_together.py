"""Seats that ring together, in whole plans: groups, slots, quota, reserve, and what an answer leaves behind."""

from dataclasses import replace
from types import MappingProxyType

from hypothesis import given, settings

from callctl.core.commands import OpenSlot, Regroup
from callctl.core.events import (
    CallAnswered,
    CallRinging,
    HomeSeat,
    LentSeat,
    PbxObserved,
    RingEnd,
    RingEnded,
    SeatReadied,
    SeatState,
)
from callctl.core.fold import fold
from callctl.core.model import Lending, Pair, Province, SeatRef, SlotRef
from callctl.core.reasons import Did
from tests.core.pictures import NOW, Picture, pictures
from tests.core.test_sharing import NANJING_WUXI, Day, day
from tests.provinces import wish

more = settings(max_examples=60, deadline=None)


def together(cities: int = 2, able: bool = True, **rules: object) -> Day:
    """A day in which wuxi, able to ring seats together, may help nanjing."""
    made = day(cities, {"wuxi": {"shared": 6, "reserve": 1, "quota": 6, **rules}})
    made.hear(*(replace(seen, rings_together=able) for seen in map(made.read, made.province.cities)))
    return made


def groups(made: Day, code: str = "wuxi") -> dict[str, int]:
    return {seat: loan.group for seat, loan in made.picture.world.cities[code].tally.lent.items()}


def ring(made: Day, call: str, slot: int, *seats: str) -> None:
    made.hear(CallRinging("nanjing", made.now, call, SlotRef("wuxi", slot)))
    made.hear(*(CallRinging("wuxi", made.now, call, LentSeat(seat, "nanjing")) for seat in seats))


def answer(made: Day, call: str, slot: int, seat: str) -> None:
    made.hear(CallAnswered("wuxi", made.now, call, LentSeat(seat, "nanjing"), 3.0))
    made.hear(CallAnswered("nanjing", made.now, call, SlotRef("wuxi", slot), 33.0))


def test_for_one_caller_three_seats_are_lent_in_one_group_behind_one_slot_and_it_is_told_why() -> None:
    made = together()
    made.calls(1)
    plan = made.plan()
    assert sorted(groups(made).values()) == [0, 0, 0]
    assert plan.open_slots == {NANJING_WUXI: 1}
    told = [each for each in plan.decisions["wuxi"] if each.did is Did.RING_TOGETHER]
    assert len(told) == 1
    assert "同振" in told[0].words_zh
    assert "together" in told[0].words_en


def test_the_quota_counts_seats_and_the_trunk_counts_calls() -> None:
    made = together(quota=2, channels=1)
    made.calls(2)
    plan = made.plan()
    assert len(plan.loans) == 2  # A seat for either caller, though the trunk carries one: it stays at hand.
    made = together(quota=6, channels=1)
    made.calls(1)
    plan = made.plan()
    assert len(plan.loans) == 3
    assert plan.open_slots == {NANJING_WUXI: 1}


def test_the_reserve_counts_seats() -> None:
    made = together(shared=3, reserve=1)
    made.calls(1)
    assert len(made.plan().loans) == 2


def test_where_callers_wait_for_every_seat_each_rings_alone() -> None:
    made = together(quota=5)
    made.calls(5)
    plan = made.plan()
    assert sorted(groups(made).values()) == [0, 1, 2, 3, 4]
    assert plan.open_slots == {NANJING_WUXI: 5}


def test_a_seat_that_the_caller_of_another_city_needs_rings_with_nobody() -> None:
    made = together(3, quota=2)
    made.picture.wishes = wish("nanjing", "xuzhou")
    made.hear(*(SeatReadied("xuzhou", made.now, seat.id, ready=False) for seat in made.province.cities["xuzhou"].seats))
    made.calls(1)
    made.calls(1, "xuzhou")
    at_first = made.picture.plan()  # Not lent to the one only to be moved to the other.
    assert sorted(at_first.loans.values()) == ["nanjing", "xuzhou"]
    plan = made.plan()
    assert plan.loans == at_first.loans
    assert plan.open_slots == {NANJING_WUXI: 1, Pair("xuzhou", "wuxi"): 1}


def test_the_setting_and_a_pbx_that_cannot_make_it_one_phone_a_caller() -> None:
    for made in (together(able=False), together(together=1)):
        made.calls(1)
        plan = made.plan()
        assert len(plan.loans) == 1
        made.calls(1)
        assert made.plan().open_slots == {NANJING_WUXI: 2}


def test_who_was_not_quick_enough_is_silent_stays_lent_and_has_missed_nothing() -> None:
    made = together()
    [call] = made.calls(1)
    made.plan()
    first, second, third = groups(made)
    ring(made, call, 1, first, second, third)
    view = made.picture.world.cities["wuxi"]
    assert (view.tally.serving["nanjing"], view.carries("nanjing")) == (3, 1)
    assert made.plan().open_slots == {NANJING_WUXI: 1}  # One call, though three phones ring.
    answer(made, call, 1, second)
    made.hear(RingEnded("wuxi", made.now, call, LentSeat(first, "nanjing"), RingEnd.NO_ANSWER))
    view = made.picture.world.cities["wuxi"]
    assert not view.missed
    assert [view.seats[seat].state for seat in (first, second, third)] == [SeatState.FREE, SeatState.BUSY, SeatState.FREE]
    plan = made.plan()
    assert len(plan.loans) == 3
    assert plan.open_slots == {NANJING_WUXI: 2}  # The talk, and the two that are left ring together for the next.
    assert not made.later(61).loans  # By the same rules as ever: nobody calls any more, the loans end, the talk goes on.


def test_a_group_nobody_of_which_answered_is_left_in_peace() -> None:
    made = together()
    [call] = made.calls(1)
    made.plan()
    seats = [*groups(made)]
    ring(made, call, 1, *seats)
    made.hear(*(RingEnded("wuxi", made.now, call, LentSeat(seat, "nanjing"), RingEnd.NO_ANSWER) for seat in seats))
    assert not set(seats) & set(groups_after(made))


def groups_after(made: Day) -> dict[str, int]:
    made.plan()
    return groups(made)


def test_a_second_caller_splits_the_group_at_hand_and_its_slot_opens_when_the_pbx_has_confirmed() -> None:
    made = together(quota=3)
    made.calls(1)
    made.plan()
    made.calls(1)
    plan = made.picture.plan()
    orders = made.picture.orders(plan)
    assert [type(order) for order in orders] == [Regroup]
    made.picture.world = replace(made.picture.world, pending=frozenset({SeatRef("wuxi", orders[0].seat)}))
    made.picture.obey(orders)
    assert not made.picture.orders(made.picture.plan())
    made.picture.world = replace(made.picture.world, pending=frozenset())
    assert [type(order) for order in made.picture.orders(made.picture.plan())] == [OpenSlot]
    assert made.plan().open_slots == {NANJING_WUXI: 2}


def test_a_seat_its_city_can_spare_no_more_rings_no_more_with_its_group() -> None:
    made = together(shared=4, reserve=1)
    made.calls(1)
    made.plan()
    lent = groups(made)
    [home] = {seat.id for seat in made.province.cities["wuxi"].seats if seat.lend is Lending.SHARED} - set(lent)
    made.hear(CallRinging("wuxi", made.now, "wuxi-1.900", HomeSeat(home)))
    plan = made.plan()
    assert plan.open_slots == {NANJING_WUXI: 1}
    lowest = min(groups(made).values())
    assert sum(number == lowest for number in groups(made).values()) == 2  # One of three stays for wuxi's own callers.


def alone(province: Province) -> Province:
    cities = {code: replace(city, lend=replace(city.lend, together=1)) for code, city in province.cities.items()}
    return Province(MappingProxyType(cities))


def settled(picture: Picture) -> dict[str, int]:
    """The calls each assisted city can have rung at once, when every order is obeyed."""
    for _ in range(8):
        made = picture.plan()
        orders = picture.orders(made)
        picture.memory = made.memory
        if not orders:
            break
        picture.obey(orders)
    rung: dict[str, int] = {}
    for pair, number in made.open_slots.items():
        rung[pair.assisted] = rung.get(pair.assisted, 0) + number
    return rung


@given(pictures())
@settings(max_examples=150, deadline=None)
def test_ringing_together_costs_no_caller_a_slot(picture: Picture) -> None:
    single_world = picture.world
    single = Picture(alone(picture.province), single_world, picture.wishes, picture.facts)
    single.world = replace(
        single_world,
        cities={
            code: replace(view, fixed=view.fixed._replace(city=single.province.cities[code]))
            for code, view in single_world.cities.items()
        },
    )
    apart, grouped = settled(single), settled(picture)
    for code, view in picture.world.cities.items():
        carried = sum(other.carries(code) for other in picture.world.cities.values())
        needed = carried + view.unserved
        assert min(grouped.get(code, 0), needed) >= min(apart.get(code, 0), needed), code


@given(pictures())
@more
def test_open_slots_never_ring_more_shared_seats_than_a_city_can_spare(picture: Picture) -> None:
    """What the PBX would ring, were every open slot rung at once: for each call the lowest group that is free."""
    settled(picture)
    made = picture.plan()
    for code, view in picture.world.cities.items():
        shared = 0
        for pair, number in made.open_slots.items():
            if pair.supporting == code:
                shared += _shared_rung(picture, pair, number - view.carries(pair.assisted))
        spare = max(0, view.idle(NOW) - view.city.lend.reserve)
        assert shared <= (0 if view.unserved else spare)


def _shared_rung(picture: Picture, pair: Pair, calls: int) -> int:
    view = picture.world.cities[pair.supporting]
    free = {
        seat: loan.group
        for seat, loan in view.tally.lent.items()
        if loan.assisted == pair.assisted and view.seats[seat].state is SeatState.FREE
        if view.seats[seat].free_from <= NOW and view.seats[seat].ready
    }
    if not view.rings_together:  # A FreeSWITCH rings one seat a call, dedicated ones first (seat.lua).
        shared = [seat for seat in free if view.fixed.lending[seat] is not Lending.DEDICATED]
        return max(0, min(len(shared), calls - (len(free) - len(shared))))
    lowest = sorted(set(free.values()))[:calls]
    return sum(group in lowest and view.fixed.lending[seat] is not Lending.DEDICATED for seat, group in free.items())


def test_the_capability_is_heard_with_every_reading_and_unknown_counts_as_no() -> None:
    made = together()
    assert made.picture.world.cities["wuxi"].rings_together
    seen = made.read("wuxi")
    assert isinstance(seen, PbxObserved)
    assert not fold(made.picture.world, [seen]).cities["wuxi"].rings_together
    assert wish("nanjing").events
