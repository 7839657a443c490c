"""What must never happen, whatever state the province is in."""

from collections import Counter
from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from callctl.core.between import let_through
from callctl.core.commands import CloseSlot, DropSlot, Lend, OpenSlot, Recall, Regroup
from callctl.core.events import SeatReadied, SeatState, SlotState
from callctl.core.fold import fold
from callctl.core.model import Lending, Pair, SeatRef
from callctl.core.reasons import WORDS
from callctl.core.seats import FRESH_S, pair_health, trunk_up
from callctl.core.telling import AND
from tests.core.pictures import NOW, Picture, lent_from, pictures
from tests.provinces import wish

more = settings(max_examples=60, deadline=None)


def new_loans(picture: Picture) -> dict[SeatRef, str]:
    """Loans the plan makes that no PBX shows yet."""
    return {
        ref: assisted
        for ref, assisted in picture.plan().loans.items()
        if ref.seat not in picture.world.cities[ref.city].tally.lent
    }


@given(pictures())
@more
def test_a_seat_is_ordered_into_one_support_queue_at_most(picture: Picture) -> None:
    for _ in range(4):
        picture.obey(picture.orders(picture.plan()))
        for view in picture.world.cities.values():
            assert all(len(seat.loans) <= 1 for seat in view.seats.values())


@given(pictures())
@more
def test_quotas_of_city_and_event_are_kept(picture: Picture) -> None:
    """Who is on an assisted call stays lent until it is over, whatever the quota is by now; nobody else may be then."""
    made = picture.plan()
    for code, refs in lent_from(made).items():
        held = picture.world.cities[code].tally.held
        quota = picture.wishes.quotas.get(code, picture.province.cities[code].lend.quota)
        assert len(refs) <= max(quota, sum(map(len, held.values())))
        for assisted, event in picture.wishes.events.items():
            if event.seats:
                share = max(event.seats.get(code, 0), len(held.get(assisted, ())))
                assert sum(made.loans[ref] == assisted for ref in refs) <= share


@given(pictures())
@more
def test_slots_never_promise_the_reserve(picture: Picture) -> None:
    made = picture.plan()
    for code, view in picture.world.cities.items():
        calls = sum(view.tally.serving.values())
        promised = sum(number for pair, number in made.open_slots.items() if pair.supporting == code) - calls
        dedicated = sum(
            view.fixed.lending[seat] is Lending.DEDICATED and view.seats[seat].state is SeatState.FREE
            for seat in view.tally.lent
        )
        spare = max(0, view.idle(NOW) - view.city.lend.reserve)
        assert promised <= dedicated + (0 if view.unserved else spare)


@given(pictures())
@more
def test_trunks_are_never_promised_beyond_their_channels_nor_while_down(picture: Picture) -> None:
    for pair, number in picture.plan().open_slots.items():
        serving = picture.world.cities[pair.supporting].tally.serving.get(pair.assisted, 0)
        assert number <= max(serving, picture.province.channels(pair))
        if not trunk_up(picture.world, pair) or let_through(pair_health(picture.world, pair), NOW) == 0:
            assert number <= serving


@given(pictures())
@more
def test_no_new_loan_from_a_city_in_need_or_unheard_or_forbidden(picture: Picture) -> None:
    made = picture.plan()
    for ref, assisted in new_loans(picture).items():
        view, city = picture.world.cities[ref.city], picture.province.cities[ref.city]
        seat = view.seats[ref.seat]
        assert picture.world.registry_up
        assert view.fresh(NOW, FRESH_S)
        assert picture.world.cities[assisted].fresh(NOW, FRESH_S)
        assert ref.city not in made.active
        assert assisted in made.active
        assert city.may_help(assisted)
        assert view.fixed.lending[ref.seat] is not Lending.NO
        assert seat.ready
        assert seat.state is SeatState.FREE
        assert seat.free_from <= NOW
        assert view.fixed.lending[ref.seat] is Lending.DEDICATED or view.unserved == 0


@given(pictures())
@more
def test_a_city_that_is_helped_helps_nobody(picture: Picture) -> None:
    made = picture.plan()
    assert all(ref.city not in made.active for ref in made.loans)


@given(pictures())
@more
def test_a_plan_that_is_carried_out_is_reached_and_then_nothing_is_ordered(picture: Picture) -> None:
    for _ in range(6):
        made = picture.plan()
        orders = picture.orders(made)
        if not orders:
            break
        picture.obey(orders)
        picture.memory = made.memory
    assert picture.orders(picture.plan()) == ()


@given(pictures())
@more
def test_the_same_plan_twice_gives_the_same_orders(picture: Picture) -> None:
    assert picture.plan() == picture.plan()
    made = picture.plan()
    assert picture.orders(made) == picture.orders(made)


@given(pictures())
@more
def test_every_call_over_the_threshold_that_nobody_comes_for_has_a_reason(picture: Picture) -> None:
    made = picture.plan()
    for code, view in picture.world.cities.items():
        if not view.up:
            continue
        late = view.waiting_longer_than(view.city.queue.wait_threshold_s, NOW)
        seats = sum(assisted == code for assisted in made.loans.values())
        coming = (
            seats
            + view.tally.ringing_home
            + sum(other.tally.serving.get(code, 0) for other in picture.world.cities.values())
        )
        if late > coming:
            assert made.reasons[code]
            assert all(reason.words_zh and reason.words_en and reason.count > 0 for reason in made.reasons[code])


@given(pictures())
@more
def test_every_order_about_a_seat_is_told_with_its_reason(picture: Picture) -> None:
    for _ in range(3):
        made = picture.plan()
        orders = picture.orders(made)
        told = {
            (code, seat): did
            for code, some in made.memory.told.items()
            for each in some
            for did, seat in ((each.did, seat) for seat in each.seat.split(AND))
            if each.why in WORDS
        }
        for order in orders:
            if isinstance(order, (Lend, Recall, Regroup)):
                assert (order.city, order.seat) in told, order
        picture.obey(orders)


@given(pictures())
@more
def test_with_everything_switched_off_all_is_closed_and_called_home(picture: Picture) -> None:
    picture.wishes = wish()
    made = picture.plan()
    assert not made.loans
    assert not made.open_slots
    picture.obey(picture.orders(made))
    for view in picture.world.cities.values():
        assert not view.tally.lent
        assert not any(slot.state is SlotState.OPEN for slot in view.slots.values())


@given(pictures())
@more
def test_only_slots_and_support_queues_are_touched_never_a_callers_place(picture: Picture) -> None:
    orders = picture.orders(picture.plan())
    assert all(isinstance(order, Lend | Recall | Regroup | OpenSlot | CloseSlot | DropSlot) for order in orders)


@given(pictures())
@more
def test_a_reading_told_twice_leads_to_the_same_plan(picture: Picture) -> None:
    again = replace(picture, world=fold(picture.world, ()))
    once = [fact for fact in picture.facts if hasattr(fact, "seats")]
    twice = fold(fold(picture.world, once), once)
    single = fold(picture.world, once)
    assert replace(again, world=twice).plan() == replace(again, world=single).plan()


@given(pictures(), st.floats(0, 300))
@more
def test_without_the_registry_nothing_new_is_lent_or_opened(picture: Picture, later: float) -> None:
    picture.world = replace(picture.world, registry_up=False)
    picture.now += later
    assert not new_loans(picture)
    orders = picture.orders(picture.plan())
    assert not [order for order in orders if isinstance(order, Lend | OpenSlot)]


@given(pictures())
@more
def test_a_city_not_heard_gets_no_orders(picture: Picture) -> None:
    for order in picture.orders(picture.plan()):
        assert picture.world.cities[order.city].up


@given(pictures())
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])  # Shrinking would take an hour.
def test_in_a_picture_that_does_not_change_the_orders_come_to_an_end(picture: Picture) -> None:
    """Over ten minutes: rests end, cool-downs end, breakers open, callers overtake others by their priority."""
    moved: Counter[str] = Counter()
    last_order_at = NOW
    for second in range(600):
        picture.now = NOW + second
        heard = [code for code, view in picture.world.cities.items() if view.up]
        picture.world = fold(picture.world, [SeatReadied(code, picture.now, "none", True) for code in heard])
        made = picture.plan()
        orders = picture.orders(made)
        picture.memory = made.memory
        if orders:
            if not all(isinstance(order, DropSlot) for order in orders):  # Unused for ten minutes: only tidied away.
                last_order_at = picture.now
            moved.update(order.seat for order in orders if isinstance(order, Lend))
            picture.obey(orders)
    assert last_order_at < NOW + 400
    # Lent, moved once when a heavier city overtakes, lent again after a miss's cool-down: never to and fro.
    assert all(times <= 4 for times in moved.values()), moved


def trunk_full(picture: Picture, pair: Pair) -> bool:
    """Whether no further call of the pair finds a channel, whichever end tells of those in use."""
    home, away = picture.world.cities[pair.assisted], picture.world.cities[pair.supporting]
    there = max(home.slots_in_use.get(pair.supporting, 0), away.carries(pair.assisted))
    back = max(away.slots_in_use.get(pair.assisted, 0), home.carries(pair.supporting))
    return there + back >= picture.province.channels(pair)


@given(pictures())
@more
def test_a_free_seat_is_only_moved_for_a_caller_who_stands_before_all_its_present_city_has_for_it(picture: Picture) -> None:
    made = picture.plan()
    for ref, assisted in made.loans.items():
        view = picture.world.cities[ref.city]
        loan = view.tally.lent.get(ref.seat)
        if loan is None or loan.assisted == assisted:
            continue
        seat = view.seats[ref.seat]
        assert seat.state is SeatState.FREE
        assert not seat.serving
        event = picture.wishes.events
        mine = picture.world.cities[assisted]
        heaviest = event[assisted].priority * mine.longest_wait_s(NOW)
        if trunk_full(picture, Pair(loan.assisted, ref.city)):
            continue  # The seat is of no use to its present city.
        uncovered = picture.world.cities[loan.assisted]
        covered = sum(to == loan.assisted for to in made.loans.values()) + uncovered.tally.ringing_home
        rest = uncovered.waiting_sinces[covered:]
        assert all(event[loan.assisted].priority * (NOW - since) <= heaviest for since in rest)


@given(pictures())
@more
def test_calls_in_progress_keep_their_loans_while_their_cities_share(picture: Picture) -> None:
    made = picture.plan()
    for code, view in picture.world.cities.items():
        for name, seat in view.seats.items():
            loan = view.tally.lent.get(name)
            fits = loan is not None and seat.serving == loan.assisted and view.fixed.lending[name] is not Lending.NO
            if not fits or seat.state is SeatState.OFFLINE or code in made.active or loan.assisted not in made.active:
                continue
            pair = Pair(loan.assisted, code)
            event = picture.wishes.events[loan.assisted]
            allowed = loan.assisted in view.fixed.helps and (not event.seats or event.seats.get(code, 0) > 0)
            if allowed and trunk_up(picture.world, pair):
                assert made.loans[SeatRef(code, name)] == loan.assisted


@given(pictures())
@more
def test_a_city_that_must_not_lend_is_asked_for_nothing_new_for_each_rule(picture: Picture) -> None:
    """The floor, rule by rule: reserve, own callers, quota with the calls in progress."""
    made = picture.plan()
    fresh: Counter[str] = Counter()
    for ref in new_loans(picture):
        view = picture.world.cities[ref.city]
        if view.fixed.lending[ref.seat] is not Lending.DEDICATED:
            fresh[ref.city] += 1
            assert view.unserved == 0
    for code, number in fresh.items():
        view = picture.world.cities[code]
        assert number <= view.idle(NOW) - view.city.lend.reserve
    for code, view in picture.world.cities.items():
        quota = picture.wishes.quotas.get(code, view.city.lend.quota)
        in_progress = sum(view.tally.serving.values())
        lent = sum(ref.city == code and not view.seats[ref.seat].serving for ref in made.loans)
        assert lent + in_progress <= max(quota, in_progress)
