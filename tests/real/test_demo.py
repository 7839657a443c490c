"""The demo as a person runs it: a process, its words, its figures, and nothing left of it however it ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from callctl.lab.freeswitch import VARIABLE
from callctl.lab.freeswitch_log import read_lent_log
from callctl.lab.processes import Mark, Port
from tests.real.programs import PROJECT, programs_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ASKED_FOR = {
    "asked",
    "answered_home",
    "answered_remote",
    "abandoned",
    "lost",
    "inversions",
    "connect_rate",
    "mean_wait_s",
    "max_wait_s",
}


@pytest.fixture
def network(run_number: int) -> int:
    """Addresses beside those of the other tests' cities, which go on running."""
    return run_number + 100


@pytest.fixture
def room() -> Iterator[Path]:
    """The machine's temporary folder as the demo sees it; the name is short, as a control socket needs."""
    with tempfile.TemporaryDirectory(prefix="cc-") as folder:
        yield Path(folder)


def start(room: Path, network: int, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "callctl", "demo", "--network", str(network), "--seconds", "15", *options]
    env = {**os.environ, "TMPDIR": str(room), "PYTHONPATH": str(PROJECT), "CALLCTL_LANG": "zh"}
    return subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ports_of(network: int) -> list[Port]:
    """Of all three cities: SIP and the management interface; and the citizens' own."""
    hosts = [f"127.{network}.{10 + city}.1" for city in (9, 2, 4)]
    ports = [port for host in hosts for port in (Port("udp", host, 5060), Port("tcp", host, 5038), Port("tcp", host, 8021))]
    return [*ports, Port("udp", f"127.{network}.1.19", 5060)]


def nothing_stays(room: Path, network: int) -> None:
    assert list(room.iterdir()) == []
    assert [str(port) for port in ports_of(network) if not port.free()] == []


def refused(process: "subprocess.Popen[str]") -> str:
    """One clear line on standard error, and no success."""
    _, complaint = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "Traceback" not in complaint
    assert len(complaint.strip().splitlines()) == 1, complaint
    return complaint


def test_short_demo_shows_that_assistance_answers_more_and_everybody_agrees(
    room: Path, network: int, tmp_path: Path
) -> None:
    result = tmp_path / "build" / "demo.json"
    plays_and_everybody_agrees(start(room, network, "--result", str(result)), result)
    nothing_stays(room, network)


def test_make_demo_with_a_freeswitch_city_shows_the_same(room: Path, network: int, tmp_path: Path) -> None:
    """The very line that make runs for `make demo FREESWITCH=<folder>`, beside the other tests' cities and shorter."""
    programs_for(["freeswitch"])
    folder, result = os.environ[VARIABLE], tmp_path / "demo.json"
    asked = ["make", "--silent", "--dry-run", "demo", f"FREESWITCH={folder}", f"BIN={Path(sys.executable).parent}"]
    env = {name: value for name, value in os.environ.items() if name != VARIABLE}
    told = subprocess.run(asked, cwd=PROJECT, env=env, capture_output=True, text=True, check=True, timeout=30)
    line = told.stdout.strip().splitlines()[-1]
    assert line.startswith(f"{VARIABLE}={folder} ")
    options = f"--network {network} --seconds 15 --result {result} --folder {room / 'demo'} --keep"
    env |= {"TMPDIR": str(room), "PYTHONPATH": str(PROJECT), "CALLCTL_LANG": "zh"}
    plays_and_everybody_agrees(
        subprocess.Popen(
            ["sh", "-c", f"exec env {line} {options}"],
            cwd=PROJECT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ),
        result,
    )
    answered = read_lent_log(room / "demo" / "xuzhou" / "log" / "freeswitch.log", "yangzhou", 0.0).calls
    assert answered, "xuzhou's FreeSWITCH answered for yangzhou"
    shutil.rmtree(room / "demo")
    nothing_stays(room, network)


def plays_and_everybody_agrees(process: "subprocess.Popen[str]", result: Path) -> None:
    """Both halves are played to their end: nobody lost, more answered with assistance, and one figure from everybody."""
    said, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, said + complaint
    told = json.loads(result.read_text(encoding="utf-8"))
    assert list(told) == ["without", "with"]
    for half in told.values():
        assert set(half) >= ASKED_FOR
        assert half["differences"] == []
        assert (half["lost"], half["inversions"], half["returned"]) == (0, 0, 0)
        assert half["asked"] == half["answered_home"] + half["answered_remote"] + half["abandoned"]
    without, with_it = told["without"], told["with"]
    assert without["asked"] == with_it["asked"] > 0
    assert (without["answered_remote"], with_it["answered_remote"] > 0) == (0, True)
    assert with_it["connect_rate"] > without["connect_rate"]
    for words in ("扬州", "值班长开启支援", "徐州接听", "三方一致"):
        assert words in said


def test_interrupted_demo_leaves_nothing(room: Path, network: int) -> None:
    process = start(room, network)
    assert process.stdout is not None
    for line in process.stdout:
        if "上半场" in line:
            break
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "Traceback" not in complaint
    nothing_stays(room, network)


def test_port_in_use_is_named_and_nothing_is_left(room: Path, network: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((f"127.{network}.14.1", 5060))
        complaint = refused(start(room, network))
        assert f"127.{network}.14.1:5060 is in use" in complaint
    nothing_stays(room, network)


def test_citizens_port_in_use_is_named_before_anything_starts(room: Path, network: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((f"127.{network}.1.19", 5060))
        assert f"127.{network}.1.19:5060 is in use" in refused(start(room, network))
    nothing_stays(room, network)


def test_folder_of_a_running_lab_is_not_taken(room: Path, network: int, tmp_path: Path) -> None:
    (tmp_path / "owner").write_text(Mark.of(os.getpid()).write(), encoding="ascii")
    assert "lab down" in refused(start(room, network, "--folder", str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["owner"]
    nothing_stays(room, network)


def test_folder_with_somebodys_files_is_not_taken(room: Path, network: int, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    assert "not an empty folder" in refused(start(room, network, "--folder", str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
