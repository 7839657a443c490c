"""Who decides about help in a simulated province: nobody, a dialplan, or callctl's own allocation."""

import math
from typing import Any

from callctl.core.allocation import Allocation, Help, HelpState, Room
from callctl.core.estimate import QUARTER_S
from callctl.core.experience import Budget
from callctl.core.together import widen
from callctl.sim.calls import Calls
from callctl.sim.people import AWAY, GONE, WAITING, Caller, City


class NoHelp:
    """Every city for itself. Also what is left to decide when all cities are pooled in one queue: nothing."""

    def start(self, engine: Calls) -> None:
        """Nothing to prepare."""
        self.engine = engine

    def arrived(self, city: City) -> None:
        """Nothing to decide."""

    def line_changed(self, city: City) -> None:
        """Nothing to decide."""

    def seats_changed(self, city: City) -> None:
        """Nothing to decide."""

    def wait_over(self, city: City, waited_s: float, hung_up: bool) -> None:
        """Nothing to learn."""

    def own_talk_ended(self, city: City, seconds: float) -> None:
        """Nothing to learn."""

    def switched(self, city: City) -> None:
        """Nothing to decide."""

    def failed(self, help_: Help) -> None:
        """Cannot happen."""

    def unanswered(self, help_: Help) -> None:
        """Cannot happen."""

    def answered(self, help_: Help) -> None:
        """Cannot happen."""

    def adopt(self, help_: Help) -> None:
        """A lent talk goes on until it ends."""
        self._back(help_, -1)
        help_.supporting.lent += 1
        help_.supporting.legs += 1
        help_.assisted.legs += 1

    def talk_ended(self, help_: Help, seconds: float) -> None:
        """The leg is free."""
        help_.supporting.legs -= 1
        help_.assisted.legs -= 1

    def wrapped_up(self, help_: Help) -> None:
        """The agent is idle."""
        help_.supporting.lent -= 1
        self._back(help_, 1)

    @staticmethod
    def _back(help_: Help, seats: int) -> None:
        if help_.dedicated:
            help_.supporting.dedicated += seats
        else:
            help_.supporting.idle += seats


class Sharing(NoHelp):
    """callctl's own policy: the production allocation and experience, told what happens and obeyed."""

    def __init__(self, reserve: int | None = None, protect: bool = True) -> None:
        self.reserve, self.protect = reserve, protect

    def allocation_over(self, rooms: list[Room]) -> Allocation:
        """What decides; the tests put worse ones here."""
        return Allocation(rooms)

    def start(self, engine: Calls) -> None:
        """Build the allocation over the engine's rooms."""
        self.engine = engine
        self.allocation = self.allocation_over([city.room for city in engine.cities])
        self.woken_at = [math.inf] * len(engine.cities)
        for city in engine.cities:
            for assisted, most in city.spec.channels.items():
                self.allocation.between(engine.by_name[assisted].room, city.room).channels = most
            for assisted, steps in engine.scenario.shares(city.spec).items():
                self._share((city, assisted, steps[0][1]))
                for at, seats in steps[1:]:
                    engine.at(at, self._share, (city, assisted, seats))
            city.room.least_reserve = city.spec.reserve if self.reserve is None else self.reserve
            if not self.protect:
                city.room.experience.budget = Budget(0.0, 1.0)  # A target of nothing is always kept.
        self._look_at_reserves(None)

    def _share(self, what: tuple[City, str, int]) -> None:
        """The event lends so many seats of this city from now on."""
        city, assisted, seats = what
        self.allocation.between(self.engine.by_name[assisted].room, city.room).seats = seats
        self.seats_changed(city)

    def _look_at_reserves(self, _: None) -> None:
        now = self.engine.now
        for room in self.allocation.rooms:
            self.allocation.rules_changed(room, now)
        self.engine.at(now + QUARTER_S, self._look_at_reserves, None)

    def arrived(self, city: City) -> None:
        """Count the arrival, as the controller does: a city that lends nothing today may be asked to tomorrow."""
        city.room.experience.arrived(self.engine.now)

    def line_changed(self, city: City) -> None:
        """Cover the waiting callers of an active city; give up set-ups nobody needs any more."""
        room, allocation = city.room, self.allocation
        if not room.switched_on and not room.under_way:  # Set-ups of before the switch-off are still given up in time.
            if room.quota:
                allocation.seats_changed(room)
            return
        allocation.line_changed(room, self.engine.now)
        while help_ := allocation.surplus(room):
            self.engine.wasted += 1
            self.engine.cancelled += 1
            self.engine.use_idle(self.engine.cities[help_.supporting.index])
        if allocation.hungry and allocation.open:
            self._begin()
        self._sleep(city)

    def _begin(self) -> None:
        begun = list(self.allocation.start(self.engine.now))
        for _ in widen(self.allocation, begun):
            pass  # Which of a room's seats ring, nobody counts here.
        for help_ in begun:
            self.engine.set_up(help_)

    def _sleep(self, city: City) -> None:
        """Only time can change the city now: be woken then, once."""
        place, due = city.room.index, self.allocation.look_again_at(city.room)
        if due < self.woken_at[place] and due < math.inf:
            self.woken_at[place] = due
            self.engine.at(max(due, self.engine.now), self._wake, city)

    def _wake(self, city: City) -> None:
        self.woken_at[city.room.index] = math.inf
        self.line_changed(city)

    def seats_changed(self, city: City) -> None:
        """A seat may have become free for others."""
        if city.room.quota:
            self.allocation.seats_changed(city.room)
            if self.allocation.open and self.allocation.hungry:
                self._begin()

    def wait_over(self, city: City, waited_s: float, hung_up: bool) -> None:
        """Learn how patient citizens are; book late calls of a supporting city."""
        room = city.room
        if hung_up:
            room.experience.hung_up(waited_s)
        else:
            room.experience.answered_at_home(waited_s, self.engine.now)
        if room.quota:
            self.allocation.own_call(room, self.engine.now)

    def own_talk_ended(self, city: City, seconds: float) -> None:
        """Learn how long calls take."""
        city.room.experience.own.finished(seconds)

    def switched(self, city: City) -> None:
        """A lever or the state of a link changed."""
        self.allocation.line_changed(city.room, self.engine.now)
        self.line_changed(city)
        self.seats_changed(city)

    def failed(self, help_: Help) -> None:
        """Leave the trunk alone for a while; try elsewhere at once."""
        until = self.allocation.failed(help_, self.engine.now)
        self.engine.at(until, self._wake, self.engine.cities[help_.assisted.index])
        self._elsewhere(help_)

    def unanswered(self, help_: Help) -> None:
        """The seat is idle again; the caller still waits."""
        self.allocation.given_up(help_)
        self._elsewhere(help_)

    def _elsewhere(self, help_: Help) -> None:
        self.engine.use_idle(self.engine.cities[help_.supporting.index])
        self.line_changed(self.engine.cities[help_.assisted.index])

    def answered(self, help_: Help) -> None:
        """Book the help."""
        now = self.engine.now
        self.allocation.answered(help_, now)
        caller = help_.caller
        if isinstance(caller, Caller):
            help_.assisted.experience.answered(caller.waited_s, now)
        self.line_changed(self.engine.cities[help_.assisted.index])

    def adopt(self, help_: Help) -> None:
        """It counts like one of our own."""
        self.allocation.adopt(help_)

    def talk_ended(self, help_: Help, seconds: float) -> None:
        """The leg is free; learn how long help takes."""
        help_.supporting.experience.lent.finished(seconds)
        self.allocation.talk_ended(help_)

    def wrapped_up(self, help_: Help) -> None:
        """The seat is home again."""
        self.allocation.seat_back(help_)


class Leg:
    """A caller sent to another city's queue by a dialplan; it stands in that queue among the city's own callers."""

    __slots__ = ("caller", "help", "policy", "queued", "since", "state")

    def __init__(self, policy: "Static", caller: Caller, help_: Help) -> None:
        self.policy, self.caller, self.help = policy, caller, help_
        self.state, self.since, self.queued = GONE, caller.since, 0.0

    def answer(self) -> None:
        """The supporting city's agent takes it."""
        self.policy.taken(self)


class Static(NoHelp):
    """What a dialplan can do: after the threshold a caller overflows to the next city in turn, blindly.

    The leg stands in that city's own queue for a while; unanswered, the caller comes back and tries the next.
    """

    PATIENCE_S = 20.0  # How long a leg stands in a queue: the usual timeout of Queue().

    def start(self, engine: Calls) -> None:
        """Remember whose turn it is."""
        self.engine = engine
        self.turn = 0

    def line_changed(self, city: City) -> None:
        """Whoever joined just now overflows after the threshold."""
        if city.room.switched_on and city.queue and city.queue[-1][0] == self.engine.now:
            self.engine.at(self.engine.now + city.room.threshold_s, self._overflow, city.queue[-1])

    def _overflow(self, entry: tuple[float, Any]) -> None:
        caller = entry[1]
        if caller.state != WAITING or caller.queued != entry[0] or not isinstance(caller, Caller):
            return
        home = caller.city.room
        supporter = self._next(home)
        if supporter is None:
            self.engine.at(self.engine.now + 1.0, self._overflow, entry)
            return
        supporter.lent += 1
        supporter.legs += 1
        home.legs += 1
        help_ = Help(home, supporter, False)
        leg = Leg(self, caller, help_)
        home.waiting -= 1
        caller.state = AWAY  # Left the home queue; still impatient.
        self.engine.set_ups += 1
        remote = self.engine.scenario.remote
        self.engine.at(self.engine.now + remote.latency_s + remote.setup_s, self._arrive, leg)

    def _next(self, home: Room) -> Room | None:
        cities = self.engine.cities
        for step in range(1, len(cities) + 1):
            room = cities[(self.turn + step) % len(cities)].room
            if room is not home and room.lent < room.quota and room.legs < room.trunks and home.legs < home.trunks:
                self.turn = (self.turn + step) % len(cities)
                return room
        return None

    def _arrive(self, leg: Leg) -> None:
        city = self.engine.cities[leg.help.supporting.index]
        if leg.caller.state != AWAY:
            self._drop(leg)
        elif self.engine.link_dead(city, leg.caller.city):
            self.engine.at(self.engine.now + self.engine.scenario.remote.invite_timeout_s, self._give_up, leg)
        else:
            leg.state, leg.queued = WAITING, self.engine.now
            city.queue.append((leg.queued, leg))
            self.engine.at(self.engine.now + self.PATIENCE_S, self._give_up, leg)
            self.engine.use_idle(city)

    def taken(self, leg: Leg) -> None:
        """An agent of the supporting city answers, if the citizen is still there."""
        leg.state = GONE
        if leg.caller.state != AWAY:
            self._drop(leg)
            return
        leg.help.supporting.idle -= 1
        leg.help.state = HelpState.TALKING
        self.engine.talk_to(leg.caller, leg.help)

    def _give_up(self, leg: Leg) -> None:
        if leg.help.state is not HelpState.UNDER_WAY:
            return
        caller, leg.state = leg.caller, GONE
        self._drop(leg)
        if caller.state == AWAY:
            caller.state, caller.queued = WAITING, self.engine.now
            caller.city.queue.appendleft((caller.queued, caller))
            caller.city.room.waiting += 1
            self.engine.use_idle(caller.city)
            self._overflow((caller.queued, caller))

    def _drop(self, leg: Leg) -> None:
        self.engine.wasted += 1
        leg.help.state = HelpState.OVER
        leg.help.supporting.lent -= 1
        leg.help.supporting.legs -= 1
        leg.help.assisted.legs -= 1
