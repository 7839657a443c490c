"""A story told to two FreeSWITCH cities, real or not, and every byte their event sockets answer and say meanwhile.

Recorded once on real ones (tests/real/record_told.py), told again to the stand-in, and compared (test_stand_in.py).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Order, Recall, RenewHeartbeat
from callctl.pbx.esl_frames import Answer, Frames
from callctl.pbx.freeswitch import FILTERS, SUBSCRIPTION
from callctl.pbx.freeswitch_orders import steps
from callctl.pbx.freeswitch_reading import (
    AGENTS_COMMAND,
    CHANNELS_COMMAND,
    REGISTRATIONS_COMMAND,
    TIERS_COMMAND,
    TRUNKS_COMMAND,
    members_command,
)
from callctl.pbx.freeswitch_words import rows_of
from tests.pbx.cities import ALPHA, BETA
from tests.pbx.driver import SLOT, TOKEN, Driver, ready

CITIES = {"alpha": ALPHA, "beta": BETA}
OWN, LENT, OTHER = "60001", "61001", "61002"
NOBODY = "11111111-2222-3333-4444-555555555555"
AGENT = "beta-09"  # A slot that is made, made again, and never opened.
# What a switch says to a wish that is fulfilled already, or cannot be: command by command, on alpha.
REFUSALS = (
    f"callcenter_config agent add {AGENT} callback",
    f"callcenter_config agent add {AGENT} callback",
    "callcenter_config agent set max_no_answer beta-08 0",
    "callcenter_config agent set status beta-08 'Logged Out'",
    f"callcenter_config tier add q12345 {AGENT} 2 7",
    f"callcenter_config tier add q12345 {AGENT} 2 8",
    "callcenter_config tier add q12345 beta-08 2 7",
    f"callcenter_config tier add support-nowhere {OWN} 2 7",
    f"callcenter_config tier del support-beta {OWN}",
    f"callcenter_config agent del {AGENT}",
    f"callcenter_config agent del {AGENT}",
    "callcenter_config queue list members nowhere",
    f"uuid_setvar {NOBODY} cc_move beta",
    f"uuid_recv_dtmf {NOBODY} D",
    "callctl_knows_no_such_command",
    "callcenter_config nonsense",
)
AT_REST = ("strmicroepoch", "uptime s", TRUNKS_COMMAND, REGISTRATIONS_COMMAND)
Ask = Callable[[str, str], Awaitable[bytes]]  # City and command; the answer's body.
Told = tuple[dict[str, bytes], dict[str, list[str]]]  # By city: what was heard, and what was asked.


class Ear:
    """A connection to an event socket, subscribed as callctl's is, that keeps every byte."""

    def __init__(self) -> None:
        self.heard = b""
        self._answers: asyncio.Queue[Answer] = asyncio.Queue()

    async def open(self, host: str, port: int, password: str) -> None:
        """Log in and subscribe. Raises OSError."""
        reader, self._writer = await asyncio.open_connection(host, port)
        self._listening = asyncio.create_task(self._listen(reader))
        await self._answers.get()  # auth/request
        for command in (f"auth {password}", *(f"filter {key} {value}" for key, value in FILTERS), SUBSCRIPTION):
            await self.say(command)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames = Frames()
        while chunk := await reader.read(65536):
            self.heard += chunk
            for frame in frames.feed(chunk):
                if isinstance(frame, Answer):
                    self._answers.put_nowait(frame)

    async def say(self, command: str) -> bytes:
        """One command; the body of its answer."""
        self._writer.write(f"{command}\n\n".encode())
        return (await asyncio.wait_for(self._answers.get(), 20.0)).body

    async def close(self) -> None:
        """End it."""
        self._listening.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def tell(driver: Driver, ask: Ask) -> None:
    """The story: a call at home, one by a lent seat, one given up while that rings, one moved, one to be called back; and
    every list at each turn."""
    await ready(driver)
    for command in AT_REST:
        await ask("alpha", command)
    await _lists(ask, "alpha", "beta")
    await _at_home(driver, ask)
    await _lent(driver, ask)
    await _given_up(driver)
    await _moved(driver, ask)
    await _ordered(ask, DropSlot("alpha", SLOT))
    await _ordered(ask, Recall("beta", LENT, "alpha"))
    await driver.agent_leaves(OTHER)
    await driver.wait(2.0)
    await driver.agent_comes(OTHER)
    await driver.wait(2.0)
    await _lists(ask, "alpha", "beta")
    await driver.citizen_calls("13800000005")
    await driver.wait(1.0)
    await driver.citizen_presses("13800000005", "1")
    await driver.wait(2.0)
    await _lists(ask, "alpha")


async def tell_words(ask: Ask) -> None:
    """To alpha alone, with nobody there: a slot's whole life, and all that is refused or fulfilled already."""
    await _lists(ask, "alpha")
    for command in REFUSALS:
        await ask("alpha", command)
    await _ordered(ask, RenewHeartbeat("alpha"), OpenSlot("alpha", SLOT, TOKEN), OpenSlot("alpha", SLOT, TOKEN + 1))
    await _lists(ask, "alpha")
    await _ordered(ask, CloseSlot("alpha", SLOT))
    await _lists(ask, "alpha")
    await _ordered(ask, DropSlot("alpha", SLOT), DropSlot("alpha", SLOT), CloseSlot("alpha", SLOT))
    await _lists(ask, "alpha")


async def _at_home(driver: Driver, ask: Ask) -> None:
    await driver.pause(OWN)
    await driver.citizen_calls("13800000001")
    await driver.wait(1.5)
    await _lists(ask, "alpha")
    await driver.agent(OWN, 2.0)
    await driver.unpause(OWN)
    await driver.wait(1.0)
    await _lists(ask, "alpha")
    await driver.wait(2.0)
    await _lists(ask, "alpha")
    await driver.agent_hangs_up(OWN)
    await driver.wait(4.5)


async def _lent(driver: Driver, ask: Ask) -> None:
    await driver.pause(OWN)
    await _ordered(ask, RenewHeartbeat("alpha"), RenewHeartbeat("beta"))
    await _ordered(ask, Lend("beta", LENT, "alpha", TOKEN), Lend("beta", LENT, "alpha", TOKEN + 1))
    await _ordered(ask, OpenSlot("alpha", SLOT, TOKEN), OpenSlot("alpha", SLOT, TOKEN + 1))
    await _lists(ask, "alpha", "beta")
    await driver.agent(LENT, 2.0)
    await driver.citizen_calls("13800000002")
    await driver.wait(1.3)
    await _lists(ask, "alpha", "beta")
    await driver.wait(2.0)
    await _lists(ask, "alpha", "beta")
    await driver.agent_hangs_up(LENT)
    await driver.wait(2.0)
    await driver.citizen_presses("13800000002", "4")  # The score.
    await driver.wait(1.0)
    await driver.citizen_hangs_up("13800000002")
    await driver.wait(2.5)


async def _moved(driver: Driver, ask: Ask) -> None:
    await driver.wait(2.5)
    await _ordered(ask, CloseSlot("alpha", SLOT))
    await driver.agent(LENT, 0.5)
    await driver.citizen_calls("13800000003")
    await driver.wait(1.0)
    answer = await ask("alpha", members_command(ALPHA))
    [session] = [row["session_uuid"] for row in rows_of(answer) if row["cid_number"] == "13800000003"]
    await _ordered(ask, MoveCaller("alpha", "", "beta"), channel=session)
    await driver.wait(3.0)
    await driver.agent_hangs_up(LENT)
    await driver.wait(1.0)
    await driver.citizen_hangs_up("13800000003")
    await driver.wait(1.0)


async def _given_up(driver: Driver) -> None:
    await driver.agent(LENT, None)
    await driver.citizen_calls("13800000004")
    await driver.wait(1.5)
    await driver.citizen_hangs_up("13800000004")
    await driver.wait(1.0)


async def _lists(ask: Ask, *cities: str) -> None:
    for code in cities:
        for command in (members_command(CITIES[code]), AGENTS_COMMAND, TIERS_COMMAND, CHANNELS_COMMAND):
            await ask(code, command)


async def _ordered(ask: Ask, *orders: Order, channel: str = "") -> None:
    """Orders, in callctl's own words, whatever is answered."""
    for order in orders:
        for step in steps(order, CITIES[order.city], await _clock(ask, order.city), channel, ()):
            await ask(order.city, step.command)


async def _clock(ask: Ask, code: str) -> float:
    return int(await ask(code, "strmicroepoch")) / 1e6


async def hear(story: Callable[[Ask], Awaitable[None]], addresses: Mapping[str, tuple[str, int, str]]) -> Told:
    """Tell a story to the cities at these addresses (host, port, password): what each said, and was asked."""
    ears, asked = {code: Ear() for code in addresses}, {code: list[str]() for code in addresses}

    async def ask(code: str, command: str) -> bytes:
        asked[code].append(command)
        return await ears[code].say(f"api {command}")

    for code, ear in ears.items():
        await ear.open(*addresses[code])
    try:
        await story(ask)
    finally:
        for ear in ears.values():
            await ear.close()
    return {code: ear.heard for code, ear in ears.items()}, asked
