"""The mutants: what is wrong with each, where it is put in, and who must notice.

An anchor is text that stands exactly once in its file. When the code moves on and the anchor is gone, `make mutants` says
so: write the mutant anew against the new code, it still has to die.
"""

from dataclasses import dataclass

GOLDEN = "tests/render/test_asterisk.py::test_the_files_of_yangzhou_are_the_golden_ones"
SHARING = "tests/core/test_sharing.py::"
POLICY = "tests/core/test_sharing_properties.py::"
TOGETHER = "tests/core/test_ring_together.py::"
LOOP = "tests/sim/test_controller_in_virtual_time.py::"


@dataclass(frozen=True)
class Mutant:
    """One wrong version. Every test in `tests` (pytest's arguments) or, after them, a fuzz seed may be the one to fail."""

    name: str
    file: str
    anchor: str
    wrong: str
    tests: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    also: tuple[tuple[str, str], ...] = ()  # Further anchors of the same file: rules that guard each other.
    rule: str = ""  # What the checkers must call it: this promise's own mutant.

    def edits(self) -> tuple[tuple[str, str], ...]:
        """Every anchor and what takes its place."""
        return ((self.anchor, self.wrong), *self.also)


MUTANTS = (
    Mutant(
        "ignores the quota",
        "callctl/core/seats.py",
        "self.quota = wishes.quotas.get(code, city.lend.quota)",
        "self.quota = 10_000",
        (SHARING + "test_a_lowered_quota_calls_the_latest_loans_home",),
    ),
    Mutant(
        "ignores the reserve",
        "callctl/core/seats.py",
        "        self.least_reserve = city.lend.reserve\n",
        "        self.least_reserve = -100\n",
        (TOGETHER + "test_the_reserve_counts_seats",),
    ),
    Mutant(
        "ignores the reserve computed for a city whose callers were answered late",
        "callctl/core/allocation.py",
        "            room.reserve = max(room.least_reserve, 2, room.tight_reserve)\n",
        "            room.reserve = room.least_reserve\n",
        ("tests/core/test_allocation.py::test_late_calls_raise_the_reserve_until_the_budget_has_recovered",),
    ),
    Mutant(
        "keeps no ledger of help: of cities that could help alike the same one is always asked",
        "callctl/core/allocation.py",
        "room.experience.help_given(now) / room.quota, ",
        "",
        ("tests/sim/test_engine.py::test_cities_that_are_alike_help_alike_over_the_hours",),
    ),
    Mutant(
        "forgets that late calls use up the budget",
        "callctl/core/experience.py",
        "self.left + 1.0 - self.target - late)",
        "self.left + 1.0 - self.target)",
        ("tests/core/test_experience.py::test_an_emptied_budget_is_tight_until_a_tenth_is_saved",),
    ),
    Mutant(
        "lends for every flap of a trunk",
        "callctl/core/between.py",
        "doubled_s(STEADY_S, self.falls, STEADY_MOST_S)",
        "0.0",
        (SHARING + "test_nobody_is_lent_for_every_flap_of_a_trunk",),
        (151493,),
    ),
    Mutant(
        "takes every reading of a trunk for its return",
        "callctl/core/between.py",
        "        if up is self.up:\n",
        "        if up is self.up and not self.falls:\n",
        (SHARING + "test_a_trunk_that_two_readings_saw_down_and_up_is_given_a_moment",),
    ),
    Mutant(
        "takes the first reading of a call for its beginning",
        "callctl/core/fold.py",
        "            since = min(seat.since, at) if seat.call == call else at\n",
        "            since = seat.since if seat.call == call else at\n",
        (SHARING + "test_a_new_controller_knows_a_call_that_was_before_its_pbx_started_anew",),
    ),
    Mutant(
        "takes the slots of talks that died with their PBX for open ones",
        "callctl/core/sharing.py",
        "number + cut_off(cities[pair.assisted], cities[pair.supporting])",
        "number",
        (SHARING + "test_a_talk_that_died_with_its_supporting_pbx_keeps_no_slot_from_who_is_lent_next",),
        (113657,),
    ),
    Mutant(
        "takes the slots of rings that died with their PBX for open ones",
        "callctl/core/fold.py",
        "before.used_since if before is not None and before.in_use else fact.at",
        "fact.at",
        (SHARING + "test_a_ring_that_died_with_its_supporting_pbx_keeps_no_slot_from_who_is_lent_next",),
    ),
    Mutant(
        "counts arrivals since 1970",
        "callctl/core/experience.py",
        "self.calls = Arrivals(None, None)",
        "self.calls = Arrivals(None, 0.0)",
        ("tests/core/test_experience.py::test_the_reserve_of_a_new_controllers_city_is_that_of_its_load",),
    ),
    Mutant(
        "lends by a reading that is minutes old",
        "callctl/core/seats.py",
        "        self.known = view.fresh(now, FRESH_S)\n",
        "        self.known = view.up\n",
        (SHARING + "test_a_stale_city_neither_helps_nor_is_helped_anew",),
    ),
    Mutant(
        "lends while short at home",
        "callctl/core/seats.py",
        "        self.waiting = view.unserved  #",
        "        self.waiting = view.unserved if self.code in wishes.events else 0  #",
        (POLICY + "test_a_city_that_must_not_lend_is_asked_for_nothing_new_for_each_rule",),
        also=((" and not view.unserved and view.idle(now) > 0)", " and view.idle(now) > 0)"),),
    ),
    Mutant(
        "takes the first in line for the one whose home phone rings",
        "callctl/core/world.py",
        "        rung = {seat.call for seat in self.seats.values() if seat.state is SeatState.RINGING}\n",
        "        rung: set[str] = set()\n",
        (SHARING + "test_a_caller_who_came_back_counts_although_a_home_phone_rings_for_a_later_one",),
    ),
    Mutant(
        "moves the only seat at hand away from those still on their way",
        "callctl/core/groups.py",
        "        if movable < 2:",
        "        if movable < 1:",
        (
            "tests/core/test_groups.py::test_the_only_seat_that_could_ring_at_once_does_so_and_is_not_moved_away_from_one_on_its_way",
        ),
    ),
    Mutant(
        "takes the first in line for the one who rings elsewhere",
        "callctl/core/sharing.py",
        "        room.cover(frozenset().union(*ringing.values()))\n",
        "",
        (SHARING + "test_of_two_cities_the_one_goes_first_whose_uncovered_caller_waits_longest",),
    ),
    Mutant(
        "ignores a city's share in the event",
        "callctl/core/seats.py",
        "away.fixed.channels.get(here, 0), seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
        "away.fixed.channels.get(here, 0), UNLIMITED, pair_bar(at, here, there)",
        seeds=(3087, 3569, 4166),
    ),
    Mutant(
        "ignores the trunk's size",
        "callctl/core/seats.py",
        "away.fixed.channels.get(here, 0), seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
        "UNLIMITED, seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
        seeds=(3045, 3123, 3175, 3200),
    ),
    Mutant(
        "lends a seat twice",
        "callctl/core/reconcile.py",
        "        if not view.up or seat is None or seat.loans:\n",
        "        if not view.up or seat is None or any(loan.assisted == assisted for loan in seat.loans):\n",
        (SHARING + "test_a_seat_is_lent_only_after_its_older_loan_is_gone",),
    ),
    Mutant(
        "forgets a dead controller's loans",
        "callctl/core/sharing.py",
        "    return Memory(active={loan.assisted: Standing(now, why) for _, loan in all_loans(world)})\n",
        "    return Memory()\n",
        (SHARING + "test_a_fresh_start_goes_on_helping_whom_the_pbxs_show_as_helped",),
    ),
    Mutant(
        "does not book the loans that PBXs show",
        "callctl/ledger.py",
        "    return [Loan(ref, loan.assisted, loan.token, now) for ref, loan in loans]\n",
        "    return []\n",
        (LOOP + "test_a_registry_that_came_back_empty_learns_the_loans_from_the_pbxs_within_five_seconds",),
    ),
    Mutant(
        "loses the place on return",
        "callctl/sim/queue.py",
        "waiting.waiting_since, returned=True), call.citizen)",
        "waiting.waiting_since), call.citizen)",
        ("tests/pbx/test_sim_pbx_contract.py",),
    ),
    Mutant(
        "loses the place on return, in the dialplan",
        "dialplan/cc-hotline.conf.j2",
        "exten => front,1,Set(QUEUE_PRIO=10)",
        "exten => front,1,Set(QUEUE_PRIO=0)",
        (GOLDEN,),
    ),
    Mutant(
        "lets a call of another city travel on",
        "dialplan/cc-slots.conf",
        'GotoIf($["${CC_HOME}" != "${CC_CITY}"]?unusable)',
        'GotoIf($["${CC_HOME}" = ""]?unusable)',
        (GOLDEN,),
    ),
    Mutant(
        "helps cities that nobody lets it help",
        "callctl/core/seats.py",
        "    if assisted not in away.fixed.helps:\n",
        "    if False:\n",
        (POLICY + "test_no_new_loan_from_a_city_in_need_or_unheard_or_forbidden",),
        seeds=(3038, 3244, 3338),
    ),
    Mutant(
        "acts on a stale reading: forgets its own orders at once",
        "callctl/core/expect.py",
        "BELIEVED_S = 3.0",
        "BELIEVED_S = -1.0",
        (LOOP + "test_a_reading_older_than_our_orders_makes_nothing_be_ordered_twice",),
    ),
    Mutant(
        "takes an older fact for what an order in the queue will bring about",
        "callctl/core/expect.py",
        "if each is not None and each.sent and _tells",
        "if each is not None and _tells",
        ("tests/core/test_expect.py::test_a_fact_of_an_older_order_does_not_settle_one_that_still_waits_to_be_sent",),
        seeds=(101823,),
    ),
    Mutant(
        "forgets a confirmed loan before the PBX is read",
        "callctl/core/expect.py",
        "        and not (_overdue(each, now) and (key[0] in read or _as_fact(each.order) is None))\n",
        "        and not _overdue(each, now)\n",
        ("tests/core/test_expect.py::test_a_confirmed_loan_whose_fact_was_lost_is_not_forgotten_and_the_pbx_is_read",),
        seeds=(61665,),
    ),
    Mutant(
        "acts on the picture of a lost city",
        "callctl/core/fold.py",
        "    draft.forget()\n    draft.up, draft.lost_reason = False, fact.reason\n",
        "    draft.lost_reason = fact.reason\n",
        ("tests/core/test_fold.py::test_a_lost_pbx_is_unknown_until_it_is_read_again",),
    ),
    Mutant(
        "has no circuit breaker",
        "callctl/core/between.py",
        "    return 0 if now - health.failed_at < BREAKER_OPEN_S else 1\n",
        "    return UNLIMITED\n",
        (SHARING + "test_after_three_failures_in_a_row_the_pair_rests_and_then_one_slot_probes",),
    ),
    Mutant(
        "leaves slots open on switch off",
        "callctl/core/reconcile.py",
        "differ = {other for other in (*wanted, *view.slots_open) if",
        "differ = {other for other in wanted if",
        (LOOP + "test_switched_off_everything_closes_at_once_and_talks_go_on",),
    ),
    Mutant(
        "leaves the seats lent on switch off",
        "callctl/core/reconcile.py",
        "        keep = plan.loans.get(ref) == latest.assisted and newest\n",
        "        keep = newest\n",
        (LOOP + "test_switched_off_everything_closes_at_once_and_talks_go_on",),
    ),
    Mutant(
        "counts no wrap-up",
        "callctl/core/fold.py",
        "fact.at + draft.old.city.queue.wrapup_s if known else 0.0)",
        "0.0)",
        ("tests/core/test_fold.py::test_the_seat_rests_for_the_wrap_up_after_a_talk",),
    ),
    Mutant(
        "prolongs the wrap-up when the end is told twice",
        "callctl/core/fold.py",
        "fact.at + draft.old.city.queue.wrapup_s if known else 0.0)",
        "fact.at + draft.old.city.queue.wrapup_s)",
        ("tests/core/test_fold.py::test_the_end_of_a_call_told_twice_does_not_prolong_the_wrap_up",),
    ),
    Mutant(
        "lends without booking",
        "callctl/controller.py",
        "            if isinstance(order, Lend) and not self._ledger.holds(order):\n",
        "            if isinstance(order, Lend) and order.token < 0:\n",
        seeds=(54,),
    ),
    Mutant(
        "never lends",
        "callctl/core/reconcile.py",
        "        yield Lend(ref.city, ref.seat, assisted, token, plan.groups.get(ref, 0))\n",
        "        yield from ()\n",
        seeds=(54,),
    ),
    Mutant(
        "lends no more after a restart",
        "callctl/ledger.py",
        "        return bool(self._answers) and self._now() - self._renewed_at <= LEASE_TTL_S\n",
        "        return bool(self._answers) and self.lease == 1 and self._now() - self._renewed_at <= LEASE_TTL_S\n",
        seeds=(5,),
    ),
    Mutant(
        "gives nobody a second slot",
        "callctl/core/reconcile.py",
        "    missing, candidate = number - len(running), 0\n",
        "    missing, candidate = max(0, min(number, 1) - len(running)), 0\n",
        seeds=(54,),
    ),
    Mutant(
        "orders as soon as it is woken",
        "callctl/ledger.py",
        "        return bool(self._answers) and not self.up\n",
        "        return False\n",
        (LOOP + "test_a_controller_that_was_stopped_asks_who_leads_before_it_orders_anything",),
    ),
    Mutant(
        "goes on leading when it is woken",
        "callctl/ledger.py",
        "        return bool(self._answers) and not self.up\n",
        "        return False\n",
        (LOOP + "test_whoever_was_deposed_while_stopped_opens_and_lends_nothing_although_the_new_leader_sleeps",),
        also=(
            (
                "        return bool(self._answers) and self._now() - self._renewed_at <= LEASE_TTL_S\n",
                "        return bool(self._answers)\n",
            ),
        ),
    ),
    Mutant(
        "opens by a lease that another has taken",
        "callctl/ledger.py",
        "            self.lease = lease\n",
        "            self.lease = lease or self.lease\n",
        seeds=(30192, 30595, 30865),
        also=(("lease=self.lease, why=why)\n        self.lease = None\n", "lease=self.lease, why=why)\n"),),
        rule="only who leads opens",
    ),
    Mutant(
        "lends by a token that was given back",
        "callctl/controller.py",
        "            if isinstance(order, Lend) and not self._ledger.holds(order):\n",
        "            if isinstance(order, Lend) and order.token == 0:\n",
        (LOOP + "test_a_seat_called_home_and_lent_again_at_once_is_booked_again_before_the_pbx_hears_of_it",),
        seeds=(727,),
    ),
    Mutant(
        "keeps slots for seats that are called by who is gone",
        "callctl/core/seats.py",
        "    if home.up and oldest < home.booted_at:\n",
        "    if not home.up:\n",
        (SHARING + "test_a_seat_still_called_for_a_pbx_that_started_anew_has_no_slot",),
    ),
    Mutant(
        "lends and opens while the registry is lost",
        "callctl/ledger.py",
        "        return bool(self._answers) and self._now() - self._renewed_at <= LEASE_TTL_S\n",
        "        return True\n",
        (LOOP + "test_without_the_registry_nothing_new_is_lent_and_taking_back_works",),
    ),
    Mutant(
        "never renews the heartbeat",
        "callctl/controller.py",
        "                        queue.put([RenewHeartbeat(city)])\n            # A new",
        "                        pass\n            # A new",
        seeds=(54,),
    ),
    Mutant(
        "goes on leading although deposed",
        "callctl/ledger.py",
        "        if self.lease is None or token <= max(self.lease, self.newest_seen):\n",
        "        if True:\n",
        (LOOP + "test_a_controller_that_sees_a_newer_token_on_a_slot_steps_down",),
    ),
    Mutant(
        "sends an order that was taken back meanwhile",
        "callctl/controller.py",
        "            if expect.overtaken(self._expected, order):\n",
        "            if False:\n",
        (LOOP + "test_the_emergency_stop_does_not_wait_behind_what_a_slow_pbx_has_not_opened_yet",),
    ),
    Mutant(
        "retracts a call in progress: gives up counting it",
        "callctl/core/sharing.py",
        "                    slots[pair] = min(slots.get(pair, 0) + len(calls), view.fixed.channels.get(assisted, 0))\n",
        "                    slots.setdefault(pair, 0)\n",
        (SHARING + "test_a_seat_that_goes_from_free_to_ringing_to_talking_keeps_its_slot_open",),
    ),
    Mutant(
        "helps while it is helped itself",
        "callctl/core/allocation.py",
        "        if self.active:\n            return Why.ITSELF_ASSISTED  # One-way: who is helped does not help.\n",
        "",
        (SHARING + "test_an_active_city_helps_nobody",),
    ),
    Mutant(
        "rings a seat that did not answer again and again",
        "callctl/core/seats.py",
        "    if missed is None:\n        return False\n",
        "    return False\n",
        (SHARING + "test_a_lent_seat_that_does_not_answer_cools_down_longer_each_time",),
    ),
    Mutant(
        "lets the seats of a group ring beyond the reserve",
        "callctl/core/sharing.py",
        "arranged = arrange(hand, calls, paid + room.spare(), room.together, self._numbers(pair))",
        "arranged = arrange(hand, calls, paid + 100, room.together, self._numbers(pair))",
        (TOGETHER + "test_open_slots_never_ring_more_shared_seats_than_a_city_can_spare",),
    ),
    Mutant(
        "lends a group before every caller has a seat",
        "callctl/core/sharing.py",
        "            groups[help_] = self._carry_out(help_)\n        for help_, more in widen(self.allocation, groups):\n"
        "            self._join(help_, more, groups[help_])\n",
        "            groups[help_] = self._carry_out(help_)\n"
        "            for widened, more in widen(self.allocation, (help_,)):\n"
        "                self._join(widened, more, groups[widened])\n",
        (TOGETHER + "test_a_seat_that_the_caller_of_another_city_needs_rings_with_nobody",),
    ),
    Mutant(
        "opens a slot for every seat of a group",
        "callctl/core/sharing.py",
        "self.rung[pair] = arranged.slots",
        "self.rung[pair] = len(hand)",
        (TOGETHER + "test_for_one_caller_three_seats_are_lent_in_one_group_behind_one_slot_and_it_is_told_why",),
    ),
    Mutant(
        "counts a quicker mate's answer as a call missed",
        "callctl/core/fold.py",
        "fact.why is RingEnd.NO_ANSWER and fact.call not in draft.talks:",
        "fact.why is RingEnd.NO_ANSWER:",
        (TOGETHER + "test_who_was_not_quick_enough_is_silent_stays_lent_and_has_missed_nothing",),
    ),
    Mutant(
        "lets the other phones of a group ring on",
        "callctl/sim/queue.py",
        "                pbx.stop_phone(other, call_id)\n",
        "                pass\n",
        ("tests/pbx/test_sim_pbx_contract.py",),
    ),
    Mutant(
        "lends and opens on the picture of before it led",
        "callctl/core/reconcile.py",
        "    if not unread:\n        return orders\n",
        "    if orders:\n        return orders\n",
        seeds=(70930,),
    ),
    Mutant(
        "takes the lease from a leader whom the registry forgot",
        "callctl/ledger.py",
        "            return await self._registry.lead(self._holder, LEASE_TTL_S, max(0.0, now - self._rival_at))\n",
        "            return await self._registry.lead(self._holder, LEASE_TTL_S)\n",
        ("tests/test_ledger.py::test_a_standby_leaves_the_lease_of_a_registry_without_memory_to_whoever_led",),
    ),
    Mutant(
        "takes a reading asked before it led for what it waits for",
        "callctl/controller.py",
        "            if isinstance(fact, PbxLost):\n                self._unread.discard(fact.city)\n",
        "            if isinstance(fact, PbxObserved | PbxLost):\n                self._unread.discard(fact.city)\n",
        (LOOP + "test_a_reading_asked_before_the_lease_does_not_tell_a_new_leader_what_the_one_before_did",),
    ),
    Mutant(
        "takes the lease because it has never been refused",
        "callctl/ledger.py",
        "        if self.lease is None and self._rival_at is None:\n",
        "        if False:\n",
        (LOOP + "test_a_controller_started_while_the_registry_was_away_leaves_the_lease_with_whoever_leads",),
    ),
    Mutant(
        "takes the lease although the PBXs tell of a leader",
        "callctl/ledger.py",
        "        return await self._registry.lead(self._holder, LEASE_TTL_S, seen=seen)\n",
        "        return await self._registry.lead(self._holder, LEASE_TTL_S)\n",
        (LOOP + "test_a_controller_started_as_the_registry_comes_back_empty_sees_on_the_pbxs_that_somebody_leads",),
    ),
    Mutant(
        "opens by a lease of before",
        "callctl/controller.py",
        "            if outdated or (isinstance(order, Lend | OpenSlot) and not self._ledger.up):\n",
        "            if isinstance(order, Lend | OpenSlot) and not self._ledger.up:\n",
        (LOOP + "test_what_waited_for_a_slow_pbx_is_not_opened_by_a_lease_of_before",),
    ),
    Mutant(
        "reads no city anew",
        "callctl/controller.py",
        "                await link.reread()\n",
        "                await asyncio.sleep(0)\n",
        (LOOP + "test_a_link_that_floods_is_read_anew_instead_of_filling_the_memory",),
    ),
)
