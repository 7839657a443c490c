"""The registry on a real Valkey answers as the one in memory does."""

import asyncio

import pytest

from callctl.store.registry import RedisRegistry
from tests.store.registry_contract import RegistryContract, Story
from tests.store.servers import Valkey


class TestRedisRegistry(RegistryContract):
    """The suite, on a server that holds nothing."""

    url: str

    @pytest.fixture(autouse=True)
    def _on_this_server(self, valkey: Valkey) -> None:
        self.url = valkey.url

    def run(self, story: Story) -> None:
        async def whole() -> None:
            registry = RedisRegistry(self.url)
            try:
                await story(registry)
            finally:
                await registry.close()

        asyncio.run(whole())
