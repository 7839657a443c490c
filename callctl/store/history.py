"""What happened, for good: facts, calls, loans and audited acts in SQL. Writing never blocks the loop and never loses.

One task writes. While the database cannot be written, facts go to the spool on disk; while the disk is full too, they
stay in memory up to a bound, and `health` says so. Later everything is written in its order.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.events import PbxLost, PbxObserved
from callctl.core.wishes import Wishes
from callctl.store import ledger, schema
from callctl.store.chronicle import Chronicle
from callctl.store.codec import Record, Unreadable, decode, decode_wishes, encode, encode_wishes
from callctl.store.port import AuditEntry, StoreLost
from callctl.store.seal import Clear, Seal, sealed
from callctl.store.spool import NEARLY_FULL, Spool, SpoolFull

FLUSH_S = 0.2
FLUSH_MOST = 500  # Facts in one transaction, also from the spool: more would hold up the loop too long.
SPOOL_MOST = 2000  # Facts made safe on disk at a time.
WRITE_S = 5.5  # A transaction that takes longer counts as a lost database; SQLite waits 5 s for another writer.
AUDIT_S = 5.0  # A person waits for this one.
RETRY_S = 1.0  # How often a lost database is tried again.
HELD_MOST = 200_000  # Facts in memory while disk and database are both full; about 100 MB.
READING_EVERY_S = 300.0  # While spooling, one reading a city and this long is enough to close a gap.

# Whatever the drivers raise when the database is away, refuses connections, is full, or is not a database any more.
LOST = (SQLAlchemyError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, schema.SchemaUnfit)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HistoryHealth:
    """How the history does; `alarm` is a sentence for the duty supervisor, or empty."""

    written: int
    held: int  # Facts in memory.
    spooled_bytes: int
    dropped: int  # Facts lost for good, because database, disk and memory were all full.
    lost_because: str  # "" while the database can be written.
    alarm: str


class SqlHistory:
    """The history in the database of `engine`, with its spool. Implements store.port.History; `run` must be running."""

    def __init__(self, engine: AsyncEngine, spool: Spool, held_most: int = HELD_MOST, seal: Seal | None = None) -> None:
        self._engine = engine
        self._seal = seal or Clear()
        self._spool = spool
        self._held_most = held_most
        self._held: deque[Record] = deque()
        self._chronicle: Chronicle | None = None  # None: to be recalled from the database first.
        self._lost_because = ""
        self._alarm = ""
        self._ready = False  # The database's tables were found to be ours.
        self._spooled_readings: dict[str, float] = {}
        self._written = self._dropped = 0
        self._forgotten_at = 0.0
        self._write_lock = asyncio.Lock()
        self._audit_turn = asyncio.Lock()  # First come, first written: SQLite lets whoever asks oftenest write first.
        self._flushing: asyncio.Task[None] | None = None
        self._closing = False

    def record(self, fact: Record) -> None:
        """See the port. Of a reading only waiting calls, conversations and loans are kept."""
        if isinstance(fact, PbxObserved):
            fact = replace(fact, seats=(), slots=(), trunks=())
        fact = sealed(fact, self._seal)  # From here on no disk, no spool and no table sees a number in clear.
        if len(self._held) >= self._held_most:
            self._dropped += 1
            self._alarm = f"{self._dropped} facts are lost: database, disk and memory are full"
            return
        self._held.append(fact)

    async def audit(self, entry: AuditEntry, wishes: Wishes | None) -> None:
        """See the port. Without wishes, the same `entry.request` again writes nothing new."""
        version, body = (wishes.version, encode_wishes(wishes)) if wishes else (None, "")
        try:
            async with asyncio.timeout(AUDIT_S):
                await self._prepared()
                async with self._audit_turn:
                    await ledger.write_audit(self._engine, entry, version, body)
        except LOST as error:
            raise StoreLost(f"the history cannot be written, so nothing was changed: {first_line(error)}") from None

    async def wishes(self) -> Wishes | None:
        """See the port."""
        try:
            async with asyncio.timeout(AUDIT_S):
                await self._prepared()
                body = await ledger.last_wishes(self._engine)
                return decode_wishes(body) if body else None
        except (*LOST, Unreadable) as error:
            raise StoreLost(f"the history cannot be read: {first_line(error)}") from None

    async def wishes_at(self, version: int) -> Wishes | None:
        """See the port."""
        try:
            async with asyncio.timeout(AUDIT_S):
                await self._prepared()
                body = await ledger.wishes_of(self._engine, version)
                return decode_wishes(body) if body else None
        except (*LOST, Unreadable) as error:
            raise StoreLost(f"the history cannot be read: {first_line(error)}") from None

    async def audited(
        self, last: int, cities: frozenset[str] | None = None, acts: frozenset[str] | None = None
    ) -> Sequence[AuditEntry]:
        """See the port."""
        try:
            async with asyncio.timeout(AUDIT_S):
                await self._prepared()
                return await ledger.read_audit(self._engine, last, cities, acts)
        except LOST as error:
            raise StoreLost(f"the history cannot be read: {first_line(error)}") from None

    def health(self) -> HistoryHealth:
        """For status, metrics and alarms. Looks at the spool's folder."""
        spooled = self._spool.size_bytes()
        alarm = self._alarm
        if not alarm and spooled > NEARLY_FULL * self._spool.most_bytes:
            alarm = f"the spool is {spooled * 100 // self._spool.most_bytes} % full: mend the history database"
        return HistoryHealth(self._written, len(self._held), spooled, self._dropped, self._lost_because, alarm)

    async def run(self) -> None:
        """Write until cancelled; `close` writes or spools the rest."""
        while True:
            await asyncio.sleep(FLUSH_S if not self._lost_because else RETRY_S)
            # A transaction cut off in the middle would keep SQLite locked for a while: it ends, we just do not wait.
            self._flushing = asyncio.create_task(self.flush(), name="history flush")
            await asyncio.shield(self._flushing)

    async def close(self) -> None:
        """Write what is held, or spool it where the database is lost or older facts wait. After `run` was cancelled."""
        self._closing = True
        async with self._write_lock:
            if await asyncio.to_thread(self._spool.waiting):
                await self._spool_held()
        if self._held:
            await self.flush()
        if self._held:
            _log.error("facts lost at the end: neither database nor disk takes them", facts=len(self._held))
        await asyncio.to_thread(self._spool.close)
        await self._engine.dispose()

    async def flush(self) -> None:
        """Write all that is spooled and everything that was recorded so far; what cannot be written goes to the spool."""
        async with self._write_lock:
            try:
                if self._lost_because:
                    await self._spool_held()  # First of all safe: the next try may take seconds.
                    async with asyncio.timeout(WRITE_S):
                        await self._prepared()
                await self._replay()
                while self._held:
                    batch = list(islice(self._held, FLUSH_MOST))
                    await self._write(batch)
                    self._let_go(len(batch))
            except LOST as error:
                self._lose(error)
                await self._spool_held()
                return
            if self._lost_because:
                _log.info("history written again")
            self._lost_because = ""

    async def _replay(self) -> None:
        """Write the spool, oldest first, but for what belongs to another process that lives. Raises one of LOST."""
        while not self._closing and await asyncio.to_thread(self._spool.waiting):
            await self._spool_held()  # Newer facts queue up behind; in memory a crash would take them.
            lines = await asyncio.to_thread(self._spool.peek, FLUSH_MOST)
            if not lines:
                return
            await self._write([record for line in lines if (record := self._readable(line)) is not None])
            await asyncio.to_thread(self._spool.done)

    async def _prepared(self) -> None:
        if not self._ready:
            await schema.prepare(self._engine)
            self._ready = True

    async def _write(self, batch: Sequence[Record]) -> None:
        """Write a batch; a fact whose values no database takes is put aside. Raises one of LOST."""
        if not batch:
            return
        try:
            await self._write_whole(batch)
        except (*LOST, ValueError, OverflowError) as error:
            if not ledger.is_about_the_row(error):
                raise
            if len(batch) == 1:
                await asyncio.to_thread(self._put_aside, encode(batch[0]), first_line(error))
                return
            half = len(batch) // 2
            await self._write(batch[:half])
            await self._write(batch[half:])

    async def _write_whole(self, batch: Sequence[Record]) -> None:
        async with asyncio.timeout(WRITE_S):
            await self._prepared()
            # Until the batch is written the chronicle is ahead of the database: whatever breaks us off, it is forgotten.
            chronicle, self._chronicle = self._chronicle, None
            if chronicle is None:
                chronicle = Chronicle(self._seal)
                await ledger.recall_open(self._engine, chronicle, batch[0].at)
            await ledger.write(self._engine, chronicle, batch)
        if chronicle.newest_at - self._forgotten_at > READING_EVERY_S:
            chronicle.forget()
            self._forgotten_at = chronicle.newest_at
        self._chronicle = chronicle
        self._written += len(batch)
        self._alarm = self._alarm if self._dropped else ""
        self._spooled_readings.clear()

    def _lose(self, error: Exception) -> None:
        why = first_line(error)
        if why != self._lost_because:
            _log.error("history lost, facts go to the spool", why=why)
        self._lost_because = why
        self._chronicle = None
        self._ready = False

    async def _spool_held(self) -> None:
        while self._held:
            batch = list(islice(self._held, SPOOL_MOST))
            lines = [encode(record) for record in batch if self._worth_spooling(record)]
            try:
                if lines:
                    await asyncio.to_thread(self._spool.append, lines)
            except SpoolFull as error:
                self._spooled_readings.clear()
                if not self._alarm:
                    _log.error("spool full, facts are in memory only", why=str(error))
                if not self._dropped:
                    self._alarm = f"{error}; {len(self._held)} facts are in memory only: make room"
                return
            self._let_go(len(batch))

    def _let_go(self, count: int) -> None:
        for _ in range(count):
            self._held.popleft()

    def _worth_spooling(self, record: Record) -> bool:
        """Of readings, the first after a gap and then one now and then: each repeats the whole queue."""
        if isinstance(record, PbxLost):
            self._spooled_readings.pop(record.city, None)
        if not isinstance(record, PbxObserved):
            return True
        if record.at - self._spooled_readings.get(record.city, -READING_EVERY_S) < READING_EVERY_S:
            return False
        self._spooled_readings[record.city] = record.at
        return True

    def _readable(self, line: str) -> Record | None:
        try:
            return decode(line)
        except Unreadable as error:
            self._put_aside(line, str(error))
            return None

    def _put_aside(self, line: str, why: str) -> None:
        _log.error("fact put aside into damaged.txt of the spool: no database will take it")  # `why` may hold a number.
        try:
            self._spool.put_aside(line, why)
        except OSError as error:
            _log.error("fact lost: it cannot even be put aside", why=str(error))


def first_line(error: Exception) -> str:
    """What went wrong, in one line, without the SQL and its values."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
