"""How many seats ring together for one waiting caller: what nobody else needs; the first to answer talks.

First every caller of the line gets a seat (core/allocation.py). What is left then can serve nobody else in this picture,
and helps that begin just now get more of the same city's seats. So ringing together never costs a caller anything.
"""

from collections.abc import Iterable, Iterator

from callctl.core.allocation import Allocation, Help


def widen(allocation: Allocation, begun: Iterable[Help]) -> Iterator[tuple[Help, int]]:
    """Every help of `begun` that gets more seats, and how many. The owner takes them before it asks for the next."""
    for help_ in begun:
        room, between = help_.supporting, allocation.between(help_.assisted, help_.supporting)
        more = min(room.together - help_.seats, room.beside(help_), between.seats - between.lent)
        if more > 0:
            allocation.resize(help_, help_.seats + more)
            yield help_, more
