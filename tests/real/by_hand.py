"""What a controller does to a PBX, done by hand, and a PBX as new: one set of acts for each kind."""

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Protocol

from callctl import clock
from callctl.core.model import SlotRef
from callctl.lab.freeswitch import FreeSwitchPbx
from callctl.lab.pbx import LabPbx
from callctl.lab.running import RunningPbx
from callctl.pbx import asterisk_names as names

# "   <name> (<interface> from <state interface>) (ringinuse disabled) (dynamic) (paused …) …"; a name alone where equal.
_MEMBER = re.compile(r"^\s+(?:\S+ \()?(?P<interface>(?:PJSIP|Local)/[^\s)]+)")
_QUEUE = re.compile(r"^(?P<queue>[\w-]+) has \d+ calls")
QUIET_WITHIN_S = 10.0


class Acts(Protocol):
    """The acts on one PBX."""

    async def beat(self, age_s: float = 0.0) -> None:
        """Set the dead man's switch as if the last heartbeat were this old."""

    async def open_slot(self, slot: SlotRef, token: int = 1) -> None:
        """Give the home queue an open slot."""

    async def open_slots(self) -> set[str]:
        """The names of the slots that may be rung."""

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        """Put a seat into a support queue."""

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

    async def open_slots(self) -> set[str]:
        shown = await self.pbx.cli(f"queue show {self.pbx.city.queue.name}")
        lines = [line for line in map(str.strip, shown.splitlines()) if "Local/" in line]
        return {line.split()[0] for line in lines if "paused" not in line}

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        phone, queue = names.phone_interface(seat), names.support_queue(assisted)
        name = names.loan_name(seat, assisted, token)
        await self.pbx.cli(f"queue add member {phone} to {queue} penalty 0 as {name} state_interface {phone}")

    async def reset(self) -> None:
        pbx = self.pbx
        await pbx.cli("channel request hangup all")
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
        return [dict(zip(kept[0].split("|"), line.split("|"), strict=True)) for line in kept[1:]]

    async def beat(self, age_s: float = 0.0) -> None:
        await self._do(f"global_setvar callctl_heartbeat={int(clock.now() - age_s)}")

    async def open_slot(self, slot: SlotRef, token: int = 1) -> None:
        name, queue = f"{slot.supporting}-{slot.number:02d}", self.pbx.city.queue.name
        contact = f"'${{lua(${{conf_dir}}/scripts/slot.lua {slot.supporting} ${{cc_home}} ${{cc_since}})}}'"
        await self._do(f"callcenter_config agent add {name} callback")
        for key, value in (
            ("contact", contact),
            ("max_no_answer", "1"),
            ("busy_delay_time", "2"),
            ("reject_delay_time", "30"),
            ("no_answer_delay_time", "2"),
        ):
            await self._do(f"callcenter_config agent set {key} {name} {value}")
        await self._do(f"callcenter_config tier add {queue} {name} 2 {token}")
        await self._do(f"callcenter_config agent set status {name} Available")

    async def open_slots(self) -> set[str]:
        agents = await self.rows(f"queue list agents {self.pbx.city.queue.name}")
        return {agent["name"] for agent in agents if "-" in agent["name"] and agent["status"] == "Available"}

    async def lend(self, seat: str, assisted: str, token: int = 1) -> None:
        await self._do(f"callcenter_config tier add support-{assisted} {seat} 1 {token}")

    async def reset(self) -> None:
        pbx = self.pbx
        await pbx.cli("hupall")
        await _until_quiet(pbx)
        seats = {seat.id for seat in pbx.city.seats}
        for agent in await self.rows("agent list"):
            if agent["name"] not in seats:
                await self._do(f"callcenter_config agent del {agent['name']}")
                continue
            for key, value in (("status", "Available"), ("state", "Waiting"), ("ready_time", "0")):
                await self._do(f"callcenter_config agent set {key} {agent['name']} {value}")
        for tier in await self.rows("tier list") if seats else []:
            if tier["queue"].startswith("support-"):
                await self._do(f"callcenter_config tier del {tier['queue']} {tier['agent']}")

    async def channel_rows(self) -> list[dict[str, str]]:
        """What `show channels` shows."""
        return list(json.loads(await self.pbx.cli("show channels as json")).get("rows", []))


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
