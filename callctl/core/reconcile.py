"""The steps still missing between what the PBXs show and what the plan wants. A reached plan gives no steps."""

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Order, Recall, Regroup
from callctl.core.events import SlotState
from callctl.core.model import SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.world import CityView, World

DROP_IDLE_AFTER_S = 600.0  # An unused closed slot costs nothing; dropped in the end so that queues stay readable.
UNTAKEN = 0  # Token of a Lend whose loan the controller has still to take in the registry.


class Taken(NamedTuple):
    """A loan as the registry holds it."""

    assisted: str
    token: int


def reconcile(world: World, plan: Plan, taken: Mapping[SeatRef, Taken], lease: int, now: float) -> tuple[Order, ...]:
    """The orders that bring every PBX that is heard to the plan; retraction first.

    `world` is the picture with the orders on their way laid over it. `taken` are the registry's loans, `lease` the
    controller's own fencing token. What is in the queues but not callctl's never appears in the picture, so no
    order can touch them.
    """
    wanted: dict[str, dict[str, int]] = {}
    for pair, number in plan.open_slots.items():
        wanted.setdefault(pair.assisted, {})[pair.supporting] = number
    back: list[Order] = []
    forth: list[Order] = []
    for code, view in world.cities.items():
        if view.up:
            back.extend(_of_loans(code, view, plan, taken))
            if view.slots or code in wanted:
                _slots(code, view, wanted.get(code, {}), lease, now, back, forth)
    forth.extend(_lends(world, plan, taken))
    return (*back, *forth)


def held_back(orders: tuple[Order, ...], unread: Set[str]) -> tuple[Order, ...]:
    """Without lending and opening at PBXs not read since we lead: of what another controller did there a fact may be lost.

    Its own orders a controller knows without any fact; another's it has but heard of. Taking back waits for nothing.
    """
    if not unread:
        return orders
    return tuple(order for order in orders if not (isinstance(order, Lend | OpenSlot) and order.city in unread))


def _of_loans(code: str, view: CityView, plan: Plan, taken: Mapping[SeatRef, Taken]) -> Iterator[Order]:
    for seat_id, latest in view.tally.lent.items():
        # Of two loans only the later one can be right, whatever is wished: the older one's controller was deposed.
        ref, loans = SeatRef(code, seat_id), view.seats[seat_id].loans
        held = taken.get(ref)
        # A loan under way has no token yet, although the registry may have told us its new one before the order is sent.
        newest = latest.token == UNTAKEN or held is None or held.token <= latest.token
        keep = plan.loans.get(ref) == latest.assisted and newest
        if keep and len(loans) == 1:
            group = plan.groups.get(ref, latest.group)
            if group != latest.group:
                yield Regroup(code, seat_id, latest.assisted, latest.token, group)
            continue
        for loan in loans:
            if not keep or loan != latest:
                yield Recall(code, seat_id, loan.assisted)


def _lends(world: World, plan: Plan, taken: Mapping[SeatRef, Taken]) -> Iterator[Order]:
    for ref, assisted in plan.loans.items():
        view = world.cities[ref.city]
        seat = view.seats.get(ref.seat)
        if not view.up or seat is None or seat.loans:
            continue  # Never lent before the older loan is gone: one loan a seat.
        held = taken.get(ref)
        if held is not None and held.assisted != assisted:
            continue  # The registry still books it for another city; the controller ends that loan first.
        token = held.token if held is not None else UNTAKEN
        yield Lend(ref.city, ref.seat, assisted, token, plan.groups.get(ref, 0))


def _slots(
    code: str, view: CityView, wanted: Mapping[str, int], lease: int, now: float, back: list[Order], forth: list[Order]
) -> None:
    differ = {other for other in (*wanted, *view.slots_open) if wanted.get(other, 0) != view.slots_open.get(other, 0)}
    if differ:
        found: dict[str, list[tuple[bool, SlotRef]]] = {other: [] for other in differ}
        for ref, slot in view.slots.items():
            if ref.supporting in differ and (slot.in_use or slot.state is SlotState.OPEN):
                found[ref.supporting].append((not slot.in_use, ref))
        for supporting, slots in sorted(found.items()):
            number = wanted.get(supporting, 0)
            # Those in use first: they count as open, and closing one is only for after its call.
            running = [ref for _, ref in sorted(slots)]
            back.extend(CloseSlot(code, ref) for ref in running[number:] if view.slots[ref].state is SlotState.OPEN)
            if len(running) < number:
                forth.extend(_openings(code, view, supporting, set(running), number, lease))
    if view.idle_closed_since is not None and now - view.idle_closed_since > DROP_IDLE_AFTER_S:
        ordered = {order.slot for order in forth if isinstance(order, OpenSlot) and order.city == code}
        back.extend(_drops(code, view, ordered, now))


def _openings(
    code: str, view: CityView, supporting: str, running: set[SlotRef], number: int, lease: int
) -> Iterator[Order]:
    missing, candidate = number - len(running), 0
    while missing:
        candidate += 1
        ref = SlotRef(supporting, candidate)
        if ref in running:
            continue
        slot = view.slots.get(ref)
        if slot is not None and slot.state is not SlotState.ABSENT and slot.token != lease:
            # Only a slot added anew carries the new token in its name, by which an older controller knows it is deposed.
            yield DropSlot(code, ref)
        yield OpenSlot(code, ref, lease)
        missing -= 1


def _drops(code: str, view: CityView, wanted: set[SlotRef], now: float) -> Iterator[Order]:
    for ref, slot in view.slots.items():
        known = slot.since > 0.0  # 0 comes from an order of ours that is still believed.
        idle = slot.state is SlotState.CLOSED and not slot.in_use and ref not in wanted
        if known and idle and now - slot.since > DROP_IDLE_AFTER_S:
            yield DropSlot(code, ref)
