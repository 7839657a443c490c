"""`callctl lab`: a few real cities on this machine, with agents who answer and citizens who call."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from callctl import settings
from callctl.cli.exits import REFUSED
from callctl.cli.shell import JsonOption, ProvinceOption, print_json, screen
from callctl.cli.words import say
from callctl.core.model import City, PbxKind, Province
from callctl.lab import sipp
from callctl.lab.agents import CityAgents, Habits
from callctl.lab.crowd import Crowd, CrowdPlan, Tally
from callctl.lab.freeswitch import NoFreeSwitch
from callctl.lab.keeper import is_ready, keep, keep_in_background
from callctl.lab.lab import (
    DEFAULT_CITIES,
    DEFAULT_SEATS,
    LabPlan,
    LabRunning,
    NoLab,
    Programs,
    end,
    environment,
    find_programs,
    running,
)
from callctl.lab.look import look, settings_of
from callctl.lab.program import NoAsterisk
from callctl.lab.registration import RegisterFailed
from callctl.lab.running import PbxFailed
from callctl.lab.sipp import Sipp, SippFailed, SippLoad
from callctl.lab.subset import SubsetError
from callctl.province import ProvinceError, read_province
from callctl.render.values import RenderError

PROJECT = Path(__file__).resolve().parent.parent.parent
SHOWN_EVERY_S = 1.0
THREE_CITIES = ",".join(DEFAULT_CITIES)

FolderOption = Annotated[
    Path | None,
    typer.Option("--folder", metavar="DIR", help=say("实验室目录", "the lab's folder; default: in the state folder")),
]
CitiesOption = Annotated[
    str,
    typer.Option(
        "--cities",
        metavar="A,B:freeswitch,…",
        help=say("城市，用逗号分隔；可写明 PBX 种类", "city codes, with commas; a code may name its kind of PBX"),
    ),
]
SeatsOption = Annotated[int, typer.Option("--seats", min=1, max=900, help=say("每市座席数", "seats of each city, at most"))]
AnswerOption = Annotated[float, typer.Option("--answer", min=0, help=say("几秒后摘机", "seconds until an agent answers"))]
TalkOption = Annotated[float, typer.Option("--talk", min=0.1, help=say("平均通话秒数", "mean talk, seconds"))]
RejectOption = Annotated[float, typer.Option("--reject", min=0, max=1, help=say("拒接比例", "share of calls rejected"))]
SilentOption = Annotated[
    float, typer.Option("--no-answer", min=0, max=1, help=say("不接比例", "share of calls left ringing"))
]

lab = typer.Typer(help=say("本机上的真实城市实验室", "real cities on this machine"), no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(lab, name="lab")


@contextmanager
def lab_faults_told() -> Iterator[None]:
    """What went wrong in the lab is one sentence and exit code 1."""
    try:
        yield
    except (
        LabRunning,
        NoLab,
        NoAsterisk,
        NoFreeSwitch,
        PbxFailed,
        RegisterFailed,
        RenderError,
        SippFailed,
        SubsetError,
    ) as error:
        raise _refused(str(error)) from None
    except (ProvinceError, settings.SettingsError) as error:
        raise _refused(str(error)) from None
    except BrokenPipeError:  # `| head` has seen enough.
        raise typer.Exit(0) from None
    except OSError as error:
        raise _refused(f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")) from None


def _refused(text: str) -> typer.Exit:
    print(f"callctl: {text}", file=sys.stderr)
    return typer.Exit(REFUSED)


def _run(work: Awaitable[None]) -> None:
    async def whole() -> None:
        await work

    with lab_faults_told():
        asyncio.run(whole())


def _folder(folder: Path | None) -> Path:
    return folder or settings.read_settings().state_dir / "lab"


def _say(line: str) -> None:
    print(line, flush=True)


@lab.command("up")
def up(
    cities: CitiesOption = THREE_CITIES,
    seats: SeatsOption = DEFAULT_SEATS,
    folder: FolderOption = None,
    province: ProvinceOption = None,
    answer: AnswerOption = 1.0,
    talk: TalkOption = 6.0,
    reject: RejectOption = 0.0,
    no_answer: SilentOption = 0.0,
    with_agents: Annotated[bool, typer.Option("--agents/--no-agents", help=say("话务员上班", "agents at work"))] = True,
    stay: Annotated[bool, typer.Option("--stay", help=say("前台运行，Ctrl-C 结束", "stay here; Ctrl-C ends it"))] = False,
) -> None:
    """Start the cities' PBXs, each from its rendered configuration, and register their agents."""
    at = _folder(folder)
    habits = Habits(answer, talk, reject, no_answer) if with_agents else None
    with lab_faults_told():
        source = settings.read_settings(province=province).province_dir
        chosen, kinds = _chosen(cities)
        plan = LabPlan(folder=at, source=source, cities=chosen, seats=seats, kinds=kinds)
        programs = _programs(plan)
    if stay:
        _run(keep(plan, programs, habits, _say))
        return
    if running(at):
        raise _refused(f"a lab is running in {at}; `callctl lab down --folder {at}` ends it")
    named = ",".join(f"{code}:{kinds[code]}" if code in kinds else code for code in chosen)
    _say(say(f"启动 {named}，目录 {at}", f"starting {named} in {at}"))
    command = ["lab", "up", "--stay", "--folder", str(at), "--province", str(source), "--cities", named]
    command += ["--seats", str(seats), "--answer", str(answer), "--talk", str(talk), "--reject", str(reject)]
    command += ["--no-answer", str(no_answer), "--agents" if with_agents else "--no-agents"]
    _run(keep_in_background(at, command, lambda line: _say(f"  {line}")))
    variables = " ".join(f"{name}={value}" for name, value in environment(at).items())
    _say(say("控制器：", "a controller for it:") + f" {variables} callctl run")


def _chosen(cities: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The cities named by --cities, and the kinds of PBX that were named with them."""
    names = dict.fromkeys(filter(None, map(str.strip, cities.replace("\uff0c", ",").split(","))))
    if not names:
        raise _refused(say("--cities 没有写城市", "--cities names no city"))
    pairs = [name.replace("\uff1a", ":").partition(":") for name in names]
    kinds = {code: kind for code, _, kind in pairs if kind}
    known = [kind.value for kind in PbxKind]
    for code, kind in kinds.items():
        if kind not in known:
            raise _refused(say(f"{code}：没有 {kind} 这种 PBX", f"{code}: no such PBX: {kind}") + f" ({', '.join(known)})")
    return tuple(dict.fromkeys(code for code, _, _ in pairs)), kinds


def _programs(plan: LabPlan) -> Programs:
    """The programs of the lab's cities. Raises ProvinceError, NoAsterisk, NoFreeSwitch."""
    told = set(plan.kinds.values())
    shipped = set() if plan.kinds.keys() == set(plan.cities) else _kinds(read_province(plan.source), plan)
    return find_programs({PbxKind(kind) for kind in told} | shipped, os.environ, PROJECT)


def _kinds(province: Province, plan: LabPlan | None = None) -> set[PbxKind]:
    """The kinds of PBX of a province, or of a plan's cities whose kind the plan leaves to the province."""
    asked = [code for code in plan.cities if code not in plan.kinds] if plan else list(province.cities)
    return {province.cities[code].pbx.kind for code in asked if code in province.cities}


@lab.command("down")
def down(folder: FolderOption = None) -> None:
    """End the lab and everything it started. Safe to repeat."""
    at = _folder(folder)

    async def do() -> None:
        ended = await end(at)
        _say(say("已结束", "ended") if ended else say("没有在运行的实验室", "no lab was running"))

    _run(do())


@lab.command("status")
def status(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Which cities live, with how many phones and calls."""
    at = _folder(folder)

    async def do() -> None:
        province = read_province(settings_of(at).province_dir)
        looks = await look(at, find_programs(_kinds(province), os.environ, PROJECT))
        if as_json:
            print_json({"folder": str(at), "ready": is_ready(at), "cities": [asdict(city) for city in looks]})
            return
        heads = (say("城市", "city"), say("状态", "state"), say("进程", "process"), "MB")
        table = Table(*heads, say("已注册话机", "phones"), say("座席", "seats"), say("通道", "channels"))
        for city in looks:
            row = (f"{city.rss_mb:.0f}", city.phones, city.seats, city.channels)
            table.add_row(f"{city.name_zh} {city.city}", city.state, str(city.pid), *map(str, row))
        screen().print(table)

    _run(do())


@lab.command("agents")
def agents(
    cities: CitiesOption,
    folder: FolderOption = None,
    answer: AnswerOption = 1.0,
    talk: TalkOption = 6.0,
    reject: RejectOption = 0.0,
    no_answer: SilentOption = 0.0,
    by_sipp: Annotated[bool, typer.Option("--sipp", help=say("用 SIPp，适合压力测试", "by SIPp, for load"))] = False,
) -> None:
    """Let the agents of cities work until Ctrl-C, for a lab that was started with --no-agents."""
    at = _folder(folder)

    async def do() -> None:
        ours = settings_of(at)
        chosen = [_city(ours, code) for code in cities.split(",")]
        if by_sipp:
            load = [await sipp.agents(at, city, ours, answer_after_s=answer, talk_s=talk) for city in chosen]
            await _until_interrupted(load)
            return
        habits = Habits(answer, talk, reject, no_answer)
        floors = [CityAgents(city, ours, tone="agent", habits=habits) for city in chosen]
        try:
            for floor in floors:
                await floor.start()
                _say(f"{floor.city.code}: {len(floor.phones)}")
            await asyncio.Event().wait()
        finally:
            for floor in floors:
                await floor.leave()
                await floor.close()

    _run(do())


async def _until_interrupted(load: list[Sipp]) -> None:
    try:
        await asyncio.gather(*(one.until_ended() for one in load))
    finally:
        for one in load:
            one.stop()


@lab.command("calls")
def calls(
    city: Annotated[str, typer.Option("--city", help=say("打给哪个市", "the city they call"))],
    rate: Annotated[float, typer.Option("--rate", min=0.01, help=say("每秒来电", "calls a second"))],
    for_s: Annotated[float, typer.Option("--for", min=0.1, help=say("持续秒数", "seconds"))],
    patience: Annotated[
        float, typer.Option("--patience", min=0.5, help=say("平均耐心秒数", "mean patience, seconds"))
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", help=say("随机种子", "seed of chance"))] = 0,
    listen: Annotated[
        bool, typer.Option("--listen", help=say("逐个听音：谁接的、是否断乐", "by phones that listen: who answered"))
    ] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let citizens call a city: by SIPp (any load), or by phones that listen (up to some 50 at a time)."""
    at = _folder(folder)

    async def do() -> None:
        it = _city(settings_of(at), city)
        result = await (_listening(it, CrowdPlan(rate, for_s, patience, seed=seed)) if listen else _loading(it))
        print_json(result) if as_json else _say(json.dumps(result, ensure_ascii=False))

    async def _loading(it: City) -> dict[str, object]:
        load = sipp.citizens(at, it, SippLoad(rate, for_s, patience, seed))
        try:
            return asdict(await load.until_ended(lambda count: _progress(f"{asdict(count)}")))
        finally:
            load.stop()

    _run(do())


async def _listening(city: City, plan: CrowdPlan) -> dict[str, object]:
    crowd = Crowd(city, plan)
    work = asyncio.create_task(crowd.run())
    while not work.done():
        await asyncio.wait([work], timeout=SHOWN_EVERY_S)
        _progress(_in_words(crowd.tally()))
    waits = [citizen.waited_s for citizen in work.result()]
    return {
        **asdict(crowd.tally()),
        "mean_wait_s": round(sum(waits) / len(waits), 2) if waits else None,
        "max_wait_s": round(max(waits), 2) if waits else None,
    }


def _in_words(tally: Tally) -> str:
    answered = " ".join(f"{tone}:{count}" for tone, count in sorted(tally.answered.items())) or "0"
    return say(
        f"来电 {tally.asked} 等待 {tally.waiting} 通话 {tally.talking} 已接 {answered} 放弃 {tally.gave_up}",
        f"asked {tally.asked} waiting {tally.waiting} talking {tally.talking} answered {answered} gave up {tally.gave_up}",
    )


def _progress(text: str) -> None:
    """One line that is written over on a terminal; nothing in a pipe."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _city(ours: settings.Settings, code: str) -> City:
    found = read_province(ours.province_dir).cities.get(code)
    if found is None:
        raise NoLab(f"the lab has no city {code}; it has: {', '.join(read_province(ours.province_dir).cities)}")
    return found
