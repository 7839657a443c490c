"""callctl demo: three real cities, without assistance and then with it, live, with a table that is checked at the end."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from callctl.cli.demo_screen import Screen, difference_lines, result_table
from callctl.cli.exits import REFUSED
from callctl.cli.lab import PROJECT, lab_faults_told
from callctl.cli.shell import screen
from callctl.cli.words import say
from callctl.core.model import PbxKind
from callctl.lab.command import CommandFailed
from callctl.lab.demo import Demo, DemoPlan, Half, is_fresh
from callctl.lab.lab import LabRunning, find_programs, running
from callctl.lab.verdict import Count, rounded
from callctl.settings import shipped

RESULT = Path("build") / "demo.json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=say("演示：三个真实城市，先不支援，再支援", "The demo: three real cities, without assistance, then with it")
    )(demo)


def demo(
    seconds: Annotated[
        float, typer.Option(min=5, max=600, help=say("每半场来电秒数", "seconds of new calls, each half"))
    ] = 45.0,
    rate: Annotated[float, typer.Option(min=0.05, max=5, help=say("每秒来电", "calls a second"))] = 0.8,
    seats: Annotated[int, typer.Option(min=2, max=20, help=say("每市座席数", "seats of each city"))] = 4,
    seed: Annotated[int, typer.Option(help=say("随机种子", "seed of chance"))] = 1,
    network: Annotated[
        int,
        typer.Option(
            min=0, max=255, help=say("用 127.N.x.y 地址，避开别的实验室", "use addresses 127.N.x.y, beside another lab")
        ),
    ] = 0,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=say("用这个空目录；默认临时目录", "an empty folder; default: a temporary one")),
    ] = None,
    stay: Annotated[
        bool,
        typer.Option(
            "--stay",
            help=say("演完后城市和控制台继续开着，直到 Ctrl-C", "leave cities and console open afterwards, until Ctrl-C"),
        ),
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help=say("保留目录(日志、录音、数据库)", "keep the folder: logs, recordings, history"))
    ] = False,
    freeswitch: Annotated[
        str,
        typer.Option(
            metavar="CITY",
            help=say(
                "这个支援市用 FreeSWITCH（CALLCTL_FREESWITCH）", "this supporting city runs FreeSWITCH (CALLCTL_FREESWITCH)"
            ),
        ),
    ] = "",
    result: Annotated[Path, typer.Option(metavar="FILE", help=say("结果 JSON", "where the figures go, as JSON"))] = RESULT,
) -> None:
    """Play both halves; exit code 1 where callctl, the PBXs and the citizens tell different figures."""
    with lab_faults_told(), _faults_told():
        kinds = dict.fromkeys([freeswitch], PbxKind.FREESWITCH.value) if freeswitch else {}
        programs = find_programs({PbxKind.ASTERISK, *map(PbxKind, kinds.values())}, os.environ, PROJECT)
        with _lab_folder(folder, keep) as at:
            plan = DemoPlan(at, shipped("queues").parent, seconds, rate, seats, seed=seed, network=network, kinds=kinds)
            stage = Demo(plan, programs)
            show = Screen(stage)
            stage.tell = show.tell
            without, with_it = asyncio.run(_play(stage, show, stay))
    _write(result, without, with_it)
    console = screen()
    console.print(result_table(without, with_it, stage))
    for line in difference_lines(without, with_it, stage):
        console.print(line)
    console.print(say(f"数据已写入 {result}", f"the figures are in {result}"))
    if without.differences or with_it.differences:
        raise typer.Exit(REFUSED)


async def _play(stage: Demo, show: Screen, stay: bool) -> tuple[Half, Half]:
    """Both halves. SIGTERM and a closed terminal end it as Ctrl-C does: with everything cleaned up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with show.shown(), stage.opened():
            show.headline(say("上半场：不支援", "first half: without assistance"))
            without = await stage.play(assisted=False)
            show.headline(say("下半场：同样的来电，有支援", "second half: the same calls, with assistance"))
            halves = without, await stage.play(assisted=True)
            if stay:
                show.headline(say("演完了；控制台继续开着，按 Ctrl-C 结束", "played; the console stays open until Ctrl-C"))
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            return halves
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def _lab_folder(folder: Path | None, keep: bool) -> Iterator[Path]:
    """The lab's folder; what we made is removed again. Raises LabRunning, CommandFailed, OSError."""
    if folder is None:
        at = Path(tempfile.mkdtemp(prefix="callctl-demo-"))
    else:
        at = folder.absolute()
        if running(at):
            raise LabRunning(f"a lab is running in {at}; `callctl lab down --folder {at}` ends it, or name another folder")
        if not is_fresh(at):
            raise CommandFailed(f"{at} is not an empty folder: name an empty or a new one")
        at.mkdir(parents=True, exist_ok=True)
    try:
        yield at
    finally:
        if keep:
            print(say(f"目录保留在 {at}", f"the folder is kept: {at}"), file=sys.stderr)
        else:
            shutil.rmtree(at, ignore_errors=True)


@contextlib.contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except CommandFailed as error:
        print(f"callctl: {error}", file=sys.stderr)
        raise typer.Exit(REFUSED) from None


def _write(path: Path, without: Half, with_it: Half) -> None:
    text = json.dumps({"without": _figures(without), "with": _figures(with_it)}, ensure_ascii=False, indent=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    half_made = path.with_suffix(".part")
    half_made.write_text(text + "\n", encoding="utf-8")
    half_made.replace(path)


def _figures(half: Half) -> dict[str, Any]:
    """Waits in seconds, of all who asked: until the answer, or until they gave up. connect_rate is answered / asked."""
    told, home = rounded(half.history), half.home
    rate = told.connect_rate
    return {
        "asked": told.asked,
        "answered_home": told.answered_by.get(home, 0),
        "answered_remote": told.answered - told.answered_by.get(home, 0),
        "abandoned": told.abandoned,
        "lost": told.lost,
        "inversions": told.inversions,
        "connect_rate": None if rate is None else round(rate, 4),
        "mean_wait_s": told.mean_wait_s,
        "max_wait_s": told.max_wait_s,
        "mean_wait_answered_s": None if half.mean_wait_answered_s is None else round(half.mean_wait_answered_s, 2),
        "answered_by": dict(told.answered_by),
        "returned": told.returned,
        "queue_log": _witness(half.queue_log),
        "citizens": _witness(half.citizens),
        "hung_up_at_the_answer": half.crossed,
        "differences": [asdict(one) for one in half.differences],
    }


def _witness(count: Count) -> dict[str, Any]:
    return {key: value for key, value in asdict(rounded(count)).items() if value is not None}
