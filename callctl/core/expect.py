"""Our own latest orders, believed until the PBX shows what came of them: a reading may be older than they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from callctl.core.commands import (
    CloseSlot,
    DropSlot,
    ForbidListening,
    Lend,
    OpenSlot,
    Order,
    PermitListening,
    Recall,
    Regroup,
    SetReady,
)
from callctl.core.events import Fact, LoanChanged, PbxLost, PbxObserved, SeatReadied, SlotChanged, SlotState
from callctl.core.fold import fold
from callctl.core.model import SeatRef, SlotRef
from callctl.core.world import World

BELIEVED_S = 3.0  # A full reading of a flooded PBX takes 2.3 s at worst (pbx-asterisk.md, section 7).

# What an order is about: a seat in a support queue, a seat's readiness, a slot. A newer order about it takes its place.
Thing = tuple[str, str, str] | tuple[str, SlotRef]


@dataclass(frozen=True, slots=True)
class Expectation:
    """An order given and not yet seen on the PBX. Under way it is believed for as long as the link's deadline allows."""

    order: Order
    since: float
    sent: bool = False  # Not waiting behind others any more: only then a fact can be its doing, and not an older one's.
    confirmed: bool = False  # The PBX said yes; believed until a fact or a reading begun since then tells it.


_READINESS, _LISTENING = "", "*"  # In the place of an assisted city.

Expectations = Mapping[Thing, Expectation]


def thing(order: Order) -> Thing | None:
    """What the order is about; None for orders that change nothing we picture."""
    match order:
        case Lend() | Regroup() | Recall():
            return (order.city, order.seat, order.assisted)
        case OpenSlot() | CloseSlot() | DropSlot():
            return (order.city, order.slot)
        case SetReady():
            return (order.city, order.seat, _READINESS)
        case PermitListening() | ForbidListening():
            return (order.city, order.id, _LISTENING)
        case _:
            return None


def ordered(expected: Expectations, orders: Iterable[Order], now: float) -> Expectations:
    """With these orders on their way."""
    return {**expected, **{key: Expectation(order, now) for order in orders if (key := thing(order))}}


def confirmed(expected: Expectations, order: Order, now: float) -> Expectations:
    """The PBX carried the order out."""
    key = thing(order)
    if key is None or key not in expected or expected[key].order is not order:
        return expected
    return {**expected, key: Expectation(order, now, sent=True, confirmed=True)}


def overtaken(expected: Expectations, order: Order) -> bool:
    """Whether a lending or opening order not yet sent was taken back meanwhile: of the two only the latter is needed."""
    key = thing(order)
    if key is None or key not in expected:
        return False
    return isinstance(order, Lend | OpenSlot) and isinstance(expected[key].order, Recall | CloseSlot | DropSlot)


def sent(expected: Expectations, order: Order, as_sent: Order) -> Expectations:
    """The order goes out now, perhaps with a token that it just got."""
    return {key: replace(each, order=as_sent, sent=True) if each.order is order else each for key, each in expected.items()}


def failed(expected: Expectations, order: Order) -> Expectations:
    """The order had no effect, or nobody knows: the PBX's word is asked for and believed."""
    return {key: each for key, each in expected.items() if each.order is not order}


def heard(expected: Expectations, facts: Iterable[Fact], now: float) -> Expectations:
    """Without what the facts settled, and without what a reading of the PBX may contradict.

    What the PBX has confirmed is true although its fact was lost: forgotten before a reading, a loan would be lent twice.
    """
    if not expected:
        return expected
    settled: set[Thing] = set()
    lost: set[str] = set()
    read: set[str] = set()
    for fact in facts:
        match fact:
            case PbxLost():
                lost.add(fact.city)
                continue
            case PbxObserved():
                read.add(fact.city)
                continue
            case LoanChanged():
                key: Thing = (fact.city, fact.seat, fact.assisted)
            case SlotChanged():
                key = (fact.city, fact.slot)
            case SeatReadied():
                key = (fact.city, fact.seat, _READINESS)
            case _:
                continue
        each = expected.get(key)
        if each is not None and each.sent and _tells(fact, each.order):
            settled.add(key)
    return {
        key: each
        for key, each in expected.items()
        if key not in settled
        and key[0] not in lost
        and not (_overdue(each, now) and (key[0] in read or _as_fact(each.order) is None))
    }


def unseen_in(expected: Expectations, now: float) -> set[str]:
    """The cities whose PBX confirmed an order long ago and has told nothing of it: a fact was lost, they must be read."""
    return {key[0] for key, each in expected.items() if _overdue(each, now)}


def seats_under_way(expected: Expectations) -> frozenset[SeatRef]:
    """Seats about whose loans an order is on its way: what the PBX has obeyed so far, nobody knows."""
    return frozenset(
        SeatRef(each.order.city, each.order.seat)
        for each in expected.values()
        if isinstance(each.order, Lend | Regroup | Recall) and not each.confirmed
    )


def _overdue(each: Expectation, now: float) -> bool:
    """Whether a reading that comes now began after the PBX had obeyed."""
    return each.confirmed and now - each.since > BELIEVED_S


def overlay(world: World, expected: Expectations) -> World:
    """The world as it will be once the orders on their way are obeyed."""
    if not expected:
        return world
    pending = frozenset(
        SeatRef(each.order.city, each.order.seat)
        for each in expected.values()
        if isinstance(each.order, Lend | Regroup) and not each.confirmed
    )
    # Told as facts, so that one rule book changes pictures. `at` is 0: an order is no sign of life of the PBX.
    facts = [fact for each in expected.values() if (fact := _as_fact(each.order)) is not None]
    return replace(fold(world, facts), pending=pending)


def _tells(fact: LoanChanged | SlotChanged | SeatReadied, order: Order) -> bool:
    """Whether the fact is what the order brings about."""
    match fact, order:
        case LoanChanged(), Regroup():
            return fact.lent and fact.group == order.group
        case LoanChanged(), Lend():
            return fact.lent and fact.token == order.token  # Else it is of an older loan between the two, taken back since.
        case LoanChanged(), Recall():
            return not fact.lent
        case SlotChanged(), OpenSlot() | CloseSlot() | DropSlot():
            brought = _as_fact(order)
            return isinstance(brought, SlotChanged) and fact.state is brought.state
        case SeatReadied(), SetReady():
            return fact.ready is order.ready
        case _:
            return False


def _as_fact(order: Order) -> Fact | None:  # noqa: PLR0911
    match order:
        case Lend() | Regroup():
            return LoanChanged(order.city, 0.0, order.seat, order.assisted, order.token, lent=True, group=order.group)
        case Recall():
            return LoanChanged(order.city, 0.0, order.seat, order.assisted, 0, lent=False)
        case OpenSlot():
            return SlotChanged(order.city, 0.0, order.slot, order.token, SlotState.OPEN)
        case CloseSlot():
            return SlotChanged(order.city, 0.0, order.slot, 0, SlotState.CLOSED)
        case DropSlot():
            return SlotChanged(order.city, 0.0, order.slot, 0, SlotState.ABSENT)
        case SetReady():
            return SeatReadied(order.city, 0.0, order.seat, order.ready, order.reason)
        case _:
            return None
