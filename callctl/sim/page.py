"""A page for the meeting room: what a scenario does to the city in need and to those who help, as table and curves.

One file, no script, nothing loaded from anywhere: curves are SVG inside the page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from callctl.sim.outcome import assisted_names, engine_for
from callctl.sim.report import Runs, as_json, measure
from callctl.sim.scenario import Scenario

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 900, 240, 56, 28, 14, 150
COLOURS = (
    *("#1668b8", "#c4472b", "#2c8a4b", "#8a5bb5", "#b8860b", "#0f8a8a", "#d0508c", "#3c4856"),
    *("#6aa5e0", "#e39a6b", "#7fbf7b", "#b79ad6"),
)
POINTS = 288  # Samples of a run.
FEW = 10  # Of fewer own calls in the hour a share is chance.
ALONE = "不支援"

Line = tuple[str, Sequence[float | None]]


@dataclass(slots=True)
class Curves:
    """Samples over one run: time, then one value per name."""

    step_s: float
    waiting: list[float] = field(default_factory=list)
    longest_wait_s: list[float] = field(default_factory=list)
    lent: list[float] = field(default_factory=list)
    home: list[float] = field(default_factory=list)
    remote: list[float] = field(default_factory=list)
    own: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # Helping cities: attempts, in time, so far.


def watched(scenario: Scenario, policy: str, seed: int) -> Curves:
    """Run once more and look at the province all the time."""
    engine = engine_for(scenario, policy, seed)
    names = assisted_names(scenario)
    curves = Curves(scenario.horizon_s / POINTS)
    assisted = [city for city in engine.cities if city.spec.name in names]
    helping = [city for city in engine.cities if city.spec.name not in names and any(n for _, n in city.spec.quota)]
    answered = [0, 0]

    def look(_: None) -> None:
        curves.waiting.append(sum(city.room.waiting for city in assisted))
        since = min((engine.waiting_since(city, 0) for city in assisted), default=math.inf)
        curves.longest_wait_s.append(max(0.0, engine.now - since) if since < math.inf else 0.0)
        curves.lent.append(sum(city.room.lent for city in engine.cities))
        remote = sum(city.counts.remote for city in assisted)
        home = sum(city.counts.answered for city in assisted) - remote
        # Counting begins anew after a warm-up.
        curves.home.append(max(0, home - answered[0]))
        curves.remote.append(max(0, remote - answered[1]))
        answered[:] = [home, remote]
        for city in helping:
            curves.own.setdefault(city.spec.name, []).append((city.counts.attempts, city.counts.in_sl))
        engine.at(engine.now + curves.step_s, look, None)

    engine.at(curves.step_s, look, None)
    engine.run()
    return curves


def own_service(samples: Sequence[tuple[int, int]], group: int) -> list[float | None]:
    """Share of own calls answered in time over the last `group` samples; None where hardly anybody called."""
    shares: list[float | None] = []
    for place, (tries, good) in enumerate(samples):
        before = samples[place - group] if place >= group else (0, 0)
        calls = tries - before[0]
        shares.append(min(1.0, max(0.0, (good - before[1]) / calls)) if calls >= FEW else None)
    return shares


def _chart(title: str, times: tuple[float, float], lines: Sequence[Line], unit: str = "") -> str:
    """One picture; `times` are the time of day at the left edge and the seconds between samples."""
    begins_s, step_s = times
    known = [value for _, values in lines for value in values if value is not None]
    top, low = _round_up(max([*known, 0.0]) or 1.0), 0.0
    if unit == "%":
        top, low = 100.0, 10.0 * math.floor(min([*known, 90.0]) / 10.0)
    count = max(len(values) for _, values in lines)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(place: float) -> float:
        return LEFT + wide * place / max(1, count)

    def y(value: float) -> float:
        return TOP + high * (1.0 - (value - low) / (top - low))

    parts = [f'<h2>{escape(title)}</h2><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for i in range(5):
        value = low + (top - low) * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}{escape(unit)}</text>')
    for after_s, words in _clock_marks(begins_s, count * step_s):
        at = x(after_s / step_s)
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{words}</text>')
    for i, (name, values) in enumerate(lines):
        colour = "#98a4b0" if name.startswith(ALONE) else COLOURS[i % len(COLOURS)]
        for run in _unbroken(values):
            points = " ".join(f"{x(p + 1):.1f},{y(v):.1f}" for p, v in run)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 12 + 15 * i}" fill="{colour}">{escape(name)}</text>')
    return "".join(parts) + "</svg>"


def _unbroken(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """The pieces between gaps: a line must not be drawn over hours in which nothing is known."""
    pieces: list[list[tuple[int, float]]] = [[]]
    for place, value in enumerate(values):
        if value is not None:
            pieces[-1].append((place, value))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _clock_marks(begins_s: float, length_s: float) -> list[tuple[float, str]]:
    """Full hours of the day along the axis, at most fourteen, the day with them where there are several."""
    hours = length_s / 3600.0
    every = next((h for h in (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 168) if hours / h <= 13), 744)
    marks = []
    at_s = math.ceil(begins_s / (every * 3600.0)) * every * 3600.0
    while at_s <= begins_s + length_s:
        day, minutes = divmod(round(at_s / 60.0), 1440)
        clock = f"{minutes // 60}:{minutes % 60:02}"
        marks.append((at_s - begins_s, clock if hours <= 25 else f"{day + 1}日 {clock}"))
        at_s += every * 3600.0
    return marks


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value - 1e-9)


STYLE = """body{font:15px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;max-width:1100px;
margin:2em auto;padding:0 1em;color:#1c2733}h1{font-size:1.4em}h2{font-size:1.05em;margin:1.6em 0 .3em}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;white-space:nowrap}th,td{padding:.3em .6em;
border-bottom:1px solid #dde3e9;text-align:right}th:first-child,td:first-child{text-align:left}
td.chosen{background:#eef5fc;font-weight:600}svg{width:100%;height:auto;font-size:11px;fill:#4a5866}
small{color:#6b7885}.grid{stroke:#e3e8ed}"""


# What the table shows, in this order: Chinese, English, and where the figure stands in report.as_json.
ROWS: tuple[tuple[str, str, str, float, str], ...] = (
    ("呼叫次数", "attempts", "assisted.attempts", 1.0, ",.0f"),
    ("接通率 %", "connect rate", "assisted.connect_rate", 100.0, ".2f"),
    ("获接听市民 %", "people answered", "assisted.people_answered", 100.0, ".2f"),
    ("平均等待 秒", "mean wait (ASA) s", "assisted.asa_s", 1.0, ".1f"),
    ("95% 等待不超过 秒", "95th percentile of waits s", "assisted.p95_wait_s", 1.0, ".0f"),
    ("放弃 %", "abandoned", "assisted.abandoned", 100.0, ".2f"),
    ("15 秒接听 %", "SL15", "assisted.sl15", 100.0, ".1f"),
    ("60 秒接听 %", "SL60", "assisted.sl60", 100.0, ".1f"),
    ("支援接听 通", "answered remote", "assisted.answered_remote", 1.0, ",.0f"),
    ("建立 次", "set-ups", "assisted.set_ups", 1.0, ",.0f"),
    ("未成 次", "wasted", "assisted.wasted", 1.0, ",.0f"),
    ("被支援市占用率 %", "occupancy, assisted", "assisted.occupancy", 100.0, ".1f"),
    ("支援市占用率 %", "occupancy, supporting", "supporters_together.occupancy", 100.0, ".1f"),
    ("支援市本市 15 秒接听 %", "supporting cities' own SL15", "supporters_together.sl15", 100.0, ".2f"),
    (
        "紧张时段较不支援 百分点",
        "in stress, against no help, points",
        "supporters_together.sl15_stress_change",
        100.0,
        "+.1f",
    ),
)
NAMES = {
    "none": "不支援 none",
    "static": "拨号方案溢出 static",
    "policy": "callctl policy",
    "limit": "保护下的极限 limit",
    "pooled": "全省一队 pooled",
    "ideal": "无保护极限 ideal",
}


def as_page(scenario: Scenario, runs: Runs, policy: str, names: Mapping[str, str] | None = None) -> str:
    """The whole page; curves of the first seed. `names`: what people call the cities."""
    called = {city.name: city.label or (names or {}).get(city.name, city.name) for city in scenario.cities}
    seeds = ", ".join(str(outcome.seed) for outcome in runs[policy])
    assisted = "、".join(called[name] for name in sorted(assisted_names(scenario))) or "无"
    return (
        f'<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{escape(scenario.name)} · callctl</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style>'
        f"<h1>仿真 · {escape(scenario.name)}</h1><p>{escape(scenario.note)}</p>"
        f"<p>被支援市：{escape(assisted)}。随机种子 {seeds}；表中为各种子平均值，同一种子下各方案面对同样的市民。</p>"
        f"<p>{escape(_in_words(runs, policy))}</p>"
        f"{_table(runs, policy)}{_curves(scenario, runs, policy, called)}{EXPLAINED}</html>\n"
    )


def _in_words(runs: Runs, policy: str) -> str:
    if policy == "none" or "none" not in runs:
        return ""
    before, after = as_json(runs, "none")["assisted"], as_json(runs, policy)["assisted"]
    change = as_json(runs, policy)["supporters_together"]["sl15_stress_change"]
    words = (
        f"接通率 {100 * before['connect_rate']:.1f}% → {100 * after['connect_rate']:.1f}%，"
        f"平均等待 {before['asa_s']:.0f} 秒 → {after['asa_s']:.1f} 秒"
    )
    return words + (f"；紧张时段支援市本市 15 秒接听变化 {100 * change:+.1f} 个百分点。" if change is not None else "。")


def _table(runs: Runs, policy: str) -> str:
    figures = {name: as_json(runs, name) for name in runs}

    def cells(values: Sequence[str]) -> str:
        chosen = [" class=chosen" if name == policy else "" for name in runs]
        return "".join(f"<td{mark}>{escape(value)}</td>" for mark, value in zip(chosen, values, strict=True))

    lines = ["<tr><th></th>" + "".join(f"<th>{escape(NAMES.get(name, name))}</th>" for name in runs) + "</tr>"]
    for zh, en, place, scale, form in ROWS:
        part, word = place.split(".")
        found = [one[part][word] for one in figures.values()]
        shown = ["-" if value is None else format(scale * value, form) for value in found]
        lines.append(f"<tr><td>{zh} <small>{en}</small></td>{cells(shown)}</tr>")
    word = measure(runs)
    for best, zh in (("limit", "R：占保护下极限增益"), ("pooled", "R：占全省一队增益")):
        shares = [one["ratio"][best][word] for one in figures.values()]
        shown = ["-" if share is None else f"{share['mean']:.3f}（最差 {share['worst']:.3f}）" for share in shares]
        lines.append(f"<tr><td>{zh} <small>share of the gain to {best}</small></td>{cells(shown)}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _curves(scenario: Scenario, runs: Runs, policy: str, called: Mapping[str, str]) -> str:
    seed = runs[policy][0].seed
    ours = watched(scenario, policy, seed)
    alone = watched(scenario, "none", seed) if policy != "none" and "none" in runs else None
    times = (scenario.begins_s, ours.step_s)
    minutes = ours.step_s / 60.0
    group = max(1, round(3600.0 / ours.step_s))

    def beside(name: str, word: str) -> list[Line]:
        lines: list[Line] = [(name, getattr(ours, word))]
        return lines if alone is None else [*lines, (f"{ALONE} alone", getattr(alone, word))]

    charts = [
        _chart("排队人数 · Callers waiting in the assisted cities", times, beside("排队 waiting", "waiting")),
        _chart("最长等待（秒）· Longest wait, seconds", times, beside("队首 head", "longest_wait_s")),
        _chart(
            f"接听（每 {minutes:.0f} 分钟）· Answered per {minutes:.0f} minutes",
            times,
            [("本市 home", ours.home), ("支援 remote", ours.remote)],
        ),
        _chart("借出座席 · Seats lent", times, [("座席 seats", ours.lent)]),
    ]
    if ours.own:
        lines: list[Line] = []
        for name, samples in ours.own.items():
            shares = own_service(samples, group)
            lines.append((called[name], [None if share is None else 100.0 * share for share in shares]))
        charts.append(_chart("支援市本市 15 秒接听（前一小时）· Helpers' own SL15, the hour before", times, lines, "%"))
    return "".join(charts)


EXPLAINED = """<h2>说明 · What the words mean</h2><ul>
<li>接通率：被接听的呼叫 ÷ 全部呼叫（含占线）。获接听市民：被接听过的不同市民 ÷ 不同市民。</li>
<li>保护下的极限：同样的座席和保护规则，但接续不花时间、没有无人应答。R 为 1 即做到了极限。</li>
<li>全省一队：假设全省话务员同在一个队列，不计对支援市的影响。</li>
<li>紧张时段：不支援时 60 秒接听低于 80% 的一刻钟及其前后各一刻钟。</li>
<li>曲线取第一个随机种子；灰线为不支援时同样的市民。</li></ul>"""
