"""The link of one FreeSWITCH city, against a scripted switch: what it tells, when, and what it never does."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Recall, RenewHeartbeat
from callctl.core.events import (
    CallAnswered,
    CallLeftQueue,
    CallWaiting,
    LoanChanged,
    PbxLost,
    PbxObserved,
    SlotChanged,
    SlotState,
)
from callctl.core.model import PbxKind, SlotRef
from callctl.pbx import city_link, esl_wire
from callctl.pbx.esl_wire import EslThread
from callctl.pbx.freeswitch import FILTERS, SUBSCRIPTION, FreeSwitchLink, Timing
from callctl.pbx.port import LOGIN_REFUSED, OrderRefused, OrderUnanswered
from tests.pbx import mod_callcenter as cc
from tests.pbx.cities import PROVINCE, YANGZHOU
from tests.pbx.esl_replay import events, recording
from tests.pbx.esl_server import PASSWORD, api_frame, event_frame
from tests.pbx.scripted_switch import COUNTED, ScriptedSwitch
from tests.pbx.told import Told

SHORT = Timing(deadline_s=0.5, ping_every_s=30.0, look_every_s=30.0, backoff_first_s=0.001, backoff_most_s=0.01)
SLOT = SlotRef("xuzhou", 1)


@pytest.fixture(scope="module")
def thread():
    made = EslThread()
    yield made
    made.close()


@pytest.fixture
async def pbx():
    async with ScriptedSwitch() as scripted:
        yield scripted


@pytest.fixture
def controller(pbx, thread):
    return lambda **given: Controller(pbx, thread, **given)


class Controller(Told):
    """Takes the facts of one link, as the controller would."""

    def __init__(self, pbx, thread, timing=SHORT, password=PASSWORD):
        super().__init__()
        address = replace(YANGZHOU.pbx, kind=PbxKind.FREESWITCH, ami_host=pbx.host, ami_port=pbx.port)
        city = replace(YANGZHOU, pbx=address)
        self.now = 1000.0
        self.link = FreeSwitchLink(city, PROVINCE, password, lambda: self.now, self.spread, thread, timing=timing)


def joined(number):
    who = cc.Member("q12345", f"s-{number}", f"yangzhou-990.{number}", "13800000001", 990)
    return cc.member_queue_start(who, returned=False)


def left(number):
    who = cc.Member("q12345", f"s-{number}", f"yangzhou-990.{number}", "13800000001", 990)
    return cc.member_queue_end(who, 1000, "Cancel", "BREAK_OUT")


def rows(columns, *values):
    return cc.listed(columns, list(values))


async def test_first_fact_is_a_full_reading(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        [first] = made.facts
        assert first.booted_at == 960.0
        assert [(trunk.to, trunk.up) for trunk in first.trunks] == [("xuzhou", True)]


async def test_only_the_few_events_the_map_reads_are_subscribed(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        sent = [command for command in pbx.asked if not command.startswith("api")]
        assert sent == ["auth", *(f"filter {key} {value}" for key, value in FILTERS), SUBSCRIPTION]
        assert "ALL" not in SUBSCRIPTION
        [listener] = pbx.listeners
        assert not listener.wants(cc.event("callcenter::info", cc.members_count("q12345", 3), "yangzhou", 1000, 1))
        assert listener.wants(cc.event("callcenter::info", joined(1), "yangzhou", 1000, 1))
        assert listener.wants(cc.heartbeat("yangzhou", 1000, 1))


async def test_events_round_a_reading_are_told_in_their_order(pbx, controller):
    def channels(_):
        pbx.say_callcenter(joined(1), at=999.0)  # Told late: the reading has it already.
        pbx.say_callcenter(joined(2), at=1000.5)  # Came while we were reading.
        pbx.say_callcenter(left(2), at=1000.6)
        return b'{"row_count":0}\n'

    pbx.answers["show channels"] = channels
    async with controller() as made:
        await made.until(CallLeftQueue)
        assert [type(fact) for fact in made.facts] == [CallWaiting, PbxObserved, CallWaiting, CallLeftQueue]
        assert [made.facts[0].call.call, made.facts[2].call.call] == ["yangzhou-990.1", "yangzhou-990.2"]


async def test_readings_asked_for_together_are_one_reading(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        await asyncio.gather(*(made.link.reread() for _ in range(5)))
        assert pbx.count("show channels") == 2


async def test_lost_link_is_told_and_read_again_after_reconnecting(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        pbx.hang_up()
        await made.until(PbxObserved, 2)
        assert [type(fact) for fact in made.facts] == [PbxObserved, PbxLost, PbxObserved]


async def test_orders_without_a_link_are_unanswered_and_never_sent_later(pbx, controller):
    made = controller()
    with pytest.raises(OrderUnanswered):
        await made.link.do(Lend("yangzhou", "2001", "xuzhou", 1))
    with pytest.raises(OrderUnanswered):
        await made.link.reread()
    async with made:
        await made.until(PbxObserved)
        assert pbx.count("callcenter_config tier add") == 0


async def test_a_wrong_password_is_told_once_with_what_to_mend_and_not_tried_soon_again(pbx, controller):
    async with controller(password="wrong-horse", timing=replace(SHORT, backoff_most_s=0.01)) as made:
        await made.until_true(lambda: made.attempts >= 3)
        [lost] = made.facts
        assert lost.reason.startswith(LOGIN_REFUSED)
        assert "CALLCTL_AMI_SECRET_YANGZHOU" in lost.reason
        assert "wrong-horse" not in lost.reason


async def test_a_switch_without_mod_callcenter_is_told_by_its_own_word(pbx, controller):
    pbx.answers["callcenter_config"] = lambda _: b"-ERR callcenter_config Command not found!\n"
    async with controller() as made:
        await made.until(PbxLost)
        assert "callcenter_config Command not found!" in made.facts[0].reason


async def test_a_list_that_is_no_list_is_no_empty_city(pbx, controller):
    pbx.answers["show channels"] = lambda _: b"<xml/>"
    async with controller() as made:
        await made.until(PbxLost)
        assert not made.of(PbxObserved)


async def test_a_silent_switch_is_lost_within_a_ping_and_a_deadline(pbx, controller):
    async with controller(timing=replace(SHORT, ping_every_s=0.01, deadline_s=0.05)) as made:
        await made.until(PbxObserved)
        pbx.silent = True
        await made.until(PbxLost)
        assert "no answer" in made.of(PbxLost)[0].reason


async def test_a_switch_that_answers_but_whose_events_have_stopped_is_lost(pbx, controller):
    async with controller(timing=replace(SHORT, ping_every_s=0.01, heartbeat_s=25.0)) as made:
        await made.until(PbxObserved)
        made.now += 26.0
        await made.until(PbxLost)
        assert "its events have stopped" in made.of(PbxLost)[0].reason


async def test_its_heartbeat_alone_keeps_the_link(pbx, controller):
    async with controller(timing=replace(SHORT, ping_every_s=0.01, heartbeat_s=25.0)) as made:
        await made.until(PbxObserved)
        for _ in range(5):
            made.now += 20.0
            heard = pbx.count("strmicroepoch")
            pbx.say(cc.heartbeat("yangzhou", made.now, 1))
            await pbx.until(lambda: made.link._heard_at == made.now)  # Else a busy machine is two heartbeats behind.
            await pbx.until(lambda heard=heard: pbx.count("strmicroepoch") >= heard + 2)
        assert not made.of(PbxLost)


async def test_a_flood_is_given_up_and_read_anew(pbx, controller, monkeypatch):
    monkeypatch.setattr(esl_wire, "MOST_EVENTS", 500)
    async with controller() as made:
        await made.until(PbxObserved)
        pbx.say_counted(*map(str, range(20_000)))
        await made.until(PbxObserved, 2)
        assert "tells more than callctl can take in" in made.of(PbxLost)[0].reason


async def test_long_events_during_a_reading_are_given_up_too(pbx, controller, monkeypatch):
    monkeypatch.setattr(city_link, "MOST_HELD_BYTES", 100_000)
    async with controller() as made:
        await made.until(PbxObserved)
        pbx.answers["callcenter_config agent list"] = lambda _: None  # The reading hangs here.
        reading = asyncio.create_task(made.link.reread())
        await pbx.until(lambda: pbx.count("callcenter_config agent list") == 2)
        for _ in range(30):
            pbx.write(event_frame({**COUNTED, "Long": "x" * 10_000}))
        lost = await made.until(PbxLost)
        assert "during one reading" in lost.reason
        with pytest.raises(OrderUnanswered):
            await reading


async def test_a_forged_event_tells_nothing_and_asks_for_one_reading(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        block = b"Event-Name: CUSTOM\nEvent-Subclass: callcenter%3A%3Ainfo\nCC-Action: x\nCC-Action: member-queue-start\n\n"
        for _ in range(50):
            pbx.write(b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(block) + block)
        await made.until(PbxObserved, 2)
        assert [type(fact) for fact in made.facts] == [PbxObserved, PbxObserved]
        assert made.link.distrusted == 50


async def test_a_citizen_who_forges_events_by_name_waits_like_anybody(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        forged = "x\nCC-Action: member-queue-end\nCC-Cause: Cancel\n\nContent-Type: text/disconnect-notice\n\n"
        pbx.write(
            event_frame({"Caller-Caller-ID-Name": forged, **cc.event("callcenter::info", joined(1), "yangzhou", 1000, 1)})
        )
        await made.until(CallWaiting)
        assert [type(fact) for fact in made.facts] == [PbxObserved, CallWaiting]
        assert made.link.distrusted == 0


async def test_an_order_is_carried_out_once_and_an_unanswered_one_is_never_repeated(pbx, controller):
    pbx.answers["callcenter_config tier add"] = lambda _: None
    async with controller() as made:
        await made.until(PbxObserved)
        with pytest.raises(OrderUnanswered):
            await made.link.do(Lend("yangzhou", "2001", "xuzhou", 1))
        assert pbx.count("callcenter_config tier add") == 1
        assert not made.of(LoanChanged)


async def test_a_loan_and_its_end_are_told_once_each(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        await made.link.do(Lend("yangzhou", "2001", "xuzhou", 4))
        pbx.answers["callcenter_config tier add"] = lambda _: b"-ERR Tier already exist!\n"
        await made.link.do(Lend("yangzhou", "2001", "xuzhou", 5))
        for _ in range(2):
            await made.link.do(Recall("yangzhou", "2001", "xuzhou"))
        assert [(fact.token, fact.lent) for fact in made.of(LoanChanged)] == [(4, True), (4, False)]


async def test_a_loan_that_was_there_and_was_not_known_is_read(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        tiers = rows(cc.TIER_COLUMNS, ["support-xuzhou", "2001", "Ready", "2", "3"])
        pbx.answers["callcenter_config tier list"] = lambda _: tiers
        pbx.answers["callcenter_config tier add"] = lambda _: b"-ERR Tier already exist!\n"
        await made.link.do(Lend("yangzhou", "2001", "xuzhou", 5))
        await made.until(PbxObserved, 2)
        assert [loan.token for loan in made.facts[-1].loans] == [3]


async def test_a_loan_made_during_a_reading_outlives_the_older_reading(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        pbx.answers["callcenter_config agent list"] = lambda _: None  # The reading hangs here.
        reading = asyncio.create_task(made.link.reread())
        await pbx.until(lambda: pbx.count("callcenter_config agent list") == 2)
        lending = asyncio.create_task(made.link.do(Lend("yangzhou", "2001", "xuzhou", 4)))
        await pbx.until(lambda: pbx.count("callcenter_config tier add") == 1)
        pbx.write(b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n")
        await asyncio.gather(reading, lending)
        assert type(made.facts[-1]) is PbxObserved
        await made.link.do(Recall("yangzhou", "2001", "xuzhou"))
        assert [fact.lent for fact in made.of(LoanChanged)] == [True, False]


async def test_a_slot_is_told_when_its_status_is_and_by_its_older_token(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        await made.link.do(OpenSlot("yangzhou", SLOT, 7))
        pbx.say_callcenter(cc.agent_status_change("xuzhou-01", "Available"), at=1000.0)
        await made.until(SlotChanged)
        pbx.answers["callcenter_config agent add"] = lambda _: b"-ERR Agent already exist!\n"
        pbx.answers["callcenter_config tier add"] = lambda _: b"-ERR Tier already exist!\n"
        await made.link.do(OpenSlot("yangzhou", SLOT, 8))
        await made.link.do(DropSlot("yangzhou", SLOT))
        await made.link.do(DropSlot("yangzhou", SLOT))
        told = [(fact.token, fact.state) for fact in made.of(SlotChanged)]
        assert told == [(7, SlotState.OPEN), (7, SlotState.ABSENT)]


async def test_a_refused_order_says_the_switchs_own_word(pbx, controller):
    pbx.answers["callcenter_config tier add"] = lambda _: b"-ERR Queue not found!\n"
    async with controller() as made:
        await made.until(PbxObserved)
        with pytest.raises(OrderRefused, match="yangzhou: Queue not found!"):
            await made.link.do(Lend("yangzhou", "2001", "xian", 1))


async def test_a_slot_that_is_not_there_is_closed_already(pbx, controller):
    pbx.answers["callcenter_config agent set status"] = lambda _: b"-ERR Agent not found!\n"
    async with controller() as made:
        await made.until(PbxObserved)
        await made.link.do(CloseSlot("yangzhou", SLOT))


async def test_the_heartbeat_carries_the_switchs_clock(pbx, controller):
    pbx.answers["strmicroepoch"] = lambda _: b"777000000000"
    async with controller() as made:
        await made.until(PbxObserved)
        await made.link.do(RenewHeartbeat("yangzhou"))
        assert pbx.count("global_setvar callctl_heartbeat=777000") == 1


async def test_only_a_caller_who_waits_can_be_moved(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        with pytest.raises(OrderRefused, match="is not waiting"):
            await made.link.do(MoveCaller("yangzhou", "yangzhou-990.1", "xuzhou"))
        pbx.say_callcenter(joined(1), at=1000.0)
        await made.until(CallWaiting)
        await made.link.do(MoveCaller("yangzhou", "yangzhou-990.1", "xuzhou"))
        assert pbx.count("uuid_setvar s-1 cc_move xuzhou") == pbx.count("uuid_recv_dtmf s-1 D") == 1


async def test_an_order_that_is_no_single_line_is_refused_and_not_sent(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        with pytest.raises(OrderRefused, match="control character"):
            await made.link.do(Lend("yangzhou", "2001\n\napi shutdown", "xuzhou", 1))
        assert pbx.count("shutdown") == pbx.count("callcenter_config tier add") == 0


async def test_a_stuck_agent_is_set_free_told_and_read_again(pbx, controller):
    stuck = rows(cc.AGENT_COLUMNS, cc.agent_row("2001", "Available", "Receiving", 3, 0))
    pbx.answers["callcenter_config agent list"] = lambda _: stuck
    with structlog.testing.capture_logs() as logs:
        async with controller(timing=replace(SHORT, look_every_s=0.01)) as made:
            await made.until(PbxObserved)
            pbx.say_callcenter(cc.agent_state_change("2001", "Receiving"), at=1000.0)
            await pbx.until(lambda: pbx.count("callcenter_config agent list") >= 3)
            assert made.link.healed == 0
            made.now += 10.0
            await pbx.until(lambda: pbx.count("callcenter_config agent set state 2001 Waiting") == 1)
            await made.until(PbxObserved, 2)
            assert made.link.healed == 1
    assert [(line["who"], line["what"]) for line in logs] == [("2001", "Receiving without a ring")]


async def test_what_was_stuck_before_the_link_came_is_set_free_although_nobody_waits(pbx, controller):
    stuck = rows(cc.AGENT_COLUMNS, cc.agent_row("2001", "Available", "Reserved", 3, 0))
    pbx.answers["callcenter_config agent list"] = lambda _: stuck
    async with controller(timing=replace(SHORT, look_every_s=0.01)) as made:
        await made.until(PbxObserved)
        await pbx.until(lambda: pbx.count("callcenter_config agent list") >= 3)
        made.now += 10.0
        await pbx.until(lambda: pbx.count("callcenter_config agent set state 2001 Waiting") == 1)


async def test_a_slot_whose_talk_ended_while_the_pbx_was_gone_is_opened_as_an_idle_one(pbx, controller):
    talking = rows(cc.AGENT_COLUMNS, cc.agent_row("xuzhou-01", "Available", "In a queue call", 3, 0))
    pbx.answers["callcenter_config agent list"] = lambda _: talking
    mark = "callcenter_config agent set state xuzhou-01 'In a queue call'"
    async with controller() as made:
        await made.until(PbxObserved)
        who = cc.Member("q12345", "s-1", "yangzhou-990.1", "13800000001", 990)
        pbx.say_callcenter(cc.agent_state_change("xuzhou-01", "In a queue call"), at=1000.0)
        pbx.say_callcenter(cc.bridge_agent_start("xuzhou-01", who, 1000, 1), at=1000.0)
        await made.until(CallAnswered)
        await made.link.do(OpenSlot("yangzhou", SLOT, 7))
        assert pbx.count(mark) == 1, "dropped or not, its old call must come to its end first"
        made.now += 60.0
        del pbx.answers["callcenter_config agent list"]
        pbx.hang_up()
        await made.until(PbxObserved, 2)
        await made.link.do(OpenSlot("yangzhou", SLOT, 8))
        assert pbx.count(mark) == 1


async def test_a_list_that_comes_late_costs_its_look_and_not_the_link(pbx, controller):
    async with controller(timing=replace(SHORT, look_every_s=0.01, deadline_s=0.3)) as made:
        await made.until(PbxObserved)
        pbx.answers["callcenter_config agent list"] = lambda _: None
        pbx.say_callcenter(joined(1), at=1000.0)
        await made.until(CallWaiting)
        late = await asked_again(pbx, "callcenter_config agent list")
        del pbx.answers["callcenter_config agent list"]
        await asked_again(pbx, "callcenter_config queue list members")  # The next look, behind the late answer.
        pbx.write(api_frame(b"+OK\n"))
        await pbx.until(lambda: pbx.count("callcenter_config agent list") >= late + 3)
        assert not made.of(PbxLost)


async def asked_again(pbx, command):
    before = pbx.count(command)
    await pbx.until(lambda: pbx.count(command) > before)
    return pbx.count(command)


async def test_the_channels_are_not_asked_for_while_all_looks_well(pbx, controller):
    who = cc.Member("q12345", "s-1", "yangzhou-990.1", "13800000001", 990)
    waiting = rows(cc.MEMBER_COLUMNS, cc.member_row(who, "Waiting", "", 0, 0))
    pbx.answers["show channels"] = lambda _: b'{"row_count":1,"rows":[{"uuid":"s-1"}]}\n'
    pbx.answers["callcenter_config queue list members"] = lambda _: waiting
    async with controller(timing=replace(SHORT, look_every_s=0.01)) as made:
        await made.until(PbxObserved)
        await pbx.until(lambda: pbx.count("callcenter_config agent list") >= 8)
        assert pbx.count("show channels") == 2  # The reading, and the first look.
        pbx.say_callcenter(left(1), at=1000.0)  # Gone, but listed.
        await made.until(CallLeftQueue)
        pbx.say_callcenter(joined(2), at=1000.0)
        await pbx.until(lambda: pbx.count("show channels") >= 3)


async def test_an_idle_city_is_not_looked_at(pbx, controller):
    async with controller(timing=replace(SHORT, look_every_s=0.001, ping_every_s=0.02)) as made:
        await made.until(PbxObserved)
        await pbx.until(lambda: pbx.count("strmicroepoch") >= 4)
        assert pbx.count("callcenter_config agent list") == 1


async def test_a_reloaded_mod_callcenter_is_read_at_once(pbx, controller):
    async with controller() as made:
        await made.until(PbxObserved)
        recorded = events(recording("told-fs-only-real-alpha"))
        pbx.say(dict(next(event for event in recorded if event.get("Event-Name") == "MODULE_LOAD").items()))
        await made.until(PbxObserved, 2)
        pbx.say({"Event-Name": "MODULE_LOAD", "type": "api", "name": "echo", "filename": "mod_dptools"})
        assert len(made.of(PbxObserved)) == 2


async def test_a_loan_somebody_else_has_made_is_seen_at_the_next_look(pbx, controller):
    async with controller(timing=replace(SHORT, look_every_s=0.01)) as made:
        await made.until(PbxObserved)
        await pbx.until(lambda: pbx.count("callcenter_config tier list") >= 4)
        assert len(made.of(PbxObserved)) == 1, "what is known already is no reason to read"
        foreign = rows(cc.TIER_COLUMNS, ["support-xuzhou", "2001", "Ready", "2", "7"])
        pbx.answers["callcenter_config tier list"] = lambda _: foreign
        seen = await made.until(PbxObserved, 2)
        assert [(loan.seat, loan.assisted, loan.token) for loan in seen.loans] == [("2001", "xuzhou", 7)]
