"""How soon a phone rings: after an agent abroad is free, after the switch, after the threshold; and how soon both hear."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterable, Iterator

from bench.real.ground import HELPERS, QUEUE, Row, sample, say, settled, spread, switch, until
from callctl import clock
from callctl.lab.call import PhoneCall
from callctl.lab.phone import Habit, Phone
from tests.real.stage import ASSISTED, Stage

WAITING = 8  # Callers kept in the queue: more than there are agents abroad, so that someone always waits.
FOR_S = 45.0
REPEATS = 8
TALKS_S = (1.2, 2.7)  # The agents' calls last between these, so that no two of them keep step.
LOOK = "app_queue's look, once a second for each waiting caller"


def phones(made: Stage) -> list[Phone]:
    """The phones of the supporting cities."""
    return [made.floor.phone(code, seat) for code in HELPERS for seat in made.floor.seats(code)]


async def free_and_audio(made: Stage) -> list[Row]:
    """A full queue and busy helpers: agent free → phone rings, and answer → both hear each other."""
    for code in HELPERS:
        await made.floor.log_in(code)
    for number, phone in enumerate(phones(made)):
        shortest, longest = TALKS_S
        phone.habit = Habit(answer_after_s=0.3, talk_s=shortest + (longest - shortest) * number / len(phones(made)))
    await made.control()
    await made.assist()
    say(f"{WAITING} callers wait for {FOR_S:g} s …")
    citizens = await _full_queue(made)
    await switch(made, on=False)
    for call in (await made.floor.carrier(ASSISTED)).now_on():  # Those who were just calling, too.
        call.hang_up()
    free = [
        rung - ended
        for phone in phones(made)
        for before, after in itertools.pairwise(phone.calls)
        if before.at("up") and (ended := before.at("ended")) and (rung := after.at("rung"))
    ]
    rows = spread("real: agent abroad free → their phone rings", free, "s", f"aim 1.5 s; bounded by {LOOK}, and the trunk")
    heard = list(_heard(made, citizens))
    what = "aim: none; two trunks' ends answer one after the other, voice comes in packets of 20 ms"
    for way, which in (("citizen hears the agent", 0), ("agent hears the citizen", 1)):
        rows += spread(f"real: lent answer → {way}", [ways[which] for ways in heard], "ms", what, p95=False)
    return rows


async def _full_queue(made: Stage) -> list[PhoneCall]:
    citizens: list[PhoneCall] = []
    await made.floor.carrier(ASSISTED)

    async def place() -> None:
        while True:  # Whoever is done makes room for the next.
            with contextlib.suppress(TimeoutError, AssertionError):
                call = await made.floor.citizen(ASSISTED)
                citizens.append(call)
                await call.until_ended(60.0)

    queue = [asyncio.create_task(place()) for _ in range(WAITING + len(phones(made)))]
    await asyncio.sleep(FOR_S)
    for task in queue:
        task.cancel()
    await asyncio.gather(*queue, return_exceptions=True)
    return citizens


def _heard(made: Stage, citizens: Iterable[PhoneCall]) -> Iterator[tuple[float, float]]:
    """Milliseconds from the agent's answer until the citizen, and the agent, hear the other."""
    # The agent's phone shows the citizen's number; each of ours calls once.
    by_number = {call.caller: call for call in citizens}
    for phone in phones(made):
        for call in phone.calls:
            citizen, answered_at = by_number.get(call.number), call.at("up")
            if citizen is None or answered_at is None:
                continue
            there = next((one.since for one in citizen.heard if one.sound == phone.tone), None)
            here = next((one.since for one in call.heard if one.sound == "citizen"), None)
            if there is not None and here is not None:
                yield (there - answered_at) * 1000, (here - answered_at) * 1000


async def switch_to_ring(made: Stage) -> list[Row]:
    """A caller waits, over the threshold already; the supervisor switches on."""
    samples = []
    say(f"{REPEATS} times switched on …")
    for _ in range(REPEATS):
        with sample():
            await switch(made, on=False)
            await settled(made)
            citizen = await made.floor.citizen(ASSISTED)
            await asyncio.sleep(QUEUE["wait_threshold_s"] + 0.5)
            began = clock.now()
            await switch(made, on=True)
            samples.append(await _first_ring(made, began) - began)
            await citizen.until_ended(20.0)
    return spread(
        "real: switched on → first phone abroad rings", samples, "s", f"wishes are read each 0.5 s, then {LOOK}", p95=False
    )


async def threshold_to_ring(made: Stage) -> list[Row]:
    """Assistance is on, and a caller comes whom nobody at home answers."""
    samples = []
    say(f"{REPEATS} times over the threshold …")
    await switch(made, on=True)
    for _ in range(REPEATS):
        with sample():
            await settled(made)
            began = clock.now()
            citizen = await made.floor.citizen(ASSISTED)
            samples.append(await _first_ring(made, began) - began - QUEUE["wait_threshold_s"])
            await citizen.until_ended(20.0)  # A ring cut short would count as the agent's fault.
    what = f"a plan each second; {LOOK}; below 0: the first arrival is known in whole seconds only"
    return spread("real: waiting threshold passed → first phone abroad rings", samples, "s", what, p95=False)


async def _first_ring(made: Stage, since: float) -> float:
    def rung() -> list[float]:
        calls = (call for phone in phones(made) for call in phone.calls)
        return [at for call in calls if (at := call.at("rung")) is not None and at > since]

    await until(lambda: bool(rung()), 20.0)
    return min(rung())
