"""The real FreeSWITCH link, through a real socket to the stand-in, keeps the contract that real PBXs keep."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from callctl.core.model import City, PbxKind, Province
from callctl.pbx.esl_wire import EslThread
from callctl.pbx.freeswitch import FreeSwitchLink, Timing
from callctl.pbx.port import PbxLink
from callctl.sim.virtual_time import loop_clock
from tests.pbx import mod_callcenter as cc
from tests.pbx.contract import PbxContract
from tests.pbx.contract_groups import AloneContract
from tests.pbx.driver import LoopDriver, Story
from tests.pbx.esl_server import PASSWORD
from tests.pbx.scaled_time import run_hasty
from tests.pbx.stand_in import CallIds, StandIn
from tests.pbx.test_sim_pbx_contract import SimDriver

TIMING = Timing(deadline_s=20.0, backoff_most_s=2.0)
HEARTBEAT_S = 5.0  # As freeswitch_conf/ sets it.


class StandInDriver(SimDriver):
    """Moves the simulated world, and hears it through two FreeSWITCH links."""

    no_such_queue = "Queue not found!"

    def __init__(self, thread: EslThread, province: Province | None = None) -> None:
        super().__init__(province)
        ids = CallIds()
        for pbx in self.pbxs.values():
            pbx.rings_together = False
        self.stand_ins = {code: StandIn(pbx, ids) for code, pbx in self.pbxs.items()}
        self._thread = thread
        self._beats: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start the stand-ins, and the links to them."""
        links = {}
        for code, stand_in in self.stand_ins.items():
            await stand_in.start()
            links[code] = FreeSwitchLink(
                _at(self.province.cities[code], stand_in),
                self.province,
                PASSWORD,
                loop_clock,
                lambda: 0.5,
                self._thread,
                timing=TIMING,
            )
            self._beats.append(asyncio.create_task(self._beat(stand_in)))
        LoopDriver.__init__(self, links["alpha"], links["beta"])
        self.start()

    async def _beat(self, stand_in: StandIn) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            stand_in.say(cc.heartbeat(stand_in.pbx.city, stand_in.now(), 0))

    async def close(self) -> None:
        """Take everything down."""
        for beat in self._beats:
            beat.cancel()
        await self.stop()
        for stand_in in self.stand_ins.values():
            await stand_in.stop()

    async def freeze(self, link: PbxLink) -> None:
        self.stand_ins[link.city].freeze()
        await super().freeze(link)

    async def thaw(self, link: PbxLink) -> None:
        await super().thaw(link)
        self.stand_ins[link.city].thaw()

    async def kill(self, link: PbxLink) -> None:
        await super().kill(link)
        await self.stand_ins[link.city].stop()

    async def boot(self, link: PbxLink) -> None:
        await super().boot(link)
        self.stand_ins[link.city].connect()
        await self.stand_ins[link.city].start()

    async def cut(self, link: PbxLink) -> None:
        await self.stand_ins[link.city].stop()

    async def mend(self, link: PbxLink) -> None:
        await self.stand_ins[link.city].start()


def _at(city: City, stand_in: StandIn) -> City:
    address = replace(city.pbx, kind=PbxKind.FREESWITCH, ami_host=stand_in.host, ami_port=stand_in.port)
    return replace(city, pbx=address)


@pytest.fixture(scope="module")
def thread() -> Iterator[EslThread]:
    made = EslThread()
    yield made
    made.close()


class TestStandIn(PbxContract, AloneContract):
    """The suite, ten times as fast as the clock."""

    @pytest.fixture(autouse=True)
    def _in_this_thread(self, thread: EslThread) -> None:
        self.thread = thread

    def run(self, story: Story) -> None:
        async def whole() -> None:
            driver = StandInDriver(self.thread)
            await driver.open()
            try:
                await story(driver)
            finally:
                await driver.close()

        run_hasty(whole())
