"""The independent account must itself be right: its rules on small logs whose truth is plain."""

from callctl.lab.queue_log import account


def log(*lines: str) -> list[str]:
    return [line + "\n" for line in lines]


def test_answered_call_carries_who_answered_wait_and_talk() -> None:
    result = account(
        log(
            "100|yangzhou-1.1|q12345|NONE|ENTERQUEUE||13800000001|1",
            "107|yangzhou-1.1|q12345|xuzhou-01-t5|CONNECT|7|yangzhou-1.2|2",
            "130|yangzhou-1.1|q12345|xuzhou-01-t5|COMPLETECALLER|7|23|1",
        ),
        "q12345",
    )
    call = result.calls["yangzhou-1.1"]
    assert (call.answered_by, call.wait_s, call.talk_s, call.rung_at) == ("xuzhou-01-t5", 7, 23, 105)


def test_caller_who_gave_up_is_not_answered() -> None:
    result = account(log("100|a|q12345|NONE|ENTERQUEUE||1|1", "130|a|q12345|NONE|ABANDON|1|1|30"), "q12345")
    assert (result.calls["a"].left, result.calls["a"].answered_at, result.calls["a"].wait_s) == ("ABANDON", None, 30)


def test_other_queues_and_earlier_lines_are_passed_over() -> None:
    lines = log("90|a|q12345|NONE|ENTERQUEUE||1|1", "100|b|support-yangzhou|NONE|ENTERQUEUE||1|1", "x|y")
    assert not account(lines, "q12345", since=95).calls


def test_later_caller_rung_while_an_earlier_one_waited_unrung_is_an_inversion() -> None:
    lines = log(
        "100|a|q|NONE|ENTERQUEUE||1|1",
        "101|b|q|NONE|ENTERQUEUE||1|2",
        "110|b|q|2001|CONNECT|9|x|2",
        "130|a|q|2001|CONNECT|30|x|2",
    )
    assert account(lines, "q").inversions() == 1
    assert [(call.call, earlier.call) for call, earlier in account(lines, "q").overtakings()] == [("b", "a")]


def test_later_caller_answered_sooner_because_the_earlier_ones_phone_rang_longer_is_none() -> None:
    lines = log(
        "100|a|q|NONE|ENTERQUEUE||1|1",
        "101|b|q|NONE|ENTERQUEUE||1|2",
        "110|b|q|2002|CONNECT|9|x|1",
        "115|a|q|2001|CONNECT|15|x|7",
    )
    assert account(lines, "q").inversions() == 0


def test_lost_leg_keeps_the_first_place_and_counts_two_answers() -> None:
    lines = log(
        "100|a|q|NONE|ENTERQUEUE||1|1",
        "105|a|q|xuzhou-01-t5|CONNECT|5|x|1",
        "120|a|q|xuzhou-01-t5|COMPLETEAGENT|5|15|1",
        "121|a|q|NONE|ENTERQUEUE||1|1",
        "125|a|q|2001|CONNECT|4|x|1",
    )
    call = account(lines, "q").calls["a"]
    assert (call.order, call.answers, call.answered_by) == (0, 2, "xuzhou-01-t5")


def test_a_caller_who_rests_a_second_after_a_ring_in_vain_is_not_overtaken_but_later_he_is() -> None:
    def told(rung_at: int) -> int:
        lines = log(
            "100|a|q|NONE|ENTERQUEUE||1|1",
            "101|b|q|NONE|ENTERQUEUE||1|2",
            "108|a|q|xuzhou-01-t5|RINGNOANSWER|4000",
            f"{rung_at + 1}|b|q|2002|CONNECT|9|x|1",
            "130|a|q|2001|CONNECT|30|x|1",
        )
        return account(lines, "q").inversions()

    assert told(rung_at=110) == 0
    assert told(rung_at=111) == 1
