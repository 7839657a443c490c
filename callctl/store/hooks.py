"""Webhooks and what is to be delivered to them, in SQL: found in audit and journal, kept until told."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, RowMapping, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from callctl.core.events import CallAnswered
from callctl.core.model import SlotRef
from callctl.store.cabinet import Cabinet
from callctl.store.codec import Unreadable, decode
from callctl.store.console_tables import bookmarks, hook_deliveries, webhooks
from callctl.store.ledger import already_done, clean, insert_act
from callctl.store.port import AuditEntry, Refusal
from callctl.store.tables import audit, journal

OVERLAP = 100  # Rows looked at again each time: of two writers the one with the lower number may be written later.
ROWS_MOST = 1000  # New rows a look; those beyond are the next look's.
STATES = WAITING, TOLD, DEAD = "waiting", "told", "dead"
HOW_MANY = "{n}"  # In an audit entry: how many deliveries it was, known in its transaction only.


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
        """A new one, which hears of what happens from now on. Raises HookTaken."""
        async with self._cabinet.writing(entry) as connection:
            if (await connection.execute(select(webhooks.c.name).where(webhooks.c.name == hook.name))).one_or_none():
                raise HookTaken(f"a webhook {hook.name} is, or was, there already")
            if not (await connection.execute(select(webhooks.c.name).where(webhooks.c.ended_at.is_(None)))).first():
                for name, table in (("audit", audit), ("journal", journal)):  # Nobody has listened until now.
                    await _to_the_end(connection, name, table)
            row = {"name": hook.name, "address": hook.address, "secret": hook.secret, "kinds": ",".join(hook.kinds)}
            await connection.execute(webhooks.insert().values({**row, "made_at": hook.made_at, "made_by": hook.made_by}))

    async def end(self, entry: AuditEntry, name: str) -> None:
        """Tell it nothing more; what waits for it is dead."""
        async with self._cabinet.writing(entry) as connection:
            await connection.execute(update(webhooks).where(webhooks.c.name == name).values(ended_at=entry.at))
            waits = hook_deliveries.c.webhook == name, hook_deliveries.c.state == WAITING
            await connection.execute(update(hook_deliveries).where(*waits).values(state=DEAD, why="the webhook was ended"))

    async def note_news(
        self,
        hooks: Sequence[Webhook],
        words: Iterable[str],
        of_audit: Callable[[int, AuditEntry], Happened],
        of_answer: Callable[[int, CallAnswered], Happened] | None,
    ) -> None:
        """What happened behind the bookmarks is noted for delivery and the bookmarks move on: both, or neither.

        Audited acts of these words and, with `of_answer`, calls that another city answered.
        """
        async with self._cabinet.writing(None) as connection:
            happened = [of_audit(number, entry) for number, entry in await _audited(connection, words)]
            if of_answer is None:
                await _to_the_end(connection, "journal", journal)  # Who asks for it later has nothing to catch up with.
            else:
                happened += [of_answer(number, fact) for number, fact in await _answered_remotely(connection)]
            await self._keep(connection, happened, hooks)

    async def keep(self, happened: Sequence[Happened], hooks: Sequence[Webhook]) -> None:
        """One delivery for each webhook that wants to hear; what is there already is not kept twice."""
        async with self._cabinet.writing(None) as connection:
            await self._keep(connection, happened, hooks)

    async def _keep(self, connection: AsyncConnection, happened: Sequence[Happened], hooks: Sequence[Webhook]) -> None:
        rows = [
            {
                "mark": f"{hook.name}:{one.mark}", "webhook": hook.name, "kind": one.kind, "at": one.at, "body": one.body,
                "state": WAITING, "tries": 0, "next_at": one.at, "why": "",
            }
            for one in happened
            for hook in hooks
            if one.kind in hook.kinds and one.at >= hook.made_at
        ]  # fmt: skip
        insert = (sqlite if self._cabinet.is_sqlite else postgresql).insert
        if rows:
            await connection.execute(insert(hook_deliveries).on_conflict_do_nothing(index_elements=["mark"]), rows)

    async def claim(self, hooks: Sequence[str], now: float, again_at: float, most: int) -> Sequence[Delivery]:
        """Up to `most` deliveries that are due, each webhook's oldest first; nobody else gets them before `again_at`.

        Each of the webhooks gets one before any gets a second, those named first before the others, and what one does
        not need goes to the others.
        """
        due = hook_deliveries.c.state == WAITING, hook_deliveries.c.next_at <= now, hook_deliveries.c.webhook.in_(hooks)
        turn = func.row_number().over(partition_by=hook_deliveries.c.webhook, order_by=hook_deliveries.c.id).label("turn")
        lined_up = select(hook_deliveries.c.id, hook_deliveries.c.webhook, turn).where(*due).subquery()
        async with self._cabinet.reading() as connection:  # Mostly nothing is due, and then nobody waits for a lock.
            found = (await connection.execute(select(lined_up).where(lined_up.c.turn <= most))).all()
        place = {name: number for number, name in enumerate(hooks)}
        chosen = [row.id for row in sorted(found, key=lambda row: (row.turn, place[row.webhook]))[:most]]
        if not chosen:
            return []
        claimed = []
        async with self._cabinet.writing(None) as connection:
            rows = await connection.execute(select(hook_deliveries).where(hook_deliveries.c.id.in_(chosen), *due))
            for row in rows.mappings().all():
                same = hook_deliveries.c.id == row["id"], hook_deliveries.c.next_at == row["next_at"]
                done = await connection.execute(update(hook_deliveries).where(*same).values(next_at=again_at))
                if done.rowcount == 1:
                    claimed.append(_delivery(row))
        return claimed

    async def told(self, delivery: Delivery, at: float) -> None:
        """It was taken; from then on it is kept for its time."""
        await self._set(delivery, TOLD, at, "")

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

    async def forget(self, before: float, most: int) -> int:
        """Delete up to `most` that were told before then, and all of webhooks that had ended by then; how many went.

        Those remain that would be found in audit or journal again and told twice, and the table's newest: SQLite gives
        the number of a deleted last row once more, and receivers know deliveries by their numbers.
        """
        ended = select(webhooks.c.name).where(webhooks.c.ended_at < before)
        of_ended = select(hook_deliveries.c.id).where(hook_deliveries.c.webhook.in_(ended))
        # Until callctl 0.1.0 nobody wrote down when it was told: then it is when it happened.
        told = hook_deliveries.c.state == TOLD, hook_deliveries.c.next_at < before, hook_deliveries.c.at < before
        oldest = select(hook_deliveries.c.id, hook_deliveries.c.mark).where(*told).order_by(hook_deliveries.c.next_at)
        async with self._cabinet.writing(None) as connection:
            places = {row.name: row.place for row in await connection.execute(select(bookmarks.c.name, bookmarks.c.place))}
            newest = await _end(connection, hook_deliveries)
            made = (await connection.execute(select(func.count()).select_from(webhooks))).scalar_one()
            kept_most = 1 + made * len(places) * OVERLAP  # They may all stand before the first that can go.
            found = [row.id for row in await connection.execute(of_ended.limit(most + 1))]
            for number, mark in await connection.execute(oldest.limit(most + kept_most)):
                _, source, found_at = mark.rsplit(":", 2)
                if int(found_at) <= places.get(source, 0) - OVERLAP:
                    found.append(number)
            forgotten = [number for number in dict.fromkeys(found) if number != newest][:most]
            await connection.execute(delete(hook_deliveries).where(hook_deliveries.c.id.in_(forgotten)))
        return len(forgotten)

    async def counts(self) -> Mapping[tuple[str, str], int]:
        """How many deliveries wait and how many are dead, by webhook and state. What was told is not counted."""
        open_ones = hook_deliveries.c.state.in_((WAITING, DEAD))  # By the index of the state.
        wanted = select(hook_deliveries.c.webhook, hook_deliveries.c.state, func.count()).where(open_ones)
        async with self._cabinet.reading() as connection:
            rows = await connection.execute(wanted.group_by(hook_deliveries.c.webhook, hook_deliveries.c.state))
            return {(name, state): count for name, state, count in rows}

    async def again(self, entry: AuditEntry, hook: str, delivery: int) -> bool:
        """Try a dead delivery once more; False where there is none. Raises AlreadyDone."""
        return bool(await self._revive(entry, hook_deliveries.c.webhook == hook, hook_deliveries.c.id == delivery, most=1))

    async def all_again(self, entry: AuditEntry, hook: str, most: int) -> int:
        """Try the oldest dead deliveries of the webhook once more; how many. The entry tells it. Raises AlreadyDone."""
        return await self._revive(entry, hook_deliveries.c.webhook == hook, most=most)

    async def _revive(self, entry: AuditEntry, *which: ColumnElement[bool], most: int) -> int:
        dead = select(hook_deliveries.c.id).where(*which, hook_deliveries.c.state == DEAD).order_by(hook_deliveries.c.id)
        async with self._cabinet.writing(None) as connection:
            numbers = (await connection.execute(dead.limit(most))).scalars().all()
            if not numbers:  # Nothing is done, so nothing is audited; but it may be done already.
                if (await connection.execute(select(audit.c.id).where(audit.c.request == clean(entry.request)))).first():
                    raise already_done(entry)
                return 0
            entry = replace(entry, after=entry.after.replace(HOW_MANY, str(len(numbers))))
            await insert_act(connection, entry)
            values = {"state": WAITING, "tries": 0, "next_at": entry.at}
            await connection.execute(update(hook_deliveries).where(hook_deliveries.c.id.in_(numbers)).values(values))
        return len(numbers)


async def _audited(connection: AsyncConnection, words: Iterable[str]) -> list[tuple[int, AuditEntry]]:
    rows = await _behind(connection, "audit", audit, audit.c.what.in_(list(words)))
    names = ("at", "who", "from_where", "what", "city", "before", "after")
    return [(row["id"], AuditEntry(*(row[name] for name in names))) for row in rows]


async def _answered_remotely(connection: AsyncConnection) -> list[tuple[int, CallAnswered]]:
    found = []
    for row in await _behind(connection, "journal", journal, journal.c.kind == CallAnswered.__name__):
        try:
            fact = decode(row["body"])
        except Unreadable:
            continue  # Of a later callctl; its own console tells of it.
        if isinstance(fact, CallAnswered) and isinstance(fact.by, SlotRef):
            found.append((row["id"], fact))
    return found


async def _behind(connection: AsyncConnection, name: str, table: Table, which: ColumnElement[bool]) -> Sequence[RowMapping]:
    """These rows of the table behind its bookmark, which moves on to the last that was read."""
    end = await _end(connection, table)
    asked = select(bookmarks.c.place).where(bookmarks.c.name == name)
    place: int | None = (await connection.execute(asked)).scalar_one_or_none()
    if place is None:  # Nobody wants to hear of last year.
        await connection.execute(bookmarks.insert().values(name=name, place=end))
        return []
    most = OVERLAP + ROWS_MOST  # However many of the overlap are read again, there is as much room for new ones.
    wanted = select(table).where(table.c.id > place - OVERLAP, table.c.id <= end, which).order_by(table.c.id).limit(most)
    rows = (await connection.execute(wanted)).mappings().all()
    read_to = end if len(rows) < most else rows[-1]["id"]
    await connection.execute(update(bookmarks).where(bookmarks.c.name == name).values(place=read_to))
    return rows


async def _to_the_end(connection: AsyncConnection, name: str, table: Table) -> None:
    """Put the bookmark behind the table's last row."""
    await connection.execute(delete(bookmarks).where(bookmarks.c.name == name))
    await connection.execute(bookmarks.insert().values(name=name, place=await _end(connection, table)))


async def _end(connection: AsyncConnection, table: Table) -> int:
    newest: int | None = (await connection.execute(select(func.max(table.c.id)))).scalar_one()
    return newest or 0


def _webhook(row: RowMapping) -> Webhook:
    kinds = tuple(part for part in row["kinds"].split(",") if part)
    return Webhook(row["name"], row["address"], row["secret"], kinds, row["made_at"], row["made_by"])


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.__dataclass_fields__})
