"""Three real cities, started once a run (of `-n 2`: once a worker), as new for every test: nanjing, yangzhou, xuzhou."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from callctl.lab.lab import Lab, LabPlan
from callctl.render.asterisk import AsteriskTimes
from tests.real.floor import Floor
from tests.real.programs import PROJECT, programs_for
from tests.real.stage import Stage

# Shorter than a city's: a test shall not wait for what it does not test.
TIMES = AsteriskTimes(home_ring_s=14, slot_ring_s=12, support_ring_s=8, rtp_timeout_s=4, rtp_keepalive_s=1)
MIXED_NETWORK = 40
SAID_AT_BOOT: dict[str, list[str]] = {}  # By the mixed cities: warnings and errors.
QUEUE = {"wait_threshold_s": 2, "release_after_s": 5, "wrapup_s": 1, "offer_callback": False, "survey": False}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its controllers wrote, and what the cities' queues looked like."""
    report = yield
    made = getattr(item, "funcargs", {}).get("stage")
    if report.failed and report.when == "call" and isinstance(made, Stage):
        report.sections.append(("controllers", made.story()))
    return report


@pytest.fixture(scope="session")
def cities(request: pytest.FixtureRequest, run_number: int) -> Iterator[Lab]:
    """The running lab. Its calls take place in each test's own event loop; see `floor`.

    All Asterisk, but in tests marked with a mix (tests/real/mixed.py): there each test is run for every one of it.
    """
    kinds = dict.fromkeys(getattr(request, "param", ()), "freeswitch")
    programs = programs_for({"asterisk", *kinds.values()})
    # Not pytest's own folder: a control socket's name must stay short.
    with tempfile.TemporaryDirectory(prefix="callctl-real-") as folder:
        plan = LabPlan(Path(folder), PROJECT, queue=QUEUE, network=run_number, times=TIMES, kinds=kinds)
        lab = Lab(plan, programs)
        lab.prepare()
        asyncio.run(_start(lab))
        yield lab
        lab.stop()


async def _start(lab: Lab) -> None:
    await lab.start()
    await lab.until_trunks_up(30.0)  # FreeSWITCH asks a city that booted after it only 5 s later.


@pytest.fixture(scope="session")
def run_number() -> int:
    """0, or the number of the pytest-xdist worker and one: labs side by side get addresses of their own."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "")
    return int(name.removeprefix("gw")) + 1 if name else 0


@pytest.fixture(scope="session")
def mixed_cities(run_number: int) -> Iterator[Lab]:
    """Two cities with FreeSWITCH (nanjing, xuzhou) and one with Asterisk (yangzhou)."""
    kinds = {"nanjing": "freeswitch", "xuzhou": "freeswitch", "yangzhou": "asterisk"}
    programs = programs_for(kinds.values())
    with tempfile.TemporaryDirectory(prefix="callctl-mixed-") as folder:
        plan = LabPlan(
            *(Path(folder), PROJECT, tuple(kinds)),
            queue={**QUEUE, "offer_callback": True, "survey": True, "record": True},
            network=MIXED_NETWORK + run_number,  # Beside the other three.
            times=TIMES,
            kinds=kinds,
        )
        lab = Lab(plan, programs)
        lab.prepare()
        asyncio.run(_start(lab))
        SAID_AT_BOOT.update({code: pbx.complaints() for code, pbx in lab.pbxs.items()})
        yield lab
        lab.stop()


@pytest.fixture
async def mixed(mixed_cities: Lab) -> AsyncIterator[Floor]:
    """The mixed cities as new, with the dead man's switch renewed."""
    made = Floor(mixed_cities)
    await made.reset()
    await mixed_cities.until_trunks_up(30.0)  # A test before this one may have killed a city.
    await made.beat()
    yield made
    await made.close()


@pytest.fixture
async def floor(cities: Lab) -> AsyncIterator[Floor]:
    """The cities as new, with the dead man's switch renewed."""
    made = Floor(cities)
    await made.reset()
    await made.beat()
    yield made
    await made.close()


@pytest.fixture
async def stage(floor: Floor) -> AsyncIterator[Stage]:
    """The floor with stores of its own; the test starts the controller."""
    with tempfile.TemporaryDirectory(prefix="callctl-stage-") as folder:
        made = Stage(floor, Path(folder))
        await made.open()
        yield made
        await made.close()
