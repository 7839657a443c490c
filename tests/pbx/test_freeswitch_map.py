"""What a real FreeSWITCH 1.10 said in each situation, and what callctl understands of it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    HomeSeat,
    LentSeat,
    LoanChanged,
    Outcome,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
    SurveyAnswered,
    TrunkChanged,
)
from callctl.core.model import Lending, SlotRef
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_words import RING_ENDS
from callctl.pbx.values import MOST_REMEMBERED
from callctl.settings import shipped
from tests.pbx import mod_callcenter as cc
from tests.pbx.cities import city
from tests.pbx.esl_replay import events, facts, names, recording, story
from tests.pbx.esl_server import event_frame

SEATS = {f"10{number:02d}": Lending.SHARED for number in (1, 2, 3, 4)}
OTHERS = ("suzhou", "nantong", "ast", "dead", "hole", "nodst", "nogw")
YANGZHOU = city("yangzhou", "扬州", 9, SEATS, {other: place for place, other in enumerate(OTHERS, 1)})
SUZHOU = city("suzhou", "苏州", 5, SEATS, {"yangzhou": 9})
NOW = 1_800_000_000.0
CALL = "yangzhou-1799999990.7"
LENT = "suzhou-1799999990.7"
SLOT = SlotRef("suzhou", 1)

# By recording: everything callctl understands of it, phones included.
GOLDEN = {
    "older-e02-utf8-yangzhou-plain": ("01 waits, 02 waits, 03 waits, 04 waits, abandoned, abandoned, abandoned, abandoned"),
    "older-e07-inject-yangzhou-plain": ("66 waits, abandoned"),
    "older-s01-seat-suzhou-json": (""),
    "older-s01-seat-yangzhou-json": (
        "01 waits, 02 waits, suzhou/1 rings, left, suzhou/1 answers, abandoned, suzhou/1 ends, 02 waits, 01 waits, "
        "suzhou/2 rings, suzhou/2 busy, suzhou/2 rings, suzhou/2 busy, abandoned, abandoned, 01 waits, 02 waits, "
        "suzhou/3 rings, suzhou/3 refused, abandoned, abandoned, 01 waits, 02 waits, suzhou/6 rings, "
        "suzhou/6 no_answer, abandoned, abandoned"
    ),
    "older-s02-trunkfail-yangzhou-json": (
        "01 waits, dead/1 rings, dead/1 unreachable, abandoned, 01 waits, hole/1 rings, hole/1 unreachable, "
        "abandoned, 01 waits, nogw/1 rings, nogw/1 unreachable, abandoned, 01 waits, nodst/1 rings, nodst/1 unknown, "
        "abandoned"
    ),
    "older-s03-remote-dies-yangzhou-json": (
        "01 waits, suzhou/1 rings, left, suzhou/1 answers, trunk nantong down, trunk suzhou down, 01 waits again, "
        "suzhou/1 ends, suzhou/1 rings, suzhou/1 unreachable, suzhou/1 rings, suzhou/1 unreachable, suzhou/1 rings, "
        "suzhou/1 unreachable, abandoned, trunk suzhou up"
    ),
    "older-s06-break-yangzhou-json": (
        "1001 not ready, 01 waits, 02 waits, 03 waits, 04 waits, suzhou/1 rings, suzhou/2 rings, left, "
        "suzhou/1 answers, left, suzhou/2 answers, abandoned, abandoned, suzhou/1 ends, suzhou/2 ends, "
        "phone 1001 offline"
    ),
    "older-s06-busy-yangzhou-json": (
        "1001 ready, 01 waits, phone 1001 ringing, 1001 rings, 02 waits, 03 waits, left, 1001 answers, "
        "phone 1001 busy, 04 waits, suzhou/1 rings, suzhou/2 rings, left, suzhou/2 answers, left, suzhou/1 answers, "
        "abandoned, suzhou/2 ends, 1001 ends, phone 1001 free, suzhou/1 ends, phone 1001 offline"
    ),
    "older-s07-plain-suzhou-plain": (
        "1001 ready, phone 1001 ringing, phone 1001 busy, phone 1001 free, phone 1001 offline"
    ),
    "older-s07-plain-yangzhou-plain": (
        "1001 ready, 01 waits, phone 1001 ringing, 1001 rings, left, 1001 answers, phone 1001 busy, 1001 ends, "
        "phone 1001 free, phone 1001 offline, 02 waits, abandoned, 03 waits, suzhou/2 rings, suzhou/2 busy, "
        "suzhou/1 rings, left, suzhou/1 answers, suzhou/1 ends, 1002 ready, 04 waits, phone 1002 ringing, 1002 rings, "
        "1002 ready, 1002 no_answer, phone 1002 free, phone 1002 offline, abandoned, 05 waits, 06 waits, abandoned, "
        "07 waits, 07 waits, abandoned"
    ),
    "older-s08-ast-yangzhou-json": (
        "01 waits, ast/1 rings, left, ast/1 answers, ast/1 ends, 01 waits, ast/99 rings, ast/99 unreachable, "
        "ast/99 rings, ast/99 unreachable, abandoned, 01 waits, 01 waits, ast/1 rings, ast/1 busy, abandoned, "
        "01 waits, abandoned, 01 waits, abandoned"
    ),
    "older-s09-shared-seat-suzhou-json": (
        "1001 ready, 01 waits, phone 1001 ringing, 1001 rings, left, 1001 answers, phone 1001 busy, 1001 ends, "
        "phone 1001 free, 02 waits, phone 1001 ringing, 1001 rings, left, 1001 answers, phone 1001 busy, "
        "phone 1001 offline"
    ),
    "older-s09-shared-seat-yangzhou-json": (
        "01 waits, suzhou/1 rings, suzhou/1 busy, suzhou/1 rings, left, suzhou/1 answers, suzhou/1 ends"
    ),
    "older-s10-q-yangzhou-json": ("01 waits, trunk suzhou down, 01 waits, abandoned"),
    "older-s11-misc-suzhou-json": (""),
}


def city_of(name):
    return YANGZHOU if "yangzhou" in name else SUZHOU


@pytest.mark.parametrize("name", names("older-*"))
def test_each_recording_is_understood_so(name):
    assert ", ".join(story(city_of(name), name, phones=True)) == GOLDEN[name]


def chart(where=YANGZHOU):
    made = FreeSwitchMap(where, {where.code, *(trunk.to for trunk in where.trunks)})
    for phone in made.phones.values():
        phone.registered, phone.told = True, SeatState.FREE
    return made


def heard(made, subclass, headers, now=NOW):
    """What the map makes of an event that went through the wire."""
    [event] = events(event_frame(cc.event(subclass, headers, made.city.code, now - 0.01, 1)))
    return made.facts(event, now)


def callcenter(made, headers, now=NOW):
    return heard(made, "callcenter::info", headers, now)


def said(made, action, **more):
    return heard(
        made, "callctl::info", {"Callctl-Action": action, **{f"Callctl-{key}": text for key, text in more.items()}}
    )


class Headers(dict):
    """An event that did not come over a wire."""

    def get(self, name, default=""):
        return super().get(name, default)


def member(name=CALL, number="13800000001", channel="s-1", queue="q12345"):
    return cc.Member(queue, channel, name, number, int(NOW) - 10)


def told(facts):
    return [type(fact) for fact in facts]


@pytest.mark.parametrize("name", names("older-*"))
@settings(max_examples=5, deadline=None)
@given(place=st.integers(1, 10_000))
def test_any_cut_of_a_recording_gives_the_same_facts(name, place):
    content = recording(name)
    cuts = list(range(place, len(content), 1448 + place))
    older = name.startswith("older-")
    assert facts(city_of(name), events(content, cuts), older) == facts(city_of(name), events(content), older)


def test_the_recorded_forgery_by_name_and_by_header_has_no_effect():
    [start, *_] = events(recording("older-e07-inject-yangzhou-plain"))
    assert start.get("CC-Member-CID-Name") == "x\nCC-Action: forged-by-name"
    assert start.get("variable_sip_h_X-Evil") == "a\nCC-Member-UUID: forged-by-header"
    assert start.get("CC-Action") == "member-queue-start"
    assert start.get("CC-Member-UUID") == "905e3d2b-be45-457d-bc82-7e4c62019285"


FORGED = "x\nCC-Action: bridge-agent-start\nCC-Agent: 1001\nEvent-Subclass: callctl::info\nCallctl-Action: leg-lost"


@pytest.mark.parametrize(
    "text", [FORGED, FORGED.replace("\n", "\r\n"), FORGED.replace("\n", "%0A"), FORGED + "\n\n" + FORGED]
)
@pytest.mark.parametrize(
    "carrier", ["Caller-Caller-ID-Name", "variable_sip_h_X-Evil", "variable_cc_num", "variable_sip_full_from"]
)
def test_what_a_citizen_writes_into_the_call_changes_no_fact(carrier, text):
    honest = callcenter(chart(), cc.member_queue_start(member(), returned=False))
    assert told(honest) == [CallWaiting]
    assert callcenter(chart(), {carrier: text, **cc.member_queue_start(member(), returned=False)}) == honest


@pytest.mark.parametrize(
    "name", [FORGED, "张三", "", "yangzhou-1.2\n", "yangzhou-1.2 ", "suzhou-1.2", "yangzhou-x.2", "-1.2"]
)
def test_a_caller_who_is_named_otherwise_than_our_dialplan_names_callers_is_nobody(name):
    made = chart()
    for headers in (
        cc.member_queue_start(member(name), returned=False),
        cc.agent_offering("1001", member(name)),
        cc.bridge_agent_start("1001", member(name), NOW, 5),
        cc.member_queue_end(member(name), NOW, "Cancel", "BREAK_OUT"),
    ):
        assert callcenter(made, headers) == ()
    assert not made.callers
    assert not made.talks


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "CC-Queue",
                "CC-Action",
                "CC-Agent",
                "CC-Member-CID-Name",
                "CC-Member-CID-Number",
                "CC-Agent-State",
                "CC-Agent-Status",
                "CC-Cause",
                "CC-Cancel-Reason",
                "CC-Hangup-Cause",
                "Event-Date-Timestamp",
                "CC-Agent-Answered-Time",
                "Callctl-Action",
                "CC-Member-Joined-Time",
                "Callctl-Call",
                "Callctl-Seat",
                "Callctl-Home",
                "Callctl-Score",
                "Gateway",
                "Ping-Status",
                "from-user",
            ]
        ),
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                [
                    "q12345",
                    CALL,
                    "1001",
                    "suzhou-01",
                    "nan",
                    "1e400",
                    "member-queue-start",
                    "bridge-agent-end",
                    "lent-ended",
                    "leg-lost",
                    "agent-state-change",
                ]
            ),
        ),
    ),
    st.sampled_from(
        ["callcenter::info", "callctl::info", "sofia::gateway_state", "sofia::unregister", "sofia::expire", "x"]
    ),
)
def test_no_event_however_damaged_raises_or_tells_of_strangers(headers, subclass):
    made = chart()
    for fact in made.facts(Headers({"Event-Subclass": subclass, **headers}), NOW):
        assert fact.city == "yangzhou"
        assert NOW - 61 < fact.at <= NOW
        assert getattr(fact, "seat", "1001") in SEATS


def test_a_caller_waits_since_the_first_arrival_by_the_home_switchs_own_clock():
    made = chart()
    made.ahead_s = 100.0
    [fact] = callcenter(made, cc.member_queue_start(member("yangzhou-1799999800.7"), returned=True), NOW)
    assert fact.call.waiting_since == 1_799_999_900.0
    assert (fact.call.returned, fact.call.number) == (True, "13800000001")


@pytest.mark.parametrize("epoch", [0, 1_799_000_000, 1_800_000_009, 999_999_999_999])
def test_a_first_arrival_that_cannot_be_is_the_moment_of_joining(epoch):
    [fact] = callcenter(chart(), cc.member_queue_start(member(f"yangzhou-{epoch}.7"), returned=False))
    assert NOW - 1 < fact.call.waiting_since <= NOW


def test_an_event_is_dated_by_the_switch_unless_its_time_cannot_be():
    made = chart()
    made.ahead_s = 50.0
    headers = cc.event("callcenter::info", cc.agent_status_change("1001", "On Break"), "yangzhou", NOW - 53.0, 1)
    [early] = made.facts(headers, NOW)
    assert early.at == pytest.approx(NOW - 3.0)
    for stamp in ("", "x", "-1", "0", "99999999999999999999", str(round((NOW + 1) * 1e6)), "NaN"):
        [fact] = made.facts({**headers, "Event-Date-Timestamp": stamp}, NOW)
        assert fact.at == NOW


@pytest.mark.parametrize(
    ("agent", "cause", "why"),
    [
        ("suzhou-01", "USER_BUSY", RingEnd.BUSY),
        ("suzhou-01", "NO_ANSWER", RingEnd.NO_ANSWER),
        ("suzhou-01", "NORMAL_CIRCUIT_CONGESTION", RingEnd.TRUNK_FULL),
        ("suzhou-01", "CALL_REJECTED", RingEnd.REFUSED),
        ("suzhou-01", "FACILITY_REJECTED", RingEnd.REFUSED),
        ("suzhou-01", "GATEWAY_DOWN", RingEnd.UNREACHABLE),
        ("suzhou-01", "ALLOTTED_TIMEOUT", RingEnd.UNREACHABLE),
        ("suzhou-01", "ORIGINATOR_CANCEL", RingEnd.UNKNOWN),
        ("1001", "CALL_REJECTED", RingEnd.BUSY),
        ("1001", "NO_ANSWER", RingEnd.NO_ANSWER),
        ("1001", "ALLOTTED_TIMEOUT", RingEnd.NO_ANSWER),
        ("1001", "LOSE_RACE", RingEnd.UNKNOWN),
    ],
)
def test_why_a_ring_ended(agent, cause, why):
    [fact] = callcenter(chart(), cc.bridge_agent_fail(agent, member(), cause, NOW))
    assert (type(fact), fact.why) == (RingEnded, why)


def test_the_switch_keeps_a_slot_only_where_callctl_holds_its_city_for_usable():
    """slot_ended.lua takes a slot off by itself: by the same words that RING_ENDS reads."""
    script = shipped("freeswitch_conf/scripts/slot_ended.lua").read_text("utf-8")
    fine = set(re.findall(r"(\w+) = true", script))
    usable = {RingEnd.BUSY, RingEnd.NO_ANSWER, RingEnd.TRUNK_FULL}
    assert {cause for cause, end in RING_ENDS.items() if end in usable} == fine & RING_ENDS.keys()
    # These say nothing about the city: our own side has ended the ring.
    assert fine - RING_ENDS.keys() == {"ORIGINATOR_CANCEL", "LOSE_RACE", "NORMAL_CLEARING"}


def test_whatever_our_dialplan_says_is_read_and_nothing_else_is_waited_for():
    files = [path for path in shipped("freeswitch_conf").rglob("*") if path.suffix in {".lua", ".j2", ".xml"}]
    said = re.findall(
        r'Callctl-Action=([a-z-]+)|cc\.tell\("([a-z-]+)"', "\n".join(path.read_text("utf-8") for path in files)
    )
    made = chart()
    assert {one or other for one, other in said} == made._dialplan.keys() | made._lent.keys()


@pytest.mark.parametrize("agent", ["9999", "xian-01", "suzhou-1", "suzhou-001", "suzhou-01 ", "", "1001@yangzhou"])
def test_agents_that_are_not_ours_give_no_facts(agent):
    made = chart()
    assert callcenter(made, cc.agent_offering(agent, member())) == ()
    assert callcenter(made, cc.bridge_agent_start(agent, member(), NOW, 1)) == ()
    assert callcenter(made, cc.agent_status_change(agent, "On Break")) == ()


def test_other_queues_give_no_facts():
    made = chart()
    assert callcenter(made, cc.member_queue_start(member(queue="complaints"), returned=False)) == ()
    assert callcenter(made, cc.bridge_agent_start("1001", member(queue="complaints"), NOW, 1)) == ()


def test_a_caller_leaves_by_an_answer_and_not_by_the_end_of_the_talk():
    made = chart()
    callcenter(made, cc.member_queue_start(member(), returned=False))
    left, answered = callcenter(made, cc.bridge_agent_start("suzhou-01", member(), NOW, 7))
    assert (left.outcome, answered.by, answered.waited_s) == (Outcome.LEFT, SLOT, 7.0)
    assert CALL not in made.callers
    [ended] = callcenter(made, cc.bridge_agent_end("suzhou-01", member(), NOW, 30))
    assert (type(ended), ended.talked_s, ended.lost) == (CallEnded, 30.0, False)
    assert callcenter(made, cc.member_queue_end(member(), NOW, "Terminated")) == ()


@pytest.mark.parametrize("reason", ["TIMEOUT", "NO_AGENT_TIMEOUT"])
def test_a_caller_thrown_out_by_the_queue_is_refused(reason):
    [fact] = callcenter(chart(), cc.member_queue_end(member(), NOW, "Cancel", reason))
    assert (type(fact), fact.outcome) == (CallLeftQueue, Outcome.REFUSED)


def test_a_lost_leg_is_told_once_whichever_of_the_two_comes_first():
    lost = {"Call": CALL, "Agent": "suzhou-01", "Cause": "MEDIA_TIMEOUT"}
    made = chart()
    callcenter(made, cc.bridge_agent_start("suzhou-01", member(), NOW - 20, 1), NOW - 20)
    [first] = said(made, "leg-lost", **lost)
    assert (first.lost, first.by) == (True, SLOT)
    assert first.talked_s == pytest.approx(20.0, abs=0.1)
    assert callcenter(made, cc.bridge_agent_end("suzhou-01", member(), NOW, 20)) == ()
    other = chart()
    callcenter(other, cc.bridge_agent_start("suzhou-01", member(), NOW - 20, 1), NOW - 20)
    [ended] = callcenter(other, cc.bridge_agent_end("suzhou-01", member(), NOW, 20))
    [corrected] = said(other, "leg-lost", **lost)
    assert (ended.lost, corrected.lost, corrected.talked_s) == (False, True, 20.0)


def test_who_came_back_and_is_answered_again_ends_like_anybody():
    made = chart()
    callcenter(made, cc.bridge_agent_start("suzhou-01", member(), NOW - 20, 1), NOW - 20)
    said(made, "leg-lost", Call=CALL, Agent="suzhou-01", Cause="MEDIA_TIMEOUT")
    callcenter(made, cc.member_queue_start(member(channel="s-2"), returned=True))
    callcenter(made, cc.bridge_agent_end("suzhou-01", member(), NOW, 20))  # Late, of the leg that was lost.
    callcenter(made, cc.bridge_agent_start("suzhou-01", member(channel="s-2"), NOW, 1))
    [ended] = callcenter(made, cc.bridge_agent_end("suzhou-01", member(channel="s-2"), NOW, 9))
    assert (ended.lost, ended.talked_s) == (False, 9.0)


def test_a_call_back_and_a_caller_moved_by_hand_leave_the_queue_by_the_dialplans_word():
    for action, outcome in (("callback-start", Outcome.CALL_BACK), ("move-start", Outcome.MOVED)):
        made = chart()
        callcenter(made, cc.member_queue_start(member(), returned=False))
        assert callcenter(made, cc.member_queue_end(member(), NOW, "Cancel", "EXIT_WITH_KEY")) == ()
        [fact] = said(made, action, Call=CALL, Peer="suzhou")
        assert (fact.call, fact.outcome) == (CALL, outcome)


def test_the_end_of_a_caller_does_not_strike_off_the_call_back_that_waits_in_his_stead():
    made = chart()
    callcenter(made, cc.member_queue_start(member(channel="s-1"), returned=False))
    callcenter(made, cc.member_queue_start(member(channel="loopback"), returned=False))
    callcenter(made, cc.member_queue_end(member(channel="s-1"), NOW, "Cancel", "EXIT_WITH_KEY"))
    assert made.callers == {CALL: "loopback"}


def test_another_citys_call_at_a_lent_seat_from_ring_to_end():
    made = chart()
    by = LentSeat("1002", "suzhou")
    whose = {"Call": LENT, "Home": "suzhou", "Seat": "1002"}
    assert [*map(type, said(made, "lent-ringing", **whose))] == [CallRinging, SeatChanged]
    answered, busy = said(made, "lent-answered", **whose)
    assert (type(answered), answered.by, busy.state) == (CallAnswered, by, SeatState.BUSY)
    assert callcenter(made, cc.agent_state_change("1002", "Reserved")) == ()  # How our dialplan holds the seat.
    ended, free = said(made, "lent-ended", **whose, Talked="61", Cause="NORMAL_CLEARING")
    assert (type(ended), ended.by, ended.talked_s, free.state) == (CallEnded, by, 61.0, SeatState.FREE)


@pytest.mark.parametrize(
    ("cause", "why"),
    [("NO_ANSWER", RingEnd.NO_ANSWER), ("USER_BUSY", RingEnd.BUSY), ("ORIGINATOR_CANCEL", RingEnd.UNKNOWN)],
)
def test_a_lent_ring_that_ended_says_why(cause, why):
    made = chart()
    said(made, "lent-ringing", Call=LENT, Home="suzhou", Seat="1002")
    ended, free = said(made, "lent-failed", Call=LENT, Home="suzhou", Seat="1002", Cause=cause)
    assert (ended.why, free.state) == (why, SeatState.FREE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"Call": CALL, "Home": "suzhou", "Seat": "1002"},  # A call of ours is no other city's.
        {"Call": LENT, "Home": "yangzhou", "Seat": "1002"},
        {"Call": LENT, "Home": "xian", "Seat": "1002"},
        {"Call": LENT, "Home": "suzhou", "Seat": "9999"},
        {"Call": "nantong-1.1", "Home": "suzhou", "Seat": "1002"},
        {"Call": "", "Home": "suzhou", "Seat": "1002"},
    ],
)
def test_a_lent_call_that_does_not_fit_together_is_not_believed(wrong):
    for action in ("lent-ringing", "lent-answered", "lent-failed", "lent-ended"):
        assert said(chart(), action, **wrong) == ()


def test_a_peer_citys_call_can_say_nothing_about_our_own_callers():
    for action in ("leg-lost", "survey", "callback-start", "move-start", "queue-end"):
        assert said(chart(), action, Call=LENT, Agent="suzhou-01", Score="5", Status="FULL") == ()


@pytest.mark.parametrize(("score", "facts"), [("1", 1), ("5", 1), ("6", 0), ("0", 0), ("", 0), ("5\n", 0), ("五", 0)])
def test_a_score_is_one_to_five(score, facts):
    assert told(said(chart(), "survey", Call=CALL, Score=score)) == [SurveyAnswered] * facts


def test_a_phone_that_is_not_there_and_an_agent_who_is_not_ready_are_two_things():
    made = chart()
    [gone] = callcenter(made, cc.agent_status_change("1001", "Logged Out"))
    assert (type(gone), gone.state) == (SeatChanged, SeatState.OFFLINE)
    back, ready = callcenter(made, cc.agent_status_change("1001", "Available"))
    assert (back.state, ready.ready) == (SeatState.FREE, True)
    [paused] = callcenter(made, cc.agent_status_change("1001", "On Break"))
    assert (type(paused), paused.ready, paused.reason) == (SeatReadied, False, "")


def test_a_seat_paused_by_the_switch_says_so():
    made = chart()
    callcenter(made, {"CC-Agent": "1001", "CC-Action": "agent-max-no-answer", "CC-Agent-No-Answer-Count": "1"})
    [paused] = callcenter(made, cc.agent_status_change("1001", "On Break"))
    assert (paused.ready, paused.reason) == (False, "Auto-Pause")


def test_a_phone_signs_off_by_itself_or_by_its_time():
    for subclass, key in (("sofia::unregister", "from-user"), ("sofia::expire", "user")):
        [fact] = heard(chart(), subclass, {"profile-name": "city", key: "1003"})
        assert (fact.seat, fact.state) == ("1003", SeatState.OFFLINE)


def test_a_slots_states():
    made = chart()
    made.opened(SLOT, 5)
    for status, state, reason in (
        ("Available", SlotState.OPEN, ""),
        ("Logged Out", SlotState.CLOSED, "closed"),
        ("On Break", SlotState.CLOSED, "Auto-Pause"),
    ):
        [fact] = callcenter(made, cc.agent_status_change("suzhou-01", status))
        assert fact == SlotChanged("yangzhou", fact.at, SLOT, 5, state, reason)


def test_a_slot_that_somebody_else_made_asks_for_a_reading():
    made = chart()
    assert callcenter(made, cc.agent_status_change("suzhou-02", "Available")) == ()
    assert made.reading_wanted


def test_what_was_not_there_is_neither_recalled_nor_dropped():
    made = chart()
    assert made.recalled("1001", "suzhou", NOW) == ()
    assert made.dropped(SLOT, NOW) == ()
    assert told(made.lent("1001", "suzhou", 5, NOW)) == [LoanChanged]
    assert [fact.token for fact in made.recalled("1001", "suzhou", NOW)] == [5]


def test_trunks_are_the_gateways_named_after_cities():
    [fact] = heard(chart(), "sofia::gateway_state", cc.gateway_state("trunk-suzhou", up=False))
    assert fact == TrunkChanged("yangzhou", fact.at, "suzhou", False)
    for gateway in ("suzhou", "trunk-xian", "carrier", "trunk-", ""):
        assert heard(chart(), "sofia::gateway_state", cc.gateway_state(gateway, up=False)) == ()


def test_the_memory_of_a_busy_day_has_an_end():
    made = chart()
    for number in range(MOST_REMEMBERED + 500):
        who = member(f"yangzhou-1799999990.{number}", channel=f"s-{number}")
        made.facts(Headers({"Event-Subclass": "callcenter::info", **cc.member_queue_start(who, returned=False)}), NOW)
        made.facts(Headers({"Event-Subclass": "callcenter::info", **cc.bridge_agent_start("1001", who, NOW, 1)}), NOW)
    assert len(made.talks) == MOST_REMEMBERED
    assert len(made.callers) <= MOST_REMEMBERED


def test_slots_that_ring_or_talk_are_busy_also_when_they_were_dropped():
    made = chart()
    callcenter(made, cc.agent_state_change("suzhou-01", "Receiving"))
    assert made.busy_slots() == {SLOT}
    callcenter(made, cc.bridge_agent_start("suzhou-01", member(), NOW, 1))
    assert made.busy_slots() == {SLOT}
    callcenter(made, cc.bridge_agent_end("suzhou-01", member(), NOW, 1))
    assert made.busy_slots() == set()


def test_home_and_slot_answer_by_their_names():
    made = chart()
    assert made.answerer("1001") == HomeSeat("1001")
    assert made.answerer("suzhou-01") == SLOT


def test_an_answer_that_no_talk_came_of_asks_for_a_reading():
    made = chart()
    callcenter(made, cc.bridge_agent_start("suzhou-01", member(), NOW, 1))
    callcenter(made, cc.bridge_agent_end("suzhou-01", member(), NOW, 0) | {"CC-Agent-Bridged": "false"})
    assert made.reading_wanted
