"""A citizen's demand: the wrap-up note of a call, the stub of the work order, its way through the assisted city, its cards.

callctl carries the stub and hands it on; the order itself is the assisted city's. Times are epoch seconds.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from callctl.core.workdays import Calendar

CONTENT_MOST = 4000  # Characters; what an agent writes in two minutes is a tenth of it.
LINE_MOST = 200


class Demand(enum.Enum):
    """What kind of demand: an axis of its own beside the category."""

    ENQUIRY = "enquiry"  # 咨询
    HELP = "help"  # 求助
    COMPLAINT = "complaint"  # 投诉
    SUGGESTION = "suggestion"  # 建议
    REPORT = "report"  # 举报
    PRAISE = "praise"  # 表扬
    OTHER = "other"  # 其他


DEMAND_ZH = {
    Demand.ENQUIRY: "咨询",
    Demand.HELP: "求助",
    Demand.COMPLAINT: "投诉",
    Demand.SUGGESTION: "建议",
    Demand.REPORT: "举报",
    Demand.PRAISE: "表扬",
    Demand.OTHER: "其他",
}


class Result(enum.Enum):
    """What became of the call: each has exactly one."""

    ON_CALL = "on_call"  # 在线解答
    FORWARDED = "forwarded"  # 流转


class StubState(enum.Enum):
    """Where the order is, as far as the assisted city has told."""

    WAITING = "waiting"  # 待签收: handed over, or being handed over.
    ACCEPTED = "accepted"  # 已签收, with the city's order number.
    DISPATCHED = "dispatched"  # 已派单
    DONE = "done"  # 办结
    FOLLOWED_UP = "followed_up"  # 已回访
    CLOSED = "closed"  # 结案


# How far on a state is; the city's messages may come late, doubled or in any order, and never lead back.
_ORDER = {state: number for number, state in enumerate(StubState)}
STATE_ZH = {
    StubState.WAITING: "待签收",
    StubState.ACCEPTED: "已签收",
    StubState.DISPATCHED: "已派单",
    StubState.DONE: "已办结",
    StubState.FOLLOWED_UP: "已回访",
    StubState.CLOSED: "已结案",
}


class Card(enum.Enum):
    """督办: how late an order is."""

    NONE = ""
    YELLOW = "yellow"  # 黄牌: due soon.
    RED = "red"  # 红牌: overdue.


CARD_ZH = {Card.NONE: "", Card.YELLOW: "黄牌", Card.RED: "红牌"}


@dataclass(frozen=True, slots=True)
class WrapUp:
    """小结: what a call was about. Personal fields are in clear here; they are sealed before they are kept."""

    call: str
    city: str  # Assisted city.
    answering: str
    seat: str
    agent: str
    at: float
    demand: Demand
    code: str
    result: Result
    title: str = ""
    content: str = ""
    address: str = ""
    requester: str = ""
    contact: str = ""
    number: str = ""  # The citizen's, as called.
    urgent: bool = False
    confidential: bool = False
    nuisance: bool = False
    script: str = ""
    script_version: int | None = None
    wrapped_s: float | None = None


PERSONAL = ("title", "content", "address", "requester", "contact", "number")


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a city may take."""

    consult_d: int
    other_d: int
    urgent_h: float
    yellow_before_d: int


def wrong_with(note: WrapUp, codes: Mapping[str, object]) -> Iterator[str]:
    """What keeps a note from being kept, in Chinese, for the agent."""
    if not note.call:
        yield "没有通话编号"
    if note.code not in codes:
        yield f"分类代码 {note.code or '（空）'} 不在现行分类表中"
    if note.result is Result.FORWARDED and not note.content.strip():
        yield "流转的诉求须写明内容"
    if note.result is Result.FORWARDED and note.nuisance:
        yield "骚扰或静音来电不流转"
    for name in PERSONAL:
        text, most = getattr(note, name), CONTENT_MOST if name == "content" else LINE_MOST
        if len(text) > most:
            yield f"{name} 超过 {most} 字"
    if note.wrapped_s is not None and not 0 <= note.wrapped_s < 86_400:
        yield "整理时长不对"


def due_at(demand: Demand, urgent: bool, at: float, limits: Deadlines, calendar: Calendar) -> float:
    """When it must be done: urgent ones by the hour on any day, others by working days."""
    if urgent:
        return at + limits.urgent_h * 3600.0
    return calendar.add(at, limits.consult_d if demand is Demand.ENQUIRY else limits.other_d)


def card(taken_at: float, due: float, done_at: float | None, limits: Deadlines, calendar: Calendar, now: float) -> Card:
    """The card of an order: red for good once it was late, yellow only while it is open and half of its term is over."""
    if (done_at if done_at is not None else now) > due:
        return Card.RED
    if done_at is not None:
        return Card.NONE
    warned_from = max(calendar.back(due, limits.yellow_before_d), (taken_at + due) / 2)
    return Card.YELLOW if now >= warned_from else Card.NONE


def further(before: StubState, told: StubState) -> StubState:
    """The state after the city's message: never back."""
    return told if _ORDER[told] > _ORDER[before] else before
