"""The FreeSWITCH end of an event socket: speaks as mod_event_socket.c does, byte for byte (test_esl_recordings.py).

What is behind it, a scripted switch or the stand-in, gives it two things: what an api command answers, and events.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType

PASSWORD = "correct-horse"
_UNSAFE = frozenset(b'\r\n #%&+:;<=>?@[\\]^`{|}"')
_HEX = frozenset(b"0123456789ABCDEF")
_ENCODED = [b"%%%02X" % byte if byte < 0x20 or byte > 0x7E or byte in _UNSAFE else bytes([byte]) for byte in range(256)]

Headers = Mapping[str, str | bytes]


def encoded(value: bytes) -> bytes:
    """switch_url_encode(): what looks encoded already is left as it is."""
    if not value:
        return b"_undef_"
    parts = []
    for place, byte in enumerate(value):
        after = value[place + 1 : place + 3]
        whole = byte == 0x25 and len(after) == 2 and _HEX.issuperset(after)
        parts.append(b"%" if whole else _ENCODED[byte])
    return b"".join(parts)


def event_frame(headers: Headers, body: bytes = b"") -> bytes:
    """One event in `plain`, as listener and switch_event_serialize() write it."""
    lines = [name.encode() + b": " + encoded(as_bytes(value)) for name, value in headers.items()]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    block = b"\n".join(lines) + b"\n\n" + body
    return b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(block) + block


def reply_frame(word: str) -> bytes:
    """The answer to a command of the socket itself."""
    return f"Content-Type: command/reply\nReply-Text: {word}\n\n".encode()


def api_frame(answer: bytes) -> bytes:
    """The answer to `api`."""
    answer = answer or b"-ERR no reply\n"
    return b"Content-Type: api/response\nContent-Length: %d\n\n" % len(answer) + answer


def as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


class Listener:
    """One client."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.let_in = False
        self.names: set[str] = set()
        self.subclasses: set[str] = set()
        self.filters: list[tuple[str, str]] = []

    def wants(self, headers: Headers) -> bool:
        """As event_handler(): subscribed, and one filter (where there are any) fits."""
        name, subclass = str(headers.get("Event-Name", "")), str(headers.get("Event-Subclass", ""))
        if name not in self.names or (name == "CUSTOM" and subclass not in self.subclasses):
            return False
        if not self.filters:
            return True
        return any(str(headers.get(key, "")).lower() == value.lower() for key, value in self.filters if key in headers)


class EslServer:
    """Listens on loopback. `execute` answers the api commands; say() sends an event to whoever wants it."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = password
        self.listeners: list[Listener] = []
        self.connections = 0
        self.asked: list[str] = []  # Every command, without the password.
        self.host, self.port = "127.0.0.1", 0
        self.greeting = b"Content-Type: auth/request\n\n"
        self.silent = False  # Reads and answers nothing.
        self.going = asyncio.Event()  # Cleared: stands still, as a process that was stopped; obeys when it goes on.
        self.going.set()
        self.called = asyncio.Condition()
        self._serving: dict[asyncio.Future[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        self.going.clear()

    def thaw(self) -> None:
        self.going.set()

    async def stop(self) -> None:
        """No new connections, and the ones that are end."""
        self.server.close()
        self.hang_up()
        serving = dict(self._serving)
        for task, writer in serving.items():
            task.cancel()  # One that has not begun yet would never come to its end.
            writer.transport.abort()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # The transports' own last words.

    async def __aenter__(self) -> "EslServer":
        await self.start()
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def hang_up(self) -> None:
        for listener in self.listeners:
            listener.writer.transport.abort()
        self.listeners.clear()

    def write(self, content: bytes) -> None:
        for listener in self.listeners:
            listener.writer.write(content)

    def say(self, headers: Headers, body: bytes = b"") -> None:
        """An event."""
        for listener in self.listeners:
            if listener.let_in and listener.wants(headers):
                listener.writer.write(event_frame(headers, body))

    def execute(self, command: str) -> bytes | None:
        """What an api command prints; None for no answer at all."""
        raise NotImplementedError

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something about what was asked."""
        async with self.called:
            await asyncio.wait_for(self.called.wait_for(true), 5)

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.server.is_serving():  # Came with the last moment.
            writer.transport.abort()
            return
        task = asyncio.ensure_future(self._converse(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.going.wait()
        listener = Listener(writer)
        self.listeners.append(listener)
        try:
            await self._note(lambda: setattr(self, "connections", self.connections + 1))
            writer.write(self.greeting)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._obey_next(reader, listener):
                    pass
            writer.close()
        finally:
            if listener in self.listeners:
                self.listeners.remove(listener)
            if not writer.is_closing():
                writer.transport.abort()
        await self._note(lambda: None)

    async def _obey_next(self, reader: asyncio.StreamReader, listener: Listener) -> bool:
        """One command; whether the listener goes on."""
        command = (await reader.readuntil(b"\n\n")).decode().strip("\n")
        await self.going.wait()
        word = "auth" if command.startswith("auth ") else command
        await self._note(lambda: self.asked.append(word))
        answer = None if self.silent else self._answer(listener, command)
        if answer:
            listener.writer.write(answer)
        if self.silent or (listener.let_in and command != "exit"):
            return True
        listener.writer.write(b"Content-Type: text/disconnect-notice\nContent-Length: %d\n\n" % len(GOODBYE) + GOODBYE)
        return False

    def _answer(self, listener: Listener, command: str) -> bytes | None:  # noqa: PLR0911 - one line a command
        word, _, rest = command.partition(" ")
        if word == "auth":
            listener.let_in = rest == self.password
            return reply_frame("+OK accepted" if listener.let_in else "-ERR invalid")
        if not listener.let_in:
            return reply_frame("-ERR command not found")
        if word == "event":
            kind, *names = rest.split()
            place = names.index("CUSTOM") + 1 if "CUSTOM" in names else len(names)
            listener.names |= set(names[:place]) | ({"CUSTOM"} if "CUSTOM" in names else set())
            listener.subclasses |= set(names[place:])
            return reply_frame(f"+OK event listener enabled {kind}")
        if word == "filter":
            key, _, value = rest.partition(" ")
            listener.filters.append((key, value))
            return reply_frame(f"+OK filter added. [{key}]=[{value}]")
        if word == "api":
            answer = self.execute(rest)
            return None if answer is None else api_frame(answer)
        if word == "exit":
            return reply_frame("+OK bye")
        return reply_frame("-ERR command not found")

    async def _note(self, change: Callable[[], None]) -> None:
        async with self.called:
            change()
            self.called.notify_all()


GOODBYE = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
