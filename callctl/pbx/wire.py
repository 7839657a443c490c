"""What a connection to a PBX's management interface can do, and how it fails, whichever PBX it leads to."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

FORBIDDEN = "\r\n\0"  # In anything we send: each could smuggle in a command of somebody else's.

Said_co = TypeVar("Said_co", covariant=True)


class WireError(Exception):
    """A question had no answer, or the answer was no; str() says which, for a person."""


class Refused(WireError):
    """The PBX said no; str() is its own word."""


class LoginRefused(Refused):
    """The secret is wrong, or the PBX lets nobody in from our address."""


class Disconnected(WireError):
    """The connection is gone. What was asked may or may not have been carried out; it is never sent again."""


class Unanswered(WireError):
    """The deadline passed. What was asked may or may not have been carried out; it is never sent again."""


class Wire(Protocol[Said_co]):
    """One connection that is logged in; it brings what the PBX says by itself."""

    async def take(self, most: int) -> Sequence[Said_co]:
        """Wait for messages and take up to `most`, in order. Raises Disconnected once all are taken and none can come."""
        ...

    def take_now(self, most: int) -> Sequence[Said_co]:
        """Take what is here, up to `most`."""
        ...

    def close(self) -> None:
        """End the connection at once; nothing is pending afterwards."""
        ...
