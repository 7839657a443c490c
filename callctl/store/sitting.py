"""Who sits at which seat: signed in at the desk page, in Redis. Which phone rings is the PBX's affair, not this page's."""

from collections.abc import Mapping
from dataclasses import dataclass

from callctl.core.model import SeatRef
from callctl.store.port import Refusal
from callctl.store.registry import RedisRegistry, bounded

_SITTING = "{callctl}:sitting"


class SeatTaken(Refusal):
    """Somebody else is signed in at this seat."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """One agent at one seat."""

    account: str
    agent: str
    since: float


class Sitting:
    """Every call may raise StoreLost."""

    def __init__(self, registry: RedisRegistry) -> None:
        self._registry = registry

    async def sit(self, seat: SeatRef, account: str, agent: str, now: float) -> list[SeatRef]:
        """Sign in at a seat; the seats the account thereby left. Raises SeatTaken."""
        key = f"{seat.city}/{seat.seat}"
        reply = await self._registry.run("sit", [_SITTING], key, account, agent, round(now * 1000))
        if reply[0] == "taken":
            raise SeatTaken(f"{_sitter(reply[1]).agent} is signed in at seat {seat.seat}")
        return [_ref(left) for left in reply[1:]]

    async def stand_up(self, seat: SeatRef) -> None:
        """Nobody sits there any more."""
        await bounded(self._registry.link.hdel(_SITTING, f"{seat.city}/{seat.seat}"))

    async def all(self) -> Mapping[SeatRef, Sitter]:
        """Everybody who sits."""
        found = await bounded(self._registry.link.hgetall(_SITTING))
        return {_ref(key): _sitter(value) for key, value in found.items()}

    async def seat_of(self, account: str) -> SeatRef | None:
        """Where the account sits."""
        return next((seat for seat, sitter in (await self.all()).items() if sitter.account == account), None)


def _ref(key: str) -> SeatRef:
    city, _, seat = key.partition("/")
    return SeatRef(city, seat)


def _sitter(value: str) -> Sitter:
    account, agent, at_ms = value.split(" ")
    return Sitter(account, agent, int(at_ms) / 1000)
