"""Writing a rendered city: all of it or nothing, nobody else's files, passwords for nobody else's eyes."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callctl.cli.render import register
from callctl.render.folder import MARK, write_city
from callctl.render.values import RenderError
from callctl.settings import shipped

FILES = {"queues.conf": "a\n", "manager.conf": "扬州\n"}
CITIES = sorted(path.stem for path in shipped("queues").glob("*.toml"))
SECRETS = {f"CALLCTL_AMI_SECRET_{city.upper()}": "an-ami-secret" for city in CITIES}
ENVIRONMENT = {**SECRETS, "CALLCTL_SIP_SECRET": "a-key-for-the-phones", "CALLCTL_PROVINCE": str(shipped("queues").parent)}


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.iterdir() if path.name != MARK]
    return {path.name: path.read_text(encoding="utf-8") if path.is_file() else "" for path in files}


def test_files_are_readable_for_the_group_and_passwords_for_nobody(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "扬州"
    write_city(FILES, out)
    assert content(out) == FILES
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in out.iterdir()} == {
        "queues.conf": "0o640",
        "manager.conf": "0o600",
        MARK: "0o640",
    }


def test_a_second_rendering_replaces_the_first_entirely(tmp_path: Path) -> None:
    out = tmp_path / "yangzhou"
    write_city({**FILES, "old.conf": "x\n"}, out)
    write_city(FILES, out)
    assert content(out) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["yangzhou"]


def test_somebody_elses_files_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "sip.conf").write_text("mine\n")
    with pytest.raises(RenderError, match=r"holds files callctl did not write \(sip\.conf\): name another folder"):
        write_city(FILES, tmp_path)
    out = tmp_path / "yangzhou"
    write_city(FILES, out)
    (out / "keys").mkdir()
    with pytest.raises(RenderError, match="keys"):
        write_city(FILES, out)
    assert (tmp_path / "sip.conf").read_text() == "mine\n"
    assert content(tmp_path / "yangzhou").keys() == FILES.keys() | {"keys"}


def test_a_failure_leaves_nothing_half_made(tmp_path: Path) -> None:
    out = tmp_path / "yangzhou"
    with pytest.raises(RenderError, match="cannot write"):
        write_city({"a.conf": "x\n", "a.conf/b.conf": "x\n"}, out)
    assert list(tmp_path.iterdir()) == []
    write_city(FILES, out)
    with pytest.raises(RenderError, match="cannot write"):
        write_city({"a.conf": "x\n", "a.conf/b.conf": "x\n"}, out)
    assert content(out) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["yangzhou"]


def test_files_of_a_tree_get_their_folders(tmp_path: Path) -> None:
    tree = {"freeswitch.xml": "<a/>\n", "dialplan/10_public.xml": "<b/>\n", "directory/city.xml": "<c/>\n"}
    out = tmp_path / "yangzhou"
    for _ in range(2):  # Its own folders are not somebody else's.
        write_city(tree, out)
    assert {str(path.relative_to(out)) for path in out.rglob("*.xml")} == set(tree)
    assert oct((out / "directory" / "city.xml").stat().st_mode & 0o777) == "0o600", "the phones' passwords"
    (out / "dialplan" / "00_mine.xml").write_text("<mine/>")
    with pytest.raises(RenderError, match="00_mine"):
        write_city(tree, out)


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(RenderError, match="is a file: name a folder"):
        write_city(FILES, tmp_path / "out")


def program() -> typer.Typer:
    app = typer.Typer()
    register(app)
    app.command("other")(lambda: None)  # With one command only, typer would swallow its name.
    return app


@pytest.mark.parametrize("city", ["yangzhou", "扬州", "0514"])
def test_render_writes_one_city(tmp_path: Path, city: str) -> None:
    out = tmp_path / "yz"
    done = CliRunner().invoke(program(), ["render", "--city", city, "--out", str(out)], env=ENVIRONMENT)
    assert done.exit_code == 0, done.output
    assert "systemname = yangzhou" in (out / "asterisk.conf").read_text(encoding="utf-8")


def test_render_all_writes_every_asterisk_city(tmp_path: Path) -> None:
    done = CliRunner().invoke(program(), ["render", "--all", "--out", str(tmp_path / "all")], env=ENVIRONMENT)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == CITIES


def test_mistakes_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    out = str(tmp_path / "x")
    without = {**ENVIRONMENT, "CALLCTL_AMI_SECRET_YANGZHOU": "", "CALLCTL_SECRETS": str(tmp_path)}
    for arguments, environment, said in (
        (["--city", "atlantis", "--out", out], ENVIRONMENT, "atlantis"),
        (["--out", out], ENVIRONMENT, "which city?"),
        (["--all", "--out", out], without, "the manager password of yangzhou's PBX is not set"),
        (["--all", "--out", out, "--province", str(tmp_path)], ENVIRONMENT, "cannot be read"),
    ):
        done = CliRunner().invoke(program(), ["render", *arguments], env=environment)
        assert done.exit_code == 1
        assert said in done.output
        assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []
