"""Facts and wishes survive the way to disk and back, exactly."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.core.events import CallWaiting, PbxObserved, WaitingCall
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.store.codec import Record, Unreadable, decode, decode_wishes, encode, encode_wishes, without_numbers

st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(str, st.text(st.characters(codec=None), max_size=12) | st.sampled_from(["扬州", "138", "\ud800"]))


@st.composite
def records(draw: st.DrawFn) -> Record:
    return draw(st.from_type(draw(st.sampled_from(get_args(Record)))))


@given(records())
def test_every_fact_comes_back_as_it_went(record: Record) -> None:
    line = encode(record)
    assert "\n" not in line
    assert line.encode("utf-8")
    assert decode(line) == record
    assert encode(decode(line)) == line


EVENTS = st.builds(
    AssistanceEvent,
    seats=st.dictionaries(st.text(), st.integers()),
)


@given(st.builds(Wishes, events=st.dictionaries(st.text(), EVENTS), quotas=st.dictionaries(st.text(), st.integers())))
def test_wishes_come_back_as_they_went(wishes: Wishes) -> None:
    assert decode_wishes(encode_wishes(wishes)) == wishes


def test_chinese_is_readable_in_the_journal() -> None:
    assert "扬州" in encode(CallWaiting("扬州", 1.0, WaitingCall("a-1", "1", 1.0)))


def test_a_field_of_an_older_version_takes_its_default_and_one_of_a_newer_is_skipped() -> None:
    line = json.loads(encode(CallWaiting("yangzhou", 1.0, WaitingCall("a-1", "1", 1.0))))
    del line["call"]["returned"]
    line["colour"] = "red"
    assert decode(json.dumps(line)) == CallWaiting("yangzhou", 1.0, WaitingCall("a-1", "1", 1.0, returned=False))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "1",
        "null",
        '{"v":1}',
        '{"v":1,"k":"Nonsense"}',
        '{"v":2,"k":"PbxLost"}',
        '{"v":1,"k":"PbxLost"}',
        "[" * 9999,
    ],
)
def test_what_is_not_a_fact_is_refused_not_guessed(line: str) -> None:
    with pytest.raises(Unreadable):
        decode(line)


@given(
    st.lists(records().filter(lambda record: not isinstance(record, PbxObserved)), max_size=3), st.from_type(WaitingCall)
)
def test_no_number_reaches_the_live_views(facts: list[Record], call: WaitingCall) -> None:
    lines = [text for _, text in without_numbers([*facts, CallWaiting("a", 1.0, call)])]
    assert all(json.loads(line)["call"]["number"] == "" for line in lines if json.loads(line)["k"] == "CallWaiting")
