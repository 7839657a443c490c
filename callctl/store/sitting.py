"""Who sits at which seat: signed in at the desk page, in Redis. Which phone rings is the PBX's affair, not this page's."""

from collections.abc import Mapping
from dataclasses import dataclass

from callctl.core.model import SeatRef
from callctl.store.port import Refusal
from callctl.store.registry import RedisRegistry, bounded

_SITTING = "{callctl}:sitting"
_SAT = "{callctl}:sat"  # By seat, who sat down there when, and when it became empty: "<ms> <account or ->" again and again.

_NOBODY, _FORGOTTEN = "-", "?"  # No accounts' names: those begin with a letter.


class SeatTaken(Refusal):
    """Somebody else is signed in at this seat."""


class SitterChanged(Refusal):
    """Not the agent whom the page had shown sits there any more."""


@dataclass(frozen=True, slots=True)
class Sitter:
    """One agent at one seat."""

    account: str
    agent: str
    since: float


@dataclass(frozen=True, slots=True)
class SatDown:
    """What came of signing in at a seat."""

    since: float
    new: bool  # False: the agent sat there already, since then.
    left: tuple[SeatRef, ...] = ()  # Where the account had sat until then.


class Sitting:
    """Every call may raise StoreLost."""

    def __init__(self, registry: RedisRegistry) -> None:
        self._registry = registry

    async def sit(self, seat: SeatRef, account: str, agent: str, now: float) -> SatDown:
        """Sign in at a seat. Who sits there already is left as is. Raises SeatTaken."""
        key = f"{seat.city}/{seat.seat}"
        reply = await self._registry.run("sit", [_SITTING, _SAT], key, account, agent, round(now * 1000))
        if reply[0] == "taken":
            raise SeatTaken(f"{_sitter(reply[1]).agent} is signed in at seat {seat.seat}")
        if reply[0] == "sits":
            return SatDown(_sitter(reply[1]).since, False)
        return SatDown(round(now * 1000) / 1000, True, tuple(_ref(left) for left in reply[1:]))

    async def stand_up(self, seat: SeatRef, now: float, agent: str | None = None) -> None:
        """Nobody sits there any more. `agent`: only if it is this one who sits there ("": nobody). Raises SitterChanged."""
        whom = "" if agent is None else f"={agent}"
        reply = await self._registry.run("stand_up", [_SITTING, _SAT], f"{seat.city}/{seat.seat}", round(now * 1000), whom)
        if reply[0] == "other":
            raise SitterChanged(f"somebody else is at seat {seat.seat} by now; look again")

    async def sat(self, seat: SeatRef, at: float) -> str | None:
        """The account that sat there at that time, "" for nobody; None where it is longer ago than is remembered.

        The last 20 changes of account are. An agent who came back before anybody else sat down is told for the pause, too.
        """
        text = await bounded(self._registry.link.hget(_SAT, f"{seat.city}/{seat.seat}"))
        words = (text or "").split()
        there = _NOBODY
        for at_ms, account in zip(words[::2], words[1::2], strict=True):
            if int(at_ms) <= at * 1000:
                there = account
        if there == _FORGOTTEN:
            return None
        return "" if there == _NOBODY else there

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
