"""The live stream over a real connection: whole at once, right again after changes, honest when something is away."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn

from callctl.core.picture import picture
from callctl.core.plan import Plan
from callctl.core.wishes import Wishes
from callctl.core.world import unseen
from callctl.people.tokens import REMEMBERED_S
from callctl.rights import Role
from callctl.web.gate import COOKIE
from tests.store.servers import Valkey
from tests.web.house import PROVINCE, ROOT, Console, observed


@asynccontextmanager
async def served(console: Console) -> AsyncIterator[str]:
    """The site at a port of its own; its address."""
    gate = socket.socket()
    gate.bind(("127.0.0.1", 0))
    gate.listen()  # Whoever calls before the server is up waits instead of being refused.
    server = uvicorn.Server(uvicorn.Config(console.site, lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    server.capture_signals = Unheard  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[gate]))
    try:
        yield f"http://127.0.0.1:{gate.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        gate.close()


class Unheard:
    """The test's own signals stay as they are."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class Stream:
    """One page that listens."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self, kind: str) -> dict:
        """The next message of this kind; pictures between are skipped."""
        event = ""
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: ") and event == kind:
                    return json.loads(line[6:])
        raise AssertionError("the stream ended")

    async def until(self, fits) -> dict:
        while True:
            scene = await self.next("picture")
            if fits(scene):
                return scene


@asynccontextmanager
async def listening(console: Console, address: str, *who: str | Role) -> AsyncIterator[Stream]:
    browser = await console.as_role(*who)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    async with (
        httpx.AsyncClient(base_url=address, headers=cookie, timeout=40) as client,
        client.stream("GET", "/api/v1/stream") as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer.aiter_lines())


async def publish(console: Console, **waiting: int) -> None:
    world = unseen(PROVINCE)
    for code in PROVINCE.cities:
        world = observed(world, code, waiting.get(code, 0), console.clock())
    await console.house.room.registry.put_status(picture(PROVINCE, world, Plan(), Wishes(), console.clock()))


async def test_a_page_gets_the_whole_picture_at_once_and_every_change(console: Console) -> None:
    await publish(console, suzhou=1)
    await console.site.state.feed.look()
    async with served(console) as address, listening(console, address, Role.DISPATCHER) as stream:
        first = await stream.next("picture")
        assert first["cities"]["suzhou"]["waiting"] == 1
        await publish(console, suzhou=5)
        changed = await stream.until(lambda scene: scene["cities"]["suzhou"]["waiting"] == 5)
        assert changed["number"] > first["number"]


async def test_a_city_supervisor_hears_nothing_of_other_cities_traffic(console: Console) -> None:
    await publish(console, suzhou=5)
    await console.site.state.feed.look()
    async with served(console) as address, listening(console, address, Role.SUPERVISOR, "yangzhou") as stream:
        scene = await stream.next("picture")
        assert "waiting" not in scene["cities"]["suzhou"]
        assert scene["cities"]["yangzhou"]["waiting"] == 0


async def test_a_published_script_is_told_in_the_stream(console: Console) -> None:
    async with served(console) as address, listening(console, address, Role.AGENT, "xuzhou") as stream:
        await stream.next("picture")
        await console.house.notices.tell("script", "yangzhou", {"script": 7, "version": 2})
        assert await stream.next("notice") == {"script": 7, "version": 2, "kind": "script", "city": "yangzhou"}


async def test_when_redis_is_lost_the_page_is_told_and_no_old_number_stays(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(console, suzhou=5)
    await console.site.state.feed.look()
    async with served(console) as address, listening(console, address, Role.DISPATCHER) as stream:
        assert (await stream.next("picture"))["registry_answers"]
        monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 1.0)
        await asyncio.to_thread(valkey.kill)
        scene = await stream.until(lambda scene: not scene["registry_answers"])
        assert "waiting" not in scene["cities"]["suzhou"]
        assert scene["cities"]["suzhou"]["up"] is None
        valkey.start_again()
        await stream.until(lambda scene: scene["registry_answers"])


async def test_a_stream_ends_when_its_visit_is_ended(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callctl.web.gate.RECHECK_S", 0.0)
    async with served(console) as address, listening(console, address, Role.SUPERVISOR, "suzhou") as stream:
        await stream.next("picture")
        await console.house.visits.close_all("supervisor-suzhou")
        await publish(console, suzhou=2)
        assert await stream.next("end") == {}


@pytest.mark.parametrize("past", ["revoked", "until"])
@pytest.mark.parametrize("place", ["/api/v1/stream", "/cities/suzhou/board/stream"])
async def test_a_machines_stream_ends_when_its_token_is_ended_or_runs_out(
    console: Console, monkeypatch: pytest.MonkeyPatch, place: str, past: str
) -> None:
    monkeypatch.setattr("callctl.web.gate.RECHECK_S", 0.0)
    secret = await console.house.people.make_token(ROOT, "screen", [Role.SUPERVISOR], ["suzhou"], [], days=1)
    bearer = {"Authorization": f"Bearer {secret}"}
    async with (
        served(console) as address,
        httpx.AsyncClient(base_url=address, headers=bearer, timeout=40) as client,
        client.stream("GET", place) as answer,
    ):
        assert answer.status_code == 200
        stream = Stream(answer.aiter_lines())
        if past == "revoked":
            await console.house.people.end_token(ROOT, "screen")
        console.clock.at += REMEMBERED_S + 1.0 if past == "revoked" else 86_400.0
        await publish(console, suzhou=2)
        assert await stream.next("end") == {}


async def test_who_is_not_signed_in_gets_no_stream(console: Console) -> None:
    async with served(console) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/api/v1/stream")).status_code == 401
