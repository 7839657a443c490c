"""How fast one process takes in what an Asterisk says: bytes over TCP to facts, beside three other ways to read them.

PYTHONPATH=. python bench/ami_ingest.py            prints a table; `make bench` collects measure()
"""

import asyncio
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
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from callctl.controller import GC_THRESHOLDS
from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, QueueRules, Seat, Trunk
from callctl.pbx.ami_wire import AmiWire
from callctl.pbx.asterisk_map import AsteriskMap
from callctl.pbx.wire import Disconnected

RECORDINGS = Path(__file__).resolve().parent.parent / "tests" / "pbx" / "recordings"
STREAMS = {
    "filtered": "lost-leg-yangzhou.ami.gz",  # What crosses the wire with the rendered eventfilter.
    "unfiltered": "slot-success-all-yangzhou.ami.gz",  # read=all, as a site without our filter would send it.
}
ROUNDS = 3
EVENTS = 60_000  # A stream; a few seconds for all four readers.
MANY = 1_000_000
CHUNK = 1448  # Bytes a write: one Ethernet segment, so that names do get cut in two.
NAME = "李四 Event: Hangup"  # The caller's name in the recordings.

Row = dict[str, Any]


def city() -> City:
    """The city of the recordings."""
    seats = tuple(Seat(number, f"a{number}", "", Lending.SHARED) for number in ("2001", "2002"))
    trunks = (Trunk("xuzhou", "127.0.12.1", 30),)
    pbx = PbxAddress(PbxKind.ASTERISK, "127.0.19.1")
    return City("yangzhou", "扬州", "0514", pbx, QueueRules(), LendRules(), trunks, seats)


def stream(recording: str, events: int) -> bytes:
    """The recording's events over and over, every copy with call ids of its own."""
    raw = gzip.decompress((RECORDINGS / recording).read_bytes()).split(b"\r\n", 1)[1]
    frames = [frame for frame in raw.split(b"\r\n\r\n") if b"\r\nPrivilege: " in frame]
    once = b"\r\n\r\n".join(frames) + b"\r\n\r\n"
    copies = (
        re.sub(rb"yangzhou-(\d+)\.(\d+)", rb"yangzhou-\g<1>.%d\g<2>" % number, once)
        for number in range(events // len(frames))
    )
    return b"Asterisk Call Manager/11.0.0\r\n" + b"".join(copies)


def serve(listener: socket.socket, recording: str, events: int, repeat: int) -> None:
    """Send the stream, in segments, and close."""
    content = stream(recording, events)
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    banner, _, body = content.partition(b"\r\n")
    peer.sendall(banner + b"\r\n")
    for _ in range(repeat):
        for start in range(0, len(body), CHUNK):
            peer.sendall(body[start : start + CHUNK])
    peer.close()


class Splitter(asyncio.Protocol):
    """The floor: cut the stream, look at nothing."""

    def __init__(self) -> None:
        self.rest, self.events, self.damaged, self.done = b"", 0, 0, asyncio.Event()

    def data_received(self, chunk: bytes) -> None:
        *frames, self.rest = (self.rest + chunk).split(b"\r\n\r\n")
        for frame in frames:
            self.read(frame)

    def read(self, frame: bytes) -> None:
        self.events += 1

    def connection_lost(self, exc: BaseException | None) -> None:
        self.done.set()


class ByHand(Splitter):
    """What one would write in half an hour: every message a dict."""

    def read(self, frame: bytes) -> None:
        headers = {}
        for line in frame.decode("utf-8", "replace").split("\r\n"):
            key, _, value = line.partition(": ")
            headers[key] = value
        self.events += "Event" in headers
        self.damaged += "\ufffd" in headers.get("CallerIDName", "")


async def by_protocol(kind: type[Splitter], port: int) -> tuple[int, int, int]:
    """Events, damaged names, facts."""
    _, reader = await asyncio.get_running_loop().create_connection(kind, "127.0.0.1", port)
    await reader.done.wait()
    return reader.events, reader.damaged, 0


async def by_panoramisk(port: int) -> tuple[int, int, int]:
    """panoramisk 1.4 as it is, one callback for everything."""
    events = damaged = 0
    gone = asyncio.Event()

    def take(manager: Manager, message: Any) -> None:
        nonlocal events, damaged
        events += 1
        name = message.calleridname
        damaged += bool(name) and name not in (NAME, "<unknown>") and not name.isascii()

    manager = Manager(host="127.0.0.1", port=port, ping_delay=3600, reconnect_timeout=3600)
    manager.on_disconnect = lambda *_: gone.set()
    manager.register_event("*", take)
    await manager.connect()
    await gone.wait()
    return events, damaged, 0


async def by_callctl(port: int, mapped: bool = True) -> tuple[int, int, int]:
    """The link's own path: wire, inbox, and the map where wished."""
    gc.set_threshold(*GC_THRESHOLDS)  # As the controller does; the hand-written parser keeps nothing to be collected.
    chart = AsteriskMap(city(), ("yangzhou", "xuzhou"))
    _, wire = await asyncio.get_running_loop().create_connection(AmiWire, "127.0.0.1", port)
    events = damaged = facts = 0
    try:
        while True:
            batch = await wire.take(500)
            events += len(batch)
            for message in batch:
                if mapped and not (message.forged and chart.reads(message.fields)):
                    facts += len(chart.facts(message.fields, 1e10))
                damaged += "\ufffd" in message.fields.get("CallerIDName", "")
            await asyncio.sleep(0)
    except Disconnected:
        return events, damaged, facts


HAND = "hand-written parser"
READERS: dict[str, Callable[[int], Coroutine[Any, Any, tuple[int, int, int]]]] = {
    "bare splitter": lambda port: by_protocol(Splitter, port),
    HAND: lambda port: by_protocol(ByHand, port),
    "panoramisk 1.4": by_panoramisk,
    "callctl, to messages": lambda port: by_callctl(port, mapped=False),
    "callctl, to facts": by_callctl,
}


def one(reader: str, recording: str, events: int, repeat: int) -> Row:
    """One reader on one stream, in this process; the server is a process of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener, recording, events, repeat))
    server.start()
    listener.close()
    began = time.process_time()
    count, damaged, facts = asyncio.run(READERS[reader](port))
    cpu_s = time.process_time() - began
    server.join()
    return {"events": count, "damaged": damaged, "facts": facts, "per_s": count / cpu_s, "rss_mb": rss_mb()}


def rss_mb() -> float:
    """Highest resident memory of this process, MiB. (getrusage would tell the parent's, too, before the exec.)"""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]


def apart(reader: str, recording: str, events: int, repeat: int) -> Row:
    """one(), in a fresh process, so that memory and garbage of one reader do not count for the next."""
    found = subprocess.run(
        [sys.executable, __file__, reader, recording, str(events), str(repeat)],
        env={**os.environ, "PYTHONPATH": str(RECORDINGS.parent.parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    result: Row = json.loads(found.stdout)
    return result


class Names:
    """Counts the names a parser has damaged; stands where panoramisk expects its Manager."""

    save_stream = None

    def __init__(self) -> None:
        self.heard = self.damaged = 0

    def dispatch(self, message: Any) -> None:
        name = message.get("CallerIDName", NAME)
        self.heard += 1
        self.damaged += not name.isascii() and name != NAME


def damaged_names(events: int) -> dict[str, int]:
    """How many names are wrong when every read is one Ethernet segment, as on a real network."""
    content = stream(STREAMS["filtered"], events)
    plain, ours, theirs = AMIProtocol(), AmiWire(), Names()
    plain.connection_made(None)
    plain.factory, plain.encoding = theirs, "utf8"
    ours.connection_made(_NoSocket())
    found = Names()
    for start in range(0, len(content), CHUNK):
        chunk = content[start : start + CHUNK]
        plain.data_received(chunk)
        ours.data_received(chunk)
        for message in ours.take_now(events):
            found.dispatch(message)
    return {"panoramisk 1.4": theirs.damaged, "callctl, to facts": found.damaged}


class _NoSocket(asyncio.Transport):
    """Nothing is sent in this measurement."""


def measure() -> list[Row]:
    """Rows {name, value, unit, against}: events per CPU second, ratios, damaged names, memory."""
    rows: list[Row] = []
    for kind, recording in STREAMS.items():
        # Round after round, so that a busy minute of the machine hits every reader alike.
        rounds = [{reader: apart(reader, recording, EVENTS, 1)["per_s"] for reader in READERS} for _ in range(ROUNDS)]
        for reader in READERS:
            per_s = statistics.median(found[reader] for found in rounds)
            ratio = statistics.median(found[reader] / found[HAND] for found in rounds)
            rows.append(row(f"AMI {kind}: {reader}", round(per_s), "events/CPU s", ""))
            aim = ", aim 0.5" if reader == "callctl, to facts" else ""
            rows.append(row(f"AMI {kind}: {reader}, ratio", round(ratio, 2), "", HAND + aim))
    for reader, damaged in damaged_names(20_000).items():
        rows.append(row(f"AMI: names damaged in 20,000 events of 1,448-byte reads, {reader}", damaged, "names", "0"))
    few = apart("callctl, to facts", STREAMS["filtered"], EVENTS, 1)
    many = apart("callctl, to facts", STREAMS["filtered"], EVENTS, MANY // EVENTS + 1)
    rows.append(row(f"AMI: highest memory after {many['events']:,} events", round(many["rss_mb"], 1), "MiB", "200"))
    grown = round(many["rss_mb"] - few["rss_mb"], 1)
    rows.append(row(f"AMI: memory grown since {few['events']:,} events", grown, "MiB", "0"))
    return rows


def row(name: str, value: float, unit: str, against: str) -> Row:
    """One figure."""
    return {"name": name, "value": value, "unit": unit, "against": against}


if __name__ == "__main__":
    for line in [one(*sys.argv[1:3], *map(int, sys.argv[3:]))] if sys.argv[1:] else measure():
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
