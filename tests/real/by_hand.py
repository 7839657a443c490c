"""What a controller does to a PBX, done by hand, and a PBX as new: one set of acts for each kind."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from callctl import clock
from callctl.core.model import SlotRef
from callctl.lab.freeswitch import FreeSwitchPbx, read_frame
from callctl.lab.pbx import LabPbx
from callctl.lab.running import RunningPbx
from callctl.pbx import asterisk_names as names

# "   <name> (<interface> from <state interface>) (ringinuse disabled) (dynamic) (paused …) …"; a name alone where equal.
_MEMBER = re.compile(r"^\s+(?:\S+ \()?(?P<interface>(?:PJSIP|Local)/[^\s)]+)")
_QUEUE = re.compile(r"^(?P<queue>[\w-]+) has \d+ calls")
QUIET_WITHIN_S = 10.0
TOKENS_A_LEVEL = 10**9


@dataclass(frozen=True, slots=True)
class SlotShown:
    """A slot as its PBX shows it."""

    is_open: bool
    free: bool  # No call rings or talks on it.


class Acts(Protocol):
    """The acts on one PBX."""

    async def beat(self, age_s: float = 0.0) -> None:
        """Set the dead man's switch as if the last heartbeat were this old."""

    async def open_slot(self, slot: SlotRef, token: int = 1) -> None:
        """Give the home queue an open slot."""

    async def close_slot(self, slot: SlotRef) -> None:
        """Let it be rung no more."""

    async def slots(self) -> dict[str, SlotShown]:
        """Every slot, by `<city>-<number>-t<token>`."""

    async def slot_rung(self, slot: SlotRef) -> bool:
        """Whether its leg is on its way, or talks."""

    async def slot_tried(self, slot: SlotRef) -> bool:
        """Whether it has been rung, for however short a time."""

    async def loans(self, assisted: str) -> set[str]:
        """The loans to this city, as `<seat>-<city>-t<token>`."""

    async def free_seats(self) -> set[str]:
        """The seats whose phones it sees as there and on no call."""

    async def set_channels(self, other: str, most: int) -> None:
        """Change the capacity of the trunk to `other` until the next start."""

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        """Put a seat into a support queue."""

    async def pause(self, seat: str) -> None:
        """The agent is not ready for calls of the own queue."""

    async def hang_up_all(self) -> None:
        """End every call of the city."""

    async def reset(self) -> None:
        """No call, no loan, no slot, nobody paused."""


def acts_on(pbx: RunningPbx) -> Acts:
    """The acts of its kind."""
    if isinstance(pbx, FreeSwitchPbx):
        return FreeSwitchActs(pbx)
    assert isinstance(pbx, LabPbx)
    return AsteriskActs(pbx)


class AsteriskActs:
    """By `asterisk -rx`."""

    def __init__(self, pbx: LabPbx) -> None:
        self.pbx = pbx

    async def beat(self, age_s: float = 0.0) -> None:
        member, queue = names.HEARTBEAT_MEMBER, names.HEARTBEAT_QUEUE
        await self.pbx.cli(f"queue set penalty {int(clock.now() - age_s)} on {member} in {queue}")

    async def open_slot(self, slot: SlotRef, token: int = 1) -> None:
        member, queue = names.slot_interface(slot), self.pbx.city.queue.name
        await self.pbx.cli(
            f"queue add member {member} to {queue} penalty {names.SLOT_PENALTY} as {names.slot_name(slot, token)}"
        )

    async def close_slot(self, slot: SlotRef) -> None:
        await self.pbx.cli(f"queue pause member {names.slot_interface(slot)} queue {self.pbx.city.queue.name}")

    async def slots(self) -> dict[str, SlotShown]:
        shown = await self.pbx.cli(f"queue show {self.pbx.city.queue.name}")
        lines = [line for line in map(str.strip, shown.splitlines()) if "Local/" in line]
        return {line.split()[0]: SlotShown("paused" not in line, "Not in use" in line) for line in lines}

    async def slot_rung(self, slot: SlotRef) -> bool:
        part = f"{slot.supporting}-support-{slot.number:02d}@cc-seat"
        return part in await self.pbx.cli("core show channels concise")

    async def slot_tried(self, slot: SlotRef) -> bool:
        return await self.slot_rung(slot)  # A refused slot rests two seconds in its ring.

    async def loans(self, assisted: str) -> set[str]:
        shown = await self.pbx.cli(f"queue show support-{assisted}")
        return {line.split()[0] for line in map(str.strip, shown.splitlines()) if f"-{assisted}-t" in line}

    async def free_seats(self) -> set[str]:
        members = _members(await self.pbx.cli(f"queue show {names.ROSTER}"))
        return {interface.removeprefix("PJSIP/") for _, interface, line in members if "(Not in use)" in line}

    async def set_channels(self, other: str, most: int) -> None:
        await self.pbx.cli(f"dialplan set global CC_TRUNK_{other} {most}")

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        phone, queue = names.phone_interface(seat), names.support_queue(assisted)
        name = names.loan_name(seat, assisted, token)
        await self.pbx.cli(f"queue add member {phone} to {queue} penalty 0 as {name} state_interface {phone}")

    async def pause(self, seat: str) -> None:
        await self.pbx.cli(f"queue pause member {names.phone_interface(seat)} queue {self.pbx.city.queue.name}")

    async def hang_up_all(self) -> None:
        await self.pbx.cli("channel request hangup all")

    async def reset(self) -> None:
        pbx = self.pbx
        await self.hang_up_all()
        await _until_quiet(pbx)
        static = {("PJSIP", pbx.city.queue.name), ("PJSIP", names.ROSTER), ("Local", names.HEARTBEAT_QUEUE)}
        for queue, interface, line in _members(await pbx.cli("queue show")):
            if (interface.partition("/")[0], queue) not in static:
                await pbx.cli(f"queue remove member {interface} from {queue}")
            elif "paused" in line and queue != names.HEARTBEAT_QUEUE:
                await pbx.cli(f"queue unpause member {interface} queue {queue}")
        await pbx.cli("queue reset stats")


class FreeSwitchActs:
    """By the event socket, with the commands that pbx/freeswitch_orders.py sends, too."""

    def __init__(self, pbx: FreeSwitchPbx) -> None:
        self.pbx = pbx

    async def _do(self, command: str) -> None:
        said = await self.pbx.cli(command)
        assert said.startswith("+OK"), f"{command}: {said}"

    async def rows(self, command: str) -> list[dict[str, str]]:
        """The rows of a callcenter_config list."""
        lines = (await self.pbx.cli(f"callcenter_config {command}")).splitlines()
        kept = [line for line in lines if not line.startswith("+OK")]
        if not kept:
            return []
        return [dict(zip(kept[0].split("|"), line.split("|"), strict=True)) for line in kept[1:]]

    async def beat(self, age_s: float = 0.0) -> None:
        await self._do(f"global_setvar callctl_heartbeat={int(clock.now() - age_s)}")

    async def open_slot(self, slot: SlotRef, token: int = 1) -> None:
        name, queue = f"{slot.supporting}-{slot.number:02d}", self.pbx.city.queue.name
        contact = (
            f"'${{lua(${{conf_dir}}/scripts/slot.lua {slot.supporting} {slot.number:02d} ${{cc_home}} ${{cc_since}})}}'"
        )
        await self._do(f"callcenter_config agent add {name} callback")
        for key, value in (
            ("contact", contact),
            ("max_no_answer", "0"),
            ("busy_delay_time", "2"),
            ("reject_delay_time", "2"),
            ("no_answer_delay_time", "2"),
        ):
            await self._do(f"callcenter_config agent set {key} {name} {value}")
        await self._do(f"callcenter_config tier add {queue} {name} {_tier(token)}")
        await self._do(f"callcenter_config agent set status {name} Available")

    async def close_slot(self, slot: SlotRef) -> None:
        await self._do(f"callcenter_config agent set status {slot.supporting}-{slot.number:02d} 'Logged Out'")

    async def slots(self) -> dict[str, SlotShown]:
        queue = self.pbx.city.queue.name
        tokens = {row["agent"]: _token(row) for row in await self.rows(f"queue list tiers {queue}")}
        return {
            f"{row['name']}-t{tokens[row['name']]}": SlotShown(row["status"] == "Available", row["state"] == "Waiting")
            for row in await self.rows(f"queue list agents {queue}")
            if "-" in row["name"] and row["name"] in tokens
        }

    async def slot_rung(self, slot: SlotRef) -> bool:
        rows = await self.rows(f"agent list {slot.supporting}-{slot.number:02d}")
        return any(row["state"] in {"Receiving", "In a queue call"} for row in rows)

    async def slot_tried(self, slot: SlotRef) -> bool:
        rows = await self.rows(f"agent list {slot.supporting}-{slot.number:02d}")
        return any(row["last_offered_call"] != "0" for row in rows)  # A refused slot is rung for milliseconds.

    async def loans(self, assisted: str) -> set[str]:
        rows = await self.rows(f"queue list tiers support-{assisted}")
        return {f"{row['agent']}-{assisted}-t{_token(row)}" for row in rows}

    async def free_seats(self) -> set[str]:
        seats, rows = {seat.id for seat in self.pbx.city.seats}, await self.rows("agent list")
        return {row["name"] for row in rows if (row["status"], row["state"]) == ("Available", "Waiting")} & seats

    async def set_channels(self, other: str, most: int) -> None:
        await self.set_figure(f"channels_{other}", most)

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        await self._do(f"callcenter_config tier add support-{assisted} {seat} {_tier(token)}")

    async def pause(self, seat: str) -> None:
        await self._do(f"callcenter_config agent set status {seat} 'On Break'")

    async def hang_up_all(self) -> None:
        await self.pbx.cli("hupall")

    async def reset(self) -> None:
        pbx = self.pbx
        await self.hang_up_all()
        await _until_quiet(pbx)
        seats, there = {seat.id for seat in pbx.city.seats}, await pbx.registered()
        for agent in await self.rows("agent list"):
            if agent["name"] not in seats:
                await self._do(f"callcenter_config agent del {agent['name']}")
                continue
            status = "Available" if agent["name"] in there else "'Logged Out'"
            for key, value in (("status", status), ("state", "Waiting"), ("ready_time", "0")):
                await self._do(f"callcenter_config agent set {key} {agent['name']} {value}")
        for tier in await self.rows("tier list") if seats else []:
            if tier["queue"].startswith("support-"):
                await self._do(f"callcenter_config tier del {tier['queue']} {tier['agent']}")

    async def move(self, number: str, supporting: str) -> None:
        """Take the waiting citizen with this number out of the queue, to be answered there."""
        [member] = [
            row
            for row in await self.rows(f"queue list members {self.pbx.city.queue.name}")
            if row["cid_number"] == number and row["session_uuid"]
        ]
        await self._do(f"uuid_setvar {member['session_uuid']} cc_move {supporting}")
        await self._do(f"uuid_recv_dtmf {member['session_uuid']} D")

    async def set_figure(self, name: str, value: float) -> None:
        """Change a figure of vars.xml until the next start."""
        await self._do(f"global_setvar {name}={value}")

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[list[dict[str, str]]]:
        """What mod_callcenter and our dialplan say meanwhile: the events' headers, values decoded."""
        heard: list[dict[str, str]] = []
        reader, writer = await self.pbx.connect()
        writer.write(b"event plain CUSTOM callcenter::info callctl::info\n\n")
        await read_frame(reader)

        async def follow() -> None:
            while True:
                lines = (await read_frame(reader))[1].split("\n\n")[0].splitlines()
                pairs = (line.split(": ", 1) for line in lines if ": " in line)
                heard.append({name: unquote(value) for name, value in pairs})

        task = asyncio.create_task(follow())
        try:
            yield heard
            await asyncio.sleep(0.3)
        finally:
            task.cancel()
            await asyncio.wait([task])
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def channel_rows(self) -> list[dict[str, str]]:
        """What `show channels` shows."""
        return list(json.loads(await self.pbx.cli("show channels as json")).get("rows", []))


def _tier(token: int) -> str:
    """Level and position of a line that carries this token."""
    return f"{2 + token // TOKENS_A_LEVEL} {token % TOKENS_A_LEVEL}"


def _token(tier: dict[str, str]) -> int:
    return (int(tier["level"]) - 2) * TOKENS_A_LEVEL + int(tier["position"])


async def _until_quiet(pbx: RunningPbx) -> None:
    async with asyncio.timeout(QUIET_WITHIN_S):
        while await pbx.channels():  # noqa: ASYNC110 - A PBX tells nobody.
            await asyncio.sleep(0.05)


def _members(shown: str) -> Iterable[tuple[str, str, str]]:
    queue = ""
    for line in shown.splitlines():
        if head := _QUEUE.match(line):
            queue = head["queue"]
        elif member := _MEMBER.match(line):
            yield queue, member["interface"], line
