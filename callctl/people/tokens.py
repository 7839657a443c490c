"""Machine tokens, remembered for a few seconds: a machine asks often, and the database should not answer each time."""

from collections.abc import Callable

from callctl.store.accounts import AccountBook, Token
from callctl.store.port import StoreLost
from callctl.store.visits import digest

REMEMBERED_S = 5.0  # How long an ended token may still be good.
GRACE_S = 300.0  # How long a known token is good while the database cannot be asked.
MOST = 500


class Tokens:
    """Finds tokens by their secrets. May raise StoreLost."""

    def __init__(self, book: AccountBook, now: Callable[[], float]) -> None:
        self._book = book
        self._now = now
        self._known: dict[str, tuple[float, Token | None]] = {}

    async def find(self, secret: str) -> Token | None:
        """The token of this secret, or None."""
        if not secret or len(secret) > 100:
            return None
        key, now = digest(secret), self._now()
        at, token = self._known.get(key, (0.0, None))
        if now - at > REMEMBERED_S:
            try:
                token = await self._book.token(key, now)
                at = now
            except StoreLost:
                if token is not None and token.until <= now:
                    return None
                if token is None or now - at > GRACE_S:
                    raise
            if len(self._known) >= MOST:
                self._known.clear()  # Somebody tries tokens: a cache is not to grow by that.
            self._known[key] = (at, token)
        return token if token is not None and token.until > now else None
