"""How fast one process takes in what a FreeSWITCH says: bytes over TCP to the plan, beside four other ways to read them.

PYTHONPATH=. python bench/esl_ingest.py            prints a table; `make bench` collects measure()
"""

import asyncio
import contextlib
import gc
import gzip
import json
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

from callctl.controller import GC_THRESHOLDS
from callctl.core.events import Fact, PbxObserved, SeatSeen, SeatState, TrunkSeen
from callctl.core.fold import fold
from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk
from callctl.core.reconcile import reconcile
from callctl.core.sharing import plan
from callctl.core.wishes import AssistanceEvent, Wishes
from callctl.core.world import unseen
from callctl.lab.freeswitch import NoFreeSwitch
from callctl.lab.lab import Lab, LabPlan, Programs, find_programs
from callctl.pbx.esl_frames import EslEvent
from callctl.pbx.esl_wire import EslThread, open_wire
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.wire import Disconnected, Refused

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = ROOT / "tests" / "pbx" / "recordings"
RECORDING = "older-s07-plain-yangzhou-plain.esl.gz"  # Home agents, slots, busy, no answer, call-backs: 8 callers.
ROUNDS = 3
EVENTS = 20_000  # A second or two for each reader.
MANY = 1_000_000
CHUNK = 1448  # Bytes a write: one Ethernet segment, so that names do get cut in two.
ROUND_TRIPS = 3_000
PASSWORD = "correct-horse"
NOW = 1e10  # Long after the recording, so every event is dated by its arrival …
EVENT_S = 0.05  # … and so far apart; twenty events a second are a busy hotline.
READING_S = 25.0
PATIENCE_S = 60.0  # The server makes its stream first.
GREETING = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
ENDED = b"Content-Type: text/disconnect-notice\nContent-Length: 0\n\n"
_LENGTH = re.compile(rb"Content-Length: (\d+)")
# The prototype that was recorded had other names for queue and agents, and no call ids yet.
_OURS = ((b"%40yangzhou.12345.lab", b""), (b"suzhou-1001", b"suzhou-01"), (b"suzhou-1002", b"suzhou-02"))

Row = dict[str, Any]


def city() -> City:
    """The city of the recording."""
    return _city("yangzhou", "suzhou", ("1001", "1002"))


def _city(code: str, other: str, seats: tuple[str, ...]) -> City:
    made = tuple(Seat(number, f"a{number}", "", Lending.SHARED) for number in seats)
    pbx, trunks = PbxAddress(PbxKind.FREESWITCH, "127.0.19.1"), (Trunk(other, "127.0.12.1", 30),)
    return City(
        code, code, "0514", pbx, QueueRules(wait_threshold_s=0.0), LendRules(reserve=0, quota=9, helps=("*",)), trunks, made
    )


class Planner:
    """What the controller does with facts: fold, plan, compare. The orders are not obeyed, so each plan asks for them."""

    def __init__(self) -> None:
        cities = (city(), _city("suzhou", "yangzhou", tuple(str(number) for number in range(1201, 1211))))
        self.province = Province(MappingProxyType({one.code: one for one in cities}))
        on = AssistanceEvent("yangzhou", "yangzhou", "", 0.0, switched_on=True)
        self.wishes = Wishes(1, MappingProxyType({"yangzhou": on}))
        self.world, self.memory, self.read_at, self.orders = unseen(self.province), None, 0.0, 0

    def take(self, facts: list[Fact], now: float) -> None:
        """One step of the loop, with a full reading as often as the controller asks for one."""
        if now - self.read_at >= READING_S:
            self.read_at = now
            facts = [*facts, *(self._reading(one, now) for one in self.province.cities.values())]
        self.world = fold(self.world, facts)
        made = plan(self.province, self.world, self.wishes, self.memory, now)
        self.memory = made.memory
        self.orders += len(reconcile(self.world, made, {}, 1, now))

    @staticmethod
    def _reading(one: City, now: float) -> PbxObserved:
        seats = tuple(SeatSeen(seat.id, SeatState.FREE) for seat in one.seats)
        trunks = tuple(TrunkSeen(trunk.to, True) for trunk in one.trunks)
        return PbxObserved(one.code, now, (), seats, (), (), (), trunks, now)


def stream(events: int) -> bytes:
    """The recording's events over and over, with our names and a call id for every caller of every copy."""
    raw = gzip.decompress((RECORDINGS / RECORDING).read_bytes())
    blocks, at = [], 0
    while at < len(raw):
        head = raw.index(b"\n\n", at) + 2
        length = _LENGTH.search(raw[at:head])
        at = head + (int(length[1]) if length else 0)
        if length and b"text/event-plain" in raw[head - 80 : head]:
            blocks.append(raw[head:at])
    for old, new in _OURS:
        blocks = [block.replace(old, new) for block in blocks]
    callers = sorted({found for block in blocks for found in re.findall(rb"CC-Member-Session-UUID: (\S+)", block)})
    copies = []
    for copy in range(events // len(blocks)):
        for block in blocks:
            found = re.search(rb"CC-Member-Session-UUID: (\S+)", block)
            number = copy * len(callers) + callers.index(found[1]) if found else 0
            told = re.sub(rb"(CC-Member-CID-Name: )\S+", rb"\g<1>yangzhou-1795398660.%d" % number, block)
            copies.append(b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(told) + told)
    return b"".join(copies)


def serve(listener: socket.socket, events: int, repeat: int, trips: bool) -> None:
    """Be a switch: let the client in, send the stream in segments (or answer commands), and close."""
    content = b"" if trips else stream(events)
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(GREETING)
    peer.recv(4096)
    peer.sendall(ACCEPTED)
    while trips:
        asked = peer.recv(65536)
        if not asked:
            return
        peer.sendall(b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n" * asked.count(b"\n\n"))
    for _ in range(repeat):
        for start in range(0, len(content), CHUNK):
            peer.sendall(content[start : start + CHUNK])
    with contextlib.suppress(OSError):  # The reader may be quicker.
        peer.sendall(ENDED)
        peer.recv(1)


class Splitter(asyncio.Protocol):
    """The floor: cut the stream into events, look at nothing."""

    def __init__(self) -> None:
        self.rest, self.events, self.damaged, self.done = b"", 0, 0, asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"auth {PASSWORD}\n\n".encode())

    def data_received(self, chunk: bytes) -> None:
        self.rest += chunk
        while (end := self.rest.find(b"\n\n")) >= 0:
            length = _LENGTH.search(self.rest, 0, end)
            whole = end + 2 + (int(length[1]) if length else 0)
            if len(self.rest) < whole:
                return
            if length and int(length[1]):
                self.read(self.rest[end + 2 : whole])
            elif b"disconnect-notice" in self.rest[:whole]:
                self.done.set()
            self.rest = self.rest[whole:]

    def read(self, block: bytes) -> None:
        self.events += 1

    def connection_lost(self, exc: BaseException | None) -> None:
        self.done.set()


class ByHand(Splitter):
    """What one would write in half an hour: every event a dict of decoded headers."""

    def read(self, block: bytes) -> None:
        headers = {}
        for line in block.decode("utf-8", "replace").split("\n"):
            key, _, value = line.partition(": ")
            headers[key] = unquote(value) if "%" in value else value
        self.events += "Event-Name" in headers
        self.damaged += "\ufffd" in headers.get("Caller-Caller-ID-Name", "")


async def by_protocol(kind: type[Splitter], port: int) -> tuple[int, int, int]:
    """Events, damaged names, facts."""
    transport, reader = await asyncio.get_running_loop().create_connection(kind, "127.0.0.1", port)
    await reader.done.wait()
    transport.close()
    return reader.events, reader.damaged, 0


def by_greenswitch(port: int) -> tuple[int, int, int]:
    """greenswitch 0.0.19 as it is, one handler for everything."""
    gevent = __import__("gevent")
    inbound = __import__("greenswitch.esl", fromlist=["InboundESL"]).InboundESL
    events = damaged = 0

    def take(event: Any) -> None:
        nonlocal events, damaged
        events += "Event-Name" in event.headers
        damaged += "\ufffd" in event.headers.get("Caller-Caller-ID-Name", "")

    link = inbound("127.0.0.1", port, PASSWORD, timeout=PATIENCE_S)
    link.register_handle("callcenter::info", take)
    link.register_handle("*", take)
    link.connect()
    while link.connected:
        gevent.sleep(0.05)
    while not link._esl_event_queue.empty():
        gevent.sleep(0.05)
    return events, damaged, 0


async def by_callctl(port: int, mapped: bool, planned: bool = False) -> tuple[int, int, int]:
    """The link's own path: thread, wire, inbox, and the map and the plan where wished."""
    planner = Planner() if planned else None
    gc.set_threshold(*GC_THRESHOLDS)  # As the controller does; the hand-written parser keeps nothing to be collected.
    chart = FreeSwitchMap(city(), ("yangzhou", "suzhou"))
    thread = EslThread()
    wire = await open_wire(thread, "127.0.0.1", port, PASSWORD, PATIENCE_S)
    events = damaged = facts = 0
    try:
        while True:
            batch = await wire.take(500)
            told: list[Fact] = []
            for event in batch:
                events += 1
                if mapped:
                    told += chart.facts(event, NOW + events * EVENT_S)
                damaged += "\ufffd" in event.get("Caller-Caller-ID-Name")
            if planner is not None:
                planner.take(told, NOW + events * EVENT_S)
            facts += len(told)
            await asyncio.sleep(0)
    except Disconnected:
        thread.close()
        assert planner is None or planner.orders, "the plan had something to say"
        return events, damaged, facts


HAND, GREEN, OURS = "hand-written parser", "greenswitch 0.0.19", "callctl, to plan"
READERS: dict[str, Callable[[int], tuple[int, int, int]]] = {
    "bare splitter": lambda port: asyncio.run(by_protocol(Splitter, port)),
    HAND: lambda port: asyncio.run(by_protocol(ByHand, port)),
    GREEN: by_greenswitch,
    "callctl, to events": lambda port: asyncio.run(by_callctl(port, mapped=False)),
    "callctl, to facts": lambda port: asyncio.run(by_callctl(port, mapped=True)),
    OURS: lambda port: asyncio.run(by_callctl(port, mapped=True, planned=True)),
}


def one(reader: str, events: int, repeat: int) -> Row:
    """One reader, in this process; the server is a process of its own."""
    began_at, found = with_server(events, repeat, False, READERS[reader])
    count, damaged, facts = found
    cpu_s = time.process_time() - began_at
    return {"events": count, "damaged": damaged, "facts": facts, "per_s": count / cpu_s, "rss_mb": rss_mb()}


def with_server(events: int, repeat: int, trips: bool, work: Callable[[int], Any]) -> tuple[float, Any]:
    """work(port) beside a server; and this process's CPU time when it began."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener, events, repeat, trips))
    server.start()
    port = listener.getsockname()[1]
    listener.close()
    began_at = time.process_time()
    found = work(port)
    server.terminate()
    server.join()
    return began_at, found


async def _trips(host: str, port: int, password: str) -> list[float]:
    thread, loop = EslThread(), asyncio.get_running_loop()
    wire = await open_wire(thread, host, port, password, PATIENCE_S)
    taken = []
    for _ in range(ROUND_TRIPS):
        asked = loop.time()
        with contextlib.suppress(Refused):
            await wire.order("api callcenter_config agent get state 1001", 5.0)
        taken.append((loop.time() - asked) * 1000)
    wire.close()
    thread.close()
    return taken


async def _trips_to_a_real_switch(program: Programs) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="callctl-bench-") as folder:
        plan = LabPlan(Path(folder), ROOT, cities=("nanjing",), kinds={"nanjing": "freeswitch"})
        lab = Lab(plan, program)
        lab.prepare()
        await lab.start()
        try:
            pbx = lab.province.cities["nanjing"].pbx
            return await _trips(pbx.ami_host or pbx.host, pbx.ami_port, lab.settings.ami_secret("nanjing"))
        finally:
            lab.stop()


def round_trips() -> list[Row]:
    """Commands through the thread: to a peer that answers at once, and to a real switch where this machine has one."""
    peer = with_server(0, 1, True, lambda port: asyncio.run(_trips("127.0.0.1", port, PASSWORD)))[1]
    taken = {"a peer that answers at once": peer}
    with contextlib.suppress(NoFreeSwitch):
        program = find_programs({PbxKind.FREESWITCH}, os.environ, ROOT)
        taken["a real FreeSWITCH"] = asyncio.run(_trips_to_a_real_switch(program))
    return [
        row(f"ESL: command to {who} and back, {share:.0%} within", round(sorted(each)[int(len(each) * share)], 3), "ms")
        for who, each in taken.items()
        for share in (0.5, 0.99)
    ]


def rss_mb() -> float:
    """Highest resident memory of this process, MiB. (getrusage would tell the parent's, too, before the exec.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def apart(reader: str, events: int, repeat: int) -> Row:
    """one(), in a fresh process, so that memory and garbage of one reader do not count for the next."""
    found = subprocess.run(
        [sys.executable, __file__, reader, str(events), str(repeat)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    result: Row = json.loads(found.stdout.splitlines()[-1])
    return result


def forged_headers() -> dict[str, int]:
    """How many of 1,000 citizens whose display name holds a line end write a header of their own, by reader."""
    green = __import__("greenswitch.esl", fromlist=["ESLEvent"]).ESLEvent
    found = {GREEN: 0, OURS: 0}
    for number in range(1000):
        block = f"CC-Action: honest\nCaller-Caller-ID-Name: x{number}%0ACC-Action%3A%20forged\nCC-Member-UUID: 1\n"
        found[GREEN] += green(block).headers["CC-Action"] != "honest"
        found[OURS] += EslEvent(block.encode()).get("CC-Action") != "honest"
    return found


def measure() -> list[Row]:
    """Rows {name, value, unit, against}: events per CPU second, ratios, forged headers, memory, round trips."""
    rows: list[Row] = []
    # Round after round, so that a busy minute of the machine hits every reader alike.
    rounds = [{reader: apart(reader, EVENTS, 1) for reader in READERS} for _ in range(ROUNDS)]
    for reader in READERS:
        rows.append(
            row(f"ESL: {reader}", round(statistics.median(found[reader]["per_s"] for found in rounds)), "events/CPU s")
        )
        ratio = statistics.median(found[reader]["per_s"] / found[HAND]["per_s"] for found in rounds)
        aim = ", aim 0.9" if reader == OURS else ""
        rows.append(row(f"ESL: {reader}, ratio", round(ratio, 2), "", HAND + aim))
        rows.append(row(f"ESL: {reader}, memory", round(max(found[reader]["rss_mb"] for found in rounds), 1), "MiB"))
    for reader, forged in forged_headers().items():
        rows.append(row(f"ESL: headers forged by 1,000 display names, {reader}", forged, "headers", "0"))
    few, many = apart(OURS, EVENTS, 1), apart(OURS, EVENTS, MANY // EVENTS + 1)
    rows.append(row(f"ESL: highest memory after {many['events']:,} events", round(many["rss_mb"], 1), "MiB", "200"))
    grown = round(many["rss_mb"] - few["rss_mb"], 1)
    rows.append(row(f"ESL: memory grown since {few['events']:,} events", grown, "MiB", "0"))
    rows += round_trips()
    return rows


def row(name: str, value: float, unit: str, against: str = "") -> Row:
    """One figure."""
    return {"name": name, "value": value, "unit": unit, "against": against}


if __name__ == "__main__":
    for line in [one(sys.argv[1], *map(int, sys.argv[2:]))] if sys.argv[1:] else measure():
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
