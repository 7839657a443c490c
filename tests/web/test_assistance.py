"""Assistance by API: two keys, confirmations, waves, limits, the stop; and two supervisors who press at once."""

import asyncio
import html
from pathlib import Path

import pytest

from callctl.app import catch_up
from callctl.core.picture import picture
from callctl.core.plan import Plan
from callctl.core.reasons import WORDS, Reason, Why
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.rights import Role
from callctl.said import ACTS
from tests.store.servers import Valkey
from tests.web.house import PROVINCE, Console, observed, open_console, problem

Y = "/api/v1/cities/yangzhou"


async def started(console: Console, **event: object) -> dict:
    dispatcher = await console.as_role(Role.DISPATCHER)
    answer = await dispatcher.put(f"{Y}/event", json={"title": "台风", **event})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_two_keys_the_province_activates_the_city_switches_on(console: Console) -> None:
    dispatcher, supervisor = await console.as_role(Role.DISPATCHER), await console.as_role(Role.SUPERVISOR, "yangzhou")
    early = problem(await supervisor.post(f"{Y}/switch", json={"on": True}))
    assert (early["status"], "no assistance event" in early["detail"]) == (422, True)
    await started(console)
    refused = await dispatcher.post(f"{Y}/switch", json={"on": True})
    assert refused.status_code == 403, "the province does not hold the city's key"
    done = (await supervisor.post(f"{Y}/switch", json={"on": True, "reason": "排队过长"})).json()
    assert done["changed"]
    assert done["wishes"]["events"]["yangzhou"]["switched_on"]
    assert (await dispatcher.post(f"{Y}/switch", json={"on": False})).status_code == 200, "off is off for both"


async def test_only_the_supporting_citys_own_supervisor_promises_its_seats(console: Console) -> None:
    event = (await started(console, seats={"徐州": 2, "suzhou": 1}))["wishes"]["events"]["yangzhou"]
    assert event["granted"] == {"yangzhou": 0, "xuzhou": 0, "suzhou": 0}
    xuzhou = await console.as_role(Role.SUPERVISOR, "xuzhou")
    said = await xuzhou.put("/api/v1/cities/xuzhou/confirmations/yangzhou", json={"seats": 2})
    assert said.json()["wishes"]["events"]["yangzhou"]["granted"]["xuzhou"] == 2
    other = await xuzhou.put("/api/v1/cities/suzhou/confirmations/yangzhou", json={"seats": 1})
    assert other.status_code == 403
    wishes = await console.house.room.registry.wishes()
    assert wishes is not None
    assert wishes.events["yangzhou"].confirmed == {"xuzhou": 2}


async def test_waves_enter_one_after_the_other(console: Console) -> None:
    waves = [{"number": 1, "seats": {"xuzhou": 1}}, {"number": 2, "seats": {"suzhou": 2}, "planned_at": 1.79e9}]
    await started(console, waves=waves, needs_confirmation=False)
    dispatcher = await console.as_role(Role.DISPATCHER)
    done = await dispatcher.post(f"{Y}/event/waves/1", json={"entered": True})
    granted = done.json()["wishes"]["events"]["yangzhou"]["granted"]
    assert {city: seats for city, seats in granted.items() if seats} == {"xuzhou": 1}
    assert (await dispatcher.post(f"{Y}/event/waves/3", json={"entered": True})).status_code == 422


async def test_whoever_looked_at_an_older_state_is_told_who_was_quicker(console: Console) -> None:
    seen = (await started(console))["version"]
    first, second = [await console.as_role(Role.SUPERVISOR, "yangzhou") for _ in range(2)]
    assert (await first.post(f"{Y}/switch", json={"on": True, "seen_version": seen})).status_code == 200
    late = problem(await second.post(f"{Y}/switch", json={"on": False, "seen_version": seen}))
    assert (late["status"], late["code"]) == (409, "overtaken")
    assert "supervisor-yangzhou" in late["detail"]
    wishes = await console.house.room.registry.wishes()
    assert wishes is not None
    assert wishes.assisted() == {"yangzhou"}, "nothing was overwritten"


async def test_who_changes_something_else_is_not_held_up_by_an_older_state(console: Console) -> None:
    seen = (await started(console))["version"]
    supervisor, xuzhou = (
        await console.as_role(Role.SUPERVISOR, "yangzhou"),
        await console.as_role(Role.SUPERVISOR, "xuzhou"),
    )
    await supervisor.post(f"{Y}/switch", json={"on": True, "seen_version": seen})
    confirmed = await xuzhou.put("/api/v1/cities/xuzhou/confirmations/yangzhou", json={"seats": 1, "seen_version": seen})
    assert confirmed.status_code == 200


async def test_the_same_request_twice_is_one_act(console: Console) -> None:
    await started(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    answers = [
        await supervisor.put(f"{Y}/threshold", json={"threshold_s": 30}, headers={"Idempotency-Key": "press-1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [entry.what for entry in await console.house.room.history.audited(10)].count("threshold") == 1
    bad = problem(await supervisor.put(f"{Y}/threshold", json={"threshold_s": 31}, headers={"Idempotency-Key": "a b"}))
    assert bad["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("threshold", {"threshold_s": 1}, "threshold_s"),
        ("threshold", {"threshold_s": 500}, "threshold_s"),
        ("reserve", {"seats": 0}, "seats"),
        ("reserve", {"seats": "vier"}, "seats"),
        ("reserve", {"seats": 2, "seets": 1}, "seets"),
        ("reserve", {}, "seats"),
    ],
)
async def test_a_value_outside_the_limits_is_refused_at_its_field_in_both_languages(
    console: Console, path: str, body: dict, field: str
) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    english = problem(await supervisor.put(f"{Y}/{path}", json=body))
    chinese = problem(await supervisor.put(f"{Y}/{path}", json=body, headers={"Accept-Language": "zh-CN"}))
    assert english["status"] == chinese["status"] == 422
    assert [error["field"] for error in english["errors"]] == [field]
    assert english["errors"][0]["message"].isascii()
    assert not chinese["errors"][0]["message"].isascii()


async def test_the_stop_works_for_every_supervisor_and_only_the_province_resumes(console: Console) -> None:
    supervisor, dispatcher = await console.as_role(Role.SUPERVISOR, "suzhou"), await console.as_role(Role.DISPATCHER)
    assert (await supervisor.post("/api/v1/stop", json={"reason": "线路故障"})).json()["wishes"]["stopped"]
    assert (await supervisor.post("/api/v1/resume", json={})).status_code == 403
    assert not (await dispatcher.post("/api/v1/resume", json={})).json()["wishes"]["stopped"]


async def test_the_timeline_tells_who_did_what_and_why_and_only_to_the_city_and_the_province(console: Console) -> None:
    await started(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    await supervisor.post(f"{Y}/switch", json={"on": True, "reason": "排队过长"})
    told = (await supervisor.get(f"{Y}/timeline")).json()
    assert [(entry["what"], entry["who"], entry["where"], entry["reason"]) for entry in told] == [
        ("switch on", "supervisor-yangzhou", "10.1.2.3", "排队过长"),
        ("event start", "dispatcher-all", "10.1.2.3", ""),
    ]
    assert all(entry["what"] in ACTS for entry in told)
    other = await console.as_role(Role.SUPERVISOR, "suzhou")
    assert (await other.get(f"{Y}/timeline")).status_code == 403
    dispatcher = await console.as_role(Role.DISPATCHER)
    for browser, seen in ((dispatcher, told), (supervisor, told), (other, [])):
        assert (await browser.get("/api/v1/timeline")).json() == seen, "of all of one's own cities, and no others"


async def test_an_assisted_city_sees_what_others_promise_it_and_nothing_of_their_other_promises(console: Console) -> None:
    await started(console, seats={"suzhou": 2})
    dispatcher = await console.as_role(Role.DISPATCHER)
    await dispatcher.put("/api/v1/cities/xuzhou/event", json={"title": "暴雨", "seats": {"suzhou": 2}})
    suzhou = await console.as_role(Role.SUPERVISOR, "suzhou")
    for assisted, seats in (("yangzhou", 2), ("xuzhou", 1), ("yangzhou", 0)):
        place = f"/api/v1/cities/suzhou/confirmations/{assisted}"
        assert (await suzhou.put(place, json={"seats": seats, "reason": f"{assisted}-{seats}"})).status_code == 200
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    told = (await supervisor.get(f"{Y}/timeline")).json()
    promised = [(one["city"], one["where"], one["before"], one["after"]) for one in told if one["what"] == "confirm"]
    assert promised == [("suzhou", "", "yangzhou 2", "yangzhou 0"), ("suzhou", "", "-", "yangzhou 2")]
    page = (await supervisor.get("/assistance", headers={"Accept-Language": "zh"})).text
    assert page.count("确认座席 · 苏州") == 2
    assert "yangzhou-0" in page
    assert "xuzhou-1" not in page
    bystander = await console.as_role(Role.SUPERVISOR, "huaian")
    assert "确认座席 · 苏州" not in (await bystander.get("/assistance", headers={"Accept-Language": "zh"})).text


async def publish(console: Console, wishes: Wishes, plan: Plan | None = None, **waiting: int) -> None:
    """What a controller would publish: every phone free, and so many callers in each city's queue."""
    world = unseen(PROVINCE)
    for code in PROVINCE.cities:
        world = observed(world, code, waiting.get(code, 0), console.clock())
    await console.house.room.registry.put_status(picture(PROVINCE, world, plan or Plan(), wishes, console.clock()))
    await console.site.state.feed.look()


async def test_the_preview_counts_the_seats_that_could_be_lent_now(console: Console) -> None:
    await started(console, seats={"xuzhou": 1, "suzhou": 3}, needs_confirmation=False)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    blind = problem(await supervisor.get(f"{Y}/switch/preview"))
    assert blind["code"] == "no_picture"
    await publish(console, await console.house.desk.wishes(), yangzhou=4, suzhou=1)
    told = (await supervisor.get(f"{Y}/switch/preview")).json()
    # Xuzhou: four free, one stays home, the event allows one. Suzhou: four free, one stays, one own caller: two.
    assert {city: helper["seats"] for city, helper in told["helpers"].items()} == {"xuzhou": 1, "suzhou": 2}
    assert (told["waiting"], told["seats"], told["left_waiting"]) == (4, 3, 1)
    off = (await supervisor.get(f"{Y}/switch/preview", params={"on": False})).json()
    assert (off["seats"], off["helpers"]) == (0, {})


# What core/explain.py and the Rooms may answer for a caller who waits (tests/core has the moment of each).
NOT_HELPED = [*Why][: [*Why].index(Why.UNDER_WAY) + 1]


@pytest.mark.parametrize("why", NOT_HELPED)
async def test_each_reason_why_a_caller_is_not_helped_is_on_the_page_and_the_wallboard_in_words(
    console: Console, why: Why
) -> None:
    await started(console)
    reasons = {"yangzhou": (Reason(why, 3, ("suzhou", "xuzhou")), Reason(Why.QUOTA, 3, ("huaian",)))}
    await publish(console, await console.house.desk.wishes(), Plan(reasons=reasons), yangzhou=3)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    for language, place in (
        ("zh", f"3 个来电: {WORDS[why][0]}（苏州、徐州）"),
        ("en", f"3 calls: {WORDS[why][1]} (suzhou, xuzhou)"),
    ):
        spoken = {"Accept-Language": language}
        page = html.unescape((await supervisor.get("/cities/yangzhou/assistance/now", headers=spoken)).text)
        assert place in page
        assert WORDS[Why.QUOTA][language == "en"] in page, "each city's own reason"
        board = html.unescape((await supervisor.get("/board", headers=spoken)).text)
        assert WORDS[why][language == "en"] in board


async def test_a_supervisor_sees_the_own_city_in_full_and_of_others_that_they_are_there(console: Console) -> None:
    await publish(console, Wishes(), suzhou=3)
    supervisor, dispatcher = await console.as_role(Role.SUPERVISOR, "yangzhou"), await console.as_role(Role.DISPATCHER)
    mine = (await supervisor.get("/api/v1/status")).json()["cities"]
    assert mine["yangzhou"]["waiting"] == 0
    assert mine["suzhou"] == {"own": False, "name_zh": "苏州", "up": True, "assistance": "off"}
    assert (await dispatcher.get("/api/v1/status")).json()["cities"]["suzhou"]["waiting"] == 3


async def test_an_old_picture_shows_no_number(console: Console) -> None:
    await publish(console, Wishes(), suzhou=3)
    console.clock.at += 6.0
    await console.site.state.feed.look()
    dispatcher = await console.as_role(Role.DISPATCHER)
    scene = (await dispatcher.get("/api/v1/status")).json()
    assert not scene["controller_alive"]
    assert "waiting" not in scene["cities"]["suzhou"]


async def test_with_redis_lost_the_stop_of_somebody_known_is_recorded_and_says_what_that_means(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor, stranger = await console.as_role(Role.SUPERVISOR, "suzhou"), console.browser()
    stranger.cookies.set("__Host-callctl", "never-seen-before")
    assert (await supervisor.get("/api/v1/me")).status_code == 200
    monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 2.0)
    await asyncio.to_thread(valkey.kill)
    done = (await supervisor.post("/api/v1/stop", json={})).json()
    assert done["changed"]
    assert not done["in_effect"]
    assert "Redis cannot be reached" in done["notes"][-1]
    assert problem(await stranger.get("/api/v1/me"))["code"] == "store_lost"
    kept = (await supervisor.put("/api/v1/cities/suzhou/reserve", json={"seats": 2})).json()
    assert (kept["changed"], kept["in_effect"]) == (True, False)


async def test_with_sql_lost_switches_say_so_and_the_stop_still_works(valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "state" / "history.db").mkdir(parents=True)
    async with open_console(tmp_path / "state", valkey.url) as console:
        supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
        lost = problem(await supervisor.put(f"{Y}/reserve", json={"seats": 2}))
        assert (lost["status"], lost["code"]) == (503, "desk_closed")
        assert "stop --all" in lost["detail"]
        assert (await supervisor.post("/api/v1/stop", json={})).json()["in_effect"]
        await console.site.state.feed.look()
        health = (await console.browser().get("/api/v1/health")).json()
        assert (health["registry"], health["history"]) == (True, False)
        entered = problem(await console.browser().post("/api/v1/visit", json={"name": "wang", "password": "x"}))
        assert entered["code"] == "store_lost"


async def test_a_wave_enters_at_its_announced_time_only_where_the_event_says_so(console: Console) -> None:
    dispatcher = await console.as_role(Role.DISPATCHER)
    now = console.clock()
    waves = [{"number": 1, "seats": {"xuzhou": 1}, "planned_at": now + 60}, {"number": 2, "seats": {"suzhou": 1}}]
    place = "/api/v1/cities/yangzhou/event"
    assert (await dispatcher.put(place, json={"title": "暴雨", "waves": waves})).status_code == 200

    async def entered() -> list[bool]:
        wishes = await console.house.desk.wishes()
        return [bool(wave.entered_at) for wave in wishes.events["yangzhou"].waves]

    console.clock.at = now + 61
    await catch_up(console.house.desk)
    assert await entered() == [False, False], "asked for by hand is the default"
    assert (await dispatcher.put(place, json={"waves_on_time": True})).status_code == 200
    console.clock.at = now + 59
    await catch_up(console.house.desk)
    assert await entered() == [False, False], "not before its time"
    console.clock.at = now + 60
    for _ in range(2):  # A standby's controller presses, too.
        await catch_up(console.house.desk)
    assert await entered() == [True, False], "the one that was announced, and no other"
    [press] = [one for one in await console.house.room.history.audited(20) if one.what == "wave enter"]
    assert (press.who, press.city) == ("callctl", "yangzhou")
    assert (await dispatcher.post(f"{place}/waves/1", json={"entered": False})).status_code == 200
    console.clock.at = now + 600
    await catch_up(console.house.desk)
    assert await entered() == [False, False], "sent away by hand it stays away"
