"""mod_callcenter's stuck states: found by comparing with the channels, healed in ten seconds, honest states left alone."""

from dataclasses import replace

import pytest

from callctl.core.events import SeatState
from callctl.core.model import Lending
from callctl.pbx.freeswitch_healing import LOOK_EVERY_S, STUCK_AFTER_S, Healing, looks_wrong, pause_after
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_reading import Lists
from tests.pbx import mod_callcenter as cc
from tests.pbx.cities import city

YANGZHOU = city("yangzhou", "扬州", 9, {"1001": Lending.SHARED, "1002": Lending.SHARED}, {"suzhou": 5})
NOW = 1_800_000_000.0
CALL = "yangzhou-1799999900.3"
HEALED_WITHIN_S = 10.0


def agent(name, state="Waiting", status="Available", **more):
    row = dict(zip(cc.AGENT_COLUMNS.split("|"), cc.agent_row(name, status, state, 3, 0), strict=True))
    return row | more


def member(state="Waiting", by="", channel="s-1"):
    who = cc.Member("q12345", channel, CALL, "13800000001", int(NOW) - 9)
    return dict(zip(cc.MEMBER_COLUMNS.split("|"), cc.member_row(who, state, by, 0, 0), strict=True))


CALLER = {"uuid": "s-1", "presence_data": CALL, "direction": "inbound", "presence_id": "", "name": "sofia/city/138"}
PHONE = {
    "uuid": "leg",
    "presence_data": CALL,
    "direction": "outbound",
    "presence_id": "1001@yangzhou",
    "name": "sofia/city/1001",
}
TRUNK = {"uuid": "leg", "presence_data": CALL, "direction": "outbound", "presence_id": "", "name": "sofia/city/support"}
TIERS = ({"queue": "q12345", "agent": "1001"}, {"queue": "q12345", "agent": "suzhou-01"})


def lists(agents=(), members=(), channels=()):
    return Lists(tuple(members), tuple(agents), TIERS, tuple(channels))


def looked(seen, looks=8):
    """What is done when the switch lists the same at every look: (seconds since the first, remedies)."""
    chart, healing, done = FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou")), Healing(), []
    for phone in chart.phones.values():
        phone.registered = True
    for number in range(looks):
        at = number * LOOK_EVERY_S
        done += [(at, remedy) for remedy in healing.look(chart, seen, NOW + at)]
    return done


STUCK = [
    (
        "Receiving for ever (issue 1062)",
        lists([agent("1001", "Receiving")]),
        "callcenter_config agent set state 1001 Waiting",
    ),
    ("Reserved leak (issue 2540)", lists([agent("1001", "Reserved")]), "callcenter_config agent set state 1001 Waiting"),
    ("a slot Receiving", lists([agent("suzhou-01", "Receiving")]), "callcenter_config agent set state suzhou-01 Waiting"),
    (
        "a slot Receiving for a caller who waits",
        lists([agent("suzhou-01", "Receiving")], [member("Waiting", "suzhou-01")], [CALLER]),
        "callcenter_config agent set state suzhou-01 Waiting",
    ),
    (
        "in a call that is over",
        lists([agent("1001", "In a queue call", uuid="gone")]),
        "callcenter_config agent set state 1001 Waiting",
    ),
    (
        "the agent's call lives on (issue 2529)",
        lists([agent("1001", "In a queue call", uuid="leg")], [], [PHONE | {"call_uuid": "s-1"}]),
        "uuid_kill leg",
    ),
    (
        "a caller for whom nobody is rung any more",
        lists([agent("1001")], [member("Trying", "1001")], [CALLER]),
        "uuid_recv_dtmf s-1 D",
    ),
    (
        "a caller listed as answered who has gone (issue 1973)",
        lists([], [member("Answered", "1001", channel="s-9")]),
        "expand lua ${conf_dir}/scripts/unlist.lua s-9",
    ),
    (
        "a caller listed as waiting who has gone",
        lists([agent("1001")], [member("Waiting", channel="s-9")]),
        "expand lua ${conf_dir}/scripts/unlist.lua s-9",
    ),
    (
        "a caller tried by an agent who is no more",
        lists([], [member("Trying", "gone-01")], [CALLER]),
        "uuid_recv_dtmf s-1 D",
    ),
]


@pytest.mark.parametrize(("what", "seen", "command"), STUCK, ids=[what for what, *_ in STUCK])
def test_what_is_stuck_is_set_free_within_ten_seconds_and_once(what, seen, command):
    done = [(at, remedy) for at, remedy in looked(seen) if remedy.command == command]
    assert len(done) == 1
    # It may have got stuck right after a look.
    assert done[0][0] + LOOK_EVERY_S <= HEALED_WITHIN_S


HONEST = [
    ("rings at home", lists([agent("1001", "Receiving")], [member("Trying", "1001")], [CALLER, PHONE])),
    ("rings abroad", lists([agent("suzhou-01", "Receiving")], [member("Trying", "suzhou-01")], [CALLER, TRUNK])),
    ("talks at home", lists([agent("1001", "In a queue call", uuid="leg")], [member("Answered", "1001")], [CALLER, PHONE])),
    (
        "talks abroad",
        lists([agent("suzhou-01", "In a queue call", uuid="leg")], [member("Answered", "suzhou-01")], [CALLER, TRUNK]),
    ),
    ("holds a lent seat", lists([agent("1001", "Reserved")], [], [PHONE | {"presence_data": "suzhou-1799999900.1"}])),
    (
        "asks a colleague after the citizen has gone",
        lists(
            [agent("1001", "In a queue call", uuid="leg")],
            [],
            [PHONE | {"call_uuid": "leg"}, {"uuid": "colleague", "call_uuid": "leg", "presence_id": "1002@yangzhou"}],
        ),
    ),
    ("waits, and nobody is ready", lists([agent("1001", status="On Break")], [member()], [CALLER])),
    ("waits, and the agent rests", lists([agent("1001", ready_time=str(int(NOW) + 999))], [member()], [CALLER])),
    ("is free", lists([agent("1001"), agent("suzhou-01")])),
    ("is no agent of ours", lists([agent("receptionist", "Receiving")])),
]


@pytest.mark.parametrize(("what", "seen"), HONEST, ids=[what for what, _ in HONEST])
def test_whoever_honestly_rings_talks_or_waits_is_left_alone(what, seen):
    assert looked(seen, looks=40) == []


QUIET = (
    "talks at home",
    "talks abroad",
    "waits, and nobody is ready",
    "waits, and the agent rests",
    "is free",
    "is no agent of ours",
)


def knowing(seen):
    """A map that has heard of everybody in the lists, and the lists without their channels."""
    chart = FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou"))
    for one in seen.members:
        if one["state"] == "Answered":
            chart.talks[one["cid_name"]] = (chart.answerer(one["serving_agent"]), NOW)
        else:
            chart.callers[one["cid_name"]] = one["session_uuid"]
    return chart, replace(seen, channels=())


@pytest.mark.parametrize(("what", "seen"), HONEST, ids=[what for what, _ in HONEST])
def test_the_channels_are_asked_for_where_the_short_lists_do_not_explain_each_other(what, seen):
    assert looks_wrong(*knowing(seen), NOW) == (what not in QUIET)


@pytest.mark.parametrize(("what", "seen", "command"), STUCK, ids=[what for what, *_ in STUCK])
def test_whatever_is_stuck_looks_wrong_without_the_channels_too(what, seen, command):
    assert looks_wrong(FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou")), replace(seen, channels=()), NOW)


def test_a_seat_held_while_it_talks_for_another_city_looks_well():
    chart, seen = knowing(lists([agent("1001", "Reserved")]))
    assert looks_wrong(chart, seen, NOW)
    chart.phones["1001"].lent = SeatState.BUSY
    assert not looks_wrong(chart, seen, NOW)


def test_what_looks_well_is_compared_with_the_channels_now_and_then():
    chart, seen = knowing(dict(HONEST)["talks at home"])
    healing, asked = Healing(), []
    for at in range(0, 31, 2):
        if healing.wants_channels(chart, seen, NOW + at):
            asked.append(at)
            assert healing.look(chart, dict(HONEST)["talks at home"], NOW + at) == ()
    assert asked == [0, 10, 20, 30]


def test_what_once_looked_wrong_is_compared_again_at_the_next_look():
    chart, seen = knowing(dict(HONEST)["talks at home"])
    healing = Healing()
    healing.look(chart, seen, NOW)  # The channel was not listed yet.
    assert healing.wants_channels(chart, seen, NOW + 2)
    healing.look(chart, dict(HONEST)["talks at home"], NOW + 2)
    assert not healing.wants_channels(chart, seen, NOW + 4)


def test_a_switch_that_answers_slowly_is_looked_at_less_often():
    assert pause_after(0.1, LOOK_EVERY_S) == LOOK_EVERY_S
    assert pause_after(5.0, LOOK_EVERY_S) == 20.0


def test_what_changed_between_two_looks_is_not_stuck():
    chart, healing = FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou")), Healing()
    for number in range(20):  # Rung again and again, each time for an instant without a channel.
        seen = lists([agent("1001", "Receiving", last_offered_call=str(number))])
        assert healing.look(chart, seen, NOW + number * STUCK_AFTER_S) == ()


def test_what_gets_stuck_again_is_healed_again():
    chart, healing = FreeSwitchMap(YANGZHOU, ("yangzhou", "suzhou")), Healing()
    stuck, free = lists([agent("1001", "Receiving")]), lists([agent("1001")])
    done = []
    for number, seen in enumerate([stuck, stuck, stuck, free, stuck, stuck, stuck]):
        done += healing.look(chart, seen, NOW + number * STUCK_AFTER_S)
    assert len(done) == 2


def test_a_dispatch_thread_that_is_gone_is_told_to_a_person():
    [(at, remedy)] = looked(lists([agent("1001", last_offered_call="5")], [member()], [CALLER]), looks=20)
    assert (remedy.command, remedy.who) == ("", "mod_callcenter")
    assert "1 wait, 1 are free" in remedy.what
    assert at >= 10


def test_a_count_of_lent_calls_that_never_ends_is_told_once():
    [(_, remedy)] = looked(lists([agent("1001", external_calls_count="1")]), looks=20)
    assert remedy.who == "1001"
    assert "reload mod_callcenter" in remedy.what
