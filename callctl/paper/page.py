"""数据日报 as a page: one HTML file without anything from outside, which Chromium also prints on A4."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callctl.core import rates
from callctl.core.counting import Counters
from callctl.core.daily import Daily, Summary
from callctl.core.days import HOUR_S, time_text
from callctl.core.rates import Rate
from callctl.paper import words
from callctl.paper.charts import Series, lines, stacked

_TEMPLATES = Path(__file__).parent / "templates"
HOURS = [str(hour) for hour in range(24)]


def environment() -> Environment:
    """Templates with the words of reports; a name that is not there is an error, never an empty place."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("whole", "percent", "share", "fraction", "points", "seconds", "days", "hours", "change"):
        made.filters[name] = getattr(words, name)
    made.filters["time"] = lambda at: time_text(at) if at is not None else words.NONE
    return made


def daily_page(
    report: Daily, notes: str = "", state: str = "draft", approved_by: str = "", approved_at: float | None = None
) -> str:
    """The report with the notes of whoever prepared it."""
    return (
        environment()
        .get_template("daily.html.j2")
        .render(
            r=report,
            h=report.heading,
            rate=figures(report.sums, report),
            compared=compared(report),
            charts=charts(report),
            notes=notes,
            state=state,
            approved_by=approved_by,
            approved_at=approved_at,
            zh={one.city: one.city_zh for one in report.supporters},
            topic_names={one.code: one.name for one in report.topics},
        )
    )


def figures(sums: Counters, report: Daily) -> dict[str, Rate]:
    """Every rate of the report, by its Chinese name."""
    orders = report.orders
    return {
        "接通率": rates.connect_rate(sums),
        "拨打接通率": rates.attempt_rate(sums, report.attempts),
        "15秒接通率": rates.within(sums, 15),
        "20秒接通率": rates.within(sums, 20),
        "30秒人工接通率": rates.within(sums, 30),
        "20秒服务水平(不计短时放弃)": rates.within_without_short(sums, 20),
        "呼损率": rates.loss_rate(sums),
        "放弃率": rates.abandon_rate(sums),
        "分担比例": rates.share_helped(sums),
        "重拨率": rates.redial_rate(sums, report.callers),
        "满意率": rates.satisfied(sums),
        "本地满意率": rates.satisfied_home(sums),
        "支援满意率": rates.satisfied_remote(sums),
        "在线解答率": rates.answered_on_call(sums),
        "在线解答和流转办理率": rates.remote_recorded(sums),
        "按时办结率": Rate(orders.done_in_time, orders.due, "到期工单"),
    }


def compared(report: Daily) -> Mapping[str, str]:
    """Against the day before and the same day of the week before."""
    now, before, week = report.sums, report.day_before, report.week_before
    return {
        "环比": words.change(now.requested, before.requested if before else None),
        "同比上周": words.change(now.requested, week.requested if week else None),
        "接通率变化": words.rate_change(rates.connect_rate(now), rates.connect_rate(before) if before else None),
    }


def charts(report: Daily) -> dict[str, str]:
    """图1 to 图3; of a day that goes on, nothing is drawn for the hours to come."""
    begun = math.ceil((report.heading.until - report.heading.since) / HOUR_S)
    hours = report.hours[:begun]
    connected = [
        100.0 * (one.answered_home + one.answered_remote) / one.requested if one.requested else None for one in hours
    ]
    answered = [float(one.answered_home + one.answered_remote) for one in hours]
    first = lines(
        [
            Series("今日请求量", [float(one.requested) for one in hours]),
            Series("昨日请求量", [float(count) for count in report.hours_before]),
            Series("上周同日请求量", [float(count) for count in report.hours_week]),
        ],
        HOURS,
        "件",
        Series("今日接通率", connected),
    )
    second = stacked(
        [
            Series("本地接听", [float(one.answered_home) for one in report.hours]),
            Series("支援接听", [float(one.answered_remote) for one in report.hours]),
        ],
        HOURS,
        "件",
    )
    third = lines(
        [
            Series("排队人数(峰值)", [float(one.max_waiting) for one in hours]),
            Series("最长等待(秒)", [one.max_wait_s for one in hours]),
        ],
        HOURS,
        "人／秒",
    )
    return {"第一": first, "第二": second, "第三": third, "接听": str(sum(answered))}


def summary_page(report: Summary) -> str:
    """总结报告."""
    days = [day[0][5:] for day in report.by_day]
    drawn = stacked(
        [
            Series("本地接听", [float(day[2]) for day in report.by_day]),
            Series("支援接听", [float(day[3]) for day in report.by_day]),
        ],
        days,
        "件／日",
    )
    return (
        environment()
        .get_template("summary.html.j2")
        .render(
            r=report,
            h=report.heading,
            chart=drawn,
            connected=rates.connect_rate(report.sums),
            helped=rates.share_helped(report.sums),
            recorded=rates.remote_recorded(report.sums),
            satisfied=rates.satisfied(report.sums),
            satisfied_remote=rates.satisfied_remote(report.sums),
        )
    )


def form_page(template: str, **values: Any) -> str:
    """One of the other documents: notice, roster, list of scripts."""
    return environment().get_template(f"{template}.html.j2").render(**values)
