"""A task that is told to stop while it asks the registry stops: on Python 3.11 redis-py loses such a cancel."""

import asyncio
from pathlib import Path

from callctl.store import embedded
from callctl.store.registry import RedisRegistry

STEPS = 30  # More turns of the loop than one question takes, connecting included.


async def test_a_cancel_at_any_moment_of_a_question_is_obeyed(tmp_path: Path) -> None:
    server = embedded.start(tmp_path)
    try:
        for fresh in (True, False):
            for steps in range(1, STEPS):
                registry = RedisRegistry(server.url)
                if not fresh:
                    await registry.wishes()
                asking = asyncio.create_task(registry.wishes())
                for _ in range(steps):
                    await asyncio.sleep(0)
                came_in_time = not asking.done() and asking.cancel()
                await asyncio.wait([asking])
                await registry.close()
                assert asking.cancelled() or not came_in_time, f"lost at step {steps}"
    finally:
        server.stop()
