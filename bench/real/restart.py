"""How soon a killed controller is replaced: by one started anew, and by one that stood by."""

import asyncio
from typing import Any

from bench.real.ground import HELPERS, Row, sample, say, settled, spread, until
from callctl import clock
from callctl.lab.call import PhoneCall
from callctl.lab.phone import Habit
from tests.real.stage import ASSISTED, Stage

REPEATS = 6
CALLS = 8  # More than there are agents abroad: some talk, some wait.
TALKS_ON = Habit(answer_after_s=0.2, talk_s=None)
LEASE = "the dead one's lease has to run out first"


async def adoption(made: Stage) -> list[Row]:
    """SIGKILL, and a new process at once: until lease, loans, slots and status are whole again."""
    calls = await _in_mid_talk(made)
    samples = []
    say(f"{REPEATS} controllers killed and started anew …")
    for number in range(REPEATS):
        with sample():
            before = await _state(made)
            made.kill(f"a{number}")
            began = clock.now()
            made.start_controller(f"a{number + 1}")
            samples.append(await _same(made, before, began) - began)
            assert all(not call.why_ended for call in calls), "a call was lost"
            await asyncio.sleep(1.0 + number * 0.37)  # At another moment of the lease's life each time.
    what = f"aim 5 s; {LEASE}, a new process loads meanwhile; 3 cities, {CALLS} calls in progress, none lost"
    return spread("real: controller killed, new one → whole state adopted", samples, "s", what, p95=False)


async def standby(made: Stage) -> list[Row]:
    """SIGKILL of the one that leads, with a second one watching."""
    calls = await _in_mid_talk(made)
    samples = []
    say(f"{REPEATS} leading controllers killed, a standby takes over …")
    for number in range(REPEATS):
        with sample():
            made.start_controller(f"a{number + 1}")
            await asyncio.sleep(4.0 + number * 0.37)  # It has read every city by now.
            before = await _state(made)
            made.kill(f"a{number}")
            began = clock.now()
            samples.append(await _same(made, before, began) - began)
            assert all(not call.why_ended for call in calls), "a call was lost"
    what = f"{LEASE}; 3 cities, {CALLS} calls in progress, none lost"
    return spread("real: controller killed, standby → whole state adopted", samples, "s", what, p95=False)


async def _in_mid_talk(made: Stage) -> list[PhoneCall]:
    for code in HELPERS:
        await made.floor.log_in(code, habit=TALKS_ON)
    await made.control("a0")
    await made.assist()
    await settled(made)
    calls = [await made.floor.citizen(ASSISTED) for _ in range(CALLS)]
    talking = {made.floor.tone(code) for code in HELPERS}
    await until(lambda: sum(call.hears in talking for call in calls) >= 4, 30.0)
    await asyncio.sleep(2.0)
    return calls


async def _state(made: Stage) -> dict[str, Any]:
    """What must be the same afterwards."""
    return _known(await made.until(lambda _: True))


def _known(status: dict[str, Any]) -> dict[str, Any]:
    kept = ("up", "waiting", "talking", "lent_out", "lent_in")
    return {code: {key: city[key] for key in kept} for code, city in status["cities"].items()}


async def _same(made: Stage, before: dict[str, Any], since: float) -> float:
    """Only who leads publishes; the dead one has published nothing since."""

    async def so() -> bool:
        status = await made.status()
        return bool(status["cities"]) and status["at"] > since and _known(status) == before

    return await until(so, 30.0, 0.05)
