"""How calls are counted: each once, at its home city, in the five minutes in which it entered. The rules of the report.

The rules are those of docs/RECORDS.md, one test each (tests/core/test_counting.py). Counters only add up, so that five
minutes make hours, shifts and days; what does not add up (different callers) is asked of the history.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

SHORT_S = 5.0  # Who hangs up sooner has dialled wrong or changed his mind: shown apart, kept in the denominator.
SATISFIED_FROM = 4  # Of 1 to 5: 满意 and 非常满意 (core/satisfaction.py).

Fate = Literal["answered_home", "answered_remote", "abandoned", "call_back", "moved", "waiting", "lost", "unknown"]


class CountedCall(NamedTuple):
    """What of one call is counted. Times in seconds; None: not seen, or not written down."""

    city: str
    state: str  # core/story.py State.
    outcome: str | None
    by_city: str | None = None  # Who answered (last).
    waited_s: float | None = None
    talked_s: float | None = None
    called_back: bool = False  # The citizen asked to be called back: what follows is outbound.
    sent_out: bool = False  # A slot was rung for it.
    came_home: bool = False  # A slot's ring failed (not: a home agent was faster).
    rung: bool = False  # A phone or slot was being rung when the caller left.
    unanswered_rings: int = 0  # Rings that rang out.
    requeues: int = 0
    score: int | None = None  # 1 to 5.
    result: str | None = None  # "on_call", "forwarded"; None: no wrap-up note.
    wrapped_s: float | None = None
    nuisance: bool = False  # 骚扰 or 静音, as the agent noted.


@dataclass(frozen=True, slots=True)
class Counters:
    """Sums over calls. requested = the eight fates together; seconds are sums, `_n` beside them of how many calls."""

    requested: int = 0
    answered_home: int = 0
    answered_remote: int = 0
    abandoned: int = 0
    call_back: int = 0  # Asked for a call-back; answered or not, they are not in the connect rate.
    moved: int = 0
    waiting: int = 0
    lost: int = 0
    unknown: int = 0
    in_15: int = 0  # Answered within so many seconds.
    in_20: int = 0
    in_30: int = 0
    short_abandoned: int = 0
    abandoned_ringing: int = 0
    blocked: int = 0  # Refused: queue full. Also in `lost`.
    called_back: int = 0  # Call-backs that were answered: 接听回复量 = answered + called_back.
    unanswered_rings: int = 0
    sent_out: int = 0  # 溢出量
    returned_home: int = 0  # Sent out, not answered there, answered at home.
    answered_for_others: int = 0  # 溢入量: by this city's seats, booked at the other city.
    requeues: int = 0
    waits_s: float = 0.0  # Of everybody whose wait is known.
    waits_n: int = 0
    answered_waits_s: float = 0.0
    answered_waits_n: int = 0
    talks_s: float = 0.0  # Valid conversations; nuisance calls are left out.
    talks_n: int = 0
    remote_talks_s: float = 0.0
    remote_talks_n: int = 0
    wraps_s: float = 0.0  # After-call work, where the agent's screen told it.
    wraps_n: int = 0
    for_others_s: float = 0.0  # Talk of this city's seats for other cities.
    nuisance: int = 0
    scored_home: int = 0
    scored_remote: int = 0
    satisfied_home: int = 0
    satisfied_remote: int = 0
    scores_sum: int = 0
    on_call_home: int = 0  # Wrap-up notes: answered on the call.
    on_call_remote: int = 0
    forwarded_home: int = 0
    forwarded_remote: int = 0
    max_wait_s: float = 0.0  # The one figure that does not add up: the longest.

    @property
    def answered(self) -> int:
        """By anybody, live."""
        return self.answered_home + self.answered_remote


NAMES = tuple(field.name for field in fields(Counters))
_SUMS = NAMES[:-1]


def fate(call: CountedCall) -> Fate:
    """The one count a call belongs to."""
    if call.called_back:
        return "call_back"
    if call.outcome == "answered":
        return "answered_home" if call.by_city in (call.city, None) else "answered_remote"
    match call.outcome:
        case "abandoned":
            return "abandoned"
        case "moved":
            return "moved"
        case None:
            return "waiting" if call.state == "waiting" else "unknown"
    return "lost"  # left, refused, cut_off


def count(calls: Iterable[CountedCall]) -> dict[str, Counters]:
    """The counters of every city these calls concern: their own, and those whose seats answered."""
    sums: dict[str, dict[str, float]] = {}
    for call in calls:
        _count_one(call, sums.setdefault(call.city, dict.fromkeys(NAMES, 0)))
        if call.outcome == "answered" and call.by_city not in (call.city, None):
            helping = sums.setdefault(call.by_city or "", dict.fromkeys(NAMES, 0))
            helping["answered_for_others"] += 1
            helping["for_others_s"] += call.talked_s or 0.0
    return {city: _made(found) for city, found in sums.items()}


def _made(found: Mapping[str, float]) -> Counters:
    whole = Counters()
    return Counters(**{name: type(getattr(whole, name))(found[name]) for name in NAMES})


def _count_one(call: CountedCall, sums: dict[str, float]) -> None:
    kind = fate(call)
    sums["requested"] += 1
    sums[kind] += 1
    sums["requeues"] += call.requeues
    sums["unanswered_rings"] += call.unanswered_rings
    sums["blocked"] += call.outcome == "refused"
    sums["sent_out"] += call.sent_out
    if call.waited_s is not None:
        sums["waits_s"] += call.waited_s
        sums["waits_n"] += 1
        sums["max_wait_s"] = max(sums["max_wait_s"], call.waited_s)
    if kind in ("answered_home", "answered_remote"):
        _count_answer(call, kind == "answered_remote", sums)
    elif kind == "abandoned":
        sums["short_abandoned"] += call.waited_s is not None and call.waited_s < SHORT_S
        sums["abandoned_ringing"] += call.rung
    elif kind == "call_back":
        sums["called_back"] += call.outcome == "answered"


def _count_answer(call: CountedCall, remote: bool, sums: dict[str, float]) -> None:
    if call.waited_s is not None:
        sums["answered_waits_s"] += call.waited_s
        sums["answered_waits_n"] += 1
        for limit_s in (15, 20, 30):
            sums[f"in_{limit_s}"] += call.waited_s <= limit_s
    sums["returned_home"] += not remote and call.came_home
    sums["nuisance"] += call.nuisance
    if call.talked_s is not None and not call.nuisance:
        sums["talks_s"] += call.talked_s
        sums["talks_n"] += 1
        if remote:
            sums["remote_talks_s"] += call.talked_s
            sums["remote_talks_n"] += 1
        if call.wrapped_s is not None:
            sums["wraps_s"] += call.wrapped_s
            sums["wraps_n"] += 1
    side = "remote" if remote else "home"
    if call.score is not None:
        sums[f"scored_{side}"] += 1
        sums[f"satisfied_{side}"] += call.score >= SATISFIED_FROM
        sums["scores_sum"] += call.score
    if call.result in ("on_call", "forwarded"):
        sums[f"{call.result}_{side}"] += 1


def together(parts: Iterable[Counters]) -> Counters:
    """The sum of intervals, or of cities."""
    sums = dict.fromkeys(NAMES, 0.0)
    for part in parts:
        for name in _SUMS:
            sums[name] += getattr(part, name)
        sums["max_wait_s"] = max(sums["max_wait_s"], part.max_wait_s)
    return _made(sums)
