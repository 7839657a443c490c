"""The floor of a real test: three running cities, made as new before each test, with phones to act on."""

import asyncio
import itertools

from callctl.core.model import City, SlotRef
from callctl.lab.agents import CityAgents
from callctl.lab.call import PhoneCall
from callctl.lab.crowd import AGENT_TONES, carrier_of
from callctl.lab.lab import Lab
from callctl.lab.phone import ANSWERS, Habit, Phone
from callctl.lab.running import RunningPbx
from tests.real.by_hand import Acts, acts_on

_FIRST_PORT, _PORTS, _FLOORS = 7000, 50, 400
_floors = itertools.count()


class Floor:
    """What a test sees of the lab. Every phone it opens is closed after the test."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._agents: dict[str, CityAgents] = {}
        self._carriers: dict[str, Phone] = {}
        self._numbers = 0
        # Ports of their own: a PBX repeats an INVITE to a phone that crashed for 32 s, also to the next test's phone.
        self._first_port = _FIRST_PORT + _PORTS * (next(_floors) % _FLOORS)

    # ------------------------------------------------------------------------------------- who is there
    def city(self, code: str) -> City:
        return self.lab.province.cities[code]

    def pbx(self, code: str) -> RunningPbx:
        return self.lab.pbxs[code]

    def tone(self, code: str) -> str:
        """What the city's agents sound like to a citizen."""
        return self.lab.tone(code)

    def seats(self, code: str) -> list[str]:
        """Seat ids: shared ones first, then the dedicated one."""
        seats = sorted(self.city(code).seats, key=lambda seat: (seat.lend.value == "dedicated", seat.id))
        return [seat.id for seat in seats]

    def phone(self, code: str, seat: str) -> Phone:
        return self._city_agents(code).phones[seat]

    def phones(self, code: str) -> list[Phone]:
        """Every phone of a city, signed on or not."""
        return list(self._city_agents(code).phones.values())

    async def log_in(self, code: str, *seats: str, habit: Habit = ANSWERS) -> list[Phone]:
        """Register the phones of these seats (of all, when none is named) and give them a habit."""
        agents = self._city_agents(code)
        chosen = list(seats) or self.seats(code)
        for seat in chosen:
            agents.phones[seat].habit = habit
        await agents.start(chosen)
        return [agents.phones[seat] for seat in chosen]

    def _city_agents(self, code: str) -> CityAgents:
        if code not in self._agents:
            self._agents[code] = CityAgents(
                self.city(code), self.lab.settings, tone=self.tone(code), habits=None, first_port=self._first_port
            )
        return self._agents[code]

    # ------------------------------------------------------------------------------------- citizens
    async def carrier(self, code: str) -> Phone:
        """The carrier's SBC of a city: what rings there are the citizens' own phones (call-backs)."""
        if code not in self._carriers:
            carrier = self._carriers[code] = carrier_of(self.city(code))
            await carrier.open(self.city(code).pbx.carrier, self.city(code).pbx.carrier_port)
        return self._carriers[code]

    async def citizen(self, code: str, number: str = "") -> PhoneCall:
        """A citizen calls 12345 and is in the queue (hears music, or already an agent) when this returns."""
        self._numbers += 1
        carrier = await self.carrier(code)
        call = await carrier.call("12345", caller=number or f"1380000{self._numbers:04d}")
        await call.until_up()
        await call.until(lambda: call.hears == "music" or call.hears in AGENT_TONES)
        return call

    # ------------------------------------------------------------------------------------- by hand, without a controller
    def acts(self, code: str) -> Acts:
        """What can be done to a city's PBX by hand."""
        return acts_on(self.pbx(code))

    async def beat(self, *codes: str, age_s: float = 0.0) -> None:
        """Renew the dead man's switch of these cities, or of all."""
        for code in codes or tuple(self.lab.pbxs):
            await self.acts(code).beat(age_s)

    async def open_slot(self, assisted: str, supporting: str, number: int = 1, token: int = 1) -> None:
        """Give the home queue of `assisted` an open slot."""
        await self.acts(assisted).open_slot(SlotRef(supporting, number), token)

    async def lend(self, supporting: str, seat: str, assisted: str, token: int = 1) -> None:
        """Put a seat into the support queue."""
        await self.acts(supporting).lend(seat, assisted, token)

    # ------------------------------------------------------------------------------------- as new
    async def reset(self) -> None:
        """Bring every city back to how it booted: no call, no loan, no slot, nobody paused, nobody registered."""
        await asyncio.gather(*(self._reset(code) for code in self.lab.pbxs))

    async def _reset(self, code: str) -> None:
        pbx = self.pbx(code)
        pbx.thaw()
        if not pbx.running:
            await pbx.start()
        await self.acts(code).reset()
        # A phone of a test whose PBX was dead or frozen at the end could not leave: the PBX would ring it still.
        stale = sorted(await pbx.registered())
        if stale:
            agents = CityAgents(self.city(code), self.lab.settings, tone=self.tone(code), habits=None)
            await agents.start(stale)
            await agents.leave()
            await agents.close()

    async def close(self) -> None:
        for agents in self._agents.values():
            await agents.leave()
            await agents.close()
        for carrier in self._carriers.values():
            await carrier.close()
