"""Whatever a person or a machine does to the command line: one line, a code that says no, nothing half-made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
CALLCTL = (sys.executable, "-m", "callctl")


def environment(state: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CALLCTL_")}
    return {**kept, "PYTHONPATH": str(PROJECT), "CALLCTL_LANG": "en", "CALLCTL_STATE": str(state), **more}


def run(state: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [*CALLCTL, *arguments],
        env=environment(state, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def in_shell(state: Path, line: str) -> "subprocess.CompletedProcess[str]":
    """A line for bash; `callctl` is this one."""
    text = f'callctl() {{ "{sys.executable}" -m callctl "$@"; }}\n{line}'
    return subprocess.run(
        ["bash", "-c", text], env=environment(state), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("CALLCTL_PROVINCE", "/nowhere", "name the folder that holds agents/ and queues/"),
        ("CALLCTL_STATE", "/etc/passwd", "CALLCTL_STATE"),
        ("CALLCTL_REDIS_URL", "http://localhost", "CALLCTL_REDIS_URL is not an address"),
        ("CALLCTL_REDIS_URL", "redis://127.0.0.1:1/0", "a store cannot be reached"),
        ("CALLCTL_SQL_URL", "mysql://localhost", "CALLCTL_SQL_URL is not an address"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, variable: str, value: str, told: str) -> None:
    done = run(tmp_path, "status", **{variable: value})
    assert done.returncode in {69, 78}
    assert told in done.stderr
    assert done.stdout == ""


def test_a_password_in_an_address_is_not_shown(tmp_path: Path) -> None:
    url = "postgresql+asyncpg://callctl:geheim@127.0.0.1:1/callctl"
    done = run(tmp_path, "event", "start", "yangzhou", CALLCTL_SQL_URL=url)
    assert done.returncode == 69
    assert "geheim" not in done.stderr


def test_a_broken_database_file_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"this is no database " * 100)
    done = run(tmp_path, "event", "start", "yangzhou")
    assert done.returncode == 69
    assert "not a database" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_city_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    done = run(tmp_path, "switch", "paris", "on")
    assert done.returncode == 1
    assert "yangzhou" in done.stderr


def test_without_any_password_the_controller_names_every_file_it_wants(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "--cities", "wuxi,suzhou")
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(file in line for file, line in zip(("ami-suzhou", "ami-wuxi"), lines, strict=True))


@pytest.mark.parametrize("program", ["/nowhere", "/bin/true", "/etc/passwd", "/tmp"])
def test_no_asterisk_to_be_had_is_one_line(tmp_path: Path, program: str) -> None:
    done = run(tmp_path, "lab", "up", CALLCTL_ASTERISK=program)
    assert done.returncode == 1
    assert done.stderr.startswith(f"callctl: CALLCTL_ASTERISK={program} ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "lab").exists()


def test_a_lab_of_no_city_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "lab", "up", "--cities", " , ", CALLCTL_ASTERISK="/bin/true")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "seats", "--help"])
def test_a_reader_who_has_seen_enough_is_no_mistake(tmp_path: Path, command: str) -> None:
    done = in_shell(tmp_path, f"callctl {command} | true")
    assert done.stderr == ""


def test_a_full_disk_behind_the_output_is_one_line(tmp_path: Path) -> None:
    done = in_shell(tmp_path, "callctl check > /dev/full")
    assert done.returncode == 1
    assert done.stderr.strip() == "callctl: the output cannot be written: No space left on device"


def test_closed_streams_are_no_mistake(tmp_path: Path) -> None:
    assert in_shell(tmp_path, "callctl check >&- 2>&-").returncode == 0
    assert in_shell(tmp_path, "callctl switch paris on >&- 2>&-").returncode == 1


@pytest.mark.parametrize("setting", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_terminal_without_chinese_shows_the_names_all_the_same(tmp_path: Path, setting: dict[str, str]) -> None:
    done = run(tmp_path, "seats", "yangzhou", CALLCTL_LANG="zh", **setting)
    assert done.returncode in {0, 4}
    assert "扬州" in done.stdout + done.stderr


def test_ctrl_c_while_the_program_is_still_read_says_nothing(tmp_path: Path) -> None:
    """Python's own tracer tells when callctl begins to be read: the moment is the same on every machine."""
    line = (
        "import os, signal, sys\n"
        "class Press:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'callctl.cli.root': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
        "import runpy; runpy.run_module('callctl', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", line], env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_render_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    secrets = {"CALLCTL_AMI_SECRET_WUXI": "0123456789abcdef", "CALLCTL_SIP_SECRET": "0123456789abcdef"}
    limited = ["bash", "-c", 'ulimit -f 2; trap "" XFSZ; exec "$@"', "bash", *CALLCTL]  # No file above 2 kB.
    done = subprocess.run(
        [*limited, "render", "--city", "wuxi", "--out", str(tmp_path / "out")],
        env=environment(tmp_path / "state", **secrets),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert list(tmp_path.glob("*out*")) == []
