"""Gain by both methods, tomorrow's seats with reasons, more seats at once, and the roster's checks."""

from datetime import date

import pytest

from callctl.core.advice import Assumptions, forecast, needed_seats, recommend, urgent
from callctl.core.counting import Counters
from callctl.core.days import Shift
from callctl.core.erlang import erlang_a
from callctl.core.gain import HourOfHelp, before_after, by_model
from callctl.core.rates import Rate
from callctl.core.roster import Duty, faults, sums

GIVEN = Assumptions(0.95, 245.0, 180.0, 0.20, 0.25, 3)


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


def test_seats_are_the_fewest_that_reach_the_target() -> None:
    seats = needed_seats(430, GIVEN)
    assert erlang_a(seats, 430, 245.0, 180.0, 0.0).p_abandon <= 0.05
    assert erlang_a(seats - 1, 430, 245.0, 180.0, 0.0).p_abandon > 0.05
    assert needed_seats(0, GIVEN) == 0


def profile(busy_h: int = 9) -> list[float]:
    return [0.5 if hour == busy_h else 0.5 / 23 for hour in range(24)]


def test_more_seats_are_advised_where_the_busiest_hour_lacks_them_with_reasons() -> None:
    own = [20] * 24
    found = recommend([900, 900], profile(), own, {"xuzhou": 8, "suzhou": 4}, [0.5, 0.5, 0.5], GIVEN)
    assert (found.verdict, found.busiest_h, found.own) == ("增加", 9, 20)
    assert found.needed == needed_seats(450, GIVEN)
    assert found.planned + sum(one.change for one in found.cities) == found.lacking
    assert next(one for one in found.cities if one.city == "xuzhou").change > 0
    assert any("缺口" in why for why in found.why)


def test_idle_seats_are_only_given_back_after_three_idle_days_and_never_below_the_need() -> None:
    own = [60] * 24
    busy = recommend([900, 900], profile(), own, {"xuzhou": 8}, [0.1, 0.3, 0.1], GIVEN)
    assert (busy.verdict, [one.change for one in busy.cities]) == ("保持", [0])
    idle = recommend([900, 900], profile(), own, {"xuzhou": 8}, [0.1, 0.2, 0.1], GIVEN)
    assert (idle.verdict, idle.cities[0].change) == ("减少", idle.lacking - 8)


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
