"""`callctl plan` as a supervisor meets it: the published picture, the history, a saved moment, questions and mistakes."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from callctl import clock
from callctl.cli.root import run_command_line
from callctl.core.model import City, Lending
from callctl.core.picture import shown_wishes
from callctl.core.wishes import AssistanceEvent, Wave, Wishes
from callctl.province import read_province
from callctl.sim.scenario import read_scenario
from callctl.store import embedded
from callctl.store.measured import seen_lately
from callctl.store.registry import RedisRegistry
from callctl.store.schema import open_engine, prepare
from callctl.store.tables import calls

# A Thursday, 10:30 in Beijing: how many calls the next hours bring depends on the hour.
MORNING = 1_795_660_200.0
ROOT = Path(__file__).resolve().parent.parent
PROVINCE = read_province(ROOT)
Plan = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded.start(tmp_path_factory.mktemp("valkey"))
    yield server.url
    server.stop()


@pytest.fixture
def plan(tmp_path: Path, valkey_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Plan:
    for name in [name for name in os.environ if name.startswith(("CALLCTL_", "LC_", "LANG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("CALLCTL_PROVINCE", str(ROOT))
    monkeypatch.setenv("CALLCTL_REDIS_URL", valkey_url)
    monkeypatch.setenv("CALLCTL_SQL_URL", f"sqlite+aiosqlite:///{tmp_path / 'history.db'}")
    began = time.time()
    monkeypatch.setattr(clock, "now", lambda: MORNING + time.time() - began)
    with Redis.from_url(valkey_url) as link:
        link.flushall()

    def run(*words: str) -> tuple[int, str, str]:
        hours = () if "--from" in words else ("--hours", "1")
        monkeypatch.setattr(sys, "argv", ["callctl", "plan", "--processes", "1", "--seeds", "3", *hours, *words])
        code = run_command_line()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def shown(city: City, **more: Any) -> dict[str, Any]:
    """A calm city: a third of its seats talk."""
    seats = [seat.id for seat in city.seats]
    busy = len(seats) // 3
    states = dict.fromkeys(seats[:busy], "busy") | dict.fromkeys(seats[busy:], "free")
    counts = {
        word: list(states.values()).count(word) for word in ("free", "ringing", "busy", "wrap_up", "paused", "offline")
    }
    return {
        "up": True,
        "waiting": 0,
        "longest_wait_s": 0.0,
        "seats": counts,
        "seat_states": states,
        "lent_in": {},
        "assistance": "off",
        "threshold_s": 20.0,
        "reserve": 1,
        "quota": city.lend.quota,
    } | more


def event_of(city: str, **more: Any) -> AssistanceEvent:
    """A running event, switched on."""
    return AssistanceEvent("e", city, "", 0.0, 2.0, True, **more)


def publish(*events: AssistanceEvent, **changes: dict[str, Any]) -> None:
    cities = {code: shown(city, **changes.get(code, {})) for code, city in PROVINCE.cities.items()}
    wishes = Wishes(1, {event.assisted: event for event in events or [event_of("yangzhou")]})
    picture = {"at": clock.now(), "cities": cities, "wishes": dict(shown_wishes(PROVINCE, wishes))}

    async def put() -> None:
        registry = RedisRegistry(os.environ["CALLCTL_REDIS_URL"])
        await registry.put_status(picture)
        await registry.close()

    asyncio.run(put())


def rush() -> dict[str, Any]:
    states = dict.fromkeys((seat.id for seat in PROVINCE.cities["yangzhou"].seats), "busy")
    counts = dict.fromkeys(("free", "ringing", "wrap_up", "paused", "offline"), 0) | {"busy": len(states)}
    lent = {"xuzhou": {"open": 3, "in_use": 2}}
    return {
        "waiting": 8,
        "longest_wait_s": 40.0,
        "seats": counts,
        "seat_states": states,
        "lent_in": lent,
        "assistance": "acting",
    }


def record(city: str, number: int, talked_s: float, abandoned: int) -> None:
    """Calls of the last half hour in the history."""

    async def write() -> None:
        engine = open_engine(os.environ["CALLCTL_SQL_URL"])
        await prepare(engine)
        common = {"city": city, "number": "", "state": "ended", "open": False, "requeues": 0, "seen_from": "events"}
        rows = [
            common
            | {"call": f"{city}-{i}", "asked_at": clock.now() - 1000.0 - i, "waited_s": 9.0}
            | (
                {"outcome": "abandoned", "talked_s": None}
                if i < abandoned
                else {"outcome": "answered", "talked_s": talked_s}
            )
            for i in range(number)
        ]
        async with engine.begin() as connection:
            await connection.execute(calls.insert(), rows)
        seen = await seen_lately(engine, clock.now() - 3600.0, clock.now())
        assert seen[city] == (number, number - abandoned, talked_s * (number - abandoned), abandoned, 9.0 * number)
        await engine.dispose()

    asyncio.run(write())


def test_what_is_asked_is_answered_beside_what_is(plan: Plan) -> None:
    publish(yangzhou=rush())
    code, out, err = plan("--if", "关闭 扬州", "--if", "徐州 +3; 无锡 =0 @+20")
    assert code == 0, err
    assert "未来 1 小时，3 次推演的平均值" in out
    assert "保持现状：扬州接通率" in out
    assert "关闭 扬州：扬州接通率" in out
    assert "本市15秒接听 %" in out
    assert "还没有来电记录" in err


def test_the_picture_becomes_the_moment_to_begin_from(plan: Plan, tmp_path: Path) -> None:
    publish(yangzhou=rush(), suzhou={"up": False})
    record("yangzhou", 300, 200.0, 100)
    file = tmp_path / "now.json"
    code, _, err = plan("--save", str(file))
    assert code == 0
    assert "苏州情况未知，未计入" in err
    saved = {city.name: city for city in read_scenario(file).cities}
    assert "suzhou" not in saved
    yangzhou, xuzhou = saved["yangzhou"], saved["xuzhou"]
    assert yangzhou.start.waiting_s == (40.0, 35.0, 30.0, 25.0, 20.0, 15.0, 10.0, 5.0)
    assert len(yangzhou.start.talking_s) == len(PROVINCE.cities["yangzhou"].seats)
    assert (yangzhou.start.active, yangzhou.weight, yangzhou.threshold_s) == (True, 2.0, 20.0)
    assert len(xuzhou.start.lent_s["yangzhou"]) == 2
    assert xuzhou.lendable == sum(seat.lend is not Lending.NO for seat in PROVINCE.cities["xuzhou"].seats)
    assert len(xuzhou.start.talking_s) == len(PROVINCE.cities["xuzhou"].seats) // 3 - 2
    assert yangzhou.per_h[0] == pytest.approx(300, rel=0.1)
    assert yangzhou.talk["mean"] == 200.0
    assert yangzhou.patience["mean"] == 27.0
    assert plan("--from", str(file), "--if", "off yangzhou")[0] == 0


def test_programs_get_every_figure_with_its_interval(plan: Plan, tmp_path: Path) -> None:
    publish(yangzhou=rush())
    forecast = tmp_path / "f.json"
    forecast.write_text('{"扬州": [150, 150, 150, 150]}', "utf-8")
    code, out, _ = plan("--json", "--if", "徐州 +3", "--recommend", "--forecast", str(forecast))
    assert code == 0
    told = json.loads(out)
    assert [one["asked"] for one in told["what_if"]] == ["徐州 +3", "按建议调整"]
    figures = told["as_it_is"]["cities"]["yangzhou"]
    assert figures["calls"]["all"][0] == pytest.approx(608, abs=60)  # 600 expected, and the 8 who wait already.
    assert len(figures["connect_rate"]["hours"]) == 1
    mean, half = told["what_if"][0]["change"]["yangzhou"]["connect_rate"]
    assert abs(mean) < 0.5
    assert 0.0 < half < 0.5  # Three different days: it cannot be nothing.
    assert told["proposals"][0]["half_hours"][0]["per_h"] == 600.0
    assert told["assisted"] == ["yangzhou"]


def test_mistakes_are_lines_that_say_what_to_do(plan: Plan, tmp_path: Path) -> None:
    assert plan()[0] == 4  # Nobody has published anything.
    publish()
    code, out, err = plan("--if", "on 火星", "--if", "徐州 many")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2
    assert "火星" in err
    assert plan("--day", "monday")[0] == 1
    assert plan("--from", str(tmp_path / "absent.json"))[0] == 1
    assert plan("--forecast", str(tmp_path / "absent.csv"))[0] == 1
    assert plan("--save", str(tmp_path / "no" / "folder.json"))[0] == 1


def test_seats_beyond_those_that_may_be_lent_are_said(plan: Plan) -> None:
    publish(yangzhou=rush())
    code, _, err = plan("--if", "徐州 =9000", "--if", "徐州 =1")
    assert code == 0
    may = sum(seat.lend is not Lending.NO for seat in PROVINCE.cities["xuzhou"].seats)
    assert err.count(f"问到 9000 席，在岗可借调的只有 {may} 席") == 1
    assert "问到 1 席" not in err


def test_an_absurd_forecast_and_an_option_without_effect_are_refused(plan: Plan, tmp_path: Path) -> None:
    publish(yangzhou=rush())
    forecast = tmp_path / "f.json"
    forecast.write_text('{"徐州": [100], "扬州": [100]}', "utf-8")
    code, out, err = plan("--forecast", str(forecast), "--if", "来电 扬州 x1000", "--recommend")
    assert (code, out) == (1, "")
    assert "需超过 5,000 人" in err
    code, out, err = plan("--forecast", str(forecast), "--if", "来电 徐州 x10000", "--if", "来电 扬州 x10000")
    assert (code, out) == (1, "")
    assert [line[9:11] for line in err.splitlines() if "最多 1,000,000 通" in line] == ["徐州", "扬州"]
    forecast.write_text('{"徐州": [9999999]}', "utf-8")
    code, out, err = plan("--forecast", str(forecast))
    assert (code, out) == (1, "")
    assert "徐州：预计每小时 39,999,996 通，最多 1,000,000 通" in err
    file = tmp_path / "now.json"
    assert plan("--save", str(file))[0] == 0
    for option in (("--hours", "2"), ("--day", "surge")):
        code, out, err = plan("--from", str(file), *option)
        assert (code, out) == (1, "")
        assert "--forecast" in err


def test_nobody_switched_on_is_said_and_nothing_can_be_proposed(plan: Plan) -> None:
    publish()
    code, out, err = plan("--recommend", "--if", "off 扬州")
    assert code == 0
    assert "无从建议" in err
    code, out, err = plan("--recommend")
    assert code == 0
    assert "建议 · 扬州" in out


def asked_of(plan: Plan, forecast: Path, *words: str) -> dict[str, Any]:
    """What the command answers a program, with far more calls at 扬州 than it can take alone."""
    forecast.write_text('{"扬州": [200, 200, 200, 200]}', "utf-8")
    code, out, err = plan("--json", "--forecast", str(forecast), *words)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def lent(run: dict[str, Any], city: str) -> float:
    """Seats lent on average."""
    mean: float = run["cities"][city]["lent"]["all"][0]
    return mean


def test_seats_asked_for_are_seats_of_the_event(plan: Plan, tmp_path: Path) -> None:
    event = event_of("yangzhou", seats={"xuzhou": 3})
    publish(event, yangzhou=rush(), xuzhou={"quota": 20}, suzhou={"quota": 20})
    told = asked_of(plan, tmp_path / "f.json", "--if", "徐州 +9", "--if", "苏州 =8", "--if", "徐州 =1")
    more, other, less = told["what_if"]
    assert 2.0 < lent(told["as_it_is"], "xuzhou") <= 3.0
    assert lent(told["as_it_is"], "suzhou") == 0.0
    assert lent(more, "xuzhou") > 6.0
    assert more["change"]["yangzhou"]["connect_rate"][0] > 0.0
    assert lent(other, "suzhou") > 4.0
    assert lent(other, "xuzhou") <= 3.0
    assert lent(less, "xuzhou") < 2.0  # The two who talk already end their calls.


def test_a_wave_enters_when_it_is_announced_or_when_it_is_asked(plan: Plan, tmp_path: Path) -> None:
    first = Wave(1, {"xuzhou": 3}, entered_at=1.0)
    second = Wave(2, {"suzhou": 8}, planned_at=clock.now() + 1800.0)
    publish(event_of("yangzhou", waves=(first, second)), yangzhou=rush(), suzhou={"quota": 20})
    by_hand = asked_of(plan, tmp_path / "f.json", "--if", "第2批 扬州 @+30", "--if", "wave 2", "--if", "苏州 8 @+30")
    assert lent(by_hand["as_it_is"], "suzhou") == 0.0
    half_an_hour, at_once, the_same = (lent(run, "suzhou") for run in by_hand["what_if"])
    assert 2.0 < half_an_hour < at_once - 2.0
    assert half_an_hour == pytest.approx(the_same, abs=0.2)
    publish(event_of("yangzhou", waves=(first, second), waves_on_time=True), yangzhou=rush(), suzhou={"quota": 20})
    on_time = asked_of(plan, tmp_path / "f.json", "--if", "第二批 扬州 @+10")
    assert lent(on_time["as_it_is"], "suzhou") == pytest.approx(half_an_hour, abs=0.2)
    assert lent(on_time["what_if"][0], "suzhou") > half_an_hour + 1.0
    assert any("第 2 批" in note["zh"] and "入场" in note["zh"] for note in on_time["notes"])
    code, _, err = plan("--if", "第3批 扬州", "--if", "wave 2 徐州")
    assert code == 1
    assert [line for line in err.splitlines() if "第 2 批" in line]
    assert len(err.splitlines()) == 2


def test_seats_not_confirmed_do_not_enter_with_their_wave(plan: Plan, tmp_path: Path) -> None:
    wave = Wave(1, {"suzhou": 8, "xuzhou": 4}, planned_at=clock.now() + 60.0)
    event = event_of("yangzhou", waves=(wave,), waves_on_time=True, needs_confirmation=True, confirmed={"xuzhou": 4})
    publish(event, yangzhou=rush(), suzhou={"quota": 20}, xuzhou={"quota": 20})
    told = asked_of(plan, tmp_path / "f.json")
    assert lent(told["as_it_is"], "suzhou") == 0.0
    assert lent(told["as_it_is"], "xuzhou") > 2.0
    assert [note["zh"] for note in told["notes"] if "确认" in note["zh"] and "苏州" in note["zh"]]


def test_what_still_bounds_the_seats_asked_for_is_said(plan: Plan, tmp_path: Path) -> None:
    event = event_of("yangzhou", seats={"xuzhou": 3}, waves=())
    publish(event, event_of("suzhou", seats={"xuzhou": 2}), yangzhou=rush(), xuzhou={"quota": 20})
    told = asked_of(plan, tmp_path / "f.json", "--if", "徐州 +5 扬州", "--if", "扬州 +2 苏州")
    said = [note["zh"] for note in told["notes"]]
    assert any(note.startswith("扬州：本身也开启了支援") for note in said)
    assert lent(told["what_if"][0], "xuzhou") > 5.0


def test_a_proposal_goes_beyond_the_seats_of_the_event(plan: Plan, tmp_path: Path) -> None:
    publish(event_of("yangzhou", seats={"xuzhou": 1}), yangzhou=rush())
    told = asked_of(plan, tmp_path / "f.json", "--recommend")
    (proposal,) = told["proposals"]
    lending = {name: row for name, row in proposal["seats"].items() if any(row)}
    assert max(map(max, lending.values())) > 1
    (tried,) = told["what_if"]
    assert sum(lent(tried, name) for name in lending) > lent(told["as_it_is"], "xuzhou") + 5.0
    first = [step for step in proposal["steps"] if step["city"] == "xuzhou" and step["half_hour"] == 0]
    assert all(step["then"] - step["seats"] == 1 for step in first if step["move"] == "add")


def test_on_a_terminal_a_bar_shows_how_far_it_is(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(yangzhou=rush())
    assert "100%" not in plan("--if", "关闭 扬州")[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    code, _, err = plan("--if", "关闭 扬州")
    assert code == 0
    assert "推演" in err
    assert "100%" in err
