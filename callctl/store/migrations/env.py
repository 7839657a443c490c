"""Alembic's entry: run the steps on the connection that store/schema.py hands over, or on sqlalchemy.url by hand."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from callctl.store import console_tables
from callctl.store.tables import metadata

assert console_tables.accounts.metadata is metadata  # Every module with tables is imported, else they would look dropped.


def _run(connection: Connection) -> None:
    # SQLite can alter a table only by copying it: batch mode. Types are compared so that `alembic check` finds drift.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run_by_hand(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    _run(handed_over)
else:
    asyncio.run(_run_by_hand(str(context.config.get_main_option("sqlalchemy.url"))))
