"""The composition root: the only place that builds links, stores, desk and controller, and runs them until told to stop."""

import asyncio
import contextlib
import functools
import importlib
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import structlog

from callctl.bookkeeping import BookKeeping
from callctl.controller import Controller
from callctl.core.acts import ActRefused
from callctl.core.commands import Order
from callctl.core.events import Fact, PbxLost, PbxObserved
from callctl.core.model import City, PbxKind, Province
from callctl.core.seat_acts import due_waves
from callctl.core.wishes import Wishes
from callctl.demands import Demands
from callctl.desk import Desk, DeskClosed
from callctl.foresight import Foresight
from callctl.hooks import Webhooks
from callctl.listening import Ear
from callctl.pbx.asterisk import AsteriskLink
from callctl.pbx.port import LOGIN_REFUSED, PbxLink
from callctl.people.accounts import People
from callctl.people.guessing import Guessing
from callctl.people.passwords import Scales
from callctl.people.signing import SignIn
from callctl.people.tokens import Tokens
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.scripts.desk import Scripts
from callctl.scripts.reading import Reading
from callctl.seating import Seating
from callctl.settings import Settings, SettingsError
from callctl.store.accounts import AccountBook
from callctl.store.bell import Bell
from callctl.store.calls import CallBook
from callctl.store.connect import books_at, open_cabinet, open_history, open_registry
from callctl.store.day import DayFigures
from callctl.store.drafts import Drafts
from callctl.store.hooks import HookBook
from callctl.store.notices import Notices
from callctl.store.port import History, Refusal, Registry, StoreLost
from callctl.store.scripts import ScriptBook
from callctl.store.seal import read_seal
from callctl.store.sitting import Sitting
from callctl.store.tries import Tries
from callctl.store.visits import Visits
from callctl.unmasking import Unmasking
from callctl.unsent import UnsentAudit

SETTLE_EVERY_S = 10.0  # How late an act made without SQL, or without Redis, may reach it once it is back.
STOP_WITHIN_S = 10.0  # A clean stop takes one order's deadline; systemd's own patience is 90 s.

CONSOLE_CONNECTIONS = 24  # To Redis: the pages that come back after a restart take half of them (web/gate.py TURNS).
STARTUP_S = 20.0  # A password refused in this time is a mistake of whoever starts us; later it is one city's trouble.

CLOCK = Actor("callctl", "clock", frozenset({Role.DISPATCHER}), frozenset({EVERYWHERE}))  # Who acts when a time has come.

log = structlog.get_logger()


class NotRunnable(Exception):
    """callctl cannot start here; str() is one line for each reason: what, where, how to mend it."""


@dataclass(frozen=True, slots=True)
class Room:
    """Everything a command needs to look and to act: the desk, and the stores it writes to."""

    province: Province
    desk: Desk
    registry: Registry
    history: History


@dataclass(frozen=True, slots=True)
class House:
    """Everything the console works on: the room, who is signed in, and who may be."""

    room: Room
    visits: Visits
    sign_in: SignIn
    people: People
    tokens: Tokens
    day: DayFigures
    drafts: Drafts
    phone_secret: Callable[[str, str], str]  # Of a city and seat; raises SettingsError.
    scripts: Scripts
    reading: Reading
    notices: Notices
    bell: Bell
    sitting: Sitting
    seating: Seating
    calls: CallBook
    hook_book: HookBook
    webhooks: Webhooks
    books: BookKeeping
    now: Callable[[], float]
    demands: Demands
    ear: Ear
    unmasking: Unmasking
    foresight: Foresight

    @property
    def province(self) -> Province:
        """The cities."""
        return self.room.province

    @property
    def desk(self) -> Desk:
        """What supervisors may do."""
        return self.room.desk


def narrowed(province: Province, codes: Iterable[str]) -> Province:
    """The province as if it had these cities only; every city where none is named."""
    kept = frozenset(codes) or frozenset(province.cities)
    return Province(
        MappingProxyType(
            {
                code: replace(city, trunks=tuple(trunk for trunk in city.trunks if trunk.to in kept))
                for code, city in province.cities.items()
                if code in kept
            }
        )
    )


def build_links(province: Province, settings: Settings, now: Callable[[], float]) -> Mapping[str, PbxLink]:
    """One link a city. Raises NotRunnable with every missing secret at once."""
    links: dict[str, PbxLink] = {}
    wrong = []
    freeswitch = _freeswitch_links(province, settings, now)
    for code, city in province.cities.items():
        try:
            if city.pbx.kind is PbxKind.FREESWITCH:
                links[code] = freeswitch(city)
            else:
                chance = secrets.SystemRandom().random
                links[code] = AsteriskLink(city, province, settings.ami_secret(code), now, chance)
        except (SettingsError, NotRunnable) as error:
            wrong.append(str(error))
    if wrong:
        raise NotRunnable("\n".join(wrong))
    return links


def _freeswitch_links(province: Province, settings: Settings, now: Callable[[], float]) -> Callable[[City], PbxLink]:
    """What makes a FreeSWITCH city's link. gevent is loaded with the first one: an Asterisk province never needs it."""

    @functools.cache
    def parts() -> tuple[Any, Any]:
        try:
            wire = importlib.import_module("callctl.pbx.esl_wire")
        except ImportError as error:
            raise NotRunnable(
                f'pbx.kind = "freeswitch" needs {error.name}: install callctl[freeswitch] (requirements-freeswitch.lock), '
                "or leave these cities out with --cities"
            ) from None
        return importlib.import_module("callctl.pbx.freeswitch").FreeSwitchLink, wire.EslThread()

    def link(city: City) -> PbxLink:
        secret = settings.ami_secret(city.code)
        kind, thread = parts()
        made: PbxLink = kind(city, province, secret, now, secrets.SystemRandom().random, thread)
        return made

    return link


class WatchedLink:
    """A link that logs when its PBX comes and goes, and reports a password refused before it ever let us in."""

    def __init__(self, link: PbxLink, on_refused: Callable[[str], None]) -> None:
        self._link = link
        self._on_refused = on_refused
        self._let_in = self._up = False
        self._log = log.bind(city=link.city)

    @property
    def city(self) -> str:
        """See PbxLink."""
        return self._link.city

    async def run(self, on_fact: Callable[[Fact], None]) -> None:
        """See PbxLink."""

        def pass_on(fact: Fact) -> None:
            if isinstance(fact, PbxObserved | PbxLost):
                self._look_at(fact)
            on_fact(fact)

        await self._link.run(pass_on)

    def _look_at(self, fact: PbxObserved | PbxLost) -> None:
        if isinstance(fact, PbxObserved):
            if not self._up:
                self._log.info("PBX read", waiting=len(fact.waiting), loans=len(fact.loans), slots=len(fact.slots))
            self._let_in = self._up = True
            return
        self._up = False
        self._log.warning("PBX lost", why=fact.reason)
        if fact.reason.startswith(LOGIN_REFUSED) and not self._let_in:
            self._on_refused(f"{fact.city}: {fact.reason}")

    async def do(self, order: Order) -> None:
        """See PbxLink."""
        await self._link.do(order)

    async def reread(self) -> None:
        """See PbxLink."""
        await self._link.reread()


def check_state_folder(settings: Settings) -> None:
    """Make the state folder where it is missing. Raises NotRunnable where it cannot be written."""
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=settings.state_dir):
            pass
    except OSError as error:
        raise NotRunnable(
            f"the state folder {settings.state_dir} cannot be written ({error.strerror}): "
            "mend its owner or rights, or name another one in CALLCTL_STATE"
        ) from None


@asynccontextmanager
async def open_room(settings: Settings, province: Province, now: Callable[[], float]) -> AsyncIterator[Room]:
    """The stores and the desk, for one command or for as long as the controller runs. Raises NotRunnable, StoreLost."""
    check_state_folder(settings)
    async with open_registry(settings) as registry, open_history(settings) as history:
        desk = Desk(province, registry, history, now, UnsentAudit(settings.state_dir))
        yield Room(province, desk, registry, history)


@asynccontextmanager
async def open_house(settings: Settings, province: Province, now: Callable[[], float]) -> AsyncIterator[House]:
    """The room and the console's own cabinet, for as long as the console runs. Raises NotRunnable, StoreLost."""
    check_state_folder(settings)
    async with (
        open_registry(settings, CONSOLE_CONNECTIONS) as registry,
        open_history(settings) as history,
        open_cabinet(settings) as cabinet,
        books_at(settings) as kept,
        AsyncExitStack() as stack,
    ):
        desk = Desk(province, registry, history, now, UnsentAudit(settings.state_dir))
        visits, book, scales = Visits(registry.link), AccountBook(cabinet), Scales()
        guessing = Guessing(Tries(registry.link), book, scales, now)
        written, notices = ScriptBook(cabinet), Notices(registry.link)
        seal = read_seal(settings)
        sitting, calls, hooks = Sitting(registry), CallBook(cabinet, seal), HookBook(cabinet)
        drafts = Drafts(registry.link)
        foresight = Foresight(province, cabinet, now)
        stack.push_async_callback(foresight.close)
        yield House(
            room=Room(province, desk, registry, history),
            visits=visits,
            sign_in=SignIn(book, visits, guessing, scales, now),
            people=People(province, book, visits, guessing, scales, now),
            tokens=Tokens(book, now),
            day=DayFigures(cabinet),
            drafts=drafts,
            phone_secret=settings.phone_secret,
            scripts=Scripts(province, written, now),
            reading=Reading(province, written, registry, notices, sitting, now),
            notices=notices,
            bell=Bell(registry.link),
            sitting=sitting,
            seating=Seating(province, registry, sitting, calls, now),
            calls=calls,
            hook_book=hooks,
            webhooks=Webhooks(hooks, now),
            books=BookKeeping(kept, province, now),
            now=now,
            demands=Demands(cabinet, calls, sitting, settings, seal, now),
            foresight=foresight,
            ear=Ear(province, registry, sitting, calls, now),
            unmasking=Unmasking(calls, now),
        )


async def run_controller(settings: Settings, province: Province, now: Callable[[], float], keep_going: bool) -> None:
    """Run the controller until SIGTERM or SIGINT. Raises NotRunnable, and whatever the controller itself raises.

    A PBX that refuses the password at start-up is a NotRunnable, unless `keep_going` (a service that restarts by itself
    must not leave thirteen cities alone for the sake of one).
    """
    links = build_links(province, settings, now)
    holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    async with open_room(settings, province, now) as room:
        loop = asyncio.get_running_loop()
        stop: asyncio.Future[str] = loop.create_future()  # "" on a signal, else why we cannot run.
        starting_until = loop.time() + (0.0 if keep_going else STARTUP_S)

        def refused(reason: str) -> None:
            if loop.time() < starting_until and not stop.done():
                stop.set_result(reason)

        def signalled() -> None:
            if not stop.done():
                stop.set_result("")

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, signalled)
        watched = {code: WatchedLink(link, refused) for code, link in links.items()}
        controller = Controller(province, watched, room.registry, room.history, now, holder)
        tasks = [
            asyncio.create_task(controller.run(), name="controller"),
            asyncio.create_task(_settle(room.desk), name="settle"),
            asyncio.create_task(_watchdog(settings.environment), name="watchdog"),
        ]
        notify(settings.environment, "READY=1")
        log.info("controller started", holder=holder, cities=list(province.cities))
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, stop]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            notify(settings.environment, "STOPPING=1")
            await _end(tasks)
        log.info("controller stopped", holder=holder)
        if stop.done() and stop.result():
            raise NotRunnable(stop.result())


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what still runs and raise what failed by itself."""
    failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for task in tasks:
        task.cancel()
    _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
    for task in late:
        log.warning("a task did not stop in time", task=task.get_name(), within_s=STOP_WITHIN_S)
    for fault in failed:
        if fault is not None:
            raise fault


async def _settle(desk: Desk) -> None:
    while True:
        await catch_up(desk)
        await asyncio.sleep(SETTLE_EVERY_S)


async def catch_up(desk: Desk) -> None:
    """Give each store what only the other one, or this machine's disk, knows of the supervisors' acts."""
    count = await desk.settle()
    if count:
        log.info("kept audit entries written", count=count)
    with contextlib.suppress(DeskClosed):  # Both are lost: nothing to give.
        await let_waves_in(desk, await desk.wishes())


async def let_waves_in(desk: Desk, wishes: Wishes) -> None:
    """Press for the waves whose announced time has come. Every controller may: the second finds it done."""
    for act in due_waves(wishes, desk.now):
        wave = next(one for one in wishes.events[act.city].waves if one.number == act.number)
        once = f"{wishes.events[act.city].id}.{act.number}.{wave.planned_at:.0f}"
        try:
            await desk.do(CLOCK, act, "按公告时间入场", once)
        except (ActRefused, Refusal, StoreLost) as why:
            log.warning("a wave could not enter by itself", city=act.city, wave=act.number, why=str(why))


async def _watchdog(environment: Mapping[str, str]) -> None:
    """Tell systemd that the loop turns, twice as often as it wants (man sd_watchdog_enabled)."""
    interval_s = int(environment.get("WATCHDOG_USEC") or 0) / 2e6
    while True:
        if interval_s:
            notify(environment, "WATCHDOG=1")
        await asyncio.sleep(interval_s or 3600.0)


def notify(environment: Mapping[str, str], state: str) -> None:
    """Tell systemd (man sd_notify); nothing happens where callctl was not started by it."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = "\0" + address[1:]
    if address:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gate:
            gate.connect(address)
            gate.send(state.encode())
