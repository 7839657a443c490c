"""Which Asterisk the lab runs, and where that Asterisk keeps its modules and sounds."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST = (18, 11)
_VERSION = re.compile(r"Asterisk (?:certified/)?(\d+)\.(\d+)")
_MODULES = ("lib/*/asterisk/modules", "lib/asterisk/modules", "lib64/asterisk/modules")


class NoAsterisk(Exception):
    """There is no Asterisk the lab could run; str() says how to get one."""


@dataclass(frozen=True, slots=True)
class AsteriskProgram:
    """A runnable Asterisk."""

    path: Path
    version: tuple[int, int]
    modules: Path
    share: Path  # Holds sounds/ and documentation/ (without which no module with options starts).


def find_asterisk(environment: Mapping[str, str], project: Path) -> AsteriskProgram:
    """CALLCTL_ASTERISK, else the one that `make setup` unpacked in `project`, else the system's. Raises NoAsterisk."""
    chosen = environment.get("CALLCTL_ASTERISK")
    if chosen:
        return _inspect(Path(chosen), f"CALLCTL_ASTERISK={chosen}")
    unpacked = project / ".cache" / "asterisk" / "asterisk"
    if unpacked.exists():
        return _inspect(unpacked, str(unpacked))
    # /usr/sbin is not on the PATH of every user.
    search = os.pathsep.join([environment.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("asterisk", path=search)
    if not found:
        raise NoAsterisk("no Asterisk was found: run `make setup`, or set CALLCTL_ASTERISK to one (18.11 or newer)")
    return _inspect(Path(found), found)


def _inspect(path: Path, what: str) -> AsteriskProgram:
    try:
        said = subprocess.run([path, "-V"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAsterisk(f"{what} cannot be run: {error}") from None
    version = _VERSION.search(said.stdout)
    if version is None:
        told = (said.stderr or said.stdout).strip().splitlines()
        raise NoAsterisk(f"{what} does not say an Asterisk version: {told[-1] if told else 'it says nothing'}")
    numbers = (int(version[1]), int(version[2]))
    if numbers < OLDEST:
        raise NoAsterisk(f"{what} is Asterisk {numbers[0]}.{numbers[1]}; 18.11 or newer is needed")
    unpacked = path.resolve().parent / "root"
    roots = [unpacked / "usr"] if unpacked.is_dir() else [Path("/usr"), Path("/usr/local")]
    modules = [found for root in roots for pattern in _MODULES for found in root.glob(pattern)]
    shares = [root / "share" / "asterisk" for root in roots] + ([] if unpacked.is_dir() else [Path("/var/lib/asterisk")])
    share = next((folder for folder in shares if (folder / "documentation").is_dir()), None)
    if not modules or share is None:
        raise NoAsterisk(f"{what} has no modules or no documentation folder below {', '.join(map(str, roots))}")
    return AsteriskProgram(path.absolute(), numbers, modules[0].absolute(), share.absolute())
