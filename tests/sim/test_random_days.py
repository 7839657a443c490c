"""Days on which everything goes wrong at random: no caller is lost, no agent doubled, and in the end all are home."""

import asyncio
import random
from collections import Counter

import pytest

from callctl.core.events import CallRinging, CallWaiting, HomeSeat, LentSeat
from callctl.sim.virtual_time import run_virtual
from tests.provinces import a_province, wish
from tests.sim.trial import Trial, a_trial

CITIES = ("nanjing", "wuxi", "xuzhou", "changzhou")


async def trouble(trial: Trial, rng: random.Random) -> None:  # noqa: PLR0912
    """One thing that goes wrong, or a citizen who gives up."""
    city, other = rng.sample(CITIES, 2)
    pbx = trial.pbxs[city]
    holder = rng.choice(["a", "b"])
    match rng.choice(["cut", "die", "trunk", "kill", "registry", "forget", "hang up", "miss", "break", "wish", "freeze"]):
        case "cut":
            for each in trial.running:
                trial.links(each)[city].cut()
            asyncio.get_running_loop().call_later(
                rng.uniform(1, 20), lambda: [trial.links(each)[city].mend() for each in trial.running]
            )
        case "die" if pbx.alive and city != "nanjing":
            pbx.die()
            asyncio.get_running_loop().call_later(rng.uniform(5, 20), pbx.boot)
        case "freeze" if pbx.alive:
            pbx.freeze()
            asyncio.get_running_loop().call_later(rng.uniform(1, 30), pbx.thaw)
        case "trunk" if other in pbx.trunks:
            pbx.set_trunk(other, up=not pbx.trunks[other])
        case "kill":
            if holder in trial.running:
                trial.running.pop(holder)[2].cancel()
            else:
                trial.start(holder)
        case "registry":
            trial.registry.lost = not trial.registry.lost
        case "forget":
            trial.registry.forget()
        case "hang up" if pbx.calls:
            pbx.citizen_hangs_up(rng.choice(list(pbx.calls)))
        case "miss":
            rng.choice(list(pbx.seats.values())).answers_after_s = rng.choice([None, 1.0, 4.0])
        case "break":
            pbx.set_ready(rng.choice(list(pbx.seats)), ready=rng.random() < 0.7)
        case "wish" if not trial.registry.lost:
            await trial.wish(wish(*rng.sample(CITIES, rng.randint(1, 2)), stopped=rng.random() < 0.1))


def check(trial: Trial) -> None:
    """What must hold at every moment."""
    for seat, queues in trial.loans().items():
        assert len(queues) == 1, (seat, queues)
    for pbx in trial.pbxs.values():
        assert set(pbx.waiting) <= set(pbx.calls)
        # At the PBX whose phone it is: a home city may take a while to find that its leg to a dead PBX is dead.
        talking = Counter(by.seat for by, _ in pbx.lent_talks.values())
        talking.update(call.by.seat for call in pbx.calls.values() if call.answered_at and isinstance(call.by, HomeSeat))
        assert not [seat for seat, calls in talking.items() if calls > 1]


async def settle(trial: Trial) -> None:
    """Everything is mended, and assistance is switched off."""
    trial.registry.lost = False
    for holder in ("a", "b"):
        if holder not in trial.running:
            trial.start(holder)
        for link in trial.links(holder).values():
            link.mend()
    await asyncio.sleep(25)
    for city, pbx in trial.pbxs.items():
        for other in pbx.trunks:
            pbx.set_trunk(other, up=True)
        assert pbx.alive, city
    await trial.wish(wish())
    await trial.until(lambda: not trial.loans() and not any(trial.open_slots(city) for city in CITIES), 60)
    await trial.until(lambda: trial.running["a"][0].leading or trial.running["b"][0].leading, 10)
    await asyncio.sleep(5)
    assert await trial.registry.loans() == {}
    for pbx in trial.pbxs.values():
        assert sorted(pbx.waiting) == sorted(call for call in pbx.calls if not pbx.calls[call].answered_at)


@pytest.mark.parametrize("seed", range(8))
def test_a_day_of_random_trouble_ends_with_everybody_home(seed: int) -> None:
    async def day() -> None:
        rng = random.Random(seed)
        province = a_province(len(CITIES), {"nanjing": {"shared": 2}}, shared=5, dedicated=1)
        async with a_trial(province, wish("nanjing"), "a", "b") as trial:
            for pbx in trial.pbxs.values():
                for seat in pbx.seats.values():
                    seat.talks_s = rng.uniform(10, 90)
            for _ in range(300):
                await asyncio.sleep(rng.expovariate(0.5))
                city = "nanjing" if rng.random() < 0.7 else rng.choice(CITIES)
                if trial.pbxs[city].alive:
                    trial.pbxs[city].citizen_calls(f"1390000{rng.randint(0, 9999):04d}")
                if rng.random() < 0.25:
                    await trouble(trial, rng)
                check(trial)
            await settle(trial)
            assert any(isinstance(fact, CallRinging) and isinstance(fact.by, LentSeat) for fact in trial.facts)
            assert len([fact for fact in trial.facts if isinstance(fact, CallWaiting)]) >= 200

    run_virtual(day())
