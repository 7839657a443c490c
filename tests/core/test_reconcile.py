"""Steps between picture and plan in the moments in which registry, PBX and our own orders do not agree yet."""

from dataclasses import replace

from callctl.core.commands import CloseSlot, Lend, OpenSlot, Recall
from callctl.core.events import LoanChanged, PbxObserved, SeatSeen, SeatState, SlotSeen, SlotState
from callctl.core.fold import fold
from callctl.core.model import SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.reconcile import UNTAKEN, Taken, held_back, reconcile
from callctl.core.world import unseen
from tests.provinces import a_province

PROVINCE = a_province(3)
SEAT = SeatRef("wuxi", next(iter(PROVINCE.cities["wuxi"].seats)).id)


def test_a_loan_whose_token_the_registry_told_before_the_order_was_sent_is_not_recalled() -> None:
    seen = PbxObserved("wuxi", 1.0, (), (SeatSeen(SEAT.seat, SeatState.FREE),), (), (), (), ())
    under_way = LoanChanged("wuxi", 1.0, SEAT.seat, "nanjing", UNTAKEN, lent=True)
    world = replace(fold(unseen(PROVINCE), [seen, under_way]), pending=frozenset({SEAT}))
    plan = Plan(loans={SEAT: "nanjing"})
    assert reconcile(world, plan, {SEAT: Taken("nanjing", 5)}, 4, 1.0) == ()


def test_a_slot_to_a_city_that_the_data_folders_no_longer_name_is_closed() -> None:
    gone = SlotRef("changzhou", 1)
    seen = PbxObserved("nanjing", 1.0, (), (), (), (SlotSeen(gone, SlotState.OPEN, 3),), (), ())
    assert reconcile(fold(unseen(PROVINCE), [seen]), Plan(), {}, 4, 1.0) == (CloseSlot("nanjing", gone),)


def test_where_nothing_was_read_since_we_lead_nothing_is_lent_or_opened_and_taking_back_goes_on() -> None:
    slot = SlotRef("wuxi", 1)
    lend, recall = Lend("wuxi", SEAT.seat, "nanjing", UNTAKEN), Recall("wuxi", SEAT.seat, "xuzhou")
    shut, opened = CloseSlot("nanjing", slot), OpenSlot("nanjing", slot, 4)
    orders = (recall, shut, lend, opened)
    assert held_back(orders, {"wuxi"}) == (recall, shut, opened)
    assert held_back(orders, {"wuxi", "nanjing"}) == (recall, shut)
    assert held_back(orders, set()) == orders
