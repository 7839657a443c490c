"""Deadlines in working days with 调休, cards, the categories' tree, the scale of satisfaction."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from callctl.core.categories import Category, mistakes, search
from callctl.core.demand import Card, Deadlines, Demand, Result, StubState, WrapUp, card, due_at, further, wrong_with
from callctl.core.satisfaction import SCALES, score_of
from callctl.core.workdays import Calendar
from callctl.given_files import GIVEN, GivenRefused, read_calendar, read_categories

CALENDAR = read_calendar(GIVEN / "holidays.csv")
TREE = read_categories(GIVEN / "categories.csv")
LIMITS = Deadlines(consult_d=1, other_d=5, urgent_h=24.0, yellow_before_d=1)


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


def test_a_weekend_that_is_worked_for_a_holiday_counts_and_the_holiday_does_not() -> None:
    # 国庆 2021: off from 1 to 7 October, worked on Sunday 26 September and Saturday 9 October.
    assert CALENDAR.works(date(2021, 9, 26))
    assert not CALENDAR.works(date(2021, 10, 4))
    assert CALENDAR.add(at(2021, 9, 30, 15), 1) == at(2021, 10, 8, 15)
    assert CALENDAR.add(at(2021, 9, 30, 15), 2) == at(2021, 10, 9, 15)
    assert CALENDAR.back(at(2021, 10, 9, 15), 2) == at(2021, 9, 30, 15)


def test_a_demand_of_a_day_off_begins_on_the_next_working_morning() -> None:
    assert CALENDAR.add(at(2021, 8, 7, 22), 1) == at(2021, 8, 10, 0)  # A Saturday: Monday morning and one day.
    assert CALENDAR.add(at(2021, 8, 6, 9), 0) == at(2021, 8, 7, 0)  # 0 days: by the end of that working day.


def test_leap_day_month_end_and_new_year_are_days_like_others() -> None:
    plain = Calendar()
    assert plain.add(at(2024, 2, 28, 10), 1) == at(2024, 2, 29, 10)
    assert plain.add(at(2024, 2, 29, 10), 1) == at(2024, 3, 1, 10)
    assert plain.add(at(2021, 12, 31, 10), 1) == at(2022, 1, 3, 10)
    assert plain.days_between(at(2024, 2, 28, 12), at(2024, 3, 1, 12)) == 2.0
    assert plain.days_between(at(2021, 8, 6, 12), at(2021, 8, 9, 12)) == 1.0  # Friday noon to Monday noon.


def test_a_year_without_a_list_is_known_to_be_unknown() -> None:
    assert CALENDAR.known(date(2021, 1, 1), date(2026, 12, 31))
    assert not CALENDAR.known(date(2026, 12, 31), date(2027, 1, 1))


def test_the_shipped_holidays_are_whole() -> None:
    assert all(day.weekday() >= 5 for day in CALENDAR.worked)
    assert not set(CALENDAR.holidays) & set(CALENDAR.worked)
    for year in CALENDAR.years:
        off = [day for day in CALENDAR.holidays if day.year == year and day.weekday() < 5]
        worked = [day for day in CALENDAR.worked if day.year == year]
        assert 10 <= len(off) - len(worked) <= 13, year  # Eleven statutory days a year, thirteen since 2025.


@pytest.mark.parametrize(
    ("demand", "urgent", "due"),
    [
        (Demand.ENQUIRY, False, at(2021, 8, 10, 9)),
        (Demand.COMPLAINT, False, at(2021, 8, 16, 9)),
        (Demand.HELP, True, at(2021, 8, 10, 9)),
    ],
)
def test_deadlines_by_kind_and_urgency(demand: Demand, urgent: bool, due: float) -> None:
    assert due_at(demand, urgent, at(2021, 8, 9, 9), LIMITS, CALENDAR) == due


def test_the_card_turns_yellow_a_working_day_before_and_red_when_overdue_and_stays_red() -> None:
    due = at(2021, 8, 16, 9)  # A Monday: the working day before begins on Friday.
    assert card(at(2021, 8, 9, 9), due, None, LIMITS, CALENDAR, at(2021, 8, 13, 8, 59)) is Card.NONE
    assert card(at(2021, 8, 9, 9), due, None, LIMITS, CALENDAR, at(2021, 8, 13, 9)) is Card.YELLOW
    assert card(at(2021, 8, 9, 9), due, None, LIMITS, CALENDAR, due + 1) is Card.RED
    assert card(at(2021, 8, 9, 9), due, due - 10, LIMITS, CALENDAR, due + 9) is Card.NONE
    assert card(at(2021, 8, 9, 9), due, due + 10, LIMITS, CALENDAR, due + 99) is Card.RED


def test_a_city_s_message_never_leads_an_order_back() -> None:
    assert further(StubState.WAITING, StubState.DONE) is StubState.DONE
    assert further(StubState.DONE, StubState.ACCEPTED) is StubState.DONE


NOTE = WrapUp(
    "y-1.1", "yangzhou", "xuzhou", "1301", "A1", at(2021, 8, 9), Demand.HELP, "900100", Result.FORWARDED, content="返城"
)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (replace(NOTE, code="000000"), "分类代码"),
        (replace(NOTE, content=" "), "写明内容"),
        (replace(NOTE, nuisance=True), "骚扰"),
        (replace(NOTE, title="x" * 201), "title"),
        (replace(NOTE, call=""), "通话编号"),
        (replace(NOTE, wrapped_s=-1.0), "整理时长"),
    ],
)
def test_what_keeps_a_note_from_being_kept_is_said(note: WrapUp, words: str) -> None:
    codes = {one.code: one for one in TREE}
    assert list(wrong_with(NOTE, codes)) == []
    assert words in "；".join(wrong_with(note, codes))


def test_the_starter_tree_has_the_six_topics_of_2021_and_says_what_it_is() -> None:
    assert len(TREE) == 128
    assert {one.status for one in TREE} == {"STARTER"}
    assert search(TREE, "转码", date(2021, 8, 7))[0].code.startswith("90")
    assert search(TREE, "打不通了，停水三天", date(2021, 8, 7))[0].code == "080100"
    assert search(TREE, "080100", date(2021, 8, 7))[0].code == "080100"
    assert search(TREE, "", date(2021, 8, 7)) == []


def test_a_code_may_mean_another_thing_after_its_last_day() -> None:
    old = Category("010000", "", 1, "旧", valid_to=date(2021, 12, 31))
    new = Category("010000", "", 1, "新", valid_from=date(2022, 1, 1))
    assert list(mistakes([old, new])) == []
    assert [one.name_zh for one in search([old, new], "010000", date(2022, 1, 1))] == ["新"]
    assert list(mistakes([replace(old, valid_to=None), new]))


HEAD = "code,level,parent,name_zh,valid_from,valid_to\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "010000,1,,甲,,\n010100,2,020000,乙,,\n", "line 3: 010100: its parent 020000 is not in the file"),
        (HEAD + "010000,1,,甲,,\n010101,3,010000,乙,,\n", "line 3: 010101: level 3 under 010000"),
        (HEAD + "01A000,1,,甲,,\n", "line 2: code '01A000'"),
        (HEAD + "010000,1,,,,\n", "line 2: 010000: no name_zh"),
        (HEAD + "010000,1,,甲,2022-13-01,\n", "line 2: valid_from"),
        (HEAD + "010000,1,,甲,2022-02-01,2022-01-01\n", "is before"),
        (HEAD + "010000,eins,,甲,,\n", "line 2: level"),
        (HEAD, "no category in it"),
        ("code,name\n", "no column level, parent, name_zh"),
        (HEAD + '010000,1,,"甲,,\n', "line 2"),
    ],
)
def test_a_broken_category_file_is_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "categories.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(GivenRefused) as refused:
        read_categories(path)
    assert told in str(refused.value)


def test_a_tree_in_gb18030_is_read_and_bad_bytes_are_told_by_line_and_byte(tmp_path: Path) -> None:
    path = tmp_path / "categories.csv"
    path.write_bytes((HEAD + "010000,1,,社会保险,,\n").encode("gb18030"))
    assert read_categories(path)[0].name_zh == "社会保险"
    path.write_bytes((HEAD + "010000,1,,社会").encode("gb18030") + b"\xff\xff,,\n")
    with pytest.raises(GivenRefused, match="line 2, byte"):
        read_categories(path)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("2021-10-04,worked", "is worked anyway"),
        ("2021-10-09,arbeit", "write holiday or worked"),
        ("9. Oktober,worked", "write 2021-10-01"),
        ("2021-10-01,holiday\n2021-10-01,holiday", "stands there twice"),
    ],
)
def test_a_wrong_calendar_is_told_by_line(tmp_path: Path, row: str, told: str) -> None:
    path = tmp_path / "holidays.csv"
    path.write_text(f"day,kind\n{row}\n", "utf-8")
    with pytest.raises(GivenRefused) as refused:
        read_calendar(path)
    assert told in str(refused.value)
    assert "line " in str(refused.value)


def test_every_scale_maps_to_one_to_five_and_the_best_is_the_best() -> None:
    assert all(1 <= score <= 5 for scale in SCALES.values() for score in scale.values())
    assert all(max(scale.values()) == 5 for scale in SCALES.values())
    assert (score_of(" 满意 ", "words"), score_of("1", "three_keys"), score_of("9", "five")) == (4, 5, None)
    with pytest.raises(KeyError):
        score_of("1", "stars")
