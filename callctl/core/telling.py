"""What the policy did, told by city, each with its reason: once, and in one line for all seats of one reason."""

from collections import Counter
from collections.abc import Mapping
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
        new: Counter[str] = Counter()
        for (code, what), seats in self._seats.items():
            some = told.setdefault(code, [])
            known = [each.seat for each in some if replace(each, at=now, seat="") == what]
            untold = [seat for seat in seats if not any(seat in each.split(AND) for each in known)]
            if untold or not (seats or known):
                some.insert(0, replace(what, seat=AND.join(untold)))
                new[code] += 1
        return {code: tuple(some[: max(TOLD_MOST, new[code])]) for code, some in told.items() if some}
