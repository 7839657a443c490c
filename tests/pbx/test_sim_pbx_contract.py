"""The simulated PBX keeps the contract that real PBXs keep."""

from types import MappingProxyType

from callctl.core.model import Province
from callctl.sim.link import SimLink
from callctl.sim.network import build_network
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.pbx.contract import LoopDriver, PbxContract, Story
from tests.provinces import a_city


def two_cities() -> Province:
    """Alpha with one agent, beta with two; both know each other and nobody else."""
    both = ("alpha", "beta")
    return Province(
        MappingProxyType({"alpha": a_city("alpha", 11, both, shared=1), "beta": a_city("beta", 12, both, shared=2)})
    )


class SimDriver(LoopDriver):
    """Moves the simulated world."""

    def __init__(self) -> None:
        self.pbxs = build_network(two_cities(), loop_clock)
        self.links = {code: SimLink(pbx) for code, pbx in self.pbxs.items()}
        super().__init__(self.links["alpha"], self.links["beta"])
        self.alpha_seat = "11001"
        self.beta_seats = ("12001", "12002")
        self.numbers: dict[str, str] = {}
        for pbx in self.pbxs.values():
            for seat in pbx.seats.values():
                seat.talks_s = None

    async def citizen_calls(self, number: str) -> None:
        self.numbers[number] = self.pbxs["alpha"].citizen_calls(number)

    async def citizen_hangs_up(self, number: str) -> None:
        self.pbxs["alpha"].citizen_hangs_up(self.numbers[number])

    async def agent(self, seat: str, answers_after_s: float | None) -> None:
        self._pbx(seat).seats[seat].answers_after_s = answers_after_s

    async def agent_hangs_up(self, seat: str) -> None:
        self._pbx(seat).agent_hangs_up(seat)

    async def pause(self, seat: str) -> None:
        self._pbx(seat).set_ready(seat, ready=False)

    async def cut(self, link: object) -> None:
        assert isinstance(link, SimLink)
        link.cut()

    async def mend(self, link: object) -> None:
        assert isinstance(link, SimLink)
        link.mend()

    async def break_trunk(self) -> None:
        for here, there in (("alpha", "beta"), ("beta", "alpha")):
            self.pbxs[here].trunks[there] = False

    def _pbx(self, seat: str):  # type: ignore[no-untyped-def]
        return self.pbxs["alpha" if seat == self.alpha_seat else "beta"]


class TestSimPbx(PbxContract):
    """The suite, in virtual time."""

    def run(self, story: Story) -> None:
        async def whole() -> None:
            driver = SimDriver()
            driver.start()
            await story(driver)
            await driver.stop()

        run_virtual(whole())
