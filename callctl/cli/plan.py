"""`callctl plan`: what would happen in the next hours if … ; and how many seats from whom would be enough."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from callctl import clock
from callctl.app import Room
from callctl.cli.exits import REFUSED, STALE
from callctl.cli.picture import STALE_S, age_s
from callctl.cli.plan_words import as_json, hour_table, proposal_text, summary
from callctl.cli.shell import JsonOption, ProvinceOption, in_room, print_json, screen
from callctl.cli.words import say, told
from callctl.core.acts import Sentence
from callctl.core.model import Province
from callctl.core.recommend import AbsurdForecast, Recommendation
from callctl.foresight import measured_lately, time_of_day
from callctl.settings import read_settings
from callctl.sim.bounds import beyond_measure, still_bounded
from callctl.sim.forecast import BIN_S, DAYS, ForecastError, read_forecast
from callctl.sim.lookahead import Run, look_ahead
from callctl.sim.proposal import proposals, with_proposals
from callctl.sim.scenario import Scenario, ScenarioError, read_scenario, scenario_from
from callctl.sim.snapshot import Measured, snapshot, spec_of
from callctl.sim.whatif import WhatIfRefused, changed, city_called, helped, read_changes
from callctl.store.history import LOST, first_line
from callctl.store.schema import open_engine

HOURS = 3.0  # Looked ahead where nobody says how far.

IfOption = Annotated[
    list[str] | None,
    typer.Option(
        "--if",
        metavar="TEXT",
        help=say(
            "假如……，可多次给出以比较，例如 --if '开启 扬州; 徐州 +12; 无锡 8 @10:00'",
            "what if …; give it again to compare, e.g. --if 'on yangzhou; xuzhou +12; wuxi 8 @10:00'",
        ),
    ),
]
FromOption = Annotated[Path | None, typer.Option("--from", metavar="FILE", help=say("读取保存的快照", "a saved snapshot"))]
SaveOption = Annotated[Path | None, typer.Option("--save", metavar="FILE", help=say("保存快照", "save the snapshot"))]
ForecastOption = Annotated[
    Path | None,
    typer.Option("--forecast", metavar="FILE", help=say("每刻钟来电预测 CSV/JSON", "calls per quarter hour, CSV or JSON")),
]
HoursOption = Annotated[
    float | None,
    typer.Option("--hours", min=0.5, max=24.0, help=say("推演几小时，默认 3", "hours to look ahead; 3 if not said")),
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=2, max=1000, help=say("随机种子数", "how many seeds"))]
DayOption = Annotated[
    str | None, typer.Option("--day", help=say("日型：" + "、".join(DAYS), "kind of day: " + ", ".join(DAYS)))
]
RecommendOption = Annotated[
    bool, typer.Option("--recommend", help=say("建议各市席位并推演验证", "propose seats, and try them"))
]
TargetOption = Annotated[
    float | None,
    typer.Option("--target", min=0.5, max=0.99, help=say("建议要达到的接听份额", "share the proposal shall reach")),
]
ProcessesOption = Annotated[int | None, typer.Option("--processes", min=1, help=say("并行进程数", "parallel processes"))]


def register(app: typer.Typer) -> None:
    """Add `plan` to the program."""
    app.command("plan", help=say("推演：假如现在……，未来几小时会怎样", "What if: the next hours, as they are and changed"))(
        plan
    )


def plan(
    if_: IfOption = None,
    from_: FromOption = None,
    save: SaveOption = None,
    forecast: ForecastOption = None,
    hours: HoursOption = None,
    seeds: SeedsOption = 20,
    day: DayOption = None,
    recommend: RecommendOption = False,
    target: TargetOption = None,
    as_json_: JsonOption = False,
    processes: ProcessesOption = None,
    province: ProvinceOption = None,
) -> None:
    """Compare the next hours as they are with what is asked."""
    if day is not None and day not in DAYS:
        _refuse([say(f"没有日型“{day}”；可用：{'、'.join(DAYS)}", f"no kind of day is '{day}'; known: {', '.join(DAYS)}")])
    present, notes = _beginning(from_, province, hours, day)
    present = _with_forecast(present, forecast)
    if save is not None:
        _write(save, present)
    asked = list(if_ or [])
    scenarios = [present, *_asked(present, asked)]
    notes += [note for scenario in scenarios[1:] for note in still_bounded(present, scenario)]
    proposed: list[Recommendation] = []
    if recommend:
        try:
            proposed = proposals(scenarios[-1], target)
        except AbsurdForecast as error:
            _refuse([told(error.told)])
        if not proposed:
            notes.append(
                Sentence("没有开启支援的城市，无从建议：用 --if '开启 某市'", "nobody is switched on: add --if 'on CITY'")
            )
        else:
            scenarios.append(with_proposals(scenarios[-1], proposed))
            asked.append(say("按建议调整", "as proposed"))
    if not any(helped(scenario) for scenario in scenarios):
        notes.append(Sentence("没有任何城市开启支援：各市独立接听", "no city is switched on: every city answers alone"))
    if not as_json_:
        for note in notes:
            print(f"callctl: {told(note)}", file=sys.stderr)
    if save is not None and not asked and not as_json_:
        return  # Only to be saved.
    runs = _runs(scenarios, seeds, processes)
    _show(scenarios, runs, asked, proposed, notes, as_json_)


def _show(
    scenarios: Sequence[Scenario],
    runs: Sequence[list[Run]],
    asked: Sequence[str],
    proposed: Sequence[Recommendation],
    notes: Sequence[Sentence],
    json_: bool,
) -> None:
    if json_:
        print_json(as_json(scenarios, runs, asked, proposed, notes))
        return
    for one in proposed:
        print(proposal_text(one, scenarios[0]) + "\n")
    print(summary(scenarios, runs, asked))
    screen().print(hour_table(scenarios, runs, asked))


def _beginning(
    from_: Path | None, province: Path | None, hours: float | None, day: str | None
) -> tuple[Scenario, list[Sentence]]:
    if from_ is not None:
        if hours is not None or day is not None:
            _refuse(
                [
                    say(
                        "--from 的快照自带时长和来电：去掉 --hours 和 --day（来电可用 --forecast 更改）",
                        "--from has its own hours and calls: leave --hours and --day out (--forecast changes the calls)",
                    )
                ]
            )
        try:
            return read_scenario(from_), []
        except ScenarioError as error:
            _refuse(str(error).splitlines())

    now = clock.now()
    notes: list[Sentence] = []

    async def look(room: Room) -> tuple[Province, Mapping[str, Any] | None, Mapping[str, Measured]]:
        return room.province, await room.registry.status(), await _measured(now, notes)

    whole, picture, measured = in_room(province, look)
    age = age_s(picture, now)
    if picture is None or age is None:
        print(
            f"callctl: {say('还没有画面：控制器没有运行', 'there is no picture: no controller is running')}",
            file=sys.stderr,
        )
        raise typer.Exit(STALE)
    spec, told_too = snapshot(whole, picture, measured, time_of_day(now), hours or HOURS, day or DAYS[0])
    if age > STALE_S:
        notes.append(Sentence(f"画面已是 {age:.0f} 秒前的", f"the picture is {age:.0f} s old"))
    return scenario_from(spec, "now"), [*notes, *told_too]


async def _measured(now: float, notes: list[Sentence]) -> Mapping[str, Measured]:
    """What the last hours showed; nothing where the history cannot be asked."""
    engine = open_engine(read_settings().sql_url)
    try:
        return await measured_lately(engine, now)
    except LOST as error:
        reason = first_line(error)
        notes.append(Sentence(f"历史库读不出：{reason}", f"the history cannot be read: {reason}"))
        return {}
    finally:
        await engine.dispose()


def _with_forecast(present: Scenario, forecast: Path | None) -> Scenario:
    if forecast is None:
        return present
    bins = round(present.horizon_s / BIN_S)
    try:
        rates = read_forecast(forecast, present.begins_s, bins, lambda name: city_called(present, name))
    except ForecastError as error:
        _refuse(str(error).splitlines())
    cities = [replace(city, per_h=rates[city.name], bin_s=BIN_S) if city.name in rates else city for city in present.cities]
    present = replace(present, cities=tuple(cities))
    if mistakes := [told(mistake) for mistake in beyond_measure(present)]:
        _refuse(mistakes)
    return present


def _asked(present: Scenario, asked: Sequence[str]) -> list[Scenario]:
    """One scenario a question; every mistake of every question is told."""
    scenarios, mistakes = [], []
    for text in asked:
        try:
            scenarios.append(changed(present, read_changes(text, present)))
        except WhatIfRefused as error:
            mistakes += [told(mistake) for mistake in error.mistakes]
        else:
            mistakes += [told(mistake) for mistake in beyond_measure(scenarios[-1])]
    if mistakes:
        _refuse(mistakes)
    return scenarios


def _write(save: Path, present: Scenario) -> None:
    try:
        save.write_text(json.dumps(spec_of(present), ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        _refuse([f"{save}: {say('写不进去', 'cannot be written')}: {error.strerror}"])
    print(f"{save}: {say('已保存', 'written')}", file=sys.stderr)


def _runs(scenarios: Sequence[Scenario], seeds: int, processes: int | None) -> list[list[Run]]:
    numbers = list(range(1, seeds + 1))
    if not sys.stderr.isatty():
        return look_ahead(scenarios, numbers, processes)
    label = say("推演", "looking ahead")
    with typer.progressbar(length=len(scenarios) * seeds, label=label, file=sys.stderr) as bar:
        return look_ahead(scenarios, numbers, processes, lambda: bar.update(1))


def _refuse(lines: Sequence[str]) -> NoReturn:
    for line in lines:
        print(f"callctl: {line}", file=sys.stderr)
    raise typer.Exit(REFUSED)
