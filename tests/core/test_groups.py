"""The ring groups of one pair, arranged out of the seats at hand; a PBX rings the lowest groups, one a call."""

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.groups import Arranged, AtHand, Calls, arrange, fresh

more = settings(max_examples=300, deadline=None)


def hands(settled: bool = True) -> st.SearchStrategy[list[AtHand]]:
    group = st.sampled_from([0, 0, 0, 1, 2, 5])
    kinds = st.tuples(group, st.booleans(), st.just(True) if settled else st.sampled_from([True, True, False]))
    return st.lists(kinds, min_size=1, max_size=8).map(
        lambda some: [AtHand(f"{number:04d}", *kind) for number, kind in enumerate(some)]
    )


def obeyed(hand: list[AtHand], arranged: Arranged) -> list[AtHand]:
    return [one._replace(group=arranged.moves.get(one.seat, one.group)) for one in hand]


def rung(hand: list[AtHand], calls: int) -> list[list[AtHand]]:
    """What app_queue rings for so many calls at a time: the lowest group that is free, for each."""
    lowest = sorted({one.group for one in hand})[:calls]
    return [[one for one in hand if one.group == number] for number in lowest]


def shared_of(some: list[AtHand]) -> int:
    return sum(not one.dedicated for one in some)


@given(hands(), st.data(), st.integers(1, 3))
@more
def test_every_call_finds_a_group_and_no_seat_rings_that_cannot_be_spared(
    hand: list[AtHand], drawn: st.DataObject, together: int
) -> None:
    shared = drawn.draw(st.integers(0, shared_of(hand)))
    could = len(hand) - shared_of(hand) + shared
    needed = drawn.draw(st.integers(0, could))
    arranged = arrange(hand, Calls(needed, drawn.draw(st.integers(needed, needed + 2))), shared, together)
    after = obeyed(hand, arranged)
    groups = rung(after, arranged.ringing)
    assert len(groups) == arranged.ringing >= needed
    assert sum(map(shared_of, groups)) == arranged.shared <= shared
    assert all(len(group) <= together for group in groups)


@given(hand=hands(settled=False), drawn=st.data())
@more
def test_what_is_not_confirmed_yet_opens_no_slot_and_is_not_moved(hand: list[AtHand], drawn: st.DataObject) -> None:
    needed = drawn.draw(st.integers(0, len(hand)))
    arranged = arrange(hand, Calls(needed, len(hand)), len(hand), 3)
    assert not any(one.seat in arranged.moves for one in hand if not one.settled)
    standing = [one for one in hand if one.settled and one.seat not in arranged.moves]
    assert arranged.slots <= len({one.group for one in standing})


@given(hand=hands(), drawn=st.data())
@more
def test_in_a_picture_that_does_not_change_the_moves_come_to_an_end(hand: list[AtHand], drawn: st.DataObject) -> None:
    shared = drawn.draw(st.integers(0, shared_of(hand)))
    needed = drawn.draw(st.integers(0, len(hand) - shared_of(hand) + shared))
    calls = Calls(needed, needed + drawn.draw(st.integers(0, 2)))
    for _ in range(4):
        arranged = arrange(hand, calls, shared, 3)
        hand = obeyed(hand, arranged)
    assert not arranged.moves
    assert arranged.slots == arranged.ringing


def hand_of(*groups: int) -> list[AtHand]:
    return [AtHand(f"{number:04d}", group, dedicated=False) for number, group in enumerate(groups)]


def test_one_call_rings_a_whole_group_and_nothing_is_moved() -> None:
    assert arrange(hand_of(0, 0, 0), Calls(1, 1), 3, 3) == Arranged(1, 1, 3, {})


def test_a_second_call_splits_the_group_and_its_slot_waits_for_the_pbx() -> None:
    assert arrange(hand_of(0, 0, 0), Calls(2, 2), 3, 3) == Arranged(2, 1, 3, {"0002": 1})


def test_the_only_seat_that_could_ring_at_once_does_so_and_is_not_moved_away_from_one_on_its_way() -> None:
    """Found by seed 105394: on a slow link the first caller waited for two more orders, with a lent seat idle."""
    hand = [AtHand("0001", 0, dedicated=False), AtHand("0002", 0, dedicated=False, settled=False)]
    assert arrange(hand, Calls(2, 2), 2, 3) == Arranged(1, 1, 2, {})


def test_a_seat_that_cannot_be_spared_stands_above_those_that_ring() -> None:
    assert arrange(hand_of(0, 0), Calls(1, 1), 1, 3) == Arranged(1, 1, 1, {"0001": 1}, frozenset({"0001"}))


def test_seats_that_nobody_may_ring_are_left_as_they_are() -> None:
    assert arrange(hand_of(0, 0, 1), Calls(0, 3), 0, 3) == Arranged(0, 0, 0, {})


def test_groups_are_not_put_together_again() -> None:
    assert arrange(hand_of(0, 1), Calls(1, 1), 2, 3) == Arranged(1, 1, 1, {})


def test_a_new_group_takes_the_lowest_number_that_is_free() -> None:
    assert fresh([]) == 0
    assert fresh([0, 2, 7]) == 1
    assert arrange(hand_of(1, 1), Calls(2, 2), 2, 3, used=[0, 1]).moves == {"0001": 2}
