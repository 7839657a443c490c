"""Webhooks and what is to be delivered to them, in SQL: found in audit and journal, kept until told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from callctl.core.events import CallAnswered
from callctl.core.model import SlotRef
from callctl.store.cabinet import Cabinet
from callctl.store.codec import Unreadable, decode
from callctl.store.console_tables import bookmarks, hook_deliveries, webhooks
from callctl.store.port import AuditEntry, Refusal
from callctl.store.tables import audit, journal

OVERLAP = 100  # Rows looked at again each time: of two writers the one with the lower number may be written later.
ROWS_MOST = 1000
STATES = WAITING, TOLD, DEAD = "waiting", "told", "dead"


class HookTaken(Refusal):
    """A webhook of this name is there already."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Whom to tell of what. `secret` signs; it is shown to nobody again."""

    name: str
    address: str
    secret: str
    kinds: tuple[str, ...]
    made_at: float
    made_by: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something found, before it is known who wants to hear of it."""

    mark: str  # Where it was found: "audit:17", "journal:402".
    kind: str
    at: float
    body: str  # JSON.


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing to be told to one webhook."""

    id: int
    webhook: str
    kind: str
    at: float
    body: str
    state: str
    tries: int
    next_at: float
    why: str


class HookBook:
    """Every call may raise StoreLost."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    async def all(self) -> Sequence[Webhook]:
        """Those that have not ended."""
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(select(webhooks).where(webhooks.c.ended_at.is_(None)).order_by(webhooks.c.name))
            return [_webhook(row) for row in rows.mappings()]

    async def add(self, entry: AuditEntry, hook: Webhook) -> None:
        """A new one. Raises HookTaken."""
        async with self._cabinet.writing(entry) as connection:
            if (await connection.execute(select(webhooks.c.name).where(webhooks.c.name == hook.name))).one_or_none():
                raise HookTaken(f"a webhook {hook.name} is, or was, there already")
            row = {"name": hook.name, "address": hook.address, "secret": hook.secret, "kinds": ",".join(hook.kinds)}
            await connection.execute(webhooks.insert().values({**row, "made_at": hook.made_at, "made_by": hook.made_by}))

    async def end(self, entry: AuditEntry, name: str) -> None:
        """Tell it nothing more; what waits for it is dead."""
        async with self._cabinet.writing(entry) as connection:
            await connection.execute(update(webhooks).where(webhooks.c.name == name).values(ended_at=entry.at))
            waits = hook_deliveries.c.webhook == name, hook_deliveries.c.state == WAITING
            await connection.execute(update(hook_deliveries).where(*waits).values(state=DEAD, why="the webhook was ended"))

    async def audited_since(self, kinds: Iterable[str]) -> Sequence[tuple[int, AuditEntry]]:
        """Audited acts of these words behind the bookmark, with their numbers; the bookmark moves on."""
        async with self._cabinet.writing(None) as connection:
            place = await _turn_to(connection, "audit", audit)
            wanted = select(audit).where(audit.c.id > place - OVERLAP, audit.c.what.in_(list(kinds)))
            rows = (await connection.execute(wanted.order_by(audit.c.id).limit(ROWS_MOST))).mappings().all()
            await _mark(connection, "audit", audit)
        return [
            (
                row["id"],
                AuditEntry(row["at"], row["who"], row["from_where"], row["what"], row["city"], row["before"], row["after"]),
            )
            for row in rows
        ]

    async def answered_remotely_since(self) -> Sequence[tuple[int, CallAnswered]]:
        """Calls answered by another city behind the bookmark; the bookmark moves on."""
        async with self._cabinet.writing(None) as connection:
            place = await _turn_to(connection, "journal", journal)
            wanted = select(journal.c.id, journal.c.body).where(
                journal.c.id > place - OVERLAP, journal.c.kind == CallAnswered.__name__
            )
            rows = (await connection.execute(wanted.order_by(journal.c.id))).all()
            await _mark(connection, "journal", journal)
        found = []
        for number, body in rows:
            try:
                fact = decode(body)
            except Unreadable:
                continue  # Of a later callctl; its own console tells of it.
            if isinstance(fact, CallAnswered) and isinstance(fact.by, SlotRef):
                found.append((number, fact))
        return found

    async def keep(self, happened: Sequence[Happened], hooks: Sequence[Webhook]) -> None:
        """One delivery for each webhook that wants to hear; what is there already is not kept twice."""
        rows = [
            {
                "mark": f"{hook.name}:{one.mark}", "webhook": hook.name, "kind": one.kind, "at": one.at, "body": one.body,
                "state": WAITING, "tries": 0, "next_at": one.at, "why": "",
            }
            for one in happened
            for hook in hooks
            if one.kind in hook.kinds and one.at >= hook.made_at
        ]  # fmt: skip
        if not rows:
            return
        insert = (sqlite if self._cabinet.is_sqlite else postgresql).insert
        async with self._cabinet.writing(None) as connection:
            await connection.execute(insert(hook_deliveries).on_conflict_do_nothing(index_elements=["mark"]), rows)

    async def claim(self, hook: str, now: float, again_at: float, most: int) -> Sequence[Delivery]:
        """The webhook's deliveries that are due, the oldest first; nobody else gets them before `again_at`."""
        due = hook_deliveries.c.webhook == hook, hook_deliveries.c.state == WAITING, hook_deliveries.c.next_at <= now
        claimed = []
        async with self._cabinet.writing(None) as connection:
            rows = await connection.execute(select(hook_deliveries).where(*due).order_by(hook_deliveries.c.id).limit(most))
            for row in rows.mappings().all():
                same = hook_deliveries.c.id == row["id"], hook_deliveries.c.next_at == row["next_at"]
                done = await connection.execute(update(hook_deliveries).where(*same).values(next_at=again_at))
                if done.rowcount == 1:
                    claimed.append(_delivery(row))
        return claimed

    async def told(self, delivery: Delivery) -> None:
        """It was taken."""
        await self._set(delivery, TOLD, 0.0, "")

    async def failed(self, delivery: Delivery, why: str, next_at: float | None) -> None:
        """It was not; again at `next_at`, or never (None)."""
        await self._set(delivery, WAITING if next_at is not None else DEAD, next_at or 0.0, why[:200])

    async def _set(self, delivery: Delivery, state: str, next_at: float, why: str) -> None:
        values = {"state": state, "tries": delivery.tries + 1, "next_at": next_at, "why": why}
        async with self._cabinet.writing(None) as connection:
            await connection.execute(update(hook_deliveries).where(hook_deliveries.c.id == delivery.id).values(values))

    async def deliveries(self, hook: str, state: str, last: int, before: int = 0) -> Sequence[Delivery]:
        """The newest deliveries of a webhook; of one state, if named; older than the delivery `before`, if given."""
        found: list[Delivery] = []
        async with self._cabinet.reading() as connection:
            for one in (state,) if state else STATES:  # Each by the index; together they would be sorted anew.
                wanted = select(hook_deliveries).where(hook_deliveries.c.webhook == hook, hook_deliveries.c.state == one)
                if before:
                    wanted = wanted.where(hook_deliveries.c.id < before)
                rows = await connection.execute(wanted.order_by(hook_deliveries.c.id.desc()).limit(last))
                found += [_delivery(row) for row in rows.mappings()]
        return sorted(found, key=lambda one: one.id, reverse=True)[:last]

    async def forget_told(self, happened_before: float, most: int) -> int:
        """Delete the oldest that were told, `most` a webhook at most; how many went.

        Those remain that would be found in audit or journal again and told twice, and the table's newest: SQLite gives
        the number of a deleted last row once more, and receivers know deliveries by their numbers.
        """
        oldest = select(hook_deliveries.c.id, hook_deliveries.c.mark, hook_deliveries.c.at)
        forgotten: list[int] = []
        async with self._cabinet.writing(None) as connection:
            places = {row.name: row.place for row in await connection.execute(select(bookmarks.c.name, bookmarks.c.place))}
            newest = await _end(connection, hook_deliveries)
            for name in (await connection.execute(select(webhooks.c.name))).scalars().all():
                told = hook_deliveries.c.webhook == name, hook_deliveries.c.state == TOLD
                rows = await connection.execute(oldest.where(*told).order_by(hook_deliveries.c.id).limit(most))
                for number, mark, at in rows:
                    _, source, found_at = mark.rsplit(":", 2)
                    behind = int(found_at) <= places.get(source, 0) - OVERLAP
                    if at < happened_before and behind and number != newest:
                        forgotten.append(number)
            for start in range(0, len(forgotten), ROWS_MOST):
                some = forgotten[start : start + ROWS_MOST]
                await connection.execute(delete(hook_deliveries).where(hook_deliveries.c.id.in_(some)))
        return len(forgotten)

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """How many deliveries wait and how many are dead, by webhook and state. What was told is not counted."""
        open_ones = hook_deliveries.c.state.in_((WAITING, DEAD))  # By the index of the state.
        wanted = select(hook_deliveries.c.webhook, hook_deliveries.c.state, func.count()).where(open_ones)
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(wanted.group_by(hook_deliveries.c.webhook, hook_deliveries.c.state))
            return {(name, state): count for name, state, count in rows}

    async def is_dead(self, hook: str, delivery: int) -> bool:
        """Whether this webhook has this dead delivery, however old it is."""
        dead = hook_deliveries.c.id == delivery, hook_deliveries.c.webhook == hook, hook_deliveries.c.state == DEAD
        async with self._cabinet.reading() as connection:
            return (await connection.execute(select(hook_deliveries.c.id).where(*dead))).first() is not None

    async def again(self, entry: AuditEntry, hook: str, delivery: int) -> bool:
        """Try a dead delivery once more; False where there is none."""
        dead = hook_deliveries.c.id == delivery, hook_deliveries.c.webhook == hook, hook_deliveries.c.state == DEAD
        values = {"state": WAITING, "tries": 0, "next_at": entry.at}
        async with self._cabinet.writing(entry) as connection:
            done = await connection.execute(update(hook_deliveries).where(*dead).values(values))
        return bool(done.rowcount == 1)

    async def all_again(self, entry: AuditEntry, hook: str) -> int:
        """Try every dead delivery of the webhook once more; how many."""
        dead = hook_deliveries.c.webhook == hook, hook_deliveries.c.state == DEAD
        values = {"state": WAITING, "tries": 0, "next_at": entry.at}
        async with self._cabinet.writing(entry) as connection:
            return (await connection.execute(update(hook_deliveries).where(*dead).values(values))).rowcount


async def _turn_to(connection: AsyncConnection, name: str, table: Table) -> int:
    """The bookmark's place; a new bookmark begins at the end: nobody wants to hear of last year."""
    place: int | None = (
        await connection.execute(select(bookmarks.c.place).where(bookmarks.c.name == name))
    ).scalar_one_or_none()
    if place is None:
        place = await _end(connection, table) + OVERLAP
        await connection.execute(bookmarks.insert().values(name=name, place=place - OVERLAP))
    return place


async def _mark(connection: AsyncConnection, name: str, table: Table) -> None:
    await connection.execute(update(bookmarks).where(bookmarks.c.name == name).values(place=await _end(connection, table)))


async def _end(connection: AsyncConnection, table: Table) -> int:
    newest: int | None = (await connection.execute(select(func.max(table.c.id)))).scalar_one()
    return newest or 0


def _webhook(row: RowMapping) -> Webhook:
    kinds = tuple(part for part in row["kinds"].split(",") if part)
    return Webhook(row["name"], row["address"], row["secret"], kinds, row["made_at"], row["made_by"])


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})
