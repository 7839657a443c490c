"""The registry in memory answers as the real one does."""

from callctl.sim.registry import MemoryRegistry
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.store.registry_contract import SEAT, RegistryContract, Story


class TestMemoryRegistry(RegistryContract):
    """The suite, in virtual time."""

    def run(self, story: Story) -> None:
        async def whole() -> None:
            await story(MemoryRegistry(loop_clock))

        run_virtual(whole())


def test_a_lease_that_ran_out_is_the_next_ones_and_a_loan_nobody_renews_ends() -> None:
    async def whole() -> None:
        now = 0.0
        registry = MemoryRegistry(lambda: now)
        lease = await registry.lead("a", 6.0)
        assert lease is not None
        await registry.lend("r1", lease, SEAT, "nanjing")
        now = 7.0
        assert await registry.lead("b", 6.0)
        now = 121.0
        assert await registry.loans() == {}

    run_virtual(whole())
