"""The proposal of seats: the numbers of the theory, whoever can spare them, back when they are not needed."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.recommend import Demand, Move, Supply, can_spare, recommend, seats_needed

# Yangzhou at nine o'clock: 436 calls an hour of 240 s, 24 own agents, help 10 % slower.
YANGZHOU = Demand("yangzhou", (436.0,), (24,), 240.0, 180.0)


def supply(city: str, agents: int, per_h: float, quota: int, spans: int = 1, **more: int) -> Supply:
    return replace(Supply(city, (per_h,) * spans, (agents,) * spans, 240.0, 180.0, quota=quota), **more)


@pytest.mark.parametrize(("target", "agents", "seats"), [(0.80, 32, 9), (0.95, 37, 15)])
def test_yangzhou_needed_nine_seats_or_fifteen(target: float, agents: int, seats: int) -> None:
    assert seats_needed(replace(YANGZHOU, target=target), 0) == (agents, seats)


def test_a_city_spares_what_is_beyond_its_own_need_quota_and_trunk() -> None:
    # 300 calls an hour of 240 s need 23 agents for 80 % within 15 s (docs of the theory).
    assert can_spare(supply("a", 40, 300.0, 30), 0) == 17
    assert can_spare(supply("a", 40, 300.0, 8), 0) == 8
    assert can_spare(supply("a", 40, 300.0, 30, channels=5), 0) == 5
    assert can_spare(supply("a", 20, 300.0, 30), 0) == 0
    assert can_spare(supply("a", 20, 300.0, 30, dedicated=4), 0) == 4
    assert can_spare(supply("a", 3, 0.0, 30, reserve=2), 0) == 1


def test_seats_come_from_whoever_can_spare_most_and_no_more_than_needed() -> None:
    got = recommend(YANGZHOU, [supply("xuzhou", 40, 300.0, 30), supply("suzhou", 30, 300.0, 30)])
    assert got.needs[0].seats == got.needs[0].proposed == 9
    assert got.seats == {"xuzhou": (9,), "suzhou": (0,)}
    assert [(step.city, step.move, step.seats) for step in got.steps] == [("xuzhou", Move.ADD, 9)]
    assert got.needs[0].sl_alone < 0.3
    assert got.needs[0].sl_with >= 0.8
    assert "436" in got.steps[0].why_zh
    assert got.short == (0,)


def test_what_nobody_can_spare_is_said() -> None:
    got = recommend(YANGZHOU, [supply("xuzhou", 24, 300.0, 30), supply("suzhou", 26, 300.0, 2)])
    assert got.seats == {"xuzhou": (1,), "suzhou": (2,)}
    assert got.short == (6,)


def test_seats_come_half_an_hour_early_stay_through_a_dip_and_go_back_when_the_peak_is_over() -> None:
    rates = (100.0, 100.0, 436.0, 200.0, 436.0, 100.0, 100.0, 100.0)
    day = replace(YANGZHOU, per_h=rates, agents=(24,) * 8)
    got = recommend(day, [supply("xuzhou", 40, 300.0, 30, spans=8)])
    assert got.seats["xuzhou"] == (0, 9, 9, 9, 9, 9, 0, 0)
    assert [(step.span, step.move, step.then) for step in got.steps] == [(1, Move.ADD, 9), (6, Move.GIVE_BACK, 0)]


def test_dedicated_seats_that_take_few_calls_are_given_back_with_the_reason() -> None:
    idle = supply("suzhou", 30, 300.0, 12, spans=3, dedicated=12, given=12)
    got = recommend(replace(YANGZHOU, per_h=(60.0,) * 3, agents=(24,) * 3), [replace(idle, dedicated_calls_per_h=0.8)])
    assert [(step.span, step.move, step.seats) for step in got.steps] == [(0, Move.GIVE_BACK, 12)]
    assert "0.8" in got.steps[0].why_zh


def test_a_supporter_that_needs_its_agents_itself_gets_them_back() -> None:
    rising = replace(supply("xuzhou", 32, 200.0, 20, spans=3), per_h=(200.0, 430.0, 430.0), given=9)
    got = recommend(
        replace(YANGZHOU, per_h=(436.0,) * 3, agents=(24,) * 3), [rising, supply("suzhou", 60, 300.0, 30, spans=3)]
    )
    assert got.seats["xuzhou"][0] == 9
    assert got.seats["xuzhou"][1] < 9
    assert [sum(row) for row in zip(*got.seats.values(), strict=True)] == [9, 9, 9]
    assert any(step.move is Move.GIVE_BACK and "自己" in step.why_zh for step in got.steps)


def test_absurd_or_mismatched_forecasts_are_refused() -> None:
    with pytest.raises(ValueError, match="over 5000 agents"):
        recommend(replace(YANGZHOU, per_h=(1e9,)), [])
    with pytest.raises(ValueError, match="same half hours"):
        recommend(YANGZHOU, [supply("a", 3, 1.0, 1, spans=2)])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0, 600), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 400), st.integers(0, 20), st.integers(0, 20)), max_size=4),
)
def test_nobody_ever_lends_more_than_it_can_spare_and_the_steps_add_up(
    rates: list[float], cities: list[tuple[int, float, int, int]]
) -> None:
    spans = len(rates)
    supplies = [supply(f"c{i}", n, per_h, q, spans, given=min(g, q)) for i, (n, per_h, q, g) in enumerate(cities)]
    got = recommend(replace(YANGZHOU, per_h=tuple(rates), agents=(24,) * spans), supplies)
    for one in supplies:
        row = got.seats[one.city]
        assert all(seats <= can_spare(one, span) for span, seats in enumerate(row))
        changes = sum(step.seats if step.move is Move.ADD else -step.seats for step in got.steps if step.city == one.city)
        assert one.given + changes == row[-1]
    assert all(need.proposed == sum(row[need.span] for row in got.seats.values()) for need in got.needs)
