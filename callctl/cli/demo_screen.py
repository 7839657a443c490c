"""What the demo shows: a live table on a terminal, plain lines elsewhere, and the table of results at the end."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from callctl import clock
from callctl.cli.picture import city_name, duration
from callctl.cli.shell import screen
from callctl.cli.words import say, told, word
from callctl.core.acts import Sentence
from callctl.lab.crowd import Tally
from callctl.lab.demo import ASSISTED, SUPPORTING, Demo, Half
from callctl.lab.verdict import Count

_SHOWN_EVERY_S = 0.5
_PLAIN_EVERY_S = 5.0
_SEAT_STATES = ("free", "ringing", "busy", "wrap_up")


class Screen:
    """The demo's running commentary and, on a terminal, its live table."""

    def __init__(self, stage: Demo) -> None:
        self._stage = stage
        self._console: Console = screen()
        self._began = clock.now()
        self._live: Live | None = None

    def headline(self, text: str) -> None:
        """A new half begins."""
        self._print(Text(f"== {text} ==", style="bold"))

    def tell(self, sentence: Sentence) -> None:
        """One line of what happens, with the time since the start."""
        self._print(Text(f"{clock.now() - self._began:5.1f} s  {told(sentence)}"))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)
        sys.stdout.flush()

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Keep the live table (or a line every few seconds) up to date."""
        drawing = asyncio.create_task(self._draw() if sys.stdout.isatty() else self._say_now_and_then())
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.wait([drawing])

    async def _draw(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self._page(), refresh=True)
                await asyncio.sleep(_SHOWN_EVERY_S)

    async def _say_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_PLAIN_EVERY_S)
            if self._stage.half_began is not None:
                self._print(Text(f"{clock.now() - self._began:5.1f} s  {self._now_line()}"))

    # ------------------------------------------------------------------------------------- now
    def _page(self) -> Group:
        cities = (self._stage.picture or {}).get("cities") or {}
        if not cities:
            return Group(Text(say("准备中……", "getting ready …")))
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(word("city"), no_wrap=True)
        for key in ("waiting", "longest_wait", *_SEAT_STATES):
            table.add_column(word(key), justify="right", no_wrap=True)
        for key in ("lent_out", "lent_in", "assistance"):
            table.add_column(word(key), no_wrap=True)
        for code in self._stage.lab.plan.cities:
            table.add_row(*self._row(code, cities.get(code) or {}))
        lines = [Text(self._now_line()), Text(self._answered_line())] if self._stage.half_began is not None else []
        return Group(table, *lines)

    def _row(self, code: str, seen: dict[str, Any]) -> list[str]:
        seats = seen.get("seats") or {}
        waits = duration(seen.get("longest_wait_s")) if seen.get("waiting") else "-"
        states = [str(seats.get(state) if seats.get(state) is not None else "?") for state in _SEAT_STATES]
        lent_in = seen.get("lent_in") or {}
        slots = " ".join(
            f"{self._name(other)} {slot['in_use']}/{slot['open']}"
            for other, slot in lent_in.items()
            if slot["open"] or slot["in_use"]
        )
        lent_out = " ".join(
            f"{self._name(other)} {count}" for other, count in (seen.get("lent_out") or {}).items() if count
        )
        return [
            self._name(code),
            str(seen.get("waiting")),
            waits,
            *states,
            lent_out or "-",
            slots or "-",
            word(str(seen.get("assistance"))) if code == ASSISTED else "-",
        ]

    def _name(self, code: str) -> str:
        return city_name(self._stage.lab.province, code)

    def _now_line(self) -> str:
        stage, tally = self._stage, self._tally()
        passed = clock.now() - (stage.half_began or clock.now())
        calling = min(passed, stage.plan.seconds)
        half = say("有支援", "with assistance") if stage.assisted else say("不支援", "without assistance")
        return say(
            f"{half} {calling:.0f}/{stage.plan.seconds:g} 秒 来电 {tally.asked} 等待 {tally.waiting} 通话 {tally.talking} "
            f"已接 {sum(tally.answered.values())} 放弃 {tally.gave_up}",
            f"{half} {calling:.0f}/{stage.plan.seconds:g} s  asked {tally.asked} waiting {tally.waiting} "
            f"talking {tally.talking} answered {sum(tally.answered.values())} gave up {tally.gave_up}",
        )

    def _answered_line(self) -> str:
        by = self._tally().answered
        tones = self._stage.tones()
        counts = "  ".join(f"{self._name(code)} {by.get(tone, 0)}" for code, tone in tones.items())
        return say("市民听到谁接听： ", "citizens hear the agents of: ") + counts

    def _tally(self) -> Tally:
        return self._stage.crowd.tally() if self._stage.crowd else Tally()


def result_table(without: Half, with_it: Half, stage: Demo) -> Table:
    """Both halves side by side, from the history; a mark tells whether PBXs and citizens say the same."""
    title = say("同样的来电：不支援与支援（据历史库）", "the same calls without and with assistance (from the history)")
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(stage.city.name_zh if say("zh", "en") == "zh" else ASSISTED, no_wrap=True)
    table.add_column(say("不支援", "without"), justify="right")
    table.add_column(say("支援", "with"), justify="right")
    table.add_column(say("PBX 日志 queue_log", "PBXs' queue_log"), justify="right")
    table.add_column(say("市民听到", "citizens heard"), justify="right")
    for name, figure in _rows(stage):
        counts = [(figure(half.history), figure(half.queue_log), figure(half.citizens)) for half in (without, with_it)]
        said = [" / ".join(count[n] for count in counts) for n in (1, 2)]
        table.add_row(name, counts[0][0], counts[1][0], *said)
    return table


def _rows(stage: Demo) -> Iterator[tuple[str, Callable[[Count], str]]]:
    yield say("来电", "asked"), lambda count: str(count.asked)
    for code in (ASSISTED, *SUPPORTING):
        name = city_name(stage.lab.province, code)
        where = say("本市接听", "answered home") if code == ASSISTED else say(f"{name}接听", f"answered by {name}")
        yield where, lambda count, code=code: str(count.answered_by.get(code, 0))  # type: ignore[misc]
    yield say("放弃", "abandoned"), lambda count: str(count.abandoned)
    yield say("丢失", "lost"), lambda count: str(count.lost)
    yield say("平均等待（全部来电）", "mean wait (all who asked)"), lambda count: _seconds(count.mean_wait_s)
    yield say("最长等待（全部来电）", "longest wait (all who asked)"), lambda count: _seconds(count.max_wait_s)
    yield say("插队", "place inversions"), lambda count: "-" if count.inversions is None else str(count.inversions)
    yield say("接通率（已接÷来电）", "connect rate (answered / asked)"), lambda count: _share(count.connect_rate)


def _seconds(value: float | None) -> str:
    return "-" if value is None else say(f"{value:.1f}秒", f"{value:.1f} s")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def difference_lines(without: Half, with_it: Half, stage: Demo) -> Iterator[Text]:
    """Who disagrees with the history, and by how much; or that nobody does."""
    found = False
    for half, name in ((without, say("不支援", "without")), (with_it, say("支援", "with"))):
        for one in half.differences:
            found = True
            line = say(
                f"不一致（{name}）{one.what}：历史库 {one.history}，{one.witness} {one.says}",
                f"DIFFERS ({name}) {one.what}: history {one.history}, {one.witness} {one.says}",
            )
            yield Text(line, style="bold red")
        if half.crossed:
            yield Text(
                say(
                    f"（{name}）{half.crossed} 位市民在接通的一刻挂机：按 PBX 计为已接",
                    f"({name}) {half.crossed} hung up at the very moment of the answer: answered, as their PBX says",
                )
            )
    if not found:
        yield Text(
            say(
                "三方一致：历史库、三市 PBX 的 queue_log、市民听到的（等待时间允许 2 秒取整）",
                "history, the three PBXs' queue_log and what the citizens heard agree (waits within 2 s of rounding)",
            )
        )
