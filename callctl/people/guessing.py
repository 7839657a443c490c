"""Against guessing: wrong passwords and codes are counted, at the sign-in and from within; too many lock for a while."""

from collections.abc import Callable
from contextlib import suppress

from callctl.core.acts import ActRefused
from callctl.people.passwords import Scales, TooBusy
from callctl.store.accounts import AccountBook
from callctl.store.port import AuditEntry, StoreLost
from callctl.store.tries import Tries

LOCKED_S = 900.0  # A quarter of an hour, counted from the first wrong try.
TRIES_PERSON = 5  # Wrong tries for one account from one address.
TRIES_ACCOUNT = 20  # … from everywhere: so many addresses are no forgetful person.
TRIES_ADDRESS = 60  # … from one address for whatever accounts: a hall of agents behind one address may mistype.


class Locked(ActRefused):
    """Too many wrong tries; also the right password does not help for a while."""


class Guessing:
    """The tries of an account and of an address. Every call may raise StoreLost."""

    def __init__(self, tries: Tries, book: AccountBook, scales: Scales, now: Callable[[], float]) -> None:
        self._tries = tries
        self._book = book
        self._scales = scales
        self._now = now

    async def begin(self, name: str, address: str) -> None:
        """Count a try before it is weighed, for many may be weighed at once. Raises Locked."""
        counts = await self._tries.count(_keys(name, address), LOCKED_S)
        if any(n > most for n, most in zip(counts, (TRIES_PERSON, TRIES_ACCOUNT, TRIES_ADDRESS), strict=True)):
            if counts[0] == TRIES_PERSON + 1 or counts[1] == TRIES_ACCOUNT + 1:
                await self._book.note(AuditEntry(self._now(), name or "?", address, "sign in locked", "", "", ""))
            raise _LOCKED

    async def prove(self, name: str, password: str, address: str) -> str | None:
        """What is kept of the account's password where this is it, for who is signed in. Raises Locked, TooBusy."""
        await self.begin(name, address)
        try:
            found = await self._book.find(name)
            kept = found[1].password if found else ""
            fits = await self._scales.fits(kept, password)
        except (TooBusy, StoreLost):
            with suppress(StoreLost):
                await self.take_back(name, address)
            raise
        if not fits:
            await self._book.note(AuditEntry(self._now(), name, address, "password refused", "", "", ""))
            return None
        await self.take_back(name, address)
        return kept

    async def take_back(self, name: str, address: str) -> None:
        """The try that was begun was no wrong one; those before it stay counted."""
        await self._tries.take_back(_keys(name, address), LOCKED_S)

    async def forgive(self, name: str, address: str) -> None:
        """The person has proved to be that one: the account's wrong tries are forgotten.

        The address's are not: who has one account of a city could else guess at the others for ever.
        """
        person, account, _ = _keys(name, address)
        await self._tries.forget([person, account])


def _keys(name: str, address: str) -> list[str]:
    return [f"{name}@{address}", f"account:{name}", f"address:{address}"]


_LOCKED = Locked(
    "输错次数太多，请 15 分钟后再试，或请安全管理员重新邀请，设置新密码后即可登录",
    "too many wrong tries; try again in 15 minutes, or ask the security administrator to invite you to set a new password",
)
