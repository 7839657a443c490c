"""What every history must answer. One suite for the real one and for the one in memory.

Subclass HistoryContract and give `run(story)`, which calls story(history) with an empty history.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.store.port import AlreadyDone, AuditEntry, History, WishesChanged
from tests.store.facts import T0, a_day, reading

Story = Callable[[History], Coroutine[Any, Any, None]]
ENTRY = AuditEntry(T0, "王值班长", "扬州大厅", "switch on", "yangzhou", "off", "on", "突发", "r1")
EVENT = AssistanceEvent("e1", "yangzhou", "扬州疫情", T0, 2.0, True, {"xuzhou": 3})


class HistoryContract:
    """Subclass it and give run()."""

    def run(self, story: Story) -> None:
        """Tell the story to an empty history."""
        raise NotImplementedError

    def test_the_last_wishes_written_are_known(self) -> None:
        async def story(history: History) -> None:
            assert await history.wishes() is None
            await history.audit(ENTRY, Wishes(1, {"yangzhou": EVENT}, {"xuzhou": 2}))
            assert await history.wishes() == Wishes(1, {"yangzhou": EVENT}, {"xuzhou": 2})
            await history.audit(replace(ENTRY, request="r2"), Wishes(2, stopped=True))
            assert await history.wishes() == Wishes(2, stopped=True)
            assert await history.wishes_at(1) == Wishes(1, {"yangzhou": EVENT}, {"xuzhou": 2})
            assert await history.wishes_at(7) is None

        self.run(story)

    def test_an_act_without_wishes_leaves_them_as_they_are(self) -> None:
        async def story(history: History) -> None:
            await history.audit(ENTRY, Wishes(1))
            await history.audit(replace(ENTRY, what="number shown", request=""), None)
            assert await history.wishes() == Wishes(1)
            assert [entry.what for entry in await history.audited(9)] == ["number shown", "switch on"]

        self.run(story)

    def test_a_version_of_the_wishes_is_taken_once_and_the_second_act_is_not_written(self) -> None:
        async def story(history: History) -> None:
            await history.audit(ENTRY, Wishes(1))
            with pytest.raises(WishesChanged):
                await history.audit(replace(ENTRY, who="李值班长", request="r2"), Wishes(1, stopped=True))
            assert await history.wishes() == Wishes(1)
            assert await history.audited(9) == [ENTRY]

        self.run(story)

    def test_a_request_is_carried_out_once(self) -> None:
        async def story(history: History) -> None:
            await history.audit(ENTRY, Wishes(1))
            with pytest.raises(AlreadyDone):
                await history.audit(ENTRY, Wishes(2, stopped=True))
            await history.audit(ENTRY, None)
            assert await history.wishes() == Wishes(1)
            assert await history.audited(9) == [ENTRY]

        self.run(story)

    def test_acts_without_a_request_are_all_written(self) -> None:
        async def story(history: History) -> None:
            nameless = replace(ENTRY, request="")
            await history.audit(nameless, None)
            await history.audit(nameless, None)
            assert await history.audited(9) == [nameless, nameless]

        self.run(story)

    def test_acts_are_read_newest_first_so_many_and_of_one_city(self) -> None:
        async def story(history: History) -> None:
            acts = [
                replace(ENTRY, city=city, request=f"r{number}")
                for number, city in enumerate(["yangzhou", "xuzhou", "yangzhou", ""])
            ]
            for act in acts:
                await history.audit(act, None)
            assert await history.audited(2) == [acts[3], acts[2]]
            assert await history.audited(9, frozenset({"yangzhou"})) == [acts[2], acts[0]]
            assert await history.audited(9, frozenset({"xuzhou", "yangzhou"})) == acts[2::-1]
            assert await history.audited(9, frozenset({"suqian"})) == []
            assert await history.audited(9, frozenset()) == []
            assert await history.audited(9, None, frozenset({ENTRY.what})) == acts[::-1]
            assert await history.audited(9, None, frozenset({"quota"})) == []

        self.run(story)

    def test_facts_are_taken_over_at_once_also_doubled(self) -> None:
        async def story(history: History) -> None:
            for fact in [*a_day(3), *a_day(3), reading(T0 + 99.0)]:
                history.record(fact)

        self.run(story)
