"""The console's doorway to SQL: a change and its audit entry are one transaction, and a lost database is StoreLost.

It has an engine of its own, so that pages and the history's writer do not wait for each other's connections.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.store import schema
from callctl.store.chain import exclusive
from callctl.store.history import LOST, first_line
from callctl.store.ledger import insert_act
from callctl.store.port import AuditEntry, StoreLost

ANSWER_S = 5.0  # A person waits for it.


class Cabinet:
    """The database behind the console."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._fits = False

    @property
    def is_sqlite(self) -> bool:
        """Which of the two dialects is spoken."""
        return self._engine.dialect.name == "sqlite"

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to look with. Raises StoreLost."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._fit()
                async with self._engine.connect() as connection:
                    yield connection
        except LOST as error:
            raise StoreLost(f"the database cannot be read: {first_line(error)}") from None

    @asynccontextmanager
    async def writing(self, entry: AuditEntry | None) -> AsyncIterator[AsyncConnection]:
        """A transaction that has the entry in it already; what the block raises rolls both back.

        None: nothing that is audited, as a used code. Raises StoreLost, and AlreadyDone where the entry's request is in
        the audit.
        """
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._fit()
                async with exclusive(self._engine) as connection:
                    if entry is not None:
                        await insert_act(connection, entry)
                    yield connection
        except LOST as error:
            raise StoreLost(f"the database cannot be written, perhaps nothing was changed: {first_line(error)}") from None

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[AsyncEngine]:
        """The engine itself, for what brings its own transactions. Raises StoreLost."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._fit()
                yield self._engine
        except LOST as error:
            raise StoreLost(f"the database cannot be used: {first_line(error)}") from None

    async def _fit(self) -> None:
        if not self._fits:
            await schema.prepare(self._engine)
            self._fits = True

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.dispose()
