"""The link against a real Asterisk: what it says, what it obeys, and how its death, sleep and rebirth are noticed."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Recall, RenewHeartbeat
from callctl.core.events import (
    CallLeftQueue,
    CallWaiting,
    LoanSeen,
    Outcome,
    PbxLost,
    PbxObserved,
    SlotSeen,
    SlotState,
    TrunkSeen,
)
from callctl.core.model import SlotRef
from callctl.pbx.ami_wire import connect
from callctl.pbx.asterisk import AsteriskLink, Timing
from callctl.pbx.port import OrderRefused
from callctl.pbx.wire import Refused
from tests.pbx import small_city
from tests.pbx.cities import PROVINCE, YANGZHOU
from tests.pbx.told import Told

pytestmark = pytest.mark.real

ASTERISK = Path(os.environ.get("CALLCTL_ASTERISK", ".cache/asterisk/asterisk")).absolute()
SECRET = "a-secret-of-the-test"
QUICK = Timing(
    deadline_s=2.0,  # Asterisk thinks for a second before it refuses a login.
    ping_every_s=0.2,
    backoff_first_s=0.1,
    backoff_most_s=0.3,
)
SLOT = SlotRef("xuzhou", 1)


class RealPbx:
    """One Asterisk process with a loopback address of its own."""

    def __init__(self, folder: Path) -> None:
        place = os.getpid() % 250 + 1  # Tests that run side by side must not meet.
        address = replace(YANGZHOU.pbx, host=f"127.3.{place}.1", carrier=f"127.3.{place}.2")
        self.city = replace(YANGZHOU, pbx=address)
        self.folder = folder
        root = ASTERISK.parent / "root"
        small_city.write(folder, self.city, SECRET, root if root.is_dir() else None)

    def start(self) -> None:
        command = [ASTERISK, "-C", self.folder / "asterisk.conf", "-f"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Controller(Told):
    """Takes the facts of one link to a real PBX."""

    def __init__(self, pbx, secret=SECRET):
        super().__init__()
        rng = random.Random(5)
        self.link = AsteriskLink(pbx.city, PROVINCE, secret, time.time, rng.random, timing=QUICK)

    async def next(self, kind, true=lambda fact: True):
        """The first fact of this kind not yet looked at; those before it are looked at too."""
        async with asyncio.timeout(30):
            while True:
                while self.facts:
                    fact = self.facts.pop(0)
                    if isinstance(fact, kind) and true(fact):
                        return fact
                self._told.clear()
                await self._told.wait()

    async def observe(self):
        self.facts.clear()
        await self.link.reread()
        return await self.next(PbxObserved)


@pytest.fixture(scope="module")
def pbx(tmp_path_factory):
    real = RealPbx(tmp_path_factory.mktemp("yangzhou"))
    real.start()
    yield real
    with contextlib.suppress(ProcessLookupError):
        real.process.send_signal(signal.SIGCONT)
    real.kill()


@pytest.fixture
async def controller(pbx):
    async with Controller(pbx) as running:
        await running.next(PbxObserved)
        yield running


@pytest.fixture
async def citizens(pbx):
    """Another manager account of this test, which may place calls; callctl's own may not."""
    wire = await connect(pbx.city.pbx.host, 5038, None, 5.0)
    await wire.login("admin", small_city.ADMIN_SECRET, 5.0)

    async def call():
        place = {"Channel": "Local/12345@cc-from-pstn", "Context": "lab-listen", "Exten": "s", "Priority": "1"}
        await wire.action({"Action": "Originate", "Async": "true", **place}, 5.0)

    async def hang_up():
        await wire.action({"Action": "Hangup", "Channel": "/^Local.*/"}, 5.0)

    call.hang_up = hang_up
    yield call
    with contextlib.suppress(Refused):
        await hang_up()
    wire.close()


async def test_reading_shows_the_seats_the_trunk_and_when_the_pbx_was_booted(controller):
    seen = await controller.observe()
    assert [seat.seat for seat in seen.seats] == ["2001", "2002"]
    assert [trunk.to for trunk in seen.trunks] == ["xuzhou"]
    assert 0 <= time.time() - seen.booted_at < 120


async def test_trunk_with_nobody_at_its_end_is_seen_down(controller):
    for _ in range(60):  # The first OPTIONS is given up after some seconds.
        seen = await controller.observe()
        if seen.trunks == (TrunkSeen("xuzhou", False),):
            return
        await asyncio.sleep(0.2)
    pytest.fail(f"still {seen.trunks}")


async def test_every_order_may_be_given_twice(controller):
    async def twice(order):
        await controller.link.do(order)
        await controller.link.do(order)
        return await controller.observe()

    assert (await twice(Lend("yangzhou", "2001", "xuzhou", 7))).loans == (LoanSeen("2001", "xuzhou", 7),)
    assert (await twice(Recall("yangzhou", "2001", "xuzhou"))).loans == ()
    assert (await twice(OpenSlot("yangzhou", SLOT, 9))).slots == (SlotSeen(SLOT, SlotState.OPEN, 9),)
    closed = SlotSeen(SLOT, SlotState.CLOSED, 9, reason="closed")
    assert (await twice(CloseSlot("yangzhou", SLOT))).slots == (closed,)
    assert (await twice(OpenSlot("yangzhou", SLOT, 9))).slots[0].state is SlotState.OPEN
    assert (await twice(DropSlot("yangzhou", SLOT))).slots == ()
    assert (await twice(CloseSlot("yangzhou", SLOT))).slots == ()
    await twice(RenewHeartbeat("yangzhou"))


async def test_order_for_a_queue_that_is_not_there_is_refused(controller):
    with pytest.raises(OrderRefused, match="No such queue"):
        await controller.link.do(Lend("yangzhou", "2001", "nanjing", 7))


async def test_heartbeat_is_readable_for_the_dialplan_as_the_age_of_the_controller(controller, pbx):
    await controller.link.do(RenewHeartbeat("yangzhou"))
    wire = await connect(pbx.city.pbx.host, 5038, None, 5.0)
    await wire.login("callctl", SECRET, 5.0)
    variable = "QUEUE_MEMBER(cc-heartbeat,penalty,Local/beat@cc-none/n)"
    [answer] = await wire.action({"Action": "Getvar", "Variable": variable}, 5.0)
    wire.close()
    assert abs(int(answer.fields["Value"]) - time.time()) < 3


async def test_waiting_citizen_is_told_read_and_moved(controller, citizens):
    await citizens()
    joined = await controller.next(CallWaiting)
    seen = await controller.observe()
    assert [call.call for call in seen.waiting] == [joined.call.call]
    assert seen.waiting[0].waiting_since == joined.call.waiting_since
    assert joined.call.call.startswith("yangzhou-")
    move = MoveCaller("yangzhou", joined.call.call, "xuzhou")
    await controller.link.do(move)
    with contextlib.suppress(OrderRefused):  # "Already requested", or gone by now: "No such caller".
        await controller.link.do(move)
    await controller.next(CallLeftQueue, lambda fact: fact.outcome is Outcome.MOVED)
    # Nobody answers at the other end: back to the front.
    back = await controller.next(CallWaiting)
    assert back.call.returned
    assert back.call.waiting_since == joined.call.waiting_since
    assert (await controller.observe()).waiting[0].returned
    await citizens.hang_up()
    await controller.next(CallLeftQueue, lambda fact: fact.outcome is Outcome.ABANDONED)


def invite(pbx, caller):
    """A call to 12345 from the carrier's address, as anybody's SIP phone could phrase it; nobody takes the answer."""
    here, there = pbx.city.pbx.carrier, pbx.city.pbx.host
    body = f"v=0\r\no=- 1 1 IN IP4 {here}\r\ns=-\r\nc=IN IP4 {here}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
    head = f"""INVITE sip:12345@{there}:5060 SIP/2.0
Via: SIP/2.0/UDP {here}:5060;branch=z9hG4bKsmuggler
Max-Forwards: 70
From: "扬州 Event: Hangup" <sip:{caller}@{here}>;tag=1
To: <sip:12345@{there}>
Call-ID: smuggler
CSeq: 1 INVITE
Contact: <sip:x@{here}:5060>
Content-Type: application/sdp
Content-Length: {len(body)}

"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind((here, 5060))
        carrier.sendto(head.replace("\n", "\r\n").encode() + body.encode(), (there, 5060))


async def test_line_ends_in_a_citizens_number_are_gone_before_the_pbx_tells_us(controller, pbx):
    # Without the dialplan's first line Asterisk 22.10.1 tells the invented event (tests/pbx/recordings/forged-*).
    invite(pbx, "139%0d%0aUniqueid%3a%20yangzhou-1.1%0d%0a%0d%0aEvent%3a%20QueueCallerLeave%0d%0aQueue%3a%20q12345")
    joined = await controller.next(CallWaiting)
    assert joined.call.number.startswith("139")
    assert joined.call.call != "yangzhou-1.1"
    assert [call.call for call in (await controller.observe()).waiting] == [joined.call.call]
    assert controller.link.distrusted == 0
    # The call ends when nobody acknowledges its answer; the other tests need not wait for that.


async def test_account_may_do_no_more_than_it_needs(pbx):
    wire = await connect(pbx.city.pbx.host, 5038, None, 5.0)
    await wire.login("callctl", SECRET, 5.0)
    for action in (
        {"Action": "Command", "Command": "core show version"},
        {"Action": "Originate", "Channel": "Local/12345@cc-from-pstn", "Application": "Wait"},
        {"Action": "Redirect", "Channel": "x", "Context": "y", "Exten": "z", "Priority": "1"},
        {"Action": "Setvar", "Variable": "x", "Value": "y"},
        {"Action": "DBPut", "Family": "x", "Key": "y", "Val": "z"},
        {"Action": "Hangup", "Channel": "x"},
    ):
        with pytest.raises(Refused, match="Permission denied"):
            await wire.action(action, 5.0)
    wire.close()


async def test_wrong_secret_is_said_in_the_pbxs_words(pbx):
    async with Controller(pbx, "not-the-secret") as stranger:
        lost = await stranger.next(PbxLost)
        assert "Authentication failed" in lost.reason


async def test_frozen_pbx_is_lost_and_read_again_when_it_thaws(controller, pbx):
    pbx.process.send_signal(signal.SIGSTOP)
    lost = await controller.next(PbxLost)
    assert "no answer to Ping" in lost.reason
    pbx.process.send_signal(signal.SIGCONT)
    assert isinstance(await controller.next(PbxObserved), PbxObserved)


async def test_restarted_pbx_is_noticed_and_what_we_added_is_gone(controller, pbx):
    await controller.link.do(OpenSlot("yangzhou", SLOT, 9))
    before = await controller.observe()
    assert before.slots
    pbx.kill()
    await controller.next(PbxLost)
    pbx.start()
    after = await controller.next(PbxObserved)
    assert after.booted_at > before.booted_at + 1
    assert after.slots == ()
