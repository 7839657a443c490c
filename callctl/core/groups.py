"""The ring groups of one pair: which of its free lent seats ring together, so that every open slot finds its own group.

A PBX rings, for each call, all seats of the lowest group that is free. So there must be as many groups as slots are open,
and who must not be rung stands above them. Groups are only ever split, never put together: seats that come home end them.
As few seats as possible change their group, for each change is an order.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class AtHand(NamedTuple):
    """A free lent seat."""

    seat: str
    group: int
    dedicated: bool
    settled: bool = True  # False: its loan or group is ordered and not confirmed; it stays in its group until then.


class Calls(NamedTuple):
    """Calls that seats at hand ring for: so many must find a group, and so many may."""

    needed: int
    most: int


class Arranged(NamedTuple):
    """What comes of it."""

    ringing: int  # Groups that may ring, each for one call; also those that are not confirmed yet.
    slots: int  # Of them, those the PBX has confirmed.
    shared: int  # Shared seats in them.
    moves: Mapping[str, int]  # Seats that must change their group, and the new one.
    aside: frozenset[str] = frozenset()  # Of them, those that must not be rung.


def fresh(used: Iterable[int]) -> int:
    """The lowest number no group has. Low, for app_queue multiplies it by a million in an int of C."""
    taken = set(used)
    return next(number for number in range(len(taken) + 1) if number not in taken)


def arrange(hand: Sequence[AtHand], calls: Calls, shared: int, together: int, used: Iterable[int] = ()) -> Arranged:
    """Groups out of the seats at hand.

    `shared`: how many shared seats may ring at once, the dedicated ones all may; `together`: most seats of a group;
    `used`: numbers of other groups of the pair.
    """
    groups: dict[int, list[AtHand]] = {}
    for one in hand:
        groups.setdefault(one.group, []).append(one)
    others = set(used) - groups.keys()
    _unmix(groups, others)
    _split(groups, calls.needed, shared, others)
    chosen, left = _choose(groups, calls, shared, together)
    if not chosen:
        return Arranged(0, 0, 0, {})
    _set_aside(groups, chosen, others)
    moves = {one.seat: number for number, some in groups.items() for one in some if one.group != number}
    slots = sum(any(one.settled and one.seat not in moves for one in some) for some in chosen.values())
    ringing = {one.seat for some in chosen.values() for one in some}
    return Arranged(len(chosen), slots, shared - left, moves, frozenset(moves.keys() - ringing))


def _unmix(groups: dict[int, list[AtHand]], others: set[int]) -> None:
    """No dedicated seat with a shared one: the one costs its city nothing, the other may not be spared."""
    for number, some in [*groups.items()]:
        if len({one.dedicated for one in some}) > 1 and (shared := [one for one in some if one.settled > one.dedicated]):
            groups[fresh({*groups, *others})] = shared
            groups[number] = [one for one in some if one not in shared]


def _split(groups: dict[int, list[AtHand]], needed: int, shared: int, others: set[int]) -> None:
    """Make groups narrower, until enough of them can ring."""
    while True:
        of_shared = [number for number, some in groups.items() if not some[0].dedicated]
        short = len(groups) - len(of_shared) + min(len(of_shared), shared) < needed
        wide = [
            (sum(one.settled for one in some), -number)
            for number, some in groups.items()
            if short and len(some) > 1 and (some[0].dedicated or len(of_shared) < shared)
        ]
        movable, least = max(wide, default=(0, 0))
        if movable < 2:  # Moved away from seats still on their way, the only one that could ring would have to wait, too.
            return
        some = groups[-least]
        moved = [one for one in some if one.settled][-1]
        groups[fresh({*groups, *others})] = [moved]
        groups[-least] = [one for one in some if one is not moved]


def _choose(
    groups: Mapping[int, list[AtHand]], calls: Calls, shared: int, together: int
) -> tuple[dict[int, list[AtHand]], int]:
    """The groups that ring, each with those of its seats that may; and how many shared seats could ring besides.

    First a seat for every call that needs one, then their groups whole, then further groups.
    """
    chosen: dict[int, list[AtHand]] = {}
    # Lowest first, as the PBX rings them; who has a dedicated seat costs the city nothing.
    order = sorted(groups, key=lambda number: (not any(one.dedicated for one in groups[number]), number))
    for most in (calls.needed, calls.most):
        for number in order:
            if len(chosen) >= most or number in chosen:
                continue
            first = next((one for one in groups[number] if one.dedicated), groups[number][0])
            if first.dedicated or shared > 0:
                chosen[number] = [first]
                shared -= not first.dedicated
        for number, some in chosen.items():
            for one in groups[number]:
                if len(some) < together and one not in some and (one.dedicated or shared > 0):
                    some.append(one)
                    shared -= not one.dedicated
    return chosen, shared


def _set_aside(groups: dict[int, list[AtHand]], chosen: Mapping[int, list[AtHand]], others: set[int]) -> None:
    """Whoever must not be rung stands above all who may."""
    highest = max(chosen)
    aside = [
        one
        for number, some in groups.items()
        for one in some
        if number <= highest and one.settled and one not in chosen.get(number, ())
    ]
    if aside:
        groups[max(*groups, *others, highest) + 1] = aside
        for number in [number for number in groups if number <= highest]:
            groups[number] = [one for one in groups[number] if one not in aside]
