"""Who is signed in: one visit a browser, kept in Redis under the digest of its secret, so that it can be ended at once.

A visit ends by itself when nothing was asked for IDLE_S, and after LONGEST_S in any case. Nobody can make one from what
Redis holds: the secret itself is only in the browser's cookie.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from redis.asyncio import Redis

from callctl.store.registry import bounded

IDLE_S = 1800.0  # A supervisor who leaves the desk for half an hour signs in again.
LONGEST_S = 12 * 3600.0  # The longest shift.
TOUCH_S = 30.0  # How far `seen_at` may be behind: not every request writes.
GRACE_S = 300.0  # With Redis lost, who was known so short a time ago still is: the emergency stop must not need Redis.
GRACE_MOST = 1000  # Visits remembered for that.
_TAG = "{callctl}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One signed-in browser. What the account may do is copied here; a change of the account ends its visits."""

    key: str  # Digest of the secret; may be shown, listed and named when it is to be ended.
    account: str
    name: str  # The person's, for the audit and the corner of the page.
    roles: tuple[str, ...]
    cities: tuple[str, ...]
    agent: str  # 工号, "" for who is no agent.
    opened_at: float
    seen_at: float
    address: str
    browser: str
    must_change: bool = False  # The password is to be changed before anything else.


def new_secret() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret. It is random, so a plain digest is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Visits:
    """The visits in Redis. Every call may raise StoreLost."""

    def __init__(self, link: Redis, idle_s: float = IDLE_S, longest_s: float = LONGEST_S) -> None:
        self._redis = link
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._lately: dict[str, tuple[float, Visit]] = {}  # By key: when it was found.
        self._closings = 0

    async def open(self, visit: Visit) -> str:
        """Begin a visit; the secret for the cookie. `visit.key` is filled in."""
        secret = new_secret()
        visit = replace(visit, key=digest(secret))
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(_visit(visit.key), json.dumps(asdict(visit)), px=self._left_ms(visit))
        pipe.sadd(_account(visit.account), visit.key)
        pipe.pexpire(_account(visit.account), round(self._longest_s * 1000))
        await bounded(pipe.execute())
        return secret

    async def find(self, secret: str, now: float) -> Visit | None:
        """The visit of a cookie; None where it has ended. Being found keeps it alive."""
        if not secret or len(secret) > 100:
            return None
        key, closings = digest(secret), self._closings
        text = await bounded(self._redis.get(_visit(key)))
        if not text:
            self._lately.pop(key, None)
            return None
        visit = _read(text)
        if now - visit.opened_at >= self._longest_s or now - visit.seen_at >= self._idle_s:
            await self.close(visit)
            return None
        if now - visit.seen_at >= min(TOUCH_S, self._idle_s / 10):
            visit = replace(visit, seen_at=now)
            # xx: a visit that was ended meanwhile stays ended.
            await bounded(self._redis.set(_visit(key), json.dumps(asdict(visit)), px=self._left_ms(visit), xx=True))
        if closings == self._closings:  # Else it may be the one that was ended while we asked.
            self._remember(visit, now)
        return visit

    def lately(self, secret: str, now: float) -> Visit | None:
        """The visit as this process found it last, GRACE_S ago at most: for when Redis cannot be asked."""
        at, visit = self._lately.get(digest(secret), (0.0, None))
        return visit if now - at <= GRACE_S else None

    async def alive(self, key: str) -> bool:
        """Whether the visit has not ended; for streams that run long. Does not keep it alive."""
        return bool(await bounded(self._redis.exists(_visit(key))))

    async def close(self, visit: Visit) -> None:
        """End one visit. Here it is forgotten first: a cookie that was copied must not outlive it should Redis go."""
        self._closings += 1
        self._lately.pop(visit.key, None)
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(_visit(visit.key))
        pipe.srem(_account(visit.account), visit.key)
        await bounded(pipe.execute())

    async def of(self, account: str) -> Sequence[Visit]:
        """The account's visits, the newest first."""
        keys = await bounded(self._redis.smembers(_account(account)))
        texts = await bounded(self._redis.mget([_visit(key) for key in keys])) if keys else []
        return sorted((_read(text) for text in texts if text), key=lambda visit: -visit.opened_at)

    async def close_all(self, account: str, but: str = "") -> int:
        """End every visit of the account, but for the one with the key `but`; how many."""
        ended = [visit for visit in await self.of(account) if visit.key != but]
        for visit in ended:
            await self.close(visit)
        return len(ended)

    def _remember(self, visit: Visit, now: float) -> None:
        self._lately.pop(visit.key, None)
        if len(self._lately) >= GRACE_MOST:
            self._lately.pop(next(iter(self._lately)))
        self._lately[visit.key] = (now, visit)

    def _left_ms(self, visit: Visit) -> int:
        left_s = min(self._idle_s, self._longest_s - (visit.seen_at - visit.opened_at))
        return max(1, round(left_s * 1000))


def _read(text: str) -> Visit:
    found: dict[str, Any] = json.loads(text)
    return Visit(**{**found, "roles": tuple(found["roles"]), "cities": tuple(found["cities"])})


def _visit(key: str) -> str:
    return f"{_TAG}:visit:{key}"


def _account(account: str) -> str:
    return f"{_TAG}:visits:{account}"
