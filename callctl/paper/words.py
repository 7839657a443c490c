"""Figures as a Chinese report writes them: percentages with denominators, points with their sign, — for the unknown."""

from callctl.core.rates import Rate

NONE = "—"


def whole(value: float | None) -> str:
    """4,218."""
    return NONE if value is None else f"{value:,.0f}"


def percent(rate: Rate) -> str:
    """96.2%."""
    return NONE if rate.percent is None else f"{rate.percent:.1f}%"


def share(value: float | None) -> str:
    """0.962 as 96.2%."""
    return NONE if value is None else f"{100 * value:.1f}%"


def fraction(rate: Rate) -> str:
    """96.2%（4,058／4,218 人工请求量）: the part, the whole, and what the whole is."""
    return f"{percent(rate)}（{whole(rate.part)}／{whole(rate.whole)} {rate.of}）"


def points(value: float | None) -> str:
    """+4.7个百分点."""
    return NONE if value is None else f"{value:+.1f}个百分点"


def seconds(value: float | None) -> str:
    """13.4秒."""
    return NONE if value is None else f"{value:.1f}秒"


def days(value: float | None) -> str:
    """4.3个工作日."""
    return NONE if value is None else f"{value:.1f}个工作日"


def hours(value_s: float) -> str:
    """Seconds as 12.5 小时."""
    return f"{value_s / 3600:,.1f}"


def change(now: float | None, before: float | None) -> str:
    """+3.1%, the change against a figure before."""
    if now is None or not before:
        return NONE
    return f"{100 * (now - before) / before:+.1f}%"


def rate_change(now: Rate, before: Rate | None) -> str:
    """The change of a rate in points."""
    if before is None or now.percent is None or before.percent is None:
        return NONE
    return points(now.percent - before.percent)
