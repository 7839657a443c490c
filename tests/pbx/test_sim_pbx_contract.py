"""The simulated PBX keeps the contract that real PBXs keep."""

from types import MappingProxyType

from callctl.core.events import SeatState
from callctl.core.model import Province, QueueRules
from callctl.pbx.port import PbxLink
from callctl.sim.link import SimLink
from callctl.sim.network import build_network
from callctl.sim.pbx import SimPbx
from callctl.sim.virtual_time import loop_clock, run_virtual
from tests.pbx.contract import PbxContract
from tests.pbx.contract_groups import GroupContract
from tests.pbx.driver import LoopDriver, Story
from tests.provinces import a_city

QUEUE = QueueRules(wrapup_s=3.0)


def two_cities() -> Province:
    """Alpha with one agent, beta with two; both know each other and nobody else."""
    both = ("alpha", "beta")
    return Province(
        MappingProxyType(
            {
                "alpha": a_city("alpha", 11, both, shared=1, queue=QUEUE),
                "beta": a_city("beta", 12, both, shared=2, queue=QUEUE),
            }
        )
    )


class SimDriver(LoopDriver):
    """Moves the simulated world."""

    def __init__(self, province: Province | None = None) -> None:
        self.province = province or two_cities()
        alpha, beta = (self.province.cities[code] for code in ("alpha", "beta"))
        self.pbxs = build_network(self.province, loop_clock)
        self.links = {code: SimLink(pbx) for code, pbx in self.pbxs.items()}
        super().__init__(self.links["alpha"], self.links["beta"])
        [self.alpha_seat] = (seat.id for seat in alpha.seats)
        self.beta_seats = tuple(seat.id for seat in beta.seats)
        self.wrapup_s = alpha.queue.wrapup_s
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

    async def agent_leaves(self, seat: str) -> None:
        self._pbx(seat).set_phone(seat, SeatState.OFFLINE)

    async def agent_comes(self, seat: str) -> None:
        self._pbx(seat).set_phone(seat, SeatState.FREE)

    async def unpause(self, seat: str) -> None:
        self._pbx(seat).set_ready(seat, ready=True)

    async def citizen_presses(self, number: str, key: str) -> None:
        self.pbxs["alpha"].citizen_presses(self.numbers[number], key)

    async def let_heartbeat_age(self, link: PbxLink) -> None:
        self.pbxs[link.city].heartbeat_at -= 1000

    async def freeze(self, link: PbxLink) -> None:
        self.pbxs[link.city].freeze()

    async def thaw(self, link: PbxLink) -> None:
        self.pbxs[link.city].thaw()

    async def kill(self, link: PbxLink) -> None:
        self.pbxs[link.city].die()

    async def boot(self, link: PbxLink) -> None:
        self.pbxs[link.city].boot()

    async def cut(self, link: PbxLink) -> None:
        assert isinstance(link, SimLink)
        link.cut()

    async def mend(self, link: PbxLink) -> None:
        assert isinstance(link, SimLink)
        link.mend()

    async def break_trunk(self) -> None:
        self._set_trunks(up=False)

    async def mend_trunk(self) -> None:
        self._set_trunks(up=True)

    def _set_trunks(self, up: bool) -> None:
        for here, there in (("alpha", "beta"), ("beta", "alpha")):
            self.pbxs[here].set_trunk(there, up=up)

    def _pbx(self, seat: str) -> SimPbx:
        return self.pbxs["alpha" if seat == self.alpha_seat else "beta"]


class TestSimPbx(PbxContract, GroupContract):
    """The suite, in virtual time."""

    def run(self, story: Story) -> None:
        async def whole() -> None:
            driver = SimDriver()
            driver.start()
            await story(driver)
            await driver.stop()

        run_virtual(whole())
