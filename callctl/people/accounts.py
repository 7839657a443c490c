"""The accounts: made, changed and closed by the security administrator, proved by their own people, all of it audited.

三员分立: system, security and audit administrator are three people, and none of them runs the hotline.
"""

import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from callctl.atlas import find_city
from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import Province
from callctl.people import codes
from callctl.people.guessing import Guessing
from callctl.people.passwords import KEPT, Scales, check_password
from callctl.rights import EVERYWHERE, PROVINCE_WIDE, RIGHTS, Actor, Role, clashing
from callctl.store.accounts import Account, AccountBook, Token
from callctl.store.port import AuditEntry, RegistryLost, StoreLost
from callctl.store.visits import Visits, digest, new_secret

NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
PERSON_MOST = 40  # Characters of a name as people write it.
INVITED_S = 86_400.0  # A day to take up an invitation.
TOKEN_DAYS_MOST = 400  # A machine's token is renewed once a year.
REASON_MOST = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account shall be."""

    person: str
    roles: frozenset[Role]
    cities: frozenset[str]
    agent: str = ""
    closed: bool = False


class Untouched(StoreLost):
    """A store was lost before anything was written: the password is what it was."""

    def __init__(self, lost: StoreLost) -> None:
        super().__init__(str(lost))
        self.registry = isinstance(lost, RegistryLost)


class People:
    """Every call may raise ActRefused (NotAllowed and Locked among it), StoreLost, Refusal.

    What ends visits ends them before it writes, and again after: with Redis away nothing is done, and should it go just
    then, no visit is left that began by the old password.
    """

    def __init__(
        self,
        province: Province,
        book: AccountBook,
        visits: Visits,
        guessing: Guessing,
        scales: Scales,
        now: Callable[[], float],
    ) -> None:
        self._province = province
        self._book = book
        self._visits = visits
        self._guessing = guessing
        self._scales = scales
        self._now = now

    async def create(self, actor: Actor, name: str, wanted: Wanted, reason: str = "", request: str = "") -> str:
        """A new account; the invitation by which its person sets the first password, to be handed over in private."""
        actor.must("change accounts", "")
        if not NAME.fullmatch(name):
            raise _at(
                "name",
                "账号须以小写字母开头，2 到 32 个小写字母、数字或 . _ -",
                "2 to 32 small letters, digits or . _ -, a letter first",
            )
        account = self._checked(Account(name, "", (), (), "", False, 1, 0.0, None, False), wanted)
        actor.must_for_all("change accounts", account.cities)
        invitation = new_secret()
        entry = self._entry(actor, "account create", "", _shown(account), reason, request, account.cities)
        await self._book.add(entry, account, digest(invitation), self._now() + INVITED_S)
        return invitation

    async def change(
        self, actor: Actor, name: str, version: int, wanted: Wanted, reason: str = "", request: str = ""
    ) -> Account:
        """Change an account as it was at `version`; its visits end, for what it may do was copied into them.

        Its cities must all be the actor's, those it had and those it shall have.
        """
        before = await self._of(actor, "change accounts", name)
        if actor.account == name:
            raise ActRefused(
                "不能改自己的账号，请另一位安全管理员来改", "nobody changes the own account: ask another administrator"
            )
        after = replace(self._checked(before, wanted), version=version)
        actor.must_for_all("change accounts", after.cities)
        both = frozenset(before.cities) | frozenset(after.cities)
        entry = self._entry(actor, "account change", _shown(before), _shown(after), reason, request, both)
        if before.version == version:  # Else the book refuses it, and nobody is to be signed out for that.
            await self._visits.close_all(name)
        await self._book.change(entry, after)
        await self._visits.close_all(name)
        return await self._find(name)

    async def invite(self, actor: Actor, name: str, reason: str = "", request: str = "") -> str:
        """A new invitation, for who forgot the password or lost the telephone; those before it are void, visits end.

        Password and one-time codes hold until it is taken up: an invitation that is lost on its way weakens nothing.
        """
        account = await self._of(actor, "change accounts", name)
        if account.closed:
            raise ActRefused("账号已停用", "the account is closed")
        invitation = new_secret()
        entry = self._entry(actor, "account invite", "", name, reason, request, account.cities)
        await self._visits.close_all(name)
        await self._book.invite(entry, name, digest(invitation), self._now() + INVITED_S)
        return invitation

    async def take_up(self, invitation: str, password: str, address: str) -> Account:
        """Set a password by an invitation, which is used up by it; one-time codes are off then, wrong tries forgotten.

        Raises Untouched where a store was away before it was done.
        """
        mark = digest(invitation.strip()[:100])
        with _nothing_done():
            name = await self._book.invited(mark, self._now())
            if name is None:
                raise _INVITATION_VOID
            had_codes = (await self._find(name)).has_codes
            kept = await self._new_password(name, password)
            await self._visits.close_all(name)
        off = "codes off" if had_codes else ""
        entry = AuditEntry(self._now(), name, address, "password set", "", "", off, "by invitation")
        if not await self._book.take_up(entry, name, kept, mark):
            raise _INVITATION_VOID
        await self._visits.close_all(name)
        await self._guessing.forgive(name, address)
        return await self._find(name)

    async def change_password(self, name: str, old: str, new: str, address: str, visit: str = "") -> None:
        """The own password. Every visit of the account ends; who changed it begins a new one. Raises Untouched, Locked.

        `visit`: key of the visit it is changed in, which ends last: refused, the person is still there to try again.
        """
        with _nothing_done():
            before = await self._guessing.prove(name, old, address)
            if before is None:
                raise _OLD_WRONG
            kept = await self._new_password(name, new)
            await self._visits.close_all(name, visit)
        entry = AuditEntry(self._now(), name, address, "password set", "", "", "")
        if not await self._book.change_password(entry, name, before, kept):
            raise _OLD_WRONG
        await self._visits.close_all(name)

    async def use_codes(self, name: str, password: str, key: str, code: str, address: str) -> None:
        """Ask this account for one-time codes from now on; `code` shows that the authenticator has the key.

        The password is asked for, lest whoever finds a page open puts the own telephone in place of the person's.
        """
        kept = await self._guessing.prove(name, password, address)
        if kept is None:
            raise _PASSWORD_WRONG
        try:
            step = codes.step_of(key, code, self._now(), 0) if 16 <= len(key) <= 64 else None
        except ValueError:
            step = None
        if step is None:
            raise _at("code", "动态码不对，请核对手机时间", "the code is wrong; is the telephone's clock right?")
        entry = AuditEntry(self._now(), name, address, "codes on", "", "off", "on")
        if not await self._book.set_codes(entry, name, kept, key, step):
            raise _PASSWORD_WRONG

    async def own(self, name: str) -> Account:
        """The account of who asks."""
        return await self._find(name)

    async def accounts(self, actor: Actor) -> Sequence[Account]:
        """Every account whose cities are all the actor's."""
        actor.must("see accounts", "")
        return [account for account in await self._book.all() if actor.holds(account.cities)]

    async def seen(self, actor: Actor, name: str) -> Account:
        """One account, whose cities must all be the actor's."""
        return await self._of(actor, "see accounts", name)

    async def end_visits(self, actor: Actor, name: str, key: str = "", reason: str = "") -> int:
        """Sign the account out everywhere, or end only the visit with this key; how many ended."""
        account = await self._of(actor, "change accounts", name)
        await self._visits.of(name)  # With Redis away nothing is noted either.
        await self._book.note(self._entry(actor, "visits end", name, "", reason, cities=account.cities))
        if not key:
            return await self._visits.close_all(name)
        ended = [visit for visit in await self._visits.of(name) if visit.key == key]
        for visit in ended:
            await self._visits.close(visit)
        return len(ended)

    async def make_token(
        self,
        actor: Actor,
        name: str,
        roles: Iterable[Role],
        cities: Iterable[str],
        rights: Iterable[str],
        days: int,
        reason: str = "",
        request: str = "",
    ) -> str:
        """A machine's token; shown this once. `rights` (of callctl.rights) narrow what the roles may; none: all of it."""
        actor.must("change accounts", "")
        if not NAME.fullmatch(name):
            raise _at("name", "名称须以小写字母开头，2 到 32 个字符", "2 to 32 small letters, digits or . _ -")
        held, narrowed = frozenset(roles), frozenset(rights)
        if unknown := narrowed - RIGHTS.keys():
            raise _at(
                "rights", f"没有这种权限：{'、'.join(sorted(unknown))}", f"no such right: {', '.join(sorted(unknown))}"
            )
        if Role.SECURITY_ADMIN in held:
            raise _at("roles", "机器令牌不能管理账号", "a machine does not manage accounts")
        if not 1 <= days <= TOKEN_DAYS_MOST:
            raise _at("days", f"须为 1 到 {TOKEN_DAYS_MOST} 天", f"1 to {TOKEN_DAYS_MOST} days")
        self._check_post(held, frozenset(cities), "")
        if unheld := sorted(right for right in narrowed if not held & RIGHTS[right]):
            raise _at("rights", f"所选角色没有这些权限：{'、'.join(unheld)}", f"no chosen role has: {', '.join(unheld)}")
        reached = self._codes(cities)
        if EVERYWHERE not in reached and (wide := sorted(narrowed & PROVINCE_WIDE)):
            raise _at(
                "rights", f"这些权限关系全省，范围须为全省：{'、'.join(wide)}", f"needs the province: {', '.join(wide)}"
            )
        actor.must_for_all("change accounts", reached)
        now, secret = self._now(), new_secret()
        token = Token(
            name=name,
            roles=tuple(sorted(role.value for role in held)),
            cities=reached,
            rights=tuple(sorted(narrowed)),
            made_at=now,
            made_by=actor.name[:64],
            until=now + days * 86_400.0,
            ended_at=None,
        )
        shown = json.dumps({"name": name, "roles": token.roles, "cities": token.cities, "rights": token.rights})
        entry = self._entry(actor, "token create", "", shown, reason, request, reached)
        await self._book.add_token(entry, token, digest(secret))
        return secret

    async def end_token(self, actor: Actor, name: str, reason: str = "", request: str = "") -> None:
        """The token is refused from now on (within seconds, tokens.REMEMBERED_S)."""
        actor.must("change accounts", "")
        token = next((token for token in await self._book.all_tokens() if token.name == name), None)
        if token is None:
            raise NoSuchAccount(f"没有令牌 {name[:40]}", f"there is no token {name[:40]}")
        actor.must_for_all("change accounts", token.cities)
        await self._book.end_token(self._entry(actor, "token end", name, "", reason, request, token.cities), name)

    async def tokens(self, actor: Actor) -> Sequence[Token]:
        """Every token whose cities are all the actor's, without its secret."""
        actor.must("see accounts", "")
        return [token for token in await self._book.all_tokens() if actor.holds(token.cities)]

    async def _find(self, name: str) -> Account:
        found = await self._book.find(name)
        if found is None:
            raise NoSuchAccount(f"没有账号 {name[:40]}", f"there is no account {name[:40]}")
        return found[0]

    async def _of(self, actor: Actor, what: str, name: str) -> Account:
        """The account, where this person may do this for all its cities."""
        actor.must(what, "")
        account = await self._find(name)
        actor.must_for_all(what, account.cities)
        return account

    async def _new_password(self, name: str, password: str) -> str:
        check_password(password, name)
        for kept in await self._book.passwords_had(name, KEPT):
            if await self._scales.fits(kept, password):
                raise _at("password", f"不能用最近 {KEPT} 个用过的密码", f"not one of the last {KEPT} passwords")
        return await self._scales.keep(password)

    def _checked(self, account: Account, wanted: Wanted) -> Account:
        person = wanted.person.strip() or account.person
        if not (0 < len(person) <= PERSON_MOST and person.isprintable()):
            raise _at("person", f"姓名须为 1 到 {PERSON_MOST} 个字符", f"a name of 1 to {PERSON_MOST} characters")
        self._check_post(wanted.roles, wanted.cities, wanted.agent, wanted.closed)
        return replace(
            account,
            person=person,
            roles=tuple(sorted(role.value for role in wanted.roles)),
            cities=self._codes(wanted.cities),
            agent=wanted.agent,
            closed=wanted.closed,
        )

    def _check_post(self, roles: frozenset[Role], cities: frozenset[str], agent: str, closed: bool = False) -> None:
        if not roles:
            raise _at("roles", "至少一个角色", "one role at least")
        if clashing(roles):
            raise _at(
                "roles",
                "三员分立：系统、安全、审计管理员各由一人担任，且不兼业务角色",
                "system, security and audit administrator are different people and hold no other role",
            )
        if not cities:
            raise _at("cities", "至少一个市，或 * 表示全省", "one city at least, or * for the province")
        if Role.SYSTEM_ADMIN in roles and EVERYWHERE not in cities and not closed:  # Closing one of before is always fine.
            raise _at(
                "cities",
                "系统管理员管全省的推送，范围须为全省",
                "a system administrator runs the province's webhooks: the whole province",
            )
        codes_of = self._codes(cities)
        if Role.AGENT in roles:
            numbers = {
                seat.agent
                for code in codes_of
                if code in self._province.cities
                for seat in self._province.cities[code].seats
            }
            if len(codes_of) != 1 or agent not in numbers:
                raise _at("agent", "话务员须有本市的工号", "an agent needs the number of an agent of the one city")

    def _codes(self, cities: Iterable[str]) -> tuple[str, ...]:
        named = frozenset(cities)
        if EVERYWHERE in named:
            return (EVERYWHERE,)
        return tuple(sorted(find_city(self._province, city).code for city in named))

    def _entry(
        self,
        actor: Actor,
        what: str,
        before: str,
        after: str,
        reason: str = "",
        request: str = "",
        cities: Collection[str] = (),
    ) -> AuditEntry:
        """What concerns one city alone is that city's own entry, so that its own auditor reads it; else the province's."""
        city = next(iter(cities), "") if len(cities) == 1 and EVERYWHERE not in cities else ""
        if not (reason.isprintable() and len(reason) <= REASON_MOST):
            raise _at("reason", f"事由须为一行，最多 {REASON_MOST} 字", f"one line of {REASON_MOST} characters at most")
        return AuditEntry(
            self._now(), actor.name, actor.where, what, city, before, after, reason, request or secrets.token_hex(8)
        )


class NoSuchAccount(ActRefused):
    """No account has this name."""


def _at(field: str, zh: str, en: str) -> ActRefused:
    return ActRefused(zh, en, {field: Sentence(zh, en)})


def _shown(account: Account) -> str:
    """An account as the audit keeps it."""
    shown = {
        "name": account.name,
        "person": account.person,
        "roles": account.roles,
        "cities": account.cities,
        "agent": account.agent,
        "closed": account.closed,
    }
    return json.dumps(shown, ensure_ascii=False)


@contextmanager
def _nothing_done() -> Iterator[None]:
    """What comes before the first word is written: a store that is lost in here has left everything as it was."""
    try:
        yield
    except StoreLost as lost:
        raise Untouched(lost) from lost


_OLD_WRONG = _at("old", "原密码不对", "the old password is wrong")
_PASSWORD_WRONG = _at("password", "密码不对", "the password is wrong")
_INVITATION_VOID = ActRefused(
    "邀请码无效、已用过或已过期；请安全管理员重新邀请",
    "the invitation is wrong, used or too old; ask the security administrator for a new one",
    {"invitation": Sentence("请核对邀请码", "please check the invitation")},
)
