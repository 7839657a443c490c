"""A press of ready or not ready: carried until the PBX shows it, never again afterwards."""

from callctl.core import expect
from callctl.core.commands import SetReady
from callctl.core.events import PbxLost, PbxObserved, SeatReadied, SeatSeen, SeatState
from callctl.core.fold import fold
from callctl.core.model import SeatRef
from callctl.core.presses import OBEYED_WITHIN_S, Press, unobeyed
from callctl.core.world import World, unseen
from tests.small_province import small_province

PROVINCE = small_province()
REF = SeatRef("xuzhou", "3001")
LUNCH = Press("p1", False, "202", 100.0)
ORDER = SetReady("xuzhou", "3001", False, "202")


def seen(ready: bool) -> World:
    return fold(
        unseen(PROVINCE), [PbxObserved("xuzhou", 100.0, (), (SeatSeen("3001", SeatState.FREE, ready),), (), (), (), ())]
    )


def test_a_press_is_ordered_until_the_pbx_shows_it_and_then_settled() -> None:
    assert unobeyed(seen(ready=True), {REF: LUNCH}, 101.0) == ((ORDER,), ())
    assert unobeyed(seen(ready=False), {REF: LUNCH}, 101.0) == ((), ((REF, LUNCH),))


def test_a_city_that_is_not_heard_gets_no_order_and_an_old_press_is_dropped() -> None:
    lost = fold(seen(ready=True), [PbxLost("xuzhou", 101.0, "gone")])
    assert unobeyed(lost, {REF: LUNCH}, 102.0) == ((), ())
    assert unobeyed(seen(ready=True), {REF: LUNCH}, 100.1 + OBEYED_WITHIN_S) == ((), ((REF, LUNCH),))
    assert unobeyed(seen(ready=True), {SeatRef("xuzhou", "9"): LUNCH, SeatRef("mars", "1"): LUNCH}, 101.0) == ((), ())


def test_an_order_on_its_way_is_believed_and_not_given_twice() -> None:
    expected = expect.ordered({}, [ORDER], 101.0)
    assert unobeyed(expect.overlay(seen(ready=True), expected), {REF: LUNCH}, 101.1)[0] == ()
    expected = expect.sent(expected, ORDER, ORDER)
    told = expect.heard(expected, [SeatReadied("xuzhou", 101.2, "3001", False, "202")], 101.2)
    assert told == {}
    other = expect.heard(expected, [SeatReadied("xuzhou", 101.2, "3001", True)], 101.2)
    assert other == expected, "that was something older"
