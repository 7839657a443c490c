"""Real servers for the tests of the stores: Valkey as callctl embeds it, PostgreSQL where the machine has it."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from callctl.store.embedded import Embedded, start
from callctl.store.schema import open_engine, upgrade

_FILLED = "filled"


def postgres_programs() -> Path | None:
    """Where initdb and postgres are; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def why_no_postgres() -> str:
    """Why no PostgreSQL can be started here; empty where it can."""
    if postgres_programs() is None:
        return "PostgreSQL is not installed (no initdb in /usr/lib/postgresql/*/bin or PATH)"
    if os.geteuid() != 0:
        return ""
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return "PostgreSQL refuses to run as root, and there is no user postgres to run it as"
    return "" if shutil.which("setpriv") else "PostgreSQL refuses to run as root, and there is no setpriv"


def fill(url: str) -> None:
    """Give the database today's tables, by all migrations from the first on, as `callctl db upgrade` does."""

    async def filled() -> None:
        engine = open_engine(url)
        await upgrade(engine)
        await engine.dispose()

    with ThreadPoolExecutor(1) as apart:  # The caller may be within an event loop.
        apart.submit(asyncio.run, filled()).result()


def _new_name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


class Postgres:
    """A PostgreSQL of our own: a Unix socket in a folder of its own, no network."""

    def __init__(self) -> None:
        programs = postgres_programs()
        assert programs is not None, why_no_postgres()
        self._programs = programs
        self._has_filled = False
        self.folder = Path(tempfile.mkdtemp(prefix="callctl-pg-"))
        self._as: list[str] = []
        if os.geteuid() == 0:
            who = pwd.getpwnam("postgres")
            os.chown(self.folder, who.pw_uid, who.pw_gid)
            self._as = ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups"]
        options = ["-A", "trust", "-U", "postgres", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
        self._do("initdb", "-D", str(self.folder / "db"), *options)
        self.start()

    def start(self) -> None:
        """Start it, also after a kill."""
        settings = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
        self._do("pg_ctl", "-D", str(self.folder / "db"), "-w", "-o", settings, "-l", str(self.folder / "log"), "start")

    def kill(self) -> None:
        """SIGKILL to the postmaster and all it started."""
        self._signal(signal.SIGKILL)
        for path in (self.folder / "db/postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            path.unlink(missing_ok=True)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def database(self) -> str:
        """The address of a new, empty database."""
        return self._created(_new_name())

    def filled(self) -> str:
        """The address of a new database with today's tables and nothing in them."""
        if not self._has_filled:
            fill(self._created(_FILLED))
            self._has_filled = True
        return self._created(_new_name(), "-T", _FILLED)

    def _created(self, name: str, *options: str) -> str:
        self._do("createdb", "-h", str(self.folder), "-U", "postgres", *options, name)
        return f"postgresql+asyncpg://postgres@/{name}?host={self.folder}"

    def close(self) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        postmaster = int((self.folder / "db/postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):  # A backend that misses its postmaster ends by itself.
                os.kill(process, number)

    def _do(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._programs / program), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )


class Valkey:
    """An embedded server that a test can kill, freeze and start again. Call it from the main thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = start(folder)

    @property
    def url(self) -> str:
        """Its address; the same after a restart."""
        return self._running.url

    @property
    def running(self) -> Embedded:
        """The server."""
        return self._running

    def kill(self) -> None:
        """SIGKILL."""
        assert self._running.process is not None
        self._running.process.kill()
        self._running.process.wait()

    def freeze(self) -> None:
        """SIGSTOP."""
        assert self._running.process is not None
        self._running.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._running.process is not None
        self._running.process.send_signal(signal.SIGCONT)

    def start_again(self) -> None:
        """After a kill."""
        self._running = start(self._folder)

    def close(self) -> None:
        """End it, frozen or not."""
        self.thaw()
        self._running.stop()
