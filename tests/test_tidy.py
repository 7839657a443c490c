"""Our own rules, on our own files; and each rule on a sample it must catch, for a rule that catches nothing is none."""

import subprocess
from pathlib import Path

import pytest

from tests import tidy
from tests.side_by_side import ONE_AFTER_ANOTHER
from tests.tidy import Source

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = frozenset({".git", ".venv", ".cache", "build", "dist", "__pycache__", ".hypothesis"})
TEXT_LIMIT = 2_000_000  # Bytes; larger tracked files are recordings, not texts of ours.


def tracked() -> list[Path]:
    """The files that are handed on: git's list, else (in an unpacked archive) all but caches."""
    asked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if asked.returncode == 0:
        found = [ROOT / name for name in asked.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not LEFT_OUT.intersection(path.relative_to(ROOT).parts)]
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def inside(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """The text, or nothing where it is a recording or a picture."""
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size < TEXT_LIMIT else ""
    except UnicodeDecodeError:
        return ""


FILES = tracked()
SOURCES = [
    Source(inside(path), text_of(path))
    for path in FILES
    if path.suffix == ".py" and inside(path).startswith(("callctl/", "tests/"))
]


@pytest.mark.parametrize("rule", tidy.SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_our_sources_keep_the_rule(rule) -> None:
    assert [complaint for source in SOURCES for complaint in rule(source)] == []


def test_no_tracked_file_names_the_workplace_or_a_package_registry() -> None:
    assert [complaint for path in FILES for complaint in tidy.foreign_places(inside(path), text_of(path))] == []


def test_what_runs_one_after_another_is_there_by_that_name() -> None:
    """A renamed file would run beside the others again, and nobody would be told."""
    assert sorted(ONE_AFTER_ANOTHER - {inside(path) for path in FILES}) == []


def test_decision_pages_are_numbered_and_linked() -> None:
    markdown = {inside(path): text_of(path) for path in FILES if path.suffix == ".md"}
    pages = {
        path: text
        for path, text in markdown.items()
        if path.startswith("docs/decisions/") and not path.endswith("README.md")
    }
    others = {path: text for path, text in markdown.items() if path not in pages}
    assert list(tidy.decision_pages(pages, others)) == []


BAD = [
    (tidy.forbidden_names, "callctl/utils.py", '"""x"""\n'),
    (tidy.forbidden_names, "callctl/x.py", "class LoanManager: ..."),
    (tidy.forbidden_names, "callctl/x.py", "class CallDataV2: ..."),
    (tidy.forbidden_names, "callctl/x.py", "async def handler(): ..."),
    (tidy.forbidden_names, "callctl/x.py", "def read(self, *, raw_data): ..."),
    (tidy.forbidden_names, "callctl/x.py", "read = lambda info: info"),
    (tidy.forbidden_names, "callctl/core/x.py", "def queue_member(): ..."),
    (tidy.missing_docstring, "callctl/x.py", "import enum\n"),
    (tidy.too_long, "callctl/x.py", "def f():\n" + "    x = 1\n" * tidy.FUNCTION_LINES),
    (tidy.too_long, "callctl/x.py", "x = 1\n" * (tidy.MODULE_LINES + 1)),
    (tidy.impure_core, "callctl/core/x.py", "import asyncio"),
    (tidy.impure_core, "callctl/core/x.py", "from callctl.store.port import Loan"),
    (tidy.impure_core, "callctl/core/x.py", "from . import y"),
    (tidy.mutable_types, "callctl/core/x.py", "@dataclass\nclass A: ..."),
    (tidy.mutable_types, "callctl/core/x.py", "@dataclasses.dataclass(slots=True)\nclass A: ..."),
    (tidy.local_imports, "callctl/x.py", "def f():\n    if 1:\n        from os import path\n"),
    (tidy.clock_readers, "callctl/x.py", "import time\nat = time.time()"),
    (tidy.clock_readers, "callctl/x.py", "import time\nclock = time.monotonic"),
    (tidy.clock_readers, "callctl/x.py", "from time import perf_counter as p\np()"),
    (tidy.clock_readers, "callctl/x.py", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
    (tidy.clock_readers, "callctl/x.py", "from datetime import datetime\ndatetime.now()"),
    (tidy.chance, "callctl/pbx/x.py", "import random"),
    (tidy.chance, "callctl/x.py", "from random import Random"),
    (tidy.pbx_words, "callctl/desk.py", "channel = 1"),
    (tidy.pbx_words, "callctl/core/x.py", "call.unique_id, call.uniqueid"),
    (tidy.pbx_words, "callctl/controller.py", 'phone = f"PJSIP/{seat}"'),
    (tidy.re_exports, "callctl/__init__.py", "from callctl.desk import Desk"),
    (tidy.re_exports, "callctl/desk.py", "__all__ = ['Desk']"),
    (tidy.real_sleeps, "tests/test_x.py", "async def f():\n    await asyncio.sleep(0.1)"),
    (tidy.real_sleeps, "tests/core/test_x.py", "time.sleep(wait_s)"),
    (tidy.numbers_in_clear, "callctl/x.py", "log.info('call waiting', number=call.number)"),
    (tidy.numbers_in_clear, "callctl/x.py", "self._log = self._log.bind(caller=number)"),
    (tidy.other_loops, "tests/web/test_x.py", "@pytest.mark.browser\nasync def test_x(hall): ..."),
    (tidy.other_loops, "tests/web/test_x.py", "pytestmark = pytest.mark.browser\nasync def test_x(browser): ..."),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_each_rule_catches_its_bad_sample(rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


GOOD = [
    (tidy.forbidden_names, "callctl/x.py", '"""The database."""\ndef database_of(information, basement): ...\ndata = 1'),
    (tidy.forbidden_names, "callctl/pbx/x.py", "def queue_member(): ..."),
    (
        tidy.impure_core,
        "callctl/core/x.py",
        "from collections.abc import Mapping\nimport heapq\nfrom callctl.core.model import City",
    ),
    (tidy.mutable_types, "callctl/core/x.py", "@dataclass(frozen=True, slots=True)\nclass A: ..."),
    (tidy.clock_readers, "callctl/x.py", "deadline = asyncio.get_running_loop().time() + 5"),
    (tidy.clock_readers, "callctl/clock.py", "import time\ntime.time()"),
    (tidy.chance, "callctl/lab/x.py", "import random"),
    (tidy.pbx_words, "callctl/core/x.py", '"""Not a channel."""\nchannels = trunk.channels'),
    (tidy.pbx_words, "callctl/pbx/x.py", "channel = 'PJSIP/1'"),
    (tidy.re_exports, "callctl/__init__.py", '"""Only words."""'),
    (tidy.real_sleeps, "tests/test_x.py", "async def f():\n    await asyncio.sleep(0)"),
    (tidy.real_sleeps, "tests/real/test_x.py", "time.sleep(1)"),
    (tidy.numbers_in_clear, "callctl/x.py", "log.info('call waiting', number=mask(call.number), call=call.id)"),
    (tidy.other_loops, "tests/web/test_x.py", "pytestmark = IN_THE_BROWSER\nasync def test_x(hall): ..."),
    (tidy.other_loops, "tests/web/test_x.py", "@pytest.mark.asyncio(loop_scope='session')\nasync def test_x(hall): ..."),
    (tidy.other_loops, "tests/real/test_x.py", "async def test_x(hall): ..."),
]


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_no_rule_complains_about_its_good_sample(rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text))) == []


def test_a_path_of_the_workplace_and_a_registrys_host_are_caught() -> None:
    bad = "cd /" + "work/main\npip install --index-url https://" + "py" + "pi.org/simple x\nsee https://example.org/work/x"
    assert [complaint.split(":")[1] for complaint in tidy.foreign_places("x.sh", bad)] == ["1", "2"]


def test_a_gap_in_the_decisions_and_a_page_nobody_links_are_caught() -> None:
    pages = {"docs/decisions/0001-a.md": "", "docs/decisions/0003-c.md": ""}
    assert len(list(tidy.decision_pages(pages, {"docs/X.md": "0001-a.md"}))) == 2
