"""What the simulated PBX must get right where two of them fail at once, which no real test can time exactly."""

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from callctl.core.commands import Lend, OpenSlot, RenewHeartbeat
from callctl.core.events import CallRinging, CallWaiting, RingEnded, SeatState
from callctl.core.model import Lending, SlotRef
from callctl.sim.network import build_network
from callctl.sim.pbx import SimPbx
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.provinces import a_province

SLOT = SlotRef("wuxi", 1)


def nearly(seconds: float) -> Any:
    """Up to a second later: the queue looks once a second."""
    return pytest.approx(seconds + 0.5, abs=0.6)


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


def test_a_leg_given_up_late_ends_no_later_talk_of_the_same_call_not_even_at_the_same_seat() -> None:
    """Found by seed 109848, where the call had come to another seat meanwhile."""

    async def story() -> None:
        nanjing, wuxi = helped_pair()
        call = nanjing.citizen_calls("13800000001")
        await asyncio.sleep(5)
        assert wuxi.lent_talks
        nanjing.cut_wire("wuxi")
        await asyncio.sleep(21)
        assert nanjing.waiting == [call]
        nanjing.mend_wire("wuxi")
        await asyncio.sleep(10)  # The same agent has written the note and is free again.
        nanjing.obey(OpenSlot("nanjing", SLOT, 1))
        await asyncio.sleep(4)
        talk = wuxi.lent_talks[call]
        await asyncio.sleep(25)
        assert wuxi.lent_talks == {call: talk}
        assert wuxi.seats["12001"].call == call

    run_virtual(story())


def test_a_freeswitch_rings_one_seat_a_call_dedicated_ones_first() -> None:
    async def story() -> None:
        province = a_province(2, {"nanjing": {"shared": 1}, "wuxi": {"shared": 2, "dedicated": 1}})
        pbxs = build_network(province, loop_clock)
        wuxi = pbxs["wuxi"]
        wuxi.obey(RenewHeartbeat("wuxi"))
        for seat in wuxi.seats:
            wuxi.obey(Lend("wuxi", seat, "nanjing", 1))
        assert len(wuxi.free_lent_seats("nanjing")) == 3
        wuxi.rings_together = False
        [first] = wuxi.free_lent_seats("nanjing")
        assert first.lend is Lending.DEDICATED

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


RECORDINGS = Path(__file__).resolve().parent.parent / "pbx" / "recordings"


@pytest.mark.parametrize("stream", ["local-survey-yangzhou", "slot-success-yangzhou", "slot-success-xuzhou"])
def test_a_caller_who_finds_an_agent_free_is_rung_at_once_as_recorded(stream: str) -> None:
    raw = gzip.decompress((RECORDINGS / f"{stream}.ami.gz").read_bytes()).decode()
    events = [dict(re.findall(r"^(\w+): (.*?)\r$", each, re.M)) for each in raw.split("\r\n\r\n")]
    joined = next(each for each in events if each.get("Event") == "QueueCallerJoin")
    called = next(each for each in events if each.get("Event") == "AgentCalled" and each["Uniqueid"] == joined["Uniqueid"])
    assert float(called["Timestamp"]) - float(joined["Timestamp"]) < 0.05

    async def story() -> None:
        nanjing, _ = helped_pair()
        nanjing.set_ready("11001", ready=True)
        heard: list[object] = []
        nanjing.taps.append(heard.append)
        nanjing.citizen_calls("13800000001")
        assert [type(fact) for fact in heard[:2]] == [CallWaiting, CallRinging]

    run_virtual(story())


def test_a_caller_behind_others_waits_until_the_queue_looks_again() -> None:
    async def story() -> None:
        nanjing, _ = helped_pair()
        nanjing.set_slot(SLOT, nanjing.slots[SLOT], is_open=False)
        first = nanjing.citizen_calls("13800000001")
        nanjing.set_ready("11001", ready=True)
        second = nanjing.citizen_calls("13800000002")
        assert nanjing.calls[first].by is None
        await asyncio.sleep(1)
        assert nanjing.calls[first].by is not None
        assert nanjing.calls[second].by is None

    run_virtual(story())


def test_a_cut_wire_rings_out_and_brings_talks_back_and_a_mended_one_goes_on() -> None:
    async def story(cut_for_s: float) -> tuple[bool, list[str], SeatState]:
        nanjing, wuxi = helped_pair()
        wuxi.seats["12001"].talks_s = 300.0
        call = nanjing.citizen_calls("13800000001")
        await asyncio.sleep(5)
        assert call in wuxi.lent_talks
        nanjing.cut_wire("wuxi")
        await asyncio.sleep(cut_for_s)
        nanjing.mend_wire("wuxi")
        await asyncio.sleep(30)
        return call in wuxi.lent_talks, nanjing.waiting, wuxi.seats["12001"].state

    assert run_virtual(story(5.0))[0]
    talks, waiting, state = run_virtual(story(25.0))
    assert not talks
    assert len(waiting) == 1
    assert state is SeatState.FREE


@pytest.mark.parametrize("dead", ["wuxi", "nanjing"])
def test_a_ring_between_two_pbxs_of_which_one_dies_ends_by_the_other_ends_own_clock(dead: str) -> None:
    """Not so long after the death, but after the ring began: 16 s at home, 14 s at the far end."""

    async def story() -> list[float]:
        nanjing, wuxi = helped_pair()
        wuxi.seats["12001"].answers_after_s = None
        ends: list[float] = []
        for pbx in (nanjing, wuxi):
            pbx.taps.append(lambda fact: ends.append(fact.at - began) if isinstance(fact, RingEnded) else None)
        nanjing.citizen_calls("13800000001")
        began = loop_clock()
        await asyncio.sleep(5)
        assert wuxi.seats["12001"].state is SeatState.RINGING
        (wuxi if dead == "wuxi" else nanjing).die()
        await asyncio.sleep(25)
        return ends

    ended = {"wuxi": nearly(16.0), "nanjing": nearly(14.0)}[dead]
    assert run_virtual(story())[0] == ended


def test_nobody_says_goodbye_over_a_dead_leg() -> None:
    async def story() -> None:
        nanjing, wuxi = helped_pair()
        wuxi.seats["12001"].talks_s = 10.0
        call = nanjing.citizen_calls("13800000001")
        await asyncio.sleep(5)
        nanjing.cut_wire("wuxi")
        await asyncio.sleep(15)
        assert nanjing.calls[call].answered_at
        await asyncio.sleep(10)
        assert nanjing.waiting == [call]

    run_virtual(story())
