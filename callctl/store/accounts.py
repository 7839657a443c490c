"""Accounts, invitations and machine tokens in SQL. What may be asked of them is decided in callctl.people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from callctl.store.cabinet import Cabinet
from callctl.store.console_tables import accounts, invitations, old_passwords, tokens
from callctl.store.port import AuditEntry, Refusal


class AccountTaken(Refusal):
    """An account or token of this name is there already."""


class AccountChanged(Refusal):
    """Somebody else changed the account first."""


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account, without its secrets."""

    name: str
    person: str
    roles: tuple[str, ...]
    cities: tuple[str, ...]
    agent: str
    closed: bool
    version: int
    created_at: float
    password_at: float | None  # None: the invitation has not been taken up.
    has_codes: bool  # One-time codes are asked for at the sign-in.


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an account is proved by."""

    password: str
    code_key: str
    code_step: int


@dataclass(frozen=True, slots=True)
class Token:
    """What a machine may do."""

    name: str
    roles: tuple[str, ...]
    cities: tuple[str, ...]
    rights: tuple[str, ...]  # () is all that the roles may.
    made_at: float
    made_by: str
    until: float
    ended_at: float | None


class AccountBook:
    """Every call may raise StoreLost."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    async def find(self, name: str) -> tuple[Account, Secrets] | None:
        """The account, or None."""
        async with self._cabinet.reading() as connection:
            row = (await connection.execute(select(accounts).where(accounts.c.name == name))).mappings().one_or_none()
        return (_account(row), Secrets(row["password"], row["code_key"], row["code_step"])) if row else None

    async def all(self) -> Sequence[Account]:
        """Every account, by name."""
        async with self._cabinet.reading() as connection:
            rows = (await connection.execute(select(accounts).order_by(accounts.c.name))).mappings().all()
        return [_account(row) for row in rows]

    async def add(self, entry: AuditEntry, account: Account, invitation: str, until: float) -> None:
        """A new account without a password, and the digest of its invitation. Raises AccountTaken."""
        values = {**_changeable(account), "name": account.name, "version": 1, "created_at": entry.at}
        async with self._cabinet.writing(entry) as connection:
            taken = await connection.execute(select(accounts.c.name).where(accounts.c.name == account.name))
            if taken.one_or_none():
                raise AccountTaken(f"an account {account.name} is there already")
            await connection.execute(accounts.insert().values({**values, "password": "", "code_key": "", "code_step": 0}))
            await connection.execute(
                invitations.insert().values(digest=invitation, account=account.name, made_at=entry.at, until=until)
            )

    async def change(self, entry: AuditEntry, account: Account) -> None:
        """Write person, roles, cities, agent and closed, if nobody did since `account.version`. Raises AccountChanged."""
        wanted = update(accounts).where(accounts.c.name == account.name, accounts.c.version == account.version)
        async with self._cabinet.writing(entry) as connection:
            done = await connection.execute(wanted.values({**_changeable(account), "version": account.version + 1}))
            if done.rowcount != 1:
                raise AccountChanged(f"the account {account.name} was changed by somebody else meanwhile: look again")

    async def invite(self, entry: AuditEntry, name: str, invitation: str, until: float) -> None:
        """A new invitation; those before it are void."""
        async with self._cabinet.writing(entry) as connection:
            await connection.execute(
                update(invitations)
                .where(invitations.c.account == name, invitations.c.used_at.is_(None))
                .values(used_at=entry.at)
            )
            await connection.execute(
                invitations.insert().values(digest=invitation, account=name, made_at=entry.at, until=until)
            )

    async def invited(self, invitation: str, now: float) -> str | None:
        """The account an unused invitation is for."""
        wanted = select(invitations.c.account).where(
            invitations.c.digest == invitation, invitations.c.used_at.is_(None), invitations.c.until > now
        )
        async with self._cabinet.reading() as connection:
            found: str | None = (await connection.execute(wanted)).scalar_one_or_none()
        return found

    async def take_up(self, entry: AuditEntry, name: str, kept: str, invitation: str) -> bool:
        """Give the account a password by its invitation, and ask for no one-time codes; False: it was used meanwhile."""
        unused = invitations.c.digest == invitation, invitations.c.used_at.is_(None)
        given = update(accounts).where(accounts.c.name == name)
        async with self._cabinet.writing(entry) as connection:
            used = await connection.execute(update(invitations).where(*unused).values(used_at=entry.at))
            if used.rowcount != 1:
                await connection.rollback()
                return False
            await connection.execute(given.values(password=kept, password_at=entry.at, code_key="", code_step=0))
            await connection.execute(old_passwords.insert().values(account=name, at=entry.at, password=kept))
        return True

    async def change_password(self, entry: AuditEntry, name: str, before: str, kept: str) -> bool:
        """Another password in place of the one kept as `before`; False where that was changed meanwhile."""
        same = accounts.c.name == name, accounts.c.password == before
        async with self._cabinet.writing(entry) as connection:
            done = await connection.execute(update(accounts).where(*same).values(password=kept, password_at=entry.at))
            if done.rowcount != 1:
                await connection.rollback()
                return False
            await connection.execute(old_passwords.insert().values(account=name, at=entry.at, password=kept))
        return True

    async def rehash(self, name: str, before: str, kept: str) -> None:
        """The same password, kept better; unless it was changed since it was kept as `before`."""
        same = accounts.c.name == name, accounts.c.password == before
        async with self._cabinet.writing(None) as connection:
            await connection.execute(update(accounts).where(*same).values(password=kept))

    async def passwords_had(self, name: str, last: int) -> Sequence[str]:
        """The newest passwords of the account, as they are kept."""
        wanted = select(old_passwords.c.password).where(old_passwords.c.account == name)
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(wanted.order_by(old_passwords.c.id.desc()).limit(last))
            return list(rows.scalars())

    async def set_codes(self, entry: AuditEntry, name: str, password: str, key: str, step: int) -> bool:
        """Ask for one-time codes of this key from now on; False where the password kept so was changed meanwhile."""
        same = accounts.c.name == name, accounts.c.password == password
        async with self._cabinet.writing(entry) as connection:
            done = await connection.execute(update(accounts).where(*same).values(code_key=key, code_step=step))
            if done.rowcount != 1:
                await connection.rollback()
                return False
        return True

    async def use_code(self, name: str, step: int) -> bool:
        """Spend a code; False where it, or a later one, was spent already."""
        fresh = accounts.c.name == name, accounts.c.code_step < step
        async with self._cabinet.writing(None) as connection:
            done = await connection.execute(update(accounts).where(*fresh).values(code_step=step))
        return bool(done.rowcount == 1)

    async def note(self, entry: AuditEntry) -> None:
        """Only the audit entry."""
        async with self._cabinet.writing(entry):
            pass

    async def token(self, digest: str, now: float) -> Token | None:
        """The token with this digest, unless it has ended."""
        wanted = select(tokens).where(tokens.c.digest == digest, tokens.c.until > now, tokens.c.ended_at.is_(None))
        async with self._cabinet.reading() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        return _token(row) if row else None

    async def all_tokens(self) -> Sequence[Token]:
        """Every token that there ever was, by name."""
        async with self._cabinet.reading() as connection:
            rows = (await connection.execute(select(tokens).order_by(tokens.c.name))).mappings().all()
        return [_token(row) for row in rows]

    async def add_token(self, entry: AuditEntry, token: Token, digest: str) -> None:
        """A new token. Raises AccountTaken."""
        async with self._cabinet.writing(entry) as connection:
            taken = await connection.execute(select(tokens.c.name).where(tokens.c.name == token.name))
            if taken.one_or_none():
                raise AccountTaken(f"a token {token.name} is, or was, there already")
            await connection.execute(
                tokens.insert().values(
                    name=token.name,
                    digest=digest,
                    roles=",".join(token.roles),
                    cities=",".join(token.cities),
                    rights=",".join(token.rights),
                    made_at=token.made_at,
                    made_by=token.made_by,
                    until=token.until,
                )
            )

    async def end_token(self, entry: AuditEntry, name: str) -> None:
        """The token is good for nothing any more."""
        open_one = tokens.c.name == name, tokens.c.ended_at.is_(None)
        async with self._cabinet.writing(entry) as connection:
            await connection.execute(update(tokens).where(*open_one).values(ended_at=entry.at))


def _changeable(account: Account) -> Mapping[str, Any]:
    return {
        "person": account.person,
        "roles": ",".join(sorted(account.roles)),
        "cities": ",".join(sorted(account.cities)),
        "agent": account.agent,
        "closed": account.closed,
    }


def _account(row: RowMapping) -> Account:
    return Account(
        name=row["name"],
        person=row["person"],
        roles=_parts(row["roles"]),
        cities=_parts(row["cities"]),
        agent=row["agent"],
        closed=row["closed"],
        version=row["version"],
        created_at=row["created_at"],
        password_at=row["password_at"],
        has_codes=bool(row["code_key"]),
    )


def _token(row: RowMapping) -> Token:
    return Token(
        name=row["name"],
        roles=_parts(row["roles"]),
        cities=_parts(row["cities"]),
        rights=_parts(row["rights"]),
        made_at=row["made_at"],
        made_by=row["made_by"],
        until=row["until"],
        ended_at=row["ended_at"],
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
