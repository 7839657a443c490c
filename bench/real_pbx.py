"""Real cities, real phones, the real controller process: how soon things happen, and what assistance costs.

The parts are in bench/real/. One that fails on a busy machine costs its own rows only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from bench.real import ami, burden, restart, rings
from bench.real.ground import HELPERS, Row, lab, say, stage
from callctl.core.model import PbxKind
from callctl.lab.freeswitch import NoFreeSwitch
from tests.real.stage import ASSISTED, Stage

# No part may take longer; `make bench` has to end.
PARTS_S = 180.0
BURDEN_S = 400.0
Part = Callable[[Stage], Awaitable[list[Row]]]
TOGETHER: tuple[tuple[Part, ...], ...] = (
    (rings.free_and_audio, rings.switch_to_ring, rings.threshold_to_ring),
    (restart.adoption,),
    (restart.standby,),
    (ami.events_a_call,),
)


async def _all() -> list[Row]:
    rows: list[Row] = []
    for parts in TOGETHER:
        await attempt("+".join(part.__name__ for part in parts), _on_one_stage(parts, rows))
    await attempt("burden", _burden(rows), BURDEN_S)
    await attempt("FreeSWITCH", _on_freeswitch(rows), 2 * PARTS_S)
    return rows


async def _on_freeswitch(rows: list[Row]) -> None:
    """The same rings where every city has FreeSWITCH; nothing where this machine has none."""
    cities = (*HELPERS, ASSISTED)
    try:
        async with lab(cities, 4, kind=PbxKind.FREESWITCH) as running, stage(running) as made:
            for part in (rings.free_and_audio, rings.switch_to_ring, rings.threshold_to_ring):
                found = await part(made)
                for one in found:
                    one["name"] = one["name"].replace("real: ", "real FreeSWITCH: ")
                    one["against"] = one["against"].replace(rings.LOOK, "mod_callcenter's look, ten times a second")
                rows += found
    except NoFreeSwitch as none:
        say(str(none))


async def _on_one_stage(parts: Sequence[Part], rows: list[Row]) -> None:
    """A lab of its own each time: what a failed part leaves behind disturbs nobody."""
    async with lab((*HELPERS, ASSISTED), 4, ami.let_in) as cities, stage(cities) as made:
        for part in parts:
            rows += await part(made)


async def _burden(rows: list[Row]) -> None:
    async for one in burden.measure():
        rows.append(one)


async def attempt(name: str, part: Awaitable[None], within_s: float = PARTS_S) -> None:
    """A line that says why, where it failed; the rows it had are kept."""
    try:
        async with asyncio.timeout(within_s):
            await part
    except Exception as error:
        say(f"{name} was not measured to the end: {type(error).__name__}: {str(error)[:200]}")


def measure() -> list[Row]:
    """All of it."""
    return asyncio.run(_all())


if __name__ == "__main__":
    for line in measure():
        print(f"{line['name']:<66} {line['value']:>10,.4g} {line['unit']:<8} {line['against']}")
