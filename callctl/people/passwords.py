"""Passwords: what is good enough, how it is kept (argon2id), and how many are weighed at a time."""

import asyncio
import secrets
from collections.abc import Callable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from callctl.core.acts import ActRefused, Sentence

SHORTEST = 12  # Characters.
LONGEST = 128  # More is no stronger, and argon2 is not asked to chew on a novel.
KINDS = 3  # Of lower case, upper case, digits, others (等级保护 asks for three).
KEPT = 5  # So many passwords back may not come again.
AT_A_TIME = 2  # argon2id takes 64 MiB and 0.2 s a time; more at once would be a way to stop the console.
WAITING_MOST = 20  # Who comes after so many is told to come later.

_COMMON = ("password", "callctl", "12345", "qwerty", "admin", "jiangsu", "888888", "666666", "123123", "abcdef", "iloveyou")


class TooBusy(ActRefused):
    """Too many sign in at this moment."""


def check_password(password: str, account: str) -> None:
    """Raises ActRefused with every reason, at the field `password`."""
    wrong: list[Sentence] = []
    if len(password) < SHORTEST:
        wrong.append(Sentence(f"至少 {SHORTEST} 个字符", f"at least {SHORTEST} characters"))
    if len(password) > LONGEST:
        wrong.append(Sentence(f"最多 {LONGEST} 个字符", f"at most {LONGEST} characters"))
    if not password.isprintable():
        wrong.append(Sentence("不能有控制字符", "no control characters"))
    if len({_kind(letter) for letter in password}) < KINDS:
        wrong.append(
            Sentence("大写、小写、数字、其他符号须有三种", "three kinds of: capitals, small letters, digits, other signs")
        )
    low = password.lower()
    rest = low
    for common in (*_COMMON, account.lower()):
        rest = rest.replace(common, "")
    if len(rest) < SHORTEST / 2 or len(set(low)) < SHORTEST / 2:
        wrong.append(Sentence("太容易猜到", "too easy to guess"))
    if wrong:
        zh, en = "；".join(one.zh for one in wrong), "; ".join(one.en for one in wrong)
        raise ActRefused(f"密码不合格：{zh}", f"the password will not do: {en}", {"password": Sentence(zh, en)})


def _kind(letter: str) -> str:
    if letter.isascii() and letter.isalpha():
        return "small" if letter.islower() else "capital"
    return "digit" if letter.isdigit() else "other"


@cache
def _nobody() -> str:
    """Weighed for accounts that do not exist, so that time does not tell which do. Nobody knows its password."""
    return PasswordHasher().hash(secrets.token_urlsafe(16))


class Scales:
    """Weighs passwords in threads, a few at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._waiting = 0
        self._nobody = _nobody()

    async def keep(self, password: str) -> str:
        """What is kept of a password. Raises TooBusy."""
        return await self._turn(lambda: self._hasher.hash(password))

    async def fits(self, kept: str, password: str) -> bool:
        """Whether this is the password; "" kept never fits, and takes as long. Raises TooBusy."""
        if len(password) > LONGEST:
            return False
        return await self._turn(lambda: self._verify(kept or self._nobody, password)) == "yes" and bool(kept)

    def outdated(self, kept: str) -> bool:
        """Whether it was kept with weaker settings than today's."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str, password: str) -> str:
        try:
            self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return "no"
        return "yes"

    async def _turn(self, weigh: Callable[[], str]) -> str:
        if self._waiting >= WAITING_MOST:
            raise TooBusy("同时登录的人太多，请稍候再试", "too many people sign in at this moment; try again shortly")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(weigh)
        finally:
            self._waiting -= 1
