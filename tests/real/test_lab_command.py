"""`callctl lab` as a person uses it: up, status, calls, down; and every refusal one line without a traceback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callctl.lab.lab import marks
from tests.real.programs import PROJECT, programs_for

pytestmark = pytest.mark.real


class Terminal:
    """Runs `callctl lab …` on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "callctl", "lab", *arguments, "--folder", str(self.folder)],
            cwd=PROJECT,
            env={**os.environ, "CALLCTL_LANG": "en", "PYTHONPATH": str(PROJECT), **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def refused(self, *arguments: str, **environment: str) -> str:
        """What is said when it is refused: exit code 1, one line, no traceback."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "lab")
    yield made
    made.run("down")


ONE = ("up", "--cities", "suzhou", "--seats", "2", "--talk", "0.5", "--answer", "0.1")  # Not the cities of `floor`.


def test_a_lab_comes_up_takes_calls_and_leaves_nothing(terminal: Terminal) -> None:
    up = terminal.run(*ONE)
    assert up.returncode == 0, up.stderr
    assert "苏州 suzhou: Asterisk runs" in up.stdout
    assert "2 agents registered" in up.stdout
    assert "callctl run" in up.stdout
    status = json.loads(terminal.run("status", "--json").stdout)
    assert [(city["state"], city["phones"]) for city in status["cities"]] == [("runs", 2)]
    assert "is running in" in terminal.refused(*ONE)
    load = json.loads(terminal.run("calls", "--city", "suzhou", "--rate", "2", "--for", "2", "--patience", "3").stdout)
    assert load["placed"] == load["succeeded"] + load["failed"] == 4
    heard = json.loads(terminal.run("calls", "--city", "suzhou", "--rate", "2", "--for", "2", "--listen").stdout)
    assert heard["asked"] == heard["gave_up"] + sum(heard["answered"].values())
    started = marks(terminal.folder)
    assert terminal.run("down").stdout.strip() == "ended"
    assert not any(mark.alive for mark in started.values())
    assert terminal.run("down").stdout.strip() == "no lab was running"


def test_a_lab_of_both_kinds_comes_up_takes_calls_and_leaves_nothing(terminal: Terminal) -> None:
    programs_for(["asterisk", "freeswitch"])
    up = terminal.run("up", "--cities", "suzhou:freeswitch,wuxi:asterisk", *ONE[3:])
    assert up.returncode == 0, up.stderr
    assert "苏州 suzhou: FreeSWITCH runs" in up.stdout
    assert "无锡 wuxi: Asterisk runs" in up.stdout
    status = json.loads(terminal.run("status", "--json").stdout)
    assert [(city["state"], city["phones"]) for city in status["cities"]] == [("runs", 2), ("runs", 2)]
    for city in ("suzhou", "wuxi"):
        heard = json.loads(terminal.run("calls", "--city", city, "--rate", "2", "--for", "2", "--listen").stdout)
        assert heard["asked"] == heard["gave_up"] + sum(heard["answered"].values())
        assert sum(heard["answered"].values()) > 0
    started = marks(terminal.folder)
    assert set(started) == {"suzhou", "wuxi"}
    assert terminal.run("down").stdout.strip() == "ended"
    assert not any(mark.alive for mark in started.values())


def test_a_lab_whose_keeper_is_killed_leaves_nothing(terminal: Terminal) -> None:
    assert terminal.run(*ONE, "--no-agents").returncode == 0
    started = marks(terminal.folder)
    os.kill(int((terminal.folder / "owner").read_text().split()[0]), 9)
    terminal.run("down")
    assert not any(mark.alive for mark in started.values())


@pytest.mark.parametrize("stay", [(), ("--stay",)], ids=["behind the scenes", "in the foreground"])
def test_ctrl_c_while_the_cities_boot_leaves_nothing_running(terminal: Terminal, stay: tuple[str, ...]) -> None:
    line = [sys.executable, "-m", "callctl", "lab", *ONE, *stay, "--folder", str(terminal.folder)]
    env = {**os.environ, "CALLCTL_LANG": "en", "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(line, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        while not marks(terminal.folder):  # An Asterisk has been started, and boots.
            assert up.poll() is None
            time.sleep(0.01)
        up.send_signal(signal.SIGINT)
        assert "Traceback" not in up.stderr.read()
    started = marks(terminal.folder)
    assert started
    assert not any(mark.alive for mark in started.values())
    assert terminal.run("down").stdout.strip() == "no lab was running"


def test_a_city_named_twice_is_one_city(terminal: Terminal) -> None:
    up = terminal.run("up", "--cities", "suzhou, suzhou", "--seats", "2", "--no-agents")
    assert up.returncode == 0, up.stderr
    assert list(marks(terminal.folder)) == ["suzhou"]


def test_without_a_lab_status_and_calls_say_how_to_start_one(terminal: Terminal) -> None:
    assert "start one: callctl lab up" in terminal.refused("status")
    assert "start one: callctl lab up" in terminal.refused("calls", "--city", "suzhou", "--rate", "1", "--for", "1")


def test_an_unknown_city_is_one_line(terminal: Terminal) -> None:
    assert terminal.refused("up", "--cities", "paris").startswith("callctl: there is no city paris")


def test_a_port_in_use_is_one_line_and_nothing_runs(terminal: Terminal) -> None:
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Connections of an earlier lab may linger.
        squatter.bind(("127.0.14.1", 5038))
        squatter.listen()
        said = terminal.refused(*ONE)
    assert said.startswith("callctl: suzhou: tcp 127.0.14.1:5038 is in use by ")
    assert len(said.splitlines()) == 1
    assert not any(mark.alive for mark in marks(terminal.folder).values())


def test_no_asterisk_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.refused(*ONE, CALLCTL_ASTERISK=str(tmp_path / "nothing"))
    assert said.startswith("callctl: CALLCTL_ASTERISK=")
    assert len(said.splitlines()) == 1
