"""The command line as a supervisor and a script meet it: real stores, the Jiangsu folders, every ending and its code."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from redis import Redis

from callctl import clock
from callctl.app import NotRunnable, build_links, narrowed, notify
from callctl.cli import exits
from callctl.cli.operate import parse_shares
from callctl.cli.picture import duration
from callctl.cli.root import run_command_line
from callctl.cli.words import WORDS, english
from callctl.core.acts import ActRefused
from callctl.core.model import PbxKind, Province
from callctl.rights import RIGHTS
from callctl.said import ACTS, SHOWN
from callctl.settings import SettingsError, read_settings
from callctl.store import embedded
from callctl.store.registry import RedisRegistry
from tests.small_province import small_province

ROOT = Path(__file__).resolve().parent.parent


class Shell:
    """Runs commands in this process, as one person at one screen."""

    def __init__(self, state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = state
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["callctl", *words])
        code = run_command_line()
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.out + self.err
        assert "\x1b" not in self.out + self.err
        return code

    def setenv(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(name, value)

    def publish(self, **changes: object) -> None:
        """What a controller would publish now."""
        picture = {"at": clock.now(), "cities": {"yangzhou": YANGZHOU, "xuzhou": LOST}, "wishes": {}, **changes}
        asyncio.run(_put(os.environ["CALLCTL_REDIS_URL"], picture))


YANGZHOU = {
    "up": True,
    "waiting": 7,
    "longest_wait_s": 83.4,
    "seats": {"free": 0, "ringing": 1, "busy": 20, "wrap_up": 3, "paused": 2, "offline": 4},
    "seat_states": {"2001": "busy"},
    "lent_out": {},
    "lent_in": {"suzhou": {"open": 3, "in_use": 2}},
    "trunks": {"suzhou": {"up": True, "in_use": 2, "channels": 30}, "xuzhou": {"up": False, "in_use": 0, "channels": 30}},
    "assistance": "acting",
    "reasons": [{"code": "trunk_down", "zh": "中继中断（徐州）", "en": "trunk down (xuzhou)", "count": 3}],
}
LOST = {"up": False, "waiting": None, "seats": {}, "lost_reason": "no answer", "assistance": "off", "reasons": []}


async def _put(url: str, picture: dict[str, object]) -> None:
    registry = RedisRegistry(url)
    await registry.put_status(picture)
    await registry.close()


class Programs:
    """callctl as a process of its own; what a failed test leaves running is ended."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []

    def __call__(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
        command = [sys.executable, "-m", "callctl", *words]
        started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
        self.running.append(started)
        return started


@pytest.fixture
def program() -> Iterator[Programs]:
    programs = Programs()
    yield programs
    for one in programs.running:
        with one:
            one.kill()


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded.start(tmp_path_factory.mktemp("valkey"))
    yield server.url
    server.stop()


@pytest.fixture
def shell(tmp_path: Path, valkey_url: str, capsys, monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in [name for name in os.environ if name.startswith(("CALLCTL_", "LC_", "LANG", "NOTIFY_"))]:
        monkeypatch.delenv(name)
    state = tmp_path / "state"
    monkeypatch.setenv("CALLCTL_STATE", str(state))
    monkeypatch.setenv("CALLCTL_PROVINCE", str(ROOT))
    monkeypatch.setenv("CALLCTL_REDIS_URL", valkey_url)
    with Redis.from_url(valkey_url) as link:
        link.flushall()
    return Shell(state, capsys, monkeypatch)


def test_a_day_of_assistance_from_start_to_end(shell: Shell) -> None:
    shell.publish()
    assert shell("event", "start", "扬州", "--title", "台风", "--seats", "徐州=3，suzhou=2") == 0
    assert shell.out == "扬州启动令生效\n"
    assert shell("switch", "0514", "on", "--reason", "排队过长") == 0
    assert shell("event", "list") == 0
    assert "台风" in shell.out
    assert "苏州 2" in shell.out
    assert shell("quota", "苏州", "1") == 0
    assert shell("stop", "--all") == 0
    assert "callctl resume" in shell.out
    assert shell("resume") == 0
    assert shell("event", "end", "yangzhou") == 0
    assert shell("event", "list") == 0
    assert "没有启动令" in shell.out
    assert shell("audit", "--last", "10") == 0
    assert [word in shell.out for word in ("开启支援", "全部停止", "恢复", "终止", "排队过长")] == [True] * 5


def test_an_order_while_the_controller_is_dead_is_recorded_and_says_so(shell: Shell) -> None:
    assert shell("event", "start", "yangzhou") == exits.LATER
    assert f"状态目录 {shell.state} 中没有控制器在运行" in shell.err or "CALLCTL_REDIS_URL 上没有控制器在运行" in shell.err
    assert shell("event", "list", "--json") == 0
    assert json.loads(shell.out)[0]["assisted"] == "yangzhou"


def test_status_shows_what_waits_who_helps_and_why_somebody_is_not_helped(shell: Shell) -> None:
    shell.publish()
    assert shell("status") == 0
    row = next(line for line in shell.out.splitlines() if "扬州" in line)
    for shown in ("7", "1分23秒", "20", "苏州 2/3", "2/60 断：徐州", "支援中", "中继中断（徐州） ×3"):
        assert shown in row


def test_a_city_nobody_hears_is_unknown_not_zero(shell: Shell) -> None:
    shell.publish()
    assert shell("status", "徐州") == 0
    row = next(line for line in shell.out.splitlines() if "徐州" in line)
    assert row.count("未知") == 11
    assert "联系中断: no answer" in row
    assert "扬州" not in shell.out


def test_status_of_a_dead_controller_says_how_old_the_picture_is(shell: Shell) -> None:
    shell.publish(at=clock.now() - 3725)
    assert shell("status") == exits.STALE
    assert "控制器已停 1小时02分" in shell.out
    assert shell("status", "--json") == exits.STALE
    assert json.loads(shell.out)["controller_alive"] is False


def test_status_without_any_picture_says_how_to_start(shell: Shell) -> None:
    assert shell("status") == exits.STALE
    assert "callctl run" in shell.out
    assert shell("status", "--json") == exits.STALE
    assert json.loads(shell.out) == {"cities": {}, "age_s": None, "controller_alive": False}


def test_status_json_is_the_published_picture_with_its_age(shell: Shell) -> None:
    shell.publish()
    assert shell("status", "扬州", "--json") == 0
    told = json.loads(shell.out)
    assert told["cities"] == {"yangzhou": YANGZHOU}
    assert 0 <= told["age_s"] < 10
    assert told["controller_alive"] is True


def test_seats_are_listed_even_without_redis(shell: Shell) -> None:
    shell.publish()
    assert shell("seats", "扬州", "--json") == 0
    known = json.loads(shell.out)[0]
    assert (known["seat"], known["state"], known["lent_to"], known["lent_known"]) == ("2001", "busy", None, True)
    shell.setenv("CALLCTL_REDIS_URL", "redis://127.0.0.1:1/0")
    assert shell("seats", "扬州", "--json") == 0
    unknown = json.loads(shell.out)[0]
    assert (unknown["seat"], unknown["state"], unknown["lent_known"]) == ("2001", None, False)


def test_without_redis_an_order_is_recorded_and_status_says_what_is_lost(shell: Shell) -> None:
    shell.setenv("CALLCTL_REDIS_URL", "redis://127.0.0.1:1/0")
    assert shell("event", "start", "扬州") == exits.LATER
    assert "Redis" in shell.err
    assert shell("status") == exits.UNAVAILABLE
    assert shell.err.count("\n") == 1


def test_without_sql_only_the_emergency_stop_works(shell: Shell) -> None:
    shell.publish()
    assert shell("event", "start", "扬州") == 0
    (shell.state / "history.db").rename(shell.state / "away")
    (shell.state / "history.db").mkdir()
    assert shell("switch", "扬州", "on") == exits.UNAVAILABLE
    assert shell.err.count("\n") == 1
    assert shell("audit") == exits.UNAVAILABLE
    assert shell("stop", "--all") == 0
    assert "补写" in shell.err
    assert shell("status") == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("quota", "徐洲", "3"), exits.REFUSED, "徐州(xuzhou)"),
        (("quota", "徐州", "9999"), exits.REFUSED, "可借座席"),
        (("quota", "徐州", "many"), exits.REFUSED, "default"),
        (("switch", "扬州", "on"), exits.REFUSED, "event start yangzhou"),
        (("switch", "扬州", "maybe"), 2, "maybe"),
        (("stop",), exits.REFUSED, "stop --all"),
        (("status", "杭州"), exits.REFUSED, "没有“杭州”这个市"),
        (("event", "start", "扬州", "--seats", "徐州"), exits.REFUSED, "徐州=8"),
        (("event", "start", "扬州", "--seats", "扬州=1"), exits.REFUSED, "不能支援自己"),
        (("run", "--log", "xml"), 2, "console, json"),
        (("status", "--province", "/nonexistent"), exits.CONFIGURATION, "/nonexistent"),
        (("run", "--cities", "扬州"), exits.CONFIGURATION, "CALLCTL_AMI_SECRET_YANGZHOU"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_what_cannot_be_done_is_one_clear_message_and_an_exit_code(shell: Shell, words, code: int, says: str) -> None:
    assert shell(*words) == code
    assert says in shell.err
    assert shell.out == ""


def test_every_missing_secret_is_named_at_once(shell: Shell) -> None:
    assert shell("run") == exits.CONFIGURATION
    assert shell.err.count("\n") == 14
    assert all(line.startswith("callctl: ") for line in shell.err.splitlines())


def test_a_state_folder_that_cannot_be_is_one_line(shell: Shell) -> None:
    shell.state.write_text("not a folder")
    assert shell("status") == exits.CONFIGURATION
    assert re.fullmatch(r"callctl: .*CALLCTL_STATE.*\n", shell.err)


def test_a_bug_is_one_line_and_a_traceback_on_disk_without_numbers(shell: Shell, capsys) -> None:
    shell.state.mkdir()
    with pytest.raises(ZeroDivisionError) as caught:
        raise ZeroDivisionError("caller 13800010001")
    assert exits.ended_by(ExceptionGroup("tasks", [caught.value])) == exits.INTERNAL
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    crash = shell.state / exits.CRASH_FILE
    assert str(crash) in said
    assert "ZeroDivisionError" in crash.read_text()
    assert "13800010001" not in crash.read_text()
    assert crash.stat().st_mode & 0o077 == 0


def test_english_is_spoken_where_it_is_wanted(shell: Shell) -> None:
    shell.setenv("CALLCTL_LANG", "en")
    shell.publish()
    assert shell("status") == 0
    assert "controller running" in shell.out
    assert "trunk down (xuzhou)" in shell.out
    assert shell("switch", "扬州", "on") == exits.REFUSED
    assert "has no assistance event" in shell.err


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8"}, True),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "CALLCTL_LANG": "zh"}, False),
        ({"LANG": "zh_CN.UTF-8", "CALLCTL_LANG": "en"}, True),
    ],
)
def test_chinese_unless_the_locale_is_english(environment: dict[str, str], wanted: bool) -> None:
    assert english(environment) is wanted


def test_every_act_has_a_word_in_both_languages() -> None:
    assert SHOWN.keys() <= RIGHTS.keys() & ACTS.keys()
    assert all(zh and en for zh, en in {**WORDS, **ACTS}.values())


@pytest.mark.parametrize("text", ["徐州=8,苏州=9", "徐州＝8、苏州：9", " 徐州 = 8 ， 苏州=9 "])
def test_shares_are_read_as_a_chinese_keyboard_types_them(text: str) -> None:
    assert parse_shares(text) == {"徐州": 8, "苏州": 9}


@pytest.mark.parametrize("text", ["", "徐州", "徐州=", "徐州=八", "徐州=-1", "徐州=1,徐州=2", "徐州=1,,", "徐州=99999999"])
def test_shares_that_could_mean_two_things_are_refused(text: str) -> None:
    with pytest.raises(ActRefused):
        parse_shares(text)


@pytest.mark.parametrize(("seconds", "shown"), [(None, "未知"), (8.9, "8秒"), (83, "1分23秒"), (7500, "2小时05分")])
def test_a_duration_is_read_at_a_glance(shell: Shell, seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_a_reader_that_goes_away_makes_no_noise(shell: Shell) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "callctl", "seats"]
    done = subprocess.run(command, env=environment, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    os.close(write)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


def test_chinese_survives_a_terminal_that_knows_none(shell: Shell, program: Programs) -> None:
    started = program("event", "list", LC_ALL="C", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    out, err = started.communicate()
    assert (started.returncode, err) == (0, b"")
    assert out.decode() == "没有启动令\n"


def test_the_watching_supervisor_gets_a_picture_a_second_until_ctrl_c(shell: Shell, program: Programs) -> None:
    shell.publish()
    started = program("status", "--watch", "--json")
    assert started.stdout is not None
    read = [started.stdout.readline() for _ in range(5)]
    started.send_signal(2)
    _, err = started.communicate()
    assert read[0] == b"{\n"
    assert started.returncode == 130
    assert err == b""


async def test_systemd_hears_of_the_start(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        notify({"NOTIFY_SOCKET": str(tmp_path / "notify")}, "READY=1")
        assert systemd.recv(100) == b"READY=1"
        notify({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, "READY=1")
        notify({}, "READY=1")


def test_some_cities_of_a_province_are_a_province(tmp_path: Path) -> None:
    part = narrowed(small_province(), ["yangzhou", "suzhou"])
    assert part.cities.keys() == {"suzhou", "yangzhou"}
    assert [trunk.to for trunk in part.cities["yangzhou"].trunks] == ["suzhou"]
    assert narrowed(small_province(), []).cities.keys() == small_province().cities.keys()


def test_a_freeswitch_city_is_refused_by_name_together_with_the_missing_secrets(tmp_path: Path) -> None:
    whole = small_province()
    city = whole.cities["suzhou"]
    other = type(city.pbx)(PbxKind.FREESWITCH, city.pbx.host)
    changed = {**whole.cities, "suzhou": type(city)(**{**_fields(city), "pbx": other})}
    settings = read_settings({"CALLCTL_STATE": str(tmp_path), "CALLCTL_AMI_SECRET_YANGZHOU": "long enough"})
    with pytest.raises(NotRunnable) as refused:
        build_links(Province(MappingProxyType(changed)), settings, clock.now)
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert "freeswitch" in lines[1]


def _fields(thing: object) -> dict[str, object]:
    return {name: getattr(thing, name) for name in type(thing).__dataclass_fields__}  # type: ignore[attr-defined]


PBX_THAT_REFUSES = """
import socket
gate = socket.create_server(("127.0.0.1", 0))
print(gate.getsockname()[1], flush=True)
while True:
    link, _ = gate.accept()
    link.sendall(b"Asterisk Call Manager/9.0.0\\r\\n")
    asked = link.makefile("rb")
    for line in asked:
        if line.lower().startswith(b"actionid:"):
            number = line.strip()
        if line == b"\\r\\n":
            link.sendall(b"Response: Error\\r\\n" + number + b"\\r\\nMessage: Authentication failed\\r\\n\\r\\n")
            break
    link.close()
"""


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A manager interface that lets nobody in, as Asterisk says it."""
    with subprocess.Popen([sys.executable, "-c", PBX_THAT_REFUSES], stdout=subprocess.PIPE) as pbx:
        assert pbx.stdout is not None
        yield int(pbx.stdout.readline())
        pbx.kill()


def _province_at(folder: Path, port: int) -> Path:
    """The shipped province, with Yangzhou's manager interface at this port of this machine."""
    shutil.copytree(ROOT / "agents", folder / "agents")
    shutil.copytree(ROOT / "queues", folder / "queues")
    file = folder / "queues" / "yangzhou.toml"
    text = re.sub(r'ami_host = ""', 'ami_host = "127.0.0.1"', file.read_text(encoding="utf-8"))
    file.write_text(re.sub(r"ami_port = 5038", f"ami_port = {port}", text), encoding="utf-8")
    return folder


def test_a_wrong_manager_password_ends_the_start_with_one_line(
    shell: Shell, program: Programs, tmp_path: Path, refusing_port: int
) -> None:
    folder = _province_at(tmp_path, refusing_port)
    shell.setenv("CALLCTL_AMI_SECRET_YANGZHOU", "quite wrong indeed")
    started = program("run", "--cities", "扬州", "--province", str(folder), "--log", "json")
    _, err = started.communicate()
    assert started.returncode == exits.CONFIGURATION
    lines = err.decode().splitlines()
    assert lines[-1].startswith("callctl: yangzhou: the PBX refuses the manager account")
    assert all(json.loads(line) for line in lines[:-1])
    assert b"quite wrong" not in err


def test_a_service_keeps_going_without_the_city_that_refuses_and_stops_when_told(
    shell: Shell, program: Programs, tmp_path: Path, refusing_port: int
) -> None:
    folder = _province_at(tmp_path, refusing_port)
    shell.setenv("CALLCTL_AMI_SECRET_YANGZHOU", "quite wrong indeed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30.0)
        words = ("run", "--cities", "扬州", "--province", str(folder), "--keep-going")
        started = program(*words, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="200000")
        assert systemd.recv(100) == b"READY=1"
        assert started.stderr is not None
        while b"PBX lost" not in started.stderr.readline():
            assert started.poll() is None
        assert systemd.recv(100) == b"WATCHDOG=1"
        started.send_signal(15)
        _, err = started.communicate()
    assert started.returncode == 0
    assert b"controller stopped" in err
    assert b"Traceback" not in err


def test_a_secret_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    # As root every file may be read: a name longer than a path may be fails in the same place.
    settings = read_settings({"CALLCTL_SECRETS": str(tmp_path / ("x" * 300)), "CALLCTL_STATE": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"cannot be read.*CALLCTL_AMI_SECRET_YANGZHOU"):
        settings.ami_secret("yangzhou")
    (tmp_path / "ami-yangzhou").write_bytes(b"\xff\xfe" * 8)
    settings = read_settings({"CALLCTL_SECRETS": str(tmp_path), "CALLCTL_STATE": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"not text.*CALLCTL_AMI_SECRET_YANGZHOU"):
        settings.ami_secret("yangzhou")
