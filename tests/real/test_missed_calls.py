"""漏接回拨 on real cities: who gave up is called back by a free agent, what came of it is kept."""

import asyncio
import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callctl import clock
from callctl.core.callbacks import can_call_back
from callctl.core.commands import CallBack
from callctl.core.events import CallBackEnd, CallBackEnded, CallWaiting, Fact, PbxObserved
from callctl.lab import sip
from callctl.lab.call import PhoneCall
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.phone import BUSY, Habit
from callctl.lab.program import find_asterisk
from callctl.pbx.asterisk import AsteriskLink
from callctl.pbx.port import OrderRefused
from tests.real.conftest import PROJECT, QUEUE, TIMES
from tests.real.floor import Floor
from tests.real.stage import ASSISTED, Stage

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
NETWORK = 60
RULES = f"""
[call_back.{ASSISTED}]
from_h = 0
to_h = 24
at_once = 2
reserve = 0
again_min = 1
"""
TALKS = Habit(answer_after_s=0.3, talk_s=None)
ANSWERS_SOON = Habit(answer_after_s=0.5, talk_s=3.0)


@pytest.fixture(scope="module")
def missed_cities(run_number: int) -> Iterator[Lab]:
    """Three cities whose admins allow call-backs."""
    with tempfile.TemporaryDirectory(prefix="callctl-missed-") as folder:
        queue = {**QUEUE, "call_back_missed": True, "offer_callback": True, "wait_threshold_s": 600}
        plan = LabPlan(Path(folder), PROJECT, queue=queue, network=NETWORK + run_number, times=TIMES, reserve=0)
        lab = Lab(plan, Programs(asterisk=find_asterisk(os.environ, PROJECT)))
        lab.prepare()
        (Path(folder) / "province" / "records.toml").write_text(RULES, encoding="utf-8")
        asyncio.run(lab.start())
        yield lab
        lab.stop()


@pytest.fixture
async def hall(missed_cities: Lab) -> AsyncIterator["Hall"]:
    floor = Floor(missed_cities)
    await floor.reset()
    await floor.beat()
    with tempfile.TemporaryDirectory(prefix="callctl-stage-") as folder:
        made = Hall(floor, Path(folder))
        await made.open()
        yield made
        await made.close()
    await floor.close()


class Hall(Stage):
    """A stage with books beside the controller."""

    def start_books(self) -> None:
        env = {
            **os.environ,
            **self.floor.lab.environment,
            "CALLCTL_STATE": str(self.settings.state_dir),
            "CALLCTL_SQL_URL": self.settings.sql_url,
            "PYTHONPATH": str(PROJECT),
        }
        with self.log("books").open("ab") as out:
            words = [sys.executable, "-m", "callctl", "books"]
            self.controllers["books"] = subprocess.Popen(words, env=env, stdout=out, stderr=out)

    async def gives_up(self, number: str) -> None:
        """A citizen waits longer than a wrong number and hangs up."""
        citizen = await self.floor.citizen(ASSISTED, number)
        await asyncio.sleep(5.5)
        citizen.hang_up()
        await citizen.until_ended(5.0)

    def tried(self) -> list[tuple[str, str, str]]:
        """Every call-back written down: by whose agent, at which seat, what came of it."""
        with closing(sqlite3.connect(self.history)) as database:
            return list(database.execute("select by_city, seat, outcome from callbacks order by at"))

    async def until_tried(self, times: int, within_s: float) -> list[tuple[str, str, str]]:
        async with asyncio.timeout(within_s):
            while len(self.tried()) < times:  # noqa: ASYNC110 - Another process writes.
                await asyncio.sleep(0.2)
        return self.tried()

    async def rung(self, number: str, within_s: float) -> PhoneCall:
        """The citizen's own phone rings."""
        carrier = await self.floor.carrier(ASSISTED)
        async with asyncio.timeout(within_s):
            while True:
                for call in carrier.calls:
                    if call.rung_by is not None and sip.user_of(call.rung_by.header("to")) == number:
                        return call
                await asyncio.sleep(0.05)


async def test_who_gave_up_is_called_back_by_a_free_home_agent_and_is_off_the_list(hall: Hall) -> None:
    floor, number = hall.floor, "13912340001"
    carrier = await floor.carrier(ASSISTED)
    carrier.habit = ANSWERS_SOON
    await hall.control()
    hall.start_books()
    await hall.gives_up(number)
    seat = floor.seats(ASSISTED)[0]
    [agent] = await floor.log_in(ASSISTED, seat, habit=TALKS)
    called = await hall.rung(number, 40.0)
    assert agent.now_on(), "the citizen's phone rings only once an agent is there"
    await called.until_hears(floor.tone(ASSISTED), 10.0)
    assert agent.most_calls_at_once == 1
    assert await hall.until_tried(1, 20.0) == [(ASSISTED, seat, "answered")]
    assert list(hall.outcomes().values()) == [("abandoned", None)]  # 接通率 does not change by it.
    await asyncio.sleep(12.0)  # The list is read every ten seconds.
    assert len([call for call in carrier.calls if call.rung_by is not None]) == 1
    assert hall.controllers["a"].poll() is None, "the controller is there still"


@pytest.mark.parametrize(
    ("citizen_s_phone", "outcome", "end"), [(BUSY, "not_reached", "busy"), (ANSWERS_SOON, "answered", "answered")]
)
async def test_who_asked_by_key_is_answered_only_where_the_citizen_picks_up(
    hall: Hall, citizen_s_phone: Habit, outcome: str, end: str
) -> None:
    floor = hall.floor
    carrier = await floor.carrier(ASSISTED)
    carrier.habit = citizen_s_phone
    process = await hall.control()
    citizen = await floor.citizen(ASSISTED, "13912340007")
    await hall.until_recorded("CallWaiting", "13912340007")
    citizen.press("1")
    await citizen.until_ended(10.0)
    await hall.until_recorded("CallLeftQueue", "call_back")
    seat = floor.seats(ASSISTED)[0]
    [agent] = await floor.log_in(ASSISTED, seat, habit=TALKS)
    assert await hall.until_tried(1, 30.0) == [(ASSISTED, seat, end)]
    await hall.until_recorded("CallEnded", seat)
    assert list(hall.outcomes().values()) == [(outcome, ASSISTED)]
    assert (agent.most_calls_at_once, process.poll()) == (1, None)


async def test_a_busy_citizen_is_tried_again_later_and_a_live_caller_comes_first(hall: Hall) -> None:
    floor, number = hall.floor, "13912340002"
    carrier = await floor.carrier(ASSISTED)
    carrier.habit = BUSY
    await hall.control()
    await hall.gives_up(number)
    live = await floor.citizen(ASSISTED, "13912340003")
    hall.start_books()
    await asyncio.sleep(12.0)
    [agent] = await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=TALKS)
    await live.until_hears(floor.tone(ASSISTED), 15.0)  # Though the other one was first: he has gone, she is here.
    assert hall.tried() == []
    live.hang_up()
    await live.until_ended(5.0)
    found = await hall.until_tried(1, 40.0)
    assert [one[2] for one in found] == ["busy"]
    assert agent.most_calls_at_once == 1


@contextlib.asynccontextmanager
async def linked(floor: Floor) -> AsyncIterator[tuple[AsteriskLink, list[Fact]]]:
    """A link of our own to the assisted city, and what it hears: orders by hand, no controller."""
    province, heard = floor.lab.province, []
    secret = floor.lab.settings.ami_secret(ASSISTED)
    link = AsteriskLink(province.cities[ASSISTED], province, secret, clock.now, random.random)
    running = asyncio.create_task(link.run(heard.append))
    try:
        async with asyncio.timeout(20.0):
            while not any(isinstance(fact, PbxObserved) for fact in heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield link, heard
    finally:
        running.cancel()
        await asyncio.wait([running])


async def ended(heard: list[Fact], within_s: float) -> CallBackEnded:
    async with asyncio.timeout(within_s):
        while True:
            for fact in heard:
                if isinstance(fact, CallBackEnded):
                    return fact
            await asyncio.sleep(0.05)


async def ordered(link: AsteriskLink, order: CallBack) -> None:
    """Give the order once somebody takes it: the desk comes a moment after the citizen has gone."""
    async with asyncio.timeout(10.0):
        while True:
            try:
                return await link.do(order)
            except OrderRefused:
                await asyncio.sleep(0.1)


async def missed_call(heard: list[Fact], hall: Hall, number: str) -> str:
    """A citizen gives up; the call's id."""
    await hall.gives_up(number)
    return next(fact.call.call for fact in reversed(heard) if isinstance(fact, CallWaiting))


async def test_a_lent_seat_of_another_city_calls_back_over_the_home_city_s_line(hall: Hall) -> None:
    floor, number = hall.floor, "13912340004"
    carrier = await floor.carrier(ASSISTED)
    carrier.habit = ANSWERS_SOON
    seat = floor.seats("xuzhou")[0]
    [agent] = await floor.log_in("xuzhou", seat, habit=TALKS)
    await floor.lend("xuzhou", seat, ASSISTED)
    async with linked(floor) as (link, heard):
        call = await missed_call(heard, hall, number)
        await ordered(link, CallBack(ASSISTED, call, "xuzhou"))
        called = await hall.rung(number, 15.0)
        await called.until_hears(floor.tone("xuzhou"), 10.0)
        assert agent.last.header("X-CC-Caller") == number  # The agent sees whom.
        told = await ended(heard, 15.0)
        assert (told.call, told.by, told.how) == (call, "xuzhou", CallBackEnd.ANSWERED)
        assert agent.most_calls_at_once == 1


async def test_without_a_free_agent_the_citizen_s_phone_does_not_ring(hall: Hall) -> None:
    carrier = await hall.floor.carrier(ASSISTED)
    async with linked(hall.floor) as (link, heard):
        call = await missed_call(heard, hall, "13912340006")
        for by in (ASSISTED, "xuzhou"):
            heard.clear()
            await ordered(link, CallBack(ASSISTED, call, by))
            assert (await ended(heard, 30.0)).how is CallBackEnd.NO_AGENT
    assert [one for one in carrier.calls if one.rung_by is not None] == []


async def test_a_number_that_never_called_cannot_be_called_whatever_the_order_says(hall: Hall) -> None:
    floor = hall.floor
    assert can_call_back(floor.lab.province, ASSISTED)
    await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=TALKS)
    carrier = await floor.carrier(ASSISTED)
    async with linked(floor) as (link, heard):
        await floor.log_in(ASSISTED, floor.seats(ASSISTED)[0], habit=Habit(answer_after_s=None))
        await missed_call(heard, hall, "13912340005")
        for order in (
            "yangzhou-1790000000.1",
            "13900000000",
            "",
            "a-1.1@pstn",
            "yangzhou-1790000000.1,1)Dial(PJSIP/9@pstn",
        ):
            heard.clear()
            await ordered(link, CallBack(ASSISTED, order, ASSISTED))
            await asyncio.sleep(1.0)
    assert [call for call in carrier.calls if call.rung_by is not None] == []
