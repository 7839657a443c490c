"""Acts that the tests of mixed cities share: seats lent by hand, phones that ring, what a city shows."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from callctl.lab.call import PhoneCall
from callctl.lab.phone import Habit, Phone
from tests.real.by_hand import FreeSwitchActs
from tests.real.floor import Floor

TALKS = Habit(answer_after_s=0.3, talk_s=None)
# Assisted and supporting city; nanjing and xuzhou have FreeSWITCH, yangzhou Asterisk.
PAIRS = [("nanjing", "xuzhou"), ("nanjing", "yangzhou"), ("yangzhou", "nanjing")]
NAMES = {"nanjing": "南京", "xuzhou": "徐州", "yangzhou": "扬州"}
FREESWITCH = "freeswitch"
# Which cities of the stage have FreeSWITCH; yangzhou is the assisted one.
ONE_KIND_HELPS: dict[str, tuple[str, ...]] = {
    "asterisk": (),
    "asterisk-helped-by-freeswitch": ("nanjing", "xuzhou"),
    "freeswitch-helped-by-asterisk": ("yangzhou",),
    "freeswitch": ("nanjing", "xuzhou", "yangzhou"),
}
# One queue that an Asterisk and a FreeSWITCH city serve at once: nanjing has Asterisk.
BOTH_KINDS_HELP: dict[str, tuple[str, ...]] = {
    "asterisk-helped-by-both": ("xuzhou",),
    "freeswitch-helped-by-both": ("xuzhou", "yangzhou"),
}


def _mixes(mixes: dict[str, tuple[str, ...]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cities", list(mixes.values()), ids=list(mixes), indirect=True, scope="session")


every_mix = _mixes(ONE_KIND_HELPS)
helped_by_both = _mixes(BOTH_KINDS_HELP)
every_mix_and_both = _mixes(ONE_KIND_HELPS | BOTH_KINDS_HELP)
both = pytest.mark.parametrize(("home", "ally"), PAIRS, ids=["fs-fs", "fs-ast", "ast-fs"])


async def lent(floor: Floor, home: str, ally: str, *, seats: int = 1, slots: int = 1, habit: Habit = TALKS) -> list[Phone]:
    """Seats of `ally` lent to `home`, their phones registered, and as many slots open there."""
    chosen = floor.seats(ally)[:seats]
    phones = await floor.log_in(ally, *chosen, habit=habit)
    for seat in chosen:
        await floor.lend(ally, seat, home)
    for number in range(1, slots + 1):
        await floor.open_slot(home, ally, number)
    return phones


async def until_asked(true: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """Wait for what only a PBX can tell. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110 - A PBX tells nobody.
            await asyncio.sleep(0.05)


async def quiet(floor: Floor, *cities: str, within_s: float = 3.0, most: int = 0) -> None:
    """Wait until each of these cities has no more channels than `most`: no ghost call."""

    async def still() -> bool:
        return all([await floor.pbx(code).channels() <= most for code in cities])

    await until_asked(still, within_s)


async def until(true: Callable[[], bool], within_s: float) -> None:
    """Wait for what only the phones can tell."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - Many phones at once.
            await asyncio.sleep(0.02)


def heard(call: PhoneCall, sound: str) -> bool:
    """Whether it was ever heard in this call."""
    return any(stretch.sound == sound for stretch in call.heard)


def acts(floor: Floor, code: str) -> FreeSwitchActs:
    made = floor.acts(code)
    assert isinstance(made, FreeSwitchActs)
    return made


async def agent_row(floor: Floor, code: str, name: str) -> dict[str, str]:
    [row] = [row for row in await acts(floor, code).rows("agent list") if row["name"] == name]
    return row


async def off_by_itself(floor: Floor, home: str, ally: str, number: int = 1, within_s: float = 12.0) -> dict[str, str]:
    """The slot's row, once it has failed and been taken off by the switch itself (On Break). Raises TimeoutError."""

    async def off() -> bool:
        return (await agent_row(floor, home, f"{ally}-{number:02d}"))["status"] == "On Break"

    await until_asked(off, within_s)
    return await agent_row(floor, home, f"{ally}-{number:02d}")
