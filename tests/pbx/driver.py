"""How a contract test moves the world around two PBXs, alpha (assisted) and beta (supporting), and hears what they say."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from callctl.core.commands import Lend, OpenSlot, RenewHeartbeat
from callctl.core.events import CallAnswered, Fact, PbxObserved
from callctl.core.model import SlotRef
from callctl.pbx.port import PbxLink

F = TypeVar("F")


class Driver(Protocol):
    """The world around two PBXs, as a test moves it."""

    alpha: PbxLink  # The assisted city.
    beta: PbxLink  # The supporting city.
    alpha_seat: str
    beta_seats: Sequence[str]
    wrapup_s: float  # Of both cities.
    no_such_queue: str  # The PBX's own words.

    def heard(self, link: PbxLink) -> list[Fact]:
        """Every fact of that link so far, in order."""
        ...

    def forgets_at_boot(self, link: PbxLink) -> bool:
        """Whether that PBX comes back without its slots and loans: callctl makes them again."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...

    async def citizen_calls(self, number: str) -> None:
        """A citizen dials alpha's 12345 and waits with endless patience."""
        ...

    async def citizen_hangs_up(self, number: str) -> None:
        """That citizen is gone."""
        ...

    async def citizen_presses(self, number: str, key: str) -> None:
        """That citizen presses a key."""
        ...

    async def agent(self, seat: str, answers_after_s: float | None) -> None:
        """What the agent does with the next rings: answers so fast, or never (None)."""
        ...

    async def agent_hangs_up(self, seat: str) -> None:
        """The agent ends the talk."""
        ...

    async def agent_leaves(self, seat: str) -> None:
        """The phone signs off."""
        ...

    async def agent_comes(self, seat: str) -> None:
        """The phone is there again."""
        ...

    async def pause(self, seat: str) -> None:
        """The agent takes no home calls (pressed the phone's key, as agents do)."""
        ...

    async def unpause(self, seat: str) -> None:
        """The agent is ready again."""
        ...

    async def let_heartbeat_age(self, link: PbxLink) -> None:
        """As if no controller had been heard of for longer than the dead man's switch allows."""
        ...

    async def cut(self, link: PbxLink) -> None:
        """The management link breaks; calls go on."""
        ...

    async def mend(self, link: PbxLink) -> None:
        """The management link can come back."""
        ...

    async def break_trunk(self) -> None:
        """No signalling passes between the cities."""
        ...

    async def mend_trunk(self) -> None:
        """It passes again."""
        ...

    async def freeze(self, link: PbxLink) -> None:
        """The PBX stands still: it neither answers nor sends anything."""
        ...

    async def thaw(self, link: PbxLink) -> None:
        """It goes on where it stood."""
        ...

    async def kill(self, link: PbxLink) -> None:
        """The PBX is dead, and its calls with it."""
        ...

    async def boot(self, link: PbxLink) -> None:
        """It starts again, and its phones come back."""
        ...


Story = Callable[[Driver], Coroutine[Any, Any, None]]

SLOT = SlotRef("beta", 1)
TOKEN = 1_795_682_533_533_478  # As long as a real lease's.
SOON_S = 10.0


async def until(
    driver: Driver, link: PbxLink, kind: type[F], true: Callable[[F], bool] = lambda _: True, after: int = 0
) -> F:
    """The first such fact, from the `after`-th fact on."""
    for _ in range(int(SOON_S / 0.1) * 3):
        for fact in driver.heard(link)[after:]:
            if isinstance(fact, kind) and true(fact):
                return fact
        await driver.wait(0.1)
    raise AssertionError(f"no such {kind.__name__} from {link.city}: {driver.heard(link)[after:]}")


async def ready(driver: Driver) -> None:
    """Both PBXs are read, and believe that a controller lives."""
    for link in (driver.alpha, driver.beta):
        await until(driver, link, PbxObserved)
        await link.do(RenewHeartbeat(link.city))


def facts(driver: Driver, link: PbxLink, kind: type[F]) -> list[F]:
    """Every such fact so far."""
    return [fact for fact in driver.heard(link) if isinstance(fact, kind)]


async def read(driver: Driver, link: PbxLink) -> PbxObserved:
    """What a reading taken now shows."""
    before = len(driver.heard(link))
    await link.reread()
    return await until(driver, link, PbxObserved, after=before)


async def lend(driver: Driver, slot: bool = True) -> str:
    """Beta's first seat serves alpha, and (unless told not to) one slot is open."""
    seat = driver.beta_seats[0]
    await driver.beta.do(Lend("beta", seat, "alpha", TOKEN))
    if slot:
        await driver.alpha.do(OpenSlot("alpha", SLOT, TOKEN))
    return seat


async def remote_talk(driver: Driver, number: str = "13800000001") -> CallAnswered:
    """A citizen talks to beta's lent seat."""
    await driver.pause(driver.alpha_seat)
    seat = await lend(driver)
    await driver.agent(seat, 0.5)
    await driver.citizen_calls(number)
    return await until(driver, driver.alpha, CallAnswered)


class Suite:
    """One part of the contract."""

    def run(self, story: Story) -> None:
        """Build two cities, tell the story, take everything down."""
        raise NotImplementedError


class LoopDriver:
    """What every driver shares: it runs the two links and keeps what they tell."""

    no_such_queue = "No such queue"

    def __init__(self, alpha: PbxLink, beta: PbxLink) -> None:
        self.alpha, self.beta = alpha, beta
        self._heard: dict[str, list[Fact]] = {"alpha": [], "beta": []}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Run the links."""
        for link in (self.alpha, self.beta):
            self._tasks.append(asyncio.create_task(link.run(self._heard[link.city].append)))

    async def stop(self) -> None:
        """Take the links down."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forgets_at_boot(self, link: PbxLink) -> bool:
        return False

    def heard(self, link: PbxLink) -> list[Fact]:
        return self._heard[link.city]

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
