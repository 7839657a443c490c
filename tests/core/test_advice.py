"""Gain by both methods, tomorrow's seats with reasons, more seats at once, and the roster's checks."""

import math
from dataclasses import replace
from datetime import date

import pytest

from callctl.core.advice import Assumptions, forecast, tomorrow, urgent
from callctl.core.counting import Counters
from callctl.core.days import Shift
from callctl.core.erlang import erlang_a, staff_erlang_a
from callctl.core.gain import HourOfHelp, before_after, by_model
from callctl.core.rates import Rate
from callctl.core.recommend import Demand, Supply
from callctl.core.roster import Duty, faults, sums

GIVEN = Assumptions(0.20, 0.25, 3)


def test_the_gain_by_comparison_is_of_all_calls_before_not_of_daily_means() -> None:
    assert before_after(Rate(96, 100, ""), [Rate(45, 50, ""), Rate(180, 200, "")]) == pytest.approx(6.0)
    assert before_after(Rate(96, 100, ""), []) is None
    assert before_after(Rate(0, 0, ""), [Rate(1, 2, "")]) is None


def test_the_gain_by_model_is_what_the_own_agents_would_have_lost_and_never_more_than_was_answered() -> None:
    hour = HourOfHelp(400, 300, 80, 20)
    lost_alone = 400 * erlang_a(20, 400, 245.0, 180.0, 0.0).p_abandon
    assert by_model([hour], 245.0, 180.0) == pytest.approx(100 * min(80.0, lost_alone - 20) / 400)
    nobody_home = HourOfHelp(100, 0, 90, 0)
    assert by_model([nobody_home], 245.0, 180.0) == pytest.approx(90.0)
    enough = HourOfHelp(100, 60, 40, 60)  # They would all have been answered at home: shared is not saved.
    assert by_model([enough], 245.0, 180.0) == pytest.approx(0.0, abs=0.5)
    assert by_model([], 245.0, 180.0) is None


def test_the_forecast_follows_the_trend_and_widens_with_its_spread() -> None:
    assert forecast([1000, 1000, 1000]) == (900, 1000, 1100)
    low, expected, high = forecast([1000, 1500, 1200])
    assert low < expected < high
    assert (low, high) == (960, 1800)
    assert forecast([]) == (0, 0, 0)
    assert forecast([10, 100_000])[2] <= 250_000  # One odd day does not send it through the roof.


def demand(own: int, per_h: float = 40.0, busy_h: float = 450.0) -> Demand:
    rates = tuple(busy_h if span in (18, 19) else per_h for span in range(48))
    return Demand("yangzhou", rates, (own,) * 48, 245.0, 180.0, 0.95, 30.0)


def supply(city: str, given: int, agents: int = 30, quota: int = 20) -> Supply:
    return Supply(city, (5.0,) * 48, (agents,) * 48, 245.0, 180.0, quota=quota, given=given, dedicated=given)


def test_more_seats_are_advised_where_the_busiest_half_hour_lacks_them_by_the_sharing_engine_with_reasons() -> None:
    supplies = [supply("xuzhou", 8), supply("suzhou", 4)]
    found = tomorrow([900, 900], demand(20), supplies, GIVEN)
    needed = staff_erlang_a(450.0, 245.0, 180.0, 0.95, 30.0)
    assert (found.verdict, found.busiest_h, found.own, found.needed) == ("增加", 9, 20, needed)
    assert found.lacking == math.ceil((needed - 20) * 1.1 * 1.2 - 1e-9)
    assert found.planned + sum(one.change for one in found.cities) == found.lacking
    assert all("缺口" in one.reason for one in found.cities if one.change)
    assert any("缺口" in why for why in found.why)


def test_what_nobody_can_spare_is_said_and_a_flood_beyond_all_agents_too() -> None:
    found = tomorrow([900, 900], demand(5), [supply("xuzhou", 2, agents=4, quota=3)], GIVEN)
    assert any("各市都让不出" in why for why in found.why)
    flood = tomorrow([900_000, 1_000_000], demand(110, busy_h=120_000.0), [supply("xuzhou", 2)], GIVEN)
    assert any("请先减少重拨" in why for why in flood.why)


def test_idle_seats_are_only_given_back_after_three_idle_days_and_never_below_the_need() -> None:
    supplies = [supply("xuzhou", 8)]
    busy = tomorrow([900, 900], demand(60), supplies, replace(GIVEN, occupancy=(0.1, 0.3, 0.1)))
    assert (busy.verdict, [one.change for one in busy.cities]) == ("保持", [0])
    idle = tomorrow([900, 900], demand(60), supplies, replace(GIVEN, occupancy=(0.1, 0.2, 0.1)))
    assert (idle.verdict, idle.planned + idle.cities[0].change) == ("减少", idle.lacking)


def test_more_seats_at_once_need_two_bad_intervals_in_a_row() -> None:
    bad, slow, fine = (
        Counters(requested=10, answered_home=5),
        Counters(max_wait_s=90.0),
        Counters(requested=10, answered_home=10),
    )
    assert "接通率" in urgent([fine, bad, bad], 20.0)
    assert "最长等待" in urgent([slow, slow], 20.0)
    assert urgent([bad, fine, bad], 20.0) == ""
    assert urgent([bad], 20.0) == ""


DAY, NIGHT = Shift("白班", 8, 20), Shift("夜班", 20, 8)
TODAY, TOMORROW = date(2024, 2, 29), date(2024, 3, 1)


def duty(day: date, shift: Shift, seat: str, agent: str, city: str = "xuzhou") -> Duty:
    return Duty(day, city, shift, seat, agent, f"名{agent}")


def test_a_sound_roster_has_no_faults_and_its_sums_add_up() -> None:
    duties = [duty(TODAY, DAY, "1301", "A1"), duty(TODAY, NIGHT, "1301", "A2"), duty(TOMORROW, DAY, "1302", "A1")]
    assert list(faults(duties, 11.0, {"xuzhou": 8})) == []
    assert [(one.day, one.shift, one.total) for one in sums(duties)] == [
        (TODAY, "白班", 1),
        (TODAY, "夜班", 1),
        (TOMORROW, "白班", 1),
    ]


def test_an_agent_in_two_seats_two_agents_in_one_and_too_little_rest_are_found() -> None:
    two_seats = [duty(TODAY, DAY, "1301", "A1"), duty(TODAY, DAY, "1302", "A1")]
    assert "1301、1302" in next(faults(two_seats, 11.0, {}))
    one_seat = [duty(TODAY, DAY, "1301", "A1"), duty(TODAY, DAY, "1301", "A2")]
    assert "专席 1301" in next(faults(one_seat, 11.0, {}))
    tired = [duty(TODAY, NIGHT, "1301", "A1"), duty(TOMORROW, Shift("中班", 12, 20), "1301", "A1")]
    assert "只有 4 小时" in next(faults(tired, 11.0, {}))
    over_midnight = [duty(TODAY, NIGHT, "1301", "A1"), duty(TOMORROW, Shift("早班", 6, 14), "1302", "A1")]
    assert "重叠" in next(faults(over_midnight, 11.0, {}))
    assert "最多可借 1 席" in next(faults([duty(TODAY, DAY, "1", "a"), duty(TODAY, DAY, "2", "b")], 11.0, {"xuzhou": 1}))
