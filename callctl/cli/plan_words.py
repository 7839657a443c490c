"""What `callctl plan` says: the answer in a sentence per question, the hours as a table, the proposal with its reasons."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from callctl.cli.words import say
from callctl.core.acts import Sentence
from callctl.core.recommend import SPAN_S, Move, Recommendation
from callctl.sim.lookahead import HOUR_S, Figure, Run, as_table, difference, figure, measured
from callctl.sim.scenario import Scenario
from callctl.sim.whatif import helped

MENTIONED = 3  # Supporting cities named in a sentence; the table has them all.
NOTICEABLE = 0.003  # A change of service smaller than this is not worth a word.


def focus(scenarios: Sequence[Scenario]) -> list[str]:
    """Cities that are helped in any of the scenarios; every city where none is."""
    on = {name for scenario in scenarios for name in helped(scenario)}
    return [city.name for city in scenarios[0].cities if city.name in on or not on]


def supporting_cities(scenarios: Sequence[Scenario]) -> list[str]:
    """Cities that may lend seats in any of them."""
    away = set(focus(scenarios))
    able = {c.name for scenario in scenarios for c in scenario.cities if c.supporter and any(n for _, n in c.quota)}
    return [city.name for city in scenarios[0].cities if city.name in able and city.name not in away]


def as_json(
    scenarios: Sequence[Scenario],
    runs: Sequence[Sequence[Run]],
    asked: Sequence[str],
    proposed: Sequence[Recommendation],
    notes: Sequence[Sentence],
) -> dict[str, Any]:
    """Everything for programs; every figure is [mean, half the 95 % interval] over the seeds."""
    present = scenarios[0]
    everybody = [city.name for city in present.cities]

    def one(index: int) -> dict[str, Any]:
        return {
            "asked": asked[index - 1] if index else None,
            "cities": as_table(runs[index], everybody),
            "change": {
                name: {
                    word: _pair(difference(runs[index], runs[0], [name], word))
                    for word in ("connect_rate", "wait_s", "sl15")
                }
                for name in everybody
            },
        }

    return {
        "begins_s": present.begins_s,
        "hours": [clock_of(present, i * HOUR_S) for i in range(len(runs[0][0][everybody[0]]))],
        "seeds": len(runs[0]),
        "names": {city.name: city.label or city.name for city in present.cities},
        "assisted": focus(scenarios),
        "supporting": supporting_cities(scenarios),
        "as_it_is": one(0),
        "what_if": [one(index) for index in range(1, len(scenarios))],
        "proposals": [_proposal_json(one_) for one_ in proposed],
        "notes": [{"zh": note.zh, "en": note.en} for note in notes],
    }


def _pair(one: Figure) -> list[float] | None:
    return None if one.mean is None else [round(one.mean, 5), round(one.half, 5)]


def _proposal_json(one: Recommendation) -> dict[str, Any]:
    return {
        "city": one.city,
        "half_hours": [{word: getattr(need, word) for word in need.__slots__} for need in one.needs],
        "steps": [
            {
                "half_hour": step.span,
                "city": step.city,
                "move": step.move.value,
                "seats": step.seats,
                "then": step.then,
                "zh": step.why_zh,
                "en": step.why_en,
            }
            for step in one.steps
        ],
        "seats": {name: list(row) for name, row in one.seats.items()},
        "short": list(one.short),
    }


def clock_of(scenario: Scenario, after_s: float) -> str:
    """The time of day so long after the beginning."""
    minutes = int((scenario.begins_s + after_s) // 60.0) % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def summary(scenarios: Sequence[Scenario], runs: Sequence[Sequence[Run]], asked: Sequence[str]) -> str:
    """One sentence for what is, and one for every question: what the citizens gain, and whom it costs."""
    cities = focus(scenarios)
    names = {city.name: city.label or city.name for city in scenarios[0].cities}
    hours, seeds = scenarios[0].horizon_s / 3600.0, len(runs[0])
    lines = [say(f"未来 {hours:g} 小时，{seeds} 次推演的平均值：", f"The next {hours:g} hours, means of {seeds} runs:")]
    title = say("保持现状", "as it is")
    for text, ran in zip([title, *asked], runs, strict=True):
        parts = [_of_city(name, names[name], ran) for name in cities[:MENTIONED]]
        lines.append(f"  {text}{say('：', ': ')}{say('；', '; ').join(parts)}")
        if ran is not runs[0]:
            lines.append("    " + _cost(ran, runs[0], supporting_cities(scenarios), names))
    return "\n".join(lines)


def _of_city(name: str, label: str, runs: Sequence[Run]) -> str:
    rate, wait = (figure([measured(run, [name], word) for run in runs]) for word in ("connect_rate", "wait_s"))
    lost = figure([measured(run, [name], "abandoned") for run in runs])
    if rate.mean is None:
        return f"{label} {say('没有来电', 'has no calls')}"
    lost_mean = lost.mean or 0.0
    waited = "-" if wait.mean is None else f"{wait.mean:.0f}"
    return say(
        f"{label}接通率 {_percent(rate)}，平均等待 {waited} 秒，放弃 {100 * lost_mean:.1f}%",
        f"{label} answers {_percent(rate)}, waits {waited} s, {100 * lost_mean:.1f} % hang up",
    )


def _percent(one: Figure) -> str:
    return "-" if one.mean is None else f"{100 * one.mean:.1f}% ± {100 * one.half:.1f}"


def _cost(runs: Sequence[Run], present: Sequence[Run], able: Sequence[str], names: dict[str, str]) -> str:
    """Which supporting cities feel it in their own service, the most first."""
    lent = figure([sum(measured(run, [name], "lent") or 0.0 for name in able) for run in runs]).mean or 0.0
    changes = [(difference(runs, present, [name], "sl15"), name) for name in able]
    felt = sorted((c.mean, c.half, name) for c, name in changes if c.mean is not None and c.mean < -NOTICEABLE)
    felt_zh = "、".join(
        f"{names[name]} {100 * mean:+.1f} ± {100 * half:.1f} 个百分点" for mean, half, name in felt[:MENTIONED]
    )
    felt_en = ", ".join(
        f"{names[name]} {100 * mean:+.1f} ± {100 * half:.1f} points" for mean, half, name in felt[:MENTIONED]
    )
    return say(
        f"平均借出 {lent:.1f} 席；支援市本市 15 秒接听：" + (felt_zh or "无明显变化"),
        f"{lent:.1f} seats lent on average; the supporting cities' own SL15: " + (felt_en or "no change to speak of"),
    )


def hour_table(scenarios: Sequence[Scenario], runs: Sequence[Sequence[Run]], asked: Sequence[str]) -> Table:
    """Every helped city's hours, then the own service of whoever lends in any of them, side by side for all questions."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in (
        say("城市", "city"),
        say("时段", "hour"),
        say("指标", "figure"),
        say("现状", "as it is"),
        *_short(asked),
    ):
        table.add_column(column, justify="left" if column in (say("城市", "city"), say("指标", "figure")) else "right")
    hours = len(runs[0][0][scenarios[0].cities[0].name])
    labels = {city.name: city.label or city.name for city in scenarios[0].cities}
    for name in focus(scenarios):
        for hour in range(hours):
            for title, measure, scale in _HELPED:
                _add(
                    table,
                    runs,
                    (labels[name], clock_of(scenarios[0], hour * HOUR_S), say(*title)),
                    name,
                    measure,
                    hour,
                    scale,
                )
        table.add_section()
    lending = [
        name for name in supporting_cities(scenarios) if any(measured(run, [name], "lent") for ran in runs for run in ran)
    ]
    for name in lending:
        for title, measure, scale in _HELPING:
            _add(table, runs, (labels[name], say("全程", "all"), say(*title)), name, measure, None, scale)
    return table


_HELPED = (
    (("接通率 %", "connect rate %"), "connect_rate", 100.0),
    (("平均等待 秒", "mean wait s"), "wait_s", 1.0),
    (("放弃 %", "abandoned %"), "abandoned", 100.0),
)
_HELPING = ((("本市15秒接听 %", "own SL15 %"), "sl15", 100.0), (("借出 席", "seats lent"), "lent", 1.0))


def _short(asked: Iterable[str]) -> list[str]:
    return [text if len(text) <= 28 else text[:27] + "…" for text in asked]


def _add(
    table: Table,
    runs: Sequence[Sequence[Run]],
    head: tuple[str, str, str],
    city: str,
    measure: str,
    hour: int | None,
    scale: float,
) -> None:
    cells = []
    for ran in runs:
        one = figure([measured(run, [city], measure, hour) for run in ran])
        cells.append("-" if one.mean is None else f"{scale * one.mean:.1f} ± {scale * one.half:.1f}")
    table.add_row(*head, *cells)


def proposal_text(one: Recommendation, scenario: Scenario) -> str:
    """The half hours' need, the steps with their reasons, and what nobody can spare."""
    names = {city.name: city.label or city.name for city in scenario.cities}
    lines = [say(f"建议 · {names[one.city]}", f"Proposal for {names[one.city]}")]
    for need, short in zip(one.needs, one.short, strict=True):
        missing = say(f"，尚缺 {short} 席", f", {short} short") if short else ""
        alone, better = 100 * need.sl_alone, 100 * need.sl_with
        zh = (
            f"每小时 {need.per_h:.0f} 通，需 {need.needed} 人，本市 {need.own} 人，支援座席 {need.seats}，"
            f"建议 {need.proposed}（按时接听 {alone:.0f}% → {better:.0f}%）{missing}"
        )
        en = (
            f"{need.per_h:.0f} calls/h need {need.needed} agents, own {need.own}, lent {need.seats},"
            f" proposed {need.proposed} (in time {alone:.0f} % to {better:.0f} %){missing}"
        )
        lines.append(f"  {clock_of(scenario, need.span * SPAN_S)}  {say(zh, en)}")
    for step in one.steps:
        more = step.move is Move.ADD
        what = say("增派" if more else "收回", "add" if more else "give back")
        lines.append(
            f"  {clock_of(scenario, step.span * SPAN_S)}  {names[step.city]} {what} {step.seats}"
            + say(f" 席（共 {step.then} 席）：{step.why_zh}", f" (then {step.then}): {step.why_en}")
        )
    if not one.steps:
        lines.append(say("  无需调整", "  nothing to change"))
    return "\n".join(lines)
