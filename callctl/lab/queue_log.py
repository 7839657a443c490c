"""The PBX's own account of what happened to every caller, read independently of callctl, to check callctl's account.

Format: Asterisk's queue_log, `epoch|unique id|queue|member|event|data…` (Asterisk documentation, "Queue Logs").
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# A waiting channel looks once a second whether its turn has come (app_queue.c, RECHECK), so two agents who become free
# together are rung up to a second apart, in either order; a line's time and a ring's length are each cut to whole seconds.
CLOCK_STEP_S = 2


@dataclass(slots=True)
class LoggedCall:
    """One citizen in the home queue, as the PBX wrote it down. Times are epoch seconds of that PBX."""

    call: str
    entered_at: int
    order: int  # Line number of the first entry: the place in the line.
    number: str = ""  # The citizen's.
    answered_at: int | None = None
    rung_at: int | None = None  # When the ring that was answered began.
    answered_by: str = ""  # The member's name: a seat of the city, or a slot.
    answers: int = 0  # More than one only after a leg was lost in mid-talk.
    wait_s: int = 0  # Until the first answer, or until the caller gave up.
    talk_s: int = 0
    left: str = ""  # ABANDON, EXITWITHKEY, EXITWITHTIMEOUT, WITHDRAW … when not answered.
    left_at: int | None = None
    failed_rings: list[tuple[float, float]] = field(default_factory=list)  # Begin and end of rings nobody answered.

    def rung_about(self, at: float) -> bool:
        """Whether it was being rung then, or nearly then, by somebody who did not answer.

        After such a ring app_queue rests for a second (retry=1) and looks again within the next.
        """
        return any(begin <= at + CLOCK_STEP_S and at <= end + CLOCK_STEP_S for begin, end in self.failed_rings)


@dataclass(slots=True)
class Account:
    """All callers of one queue."""

    calls: dict[str, LoggedCall] = field(default_factory=dict)

    def inversions(self) -> int:
        """Answered calls whose ring began while an earlier caller waited and was not being rung (place lost)."""
        return len(self.overtakings())

    def overtakings(self) -> list[tuple[LoggedCall, LoggedCall]]:
        """Each such call, and the first of those it overtook."""
        ordered = sorted(self.calls.values(), key=lambda call: call.order)
        found = ((call, self._overtaken_by(call, ordered)) for call in ordered)
        return [(call, earlier) for call, earlier in found if earlier is not None]

    @staticmethod
    def _overtaken_by(call: LoggedCall, ordered: list[LoggedCall]) -> LoggedCall | None:
        for earlier in ordered:
            if call.rung_at is None or earlier.order >= call.order:
                return None
            gone_at = earlier.rung_at if earlier.rung_at is not None else earlier.left_at
            waits = gone_at is None or gone_at > call.rung_at + CLOCK_STEP_S
            if waits and not earlier.rung_about(call.rung_at):
                return earlier
        return None


def read_queue_log(path: Path, queue: str, since: float = 0.0) -> Account:
    """The account of one queue from a log file; lines before `since` (epoch, seconds) are passed over."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return account(lines, queue, since)


def account(lines: Iterable[str], queue: str, since: float = 0.0) -> Account:
    """The account of one queue. A line that is not a queue_log line is passed over."""
    result = Account()
    for order, line in enumerate(lines):
        parts = line.rstrip("\n").split("|")
        if len(parts) < 5 or parts[2] != queue or not parts[0].isdigit() or int(parts[0]) < since:
            continue
        _apply(result, order, int(parts[0]), parts)
    return result


def _apply(result: Account, order: int, at: int, parts: list[str]) -> None:
    call_id, member, event, details = parts[1], parts[3], parts[4], parts[5:]
    if event == "ENTERQUEUE":
        # The same id enters again when a lost leg brought the caller back: the first entry is the place.
        result.calls.setdefault(call_id, LoggedCall(call_id, at, order, details[1] if len(details) > 1 else ""))
        return
    call = result.calls.get(call_id)
    if call is None:
        return
    if event == "CONNECT":
        call.answers += 1
        if call.answered_at is None:
            call.answered_at, call.answered_by = at, member
            call.wait_s = _whole(details, 0)
            call.rung_at = at - _whole(details, 2)
    elif event == "RINGNOANSWER" and call.answered_at is None:
        call.failed_rings.append((at - _whole(details, 0) / 1000, at))  # Milliseconds, here alone.
    elif event in ("COMPLETEAGENT", "COMPLETECALLER"):
        call.talk_s += _whole(details, 1)
    elif event in ("ABANDON", "EXITWITHKEY", "EXITWITHTIMEOUT", "EXITEMPTY", "WITHDRAW") and call.answered_at is None:
        call.left, call.left_at = event, at
        call.wait_s = at - call.entered_at


def _whole(details: list[str], place: int) -> int:
    text = details[place] if place < len(details) else ""
    return int(text) if text.isdigit() else 0
