"""A page for the meeting room: what a scenario does to the city in need and to those who help, as table and curves.

One file, no script, nothing loaded from anywhere: curves are SVG inside the page.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from callctl.sim.engine import Engine
from callctl.sim.outcome import assisted_names, engine_for
from callctl.sim.report import HEAD, Runs, row
from callctl.sim.scenario import Scenario

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 900, 240, 56, 28, 14, 150
COLOURS = ("#1668b8", "#c4472b", "#2c8a4b", "#8a5bb5", "#b8860b", "#0f8a8a", "#d0508c", "#5a6b7b")
POINTS = 288  # Samples of a run.


@dataclass(slots=True)
class Curves:
    """Samples over one run: time, then one value per name."""

    step_s: float
    waiting: list[float] = field(default_factory=list)
    longest_wait_s: list[float] = field(default_factory=list)
    lent: list[float] = field(default_factory=list)
    home: list[float] = field(default_factory=list)
    remote: list[float] = field(default_factory=list)
    own_sl: dict[str, list[float | None]] = field(default_factory=dict)  # Helping cities, per sample.


def watched(scenario: Scenario, policy: str, seed: int) -> Curves:
    """Run once more and look at the province all the time."""
    engine = engine_for(scenario, policy, seed)
    names = assisted_names(scenario)
    curves = Curves(scenario.horizon_s / POINTS)
    assisted = [city for city in engine.cities if city.spec.name in names]
    helping = [city for city in engine.cities if city.spec.name not in names and any(n for _, n in city.spec.quota)]
    before = {city.spec.name: (0, 0) for city in engine.cities}
    answered = [0, 0]

    def look(_: None) -> None:
        curves.waiting.append(sum(city.room.waiting for city in assisted))
        since = min((engine.waiting_since(city, 0) for city in assisted), default=math.inf)
        curves.longest_wait_s.append(max(0.0, engine.now - since) if since < math.inf else 0.0)
        curves.lent.append(sum(city.room.lent for city in engine.cities))
        remote = sum(city.counts.remote for city in assisted)
        home = sum(city.counts.answered for city in assisted) - remote
        curves.home.append(home - answered[0])
        curves.remote.append(remote - answered[1])
        answered[:] = [home, remote]
        for city in helping:
            name, counts = city.spec.name, city.counts
            tries, good = counts.attempts - before[name][0], counts.in_sl - before[name][1]
            before[name] = (counts.attempts, counts.in_sl)
            curves.own_sl.setdefault(name, []).append(min(1.0, good / tries) if tries else None)
        engine.at(engine.now + curves.step_s, look, None)

    engine.at(curves.step_s, look, None)
    _run(engine)
    return curves


def _run(engine: Engine) -> None:
    engine.run()


def _chart(title: str, step_s: float, lines: Sequence[tuple[str, Sequence[float | None]]], unit: str) -> str:
    highest = max([value for _, values in lines for value in values if value is not None] or [1.0]) or 1.0
    top = _round_up(highest)
    count = max(len(values) for _, values in lines)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(place: int) -> float:
        return LEFT + wide * (place + 1) / max(1, count)

    def y(value: float) -> float:
        return TOP + high * (1.0 - value / top)

    parts = [f'<h2>{escape(title)}</h2><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for i in range(5):
        value = top * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}{escape(unit)}</text>')
    hours = count * step_s / 3600.0
    every = next((h for h in (1, 2, 3, 6, 12, 24, 48) if hours / h <= 13), 168)
    for hour in range(0, math.floor(hours) + 1, every):
        at = LEFT + wide * hour / hours
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{hour}:00</text>')
    for i, (name, values) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(f"{x(p):.1f},{y(v):.1f}" for p, v in enumerate(values) if v is not None)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 12 + 15 * i}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts) + "</svg>"


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value - 1e-9)


def _hourly(values: Sequence[float | None], group: int) -> list[float | None]:
    """Averages over `group` samples, spread over the same number of places: a single late call is no collapse."""
    smooth: list[float | None] = []
    for place in range(len(values)):
        known = [value for value in values[max(0, place - group + 1) : place + 1] if value is not None]
        smooth.append(sum(known) / len(known) if known else None)
    return smooth


STYLE = """body{font:15px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;max-width:1100px;
margin:2em auto;padding:0 1em;color:#1c2733}h1{font-size:1.4em}h2{font-size:1.05em;margin:1.6em 0 .3em}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;white-space:nowrap}th,td{padding:.3em .6em;
border-bottom:1px solid #dde3e9;text-align:right}th:first-child,td:first-child{text-align:left}
tr.chosen{background:#eef5fc;font-weight:600}svg{width:100%;height:auto;font-size:11px;fill:#4a5866}
.grid{stroke:#e3e8ed}"""


def as_page(scenario: Scenario, runs: Runs, policy: str) -> str:
    """The whole page; curves of the first seed."""
    curves = watched(scenario, policy, runs[policy][0].seed)
    minutes = curves.step_s / 60.0
    group = max(1, round(3600.0 / curves.step_s))
    charts = [
        _chart("排队人数 · Callers waiting in the assisted cities", curves.step_s, [("排队 waiting", curves.waiting)], ""),
        _chart("最长等待 · Longest wait", curves.step_s, [("队首 head", curves.longest_wait_s)], " s"),
        _chart(
            f"接通（每 {minutes:.0f} 分钟）· Answered per {minutes:.0f} minutes",
            curves.step_s,
            [("本市 home", curves.home), ("支援 remote", curves.remote)],
            "",
        ),
        _chart("借出座席 · Seats lent", curves.step_s, [("座席 seats", curves.lent)], ""),
    ]
    if curves.own_sl:
        lines = [(name, _hourly(values, group)) for name, values in curves.own_sl.items()]
        charts.append(_chart("支援市 15 秒接通率（一小时）· Helpers' own SL15 over the hour", curves.step_s, lines, ""))
    head = "".join(f"<th>{escape(word)}</th>" for word in HEAD)
    body = "".join(
        f"<tr{' class=chosen' if name == policy else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row(runs, name))
        + "</tr>"
        for name in runs
    )
    seeds = ", ".join(str(outcome.seed) for outcome in runs[policy])
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{escape(scenario.name)} · callctl</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
        f"<h1>{escape(scenario.name)}</h1><p>{escape(scenario.note)}</p>"
        f"<p>策略 {escape(policy)}；随机种子 {seeds}；表中为平均值。</p>"
        f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>{"".join(charts)}</html>\n'
    )
