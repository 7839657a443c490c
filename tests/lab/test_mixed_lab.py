"""`callctl lab up` with FreeSWITCH cities: what is said where there is no FreeSWITCH, and what --cities understands."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callctl.cli.lab import register
from callctl.core.model import PbxKind
from callctl.lab.freeswitch import NoFreeSwitch, find_freeswitch
from callctl.lab.subset import write_subset
from callctl.province import read_province
from callctl.settings import shipped


def lab(*arguments: str, **environment: str) -> tuple[int, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    said = CliRunner().invoke(app, ["lab", *arguments], env={"CALLCTL_FREESWITCH": "", **environment})
    return said.exit_code, said.output


def test_a_missing_freeswitch_is_said_with_where_to_read_on(tmp_path: Path) -> None:
    code, said = lab("up", "--cities", "nanjing:freeswitch", "--folder", str(tmp_path / "lab"))
    assert code == 1
    assert "set CALLCTL_FREESWITCH to the folder that holds bin/freeswitch (README: FreeSWITCH cities)" in said
    assert not (tmp_path / "lab").exists(), "nothing is begun"


def test_an_unknown_kind_is_refused_with_the_kinds_there_are(tmp_path: Path) -> None:
    code, said = lab("up", "--cities", "nanjing：avaya", "--folder", str(tmp_path / "lab"))
    assert code == 1
    assert "avaya" in said
    assert "asterisk, freeswitch" in said


@pytest.mark.parametrize(
    ("prefix", "what"),
    [("", "in no package registry"), ("/nowhere", "cannot be run"), ("wrong", "does not say a FreeSWITCH version")],
)
def test_what_is_no_freeswitch_is_refused_with_the_reason(tmp_path: Path, prefix: str, what: str) -> None:
    wrong = tmp_path / "bin" / "freeswitch"
    wrong.parent.mkdir()
    wrong.write_text("#!/bin/sh\necho something else\n")
    wrong.chmod(0o755)
    with pytest.raises(NoFreeSwitch, match=what):
        find_freeswitch({"CALLCTL_FREESWITCH": str(tmp_path) if prefix == "wrong" else prefix})


def test_a_freeswitch_older_than_we_know_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "freeswitch"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'FreeSWITCH version: 1.8.7-release~64bit ( 64bit)'\n")
    old.chmod(0o755)
    with pytest.raises(NoFreeSwitch, match=r"is FreeSWITCH 1\.8\.7; 1\.10 is needed"):
        find_freeswitch({"CALLCTL_FREESWITCH": str(tmp_path)})


def test_a_citys_kind_and_its_port_are_changed_and_nothing_else(tmp_path: Path) -> None:
    cities = ("nanjing", "yangzhou")
    write_subset(
        shipped("queues").parent, tmp_path, cities, seats=2, version=22, kinds={"nanjing": PbxKind.FREESWITCH.value}
    )
    province = read_province(tmp_path)
    assert (province.cities["nanjing"].pbx.kind, province.cities["nanjing"].pbx.ami_port) == (PbxKind.FREESWITCH, 8021)
    assert (province.cities["yangzhou"].pbx.kind, province.cities["yangzhou"].pbx.ami_port) == (PbxKind.ASTERISK, 5038)
    assert province.cities["nanjing"].pbx.sip_port == 5060
