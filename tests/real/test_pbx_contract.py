"""Real cities keep the contract that the simulated PBX keeps: Asterisk, FreeSWITCH, and one of each, both ways round."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from callctl.core.model import PbxKind
from callctl.lab.lab import Lab
from tests.pbx.contract import PbxContract
from tests.pbx.contract_groups import AloneContract, GroupContract
from tests.pbx.driver import Story
from tests.real.programs import programs_for
from tests.real.two_cities import Trunk, tell, two_cities

pytestmark = pytest.mark.real

ASTERISK, FREESWITCH = PbxKind.ASTERISK, PbxKind.FREESWITCH


@contextmanager
def running(network: int, alpha: PbxKind, beta: PbxKind) -> Iterator[Lab]:
    """Alpha and beta, running; skipped where this machine has not got what they need."""
    kinds: Mapping[str, PbxKind] = {"alpha": alpha, "beta": beta}
    programs = programs_for(kinds.values())
    with tempfile.TemporaryDirectory(prefix="callctl-pair-") as folder:
        lab = two_cities(Path(folder), programs, network, kinds)
        asyncio.run(_start(lab))
        yield lab
        lab.stop()


async def _start(lab: Lab) -> None:
    trunk = Trunk(lab.plan.network)
    await trunk.open()
    await lab.start()
    await lab.until_trunks_up()
    trunk.close()


class Pair(PbxContract):
    """The suite, on two real PBXs."""

    lab: ClassVar[Lab]
    alpha: ClassVar[PbxKind]
    beta: ClassVar[PbxKind]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _pair(cls, run_number: int) -> Iterator[None]:
        with running(run_number, cls.alpha, cls.beta) as cls.lab:
            yield

    def run(self, story: Story) -> None:
        asyncio.run(tell(self.lab, story))


class TestAsterisk(Pair, GroupContract):
    """Both cities run Asterisk."""

    alpha, beta = ASTERISK, ASTERISK


class TestFreeSwitch(Pair, AloneContract):
    """Both cities run FreeSWITCH."""

    alpha, beta = FREESWITCH, FREESWITCH


class TestFreeSwitchHelpedByAsterisk(Pair, GroupContract):
    """The assisted city runs FreeSWITCH, the supporting one Asterisk."""

    alpha, beta = FREESWITCH, ASTERISK


class TestAsteriskHelpedByFreeSwitch(Pair, AloneContract):
    """The assisted city runs Asterisk, the supporting one FreeSWITCH."""

    alpha, beta = ASTERISK, FREESWITCH
