"""What callctl costs the city it helps, and brings: one SIPp load on one PBX, with a controller and without, by turns."""

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.real.ground import Row, lab, load, row, say
from callctl import clock
from callctl.lab import sipp, tones
from callctl.lab.lab import Lab
from tests.real.floor import Floor
from tests.real.stage import Stage

HELPED, HELPER = "nanjing", "xuzhou"  # Those of the lab's cities with the most seats.
SEATS = 48
TICKS_PER_S = 100  # USER_HZ, proc(5).
PATIENCE_S = 3000.0  # Nobody gives up: SIPp's callers would do so in mid-talk, too.
IDLE_S = 12.0  # One heartbeat is in it.
TAIL_S = 40.0  # The last callers' wait and talk.


@dataclass(frozen=True, slots=True)
class Load:
    """How many call, how long they talk, and how many turns of each kind."""

    name: str
    rate_per_s: float
    for_s: float
    turns: int
    talk_s: float = 2.0
    voice: bool = False


# A busy minute of the machine hits both kinds of turns, as they alternate. The 48 agents take 20 calls/s of 2 s, 7 of 6 s.
SHORT = Load("calls of 2 s without voice", 12.0, 8.0, 3)
VOICE = Load("calls of 10 s with voice", 3.0, 10.0, 3, talk_s=10.0, voice=True)
TOO_MANY = Load("more calls than agents at home", 11.0, 18.0, 1, talk_s=6.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of load."""

    cpu_ms_a_call: float  # Of the city's own Asterisk.
    completed_per_s: float  # While the calls came.
    failed: int


async def measure() -> AsyncIterator[Row]:
    """Rows for calls answered at home, and for a city that is helped, as soon as they are there."""
    async with lab((HELPER, HELPED), SEATS) as cities:
        for each in (SHORT, VOICE, TOO_MANY):
            floors = [await _agents(cities, code, each.talk_s) for code in cities.pbxs]
            try:
                for one in _rows(each, *await _by_turns(cities, each)):
                    yield one
            finally:
                for floor in floors:
                    floor.stop()
        without = await _idle_ms_a_s(cities)
        async with _assistance(cities):
            here = await _idle_ms_a_s(cities)
        yield row("real: PBX CPU while nobody calls, with callctl", here, "ms/s", f"without: {without:.1f}; {load()}")


async def _idle_ms_a_s(cities: Lab) -> float:
    pbx = cities.pbxs[HELPED]
    cpu_before, began = _cpu_s(pbx.pid), clock.now()
    await asyncio.sleep(IDLE_S)
    return 1000 * (_cpu_s(pbx.pid) - cpu_before) / (clock.now() - began)


async def _agents(cities: Lab, code: str, talk_s: float) -> sipp.Sipp:
    city = cities.province.cities[code]
    return await sipp.agents(cities.plan.folder, city, cities.settings, answer_after_s=0.1, talk_s=talk_s)


async def _by_turns(cities: Lab, each: Load) -> tuple[list[Turn], list[Turn]]:
    with_it, without = [], []
    for number in range(each.turns):
        for controlled in (True, False) if number % 2 else (False, True):
            async with AsyncExitStack() as stack:
                if controlled:
                    await stack.enter_async_context(_assistance(cities))
                turn = await _turn(cities, each, number)
            (with_it if controlled else without).append(turn)
            kind = "with callctl" if controlled else "without"
            say(f"{each.name}, {kind}: {turn.cpu_ms_a_call:.1f} ms of CPU a call")
    return with_it, without


@asynccontextmanager
async def _assistance(cities: Lab) -> AsyncIterator[None]:
    """A controller of its own, switched on; at the end nobody is lent any more."""
    with tempfile.TemporaryDirectory(prefix="callctl-b-") as folder:
        made = Stage(Floor(cities), Path(folder))
        await made.open()
        try:
            await made.control()
            await made.assist(HELPED)
            yield
            await made.until(lambda status: not any(city["lent_out"] for city in status["cities"].values()), 20.0)
        finally:
            await made.close()


async def _turn(cities: Lab, each: Load, seed: int) -> Turn:
    pbx = cities.pbxs[HELPED]
    cpu_before, began = _cpu_s(pbx.pid), clock.now()
    voice = cities.plan.folder / "sipp" / "voice.alaw"
    tones.write_file(voice, "citizen", 2)
    crowd = sipp.SippLoad(each.rate_per_s, each.for_s, PATIENCE_S, seed, voice.name if each.voice else "")
    citizens = sipp.citizens(cities.plan.folder, pbx.city, crowd)
    try:
        await asyncio.sleep(each.for_s)
        so_far, took_s = citizens.count(), clock.now() - began
        async with asyncio.timeout(TAIL_S):
            count = await citizens.until_ended()
    finally:
        citizens.stop()
    cpu_s = _cpu_s(pbx.pid) - cpu_before
    done = so_far.succeeded if so_far else 0
    return Turn(1000 * cpu_s / max(1, count.succeeded), done / took_s, count.failed)


def _cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _rows(each: Load, with_it: list[Turn], without: list[Turn]) -> Iterator[Row]:
    told = f"{each.rate_per_s:g} calls/s for {each.for_s:g} s, {each.turns} turns each by turns, {load()}"
    here, there = (statistics.median(turn.cpu_ms_a_call for turn in turns) for turns in (with_it, without))
    many, few = (statistics.mean(turn.completed_per_s for turn in turns) for turns in (with_it, without))
    failed = f"failed calls with {sum(turn.failed for turn in with_it)}, without {sum(turn.failed for turn in without)}"
    yield row(f"real: {each.name}: PBX CPU a call, with callctl", here, "ms", told)
    yield row(f"real: {each.name}: PBX CPU a call, without", there, "ms", told)
    if each is TOO_MANY:
        told = f"same city, nobody helps: {few:.2f} calls/s; {failed}; {told}"
        yield row(f"real: {each.name}: completed, with callctl / without", many / few, "", told)
    else:
        told = f"aim 0.95; calls a CPU second of the PBX; same configuration, no manager connected; {failed}; {told}"
        yield row(f"real: {each.name}: calls/s with callctl / without", there / here, "", told)
