"""What the simulated PBX must get right where two of them fail at once, which no real test can time exactly."""

import asyncio

from callctl.core.commands import Lend, OpenSlot, RenewHeartbeat
from callctl.core.events import CallWaiting
from callctl.core.model import SlotRef
from callctl.sim.network import build_network
from callctl.sim.pbx import SimPbx
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.provinces import a_province

SLOT = SlotRef("wuxi", 1)


def helped_pair() -> tuple[SimPbx, SimPbx]:
    """Nanjing's only agent is away, and wuxi's first seat serves it."""
    pbxs = build_network(a_province(2, {"nanjing": {"shared": 1}}), loop_clock)
    nanjing, wuxi = pbxs["nanjing"], pbxs["wuxi"]
    for pbx in (nanjing, wuxi):
        pbx.obey(RenewHeartbeat(pbx.city))
    nanjing.set_ready(next(iter(nanjing.seats)), ready=False)
    wuxi.obey(Lend("wuxi", "12001", "nanjing", 1))
    nanjing.obey(OpenSlot("nanjing", SLOT, 1))
    return nanjing, wuxi


def test_a_home_pbx_that_thaws_after_its_ring_was_given_up_has_no_answer() -> None:
    async def story() -> None:
        nanjing, wuxi = helped_pair()
        call = nanjing.citizen_calls("13800000001")
        await asyncio.sleep(1)
        nanjing.freeze()
        await asyncio.sleep(30)
        assert wuxi.seats["12001"].call == ""
        nanjing.thaw()
        assert not wuxi.lent_talks
        assert nanjing.waiting == [call]

    run_virtual(story())


def test_a_dead_pbx_answers_nobody() -> None:
    async def story() -> None:
        nanjing, wuxi = helped_pair()
        call = nanjing.citizen_calls("13800000001")
        await asyncio.sleep(1)
        wuxi.die()
        await asyncio.sleep(30)
        assert nanjing.waiting == [call]
        assert not nanjing.slots[SLOT].open

    run_virtual(story())


def test_facts_of_a_frozen_pbx_are_late_and_those_of_a_restarted_one_are_heard_again() -> None:
    async def story() -> None:
        nanjing, _ = helped_pair()
        heard: list[object] = []
        nanjing.taps.append(heard.append)
        nanjing.freeze()
        nanjing.set_trunk("wuxi", up=False)
        assert heard == []
        nanjing.thaw()
        assert len(heard) == 1
        nanjing.die()
        nanjing.boot()
        nanjing.citizen_calls("13800000002")
        assert isinstance(heard[1], CallWaiting)

    run_virtual(story())
