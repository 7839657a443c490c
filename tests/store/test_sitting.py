"""Who sat where when: a note is written by whoever sat there when the call was answered, also days of moves later."""

import pytest

from callctl.core.model import SeatRef
from callctl.store.registry import RedisRegistry
from callctl.store.sitting import SatDown, SeatTaken, SitterChanged, Sitting

HERE, THERE = SeatRef("xuzhou", "3001"), SeatRef("xuzhou", "3002")
T0 = 1_790_000_000.0


async def test_who_sat_there_is_known_for_every_moment_and_an_empty_seat_is_nobody(registry: RedisRegistry) -> None:
    sitting = Sitting(registry)
    assert await sitting.sit(HERE, "li", "A1", T0) == SatDown(T0, True)
    assert await sitting.sit(HERE, "li", "A1", T0 + 5.0) == SatDown(T0, False), "once more: still the same stay"
    assert await sitting.sit(THERE, "li", "A1", T0 + 10.0) == SatDown(T0 + 10.0, True, (HERE,)), "moves; nobody is left"
    await sitting.sit(HERE, "wang", "A2", T0 + 20.0)
    with pytest.raises(SeatTaken):
        await sitting.sit(HERE, "li", "A1", T0 + 25.0)
    await sitting.stand_up(HERE, T0 + 30.0)
    await sitting.stand_up(HERE, T0 + 35.0)
    moments = (-1.0, 0.0, 9.0, 11.0, 20.0, 29.0, 31.0)
    assert [await sitting.sat(HERE, T0 + at) for at in moments] == ["", "li", "li", "", "wang", "wang", ""]
    assert await sitting.sat(THERE, T0 + 99.0) == "li"
    assert (await sitting.all()).keys() == {THERE}


async def test_what_is_remembered_is_bounded_and_the_newest_changes_stay(registry: RedisRegistry) -> None:
    sitting = Sitting(registry)
    for turn in range(40):
        await sitting.sit(HERE, f"agent-{turn}", "A1", T0 + turn)
        await sitting.stand_up(HERE, T0 + turn + 0.5)
    assert await sitting.sat(HERE, T0 + 39.2) == "agent-39"
    assert await sitting.sat(HERE, T0 + 30.7) == ""
    assert await sitting.sat(HERE, T0 + 30.2) == "agent-30"
    assert await sitting.sat(HERE, T0 + 20.2) is None, "longer ago than is remembered"


async def test_nobody_alone_makes_a_seat_forget_who_sat_there_before(registry: RedisRegistry) -> None:
    sitting = Sitting(registry)
    await sitting.sit(HERE, "wang", "A2", T0)
    await sitting.stand_up(HERE, T0 + 1.0)
    for turn in range(30):
        await sitting.sit(HERE, "li", "A1", T0 + 10.0 + turn)
        await sitting.stand_up(HERE, T0 + 10.5 + turn)
    moments = (-1.0, 0.5, 5.0, 25.2, 25.7, 99.0)
    assert [await sitting.sat(HERE, T0 + at) for at in moments] == ["", "wang", "", "li", "li", ""]


async def test_only_the_agent_who_was_shown_is_signed_out(registry: RedisRegistry) -> None:
    sitting = Sitting(registry)
    await sitting.sit(HERE, "wang", "A2", T0)
    for shown in ("A1", "", "A"):
        with pytest.raises(SitterChanged):
            await sitting.stand_up(HERE, T0 + 1.0, shown)
    assert HERE in await sitting.all()
    await sitting.stand_up(HERE, T0 + 2.0, "A2")
    await sitting.stand_up(HERE, T0 + 3.0, "")
    with pytest.raises(SitterChanged):
        await sitting.stand_up(HERE, T0 + 4.0, "A2")
    assert await sitting.all() == {}
