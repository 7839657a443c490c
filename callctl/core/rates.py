"""Every rate of the report, with what it is a share of: a percentage without its denominator is not shown anywhere."""

from dataclasses import dataclass

from callctl.core.counting import Counters


@dataclass(frozen=True, slots=True)
class Rate:
    """`part` of `whole`; there is no value where the whole is nothing, or was not counted (None)."""

    part: float | None
    whole: float | None
    of: str  # What the whole counts, in Chinese, as it stands beside the figure.

    @property
    def value(self) -> float | None:
        """The share, 0 to 1 (may be more where the whole is too small to hold the part)."""
        return self.part / self.whole if self.part is not None and self.whole else None

    @property
    def percent(self) -> float | None:
        """The same times 100."""
        return None if self.value is None else 100.0 * self.value


def connect_rate(sums: Counters) -> Rate:
    """接通率 (GB/T 33358: at least 95 % in 24 hours)."""
    return Rate(sums.answered, sums.requested, "人工请求量")


def attempt_rate(sums: Counters, attempts: int | None) -> Rate:
    """拨打接通率: only with the carrier's count; never to be compared with the connect rate."""
    return Rate(sums.answered, attempts, "拨打量(运营商)")


def within(sums: Counters, limit_s: int) -> Rate:
    """15, 20 or 30秒接通率: answered within the limit, of all who asked."""
    return Rate(getattr(sums, f"in_{limit_s}"), sums.requested, "人工请求量")


def within_without_short(sums: Counters, limit_s: int) -> Rate:
    """The service level as some vendors count it: short abandons are not asked for."""
    return Rate(getattr(sums, f"in_{limit_s}"), sums.requested - sums.short_abandoned, "人工请求量-短时放弃")


def loss_rate(sums: Counters) -> Rate:
    """呼损率: everybody who was not answered live."""
    return Rate(sums.requested - sums.answered, sums.requested, "人工请求量")


def abandon_rate(sums: Counters) -> Rate:
    """放弃率, short abandons among them."""
    return Rate(sums.abandoned, sums.requested, "人工请求量")


def share_helped(sums: Counters) -> Rate:
    """分担比例."""
    return Rate(sums.answered_remote, sums.answered, "接听量")


def redial_rate(sums: Counters, callers: int | None) -> Rate:
    """重拨率: of the calls that reached the hotline, those that were not somebody's first."""
    return Rate(None if callers is None else sums.requested - callers, sums.requested, "呼入量")


def satisfied(sums: Counters) -> Rate:
    """满意率, of those who scored."""
    return Rate(sums.satisfied_home + sums.satisfied_remote, sums.scored_home + sums.scored_remote, "参评量")


def satisfied_home(sums: Counters) -> Rate:
    """满意率 of home answers."""
    return Rate(sums.satisfied_home, sums.scored_home, "本地接听参评量")


def satisfied_remote(sums: Counters) -> Rate:
    """满意率 of remote answers."""
    return Rate(sums.satisfied_remote, sums.scored_remote, "支援接听参评量")


def answered_on_call(sums: Counters) -> Rate:
    """在线解答率, of the calls with a wrap-up note."""
    on_call = sums.on_call_home + sums.on_call_remote
    return Rate(on_call, on_call + sums.forwarded_home + sums.forwarded_remote, "有小结的接听量")


def remote_recorded(sums: Counters) -> Rate:
    """在线解答和流转办理率 of remote answers: each must be one or the other (100 %)."""
    return Rate(sums.on_call_remote + sums.forwarded_remote, sums.answered_remote, "支援接听量")


def mean(total: float, count: int) -> float | None:
    """None where there is nothing to take the mean of."""
    return total / count if count else None


def handling_s(sums: Counters) -> float | None:
    """平均处理时长 AHT of valid calls: talk, and after-call work where it was told."""
    talk, wrap = mean(sums.talks_s, sums.talks_n), mean(sums.wraps_s, sums.wraps_n)
    return None if talk is None else talk + (wrap or 0.0)
