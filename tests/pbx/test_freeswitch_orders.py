"""Orders as FreeSWITCH commands: what is sent, in which order, and what may be repeated."""

import pytest

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Recall, RenewHeartbeat
from callctl.core.model import SlotRef
from callctl.pbx import freeswitch_names as names
from callctl.pbx.freeswitch_orders import steps
from tests.pbx.cities import YANGZHOU

SLOT = SlotRef("xuzhou", 3)
TOKEN = 1_795_682_533_533_478  # A lease's: microseconds; a tier's numbers are ints of C.


def commands(order, busy=(), pbx_now=1795393475.9, channel="c-1"):
    return [step.command for step in steps(order, YANGZHOU, pbx_now, channel, busy)]


def test_a_loan_is_a_tier_that_carries_the_token():
    [step] = steps(Lend("yangzhou", "2001", "xuzhou", TOKEN), YANGZHOU, 0.0, "", ())
    assert step.command == "callcenter_config tier add support-xuzhou 2001 1795684 533533478"
    assert (step.fulfilled, step.is_tier) == ("Tier already exist!", True)
    assert commands(Recall("yangzhou", "2001", "xuzhou")) == ["callcenter_config tier del support-xuzhou 2001"]


def test_a_slot_is_whole_before_it_can_be_rung():
    sent = commands(OpenSlot("yangzhou", SLOT, TOKEN))
    assert sent[0] == "callcenter_config agent add xuzhou-03 callback"
    script = "${conf_dir}/scripts/slot.lua xuzhou 03 ${cc_home} ${cc_since}"
    assert sent[1] == f"callcenter_config agent set contact xuzhou-03 '${{lua({script})}}'"
    assert "callcenter_config agent set max_no_answer xuzhou-03 0" in sent
    assert sent[-2:] == [
        "callcenter_config tier add q12345 xuzhou-03 1795684 533533478",
        "callcenter_config agent set status xuzhou-03 'Available'",
    ]
    assert not [line for line in sent if "set state" in line]


def test_a_slot_opened_again_in_mid_call_stays_busy_until_its_call_has_ended():
    sent = commands(OpenSlot("yangzhou", SLOT, TOKEN), busy={SLOT})
    assert sent.index("callcenter_config agent set state xuzhou-03 'In a queue call'") < len(sent) - 2


def test_closing_and_dropping_what_is_not_there_is_no_mistake():
    [close] = steps(CloseSlot("yangzhou", SLOT), YANGZHOU, 0.0, "", ())
    assert (close.command, close.fulfilled) == (
        "callcenter_config agent set status xuzhou-03 'Logged Out'",
        "Agent not found!",
    )
    assert commands(DropSlot("yangzhou", SLOT)) == ["callcenter_config agent del xuzhou-03"]


def test_a_caller_is_moved_by_a_key_that_no_phone_has():
    assert commands(MoveCaller("yangzhou", "yangzhou-5.1", "xuzhou")) == [
        "uuid_setvar c-1 cc_move xuzhou",
        "uuid_recv_dtmf c-1 D",
    ]


def test_the_heartbeat_is_the_switchs_own_clock():
    assert commands(RenewHeartbeat("yangzhou")) == ["global_setvar callctl_heartbeat=1795393475"]


@pytest.mark.parametrize(
    "order",
    [
        Lend("yangzhou", "2001", "xuzhou", 1),
        Recall("yangzhou", "2001", "xuzhou"),
        OpenSlot("yangzhou", SLOT, 1),
        CloseSlot("yangzhou", SLOT),
        DropSlot("yangzhou", SLOT),
        MoveCaller("yangzhou", "yangzhou-5.1", "xuzhou"),
        RenewHeartbeat("yangzhou"),
    ],
)
def test_every_order_is_made_of_single_lines(order):
    assert all("\n" not in command and "\r" not in command for command in commands(order))


@pytest.mark.parametrize("token", [0, 1, 5, 10**9 - 1, 10**9, TOKEN, 2 * 10**18])
def test_every_token_fits_into_two_ints_of_c_and_comes_back(token):
    level, position = names.tier_of(token)
    assert 2 <= level < 2**31
    assert 0 <= position < 2**31
    assert names.token_of(str(level), str(position)) == token


@pytest.mark.parametrize(
    ("level", "position"), [("1", "1"), ("0", "5"), ("", "5"), ("2", ""), ("2", "-1"), ("2", str(10**9))]
)
def test_a_tier_that_callctl_has_not_made_carries_no_token(level, position):
    assert names.token_of(level, position) is None
