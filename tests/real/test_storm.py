"""A minute of everything at once on three real cities: nobody is doubled, nobody is lost, history and PBXs agree."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack

import pytest

from callctl.lab.agents import CityAgents, Habits
from callctl.lab.crowd import Citizen, Crowd, CrowdPlan
from callctl.lab.queue_log import Account, LoggedCall
from tests.real.accounts import account_of
from tests.real.mixed import every_mix_and_both
from tests.real.stage import Stage

# A minute of storm; the cities boot before it and the calls end after it.
pytestmark = [pytest.mark.real, every_mix_and_both, pytest.mark.timeout(300)]
CITIES = ("nanjing", "yangzhou", "xuzhou")
STORM_S = 60.0
# Yangzhou is flooded, the others have calls of their own; 12 to 20 citizens are in the cities at once.
RATE_PER_S = {"yangzhou": 0.5, "nanjing": 0.12, "xuzhou": 0.12}
HABITS = Habits(answer_after_s=0.8, talk_s=5.0, reject_share=0.1, no_answer_share=0.05)


async def test_a_storm_doubles_nobody_loses_nobody_and_is_told_right(stage: Stage) -> None:
    floor, lab = stage.floor, stage.floor.lab
    agents = {
        code: CityAgents(floor.city(code), lab.settings, tone=floor.tone(code), habits=HABITS, seed=3) for code in CITIES
    }
    await asyncio.gather(*(staff.start() for staff in agents.values()))
    async with AsyncExitStack() as stack:
        accounts = {code: await stack.enter_async_context(account_of(floor, code)) for code in CITIES}
        for staff in agents.values():
            stack.push_async_callback(staff.close)
            stack.push_async_callback(staff.leave)
        await stage.control()
        for code in CITIES:
            await stage.assist(code)
        crowds = {
            code: Crowd(floor.city(code), CrowdPlan(rate, STORM_S, patience_s=40.0, scores=False, seed=3))
            for code, rate in RATE_PER_S.items()
        }
        await asyncio.gather(*(crowd.run() for crowd in crowds.values()))
        for staff in agents.values():
            assert [phone.account.user for phone in staff.phones.values() if phone.most_calls_at_once > 1] == []
        for code, crowd in crowds.items():
            await check_city(stage, crowd, with_rings(accounts[code](), agents.values()))
            await stage.until_true(lambda code=code: stage.no_call_at(code), 10.0)
        helped = Counter(by for _, by in stage.outcomes("yangzhou").values())
        assert helped["nanjing"] + helped["xuzhou"] >= 3, "the storm was to be more than yangzhou could answer alone"
        assert min(helped["nanjing"], helped["xuzhou"]) >= 1, f"one queue, served by both cities: {helped}"


async def check_city(stage: Stage, crowd: Crowd, log: Account) -> None:
    """Citizens, the PBX's own account and the history tell the same."""
    tally, code = crowd.tally(), crowd.city.code
    assert (tally.thrown_out, tally.waiting, tally.talking) == (0, 0, 0), told(crowd.citizens)
    assert tally.asked == len(crowd.citizens) == len(log.calls)
    assert sum(tally.answered.values()) + tally.gave_up == tally.asked
    assert [f"{line_of(call)}; before it: {line_of(earlier)}" for call, earlier in log.overtakings()] == []
    ends = {call: "answered" if kept.answers else "abandoned" for call, kept in log.calls.items()}
    assert sum(end == "answered" for end in ends.values()) == sum(tally.answered.values())

    async def history_agrees() -> bool:
        return {call: outcome for call, (outcome, _) in stage.outcomes(code).items()} == ends

    await stage.until_true(history_agrees, 10.0)


def with_rings(log: Account, agents: Iterable[CityAgents]) -> Account:
    """The account, and what only the agents' phones know: whom they rang for. A PBX writes ABANDON alone, without the
    ring, of a caller who gives up while a phone rings; and its times are whole seconds."""
    rings: dict[str, list[tuple[float, float]]] = {}
    for phone in (phone for staff in agents for phone in staff.phones.values()):
        for call in phone.calls:
            if (rung := call.at("rung")) is not None:
                rings.setdefault(call.number, []).append((rung, call.at("up") or call.at("ended") or math.inf))
    for kept in log.calls.values():
        kept.failed_rings += rings.get(kept.number, [])
    return log


def told(citizens: list[Citizen]) -> list[str]:
    """The calls that went wrong, as their phones tell them."""
    return [f"{one.number}: {one.ended}" for one in citizens if one.answered_at is None and not one.gave_up]


def line_of(call: LoggedCall) -> str:
    """A call as its PBX tells it: seconds within the hour or so."""
    rung, left = call.rung_at or 0, call.left_at or 0
    failed = [(begin % 10_000, end % 10_000) for begin, end in call.failed_rings]
    return (
        f"in {call.entered_at % 10_000}, rung {rung % 10_000} by {call.answered_by or 'nobody'}, left {left % 10_000}, "
        f"in vain {failed}"
    )
