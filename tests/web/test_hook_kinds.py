"""Every kind of act that webhooks tell of: done as people do it, delivered, signed, named as the manual promises."""

import hmac
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from callctl.hooks import KINDS, REMOTE, signature
from callctl.rights import Role
from tests.web import test_hooks
from tests.web.house import Console
from tests.web.test_hooks import Receiver, created
from tests.web.test_scripts import published

receiver = test_hooks.receiver
Y = "/api/v1/cities/yangzhou"
Act = Callable[[Console], Awaitable[httpx.Response]]


async def event_started(console: Console) -> httpx.Response:
    return await (await console.as_role(Role.DISPATCHER)).put(f"{Y}/event", json={"title": "台风"})


async def event_ended(console: Console) -> httpx.Response:
    await event_started(console)
    return await (await console.as_role(Role.DISPATCHER)).post(f"{Y}/event/end", json={"reason": "台风已过"})


async def switched_on(console: Console) -> httpx.Response:
    await event_started(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    return await supervisor.post(f"{Y}/switch", json={"on": True, "reason": "排队过长"})


async def switched_off(console: Console) -> httpx.Response:
    await switched_on(console)
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    return await supervisor.post(f"{Y}/switch", json={"on": False, "reason": "已缓解"})


async def stopped(console: Console) -> httpx.Response:
    return await (await console.as_role(Role.DISPATCHER)).post("/api/v1/stop", json={"reason": "演练"})


async def resumed(console: Console) -> httpx.Response:
    await stopped(console)
    return await (await console.as_role(Role.DISPATCHER)).post("/api/v1/resume", json={"reason": "演练完"})


async def script_published(console: Console) -> httpx.Response:
    await published(console)
    return httpx.Response(200)


async def script_withdrawn(console: Console) -> httpx.Response:
    script = await published(console)
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    return await approver.post(f"{Y}/scripts/{script['id']}/expire", json={"why": "政策调整"})


# By the kind as the manual has it.
ACTS: dict[str, Act] = {
    "event.started": event_started,
    "event.ended": event_ended,
    "switch.on": switched_on,
    "switch.off": switched_off,
    "stop.all": stopped,
    "resume": resumed,
    "script.published": script_published,
    "script.withdrawn": script_withdrawn,
}


@pytest.mark.parametrize("kind", KINDS.values())
async def test_every_kind_of_act_is_told_signed_when_it_is_done(console: Console, receiver: Receiver, kind: str) -> None:
    secret = await created(console, receiver, kind)
    done = await ACTS[kind](console)
    assert done.status_code == 200, done.text
    await console.house.webhooks.look()
    ((headers, body),) = receiver.got
    told = json.loads(body)
    acts_city = "" if kind in ("stop.all", "resume") else "yangzhou"
    assert (told["kind"], told["what"]["city"], told["at"]) == (kind, acts_city, console.clock())
    expected = signature(secret, headers["X-Callctl-Timestamp"], body)
    assert hmac.compare_digest(headers["X-Callctl-Signature"], expected)


def test_the_manual_names_every_kind_and_each_is_done_here() -> None:
    assert set(KINDS.values()) == ACTS.keys()
    manual = (Path(__file__).parents[2] / "docs" / "CONSOLE.md").read_text(encoding="utf-8")
    assert [kind for kind in (*KINDS.values(), REMOTE) if f"`{kind}`" not in manual] == []
