"""Record what an Asterisk manager says, byte for byte, into a gzipped file: events, with a full reading first and last.

CALLCTL_AMI_SECRET=... python tests/pbx/record.py HOST USER FILE.ami.gz [TRUNK_CITY ...]      (end with Ctrl-C)
"""

import asyncio
import contextlib
import gzip
import os
import sys
from pathlib import Path


async def record(host: str, user: str, secret: str, file: Path, trunks: list[str], stop: asyncio.Event) -> None:
    """Until `stop` is set or the PBX closes the connection."""
    reader, writer = await asyncio.open_connection(host, 5038)
    with gzip.open(file, "wb") as out:

        async def copy() -> None:
            while chunk := await reader.read(65536):
                out.write(chunk)

        copying = asyncio.create_task(copy())
        await ask(writer, "Login", "login", Username=user, Secret=secret, Events="on")
        await reading(writer, "first", trunks)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([copying, stopping], return_when=asyncio.FIRST_COMPLETED)
        with contextlib.suppress(OSError):
            await reading(writer, "last", trunks)
            await asyncio.sleep(0.3)
        stopping.cancel()
        copying.cancel()
        await asyncio.gather(copying, stopping, return_exceptions=True)
        writer.close()


async def reading(writer: asyncio.StreamWriter, name: str, trunks: list[str]) -> None:
    """The questions of a full reading, with ActionIDs by which the tests find the answers."""
    await ask(writer, "Ping", f"{name}/clock")
    await ask(writer, "QueueStatus", f"{name}/queues")
    await ask(writer, "CoreShowChannels", f"{name}/channels")
    for trunk in trunks:
        await ask(writer, "Getvar", f"{name}/trunk/{trunk}", Variable=f"DEVICE_STATE(PJSIP/trunk-{trunk})")


async def ask(writer: asyncio.StreamWriter, action: str, action_id: str, **headers: str) -> None:
    """One action."""
    lines = [f"Action: {action}", f"ActionID: {action_id}", *(f"{key}: {value}" for key, value in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    await writer.drain()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            record(
                sys.argv[1], sys.argv[2], os.environ["CALLCTL_AMI_SECRET"], Path(sys.argv[3]), sys.argv[4:], asyncio.Event()
            )
        )
