"""`callctl check` as an admin meets it at the terminal."""

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callctl.cli.check import lists_wrong, register
from callctl.settings import shipped

JIANGSU = shipped("queues").parent


@pytest.fixture
def province(tmp_path: Path) -> Path:
    """A copy of Jiangsu to spoil."""
    for folder in ("agents", "queues"):
        shutil.copytree(JIANGSU / folder, tmp_path / folder)
    return tmp_path


def change(folder: Path, file: str, old: str, new: str, count: int = 1) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, count), encoding="utf-8")


def keep(folder: Path, *codes: str) -> None:
    """Leave only these cities; their trunks to others go with them."""
    for path in (*folder.glob("agents/*.toml"), *folder.glob("queues/*.toml")):
        if path.stem not in codes:
            path.unlink()
        elif path.parent.name == "queues":
            head, *trunks = path.read_text(encoding="utf-8").split("[[trunk]]")
            kept = [trunk for trunk in trunks if trunk.split('"')[1] in codes]
            path.write_text("[[trunk]]".join([head, *kept]), encoding="utf-8")


def check(*arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines on stdout, stderr."""
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["check", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_the_shipped_province_is_summed_up_in_one_line() -> None:
    assert check() == (0, ["14 cities, 549 seats (226 may be lent), 182 trunks: no mistakes"], "")


def test_the_folder_comes_from_the_environment_too(province: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(province, "yangzhou")
    monkeypatch.setenv("CALLCTL_PROVINCE", str(province))
    assert check()[1][-1] == "1 city, 23 seats (10 may be lent), 0 trunks: no mistakes"


def test_every_mistake_is_printed_at_once_and_the_exit_code_is_1(province: Path) -> None:
    change(province, "queues/yangzhou.toml", "wait_threshold_s = 20", "wait_threshold_s = -1")
    change(province, "queues/suzhou.toml", "quota = 9", "quota = 33")
    change(province, "agents/wuxi.toml", '"1202"', '"1201"')
    code, lines, errors = check("--province", str(province))
    assert code == 1
    assert [line.split(" – ")[0] for line in lines] == [
        "agents/wuxi.toml:13 seat[2].id",
        "queues/suzhou.toml:38 lend.quota",
        "queues/yangzhou.toml:20 queue.wait_threshold_s",
    ]
    assert "wuxi (无锡)" in lines[0]
    assert errors == f"3 mistakes in {province}\n"


def test_a_folder_that_is_not_there_is_said_without_a_traceback(tmp_path: Path) -> None:
    code, lines, _ = check("--province", str(tmp_path / "nowhere"))
    assert code == 1
    assert lines[0].startswith("agents/ – the folder")
    assert "No such file or directory" in lines[0]


def test_a_city_that_nobody_may_help_is_a_warning(province: Path) -> None:
    keep(province, "yangzhou", "suzhou")
    change(province, "queues/suzhou.toml", 'helps = ["*"]', "helps = []")
    code, lines, _ = check("--province", str(province))
    assert code == 0
    assert lines[0].startswith("warning: queues/yangzhou.toml – nobody may help yangzhou (扬州) – let another city")
    assert lines[1:] == ["2 cities, 103 seats (42 may be lent), 2 trunks: no mistakes"]


def test_a_freeswitch_city_is_welcome_and_asterisks_port_on_it_is_a_warning(province: Path) -> None:
    change(province, "queues/yangzhou.toml", 'kind = "asterisk"', 'kind = "freeswitch"')
    code, lines, _ = check("--province", str(province))
    assert code == 0
    assert lines[:-1] == [
        "warning: queues/yangzhou.toml pbx.ami_port – yangzhou (扬州) runs FreeSWITCH, but 5038 is the port of Asterisk's "
        "manager – write the port of its event socket (listen-port), as a rule 8021"
    ]
    change(province, "queues/yangzhou.toml", "ami_port = 5038", "ami_port = 8021")
    _, lines, _ = check("--province", str(province))
    assert len(lines) == 1


def test_a_city_without_seats_on_duty_is_a_warning(province: Path) -> None:
    change(province, "agents/yangzhou.toml", 'lend = "shared"', 'lend = "dedicated"', -1)
    change(province, "agents/yangzhou.toml", 'lend = "no"', 'lend = "dedicated"', -1)
    code, lines, _ = check("--province", str(province))
    assert code == 0
    assert lines[0].startswith("warning: agents/yangzhou.toml seat – no seat of yangzhou (扬州) serves its own 12345 queue")


def test_a_city_without_any_seat_is_legal_but_odd(province: Path) -> None:
    (province / "agents/yangzhou.toml").write_text("", encoding="utf-8")
    change(province, "queues/yangzhou.toml", "quota = 5", "quota = 0")
    change(province, "queues/yangzhou.toml", "reserve = 1", "")
    change(province, "queues/yangzhou.toml", 'helps = ["*"]', "")
    code, lines, _ = check("--province", str(province))
    assert (code, len(lines)) == (0, 2)
    assert "no seat of yangzhou (扬州) serves its own 12345 queue" in lines[0]


def test_a_trunk_narrower_than_the_quota_is_a_warning(province: Path) -> None:
    change(province, "queues/yangzhou.toml", "channels = 30", "channels = 8")
    code, lines, _ = check("--province", str(province))
    assert code == 0
    text = "queues/nanjing.toml trunk – nanjing (南京) may lend 12 seats, but fewer calls fit on its trunks to yangzhou"
    assert lines[0].startswith(f"warning: {text}")


def test_a_long_list_of_narrow_trunks_is_cut(province: Path) -> None:
    change(province, "queues/nanjing.toml", "channels = 30", "channels = 1", -1)
    _, lines, _ = check("--province", str(province))
    assert any("to wuxi, xuzhou, changzhou, suzhou, nantong and 8 more – " in line for line in lines)


def test_a_helper_that_lends_nothing_is_a_warning(province: Path) -> None:
    change(province, "queues/yangzhou.toml", "quota = 5", "quota = 0")
    _, lines, _ = check("--province", str(province))
    assert lines[0].startswith(
        "warning: queues/yangzhou.toml lend.quota – yangzhou (扬州) may help others but lends 0 seats"
    )


def test_a_city_without_a_carrier_and_a_trunk_to_another_address_are_warnings(province: Path) -> None:
    change(province, "queues/yangzhou.toml", 'carrier = "127.0.1.19"', 'carrier = ""')
    change(province, "queues/yangzhou.toml", 'host = "127.0.10.1"', 'host = "vpn.nanjing.example"')
    code, lines, _ = check("--province", str(province))
    assert code == 0
    assert lines[0].startswith("warning: queues/yangzhou.toml pbx.carrier – no citizen can call yangzhou (扬州)")
    assert lines[1].startswith("warning: queues/yangzhou.toml trunk[1] – goes to vpn.nanjing.example:5060, but")


def test_mistakes_in_the_lists_beside_the_data_folders_are_told_too(tmp_path: Path) -> None:
    for part in ("agents", "queues"):
        (tmp_path / part).symlink_to(Path(__file__).resolve().parent.parent / part)
    (tmp_path / "records.toml").write_text("[report]\nat_h = 99\n")
    (tmp_path / "holidays.csv").write_text("day,kind\n2021-13-01,holiday\n")
    assert [line.partition(": ")[2].split(":")[0] for line in lists_wrong(tmp_path)] == ["report.at_h", "line 2"]
    (tmp_path / "records.toml").write_text("rest_h = 12\n")
    (tmp_path / "holidays.csv").unlink()
    assert lists_wrong(tmp_path) == []
