"""What goes wrong in a simulated province, done and mended, and the checkers told of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from callctl.core.between import STEADY_MOST_S
from callctl.core.events import SeatState
from callctl.sim.checkers import REBOOK_S, Checkers
from callctl.sim.full import FullRun
from callctl.sim.lasting import Health
from callctl.sim.random_province import Trouble
from callctl.sim.virtual_time import loop_clock

READ_ANEW_S = 33.0  # A lost fact misleads no longer: a reading each 30 s, and the time it takes.
FLAP_S = 2.0
FLAP_LEAST_S, FLAP_MORE_S = 0.3, 8.0
FLAPS_VARY_FROM = 170_000  # From this seed on.
FELLING = frozenset({"trunk flaps", "wire cut", "pbx dead", "pbx frozen"})  # What lets trunks fall.
FORGETS_FROM = 80_000  # From this seed on half of the lost registries come back empty; named seeds keep their course.
CONTROLLERS_MOST = 3
SLOW_ORDER_S = 0.7


class Misfortune:
    """Does troubles to a run. Two troubles of one kind and city at once are mended with the later one."""

    def __init__(self, run: FullRun, checkers: Checkers, health: Health) -> None:
        self._run, self._checkers, self._health = run, checkers, health
        self._under_way: Counter[tuple[str, str, str]] = Counter()
        self._silent: set[str] = set()
        self._flapped: set[str] = set()  # Cities that have seen a trunk fall.
        self._asleep: list[tuple[str, float]] = []  # Controllers that are stopped, and since when.
        self._spare = 0
        self._over = False

    def lets_ring(self, city: str) -> bool:
        """Whether the agents of this city do not answer just now."""
        return city in self._silent

    def befall(self, trouble: Trouble) -> None:
        """It goes wrong, and will be mended."""
        self._under_way[trouble.kind, trouble.city, trouble.other] += 1
        if trouble.kind in FELLING:
            self._flapped.update((trouble.city, trouble.other))
        KINDS[trouble.kind][0](self, trouble)
        asyncio.get_running_loop().call_later(trouble.for_s, self._mend, trouble)

    def _mend(self, trouble: Trouble) -> None:
        if self._over:
            return  # Mended with all the others; what ends "two controllers" would kill the last one.
        key = (trouble.kind, trouble.city, trouble.other)
        self._under_way[key] -= 1
        if not self._under_way[key]:
            KINDS[trouble.kind][1](self, trouble)

    def end_all(self) -> None:
        """Everything is mended, and one controller is there."""
        self._over = True
        self._under_way.clear()
        run = self._run
        if run.registry.lost:
            self._registry_back()
        run.history.lost = False
        self._silent.clear()
        while self._asleep:
            self._wake()
        if not run.posts.running:
            run.posts.start(self._name())
        for post in run.posts.running.values():
            post.registry.cut, post.registry.lag_s = False, 0.0
            for link in post.links.values():
                link.lag_s, link.loses, link.doubles = 0.0, 0, 0
                link.mend()
        for code, pbx in run.pbxs.items():
            pbx.timing = replace(pbx.timing, order_s=0.005)
            if pbx.frozen_at is not None:
                self._thaw(code)
            if pbx.dead:
                pbx.boot()
            for other in [*pbx.cut_wires]:
                pbx.mend_wire(other)
            for seat in pbx.seats.values():
                if pbx.alive and not seat.ready:
                    pbx.set_ready(seat.id, ready=True)
        self._health.disturbed(*run.pbxs)

    # Links -----------------------------------------------------------------------------------------------------------

    def _link_cut(self, trouble: Trouble) -> None:
        self._health.disturbed(trouble.city, for_s=trouble.for_s)
        for post in self._run.posts.running.values():
            post.links[trouble.city].cut()

    def _link_cut_over(self, trouble: Trouble) -> None:
        self._health.disturbed(trouble.city, for_s=2.0)
        for post in self._run.posts.running.values():
            post.links[trouble.city].mend()

    def _link_slow(self, trouble: Trouble) -> None:
        for post in self._run.posts.running.values():
            post.links[trouble.city].lag_s = 0.05 + trouble.size
        self._health.disturbed(trouble.city)

    def _link_slow_over(self, trouble: Trouble) -> None:
        self._health.disturbed(trouble.city, for_s=2.0)
        for post in self._run.posts.running.values():
            post.links[trouble.city].lag_s = 0.0

    def _facts_lost(self, trouble: Trouble) -> None:
        # A trunk whose return is read so much later is waited for from then on.
        more_s = STEADY_MOST_S if trouble.city in self._flapped else 0.0
        self._health.disturbed(trouble.city, for_s=READ_ANEW_S + more_s)
        for post in self._run.posts.running.values():
            post.links[trouble.city].loses = 1 + int(5 * trouble.size)

    def _facts_doubled(self, trouble: Trouble) -> None:
        for post in self._run.posts.running.values():
            post.links[trouble.city].doubles = 1 + int(20 * trouble.size)

    # PBXs, wires and phones ------------------------------------------------------------------------------------------

    def _wire_cut(self, trouble: Trouble) -> None:
        self._run.pbxs[trouble.city].cut_wire(trouble.other)

    def _wire_cut_over(self, trouble: Trouble) -> None:
        self._run.pbxs[trouble.city].mend_wire(trouble.other)

    def _trunk_flaps(self, trouble: Trouble) -> None:
        pbx, varied = self._run.pbxs[trouble.city], self._run.seed >= FLAPS_VARY_FROM
        if varied and not self._under_way["trunk flaps", trouble.city, trouble.other]:
            return
        if trouble.other in pbx.trunks and pbx.alive:
            pbx.set_trunk(trouble.other, up=not pbx.trunks[trouble.other])
        if self._under_way["trunk flaps", trouble.city, trouble.other]:
            flap_s = FLAP_S
            if varied:  # Longer up than down, or the other way round.
                share = trouble.size if pbx.trunks.get(trouble.other) else 1.0 - trouble.size
                flap_s = FLAP_LEAST_S + FLAP_MORE_S * share
            asyncio.get_running_loop().call_later(flap_s, self._trunk_flaps, trouble)

    def _trunk_flaps_over(self, trouble: Trouble) -> None:
        pbx = self._run.pbxs[trouble.city]
        if trouble.other in pbx.trunks and pbx.alive:
            pbx.set_trunk(trouble.other, up=pbx.reaches(trouble.other))

    def _pbx_dead(self, trouble: Trouble) -> None:
        self._run.pbxs[trouble.city].die()
        self._checkers.died(trouble.city)
        self._health.disturbed(trouble.city)

    def _pbx_dead_over(self, trouble: Trouble) -> None:
        if self._run.pbxs[trouble.city].dead:
            self._run.pbxs[trouble.city].boot()

    def _pbx_frozen(self, trouble: Trouble) -> None:
        if self._run.pbxs[trouble.city].alive:
            self._run.pbxs[trouble.city].freeze()
            self._checkers.late_orders_until[trouble.city] = float("inf")
            self._health.disturbed(trouble.city)

    def _pbx_frozen_over(self, trouble: Trouble) -> None:
        self._thaw(trouble.city)

    def _thaw(self, city: str) -> None:
        self._health.disturbed(city)
        self._run.pbxs[city].thaw()
        self._checkers.late_orders_until[city] = self._run.pbxs[city].now() + 0.1

    def _slow_pbx(self, trouble: Trouble) -> None:
        pbx = self._run.pbxs[trouble.city]
        pbx.timing = replace(pbx.timing, order_s=SLOW_ORDER_S)
        self._health.disturbed(trouble.city, for_s=trouble.for_s)

    def _slow_pbx_over(self, trouble: Trouble) -> None:
        pbx = self._run.pbxs[trouble.city]
        pbx.timing = replace(pbx.timing, order_s=0.005)
        self._health.disturbed(trouble.city, for_s=5.0)

    def _breaks(self, trouble: Trouble) -> None:
        pbx = self._run.pbxs[trouble.city]
        seats = [*pbx.seats.values()]
        for seat in seats[: 1 + int(trouble.size * len(seats))]:
            if not pbx.alive:
                return
            if seat.state is SeatState.FREE and seat.id[-1] in "13579":
                pbx.set_phone(seat.id, SeatState.OFFLINE)
            else:
                pbx.set_ready(seat.id, ready=False)

    def _breaks_over(self, trouble: Trouble) -> None:
        pbx = self._run.pbxs[trouble.city]
        for seat in pbx.seats.values():
            if pbx.alive and seat.state is SeatState.OFFLINE:
                pbx.set_phone(seat.id, SeatState.FREE)
            if pbx.alive and not seat.ready:
                pbx.set_ready(seat.id, ready=True)

    def _no_answers(self, trouble: Trouble) -> None:
        self._silent.add(trouble.city)

    def _no_answers_over(self, trouble: Trouble) -> None:
        self._silent.discard(trouble.city)

    # Controllers and stores ------------------------------------------------------------------------------------------

    def _name(self) -> str:
        self._spare += 1
        return f"n{self._spare}"

    def _leader(self) -> str | None:
        posts = self._run.posts
        return posts.leader() or next((holder for holder, post in posts.running.items() if not post.process.stopped), None)

    def _controller_asleep(self, trouble: Trouble) -> None:
        """SIGSTOP; another one is there to take over."""
        holder = self._leader()
        if holder is not None:
            post = self._run.posts.running[holder]
            post.process.stopped, post.registry.lag_s = True, 0.5 * trouble.size  # Its first question takes a while.
            self._asleep.append((holder, loop_clock()))
            self._start_one(trouble)

    def _controller_woken(self, trouble: Trouble) -> None:
        if self._asleep:
            self._wake()

    def _wake(self) -> None:
        """SIGCONT, for the one that has slept longest; it may have been killed meanwhile."""
        holder, since = self._asleep.pop(0)
        post = self._run.posts.running.get(holder)
        if post is not None:
            self._run.lasting.changed()
            self._checkers.woken(loop_clock() - since)
            post.process.go_on()

    def _controller_killed(self, trouble: Trouble) -> None:
        holder = self._leader()
        if holder is not None:
            self._run.posts.kill(holder)

    def _controller_stopped(self, trouble: Trouble) -> None:
        holder = self._leader()
        if holder is not None:
            self._run.chore(self._run.posts.stop(holder))

    def _start_one(self, trouble: Trouble) -> None:
        if len(self._run.posts.running) < CONTROLLERS_MOST:
            self._run.posts.start(self._name())

    def _controller_without_registry(self, trouble: Trouble) -> None:
        holder = self._leader()
        if holder is not None:
            self._run.posts.running[holder].registry.cut = True

    def _registry_near(self, trouble: Trouble) -> None:
        for post in self._run.posts.running.values():
            post.registry.cut = False

    def _registry_lost(self, trouble: Trouble) -> None:
        self._run.registry.lost = True

    def _registry_back(self, trouble: Trouble | None = None) -> None:
        if trouble is not None and trouble.size < 0.5 and self._run.seed >= FORGETS_FROM:
            self._run.registry.forget()
        self._run.registry.lost = False
        self._checkers.registry_doubted_until = loop_clock() + REBOOK_S

    def _registry_forgets(self, trouble: Trouble) -> None:
        self._run.registry.forget()
        self._checkers.registry_doubted_until = loop_clock() + REBOOK_S

    def _history_lost(self, trouble: Trouble) -> None:
        self._run.history.lost = True

    def _history_back(self, trouble: Trouble) -> None:
        self._run.history.lost = False

    def _nothing(self, trouble: Trouble) -> None:
        """Over by itself."""


KINDS: dict[str, tuple[Callable[[Misfortune, Trouble], None], Callable[[Misfortune, Trouble], None]]] = {
    "link cut": (Misfortune._link_cut, Misfortune._link_cut_over),
    "link slow": (Misfortune._link_slow, Misfortune._link_slow_over),
    "facts lost": (Misfortune._facts_lost, Misfortune._nothing),
    "facts doubled": (Misfortune._facts_doubled, Misfortune._nothing),
    "wire cut": (Misfortune._wire_cut, Misfortune._wire_cut_over),
    "trunk flaps": (Misfortune._trunk_flaps, Misfortune._trunk_flaps_over),
    "pbx dead": (Misfortune._pbx_dead, Misfortune._pbx_dead_over),
    "pbx frozen": (Misfortune._pbx_frozen, Misfortune._pbx_frozen_over),
    "slow pbx": (Misfortune._slow_pbx, Misfortune._slow_pbx_over),
    "breaks": (Misfortune._breaks, Misfortune._breaks_over),
    "no answers": (Misfortune._no_answers, Misfortune._no_answers_over),
    "controller killed": (Misfortune._controller_killed, Misfortune._start_one),
    "controller stopped": (Misfortune._controller_stopped, Misfortune._start_one),
    "controller asleep": (Misfortune._controller_asleep, Misfortune._controller_woken),
    "two controllers": (Misfortune._start_one, Misfortune._controller_killed),
    "controller without registry": (Misfortune._controller_without_registry, Misfortune._registry_near),
    "registry lost": (Misfortune._registry_lost, Misfortune._registry_back),
    "registry forgets": (Misfortune._registry_forgets, Misfortune._nothing),
    "history lost": (Misfortune._history_lost, Misfortune._history_back),
}
