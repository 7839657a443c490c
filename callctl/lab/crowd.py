"""Citizens who call a city: they come by chance, wait with music, give up, talk, score. Every one of them listens."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from callctl import clock
from callctl.core.model import City
from callctl.lab.call import CallState, PhoneCall
from callctl.lab.phone import Phone
from callctl.lab.registration import Account

AGENT_TONES = frozenset(("agent", "helper", "helper-2", "helper-3"))
_LOOKED_EVERY_S = 0.1
_TALK_IS_OVER_S = 0.4  # No agent heard for so long: survey, or back in the queue.
_SURVEY_PATIENCE_S = 12.0
_QUEUED_WITHIN_S = 30.0  # Before the music a citizen hears ringing and the notice; nobody gives up there.


@dataclass(frozen=True, slots=True)
class CrowdPlan:
    """Who calls, and how."""

    rate_per_s: float
    for_s: float
    patience_s: float = 60.0  # Mean of an exponential, as Erlang A assumes; it counts from the first music.
    scores: bool = True  # Whether those who talked press a key in the survey.
    seed: int = 0


@dataclass(slots=True)
class Citizen:
    """One citizen's call as the citizen heard it. Times are seconds since the epoch."""

    number: str
    called_at: float
    queued_at: float | None = None  # When music or an agent was first heard.
    answered_at: float | None = None  # When an agent's voice was first heard.
    answered_by: str = ""  # The agent's tone.
    ended_at: float | None = None
    gave_up: bool = False
    returned: int = 0  # How often the music came back in mid-call: the agent's leg was lost.
    ended: str = ""  # The call's own word for how it ended.
    call: PhoneCall | None = None

    @property
    def waited_s(self) -> float:
        """From the first music until the answer, or until the end where nobody answered (or until now)."""
        until = self.answered_at or self.ended_at or clock.now()
        return until - (self.queued_at or until)


@dataclass(slots=True)
class Tally:
    """A crowd at a glance."""

    asked: int = 0
    waiting: int = 0
    talking: int = 0
    answered: dict[str, int] = field(default_factory=dict)  # By the agent's tone.
    gave_up: int = 0
    thrown_out: int = 0  # The PBX ended a call that no agent had answered.
    returned: int = 0


class Crowd:
    """The citizens of one city; its carrier's address is theirs."""

    def __init__(self, city: City, plan: CrowdPlan) -> None:
        self.city = city
        self.plan = plan
        self.citizens: list[Citizen] = []
        self.carrier = carrier_of(city)
        self._chance = random.Random(f"{plan.seed} {city.code}")

    async def run(self, on_arrival: Callable[[Citizen], None] = lambda _: None) -> list[Citizen]:
        """All of them, until the last has hung up. Raises OSError where the carrier's address is taken."""
        plan, chance = self.plan, self._chance
        await self.carrier.open(self.city.pbx.carrier, self.city.pbx.carrier_port)
        loop = asyncio.get_running_loop()
        start, at_s = loop.time(), chance.expovariate(plan.rate_per_s)
        try:
            async with asyncio.TaskGroup() as group:
                while at_s < plan.for_s:
                    await asyncio.sleep(max(0.0, start + at_s - loop.time()))
                    citizen = Citizen(self._number(), clock.now())
                    self.citizens.append(citizen)
                    patience_s = chance.expovariate(1 / plan.patience_s)
                    group.create_task(_live(self.carrier, citizen, patience_s, str(chance.randint(1, 5))))
                    on_arrival(citizen)
                    at_s += chance.expovariate(plan.rate_per_s)
        finally:
            await self.carrier.close()
        return self.citizens

    def tally(self) -> Tally:
        """Where everybody is now."""
        tally = Tally(asked=len(self.citizens))
        for citizen in self.citizens:
            tally.returned += citizen.returned
            if citizen.answered_at is not None:
                tally.answered[citizen.answered_by] = tally.answered.get(citizen.answered_by, 0) + 1
                tally.talking += citizen.ended_at is None
            elif citizen.ended_at is None:
                tally.waiting += 1
            elif citizen.gave_up:
                tally.gave_up += 1
            else:
                tally.thrown_out += 1
        return tally

    def _number(self) -> str:
        # Like a mobile's; no two citizens of a run share one, nor two cities, nor two seeds.
        return f"13{self.city.area_code[-3:]:0>3}{self.plan.seed % 100:02d}{len(self.citizens) % 10_000:04d}"


def carrier_of(city: City) -> Phone:
    """The carrier's SBC in front of this city's PBX: places calls for any number, needs no registration."""
    return Phone(Account("carrier", "", (city.pbx.host, city.pbx.sip_port)), tone="citizen")


async def _live(carrier: Phone, citizen: Citizen, patience_s: float, score: str) -> None:
    call = citizen.call = await carrier.call("12345", caller=citizen.number)
    await _enters(citizen, call)
    while await _waits(citizen, call, patience_s):
        if await _talks(call):
            await _survey(call, score)
            break
        citizen.returned += 1
    await _gone(call)
    citizen.ended_at, citizen.ended = clock.now(), call.why_ended


async def _enters(citizen: Citizen, call: PhoneCall) -> None:
    """Listen to whatever comes before the queue: a citizen counts the wait from the music on."""
    with contextlib.suppress(TimeoutError, AssertionError):
        await call.until(lambda: call.hears == "music" or call.hears in AGENT_TONES, _QUEUED_WITHIN_S)
        citizen.queued_at = clock.now()


async def _waits(citizen: Citizen, call: PhoneCall, patience_s: float) -> bool:
    """Listen until an agent speaks; False where the citizen gave up first, or was thrown out."""
    try:
        await call.until(lambda: call.hears in AGENT_TONES, patience_s)
    except TimeoutError:
        citizen.gave_up = citizen.answered_at is None
        call.hang_up()
        return False
    except AssertionError:  # The call ended.
        return False
    if citizen.answered_at is None:
        citizen.answered_at, citizen.answered_by = clock.now(), call.hears
    return True


async def _talks(call: PhoneCall) -> bool:
    """Listen until the agent is silent for a while; False where the music is back: the agent's leg was lost."""
    loop = asyncio.get_running_loop()
    heard_at = loop.time()
    while call.state is not CallState.ENDED:
        if call.hears in AGENT_TONES and clock.now() - call.heard[-1].until < _TALK_IS_OVER_S:
            heard_at = loop.time()
        if loop.time() - heard_at > _TALK_IS_OVER_S:
            return call.hears != "music"
        await asyncio.sleep(_LOOKED_EVERY_S)
    return True


async def _survey(call: PhoneCall, score: str) -> None:
    call.press(score)
    try:
        await call.until_ended(_SURVEY_PATIENCE_S)
    except TimeoutError:
        call.hang_up()


async def _gone(call: PhoneCall) -> None:
    try:
        await call.until_ended(40.0)
    except TimeoutError:  # The PBX is dead or frozen and answers nothing.
        call.end("gone")
