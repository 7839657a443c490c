"""A scripted SIP phone (UDP, PCMA): an agent's softphone, or the carrier through which citizens call."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from callctl.lab import sip
from callctl.lab.call import CallState, Ends, PhoneCall
from callctl.lab.registration import Account, Registration
from callctl.lab.rtp import Audio
from callctl.lab.wire import Address, Wire

_REMEMBERED_CALLS = 1000  # Of each phone; a lab that runs for days must not grow.
_FORGET_AFTER_S = 40.0  # Longer than anything of an ended call is sent again (32 s).
_REGISTER_S = 300


@dataclass(frozen=True, slots=True)
class Habit:
    """What the person at the phone does with a call that rings."""

    answer_after_s: float | None = 0.3  # None: never; it rings until the caller gives up.
    talk_s: float | None = None  # None: until the other end hangs up.
    reject_with: int = 0  # A status such as 486 or 603, at once; 0 does not reject.
    deaf: bool = False  # The phone does not even answer the INVITE (crashed, frozen).


ANSWERS = Habit()
NEVER_ANSWERS = Habit(answer_after_s=None)
BUSY = Habit(reject_with=486)
DECLINES = Habit(reject_with=603)
CRASHED = Habit(deaf=True)


class Phone:
    """One phone. Its habit may be changed at any time and holds for the calls that ring from then on."""

    def __init__(self, account: Account, *, tone: str, habit: Habit = ANSWERS) -> None:
        self.account = account
        self.tone = tone
        self.habit = habit
        self.choose: Callable[[], Habit] | None = None  # Draws a habit for each call, instead of `habit`.
        self.calls: deque[PhoneCall] = deque(maxlen=_REMEMBERED_CALLS)  # Oldest first.
        self.most_calls_at_once = 0  # Two means that an agent was doubled.
        self.rung = asyncio.Event()  # Set by every INVITE that rings us.
        self.wire = Wire(self._on_message)
        self._by_id: dict[str, PhoneCall] = {}
        self._registration: Registration | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, address: str, port: int = 0) -> None:
        """Take an address. Raises OSError where the port is taken."""
        await self.wire.open((address, port))

    async def close(self) -> None:
        """End calls and give everything back."""
        if self._registration:
            self._registration.close()
        for call in list(self._by_id.values()):
            call.hang_up()
            call.end("closed")
        for task in self._tasks:
            task.cancel()
        self.wire.close()

    # ------------------------------------------------------------------------------------- registration
    async def register(self, within_s: float = 5.0) -> None:
        """Register, and again in time, until unregister() or close(). Raises RegisterFailed."""
        registration = self._registration = self._registration or Registration(self.wire, self.account)
        await registration.register(_REGISTER_S, within_s)
        registration.keep(_REGISTER_S)

    async def unregister(self, within_s: float = 5.0) -> None:
        """Tell the PBX that we go. Raises RegisterFailed."""
        if self._registration:
            self._registration.close()
            await self._registration.register(0, within_s)

    def vanish(self) -> None:
        """From now on neither hear nor send anything, as a phone whose cable is pulled; calls do not end."""
        self.wire.deaf = True
        if self._registration:
            self._registration.close()
        for call in self._by_id.values():
            call.audio.close()

    # ------------------------------------------------------------------------------------- calls
    async def call(self, number: str, caller: str = "", name: str = "", headers: sip.Headers = ()) -> PhoneCall:
        """Call a number of our PBX; `caller` and `name` are what it is shown, else our own user."""
        host, port = self.wire.address
        shown = f'"{name}" ' if name else ""
        user = caller or self.account.user
        audio = Audio(host, self.tone)
        await audio.open()
        target = f"sip:{number}@{self.account.pbx[0]}:{self.account.pbx[1]}"
        local = f"{shown}<sip:{user}@{host}:{port}>;tag={secrets.token_hex(4)}"
        ends = Ends(secrets.token_hex(12), local, f"<sip:{user}@{host}:{port}>")
        call = PhoneCall(self.wire, audio, ends, f"<{target}>", target, self.account.pbx)
        self._keep(call)
        call.invite(headers)
        return call

    def now_on(self) -> list[PhoneCall]:
        """The calls that ring or talk."""
        return [call for call in self._by_id.values() if call.state is not CallState.ENDED]

    @property
    def last(self) -> PhoneCall:
        """The latest call. Raises IndexError where there was none."""
        return self.calls[-1]

    async def until_rung(self, within_s: float = 10.0) -> PhoneCall:
        """The call that rings now, or the next to ring. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while True:
                for call in self.now_on():
                    if call.rung_by is not None:
                        return call
                self.rung.clear()
                await self.rung.wait()

    def _keep(self, call: PhoneCall) -> None:
        self._by_id[call.id] = call
        self.calls.append(call)
        self.most_calls_at_once = max(self.most_calls_at_once, len(self.now_on()))
        loop = asyncio.get_running_loop()
        call.on_end = lambda: loop.call_later(_FORGET_AFTER_S, self._by_id.pop, call.id, None)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------------------------- messages
    def _on_message(self, message: sip.Message, sender: Address) -> None:
        if self._registration and message.method == "REGISTER" and message.status:
            self._registration.take(message)
            return
        call = self._by_id.get(message.call_id)
        if message.status:
            if call is None:
                return
            if message.method == "INVITE" and message.status in {401, 407} and not call.challenged:
                self._authorise(call, message)
            else:
                call.take_response(message)
        elif call is not None:
            call.take_request(message, sender)
        elif message.method == "INVITE" and not sip.tag_of(message.header("to")):
            self._arrive(message, sender)
        elif message.method != "ACK":
            known = message.method in {"OPTIONS", "NOTIFY", "MESSAGE"}
            status, reason = (200, "OK") if known else (481, "Call Does Not Exist")
            self.wire.send(sip.response(message, status, reason, secrets.token_hex(4)), sender)

    def _authorise(self, call: PhoneCall, message: sip.Message) -> None:
        self.wire.answered(message.branch)
        call.acknowledge(message)
        by_proxy = message.status == 407
        challenge = message.header("proxy-authenticate" if by_proxy else "www-authenticate")
        user, password = self.account.user, self.account.password
        try:
            value = sip.digest(challenge, "INVITE", call.target, user, password, secrets.token_hex(4))
        except sip.MalformedSip:
            call.end(str(message.status))
            return
        call.authorise("Proxy-Authorization" if by_proxy else "Authorization", value)

    def _arrive(self, message: sip.Message, sender: Address) -> None:
        habit = self.choose() if self.choose else self.habit
        if habit.deaf:
            return
        host, port = self.wire.address
        user = sip.user_of(message.header("to")) or self.account.user
        local = f"{message.header('to')};tag={secrets.token_hex(4)}"
        ends = Ends(message.call_id, local, f"<sip:{user}@{host}:{port}>")
        target = sip.uri_of(message.header("contact")) or f"sip:{sender[0]}:{sender[1]}"
        call = PhoneCall(self.wire, Audio(host, self.tone), ends, message.header("from"), target, sender)
        call.rung(message)
        self._keep(call)
        self.rung.set()
        self._spawn(self._follow(call, habit))

    async def _follow(self, call: PhoneCall, habit: Habit) -> None:
        await call.audio.open()
        if habit.reject_with:
            call.reject(habit.reject_with)
            return
        call.ring()
        if habit.answer_after_s is None:
            return
        await asyncio.sleep(habit.answer_after_s)
        if call.answer() and habit.talk_s is not None:
            await asyncio.sleep(habit.talk_s)
            call.hang_up()
