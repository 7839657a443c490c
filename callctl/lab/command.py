"""callctl's own commands as processes of their own, as a supervisor or systemd would start them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_CODE = Path(__file__).resolve().parent.parent.parent
_ENDS_WITHIN_S = 15.0  # Longer than the controller's own patience at its end (callctl.app).


class CommandFailed(Exception):
    """A command of callctl did not do what it was asked; str() is its own last words."""


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    paths = [str(_CODE), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, **more, "PYTHONPATH": os.pathsep.join(path for path in paths if path), "PYTHONUTF8": "1"}


async def order(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a command to its end; what it said. Raises CommandFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "callctl", *arguments),
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = (await process.communicate())[0].decode("utf-8", "replace").strip()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandFailed(f"`callctl {' '.join(arguments)}` ended with {process.returncode}: {said}")
    return said


class Background:
    """A command of callctl in the background; it ends with us, however we end."""

    def __init__(self, what: str, environment: Mapping[str, str], log: Path, *arguments: str) -> None:
        setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
        # The kernel tells it when we are killed (prctl(2), PR_SET_PDEATHSIG).
        tied = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        self._what = what
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*tied, sys.executable, "-m", "callctl", *arguments, "--log", "json"],
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at our terminal is ours to handle.
            )

    def check(self) -> None:
        """Raises CommandFailed where it has ended."""
        if self._process.poll() is not None:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise CommandFailed(f"{self._what} ended: {lines[-1] if lines else 'it says nothing'}")

    async def stop(self) -> None:
        """End it in order, by force where it takes too long."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_ENDS_WITHIN_S):
                while self._process.poll() is None:  # noqa: ASYNC110 - Popen has no event to wait for.
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self._process.kill()
        self._process.wait()


class ControllerProcess(Background):
    """`callctl run`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("the controller", environment, log, "run")


class ConsoleProcess(Background):
    """`callctl web`."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("the console", environment, log, "web")
