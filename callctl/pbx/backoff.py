"""How long a link waits before it tries again: longer each time, and never in step with the other cities' links."""

from collections.abc import Callable


class Backoff:
    """The waits of one link, in seconds."""

    def __init__(self, first_s: float, most_s: float, rng: Callable[[], float]) -> None:
        """`rng` gives 0 to 1; each wait lies between half and the whole of what is due."""
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng
        self._due_s = first_s

    def after(self, lasted_s: float) -> float:
        """The wait after a connection that lasted so long. One that lasted shows that the trouble is over."""
        if lasted_s > self._most_s:
            self._due_s = self._first_s
        due_s, self._due_s = self._due_s, min(self._due_s * 2, self._most_s)
        return due_s * (0.5 + self._rng() / 2)

    def after_refusal(self) -> float:
        """The wait after a refused login: no password gets right by asking again soon."""
        self._due_s = self._most_s
        return self._most_s * (0.5 + self._rng() / 2)
