"""What is told of a plan's deeds: once, but again where something else was told of the seat in between."""

from callctl.core.reasons import Did, Why
from callctl.core.telling import TOLD_MOST, Telling, Told


def told(before: Told, at: float, *deeds: tuple[Did, Why, str]) -> Told:
    """Of wuxi, for nanjing."""
    telling = Telling(at)
    for did, why, seat in deeds:
        telling.tell("wuxi", did, why, "nanjing", *([seat] if seat else []))
    return telling.lately(before)


LENT, BACK = (Did.SEAT_LENT, Why.NEXT_IN_LINE), (Did.SEAT_BACK, Why.CALM)


def lines(after: Told) -> list[tuple[Did, str, float]]:
    return [(each.did, each.seat, each.at) for each in after["wuxi"]]


def test_the_same_is_told_once_though_a_slow_pbx_has_still_to_do_it() -> None:
    first = told({}, 0.0, (*BACK, "01"), (*BACK, "02"))
    assert lines(first) == [(Did.SEAT_BACK, "01、02", 0.0)]
    assert lines(told(first, 1.0, (*BACK, "02"))) == lines(first)
    assert lines(told(first, 1.0, (*BACK, "02"), (*BACK, "03")))[0] == (Did.SEAT_BACK, "03", 1.0)


def test_a_seat_lent_back_and_lent_again_is_told_three_times() -> None:
    after = told(told(told({}, 0.0, (*LENT, "01")), 10.0, (*BACK, "01")), 20.0, (*LENT, "01"))
    assert lines(after) == [(Did.SEAT_LENT, "01", 20.0), (Did.SEAT_BACK, "01", 10.0), (Did.SEAT_LENT, "01", 0.0)]


def test_a_city_is_told_once_and_a_minute_later_no_more() -> None:
    closed = (Did.SLOT_CLOSED, Why.RESERVE, "")
    first = told({}, 0.0, closed)
    assert lines(told(first, 30.0, closed)) == [(Did.SLOT_CLOSED, "", 0.0)]
    assert lines(told(first, 61.0, closed)) == [(Did.SLOT_CLOSED, "", 61.0)]
    assert told(first, 61.0) == {}


def test_a_plan_that_does_many_things_tells_all_and_goes_on_telling_them() -> None:
    many = [(Did.SEAT_BACK, why, f"{n:02d}") for n, why in enumerate([*Why][: TOLD_MOST + 4])]
    first = told({}, 0.0, *many)
    assert len(lines(first)) == TOLD_MOST + 4
    assert told(first, 1.0, *many) == first
