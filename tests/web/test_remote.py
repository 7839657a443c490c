"""callctl's commands through the API: the same words, done at the console, under the token's rights."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from callctl.cli.exits import NOT_ALLOWED, UNAVAILABLE, ended_by
from callctl.cli.picture import seat_rows
from callctl.cli.remote import remote_room
from callctl.cli.root import make_app
from callctl.core.model import SeatRef
from callctl.rights import Role
from callctl.settings import SettingsError, read_settings
from tests.web.house import PROVINCE, ROOT, Console
from tests.web.test_live import publish, served


async def run(address: str, token: str, *words: str) -> tuple[int, str]:
    environment = {
        "CALLCTL_API": address,
        "CALLCTL_API_TOKEN": token,
        "CALLCTL_LANG": "en",
        "CALLCTL_STATE": "/nonexistent",
    }
    done = await asyncio.to_thread(CliRunner().invoke, make_app(), list(words), env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return ended_by(done.exception), done.output
    return done.exit_code, done.output


async def token(console: Console, name: str, role: str, *cities: str) -> str:
    return await console.house.people.make_token(ROOT, name, [Role(role)], cities or ["*"], [], 30)


async def test_events_switches_and_the_stop_are_done_at_the_console(console: Console) -> None:
    dispatcher, yangzhou = (
        await token(console, "province", "dispatcher"),
        await token(console, "hall", "supervisor", "yangzhou"),
    )
    await publish(console)
    await console.site.state.feed.look()
    async with served(console) as address:
        code, said = await run(address, dispatcher, "event", "start", "扬州", "--title", "台风", "--seats", "徐州=1")
        assert (code, "is running" in said) == (0, True), said
        code, said = await run(address, yangzhou, "switch", "扬州", "on", "--reason", "排队过长")
        assert (code, "is on" in said) == (0, True), said
        code, said = await run(address, dispatcher, "event", "list", "--json")
        assert [(event["assisted"], event["switched_on"], event["seats"]) for event in json.loads(said)] == [
            ("yangzhou", True, {"xuzhou": 1})
        ]
        code, said = await run(address, yangzhou, "audit", "--city", "扬州", "--json")
        assert [(entry["what"], entry["who"]) for entry in json.loads(said)] == [
            ("switch on", "token:hall"),
            ("event start", "token:province"),
        ]
        assert (await run(address, yangzhou, "stop", "--all"))[0] == 0
        code, said = await run(address, dispatcher, "status", "--json")
        assert code == 0, said
    assert (await console.house.desk.wishes()).stopped


async def test_seats_are_listed_as_the_console_sees_them_and_whom_they_are_lent_to(console: Console) -> None:
    leader = await token(console, "hall", "leader", "xuzhou")
    registry = console.house.room.registry
    lease = await registry.lead("test", 60.0)
    assert lease is not None
    await registry.lend("r1", lease, SeatRef("xuzhou", "3001"), "yangzhou")
    await publish(console)
    await console.site.state.feed.look()
    async with served(console) as address:
        environment = {"CALLCTL_API": address, "CALLCTL_API_TOKEN": leader, "CALLCTL_STATE": "/nonexistent"}
        async with remote_room(read_settings(environment), PROVINCE) as room:
            loans = await room.registry.loans()
            rows = seat_rows(await room.registry.status(), {}, PROVINCE, PROVINCE.cities["xuzhou"])
        assert {ref: loan.assisted for ref, loan in loans.items()} == {SeatRef("xuzhou", "3001"): "yangzhou"}
        assert {row["state"] for row in rows} == {"free"}, "the own city's seats, as the PBX shows them"
        code, said = await run(address, leader, "seats", "徐州", "--json")
        assert (code, bool(json.loads(said))) == (0, True)


async def test_a_token_without_the_right_is_told_so_and_a_console_that_is_away_too(console: Console) -> None:
    suzhou = await token(console, "hall", "supervisor", "suzhou")
    async with served(console) as address:
        assert (await run(address, suzhou, "quota", "扬州", "1"))[0] == NOT_ALLOWED
        assert (await run(address, "wrong-token-1", "stop", "--all"))[0] == NOT_ALLOWED
    assert (await run(address, suzhou, "stop", "--all"))[0] == UNAVAILABLE


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(SettingsError, match="CALLCTL_API must be"):
        assert read_settings({"CALLCTL_API": "console.example"}).api_address
