"""What every agent registry must answer. One suite for the real one and for the one in memory.

Subclass RegistryContract and give `run(story)`, which calls story(registry) with an empty registry.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from callctl.core.missed import Errand, Wanted
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.store.port import Loan, Outdated, Refusal, Registry, WishesChanged

Story = Callable[[Registry], Coroutine[Any, Any, None]]
SEAT, OTHER = SeatRef("wuxi", "12001"), SeatRef("wuxi", "12002")
TTL_S = 60.0


async def lease_of(registry: Registry, holder: str = "a") -> int:
    """Lead, and be sure of it."""
    lease = await registry.lead(holder, TTL_S)
    assert lease is not None
    return lease


async def led_at_last(registry: Registry, holder: str) -> int:
    """The lease of one who stands by and asks again and again, until a short lease of another has run out."""
    for _ in range(200):
        lease = await registry.lead(holder, TTL_S, rival_s=0.1)
        if lease is not None:
            return lease
        await asyncio.sleep(0.05)
    raise AssertionError(f"{holder} never leads")


class RegistryContract:
    """Subclass it and give run()."""

    def run(self, story: Story) -> None:
        """Tell the story to an empty registry."""
        raise NotImplementedError

    def test_one_holder_leads_and_renewing_keeps_the_token(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            assert await registry.lead("b", TTL_S) is None
            assert await registry.lead("a", TTL_S) == lease

        self.run(story)

    def test_after_a_resignation_the_next_one_leads_with_a_higher_token(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            await registry.resign("b")
            assert await registry.lead("b", TTL_S) is None
            await registry.resign("a")
            assert await lease_of(registry, "b") > lease

        self.run(story)

    def test_a_seat_is_lent_once(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            loan = await registry.lend("r1", lease, SEAT, "nanjing")
            assert (loan.seat, loan.assisted) == (SEAT, "nanjing")
            with pytest.raises(Refusal):
                await registry.lend("r2", lease, SEAT, "xuzhou")
            assert await registry.loans() == {SEAT: loan}

        self.run(story)

    def test_the_same_request_gets_the_same_loan(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            assert await registry.lend("r1", lease, SEAT, "nanjing") == await registry.lend("r1", lease, SEAT, "nanjing")

        self.run(story)

    def test_a_repeated_request_is_no_loan_once_the_loan_has_ended(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            loan = await registry.lend("r1", lease, SEAT, "nanjing")
            await registry.recall("r2", lease, SEAT, loan.token)
            with pytest.raises(Refusal):
                await registry.lend("r1", lease, SEAT, "nanjing")
            assert await registry.loans() == {}

        self.run(story)

    def test_tokens_of_leases_and_loans_rise(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            first = await registry.lend("r1", lease, SEAT, "nanjing")
            second = await registry.lend("r2", lease, OTHER, "nanjing")
            await registry.recall("r3", lease, SEAT, first.token)
            third = await registry.lend("r4", lease, SEAT, "xuzhou")
            assert lease < first.token < second.token < third.token

        self.run(story)

    def test_an_old_token_ends_no_newer_loan(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            first = await registry.lend("r1", lease, SEAT, "nanjing")
            await registry.recall("r2", lease, SEAT, first.token)
            second = await registry.lend("r3", lease, SEAT, "xuzhou")
            await registry.recall("r4", lease, SEAT, first.token)
            assert await registry.loans() == {SEAT: second}

        self.run(story)

    def test_an_outdated_lease_changes_nothing(self) -> None:
        async def story(registry: Registry) -> None:
            old = await lease_of(registry)
            loan = await registry.lend("r1", old, SEAT, "nanjing")
            await registry.resign("a")
            await lease_of(registry, "b")
            for attempt in (
                registry.lend("r2", old, OTHER, "nanjing"),
                registry.recall("r3", old, SEAT, loan.token),
                registry.renew(old, TTL_S),
                registry.adopt(old, [Loan(OTHER, "nanjing", 5, 0.0)]),
            ):
                with pytest.raises(Outdated):
                    await attempt
            assert set(await registry.loans()) == {SEAT}

        self.run(story)

    def test_a_registry_without_memory_lets_whoever_led_say_so_before_one_who_was_refused_leads(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.lead("b", TTL_S, rival_s=0.5) is None, "it knows that another led half a second ago"
            lease = await lease_of(registry, "a")
            assert await registry.lead("b", TTL_S, rival_s=0.5) is None
            assert await registry.lead("a", TTL_S) == lease

        self.run(story)

    def test_whoever_was_refused_leads_once_nobody_has_said_so(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.lead("b", 0.2, rival_s=0.5) is None
            with pytest.raises(Outdated):
                await registry.renew(0, TTL_S)
            assert await led_at_last(registry, "b")

        self.run(story)

    def test_whoever_was_refused_leads_at_once_after_a_lease_that_ran_out_or_was_given_back(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.lead("a", 0.2) is not None
            lease = await led_at_last(registry, "b")
            await registry.resign("b")
            after = await registry.lead("a", TTL_S, rival_s=0.1)
            assert after is not None
            assert after > lease

        self.run(story)

    def test_a_token_on_the_pbxs_that_the_registry_never_gave_tells_that_somebody_led(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.lead("b", TTL_S, seen=5) is None
            lease = await lease_of(registry, "a")
            assert await registry.lead("b", TTL_S, rival_s=0.5) is None
            await registry.resign("a")
            assert await registry.lead("b", TTL_S, seen=lease) is not None, "one that it gave bars nobody"

        self.run(story)

    def test_where_only_the_pbxs_tell_that_somebody_led_the_lease_is_free_after_its_life(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.lead("b", 0.2, seen=5) is None
            assert await led_at_last(registry, "b")

        self.run(story)

    def test_a_running_lease_is_nobody_elses_whatever_the_standbys_clock_says(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            assert await registry.lead("b", TTL_S, rival_s=-3600.0) is None, "its clock was set back by an hour"
            assert (await registry.lend("r1", lease, SEAT, "nanjing")).token > lease
            assert await registry.lead("a", TTL_S) == lease

        self.run(story)

    def test_adopted_loans_are_there_and_of_two_the_later_stays(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            await registry.adopt(lease, [Loan(SEAT, "nanjing", 5, 1.0), Loan(OTHER, "nanjing", 6, 1.0)])
            await registry.adopt(lease, [Loan(SEAT, "xuzhou", 4, 1.0)])
            loans = await registry.loans()
            assert {ref: (loan.assisted, loan.token) for ref, loan in loans.items()} == {
                SEAT: ("nanjing", 5),
                OTHER: ("nanjing", 6),
            }

        self.run(story)

    def test_a_loan_still_under_way_is_not_adopted_and_bars_nobody(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            await registry.adopt(lease, [Loan(SEAT, "nanjing", 0, 1.0)])
            assert (await registry.lend("r1", lease, SEAT, "nanjing")).token > 0

        self.run(story)

    def test_after_adopting_high_tokens_the_next_loan_is_later_still(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            high = lease + 1_000_000_000
            await registry.adopt(lease, [Loan(SEAT, "nanjing", high, 1.0)])
            assert (await registry.lend("r1", lease, OTHER, "nanjing")).token > high

        self.run(story)

    def test_wishes_are_written_by_who_saw_the_last_ones(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.wishes() is None
            first = await registry.put_wishes(0, Wishes(stopped=True))
            assert (first.version, first.stopped) == (1, True)
            with pytest.raises(WishesChanged):
                await registry.put_wishes(0, Wishes())
            second = await registry.put_wishes(1, replace(first, stopped=False))
            assert await registry.wishes() == second

        self.run(story)

    def test_restored_wishes_never_overwrite_newer_ones(self) -> None:
        async def story(registry: Registry) -> None:
            await registry.restore_wishes(Wishes(7, stopped=True))
            await registry.restore_wishes(Wishes(3))
            kept = await registry.wishes()
            assert kept is not None
            assert (kept.version, kept.stopped) == (7, True)

        self.run(story)

    def test_the_latest_picture_is_shown(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.status() is None
            await registry.put_status({"at": 1.0, "cities": {"扬州": None}})
            assert await registry.status() == {"at": 1.0, "cities": {"扬州": None}}

        self.run(story)

    def test_a_request_used_for_one_seat_is_refused_for_another(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            loan = await registry.lend("r1", lease, SEAT, "nanjing")
            for seat, assisted in ((OTHER, "nanjing"), (SEAT, "xuzhou")):
                with pytest.raises(Refusal):
                    await registry.lend("r1", lease, seat, assisted)
            assert await registry.loans() == {SEAT: loan}

        self.run(story)

    def test_the_same_wishes_written_again_are_answered_as_the_first_time(self) -> None:
        async def story(registry: Registry) -> None:
            first = await registry.put_wishes(0, Wishes(stopped=True))
            assert await registry.put_wishes(0, Wishes(stopped=True)) == first
            with pytest.raises(WishesChanged):
                await registry.put_wishes(0, Wishes(stopped=False))

        self.run(story)

    def test_restored_wishes_of_the_same_version_change_nothing(self) -> None:
        async def story(registry: Registry) -> None:
            await registry.restore_wishes(Wishes(7, stopped=True))
            await registry.restore_wishes(Wishes(7, quotas={"wuxi": 1}))
            assert await registry.wishes() == Wishes(7, stopped=True)
            assert (await registry.put_wishes(7, Wishes())).version == 8

        self.run(story)

    def test_tokens_that_cannot_be_ours_are_not_adopted(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            await registry.adopt(lease, [Loan(SEAT, "nanjing", 10**30, 1.0), Loan(OTHER, "nanjing", 0, 1.0)])
            assert await registry.loans() == {}
            assert lease < (await registry.lend("r1", lease, SEAT, "nanjing")).token < 2**53

        self.run(story)

    def test_one_s_own_lease_given_back_is_no_lease_any_more(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            await registry.resign("a")
            with pytest.raises(Refusal):
                await registry.lend("r1", lease, SEAT, "nanjing")
            assert await lease_of(registry) > lease

        self.run(story)

    def test_an_adopted_loan_that_is_there_already_keeps_when_it_was_lent(self) -> None:
        async def story(registry: Registry) -> None:
            lease = await lease_of(registry)
            loan = await registry.lend("r1", lease, SEAT, "nanjing")
            await registry.adopt(lease, [Loan(SEAT, "nanjing", loan.token, 1.0)])
            assert await registry.loans() == {SEAT: loan}
            await registry.recall("r2", lease, SEAT, loan.token)
            await registry.recall("r2", lease, SEAT, loan.token)
            assert await registry.loans() == {}

        self.run(story)

    def test_a_picture_replaces_the_one_before_and_wishes_keep_their_events(self) -> None:
        async def story(registry: Registry) -> None:
            await registry.put_status({"at": 1.0})
            await registry.put_status({"at": 2.5, "cities": {}})
            assert await registry.status() == {"at": 2.5, "cities": {}}
            event = AssistanceEvent("e1", "nanjing", "南京暴雨", 1.5, 2.0, True, {"wuxi": 3})
            written = await registry.put_wishes(0, Wishes(events={"nanjing": event}, quotas={"wuxi": 2}))
            assert await registry.wishes() == written == Wishes(1, {"nanjing": event}, {"wuxi": 2})

        self.run(story)

    def test_who_has_not_read_the_scripts_is_told_until_the_console_is_gone(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.unbriefed() == {}
            await registry.put_unbriefed({"nanjing": frozenset({SEAT, OTHER}), "yangzhou": frozenset()}, 60.0)
            assert await registry.unbriefed() == {"nanjing": {SEAT, OTHER}, "yangzhou": frozenset()}
            await registry.put_unbriefed({}, 60.0)
            assert await registry.unbriefed() == {}

        self.run(story)

    def test_whom_to_call_back_is_told_as_the_books_last_found(self) -> None:
        async def story(registry: Registry) -> None:
            assert await registry.wanted() == {}
            wanted = {"yangzhou": Wanted((Errand("yangzhou-1.1", -1.5), Errand("yangzhou-1.2", 9e9)), 2, 1)}
            await registry.put_wanted(wanted, 60.0)
            assert await registry.wanted() == wanted
            await registry.put_wanted({}, 60.0)
            assert await registry.wanted() == {}

        self.run(story)

    def test_a_press_is_kept_until_it_is_settled_and_a_newer_one_is_not_settled_with_it(self) -> None:
        async def story(registry: Registry) -> None:
            first, second = Press("p1", False, "202", 1.5), Press("p2", True, "", 2.0)
            await registry.put_press(SEAT, first)
            assert await registry.presses() == {SEAT: first}
            await registry.put_press(SEAT, second)
            await registry.settle_press(SEAT, first)
            assert await registry.presses() == {SEAT: second}
            await registry.settle_press(SEAT, second)
            assert await registry.presses() == {}

        self.run(story)
