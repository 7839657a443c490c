"""The connection to a manager, against peers that misbehave. The numbers are the defects of panoramisk 1.4."""

import asyncio
import copy
import hashlib
import pickle

import pytest

from callctl.pbx.ami_wire import INBOX_HIGH, INBOX_LOW, MAX_FRAME, AmiMessage, AmiWire, connect, parse
from callctl.pbx.wire import Disconnected, Refused, Unanswered
from tests.pbx.replay import Socket, messages
from tests.pbx.scripted_pbx import BANNER, ScriptedPbx

EVENT = "Event: QueueMemberStatus\nPrivilege: agent,all\nQueue: cc-seats\nMemberName: {}"


@pytest.fixture
async def pbx():
    async with ScriptedPbx() as scripted:
        yield scripted


@pytest.fixture
async def wire(pbx):
    connected = await connect(pbx.host, pbx.port, None, 1.0)
    yield connected
    connected.close()


def answers(pbx, action, *said):
    pbx.answers[action] = lambda _: list(said)


async def names(wire, most):
    heard = []
    while len(heard) < most:
        heard += [message.fields["MemberName"] for message in await asyncio.wait_for(wire.take(100), 2)]
    return heard


async def test_added_to_a_queue_is_a_whole_answer(pbx, wire):  # 1
    answers(pbx, "QueueAdd", "Response: Success\nMessage: Added interface to queue")
    [answer] = await wire.action({"Action": "QueueAdd"}, 1.0)
    assert answer["message"] == "Added interface to queue"
    assert not wire.responses


async def test_refused_list_is_refused_at_once(pbx, wire):  # 2
    answers(pbx, "QueueStatus", "Response: Error\nMessage: No such queue")
    with pytest.raises(Refused, match="No such queue"):
        await wire.action({"Action": "QueueStatus"}, 1.0)
    assert not wire.responses


async def test_prose_never_decides_that_more_will_follow(pbx, wire):  # 3
    answers(pbx, "Originate", "Response: Success\nMessage: Originate successfully queued")
    assert len(await wire.action({"Action": "Originate"}, 1.0)) == 1
    answers(pbx, "QueueStatus", "Response: Success\nMessage: Queue status will follow")
    assert len(await wire.action({"Action": "QueueStatus"}, 1.0)) == 1


async def test_list_ends_where_its_header_says_so(pbx, wire):
    answers(
        pbx,
        "QueueStatus",
        "Response: Success\nEventList: start",
        "Event: QueueEntry\nPosition: 1",
        "Event: AlmostComplete\nStatus: Complete",
        "Event: QueueStatusComplete\nEventList: Complete",
    )
    assert len(await wire.action({"Action": "QueueStatus"}, 1.0)) == 4
    answers(pbx, "QueueStatus", "Response: Success\nEventList: start", "Event: Gone\nEventList: cancelled")
    assert len(await wire.action({"Action": "QueueStatus"}, 1.0)) == 2


async def test_garbage_between_events_costs_no_event_and_not_the_connection(pbx, wire):  # 4
    await pbx.until(lambda: pbx.connections == 1)
    pbx.say(EVENT.format("a"), "Nonsense\n\x00: :", EVENT.format("b"), "::::", EVENT.format("c"), EVENT.format("d"))
    heard = []
    while len(heard) < 4:
        heard += await asyncio.wait_for(wire.take(100), 2)
    # The message before half a message may be invented with it; the reader is told to look again.
    assert [message.fields.get("MemberName", "?") for message in heard] == ["?", "?", "c", "d"]
    assert wire.broken == 2
    assert not wire.closed


def test_chinese_name_survives_every_cut():  # 5
    event = EVENT.format("扬州话务员李四𠮷") + "\n"
    content = BANNER + event.replace("\n", "\r\n").encode() + b"\r\n"
    for cut in range(len(content)):
        [message] = messages(content, [cut])
        assert message.fields["MemberName"] == "扬州话务员李四𠮷"


def test_name_in_another_encoding_damages_only_itself():
    content = BANNER + b"Event: X\r\nPrivilege: a\r\nName: " + "李四".encode("gbk") + b"\r\nQueue: q12345\r\n\r\n"
    [message] = messages(content)
    assert message.fields["Queue"] == "q12345"
    assert "\ufffd" in message.fields["Name"]


async def test_action_without_answer_leaves_nothing_pending_and_a_late_answer_disturbs_nobody(pbx, wire):  # 6
    pbx.answers["QueueStatus"] = lambda _: []
    with pytest.raises(Unanswered, match="QueueStatus"):
        await wire.action({"Action": "QueueStatus"}, 0.02)
    assert not wire.responses
    late = pbx.asked[-1]["ActionID"]
    pbx.say(f"Response: Success\nActionID: {late}", f"Event: QueueEntry\nActionID: {late}", EVENT.format("next"))
    assert await names(wire, 1) == ["next"]
    await wire.ping(1.0)
    assert not wire.responses


async def test_cancelled_action_leaves_nothing_pending(pbx, wire):  # 6
    pbx.answers["QueueStatus"] = lambda _: []
    asking = asyncio.create_task(wire.action({"Action": "QueueStatus"}, 5.0))
    await pbx.until(lambda: pbx.count("QueueStatus") == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not wire.responses


@pytest.mark.parametrize("said", [[], ["Response: Success\nEventList: start", "Event: QueueEntry\nPosition: 1"]])
async def test_lost_connection_ends_every_action_also_half_answered_ones(pbx, wire, said):  # 7
    pbx.answers["QueueStatus"] = lambda _: said
    asking = [asyncio.create_task(wire.action({"Action": "QueueStatus"}, 5.0)) for _ in range(3)]
    await pbx.until(lambda: pbx.count("QueueStatus") == 3)
    pbx.hang_up()
    for outcome in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(outcome, Disconnected)
    assert not wire.responses
    with pytest.raises(Disconnected):
        await wire.action({"Action": "Ping"}, 1.0)
    with pytest.raises(Disconnected):
        await wire.take(1)


async def test_half_a_message_and_end_of_file_is_no_message(pbx, wire):
    await pbx.until(lambda: pbx.connections == 1)
    pbx.write(b"Event: QueueMemberStatus\r\nPrivilege: agent,all\r\nMemb")
    for writer in pbx.writers:
        writer.close()
    with pytest.raises(Disconnected, match="closed the connection"):
        await asyncio.wait_for(wire.take(1), 2)


async def test_close_really_closes(pbx, wire):  # 10
    wire.close()
    await asyncio.wait_for(wire.lost.wait(), 1)
    wire.data_received(b"Event: Late\r\nPrivilege: x\r\n\r\n")
    with pytest.raises(Disconnected, match="closed by callctl"):
        await wire.action({"Action": "Ping"}, 1.0)
    assert wire.transport.is_closing()


async def test_action_before_connecting_is_an_error_of_ours():  # 12
    with pytest.raises(Disconnected, match="not connected"):
        await AmiWire().action({"Action": "Ping"}, 1.0)


@pytest.mark.parametrize("bad", ["x\r\n\r\nAction: Command", "x\ny", "x\ry", "x\0y"])
@pytest.mark.parametrize("where", ["value", "key"])
async def test_line_end_in_a_header_is_refused_before_anything_is_sent(pbx, wire, bad, where):  # 13
    headers = {"Reason": bad} if where == "value" else {bad: "x"}
    with pytest.raises(ValueError, match="control character"):
        await wire.action({"Action": "QueuePause", **headers}, 1.0)
    await wire.ping(1.0)
    assert [asked["Action"] for asked in pbx.asked] == ["Ping"]


async def test_header_longer_than_asterisk_reads_is_refused(wire):
    with pytest.raises(ValueError, match="longer"):
        await wire.action({"Action": "QueuePause", "Reason": "长" * 500}, 1.0)


def test_message_can_be_copied_and_its_misspelt_header_is_an_error():  # 14
    message = AmiMessage({"Event": "X", "Queue": "q"})
    assert dict(copy.copy(message)) == dict(copy.deepcopy(message)) == dict(message)
    assert dict(pickle.loads(pickle.dumps(message))) == {"Event": "X", "Queue": "q"}
    assert message["queue"] == "q"
    assert "QUEUE" in message
    with pytest.raises(AttributeError):
        _ = message.quueue
    with pytest.raises(KeyError):
        message["quueue"]


async def test_events_keep_their_order(pbx, wire):  # 15
    await pbx.until(lambda: pbx.connections == 1)
    pbx.say(*(EVENT.format(number) for number in range(3000)))
    assert await names(wire, 3000) == [str(number) for number in range(3000)]


def test_full_inbox_stops_reading_until_it_is_emptied():  # 15
    wire, socket = AmiWire(), Socket()
    wire.connection_made(socket)
    event = EVENT.format("x").replace("\n", "\r\n").encode() + b"\r\n\r\n"
    wire.data_received(BANNER + event * INBOX_HIGH)
    assert socket.reading
    wire.data_received(event)
    assert not socket.reading
    wire.take_now(INBOX_HIGH - INBOX_LOW)
    assert not socket.reading
    wire.take_now(1)
    assert socket.reading


async def test_secret_never_crosses_the_network(pbx, wire):  # 16
    await wire.login("callctl", "very-secret", 1.0)
    assert "very-secret" not in str(pbx.asked)
    assert pbx.asked[-1]["Key"] == hashlib.md5(b"123456very-secret").hexdigest()


async def test_line_of_a_megabyte_ends_the_connection(pbx, wire):
    await pbx.until(lambda: pbx.connections == 1)
    pbx.write(b"Event: " + b"x" * (1 << 20))
    with pytest.raises(Disconnected, match=f"longer than {MAX_FRAME}"):
        await asyncio.wait_for(wire.take(1), 2)


async def test_something_else_than_asterisk_is_recognised(pbx):
    pbx.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    wire = await connect(pbx.host, pbx.port, None, 1.0)
    with pytest.raises(Disconnected, match="no Asterisk manager"):
        await asyncio.wait_for(wire.take(1), 2)


async def test_event_with_our_action_id_is_no_answer(pbx, wire):
    # Another account may send Action: UserEvent with any ActionID, and Asterisk repeats it in the event.
    said = "!Event: UserEvent\nPrivilege: user,all\nUserEvent: X\nMemberName: thief\nActionID: {}"
    pbx.answers["QueueStatus"] = lambda asked: [
        said.format(asked["ActionID"]),
        "Response: Success\nEventList: start",
        said.format(asked["ActionID"]) + "\nEventList: Complete",
        "Event: QueueStatusComplete\nEventList: Complete",
    ]
    answer = await wire.action({"Action": "QueueStatus"}, 1.0)
    assert [message.fields.get("Event", "") for message in answer] == ["", "QueueStatusComplete"]
    assert await names(wire, 2) == ["thief", "thief"]


async def test_second_response_to_one_action_is_ignored(pbx, wire):
    answers(pbx, "Ping", "Response: Success\nTimestamp: 5.0", "Response: Error\nMessage: forged")
    assert await wire.ping(1.0) == 5.0
    answers(pbx, "Ping", "Response: Success\nTimestamp: 6.0")
    assert await wire.ping(1.0) == 6.0


async def test_pbx_that_does_not_tell_the_time_is_refused(pbx, wire):
    answers(pbx, "Ping", "Response: Success\nPing: Pong")
    with pytest.raises(Refused, match="Timestamp"):
        await wire.ping(1.0)


def test_header_that_comes_twice_gives_the_forger_away_and_repeated_variables_do_not():
    twice = parse(b"Event: X\r\nUniqueid: yangzhou-1.1\r\nCallerIDName: x\r\nUniqueid: yangzhou-9.9")
    assert twice.forged
    honest = parse(b"Event: X\r\nChanVariable: A=1\r\nChanVariable: B=2\r\nDestChanVariable: A=1\r\nChanVariable: C=3")
    assert not honest.forged
    assert honest.fields["ChanVariable"] == ["A=1", "B=2", "C=3"]
    assert parse(b"CallerIDName: x\r\nEvent: Forged\r\nQueue: q12345") is None


async def test_event_without_its_class_is_not_believed(pbx, wire):
    await pbx.until(lambda: pbx.connections == 1)
    pbx.say("Event: QueueCallerLeave\nQueue: q12345\nUniqueid: yangzhou-1.1")
    [message] = await asyncio.wait_for(wire.take(1), 2)
    assert message.forged


async def test_nobody_listening_is_an_os_error_and_nothing_answering_a_missed_deadline(pbx):
    pbx.server.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await connect(pbx.host, pbx.port, None, 1.0)
