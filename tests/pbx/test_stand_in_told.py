"""The recorded story, told to the stand-in: it answers and says what two real FreeSWITCH cities answered and said.

Compared is every value, with what differs from day to day masked; told-fs-* holds the real ones' bytes (told_story.py).
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from callctl.core.model import Province
from callctl.pbx.esl_frames import Answer, EslEvent
from callctl.pbx.esl_wire import EslThread
from callctl.pbx.freeswitch import FILTERS
from callctl.pbx.freeswitch_names import RETURNED_SCORE
from callctl.pbx.freeswitch_reading import CHANNELS_COMMAND
from callctl.pbx.freeswitch_words import Row, rows_of
from tests.pbx import mod_callcenter as cc
from tests.pbx.cities import ALPHA, BETA
from tests.pbx.esl_replay import events, frames, names, recording
from tests.pbx.esl_server import PASSWORD, event_frame
from tests.pbx.scaled_time import run_hasty
from tests.pbx.test_stand_in import raw_frames
from tests.pbx.test_stand_in_contract import StandInDriver
from tests.pbx.told_story import Ask, Told, hear, tell, tell_words

PROVINCE = Province(
    MappingProxyType({city.code: replace(city, queue=replace(city.queue, wrapup_s=3.0)) for city in (ALPHA, BETA)})
)
OPENING = 1 + 1 + len(FILTERS) + 1  # auth/request, auth, the filters, the subscription.
_MASKS = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|leg-(of-)?[a-z0-9-]+"), "<uuid>"),
    (re.compile(r"\b(alpha|beta)-\d{10}\.\d+"), r"\1-<call>"),
    (re.compile(r"\b1380000000\d\b"), "<number>"),
    (re.compile(r"\b\d{16}\b"), "<microseconds>"),
    (re.compile(r"\b1[78]\d{8}\b"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<local date>"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "<date>"),
)
# Where in FreeSWITCH's source an event is said, how many were said before it, which step of the dialplan the caller is at.
_UNREAD_HEADERS = frozenset(
    {"Event-Sequence", "Event-Calling-File", "Event-Calling-Function", "Event-Calling-Line-Number", "CC-Member-DNIS"}
)


# Columns that nobody reads, or (the last two) only to see that they have not changed: the stand-in does not keep them.
_UNREAD_COLUMNS = frozenset(
    {"contact", "last_status_change", "calls_answered", "talk_time", "score", "last_bridge_start", "last_offered_call"}
)
Tell = Callable[[StandInDriver, Ask], Awaitable[None]]


def told(story: Tell, *cities: str) -> Told:
    """What the stand-ins said, and what they were asked."""
    thread = EslThread()

    async def whole() -> Told:
        driver = StandInDriver(thread, PROVINCE)
        await driver.open()
        addresses = {code: (one.host, one.port, PASSWORD) for code, one in driver.stand_ins.items() if code in cities}
        try:
            return await hear(lambda ask: story(driver, ask), addresses)
        finally:
            await driver.close()

    try:
        return run_hasty(whole())
    finally:
        thread.close()


@pytest.fixture(scope="module")
def words() -> Told:
    async def with_nobody_there(driver: StandInDriver, ask: Ask) -> None:
        await driver.agent_leaves(driver.alpha_seat)
        await tell_words(ask)

    return told(with_nobody_there, "alpha")


@pytest.fixture(scope="module")
def stand_in() -> Told:
    return told(tell, "alpha", "beta")


def masked(text: str) -> str:
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def answers(content: bytes) -> list[Answer]:
    return [frame for frame in frames(content) if isinstance(frame, Answer)]


def shown(command: str, answer: Answer) -> object:
    """An answer as callctl reads it: a list's rows, or the words."""
    body = answer.body.decode()
    if command.endswith(" as json"):
        return [{key: masked(str(value)) for key, value in row.items()} for row in json.loads(body).get("rows", [])]
    if " list" in command and body.endswith("+OK\n"):
        return [row_of(row) for row in rows_of(answer.body)]
    return masked(body)


def row_of(row: Row) -> dict[str, str]:
    """A row, masked. Who rests until when stands in one of two columns; seconds of waiting are a base score, too."""
    kept = {key: masked(text) for key, text in row.items() if key not in _UNREAD_COLUMNS}
    if "ready_time" in kept:
        kept["rests"] = str({kept.pop("ready_time"), kept.pop("last_bridge_end")} != {"0"})
    if "base_score" in kept:
        kept["base_score"] = str(int(kept["base_score"]) >= RETURNED_SCORE)
    if "level" in kept:
        kept.pop("state")  # Of a tier: what its agent's state says as well.
    return kept


def differences(asked: list[str], ours: bytes, theirs: bytes) -> list[tuple[str, object, object]]:
    """The commands that are not answered alike."""
    pairs = zip(answers(ours)[OPENING:], answers(theirs)[OPENING:], strict=True)
    told = [
        (command, shown(command, one), shown(command, other)) for command, (one, other) in zip(asked, pairs, strict=True)
    ]
    return [(command, one, other) for command, one, other in told if one != other]


def opening(content: bytes) -> list[bytes]:
    """The first answers, with every byte."""
    return [raw for raw in raw_frames(content) if b"event-plain" not in raw][:OPENING]


def test_it_lets_in_and_subscribes_byte_by_byte_as_the_real_switch(words: Told) -> None:
    assert opening(words[0]["alpha"]) == opening(recording("told-fs-words-alpha"))


def test_it_answers_every_command_and_refuses_in_the_words_of_the_real_switch(words: Told) -> None:
    heard, asked = words
    assert differences(asked["alpha"], heard["alpha"], recording("told-fs-words-alpha")) == []


@pytest.mark.parametrize("city", ["alpha", "beta"])
def test_it_shows_members_agents_tiers_and_channels_as_the_real_switch_did_at_each_turn(stand_in: Told, city: str) -> None:
    heard, asked = stand_in
    turns = zip(
        asked[city], *(answers(content)[OPENING:] for content in (heard[city], recording(f"told-fs-{city}"))), strict=True
    )
    compared = 0
    for command, one, other in turns:
        if command == CHANNELS_COMMAND:
            for channel in shown(command, one):
                assert any(channel.items() <= theirs.items() for theirs in shown(command, other)), (command, channel)
                compared += 1
        elif " list" in command:
            assert shown(command, one) == shown(command, other), command
            compared += 1
    assert compared >= 12


def kind_of(event: EslEvent) -> str:
    words = (event.get(name) for name in ("Event-Name", "Event-Subclass", "CC-Action", "Callctl-Action"))
    return " ".join(filter(None, words))


def values(event: EslEvent) -> dict[str, str]:
    """Masked; of a talk's length only that it is one."""
    read = {name: masked(value) for name, value in event.items() if name not in _UNREAD_HEADERS}
    return read | ({"Callctl-Talked": "<seconds>"} if read.get("Callctl-Talked", "").isdecimal() else {})


def recorded_events() -> dict[str, list[dict[str, str]]]:
    """What real switches with callctl's own configuration said, by kind."""
    found: dict[str, list[dict[str, str]]] = {}
    for name in (*names("pair-fs-*"), *names("told-fs-*")):
        for event in events(recording(name)):
            found.setdefault(kind_of(event), []).append(values(event))
    return found


def test_every_value_of_every_event_is_one_that_a_real_switch_said(stand_in: Told) -> None:
    heard, _ = stand_in
    recorded, kinds = recorded_events(), set()
    trunk = b"".join(
        event_frame(cc.event("sofia::gateway_state", cc.gateway_state("trunk-beta", up), "alpha", 1_795_700_000.0, 1))
        for up in (True, False)
    )
    for event in (event for content in (*heard.values(), trunk) for event in events(content)):
        kind, said = kind_of(event), values(event)
        nearest = max(recorded[kind], key=lambda theirs: len(said.items() & theirs.items()))
        assert said.items() <= nearest.items(), (kind, dict(said.items() - nearest.items()), nearest)
        kinds.add(kind)
    assert kinds >= {"HEARTBEAT", "CUSTOM sofia::unregister", "CUSTOM sofia::gateway_state"}
    assert len(kinds) >= 17, kinds
