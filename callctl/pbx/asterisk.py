"""Placeholder until the Asterisk link is merged."""

import random
from collections.abc import Callable

from callctl.core.commands import Order
from callctl.core.events import Fact
from callctl.core.model import City, Province


class AsteriskLink:
    """A link."""

    def __init__(
        self, city: City, province: Province, secret: str, now: Callable[[], float], rng: random.Random
    ) -> None: ...

    @property
    def city(self) -> str:
        """The city."""
        return ""

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """Run."""

    async def do(self, order: Order) -> None:
        """Do."""

    async def reread(self) -> None:
        """Read."""
