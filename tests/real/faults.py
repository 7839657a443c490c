"""Ways to break what lies between the parts: closed ports, and a wire to a PBX that stalls, breaks or swallows messages."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from types import TracebackType

import pytest

from callctl.core.model import City, PbxKind

_END = {PbxKind.ASTERISK: b"\r\n\r\n", PbxKind.FREESWITCH: b"\n\n"}
_LENGTH = re.compile(rb"^Content-Length: (\d+)$", re.MULTILINE)


def needs_root(*programs: str) -> None:
    """Skip the test, and say why, where we may not do this to the machine."""
    if os.geteuid() != 0:
        pytest.skip("only root may do this to the network or to disks")
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@contextlib.contextmanager
def trunk_closed(one: City, other: City) -> Iterator[None]:
    """Drop every SIP packet between two cities, as a firewall would. The voice of running calls passes."""
    needs_root("iptables")
    pairs = [(one.pbx, other.pbx), (other.pbx, one.pbx)]
    rules = [
        ["INPUT", "-p", "udp", "-s", here.host, "-d", there.host, "--dport", str(there.sip_port), "-j", "DROP"]
        for here, there in pairs
    ]
    made: list[list[str]] = []
    try:
        for rule in rules:
            if _iptables("-I", rule).returncode:
                pytest.skip("iptables does not work here")
            made.append(rule)
        yield
    finally:
        for rule in made:
            _iptables("-D", rule)


def _iptables(what: str, rule: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["iptables", "-w", what, *rule], capture_output=True, check=False)


class ManagerWire:
    """Stands between a controller and one city's manager interface. `port` is where the controller connects."""

    def __init__(self, city: City, port: int = 5039) -> None:
        self.city = city
        self.port = port
        self.swallows: Callable[[bytes], bool] = lambda message: False  # Asked about each message of the PBX.
        self.swallowed = 0
        self.connected = 0  # How often the controller connected.
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ManagerWire":
        await self.mend()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.cut()

    def cut(self) -> None:
        """Break every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._running:
            task.cancel()

    async def mend(self) -> None:
        """Take connections again, and let everything pass."""
        self.swallows = lambda message: False
        self._flows.set()
        if self._server is None:
            host = self.city.pbx.ami_host or self.city.pbx.host
            self._server = await asyncio.start_server(self._carry, host, self.port)

    def stall(self) -> None:
        """Hold everything back; the connection stays."""
        self._flows.clear()

    def flow(self) -> None:
        """Let go what was held back."""
        self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        pbx_writer = None
        try:
            pbx_reader, pbx_writer = await asyncio.open_connection(
                self.city.pbx.ami_host or self.city.pbx.host, self.city.pbx.ami_port
            )
            if self.city.pbx.kind is PbxKind.ASTERISK:
                writer.write(await pbx_reader.readline())  # The greeting is no message.
            async with asyncio.TaskGroup() as both:
                both.create_task(self._from_pbx(pbx_reader, writer))
                both.create_task(self._from_controller(reader, pbx_writer))
        except (OSError, EOFError, asyncio.CancelledError, ExceptionGroup):
            pass
        finally:
            self._running.discard(task)
            for end in (writer, pbx_writer):
                if end is not None:
                    end.transport.abort()

    async def _from_pbx(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            message = await reader.readuntil(_END[self.city.pbx.kind])
            if self.city.pbx.kind is PbxKind.FREESWITCH and (length := _LENGTH.search(message)):
                message += await reader.readexactly(int(length[1]))
            await self._flows.wait()
            if self.swallows(message):
                self.swallowed += 1
            else:
                writer.write(message)
                await writer.drain()

    async def _from_controller(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()
        raise EOFError
