"""The sharing policy's single decisions, on rooms set by hand."""

import math

import pytest

from callctl.core.allocation import Allocation, Help, HelpState, Room
from callctl.core.between import BREAKER_OPEN_S, Between
from callctl.core.experience import Experience
from callctl.core.reasons import Why
from callctl.core.together import widen


def province(*idle: int) -> tuple[Allocation, list[Room]]:
    """Room 0 is assisted and has 10 busy agents; the others have so many idle agents and a quota of 5."""
    rooms = [Room(place, f"city{place}") for place in range(len(idle) + 1)]
    rooms[0].switched_on, rooms[0].staff = True, 10
    for room, number in zip(rooms[1:], idle, strict=True):
        room.staff, room.idle, room.quota = 20, number, 5
    allocation = Allocation(rooms)
    for room in rooms:
        room.together = 1
        room.experience.own.known = True
        allocation.rules_changed(room, 0.0)
    return allocation, rooms


def wait(allocation: Allocation, room: Room, number: int, since: float, now: float) -> list[Help]:
    room.waiting = number
    room.waiting_since = lambda place: since if place < number else math.inf
    allocation.line_changed(room, now)
    return list(allocation.start(now))


def test_a_short_wait_wakes_nobody_and_a_waited_threshold_does() -> None:
    allocation, rooms = province(5)
    rooms[0].staff = 40
    assert wait(allocation, rooms[0], 1, 0.0, 19.9) == []
    assert allocation.look_again_at(rooms[0]) == 20.0
    assert len(wait(allocation, rooms[0], 1, 0.0, 20.0)) == 1


def test_a_predicted_wait_wakes_assistance_before_it_was_waited() -> None:
    allocation, rooms = province(9)
    assert len(wait(allocation, rooms[0], 3, 0.0, 0.0)) == 3


def test_assistance_rests_after_the_queue_was_empty_for_a_while_and_not_before() -> None:
    allocation, rooms = province(0)
    wait(allocation, rooms[0], 3, 0.0, 30.0)
    wait(allocation, rooms[0], 0, math.inf, 40.0)
    assert allocation.look_again_at(rooms[0]) == 100.0
    wait(allocation, rooms[0], 0, math.inf, 99.0)
    assert rooms[0].active
    wait(allocation, rooms[0], 0, math.inf, 100.0)
    assert not rooms[0].active


def test_the_switch_off_ends_it_at_once() -> None:
    allocation, rooms = province(9)
    wait(allocation, rooms[0], 3, 0.0, 30.0)
    rooms[0].switched_on = False
    assert wait(allocation, rooms[0], 5, 0.0, 31.0) == []
    assert allocation.why_waiting(rooms[0]) is Why.SWITCHED_OFF


def test_a_supporter_keeps_its_reserve_its_quota_and_its_own_callers_first() -> None:
    for change, why in (
        ({"idle": 1}, Why.RESERVE),
        ({"idle": 0}, Why.SEATS_BUSY),
        ({"waiting": 1}, Why.OWN_CALLERS),
        ({"quota": 0}, Why.QUOTA),
        ({"active": True}, Why.ITSELF_ASSISTED),
        ({"known": False}, Why.PBX_DOWN),
        ({"trunks": 0}, Why.TRUNK_FULL),
        ({"staff": 0, "idle": 0}, Why.NO_SEAT_ON_DUTY),
    ):
        allocation, rooms = province(9)
        for word, value in change.items():
            setattr(rooms[1], word, value)
        allocation.seats_changed(rooms[1])
        assert wait(allocation, rooms[0], 3, 0.0, 30.0) == []
        assert allocation.why_not_lending(rooms[0], rooms[1], 30.0) is why
        assert allocation.why_waiting(rooms[0]) is Why.NO_HELPER


def test_the_quota_counts_seats_rung_and_talking() -> None:
    allocation, rooms = province(20)
    assert len(wait(allocation, rooms[0], 9, 0.0, 30.0)) == 5
    assert (rooms[1].lent, rooms[1].idle) == (5, 15)


def test_dedicated_seats_go_first_and_do_not_mind_the_own_queue() -> None:
    allocation, rooms = province(9, 0)
    rooms[2].dedicated, rooms[2].waiting = 2, 7
    allocation.seats_changed(rooms[2])
    helps = wait(allocation, rooms[0], 3, 0.0, 30.0)
    assert [(help_.supporting.index, help_.dedicated) for help_ in helps] == [(2, True), (2, True), (1, False)]


def test_the_idlest_room_is_asked_and_the_ledger_breaks_ties() -> None:
    allocation, rooms = province(4, 9, 9)
    for _ in range(3):
        rooms[2].experience.helped(0.0)
    assert [help_.supporting.index for help_ in wait(allocation, rooms[0], 1, 0.0, 30.0)] == [3]


def test_the_line_is_fair_over_cities_and_weights_count() -> None:
    allocation, rooms = province(9, 0)
    rooms[2].switched_on, rooms[2].staff = True, 10
    rooms[1].quota = 1
    rooms[1].trunks = 0
    allocation.seats_changed(rooms[1])
    wait(allocation, rooms[0], 3, 0.0, 30.0)
    wait(allocation, rooms[2], 3, 5.0, 30.0)
    rooms[1].trunks = 9
    rooms[2].weight = 2.0
    allocation.seats_changed(rooms[1])
    assert [help_.assisted.index for help_ in allocation.start(30.0)] == [2]


def test_surplus_set_ups_are_given_up_newest_first() -> None:
    allocation, rooms = province(9)
    helps = wait(allocation, rooms[0], 3, 0.0, 30.0)
    rooms[0].waiting = 2
    assert allocation.surplus(rooms[0]) is helps[2]
    assert helps[2].state is HelpState.OVER
    assert allocation.surplus(rooms[0]) is None
    assert (rooms[1].idle, rooms[1].lent, rooms[0].legs) == (7, 2, 2)


def test_the_life_of_a_help_gives_everything_back() -> None:
    allocation, rooms = province(9)
    rooms[1].together = 3
    (help_,) = begun = wait(allocation, rooms[0], 1, 0.0, 30.0)
    assert list(widen(allocation, begun)) == [(help_, 2)]
    assert (help_.seats, rooms[1].idle) == (3, 6)
    allocation.answered(help_, 33.0)
    assert (help_.seats, rooms[1].idle, rooms[1].lent) == (1, 8, 1)
    allocation.talk_ended(help_)
    assert (rooms[0].legs, rooms[1].legs) == (0, 0)
    allocation.seat_back(help_)
    assert (rooms[1].idle, rooms[1].lent, rooms[0].under_way) == (9, 0, [])


def test_a_failed_trunk_is_left_alone_then_tried_with_one_call() -> None:
    allocation, rooms = province(9)
    first, *_ = wait(allocation, rooms[0], 3, 0.0, 30.0)
    assert [allocation.failed(help_, 34.0) for help_ in list(rooms[0].under_way)] == [34.0, 34.0, 34.0 + BREAKER_OPEN_S]
    assert first.state is HelpState.OVER
    assert list(allocation.start(40.0)) == []
    assert allocation.why_not_lending(rooms[0], rooms[1], 40.0) is Why.BREAKER
    (probe,) = allocation.start(34.0 + BREAKER_OPEN_S)
    allocation.answered(probe, 52.0)
    rooms[0].waiting = 2
    assert len(list(allocation.start(52.0))) == 2


def test_late_calls_raise_the_reserve_until_the_budget_has_recovered() -> None:
    allocation, rooms = province(9)
    room = rooms[1]
    room.experience = Experience(target=0.8, peak_per_h=250.0)
    budget = room.experience.budget
    for second in range(0, 890, 14):  # 18 of 20 agents busy with own calls.
        room.experience.arrived(float(second))
    budget.left = 2.5
    for _ in range(4):
        room.experience.hung_up(30.0)
        allocation.own_call(room, 899.0)
    assert budget.tight
    assert room.reserve > 2
    while budget.tight:
        room.experience.answered_at_home(0.0, 900.0)
        allocation.own_call(room, 900.0)
    assert room.reserve == 1
    assert budget.left == pytest.approx(0.1 * budget.full, rel=0.02)


def test_a_reserve_is_computed_once_in_five_minutes() -> None:
    allocation, rooms = province(9)
    room = rooms[1]
    room.experience = Experience(peak_per_h=250.0)
    room.experience.budget.tight = True
    for second in range(0, 890, 14):
        room.experience.arrived(float(second))
    allocation.set_reserve(room, 900.0)
    before, room.staff = room.reserve, 4
    allocation.set_reserve(room, 1199.0)
    assert room.reserve == before
    allocation.set_reserve(room, 1200.0)
    assert room.reserve != before


def test_slow_help_needs_more_agents_to_spare() -> None:
    allocation, rooms = province(9)
    mine = rooms[1].experience
    mine.lent.known, mine.lent.mean_s = True, 2.5 * mine.own.mean_s
    allocation.rules_changed(rooms[1], 0.0)
    assert rooms[1].reserve == 6


@pytest.mark.parametrize(("callers", "seats"), [(1, [3]), (2, [3, 2]), (3, [3, 1, 1]), (5, [1, 1, 1, 1, 1])])
def test_only_seats_that_no_caller_needs_ring_together(callers: int, seats: list[int]) -> None:
    allocation, rooms = province(9)  # Of a quota of five.
    rooms[1].together = 3
    begun = wait(allocation, rooms[0], callers, 0.0, 30.0)
    for _ in widen(allocation, begun):
        pass
    assert [help_.seats for help_ in begun] == seats


def test_a_seat_that_rings_together_is_taken_from_no_other_citys_caller() -> None:
    allocation, rooms = province(3, 0)
    rooms[1].together, rooms[2].switched_on, rooms[2].quota = 3, True, 0
    rooms[2].waiting, rooms[2].waiting_since = 1, lambda place: 0.0 if place < 1 else math.inf
    allocation.line_changed(rooms[2], 30.0)
    begun = wait(allocation, rooms[0], 1, 0.0, 30.0)
    assert {help_.assisted.name for help_ in begun} == {"city0", "city2"}
    assert not list(widen(allocation, begun))  # Three idle, one stays home, two callers.


def test_a_city_that_has_lent_seats_gets_help_for_its_own_callers_at_once() -> None:
    allocation, rooms = province(5, 5)
    rooms[1].staff, rooms[1].switched_on = 60, True
    assert wait(allocation, rooms[1], 1, 10.0, 10.0) == []
    rooms[1].lent = 1
    assert wait(allocation, rooms[1], 1, 10.0, 10.0) == []  # An agent at home is about to take the call.
    rooms[1].idle = 0
    assert [help_.supporting.index for help_ in wait(allocation, rooms[1], 1, 10.0, 10.0)] == [2]


def test_no_set_up_begins_for_a_caller_answered_at_home_a_moment_ago() -> None:
    allocation, rooms = province(0)
    wait(allocation, rooms[0], 2, 0.0, 30.0)
    rooms[0].waiting, rooms[1].idle = 0, 5
    allocation.seats_changed(rooms[1])
    assert list(allocation.start(30.0)) == []


def test_the_reserve_of_a_city_that_is_helped_is_computed_when_it_rests() -> None:
    allocation, rooms = province(5)
    room = rooms[1]
    room.active, room.switched_on = True, True
    room.experience.calls.new_forecast(300.0 / 3600.0, 0.0)
    room.experience.budget.tight = True
    allocation.own_call(room, 1.0)
    assert room.tight_reserve == 0
    room.calm_since = 0.0
    allocation.line_changed(room, 100.0)
    assert not room.active
    assert room.reserve == max(2, room.tight_reserve) > 2


def test_a_city_whose_handling_time_nobody_knows_waits_for_its_threshold() -> None:
    allocation, rooms = province(9)
    rooms[0].experience.own.known = False
    assert wait(allocation, rooms[0], 30, 0.0, 19.9) == []
    assert len(wait(allocation, rooms[0], 30, 0.0, 20.0)) == 5
    assert rooms[0].active_why == (Why.WAITED, 20.0)


def test_callers_whom_idle_agents_are_about_to_take_predict_no_wait() -> None:
    allocation, rooms = province(9)
    rooms[0].idle = 3
    assert wait(allocation, rooms[0], 3, 0.0, 0.0) == []
    assert len(wait(allocation, rooms[0], 8, 0.0, 0.0)) == 5


def test_a_pair_lends_no_more_than_its_event_and_its_trunk_carry() -> None:
    for between, why in ((Between(seats=2), Why.QUOTA), (Between(channels=2), Why.TRUNK_FULL)):
        allocation, rooms = province(9)
        allocation._make_pair = lambda assisted, supporting, between=between: between  # type: ignore[misc]
        assert len(wait(allocation, rooms[0], 3, 0.0, 30.0)) == 2
        assert allocation.why_not_lending(rooms[0], rooms[1], 30.0) is why
