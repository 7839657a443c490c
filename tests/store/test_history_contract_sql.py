"""The history on real databases answers as the one in memory does."""

import asyncio
from pathlib import Path

import pytest

from callctl.store.history import SqlHistory
from callctl.store.schema import open_engine
from callctl.store.spool import Spool
from tests.store.history_contract import HistoryContract, Story


class TestSqlHistory(HistoryContract):
    """The suite, on an empty database of each kind."""

    url: str
    folder: Path

    @pytest.fixture(autouse=True)
    def _on_this_database(self, sql_url: str, tmp_path: Path) -> None:
        self.url, self.folder = sql_url, tmp_path

    def run(self, story: Story) -> None:
        async def whole() -> None:
            history = SqlHistory(open_engine(self.url), Spool(self.folder / "spool"))
            try:
                await story(history)
            finally:
                await history.close()

        asyncio.run(whole())
