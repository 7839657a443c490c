"""数据日报 as a workbook: figures as numbers, charts that Excel and WPS draw themselves and let people edit."""

import io
from collections.abc import Sequence
from typing import Any

import xlsxwriter

from callctl.core.daily import Daily
from callctl.core.days import time_text
from callctl.paper.page import figures

_HOURS = (
    "时",
    "请求量",
    "本地接听",
    "支援接听",
    "接听量",
    "接通率",
    "放弃",
    "平均排队(秒)",
    "最长等待(秒)",
    "排队峰值",
    "本地座席",
)
_SUPPORT = (
    "支援市", "批次", "计划专席", "借出峰值", "借出平均", "话务员", "借出时长(小时)", "接听量", "人均接听",
    "平均通话(秒)", "平均整理(秒)", "占用率", "未应答", "参评", "满意", "中继峰值", "中继容量", "全忙",
)  # fmt: skip


def daily_workbook(report: Daily, notes: str = "") -> bytes:
    """The file's bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"})
    book.set_properties(
        {"title": f"{report.heading.city_zh} {report.heading.day} 数据日报", "company": report.heading.unit}
    )
    style = _Styles(book)
    _overview(book, style, report, notes)
    _hours(book, style, report)
    _support(book, style, report)
    _topics(book, style, report)
    book.close()
    return out.getvalue()


class _Styles:
    def __init__(self, book: Any) -> None:
        self.head = book.add_format(
            {"bold": True, "bg_color": "#F0F2F5", "border": 1, "align": "center", "text_wrap": True}
        )
        self.title = book.add_format({"bold": True, "font_size": 15, "font_color": "#B3001B"})
        self.text = book.add_format({"border": 1})
        self.number = book.add_format({"border": 1, "num_format": "#,##0"})
        self.tenth = book.add_format({"border": 1, "num_format": "#,##0.0"})
        self.percent = book.add_format({"border": 1, "num_format": "0.0%"})
        self.points = book.add_format({"border": 1, "num_format": "+0.0;-0.0;0.0"})


def _row(sheet: Any, line: int, values: Sequence[Any], style: _Styles, formats: Sequence[Any]) -> None:
    for column, (value, form) in enumerate(zip(values, formats, strict=True)):
        if value is None:
            sheet.write_string(line, column, "—", style.text)
        elif isinstance(value, str):
            sheet.write_string(line, column, value, form)
        else:
            sheet.write_number(line, column, value, form)


def _overview(book: Any, style: _Styles, report: Daily, notes: str) -> None:
    sheet, head = book.add_worksheet("总体情况"), report.heading
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 4, 16)
    sheet.write_string(0, 0, f"江苏省12345热线“多援一”远程协作数据{'快报' if head.partial else '日报'}", style.title)
    about = f"第{head.number}期　{head.day_zh}　被支援市：{head.city_zh}"
    about += f"　统计口径：{time_text(head.since)} — {time_text(head.until)}"
    sheet.write_string(1, 0, about + ("　补报" if head.late else ""))
    sheet.write_string(2, 0, f"数据质量：{'完整' if not head.quality else '；'.join(head.quality)}")
    sheet.write_row(4, 0, ("指标", "数值", "分子", "分母", "分母含义"), style.head)
    line = 5
    for name, rate in figures(report.sums, report).items():
        formats = (style.text, style.percent, style.number, style.number, style.text)
        _row(sheet, line, (name, rate.value, rate.part, rate.whole, rate.of), style, formats)
        line += 1
    for name, points in (
        ("提升接通率(百分点) 方法一 前后对比", report.gain.before_after),
        ("提升接通率(百分点) 方法二 模型", report.gain.model),
    ):
        _row(sheet, line, (name, points), style, (style.text, style.points))
        line += 1
    line += 1
    sheet.write_row(line, 0, ("计数", "数值"), style.head)
    for name in report.sums.__slots__:
        line += 1
        _row(sheet, line, (name, float(getattr(report.sums, name))), style, (style.text, style.tenth))
    if notes:
        sheet.write_string(line + 2, 0, f"编报说明：{notes}")


def _hours(book: Any, style: _Styles, report: Daily) -> None:
    sheet = book.add_worksheet("分时")
    sheet.write_row(0, 0, _HOURS, style.head)
    for line, one in enumerate(report.hours, 1):
        answered = one.answered_home + one.answered_remote
        values = (
            one.hour, one.requested, one.answered_home, one.answered_remote, answered,
            answered / one.requested if one.requested else None,
            one.abandoned, one.waits_s / one.waits_n if one.waits_n else None, one.max_wait_s, one.max_waiting,
            one.home_seats,
        )  # fmt: skip
        formats = [style.number] * 5 + [style.percent, style.number, style.tenth, style.tenth, style.number, style.number]
        _row(sheet, line, values, style, formats)
    last = len(report.hours)
    _chart(book, sheet, "column", "本地接听与支援接听", (2, 3), last, "M2", stacked=True)
    _chart(book, sheet, "line", "请求量与接听量", (1, 4), last, "M18")
    _chart(book, sheet, "line", "最长等待(秒)", (8,), last, "M34")


def _chart(
    book: Any, sheet: Any, kind: str, title: str, columns: Sequence[int], last: int, where: str, stacked: bool = False
) -> None:
    chart = book.add_chart({"type": kind, "subtype": "stacked"} if stacked else {"type": kind})
    for column in columns:
        chart.add_series(
            {
                "name": ["分时", 0, column],
                "categories": ["分时", 1, 0, last, 0],
                "values": ["分时", 1, column, last, column],
            }
        )
    chart.set_title({"name": title})
    chart.set_x_axis({"name": "时"})
    chart.set_legend({"position": "bottom"})
    sheet.insert_chart(where, chart)


def _support(book: Any, style: _Styles, report: Daily) -> None:
    sheet = book.add_worksheet("支援力量")
    sheet.write_row(0, 0, _SUPPORT, style.head)
    for line, one in enumerate(report.supporters, 1):
        values = (
            one.city_zh, one.wave, one.planned, one.peak, one.mean, one.agents, one.lent_s / 3600, one.answered,
            one.answered / one.agents if one.agents else None, one.talk_s, one.wrap_s, one.occupancy, one.unanswered,
            one.scored, one.satisfied, one.trunk_peak, one.trunk_channels, one.trunk_full,
        )  # fmt: skip
        tenth = {4, 6, 8, 9, 10}
        formats = [
            style.text if n == 0 else style.percent if n == 11 else style.tenth if n in tenth else style.number
            for n in range(len(values))
        ]
        _row(sheet, line, values, style, formats)
    if report.supporters:
        chart = book.add_chart({"type": "bar"})
        last = len(report.supporters)
        chart.add_series(
            {"name": "接听量", "categories": ["支援力量", 1, 0, last, 0], "values": ["支援力量", 1, 7, last, 7]}
        )
        chart.set_title({"name": "各支援市接听量"})
        sheet.insert_chart(last + 3, 0, chart)


def _topics(book: Any, style: _Styles, report: Daily) -> None:
    sheet = book.add_worksheet("诉求热点")
    sheet.set_column(1, 1, 24)
    sheet.write_row(0, 0, ("代码", "名称", "件数", "前一日", "在线解答"), style.head)
    for line, one in enumerate(report.topics, 1):
        formats = (style.text, style.text, style.number, style.number, style.number)
        _row(sheet, line, (one.code, one.name, one.count, one.before, one.on_call), style, formats)
    if report.topics:
        chart = book.add_chart({"type": "bar"})
        last = len(report.topics)
        chart.add_series({"name": "件数", "categories": ["诉求热点", 1, 1, last, 1], "values": ["诉求热点", 1, 2, last, 2]})
        chart.set_title({"name": "诉求分类 TOP10"})
        sheet.insert_chart("G2", chart)
