"""推演: the switch's effect is foretold by `callctl plan` itself, in a process of its own, and no page waits for it."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from callctl import foresight as told_by
from callctl.core.in_force import ruled, under_rules
from callctl.core.picture import picture
from callctl.core.plan import Plan
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.rights import Role
from tests.web.house import PROVINCE, Console, observed

PLACE = "/api/v1/cities/yangzhou/switch/preview"


async def with_event(console: Console, waiting: int = 12) -> Wishes:
    """An event of Yangzhou that is not switched on, many who wait there, and a picture of it."""
    dispatcher = await console.as_role(Role.DISPATCHER)
    body = {"title": "演练", "needs_confirmation": False}
    assert (await dispatcher.put("/api/v1/cities/yangzhou/event", json=body)).status_code == 200
    await published(console, waiting)
    return await console.house.desk.wishes()


async def published(console: Console, waiting: int) -> Mapping[str, Any]:
    now = console.clock()
    world = unseen(PROVINCE)
    for code in PROVINCE.cities:
        world = observed(world, code, waiting if code == "yangzhou" else 0, now)
    wishes = await console.house.desk.wishes()
    shown = picture(PROVINCE, under_rules(world, ruled(PROVINCE, wishes)), Plan(), wishes, now)
    await console.house.room.registry.put_status(shown)
    await console.site.state.feed.look()
    return shown


def commands(console: Console, monkeypatch: pytest.MonkeyPatch, command: Callable[[Path, str], list[str]]) -> None:
    monkeypatch.setattr(console.house.foresight, "_command", command)


@pytest.mark.timeout(240)
async def test_what_switching_on_would_do_in_the_next_hour_comes_with_its_interval(console: Console) -> None:
    await with_event(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    first = (await supervisor.get(PLACE)).json()
    assert first["what_if"] is None, "nobody waits for it"
    assert first["by"] == "free_seats"
    await console.house.foresight.settled()
    foretold = (await supervisor.get(PLACE)).json()["what_if"]
    assert (foretold["by"], foretold["hours"], foretold["seeds"]) == ("what_if", 1.0, told_by.SEEDS)
    change, half = foretold["change"]["wait_s"]
    assert change < 0.0, "more agents: shorter waits"
    assert abs(foretold["changed"]["wait_s"][0] - foretold["as_it_is"]["wait_s"][0] - change) < 0.01
    assert half > 0.0
    assert foretold["changed"]["answered_remote"][0] > 0.0 == foretold["as_it_is"]["answered_remote"][0]


async def test_the_question_is_of_the_wishes_in_force_and_an_answer_to_older_ones_is_none(
    console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[dict[str, Any], str]] = []

    def answer(snapshot: Path, question: str) -> list[str]:
        spec = json.loads(snapshot.read_text("utf-8"))
        asked.append((spec, question))
        return [sys.executable, "-c", f"print({json.dumps(json.dumps(_plan(spec)))})"]

    commands(console, monkeypatch, answer)
    await with_event(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    await supervisor.get(PLACE)
    await console.house.foresight.settled()
    assert (await supervisor.get(PLACE)).json()["what_if"] is not None
    assert asked[0][1] == "on yangzhou"
    assert next(city for city in asked[0][0]["cities"] if city["name"] == "yangzhou")["start"]["waiting_s"]
    assert len(asked) == 1, "an answer is kept for a minute"
    await supervisor.put("/api/v1/cities/yangzhou/threshold", json={"threshold_s": 15})
    assert (await supervisor.get(PLACE)).json()["what_if"] is None, "the wishes are others now"
    assert len(asked) == 1, "and no picture of them has been published yet"
    await published(console, 12)
    await supervisor.get(PLACE)
    await console.house.foresight.settled()
    assert next(city for city in asked[1][0]["cities"] if city["name"] == "yangzhou")["threshold_s"] == 15


def _plan(spec: Mapping[str, Any]) -> dict[str, Any]:
    """As `callctl plan --json` has it, cut to what is read."""
    figures = {name: {"all": [0.5, 0.1]} for name in told_by.FIGURES}
    changes = {name: {"connect_rate": [0.1, 0.05], "wait_s": [-9.0, 2.0]} for name in ("yangzhou", "xuzhou")}
    one = {"cities": {city["name"]: figures for city in spec["cities"]}, "change": changes}
    return {"seeds": 10, "as_it_is": one, "what_if": [one]}


async def test_a_worker_that_hangs_is_killed_and_no_page_has_waited_for_it(
    console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = tmp_path / "pid"
    hang = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    commands(console, monkeypatch, lambda *_: [sys.executable, "-c", hang])
    monkeypatch.setattr(told_by, "DEADLINE_S", 2.0)
    await with_event(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    began = time.monotonic()
    page = await supervisor.get("/assistance", headers={"Accept-Language": "zh"})
    assert page.status_code == 200
    assert "正在推演" in page.text
    assert time.monotonic() - began < 60.0, "the page came long before the worker would have ended"
    async with asyncio.timeout(30):
        await console.house.foresight.settled()
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert (await supervisor.get(PLACE)).json()["what_if"] is None
    assert console.house.foresight._working is None, "not tried again at once"


async def test_a_worker_that_fails_or_talks_nonsense_leaves_the_free_seats(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_event(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    for number, code in enumerate(("raise SystemExit(3)", "print('ha')", "print('{}')")):
        commands(console, monkeypatch, lambda *_, code=code: [sys.executable, "-c", code])
        await supervisor.put("/api/v1/cities/yangzhou/threshold", json={"threshold_s": 15 + number})
        await published(console, 12)
        await supervisor.get(PLACE)
        await console.house.foresight.settled()
        shown = (await supervisor.get(PLACE)).json()
        assert (shown["what_if"], shown["by"]) == (None, "free_seats")
