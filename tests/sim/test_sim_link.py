"""A bad network between a controller and a simulated PBX: slow, lossy, doubling, broken in mid-order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from callctl.core.commands import RenewHeartbeat
from callctl.core.events import CallWaiting, Fact, PbxLost, PbxObserved, TrunkChanged
from callctl.pbx.port import OrderUnanswered
from callctl.sim.link import SimLink
from callctl.sim.network import build_network
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.provinces import a_province

Heard = list[tuple[float, Fact]]


def linked(story: Callable[[SimLink, Heard], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        link = SimLink(build_network(a_province(2), loop_clock)["nanjing"])
        heard: Heard = []
        task = asyncio.create_task(link.run(lambda fact: heard.append((loop_clock(), fact))))
        await asyncio.sleep(1)
        heard.clear()
        await story(link, heard)
        task.cancel()

    run_virtual(whole())


def kinds(heard: Heard) -> list[type]:
    return [type(fact) for _, fact in heard]


def test_a_slow_link_tells_everything_later_and_in_order() -> None:
    async def story(link: SimLink, heard: Heard) -> None:
        link.lag_s = 0.5
        began = loop_clock()
        link.pbx.set_trunk("wuxi", up=False)
        link.lag_s = 0.0
        link.pbx.citizen_calls("13800000001")
        await asyncio.sleep(1)
        assert kinds(heard)[:2] == [TrunkChanged, CallWaiting]
        assert heard[0][0] == heard[1][0] == pytest.approx(began + 0.5)

    linked(story)


def test_a_slow_link_carries_orders_there_and_answers_back() -> None:
    async def story(link: SimLink, heard: Heard) -> None:
        link.lag_s = 0.5
        began = loop_clock()
        await link.do(RenewHeartbeat("nanjing"))
        assert link.pbx.heartbeat_at == pytest.approx(began + 0.505)
        assert loop_clock() == pytest.approx(began + 1.005)

    linked(story)


def test_an_order_whose_answer_was_on_the_way_when_the_link_broke_is_unanswered() -> None:
    async def story(link: SimLink, heard: Heard) -> None:
        link.lag_s = 0.5
        asyncio.get_running_loop().call_later(0.7, link.cut)
        with pytest.raises(OrderUnanswered):
            await link.do(RenewHeartbeat("nanjing"))
        assert link.pbx.heartbeat_at > 0

    linked(story)


def test_facts_are_lost_or_doubled_and_readings_never_lost() -> None:
    async def story(link: SimLink, heard: Heard) -> None:
        link.loses = 1
        link.pbx.set_trunk("wuxi", up=False)
        link.pbx.set_trunk("wuxi", up=True)
        await asyncio.sleep(0.1)
        assert [fact.up for _, fact in heard if isinstance(fact, TrunkChanged)] == [True]
        link.doubles = 1
        link.pbx.set_trunk("wuxi", up=False)
        link.pbx.set_trunk("wuxi", up=True)
        await asyncio.sleep(0.1)
        assert [fact.up for _, fact in heard if isinstance(fact, TrunkChanged)] == [True, False, False, True]
        link.loses = 5
        await link.reread()
        await asyncio.sleep(0.1)
        assert kinds(heard)[-1] is PbxObserved

    linked(story)


def test_what_was_on_the_way_when_the_link_broke_is_never_told() -> None:
    async def story(link: SimLink, heard: Heard) -> None:
        link.lag_s = 1.0
        link.pbx.set_trunk("wuxi", up=False)
        await asyncio.sleep(0.2)
        link.cut()
        await asyncio.sleep(5)
        assert kinds(heard) == [PbxLost]

    linked(story)
