"""Signing in and out: name, password, one-time code where the account has one; guessing is slow and soon locked."""

from collections.abc import Callable

from callctl.core.acts import ActRefused, Sentence
from callctl.people.codes import step_of
from callctl.people.passwords import Scales
from callctl.store.accounts import Account, AccountBook, Secrets
from callctl.store.port import AuditEntry
from callctl.store.tries import Tries
from callctl.store.visits import Visit, Visits

LOCKED_S = 900.0  # A quarter of an hour, counted from the first wrong try.
TRIES_PERSON = 5  # Wrong tries for one account from one address.
TRIES_ACCOUNT = 20  # … from everywhere: so many addresses are no forgetful person.
TRIES_ADDRESS = 60  # … from one address for whatever accounts: a hall of agents behind one address may mistype.
OLDEST_PASSWORD_S = 90 * 86_400.0  # Then it must be changed at the next sign-in.


class SignInRefused(ActRefused):
    """Name, password or code is wrong; which one is not said."""


class CodeNeeded(ActRefused):
    """Name and password are right; the account also asks for its one-time code."""


class Locked(ActRefused):
    """Too many wrong tries; also the right password does not help for a while."""


class SignIn:
    """The way in. Every call may also raise StoreLost and TooBusy."""

    def __init__(self, book: AccountBook, visits: Visits, tries: Tries, scales: Scales, now: Callable[[], float]) -> None:
        self._book = book
        self._visits = visits
        self._tries = tries
        self._scales = scales
        self._now = now

    async def enter(self, name: str, password: str, code: str, address: str, browser: str) -> tuple[Visit, str]:
        """Begin a visit; the visit, and the secret for the cookie. Raises SignInRefused, CodeNeeded, Locked."""
        name = name.strip()[:64]
        keys = [f"{name}@{address}", f"account:{name}", f"address:{address}"]
        counts = await self._tries.count(keys, LOCKED_S)
        if any(n > most for n, most in zip(counts, (TRIES_PERSON, TRIES_ACCOUNT, TRIES_ADDRESS), strict=True)):
            if counts[0] == TRIES_PERSON + 1 or counts[1] == TRIES_ACCOUNT + 1:
                await self._note("sign in locked", name, address)
            raise _LOCKED
        found = await self._book.find(name)
        account, secrets = found or (None, Secrets("", "", 0))
        fits = await self._scales.fits(secrets.password, password)
        if account is None or not fits or account.closed:
            await self._note("sign in refused", name if account else "", address)
            raise _REFUSED
        await self._check_code(account, secrets, code, address)
        if self._scales.outdated(secrets.password):
            await self._book.rehash(account.name, await self._scales.keep(password))
        await self._tries.forget(keys)
        return await self.begin(account, address, browser)

    async def begin(self, account: Account, address: str, browser: str) -> tuple[Visit, str]:
        """Begin a visit for somebody who has proved to be that person."""
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
        await self._note("sign in", account.name, address)
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
_LOCKED = Locked(
    "输错次数太多，请 15 分钟后再试，或请安全管理员重新邀请",
    "too many wrong tries; try again in 15 minutes, or ask the security administrator for a new invitation",
)
