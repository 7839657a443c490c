"""Connections to FreeSWITCH event sockets (ESL): bytes in, whole events out; every command ends in an answer or an error.

greenswitch 0.0.19 supplies the connection, the login and the order of answers. It wants gevent, so all connections of
this process share one thread with its own gevent hub; nothing is monkey-patched, and asyncio sees queues only. What of
greenswitch is not used, and why: docs/decisions/0010-greenswitch-in-its-own-thread.md.

A switch whose client reads slowly keeps its events in memory and may stand still (docs/MEASURED.md). So the thread always
reads, and a connection that brings more than callctl can take in is given up: a reading after it costs less.
"""

import asyncio
import atexit
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable

import gevent
import gevent.event
import gevent.lock
import gevent.socket
from greenswitch.esl import InboundESL, NotConnectedError

from callctl.pbx.esl_frames import Answer, BrokenStreamError, EslEvent, Frames, text_of
from callctl.pbx.wire import FORBIDDEN, Disconnected, LoginRefused, Refused, Unanswered, WireError

MOST_EVENTS = 20_000  # Not yet taken; a hotline at its worst brings some hundred a second.
MOST_EVENT_BYTES = 32 * 1024 * 1024  # Of them together: one alone may be as long as MOST_BODY.
MOST_PENDING = 1_000  # Commands under way; each is gone after its deadline.
MOST_COMMAND = 4_000  # Bytes of a command; ours are below 500.
CHUNK = 256 * 1024  # Bytes a read.
LAST_TURNS = 5  # Of the hub before it ends: gevent closes a socket one turn after it was told to.
GRACE_S = 1.0  # After a deadline that the thread keeps itself.
ENDED_WITHIN_S = 30.0  # The thread, which waits for nobody; a busy machine may need a while.


class EslThread:
    """The thread in which all connections live. One a process; starts with the first connection."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._running = threading.Event()
        self._starting = threading.Lock()

    def do(self, work: Callable[..., None], *given: object) -> None:
        """Have the thread call work(*given) in a greenlet of its own; never waits. Raises Disconnected once it ended."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="esl", daemon=True)
                self._thread.start()
                # A hub that still turns while the interpreter goes away crashes it (every second time, measured).
                atexit.register(self.close)
            self._running.wait()
            if not self._thread.is_alive():  # And every connection with it.
                raise Disconnected("the thread of the connections to FreeSWITCH has ended")
            self._hub.loop.run_callback_threadsafe(gevent.spawn, work, *given)

    def _run(self) -> None:
        self._hub = gevent.get_hub()
        self._stop = gevent.event.Event()
        awake = self._hub.loop.async_()  # Without something to watch the hub would end at once.
        awake.start(lambda: None)
        self._running.set()
        self._stop.wait()
        for _ in range(LAST_TURNS):
            gevent.sleep(0)
        awake.stop()
        awake.close()
        self._hub.destroy(destroy_loop=True)

    def close(self) -> None:
        """End the thread and every connection in it; at the latest when the program ends. Safe to repeat."""
        with self._starting:
            if self._thread is not None and self._thread.is_alive():
                self._running.wait()
                self._hub.loop.run_callback_threadsafe(self._stop.set)
                self._thread.join(ENDED_WITHIN_S)
        atexit.unregister(self.close)


class _Connection(InboundESL):  # type: ignore[misc]
    """greenswitch's connection, in the thread. Everything of it that could wait for ever, or trust, is replaced."""

    def __init__(self, wire: "EslWire", host: str, port: int, password: str, deadline_s: float) -> None:
        super().__init__(host, port, password, deadline_s)
        self._wire = wire
        self._writing = gevent.lock.Semaphore()  # One writer a socket; and answers come in the order of the writes.
        self._login = gevent.event.AsyncResult()
        self.dropped = False

    def open(self) -> None:
        """Connect and log in; the wire is told how it went."""
        try:
            with gevent.Timeout(self.timeout):
                self.connect()
        except gevent.Timeout:
            self.drop(f"no connection to {self.host}:{self.port} within {self.timeout:g} s", Unanswered)
        except Exception as error:  # Also what a host's name can do wrong: whoever waits must be told.
            self.drop(str(error) or type(error).__name__)
        else:
            if not self.dropped:
                self._wire.opened()

    def connect(self) -> None:
        """As greenswitch's, for addresses of every family, and noticing a peer that vanished."""
        self.sock = gevent.socket.create_connection((self.host, self.port), self.timeout)
        if self.dropped:  # Given up while we were connecting.
            self.sock.close()
            raise NotConnectedError(self._wire.reason)
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connected = True
        self.start_event_handlers()
        self._auth_request_event.wait()
        if not self.connected:
            raise NotConnectedError(self._wire.reason)
        self.authenticate()

    def authenticate(self) -> bool:
        """Log in; True once it was accepted, else the connection has ended."""
        self.write(f"auth {self.password}", self._take_login)
        return bool(self._login.get())

    def _take_login(self, word: bytes) -> None:
        """At once, in the reader: a refusal and the good-bye after it come together."""
        accepted = word.startswith(b"+OK")
        if not accepted:
            self.drop(text_of(word).removeprefix("-ERR ") or "refused", LoginRefused)
        self._login.set(accepted)

    def start_event_handlers(self) -> None:
        """Only the reader: events go straight to the wire, not through greenswitch's unbounded queue."""
        self._receive_events_greenlet = gevent.spawn(self.receive_events)

    def receive_events(self) -> None:
        """Read until the end. Whatever is wrong with the stream ends the connection at once."""
        frames = Frames()
        try:
            while True:
                chunk = self.sock.recv(CHUNK)
                if not chunk:
                    return self.drop("the PBX closed the connection")
                events: list[EslEvent] = []
                for frame in frames.feed(chunk):
                    if isinstance(frame, EslEvent):
                        events.append(frame)
                        continue
                    self._wire.put(events)  # First what came first: the answer may be a good-bye.
                    events = []
                    self.take(frame)
                self._wire.put(events)
                gevent.sleep(0)  # A flood from one city must not keep the others waiting.
        except Exception as error:  # The reader must never end without a word: commands would wait for ever.
            self.drop(str(error) or type(error).__name__)

    def take(self, answer: Answer) -> None:
        """Whatever is no event."""
        match answer.kind:
            case "command/reply" | "api/response":
                if not self._commands_sent:
                    raise BrokenStreamError("an answer that nobody asked for")
                word = answer.headers.get("Reply-Text", "").encode()
                self._commands_sent.pop(0)(word if answer.kind == "command/reply" else answer.body)
            case "auth/request":
                self._auth_request_event.set()
            case "text/rude-rejection":
                self.drop(f"{text_of(answer.body).strip()} (our address is not in its ACL)", LoginRefused)
            case "text/disconnect-notice":
                self.drop("the PBX said good-bye")

    def write(self, command: str, take_answer: Callable[[bytes], object]) -> None:
        """Send one command; take_answer is called with the answer, unless the connection ends before."""
        try:
            with self._writing:
                if self.dropped:
                    return
                self._commands_sent.append(take_answer)
                self.sock.sendall(f"{command}\n\n".encode())
        except OSError as error:
            self.drop(str(error))

    def drop(self, reason: str, kind: type[WireError] = Disconnected) -> None:
        """End the connection and say why; once."""
        if self.dropped:
            return
        self.dropped = True
        self.connected = False
        self._wire.ended(kind, reason)
        self._commands_sent.clear()
        self._auth_request_event.set()  # Whoever waits for it looks at `connected`.
        self._login.set(False)
        with contextlib.suppress(AttributeError, OSError):
            self.sock.close()


class EslWire:
    """One connection as asyncio sees it. Belongs to the loop it was opened in; use open_wire()."""

    def __init__(self, thread: EslThread, host: str, port: int, password: str, deadline_s: float) -> None:
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._connection = _Connection(self, host, port, password, deadline_s)
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._pending: set[asyncio.Future[bytes]] = set()
        self._unanswered = 0  # Commands accepted and not answered, written or not; also those whose deadline has passed.
        self._inbox: deque[EslEvent] = deque()
        self._bytes_put, self._bytes_taken = 0, 0  # Each is counted up by one thread only, so neither needs a lock.
        self._arrived = asyncio.Event()
        self._told = False  # The loop knows that something has arrived.
        self.closed = False
        self.reason = ""  # Why the connection ended.

    # In the thread of the connections

    def opened(self) -> None:
        """The login was accepted."""
        self._tell(self._set_ready)

    def put(self, events: list[EslEvent]) -> None:
        """Events for take(); too many of them end the connection."""
        inbox = self._inbox
        if not events:
            return
        put = self._bytes_put + sum(event.size for event in events)
        if len(inbox) + len(events) > MOST_EVENTS or put - self._bytes_taken > MOST_EVENT_BYTES:
            self._connection.drop("tells more than callctl can take in")
            return
        self._bytes_put = put
        inbox.extend(events)
        if not self._told:
            self._told = True
            self._tell(self._wake)

    def ended(self, kind: type[WireError], reason: str) -> None:
        """The connection is gone."""
        self.reason = self.reason or reason
        self.closed = True
        self._tell(self._end, kind)

    def _answered(self, answer: asyncio.Future[bytes], word: bytes) -> None:
        self._tell(self._resolve, answer, word)

    def _tell(self, what: Callable[..., object], *given: object) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody is left to be told.
            self._loop.call_soon_threadsafe(what, *given)

    # In the loop

    def _set_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _resolve(self, answer: asyncio.Future[bytes], word: bytes) -> None:
        self._unanswered -= 1
        if not answer.done():
            answer.set_result(word)

    def _wake(self) -> None:
        self._told = False
        self._arrived.set()

    def _end(self, kind: type[WireError]) -> None:
        if not self._ready.done():
            self._ready.set_exception(kind(self.reason))
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(Disconnected(self.reason))
        self._pending.clear()
        self._arrived.set()

    async def open(self) -> None:
        """Connect and log in. Raises LoginRefused, Disconnected, Unanswered."""
        self._thread.do(self._connection.open)
        try:
            await self._ready
        finally:
            if not self._ready.done() or self._ready.cancelled():
                self.close()

    async def command(self, text: str, deadline_s: float) -> bytes:
        """Send one command; its answer as it came, for names in it may be in any encoding.

        Raises ValueError before sending where it is not one line; Disconnected, Unanswered. Never sends again.
        """
        if any(character in text for character in FORBIDDEN):
            raise ValueError(f"a control character in an ESL command: {text!r}")
        if len(text.encode()) > MOST_COMMAND:
            raise ValueError("an ESL command longer than any of ours")
        if self.closed:
            raise Disconnected(self.reason)
        if self._unanswered >= MOST_PENDING:
            raise Unanswered(f"{MOST_PENDING} commands wait for their answers")
        answer: asyncio.Future[bytes] = self._loop.create_future()
        # A late answer still takes its own place in the order, so that the next one is not taken for it.
        self._thread.do(self._connection.write, text, lambda word: self._answered(answer, word))
        self._unanswered += 1
        self._pending.add(answer)
        try:
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            raise Unanswered(f"no answer to `{' '.join(text.split()[:3])}` within {deadline_s:g} s") from None
        finally:
            self._pending.discard(answer)

    async def order(self, text: str, deadline_s: float) -> str:
        """command(), where `-ERR` is a Refused; what stands behind `+OK` otherwise, "" for a command that says nothing."""
        word = text_of(await self.command(text, deadline_s)).strip()
        if word == "-ERR no reply":  # mod_event_socket.c's own word for an api that printed nothing.
            return ""
        if word.startswith(("-ERR", "-USAGE")):
            raise Refused(word.removeprefix("-ERR").strip() or word)
        return word.removeprefix("+OK").strip()

    async def take(self, most: int) -> list[EslEvent]:
        """The next events, at least one. Raises Disconnected once the connection is gone and everything is taken."""
        while not self._inbox:
            if self.closed:
                raise Disconnected(self.reason)
            self._arrived.clear()
            if not self._inbox and not self.closed:
                await self._arrived.wait()
        return self.take_now(most)

    def take_now(self, most: int) -> list[EslEvent]:
        """Take what is here, up to `most`."""
        inbox = self._inbox
        taken = [inbox.popleft() for _ in range(min(most, len(inbox)))]
        self._bytes_taken += sum(event.size for event in taken)
        return taken

    def close(self) -> None:
        """End the connection; nothing is pending afterwards."""
        self.closed = True
        self.reason = self.reason or "closed by callctl"
        self._end(Disconnected)
        with contextlib.suppress(Disconnected):  # The thread has ended, and the connection with it.
            self._thread.do(self._connection.drop, self.reason)


async def open_wire(thread: EslThread, host: str, port: int, password: str, deadline_s: float) -> EslWire:
    """A connection that is logged in. Raises LoginRefused, Disconnected, Unanswered; ValueError for a broken password."""
    if any(character in password for character in FORBIDDEN):
        raise ValueError("a control character in an ESL password")
    wire = EslWire(thread, host, port, password, deadline_s)
    try:
        # The thread keeps the deadline and says what was wrong; a thread that does nothing any more says nothing.
        async with asyncio.timeout(deadline_s + GRACE_S):
            await wire.open()
    except TimeoutError:
        raise Unanswered(f"no connection to {host}:{port} within {deadline_s + GRACE_S:g} s") from None
    return wire
