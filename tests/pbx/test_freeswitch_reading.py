"""A full reading: what a FreeSWITCH's lists say, in callctl's words; and lists that are not what they should be."""

import json
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.events import HomeSeat, LentSeat, LoanSeen, SeatState, SlotState
from callctl.core.model import Lending, SlotRef
from callctl.pbx.esl_frames import Answer
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_reading import Lists, Reading, observe
from callctl.pbx.freeswitch_words import json_rows_of, rows_of
from tests.pbx import mod_callcenter as cc
from tests.pbx.cities import city
from tests.pbx.esl_replay import frames, names, recording

SEATS = {"1001": Lending.SHARED, "1002": Lending.SHARED, "1003": Lending.DEDICATED}
YANGZHOU = city("yangzhou", "扬州", 9, SEATS, {"suzhou": 5, "nanjing": 1})
NOW = 1_800_000_000.0
SLOT = SlotRef("suzhou", 1)


def chart(ahead_s=0.0):
    made = FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou", "nanjing"))
    made.ahead_s = ahead_s
    return made


def agent(name, status="Available", state="Waiting", **more):
    row = dict(zip(cc.AGENT_COLUMNS.split("|"), cc.agent_row(name, status, state, 3, 0), strict=True))
    return row | more


def tier(queue, name, position=1, level=2):
    return {"queue": queue, "agent": name, "state": "Ready", "level": str(level), "position": str(position)}


def member(call, state="Waiting", by="", channel="", score=0, answered=0, queue="q12345", number="13800000001"):
    who = cc.Member(queue, channel or f"s-{call}", call, number, int(NOW) - 9)
    return dict(zip(cc.MEMBER_COLUMNS.split("|"), cc.member_row(who, state, by, score, answered), strict=True))


def caller(call):
    return {"uuid": f"s-{call}", "presence_data": call, "callstate": "ACTIVE", "direction": "inbound", "presence_id": ""}


def leg(seat, call, callstate="ACTIVE", domain="yangzhou"):
    return {"uuid": f"leg-{seat}", "presence_data": call, "callstate": callstate, "presence_id": f"{seat}@{domain}"}


def read(made=None, members=(), agents=(), tiers=(), channels=(), phones=("1001", "1002", "1003"), up=("trunk-suzhou",)):
    lists = Lists(tuple(members), (*map(agent, SEATS), *agents), tuple(tiers), tuple(channels))
    registrations = tuple({"reg_user": seat} for seat in phones)
    reading = Reading(lists, registrations, frozenset(up), NOW - 500, NOW - 0.1, NOW)
    return observe(made or chart(), reading)


def test_callers_are_read_in_the_queues_order_with_their_first_arrival():
    calls = ["yangzhou-1799999900.3", "yangzhou-1799999950.1", "yangzhou-1799999960.2"]
    found = read(
        members=[member(calls[0], score=1_000_090), member(calls[1], "Trying", "1001"), member(calls[2])],
        channels=map(caller, calls),
    )
    assert [call.call for call in found.waiting] == calls
    assert [call.returned for call in found.waiting] == [True, False, False]
    assert [call.waiting_since for call in found.waiting] == [1799999900.0, 1799999950.0, 1799999960.0]


def test_ages_and_not_clocks_cross_machines():
    found = read(
        chart(ahead_s=-5000.0), members=[member("yangzhou-1800004900.3")], channels=[caller("yangzhou-1800004900.3")]
    )
    assert found.waiting[0].waiting_since == 1799999900.0


def test_only_our_queues_living_callers_wait():
    ours = "yangzhou-1799999900.3"
    found = read(
        members=[
            member(ours, "Abandoned"),
            member(ours, queue="complaints"),
            member("张三"),
            member("suzhou-1799999900.3"),
            member("yangzhou-1799999900.9"),  # Its channel is gone.
            member(ours, "Answered", "1001"),
        ],
        channels=[caller(ours)],
    )
    assert found.waiting == ()


def test_a_caller_who_came_a_moment_ago_is_not_forgotten_although_no_list_has_the_channel_yet():
    lately = member("yangzhou-1799999999.4") | {"joined_epoch": str(int(NOW) - 1)}
    long_ago = member("yangzhou-1799999900.4")
    assert [call.call for call in read(members=[lately, long_ago]).waiting] == ["yangzhou-1799999999.4"]


def test_a_lent_seat_that_begins_to_ring_keeps_ringing_although_no_list_has_its_channel_yet():
    made = chart()
    made.phones["1002"].lent = SeatState.RINGING
    lists = Lists((), (agent("1002", state="Reserved"),), (), ())
    found = observe(made, Reading(lists, ({"reg_user": "1002"},), frozenset(), 0.0, NOW, NOW))
    assert [seat.state for seat in found.seats] == [SeatState.RINGING]
    lists = Lists((), (agent("1002"),), (), ())
    found = observe(made, Reading(lists, ({"reg_user": "1002"},), frozenset(), 0.0, NOW, NOW))
    assert [seat.state for seat in found.seats] == [SeatState.FREE]


def test_talks_of_seats_and_slots_and_of_lent_seats():
    home, remote, lent = "yangzhou-1799999900.1", "yangzhou-1799999900.2", "suzhou-1799999900.5"
    found = read(
        members=[
            member(home, "Answered", "1001", answered=1799999970),
            member(remote, "Answered", "suzhou-01", answered=1799999980),
            member("yangzhou-1799999900.8", "Answered", "1002", answered=1799999980),  # Struck off by nobody.
        ],
        channels=[caller(home), caller(remote), leg("1001", home), leg("1003", lent) | {"created_epoch": "1799999990"}],
    )
    assert [(talk.call, talk.by, talk.answered_at) for talk in found.talks] == [
        (home, HomeSeat("1001"), 1799999970.0),
        (remote, SLOT, 1799999980.0),
        (lent, LentSeat("1003", "suzhou"), 1799999990.0),
    ]
    assert [(seat.seat, seat.call) for seat in found.seats] == [("1001", home), ("1002", ""), ("1003", lent)]


def test_when_a_talk_began_is_known_better_from_its_event():
    made, call = chart(), "yangzhou-1799999900.1"
    made.talks[call] = (HomeSeat("1001"), NOW - 42.5)
    found = read(made, members=[member(call, "Answered", "1001", answered=1799999970)], channels=[caller(call)])
    assert [talk.answered_at for talk in found.talks] == [NOW - 42.5]


def test_phones_are_what_registration_agent_and_channel_say_together():
    made = chart()
    lists = Lists(
        members=(),
        agents=(agent("1001", state="Receiving"), agent("1002", "Logged Out"), agent("1003", "On Break", "Reserved")),
        tiers=(),
        channels=(leg("1003", "suzhou-1799999900.5", "RINGING"), leg("1001", "x", domain="elsewhere")),
    )
    registrations = tuple({"reg_user": seat} for seat in SEATS)
    found = observe(made, Reading(lists, registrations, frozenset(), 0.0, NOW, NOW))
    assert [(seat.seat, seat.state, seat.ready) for seat in found.seats] == [
        ("1001", SeatState.RINGING, True),
        ("1002", SeatState.OFFLINE, True),
        ("1003", SeatState.RINGING, False),
    ]


def test_a_phone_is_there_by_its_status_and_on_a_break_by_its_registration():
    lists = Lists((), (agent("1001"), agent("1002", "On Break"), agent("1003", "On Break")), (), ())
    found = observe(chart(), Reading(lists, ({"reg_user": "1003"},), frozenset(), 0.0, NOW, NOW))
    assert [seat.state for seat in found.seats] == [SeatState.FREE, SeatState.OFFLINE, SeatState.FREE]


def test_an_answer_that_was_told_but_is_not_listed_yet_is_a_talk_and_no_waiting_call():
    made, call = chart(), "yangzhou-1799999900.1"
    trying = member(call, "Trying", "suzhou-01")
    made.talks[call] = (SLOT, NOW - 0.1)
    found = read(made, members=[trying], channels=[caller(call)])
    assert (found.waiting, [(talk.call, talk.by) for talk in found.talks]) == ((), [(call, SLOT)])
    made.talks[call] = (SLOT, NOW - 20)  # A talk that is over, whose end was missed: he is rung for again.
    found = read(made, members=[trying], channels=[caller(call)])
    assert ([one.call for one in found.waiting], found.talks) == ([call], ())
    made.talks[call] = (HomeSeat("1001"), NOW - 0.1)
    assert [one.call for one in read(made, members=[trying], channels=[caller(call)]).waiting] == [call]


def test_a_seat_rests_until_wrap_up_is_over_by_the_switchs_clock():
    made = chart(ahead_s=-100.0)
    lists = Lists(
        (),
        (
            agent("1001", last_bridge_end=str(int(NOW) + 99)),
            agent("1002", ready_time=str(int(NOW) + 160)),
            agent("1003", last_bridge_end=str(int(NOW))),
        ),
        (),
        (),
    )
    found = observe(made, Reading(lists, (), frozenset(), 0.0, NOW, NOW))
    assert [seat.free_from for seat in found.seats] == [NOW + 2, NOW + 60, 0.0]


def test_slots_and_loans_are_tiers_that_carry_a_token():
    found = read(
        agents=[
            agent("suzhou-01"),
            agent("suzhou-02", "Logged Out"),
            agent("nanjing-01", "On Break", "In a queue call"),
            agent("xian-01"),
            agent("suzhou-03"),  # No tier: dropped.
        ],
        tiers=[
            tier("q12345", "1001", level=1),
            tier("q12345", "suzhou-01", 5),
            tier("q12345", "suzhou-02", 6),
            tier("q12345", "nanjing-01", 7),
            tier("q12345", "xian-01", 8),  # Of a city that is no more: left open, it would be rung for ever.
            tier("q12345", "suzhou-09", 8),  # No agent.
            tier("support-suzhou", "1003", 9),
            tier("support-xian", "1003", 9),
            tier("support-suzhou", "9999", 9),
            tier("support-suzhou", "1001", "x"),
            tier("support-suzhou", "1002", 1, level=1),  # Made by somebody else.
        ],
    )
    assert [(seen.slot, seen.state, seen.token, seen.in_use, seen.reason) for seen in found.slots] == [
        (SlotRef("nanjing", 1), SlotState.CLOSED, 7, True, "Auto-Pause"),
        (SLOT, SlotState.OPEN, 5, False, ""),
        (SlotRef("suzhou", 2), SlotState.CLOSED, 6, False, "closed"),
        (SlotRef("xian", 1), SlotState.OPEN, 8, False, ""),
    ]
    assert found.loans == (LoanSeen("1003", "suzhou", 9),)


def test_a_slot_made_anew_in_mid_call_is_in_use():
    call = "yangzhou-1799999900.2"
    found = read(
        members=[member(call, "Answered", "suzhou-01", answered=1799999980)],
        agents=[agent("suzhou-01")],
        tiers=[tier("q12345", "suzhou-01", 5)],
        channels=[caller(call)],
    )
    assert [seen.in_use for seen in found.slots] == [True]


TRUNK = {"direction": "outbound", "name": "sofia/city/support"}


def test_who_rings_or_talks_is_what_the_agents_list_says():
    made = chart()
    made.rung = OrderedDict({"suzhou-01": NOW - 30, "1001": NOW - 30, "1002": NOW - 30})  # The ends of two were not heard.
    lists = Lists(
        (), (agent("suzhou-01"), agent("1001"), agent("1002", state="Receiving"), agent("1003", state="Reserved")), (), ()
    )
    observe(made, Reading(lists, (), frozenset(), NOW - 500, NOW, NOW))
    assert made.rung == {"1002": NOW - 30, "1003": NOW}
    assert made.busy_slots() == set()


def test_a_slot_dropped_in_mid_ring_is_busy_as_long_as_its_leg_is_there():
    made, call = chart(), "yangzhou-1799999900.2"
    made.rung["suzhou-01"] = NOW - 10
    trying, over = [member(call, "Trying", "suzhou-01")], leg("", call, "RINGING") | TRUNK
    read(made, members=trying, channels=[caller(call), over])
    assert made.busy_slots() == {SLOT}
    read(made, members=trying, channels=[caller(call)])
    assert made.busy_slots() == set()


def test_a_slot_dropped_as_soon_as_it_rang_is_busy_though_no_list_has_its_leg_yet():
    made = chart()
    made.rung["suzhou-01"] = NOW - 0.5
    read(made)
    assert made.busy_slots() == {SLOT}


def test_nobody_rings_or_talks_from_before_the_switch_was_started():
    made, call = chart(), "yangzhou-1799999900.2"
    made.rung["suzhou-01"] = NOW - 1.0
    lists = Lists((member(call, "Waiting", "suzhou-01"),), (), (), (caller(call),))
    observe(made, Reading(lists, (), frozenset(), NOW - 0.5, NOW, NOW))
    assert not made.rung


def test_the_trunks_that_are_up_are_the_gateways_listed():
    found = read(up=("trunk-suzhou", "carrier", "trunk-xian"))
    assert [(trunk.to, trunk.up) for trunk in found.trunks] == [("suzhou", True), ("nanjing", False)]


def test_a_reading_replaces_what_was_remembered():
    made = chart()
    made.callers["yangzhou-1.1"] = "gone"
    made.talks["yangzhou-1.2"] = (HomeSeat("1001"), 1.0)
    made.loans["1001", "suzhou"] = 4
    call = "yangzhou-1799999900.3"
    read(made, members=[member(call)], channels=[caller(call)], tiers=[tier("support-suzhou", "1003", 9)])
    assert made.callers == {call: f"s-{call}"}
    assert not made.talks
    assert made.loans == {("1003", "suzhou"): 9}
    assert made.phones["1001"].told is SeatState.FREE


@pytest.mark.parametrize("name", names("older-*-json"))
def test_the_lists_a_real_switch_printed_are_read_whole(name):
    answers = [
        frame.body for frame in frames(recording(name)) if isinstance(frame, Answer) and frame.kind == "api/response"
    ]
    lists = [answer for answer in answers if answer.startswith((b"name|", b"queue|"))]
    for answer in lists:
        rows = rows_of(answer)
        assert len(rows) == answer.count(b"\n") - 2  # The columns' names, and +OK.
        assert all(row.keys() == rows[0].keys() for row in rows)
    assert all(rows_of(answer) == [] for answer in answers if answer not in lists)


def test_the_stand_ins_lists_have_the_columns_of_a_real_switch():
    answers = [
        frame.body for name in names("older-*-json") for frame in frames(recording(name)) if isinstance(frame, Answer)
    ]
    heads = {answer.split(b"\n")[0].decode() for answer in answers if b"|" in answer}
    assert heads == {cc.AGENT_COLUMNS, cc.TIER_COLUMNS, cc.MEMBER_COLUMNS}


def test_a_bar_in_a_value_costs_its_row_and_no_other():
    answer = b"name|status\n1001|Available\n1002|a|b\n1003\n1004|Logged Out\n+OK\n"
    assert [row["name"] for row in rows_of(answer)] == ["1001", "1004"]
    assert rows_of(b"+OK\n") == rows_of(b"") == []


def test_a_name_in_another_encoding_cannot_eat_the_end_of_its_value():
    # 0x5C and 0x7C are second halves of GBK characters, and `\` and `|`.
    raw = b'{"row_count":1,"rows":[{"cid_name":"\x81\\\\","uuid":"u\xc0\xee"}]}\n'
    assert [row["uuid"] for row in json_rows_of(raw)] == ["u李"]
    assert json_rows_of(b'{"rows":[{"cid_name":"\x81\\",\\"uuid\\":\\"forged","uuid":"real"}]}')[0]["uuid"] == "real"
    [row] = rows_of(b"name|uuid\n\x81|real\n+OK\n")
    assert row["uuid"] == "real"


@pytest.mark.parametrize("answer", [b"", b"-ERR no", b"[]", b'{"rows": 3}', b'{"rows": ["x"]}', b"{", b"null"])
def test_what_is_no_json_list_is_an_error_and_no_empty_list(answer):
    with pytest.raises(ValueError, match="not a list of rows"):
        json_rows_of(answer)
    assert json_rows_of(b'{"row_count":0}\n') == []


texts = st.one_of(
    st.text(max_size=12), st.sampled_from(["1001", "suzhou-01", "q12345", "Waiting", "Answered", "nan", "-1", "1e999"])
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([*cc.MEMBER_COLUMNS.split("|"), *cc.AGENT_COLUMNS.split("|"), "presence_data"]), texts
        )
    )
)
def test_no_list_however_damaged_raises(rows):
    damaged = tuple({"queue": "q12345", "agent": "suzhou-01", **row} for row in json.loads(json.dumps(rows)))
    lists = Lists(damaged, damaged, damaged, damaged)
    found = observe(chart(), Reading(lists, damaged, frozenset(), 0.0, NOW, NOW))
    assert {seat.seat for seat in found.seats} <= SEATS.keys()


@pytest.mark.parametrize("listed", ["RINGING", "DOWN", ""], ids=["as ringing", "as set up", "not at all"])
def test_a_lent_phone_that_was_answered_talks_though_the_list_lags_behind(listed):
    made, call = chart(), "suzhou-1799999900.1"
    by = LentSeat("1001", "suzhou")
    ringing = leg("1001", call, "RINGING")
    reserved = [agent("1001", state="Reserved")]
    made.talks[call] = (by, NOW - 0.1)
    found = read(made, agents=reserved, channels=[leg("1001", call, listed)] if listed else [])
    assert [(talk.call, talk.by, talk.answered_at) for talk in found.talks] == [(call, by, NOW - 0.1)]
    assert [(seat.state, seat.call) for seat in found.seats if seat.seat == "1001"] == [(SeatState.BUSY, call)]
    made.talks[call] = (by, NOW - 20)  # A talk that is over, whose end was missed: it rings for the same call again.
    found = read(made, agents=reserved, channels=[ringing])
    assert found.talks == ()
    assert [seat.state for seat in found.seats if seat.seat == "1001"] == [SeatState.RINGING]
