"""Charts for pages and print, as SVG of our own: lines told apart by dash as well as colour, for any printer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 46, 20, 46
LETTER = 6.5  # Width of a digit.
STYLES = (("#0b5cad", ""), ("#c2410c", "6 3"), ("#5b6470", "2 3"), ("#15803d", "9 3 2 3"))


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one part of the bars; None: no value."""

    name: str
    values: Sequence[float | None]


def lines(series: Sequence[Series], labels: Sequence[str], unit: str, percent: Series | None = None) -> str:
    """Lines over the labels; `percent` (0 to 100) on the right-hand axis."""
    top = _round_up(max((value for one in series for value in one.values if value is not None), default=0.0))
    parts = [_axis(top, unit), _names(labels)]
    for one, (colour, dash) in zip(series, STYLES, strict=False):
        parts.append(_line(one.values, len(labels), top, colour, dash))
    shown = list(series)
    if percent is not None:
        parts += [_right_axis(), _line(percent.values, len(labels), 100.0, STYLES[3][0], STYLES[3][1])]
    parts.append(
        _legend([(one.name, STYLES[n]) for n, one in enumerate(shown)] + ([(percent.name, STYLES[3])] if percent else []))
    )
    return _svg(parts, "、".join(one.name for one in series))


def stacked(series: Sequence[Series], labels: Sequence[str], unit: str) -> str:
    """Bars of parts on one another."""
    totals = [sum(one.values[n] or 0.0 for one in series) for n in range(len(labels))]
    top = _round_up(max(totals, default=0.0))
    step = _wide() / max(1, len(labels))
    parts = [_axis(top, unit), _names(labels)]
    for n in range(len(labels)):
        reached = 0.0
        for number, one in enumerate(series):
            value = one.values[n] or 0.0
            y, height = _y(reached + value, top), _y(reached, top) - _y(reached + value, top)
            x = LEFT + n * step + step * 0.15
            parts.append(_rect(x, y, step * 0.7, height, number))
            reached += value
    x = float(LEFT)
    for number, one in enumerate(series):
        parts.append(_rect(x, HEIGHT - 13, 26, 10, number))
        parts.append(f'<text x="{x + 31:.0f}" y="{HEIGHT - 4}" class="l">{escape(one.name)}</text>')
        x += 44 + 13 * len(one.name)
    return _svg(parts, "、".join(one.name for one in series))


def _rect(x: float, y: float, width: float, height: float, number: int) -> str:
    fill = STYLES[number][0] if number == 0 else f"url(#stripes{number})"
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


def _svg(parts: Sequence[str], title: str) -> str:
    stripes = "".join(
        f'<pattern id="stripes{n}" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="5" height="5" fill="#fff"/><rect width="3" height="5" fill="{STYLES[n][0]}"/></pattern>'
        for n in range(1, len(STYLES))
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"<defs>{stripes}</defs>{''.join(parts)}</svg>"
    )


def _wide() -> float:
    return WIDTH - LEFT - RIGHT


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top if top else 0.0)


def _round_up(value: float) -> float:
    """The next whose quarters are whole numbers one can read."""
    step = 4.0
    while step * 10 < value:
        step *= 10
    return next(step * factor for factor in (1, 1.5, 2, 3, 5, 10) if step * factor >= value and step * factor % 4 == 0)


def _axis(top: float, unit: str) -> str:
    parts = [f'<text x="{LEFT}" y="{TOP - 3}" class="u">{escape(unit)}</text>']
    for quarter in range(5):
        value = top * quarter / 4
        y = _y(value, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="g"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" class="n">{value:g}</text>')
    return "".join(parts)


def _right_axis() -> str:
    return "".join(
        f'<text x="{WIDTH - RIGHT + 4}" y="{_y(value, 100.0) + 4:.1f}" class="p">{value}%</text>' for value in (0, 50, 100)
    )


def _names(labels: Sequence[str]) -> str:
    step = _wide() / max(1, len(labels))
    widest = max(map(len, labels), default=0) * LETTER + LETTER
    every = max(1, math.ceil(widest / step))
    return "".join(
        f'<text x="{LEFT + (n + 0.5) * step:.1f}" y="{HEIGHT - BOTTOM + 14}" class="m">{escape(label)}</text>'
        for n, label in enumerate(labels)
        if n % every == 0
    )


def _line(values: Sequence[float | None], count: int, top: float, colour: str, dash: str) -> str:
    """A value that is missing breaks the line: nothing is drawn across it."""
    step = _wide() / max(1, count)
    runs: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{LEFT + (n + 0.5) * step:.1f},{_y(min(value, top), top):.1f}")
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return "".join(
        f'<polyline points="{" ".join(run)}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
        for run in runs
        if len(run) > 1
    ) + "".join(
        f'<circle cx="{run[0].partition(",")[0]}" cy="{run[0].partition(",")[2]}" r="3" fill="{colour}"/>'
        for run in runs
        if len(run) == 1
    )


def _legend(names: Sequence[tuple[str, tuple[str, str]]]) -> str:
    x, parts = float(LEFT), []
    for name, (colour, dash) in names:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        y = HEIGHT - 8
        parts.append(f'<line x1="{x:.0f}" x2="{x + 26:.0f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"{dashed}/>')
        parts.append(f'<text x="{x + 31:.0f}" y="{y + 4}" class="l">{escape(name)}</text>')
        x += 44 + 13 * len(name)
    return "".join(parts)
