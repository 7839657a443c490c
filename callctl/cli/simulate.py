"""`callctl simulate`: what a policy would have done to the citizens and the helping cities of a scenario."""

import enum
import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from callctl.province import ProvinceError, read_province
from callctl.settings import SettingsError, read_settings
from callctl.sim.checkers import Violation
from callctl.sim.founding import check_livable, with_fixed_wrap_up
from callctl.sim.full import FULL
from callctl.sim.outcome import Outcome
from callctl.sim.page import as_page
from callctl.sim.replicate import replicate, seeds_of
from callctl.sim.report import as_json, as_table
from callctl.sim.scenario import Scenario, ScenarioError, read_scenario


class PolicyName(enum.StrEnum):
    """Whom to ask for decisions."""

    NONE = "none"
    STATIC = "static"
    POLICY = "policy"
    LIMIT = "limit"
    POOLED = "pooled"
    IDEAL = "ideal"


class DepthName(enum.StrEnum):
    """What lives through the scenario."""

    FAST = "fast"
    FULL = "full"


YARDSTICKS = (PolicyName.NONE, PolicyName.LIMIT, PolicyName.POOLED)

ScenarioArgument = Annotated[Path, typer.Argument(metavar="SCENARIO", help="场景文件 · scenario file (JSON)")]
PolicyOption = Annotated[PolicyName, typer.Option("--policy", help="策略 · whose decisions to try")]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, max=1000, help="随机种子数 · how many seeds")]
JsonOption = Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="写出带曲线的网页 · write a page with curves")
]
RatiosOption = Annotated[
    bool | None,
    typer.Option(
        "--ratios/--no-ratios",
        help="同时运行对照策略以计算 R · also run none, limit and pooled, for the ratio R (default: unless --json)",
    ),
]
DepthOption = Annotated[
    DepthName,
    typer.Option("--depth", help="fast: 只跑策略 · the policy alone; full: 正式控制器和仿真 PBX · the real controller"),
]
ProcessesOption = Annotated[int | None, typer.Option("--processes", min=1, help="并行进程数 · parallel processes")]


def register(app: typer.Typer) -> None:
    """Add `simulate` to the program."""
    app.command("simulate")(simulate)


def simulate(
    scenario: ScenarioArgument,
    policy: PolicyOption = PolicyName.POLICY,
    seeds: SeedsOption = 1,
    as_json_: JsonOption = False,
    html: HtmlOption = None,
    ratios: RatiosOption = None,
    processes: ProcessesOption = None,
    depth: DepthOption = DepthName.FAST,
) -> None:
    """仿真一个场景 · Live through a scenario with simulated citizens; compare policies by the same callers."""
    try:
        read = read_scenario(scenario)
    except ScenarioError as error:
        _fail(error)
    compared = not as_json_ if ratios is None else ratios
    asked = policy.value
    if depth is DepthName.FULL:
        if policy is not PolicyName.POLICY or html is not None:
            _fail("--depth full runs the real controller: no other --policy, and no --html (its curves are those of fast)")
        try:
            check_livable(read)
        except ScenarioError as error:
            _fail(error)
        read, asked = with_fixed_wrap_up(read), FULL
    names = list(dict.fromkeys([asked, *(name.value for name in YARDSTICKS if compared)]))
    try:
        runs = _with_progress(read, names, seeds, processes)
    except Violation as broken:
        _fail(f"a promise is broken: {broken}")
    if as_json_:
        print(json.dumps(as_json(runs, asked), ensure_ascii=False, indent=2))
    else:
        print(f"{read.name}: {seeds} seed(s) from {read.seed}; means")
        print(as_table(runs))
    if html is not None:
        try:
            html.write_text(as_page(read, runs, asked, _city_names()), "utf-8")
        except OSError as error:
            _fail(f"{html}: cannot be written: {error.strerror}")
        print(f"{html}: written", file=sys.stderr)


def _city_names() -> dict[str, str]:
    """What people call the cities whose codes a scenario uses; nothing where no province is set up."""
    try:
        province = read_province(read_settings().province_dir)
    except (ProvinceError, SettingsError):
        return {}
    return {city.code: city.name_zh for city in province.cities.values()}


def _with_progress(read: Scenario, names: list[str], seeds: int, processes: int | None) -> dict[str, list[Outcome]]:
    numbers = seeds_of(read, seeds)
    if not sys.stderr.isatty():
        return replicate(read, names, numbers, processes)
    with typer.progressbar(length=len(names) * seeds, label="仿真 simulating", file=sys.stderr) as bar:
        return replicate(read, names, numbers, processes, done=lambda: bar.update(1))


def _fail(why: object) -> NoReturn:
    for line in str(why).splitlines():
        print(f"callctl: {line}", file=sys.stderr)
    raise typer.Exit(1)
