"""`callctl sim`: random provinces under the checkers' eyes, many of them or one again."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from callctl.cli.words import say
from callctl.sim.fuzz import Verdict, live_through, needed
from callctl.sim.replicate import hush
from callctl.sim.tally import Tally, live_many, open_log

SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="省份个数 · how many provinces, one per seed")]
FromOption = Annotated[int, typer.Option("--from", min=0, help="从哪个种子开始 · the first seed")]
ProcessesOption = Annotated[int | None, typer.Option("--processes", min=1, help="并行进程数 · parallel processes")]
JsonOption = Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")]
LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log", metavar="FILE", help="结果追加到文件，下次从断点继续 · append results, go on from them next time"
    ),
]
SeedArgument = Annotated[int, typer.Argument(metavar="SEED", min=0, help="种子 · the seed of the province")]
ShrinkOption = Annotated[
    bool, typer.Option("--shrink", help="只留下必要的故障 · keep only the troubles without which nothing breaks")
]


def register(app: typer.Typer) -> None:
    """Add `sim` to the program."""
    sim = typer.Typer(
        help=say("仿真检验：随机省份、随机故障", "the promises, checked on random provinces with random trouble"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    sim.command("fuzz")(fuzz)
    sim.command("replay")(replay)
    app.add_typer(sim, name="sim")


def fuzz(
    seeds: SeedsOption = 100,
    first: FromOption = 0,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
    log: LogOption = None,
) -> None:
    """随机省份、随机故障，逐步检验 · Live through random provinces; every promise is checked at every step."""
    numbers = range(first, first + seeds)
    try:
        done = Tally.read(log) if log is not None else Tally()
        lines = open_log(log) if log is not None else None
    except (OSError, ValueError) as error:
        _stop(log, error)
    if done.ignored:
        passed_over = say(
            f"有 {done.ignored} 行是其他版本的代码写的或没有写完，不计入",
            f"{done.ignored} lines of another version of the code, or cut off, do not count",
        )
        print(f"callctl: {log}: {passed_over}", file=sys.stderr)
    left = [seed for seed in numbers if seed not in done.seeds]
    try:
        _live(left, processes, done, lines, as_json)
    except OSError as error:
        if lines is None:
            raise
        _stop(log, error)
    if as_json:
        print(json.dumps(done.as_json(), ensure_ascii=False, indent=2))
    else:
        print(done.told())
    if done.failing:
        raise typer.Exit(1)


def _live(left: Sequence[int], processes: int | None, done: Tally, lines: TextIO | None, as_json: bool) -> None:
    """Every seed that is left; each verdict is written before the next one is asked for."""
    with lines or nullcontext(), typer.progressbar(length=len(left), label="检验 checking", file=sys.stderr) as bar:
        for verdict in live_many(left, processes):
            done.add(verdict)
            if lines is not None:
                done.append(lines, verdict)
            if verdict.violation and not as_json:
                print(f"\r{_told(verdict)}")
            bar.update(1)


def _stop(log: Path | None, error: Exception) -> NoReturn:
    print(f"callctl: {log}: {error.strerror if isinstance(error, OSError) else error}", file=sys.stderr)
    raise typer.Exit(1)


def _told(verdict: Verdict) -> str:
    return f"seed {verdict.seed}: {verdict.violation}\n  callctl sim replay {verdict.seed}"


def replay(seed: SeedArgument, shrink: ShrinkOption = False) -> None:
    """再走一遍一个种子 · Live through one seed's province again: the same facts, the same orders, the same finding."""
    hush()
    verdict = live_through(seed, traced=True)
    for word, value in asdict(verdict).items():
        print(f"{word:10} {value}")
    if verdict.violation and shrink:
        drawn = needed(seed)
        for trouble in drawn.troubles:
            print(f"trouble    {trouble}")
        for act in drawn.acts[1:]:
            print(f"act        {act.what} at {act.at:.3f} s")
    if verdict.violation:
        raise typer.Exit(1)
