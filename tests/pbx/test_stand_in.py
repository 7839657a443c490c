"""The stand-in's way of writing is a real FreeSWITCH's, byte by byte. What it says then: test_stand_in_told.py."""

import asyncio
import re
from urllib.parse import unquote_to_bytes

import pytest

from callctl.pbx.esl_frames import Answer, EslEvent, Frames
from callctl.pbx.freeswitch_words import rows_of
from tests.pbx import mod_callcenter as cc
from tests.pbx.esl_replay import events, names, recording
from tests.pbx.esl_server import PASSWORD, api_frame, event_frame
from tests.pbx.scripted_switch import ScriptedSwitch

NOW = 1_795_398_667.0
MEMBER = cc.Member("q12345", "s-1", "yangzhou-1795398660.1", "13900000001", 1_795_398_660)
PLAIN, AS_JSON, RENDERED = names("older-*-plain"), names("older-*-json"), names("pair-fs-*")
# What a channel adds to an event (switch_channel_event_set_data); which of them depends on the call.
_OF_CHANNEL = re.compile(r"(Channel|Caller|Other|variable|Call|Presence|Answer|Hit)[-_].*")


def raw_frames(content):
    """Every frame of a recording with its own bytes."""
    at = 0
    while at < len(content):
        head = content.index(b"\n\n", at) + 2
        length = re.search(rb"Content-Length: (\d+)\n", content[at:head])
        end = head + (int(length[1]) if length else 0)
        yield content[at:end]
        at = end


@pytest.mark.parametrize("name", [*PLAIN, *RENDERED])
def test_every_recorded_event_is_written_byte_by_byte_the_same(name):
    compared = 0
    for raw in raw_frames(recording(name)):
        [frame] = Frames().feed(raw)
        if isinstance(frame, EslEvent):
            block = raw.split(b"\n\n", 2)[1]
            lines = (line.split(b": ", 1) for line in block.split(b"\n"))
            headers = {key.decode(): b"" if text == b"_undef_" else unquote_to_bytes(text) for key, text in lines}
            assert event_frame(headers) == raw
            compared += 1
    assert compared


@pytest.mark.parametrize("name", [*AS_JSON, *RENDERED])
def test_every_recorded_list_is_written_byte_by_byte_the_same(name):
    for raw in raw_frames(recording(name)):
        [frame] = Frames().feed(raw)
        if isinstance(frame, Answer) and frame.body.endswith(b"+OK\n"):
            rows = rows_of(frame.body)
            columns = frame.body.split(b"\n")[0].decode() if rows else ""
            assert api_frame(cc.listed(columns, [list(row.values()) for row in rows])) == raw


@pytest.mark.parametrize("name", PLAIN)
async def test_it_lets_in_as_the_switch_did(name):
    recorded = recording(name)
    async with ScriptedSwitch() as pbx:
        reader, writer = await asyncio.open_connection(pbx.host, pbx.port)
        said = await reader.readuntil(b"\n\n")
        for command in (f"auth {PASSWORD}", "event plain ALL"):
            writer.write(f"{command}\n\n".encode())
            said += await reader.readuntil(b"\n\n")
        writer.close()
    assert recorded.startswith(said)


def stand_ins():
    """One event of each kind, as the stand-in says it."""
    return {
        "member-queue-start": cc.member_queue_start(MEMBER, returned=False),
        "member-queue-end Terminated": cc.member_queue_end(MEMBER, NOW, "Terminated"),
        "member-queue-end Cancel": cc.member_queue_end(MEMBER, NOW, "Cancel", "BREAK_OUT"),
        "members-count": cc.members_count("q12345", 1),
        "agent-offering": cc.agent_offering("1001", MEMBER),
        "bridge-agent-fail": cc.bridge_agent_fail("1001", MEMBER, "USER_BUSY", NOW),
        "bridge-agent-start": cc.bridge_agent_start("1001", MEMBER, NOW, 5),
        "bridge-agent-end": cc.bridge_agent_end("1001", MEMBER, NOW, 5),
        "agent-state-change": cc.agent_state_change("1001", "Receiving"),
        "agent-status-change": cc.agent_status_change("1001", "Available"),
        "sofia::gateway_state": cc.gateway_state("trunk-suzhou", up=False),
    }


def recorded_heads():
    """The names of the headers, in order, by kind of event; those that depend on the channel left out."""
    heads = {}
    for name in (*PLAIN, *AS_JSON):
        for event in events(recording(name)):
            kind = event.get("CC-Action") or event.get("Event-Subclass")
            if kind == "member-queue-end":
                kind += f" {event.get('CC-Cause')}"
            wanted = tuple(key for key, _ in event.items() if not _OF_CHANNEL.fullmatch(key))
            heads.setdefault(kind, set()).add(wanted)
    return heads


@pytest.mark.parametrize("kind", stand_ins())
def test_every_kind_of_event_has_the_headers_of_a_real_one_in_their_order(kind):
    subclass = kind if kind.startswith("sofia") else "callcenter::info"
    ours = tuple(cc.event(subclass, stand_ins()[kind], "yangzhou", NOW, 1))
    assert any(
        set(ours) <= set(theirs) and [key for key in theirs if key in ours] == list(ours)
        for theirs in recorded_heads()[kind]
    )


@pytest.mark.parametrize(
    "kind", ["members-count", "agent-offering", "bridge-agent-fail", "agent-state-change", "agent-status-change"]
)
def test_events_without_a_channel_have_exactly_the_headers_of_a_real_one(kind):
    ours = tuple(cc.event("callcenter::info", stand_ins()[kind], "yangzhou", NOW, 1))
    assert ours in recorded_heads()[kind]


DIALPLAN = {
    "leg-lost": {"Call", "Agent", "Cause"},
    "survey": {"Call", "Score"},
    "callback-start": {"Call"},
    "move-start": {"Call", "Peer"},
    "lent-ringing": {"Call", "Home", "Seat"},
    "lent-failed": {"Call", "Home", "Seat", "Cause"},
    "lent-answered": {"Call", "Home", "Seat"},
    "lent-ended": {"Call", "Home", "Seat", "Talked", "Cause"},
}


def test_our_own_dialplan_says_what_the_stand_in_says():
    found = {}
    for name in RENDERED:
        for event in events(recording(name)):
            action = event.get("Callctl-Action")
            if action in DIALPLAN:
                heads = {key.removeprefix("Callctl-") for key, _ in event.items() if key.startswith("Callctl-")}
                found.setdefault(action, set()).add(frozenset(heads - {"Action"}))
    assert found == {action: {frozenset(heads)} for action, heads in DIALPLAN.items()}
