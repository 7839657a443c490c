"""A TCP peer that speaks as a test tells it to: a manager that is silent, late, wrong, half dead or hostile."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from types import TracebackType

Headers = dict[str, str]
Answer = Callable[[Headers], list[str]]  # Messages; each one's lines joined by "\n", without the ActionID.

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
EMPTY_LIST = ["Response: Success\nEventList: start", "Event: ListComplete\nEventList: Complete\nListItems: 0"]


class ScriptedPbx:
    """Answers every action of a link sensibly, until told otherwise."""

    def __init__(self, clock: Callable[[], float] = lambda: 1000.0) -> None:
        self.asked: list[Headers] = []
        self.connections = 0
        self.banner = BANNER
        self.answers: dict[str, Answer] = {
            "Challenge": lambda _: ["Response: Success\nChallenge: 123456"],
            "Login": lambda _: [
                "Response: Success\nMessage: Authentication accepted",
                "!Event: FullyBooted\nPrivilege: system,all\nUptime: 40\nStatus: Fully Booted",
            ],
            "Ping": lambda _: [f"Response: Success\nPing: Pong\nTimestamp: {clock():.6f}"],
            "QueueStatus": lambda _: EMPTY_LIST,
            "CoreShowChannels": lambda _: EMPTY_LIST,
            "Getvar": lambda asked: [f"Response: Success\nVariable: {asked['Variable']}\nValue: NOT_INUSE"],
        }
        self.writers: list[asyncio.StreamWriter] = []
        self.host, self.port = "127.0.0.1", 0
        self.called = asyncio.Condition()

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self.server = await asyncio.start_server(self._serve, self.host, 0, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> "ScriptedPbx":
        await self.start()
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.hang_up()
        self.server.close()

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    def say(self, *events: str) -> None:
        """Events to every connection: lines joined by "\n"."""
        self.write("".join(event.replace("\n", "\r\n") + "\r\n\r\n" for event in events).encode())

    def write(self, content: bytes) -> None:
        for writer in self.writers:
            writer.write(content)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something about what was asked."""
        async with self.called:
            await asyncio.wait_for(self.called.wait_for(true), 5)

    def count(self, action: str) -> int:
        return sum(asked["Action"] == action for asked in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        await self._note(lambda: setattr(self, "connections", self.connections + 1))
        writer.write(self.banner)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async for asked in self._actions(reader):
                await self._note(lambda asked=asked: self.asked.append(asked))
                answer = self.answers.get(asked["Action"], lambda _: ["Response: Success"])
                for message in answer(asked):
                    lines = message.removeprefix("!").split("\n")
                    if not message.startswith("!"):
                        lines.insert(1, f"ActionID: {asked['ActionID']}")
                    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        writer.close()

    async def _note(self, change: Callable[[], None]) -> None:
        async with self.called:
            change()
            self.called.notify_all()

    async def _actions(self, reader: asyncio.StreamReader) -> AsyncIterator[Headers]:
        while True:
            frame = await reader.readuntil(b"\r\n\r\n")
            yield dict(line.split(": ", 1) for line in frame.decode().strip().split("\r\n"))
