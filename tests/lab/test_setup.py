"""The setup scripts on machines that lack one thing or another: one clear message, nothing half-made."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
# What the scripts need of any machine; everything else a test puts there or leaves out.
TOOLS = """
bash sh cat chmod cut dirname basename dpkg dpkg-deb awk env find flock grep head id mkdir mktemp mv pwd readlink
realpath rm sed sha256sum sort tail tee touch tr true uname
"""

pytestmark = pytest.mark.skipif(shutil.which("dpkg") is None, reason="the scripts are for Debian and its children")


class Machine:
    """A machine with a PATH of its own and a copy of the project's files that setup reads."""

    def __init__(self, top: Path) -> None:
        self.bin, self.project = top / "bin", top / "project"
        self.bin.mkdir()
        (self.project / "scripts").mkdir(parents=True)
        for name in ("scripts/setup", "scripts/get-asterisk", "requirements-dev.lock", "setup.cfg", "pyproject.toml"):
            shutil.copy(PROJECT / name, self.project / name)
        for tool in TOOLS.split():
            found = shutil.which(tool)
            if found:
                (self.bin / tool).symlink_to(found)

    def program(self, name: str, script: str, folder: Path | None = None) -> None:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def environment_is_made(self) -> None:
        """As if the Python packages were installed already."""
        (self.project / ".venv/bin").mkdir(parents=True)
        (self.project / ".venv/bin/python").symlink_to(sys.executable)
        files = ("requirements-dev.lock", "setup.cfg", "pyproject.toml")
        wanted = f"{self.project}\n".encode() + b"".join((self.project / name).read_bytes() for name in files)
        (self.project / ".venv/.complete").write_text(f"{hashlib.sha256(wanted).hexdigest()}  -\n")

    def tools_are_there(self) -> None:
        """As if what the tests and the reports need had been installed."""
        for tool in ("xmllint", "chromium", "pdffonts", "openssl"):
            self.program(tool, "exit 0")

    def run(self, script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(self.project / "scripts" / script), *arguments],
            cwd=self.project,
            env={"PATH": str(self.bin), "HOME": str(self.project), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def keys(machine: Machine) -> dict[str, str]:
    (machine.project / "keys").touch()
    return {"CALLCTL_DEBIAN_KEYRING": str(machine.project / "keys")}


def leftovers(machine: Machine) -> list[str]:
    return sorted(path.name for path in (machine.project / ".cache").glob("asterisk*"))


def test_setup_is_silent_when_nothing_is_missing(machine: Machine) -> None:
    machine.environment_is_made()
    machine.program("sipp", "exit 0")
    machine.tools_are_there()
    machine.program("asterisk", "echo Asterisk 22.10.1", machine.project / ".cache/asterisk")
    done = machine.run("setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_asterisk_of_ones_own_is_used(machine: Machine) -> None:
    machine.environment_is_made()
    machine.program("sipp", "exit 0")
    machine.tools_are_there()
    machine.program("my-asterisk", "echo Asterisk 20.6.0~dfsg+~cs6.13.40431414-2build5")
    done = machine.run("setup", CALLCTL_ASTERISK=str(machine.bin / "my-asterisk"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_asterisk_of_ones_own_that_is_too_old_is_refused(machine: Machine) -> None:
    machine.environment_is_made()
    machine.program("sipp", "exit 0")
    machine.tools_are_there()
    machine.program("my-asterisk", "echo Asterisk 18.10.0~dfsg+~cs6.10.40431411-2")
    done = machine.run("setup", CALLCTL_ASTERISK=str(machine.bin / "my-asterisk"))
    assert done.returncode == 1
    assert "is not an Asterisk 18.11 or newer" in done.stderr


def test_no_python_names_the_variable(machine: Machine) -> None:
    done = machine.run("setup", CALLCTL_PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert done.stderr == "setup: Python 3.11 or newer is needed and none was found. Set CALLCTL_PYTHON to one.\n"
    assert not (machine.project / ".venv").exists()


def test_neither_root_nor_sudo_names_the_packages(machine: Machine) -> None:
    machine.environment_is_made()
    machine.program("apt-get", "exit 1")
    machine.program("id", "echo 1000")
    done = machine.run("setup")
    assert done.returncode == 1
    assert done.stderr.endswith("neither root nor is there sudo. As root: apt-get install sip-tester\n")


def test_a_machine_without_a_debian_mirror_names_the_variable(machine: Machine) -> None:
    machine.program("apt-get", "echo 'Ubuntu|Ubuntu|http://mirror.invalid/ubuntu/'")
    done = machine.run("get-asterisk", ".cache/asterisk", **keys(machine))
    assert done.returncode == 1
    assert "Set CALLCTL_DEBIAN_MIRROR to the address of one" in done.stderr
    assert leftovers(machine) == []


def test_a_mirror_that_does_not_answer_is_named_and_nothing_half_made_stays(machine: Machine) -> None:
    machine.program("apt-get", "echo 'Could not connect' >&2; exit 100")
    machine.program("apt-config", "exit 0")
    mirror = "http://mirror.invalid/debian"
    done = machine.run("get-asterisk", ".cache/asterisk", CALLCTL_DEBIAN_MIRROR=mirror, **keys(machine))
    assert done.returncode == 1
    assert "Could not connect" in done.stderr
    assert f"no Debian mirror could be read (tried: {mirror} )" in done.stderr
    assert leftovers(machine) == []


def test_without_debians_keys_nothing_is_fetched(machine: Machine) -> None:
    machine.program("apt-get", "exit 0")
    done = machine.run("get-asterisk", ".cache/asterisk", CALLCTL_DEBIAN_KEYRING="/nowhere/keys")
    assert done.returncode == 1
    assert "apt-get install debian-archive-keyring" in done.stderr


def test_an_architecture_debians_asterisk_is_not_unpacked_on_is_refused(machine: Machine) -> None:
    machine.program("dpkg", "echo riscv64")
    done = machine.run("get-asterisk", ".cache/asterisk", **keys(machine))
    assert done.returncode == 1
    assert "amd64 and arm64 only. Set CALLCTL_ASTERISK" in done.stderr


def test_an_unknown_argument_is_refused(machine: Machine) -> None:
    done = machine.run("setup", "--all")
    assert (done.returncode, done.stderr) == (1, "setup: unknown argument: --all\n")
