"""The three witnesses are compared fairly: what differs is found, what cannot be known or crossed on the wire is not."""

from dataclasses import replace

from callctl.lab.crowd import Citizen
from callctl.lab.queue_log import Account, account
from callctl.lab.verdict import Count, by_citizens, by_queue_log, differences, too_few_there

TONES = {"yangzhou": "agent", "xuzhou": "helper"}
LOG = [
    "100|yangzhou-1.1|q12345|NONE|ENTERQUEUE||13800000001|1",
    "101|yangzhou-1.2|q12345|NONE|ENTERQUEUE||13800000002|2",
    "102|yangzhou-1.3|q12345|NONE|ENTERQUEUE||13800000003|3",
    "107|yangzhou-1.1|q12345|xuzhou-01-t5|CONNECT|7|x|2",
    "108|yangzhou-1.2|q12345|2001|CONNECT|7|x|1",
    "110|yangzhou-1.3|q12345|NONE|ABANDON|1|3|8",
]


def logged(lines: list[str] = LOG, queue: str = "q12345") -> Account:
    return account((line + "\n" for line in lines), queue)


def answered(number: str, at: float, by: str) -> Citizen:
    return Citizen(number, 99.0, 100.0, answered_at=at, answered_by=by, ended_at=at + 5)


def gave_up(number: str, at: float) -> Citizen:
    return Citizen(number, 99.0, 100.0, ended_at=at, gave_up=True)


CITIZENS = [
    answered("13800000001", 107.2, "helper"),
    answered("13800000002", 108.1, "agent"),
    gave_up("13800000003", 110.0),
]


def test_pbx_and_citizens_count_the_same_calls_the_same() -> None:
    log = by_queue_log(logged(), "yangzhou")
    heard, crossed = by_citizens(CITIZENS, "yangzhou", TONES, logged())
    assert (log.asked, dict(log.answered_by), log.abandoned, log.lost) == (3, {"xuzhou": 1, "yangzhou": 1}, 1, 0)
    assert log.connect_rate == 2 / 3
    assert (differences(log, "citizens", heard), crossed) == ([], 0)


def test_citizen_who_heard_another_city_than_the_pbx_says_is_a_difference() -> None:
    swapped = [answered("13800000001", 107.2, "agent"), *CITIZENS[1:]]
    heard, _ = by_citizens(swapped, "yangzhou", TONES, logged())
    found = differences(by_queue_log(logged(), "yangzhou"), "citizens", heard)
    assert {one.what for one in found} == {"answered_by xuzhou", "answered_by yangzhou"}


def test_citizen_who_hung_up_at_the_very_answer_counts_as_the_pbx_says() -> None:
    citizens = [gave_up("13800000001", 107.4), *CITIZENS[1:]]
    heard, crossed = by_citizens(citizens, "yangzhou", TONES, logged())
    assert (differences(by_queue_log(logged(), "yangzhou"), "citizens", heard), crossed) == ([], 1)


def test_citizen_who_gave_up_long_after_the_pbx_says_answered_is_a_difference() -> None:
    citizens = [gave_up("13800000001", 115.0), *CITIZENS[1:]]
    heard, _ = by_citizens(citizens, "yangzhou", TONES, logged())
    assert {one.what for one in differences(by_queue_log(logged(), "yangzhou"), "citizens", heard)} >= {"abandoned"}


def test_citizen_thrown_out_is_lost() -> None:
    heard, _ = by_citizens([Citizen("1", 99.0, 100.0, ended_at=101.0)], "yangzhou", TONES, logged())
    assert (heard.lost, heard.abandoned) == (1, 0)


def test_waits_may_differ_by_the_rounding_but_not_by_more() -> None:
    ours = Count(1, {"yangzhou": 1}, 0, 0, 0, 10.0, 10.0, 0)
    near, far = Count(1, {"yangzhou": 1}, 0, 0, 0, 11.9, 8.1), Count(1, {"yangzhou": 1}, 0, 0, 0, 12.1, None)
    assert differences(ours, "citizens", near) == []
    assert [one.what for one in differences(ours, "citizens", far)] == ["mean_wait_s", "max_wait_s"]


def test_the_log_in_whole_seconds_may_know_of_fewer_lost_places_but_not_of_more() -> None:
    log = by_queue_log(logged(), "yangzhou")
    assert differences(replace(log, inversions=2), "queue_log", replace(log, inversions=0)) == []
    [more] = differences(replace(log, inversions=0), "queue_log", replace(log, inversions=2))
    assert (more.what, more.history, more.says) == ("inversions", 0, 2)


def test_supporting_citys_own_log_must_show_the_calls_it_is_said_to_have_answered() -> None:
    history = Count(1, {"xuzhou": 1}, 0, 0, 0, None, None)
    there = ["106|x-1.1|support-yangzhou|NONE|ENTERQUEUE||1|1", "107|x-1.1|support-yangzhou|1301-yangzhou-t5|CONNECT|1|x|1"]
    assert too_few_there(history, "xuzhou", logged(there, "support-yangzhou")) == []
    assert [one.witness for one in too_few_there(history, "xuzhou", logged([], "support-yangzhou"))] == ["queue_log xuzhou"]


def test_earlier_caller_whose_ring_failed_was_being_rung_and_lost_no_place() -> None:
    lines = [
        "100|a|q|NONE|ENTERQUEUE||1|1",
        "101|b|q|NONE|ENTERQUEUE||2|2",
        "112|a|q|xuzhou-01-t5|RINGNOANSWER|4000",
        "113|b|q|2001|CONNECT|12|x|3",
        "130|a|q|2001|CONNECT|30|x|2",
    ]
    assert account((line + "\n" for line in lines), "q").inversions() == 0
