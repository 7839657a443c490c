"""Real Asterisk cities, real phones, the real controller process: how soon things happen, and what assistance costs.

The parts are in bench/real/. One that fails on a busy machine costs its own rows only.
"""

import asyncio
from collections.abc import Awaitable, Callable

from bench.real import ami, burden, restart, rings
from bench.real.ground import HELPERS, Row, lab, say, stage
from tests.real.stage import ASSISTED, Stage

PARTS_S = 150.0  # No part may take longer; `make bench` has to end.
Part = Callable[[Stage], Awaitable[list[Row]]]
TOGETHER: tuple[tuple[Part, ...], ...] = (
    (rings.free_and_audio, rings.switch_to_ring, rings.threshold_to_ring),
    (restart.adoption,),
    (restart.standby,),
    (ami.events_a_call,),
)


async def _all() -> list[Row]:
    rows: list[Row] = []
    async with lab((*HELPERS, ASSISTED), 4, ami.let_in) as cities:
        for parts in TOGETHER:
            async with stage(cities) as made:
                for part in parts:
                    rows += await attempt(part.__name__, part(made))
    rows += await attempt("burden", burden.measure())
    return rows


async def attempt(name: str, part: Awaitable[list[Row]]) -> list[Row]:
    """The part's rows; none, and a line that says why, where it failed."""
    try:
        async with asyncio.timeout(PARTS_S):
            return await part
    except Exception as error:
        say(f"{name} was not measured: {type(error).__name__}: {str(error)[:200]}")
        return []


def measure() -> list[Row]:
    """All of it."""
    return asyncio.run(_all())


if __name__ == "__main__":
    for line in measure():
        print(f"{line['name']:<66} {line['value']:>10,.4g} {line['unit']:<8} {line['against']}")
