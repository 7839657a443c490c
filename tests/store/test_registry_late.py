"""Answers that come too late are nobody's: the next question gets its own, and no connection is left unusable."""

import asyncio
import random

import pytest

from callctl.core.model import SeatRef
from callctl.store.port import Loan, Refusal, StoreLost
from callctl.store.registry import CONNECTIONS_MOST, RedisRegistry
from tests.store.servers import Valkey

SEAT = SeatRef("xuzhou", "1301")
HURRIES_S = (0.0005, 0.001, 0.003, 0.01, 0.03)  # Around what an answer takes: some come in time, some do not.


async def test_late_answers_are_given_to_nobody_else(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = RedisRegistry(valkey.url)
    lease = await registry.lead("one", 600)
    assert lease is not None
    await registry.put_status({"at": 1})
    loan = await registry.lend("r", lease, SEAT, "yangzhou")

    async def ask(number: int) -> bool:
        try:
            if number % 3 == 0:
                assert await registry.status() == {"at": 1}
            elif number % 3 == 1:
                assert await registry.wishes() is None
            else:
                assert await registry.loans() == {SEAT: loan}
        except StoreLost:
            return False
        return True

    rng = random.Random(1)
    answered: set[bool] = set()
    for _ in range(30):
        monkeypatch.setattr("callctl.store.registry.DEADLINE_S", rng.choice(HURRIES_S))
        answered |= set(await asyncio.gather(*(ask(number) for number in range(40))))
    assert False in answered
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 60.0)
    assert all(await asyncio.gather(*(ask(number) for number in range(5 * CONNECTIONS_MOST))))
    await registry.close()


async def test_races_in_which_most_answers_come_too_late_have_at_most_one_winner(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = [RedisRegistry(valkey.url), RedisRegistry(valkey.url)]
    lease = await two[0].lead("one", 600)
    assert lease is not None
    rng = random.Random(2)
    for race in range(10):
        monkeypatch.setattr("callctl.store.registry.DEADLINE_S", rng.choice(HURRIES_S))
        lends = (two[n % 2].lend(f"r{race}-{n}", lease, SEAT, f"city{n}") for n in range(40))
        won = await asyncio.gather(*lends, return_exceptions=True)
        monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 60.0)
        assert all(isinstance(one, Loan | Refusal | StoreLost) for one in won)
        booked = await two[0].loans()
        assert [one for one in won if isinstance(one, Loan)] in ([], list(booked.values()))
        for loan in booked.values():
            await two[1].recall(f"x{race}", lease, SEAT, loan.token)
    for registry in two:
        await registry.close()
