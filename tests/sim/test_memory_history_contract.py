"""The history in memory answers as the real one does."""

from callctl.sim.registry import MemoryHistory
from callctl.sim.virtual_time import run_virtual
from tests.store.history_contract import HistoryContract, Story


class TestMemoryHistory(HistoryContract):
    """The suite, in virtual time."""

    def run(self, story: Story) -> None:
        async def whole() -> None:
            await story(MemoryHistory())

        run_virtual(whole())
