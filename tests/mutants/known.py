"""The mutants: what is wrong with each, where it is put in, and who must notice.

An anchor is text that stands exactly once in its file. When the code moves on and the anchor is gone, `make mutants` says
so: write the mutant anew against the new code, it still has to die.
"""

from dataclasses import dataclass

GOLDEN = "tests/render/test_asterisk.py::test_the_files_of_yangzhou_are_the_golden_ones"
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


MUTANTS = (
    Mutant(
        "ignores the quota",
        "callctl/core/seats.py",
        "self.quota = wishes.quotas.get(code, city.lend.quota)",
        "self.quota = 10_000",
    ),
    Mutant(
        "ignores the reserve",
        "callctl/core/allocation.py",
        "        return Why.RESERVE if self.idle <= self.reserve else None\n",
        "        return None\n",
    ),
    Mutant(
        "counts the reserve as spare",
        "callctl/core/allocation.py",
        "return max(0, self.idle - self.reserve) if self.shared_bar() is None else 0",
        "return max(0, self.idle) if self.shared_bar() is None else 0",
    ),
    Mutant(
        "lends while short at home",
        "callctl/core/seats.py",
        "self.waiting = view.unserved\n",
        "self.waiting = 0 if code not in wishes.events else view.unserved\n",
    ),
    Mutant(
        "ignores a city's share in the event",
        "callctl/core/seats.py",
        "away.fixed.channels.get(here, 0), seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
        "away.fixed.channels.get(here, 0), UNLIMITED, pair_bar(at, here, there)",
    ),
    Mutant(
        "ignores the trunk's size",
        "callctl/core/seats.py",
        "away.fixed.channels.get(here, 0), seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
        "UNLIMITED, seats.get(there, 0) if seats else UNLIMITED, pair_bar(at, here, there)",
    ),
    Mutant(
        "lends a seat twice",
        "callctl/core/reconcile.py",
        "        if not view.up or seat is None or seat.loans:\n",
        "        if not view.up or seat is None or any(loan.assisted == assisted for loan in seat.loans):\n",
    ),
    Mutant(
        "forgets a dead controller's loans",
        "callctl/core/sharing.py",
        "    return Memory(active={loan.assisted: Standing(now, why) for _, loan in all_loans(world)})\n",
        "    return Memory()\n",
    ),
    Mutant(
        "does not book the loans a dead controller left",
        "callctl/ledger.py",
        "                await self._registry.adopt(lease, _as_loans(all_loans(world), self._now()))\n",
        "                pass\n",
    ),
    Mutant(
        "loses the place on return",
        "callctl/sim/queue.py",
        "waiting.waiting_since, returned=True), call.citizen)",
        "waiting.waiting_since), call.citizen)",
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
    ),
    Mutant(
        "acts on a stale reading: forgets its own orders at once",
        "callctl/core/expect.py",
        "BELIEVED_S = 3.0",
        "BELIEVED_S = -1.0",
    ),
    Mutant(
        "acts on the picture of a lost city",
        "callctl/core/fold.py",
        "    draft.forget()\n    draft.up, draft.lost_reason = False, fact.reason\n",
        "    draft.lost_reason = fact.reason\n",
    ),
    Mutant(
        "has no circuit breaker",
        "callctl/core/between.py",
        "    return 0 if now - health.failed_at < BREAKER_OPEN_S else 1\n",
        "    return UNLIMITED\n",
    ),
    Mutant(
        "leaves slots open on switch off",
        "callctl/core/reconcile.py",
        "differ = {other for other in (*wanted, *view.slots_open) if",
        "differ = {other for other in wanted if",
    ),
    Mutant(
        "leaves the seats lent on switch off",
        "callctl/core/reconcile.py",
        "        keep = plan.loans.get(ref) == latest.assisted and newest\n",
        "        keep = newest\n",
    ),
    Mutant(
        "counts no wrap-up",
        "callctl/core/fold.py",
        "fact.at + draft.old.city.queue.wrapup_s if known else 0.0)",
        "0.0)",
    ),
    Mutant(
        "prolongs the wrap-up when the end is told twice",
        "callctl/core/fold.py",
        "fact.at + draft.old.city.queue.wrapup_s if known else 0.0)",
        "fact.at + draft.old.city.queue.wrapup_s)",
    ),
    Mutant(
        "lends without booking",
        "callctl/controller.py",
        "            if isinstance(order, Lend) and order.token == UNTAKEN:\n",
        "            if isinstance(order, Lend) and order.token < UNTAKEN:\n",
    ),
    Mutant(
        "lends and opens while the registry is lost",
        "callctl/ledger.py",
        "        return bool(self._answers) and self._now() - self._renewed_at <= LEASE_TTL_S\n",
        "        return True\n",
    ),
    Mutant(
        "never renews the heartbeat",
        "callctl/controller.py",
        "                        queue.put([RenewHeartbeat(city)])\n            # A new",
        "                        pass\n            # A new",
    ),
    Mutant(
        "goes on leading although deposed",
        "callctl/ledger.py",
        "        if self.lease is None or token <= max(self.lease, self.newest_seen):\n",
        "        if True:\n",
    ),
    Mutant(
        "sends an order that was taken back meanwhile",
        "callctl/controller.py",
        "            if expect.overtaken(self._expected, order):\n",
        "            if False:\n",
    ),
    Mutant(
        "retracts a call in progress: gives up counting it",
        "callctl/core/sharing.py",
        "                    slots[pair] = slots.get(pair, 0) + number\n",
        "                    slots.setdefault(pair, 0)\n",
    ),
    Mutant(
        "helps while it is helped itself",
        "callctl/core/allocation.py",
        "        if self.active:\n            return Why.ITSELF_ASSISTED  # One-way: who is helped does not help.\n",
        "",
    ),
    Mutant(
        "rings a seat that did not answer again and again",
        "callctl/core/seats.py",
        "    if missed is None:\n        return False\n",
        "    return False\n",
    ),
    Mutant(
        "reads no city anew",
        "callctl/controller.py",
        "                await link.reread()\n",
        "                await asyncio.sleep(0)\n",
    ),
    Mutant(
        "takes over from nobody: a standby that never asks",
        "callctl/controller.py",
        "            if not self._unheard or self._ledger.lease is not None:\n",
        "            if self._ledger.lease is not None or not self._now() % 7:\n",
    ),
)
