"""What supervisors may do, and what they are told: on a real Valkey and a real SQLite, with two desks at once."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis

from callctl.app import Room, catch_up, open_room
from callctl.core.acts import ActRefused, SetQuota, Stop, Switch
from callctl.core.event_acts import EndEvent, StartEvent
from callctl.core.wishes import Wishes
from callctl.desk import DeskClosed, Overtaken
from callctl.rights import EVERYWHERE, Actor, NotAllowed, Role
from callctl.said import shown_wish
from callctl.settings import Settings, read_settings
from callctl.store import embedded
from tests.small_province import NAMES, small_province

PROVINCE = small_province()
LI = Actor("李调度", "省中心", frozenset({Role.DISPATCHER}), frozenset({EVERYWHERE}))
WANG = Actor("王值班长", "扬州大厅", frozenset({Role.SUPERVISOR}), frozenset({"yangzhou"}))
ZHAO = Actor("赵审计", "省中心", frozenset({Role.AUDITOR}), frozenset({EVERYWHERE}))


class Hand:
    """A clock that moves a second with every look."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def __call__(self) -> float:
        self.at += 1.0
        return self.at


class Valkey:
    """A real server that a test can kill and start again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = embedded.start(folder)
        self.url = self._running.url

    def kill(self) -> None:
        assert self._running.process is not None
        self._running.process.kill()
        self._running.process.wait()

    def start(self) -> None:
        self._running = embedded.start(self._folder)

    def persisted(self) -> None:
        """Everything it knows is on its disk."""
        with Redis.from_url(self.url) as link:
            link.waitaof(1, 0, 5000)

    def forget(self) -> None:
        with Redis.from_url(self.url) as link:
            link.flushall()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    yield server
    server.kill()


@pytest.fixture
def here(tmp_path: Path, valkey: Valkey) -> Settings:
    return read_settings({"CALLCTL_STATE": str(tmp_path / "state"), "CALLCTL_REDIS_URL": valkey.url})


@contextmanager
def lost_history(here: Settings) -> Iterator[None]:
    """SQLite's file cannot be opened; nobody has it open now."""
    file, away = here.state_dir / "history.db", here.state_dir / "history.away"
    file.rename(away)
    file.mkdir()
    yield
    file.rmdir()
    away.rename(file)


def room(here: Settings):
    return open_room(here, PROVINCE, Hand())


@asynccontextmanager
async def two_rooms(here: Settings):
    """Two desks of one province, as two people at two screens have them."""
    async with room(here) as first, room(here) as second:
        yield first, second


async def explained(one: Room) -> Wishes:
    """The wishes as the audit alone tells them; fails where an entry does not follow from those before it."""
    entries = list(reversed(await one.history.audited(1000)))
    undone = {entry.request.removesuffix(" withdrawn") for entry in entries if entry.what == "withdrawn"}
    told: dict[tuple[str, str], str] = {}
    wishes = Wishes()
    for entry in entries:
        if entry.what == "withdrawn" or entry.request in undone:
            continue
        assert shown_wish(wishes, entry.what, entry.city) == entry.before, entry
        wishes = _again(wishes, entry.what, entry.city, entry.after, entry.at)
        told[entry.what, entry.city] = entry.after
        assert shown_wish(wishes, entry.what, entry.city) == entry.after, entry
    return wishes


def _again(wishes: Wishes, what: str, city: str, after: str, at: float) -> Wishes:
    if what == "event start":
        given = json.loads(after)
        return StartEvent(city, given["title"], given["seats"], given["priority"]).apply(wishes, given["started_at"])
    act = {
        "event end": EndEvent(city),
        "switch on": Switch(city, True),
        "switch off": Switch(city, False),
        "quota": SetQuota(city, None if after == "default" else int(after)) if what == "quota" else None,
        "stop all": Stop(True),
        "resume": Stop(False),
    }[what]
    return act.apply(wishes, at)


def same(wishes: Wishes, other: Wishes) -> bool:
    return replace(wishes, version=0) == replace(other, version=0)


async def test_province_starts_city_switches_and_the_controller_reads_it(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "扬州", "台风", {"徐州": 2, "suzhou": 1}, reason="暴雨")
        told = await one.desk.switch(WANG, "0514", True)
        assert told.changed
        assert told.in_effect
        wishes = await one.registry.wishes()
        assert wishes is not None
        assert wishes.assisted() == {"yangzhou"}
        assert wishes.events["yangzhou"].seats == {"xuzhou": 2, "suzhou": 1}
        assert wishes == await one.history.wishes()


async def test_every_act_is_audited_with_who_when_where_and_why(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        await one.desk.switch(WANG, "yangzhou", True, reason="排队过长")
        switch, start = await one.history.audited(10)
        assert (switch.who, switch.where, switch.what, switch.city) == ("王值班长", "扬州大厅", "switch on", "yangzhou")
        assert (switch.before, switch.after, switch.reason) == ("off", "on", "排队过长")
        assert switch.at > start.at
        assert start.before == ""
        assert "台风" in start.after


async def test_the_audit_is_written_before_the_act_takes_effect(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        valkey.kill()
        told = await one.desk.switch(WANG, "yangzhou", True)
        assert told.changed
        assert not told.in_effect
        assert (await one.history.audited(1))[0].what == "switch on"
    valkey.start()
    async with room(here) as later:
        await later.desk.wishes()
        wishes = await later.registry.wishes()
        assert wishes is not None
        assert wishes.assisted() == {"yangzhou"}


async def test_switching_on_twice_is_one_change_and_the_second_is_told(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        first = await one.desk.switch(WANG, "yangzhou", True, request="click")
        second = await one.desk.switch(WANG, "yangzhou", True, request="click")
        assert (first.changed, second.changed) == (True, False)
        assert "王值班长" in second.sentence.zh
        assert second.wishes.version == first.wishes.version
        assert len(await one.history.audited(10)) == 2


async def test_a_double_click_on_two_screens_is_one_change(here: Settings) -> None:
    async with two_rooms(here) as (one, two):
        await one.desk.start_event(LI, "yangzhou", "台风")
        told = await asyncio.gather(*(each.desk.switch(WANG, "yangzhou", True, request="click") for each in (one, two)))
        assert sorted(each.changed for each in told) == [False, True]
        assert len(await one.history.audited(10)) == 2
        assert same(await explained(one), await one.desk.wishes())


async def test_a_request_that_is_sent_again_later_is_not_done_again(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.quota(LI, "xuzhou", 1, request="sent twice")
        await one.desk.quota(LI, "xuzhou", 3)
        again = await one.desk.quota(LI, "xuzhou", 1, request="sent twice")
        assert not again.changed
        assert again.wishes.quotas == {"xuzhou": 3}


async def test_two_desks_of_a_province_without_redis_are_told_apart_by_sql(here: Settings, valkey: Valkey) -> None:
    valkey.kill()
    async with two_rooms(here) as (one, two):
        await asyncio.gather(one.desk.quota(LI, "xuzhou", 1), two.desk.quota(LI, "suzhou", 3))
        assert (await one.desk.wishes()).quotas == {"xuzhou": 1, "suzhou": 3}
        assert same(await explained(one), await one.desk.wishes())


async def test_two_desks_that_race_lose_nothing_and_the_audit_explains_the_result(here: Settings) -> None:
    async with two_rooms(here) as (one, two):
        await one.desk.start_event(LI, "yangzhou", "台风")
        await asyncio.gather(
            one.desk.quota(LI, "xuzhou", 1),
            two.desk.quota(LI, "suzhou", 3),
            one.desk.start_event(LI, "suzhou", "停水"),
            two.desk.switch(WANG, "yangzhou", True),
            one.desk.quota(LI, "huaian", 0),
        )
        wishes = await two.desk.wishes()
        assert wishes.quotas == {"xuzhou": 1, "suzhou": 3, "huaian": 0}
        assert wishes.events.keys() == {"yangzhou", "suzhou"}
        assert wishes.assisted() == {"yangzhou"}
        assert same(await explained(one), wishes)
        assert wishes == await one.history.wishes() == await one.registry.wishes()


async def test_of_two_who_change_the_same_thing_at_once_the_later_is_told_who_did_what(here: Settings) -> None:
    async with two_rooms(here) as (one, two):
        answers = await asyncio.gather(
            one.desk.quota(LI, "suzhou", 1), two.desk.quota(replace(LI, name="孙调度"), "suzhou", 3), return_exceptions=True
        )
        done = [answer for answer in answers if not isinstance(answer, BaseException)]
        overtaken = [answer for answer in answers if isinstance(answer, Overtaken)]
        assert len(done) + len(overtaken) == 2
        assert done
        for answer in overtaken:
            assert "调度" in answer.sentence.zh
            assert "→" in answer.sentence.zh
        assert same(await explained(one), await one.desk.wishes())


async def test_stop_during_a_switch_leaves_both_done(here: Settings) -> None:
    async with two_rooms(here) as (one, two):
        await one.desk.start_event(LI, "yangzhou", "台风")
        await asyncio.gather(one.desk.switch(WANG, "yangzhou", True), two.desk.stop_all(WANG, "误操作"))
        wishes = await one.desk.wishes()
        assert wishes.stopped
        assert wishes.assisted() == frozenset()
        assert (await one.desk.resume(LI)).wishes.assisted() == {"yangzhou"}


async def test_switching_on_during_a_stop_says_that_nothing_happens_before_resume(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        await one.desk.stop_all(LI)
        told = await one.desk.switch(WANG, "yangzhou", True)
        assert "resume" in told.notes[0].zh


async def test_a_switch_without_an_event_is_refused_with_the_way_to_get_one(here: Settings) -> None:
    async with room(here) as one:
        with pytest.raises(ActRefused, match="event start yangzhou"):
            await one.desk.switch(WANG, "yangzhou", True)
        assert await one.history.audited(10) == []
        assert not (await one.desk.switch(WANG, "yangzhou", False)).changed


@pytest.mark.parametrize(
    ("who", "act"),
    [
        (WANG, lambda desk, who: desk.start_event(who, "yangzhou", "台风")),
        (WANG, lambda desk, who: desk.end_event(who, "yangzhou")),
        (WANG, lambda desk, who: desk.quota(who, "xuzhou", 1)),
        (WANG, lambda desk, who: desk.switch(who, "suzhou", False)),
        (WANG, lambda desk, who: desk.resume(who)),
        (ZHAO, lambda desk, who: desk.stop_all(who)),
    ],
)
async def test_nobody_may_do_what_is_not_theirs(here: Settings, who: Actor, act) -> None:
    async with room(here) as one:
        with pytest.raises(NotAllowed):
            await act(one.desk, who)
        assert await one.history.audited(10) == []


@pytest.mark.parametrize(
    ("city", "seats", "says"),
    [
        ("yangzhou", {"yangzhou": 1}, "itself"),
        ("yangzhou", {"huaian": 1}, "no trunk"),
        ("suzhou", {"xuzhou": 1}, "helps in queues/xuzhou.toml"),
        ("yangzhou", {"suzhou": 4}, "3 seats that may be lent"),
        ("yangzhou", {"suzhou": -1}, "not -1"),
        ("yangzhou", {"suzou": 1}, "did you mean suzhou"),
        ("huaian", None, "no city can help"),
    ],
)
async def test_an_event_that_cannot_work_is_refused_with_the_reason(here: Settings, city: str, seats, says: str) -> None:
    async with room(here) as one:
        with pytest.raises(ActRefused, match=says):
            await one.desk.start_event(LI, city, "台风", seats)
        assert (await one.desk.wishes()).events == {}


@pytest.mark.parametrize("name", ["yangzhou", "Yangzhou", "扬州", "扬州市", "0514", "514", " 扬州 "])
async def test_a_city_answers_to_code_chinese_name_and_area_code(here: Settings, name: str) -> None:
    async with room(here) as one:
        told = await one.desk.start_event(LI, name, "台风")
        assert told.wishes.events.keys() == {"yangzhou"}


async def test_a_mistyped_city_is_refused_with_the_nearest_one(here: Settings) -> None:
    async with room(here) as one:
        with pytest.raises(ActRefused) as refused:
            await one.desk.quota(LI, "扬洲", 1)
        assert "扬州(yangzhou)" in refused.value.sentence.zh
        with pytest.raises(ActRefused, match="known: huaian, suzhou"):
            await one.desk.quota(LI, "\x1b[31m", 1)


async def test_a_supporter_that_is_overwhelmed_gets_its_own_event_and_is_told_of_the_one_way_rule(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风", {"suzhou": 2})
        told = await one.desk.start_event(LI, "suzhou", "停水")
        assert told.changed
        assert "单向" in told.notes[0].zh


async def test_starting_again_changes_what_is_given_and_keeps_the_rest(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风", {"suzhou": 2})
        await one.desk.switch(WANG, "yangzhou", True)
        event = (await one.desk.start_event(LI, "yangzhou", priority=2.0)).wishes.events["yangzhou"]
        assert (event.title, event.seats, event.priority, event.switched_on) == ("台风", {"suzhou": 2}, 2.0, True)
        again = await one.desk.start_event(LI, "yangzhou", "台风", {"suzhou": 2})
        assert not again.changed


@pytest.mark.parametrize("count", [-1, 4])
async def test_a_quota_outside_the_seats_is_refused(here: Settings, count: int) -> None:
    async with room(here) as one:
        with pytest.raises(ActRefused, match="0 to 3"):
            await one.desk.quota(LI, "xuzhou", count)


async def test_a_reason_with_control_characters_does_not_reach_the_audit(here: Settings) -> None:
    async with room(here) as one:
        with pytest.raises(ActRefused):
            await one.desk.stop_all(LI, "boom\x1b[2J")


async def test_without_sql_only_the_emergency_stop_works_and_its_audit_follows(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        await one.desk.switch(WANG, "yangzhou", True)
    with lost_history(here):
        async with room(here) as one:
            with pytest.raises(DeskClosed, match="stop --all"):
                await one.desk.switch(WANG, "yangzhou", False)
            told = await one.desk.stop_all(WANG, "数据库坏了")
            assert told.in_effect
            wishes = await one.registry.wishes()
            assert wishes is not None
            assert wishes.stopped
    async with room(here) as one:
        assert await one.desk.settle() == 1
        assert (await one.history.audited(1))[0].reason == "数据库坏了"
        assert same(await explained(one), await one.desk.wishes())
        assert (await one.history.wishes()) == await one.registry.wishes()
        assert await one.desk.settle() == 0


async def test_a_stop_whose_audit_entry_cannot_be_kept_either_says_so(here: Settings) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
    for file in ("audit-unsent.jsonl", "audit-sending.jsonl"):
        (here.state_dir / file).mkdir()  # As good as a full disk.
    with lost_history(here):
        async with room(here) as one:
            told = await one.desk.stop_all(WANG)
            assert told.in_effect
            assert "not audited" in told.notes[-1].en


async def test_two_who_send_a_kept_stop_at_once_write_it_once_and_neither_fails(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
    with lost_history(here):
        async with room(here) as one:
            await one.desk.stop_all(WANG, "数据库坏了")
    async with two_rooms(here) as (one, two):
        await asyncio.gather(one.desk.settle(), two.desk.settle())
        assert [entry.what for entry in await one.history.audited(10)] == ["stop all", "event start"]
        assert same(await explained(one), await two.desk.wishes())


async def test_without_either_store_a_stop_is_kept_and_done_when_one_is_back(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        await one.desk.switch(WANG, "yangzhou", True)
    with lost_history(here):
        valkey.kill()
        async with room(here) as one:
            told = await one.desk.stop_all(WANG)
            assert not told.in_effect
            assert told.sentence.zh.startswith("已记录，尚未生效")
            assert "callctl run" in told.notes[-1].zh
            with pytest.raises(DeskClosed):
                await one.desk.resume(LI)
    valkey.start()
    async with room(here) as one:
        assert (await one.desk.wishes()).stopped
        wishes = await one.registry.wishes()
        assert wishes is not None
        assert wishes.stopped


async def test_redis_that_forgot_everything_gets_the_wishes_back_from_sql(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        valkey.forget()
        told = await one.desk.switch(WANG, "yangzhou", True)
        assert told.in_effect
        wishes = await one.registry.wishes()
        assert wishes is not None
        assert wishes.assisted() == {"yangzhou"}


async def test_an_act_made_without_redis_is_in_effect_when_redis_is_back_as_it_was(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        await asyncio.to_thread(valkey.persisted)
        valkey.kill()
        assert not (await one.desk.stop_all(WANG)).in_effect
        valkey.start()
        before = await one.registry.wishes()
        assert before is not None
        assert not before.stopped, "Redis kept the old wishes on its disk"
        await catch_up(one.desk)
        after = await one.registry.wishes()
        assert after is not None
        assert after.stopped


async def test_an_act_whose_desk_died_before_redis_is_finished_by_the_next(here: Settings, valkey: Valkey) -> None:
    async with room(here) as one:
        await one.desk.start_event(LI, "yangzhou", "台风")
        valkey.kill()
        await one.desk.switch(WANG, "yangzhou", True)
    valkey.start()
    async with room(here) as two:
        assert (await two.desk.quota(LI, "suzhou", 1)).wishes.assisted() == {"yangzhou"}
        assert same(await explained(two), await two.desk.wishes())


CITY = st.sampled_from(sorted(NAMES))
ACTS = st.one_of(
    st.tuples(st.just("start_event"), CITY, st.sampled_from(["台风", "停水", None])),
    st.tuples(st.just("end_event"), CITY),
    st.tuples(st.just("switch"), CITY, st.booleans()),
    st.tuples(st.just("quota"), CITY, st.one_of(st.none(), st.integers(0, 4))),
    st.tuples(st.just("stop_all")),
    st.tuples(st.just("resume")),
)


@given(waves=st.lists(st.lists(ACTS, min_size=1, max_size=3), min_size=1, max_size=5))
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_two_desks_do_the_audit_explains_the_wishes(here: Settings, valkey: Valkey, waves) -> None:
    async def play() -> None:
        valkey.forget()
        (here.state_dir / "history.db").unlink(missing_ok=True)
        async with two_rooms(here) as (one, two):
            for wave in waves:
                desks = [one.desk, two.desk, one.desk]
                acts = (getattr(desk, name)(LI, *rest) for desk, (name, *rest) in zip(desks, wave, strict=False))
                for answer in await asyncio.gather(*acts, return_exceptions=True):
                    assert not isinstance(answer, BaseException) or isinstance(answer, ActRefused), answer
            wishes = await one.desk.wishes()
            assert same(await explained(two), wishes)
            assert wishes == (await one.history.wishes() or Wishes()) == (await two.registry.wishes() or Wishes())

    asyncio.run(play())
