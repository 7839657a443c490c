"""Rings when a picture was published or a notice told: consoles look at once, and not by the clock."""

import asyncio
import contextlib

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from callctl.store.port import StoreLost
from callctl.store.registry import NEWS, bounded


class Bell:
    """One subscription. It only ever shortens a wait: without Redis it is a plain pause."""

    def __init__(self, link: Redis) -> None:
        self._redis = link
        self._ear: PubSub | None = None

    async def wait(self, most_s: float) -> None:
        """Until it rings, or for so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + most_s
        try:
            if self._ear is None:
                ear = self._redis.pubsub(ignore_subscribe_messages=True)
                await bounded(ear.subscribe(NEWS))
                self._ear = ear
            while (left_s := until - loop.time()) > 0:
                if await self._ear.get_message(timeout=left_s) is not None:
                    break
            while await self._ear.get_message(timeout=0) is not None:
                pass  # Rung twice is rung.
        except (StoreLost, RedisError, OSError):
            await self.close()
            await asyncio.sleep(max(0.0, until - loop.time()))

    async def close(self) -> None:
        """Let go of the connection."""
        ear, self._ear = self._ear, None
        if ear is not None:
            with contextlib.suppress(RedisError, OSError):
                await ear.aclose()  # type: ignore[no-untyped-call]
