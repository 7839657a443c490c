"""Two controllers, a forgetful registry and repeated requests, in every order hypothesis thinks of, on a real Valkey."""

import asyncio
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from callctl.core.model import SeatRef
from callctl.store.port import Loan, Refusal
from callctl.store.registry import RedisRegistry
from tests.store.servers import Valkey

HOLDERS = st.sampled_from(["one", "two"])
SEATS = st.sampled_from([SeatRef("xuzhou", "1301"), SeatRef("xuzhou", "1302"), SeatRef("wuxi", "1201")])
CITIES = st.sampled_from(["yangzhou", "suqian"])
REQUESTS = st.integers(0, 5).map("r{}".format)
LEASE_S = 600.0


class TwoControllers(RuleBasedStateMachine):
    """The model: one lease, one loan a seat, what each request was told, and the highest token ever given."""

    url: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.both = {"one": RedisRegistry(self.url), "two": RedisRegistry(self.url)}
        self.direct = Redis.from_url(self.url)
        self.direct.flushall()
        self.leases: dict[str, int] = {}  # What each controller believes its lease to be.
        self.leader: str | None = None
        self.loans: dict[SeatRef, Loan] = {}
        self.told: dict[str, Loan] = {}
        self.highest = 0

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            for registry in self.both.values():
                self.runner.run(registry.close())
            self.runner.close()
            self.direct.close()

    def fresh(self, token: int) -> None:
        assert token > self.highest
        self.highest = token

    def leads(self, who: str) -> bool:
        return self.leader == who and who in self.leases

    @rule(who=HOLDERS)
    def lead(self, who: str) -> None:
        token = self.runner.run(self.both[who].lead(who, LEASE_S))
        if self.leader not in (None, who):
            assert token is None
            return
        assert token is not None
        if self.leader is None:
            self.fresh(token)
        else:
            assert token == self.leases[who]
        self.leader, self.leases[who] = who, token

    @rule(who=HOLDERS)
    def resign(self, who: str) -> None:
        self.runner.run(self.both[who].resign(who))
        self.leader = None if self.leader == who else self.leader

    @rule()
    def the_lease_runs_out(self) -> None:
        self.direct.hset("{callctl}:lease", "until", "1")
        self.leader = None

    @rule(seat=SEATS)
    def a_loan_runs_out(self, seat: SeatRef) -> None:
        if seat in self.loans:
            self.direct.zadd("{callctl}:ends", {f"{seat.city}/{seat.seat}": 1})
            del self.loans[seat]

    @rule(who=HOLDERS, request=REQUESTS, seat=SEATS, city=CITIES)
    def lend(self, who: str, request: str, seat: SeatRef, city: str) -> None:
        try:
            loan = self.runner.run(self.both[who].lend(request, self.leases.get(who, 0), seat, city))
        except Refusal:
            before = self.told.get(request)
            fits = before is None or (before.seat == seat and before.assisted == city and self.loans.get(seat) == before)
            assert not self.leads(who) or not fits or (before is None and seat in self.loans)
            return
        assert self.leads(who)
        if request in self.told:
            assert loan == self.told[request] == self.loans[seat]
        else:
            assert seat not in self.loans
            self.fresh(loan.token)
            self.loans[seat] = self.told[request] = loan

    @rule(who=HOLDERS, seat=SEATS, late=st.booleans())
    def recall(self, who: str, seat: SeatRef, late: bool) -> None:
        token = self.loans[seat].token if seat in self.loans else self.highest
        try:
            self.runner.run(self.both[who].recall("x", self.leases.get(who, 0), seat, token - late))
        except Refusal:
            assert not self.leads(who)
            return
        assert self.leads(who)
        if not late:
            self.loans.pop(seat, None)

    @rule(who=HOLDERS)
    def redis_forgets_and_the_leader_adopts_from_the_pbxs(self, who: str) -> None:
        on_the_pbxs = list(self.loans.values())
        self.direct.flushall()
        self.leader, self.told = None, {}
        token = self.runner.run(self.both[who].lead(who, LEASE_S))
        assert token is not None
        self.fresh(token)
        self.leader, self.leases[who] = who, token
        self.runner.run(self.both[who].adopt(token, on_the_pbxs))
        self.runner.run(self.both[who].adopt(token, on_the_pbxs))

    @invariant()
    def both_see_the_same_loans_and_never_two_of_a_seat(self) -> None:
        if hasattr(self, "both"):
            for registry in self.both.values():
                assert self.runner.run(registry.loans()) == self.loans


@pytest.mark.timeout(300)
def test_never_two_leaders_never_two_loans_of_a_seat_and_tokens_only_rise(valkey: Valkey) -> None:
    TwoControllers.url = valkey.url
    careful = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(TwoControllers, settings=careful)
