"""The daily report from real databases: right, never missed, approved once, whole as page, PDF, workbook and JSON."""

import asyncio
import json
import re
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy import delete, select, update
from typer.testing import CliRunner

from callctl.cli.root import make_app
from callctl.core.advice import CityAdvice
from callctl.core.counting import together
from callctl.core.days import DAY_S, Span, day_of, day_span, moment, time_text
from callctl.core.demand import Demand, Result, WrapUp
from callctl.core.events import LoanChanged, PbxLost
from callctl.core.rates import connect_rate
from callctl.given_files import GIVEN, read_calendar, read_categories
from callctl.paper.charts import Series, lines, stacked
from callctl.paper.page import daily_page, figures
from callctl.paper.pdf import PrintFailed, browser, print_pdf
from callctl.paper.workbook import daily_workbook
from callctl.province import read_province
from callctl.reporting import catch_up, kept_daily, write_daily
from callctl.rules import ReportRules, Rules
from callctl.store.assistance import past_events
from callctl.store.counters import buckets
from callctl.store.daily import Sources, _checks, daily
from callctl.store.history import SqlHistory
from callctl.store.ledger import write_audit
from callctl.store.notes import keep_note
from callctl.store.port import AuditEntry
from callctl.store.reports import (
    APPROVED,
    NOTED,
    SENT,
    ReportRefused,
    annotate,
    approve,
    due,
    list_reports,
    mark_sent,
    read_report,
    report_time,
)
from callctl.store.schema import open_engine, prepare
from callctl.store.seal import Clear
from callctl.store.spool import Spool
from callctl.store.support import covered_s, most_at_once
from callctl.store.tables import audit, calls
from tests.store.facts import T0, X, Y, abandoned, answered_home, answered_remote, name, reading

ROOT = Path(__file__).resolve().parents[2]
DAY = day_of(T0)
NOON = moment(DAY, 12)
PROVINCE = read_province(ROOT)
TREE = read_categories(GIVEN / "categories.csv")
CALENDAR = read_calendar(GIVEN / "holidays.csv")


def event(at: float, what: str, seats: dict[str, int], request: str, started_at: float) -> AuditEntry:
    told = json.dumps({"id": "2026-1", "title": "暴雨", "started_at": started_at, "seats": seats, "switched_on": True})
    before, after = (told, "") if what == "event end" else ("", told)
    return AuditEntry(at, "调度员", "", what, Y, before, after, "", request)


async def prepared(url: str, folder: Path, facts, started_at: float = NOON - 3600, seats: int = 2) -> Sources:
    engine = open_engine(url)
    await prepare(engine)
    await write_audit(engine, event(started_at, "event start", {X: seats}, "1", started_at), None, "")
    history = SqlHistory(open_engine(url), Spool(folder / "spool"))
    for fact in sorted(facts, key=lambda one: one.at):
        history.record(fact)
    await history.flush()
    await history.close()
    return Sources(engine, PROVINCE, Rules(), TREE, CALENDAR)


def a_noon():
    facts = [LoanChanged(X, NOON - 600, seat, Y, 7, True) for seat in ("1301", "1302")]
    facts += [LoanChanged(X, NOON + 3000, seat, Y, 7, False) for seat in ("1301", "1302")]
    for n in range(60):
        at = NOON + 20 * n
        facts += (answered_home, answered_remote, abandoned)[n % 3](n, at, at + (10 if n % 3 == 0 else 25))
    return facts


async def test_the_report_says_what_happened_that_day(sql_url: str, tmp_path: Path) -> None:
    sources = await prepared(sql_url, tmp_path, a_noon())
    made = await daily(sources, Y, DAY, moment(DAY, 32), False)
    sums = made.sums
    assert (sums.requested, sums.answered_home, sums.answered_remote, sums.abandoned) == (60, 20, 20, 20)
    assert connect_rate(sums).value == pytest.approx(40 / 60)
    assert (made.heading.event_day, made.heading.event_no, made.heading.quality) == (1, "2026-1", ())
    (one,) = made.supporters
    assert (one.city_zh, one.planned, one.peak, one.mean, one.answered, one.wave) == ("徐州", 2, 2, 2.0, 20, 1)
    assert one.lent_s == 2 * 3600.0
    assert one.occupancy == pytest.approx(20 * 30.0 / 7200.0)
    assert (one.scored, one.satisfied, made.callers) == (20, 20, 60)
    noon = made.hours[12]
    assert (noon.requested, noon.home_seats, noon.max_wait_s) == (60, 1, 25.0)
    assert made.orders.without_note == 20
    assert all(made.checks.values())
    assert made.gain.before_after is None  # Nothing is known of the time before.
    assert made.advice is not None
    assert made.advice.planned == 2
    keeping = replace(made, advice=replace(made.advice, verdict="保持", cities=(CityAdvice(X, 2, 0, ""),)))
    assert "建议：<b>保持</b>。" in daily_page(keeping)
    await sources.engine.dispose()


async def test_seats_that_took_few_calls_for_days_shall_go_back_and_the_report_says_why(
    sql_url: str, tmp_path: Path
) -> None:
    """As in August 2021: support seats took about ten calls a day each."""
    facts = []
    for back in range(Rules().staffing.idle_days):
        begin = NOON - back * DAY_S - 4 * 3600.0
        for seat in ("1301", "1302"):
            end = begin + 10 * 3600.0
            facts += [LoanChanged(X, begin, seat, Y, 7 + back, True), LoanChanged(X, end, seat, Y, 7 + back, False)]
        for n in range(10):
            at = begin + 600.0 + 3000.0 * n
            facts += answered_remote(100 * back + n, at, at + 25.0)
            at = begin + 1800.0 + 3600.0 * n  # The city's own seat is there in every hour.
            facts += answered_home(100 * back + 50 + n, at, at + 2.0)
    sources = await prepared(sql_url, tmp_path, facts, started_at=NOON - 5 * DAY_S, seats=3)
    made = await daily(sources, Y, DAY, moment(DAY, 32), False)
    assert made.advice is not None
    assert made.advice.verdict == "减少"
    (one,) = made.advice.cities
    assert one.reason == "借出座席每席每小时只接 0.5 通，连续半小时以上不需要"
    assert one.reason in daily_page(made)
    await sources.engine.dispose()


async def test_a_part_of_a_day_is_compared_with_the_same_part_of_others_and_gives_no_advice(
    sql_url: str, tmp_path: Path
) -> None:
    yesterday = [fact for n in (0, 100, 3500) for fact in answered_home(500 + n, NOON - DAY_S + n, NOON - DAY_S + n + 9)]
    sources = await prepared(sql_url, tmp_path, [*yesterday, *a_noon()])
    made = await daily(sources, Y, DAY, NOON + 700, False)
    assert made.day_before is not None
    assert made.day_before.requested == 2  # Up to ten past twelve, as today.
    assert sum(made.hours_before) == 3  # The chart shows the whole day.
    assert made.advice is None
    page = daily_page(made)
    assert "当日未结束，不预测明日" in page
    today = re.search('polyline points="([^"]*)"', page)
    assert today is not None
    assert len(today[1].split()) == 13  # Nothing is drawn of hours that have not begun.
    assert made.checks["计数与通话记录一致"]
    await sources.engine.dispose()


async def test_the_check_leaves_out_what_came_in_while_it_was_counted_and_no_more(sql_url: str, tmp_path: Path) -> None:
    sources = await prepared(sql_url, tmp_path, a_noon())
    span = day_span(DAY)
    await daily(sources, Y, DAY, span.until + 60, False)
    sums = together((await buckets(sources.engine, span, [Y]))[Y].values())
    history = SqlHistory(open_engine(sql_url), Spool(tmp_path / "spool"))
    for fact in answered_home(900, NOON + 5, NOON + 15):
        history.record(fact)
    await history.flush()
    await history.close()
    assert all((await _checks(sources.engine, Y, span, sums)).values())  # Its five minutes are not counted yet.
    async with sources.engine.begin() as connection:
        await connection.execute(delete(calls).where(calls.c.asked_at == NOON + 20 * 45))  # A row is lost: that is told.
    assert not (await _checks(sources.engine, Y, span, sums))["计数与通话记录一致"]
    await sources.engine.dispose()


async def test_nuisance_calls_leave_the_mean_talk_of_table_1_and_not_its_occupancy(sql_url: str, tmp_path: Path) -> None:
    sources = await prepared(sql_url, tmp_path, a_noon())
    remote = [name(n) for n in range(60) if n % 3 == 1]
    (before,) = (await daily(sources, Y, DAY, moment(DAY, 32), False)).supporters
    async with sources.engine.begin() as connection:
        await connection.execute(update(calls).where(calls.c.call == remote[0]).values(talked_s=3600.0))
    kept = WrapUp(remote[0], Y, X, "1301", "A1", NOON, Demand.OTHER, "900400", Result.ON_CALL, nuisance=True)
    await keep_note(sources.engine, kept, {one.code: one for one in TREE}, [], NOON, Clear())
    (after,) = (await daily(sources, Y, DAY, moment(DAY, 32), False)).supporters
    assert after.talk_s == before.talk_s
    assert after.occupancy is not None
    assert before.occupancy is not None
    assert after.occupancy > before.occupancy
    await sources.engine.dispose()


async def test_a_day_of_which_nothing_was_heard_is_not_whole(sql_url: str, tmp_path: Path) -> None:
    facts = [reading(NOON - 2 * DAY_S), PbxLost(Y, NOON - DAY_S, "EOF"), reading(NOON + DAY_S)]
    sources = await prepared(sql_url, tmp_path, facts)
    made = await daily(sources, Y, DAY, moment(DAY, 48), False)
    assert made.heading.quality == ("缺扬州部分时段", "没有来电记录")
    assert len(made.alarms) == 1
    await sources.engine.dispose()


async def test_a_gap_is_told_in_the_report_s_quality_and_alarms(sql_url: str, tmp_path: Path) -> None:
    facts = [*a_noon(), reading(NOON - 900), PbxLost(Y, NOON - 800, "EOF"), reading(NOON - 700)]
    sources = await prepared(sql_url, tmp_path, facts)
    made = await daily(sources, Y, DAY, moment(DAY, 32), False)
    assert made.heading.quality == ("缺扬州部分时段",)
    assert any("扬州" in alarm for alarm in made.alarms)
    part = await daily(sources, Y, DAY, NOON + 600, False)
    assert part.heading.partial
    assert "当日未结束" in part.heading.quality
    await sources.engine.dispose()


async def test_no_day_is_missed_and_what_was_made_up_for_says_so(sql_url: str, tmp_path: Path) -> None:
    started = moment(DAY, 9) - 3 * DAY_S
    sources = await prepared(sql_url, tmp_path, a_noon(), started)
    now = moment(DAY, 24 + 8.5)
    missing = await due(sources.engine, sources.rules.report, now)
    assert [(one.day, one.late) for one in missing] == [(day_of(started + n * DAY_S), n < 3) for n in range(4)]
    assert len(await catch_up(sources, now)) == 4
    assert await catch_up(sources, now) == []
    kept = await list_reports(sources.engine, Y)
    assert [one.late for one in kept] == [True, True, True, False]
    await write_audit(sources.engine, event(now, "event end", {X: 2}, "9", started), None, "")
    assert [one.day for one in await due(sources.engine, sources.rules.report, now + 9 * DAY_S)] == [day_of(now)]
    await sources.engine.dispose()


def test_a_report_of_a_month_end_a_leap_day_and_an_eight_o_clock_day_comes_after_its_day() -> None:
    for day in (date(2024, 2, 29), date(2024, 12, 31), date(2024, 4, 30)):
        assert report_time(day, ReportRules(at_h=8)) == moment(day, 32)
        assert report_time(day, ReportRules(at_h=7, day_starts_h=8)) == moment(day, 24 + 24 + 7)
        assert report_time(day, ReportRules(at_h=9, day_starts_h=8)) == moment(day, 24 + 9)
        assert report_time(day, ReportRules(day_starts_h=8, at_h=9)) >= day_span(day, 8).until


def line(what: str, at: float, who: str = "李科长") -> AuditEntry:
    """The audit's line of a step."""
    return AuditEntry(at, who, "test", what, Y, "", DAY.isoformat())


async def test_an_approved_report_never_changes_and_every_step_has_its_place(sql_url: str, tmp_path: Path) -> None:
    sources = await prepared(sql_url, tmp_path, a_noon())
    now = moment(DAY, 33)
    await kept_daily(sources, Y, DAY, now)
    day = DAY.isoformat()
    with pytest.raises(ReportRefused):
        await mark_sent(sources.engine, Y, day, "省政务办", line(SENT, now))
    await annotate(sources.engine, Y, day, "徐州 10 时停电 5 分钟", line(NOTED, now, "王"))
    await approve(sources.engine, Y, day, line(APPROVED, now))
    for step in (
        annotate(sources.engine, Y, day, "x", line(NOTED, now)),
        approve(sources.engine, Y, day, line(APPROVED, now, "x")),
    ):
        with pytest.raises(ReportRefused):
            await step
    history = SqlHistory(open_engine(sql_url), Spool(tmp_path / "spool"))
    for fact in abandoned(99, NOON + 5000, NOON + 5060):
        history.record(fact)
    await history.flush()
    await history.close()
    made, kept = await kept_daily(sources, Y, DAY, now + 60)
    assert kept is not None
    assert (made.sums.requested, kept.state, kept.approved_by) == (60, "approved", "李科长")
    assert made.hours[12].requested == 60
    await mark_sent(sources.engine, Y, day, "省政务办", line(SENT, now))
    sent = await read_report(sources.engine, Y, day)
    assert sent is not None
    assert (sent.state, sent.sent_to, sent.notes) == ("sent", "省政务办", "徐州 10 时停电 5 分钟")
    with pytest.raises(ReportRefused, match="还没有日报"):
        await approve(sources.engine, Y, "2020-01-01", line(APPROVED, now, "x"))
    await sources.engine.dispose()


async def test_the_files_hold_the_same_figures(tmp_path: Path) -> None:
    sources = await prepared(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}", tmp_path, a_noon())
    made, kept = await kept_daily(sources, Y, DAY, moment(DAY, 33))
    await sources.engine.dispose()
    written = await write_daily(made, kept, tmp_path / "out", ("html", "xlsx", "json"))
    page = written[0].read_text("utf-8")
    assert "接通率66.7%（40／60 人工请求量）" in page
    assert "草稿" in page
    assert "http" not in page.replace("http://www.w3.org", "")  # Nothing from outside.
    told = json.loads(written[2].read_text("utf-8"))
    assert (told["sums"]["requested"], told["supporters"][0]["answered"]) == (60, 20)
    book = openpyxl.load_workbook(written[1])
    rows = {row[0].value: row for row in book["总体情况"].iter_rows(min_row=6, max_col=5)}
    assert (rows["接通率"][2].value, rows["接通率"][3].value) == (40, 60)
    assert rows["接通率"][1].value == pytest.approx(40 / 60)
    assert len(book["分时"]._charts) == 3
    assert book["分时"]["B14"].value == 60
    assert daily_workbook(made, "说明")[:2] == b"PK"


async def test_the_pdf_is_a4_with_chinese_fonts_embedded(tmp_path: Path) -> None:
    try:
        browser()
    except PrintFailed as missing:
        pytest.skip(str(missing))
    sources = await prepared(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}", tmp_path, a_noon())
    made, _ = await kept_daily(sources, Y, DAY, moment(DAY, 33))
    await sources.engine.dispose()
    await print_pdf(daily_page(made), tmp_path / "a.pdf")

    def told(*words: str) -> str:
        return subprocess.run([*words], capture_output=True, text=True, check=True).stdout

    assert "A4" in told("pdfinfo", str(tmp_path / "a.pdf"))
    assert "接通率66.7%" in told("pdftotext", "-raw", str(tmp_path / "a.pdf"), "-").replace("\n", "")
    embedded = [line.split()[-5] for line in told("pdffonts", str(tmp_path / "a.pdf")).splitlines()[2:]]
    assert embedded
    assert set(embedded) == {"yes"}


async def test_a_printer_that_is_not_there_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLCTL_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(PrintFailed, match="apt-get install chromium"):
        await print_pdf("<p>x", tmp_path / "a.pdf")
    monkeypatch.setenv("CALLCTL_CHROMIUM", "/bin/true")
    (tmp_path / "a.pdf").write_text("yesterday's")
    with pytest.raises(PrintFailed, match="made no PDF"):
        await print_pdf("<p>x", tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_text() == "yesterday's"


async def test_events_are_read_from_the_audit_with_waves_and_without_withdrawn_ones(sql_url: str) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    for n, seats in enumerate(({X: 2}, {X: 2, "suzhou": 3}, {X: 9, "wuxi": 1})):
        await write_audit(engine, event(T0 + n * DAY_S, "event start", seats, f"r{n}", T0), None, "")
    await write_audit(engine, AuditEntry(T0 + 3 * DAY_S, "", "", "withdrawn", Y, "", "", "", "r2 withdrawn"), None, "")
    (found,) = await past_events(engine, Y)
    assert found.seats_at(T0 + 1.5 * DAY_S) == {X: 2, "suzhou": 3}
    assert found.seats_at(T0 + 2.5 * DAY_S) == {X: 2, "suzhou": 3}  # The third was withdrawn.
    assert (found.wave_of(X), found.wave_of("suzhou"), found.wave_of("huaian")) == (1, 2, None)
    assert found.overlaps(Span(T0 + 50 * DAY_S, T0 + 51 * DAY_S))
    await engine.dispose()


def test_overlaps_are_counted_as_they_are() -> None:
    assert most_at_once([(0, 10), (5, 15), (10, 20)]) == 2
    assert most_at_once([]) == 0
    assert covered_s([(0, 10), (5, 15), (20, 30)]) == 25


def test_charts_break_where_a_value_is_missing_and_escape_what_they_are_given() -> None:
    drawn = lines([Series("<b>", [1.0, None, 3.0, 4.0])], list("abcd"), "件", Series("率", [50.0, 60.0, None, 70.0]))
    assert (drawn.count("<polyline"), drawn.count("<circle")) == (2, 2)
    assert "<b>" not in drawn
    bars = stacked([Series("甲", [1.0]), Series("乙", [2.0])], ["9"], "件")
    assert bars.count('<rect x="') == 4  # Two parts, and in the legend what they look like.


def test_labels_that_would_touch_are_left_out_in_turn() -> None:
    days, hours = [f"08-{day:02}" for day in range(30)], [str(hour) for hour in range(24)]
    for labels, shown in ((days, 15), (hours, 24)):
        drawn = stacked([Series("甲", [1.0] * len(labels))], labels, "件")
        assert drawn.count('class="m"') == shown


def test_a_value_alone_between_missing_ones_is_a_point_one_can_see() -> None:
    assert lines([Series("甲", [None, 5.0, None])], list("abc"), "件").count("<circle") == 1


@pytest.mark.parametrize(
    ("most", "top"), [(0, 4), (1, 4), (4, 4), (5, 8), (43, 60), (50, 60), (61, 80), (400, 400), (401, 600)]
)
def test_the_marks_of_an_axis_are_whole_numbers(most: int, top: int) -> None:
    drawn = lines([Series("甲", [float(most)])], ["9"], "件")
    assert re.findall('class="n">([^<]*)<', drawn) == [f"{top * quarter // 4}" for quarter in range(5)]


def run(state: Path, *words: str, url: str):
    environment = {"CALLCTL_STATE": str(state), "CALLCTL_PROVINCE": str(ROOT), "CALLCTL_SQL_URL": url}
    return CliRunner().invoke(make_app(), list(words), env=environment)


async def steps_audited(url: str) -> list[str]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        found = list(
            (
                await connection.execute(select(audit.c.what).where(audit.c.what.like("report %")).order_by(audit.c.id))
            ).scalars()
        )
    await engine.dispose()
    return found


def test_the_commands_lead_a_report_from_draft_to_sent(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"

    async def fill() -> None:
        sources = await prepared(url, tmp_path, a_noon())
        await sources.engine.dispose()

    asyncio.run(fill())
    day = DAY.isoformat()
    made = run(tmp_path, "report", "daily", "--date", day, "--out", str(tmp_path / "out"), "--forms", "html,json", url=url)
    assert made.exit_code == 0, made.output
    assert (tmp_path / "out" / f"yangzhou-{day}.html").is_file()
    for words in (
        ("report", "note", "徐州断电", "--city", "扬州", "--date", day),
        ("report", "approve", "--city", "扬州", "--date", day),
    ):
        done = run(tmp_path, *words, url=url)
        assert (done.exit_code == 0) == (words[1] == "note"), done.output
    assert "请由另一人审批" in str(done.exception), "who wrote the notes does not sign them"

    async def sign() -> None:
        engine = open_engine(url)
        await approve(engine, Y, day, line(APPROVED, moment(DAY, 33)))
        await engine.dispose()

    asyncio.run(sign())
    sent = run(tmp_path, "report", "sent", "--to", "省政务办", "--city", "扬州", "--date", day, url=url)
    assert sent.exit_code == 0, sent.output
    assert "已报出" in run(tmp_path, "report", "list", url=url).output
    twice = run(tmp_path, "report", "sent", "--to", "他处", "--city", "扬州", "--date", day, url=url)
    assert twice.exit_code != 0
    assert asyncio.run(steps_audited(url)) == [NOTED, APPROVED, SENT], (
        "one for each step that was done, none for those refused"
    )
    again = run(tmp_path, "report", "daily", "--date", day, "--out", str(tmp_path / "out"), "--forms", "html", url=url)
    assert again.exit_code == 0
    page = (tmp_path / "out" / f"yangzhou-{day}.html").read_text("utf-8")
    assert "徐州断电" in page
    assert "草稿" not in page
    future = run(tmp_path, "report", "daily", "--date", "2099-01-01", "--out", str(tmp_path), url=url)
    assert future.exit_code == 1
    notice = run(tmp_path, "report", "notice", "--city", "扬州", "--out", str(tmp_path / "n.html"), url=url)
    assert notice.exit_code == 0, notice.output
    assert "徐州" in (tmp_path / "n.html").read_text("utf-8")
    told = run(tmp_path, "kpi", "--city", "扬州", "--from", day, "--to", day, "--by", "hour", "--json", url=url)
    rows = json.loads(told.output)
    assert [row["counters"]["requested"] for row in rows] == [0] * 12 + [60] + [0] * 11
    shifts = json.loads(
        run(tmp_path, "kpi", "--city", Y, "--from", day, "--to", day, "--by", "shift", "--json", url=url).output
    )
    assert sum(row["counters"]["requested"] for row in shifts) == 60


ROSTER = "day,city,shift,seat,agent,name\n2021-08-07,徐州,白班,1301,A1,张三\n2021-08-07,徐州,{shift},1302,{agent},李四\n"


def test_a_roster_is_printed_with_its_sums_and_refused_with_its_faults(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'h.db'}"

    def roster(shift: str, agent: str):
        (tmp_path / "r.csv").write_bytes(ROSTER.format(shift=shift, agent=agent).encode("gb18030"))
        words = (
            "report",
            "roster",
            "--city",
            "扬州",
            "--table",
            str(tmp_path / "r.csv"),
            "--out",
            str(tmp_path / "r.html"),
        )
        return run(tmp_path, *words, url=url)

    good = roster("白班", "A2")
    assert good.exit_code == 0, good.output + good.stderr
    assert "张三（A1）" in (tmp_path / "r.html").read_text("utf-8")
    double = roster("白班", "A1")
    assert double.exit_code == 1
    assert "重叠" in double.stderr
    wrong = roster("早班", "A2")
    assert wrong.exit_code == 1
    assert "line 3: shift '早班'" in wrong.stderr
    (tmp_path / "s.csv").write_text("id,question,answer,version\nK1,返城要核酸吗,48小时内,3\n", "utf-8")
    words = ("report", "scripts", "--city", "扬州", "--table", str(tmp_path / "s.csv"), "--out", str(tmp_path / "s.html"))
    assert run(tmp_path, *words, url=url).exit_code == 0
    assert "返城要核酸吗" in (tmp_path / "s.html").read_text("utf-8")


def test_every_rate_on_the_page_names_its_denominator(tmp_path: Path) -> None:
    async def make():
        sources = await prepared(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}", tmp_path, a_noon())
        made = await daily(sources, Y, DAY, moment(DAY, 33), False)
        await sources.engine.dispose()
        return made

    made = asyncio.run(make())
    assert all(rate.of for rate in figures(made.sums, made).values())
    assert time_text(made.heading.since) in daily_page(made)


async def test_a_day_without_help_without_calls_and_outside_an_event_is_a_page_all_the_same(tmp_path: Path) -> None:
    sources = await prepared(f"sqlite+aiosqlite:///{tmp_path / 'h.db'}", tmp_path, answered_home(1, NOON, NOON + 9))
    for city, day in ((Y, DAY), (X, DAY), (Y, date(2020, 1, 1))):
        made = await daily(sources, city, day, moment(day, 33), False)
        assert "一、总体情况" in daily_page(made)
        assert daily_workbook(made)
    await sources.engine.dispose()
