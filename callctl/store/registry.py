"""The agent registry in Redis or Valkey: who leads, which seat is lent to whom, what is wished, the province's picture.

Every change is one Lua script, so that two controllers cannot cut in between; leases run by the server's clock. The client
never re-sends by itself: redis-py's default re-ran a script three times when answers were lost. Who repeats a call gets the
first answer: lend by its request id, recall by its token, lead and resign by the holder, put_wishes by version and text.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import resources
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from callctl.core.events import Fact
from callctl.core.listening import How, Listening
from callctl.core.missed import Errand, Wanted
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.wishes import Wishes
from callctl.store.codec import Unreadable, decode_wishes, encode_wishes, without_numbers
from callctl.store.port import Loan, Outdated, Refusal, RegistryLost, StoreLost, WishesChanged

DEADLINE_S = 0.9  # Longest a call may take, connecting included; then it is StoreLost.
CONNECT_S = 0.5
CONNECTIONS_MOST = 8  # Calls at a time; more wait for their turn, so that a storm of calls is no storm of connections.
LOAN_TTL_S = 120.0  # A new loan lives this long unless renewed: as long as the PBXs' dead man's switch.
ANSWER_TTL_S = 3600.0  # How long a request id is remembered; far longer than anybody repeats a request.
TOKEN_MOST = 2**53 - 1  # Lua counts in doubles.
STREAM_MOST = 1000  # Facts kept for live views, about.

_TAG = "{callctl}"
_KEYS = [f"{_TAG}:{name}" for name in ("lease", "token", "loans", "ends", "stream")]
_WISHES, _STATUS, _STREAM = f"{_TAG}:wishes", f"{_TAG}:status", _KEYS[4]
NEWS = f"{_TAG}:news"  # A channel: something to look at. A hint, never the thing itself; who misses it looks soon anyway.
_UNBRIEFED, _PRESSES, _LISTENINGS = f"{_TAG}:unbriefed", f"{_TAG}:presses", f"{_TAG}:listenings"
_WANTED = f"{_TAG}:callbacks"
_SCRIPTS = (
    "lead",
    "resign",
    "lend",
    "recall",
    "loans",
    "renew",
    "adopt",
    "put_wishes",
    "restore_wishes",
    "settle_press",
    "sit",
    "stand_up",
)


class RedisRegistry:
    """The registry at `url` (redis://, rediss:// or unix://). Implements store.port.Registry."""

    def __init__(self, url: str, loan_ttl_s: float = LOAN_TTL_S, connections: int = CONNECTIONS_MOST) -> None:
        self._loan_ms = _ms(loan_ttl_s)
        # RESP2: with RESP3 redis-py no longer notices a late answer left in a pooled connection.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=CONNECT_S,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=DEADLINE_S,
            socket_connect_timeout=CONNECT_S,
            health_check_interval=15,
            client_name="callctl",
        )
        self._redis: Redis = Redis.from_pool(pool)
        folder = resources.files("callctl.store") / "lua"
        prelude = (folder / "prelude.lua").read_text(encoding="utf-8")
        self._scripts = {
            name: self._redis.register_script(prelude + (folder / f"{name}.lua").read_text(encoding="utf-8"))
            for name in _SCRIPTS
        }

    @property
    def link(self) -> Redis:
        """The connections, for what else the console keeps in Redis; to be awaited through `bounded`."""
        return self._redis

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def lead(self, holder: str, ttl_s: float, rival_s: float | None = None, seen: int = 0) -> int | None:
        """See the port. `holder` must name this process, not this machine: two processes must not share a lease."""
        token = await self.run("lead", [], holder, _ms(ttl_s), "" if rival_s is None else _ms(rival_s), seen)
        return int(token) if token else None

    async def resign(self, holder: str) -> None:
        """See the port."""
        await self.run("resign", [], holder)

    async def lend(self, request: str, lease: int, seat: SeatRef, assisted: str) -> Loan:
        """See the port. A request whose loan has ended meanwhile is refused rather than told an old truth."""
        answer = f"{_TAG}:answer:{request}"
        reply = await self.run(
            "lend", [answer], request, lease, _seat_key(seat), assisted, self._loan_ms, _ms(ANSWER_TTL_S)
        )
        match reply:
            case ["lent", to, token, at_ms]:
                return Loan(seat, to, int(token), int(at_ms) / 1000)
            case ["taken", loan]:
                raise Refusal(f"seat {seat.seat} of {seat.city} is lent to {loan.split()[0]} already")
            case ["ended", token]:
                raise Refusal(f"the loan of seat {seat.seat} of {seat.city} with token {token} has ended meanwhile")
            case ["other", other, to]:
                raise Refusal(f"request {request} was used before, for seat {other} and {to}")
        raise _outdated(lease)

    async def recall(self, request: str, lease: int, seat: SeatRef, token: int) -> None:
        """See the port."""
        _lease_held(await self.run("recall", [], request, lease, _seat_key(seat), token), lease)

    async def loans(self) -> Mapping[SeatRef, Loan]:
        """See the port. `lent_at` is by the server's clock where we lent, by the PBX reading where adopted."""
        reply = await self.run("loans", [])
        return {loan.seat: loan for loan in map(_loan, reply[::2], reply[1::2])}

    async def renew(self, lease: int, ttl_s: float) -> None:
        """See the port."""
        _lease_held(await self.run("renew", [], lease, _ms(ttl_s)), lease)

    async def adopt(self, lease: int, loans: Iterable[Loan]) -> None:
        """See the port. To be called before the first loan of a new lease: it lifts the tokens above what the PBXs show.

        A token no registry gave is left out: one too large to be ours, and 0, that of a loan still under way.
        """
        rows = [
            (_seat_key(loan.seat), loan.assisted, loan.token, _ms(loan.lent_at))
            for loan in loans
            if 0 < loan.token < TOKEN_MOST
        ]
        _lease_held(await self.run("adopt", [], lease, self._loan_ms, *(part for row in rows for part in row)), lease)

    async def wishes(self) -> Wishes | None:
        """See the port."""
        text = await bounded(self._redis.hget(_WISHES, "json"))
        try:
            return decode_wishes(text) if text else None
        except Unreadable as error:
            raise StoreLost(f"the wishes in the registry cannot be read: {error}") from None

    async def put_wishes(self, seen_version: int, wishes: Wishes) -> Wishes:
        """See the port. The new version is seen_version + 1, whatever `wishes` carries."""
        new = replace(wishes, version=seen_version + 1)
        reply = await self.run("put_wishes", [_WISHES], seen_version, new.version, encode_wishes(new))
        if reply[0] == "changed":
            raise WishesChanged(
                f"somebody else changed the assistance meanwhile (version {reply[1]}, you saw {seen_version}): look again"
            )
        return new

    async def restore_wishes(self, wishes: Wishes) -> None:
        """See the port."""
        await self.run("restore_wishes", [_WISHES], wishes.version, encode_wishes(wishes))

    async def unbriefed(self) -> Mapping[str, frozenset[SeatRef]]:
        """See the port."""
        text = await bounded(self._redis.get(_UNBRIEFED))
        found: Mapping[str, list[str]] = json.loads(text) if text else {}
        return {city: frozenset(_seat_ref(key) for key in keys) for city, keys in found.items()}

    async def put_unbriefed(self, seats: Mapping[str, frozenset[SeatRef]], ttl_s: float) -> None:
        """See the port."""
        text = json.dumps({city: sorted(map(_seat_key, some)) for city, some in seats.items()})
        await bounded(self._redis.set(_UNBRIEFED, text, px=_ms(ttl_s)))

    async def wanted(self) -> Mapping[str, Wanted]:
        """See the port."""
        text = await bounded(self._redis.get(_WANTED))
        found = json.loads(text) if text else {}
        return {
            city: Wanted(tuple(Errand(*one) for one in calls), at_once, reserve)
            for city, (calls, at_once, reserve) in found.items()
        }

    async def put_wanted(self, wanted: Mapping[str, Wanted], ttl_s: float) -> None:
        """See the port."""
        text = json.dumps({city: (one.errands, one.at_once, one.reserve) for city, one in wanted.items()})
        await bounded(self._redis.set(_WANTED, text, px=_ms(ttl_s)))

    async def presses(self) -> Mapping[SeatRef, Press]:
        """See the port."""
        found = await bounded(self._redis.hgetall(_PRESSES))
        return {_seat_ref(key): Press(**json.loads(text)) for key, text in found.items()}

    async def put_press(self, seat: SeatRef, press: Press) -> None:
        """See the port."""
        await bounded(self._redis.hset(_PRESSES, _seat_key(seat), json.dumps(asdict(press))))

    async def settle_press(self, seat: SeatRef, press: Press) -> None:
        """See the port."""
        await self.run("settle_press", [_PRESSES], _seat_key(seat), json.dumps(asdict(press)))

    async def listenings(self) -> Sequence[Listening]:
        """See the port."""
        found = await bounded(self._redis.hgetall(_LISTENINGS))
        return [_listening(json.loads(text)) for text in found.values()]

    async def put_listening(self, one: Listening) -> None:
        """See the port."""
        text = json.dumps({**asdict(one), "how": one.how.value})
        await bounded(self._redis.hset(_LISTENINGS, one.id, text))

    async def forget_listening(self, id: str) -> None:
        """See the port."""
        await bounded(self._redis.hdel(_LISTENINGS, id))

    async def put_status(self, status: Mapping[str, Any]) -> None:
        """See the port."""
        text = json.dumps(status, ensure_ascii=False, separators=(",", ":"))
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(_STATUS, text)
            pipe.publish(NEWS, "")
            await bounded(pipe.execute())

    async def status(self) -> Mapping[str, Any] | None:
        """See the port."""
        text = await bounded(self._redis.get(_STATUS))
        picture: Mapping[str, Any] | None = json.loads(text) if text else None
        return picture

    async def publish(self, facts: Iterable[Fact]) -> None:
        """Append facts, without citizens' numbers, to the capped stream that live views read. Readings are left out."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for kind, text in without_numbers(facts):
                pipe.xadd(_STREAM, {"kind": kind, "text": text}, maxlen=STREAM_MOST, approximate=True)
            await bounded(pipe.execute())

    async def run(self, script: str, keys: list[str], *arguments: str | int) -> Any:
        """One of the scripts in lua/, with its keys behind the registry's own. Raises StoreLost."""
        return await bounded(self._scripts[script](keys=[*_KEYS, *keys], args=list(arguments)))


async def bounded(call: Any) -> Any:
    """Await a call to Redis; whatever keeps it from answering in time is RegistryLost."""
    task = asyncio.current_task()
    assert task is not None, "the registry is asked from tasks only"
    cancels = task.cancelling()
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await call
    except TimeoutError:
        raise RegistryLost(f"the registry did not answer within {DEADLINE_S:g} s") from None
    except (RedisError, OSError) as error:
        raise RegistryLost(f"the registry cannot be used: {error}") from None
    # redis-py sends with asyncio.wait_for, which on Python 3.11 loses a cancel that comes while it finishes
    # (mended in 3.12): without this a controller that is told to stop goes on.
    if task.cancelling() > cancels:
        raise asyncio.CancelledError
    return answer


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _seat_key(seat: SeatRef) -> str:
    return f"{seat.city}/{seat.seat}"


def _seat_ref(key: str) -> SeatRef:
    city, _, seat = key.partition("/")
    return SeatRef(city, seat)


def _listening(found: dict[str, Any]) -> Listening:
    return Listening(**{**found, "how": How(found["how"])})


def _loan(key: str, value: str) -> Loan:
    assisted, token, at_ms = value.split()
    return Loan(_seat_ref(key), assisted, int(token), int(at_ms) / 1000)


def _outdated(lease: int) -> Outdated:
    return Outdated(f"the controller's lease {lease} is outdated: another controller leads, or it ran out")


def _lease_held(reply: Any, lease: int) -> None:
    if reply[0] == "outdated":
        raise _outdated(lease)
