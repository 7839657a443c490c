"""The sound of one call: a tone out every 20 ms, key presses (RFC 4733), and a time line of what is heard."""

import asyncio
import re
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from callctl import clock
from callctl.lab import tones

_PCMA = 8
_KEYS_TYPE = 101  # The dynamic payload type of our SDP; the answer to another's SDP keeps theirs.
_KEYS = "0123456789*#"
_FRAME_S = 0.02
_KEY_FRAMES = 8  # 160 ms; the last three repeat the end, as RFC 4733 §2.5.1.4 asks.
_LATE_S = 0.2  # Later than this the beat is given up: after a stopped machine nobody wants a burst.


@dataclass(slots=True)
class Heard:
    """A stretch of one sound. Times are seconds since the epoch."""

    sound: str  # A name of tones.TONES, "silence" or "unknown".
    since: float
    until: float
    packets: int = 1
    longest_gap_s: float = 0.0  # Between two packets inside the stretch.


class Audio(asyncio.DatagramProtocol):
    """One end of an RTP stream, PCMA only."""

    def __init__(self, address: str, tone: str) -> None:
        self.address = address
        self.tone = tone  # "" sends nothing at all: a phone that is dead for the trunk's rtp_timeout.
        self.port = 0
        self.heard: list[Heard] = []
        self.keys_heard: list[str] = []
        self.packets_sent = 0
        self.on_packet: Callable[[], None] = lambda: None
        self._peer: tuple[str, int] | None = None
        self._keys_type = _KEYS_TYPE
        self._keys: deque[str] = deque()
        self._last_key = -1
        self._transport: asyncio.DatagramTransport | None = None
        self._sender: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Take a port; none is kept where the call was over before there was one."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        if self._closed:
            self._transport.close()

    def close(self) -> None:
        """Stop sending and give the port back."""
        self._closed = True
        if self._sender:
            self._sender.cancel()
        if self._transport:
            self._transport.close()

    # ------------------------------------------------------------------------------------- what is agreed
    def sdp(self) -> str:
        """Our side of the agreement (RFC 4566)."""
        return "\r\n".join(
            [
                "v=0",
                f"o=- {self.port} 1 IN IP4 {self.address}",
                "s=-",
                f"c=IN IP4 {self.address}",
                "t=0 0",
                f"m=audio {self.port} RTP/AVP {_PCMA} {self._keys_type}",
                f"a=rtpmap:{_PCMA} PCMA/8000",
                f"a=rtpmap:{self._keys_type} telephone-event/8000",
                f"a=fmtp:{self._keys_type} 0-16",
                "a=ptime:20",
                "a=sendrecv",
                "",
            ]
        )

    def agree(self, body: str) -> None:
        """Take over where the other end wants its sound; a body that is not SDP changes nothing."""
        host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
        keys = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", body, re.MULTILINE)
        if host and port:
            self._peer = (host[1], int(port[1])) if int(port[1]) and host[1] != "0.0.0.0" else None
        if keys:
            self._keys_type = int(keys[1])

    # ------------------------------------------------------------------------------------- out
    def start_sending(self) -> None:
        """Send our tone until close()."""
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())

    def press(self, keys: str) -> None:
        """Press keys (0-9*#), one after the other."""
        assert all(key in _KEYS for key in keys), keys
        self._keys.extend(keys)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        frame, due = 0, loop.time()
        while True:
            if self._keys:
                await self._send_key(self._keys.popleft(), frame)
                frame += _KEY_FRAMES
                due = loop.time()
            elif self.tone:
                sound = tones.alaw(self.tone)
                start = frame * tones.FRAME_SAMPLES % len(sound)
                self._packet(_PCMA, frame, frame, sound[start : start + tones.FRAME_SAMPLES])
            frame += 1
            due += _FRAME_S
            if loop.time() - due > _LATE_S:
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _send_key(self, key: str, frame: int) -> None:
        for n in range(_KEY_FRAMES):
            end = 0x80 if n >= _KEY_FRAMES - 3 else 0
            samples = min(n + 1, _KEY_FRAMES - 2) * tones.FRAME_SAMPLES
            event = struct.pack("!BBH", _KEYS.index(key), end | 10, samples)
            self._packet(self._keys_type | (0x80 if n == 0 else 0), frame + n, frame, event)
            await asyncio.sleep(_FRAME_S)

    def _packet(self, kind: int, sequence: int, frame: int, payload: bytes) -> None:
        if self._peer is None or self._transport is None or self._transport.is_closing():
            return
        stamp = frame * tones.FRAME_SAMPLES & 0xFFFFFFFF
        header = struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, stamp, self.port)
        self._transport.sendto(header + payload, self._peer)
        self.packets_sent += 1

    # ------------------------------------------------------------------------------------- in
    def datagram_received(self, packet: bytes, _sender: tuple[str, int]) -> None:
        """A packet; whatever is not RTP version 2 with a payload is dropped."""
        if len(packet) < 13 or packet[0] >> 6 != 2:
            return
        kind = packet[1] & 0x7F
        if kind == self._keys_type:
            self._key(packet)
        elif kind == _PCMA:
            self._sound(tones.recognise(packet[12:]), clock.now())
        self.on_packet()

    def _key(self, packet: bytes) -> None:
        stamp = struct.unpack("!I", packet[4:8])[0]  # All packets of one press carry the same time stamp.
        if stamp != self._last_key and packet[12] < len(_KEYS):
            self._last_key = stamp
            self.keys_heard.append(_KEYS[packet[12]])

    def _sound(self, sound: str, now: float) -> None:
        last = self.heard[-1] if self.heard else None
        if last is None or last.sound != sound:
            self.heard.append(Heard(sound, now, now))
            return
        last.longest_gap_s = max(last.longest_gap_s, now - last.until)
        last.until = now
        last.packets += 1


def longest_gap_s(heard: list[Heard], sound: str, since: float, until: float) -> float:
    """The longest time between `since` and `until` in which `sound` was not heard; the proof that music went on."""
    longest, at = 0.0, since
    for stretch in heard:
        if stretch.sound == sound and stretch.until >= since and stretch.since <= until:
            longest = max(longest, stretch.since - at, stretch.longest_gap_s)
            at = max(at, stretch.until)
    return max(longest, until - at)
