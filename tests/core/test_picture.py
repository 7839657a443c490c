"""What `callctl status` is given: decisions in words, and what a new caller will wait."""

import pytest

from callctl.core.events import CallAnswered, CallEnded, HomeSeat, PbxLost, SeatChanged, SeatState
from callctl.core.model import SlotRef
from callctl.core.picture import expected_wait_s, picture
from tests.core.test_sharing import Day, day, measured


def shown(d: Day, city: str) -> dict[str, object]:
    made = d.plan()
    found: dict[str, object] = picture(d.province, d.picture.world, made, d.picture.wishes, d.now)["cities"][city]
    return found


def test_the_status_says_in_words_why_assistance_began() -> None:
    d = day()
    d.calls(1, waited_s=31)
    [decision] = shown(d, "nanjing")["decisions"]  # type: ignore[misc]
    assert (decision["did"], decision["code"]) == ("activated", "waited")  # type: ignore[index]
    assert decision["zh"] == "启动支援：已等候 31 秒 ≥ 20 秒"  # type: ignore[index]
    [lent] = shown(d, "wuxi")["decisions"]  # type: ignore[misc]
    assert (lent["did"], lent["assisted"]) == ("seat_lent", "nanjing")  # type: ignore[index]


def test_what_a_new_caller_will_wait_counts_the_answers_of_helpers() -> None:
    d = day()
    assert shown(d, "nanjing")["expected_wait_s"] == 0.0  # An agent is idle.
    d.hear(SeatChanged("nanjing", d.now, "11001", SeatState.BUSY))
    assert shown(d, "nanjing")["expected_wait_s"] is None  # Nothing was measured yet.
    measured(d)
    d.hear(SeatChanged("nanjing", d.now, "11001", SeatState.BUSY))
    alone = expected_wait_s(d.picture.world.cities["nanjing"], d.now)
    assert alone == pytest.approx(240.0 / 0.3, rel=0.01)  # The floor: a third of what the one own agent can do.
    for n in range(60):  # Helpers answer one call in two seconds.
        d.hear(CallAnswered("nanjing", d.now - 120 + 2 * n, f"nanjing-5.{n}", SlotRef("wuxi", 1), 1.0))
    helped = expected_wait_s(d.picture.world.cities["nanjing"], d.now)
    assert helped == pytest.approx(1 / 0.5 / (1 - 2.718281828**-1), rel=0.1)


def test_of_a_city_that_is_not_heard_nothing_is_said() -> None:
    d = day()
    assert shown(d, "nanjing")["surging"] is False
    d.hear(PbxLost("nanjing", d.now, "link"))
    found = shown(d, "nanjing")
    assert (found["surging"], found["expected_wait_s"], found["waiting"]) == (None, None, None)


def test_the_clock_of_a_talk_and_of_a_wrap_up_begins_where_the_pbx_said_so() -> None:
    d = day()
    seat = HomeSeat("11001")
    d.hear(CallAnswered("nanjing", d.now - 90, "nanjing-5.1", seat, 1.0))
    assert shown(d, "nanjing")["seat_since"] == {"11001": d.now - 90}
    d.hear(CallEnded("nanjing", d.now - 4, "nanjing-5.1", seat, 86.0))
    d.hear(SeatChanged("nanjing", d.now - 3, "11001", SeatState.FREE))
    found = shown(d, "nanjing")
    assert (found["seat_states"]["11001"], found["seat_since"]) == ("wrap_up", {"11001": d.now - 4})  # type: ignore[index]
