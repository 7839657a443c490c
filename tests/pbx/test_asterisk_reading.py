"""Full readings, recorded from real Asterisk and made by hand."""

import pytest

from callctl.core.events import HomeSeat, LentSeat, LoanSeen, SeatState, SlotSeen, SlotState, TalkSeen, TrunkSeen
from callctl.core.model import SlotRef
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.asterisk_reading import Reading, observe
from tests.pbx.cities import PROVINCE, XUZHOU, YANGZHOU
from tests.pbx.replay import messages, recording

NOW = 1795420000.0


def chart(city=YANGZHOU):
    return AsteriskMap(city, PROVINCE.cities.keys())


def recorded(name, which):
    """The answers of a recorded reading: `which` is first or last."""
    found = {"queues": [], "channels": [], "trunks": {}, "clock": 0.0}
    for message in messages(recording(name)):
        said, _, what = str(message.fields.get("ActionID", "")).partition("/")
        if said == which and what in ("queues", "channels"):
            found[what].append(message.fields)
    return found


def read(city=YANGZHOU, queues=(), channels=(), trunks=None, ours=None):
    reading = Reading(tuple(queues), tuple(channels), trunks or {}, NOW - 500, NOW, NOW + 0.1)
    return observe(ours or chart(city), reading)


def entry(position, number, **headers):
    return {
        "Event": "QueueEntry",
        "Queue": "q12345",
        "Position": str(position),
        "Channel": f"PJSIP/pstn-{number:08x}",
        "Uniqueid": f"yangzhou-5.{number}",
        "CallerIDNum": f"138{number}",
        "Wait": "37",
        "Priority": "0",
        **headers,
    }


def in_queue(queue, name, interface, **headers):
    return {
        "Event": "QueueMember",
        "Queue": queue,
        "Name": name,
        "Location": interface,
        "Status": "1",
        "Paused": "0",
        **headers,
    }


def channel(name, **headers):
    return {"Event": "CoreShowChannel", "Channel": name, "ChannelStateDesc": "Up", "Duration": "00:01:05", **headers}


def test_recorded_reading_shows_phones_and_their_loan():
    found = recorded("slot-success-xuzhou", "first")
    assert found["queues"]
    seen = read(XUZHOU, found["queues"], found["channels"], {"yangzhou": "NOT_INUSE"})
    assert [(seat.seat, seat.state) for seat in seen.seats] == [("1301", SeatState.FREE), ("1302", SeatState.OFFLINE)]
    assert seen.loans == ()
    assert seen.trunks == (TrunkSeen("yangzhou", True),)


def test_waiting_calls_stand_in_queue_order_with_the_first_arrival_of_their_channel():
    first = channel(
        "PJSIP/pstn-00000001", ChanVariable=["CC_CALLID=yangzhou-5.1", "CC_T0=1795419900", "CC_NUM=13800000001"]
    )
    seen = read(queues=[entry(2, 2), entry(1, 1), entry(3, 3, Queue="other")], channels=[first])
    assert [call.call for call in seen.waiting] == ["yangzhou-5.1", "yangzhou-5.2"]
    assert seen.waiting[0].waiting_since == 1795419900.0
    assert seen.waiting[0].number == "13800000001"
    assert seen.waiting[1].waiting_since == NOW + 0.1 - 37


def test_caller_with_priority_has_returned():
    seen = read(queues=[entry(1, 1, Priority="10"), entry(2, 2)])
    assert [call.returned for call in seen.waiting] == [True, False]


def test_wrap_up_counts_from_the_last_call_of_any_queue_on_our_clock():
    ours = chart()
    ours.ahead_s = 2.0
    seen = read(
        queues=[
            in_queue("cc-seats", "2001", "PJSIP/2001"),
            in_queue("q12345", "2001", "PJSIP/2001", LastCall="1000"),
            in_queue("support-xuzhou", "2001-xuzhou-t1", "PJSIP/2001", LastCall="1500"),
            in_queue("cc-seats", "2002", "PJSIP/2002"),
        ],
        ours=ours,
    )
    assert [seat.free_from for seat in seen.seats] == [1503.0, 0.0]


@pytest.mark.parametrize(("queue", "ready"), [("q12345", False), ("support-xuzhou", True), ("cc-seats", True)])
def test_seat_paused_in_its_home_queue_is_not_ready(queue, ready):
    roster = [] if queue == "cc-seats" else [in_queue("cc-seats", "2001", "PJSIP/2001")]
    seen = read(queues=[*roster, in_queue(queue, "2001", "PJSIP/2001", Paused="1")])
    assert [seat.ready for seat in seen.seats] == [ready]


def test_seat_missing_from_the_roster_is_not_invented():
    assert read(queues=[in_queue("q12345", "2001", "PJSIP/2001")]).seats == ()


def test_slots_and_loans_are_recognised_and_strangers_are_not():
    seen = read(
        queues=[
            in_queue("q12345", "xuzhou-01-t5", "Local/xuzhou-support-01@cc-seat/n", Status="2"),
            in_queue("q12345", "xuzhou-02-t6", "Local/xuzhou-support-02@cc-seat/n", Paused="1", PausedReason="Auto-Pause"),
            in_queue("q12345", "xuzhou-03-t6", "Local/elsewhere@cc-seat/n"),
            in_queue("q12345", "paris-01-t6", "Local/paris-support-02@cc-seat/n"),
            in_queue("support-xuzhou", "2001-xuzhou-t7", "PJSIP/2001"),
            in_queue("support-xuzhou", "2002-nanjing-t8", "PJSIP/2002"),
            in_queue("support-xuzhou", "9999-xuzhou-t8", "PJSIP/9999"),
            in_queue("wallboard", "2002-xuzhou-t9", "PJSIP/2002"),
        ]
    )
    assert seen.slots == (
        SlotSeen(SlotRef("xuzhou", 1), SlotState.OPEN, 5, in_use=True),
        SlotSeen(SlotRef("xuzhou", 2), SlotState.CLOSED, 6, reason="Auto-Pause"),
    )
    assert seen.loans == (LoanSeen("2001", "xuzhou", 7),)


def test_talks_are_the_agents_channels_that_are_up():
    own, foreign = ["CC_CALLID=yangzhou-5.1", "CC_HOME=yangzhou"], ["CC_CALLID=xuzhou-6.1", "CC_HOME=xuzhou"]
    seen = read(
        queues=[in_queue("cc-seats", "2001", "PJSIP/2001", Status="2"), in_queue("cc-seats", "2002", "PJSIP/2002")],
        channels=[
            channel("PJSIP/pstn-00000001", ChanVariable=own),
            channel("PJSIP/2001-00000002", ChanVariable=own),
            channel("PJSIP/2002-00000003", ChanVariable=foreign),
            channel("Local/xuzhou-support-01@cc-seat-00000004;1", ChanVariable=own),
            channel("Local/xuzhou-support-01@cc-seat-00000004;2", ChanVariable=own),
            channel("Local/xuzhou-support-02@cc-seat-00000005;1", ChanVariable=own, ChannelStateDesc="Ringing"),
            channel("PJSIP/trunk-xuzhou-00000006", ChanVariable=foreign),
            channel("PJSIP/2001-00000007"),
        ],
    )
    began = NOW + 0.1 - 65
    assert seen.talks == (
        TalkSeen("yangzhou-5.1", HomeSeat("2001"), began),
        TalkSeen("xuzhou-6.1", LentSeat("2002", "xuzhou"), began),
        TalkSeen("yangzhou-5.1", SlotRef("xuzhou", 1), began),
    )
    assert [seat.call for seat in seen.seats] == ["", "xuzhou-6.1"]


def test_answer_we_heard_dates_the_talk_better_than_the_channels_age():
    ours = chart()
    event = {"Event": "AgentConnect", "Queue": "q12345", "MemberName": "2001", "Uniqueid": "yangzhou-5.1"}
    ours.facts({**event, "Timestamp": str(NOW - 20)}, NOW - 19)
    talking = channel("PJSIP/2001-00000002", ChanVariable=["CC_CALLID=yangzhou-5.1", "CC_HOME=yangzhou"])
    assert read(channels=[talking], ours=ours).talks == (TalkSeen("yangzhou-5.1", HomeSeat("2001"), NOW - 20),)


@pytest.mark.parametrize("state", ["UNAVAILABLE", "INVALID", "UNKNOWN", "", None])
def test_trunk_not_known_to_be_up_is_down(state):
    seen = read(trunks={} if state is None else {"xuzhou": state})
    assert seen.trunks == (TrunkSeen("xuzhou", False),)


def test_garbage_in_a_reading_is_left_out_and_the_rest_is_read():
    seen = read(
        queues=[
            {"Event": "QueueEntry"},
            {},
            entry(1, 1, Wait="nan", Position="x", Priority="?"),
            entry(2, 2, Uniqueid="'; DROP TABLE"),
            in_queue("cc-seats", "2001", "PJSIP/2001", Status="99", LastCall="-"),
            {"Event": "QueueMember"},
        ],
        channels=[{"Event": "CoreShowChannel"}, channel("PJSIP/2001-1", Duration="::", ChanVariable="CC_HOME")],
    )
    assert [call.call for call in seen.waiting] == ["yangzhou-5.1"]
    assert [(seat.seat, seat.state) for seat in seen.seats] == [("2001", SeatState.OFFLINE)]
    assert seen.talks == ()


def test_events_after_a_reading_know_the_channels_it_saw():
    ours = chart()
    read(queues=[entry(1, 1)], ours=ours)
    assert ours.callers == {"yangzhou-5.1": "PJSIP/pstn-00000001"}


@pytest.mark.parametrize(("strategy", "together"), [("ringall", True), ("leastrecent", False), (None, False)])
def test_a_pbx_rings_seats_together_where_its_support_queues_say_ringall(strategy, together):
    """Files older than the ring groups say leastrecent; no support queue at all says nothing."""
    queues = [{"Event": "QueueParams", "Queue": "q12345", "Strategy": "leastrecent"}]
    queues += [{"Event": "QueueParams", "Queue": "cc-seats", "Strategy": "ringall"}]
    queues += [{"Event": "QueueParams", "Queue": "support-xuzhou", "Strategy": strategy}] if strategy else []
    assert read(queues=queues).rings_together is together


def test_the_ring_group_of_a_loan_is_its_penalty():
    member = in_queue("support-xuzhou", "2001-xuzhou-t7", "PJSIP/2001", Penalty="4")
    assert read(queues=[member]).loans == (LoanSeen("2001", "xuzhou", 7, 4),)
