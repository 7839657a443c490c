"""The line between a browser and the console, which a test can cut, freeze and mend."""

import asyncio
import contextlib


class Relay:
    """A TCP relay on a port of its own."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen; after a cut on the same port again."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Every connection breaks, and nobody is let in."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._pairs):
            writer.transport.abort()

    def freeze(self) -> None:
        """Connections stay, and nothing goes through them any more."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def close(self) -> None:
        await self.cut()
        for task in list(self._tasks):
            task.cancel()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._to)
        self._pairs |= {writer, there}
        for source, target in ((reader, there), (there_reader, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await source.read(65_536):
                await self._flowing.wait()
                target.write(content)
                await target.drain()
        self._pairs.discard(target)
        target.transport.abort()
