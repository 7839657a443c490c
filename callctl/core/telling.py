"""What the policy did, told by city, each with its reason: once, and in one line for all seats of one reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from callctl.core.reasons import Decision, Did, Why

Told = Mapping[str, tuple[Decision, ...]]  # By city, the newest first.

TOLD_S = 60.0  # What was done is shown so long.
TOLD_MOST = 8  # And so many things a city, the latest; never fewer than the last plan did.
AND = "、"  # Between the seats of one line.


class Telling:
    """What one plan does."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._seats: dict[tuple[str, Decision], list[str]] = {}

    def tell(self, city: str, did: Did, why: Why, assisted: str = "", *seats: str) -> None:
        """Something was done by or for a city; to these seats of it, where it is about seats."""
        self._seats.setdefault((city, Decision(did, why, self._now, assisted=assisted)), []).extend(seats)

    def lately(self, before: Told) -> Told:
        """With what was told before. The same is told once, although a slow PBX has still to do it."""
        now = self._now
        if not self._seats and all(now - some[-1].at < TOLD_S for some in before.values()):
            return before
        told = {code: [each for each in some if now - each.at < TOLD_S] for code, some in before.items()}
        said = Counter(code for code, _ in self._seats)
        for (code, what), seats in self._seats.items():
            some = told.setdefault(code, [])
            untold = [seat for seat in seats or [""] if not _known(some, what, seat, now)]
            if untold:
                some.insert(0, replace(what, seat=AND.join(untold)))
        return {code: tuple(some[: max(TOLD_MOST, said[code])]) for code, some in told.items() if some}


def _known(told: Sequence[Decision], what: Decision, seat: str, now: float) -> bool:
    """Whether the last that was told of this seat (of "": of the city) is just this."""
    if not seat:
        return any(replace(each, at=now) == what for each in told)
    last = next((each for each in told if each.assisted == what.assisted and seat in each.seat.split(AND)), None)
    return last is not None and replace(last, at=now, seat="") == what
