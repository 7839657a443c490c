"""Half-written wrap-up notes, kept on the server with every pause of the keys: a browser that dies loses nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from callctl.store.registry import bounded

KEPT_S = 3 * 86_400.0  # Over a week-end; a note that nobody finished by then is written from the recording.
NOTES_MOST = 40  # Of one agent; the oldest goes first.
BYTES_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Note:
    """One half-written note."""

    call: str
    at: float
    fields: Mapping[str, str]


class Drafts:
    """Every call may raise StoreLost."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, account: str, call: str, fields: Mapping[str, str], now: float) -> None:
        """Write the note as it stands now; the last write wins."""
        text = json.dumps({"at": now, "fields": dict(fields)}, ensure_ascii=False)
        assert len(text) <= 4 * BYTES_MOST, "the page has cut its fields"
        key = _key(account)
        await bounded(self._redis.hset(key, call, text))
        await bounded(self._redis.expire(key, int(KEPT_S)))
        notes = await self.all(account, now)
        for old in notes[NOTES_MOST:]:
            await self.drop(account, old.call)

    async def all(self, account: str, now: float) -> Sequence[Note]:
        """The agent's half-written notes, the newest first."""
        found = await bounded(self._redis.hgetall(_key(account)))
        notes = []
        for call, text in found.items():
            kept = json.loads(text)
            name = call.decode() if isinstance(call, bytes) else str(call)
            if now - float(kept["at"]) <= KEPT_S:
                notes.append(Note(name, float(kept["at"]), kept["fields"]))
        return sorted(notes, key=lambda note: -note.at)

    async def drop(self, account: str, call: str) -> None:
        """The note is finished."""
        await bounded(self._redis.hdel(_key(account), call))


def _key(account: str) -> str:
    return f"{{callctl}}:draft:{account}"
