"""The image definition of a FreeSWITCH city: what can be said of it without the vendor's packages."""

import re
import socket
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

IMAGE = Path(__file__).parents[2] / "docker" / "freeswitch"
MODULES = Path(__file__).parents[2] / "freeswitch_conf" / "autoload_configs" / "modules.conf.xml"
# As in the vendor's debian/control-modules: a package a module, "_" becomes "-".
PACKAGE = re.compile(r"\bfreeswitch-(mod-[a-z-]+)")


def test_it_installs_the_package_of_every_module_that_is_loaded_and_no_other() -> None:
    loaded = {load.get("module", "").replace("_", "-") for load in ElementTree.parse(MODULES).iter("load")}
    assert set(PACKAGE.findall((IMAGE / "Dockerfile").read_text("utf-8"))) == loaded


def test_the_folder_is_given_to_the_user_it_runs_as() -> None:
    text = (IMAGE / "Dockerfile").read_text("utf-8")
    [(owner, group)] = re.findall(r"chown -R (\d+):(\d+) suzhou", text)
    assert (f"--uid {owner} " in text, f"--gid {group} " in text) == (True, True)
    assert text.index("useradd") < text.index("freeswitch-mod-"), "before the vendor's packages"


@pytest.mark.parametrize(
    ("open_at", "found"), [("127.9.7.1", True), ("127.9.7.2", False), ("", False)], ids=["own", "another city's", "nowhere"]
)
def test_its_health_is_the_citys_own_event_socket(tmp_path: Path, open_at: str, found: bool) -> None:
    with socket.socket() as listener, socket.socket() as caller, socket.socket() as other:
        listener.bind((open_at or "127.9.7.3", 0))
        port = listener.getsockname()[1]
        listener.listen()
        if not open_at:  # A connection that leaves from there listens to nobody.
            other.bind(("127.9.7.4", 0))
            other.listen()
            caller.bind(("127.9.7.1", port))
            caller.connect(other.getsockname())
        folder = tmp_path / "autoload_configs"
        folder.mkdir()
        (folder / "event_socket.conf.xml").write_text(
            f'<param name="listen-ip" value="127.9.7.1"/>\n<param name="listen-port" value="{port}"/>\n', "utf-8"
        )
        assert (subprocess.run([IMAGE / "listens", tmp_path], check=False).returncode == 0) is found
