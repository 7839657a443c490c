"""Record what a FreeSWITCH's event socket says to callctl, byte for byte, into a gzipped file: lists first, then events.

CALLCTL_AMI_SECRET=... python tests/pbx/record_esl.py HOST QUEUE FILE.esl.gz                     (end with Ctrl-C)
"""

import asyncio
import contextlib
import gzip
import os
import sys
from pathlib import Path

from callctl.pbx.freeswitch import FILTERS, SUBSCRIPTION
from callctl.pbx.freeswitch_reading import AGENTS_COMMAND, CHANNELS_COMMAND, TIERS_COMMAND

PORT = 8021


async def record(host: str, password: str, queue: str, file: Path, stop: asyncio.Event) -> None:
    """Until `stop` is set or the PBX closes the connection."""
    reader, writer = await asyncio.open_connection(host, PORT)
    commands = [
        f"auth {password}",
        *(f"filter {key} {value}" for key, value in FILTERS),
        SUBSCRIPTION,
        *(f"api {lists}" for lists in (AGENTS_COMMAND, TIERS_COMMAND, CHANNELS_COMMAND)),
        f"api callcenter_config queue list members {queue}",
    ]
    with gzip.open(file, "wb") as out:

        async def copy() -> None:
            while chunk := await reader.read(65536):
                out.write(chunk)

        copying = asyncio.create_task(copy())
        for command in commands:
            writer.write(f"{command}\n\n".encode())
            await writer.drain()
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([copying, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (copying, stopping):
            task.cancel()
        await asyncio.gather(copying, stopping, return_exceptions=True)
        writer.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(record(sys.argv[1], os.environ["CALLCTL_AMI_SECRET"], sys.argv[2], Path(sys.argv[3]), asyncio.Event()))
