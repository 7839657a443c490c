"""The steps still missing between what the PBXs show and what the plan wants. A reached plan gives no steps."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Order, Recall
from callctl.core.events import SlotState
from callctl.core.model import SeatRef, SlotRef
from callctl.core.plan import Plan
from callctl.core.world import CityView, SeatLoan, SlotView, World

DROP_IDLE_AFTER_S = 600.0  # An unused closed slot costs nothing; dropped in the end so that queues stay readable.
UNTAKEN = 0  # Token of a Lend whose loan the controller has still to take in the registry.


class Taken(NamedTuple):
    """A loan as the registry holds it."""

    assisted: str
    token: int


def reconcile(world: World, plan: Plan, taken: Mapping[SeatRef, Taken], lease: int, now: float) -> tuple[Order, ...]:
    """The orders that bring every PBX that is heard to the plan; retraction first.

    `world` is the picture with the orders on their way laid over it. `taken` are the registry's loans, `lease` the
    controller's own fencing token. Members of the queues that are not callctl's never appear in the picture, so no
    order can touch them.
    """
    wanted: dict[str, dict[str, int]] = {}
    for pair, number in plan.open_slots.items():
        wanted.setdefault(pair.assisted, {})[pair.supporting] = number
    back: list[Order] = []
    forth: list[Order] = []
    for code, view in world.cities.items():
        if view.up:
            back.extend(_recalls(code, view, plan, taken))
            if view.slots or code in wanted:
                _slots(code, view, wanted.get(code, {}), lease, now, back, forth)
    forth.extend(_lends(world, plan, taken))
    return (*back, *forth)


def _recalls(code: str, view: CityView, plan: Plan, taken: Mapping[SeatRef, Taken]) -> Iterator[Order]:
    for seat_id in view.tally.lent:
        ref = SeatRef(code, seat_id)
        loans = view.seats[seat_id].loans
        keep = _loan_to_keep(loans, plan.loans.get(ref), taken.get(ref))
        for loan in loans:
            if loan != keep:
                yield Recall(code, seat_id, loan.assisted)


def _loan_to_keep(loans: tuple[SeatLoan, ...], wished: str | None, taken: Taken | None) -> SeatLoan | None:
    # Of two loans only the later one can be right, whatever is wished: the older one's controller was deposed.
    latest = loans[-1]
    outdated = taken is not None and latest.token < taken.token
    return latest if latest.assisted == wished and not outdated else None


def _lends(world: World, plan: Plan, taken: Mapping[SeatRef, Taken]) -> Iterator[Order]:
    for ref, assisted in plan.loans.items():
        view = world.cities[ref.city]
        seat = view.seats.get(ref.seat)
        if not view.up or seat is None or seat.loans:
            continue  # Never lent before the older loan is gone: one loan a seat.
        held = taken.get(ref)
        if held is not None and held.assisted != assisted:
            continue  # The registry still books it for another city; the controller ends that loan first.
        yield Lend(ref.city, ref.seat, assisted, held.token if held is not None else UNTAKEN)


def _slots(
    code: str, view: CityView, wanted: Mapping[str, int], lease: int, now: float, back: list[Order], forth: list[Order]
) -> None:
    by_city: dict[str, list[tuple[SlotRef, SlotView]]] = {supporting: [] for supporting in wanted}
    for ref, slot in view.slots.items():
        by_city.setdefault(ref.supporting, []).append((ref, slot))
    for supporting, slots in by_city.items():
        number = wanted.get(supporting, 0)
        # Those in use first: they count as open, and closing one is only for after its call.
        running = sorted((not slot.in_use, ref) for ref, slot in slots if slot.in_use or slot.state is SlotState.OPEN)
        for _, ref in running[number:]:
            if view.slots[ref].state is SlotState.OPEN:
                back.append(CloseSlot(code, ref))
        if len(running) < number:
            forth.extend(_openings(code, view, supporting, {ref for _, ref in running}, number, lease))
        else:
            back.extend(_drops(code, slots, now))


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
            # Only a new member carries the new token in its name, by which an older controller knows it is deposed.
            yield DropSlot(code, ref)
        yield OpenSlot(code, ref, lease)
        missing -= 1


def _drops(code: str, slots: list[tuple[SlotRef, SlotView]], now: float) -> Iterator[Order]:
    for ref, slot in slots:
        known = slot.since > 0.0  # 0 comes from an order of ours that is still believed.
        if known and slot.state is SlotState.CLOSED and not slot.in_use and now - slot.since > DROP_IDLE_AFTER_S:
            yield DropSlot(code, ref)
