"""The agents of the lab's cities: a registered phone each, with habits drawn by chance but repeatable."""

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from dataclasses import dataclass

from callctl.core.model import City
from callctl.lab.phone import Habit, Phone
from callctl.lab.registration import Account, RegisterFailed
from callctl.settings import Settings

_FIRST_PORT = 6000
_REGISTER_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Habits:
    """How a city's agents work; every call draws anew."""

    answer_after_s: float = 1.0
    talk_s: float | None = 6.0  # On the average; between half and one and a half of it. None: until the citizen ends.
    reject_share: float = 0.0  # Of the calls that ring.
    no_answer_share: float = 0.0

    def draw(self, chance: random.Random) -> Habit:
        """What the agent does with the next call."""
        luck = chance.random()
        if luck < self.reject_share:
            return Habit(reject_with=486)
        if luck < self.reject_share + self.no_answer_share:
            return Habit(answer_after_s=None)
        talk_s = None if self.talk_s is None else self.talk_s * chance.uniform(0.5, 1.5)
        return Habit(answer_after_s=self.answer_after_s, talk_s=talk_s)


class CityAgents:
    """Every agent of one city, in one event loop."""

    def __init__(
        self,
        city: City,
        settings: Settings,
        *,
        tone: str,
        habits: Habits | None,
        seed: int = 0,
        first_port: int = _FIRST_PORT,
    ) -> None:
        self.city = city
        self._first_port = first_port
        self.phones: dict[str, Phone] = {}
        chance = random.Random(f"{seed} {city.code}")
        for seat in city.seats:
            password = settings.phone_secret(city.code, seat.id)
            phone = Phone(Account(seat.id, password, (city.pbx.host, city.pbx.sip_port)), tone=tone)
            if habits is not None:
                phone.choose = lambda drawn=habits: drawn.draw(chance)
            self.phones[seat.id] = phone

    async def start(self, seats: Sequence[str] | None = None) -> None:
        """Open and register the phones of these seats, or of all. Raises RegisterFailed."""
        network = ipaddress.ip_network(self.city.pbx.phones)
        address = str(network.network_address + 1)
        at_once = asyncio.Semaphore(_REGISTER_AT_ONCE)
        order = list(self.phones)

        async def start_one(seat: str) -> None:
            async with at_once:
                phone = self.phones[seat]
                if phone.wire.address[1] == 0:
                    await phone.open(address, self._first_port + order.index(seat))
                await phone.register()

        try:
            async with asyncio.TaskGroup() as group:
                for seat in order if seats is None else seats:
                    group.create_task(start_one(seat))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def close(self) -> None:
        """Hang up and leave; the registrations run out by themselves."""
        for phone in self.phones.values():
            await phone.close()

    async def leave(self, within_s: float = 1.0) -> None:
        """Unregister every phone that is registered, as at the end of a shift."""
        await asyncio.gather(*(_leave(phone, within_s) for phone in self.phones.values()))


async def _leave(phone: Phone, within_s: float) -> None:
    try:
        await phone.unregister(within_s)
    except RegisterFailed:
        return  # The PBX is gone or frozen; it will find out by itself that the phone is.
