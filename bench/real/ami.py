"""What crosses the wire for one call: with callctl's event filter, and with everything a manager may read."""

import asyncio
import contextlib

from bench.real.ground import HELPERS, Row, row, say, settled
from callctl.lab.lab import Lab
from callctl.lab.phone import Habit
from callctl.pbx.asterisk import USER
from tests.real.stage import ASSISTED, Stage

CALLS = 12
EAGER = "everything"
SECRET = "only-in-the-lab"
TALKS = Habit(answer_after_s=0.3, talk_s=1.5)


def let_in(lab: Lab) -> None:
    """A second manager account that reads all, as a site without our filter would have."""
    conf = lab.pbxs[ASSISTED].folders.etc / "manager.conf"
    # Its events are all made, too.
    lines = [line for line in conf.read_text("utf-8").splitlines() if not line.startswith("disabledevents")]
    conf.write_text("\n".join([*lines, f"[{EAGER}]", f"secret = {SECRET}", "read = all", "write = system", ""]), "utf-8")


async def events_a_call(made: Stage) -> list[Row]:
    """Callers of one city answered in another; counted at the assisted city, where the most is said."""
    for code in HELPERS:
        await made.floor.log_in(code, habit=TALKS)
    await made.control()
    await made.assist()
    await settled(made)
    filtered = await Ear.open(made, USER, made.settings.ami_secret(ASSISTED))
    eager = await Ear.open(made, EAGER, SECRET)
    say(f"{CALLS} callers answered abroad, two ears at the manager port …")
    calls = [await made.floor.citizen(ASSISTED) for _ in range(CALLS)]
    await asyncio.gather(*(call.until_ended(60.0) for call in calls))
    await asyncio.sleep(1.0)
    rows = []
    for what, ear, all_of_it in (("event filter", filtered, eager), ("read=all", eager, eager)):
        share = f"{ear.bytes / all_of_it.bytes:.1%} of read=all's bytes; {CALLS} calls answered abroad"
        rows.append(row(f"real: AMI events a call, {what}", ear.events / CALLS, "events", share))
        rows.append(row(f"real: AMI bytes a call, {what}", ear.bytes / CALLS / 1024, "KiB", share))
    for ear in (filtered, eager):
        await ear.close()
    return rows


class Ear:
    """A manager connection that only counts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.events = self.bytes = 0
        self._writer = writer
        self._counting = asyncio.create_task(self._count(reader))

    @classmethod
    async def open(cls, made: Stage, user: str, secret: str) -> "Ear":
        """Log in; counting begins behind the greeting. Raises OSError, TimeoutError."""
        pbx = made.floor.city(ASSISTED).pbx
        reader, writer = await asyncio.open_connection(pbx.ami_host or pbx.host, pbx.ami_port)
        writer.write(f"Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\n\r\n".encode())
        async with asyncio.timeout(5.0):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert b"Response: Success" in answer, f"{user} may not log in"
        return cls(reader, writer)

    async def _count(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.readline():
            self.bytes += len(chunk)
            self.events += chunk.startswith(b"Event: ")

    async def close(self) -> None:
        """Leave."""
        self._counting.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
