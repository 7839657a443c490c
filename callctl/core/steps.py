"""One call in its smallest steps, over both cities and the order's later life: when, what, where, who. A gap is a step too.

The steps are read off the call's story, its wrap-up note and what the city told of its order; nothing is stored twice.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from callctl.core.events import HomeSeat, LentSeat
from callctl.core.model import SlotRef
from callctl.core.story import Leg, Story


class StepKind(enum.Enum):
    """The grain of the Jiangsu flow; each value is Chinese, as the page shows it."""

    CALL_ENTERED = "来电"
    QUEUED = "进入排队"
    THRESHOLD_HIT = "达到阈值"
    SENT_OUT = "转派支援市"
    REMOTE_RINGING = "支援座席振铃"
    HOME_RINGING = "本地座席振铃"
    SCRIPT_SHOWN = "显示口径"
    REMOTE_ANSWERED = "支援接听"
    HOME_ANSWERED = "本地接听"
    REMOTE_NO_ANSWER = "支援未应答"
    REMOTE_REFUSED = "支援拒接或无空闲"
    TRUNK_BUSY = "中继全忙"
    TRUNK_DOWN = "中继不通"
    RETURNED_HOME = "回到本地(位置保留)"
    LEG_LOST = "通话中断(回到队首)"
    TALK_ENDED = "通话结束"
    ABANDONED = "放弃"
    CALL_BACK_ASKED = "要求回拨"
    NOT_REACHED = "回拨未接通"
    MOVED = "人工转移"
    TURNED_AWAY = "未能排队"
    SCORED = "满意度评价"
    RECORDED = "记录诉求"
    ANSWERED_ON_CALL = "在线解答"
    FORWARDED = "流转"
    WRAP_UP_DONE = "小结完成"
    ORDER_ACCEPTED = "签收"
    DISPATCHED = "派单"
    SUPERVISED = "督办"
    DONE = "办结"
    FOLLOWED_UP = "回访"
    CLOSED = "结案"
    CALLED_BACK = "漏接回拨"
    GAP = "断档(未见事实)"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `at` None: it happened, and nobody saw when."""

    at: float | None
    kind: StepKind
    city: str
    actor: str = ""  # Seat, slot, agent or handling unit.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What of a wrap-up note is a step."""

    at: float
    city: str  # Where it was written.
    agent: str
    code: str
    demand: str
    result: str  # on_call, forwarded.
    script: str = ""
    script_version: int | None = None


@dataclass(frozen=True, slots=True)
class OrderStep:
    """What the assisted city told of its order, or what came of a call-back."""

    at: float
    what: str  # A key of _ORDER_STEPS.
    who: str
    note: str = ""


_RING_ENDS = {
    "no_answer": StepKind.REMOTE_NO_ANSWER,
    "busy": StepKind.REMOTE_REFUSED,
    "refused": StepKind.REMOTE_REFUSED,
    "unknown": StepKind.REMOTE_REFUSED,
    "trunk_full": StepKind.TRUNK_BUSY,
    "unreachable": StepKind.TRUNK_DOWN,
}
_ORDER_STEPS = {
    "accepted": StepKind.ORDER_ACCEPTED,
    "dispatched": StepKind.DISPATCHED,
    "supervised": StepKind.SUPERVISED,
    "done": StepKind.DONE,
    "followed_up": StepKind.FOLLOWED_UP,
    "closed": StepKind.CLOSED,
    "called_back": StepKind.CALLED_BACK,
}
_ENDINGS = {
    "abandoned": StepKind.ABANDONED,
    "call_back": StepKind.CALL_BACK_ASKED,
    "not_reached": StepKind.NOT_REACHED,
    "moved": StepKind.MOVED,
    "refused": StepKind.TURNED_AWAY,
}


def steps(
    story: Story, note: Note | None, order: Iterable[OrderStep], threshold_s: float, scored_at: float | None
) -> list[Step]:
    """Every step of the call, by time; those without a time stand at the end of what was known before them."""
    home = story.city
    found = [*_entry(story, threshold_s)]
    for leg in story.legs:
        found += _leg(leg, home)
    found += _ending(story)
    if story.score is not None:
        found.append(Step(scored_at, StepKind.SCORED, home, note=str(story.score)))
    if note is not None:
        found += _noted(note, home)
    found += [Step(one.at, _ORDER_STEPS[one.what], home, one.who, one.note) for one in order if one.what in _ORDER_STEPS]
    return sorted(found, key=lambda step: step.at if step.at is not None else story.last_at)


def _entry(story: Story, threshold_s: float) -> Iterable[Step]:
    entered = story.first_arrival
    if entered is None:
        yield Step(story.seen_at, StepKind.GAP, story.city, note="进入时刻未见")
    else:
        yield Step(entered, StepKind.CALL_ENTERED, story.city)
    for number, wait in enumerate(story.waits):
        yield Step(wait.entered_at, StepKind.QUEUED, story.city, note="队首优先" if number else "")
        if wait.gone_at is not None and wait.left_at is None:
            yield Step(wait.gone_at, StepKind.GAP, story.city, note="何时、如何离开队列未见")
    first = story.waits[0] if story.waits else None
    left_at = first.left_at if first is not None else None  # None: vanished in a gap, nobody knows how long it waited.
    if left_at is not None and entered is not None and left_at - entered >= threshold_s:
        yield Step(entered + threshold_s, StepKind.THRESHOLD_HIT, story.city, note=f"{threshold_s:g} 秒")


def _leg(leg: Leg, home: str) -> Iterable[Step]:
    match leg.by:
        case SlotRef(supporting=supporting, number=number):
            actor, ringing, answered = f"{supporting}-{number:02d}", StepKind.SENT_OUT, None
        case LentSeat(seat=seat):
            actor, ringing, answered = seat, StepKind.REMOTE_RINGING, StepKind.REMOTE_ANSWERED
        case HomeSeat(seat=seat):
            actor, ringing, answered = seat, StepKind.HOME_RINGING, StepKind.HOME_ANSWERED
    if leg.rung_at is not None:
        yield Step(leg.rung_at, ringing, leg.city, actor)
    if leg.answered_at is not None and answered is not None:
        yield Step(leg.answered_at, answered, leg.city, actor)
    if isinstance(leg.by, SlotRef) and leg.end in _RING_ENDS:
        yield Step(leg.ended_at, _RING_ENDS[leg.end], leg.city, actor)
        yield Step(leg.ended_at, StepKind.RETURNED_HOME, home)
    elif isinstance(leg.by, LentSeat) and leg.end in _RING_ENDS:
        yield Step(leg.ended_at, _RING_ENDS[leg.end], leg.city, actor)
    elif leg.end == "lost":
        yield Step(leg.ended_at, StepKind.LEG_LOST, leg.city, actor)
    elif leg.end == "talked":
        yield Step(leg.ended_at, StepKind.TALK_ENDED, leg.city, actor)
    if leg.gone_at is not None and leg.ended_at is None:
        yield Step(leg.gone_at, StepKind.GAP, leg.city, actor, "何时结束未见")


def _ending(story: Story) -> Iterable[Step]:
    if story.outcome in _ENDINGS:
        ringing = any(leg.end == "cancelled" for leg in story.legs)
        yield Step(story.left_at, _ENDINGS[story.outcome], story.city, note="振铃中" if ringing else "")
    elif story.state == "gone" and story.outcome is None:
        yield Step(story.last_at, StepKind.GAP, story.city, note="去向不明")


def _noted(note: Note, home: str) -> Iterable[Step]:
    if note.script:
        version = f" 第{note.script_version}版" if note.script_version is not None else ""
        yield Step(note.at, StepKind.SCRIPT_SHOWN, note.city, note.agent, f"{note.script}{version}")
    yield Step(note.at, StepKind.RECORDED, note.city, note.agent, f"{note.demand} {note.code}".strip())
    if note.result == "forwarded":
        yield Step(note.at, StepKind.FORWARDED, home, note.agent)
    else:
        yield Step(note.at, StepKind.ANSWERED_ON_CALL, note.city, note.agent)
    yield Step(note.at, StepKind.WRAP_UP_DONE, note.city, note.agent)
