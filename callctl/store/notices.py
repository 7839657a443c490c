"""Things that just happened and pages should hear at once, through Redis: a capped stream, read by every console."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from callctl.store.registry import NEWS, bounded

MOST = 500  # Kept; a page that was away longer asks for the state instead.
_STREAM = "{callctl}:notices"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened."""

    id: str
    kind: str
    city: str  # Whom it concerns; "" for everybody.
    body: Mapping[str, Any]


class Notices:
    """Every call may raise StoreLost."""

    def __init__(self, link: Redis) -> None:
        self._redis = link

    async def tell(self, kind: str, city: str, body: Mapping[str, Any]) -> None:
        """Let every console know."""
        text = json.dumps(body, ensure_ascii=False)
        fields = {"kind": kind, "city": city, "body": text}
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(_STREAM, fields, maxlen=MOST, approximate=True)  # type: ignore[arg-type]
            pipe.publish(NEWS, "")
            await bounded(pipe.execute())

    async def newest(self) -> str:
        """Where the stream ends now."""
        found = await bounded(self._redis.xrevrange(_STREAM, count=1))
        return str(found[0][0]) if found else "0"

    async def since(self, id: str) -> Sequence[Notice]:
        """What was told after that."""
        found = await bounded(self._redis.xrange(_STREAM, min=f"({id}", count=MOST))
        return [Notice(key, one["kind"], one["city"], json.loads(one["body"])) for key, one in found]
