"""A phone's UDP socket: messages in and out, sent again until somebody answers (RFC 3261 §17)."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from callctl.lab import sip

Address = tuple[str, int]

_FIRST_RESEND_S = 0.5  # T1.
_SLOWEST_RESEND_S = 4.0  # T2.
_GIVE_UP_S = 32.0  # 64 × T1.


@dataclass(frozen=True, slots=True)
class _Letter:
    datagram: bytes
    to: Address
    on_silence: Callable[[], None]


class Wire(asyncio.DatagramProtocol):
    """The socket. What it cannot read it drops, and counts."""

    def __init__(self, on_message: Callable[[sip.Message, Address], None]) -> None:
        self.malformed = 0
        self.deaf = False  # True: a crashed phone; it neither hears nor speaks.
        self.address: Address = ("", 0)
        self._on_message = on_message
        self._transport: asyncio.DatagramTransport | None = None
        self._resends: dict[str, asyncio.TimerHandle] = {}

    async def open(self, address: Address) -> None:
        """Bind; port 0 takes any. Raises OSError where the port is taken, or the address is not this machine's."""
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        except OSError as error:
            raise OSError(error.errno, f"udp {address[0]}:{address[1]}: {os.strerror(error.errno or 0)}") from None
        self.address = self._transport.get_extra_info("sockname")[:2]

    def close(self) -> None:
        """Give the port back and send nothing more."""
        for handle in self._resends.values():
            handle.cancel()
        self._resends.clear()
        if self._transport:
            self._transport.close()

    def send(self, datagram: bytes, to: Address) -> None:
        """Once, and no more."""
        if self._transport and not self._transport.is_closing() and not self.deaf:
            self._transport.sendto(datagram, to)

    def send_until(self, key: str, datagram: bytes, to: Address, on_silence: Callable[[], None] = lambda: None) -> None:
        """Again and again until answered(key); after 32 seconds on_silence is called instead."""
        self.answered(key)
        self._send_again(key, _Letter(datagram, to, on_silence), _FIRST_RESEND_S, 0.0)

    def answered(self, key: str) -> None:
        """Whoever had to hear this has heard it."""
        handle = self._resends.pop(key, None)
        if handle:
            handle.cancel()

    def _send_again(self, key: str, letter: _Letter, pause_s: float, sent_for_s: float) -> None:
        if sent_for_s >= _GIVE_UP_S:
            self._resends.pop(key, None)
            letter.on_silence()
            return
        self.send(letter.datagram, letter.to)
        again = (key, letter, min(2 * pause_s, _SLOWEST_RESEND_S), sent_for_s + pause_s)
        self._resends[key] = asyncio.get_running_loop().call_later(pause_s, self._send_again, *again)

    def datagram_received(self, datagram: bytes, sender: Address) -> None:
        """One datagram from anybody."""
        if self.deaf:
            return
        try:
            message = sip.read(datagram)
        except sip.MalformedSip:
            self.malformed += 1
            return
        self._on_message(message, sender)
