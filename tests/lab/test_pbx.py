"""A real Asterisk in the lab: started, killed, frozen, refused for good reasons, and a call through it."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from callctl.lab.pbx import LabPbx, PbxFailed
from callctl.lab.phone import BUSY, NEVER_ANSWERS, Habit, Phone
from callctl.lab.processes import Mark, Port
from callctl.lab.program import AsteriskProgram, NoAsterisk, find_asterisk
from callctl.lab.registration import Account, RegisterFailed
from tests.lab.minimal_conf import city, conf

PROJECT = Path(__file__).resolve().parent.parent.parent
CITY = city()


@pytest.fixture(scope="module")
def program() -> AsteriskProgram:
    return find_asterisk(os.environ, PROJECT)


@pytest.fixture
def pbx(program: AsteriskProgram, tmp_path: Path) -> Iterator[LabPbx]:
    made = LabPbx(program, CITY, tmp_path / "nanjing")
    made.write(conf(CITY, program, made.folders.top))
    yield made
    made.kill()


@pytest.mark.real
class TestLife:
    """Starting and ending."""

    async def test_a_started_pbx_is_fully_booted_and_has_nothing_to_complain_of(self, pbx: LabPbx) -> None:
        await pbx.start()
        assert pbx.complaints() == []
        pbx.stop()
        assert not pbx.running

    async def test_a_killed_pbx_starts_again(self, pbx: LabPbx) -> None:
        await pbx.start()
        pbx.kill()
        assert not pbx.running
        await pbx.start()
        assert "Asterisk" in await pbx.cli("core show version")

    async def test_a_frozen_pbx_answers_again_when_thawed(self, pbx: LabPbx) -> None:
        await pbx.start()
        pbx.freeze()
        assert Mark.of(pbx.pid).frozen
        with pytest.raises(PbxFailed, match="did not answer"):
            await pbx.cli("core show version", within_s=0.5)
        pbx.thaw()
        assert "Asterisk" in await pbx.cli("core show version")

    async def test_a_frozen_pbx_can_be_stopped(self, pbx: LabPbx) -> None:
        await pbx.start()
        pbx.freeze()
        pbx.stop()
        assert not pbx.running

    def test_a_pbx_dies_with_the_program_that_started_it(self, pbx: LabPbx) -> None:
        script = (
            "import asyncio, os, sys, pathlib\n"
            "from callctl.lab.pbx import LabPbx\nfrom callctl.lab.program import find_asterisk\n"
            "from tests.lab.minimal_conf import city\n"
            "pbx = LabPbx(find_asterisk(os.environ, pathlib.Path(sys.argv[1])), city(), pathlib.Path(sys.argv[2]))\n"
            "asyncio.run(pbx.start())\nprint(pbx.pid, flush=True)\nsys.stdin.read()\n"
        )
        command = [sys.executable, "-c", script, str(PROJECT), str(pbx.folders.top)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as parent:
            assert parent.stdout
            asterisk = Mark.of(int(parent.stdout.readline()))
            assert asterisk.alive
            descriptor = os.pidfd_open(asterisk.pid)
            parent.send_signal(signal.SIGKILL)
            ended, _, _ = select.select([descriptor], [], [], 5.0)
            os.close(descriptor)
        assert ended


@pytest.mark.real
class TestRefusals:
    """What stops a PBX from starting is one clear message, and nothing is left running."""

    async def test_a_port_in_use_is_named_with_its_holder(self, pbx: LabPbx) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as squatter:
            squatter.bind((CITY.pbx.host, 5060))
            said = rf"nanjing: udp 127\.9\.10\.1:5060 is in use by .+ \(process {os.getpid()}\); end that first"
            with pytest.raises(PbxFailed, match=said):
                await pbx.start()
        assert not pbx.running

    async def test_a_second_pbx_of_the_city_is_refused(self, pbx: LabPbx, tmp_path: Path) -> None:
        await pbx.start()
        second = LabPbx(pbx.program, CITY, tmp_path / "second")
        second.write(conf(CITY, pbx.program, second.folders.top))
        with pytest.raises(PbxFailed, match=r"is in use by .*ld-linux|is in use by .*asterisk"):
            await second.start()

    async def test_a_broken_sip_transport_is_told_with_the_logs_own_words(self, pbx: LabPbx) -> None:
        path = pbx.folders.etc / "pjsip.conf"
        path.write_text(path.read_text().replace("bind=127", "bind=x127"))
        with pytest.raises(PbxFailed, match=r"does not listen on udp 127\.9\.10\.1:5060[\s\S]*ERROR"):
            await pbx.start()
        assert not pbx.running

    async def test_a_pbx_that_cannot_boot_is_told_with_the_logs_own_words(self, pbx: LabPbx) -> None:
        path = pbx.folders.etc / "modules.conf"
        path.write_text(path.read_text() + "require=res_nonsense.so\n")
        with pytest.raises(PbxFailed, match=r"ended while it booted[\s\S]*res_nonsense"):
            await pbx.start()

    async def test_no_configuration_is_told(self, program: AsteriskProgram, tmp_path: Path) -> None:
        with pytest.raises(PbxFailed, match=r"there is no .*/etc/asterisk\.conf"):
            await LabPbx(program, CITY, tmp_path).start()

    async def test_a_folder_name_too_long_for_a_socket_is_told(self, program: AsteriskProgram, tmp_path: Path) -> None:
        far = LabPbx(program, CITY, tmp_path / ("x" * 100))
        far.write(conf(CITY, program, far.folders.top))
        with pytest.raises(PbxFailed, match="too long a folder name"):
            await far.start()


def test_no_asterisk_to_be_had_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(NoAsterisk, match="run `make setup`, or set CALLCTL_ASTERISK"):
        find_asterisk({"PATH": str(tmp_path)}, tmp_path)


@pytest.mark.parametrize(
    ("says", "match"),
    [
        ("Asterisk 16.28.0~dfsg", "is Asterisk 16.28; 18.11 or newer is needed"),
        ("hello", "does not say an Asterisk version"),
    ],
)
def test_an_unfit_asterisk_is_refused(tmp_path: Path, says: str, match: str) -> None:
    fake = tmp_path / "asterisk"
    fake.write_text(f"#!/bin/sh\necho '{says}'\n")
    fake.chmod(0o755)
    with pytest.raises(NoAsterisk, match=match):
        find_asterisk({"CALLCTL_ASTERISK": str(fake)}, tmp_path)


def test_an_asterisk_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoAsterisk, match="cannot be run"):
        find_asterisk({"CALLCTL_ASTERISK": str(tmp_path / "none")}, tmp_path)


def test_a_ports_holder_is_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = Port("tcp", "127.0.0.1", taken.getsockname()[1])
        assert not port.free()
        assert f"(process {os.getpid()})" in port.holder()
    assert port.free()


def test_a_mark_is_not_mistaken_for_a_later_process_of_the_same_number() -> None:
    mine = Mark.of(os.getpid())
    assert mine.alive
    assert Mark.read(mine.write()) == mine
    assert not Mark(mine.pid, mine.started - 1).alive
    assert Mark.read("garbage") is None


@pytest.fixture
async def agent(pbx: LabPbx) -> AsyncIterator[Phone]:
    await pbx.start()
    phone = Phone(Account("1101", "phone-secret", (CITY.pbx.host, 5060)), tone="agent")
    await phone.open("127.9.110.1", 6000)
    yield phone
    await phone.close()


@pytest.fixture
async def carrier(agent: Phone) -> AsyncIterator[Phone]:
    phone = Phone(Account("carrier", "", (CITY.pbx.host, 5060)), tone="citizen")
    await phone.open(CITY.pbx.carrier, 5060)
    yield phone
    await phone.close()


@pytest.mark.real
class TestCalls:
    """Phones and a PBX."""

    async def test_a_citizen_hears_music_and_then_the_agent(self, pbx: LabPbx, agent: Phone, carrier: Phone) -> None:
        call = await carrier.call("12345", caller="13800000001")
        await call.until_hears("music")
        agent.habit = Habit(answer_after_s=0.5, talk_s=0.5)
        await agent.register()
        await call.until_hears("agent")
        since = next(stretch.since for stretch in call.heard if stretch.sound == "music")
        until = next(stretch.since for stretch in call.heard if stretch.sound == "agent")
        assert call.longest_gap_s("music", since, until) < 0.2
        await agent.last.until_hears("citizen")
        assert agent.last.number == "13800000001"

    async def test_a_wrong_secret_is_refused(self, agent: Phone) -> None:
        agent.account = Account("1101", "wrong", agent.account.pbx)
        with pytest.raises(RegisterFailed, match=r"refused phone 1101: SIP/2\.0 401"):
            await agent.register()

    async def test_an_unregistered_phone_is_not_rung(self, pbx: LabPbx, agent: Phone, carrier: Phone) -> None:
        await agent.register()
        await agent.unregister()
        call = await carrier.call("1101")
        assert await call.until_ended() in {"480", "503", "404"}
        assert not agent.calls

    async def test_a_busy_agents_status_reaches_the_caller(self, pbx: LabPbx, agent: Phone, carrier: Phone) -> None:
        agent.habit = BUSY
        await agent.register()
        call = await carrier.call("1101")
        assert await call.until_ended() == "486"

    async def test_hanging_up_while_it_rings_cancels_it(self, pbx: LabPbx, agent: Phone, carrier: Phone) -> None:
        agent.habit = NEVER_ANSWERS
        await agent.register()
        call = await carrier.call("1101")
        rung = await agent.until_rung()
        call.hang_up()
        assert await rung.until_ended() == "cancelled"
        assert await call.until_ended() == "cancelled"
