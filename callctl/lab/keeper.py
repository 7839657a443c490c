"""Keeps a lab: one process that owns the cities' PBXs and their agents, and takes them along when it ends."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from callctl.lab.agents import CityAgents, Habits
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.running import PbxFailed

_READY = "ready"
_LOG = "lab.log"
_COMPLAINT = "callctl: "  # As callctl.cli begins every line that says what went wrong.
_LOOKED_EVERY_S = 0.1
_READY_WITHIN_S = 60.0
_ENDS_WITHIN_S = 5.0


async def keep(plan: LabPlan, programs: Programs, habits: Habits | None, tell: Callable[[str], None]) -> None:
    """Start the lab (and, with habits, its agents) and keep it until SIGTERM or SIGINT.

    Raises what Lab.prepare and Lab.start raise, and RegisterFailed; nothing is left running then.
    """
    ready = plan.folder / _READY
    ready.unlink(missing_ok=True)
    lab = Lab(plan, programs)
    lab.prepare()
    floors: list[CityAgents] = []
    stop = asyncio.Event()
    loop, work = asyncio.get_running_loop(), asyncio.current_task()

    def end() -> None:
        if not stop.is_set() and work is not None:
            stop.set()
            work.cancel()  # Also in the middle of the start.

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, end)
    try:
        await lab.start(lambda code: tell(f"{lab.province.cities[code].name_zh} {code}: {lab.pbxs[code].kind} runs"))
        await lab.until_trunks_up()
        tell("trunks up")
        if habits is not None:
            floors = [
                CityAgents(lab.province.cities[code], lab.settings, tone=lab.tone(code), habits=habits)
                for code in plan.cities
            ]
            await asyncio.gather(*(floor.start() for floor in floors))
            tell(f"{sum(len(floor.phones) for floor in floors)} agents registered")
        ready.touch()
        tell(_READY)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    finally:
        ready.unlink(missing_ok=True)
        for floor in floors:
            await floor.close()
        lab.stop()


async def keep_in_background(folder: Path, command: Sequence[str], tell: Callable[[str], None]) -> None:
    """Start the keeper as a process of its own and wait until the lab is ready. Raises PbxFailed.

    `command` is what the keeper runs: callctl's own arguments after `python -m callctl`.
    """
    keeper, log = _spawn(folder, command)
    told = 0
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while True:
                ended = keeper.poll() is not None  # Looked at first: its last words are in the log then.
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                if ended:
                    _, _, complaint = "\n".join(lines).partition(_COMPLAINT)
                    raise PbxFailed(complaint or f"the lab ended; see {log}")
                for line in lines[told:]:
                    if not line.startswith(_COMPLAINT):  # Its end is near; then it is told in whole.
                        tell(line)
                told = len(lines)
                if lines and lines[-1] == _READY:
                    return
                await asyncio.sleep(_LOOKED_EVERY_S)
    except BaseException as ending:
        # Ctrl-C, too: nobody wants a lab that comes up behind his back.
        _end(keeper)
        if not isinstance(ending, TimeoutError):
            raise
        raise PbxFailed(f"the lab was not ready within {_READY_WITHIN_S:g} s; see {log}") from None


def _end(keeper: "subprocess.Popen[bytes]") -> None:
    keeper.terminate()
    try:
        keeper.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        keeper.kill()  # Its PBXs go with it.
        keeper.wait()


def _spawn(folder: Path, command: Sequence[str]) -> tuple["subprocess.Popen[bytes]", Path]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / _LOG
    with log.open("wb") as out:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "callctl", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return keeper, log


def is_ready(folder: Path) -> bool:
    """Whether the lab in this folder has come up wholly."""
    return (folder / _READY).exists()
