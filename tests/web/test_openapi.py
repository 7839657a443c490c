"""The API does what its OpenAPI says, also when asked nonsense: schemathesis asks a real console, Valkey and SQLite."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from redis.asyncio import Redis
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from callctl.province import read_province
from callctl.rights import EVERYWHERE, Role
from callctl.settings import shipped
from callctl.store.visits import Visit, Visits
from callctl.web.doors import every_door
from callctl.web.gate import COOKIE
from callctl.web.site import parts
from tests.store.servers import Valkey
from tests.web.house import Console

EXAMPLES = int(os.environ.get("CALLCTL_SCHEMA_EXAMPLES", "8"))
LEFT_OUT = {"/api/v1/stream", "/api/v1/visit", "/api/v1/invitation"}  # Endless; and passwords are slow on purpose.
ENDS_THE_VISIT = {"/api/v1/me/password", "/api/v1/me/visits/{key}"}
API = [door for door in every_door(parts()) if door.is_api and door.path != "/api/v1/openapi.json"]
ASKED = [door for door in API if door.path not in LEFT_OUT | ENDS_THE_VISIT]

# Of schemathesis' own checks those about the answer; what must be refused, the other tests say.
CHECKS = (status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance)


@dataclass
class Served:
    """A console in a process of its own, and somebody who may do everything there."""

    address: str
    cookie: str
    described: dict


@pytest.fixture(scope="module")
def served(valkey_server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = tmp_path_factory.mktemp("state")
    settings_of = {"CALLCTL_STATE": str(state), "CALLCTL_REDIS_URL": valkey_server.url, "CALLCTL_WEB_PORT": str(port)}
    log = (state / "log").open("wb")
    console = subprocess.Popen([sys.executable, "-m", "callctl", "web"], env={**os.environ, **settings_of}, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        described = _described(address, state / "log")
        yield Served(address, asyncio.run(_visit(valkey_server.url)), described)
    finally:
        console.terminate()
        assert console.wait(20) == 0, "told to stop, it ends well"
        log.close()


def _described(address: str, log: Path) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return httpx.get(f"{address}/api/v1/openapi.json", timeout=5).json()
        except httpx.TransportError:
            continue
    raise AssertionError(f"the console does not come up: {log.read_text()}")


async def _visit(url: str) -> str:
    now = time.time()
    roles = tuple(role.value for role in Role)
    visit = Visit("", "everybody", "everybody", roles, (EVERYWHERE,), "", now, now, "127.0.0.1", "test")
    link = Redis.from_url(url, decode_responses=True)
    try:
        return await Visits(link).open(visit)
    finally:
        await link.aclose()


async def test_the_description_names_every_route_of_the_api_and_no_page(console: Console) -> None:
    described = (await console.browser().get("/api/v1/openapi.json")).json()
    told = {(method.upper(), path) for path, item in described["paths"].items() for method in item}
    assert told == {(door.method, door.path) for door in API}


async def test_every_route_is_described_in_words(console: Console) -> None:
    described = (await console.browser().get("/api/v1/openapi.json")).json()
    assert [path for path, item in described["paths"].items() for one in item.values() if not one.get("description")] == []


@pytest.mark.parametrize("door", ASKED, ids=lambda door: f"{door.method} {door.path}")
def test_whatever_is_asked_is_answered_or_refused_as_described(served: Served, door) -> None:
    schema = schemathesis.openapi.from_dict(served.described)
    operation = schema[door.path][door.method]
    known = list(read_province(shipped("queues").parent).cities)

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask(case) -> None:
        for name in ("city", "owner", "assisted"):
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = known[len(str(case.body)) % len(known)]
        answer = case.call(
            base_url=served.address,
            headers={"Cookie": f"{COOKIE}={served.cookie}", "Sec-Fetch-Site": "same-origin"},
            timeout=60,  # A busy machine is no fault.
        )
        assert answer.status_code != 401, "the visit lasts"
        assert answer.status_code < 500 or answer.status_code == 503, answer.text
        if answer.status_code >= 400:
            told = json.loads(answer.text)
            assert answer.headers["content-type"] == ["application/problem+json"]
            assert told["status"] == answer.status_code
        case.validate_response(answer, checks=CHECKS)

    ask()
