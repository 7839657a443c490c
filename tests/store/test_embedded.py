"""The embedded Valkey: one server a folder, no orphans, and a clear word where it cannot be had."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from redis import Redis

from callctl.settings import read_settings
from callctl.store import embedded
from callctl.store.connect import open_registry
from callctl.store.embedded import EmbeddedFailed, start
from callctl.store.port import StoreLost


def keep(url: str) -> None:
    with Redis.from_url(url) as link:
        link.set("kept", "是")


def kept(url: str) -> str:
    with Redis.from_url(url, decode_responses=True) as link:
        return str(link.get("kept"))


def test_what_was_written_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    first = start(tmp_path)
    keep(first.url)
    first.stop()
    second = start(tmp_path)
    assert kept(second.url) == "是"
    second.stop()


def test_a_server_that_runs_in_the_folder_is_used_and_not_stopped_by_its_guest(tmp_path: Path) -> None:
    owner = start(tmp_path)
    guest = start(tmp_path)
    assert guest.process is None
    assert guest.alive()
    guest.stop()
    keep(guest.url)
    owner.stop()
    assert not guest.alive()


def test_no_second_server_writes_into_the_folder_of_a_frozen_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = start(tmp_path)
    assert owner.process is not None
    monkeypatch.setattr(embedded, "START_S", 0.02)
    owner.process.send_signal(signal.SIGSTOP)
    with pytest.raises(EmbeddedFailed, match="runs but does not answer"):
        start(tmp_path)
    owner.process.send_signal(signal.SIGCONT)
    owner.stop()


def test_the_server_dies_with_the_process_that_started_it_even_by_sigkill(tmp_path: Path) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from callctl.store.embedded import start
        print(start(Path({str(tmp_path)!r})).process.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server = int(owner.stdout.readline())
        watched = os.pidfd_open(server)
        owner.kill()
    gone = select.poll()
    gone.register(watched, select.POLLIN)
    assert gone.poll(60_000), "the server outlived its process"
    os.close(watched)


def test_a_long_folder_name_still_gets_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("扬州" * 30)
    running = start(folder)
    keep(running.url)
    assert len(os.fsencode(running.socket)) < 108
    running.stop()


def test_a_missing_binary_is_told_in_one_line_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.platform, "machine", lambda: "riscv64")
    with pytest.raises(EmbeddedFailed, match=r"no valkey-server for linux-riscv64 .* CALLCTL_REDIS_URL") as told:
        start(tmp_path)
    assert "\n" not in str(told.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedFailed, match="cannot start the embedded registry in"):
        start(tmp_path / "file" / "valkey")


def test_a_damaged_journal_is_told_with_the_server_s_own_words(tmp_path: Path) -> None:
    first = start(tmp_path)
    keep(first.url)
    first.stop()
    for path in (tmp_path / "appendonlydir").glob("*.manifest"):
        path.write_text("nonsense\n")
    with pytest.raises(EmbeddedFailed, match="ended at once: "):
        start(tmp_path)


async def test_an_embedded_registry_that_is_killed_comes_back_by_itself_with_what_it_knew(tmp_path: Path) -> None:
    settings = read_settings({"CALLCTL_STATE": str(tmp_path), "CALLCTL_PROVINCE": str(tmp_path)})
    async with open_registry(settings) as registry:
        token = await registry.lead("one", 600.0)
        assert token is not None
        os.kill(int((tmp_path / "valkey/valkey.pid").read_text()), signal.SIGKILL)
        again = None
        while again is None:
            try:
                again = await registry.lead("one", 600.0)
            except StoreLost:
                await asyncio.sleep(0)
        assert again >= token
    assert not (tmp_path / "valkey/valkey.pid").exists()
