"""The promises that may be broken for a moment, checked by how long they stay broken.

A fact needs a moment to reach the controller, and an order a moment to come back. So a city that got its own callers may
still be rung for others for REACT_S, not longer: and only while the controller could know and could act (Health).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from callctl.core.commands import Lend, Order, RenewHeartbeat
from callctl.core.events import Fact, LoanChanged, SeatState, SlotChanged
from callctl.core.expect import thing
from callctl.core.model import Lending, Province, SeatRef
from callctl.sim.checkers import Checkers
from callctl.sim.offering import OFFER_S, Offering, idle_at_home, open_unused
from callctl.sim.pbx import SimPbx
from callctl.sim.posts import Posts

LOOKS_EVERY_S = 0.5
REACT_S = 1.5  # One tick of the loop (facts wake it sooner), the order, and some for several orders in a row.
SETTLE_S = 5.0  # From the last trouble of a city or of the controller on: read, planned, repaired.
AGREE_S = 12.0  # The registry is tidied with the lease each second; a loan under way counts.
BOOKS_S = 2.0  # A registry that is back is asked for the lease within a second, and the history for acts it missed.
BEAT_S = 25.0  # The heartbeat is renewed each 10 s.
BEATS = 2  # In a row at most: it was time, and a reading came.
OWN_RING_S = 2.0  # app_queue looks at its agents once a second.
REPEATS = 2  # Of one order about one thing, while nothing changes but time: a threshold passed, a calm queue let go.
FLAPS, FLAP_WINDOW_S = 6, 30.0  # A seat lent more often than this within the window goes to and fro.


class Health:
    """Since when the controller could have known and acted: one leader, its link to the city up, the PBX alive."""

    def __init__(self, pbxs: Mapping[str, SimPbx], posts: Posts, now: Callable[[], float]) -> None:
        self._pbxs, self._posts, self._now = pbxs, posts, now
        self._sick_until = dict.fromkeys(pbxs, now())
        self._led_since = now()
        self._leader: str | None = None
        self._bookless_at = float("-inf")  # When the leader could not reach the registry, the last time.

    def disturbed(self, *cities: str, for_s: float = 0.0) -> None:
        """Something was done to these cities, and lasts so long (a lost fact: until the next reading)."""
        for city in cities:
            self._sick_until[city] = max(self._sick_until[city], self._now() + for_s)

    def look(self) -> None:
        """Note who is not well now."""
        now = self._now()
        leaders = self._posts.leaders()
        leader = leaders[0] if len(leaders) == 1 else None
        if leader is None or leader != self._leader:
            self._leader, self._led_since = leader, now
        links = self._posts.running[leader].links if leader is not None else {}
        if leader is not None and not self._posts.running[leader].registry.reached:
            self._bookless_at = now
        for city, pbx in self._pbxs.items():
            if not pbx.alive or city not in links or not links[city].connected:
                self._sick_until[city] = max(self._sick_until[city], now)

    def well_s(self, *cities: str) -> float:
        """How long all of these cities could have been helped by one controller; below 0: they cannot be."""
        return self._now() - max(self._led_since, *(self._sick_until[city] for city in cities))

    def booked_s(self) -> float:
        """How long whoever leads could book loans and hear wishes."""
        return self._now() - self._bookless_at

    def lag_s(self, city: str) -> float:
        """What the network adds between the leader and the city, each way."""
        post = self._posts.running.get(self._leader or "")
        return post.links[city].lag_s if post is not None else 0.0


class Lasting:
    """Looks every half second; a wrong that was set right in between starts anew."""

    def __init__(self, province: Province, checkers: Checkers, health: Health) -> None:
        self.province, self.checkers, self.health = province, checkers, health
        self.pbxs, self.now = checkers.pbxs, checkers.now
        # Since when it is wrong, and the longest it has been given since: one order after the other sets it right.
        self._since: dict[tuple[str, str], tuple[float, float]] = {}
        # Wrongs of a busy queue, that may be set right for an instant between two looks.
        self._passing: dict[tuple[str, str], Callable[[], bool]] = {}
        self._lent_at: dict[SeatRef, list[float]] = {}
        self.offering = Offering(province, checkers)
        self._changed_at = self.now()
        self._since_change: Counter[object] = Counter()
        checkers.lag_s = health.lag_s
        for pbx in self.pbxs.values():
            pbx.taps.append(self._fact)
            pbx.order_taps.append(self._order)

    def _fact(self, fact: Fact) -> None:
        if not isinstance(fact, LoanChanged | SlotChanged):
            self.changed()
        for key in [key for key, wrong in self._passing.items() if not wrong()]:
            del self._passing[key], self._since[key]

    def changed(self) -> None:
        """Something happened that no order of ours brought about."""
        self._changed_at = self.now()
        self._since_change.clear()

    def _order(self, order: Order) -> None:
        if isinstance(order, RenewHeartbeat):
            return
        if self.now() - self._changed_at > REACT_S:
            about = (type(order).__name__, thing(order))
            self._since_change[about] += 1
            if self._since_change[about] > REPEATS:
                self.checkers.broken("the plan converges", f"{order} once more, and nothing has changed in the province")
        if isinstance(order, Lend) and order.seat not in self.pbxs[order.city].support.get(order.assisted, ()):
            now, ref = self.now(), SeatRef(order.city, order.seat)
            recent = [at for at in self._lent_at.get(ref, ()) if now - at < FLAP_WINDOW_S]
            self._lent_at[ref] = [*recent, now]
            if len(recent) >= FLAPS and self.health.well_s(*self.pbxs) > FLAP_WINDOW_S:
                self.checkers.broken(
                    "no oscillation", f"seat {ref.seat} is lent {len(recent) + 1} times in {FLAP_WINDOW_S:g} s"
                )

    def _wrong(self, rule: str, about: str, wrong: bool, limit_s: float, what: Callable[[], str]) -> None:
        key = (rule, about)
        if not wrong:
            self._since.pop(key, None)
            return
        since, longest_s = self._since.get(key, (self.now(), limit_s))
        limit_s = max(limit_s, longest_s)
        self._since[key] = since, limit_s
        if self.now() - since > limit_s:
            self.checkers.broken(rule, f"{about}: {what()}, for more than {limit_s:g} s")

    def look(self) -> None:
        """All rules, now."""
        self.health.look()
        for city, pbx in self.pbxs.items():
            if pbx.alive:
                self._own_callers(city, pbx)
                self._heartbeat(city, pbx)
                if any(pbx.support.values()):
                    self._lending(city, pbx)
                if pbx.slots:
                    self._helped(city, pbx)
                    self._spared(city, pbx)
                self._led(city, pbx)
            self._offered(city)

    # The rules -------------------------------------------------------------------------------------------------------

    def _own_callers(self, city: str, pbx: SimPbx) -> None:
        """An idle seat, lent or not, keeps no own caller waiting."""

        def wrong() -> bool:
            short = any(pbx.calls[call].by is None and not pbx.calls[call].withdrawn_to for call in pbx.waiting)
            return pbx.alive and short and any(idle_at_home(seat, self.now()) for seat in pbx.seats.values())

        self._pass("own callers first", city, wrong, OWN_RING_S, "a caller waits and a seat of the home queue is idle")

    def _pass(self, rule: str, about: str, wrong: Callable[[], bool], limit_s: float, what: str) -> None:
        is_wrong = wrong()
        self._wrong(rule, about, is_wrong, limit_s, lambda: what)
        if is_wrong:
            self._passing[rule, about] = wrong
        else:
            self._passing.pop((rule, about), None)

    def _heartbeat(self, city: str, pbx: SimPbx) -> None:
        wrong = self.health.well_s(city) > BEAT_S and self.now() - pbx.heartbeat_at > BEAT_S
        self._wrong("heartbeat", city, wrong, 2 * self.health.lag_s(city), lambda: "nobody renews it")

    def _lending(self, city: str, pbx: SimPbx) -> None:
        """Quota, shares and switches, for loans that are there; and that the registry knows of them.

        Who is on an assisted call when the quota is lowered stays lent until it is over; nobody else may then be.
        """
        if not self.checkers.wished:
            return
        wishes, well_s = self.checkers.wished[-1][1], self.health.well_s(city)
        lent = sum(len(seats) for seats in pbx.support.values())
        limit_s = SETTLE_S + _in_turn_s(self.health.lag_s(city), lent)
        well = well_s > SETTLE_S
        quota = wishes.quotas.get(city, self.province.cities[city].lend.quota)
        over = well and lent > max(quota, _serving(pbx, *pbx.support))
        self._wrong("quota", city, over, limit_s, lambda: f"{lent} seats lent, quota {quota}")
        assisted = wishes.assisted()
        for other, seats in pbx.support.items():
            if not seats and ("switched off", f"{city} for {other}") not in self._since:
                continue
            off = bool(seats) and well and other not in assisted
            self._wrong("switched off", f"{city} for {other}", off, limit_s, lambda: "loans go on")
            share = wishes.events[other].seats if other in wishes.events else {}
            over = bool(share) and well and len(seats) > max(share.get(city, 0), _serving(pbx, other))
            self._wrong("share in the event", f"{city} for {other}", over, limit_s, lambda: "more seats are lent")
        self._booked(city, pbx, well_s)

    def _booked(self, city: str, pbx: SimPbx, well_s: float) -> None:
        registered = self.checkers.registered()
        known = self.now() > self.checkers.registry_doubted_until and min(well_s - AGREE_S, self.health.booked_s()) > 0.0
        unknown = [
            seat
            for other, seats in pbx.support.items()
            for seat in seats
            if registered.get(SeatRef(city, seat), ("", 0))[0] != other
        ]
        self._wrong(
            "registry and PBX agree", city, known and bool(unknown), AGREE_S, lambda: f"lent and not booked: {unknown}"
        )

    def _helped(self, city: str, pbx: SimPbx) -> None:
        """Slots of who is switched off are closed."""
        if not self.checkers.wished:
            return
        off = city not in self.checkers.wished[-1][1].assisted() and self.health.well_s(city) > SETTLE_S
        wrong = off and any(slot.open and not slot.call for slot in pbx.slots.values())
        limit_s = SETTLE_S + _in_turn_s(self.health.lag_s(city), self._slots_used(city))
        self._wrong("switched off", city, wrong, limit_s, lambda: "slots stay open")

    def _spared(self, city: str, pbx: SimPbx) -> None:
        """Who helps this city can spare it: no own callers, and its reserve at home."""
        for other in {ref.supporting for ref, slot in pbx.slots.items() if slot.open and not slot.call}:
            helping = [home for home in self.pbxs if home != other and open_unused(self.pbxs[home], other)]
            well = self.health.well_s(other, *helping) > SETTLE_S and self.pbxs[other].alive
            lag_s = max(self.health.lag_s(each) for each in (other, *helping))
            limit_s = REACT_S + _in_turn_s(lag_s, self._slots_used(*helping))
            self._pass(
                "reserve", other, partial(self._cannot_spare, other, well), limit_s, "slots open for seats it cannot spare"
            )

    def _led(self, city: str, pbx: SimPbx) -> None:
        """Open slots lead to somebody lent: a caller who is rung by another is refused, and the line stands still so long.

        After a wire was cut the far end believes in a talk until the silence is noticed there.
        """
        for other, far in self.pbxs.items():
            unused, about = open_unused(pbx, other), f"{city} to {other}"
            if not unused and ("a slot leads somewhere", about) not in self._since:
                continue
            wrong = self.health.well_s(city, other) > SETTLE_S and unused > len(far.support.get(city, ()))
            lag_s = max(self.health.lag_s(city), self.health.lag_s(other))
            limit_s = pbx.timing.leg_lost_after_s + REACT_S + _in_turn_s(lag_s, self._slots_used(city))
            self._wrong("a slot leads somewhere", about, wrong, limit_s, lambda: "slots are open and nobody is lent")

    def _offered(self, city: str) -> None:
        """Who waits too long beside a spare seat is offered it."""
        needy = bool(self.checkers.wished) and self.offering.in_need(city)
        # A seat may be promised to another assisted city, whose slot is still on its way: no PBX shows that yet.
        helped = self.checkers.wished[-1][1].assisted() & self.pbxs.keys() if self.checkers.wished else ()
        for other in self.pbxs:
            if other == city or (not needy and ("help is offered", f"{other} to {city}") not in self._since):
                continue
            lag_s = max(self.health.lag_s(each) for each in (city, other, *helped))
            limit_s = OFFER_S + _in_turn_s(lag_s, self._slots_used(city))
            wrong = partial(self._owed, city, other)
            self._pass("help is offered", f"{other} to {city}", wrong, limit_s, "a caller waits, a seat is spare, no slot")

    def _slots_used(self, *cities: str) -> int:
        """Slots open or in use, in the city that has most: an order may go before for each."""
        slots = [sum(slot.open or bool(slot.call) for slot in self.pbxs[city].slots.values()) for city in cities]
        return max(slots, default=1)

    def _owed(self, city: str, other: str) -> bool:
        well = self.health.booked_s() > BOOKS_S and self.health.well_s(city, other) > SETTLE_S
        return well and self.offering.in_need(city) and self.offering.owed(city, other)

    def _cannot_spare(self, city: str, well: bool) -> bool:
        return well and self._excess(city) > 0

    def _excess(self, city: str) -> int:
        """Shared seats that open slots may ring beyond what this city can spare now."""
        pbx, now = self.pbxs[city], self.now()
        offered = sum(self._shared_offered(home, pbx) for home in self.pbxs if home != city)
        idle = sum(idle_at_home(seat, now) for seat in pbx.seats.values())
        short = any(pbx.calls[call].by is None for call in pbx.waiting)
        return offered - (0 if short else max(0, idle - self.province.cities[city].lend.reserve))

    def _shared_offered(self, home: str, pbx: SimPbx) -> int:
        """Shared seats that open slots at `home` may ring; a slot without a group, whoever of those lent gets free."""
        slots, loans = open_unused(self.pbxs[home], pbx.city), pbx.support.get(home, {})
        lent = [pbx.seats[seat] for seat in loans] if slots else []
        free = [seat for seat in lent if seat.state is SeatState.FREE and seat.free_from <= self.now()]
        shared = [seat for seat in lent if seat.lend is not Lending.DEDICATED]
        if not pbx.rings_together:  # One seat a call, dedicated ones first.
            ring = slots - sum(seat.lend is Lending.DEDICATED for seat in free)
            return max(0, min(ring, len(shared)))
        apart = sum(seat.lend is Lending.DEDICATED and seat.state is SeatState.FREE for seat in lent)
        groups = sorted({loans[seat.id].group for seat in free})[:slots]
        rung = sum(seat in free and loans[seat.id].group in groups for seat in shared)
        return rung + max(0, min(slots - len(groups) - apart, len(shared) - rung))


def _in_turn_s(lag_s: float, before: int) -> float:
    """There and back for an order and for all before it: a PBX is given one after the other, heartbeats first."""
    return 2 * lag_s * (1 + BEATS + before)


def _serving(pbx: SimPbx, *assisted: str) -> int:
    """Seats on loan to these cities that ring or talk for another city."""
    lent = (pbx.seats[seat] for other in assisted for seat in pbx.support[other])
    return sum(bool(seat.call) and not seat.call.startswith(f"{pbx.city}-") for seat in lent)


def at_home_again(pbxs: Iterable[SimPbx]) -> str:
    """What is still lent or open where nothing should be; empty: nothing."""
    left = []
    for pbx in pbxs:
        left += [f"{pbx.city} lends {seat} to {other}" for other, seats in pbx.support.items() for seat in seats]
        left += [f"{pbx.city} has slot {ref.supporting} {ref.number} open" for ref, slot in pbx.slots.items() if slot.open]
    return ", ".join(left)
