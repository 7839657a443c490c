"""Bytes of an event socket in, events out: the same for every cut of the stream, whatever a citizen is called."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.pbx.esl_frames import MOST_BODY, MOST_HEAD, Answer, BrokenStreamError, EslEvent, Frames, text_of
from tests.pbx.esl_server import api_frame, event_frame, reply_frame

FORGED = "x\nCC-Action: forged\nEvent-Name: CHANNEL_HANGUP\n\nContent-Type: text/event-plain"
CALL = {"Event-Name": "CUSTOM", "CC-Member-CID-Name": "张三", "CC-Action": "member-queue-start", "CC-Count": ""}
STREAM = (
    b"Content-Type: auth/request\n\n"
    + reply_frame("+OK accepted")
    + event_frame(CALL)
    + api_frame("+OK 扬州\n\n".encode())
    + event_frame({**CALL, "Job": "1"}, b"-ERR no: such channel\n\n")
    + event_frame(CALL)
)


def fed(content, cuts=()):
    frames, found = Frames(), []
    for start, end in itertools.pairwise([0, *sorted(cuts), len(content)]):
        found += frames.feed(content[start:end])
    return [
        dict(one.items()) | {"body": one.body} if isinstance(one, EslEvent) else (one.kind, one.headers, one.body)
        for one in found
    ]


def broken(content):
    with pytest.raises(BrokenStreamError) as caught:
        Frames().feed(content)
    return str(caught.value)


def test_every_frame_is_what_was_sent():
    found = fed(STREAM)
    assert found[0] == ("auth/request", {"Content-Type": "auth/request"}, b"")
    assert found[1][1]["Reply-Text"] == "+OK accepted"
    assert found[2] == {**CALL, "body": b""}
    assert text_of(found[3][2]) == "+OK 扬州\n\n"
    assert found[4]["body"] == b"-ERR no: such channel\n\n"
    assert found[4]["CC-Action"] == "member-queue-start"


def test_the_body_of_an_event_is_kept_apart_from_its_headers():
    [event] = Frames().feed(event_frame({"Event-Name": "BACKGROUND_JOB"}, b"-ERR no: such channel\n"))
    assert event.body == b"-ERR no: such channel\n"
    assert event.get("-ERR no") == ""
    assert not event.forged


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, len(STREAM) - 1), max_size=12))
def test_any_cut_of_the_stream_gives_the_same(cuts):
    assert fed(STREAM, cuts) == fed(STREAM)


def test_every_single_cut_gives_the_same():
    whole = fed(STREAM)
    assert all(fed(STREAM, [cut]) == whole for cut in range(1, len(STREAM)))


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_no_name_of_a_citizen_writes_a_header(name):
    [event] = Frames().feed(event_frame({**CALL, "Caller-Caller-ID-Name": name + FORGED}))
    assert event.get("CC-Action") == "member-queue-start"
    assert event.get("Event-Name") == "CUSTOM"
    assert event.get("Caller-Caller-ID-Name").endswith("text/event-plain")
    assert not event.forged


def test_a_value_that_looks_encoded_writes_no_header_either():
    # switch_url_encode leaves `%0A` as it is: decoded, it is a line end (mod_event_socket tells both alike).
    [event] = Frames().feed(event_frame({**CALL, "variable_sip_h_X-Evil": "a%0ACC-Action: forged"}))
    assert event.get("CC-Action") == "member-queue-start"
    assert event.get("variable_sip_h_X-Evil") == "a\nCC-Action: forged"


def test_a_header_that_comes_twice_is_somebodys_invention():
    block = b"Event-Name: CUSTOM\nCC-Action: a\nCC-Action: b\n\n"
    frame = b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(block) + block
    [event] = Frames().feed(frame)
    assert event.forged


def test_a_header_that_freeswitch_itself_says_twice_is_honest():
    block = b"Event-Name: CHANNEL_HANGUP_COMPLETE\nHangup-Cause: X\nHangup-Cause: X\n\n"
    [event] = Frames().feed(b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(block) + block)
    assert not event.forged


def test_a_line_that_is_no_header_spoils_its_event_only():
    block = b"Event-Name: CUSTOM\nnonsense\n\n"
    frame = b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(block) + block
    spoilt, whole = Frames().feed(frame + event_frame(CALL))
    assert spoilt.forged
    assert spoilt.get("Event-Name") == ""
    assert whole.get("CC-Action") == "member-queue-start"


@pytest.mark.parametrize("name", ["李四".encode("gbk"), b"\xff\xfe\xff", b"half \xe5"])
def test_a_name_in_another_encoding_damages_nothing_else(name):
    [event] = Frames().feed(event_frame({"Event-Name": "CUSTOM", "Name": name, "CC-Action": "张三"}))
    assert event.get("CC-Action") == "张三"
    assert event.get("Name") in ("李四", "\ufffd\ufffd\ufffd", "half \ufffd")


def test_an_undefined_value_is_empty():
    [event] = Frames().feed(event_frame({"Event-Name": "CUSTOM", "CC-Count": ""}))
    assert event.get("CC-Count", "?") == ""
    assert event.get("CC-Missing", "?") == "?"


def test_a_frame_without_content_type_ends_the_stream():
    assert "Content-Type" in broken(b"Content-Length: 5\n\nhello")


def test_a_line_of_a_frame_that_is_no_header_ends_the_stream():
    assert "no header" in broken(b"HTTP/1.1 400 Bad Request\nServer: x\n\n")


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "999999999", "99999999", "", "0x10"])
def test_an_absurd_length_ends_the_stream_before_anything_is_kept(length):
    broken(f"Content-Type: api/response\nContent-Length: {length}\n\n".encode())


def test_an_event_of_absurd_length_ends_the_stream_too():
    assert str(MOST_BODY + 1) in broken(b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % (MOST_BODY + 1))


def test_headers_without_end_end_the_stream():
    broken(b"Content-Type: " + b"x" * MOST_HEAD)
    broken(b"Content-Type: " + b"x" * MOST_HEAD + b"\n\n")


def test_other_kinds_of_frames_are_handed_on_whole():
    [answer] = Frames().feed(b"Content-Length: 3\nContent-Type: text/event-json\n\n{ }")
    assert isinstance(answer, Answer)
    assert (answer.kind, answer.body) == ("text/event-json", b"{ }")
