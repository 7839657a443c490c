"""Random provinces with random bad luck, lived through by the production controller under the checkers' eyes.

One seed is one province: the same seed gives the same facts and orders on every machine, so a broken promise replays.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from callctl.core.model import SlotRef
from callctl.core.wishes import Wishes
from callctl.sim.checkers import Violation
from callctl.sim.citizens import Citizen, Town
from callctl.sim.draws import mixed
from callctl.sim.full import LEAD_S, FullRun
from callctl.sim.lasting import LOOKS_EVERY_S, at_home_again
from callctl.sim.parts import SimCall, SimSeat
from callctl.sim.random_province import RandomProvince, draw
from callctl.sim.trouble import Misfortune
from callctl.sim.virtual_time import run_virtual

MEND_S = 14.0  # Phones after a boot, a lease that ran out, a controller that starts, readings.
HOME_S = 10.0  # From the switch-off to the last seat at home.
STILL_S = 6.0  # Then nothing is ordered any more.
DEAD_S = 140.0  # The dead man's switch waits 120 s; the last heartbeat may be 10 s old.
HANGS_UP_IN_TALK = 0.1  # Share of citizens who end the talk themselves.
CALL_BACK = 0.05  # Share who press 1 while they wait.


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one province."""

    seed: int
    calls: int
    remote: int
    orders: int
    troubles: int
    cities: int
    virtual_s: float
    steps: int
    trace: str  # Empty where it was not asked for.
    violation: str  # Empty: every promise kept.


class FuzzRun(FullRun):
    """One random province, from the start until everybody is home."""

    looks_every_s = LOOKS_EVERY_S

    def __init__(self, drawn: RandomProvince, traced: bool = False) -> None:
        super().__init__(drawn.scenario, drawn.seed, drawn.province)
        self.drawn = drawn
        self.checkers.traced = traced
        self.misfortune = Misfortune(self, self.checkers, self.health)
        self._home_rings = 0
        for town in self.towns.values():
            town.habits = self._habits

    def answers_after_s(self, seat: SimSeat, call: SimCall) -> float | None:
        """At home within seconds, or not at all; a lent seat as the scenario says."""
        city = call.by.supporting if isinstance(call.by, SlotRef) else call.waiting.call.partition("-")[0]
        if self.misfortune.lets_ring(city):
            return None
        if isinstance(call.by, SlotRef):
            return super().answers_after_s(seat, call)
        self._home_rings += 1
        bits = mixed(self.seed + 1, self._home_rings)
        return None if bits % 50 == 0 else (bits >> 16) % 1000 / 400.0

    def _habits(self, town: Town, citizen: Citizen) -> None:
        """Some press a key while they wait, some hang up before the agent does."""
        share = mixed(citizen.key, 1000 + citizen.tries) % 1000 / 1000.0
        if not citizen.talking:
            if share < CALL_BACK and not citizen.returned:
                self.loop.call_later(2.0, town.presses, citizen, citizen.call, "1")
        elif share < HANGS_UP_IN_TALK:
            self.loop.call_later(20.0 * share, town.hangs_up, citizen, citizen.call)

    async def live(self) -> None:
        """The stretch with troubles, then everything mended, then everybody home."""
        for act in self.drawn.acts:
            self.at(act.at if act.at else -LEAD_S, self.act, act.wishes)
        for holder in ("a", "b")[: self.drawn.controllers]:
            self.posts.start(holder)
        for trouble in self.drawn.troubles:
            self.at(trouble.at, self._befall, trouble)
        for town in self.towns.values():
            town.next_arrival()
        await self.watch(LEAD_S + self.scenario.horizon_s)
        if self.drawn.dead_end:
            for holder in [*self.posts.running]:
                self.posts.kill(holder)
            await self.watch(DEAD_S)
        self.misfortune.end_all()
        for town in self.towns.values():
            town.most = -1  # Nobody dials again.
        await self.watch(MEND_S)
        self.act(Wishes())
        await self.watch(HOME_S)
        self._all_home()
        orders = self.checkers.orders
        await self.watch(STILL_S)
        if self.checkers.orders != orders:
            self.checkers.broken("the plan converges", f"{self.checkers.orders - orders} orders although all are home")
        for holder in [*self.posts.running]:
            await self.posts.stop(holder)

    def act(self, wishes: Wishes) -> None:
        """A supervisor wants something else."""
        self.wish(lambda known: wishes)

    def _befall(self, trouble: object) -> None:
        self.lasting.changed()
        self.misfortune.befall(trouble)  # type: ignore[arg-type]

    def _all_home(self) -> None:
        left = at_home_again(self.pbxs.values())
        if left:
            self.checkers.broken("everybody home", left)
        if self.registry.held():
            self.checkers.broken("everybody home", f"the registry still has {self.registry.held()}")


def live_through(
    seed: int, traced: bool = False, changed: Callable[[RandomProvince], RandomProvince] | None = None
) -> Verdict:
    """Draw this seed's province, live through it, and tell what became of it. `changed` may take troubles away."""
    drawn = draw(seed) if changed is None else changed(draw(seed))

    async def whole() -> Verdict:
        run = FuzzRun(drawn, traced)
        found = ""
        try:
            await run.live()
        except Violation as violation:
            found = str(violation)
        except Exception as crash:  # A crash of the controller is a finding like any other.
            found = f"the controller crashed: {crash!r}"
        for holder in [*run.posts.running]:
            run.posts.kill(holder)
        checkers = run.checkers
        return Verdict(
            seed, checkers.calls, checkers.remote, checkers.orders, len(drawn.troubles), len(drawn.province.cities),
            round(run.loop.time(), 1), checkers.step, checkers.trace if traced else "", found,
        )  # fmt: skip

    return run_virtual(whole())


def needed(seed: int) -> RandomProvince:
    """The seed's province with only those troubles and acts without which the promise would not be broken."""
    drawn = draw(seed)
    rule = live_through(seed).violation.partition(":")[0]

    def still(fewer: RandomProvince) -> bool:
        return live_through(seed, changed=lambda _: fewer).violation.partition(":")[0] == rule

    for trouble in drawn.troubles:
        fewer = replace(drawn, troubles=tuple(each for each in drawn.troubles if each is not trouble))
        drawn = fewer if still(fewer) else drawn
    for act in drawn.acts[1:]:
        fewer = replace(drawn, acts=tuple(each for each in drawn.acts if each is not act))
        drawn = fewer if still(fewer) else drawn
    return drawn
