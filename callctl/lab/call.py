"""One call of one phone: where it stands, what was heard, and what the person at the phone may do."""

import asyncio
import enum
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from callctl import clock
from callctl.lab import sip
from callctl.lab.rtp import Audio, Heard, longest_gap_s
from callctl.lab.wire import Address, Wire


class CallState(enum.Enum):
    """Where a call stands, seen from this phone."""

    CALLING = "calling"  # We sent INVITE.
    RINGING = "ringing"  # We are rung, or hear that the other end is.
    UP = "up"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a call's story; `at` is seconds since the epoch."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends of a call as its SIP messages name them (RFC 3261 §12)."""

    call_id: str
    local: str  # Our From (or To) header, tag included.
    contact: str


class PhoneCall:
    """A call, in or out. A Phone makes it and hands it every message that belongs to it."""

    def __init__(self, wire: Wire, audio: Audio, ends: Ends, remote: str, target: str, peer: Address) -> None:
        self.id = ends.call_id
        self.audio = audio
        self.state = CallState.CALLING
        self.rung_by: sip.Message | None = None  # The INVITE that rang us.
        self.answered_with: sip.Message | None = None  # The 200 that answered ours.
        self.statuses: list[int] = []  # Responses to our INVITE.
        self.why_ended = ""  # "hung up here", "hung up there", "cancelled", "rejected 486", "486", "gone".
        self.story: list[Happening] = []
        self.on_end: Callable[[], object] = lambda: None
        self._wire = wire
        self._ends = ends
        self._remote = remote
        self._target = target
        self._peer = peer
        self._number = 1  # CSeq.
        self._branch = ""
        self._extra: sip.Headers = ()
        self._cancel_wanted = False
        self._changed = asyncio.Event()
        audio.on_packet = self._changed.set

    # ------------------------------------------------------------------------------------- what can be asked
    @property
    def heard(self) -> list[Heard]:
        """The time line of sounds."""
        return self.audio.heard

    @property
    def hears(self) -> str:
        """The sound of the last packet, "" before the first."""
        return self.audio.heard[-1].sound if self.audio.heard else ""

    @property
    def caller(self) -> str:
        """The number we showed when we called."""
        return sip.user_of(self._ends.local)

    @property
    def number(self) -> str:
        """The caller's number, as the INVITE that rang us shows it."""
        return sip.user_of(self.rung_by.header("from")) if self.rung_by else ""

    def header(self, name: str) -> str:
        """A header of the INVITE that rang us (X-CC-CallId …), or of the answer to ours."""
        message = self.rung_by or self.answered_with
        return message.header(name) if message else ""

    def at(self, what: str) -> float | None:
        """When something first happened, seconds since the epoch."""
        return next((line.at for line in self.story if line.what == what), None)

    def longest_gap_s(self, sound: str, since: float, until: float) -> float:
        """The longest time within since…until (epoch) in which `sound` was not heard."""
        return longest_gap_s(self.heard, sound, since, until)

    async def until_up(self, within_s: float = 10.0) -> None:
        """Wait for the answer. Raises TimeoutError; AssertionError where the call ended instead."""
        await self.until(lambda: self.state is CallState.UP, within_s)

    async def until_hears(self, sound: str, within_s: float = 10.0) -> None:
        """Wait until a sound is heard now. Raises TimeoutError; AssertionError where the call ended before."""
        await self.until(lambda: self.hears == sound, within_s)

    async def until_ended(self, within_s: float = 10.0) -> str:
        """Wait for the end; says why. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.state is not CallState.ENDED:
                await self._change()
        return self.why_ended

    async def until(self, reached: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for anything about this call. Raises TimeoutError; AssertionError where the call ended before."""
        async with asyncio.timeout(within_s):
            while not reached():
                assert self.state is not CallState.ENDED, f"the call ended: {self.why_ended}"
                await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    # ------------------------------------------------------------------------------------- what the person does
    def ring(self) -> None:
        """Tell the caller that we ring."""
        if self.state is CallState.RINGING and self.rung_by:
            self._wire.send(self._response(self.rung_by, 180, "Ringing"), self._peer)

    def answer(self) -> bool:
        """Lift the receiver; False where there is nothing to answer any more."""
        if self.state is not CallState.RINGING or self.rung_by is None:
            return False
        self._wire.send_until(f"200 {self.id}", self._response(self.rung_by, 200, "OK", self.audio.sdp()), self._peer)
        self._up()
        return True

    def reject(self, status: int = 486) -> None:
        """Refuse the call that rings: 486 busy, 603 declined, 480, 503 …"""
        if self.state is CallState.RINGING and self.rung_by is not None:
            self._wire.send_until(f"end {self.id}", self._response(self.rung_by, status, "No"), self._peer)
            self.end(f"rejected {status}")

    def hang_up(self) -> None:
        """End the call, whatever its state."""
        if self.state is CallState.UP:
            self._number += 1
            self._request("BYE")
            self.end("hung up here")
        elif self.rung_by is not None:
            self.reject(603)
        elif self.state is CallState.RINGING:
            self._cancel()
        elif self.state is CallState.CALLING:
            self._cancel_wanted = True  # §9.1: not before the first provisional response.

    def press(self, keys: str) -> None:
        """Press keys during the call."""
        self.audio.press(keys)

    def end(self, why: str) -> None:
        """It is over; nothing is sent."""
        if self.state is not CallState.ENDED:
            self.state = CallState.ENDED
            self.why_ended = why
            self.note("ended")
            self.audio.close()
            self.on_end()

    def note(self, what: str) -> None:
        """Write a line of the story and wake who waits for it."""
        self.story.append(Happening(clock.now(), what))
        self._changed.set()

    # ------------------------------------------------------------------------------------- our INVITE
    def invite(self, extra: sip.Headers) -> None:
        """Call out."""
        self._extra = extra
        self._invite(())

    def authorise(self, header: str, value: str) -> None:
        """The same INVITE again, with the answer to the challenge."""
        self._number += 1
        self._invite(((header, value),))

    @property
    def challenged(self) -> bool:
        """Whether a challenge was answered before: a second one means that the secret is wrong."""
        return self._number > 1

    @property
    def target(self) -> str:
        """The address our requests go to."""
        return self._target

    def _invite(self, more: sip.Headers) -> None:
        self._branch = f"z9hG4bK{secrets.token_hex(6)}"
        invite = self._message("INVITE", self._branch, self._extra + more, self.audio.sdp())
        self._wire.send_until(self._branch, invite, self._peer, lambda: self.end("gone"))

    def take_response(self, message: sip.Message) -> None:
        """A response to one of our requests, challenges aside."""
        if message.method != "INVITE":
            self._wire.answered(message.branch if message.method != "CANCEL" else f"CANCEL {self.id}")
            return
        self._wire.answered(message.branch)
        self.statuses.append(message.status)
        if message.status < 200:
            self._provisional(message)
        elif message.status < 300:
            self._accepted(message)
        else:
            self.acknowledge(message)
            self.end("cancelled" if self._cancel_wanted and message.status == 487 else str(message.status))

    def _provisional(self, message: sip.Message) -> None:
        if self.state is CallState.CALLING and message.status > 100:
            self.state = CallState.RINGING
            self.note("ringing")
        self.audio.agree(message.body)  # Early media.
        if self._cancel_wanted:
            self._cancel()

    def _accepted(self, message: sip.Message) -> None:
        self._remote = message.header("to")
        self._target = sip.uri_of(message.header("contact")) or self._target
        # The ACK carries the INVITE's number, also when a repeated 200 comes after our BYE (§13.2.2.4).
        self._wire.send(self._message("ACK", f"z9hG4bK{secrets.token_hex(6)}", number=message.number), self._peer)
        if self.state in {CallState.CALLING, CallState.RINGING}:
            self.answered_with = message
            self.audio.agree(message.body)
            self._up()
            if self._cancel_wanted:  # The answer crossed our CANCEL.
                self.hang_up()
        elif self.state is CallState.ENDED and self.answered_with is None:
            self._number += 1
            self._request("BYE")

    def acknowledge(self, message: sip.Message) -> None:
        """ACK a refusal: it belongs to the INVITE's own transaction (§17.1.1.3)."""
        refused = self._remote
        self._remote = message.header("to")
        self._wire.send(self._message("ACK", message.branch, number=message.number), self._peer)
        self._remote = refused

    def _cancel(self) -> None:
        self._cancel_wanted = True
        self.note("cancel sent")
        self._wire.send_until(f"CANCEL {self.id}", self._message("CANCEL", self._branch), self._peer)

    # ------------------------------------------------------------------------------------- their requests
    def rung(self, message: sip.Message) -> None:
        """An INVITE rings us."""
        self.rung_by = message
        self.state = CallState.RINGING
        self.audio.agree(message.body)
        self.note("rung")

    def take_request(self, message: sip.Message, sender: Address) -> None:
        """A request within this call."""
        self._peer = sender
        if message.method == "ACK":
            self._wire.answered(f"200 {self.id}")
            self._wire.answered(f"end {self.id}")
            self.audio.agree(message.body)
        elif message.method == "INVITE":
            self._invited_again(message)
        elif message.method == "CANCEL":
            self._wire.send(self._response(message, 200, "OK"), sender)
            if self.state is CallState.RINGING and self.rung_by is not None:
                self._wire.send_until(f"end {self.id}", self._response(self.rung_by, 487, "Request Terminated"), sender)
                self.end("cancelled")
        elif message.method == "BYE":
            self._wire.send(self._response(message, 200, "OK"), sender)
            self._wire.answered(f"200 {self.id}")
            self.end("hung up there")
        else:  # UPDATE, OPTIONS, NOTIFY, INFO, MESSAGE …
            self.note(message.method)
            body = self.audio.sdp() if message.method == "UPDATE" and message.body else ""
            self.audio.agree(message.body)
            self._wire.send(self._response(message, 200, "OK", body), sender)

    def _invited_again(self, message: sip.Message) -> None:
        if self.rung_by is not None and message.branch == self.rung_by.branch:
            self.ring()  # Only sent again. An answer or a refusal of ours is being repeated anyway.
        elif self.state is CallState.UP:
            self.note("re-INVITE")
            self.audio.agree(message.body)
            self._wire.send(self._response(message, 200, "OK", self.audio.sdp()), self._peer)
        else:
            self._wire.send(self._response(message, 481, "Call Does Not Exist"), self._peer)

    # ------------------------------------------------------------------------------------- on paper
    def _up(self) -> None:
        self.state = CallState.UP
        self.note("up")
        self.audio.start_sending()

    def _request(self, method: str) -> None:
        branch = f"z9hG4bK{secrets.token_hex(6)}"
        self._wire.send_until(branch, self._message(method, branch), self._peer)

    def _message(
        self, method: str, branch: str, extra: Iterable[tuple[str, str]] = (), body: str = "", number: int = 0
    ) -> bytes:
        host, port = self._wire.address
        headers = [
            ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", self._ends.local),
            ("To", self._remote),
            ("Call-ID", self.id),
            ("CSeq", f"{number or self._number} {method}"),
            ("Contact", self._ends.contact),
            *extra,
        ]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return sip.write(f"{method} {self._target} SIP/2.0", headers, body)

    def _response(self, request: sip.Message, status: int, reason: str, body: str = "") -> bytes:
        extra = [("Contact", self._ends.contact)]
        if body:
            extra.append(("Content-Type", "application/sdp"))
        return sip.response(request, status, reason, sip.tag_of(self._ends.local), extra, body)
