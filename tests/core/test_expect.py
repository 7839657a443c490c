"""Our own orders are believed until the PBX shows what came of them."""

from dataclasses import replace

from callctl.core import expect
from callctl.core.commands import Lend, Recall
from callctl.core.events import LoanChanged, PbxObserved
from callctl.core.expect import BELIEVED_S
from callctl.core.model import SeatRef

LEND = Lend("wuxi", "12001", "nanjing", 5)
AT = 100.0


def confirmed() -> expect.Expectations:
    return expect.confirmed(expect.ordered({}, [LEND], AT), LEND, AT)


def reading(at: float) -> PbxObserved:
    return PbxObserved("wuxi", at, 1, (), (), (), (), ())


def test_a_confirmed_loan_whose_fact_was_lost_is_not_forgotten_and_the_pbx_is_read() -> None:
    later = AT + BELIEVED_S + 20.0
    kept = expect.heard(confirmed(), [], later)
    assert kept == confirmed()
    assert expect.unseen_in(kept, later) == {"wuxi"}
    assert expect.unseen_in(kept, AT + 1.0) == set()


def test_a_reading_ends_the_belief_once_it_must_be_newer_than_the_order() -> None:
    assert expect.heard(confirmed(), [reading(AT + 1.0)], AT + 1.0) == confirmed()
    later = AT + BELIEVED_S + 0.1
    assert expect.heard(confirmed(), [reading(later)], later) == {}


def test_its_fact_ends_the_belief_at_once() -> None:
    assert expect.heard(confirmed(), [LoanChanged("wuxi", AT, "12001", "nanjing", 5, lent=True)], AT) == {}


def test_a_fact_of_an_older_order_does_not_settle_one_that_still_waits_to_be_sent() -> None:
    told = LoanChanged("wuxi", AT, "12001", "nanjing", 5, lent=True)  # Lent, taken back, lent again, on a slow link.
    waiting = expect.ordered({}, [LEND], AT)
    assert expect.heard(waiting, [told], AT) == waiting
    booked = Lend("wuxi", "12001", "nanjing", 7)
    out = expect.sent(waiting, LEND, booked)
    assert [each.order for each in out.values()] == [booked]
    assert expect.heard(out, [told], AT) == out
    assert expect.heard(out, [replace(told, token=7)], AT) == {}


def test_a_seat_is_under_way_until_the_recall_behind_its_lend_was_obeyed() -> None:
    recall = Recall("wuxi", "12001", "nanjing")
    both = expect.ordered(expect.ordered({}, [LEND], AT), [recall], AT)
    assert expect.seats_under_way(both) == {SeatRef("wuxi", "12001")}
    assert expect.seats_under_way(expect.confirmed(both, recall, AT)) == frozenset()
