"""One connection to an Asterisk manager (AMI): bytes in, whole messages out; every question ends in an answer or an error.

panoramisk 1.4 supplies the protocol class, the action ids and the serialisation. Its Manager is not used: reconnecting,
pinging and re-sending are wrong there for a hotline (issues 6, 90 and 121 upstream), and callctl.pbx.asterisk does them.
"""

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from callctl.pbx.wire import FORBIDDEN, Disconnected, Refused, Unanswered

MAX_FRAME = 256 * 1024  # Bytes; the longest honest message (a CoreShowChannel with variables) is below 4 KiB.
MAX_LIST = 200_000  # Messages of one list: 20,000 waiting and 300 seats, five times over.
MAX_PENDING = 1_000  # Actions under way; each is gone after its deadline.
MAX_LINE = 1_000  # Bytes of a header we send; manager.c reads lines of 1,024.
INBOX_HIGH = 10_000  # Messages not yet taken; above this the socket is not read, and Asterisk feels it.
INBOX_LOW = 2_000


class AmiMessage(Message):
    """One message. `fields` holds the headers by their exact names; repeated variables are a list, as in panoramisk."""

    content = ""
    forged = False  # A header came twice that never does: somebody smuggled line ends in.

    def __init__(self, headers: dict[str, Any]) -> None:
        """Take the headers over as they are; panoramisk's own copying costs more than all the parsing."""
        self.fields = headers

    def __getattr__(self, name: str) -> Any:
        """Attributes are what they seem; panoramisk answers '' to every misspelling, and copying recurses for ever."""
        raise AttributeError(name)

    def __getitem__(self, key: str) -> Any:
        """The header's value, in any spelling of upper and lower case."""
        fields: dict[str, Any] = self.__dict__["fields"]
        if key in fields:
            return fields[key]
        lower = key.lower()
        for name, value in fields.items():
            if name.lower() == lower:
                return value
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Whether the header is there, in any spelling."""
        lower = str(key).lower()
        return key in self.fields or any(name.lower() == lower for name in self.fields)

    def __iter__(self) -> Iterator[str]:
        """Header names."""
        return iter(self.fields)

    def __len__(self) -> int:
        """How many headers."""
        return len(self.fields)


def parse(frame: bytes) -> AmiMessage | None:
    """One message from the bytes between two empty lines; None where it is no message of a manager.

    A name in GBK or half a name becomes U+FFFD, the rest of the message stays right.
    """
    fields: dict[str, Any] = {}
    forged = False
    for line in frame.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(": ")
        if key not in fields:
            fields[key] = value
        elif key.endswith("Variable"):  # ChanVariable, DestChanVariable and their like may come several times.
            before = fields[key]
            if type(before) is list:
                before.append(value)
            else:
                fields[key] = [before, value]
        elif key:
            forged = True
    # An honest message opens with its kind. In any other place the word was put there by somebody else.
    kind = next(iter(fields))
    if kind != "Event" and kind != "Response":  # noqa: PLR1714 - on every message
        whole = frame.lstrip(b"\r\n")  # Some actions end in three line ends instead of two.
        return parse(whole) if len(whole) < len(frame) else None
    message = AmiMessage(fields)
    if forged or ("Event" in fields and "Response" in fields):
        message.forged = True
    return message


class AmiAction(Action):
    """One question. What completes its answer is the header EventList, never English prose."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Raises ValueError where a header could smuggle in another action, or is longer than Asterisk reads."""
        for key, value in headers.items():
            line = f"{key}: {value}"
            if any(character in line for character in FORBIDDEN):
                raise ValueError(f"a control character in the AMI header {key!r}: {value!r}")
            if len(line.encode()) > MAX_LINE:
                raise ValueError(f"the AMI header {key!r} is longer than Asterisk reads")
        super().__init__(dict(headers))  # type: ignore[no-untyped-call]

    def add_message(self, message: AmiMessage) -> bool:
        """Take one message of the answer; whether it was the last."""
        self.responses.append(message)
        if len(self.responses) == 1 and message.fields.get("EventList", "").lower() == "start":
            return False
        if len(self.responses) > 1 and message.fields.get("EventList", "").lower() not in ("complete", "cancelled"):
            return False
        if not self.future.done():
            if message.fields.get("Response") == "Error":
                self.future.set_exception(Refused(str(message.fields.get("Message", "refused"))))
            else:
                self.future.set_result(self.responses)
        return True


class AmiWire(AMIProtocol):
    """The protocol: framing on bytes, answers to their questions, everything else into a bounded inbox."""

    def __init__(self) -> None:
        """Not connected yet; use connect()."""
        self.buffer = b""
        self.inbox: deque[AmiMessage] = deque()
        self.arrived = asyncio.Event()
        self.lost = asyncio.Event()
        self.reason = ""  # Why the connection ended.
        self.reading_paused = False
        self.broken = 0  # Messages nobody honest sends.
        self.closed = True
        self.responses: dict[str, AmiAction] = {}
        self._banner_seen = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected. panoramisk's own method would make a second set of everything."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.closed = False

    def data_received(self, chunk: bytes) -> None:
        """asyncio: bytes. Frames are cut before anything is decoded, so no character is ever cut in two."""
        self.buffer += chunk
        if not self._banner_seen and not self._skip_banner():
            return
        if b"\r\n\r\n" in self.buffer:
            *frames, self.buffer = self.buffer.split(b"\r\n\r\n")
            for frame in frames:
                message = parse(frame)
                if message is not None:
                    self.handle_message(message)
                elif frame.strip():
                    self._distrust()
            self.arrived.set()
        if len(self.buffer) > MAX_FRAME:
            self.drop(f"a message longer than {MAX_FRAME} bytes")
        elif len(self.inbox) > INBOX_HIGH and not self.reading_paused and not self.closed:
            self.transport.pause_reading()
            self.reading_paused = True

    def _distrust(self) -> None:
        """Half a message. Asterisk 22 puts line ends out of a caller's number on the wire as they are (measured with
        `From: <sip:139%0d%0a…>`), so the message before it may be the caller's own invention: that one goes too.
        """
        self.broken += 1
        if self.inbox:
            self.inbox.pop()
        self.inbox.append(BROKEN)

    def _skip_banner(self) -> bool:
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            if len(self.buffer) > MAX_LINE:
                self.drop("no Asterisk manager answers there")
            return False
        if not line.startswith(b"Asterisk Call Manager/"):
            self.drop("no Asterisk manager answers there")
            return False
        self._banner_seen = True
        self.version = line.decode("ascii", "replace").partition("/")[2]
        self.buffer = rest
        return True

    def handle_message(self, message: AmiMessage) -> None:
        """An answer goes to its question, an event into the inbox.

        Other accounts choose ActionIDs too, and a UserEvent carries any header: an event counts as part of an answer
        only after the Response that announced a list, and a UserEvent never does.
        """
        fields = message.fields
        if "ActionID" not in fields:
            if "Privilege" in fields:
                self.inbox.append(message)
            elif "Event" in fields:  # Every real event tells its class; an invented one has no room for it.
                self.broken += 1
                self.inbox.append(BROKEN)
            return
        action_id = fields["ActionID"]
        action = self.responses.get(str(action_id))
        if "Response" in fields:
            if action is not None and not action.responses:
                self._answer(action, message)
        elif action is not None and action.responses and fields["Event"] != "UserEvent":
            self._answer(action, message)
        elif not str(action_id).startswith(_OUR_IDS) or fields["Event"] == "UserEvent":
            self.inbox.append(message)

    def _answer(self, action: AmiAction, message: AmiMessage) -> None:
        if len(action.responses) > MAX_LIST:
            self.drop(f"a list of more than {MAX_LIST} messages")
        elif action.add_message(message):
            self.responses.pop(action.id, None)

    async def action(self, headers: Mapping[str, str], deadline_s: float) -> list[AmiMessage]:
        """Ask once; every message of the answer.

        Raises Refused, Disconnected, Unanswered; ValueError before sending where a header is not one line.
        """
        action = AmiAction(headers)
        if self.closed:
            raise Disconnected(self.reason or "not connected")
        if len(self.responses) >= MAX_PENDING:
            raise Unanswered(f"{MAX_PENDING} actions wait for their answers")
        self.responses[action.id] = action
        self.transport.write(str(action).encode())
        try:
            async with asyncio.timeout(deadline_s):
                answer: list[AmiMessage] = await action.future
                return answer
        except TimeoutError:
            raise Unanswered(f"no answer to {headers['Action']} within {deadline_s:g} s") from None
        finally:
            self.responses.pop(action.id, None)

    async def login(self, user: str, secret: str, deadline_s: float) -> None:
        """Log in by challenge, so that the secret itself never crosses the network. Raises as action() does."""
        [challenge] = await self.action({"Action": "Challenge", "AuthType": "MD5"}, deadline_s)
        salted = f"{challenge.fields.get('Challenge', '')}{secret}".encode()
        key = hashlib.md5(salted, usedforsecurity=False).hexdigest()
        await self.action({"Action": "Login", "AuthType": "MD5", "Username": user, "Key": key, "Events": "on"}, deadline_s)

    async def ping(self, deadline_s: float) -> float:
        """The PBX's own clock, seconds since the epoch. Raises as action() does; Refused where it tells no time."""
        [pong] = await self.action({"Action": "Ping"}, deadline_s)
        try:
            return float(pong.fields.get("Timestamp", ""))
        except ValueError:
            raise Refused("the answer to Ping has no Timestamp") from None

    async def take(self, most: int) -> list[AmiMessage]:
        """Wait for messages and take up to `most`, in order. Raises Disconnected once all are taken and none can come."""
        while not self.inbox:
            if self.closed:
                raise Disconnected(self.reason)
            self.arrived.clear()
            await self.arrived.wait()
        return self.take_now(most)

    def take_now(self, most: int) -> list[AmiMessage]:
        """Take what is here, up to `most`; read the socket again when enough is taken."""
        inbox = self.inbox
        if len(inbox) <= most:
            taken = list(inbox)
            inbox.clear()
        else:
            taken = [inbox.popleft() for _ in range(most)]
        if self.reading_paused and len(inbox) <= INBOX_LOW and not self.closed:
            self.transport.resume_reading()
            self.reading_paused = False
        return taken

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio: the other end closed, or the network broke."""
        self.drop(f"connection lost: {exc}" if exc else "the PBX closed the connection")

    def close(self) -> None:
        """End the connection at once; nothing is pending afterwards, nothing reconnects."""
        self.drop("closed by callctl")

    def drop(self, reason: str) -> None:
        """End the connection and say why; every action under way ends with Disconnected."""
        if not self.closed:
            self.closed = True
            self.transport.abort()
        self.reason = self.reason or reason
        self.buffer = b""
        for action in list(self.responses.values()):
            if not action.future.done():
                action.future.set_exception(Disconnected(self.reason))
        self.responses.clear()
        self.lost.set()
        self.arrived.set()


BROKEN = AmiMessage({"Event": "callctl:broken"})  # Stands in the inbox where an unreadable frame was.
BROKEN.forged = True
_OUR_IDS = "action/" + Action.action_id_generator.uid + "/"


async def connect(host: str, port: int, tls: ssl.SSLContext | None, deadline_s: float) -> AmiWire:
    """Connect; not logged in yet. Raises OSError, and Unanswered where nothing happens within the deadline."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline_s):
            _, wire = await loop.create_connection(
                AmiWire, host, port, ssl=tls, ssl_handshake_timeout=deadline_s if tls else None
            )
            return wire
    except TimeoutError:
        raise Unanswered(f"no connection to {host}:{port} within {deadline_s:g} s") from None
