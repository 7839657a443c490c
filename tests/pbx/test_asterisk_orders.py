"""What each order says to Asterisk, and which refusals fulfil it. The words were heard from Asterisk 22.10.1."""

import pytest

from callctl.core.commands import (
    CallBack,
    CloseSlot,
    DropSlot,
    ForbidListening,
    Lend,
    MoveCaller,
    OpenSlot,
    PermitListening,
    Recall,
    Regroup,
    RenewHeartbeat,
)
from callctl.core.model import SlotRef
from callctl.pbx.asterisk_names import parse_loan, parse_slot
from callctl.pbx.asterisk_orders import steps
from tests.pbx.cities import YANGZHOU

SLOT = SlotRef("xuzhou", 1)


def asked(order, pbx_now=0.0, channel=""):
    return [(dict(step.headers), step.fulfilled) for step in steps(order, YANGZHOU, pbx_now, channel)]


def test_lent_seat_becomes_an_entry_of_the_support_queue_that_names_its_token():
    [(headers, fulfilled)] = asked(Lend("yangzhou", "2001", "xuzhou", 7))
    assert headers["Action"] == "QueueAdd"
    assert headers["Queue"] == "support-xuzhou"
    assert headers["Interface"] == headers["StateInterface"] == "PJSIP/2001"
    assert parse_loan(headers["MemberName"]) == ("2001", "xuzhou", 7)
    assert fulfilled in "Unable to add interface: Already there"


def test_ring_group_is_the_penalty_and_a_seat_that_is_not_lent_has_none():
    [(headers, _)] = asked(Lend("yangzhou", "2001", "xuzhou", 7, group=2))
    assert headers["Penalty"] == "2"
    [(headers, fulfilled)] = asked(Regroup("yangzhou", "2001", "xuzhou", 7, group=1))
    assert headers == {"Action": "QueuePenalty", "Queue": "support-xuzhou", "Interface": "PJSIP/2001", "Penalty": "1"}
    assert fulfilled == ""


def test_recalled_seat_leaves_the_support_queue_and_may_have_left_before():
    [(headers, fulfilled)] = asked(Recall("yangzhou", "2001", "xuzhou"))
    assert headers == {"Action": "QueueRemove", "Queue": "support-xuzhou", "Interface": "PJSIP/2001"}
    assert fulfilled in "Unable to remove interface: Not there"


def test_slot_is_opened_by_adding_it_and_where_it_is_there_by_taking_its_pause_away():
    (add, already), (unpause, never) = asked(OpenSlot("yangzhou", SLOT, 9))
    assert add["Interface"] == unpause["Interface"] == "Local/xuzhou-support-01@cc-seat/n"
    assert parse_slot(add["MemberName"]) == (SLOT, 9)
    assert (add["Penalty"], add["Paused"], unpause["Action"], unpause["Paused"]) == ("10", "false", "QueuePause", "false")
    assert already in "Unable to add interface: Already there"
    assert never == ""


def test_slot_is_closed_by_pause_never_by_penalty_and_an_absent_slot_is_closed_already():
    [(headers, fulfilled)] = asked(CloseSlot("yangzhou", SLOT))
    assert (headers["Action"], headers["Paused"]) == ("QueuePause", "true")
    assert fulfilled in "Interface not found"


def test_slot_is_dropped():
    [(headers, fulfilled)] = asked(DropSlot("yangzhou", SLOT))
    assert (headers["Action"], headers["Queue"]) == ("QueueRemove", "q12345")
    assert fulfilled == "Not there"


def test_caller_is_moved_by_its_channel_with_the_city_to_go_to():
    [(headers, fulfilled)] = asked(MoveCaller("yangzhou", "yangzhou-1.1", "xuzhou"), channel="PJSIP/pstn-00000001")
    assert headers["Caller"] == "PJSIP/pstn-00000001"
    assert headers["WithdrawInfo"] == "xuzhou:yangzhou-1.1"
    assert fulfilled == "Already requested"


def test_a_call_back_names_the_missed_call_to_the_desk_and_never_a_number():
    [(headers, fulfilled)] = asked(CallBack("yangzhou", "yangzhou-1.1", "xuzhou"), channel="Local/desk@cc-missed-01;2")
    assert (headers["Action"], headers["Queue"]) == ("QueueWithdrawCaller", "cc-missed")
    assert (headers["Caller"], headers["WithdrawInfo"]) == ("Local/desk@cc-missed-01;2", "xuzhou:yangzhou-1.1")
    assert fulfilled == ""  # What the desk has not taken yet is another order.


@pytest.mark.parametrize("pbx_now", [1795420000.2, 1795420000.9])
def test_heartbeat_is_the_pbxs_own_clock_in_whole_seconds(pbx_now):
    [(headers, fulfilled)] = asked(RenewHeartbeat("yangzhou"), pbx_now=pbx_now)
    assert headers["Penalty"] == "1795420000"
    assert fulfilled == ""


def test_a_permit_to_listen_is_a_paused_member_that_ends_by_the_pbxs_clock() -> None:
    order = PermitListening("yangzhou", "0a1b", "2002", "2001", "whisper", 60.0)
    [step] = steps(order, YANGZHOU, 1_790_000_000.7, "")
    assert step.headers["Interface"] == "Local/whisper-2002-2001-0a1b@cc-none/n"
    assert (step.headers["Queue"], step.headers["Penalty"], step.headers["Paused"]) == ("cc-listen", "1790000060", "true")
    assert step.fulfilled == "Already there", "safe to repeat"
    [back] = steps(ForbidListening("yangzhou", "0a1b", "2002", "2001", "whisper"), YANGZHOU, 0.0, "")
    assert (back.headers["Action"], back.headers["Interface"]) == ("QueueRemove", step.headers["Interface"])
    assert back.fulfilled == "Not there"
