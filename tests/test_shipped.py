"""Where an installed callctl finds the folders that come with it."""

import importlib.util
import shutil
import sys
from pathlib import Path

from callctl import settings


def test_a_clone_uses_the_folders_beside_the_package() -> None:
    assert (settings.shipped("queues") / "yangzhou.toml").is_file()


def test_an_installed_callctl_never_takes_another_packages_agents(tmp_path: Path) -> None:
    # As in site-packages with PyPI's openai-agents, whose package is called `agents`.
    (tmp_path / "agents").mkdir()
    (tmp_path / "callctl").mkdir()
    installed = Path(shutil.copy(settings.__file__, tmp_path / "callctl"))
    spec = importlib.util.spec_from_file_location("installed_settings", installed)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up.
    try:
        spec.loader.exec_module(module)
        assert module.shipped("agents") == Path(sys.prefix) / "share/callctl/agents"
    finally:
        del sys.modules[spec.name]
