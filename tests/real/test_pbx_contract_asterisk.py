"""Real Asterisk cities keep the contract that the simulated PBX keeps."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from callctl.lab.lab import Lab
from callctl.lab.program import find_asterisk
from tests.pbx.contract import PbxContract
from tests.pbx.driver import Story
from tests.real.conftest import PROJECT
from tests.real.two_cities import Trunk, tell, two_cities

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def pair(run_number: int) -> Iterator[Lab]:
    """Alpha and beta, running."""
    with tempfile.TemporaryDirectory(prefix="callctl-pair-") as folder:
        lab = two_cities(Path(folder), find_asterisk(os.environ, PROJECT), run_number)
        asyncio.run(_start(lab))
        yield lab
        lab.stop()


async def _start(lab: Lab) -> None:
    trunk = Trunk(lab.plan.network)
    await trunk.open()
    await lab.start()
    await lab.until_trunks_up()
    trunk.close()


class TestAsterisk(PbxContract):
    """The suite, on two real PBXs."""

    lab: ClassVar[Lab]

    @pytest.fixture(autouse=True)
    def _on_this_pair(self, pair: Lab) -> None:
        type(self).lab = pair

    def run(self, story: Story) -> None:
        asyncio.run(tell(self.lab, story))
