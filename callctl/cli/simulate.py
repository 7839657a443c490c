"""`callctl simulate`: what a policy would have done to the citizens and the helping cities of a scenario."""

import enum
import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from callctl.province import ProvinceError, read_province
from callctl.settings import SettingsError, read_settings
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
) -> None:
    """仿真一个场景 · Live through a scenario with simulated citizens; compare policies by the same callers."""
    try:
        read = read_scenario(scenario)
    except ScenarioError as error:
        _fail(error)
    compared = not as_json_ if ratios is None else ratios
    names = list(dict.fromkeys([policy.value, *(name.value for name in YARDSTICKS if compared)]))
    runs = _with_progress(read, names, seeds, processes)
    if as_json_:
        print(json.dumps(as_json(runs, policy.value), ensure_ascii=False, indent=2))
    else:
        print(f"{read.name}: {seeds} seed(s) from {read.seed}; means")
        print(as_table(runs))
    if html is not None:
        try:
            html.write_text(as_page(read, runs, policy.value, _city_names()), "utf-8")
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
