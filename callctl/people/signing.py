"""Signing in and out: name, password, one-time code where the account has one; guessing is slow and soon locked."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from callctl.core.acts import ActRefused, Sentence
from callctl.people.codes import step_of
from callctl.people.guessing import Guessing
from callctl.people.passwords import Scales, TooBusy
from callctl.store.accounts import Account, AccountBook, Secrets
from callctl.store.port import AuditEntry, StoreLost
from callctl.store.visits import Visit, Visits, digest

OLDEST_PASSWORD_S = 90 * 86_400.0  # Then it must be changed at the next sign-in.


class SignInRefused(ActRefused):
    """Name, password or code is wrong; which one is not said."""


class CodeNeeded(ActRefused):
    """Name and password are right; the account also asks for its one-time code."""


class SignIn:
    """The way in. Every call may also raise StoreLost and TooBusy."""

    def __init__(
        self, book: AccountBook, visits: Visits, guessing: Guessing, scales: Scales, now: Callable[[], float]
    ) -> None:
        self._book = book
        self._visits = visits
        self._guessing = guessing
        self._scales = scales
        self._now = now

    async def enter(self, name: str, password: str, code: str, address: str, browser: str) -> tuple[Visit, str]:
        """Begin a visit; the visit, and the secret for the cookie. Raises SignInRefused, CodeNeeded, Locked."""
        name = name.strip()[:64]
        await self._guessing.begin(name, address)
        try:
            account = await self._proved(name, password, code, address)
            entered = await self.begin(account, address, browser)
        except (CodeNeeded, TooBusy, StoreLost):
            # No guess: a hall that tries on while SQL is away must not lock itself out.
            with suppress(StoreLost):
                await self._guessing.take_back(name, address)
            raise
        await self._guessing.take_back(name, address)
        await self._guessing.forgive(name, address)
        return entered

    async def _proved(self, name: str, password: str, code: str, address: str) -> Account:
        found = await self._book.find(name)
        account, secrets = found or (None, Secrets("", "", 0))
        fits = await self._scales.fits(secrets.password, password)
        if account is None or not fits or account.closed:
            await self._note("sign in refused", name if account else "", address)
            raise _REFUSED
        await self._check_code(account, secrets, code, address)
        if self._scales.outdated(secrets.password):
            await self._book.rehash(account.name, secrets.password, await self._scales.keep(password))
        return account

    async def begin(self, account: Account, address: str, browser: str) -> tuple[Visit, str]:
        """Begin a visit for somebody who has proved to be that person. Raises SignInRefused.

        `account` was read before the password was weighed, which takes long enough to lose a race: whoever changed or
        closed it meanwhile has ended its visits before this one began. So it is read again after.
        """
        now = self._now()
        visit = Visit(
            key="",
            account=account.name,
            name=shown_name(account),
            roles=account.roles,
            cities=account.cities,
            agent=account.agent,
            opened_at=now,
            seen_at=now,
            address=address,
            browser="".join(letter for letter in browser if letter.isprintable())[:200],
            must_change=account.password_at is None or now - account.password_at > OLDEST_PASSWORD_S,
        )
        secret = await self._visits.open(visit)
        opened = replace(visit, key=digest(secret))
        try:
            found = await self._book.find(account.name)
            if found is None or found[0] != account or account.closed:
                await self._visits.close(opened)
                await self._note("sign in refused", account.name, address)
                raise _REFUSED
            await self._note("sign in", account.name, address)
        except StoreLost:  # Nobody gets the secret, and no line of the audit knows of the visit.
            with suppress(StoreLost):
                await self._visits.close(opened)
            raise
        return visit, secret

    async def leave(self, visit: Visit, address: str) -> None:
        """End the visit."""
        await self._visits.close(visit)
        await self._note("sign out", visit.account, address)

    async def _check_code(self, account: Account, secrets: Secrets, code: str, address: str) -> None:
        if not secrets.code_key:
            return
        if not code.strip():
            raise _CODE_NEEDED
        step = step_of(secrets.code_key, code, self._now(), secrets.code_step)
        if step is None or not await self._book.use_code(account.name, step):
            await self._note("sign in refused", account.name, address)
            raise _REFUSED

    async def _note(self, what: str, account: str, address: str) -> None:
        # A name nobody has is not noted: people type their password there by mistake.
        await self._book.note(AuditEntry(self._now(), account or "?", address, what, "", "", ""))


def shown_name(account: Account) -> str:
    """How the audit and the pages call the person."""
    return f"{account.person}({account.name})" if account.person != account.name else account.name


_REFUSED = SignInRefused(
    "账号、密码或动态码不对",
    "account, password or one-time code is wrong",
    {"password": Sentence("请再输一次", "please type it again")},
)
_CODE_NEEDED = CodeNeeded(
    "请输入动态码",
    "type the one-time code",
    {"code": Sentence("手机验证器上的六位数字", "the six digits of your authenticator")},
)
