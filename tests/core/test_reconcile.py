"""Steps between picture and plan in the moments in which registry, PBX and our own orders do not agree yet."""

from dataclasses import replace

from callctl.core.commands import CloseSlot
from callctl.core.events import LoanChanged, PbxObserved, SeatSeen, SeatState, SlotSeen, SlotState
from callctl.core.fold import fold
from callctl.core.model import SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.reconcile import UNTAKEN, Taken, reconcile
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
