"""The rules of docs/STYLE.md that a program can check. Each takes a file and yields complaints; none knows the others.

Decided here, where the style leaves a choice:
* The running loop's own `time()` is allowed: asyncio's deadlines need it, and virtual time replaces it with the loop.
* Singular `channel` is a PBX word; `channels` (calls a trunk carries at a time) is the data folders' word and is not.
* Names a library dictates (its callbacks and overrides) are no names of ours: LIBRARY_NAMES.
* Test modules may be longer than 400 lines: a list of cases is read by looking one up. Their functions may not.
* The name of a test is a sentence, and may say what a sentence must.
* Asterisk's own name for its control interface is "manager": allowed where PBX words are.
* The core may also use the standard library's pure algorithms: they wait for nothing, read nothing, keep no state.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

FUNCTION_LINES = 60
MODULE_LINES = 400

FORBIDDEN_WORDS = frozenset(
    [
        "offer",
        "offers",
        "session",
        "sessions",
        "node",
        "nodes",
        "worker",
        "workers",
        "manager",
        "managers",
        "handler",
        "handlers",
        "util",
        "utils",
        "helper",
        "helpers",
        "base",
        "data",
        "info",
        "infos",
    ]
)
LIBRARY_NAMES = frozenset(
    {"handleError", "data_received", "connection_made", "connection_lost", "eof_received", "start_event_handlers"}
)
CORE_IMPORTS = frozenset(["dataclasses", "datetime", "enum", "typing", "collections", "types", "math"])
# A call's story grows fact by fact while it is told; a tracker with every call it counts.
GROWING = frozenset({"callctl/core/story.py", "callctl/core/estimate.py"})
CORE_ALGORITHMS = frozenset(["bisect", "heapq", "itertools", "functools", "operator"])
CLOCK_CALLS = frozenset(
    [
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.localtime",
        "time.gmtime",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
    ]
)
PBX_WORDS = frozenset(["channel", "tier", "uniqueid", "linkedid", "bridgeid", "actionid", "hangupcause", "userevent"])
PBX_TEXT = re.compile(r"CC-Action|Uniqueid|Linkedid|ActionID|PJSIP/|\bLocal/|QueueMember|\bsofia/")
PBX_PLACES = ("callctl/pbx/", "callctl/render/", "callctl/lab/")
PBX_TESTS = ("tests/pbx/", "tests/render/", "tests/lab/", "tests/real/")
# Put together here so that this file does not fall under its own rule.
PACKAGE_HOSTS = re.compile(
    "|".join(
        host.replace("_", r"\.")
        for host in [
            "pypi_org",
            "pythonhosted_org",
            "pypi_tuna",
            "test_pypi",
            "mirrors_aliyun_com",
            "mirrors_ustc",
            "npmjs_org",
            "npmjs_com",
            "crates_io",
            "proxy_golang_org",
            "conda_anaconda_org",
            "rubygems_org",
            "registry_yarnpkg",
            "jfrog_io",
        ]
    ),
    re.IGNORECASE,
)
WORKPLACE = re.compile(r"(?<![\w.~-])/" + r"work/")
LOG_METHODS = frozenset(["debug", "info", "warning", "error", "exception", "critical", "bind", "log", "msg"])
NUMBER_KEYS = frozenset(["number", "caller", "callerid", "caller_number", "citizen", "phone_number"])
REAL_TESTS = ("tests/real/", "tests/lab/")
VIRTUAL_TESTS = (
    "tests/sim/",
    "tests/pbx/test_stand_in_contract.py",
)  # Their loop's clock is virtual: a sleep there takes no time.


@dataclass(frozen=True)
class Source:
    """One Python file, by its path inside the repository."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text, self.path)

    def under(self, *folders: str) -> bool:
        """Whether it lies in one of the folders."""
        return self.path.startswith(folders)


def words_of(name: str) -> list[str]:
    """The whole words of a snake_case or CamelCase name, in lower case."""
    return [word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", part)]


def forbidden_names(source: Source) -> Iterator[str]:
    """Modules, classes, functions and arguments are called by the glossary's words."""
    banned = FORBIDDEN_WORDS | {"member", "members"} if source.under("callctl/core/") else FORBIDDEN_WORDS
    if source.under(*PBX_PLACES, *PBX_TESTS):
        banned -= {"manager"}
    names = [(1, PurePosixPath(source.path).stem)]
    for item in ast.walk(source.tree):
        if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if not item.name.startswith("test_"):
                names.append((item.lineno, item.name))
        elif isinstance(item, ast.arg):
            names.append((item.lineno, item.arg))
    for line, name in names:
        for word in banned.intersection(words_of(name)) if name not in LIBRARY_NAMES else ():
            yield f"{source.path}:{line}: the name {name} uses the word {word}, see docs/GLOSSARY.md"


def missing_docstring(source: Source) -> Iterator[str]:
    """Every module opens with what it is for."""
    if not ast.get_docstring(source.tree):
        yield f"{source.path}:1: say in one or two lines what this module is for"


def too_long(source: Source) -> Iterator[str]:
    """A function fits a screen, a module a sitting."""
    lines = source.text.count("\n")
    if lines > MODULE_LINES and not source.under("tests/"):
        yield f"{source.path}: {lines} lines, at most {MODULE_LINES}"
    for item in ast.walk(source.tree):
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (item.end_lineno or item.lineno) - item.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{source.path}:{item.lineno}: {item.name} has {length} lines, at most {FUNCTION_LINES}"


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from ((item.lineno, alias.name) for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            yield item.lineno, item.module or "."


def impure_core(source: Source) -> Iterator[str]:
    """The core sees and decides; it cannot even import what waits, reads or speaks."""
    if not source.under("callctl/core/"):
        return
    for line, name in _imports(source.tree):
        if not name.startswith("callctl.core") and name.split(".")[0] not in CORE_IMPORTS | CORE_ALGORITHMS:
            yield f"{source.path}:{line}: the core does not import {name}"


def mutable_types(source: Source) -> Iterator[str]:
    """Types of the core are frozen dataclasses."""
    if not source.under("callctl/core/") or source.path in GROWING:
        return
    for item in ast.walk(source.tree):
        for mark in item.decorator_list if isinstance(item, ast.ClassDef) else ():
            called = mark.func if isinstance(mark, ast.Call) else mark
            if ast.unparse(called).split(".")[-1] == "dataclass":
                given = {word.arg: ast.unparse(word.value) for word in mark.keywords} if isinstance(mark, ast.Call) else {}
                if given.get("frozen") != "True":
                    yield f"{source.path}:{item.lineno}: {item.name} is not frozen"


def local_imports(source: Source) -> Iterator[str]:
    """What a module needs stands at its head."""
    for function in ast.walk(source.tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for line, name in _imports(function):
                yield f"{source.path}:{line}: {name} is imported inside a function"


def clock_readers(source: Source) -> Iterator[str]:
    """Only clock.py asks what time it is; everybody else is told."""
    if source.path == "callctl/clock.py" or not source.under("callctl/"):
        return
    from_time = {
        alias.asname or alias.name: f"{item.module}.{alias.name}"
        for item in ast.walk(source.tree)
        if isinstance(item, ast.ImportFrom) and item.module in ("time", "datetime")
        for alias in item.names
    }
    for item in ast.walk(source.tree):
        if isinstance(item, ast.Attribute | ast.Name):
            dotted = ast.unparse(item)
            called = from_time.get(dotted, dotted) if isinstance(item, ast.Name) else dotted
            if called in CLOCK_CALLS or ".".join(called.split(".")[-2:]) in CLOCK_CALLS:
                yield f"{source.path}:{item.lineno}: {called} reads the clock; take `now` as an argument"


def chance(source: Source) -> Iterator[str]:
    """Only sim/ and lab/ own a random generator, and it takes a seed."""
    if source.under("callctl/sim/", "callctl/lab/") or not source.under("callctl/"):
        return
    for line, name in _imports(source.tree):
        if name.split(".")[0] == "random":
            yield f"{source.path}:{line}: random belongs to sim/ and lab/; take a generator as an argument"


def _names_and_texts(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Every name (True) and every text that is no docstring (False)."""
    docs = {
        id(item.body[0].value)
        for item in ast.walk(tree)
        if isinstance(item, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and item.body
        and isinstance(item.body[0], ast.Expr)
    }
    for item in ast.walk(tree):
        if isinstance(item, ast.Name):
            yield item.lineno, item.id, True
        elif isinstance(item, ast.Attribute):
            yield item.lineno, item.attr, True
        elif isinstance(item, ast.arg):
            yield item.lineno, item.arg, True
        elif isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield item.lineno, item.name, True
        elif isinstance(item, ast.Constant) and isinstance(item.value, str) and id(item) not in docs:
            yield item.lineno, item.value, False


def pbx_words(source: Source) -> Iterator[str]:
    """A PBX's own words stay behind its door."""
    if source.under(*PBX_PLACES) or not source.under("callctl/"):
        return
    for line, text, is_name in _names_and_texts(source.tree):
        if is_name and PBX_WORDS.intersection(words_of(text)):
            yield f"{source.path}:{line}: {text} is a PBX word; it stays in pbx/"
        elif not is_name and PBX_TEXT.search(text):
            yield f"{source.path}:{line}: {text[:40]!r} holds a PBX word; it stays in pbx/"


def re_exports(source: Source) -> Iterator[str]:
    """Names are imported from where they live."""
    for item in ast.walk(source.tree):
        if isinstance(item, ast.Name) and item.id == "__all__":
            yield f"{source.path}:{item.lineno}: no __all__: names are imported from where they live"
    if not source.path.endswith("__init__.py"):
        return
    used = {item.id for item in ast.walk(source.tree) if isinstance(item, ast.Name)}
    for item in ast.walk(source.tree):
        if isinstance(item, ast.Import | ast.ImportFrom):
            for alias in item.names:
                if (alias.asname or alias.name).split(".")[0] not in used:
                    yield f"{source.path}:{item.lineno}: {alias.name} is only passed on"


def real_sleeps(source: Source) -> Iterator[str]:
    """A unit test waits for facts, not for the clock."""
    name = PurePosixPath(source.path).name
    if source.under(*REAL_TESTS, *VIRTUAL_TESTS) or name.endswith("_real.py"):
        return
    if not (name.startswith("test_") or name == "conftest.py"):
        return
    for item in ast.walk(source.tree):
        if not isinstance(item, ast.Call):
            continue
        called = ast.unparse(item.func)
        nothing = bool(item.args) and isinstance(item.args[0], ast.Constant) and item.args[0].value == 0
        if called in ("time.sleep", "asyncio.sleep", "sleep") and not nothing:
            yield f"{source.path}:{item.lineno}: {called} waits for real"


def numbers_in_clear(source: Source) -> Iterator[str]:
    """A citizen's number is masked before it is bound."""
    if not source.under("callctl/"):
        return
    for item in ast.walk(source.tree):
        if not (isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute) and item.func.attr in LOG_METHODS):
            continue
        if "log" not in ast.unparse(item.func.value).lower():
            continue
        for word in item.keywords:
            masked = isinstance(word.value, ast.Call) and ast.unparse(word.value.func).split(".")[-1] == "mask"
            if word.arg in NUMBER_KEYS and not masked:
                yield f"{source.path}:{item.lineno}: log {word.arg}=mask(…), not in clear"


def other_loops(source: Source) -> Iterator[str]:
    """The tests' one Chromium lives in the session's event loop: a test of another loop fails, or waits for ever."""
    if not source.under("tests/web/"):
        return
    marked = [
        item for item in source.tree.body if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "pytestmark"
    ]
    if any(_in_the_shared_loop(item.value) for item in marked):
        return
    for item in source.tree.body:
        if isinstance(item, ast.AsyncFunctionDef) and item.name.startswith("test_"):
            taken = {"hall", "browser"}.intersection(word.arg for word in item.args.args)
            if taken and not any(_in_the_shared_loop(mark) for mark in item.decorator_list):
                yield f"{source.path}:{item.lineno}: {item.name} takes the browser without its loop, see IN_THE_BROWSER"


def _in_the_shared_loop(mark: ast.expr) -> bool:
    said = ast.unparse(mark)
    return said == "IN_THE_BROWSER" or "asyncio(loop_scope='session')" in said


SOURCE_RULES = (
    forbidden_names,
    missing_docstring,
    too_long,
    impure_core,
    mutable_types,
    local_imports,
    clock_readers,
    chance,
    pbx_words,
    re_exports,
    real_sleeps,
    numbers_in_clear,
    other_loops,
)


def foreign_places(path: str, text: str) -> Iterator[str]:
    """No file that is handed on knows where it was made, or where packages come from."""
    for number, line in enumerate(text.splitlines(), 1):
        if WORKPLACE.search(line):
            yield f"{path}:{number}: holds an absolute path of the place where it was made"
        if PACKAGE_HOSTS.search(line):
            yield f"{path}:{number}: names a package registry's host"


def decision_pages(pages: dict[str, str], others: dict[str, str]) -> Iterator[str]:
    """Decisions are numbered without a gap and can be found: `pages` and `others` are Markdown texts by path."""
    for want, path in enumerate(sorted(pages), 1):
        name = PurePosixPath(path).name
        if not re.fullmatch(rf"{want:04d}-[a-z0-9-]+\.md", name):
            yield f"{path}: should be called {want:04d}-<what-was-decided>.md"
        if not any(name in text for other, text in {**others, **pages}.items() if other != path):
            yield f"{path}: no page links to it"
