"""How SQLite finds the rows of the very statements that a block of code sends it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event

from callctl.store.cabinet import Cabinet


@asynccontextmanager
async def explained(cabinet: Cabinet, about: str) -> AsyncIterator[list[str]]:
    """After the block: the plan of each statement that reads or changes the table `about`."""
    sent: list[tuple[str, Any]] = []
    plans: list[str] = []

    def hear(_link: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if f"FROM {about}" in statement or f"UPDATE {about}" in statement:
            sent.append((statement, values))

    async with cabinet.engine() as engine:
        pass
    event.listen(engine.sync_engine, "before_cursor_execute", hear)
    try:
        yield plans
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", hear)
    async with cabinet.reading() as connection:
        for statement, values in sent:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            plans.append(" ".join(str(row) for row in rows))
