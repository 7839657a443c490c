"""The link of one city, against a scripted PBX: what it tells, when, and what it never does."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, RenewHeartbeat
from callctl.core.events import CallLeftQueue, CallWaiting, PbxLost, PbxObserved
from callctl.core.model import SlotRef
from callctl.pbx.asterisk import AsteriskLink, Timing
from callctl.pbx.backoff import Backoff
from callctl.pbx.port import OrderRefused, OrderUnanswered
from tests.pbx.cities import PROVINCE, YANGZHOU
from tests.pbx.scripted_pbx import EMPTY_LIST, ScriptedPbx
from tests.pbx.told import Told

SHORT = Timing(deadline_s=0.5, ping_every_s=30.0, boot_s=0.5, backoff_first_s=0.001, backoff_most_s=0.01)
JOIN = (
    "Event: QueueCallerJoin\nPrivilege: agent,all\nTimestamp: {at}\nQueue: q12345\nUniqueid: yangzhou-5.{n}\n"
    "Channel: PJSIP/pstn-{n}"
)
LEAVE = "Event: QueueCallerLeave\nPrivilege: agent,all\nTimestamp: {at}\nQueue: q12345\nUniqueid: yangzhou-5.{n}"
SLOT = SlotRef("xuzhou", 1)


class Controller(Told):
    """Takes the facts of one link, as the controller would."""

    def __init__(self, pbx, timing=SHORT, tls=None, secret="correct-horse"):
        super().__init__()
        address = replace(YANGZHOU.pbx, ami_host=pbx.host, ami_port=pbx.port)
        city = replace(YANGZHOU, pbx=address)
        self.link = AsteriskLink(city, PROVINCE, secret, lambda: 1000.0, self.spread, tls=tls, timing=timing)


@pytest.fixture
async def pbx():
    async with ScriptedPbx() as scripted:
        yield scripted


async def test_first_fact_is_a_full_reading(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        assert type(controller.facts[0]) is PbxObserved
        assert controller.facts[0].booted_at == 960.0
        assert [asked["Action"] for asked in pbx.asked][:3] == ["Challenge", "Login", "Ping"]


async def test_events_round_a_reading_are_told_in_their_order(pbx):
    pbx.answers["CoreShowChannels"] = lambda _: [
        "!" + JOIN.format(at=999.0, n=1),  # Told late: the reading has it already.
        "!" + JOIN.format(at=1000.5, n=2),  # Came while we were reading.
        "!" + LEAVE.format(at=1000.6, n=3),
        *EMPTY_LIST,
    ]
    async with Controller(pbx) as controller:
        await controller.until(CallLeftQueue)
        told = [(type(fact), getattr(fact, "call", None)) for fact in controller.facts]
        assert [kind for kind, _ in told] == [CallWaiting, PbxObserved, CallWaiting, CallLeftQueue]
        assert [told[0][1].call, told[2][1].call, told[3][1]] == ["yangzhou-5.1", "yangzhou-5.2", "yangzhou-5.3"]


async def test_readings_asked_for_together_are_one_reading(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        await asyncio.gather(*(controller.link.reread() for _ in range(5)))
        assert pbx.count("QueueStatus") == 2


async def test_reading_asked_for_during_a_reading_is_another_one(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        first = asyncio.create_task(controller.link.reread())
        await pbx.until(lambda: pbx.count("QueueStatus") == 2)
        await controller.link.reread()
        await first
        assert pbx.count("QueueStatus") == 3


async def test_lost_link_is_told_and_read_again_after_reconnecting(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.hang_up()
        await controller.until(PbxObserved, 2)
        assert [type(fact) for fact in controller.facts] == [PbxObserved, PbxLost, PbxObserved]


async def test_silent_pbx_is_lost_within_the_ping_and_its_deadline(pbx):
    async with Controller(pbx, replace(SHORT, ping_every_s=0.01, deadline_s=0.05)) as controller:
        await controller.until(PbxObserved)
        pbx.answers["Ping"] = lambda _: []
        await controller.until(PbxLost)
        assert "no answer to Ping" in controller.of(PbxLost)[0].reason


async def test_wrong_secret_is_said_once_with_the_cure_and_without_the_secret(pbx):
    pbx.answers["Login"] = lambda _: ["Response: Error\nMessage: Authentication failed"]
    async with Controller(pbx) as controller:
        await pbx.until(lambda: pbx.count("Login") == 5)
        [lost] = controller.of(PbxLost)
        assert "Authentication failed" in lost.reason
        assert "CALLCTL_AMI_SECRET_YANGZHOU" in lost.reason
        assert "correct-horse" not in lost.reason


async def test_nobody_listening_is_said_once_and_tried_again():
    async with ScriptedPbx() as pbx:
        pbx.server.close()
        async with Controller(pbx) as controller:
            await controller.until_true(lambda: controller.attempts == 5)
            assert len(controller.facts) == 1


def test_waits_grow_stay_below_the_most_and_start_anew_after_a_connection_that_lasted():
    backoff = Backoff(0.5, 30.0, lambda: 1.0)
    assert [backoff.after(0.1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(31.0) == 0.5
    assert backoff.after_refusal() == 30.0
    assert Backoff(0.5, 30.0, lambda: 0.0).after(0.0) == 0.25


async def test_nothing_is_read_before_the_pbx_is_fully_booted(pbx):
    pbx.answers["Login"] = lambda _: ["Response: Success"]
    async with Controller(pbx) as controller:
        await pbx.until(lambda: pbx.count("Login") == 1)
        pbx.say("Event: FullyBooted\nPrivilege: system,all\nUptime: 0")
        await controller.until(PbxObserved)
        assert controller.facts[0].booted_at == 1000.0


async def test_pbx_that_never_gets_booted_is_lost(pbx):
    pbx.answers["Login"] = lambda _: ["Response: Success"]
    async with Controller(pbx, replace(SHORT, boot_s=0.02)) as controller:
        await controller.until(PbxLost)
        assert "not fully booted" in controller.of(PbxLost)[0].reason


async def test_forged_message_leads_to_another_reading(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.say(JOIN.format(at=1001, n=1) + "\nUniqueid: yangzhou-6.6")
        await controller.until(PbxObserved, 2)
        assert controller.of(CallWaiting) == []
        assert controller.link.distrusted == 1


async def test_whoever_asks_is_not_kept_waiting_by_forged_messages(pbx, monkeypatch):
    monkeypatch.setattr("callctl.pbx.city_link.DISTRUST_PAUSE_S", 3600.0)
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.say(JOIN.format(at=1001, n=1) + "\nUniqueid: yangzhou-6.6")
        await controller.until(PbxObserved, 2)
        async with asyncio.timeout(30):
            await controller.link.reread()
        assert len(controller.of(PbxObserved)) == 3


async def test_message_without_end_costs_the_connection_and_no_more(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.write(b"Event: " + b"x" * (1 << 20))
        await controller.until(PbxObserved, 2)
        assert "longer than" in controller.of(PbxLost)[0].reason


async def test_refused_reading_is_a_lost_link(pbx):
    pbx.answers["CoreShowChannels"] = lambda _: ["Response: Error\nMessage: Permission denied"]
    async with Controller(pbx) as controller:
        await controller.until(PbxLost)
        assert "Permission denied" in controller.of(PbxLost)[0].reason


async def test_order_without_a_link_is_unanswered_at_once(pbx):
    controller = Controller(pbx)
    with pytest.raises(OrderUnanswered, match="no link"):
        await controller.link.do(RenewHeartbeat("yangzhou"))
    with pytest.raises(OrderUnanswered, match="no link"):
        await controller.link.reread()


@pytest.mark.parametrize(
    ("order", "action", "words"),
    [
        (Lend("yangzhou", "2001", "xuzhou", 7), "QueueAdd", "Unable to add interface: Already there"),
        (DropSlot("yangzhou", SLOT), "QueueRemove", "Unable to remove interface: Not there"),
        (CloseSlot("yangzhou", SLOT), "QueuePause", "Interface not found"),
        (OpenSlot("yangzhou", SLOT, 9), "QueueAdd", "Unable to add interface: Already there"),
    ],
)
async def test_order_that_is_fulfilled_already_is_carried_out(pbx, order, action, words):
    pbx.answers[action] = lambda _: [f"Response: Error\nMessage: {words}"]
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        await controller.link.do(order)
        assert pbx.count(action) == 1


async def test_slot_that_is_there_gets_its_pause_taken_away(pbx):
    pbx.answers["QueueAdd"] = lambda _: ["Response: Error\nMessage: Unable to add interface: Already there"]
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        await controller.link.do(OpenSlot("yangzhou", SLOT, 9))
        assert (pbx.asked[-1]["Action"], pbx.asked[-1]["Paused"]) == ("QueuePause", "false")


async def test_new_slot_is_added_open_and_not_unpaused_as_well(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        await controller.link.do(OpenSlot("yangzhou", SLOT, 9))
        assert pbx.count("QueuePause") == 0


async def test_other_refusals_are_refusals_in_the_pbxs_words(pbx):
    pbx.answers["QueueAdd"] = lambda _: ["Response: Error\nMessage: Unable to add interface to queue: No such queue"]
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        with pytest.raises(OrderRefused, match="No such queue"):
            await controller.link.do(Lend("yangzhou", "2001", "xuzhou", 7))


async def test_order_with_a_line_end_in_it_is_refused_and_not_sent(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        with pytest.raises(OrderRefused, match="control character"):
            await controller.link.do(Lend("yangzhou", "2001\r\nAction: Command", "xuzhou", 7))
        assert pbx.count("QueueAdd") == 0


async def test_order_without_answer_is_given_up_and_never_sent_again(pbx):
    pbx.answers["QueueAdd"] = lambda _: []
    async with Controller(pbx, replace(SHORT, deadline_s=0.05)) as controller:
        await controller.until(PbxObserved)
        with pytest.raises(OrderUnanswered, match="no answer to QueueAdd"):
            await controller.link.do(Lend("yangzhou", "2001", "xuzhou", 7))
        pbx.hang_up()
        await controller.until(PbxObserved, 2)
        await controller.link.reread()
        assert pbx.count("QueueAdd") == 1


async def test_order_cut_off_by_the_link_is_unanswered_and_never_sent_again(pbx):
    pbx.answers["QueueAdd"] = lambda _: []
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        ordering = asyncio.create_task(controller.link.do(Lend("yangzhou", "2001", "xuzhou", 7)))
        await pbx.until(lambda: pbx.count("QueueAdd") == 1)
        pbx.hang_up()
        with pytest.raises(OrderUnanswered):
            await ordering
        await controller.until(PbxObserved, 2)
        assert pbx.count("QueueAdd") == 1


async def test_reading_cut_off_by_the_link_is_unanswered(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.answers["QueueStatus"] = lambda _: []
        asking = asyncio.create_task(controller.link.reread())
        await pbx.until(lambda: pbx.count("QueueStatus") == 2)
        pbx.hang_up()
        with pytest.raises(OrderUnanswered):
            await asking


async def test_heartbeat_carries_the_pbxs_clock(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.answers["Ping"] = lambda _: ["Response: Success\nTimestamp: 555555.9"]
        await controller.link.do(RenewHeartbeat("yangzhou"))
        assert (pbx.asked[-1]["Action"], pbx.asked[-1]["Penalty"]) == ("QueuePenalty", "555555")


async def test_caller_is_moved_by_the_channel_it_came_in_on(pbx):
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
        pbx.say(JOIN.format(at=1001, n=7))
        await controller.until(CallWaiting)
        await controller.link.do(MoveCaller("yangzhou", "yangzhou-5.7", "xuzhou"))
        assert (pbx.asked[-1]["Action"], pbx.asked[-1]["Caller"]) == ("QueueWithdrawCaller", "PJSIP/pstn-7")
        with pytest.raises(OrderRefused, match="is not waiting"):
            await controller.link.do(MoveCaller("yangzhou", "yangzhou-9.9", "xuzhou"))


async def test_ended_link_leaves_no_connection_and_no_task(pbx):
    before = len(asyncio.all_tasks())
    async with Controller(pbx) as controller:
        await controller.until(PbxObserved)
    for _ in range(5):
        await asyncio.sleep(0)
    connections = pbx.connections
    assert len([task for task in asyncio.all_tasks() if "AsteriskLink" in repr(task.get_coro())]) == 0
    assert len(asyncio.all_tasks()) <= before + 1  # The peer's own end.
    assert pbx.connections == connections == 1


async def test_tls_link_believes_only_the_right_certificate(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=pbx",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    quiet = asyncio.subprocess.DEVNULL
    made = await asyncio.create_subprocess_exec("openssl", *request, "-keyout", key, "-out", certificate, stderr=quiet)
    assert await made.wait() == 0
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(certificate, key)
    pbx = ScriptedPbx()
    await pbx.start(there)
    try:
        async with Controller(pbx, tls=ssl.create_default_context(cafile=str(certificate))) as controller:
            await controller.until(PbxObserved)
        async with Controller(pbx, tls=ssl.create_default_context()) as controller:
            await controller.until(PbxLost)
            assert "certificate verify failed" in controller.of(PbxLost)[0].reason
    finally:
        pbx.hang_up()
        pbx.server.close()
