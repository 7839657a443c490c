"""What waves, confirmations, thresholds and reserves mean for the policy; and which of them are refused."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from callctl.core.acts import Act, ActRefused
from callctl.core.event_acts import StartEvent
from callctl.core.in_force import granted, in_force, ruled, under_rules
from callctl.core.seat_acts import ConfirmSeats, EnterWave, SetBriefing, SetReserve, SetThreshold
from callctl.core.wishes import Wave, Wishes
from callctl.core.world import unseen
from tests.small_province import small_province

PROVINCE = small_province()
Y = "yangzhou"


def after(*acts: Act) -> Wishes:
    wishes = Wishes()
    for act in acts:
        act.check(PROVINCE, wishes)
        wishes = act.apply(wishes, 100.0)
    return wishes


def lent(wishes: Wishes) -> dict[str, int]:
    """What may be lent to Yangzhou, without cities that may lend nothing."""
    return {city: seats for city, seats in granted(PROVINCE, wishes.events[Y]).items() if seats}


WAVES = (Wave(1, {"xuzhou": 1}, planned_at=50.0), Wave(2, {"xuzhou": 1, "suzhou": 2}))


def test_without_waves_and_confirmations_an_event_means_what_it_always_meant() -> None:
    for seats in ({}, {"xuzhou": 2}):
        wishes = after(StartEvent(Y, "台风", seats))
        assert in_force(PROVINCE, wishes) is wishes


def test_waves_count_when_they_have_entered_and_add_up() -> None:
    wishes = after(StartEvent(Y, "台风", waves=WAVES))
    assert granted(PROVINCE, wishes.events[Y]), "no wave entered means nobody, and an empty mapping would mean everybody"
    assert lent(wishes) == {}
    first = EnterWave(Y, 1, True).apply(wishes, 200.0)
    assert lent(first) == {"xuzhou": 1}
    assert first.events[Y].waves[0].entered_at == 200.0
    both = EnterWave(Y, 2, True).apply(first, 300.0)
    assert lent(both) == {"xuzhou": 2, "suzhou": 2}
    assert lent(EnterWave(Y, 1, False).apply(both, 400.0)) == {"xuzhou": 1, "suzhou": 2}


def test_changing_the_waves_of_a_running_event_leaves_those_in_that_entered() -> None:
    wishes = after(StartEvent(Y, "台风", waves=WAVES), EnterWave(Y, 1, True))
    more = StartEvent(Y, waves=(Wave(1, {"xuzhou": 3}), WAVES[1])).apply(wishes, 900.0)
    assert lent(more) == {"xuzhou": 3}


def test_only_confirmed_seats_count_where_the_event_asks_for_confirmation() -> None:
    wishes = after(StartEvent(Y, "台风", {"xuzhou": 2, "suzhou": 2}, needs_confirmation=True))
    assert lent(wishes) == {}
    one = ConfirmSeats("xuzhou", Y, 3).apply(wishes, 0.0)
    assert lent(one) == {"xuzhou": 2}, "never more than asked for"
    assert lent(ConfirmSeats("xuzhou", Y, 1).apply(one, 0.0)) == {"xuzhou": 1}
    assert lent(ConfirmSeats("xuzhou", Y, 0).apply(one, 0.0)) == {}


def test_an_event_for_everybody_with_confirmation_lends_what_each_city_confirms() -> None:
    wishes = after(StartEvent(Y, "台风", needs_confirmation=True), ConfirmSeats("suzhou", Y, 2))
    assert lent(wishes) == {"suzhou": 2}


def test_a_city_can_withdraw_also_where_nobody_asked_it_to_confirm() -> None:
    wishes = after(StartEvent(Y, "台风", {"xuzhou": 2, "suzhou": 2}), ConfirmSeats("xuzhou", Y, 0))
    assert lent(wishes) == {"suzhou": 2}
    everybody = after(StartEvent(Y, "台风"), ConfirmSeats("xuzhou", Y, 0))
    assert lent(everybody) == {"suzhou": 3}


def test_thresholds_and_reserves_reach_the_policy_and_nothing_else_changes() -> None:
    wishes = after(SetThreshold(Y, 30.0), SetReserve("suzhou", 2))
    province = ruled(PROVINCE, wishes)
    assert province.cities[Y].queue.wait_threshold_s == 30.0
    assert province.cities["suzhou"].lend.reserve == 2
    assert province.cities["xuzhou"] is PROVINCE.cities["xuzhou"]
    world = under_rules(unseen(PROVINCE), province)
    assert world.cities[Y].city.queue.wait_threshold_s == 30.0
    back = under_rules(world, ruled(PROVINCE, Wishes()))
    assert back.cities[Y].city == PROVINCE.cities[Y]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (SetThreshold(Y, 9.9), "between 10 and 80"),
        (SetThreshold(Y, 81.0), "between 10 and 80"),
        (SetThreshold(Y, float("nan")), "between 10 and 80"),
        (SetReserve("suzhou", 0), "from 1 to 4"),
        (SetReserve("suzhou", 5), "from 1 to 4"),
        (ConfirmSeats("xuzhou", Y, 1), "no assistance event"),
        (EnterWave(Y, 1, True), "no wave 1"),
        (StartEvent(Y, waves=(Wave(2, {"xuzhou": 1}),)), "numbered 1, 2"),
        (StartEvent(Y, waves=(Wave(1, {"xuzhou": 4}),)), "3 seats that may be lent"),
        (StartEvent(Y, waves=(Wave(1, {"xuzhou": 2}), Wave(2, {"xuzhou": 2}))), "3 seats that may be lent"),
        (StartEvent(Y, waves=(Wave(1, {"xuzhou": -1}),)), "below 0"),
        (StartEvent(Y, notice={"numbre": "x"}), "wrong fields"),
        (StartEvent(Y, notice={"kind": "好天气"}), "wrong fields"),
        (StartEvent(Y, notice={"cause": "x\x1b[2J"}), "wrong fields"),
    ],
)
def test_what_cannot_be_is_refused_with_the_limits(act: Act, says: str) -> None:
    with pytest.raises(ActRefused, match=says):
        act.check(PROVINCE, Wishes())


def test_more_confirmed_than_there_are_seats_is_refused() -> None:
    wishes = after(StartEvent(Y, "台风"))
    with pytest.raises(ActRefused, match="from 0 to 3"):
        ConfirmSeats("xuzhou", Y, 4).check(PROVINCE, wishes)
    with pytest.raises(ActRefused, match="does not help"):
        ConfirmSeats("huaian", Y, 1).check(PROVINCE, wishes)


def test_two_cities_that_confirm_at_once_do_not_disturb_each_other_nor_the_province() -> None:
    wishes = after(StartEvent(Y, "台风", {"xuzhou": 2, "suzhou": 2}, needs_confirmation=True))
    mine, theirs, province = ConfirmSeats("xuzhou", Y, 1), ConfirmSeats("suzhou", Y, 1), StartEvent(Y, "台风2")
    moved = theirs.apply(wishes, 0.0)
    assert mine.concern(moved) == mine.concern(wishes)
    assert province.concern(moved) == province.concern(wishes)
    assert mine.concern(mine.apply(wishes, 0.0)) != mine.concern(wishes)


def test_a_notice_keeps_the_fields_a_change_does_not_name() -> None:
    wishes = after(
        StartEvent(Y, "台风", notice={"number": "苏政办〔2026〕7号", "cause": "台风"}),
        StartEvent(Y, notice={"cause": "台风登陆"}),
    )
    assert wishes.events[Y].notice == {"number": "苏政办〔2026〕7号", "cause": "台风登陆"}


def test_the_reading_rule_is_on_unless_a_supervisor_waives_it_for_the_city() -> None:
    waived = after(SetBriefing(Y, False))
    assert waived.unread_allowed == (Y,)
    assert SetBriefing(Y, True).apply(waived, 0.0) == replace(Wishes(), unread_allowed=())
    assert isinstance(waived.events, MappingProxyType)
