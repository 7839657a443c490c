"""Somebody who writes SIP as he likes: one raw request from a chosen address, and what is answered."""

import asyncio
import secrets
from dataclasses import dataclass

from callctl.lab.wire import Address

_SDP = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """The final status, 0 where there is none within the time; and what was said before it, 100 Trying and the like."""

    status: int
    early: tuple[int, ...] = ()

    @property
    def unread(self) -> bool:
        """Whether it was not even received: what a PBX cannot read it drops."""
        return self.status == 0 and not self.early

    @property
    def refused(self) -> bool:
        """Whether nothing came of the request: nothing rang, and there was a refusal, or it was dropped unread."""
        return not any(status > 100 for status in self.early) and (self.status >= 400 or self.unread)


# "%0d%0a" in a number is a line end for Asterisk. The whole must be short: it keeps 80 characters.
EVIL = "1%0d%0a%0d%0aEvent%3a%20UserEvent%0d%0aUserEvent%3a%20CCEvil%0d%0aX%3a"
# The same for an event socket, which decodes what stands between two line ends.
EVIL_ESL = "1%0aCallctl-Action%3a%20survey%0aCallctl-Score%3a%205%0aCC-Action%3a%20x"


class Stranger(asyncio.DatagramProtocol):
    """A socket at `host`, any free port."""

    def __init__(self, host: str, target: Address) -> None:
        self.host, self.target = host, target
        self._finals: dict[str, asyncio.Future[int]] = {}
        self._early: dict[str, list[int]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> "Stranger":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport
        self._transport.close()

    @property
    def port(self) -> int:
        assert self._transport
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, datagram: bytes, _: Address) -> None:
        head = datagram.decode("utf-8", "replace").split("\r\n\r\n")[0].split("\r\n")
        if not head[0].startswith("SIP/2.0 "):
            return  # A BYE or an OPTIONS of theirs: he does not care.
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        status, call = int(head[0].split()[1]), fields.get("call-id", "")
        final = self._finals.get(call)
        if final and not final.done() and status >= 200:
            final.set_result(status)
        elif call in self._early and status < 200:
            self._early[call].append(status)

    async def ask(
        self, method: str, number: str, *, sender: str = "stranger", to: str = "", extra: str = "", within_s: float = 0.6
    ) -> Answer:
        """Send one request; `sender` is a user, or a whole From. `extra` are whole lines, sent as they are.

        Answers are not acknowledged: the PBX gives such a call up by itself, and reset() before the next test ends it.
        """
        assert self._transport
        host, port, pbx = self.host, self.port, f"{self.target[0]}:{self.target[1]}"
        call, body = secrets.token_hex(8), _SDP.format(host=host) if method == "INVITE" else ""
        author = sender if "<" in sender else f"<sip:{sender}@{host}>"
        lines = [
            f"{method} sip:{number + '@' if number else ''}{pbx} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{call};rport",
            "Max-Forwards: 70",
            f"From: {author};tag={call}",
            f"To: {to or f'<sip:{number}@{pbx}>'}",
            f"Call-ID: {call}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:stranger@{host}:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            *([extra] if extra else []),
            f"Content-Length: {len(body)}",
        ]
        final = self._finals[call] = asyncio.get_running_loop().create_future()
        early = self._early[call] = []
        self._transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape"), self.target)
        try:
            async with asyncio.timeout(within_s):
                return Answer(await final, tuple(early))
        except TimeoutError:
            return Answer(0, tuple(early))
