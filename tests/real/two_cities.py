"""Two real cities for the contract suite, alpha and beta, whose trunk and whose manager links can be cut by a test."""

import asyncio
import contextlib
import random
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from callctl import clock
from callctl.core.model import PbxKind
from callctl.lab.call import PhoneCall
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.phone import ANSWERS, NEVER_ANSWERS, Habit
from callctl.pbx import asterisk, freeswitch
from callctl.pbx.asterisk import AsteriskLink
from callctl.pbx.asterisk_names import HEARTBEAT_STALE_S
from callctl.pbx.esl_wire import EslThread
from callctl.pbx.freeswitch import FreeSwitchLink
from callctl.pbx.port import PbxLink
from callctl.render.asterisk import AsteriskTimes
from tests.pbx.driver import LoopDriver, Story
from tests.real.floor import Floor
from tests.real.mixed import until_asked

PLACES = {"alpha": 60, "beta": 61}  # The third number of the address; far from the cities of Jiangsu.
SEATS = {"alpha": 1, "beta": 2}
QUEUE = {"wrapup_s": 3, "offer_callback": True, "survey": True, "notice": ""}
# Shorter than a city's, in the same order: each ring is shorter than the one around it.
TIMES = AsteriskTimes(home_ring_s=8, slot_ring_s=7, support_ring_s=5, slot_silence_s=2, rtp_timeout_s=6, rtp_keepalive_s=2)
# The deadline is not that short: on a busy machine a switch itself has been late by 2 s ("Task was executed late").
QUICK = asterisk.Timing(deadline_s=6.0, ping_every_s=1.0, backoff_first_s=0.3, backoff_most_s=1.0)
QUICK_FREESWITCH = freeswitch.Timing(deadline_s=6.0, ping_every_s=1.0, backoff_first_s=0.3, backoff_most_s=1.0)
STALE_FOR_S = HEARTBEAT_STALE_S + 60
NO_SUCH_QUEUE = {PbxKind.ASTERISK: "No such queue", PbxKind.FREESWITCH: "Queue not found!"}


def two_cities(folder: Path, programs: Programs, network: int, kinds: Mapping[str, PbxKind]) -> Lab:
    """The lab of the two, not yet started. The trunk between them goes over a Trunk (below)."""
    source = folder / "source"
    for code, place in PLACES.items():
        _write(source / "queues" / f"{code}.toml", _queues(code, place, kinds[code]))
        _write(source / "agents" / f"{code}.toml", _agents(code, place))
    plan = LabPlan(folder / "lab", source, tuple(PLACES), max(SEATS.values()), network=network, queue=QUEUE, times=TIMES)
    lab = Lab(plan, programs)
    lab.prepare()
    return lab


def seats_of(code: str) -> list[str]:
    """The seat ids of one of the two."""
    return [f"{PLACES[code]}{number:03d}" for number in range(1, SEATS[code] + 1)]


def _queues(code: str, place: int, kind: PbxKind) -> str:
    [other] = set(PLACES) - {code}
    return f"""
name_zh = "{code}"
area_code = "05{place}"
[pbx]
kind = "{kind.value}"
ami_port = {5038 if kind is PbxKind.ASTERISK else 8021}
host = "127.0.{place}.1"
carrier = "127.0.1.{place}"
phones = "127.0.{place + 100}.0/24"
[lend]
reserve = 0
quota = {SEATS[code]}
helps = ["*"]
[[trunk]]
to = "{other}"
host = "127.0.{PLACES[other]}.2"
channels = 30
"""


def _agents(code: str, place: int) -> str:
    seat = '[[seat]]\nid = "{0}"\nagent = "{0}"\nname = "话务员"\nlend = "shared"\nskills = ["mandarin"]\n'
    return "\n".join(seat.format(seat_id) for seat_id in seats_of(code))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_CONTACT = re.compile(rb"^(?:Contact|m): .*$", re.MULTILINE)


class _End(asyncio.DatagramProtocol):
    def __init__(self, on_datagram: Callable[[bytes], None]) -> None:
        self._on_datagram = on_datagram

    def datagram_received(self, datagram: bytes, _: tuple[str, int]) -> None:
        self._on_datagram(datagram)


class Trunk:
    """The signalling between the two cities: what one sends to 127.0.<other>.2 comes to the other from 127.0.<one>.2."""

    def __init__(self, network: int) -> None:
        self.up = True
        self._network = network
        self._ends: dict[str, asyncio.DatagramTransport] = {}

    async def open(self) -> None:
        """Take both addresses. Raises OSError."""
        for code in PLACES:
            self._ends[code] = await self._open(code)

    async def _open(self, code: str) -> asyncio.DatagramTransport:
        [other] = set(PLACES) - {code}  # What arrives at this city's stand-in address comes from the other.
        loop, address = asyncio.get_running_loop(), f"127.{self._network}.{PLACES[code]}"

        own, shown = f"127.{self._network}.{PLACES[other]}.1".encode(), f"127.{self._network}.{PLACES[other]}.2".encode()

        def pass_on(datagram: bytes) -> None:
            # Also what belongs to a call takes this way: a PBX lets nothing in from an address that is no city's.
            contact = _CONTACT.sub(lambda found: found[0].replace(own, shown), datagram)
            if self.up and other in self._ends:
                self._ends[other].sendto(contact, (f"{address}.1", 5060))

        transport, _ = await loop.create_datagram_endpoint(lambda: _End(pass_on), local_addr=(f"{address}.2", 5060))
        return transport

    def close(self) -> None:
        """Give the addresses back."""
        for end in self._ends.values():
            end.close()


class Gate:
    """The way from callctl to one PBX's manager port; shut, it drops the connection and lets nobody in."""

    def __init__(self, host: str, port: int) -> None:
        self.open = True
        self.address = ("", 0)
        self._pbx = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a port of our own."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            if self.open:
                far_reader, far_writer = await asyncio.open_connection(*self._pbx)
                self._writers.add(far_writer)
                await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        writer.close()

    def shut(self) -> None:
        """Cut every connection, let no new one in."""
        self.open = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def stop(self) -> None:
        """End it."""
        self.shut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
    writer.close()


class PairDriver(LoopDriver):
    """Moves the two real cities, whatever PBXs they run."""

    def __init__(self, lab: Lab) -> None:
        self._thread = EslThread()
        self._floor = Floor(lab)
        self._trunk = Trunk(lab.plan.network)
        self._gates = {
            code: Gate(city.pbx.ami_host or city.pbx.host, city.pbx.ami_port) for code, city in lab.province.cities.items()
        }
        self._calls: dict[str, PhoneCall] = {}
        [self.alpha_seat] = seats_of("alpha")
        self.beta_seats = seats_of("beta")
        self.wrapup_s = lab.province.cities["alpha"].queue.wrapup_s
        self.no_such_queue = NO_SUCH_QUEUE[self._kind("beta")]

    async def open(self) -> None:
        """The cities as new, every phone registered, the links running."""
        lab = self._floor.lab
        await self._trunk.open()
        await self._floor.reset()
        await lab.until_trunks_up()
        links = []
        for code, gate in self._gates.items():
            await self._floor.log_in(code, habit=ANSWERS)
            await until_asked(lambda code=code: self._all_free(code), 10.0)  # A PBX takes a moment to believe it.
            await gate.start()
            links.append(self._link(code, gate))
        super().__init__(*links)
        self.start()

    async def _all_free(self, code: str) -> bool:
        return await self._floor.acts(code).free_seats() == set(seats_of(code))

    def _link(self, code: str, gate: Gate) -> PbxLink:
        city, lab = self._floor.city(code), self._floor.lab
        there = replace(city, pbx=replace(city.pbx, ami_host=gate.address[0], ami_port=gate.address[1]))
        secret, rng = lab.settings.ami_secret(code), random.Random(1)
        if city.pbx.kind is PbxKind.FREESWITCH:
            clock_now, chance = clock.now, rng.random
            return FreeSwitchLink(there, lab.province, secret, clock_now, chance, self._thread, timing=QUICK_FREESWITCH)
        return AsteriskLink(there, lab.province, secret, clock.now, rng.random, timing=QUICK)

    def _kind(self, code: str) -> PbxKind:
        return self._floor.city(code).pbx.kind

    def forgets_at_boot(self, link: PbxLink) -> bool:
        return self._kind(link.city) is PbxKind.FREESWITCH

    async def close(self) -> None:
        """Give everything back; the PBXs stay."""
        for link in (self.alpha, self.beta):
            self._floor.pbx(link.city).thaw()
        await self.stop()
        for gate in self._gates.values():
            await gate.stop()
        await self._floor.close()
        self._trunk.close()
        self._thread.close()

    def _city(self, seat: str) -> str:
        return "alpha" if seat == self.alpha_seat else "beta"

    async def ask(self, code: str, command: str) -> str:
        """What that PBX answers to a command of its own command line."""
        return (await self._floor.pbx(code).cli(command)).strip()

    async def write_books(self, statement: str, values: tuple[str, ...]) -> None:
        """Change what alpha's mod_callcenter has written down, as its own mistakes do."""
        path = self._floor.pbx("alpha").folders.varlib / "db" / "callcenter.db"
        with contextlib.closing(sqlite3.connect(path, timeout=5.0)) as books, books:
            books.execute(statement, values)

    async def citizen_writes(self, number: str, name: str, headers: Mapping[str, str]) -> None:
        """A citizen calls alpha with a display name and headers of his own."""
        carrier = await self._floor.carrier("alpha")
        self._calls[number] = await carrier.call("12345", caller=number, name=name, headers=tuple(headers.items()))
        await self._calls[number].until_up()

    # What the contract asks for
    async def citizen_calls(self, number: str) -> None:
        self._calls[number] = await self._floor.citizen("alpha", number)

    async def citizen_hangs_up(self, number: str) -> None:
        self._calls[number].hang_up()

    async def citizen_presses(self, number: str, key: str) -> None:
        self._calls[number].press(key)

    async def agent(self, seat: str, answers_after_s: float | None) -> None:
        habit = NEVER_ANSWERS if answers_after_s is None else Habit(answer_after_s=answers_after_s)
        self._floor.phone(self._city(seat), seat).habit = habit

    async def agent_hangs_up(self, seat: str) -> None:
        self._floor.phone(self._city(seat), seat).last.hang_up()

    async def agent_leaves(self, seat: str) -> None:
        await self._floor.phone(self._city(seat), seat).unregister()

    async def agent_comes(self, seat: str) -> None:
        await self._floor.phone(self._city(seat), seat).register()

    async def pause(self, seat: str) -> None:
        await self._set_ready(seat, "pause", "On Break")

    async def unpause(self, seat: str) -> None:
        await self._set_ready(seat, "unpause", "Available")

    async def _set_ready(self, seat: str, act: str, status: str) -> None:
        code = self._city(seat)
        if self._kind(code) is PbxKind.FREESWITCH:
            await self.ask(code, f"callcenter_config agent set status {seat} '{status}'")
        else:
            await self.ask(code, f"queue {act} member PJSIP/{seat} queue q12345")

    async def let_heartbeat_age(self, link: PbxLink) -> None:
        await self._floor.beat(link.city, age_s=STALE_FOR_S)

    async def cut(self, link: PbxLink) -> None:
        self._gates[link.city].shut()

    async def mend(self, link: PbxLink) -> None:
        self._gates[link.city].open = True

    async def break_trunk(self) -> None:
        self._trunk.up = False

    async def mend_trunk(self) -> None:
        self._trunk.up = True

    async def freeze(self, link: PbxLink) -> None:
        self._floor.pbx(link.city).freeze()

    async def thaw(self, link: PbxLink) -> None:
        self._floor.pbx(link.city).thaw()

    async def kill(self, link: PbxLink) -> None:
        self._floor.pbx(link.city).kill()

    async def boot(self, link: PbxLink) -> None:
        await self._floor.pbx(link.city).start()
        for seat in seats_of(link.city):  # As phones do when their PBX is back.
            await self._floor.phone(link.city, seat).register()


async def tell(lab: Lab, story: Story) -> None:
    """One story on the two cities."""
    driver = PairDriver(lab)
    try:
        await driver.open()
        await story(driver)
    finally:
        await driver.close()
