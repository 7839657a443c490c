"""How often something was tried lately: counters in Redis that forget by themselves, against guessing of passwords."""

from redis.asyncio import Redis

from callctl.store.registry import bounded

_TAG = "{callctl}"


class Tries:
    """Counts tries by key. Every call may raise StoreLost."""

    def __init__(self, link: Redis) -> None:
        self._redis = link

    async def count(self, keys: list[str], within_s: float) -> list[int]:
        """Count one try for each key; how many there were within `within_s`, this one included."""
        pipe = self._redis.pipeline(transaction=True)
        for key in keys:
            pipe.incr(_key(key))
            pipe.pexpire(_key(key), round(within_s * 1000), nx=True)
        return [int(number) for number in (await bounded(pipe.execute()))[::2]]

    async def take_back(self, keys: list[str], within_s: float) -> None:
        """Count one try less for each key."""
        pipe = self._redis.pipeline(transaction=True)
        for key in keys:
            pipe.decr(_key(key))
            pipe.pexpire(_key(key), round(within_s * 1000), nx=True)  # One that ran out meanwhile is made anew by decr.
        await bounded(pipe.execute())

    async def forget(self, keys: list[str]) -> None:
        """Begin at nought again."""
        await bounded(self._redis.delete(*map(_key, keys)))


def _key(key: str) -> str:
    return f"{_TAG}:tries:{key}"
