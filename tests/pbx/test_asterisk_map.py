"""What real Asterisk 22 said in each situation, and what callctl understands of it."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.events import (
    CallAnswered,
    CallBackEnd,
    CalledBack,
    CallEnded,
    CallLeftQueue,
    CallWaiting,
    Outcome,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatState,
    SlotState,
)
from callctl.core.model import SlotRef
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.asterisk_words import SEAT_STATES
from callctl.pbx.values import MOST_REMEMBERED
from tests.pbx.cities import PROVINCE, XUZHOU, YANGZHOU
from tests.pbx.replay import RECORDINGS, facts, messages, recording, story

OWN = sorted(path.name.removesuffix(".ami.gz") for path in RECORDINGS.glob("*zhou.ami.gz"))
OLDER = sorted(path.name.removesuffix(".ami.gz") for path in RECORDINGS.glob("older-*.ami.gz"))


def chart(city=YANGZHOU):
    return AsteriskMap(city, PROVINCE.cities.keys())


def test_local_agent_answers_and_the_citizen_scores_the_call():
    assert story(YANGZHOU, "local-survey-yangzhou", phones=True) == [
        "01 waits",
        "2001 rings",
        "phone 2001 ringing",
        "phone 2001 busy",
        "left",
        "2001 answers",
        "2001 ends",
        "phone 2001 free",
        "score 4",
    ]


def test_slot_answers_at_the_assisted_city_and_the_lent_seat_at_the_supporting_city():
    assert story(YANGZHOU, "slot-success-yangzhou") == [
        "slot xuzhou/1 open",
        "02 waits",
        "xuzhou/1 rings",
        "left",
        "xuzhou/1 answers",
        "xuzhou/1 ends",
        "slot xuzhou/1 absent",
    ]
    assert story(XUZHOU, "slot-success-xuzhou", phones=True) == [
        "1301→yangzhou t7 lent",
        "1301→yangzhou rings",
        "phone 1301 ringing",
        "1301→yangzhou answers",
        "phone 1301 busy",
        "1301→yangzhou ends",
        "phone 1301 free",
        "1301→yangzhou t7 home",
    ]


def test_both_cities_speak_of_the_same_call():
    ids = set()
    for city in (YANGZHOU, XUZHOU):
        told = facts(city, messages(recording(f"slot-success-{city.code}")))
        ids |= {fact.call for fact in told if isinstance(fact, CallAnswered)}
    assert len(ids) == 1
    assert ids.pop().startswith("yangzhou-")


def test_no_lent_agent_free_is_told_as_busy():
    assert story(YANGZHOU, "slot-busy-yangzhou")[:4] == [
        "slot xuzhou/1 open",
        "03 waits",
        "xuzhou/1 rings",
        "xuzhou/1 busy",
    ]


def test_lent_agent_does_not_answer_and_the_pbx_pauses_the_slot():
    assert story(YANGZHOU, "slot-no-answer-yangzhou") == [
        "slot xuzhou/1 open",
        "04 waits",
        "xuzhou/1 rings",
        "xuzhou/1 no_answer",
        "slot xuzhou/1 closed Auto-Pause",
        "abandoned",
        "slot xuzhou/1 absent Auto-Pause",
    ]


def test_the_ring_at_the_supporting_city_ends_when_the_caller_is_taken_back():
    assert story(XUZHOU, "slot-no-answer-xuzhou") == [
        "1301→yangzhou t7 lent",
        "1301→yangzhou rings",
        "1301→yangzhou unknown",
        "1301→yangzhou t7 home",
    ]


def test_abandoned_calls_are_told_once_each_also_in_mid_ring():
    assert story(YANGZHOU, "abandoned-yangzhou") == [
        "05 waits",
        "abandoned",
        "slot xuzhou/1 open",
        "06 waits",
        "xuzhou/1 rings",
        "abandoned",
        "slot xuzhou/1 absent",
    ]


def test_home_agent_who_lets_it_ring_is_paused_by_the_pbx_and_comes_back():
    assert story(YANGZHOU, "auto-pause-yangzhou") == [
        "11 waits",
        "2001 rings",
        "2001 no_answer",
        "2001 not ready Auto-Pause",
        "abandoned",
        "2001 ready",
    ]


def test_leg_lost_in_mid_talk_is_told_and_the_caller_is_first_again():
    assert story(YANGZHOU, "lost-leg-yangzhou") == [
        "slot xuzhou/1 open",
        "12 waits",
        "xuzhou/1 rings",
        "left",
        "xuzhou/1 answers",
        "trunk xuzhou down",
        "xuzhou/1 ends",
        "xuzhou/1 lost",
        "12 waits again",
        "xuzhou/1 rings",
        "xuzhou/1 unreachable",
        "slot xuzhou/1 closed Auto-Pause",
        "2001 rings",
        "left",
        "2001 answers",
        "2001 ends",
        "slot xuzhou/1 absent Auto-Pause",
    ]


def test_the_lost_leg_keeps_its_talk_time_and_the_caller_the_first_arrival():
    told = facts(YANGZHOU, messages(recording("lost-leg-yangzhou")))
    ended = [fact for fact in told if isinstance(fact, CallEnded)]
    assert (ended[0].talked_s, ended[0].lost) == (6.0, False)
    assert (ended[1].talked_s, ended[1].lost) == (6.0, True)
    first, again = (fact for fact in told if isinstance(fact, CallWaiting))
    assert again.call.waiting_since == first.call.waiting_since
    assert again.at - again.call.waiting_since > 6


def test_call_back_keeps_the_place_and_the_first_arrival():
    assert story(YANGZHOU, "call-back-yangzhou") == [
        "10 waits",
        "09 waits",
        "left",
        "call_back",
        "09 waits",
        "2001 rings",
        "left",
        "2001 answers",
        "2001 ends",
        "2001 rings",
        "left",
        "2001 answers",
        "2001 ends",
    ]
    told = facts(YANGZHOU, messages(recording("call-back-yangzhou")))
    first, again = (fact for fact in told if isinstance(fact, CallWaiting) and fact.call.number.endswith("09"))
    assert again.call == first.call


def test_moved_by_hand_and_back_in_front_when_nobody_answers():
    assert story(YANGZHOU, "moved-yangzhou") == [
        "07 waits",
        "abandoned",
        "moved",
        "08 waits",
        "abandoned",
        "moved",
        "08 waits again",
        "abandoned",
    ]


def test_frozen_peer_is_told_by_the_trunk_and_by_the_ring():
    assert story(YANGZHOU, "trunk-down-yangzhou") == [
        "trunk xuzhou down",
        "slot xuzhou/1 open",
        "13 waits",
        "xuzhou/1 rings",
        "xuzhou/1 unreachable",
        "slot xuzhou/1 closed Auto-Pause",
        "abandoned",
        "trunk xuzhou up",
        "slot xuzhou/1 absent Auto-Pause",
    ]


def test_citizen_who_smuggles_line_ends_into_the_number_forges_nothing():
    # Real: Asterisk 22.10.1 put `From: <sip:139…%0d%0aUniqueid%3a%20yangzhou-1.1%0d%0a%0d%0aEvent…>` on the wire as it was.
    assert b"\r\n\r\nEvent: QueueCallerLeave\r\nQueue: q12345\r\n" in recording("forged-yangzhou")
    heard = messages(recording("forged-yangzhou"))
    assert any(message.forged for message in heard)
    assert facts(YANGZHOU, heard) == []


@pytest.mark.parametrize("name", OWN)
def test_every_recording_is_read_without_a_broken_message(name):
    heard = messages(recording(name))
    readers = chart()
    assert heard
    if not name.startswith("forged"):
        assert not [message.fields for message in heard if message.forged and readers.reads(message.fields)]


@pytest.mark.parametrize("name", OLDER)
def test_recordings_with_other_names_give_no_seats_slots_or_loans_of_ours(name):
    told = facts(YANGZHOU, messages(gzip.decompress((RECORDINGS / f"{name}.ami.gz").read_bytes())))
    assert told == []


@given(cuts=st.lists(st.integers(0, 6000), max_size=40))
@settings(max_examples=60, deadline=None)
def test_facts_do_not_depend_on_how_the_bytes_were_cut(cuts):
    content = recording("lost-leg-yangzhou")
    assert facts(YANGZHOU, messages(content, [cut * 3 for cut in cuts if cut * 3 < len(content)])) == facts(
        YANGZHOU, messages(content)
    )


def test_every_single_cut_of_one_event_gives_the_same_fact():
    content = recording("local-survey-yangzhou")
    start = content.index(b"Event: QueueCallerJoin")
    end = content.index(b"\r\n\r\n", start) + 4
    event = b"Asterisk Call Manager/11.0.0\r\n" + content[start:end]
    [whole] = facts(YANGZHOU, messages(event))
    assert "李四".encode() in event
    assert all(facts(YANGZHOU, messages(event, [cut])) == [whole] for cut in range(len(event)))


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
NAMES = st.sampled_from(sorted(chart()._readers))
KEYS = st.sampled_from(
    [
        "Queue",
        "MemberName",
        "Interface",
        "Uniqueid",
        "Status",
        "Paused",
        "Timestamp",
        "ChanVariable",
        "CallerIDNum",
        "HoldTime",
        "TalkTime",
        "AOR",
        "ContactStatus",
        "UserEvent",
        "CallId",
        "Slot",
        "Peer",
        "Number",
        "Score",
        "Stage",
        "Cause",
        "Channel",
    ]
)
LIKELY = """q12345|support-xuzhou|cc-seats|2001|xuzhou-01-t5|2001-xuzhou-t1|1e999|nan|-5|1795420720.2|yangzhou-1.1|1
CC_CALLID=yangzhou-1.1|CC_T0=99999999999999999999|CCLegLost|CCMove|CCRingFailed|CCSurvey|CCCallback|CCQueueEnd|dial"""
VALUES = TEXT | st.sampled_from(LIKELY.replace("\n", "|").split("|"))


@given(name=NAMES, headers=st.dictionaries(KEYS, VALUES | st.lists(VALUES, max_size=3).filter(bool), max_size=12))
@settings(max_examples=400, deadline=None)
def test_no_event_however_damaged_raises(name, headers):
    lists_only_for_variables = {
        key: (value if key == "ChanVariable" or isinstance(value, str) else value[0]) for key, value in headers.items()
    }
    for fact in chart().facts({"Event": name, **lists_only_for_variables}, 1795420000.0):
        assert fact.city == "yangzhou"
        assert 1795419940.0 <= fact.at <= 1795420000.0


@given(junk=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise_and_the_next_event_is_still_understood(junk):
    event = (
        b"\r\n\r\nEvent: QueueMemberStatus\r\nPrivilege: agent,all\r\nQueue: cc-seats\r\nMemberName: 2001\r\n"
        b"Interface: PJSIP/2001\r\nStatus: 1\r\n\r\n"
    )
    told = facts(YANGZHOU, messages(b"Asterisk Call Manager/11.0.0\r\n" + junk + event))
    assert isinstance(told[-1], SeatChanged)


def joined(**headers):
    return {"Event": "QueueCallerJoin", "Queue": "q12345", "Uniqueid": "yangzhou-5.1", "Channel": "PJSIP/pstn-1", **headers}


def test_first_arrival_counts_from_the_home_pbx_clock_turned_into_ours():
    ours = chart()
    ours.ahead_s = 100.0  # The PBX's clock is slow by 100 s.
    [fact] = ours.facts(joined(ChanVariable=["CC_T0=1000", "CC_NUM=138"]), 1130.0)
    assert fact.call.waiting_since == 1100.0


@pytest.mark.parametrize("first", ["", "garbage", "9999999999", "1", "-5"])
def test_impossible_first_arrival_is_not_believed(first):
    [fact] = chart().facts(joined(ChanVariable=f"CC_T0={first}"), 1795420000.0)
    assert fact.call.waiting_since == 1795420000.0


def test_number_is_what_the_dialplan_cleaned_or_else_only_its_digits():
    [cleaned] = chart().facts(joined(ChanVariable="CC_NUM=+8613800000001", CallerIDNum="x"), 1.0)
    [raw] = chart().facts(joined(CallerIDNum="138'; DROP"), 1.0)
    [unknown] = chart().facts(joined(CallerIDNum="<unknown>"), 1.0)
    assert [fact.call.number for fact in (cleaned, raw, unknown)] == ["+8613800000001", "138", ""]


def test_call_id_of_another_city_is_not_believed_in_the_home_queue():
    [fact] = chart().facts(joined(ChanVariable="CC_CALLID=xuzhou-1.1"), 1.0)
    assert fact.call.call == "yangzhou-5.1"


def test_peer_cannot_speak_of_a_third_citys_call_at_the_supporting_city():
    event = {"Event": "AgentCalled", "Queue": "support-yangzhou", "MemberName": "1301-yangzhou-t1"}
    [fact] = chart(XUZHOU).facts({**event, "Uniqueid": "xuzhou-7.7", "ChanVariable": "CC_CALLID=nanjing-1.1"}, 1.0)
    assert fact.call == "xuzhou-7.7"


@pytest.mark.parametrize(
    ("status", "cause", "why"),
    [
        ("BUSY", "17", RingEnd.BUSY),
        ("NOANSWER", "0", RingEnd.NO_ANSWER),
        ("CHANUNAVAIL", "20", RingEnd.UNREACHABLE),
        ("CHANUNAVAIL", "19", RingEnd.NO_ANSWER),
        ("CHANUNAVAIL", "", RingEnd.UNREACHABLE),
        ("DOWN", "0", RingEnd.UNREACHABLE),
        ("FULL", "0", RingEnd.TRUNK_FULL),
        ("STALE", "0", RingEnd.REFUSED),
        ("HOP", "0", RingEnd.REFUSED),
        ("CONGESTION", "34", RingEnd.TRUNK_FULL),
        ("CONGESTION", "21", RingEnd.REFUSED),
        ("CONGESTION", "99", RingEnd.UNKNOWN),
        ("SOMETHING", "", RingEnd.UNKNOWN),
    ],
)
def test_ring_of_a_slot_ends_for_the_reason_the_dialplan_gave(status, cause, why):
    ours = chart()
    said = {"Event": "UserEvent", "UserEvent": "CCRingFailed", "CallId": "yangzhou-5.1", "Peer": "xuzhou", "Number": "01"}
    assert ours.facts({**said, "Status": status, "Cause": cause}, 1.0) == ()
    event = {"Event": "AgentRingNoAnswer", "Queue": "q12345", "MemberName": "xuzhou-01-t5", "Uniqueid": "yangzhou-5.1"}
    expected = RingEnded("yangzhou", 2.0, "yangzhou-5.1", SlotRef("xuzhou", 1), why)
    assert ours.facts(event, 2.0) == (expected,)
    [later] = ours.facts(event, 3.0)
    assert later.why is RingEnd.UNKNOWN  # A reason counts once.


@pytest.mark.parametrize("status", ["FULL", "JOINEMPTY", "TIMEOUT", "LEAVEEMPTY"])
def test_caller_whom_the_queue_threw_out_is_told_as_refused(status):
    said = {"Event": "UserEvent", "UserEvent": "CCQueueEnd", "CallId": "yangzhou-5.1", "Status": status}
    assert chart().facts(said, 1.0) == (CallLeftQueue("yangzhou", 1.0, "yangzhou-5.1", Outcome.REFUSED),)


def test_what_the_dialplan_says_late_does_not_remove_a_caller_who_waits_again():
    ours = chart()
    ours.facts(joined(), 1.0)
    for said in ({"UserEvent": "CCCallback"}, {"UserEvent": "CCQueueEnd", "Status": "TIMEOUT"}):
        assert ours.facts({"Event": "UserEvent", "CallId": "yangzhou-5.1", **said}, 2.0) == ()


def told(name, **headers):
    common = {"CallId": "yangzhou-5.1", "Try": "yangzhou-5.1/9", "By": "yangzhou"}
    return {"Event": "UserEvent", "UserEvent": name, **common, **headers}


@pytest.mark.parametrize(
    ("status", "cause", "how"),
    [
        ("ANSWER", "16", CallBackEnd.ANSWERED),
        ("BUSY", "17", CallBackEnd.BUSY),
        ("NOANSWER", "", CallBackEnd.NO_ANSWER),
        ("CANCEL", "", CallBackEnd.NO_ANSWER),
        ("CHANUNAVAIL", "20", CallBackEnd.UNREACHABLE),
        ("CONGESTION", "17", CallBackEnd.BUSY),
        ("NOAGENT", "", CallBackEnd.NO_AGENT),
        ("?", "x", CallBackEnd.UNREACHABLE),
    ],
)
def test_a_call_back_s_end_is_told_with_the_seat_that_took_it(status, cause, how):
    ours = chart()
    seat = next(iter(ours.seats))
    assert ours.facts(told("CCBackTaken", Phone=f"PJSIP/{seat}-00000001"), 1.0) == ()
    [fact] = ours.facts(told("CCBackEnd", Status=status, Cause=cause), 2.0)
    assert (fact.call, fact.attempt, fact.by, fact.seat, fact.how) == (
        "yangzhou-5.1",
        "yangzhou-5.1/9",
        "yangzhou",
        seat,
        how,
    )
    assert ours.facts(told("CCBackEnd", Status=status, By="atlantis"), 2.0) == ()


@pytest.mark.parametrize(
    ("status", "cause", "how"),
    [
        ("ANSWER", "16", CallBackEnd.ANSWERED),
        ("BUSY", "17", CallBackEnd.BUSY),
        ("NOANSWER", "", CallBackEnd.NO_ANSWER),
        ("CONGESTION", "17", CallBackEnd.BUSY),
        ("CHANUNAVAIL", "20", CallBackEnd.UNREACHABLE),
        ("", "", CallBackEnd.NO_AGENT),  # The agent had gone before the citizen was dialled.
        ("EXPIRED", "", CallBackEnd.NO_AGENT),
    ],
)
def test_whether_who_asked_by_key_was_reached_is_told(status, cause, how):
    said = {"Event": "UserEvent", "UserEvent": "CCCallbackEnd", "CallId": "yangzhou-5.1", "Status": status, "Cause": cause}
    assert chart().facts(said, 2.0) == (CalledBack("yangzhou", 2.0, "yangzhou-5.1", how),)
    assert chart().facts({**said, "CallId": "xuzhou-5.1"}, 2.0) == ()


def test_the_desk_is_known_while_it_waits():
    ours = chart()
    desk = {"Queue": "cc-missed", "Channel": "Local/desk@cc-missed-01;2", "Uniqueid": "yangzhou-5.9"}
    assert ours.facts({"Event": "QueueCallerJoin", **desk}, 1.0) == ()
    assert ours.desk == "Local/desk@cc-missed-01;2"
    assert ours.facts({"Event": "QueueCallerLeave", **desk, "Channel": "Local/desk@cc-missed-00;2"}, 1.0) == ()
    assert ours.desk == "Local/desk@cc-missed-01;2"  # An older one has gone.
    assert ours.facts({"Event": "QueueCallerLeave", **desk}, 1.0) == ()
    assert ours.desk == ""


@pytest.mark.parametrize("score", ["0", "6", "", "12", "x"])
def test_score_outside_one_to_five_is_no_score(score):
    assert (
        chart().facts({"Event": "UserEvent", "UserEvent": "CCSurvey", "CallId": "yangzhou-5.1", "Score": score}, 1.0) == ()
    )


def test_dedicated_seat_is_paused_in_the_roster_and_a_shared_seat_in_the_home_queue():
    def paused(seat, queue):
        event = {"Event": "QueueMemberPause", "Queue": queue, "MemberName": seat, "Interface": f"PJSIP/{seat}"}
        return chart(XUZHOU).facts({**event, "Paused": "1", "PausedReason": "午休"}, 1.0)

    assert [len(paused("1301", "q12345")), len(paused("1301", "cc-seats"))] == [1, 0]
    assert [len(paused("1302", "q12345")), len(paused("1302", "cc-seats"))] == [0, 1]
    assert paused("1302", "cc-seats")[0].reason == "午休"


def test_unknown_device_state_counts_as_offline_never_as_free():
    assert [number for number, state in SEAT_STATES.items() if state is SeatState.FREE] == ["1"]
    assert SEAT_STATES["0"] is SeatState.OFFLINE


def test_what_is_remembered_is_bounded():
    ours = chart()
    for number in range(MOST_REMEMBERED + 500):
        ours.facts(joined(Uniqueid=f"yangzhou-1.{number}"), 1.0)
    assert len(ours.callers) == MOST_REMEMBERED
    assert "yangzhou-1.0" not in ours.callers


def lent_to_yangzhou(event, seat="1301", **headers):
    loan = {"Queue": "support-yangzhou", "MemberName": f"{seat}-yangzhou-t7", "Interface": f"PJSIP/{seat}"}
    return {"Event": event, **loan, **headers}


def test_a_changed_ring_group_is_told_as_the_loan_with_its_new_group():
    [fact] = chart(XUZHOU).facts(lent_to_yangzhou("QueueMemberPenalty", Penalty="3"), 1.0)
    assert (fact.seat, fact.assisted, fact.token, fact.lent, fact.group) == ("1301", "yangzhou", 7, True, 3)
    beat = {"Event": "QueueMemberPenalty", "Queue": "cc-heartbeat", "MemberName": "heartbeat", "Penalty": "1795420000"}
    assert chart(XUZHOU).facts(beat, 1.0) == ()


def test_a_caller_who_hangs_up_ends_the_rings_of_a_whole_group():
    ours, call = chart(XUZHOU), {"ChanVariable": "CC_CALLID=yangzhou-5.1", "Uniqueid": "xuzhou-9.1"}
    for seat in ("1301", "1302", "1301"):  # One of them told twice.
        ours.facts(lent_to_yangzhou("AgentCalled", seat, **call), 1.0)
    gone = {"Event": "QueueCallerAbandon", "Queue": "support-yangzhou", **call}
    ended = ours.facts(gone, 2.0)
    assert [(fact.by.seat, fact.why) for fact in ended] == [("1301", RingEnd.UNKNOWN), ("1302", RingEnd.UNKNOWN)]
    assert ours.facts(gone, 2.0) == ()


def test_a_slot_to_a_city_the_data_folders_no_longer_name_is_still_ours_to_close():
    opened = {
        "Event": "QueueMemberPause",
        "Queue": "q12345",
        "MemberName": "atlantis-01-t7",
        "Interface": "Local/atlantis-support-01@cc-seat/n",
        "Paused": "0",
    }
    [fact] = chart().facts(opened, 1.0)
    assert (fact.slot, fact.state) == (SlotRef("atlantis", 1), SlotState.OPEN)
