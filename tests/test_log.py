"""What reaches the log: facts, Chinese names, never a citizen's number in clear, never without end."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callctl import log as our_log
from callctl.log import LINES_PER_WINDOW, WINDOW_S, mask, mask_text


class Hand:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def lines(clock: Hand):
    """The JSON log of one test; afterwards logging is as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    our_log.set_up("json", clock, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("13800010001", "138****0001"),
        ("138 0001 0001", "138****0001"),
        ("+8613800010001", "+86138****0001"),
        ("008613800010001", "0086138****0001"),
        ("8613800010001", "86138****0001"),
        ("051487654321", "0514****4321"),
        ("0514-87654321", "0514****4321"),
        ("02587654321", "025****4321"),
        ("(025)87654321", "025****4321"),
        ("87654321", "87****21"),
        ("12345", "1***5"),
        ("110", "***"),
        ("", ""),
        ("anonymous", "anonymous"),
        ("Anonymous", "Anonymous"),
        ("匿名", "匿名"),
        ("sip:13800010001@10.0.0.9", "138****0001"),
        ("张三", "***"),
        ("+1 212 555 0100", "+121****0100"),
    ],
)
def test_a_number_is_shown_only_in_part(number: str, shown: str) -> None:
    assert mask(number) == shown


@given(st.from_regex(r"[0-9]{5,20}", fullmatch=True))
def test_no_number_is_shown_with_more_than_eight_of_its_digits_in_clear(number: str) -> None:
    shown = mask(number)
    assert "*" * 3 in shown
    assert sum(letter.isdigit() for letter in shown.removeprefix("0086")) <= 10
    assert number not in shown


@given(st.text(max_size=30))
def test_masking_twice_shows_no_more_than_masking_once(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "caller 13800010001 left",
        "tel:+8613800010001",
        "来电13800010001挂机",
        "0514-87654321",
        "138-0001-0001",
        "[025 87654321]",
    ],
)
def test_a_number_inside_a_sentence_is_masked(text: str) -> None:
    assert "****" in mask_text(text)
    assert "0001000" not in mask_text(text).replace("-", "")


@pytest.mark.parametrize(
    "text",
    [
        "yangzhou-1790000000.12",
        "2026-11-23T07:30:00Z",
        "127.0.14.1:5060",
        "PJSIP/2001-0000001a",
        "xuzhou-03-t17",
        "0.013000",
    ],
)
def test_call_ids_and_addresses_are_not_taken_for_numbers(text: str) -> None:
    assert mask_text(text) == text


def test_the_second_line_of_defence_masks_numbers_nobody_masked(lines) -> None:
    structlog.get_logger().info("call 13800010001", who="13800010001", deep={"a": ["051487654321"]}, count=13800010001)
    (line,) = lines()
    assert "0001000" not in json.dumps(line)
    assert line["deep"] == {"a": ["0514****4321"]}


def test_what_is_nested_too_deep_to_vouch_for_is_not_written(lines) -> None:
    structlog.get_logger().info("deep", value={"a": {"b": {"c": {"d": {"e": "13800010001"}}}}})
    assert "138" not in json.dumps(lines()[0]["value"])


def test_a_traceback_does_not_carry_a_number_into_the_log(lines) -> None:
    try:
        raise ValueError("no such caller: 13800010001")
    except ValueError:
        structlog.get_logger().exception("unexpected")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "13800010001" not in line["exception"]


def test_chinese_names_stay_readable_in_json(clock: Hand) -> None:
    stream = io.StringIO()
    before = list(logging.getLogger().handlers)
    our_log.set_up("json", clock, stream)
    structlog.get_logger().info("switch on", city="扬州")
    logging.getLogger().handlers[:] = before
    structlog.reset_defaults()
    assert "扬州" in stream.getvalue()


@pytest.mark.parametrize("name", ["panoramisk", "panoramisk.manager", "sqlalchemy.pool", "redis.connection"])
def test_the_libraries_lines_go_the_same_way(lines, name: str) -> None:
    logging.getLogger(name).warning("lost %s for %s", "10.0.0.9", "13800010001")
    (line,) = lines()
    assert line["event"] == "lost 10.0.0.9 for 138****0001"
    assert line["level"] == "warning"


def test_a_storm_of_one_event_is_cut_and_counted(lines, clock: Hand) -> None:
    log = structlog.get_logger()
    for number in range(LINES_PER_WINDOW + 30):
        log.warning("trunk down", number_of_times=number)
    log.warning("another thing")
    assert len(lines()) == LINES_PER_WINDOW + 1
    clock.at += WINDOW_S
    log.warning("trunk down")
    assert lines()[-1]["left_out"] == 30


def test_a_librarys_storm_is_cut_by_its_template_without_a_traceback(lines, capsys) -> None:
    for number in range(LINES_PER_WINDOW + 5):
        logging.getLogger("panoramisk").warning("lost connection %d", number)
    assert len(lines()) == LINES_PER_WINDOW
    assert capsys.readouterr().err == ""


def test_a_clock_that_steps_back_does_not_silence_the_log(lines, clock: Hand) -> None:
    for _ in range(LINES_PER_WINDOW + 1):
        structlog.get_logger().info("tick")
    clock.at -= 3600
    structlog.get_logger().info("tick")
    assert len(lines()) == LINES_PER_WINDOW + 1


def test_a_line_a_library_got_wrong_is_one_line_without_its_arguments(lines, clock: Hand) -> None:
    stream = io.StringIO()
    our_log.set_up("console", clock, stream)
    logging.getLogger("redis").warning("%d calls", "13800010001")
    assert stream.getvalue() == "a log line of redis could not be written: TypeError\n"


def test_a_pipe_gets_no_colour(lines, clock: Hand) -> None:
    stream = io.StringIO()
    our_log.set_up("console", clock, stream)
    structlog.get_logger().warning("switch on", city="扬州")
    assert "\x1b" not in stream.getvalue()
    assert "扬州" in stream.getvalue()
