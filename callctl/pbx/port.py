"""The one door to a city's PBX. Asterisk, FreeSWITCH and the simulated PBX stand behind it, held to one contract suite."""

from collections.abc import Callable
from typing import Protocol

from callctl.core.commands import Order
from callctl.core.events import Fact

# A PbxLost whose reason opens with this: the secret or the account is wrong, and only a person can mend it.
LOGIN_REFUSED = "the PBX refuses the manager account"


class OrderFailed(Exception):
    """An order that had no effect, or may have had none. The loop reads the state again and plans again."""


class OrderRefused(OrderFailed):
    """The PBX understood and said no; str() is its own word."""


class OrderUnanswered(OrderFailed):
    """The link broke or the deadline passed: the order may or may not have been obeyed."""


class PbxLink(Protocol):
    """One city's PBX."""

    @property
    def city(self) -> str:
        """The city's code."""
        ...

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """Connect, read, reconnect with back-off, until cancelled.

        `on_fact` is called in the PBX's order: a PbxObserved after every connect, after any gap and after reread();
        a PbxLost whenever the link breaks or stops answering. It must not block and must not raise.
        """
        ...

    async def do(self, order: Order) -> None:
        """Carry the order out; None once the PBX has confirmed it, or that it already was so.

        Raises OrderRefused, OrderUnanswered. Never re-sends; never waits longer than the link's deadline.
        """
        ...

    async def reread(self) -> None:
        """Ask for a full reading; it arrives as a PbxObserved. Raises OrderUnanswered."""
        ...
