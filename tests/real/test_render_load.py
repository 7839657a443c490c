"""A real Asterisk loads what we render: no warning, and its own show commands list what was meant."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from callctl.render.asterisk import AsteriskDirs, render_city
from callctl.render.folder import write_city
from callctl.settings import read_settings
from tests.provinces import three_cities

pytestmark = pytest.mark.real

PROJECT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(os.environ.get("CALLCTL_ASTERISK") or PROJECT / ".cache" / "asterisk" / "asterisk")
# Apart from the lab's addresses, and from those of another pytest-xdist worker.
NETWORK = 70 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PROVINCE = three_cities(seats=4, network=NETWORK)
SECRETS = {f"CALLCTL_AMI_SECRET_{code.upper()}": "an-ami-secret" for code in PROVINCE.cities}
SETTINGS = read_settings({**SECRETS, "CALLCTL_SIP_SECRET": "a-key-for-the-phones"})
SILENCE = b"\xd5" * 8000  # A second of it, in A-law.
WITHIN_S = 20.0


def dirs_for(root: Path) -> AsteriskDirs:
    """Folders of a test: the unpacked Asterisk's (beside the program), else the machine's own package."""
    unpacked = PROGRAM.parent / "root"
    share = unpacked / "usr/share/asterisk" if unpacked.is_dir() else Path("/usr/share/asterisk")
    modules = next(unpacked.glob("usr/lib/*/asterisk/modules"), None)
    data = root / "data"
    (data / "sounds").mkdir(parents=True)
    (data / "documentation").symlink_to(share / "documentation")
    english = next(
        (share / "sounds" / name for name in ("en", "en_US_f_Allison") if (share / "sounds" / name).is_dir()), None
    )
    if english:
        (data / "sounds" / "en").symlink_to(english)
    dirs = AsteriskDirs.under(root, str(modules or ""), str(data))
    dirs.make()
    (Path(dirs.moh) / "silence.alaw").write_bytes(SILENCE)
    return dirs


@dataclass
class RunningCity:
    """One real Asterisk on the rendered files."""

    dirs: AsteriskDirs
    process: subprocess.Popen[bytes]

    def ask(self, command: str) -> str:
        asked = [str(PROGRAM), "-C", f"{self.dirs.etc}/asterisk.conf", "-rx", command]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=WITHIN_S, check=False).stdout
        return re.sub(r"\x1b\[[0-9;]*m", "", said)

    def file(self, name: str) -> str:
        return Path(self.dirs.etc, name).read_text(encoding="utf-8")

    def complaints(self) -> list[str]:
        log = Path(self.dirs.log, "messages.log").read_text(encoding="utf-8")
        return [line for line in log.splitlines() if re.search(r"\] (WARNING|ERROR)\[", line)]


def started(code: str, root: Path) -> RunningCity:
    dirs = dirs_for(root)
    shutil.rmtree(dirs.etc)
    write_city(render_city(PROVINCE, code, SETTINGS, dirs), Path(dirs.etc))
    command = [str(PROGRAM), "-C", f"{dirs.etc}/asterisk.conf", "-f"]
    with (root / "console").open("wb") as console:
        return RunningCity(dirs, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console))


async def until(said: str, city: RunningCity, command: str, times: int = 1) -> None:
    async with asyncio.timeout(WITHIN_S):
        while city.ask(command).count(said) < times:
            assert city.process.poll() is None, "Asterisk ended"
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def cities() -> Iterator[dict[str, RunningCity]]:
    if not PROGRAM.is_file():
        pytest.fail(f"no Asterisk at {PROGRAM}: run `make test`, or name one in CALLCTL_ASTERISK")
    # Not pytest's own folder: the control socket's name must stay short.
    with tempfile.TemporaryDirectory(prefix="callctl-load-") as folder:
        made = {}
        try:
            for code in PROVINCE.cities:
                made[code] = started(code, Path(folder) / code)
            yield made
        finally:
            for city in made.values():
                city.process.kill()
                city.process.wait()


async def test_three_cities_boot_without_a_warning_and_reach_each_other(cities: dict[str, RunningCity]) -> None:
    for city in cities.values():
        await until("fully booted", city, "core waitfullybooted")
    for code, city in cities.items():
        for other in PROVINCE.cities.keys() - {code}:
            await until("Avail ", city, f"pjsip show aor trunk-{other}")
    for code, city in cities.items():
        assert city.complaints() == [], code


async def test_every_module_asked_for_runs(cities: dict[str, RunningCity]) -> None:
    city = cities["yangzhou"]
    await until("fully booted", city, "core waitfullybooted")
    wanted = re.findall(r"^load = (\S+)", city.file("modules.conf"), re.MULTILINE)
    running = re.findall(r"^(\S+\.so) .*Running", city.ask("module show"), re.MULTILINE)
    assert set(wanted) <= set(running)


async def test_the_dialplan_is_whole(cities: dict[str, RunningCity]) -> None:
    city = cities["yangzhou"]
    await until("fully booted", city, "core waitfullybooted")
    shown = city.ask("dialplan show")
    contexts = set(re.findall(r"\[ Context '([^']+)' created by 'pbx_config'", shown))
    assert contexts == {
        *("cc-from-pstn", "cc-hotline", "cc-survey", "cc-keys", "cc-cb-queue", "cc-cb-dial"),
        *("cc-seat", "cc-move", "cc-none", "cc-from-city", "cc-out", "cc-leg-end", "cc-support-end", "cc-alive", "cc-file"),
        *("cc-say", "cc-from-agent", "cc-listen"),
        *("cc-missed", "cc-back-agent", "cc-back-out", "cc-back-taken", "cc-back-citizen"),
    }
    used = set(re.findall(r"\d+\. (?:\[\w+\] )?(\w+)\(", shown))
    missing = {app for app in used if "are) not registered" in city.ask(f"core show application {app}")}
    assert missing == set()
    functions = set(re.findall(r"\b([A-Z][A-Z_]{2,})\(", shown)) - {"SHARED"}
    assert {name for name in functions if f"{name}(" not in city.ask(f"core show function {name}")} == set()


async def test_queues_are_what_was_meant(cities: dict[str, RunningCity]) -> None:
    city = cities["yangzhou"]
    await until("fully booted", city, "core waitfullybooted")
    shown = city.ask("queue show")
    assert set(re.findall(r"^(\S+) has \d+ calls", shown, re.MULTILINE)) == {
        *("q12345", "cc-seats", "cc-heartbeat", "cc-listen", "support-nanjing", "support-xuzhou"),
    }
    home = shown.partition("q12345 has")[2].partition("\n\n")[0]
    assert "W:10" in home
    assert sorted(re.findall(r"\(PJSIP/(\d+)", home)) == ["2001", "2002", "2004"]
    roster = shown.partition("cc-seats has")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"\(PJSIP/(\d+)", roster)) == ["2001", "2002", "2003", "2004"]


async def test_only_carrier_cities_and_phones_are_endpoints(cities: dict[str, RunningCity]) -> None:
    city = cities["yangzhou"]
    await until("fully booted", city, "core waitfullybooted")
    shown = city.ask("pjsip show endpoints")
    endpoints = set(re.findall(r"^ Endpoint:  (\w[\w-]*)(?:/\S+)?\s", shown, re.MULTILINE))
    assert endpoints == {"pstn", "trunk-nanjing", "trunk-xuzhou", "2001", "2002", "2003", "2004"}
    trunk = city.ask("pjsip show endpoint trunk-nanjing")
    for line in ("context : cc-from-city", "rtp_timeout : 20", "allow_transfer : false"):
        assert line in re.sub(r" +", " ", trunk), line
    phone = re.sub(r" +", " ", city.ask("pjsip show endpoint 2001"))
    assert "context : cc-from-agent" in phone
    assert "contact_acl : callctl-phones" in phone
    assert "device_state_busy_at : 0" in phone


async def test_the_ami_account_is_the_least_one(cities: dict[str, RunningCity]) -> None:
    city = cities["yangzhou"]
    await until("fully booted", city, "core waitfullybooted")
    shown = re.sub(r" +", " ", city.ask("manager show user callctl"))
    assert "read perm: system,call,agent,user\n" in shown
    assert "write perm: agent,reporting\n" in shown
    assert "ACL: yes" in shown
    assert "1 manager users configured" in city.ask("manager show users")
